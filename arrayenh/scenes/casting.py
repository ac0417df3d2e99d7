"""Random choice of the speakers, noise signals and measured responses of a scene."""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.files import matching
from arrayenh.scenes.placing import Places
from arrayenh.scenes.rooms import Measured, Room
from arrayenh.scenes.scene import Noise, PlacedArray, Point, Scene, Talker
from arrayenh.scenes.signals import MADE, Clip, Signal, load_file, sounding_start
from arrayenh.scenes.sofa import read_sofa
from arrayenh.scenes.spec import NoiseSpec, SceneSpec
from arrayenh.scenes.voices import SoundFile, Voices, find_sounds, find_voices

GAP_S = 0.15  # between the utterances of one talker


def choose_sounds(spec: SceneSpec, places: Places, rng: np.random.Generator) -> Scene:
    """Choose the signals of all talkers and noises of a placed scene."""
    rate, n_samples = spec.sample_rate, round(spec.seconds * spec.sample_rate)
    turns = take_turns(spec, len(spec.talkers))
    talkers, taken = [], list[str]()
    for talker, (position, path), turn in zip(spec.talkers, places.talkers, turns, strict=True):
        draw = whole_speech if talker.whole else draw_speech
        speaker, signal = draw(talker.speech, turn, rate, taken, rng)
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
        for noise, at in zip(levelled(spec.noises), places.noises, strict=True)
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
    """First and last sample of each talker's turn; turns are equally long and may overlap."""
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
    """Choose a speaker and enough consecutive utterances to fill a turn."""
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


def whole_speech(
    folder: str, turn: tuple[int, int], rate: int, taken: list[str], rng: np.random.Generator
) -> tuple[str, Signal]:
    """Choose a speaker and as many whole utterances as fit into a turn, from its start.

    Raises
    ------
    SceneError
        If no speaker has an utterance that fits into the turn.
    """
    begin, end = turn
    voices = find_voices(folder)
    short = {
        who: fitting
        for who, files in voices.speakers.items()
        if (fitting := tuple(file for file in files if file.seconds * rate <= end - begin))
    }
    if not short:
        raise SceneError(
            f"{folder} has no utterance of {(end - begin) / rate:.1f} s or less; ask for longer "
            f"scenes (seconds)"
        )
    speaker, sounds = Voices(folder, short).draw(rng, 0.0, taken)
    clips, at = [], begin
    for sound in sounds:
        n = int(sound.seconds * rate)
        if at + n <= end:
            clips.append(Clip(file=sound.file, stop=n, at=at))
            at += n + round(GAP_S * rate)
    return speaker, Signal(kind="clips", clips=tuple(clips))


def levelled(noises: tuple[NoiseSpec, ...]) -> Iterator[NoiseSpec]:
    """Noise specifications with all levels relative to the same reference."""
    points = [10 ** (noise.level_db / 10) for noise in noises if noise.kind == "point"]
    for noise in noises:
        if noise.level_over == "points" and points:
            over = float(noise.level_db + 10 * np.log10(sum(points)))
            yield replace(noise, level_db=over, level_over="reference")
        else:
            yield noise


def choose_noise(
    spec: NoiseSpec,
    at: tuple[Point, ...],
    array: PlacedArray,
    n_samples: int,
    rate: int,
    taken: list[str],
    rng: np.random.Generator,
) -> Noise:
    """Choose the signals of one noise."""
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
    """Choose the signal of one source of a noise."""
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
    """Signals from the file of the first one at other start samples: one ambience all around."""
    for k, signal in enumerate(signals):
        if signal.kind != "loop" or k == 0:
            yield signal
            continue
        file = signals[0].clips[0].file
        start = sounding_start(rng, load_file(file, rate), n_samples)
        yield Signal(kind="loop", clips=(Clip(file=file, start=start),))


def draw_babble(spec: NoiseSpec, taken: list[str], rng: np.random.Generator) -> Signal:
    """Choose babble voices, preferably of speakers that are not talkers of the scene."""
    speakers = find_voices(spec.speech).speakers
    free = [who for who in sorted(speakers) if who not in taken] or sorted(speakers)
    order = cycle(free[k] for k in rng.permutation(len(free)))
    clips = []
    for who in (next(order) for _ in range(spec.voices)):
        sound = speakers[who][int(rng.integers(len(speakers[who])))]
        clips.append(Clip(file=sound.file))
    return Signal(kind="babble", clips=tuple(clips), seed=int(rng.integers(2**31)))


def choose_responses(spec: SceneSpec, rng: np.random.Generator) -> Room:
    """Choose a file of a measured room for each talker and point noise; keep other rooms."""
    room = spec.room
    if not isinstance(room, Measured) or room.files:
        return room
    found = list_responses(room.responses)
    n_sources = len(spec.talkers) + sum(noise.kind == "point" for noise in spec.noises)
    if not found:
        raise SceneError(f"no impulse responses found at {room.responses}")
    order = cycle(rng.permutation(len(found)))
    return replace(room, files=tuple(found[int(next(order))] for _ in range(n_sources)))


def list_responses(path: str) -> list[str]:
    """List the sound and SOFA files of a path: one file, a folder or a glob pattern."""
    if os.path.isdir(path):
        kinds = (".wav", ".flac", ".sofa")
        found = [
            os.path.join(path, name)
            for name in sorted(os.listdir(path))
            if name.lower().endswith(kinds) and not name.startswith(".")
        ]
    else:
        found = list(map(str, matching(path)))
    return [entry for file in found for entry in measurements(file)]


def measurements(file: str) -> list[str]:
    """Names of the measurements in a file: "name.sofa:k" for SOFA, else the file itself."""
    if not file.lower().endswith(".sofa"):
        return [file]
    return [f"{file}:{k}" for k in range(len(read_sofa(file).responses))]
