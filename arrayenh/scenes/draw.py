"""From a recipe to a scene: values drawn, array and sources placed, voices chosen.

Scene `index` of a `seed` depends on nothing else: not on the scenes before it, nor on how
many there are.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from glob import glob
from itertools import combinations, cycle

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.geometry import load_array
from arrayenh.scenes import imperfections
from arrayenh.scenes.chance import left_to_chance
from arrayenh.scenes.motion import Path
from arrayenh.scenes.recipe import Recipe, leaves
from arrayenh.scenes.rooms import Measured, Room, Simulated
from arrayenh.scenes.scene import Noise, PlacedArray, Point, Scene, Talker
from arrayenh.scenes.signals import (
    MADE,
    Clip,
    Signal,
    load_file,
    sounding_start,
)
from arrayenh.scenes.spec import ArraySpec, NoiseSpec, SceneSpec, TalkerSpec, WalkSpec
from arrayenh.scenes.voices import SoundFile, find_sounds, find_voices

PLACINGS, REDRAWN, IMPOSSIBLE = 100, 20, 5
"""Places for one room, rooms, and how many rooms that cannot be end the search."""

GAP_S = 0.15  # between the utterances of one talker
WALL_GAP = 0.2  # metres, between a source of a "walls" noise and its wall
THINGS, PLACES, SOUND = 0, 1, 2  # streams of random numbers


class Misfit(SceneError):
    """What was drawn does not fit into the room; another draw may."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is; shapes (3,), and for each talker and noise its points."""

    array: PlacedArray
    talkers: tuple[tuple[Point, Path | None], ...]
    noises: tuple[tuple[Point, ...], ...]


def draw_scene(recipe: Recipe, index: int, seed: int = 0, n_rooms: int | None = None) -> Scene:
    """Scene `index` of the set that `recipe` and `seed` name.

    Parameters
    ----------
    recipe : Recipe
    index : int
    seed : int
    n_rooms : int, optional
        The set has so many geometries only, used in turn: scenes whose indices differ by a
        multiple share room, array and positions, and so their impulse responses.

    Returns
    -------
    scene : Scene

    Raises
    ------
    SceneError
        If no draw fits into its room, or there is not enough speech.
    """
    room_index = index if n_rooms is None else index % n_rooms
    spec, places = fitting(recipe, [seed, room_index], [seed, index, SOUND])
    return choose_sounds(spec, places, np.random.default_rng([seed, index, SOUND, 1]))


def fitting(recipe: Recipe, geometry: list[int], sound: list[int]) -> tuple[SceneSpec, Places]:
    """Values and places that go together, from seeds of the geometry and of the sound.

    Places are drawn again until they fit, and only if none does, the room and the distances
    too: small rooms and many sources, which are harder to place, do not become rare.
    """
    problem: SceneError | None = None
    impossible = 0
    for redrawn in range(REDRAWN):
        things, places = [*geometry, THINGS, redrawn], [*geometry, PLACES, redrawn]
        where = np.random.default_rng(places)
        for _ in range(PLACINGS):
            try:
                spec = recipe.draw(
                    np.random.default_rng(things), where, np.random.default_rng(sound)
                )
                found = place(spec, where)
                spec.room.check()
                return spec, found
            except Misfit as error:
                problem = problem or error
            except SceneError as error:  # no other place will help
                problem, impossible = error, impossible + 1
                break
        if impossible == IMPOSSIBLE:
            break
    assert problem is not None
    if any(left_to_chance(value) for _, value in leaves(recipe.tree)):
        raise SceneError(f"{problem}; no draw fits") from problem
    raise problem


def place(spec: SceneSpec, rng: np.random.Generator) -> Places:
    """Put the array and the sources into the room."""
    if isinstance(spec.room, Measured):
        return place_measured(spec, rng)
    array = place_array(spec.array, spec.room, rng)
    talkers = tuple(place_talker(talker, array) for talker in spec.talkers)
    noises = tuple(place_noise(noise, array, spec.room, rng) for noise in spec.noises)
    check_apart(spec, array, talkers, noises)
    for who, point in named_points(talkers, noises):
        if not spec.room.contains(np.array(point), margin=spec.wall_distance if who else 0.0):
            where = ", ".join(f"{x:.2f}" for x in point)
            raise Misfit(
                f"{who or 'a source at the wall'} at ({where}) m is not inside the room, "
                f"{spec.room.words()}, with {spec.wall_distance:g} m to the walls"
            )
    return Places(array, talkers, noises)


