"""Placement of the array and the sources in the room."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes import imperfections
from arrayenh.scenes.motion import Path
from arrayenh.scenes.rooms import Measured, Simulated
from arrayenh.scenes.scene import PlacedArray, Point
from arrayenh.scenes.spec import ArraySpec, NoiseSpec, SceneSpec, TalkerSpec, WalkSpec

WALL_GAP = 0.2  # metres, from a source of a "walls" noise to its wall


class Misfit(SceneError):
    """Error of a draw that does not fit into the room; another draw may fit."""


@dataclass(frozen=True, slots=True)
class Places:
    """Positions of the array, and of the points of each talker and noise."""

    array: PlacedArray
    talkers: tuple[tuple[Point, Path | None], ...]
    noises: tuple[tuple[Point, ...], ...]


def place(spec: SceneSpec, rng: np.random.Generator) -> Places:
    """Place the array and the sources in the room."""
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
    """Name and position of every source; sources along walls have an empty name."""
    for k, (position, path) in enumerate(talkers):
        for point in map(as_point, path.points()) if path else (position,):
            yield ("the target" if k == 0 else f"talker {k}"), point
    for k, sources in enumerate(noises):
        for point in sources:
            yield (f"noise {k}" if len(sources) == 1 else ""), point


def place_array(spec: ArraySpec, room: Simulated, rng: np.random.Generator) -> PlacedArray:
    """Place the array at its given position, or at a random one."""
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
    """Position of a talker, and the path if the talker walks."""
    start = spec.position or seen_from(array, spec.azimuth_deg, spec.distance, spec.height)
    if spec.walk is None:
        return start, None
    return start, walk_path(start, spec.walk, array, spec.height)


def walk_path(start: Point, walk: WalkSpec, array: PlacedArray, height: float) -> Path:
    """Straight path from the start to the end of the walk, where the talker stays."""
    end = seen_from(array, walk.azimuth_deg, walk.distance, height)
    seconds = float(np.linalg.norm(np.subtract(end, start))) / walk.speed
    if seconds == 0:
        return Path(waypoints=(start,), times=(0.0,))
    return Path(waypoints=(start, end), times=(0.0, seconds))


def seen_from(array: PlacedArray, azimuth_deg: float, distance: float, height: float) -> Point:
    """Point at an azimuth and distance from the array and a height above the floor."""
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
    """Positions of the sources of a noise; empty for noise fields."""
    if spec.kind == "point":
        asked = spec.position
        return (asked or seen_from(array, spec.azimuth_deg, spec.distance, spec.height),)
    if spec.kind == "walls":
        return points(room.along_walls(rng, spec.sources, WALL_GAP))
    return ()


def place_measured(spec: SceneSpec, rng: np.random.Generator) -> Places:
    """Placement in a measured room: the array is at the origin, sources have no positions."""
    array = load_array(spec.array.name).centred()
    if any(talker.walk for talker in spec.talkers):
        raise SceneError("a talker cannot walk in a measured room; leave out walk")
    if any(noise.kind == "walls" for noise in spec.noises):
        raise SceneError("a measured room has no walls for noise sources; use kind = 'diffuse'")
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
    """Raise if the directions of two talkers or point noises are too close."""
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


def as_point(values: Iterable[float]) -> Point:
    """Point as a tuple of three floats."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def points(values: np.ndarray) -> tuple[Point, ...]:
    """Points, shape (n, 3), as tuples of floats."""
    return tuple(as_point(row) for row in values)