def named_points(
    talkers: Iterable[tuple[Point, Path | None]], noises: Iterable[tuple[Point, ...]]
) -> Iterator[tuple[str, Point]]:
    """Every point at which something sounds; those along walls have no name."""
    for k, (position, path) in enumerate(talkers):
        for point in path.waypoints if path else (position,):
            yield ("the target" if k == 0 else f"talker {k}"), point
    for k, points in enumerate(noises):
        for point in points:
            yield (f"noise {k}" if len(points) == 1 else ""), point


def place_array(spec: ArraySpec, room: Simulated, rng: np.random.Generator) -> PlacedArray:
    """The array where it was asked for, or anywhere in the room."""
    array = load_array(spec.name).centred()
    centre = spec.position or room.anywhere(rng, spec.clearance, spec.height)
    faults = imperfections.draw(spec.imperfections, array.n_mics, rng)
    placed = PlacedArray(
        name=spec.name,
        positions=points(array.positions),
        centre=as_point(centre),
        azimuth_deg=spec.azimuth_deg,
        tilt_deg=spec.tilt_deg,
        directivity=spec.directivity,
        facing=spec.facing,
        head=spec.head,
        faults=faults,
    )
    for m, mic in enumerate(placed.mic_positions()):
        if not room.contains(mic):
            where = ", ".join(f"{x:.2f}" for x in mic)
            raise Misfit(f"microphone {m} at ({where}) m is in a wall of the room, {room.words()}")
    return placed


def place_talker(spec: TalkerSpec, array: PlacedArray) -> tuple[Point, Path | None]:
    """Where a talker is, and where he walks."""
    start = spec.position or seen_from(array, spec.azimuth_deg, spec.distance, spec.height)
    if spec.walk is None:
        return start, None
    return start, walk_path(start, spec.walk, array, spec.height)


def walk_path(start: Point, walk: WalkSpec, array: PlacedArray, height: float) -> Path:
    """Straight from the start to where the walk leads, and there he stays."""
    end = seen_from(array, walk.azimuth_deg, walk.distance, height)
    seconds = float(np.linalg.norm(np.subtract(end, start))) / walk.speed
    if seconds == 0:
        return Path(waypoints=(start,), times=(0.0,))
    return Path(waypoints=(start, end), times=(0.0, seconds))


def seen_from(array: PlacedArray, azimuth_deg: float, distance: float, height: float) -> Point:
    """The point in that direction, at that distance and that height above the floor."""
    rise = height - array.centre[2]
    if abs(rise) > distance:
        raise Misfit(
            f"{distance:g} m from the array no point is {height:g} m high: the array's height "
            f"is {array.centre[2]:g} m"
        )
    across = np.sqrt(distance**2 - rise**2)
    azimuth = np.deg2rad(array.azimuth_deg + azimuth_deg)
    x, y = array.centre[0] + across * np.cos(azimuth), array.centre[1] + across * np.sin(azimuth)
    return float(x), float(y), float(height)


def place_noise(
    spec: NoiseSpec, array: PlacedArray, room: Simulated, rng: np.random.Generator
) -> tuple[Point, ...]:
    """Where a noise comes from; nothing for fields."""
    if spec.kind == "point":
        asked = spec.position
        return (asked or seen_from(array, spec.azimuth_deg, spec.distance, spec.height),)
    if spec.kind == "walls":
        return points(room.along_walls(rng, spec.sources, WALL_GAP))
    return ()


def place_measured(spec: SceneSpec, rng: np.random.Generator) -> Places:
    """In a measured room nothing has a place; the array stands for its own origin."""
    array = load_array(spec.array.name).centred()
    if any(talker.walk for talker in spec.talkers):
        raise SceneError("nobody can walk in a measured room; leave out walk")
    if any(noise.kind == "walls" for noise in spec.noises):
        raise SceneError("a measured room has no walls to put noise along; use kind = 'diffuse'")
    faults = imperfections.draw(spec.array.imperfections, array.n_mics, rng)
    placed = PlacedArray(
        name=spec.array.name,
        positions=points(array.positions),
        centre=(0.0, 0.0, 0.0),
        faults=faults,
    )
    nowhere = (0.0, 0.0, 0.0)
    return Places(
        placed,
        tuple((nowhere, None) for _ in spec.talkers),
        tuple((nowhere,) if noise.kind == "point" else () for noise in spec.noises),
    )


def check_apart(
    spec: SceneSpec,
    array: PlacedArray,
    talkers: Iterable[tuple[Point, Path | None]],
    noises: Iterable[tuple[Point, ...]],
) -> None:
    """Refuse talkers and point noises whose directions are too near each other."""
    if not spec.separation_deg:
        return
    single = [point for point, _ in talkers] + [at[0] for at in noises if len(at) == 1]
    azimuths = [array.direction_of(np.array(point))[0] for point in single]
    for one, other in combinations(azimuths, 2):
        gap = abs((one - other + 180) % 360 - 180)
        if gap < spec.separation_deg:
            raise Misfit(
                f"two sources are {gap:.0f} degrees apart, less than separation_deg = "
                f"{spec.separation_deg:g}"
            )


def choose_sounds(spec: SceneSpec, places: Places, rng: np.random.Generator) -> Scene:
    """Give everybody something to say."""
    rate, n_samples = spec.sample_rate, round(spec.seconds * spec.sample_rate)
    turns = take_turns(spec, len(spec.talkers))
    talkers, taken = [], list[str]()
    for talker, (position, path), turn in zip(spec.talkers, places.talkers, turns, strict=True):
        speaker, signal = draw_speech(talker.speech, turn, rate, taken, rng)
        taken.append(speaker)
        talkers.append(
            Talker(
                speaker=speaker,
                signal=signal,
                position=position,
                path=path,
                level_db=talker.level_db,
            )
        )
    noises = tuple(
        choose_noise(noise, at, places.array, n_samples, rate, taken, rng)
        for noise, at in zip(spec.noises, places.noises, strict=True)
    )
    return Scene(
        room=choose_responses(spec, rng),
        array=places.array,
        talkers=tuple(talkers),
        noises=noises,
        n_samples=n_samples,
        sample_rate=rate,
        snr_db=spec.snr_db,
        snr_over=spec.snr_over,
        level_dbfs=spec.level_dbfs,
        sensor_noise_db=spec.sensor_noise_db,
        early_ms=spec.early_ms,
        seed=int(rng.integers(2**31)),
    )


def take_turns(spec: SceneSpec, n_talkers: int) -> list[tuple[int, int]]:
    """First and last sample of each talker's speech, equal turns that overlap."""
    start, stop = spec.lead_in, spec.seconds - spec.tail
    if stop - start < 0.1:
        raise SceneError(
            f"seconds = {spec.seconds:g} leaves no time to speak between lead_in = "
            f"{spec.lead_in:g} and tail = {spec.tail:g}"
        )
    step = 1 - spec.overlap
    length = (stop - start) / (1 + (n_talkers - 1) * step)
    rate = spec.sample_rate
    return [
        (round((start + k * step * length) * rate), round((start + (k * step + 1) * length) * rate))
        for k in range(n_talkers)
    ]


def draw_speech(
    folder: str, turn: tuple[int, int], rate: int, taken: list[str], rng: np.random.Generator
) -> tuple[str, Signal]:
    """A speaker, and utterances one after the other that fill a turn."""
    begin, end = turn
    speaker, sounds = find_voices(folder).draw(rng, (end - begin) / rate, taken)
    available = -round(GAP_S * rate)
    chosen: list[tuple[SoundFile, int]] = []
    for sound in sounds:
        chosen.append((sound, int(sound.seconds * rate)))
        available += chosen[-1][1] + round(GAP_S * rate)
        if available >= end - begin:
            break
    skip = int(rng.integers(max(1, available - (end - begin) + 1)))
    clips, at = [], begin - skip
    for sound, n in chosen:
        first, last = max(begin - at, 0), min(end - at, n)
        if last > first:
            clips.append(Clip(file=sound.file, start=first, stop=last, at=at + first))
        at += n + round(GAP_S * rate)
    return speaker, Signal(kind="clips", clips=tuple(clips))


def choose_noise(
    spec: NoiseSpec,
    at: tuple[Point, ...],
    array: PlacedArray,
    n_samples: int,
    rate: int,
    taken: list[str],
    rng: np.random.Generator,
) -> Noise:
    """A noise with its signals."""
    n_signals = array.n_mics if spec.kind == "diffuse" else len(at)
    signals = tuple(choose_signal(spec, n_samples, rate, taken, rng) for _ in range(n_signals))
    if spec.kind == "diffuse" or spec.kind == "walls":
        signals = tuple(same_file(signals, rate, n_samples, rng))
    return Noise(
        kind=spec.kind,
        level_db=spec.level_db,
        positions=at,
        signals=signals,
        field=spec.field,
        speed=spec.speed,
        seed=int(rng.integers(2**31)),
    )


def choose_signal(
    spec: NoiseSpec, n_samples: int, rate: int, taken: list[str], rng: np.random.Generator
) -> Signal:
    """What one source of a noise sounds like."""
    if spec.signal in MADE:
        return Signal(kind=spec.signal, seed=int(rng.integers(2**31)))  # type: ignore[arg-type]
    if spec.signal == "babble":
        return draw_babble(spec, taken, rng)
    sounds = find_sounds(spec.signal)
    sound = sounds[int(rng.integers(len(sounds)))]
    start = sounding_start(rng, load_file(sound.file, rate), n_samples)
    return Signal(kind="loop", clips=(Clip(file=sound.file, start=start),))


def same_file(
    signals: tuple[Signal, ...], rate: int, n_samples: int, rng: np.random.Generator
) -> Iterator[Signal]:
    """One ambience all around: the file of the first signal, from other places."""
    for k, signal in enumerate(signals):
        if signal.kind != "loop" or k == 0:
            yield signal
            continue
        file = signals[0].clips[0].file
        start = sounding_start(rng, load_file(file, rate), n_samples)
        yield Signal(kind="loop", clips=(Clip(file=file, start=start),))


def draw_babble(spec: NoiseSpec, taken: list[str], rng: np.random.Generator) -> Signal:
    """Voices of others than the talkers, as far as there are others."""
    speakers = find_voices(spec.speech).speakers
    free = [who for who in sorted(speakers) if who not in taken] or sorted(speakers)
    order = cycle(free[k] for k in rng.permutation(len(free)))
    clips = []
    for who in (next(order) for _ in range(spec.voices)):
        sound = speakers[who][int(rng.integers(len(speakers[who])))]
        clips.append(Clip(file=sound.file))
    return Signal(kind="babble", clips=tuple(clips), seed=int(rng.integers(2**31)))


def choose_responses(spec: SceneSpec, rng: np.random.Generator) -> Room:
    """A measured room with a file for each talker and point noise; other rooms as they are."""
    room = spec.room
    if not isinstance(room, Measured) or room.files:
        return room
    found = (
        sorted(glob(room.responses)) if "*" in room.responses else list_responses(room.responses)
    )
    n_sources = len(spec.talkers) + sum(noise.kind == "point" for noise in spec.noises)
    if not found:
        raise SceneError(f"there are no impulse responses {room.responses}")
    order = cycle(rng.permutation(len(found)))
    return replace(room, files=tuple(found[int(next(order))] for _ in range(n_sources)))


def list_responses(path: str) -> list[str]:
    """The file, or the sound and SOFA files of the folder."""
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        return []
    kinds = (".wav", ".flac", ".sofa")
    return sorted(
        os.path.join(path, name) for name in os.listdir(path) if name.lower().endswith(kinds)
    )


def as_point(values: Iterable[float]) -> Point:
    """Three plain floats."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def points(values: np.ndarray) -> tuple[Point, ...]:
    """Plain floats of shape (n, 3)."""
    return tuple(as_point(row) for row in values)
