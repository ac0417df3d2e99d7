"""The standard scenes, on which every quality table of the project is measured.

Drawn from one seed, so that anyone with the same data has the same scenes:

    python benchmarks/standard_scenes.py --data ROOT --split valid -n 32 --seed 0 -o DIR

Arrays and SNR go in turn; room, positions, talkers and noises are drawn.  One ``.npz``
for each scene: `mixture`, `target_image`, `early_image`, `noise_image`, all float32
(M, N), and `meta`, a JSON string.
"""

import argparse
import csv
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from arrayenh.audio import read
from arrayenh.errors import SceneError
from arrayenh.geometry import load_array
from arrayenh.scenes.render import Rendered, render
from arrayenh.scenes.scene import Room, Scene

SAMPLE_RATE = 16000
ARRAYS = ("linear4-35mm", "circular4-35mm", "circular6-46mm", "linear2-12mm")
SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
HEARING_AID = "linear2-12mm"
LEAD_IN_S, TAIL_S, MIN_LENGTH_S, MAX_LENGTH_S = 0.5, 0.25, 5.0, 10.0
GAP_S, FADE_S = 0.15, 0.01
N_DIFFUSE = 20
MIN_SEPARATION = np.radians(25)
WALL_DISTANCE_M = 0.3
PLACINGS = 2000
TARGET_SET = "librispeech_tc100"
TALKER_SETS = ("librispeech_tc100", "librispeech_tc5")
AMBIENCES = frozenset(
    "cafe city construction crowd fan farm fridge hair_dryer hiss home hum market "
    "night outdoor rain room shop snow_wind stationary storm street thunder traffic "
    "train tram_bus_street vacuum water waves wind".split()
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One file of the data: where it is, and whose voice or what noise it holds."""

    path: Path
    speaker: str
    seconds: float

    def read(self) -> np.ndarray:
        """Return samples (N,), scaled to a mean power of 1."""
        recording = read(self.path)
        if recording.sample_rate != SAMPLE_RATE or recording.n_mics != 1:
            raise SceneError(f"{self.path} must be mono at {SAMPLE_RATE} Hz")
        return _normalise(recording.samples[0].astype(np.float64))


@dataclass(frozen=True, slots=True)
class Material:
    """The speech and noise that one split may use."""

    targets: dict[str, list[Clip]]
    talkers: dict[str, list[Clip]]
    noises: list[Clip]
    ambiences: list[Clip]

    @classmethod
    def load(cls, root: Path, split: str) -> "Material":
        """Read ``manifest.csv`` of the data.

        Raises
        ------
        SceneError
            If the split has no speech or no noise.
        """
        with open(root / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        targets = _by_speaker(root, rows, (TARGET_SET,))
        noises = [_clip(root, row) for row in rows if row["path"].startswith("noise/")]
        noises = [clip for clip in noises if _noise_type(clip) != "babble"]
        if not targets or not noises:
            raise SceneError(f"{root}/manifest.csv has no speech or noise in '{split}'")
        return cls(
            targets={
                speaker: clips
                for speaker, clips in targets.items()
                if sum(clip.seconds for clip in clips) >= MIN_LENGTH_S - LEAD_IN_S
            },
            talkers=_by_speaker(root, rows, TALKER_SETS),
            noises=noises,
            ambiences=[clip for clip in noises if _noise_type(clip) in AMBIENCES],
        )


@dataclass(frozen=True, slots=True)
class StandardScene:
    """A rendered scene and what a table wants to know of it."""

    name: str
    rendered: Rendered
    meta: dict[str, object]

    def save(self, folder: Path) -> Path:
        """Write ``NAME.npz`` whole: temporary, then renamed."""
        path = folder / f"{self.name}.npz"
        temporary = folder / f".{self.name}.partial.npz"
        np.savez(
            temporary,
            mixture=self.rendered.mixture,
            target_image=self.rendered.target_image,
            early_image=self.rendered.early_image,
            noise_image=self.rendered.noise_image,
            meta=json.dumps(self.meta),
        )
        temporary.rename(path)
        return path


def draw_standard(index: int, seed: int, material: Material) -> StandardScene:
    """Draw and render scene `index` of the set that `seed` names.

    Scenes do not depend on one another: each has a generator seeded by both numbers.

    Parameters
    ----------
    index : int
        Chooses array and SNR: every 16 scenes have each of both pairs once.
    seed : int
    material : Material

    Returns
    -------
    StandardScene
    """
    rng = np.random.default_rng([seed, index])
    array = ARRAYS[index % 4]
    snr_db = SNRS_DB[index // 4 % 4]
    room = draw_room(rng)
    layout = draw_layout(rng, room, array)
    speaker, target = draw_target(rng, material)
    directional, talkers = draw_directional(
        rng, material, len(layout.directional), target.size, {speaker}
    )
    diffuse, field = draw_diffuse(rng, material, target.size, {speaker, *talkers})
    scene = Scene(
        room=room,
        mic_positions=layout.mics,
        target_position=layout.target,
        directional=layout.directional,
        diffuse=draw_wall_positions(rng, room),
        snr_db=snr_db,
        directional_gains_db=tuple(rng.uniform(-3, 3, len(layout.directional))),
        diffuse_to_directional_db=rng.uniform(-5, 5),
        seed=int(rng.integers(2**31)),
        sample_rate=SAMPLE_RATE,
    )
    meta: dict[str, object] = {
        "array": array,
        "snr_db": snr_db,
        "rt60": room.rt60,
        "room": room.size.tolist(),
        "target_azimuth_deg": float(np.degrees(layout.azimuth)),
        "target_distance": float(np.linalg.norm(layout.target - layout.centre)),
        "mic_positions": layout.relative_mics.tolist(),
        "has_competing_talker": bool(talkers),
        "n_directional": len(layout.directional),
        "diffuse": field,
        "speaker": speaker,
        "sample_rate": SAMPLE_RATE,
        "seed": seed,
        "index": index,
    }
    name = f"{index:03d}_{array}_{snr_db:+03.0f}dB"
    return StandardScene(name, render(scene, target, directional, diffuse), meta)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where array, target and directional sources are; metres, absolute.

    `azimuth` is the target's, in radians, counter-clockwise from the array's +x;
    `relative_mics` are the microphones in the frame of the array.
    """

    centre: np.ndarray
    mics: np.ndarray
    relative_mics: np.ndarray
    target: np.ndarray
    directional: np.ndarray
    azimuth: float


def draw_room(rng: np.random.Generator) -> Room:
    """4-8 x 3.5-7 x 2.5-3.5 m, RT60 0.2 to 0.8 s."""
    size = rng.uniform((4.0, 3.5, 2.5), (8.0, 7.0, 3.5))
    return Room(size, float(rng.uniform(0.2, 0.8)))


def draw_layout(rng: np.random.Generator, room: Room, array: str) -> Layout:
    """Array, target and 1 to 3 directional sources at least 25 degrees apart.

    Distances stay until a place for them is found, so that small rooms do not favour
    near talkers; in 2000 tries it is, unless the room has no such place.
    """
    n_directional = int(rng.integers(1, 4))
    while True:
        distances = np.array([rng.uniform(1, 3), *rng.uniform(0.8, 3.5, n_directional)])
        for _ in range(PLACINGS):
            layout = draw_placing(rng, room, array, distances)
            if layout is not None:
                return layout


def draw_placing(
    rng: np.random.Generator, room: Room, array: str, distances: np.ndarray
) -> Layout | None:
    """Array anywhere, target and sources around it; None where they do not fit."""
    centre = rng.uniform([1.4, 1.4, 0.8], [*(room.size[:2] - 1.4), 1.6])
    rotation = rng.uniform(-np.pi, np.pi)
    spread = np.radians(30) if array == HEARING_AID else np.pi
    azimuth = rng.uniform(-spread, spread)
    azimuths = np.array([azimuth, *rng.uniform(-np.pi, np.pi, distances.size - 1)])
    heights = rng.uniform(1.1, 1.9, distances.size)
    points = place(centre, azimuths + rotation, distances, heights)
    if not (well_apart(azimuths) and inside(points, room)):
        return None
    relative_mics = load_array(array).centred().positions
    return Layout(
        centre=centre,
        mics=centre + relative_mics @ turn(rotation).T,
        relative_mics=relative_mics,
        target=points[0],
        directional=points[1:],
        azimuth=float(azimuth),
    )


def place(
    centre: np.ndarray, azimuths: np.ndarray, distances: np.ndarray, heights: np.ndarray
) -> np.ndarray:
    """Points (n, 3) at distances from `centre`; NaN where the height alone is more."""
    rise = heights - centre[2]
    square = distances**2 - rise**2
    across = np.sqrt(np.where(square > 0, square, np.nan))
    x = centre[0] + across * np.cos(azimuths)
    y = centre[1] + across * np.sin(azimuths)
    return np.stack([x, y, heights], axis=1)


def inside(points: np.ndarray, room: Room) -> bool:
    """Whether all points keep 0.3 m away from the walls."""
    margin = np.minimum(points, room.size - points)
    return bool((margin > WALL_DISTANCE_M).all())


def well_apart(azimuths: np.ndarray) -> bool:
    """Whether no two directions are nearer than 25 degrees."""
    gaps = np.abs(np.angle(np.exp(1j * (azimuths[:, None] - azimuths))))
    np.fill_diagonal(gaps, np.pi)
    return bool(gaps.min() >= MIN_SEPARATION)


def turn(angle: float) -> np.ndarray:
    """Rotation matrix (3, 3) about the vertical axis, counter-clockwise."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def draw_wall_positions(rng: np.random.Generator, room: Room) -> np.ndarray:
    """20 points (20, 3) about evenly along the four walls, 0.1 to 0.3 m from them."""
    length, width, height = room.size
    inset = rng.uniform(0.1, 0.3, N_DIFFUSE)
    along = (np.arange(N_DIFFUSE) + rng.uniform(0, 1, N_DIFFUSE)) / N_DIFFUSE
    walk = along * 2 * (length + width)
    points = []
    for distance, gap in zip(walk, inset, strict=True):
        if distance < length:
            xy = (distance, gap)
        elif distance < length + width:
            xy = (length - gap, distance - length)
        elif distance < 2 * length + width:
            xy = (2 * length + width - distance, width - gap)
        else:
            xy = (gap, 2 * (length + width) - distance)
        points.append((*xy, rng.uniform(0.3, height - 0.3)))
    return np.clip(points, 0.1, room.size - 0.1)


def draw_target(rng: np.random.Generator, material: Material) -> tuple[str, np.ndarray]:
    """Draw a speaker, and 5 to 10 s of signal: silence, speech, silence."""
    speaker = str(rng.choice(sorted(material.targets)))
    seconds = rng.uniform(MIN_LENGTH_S, MAX_LENGTH_S)
    wanted = round((seconds - LEAD_IN_S - TAIL_S) * SAMPLE_RATE)
    speech = draw_speech(rng, material.targets[speaker], wanted)
    lead, tail = round(LEAD_IN_S * SAMPLE_RATE), round(TAIL_S * SAMPLE_RATE)
    return speaker, np.pad(speech, (lead, tail))


def draw_speech(rng: np.random.Generator, clips: Sequence[Clip], n_samples: int) -> np.ndarray:
    """Up to `n_samples` of one speaker: utterances in random order, with short gaps."""
    gap = np.zeros(round(GAP_S * SAMPLE_RATE))
    speech = np.zeros(0)
    for k in rng.permutation(len(clips)):
        speech = np.concatenate([speech, gap, clips[k].read()])
        if speech.size - gap.size >= n_samples:
            break
    speech = speech[gap.size :]
    start = int(rng.integers(max(1, speech.size - n_samples + 1)))
    return _fade(speech[start : start + n_samples])


def draw_directional(
    rng: np.random.Generator,
    material: Material,
    n_sources: int,
    n_samples: int,
    taken: set[str],
) -> tuple[np.ndarray, list[str]]:
    """Signals (K, N), 35 % of them talkers not in `taken`, and who these are."""
    signals, talkers = [], list[str]()
    for _ in range(n_sources):
        if rng.random() < 0.35:
            speaker, signal = _draw_talker(rng, material, n_samples, {*taken, *talkers})
            talkers.append(speaker)
        else:
            clip = material.noises[rng.integers(len(material.noises))]
            signal = _loop(rng, clip.read(), n_samples)
        signals.append(signal)
    return np.stack(signals), talkers


def draw_diffuse(
    rng: np.random.Generator, material: Material, n_samples: int, taken: set[str]
) -> tuple[np.ndarray, str]:
    """Signals (20, N): in 40 % one talker each, else one ambience in 20 places."""
    if rng.random() < 0.4:
        signals, talkers = [], set[str]()
        for _ in range(N_DIFFUSE):
            speaker, signal = _draw_talker(rng, material, n_samples, taken | talkers)
            talkers.add(speaker)
            signals.append(signal)
        return np.stack(signals), "babble"
    clip = material.ambiences[rng.integers(len(material.ambiences))]
    samples = clip.read()
    signals = [_loop(rng, samples, n_samples) for _ in range(N_DIFFUSE)]
    return np.stack(signals), clip.path.stem


def _draw_talker(
    rng: np.random.Generator, material: Material, n_samples: int, taken: set[str]
) -> tuple[str, np.ndarray]:
    speaker = str(rng.choice(sorted(set(material.talkers) - taken)))
    clips = material.talkers[speaker]
    return speaker, _loop(rng, draw_speech(rng, clips, n_samples), n_samples)


def _loop(rng: np.random.Generator, samples: np.ndarray, n_samples: int) -> np.ndarray:
    """`n_samples` from a random start, going round where the file ends; mean power 1.

    Where the part is silent (files of short events have gaps), another is drawn.
    """
    power = 0.0
    while power <= 1e-3:  # 30 dB below the file
        start = int(rng.integers(samples.size))
        part = np.resize(np.roll(samples, -start), n_samples)
        power = float(np.mean(part**2))
    return part / np.sqrt(power)


def _fade(samples: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0, 1, round(FADE_S * SAMPLE_RATE))
    faded = samples.copy()
    faded[: ramp.size] *= ramp
    faded[-ramp.size :] *= ramp[::-1]
    return faded


def _normalise(samples: np.ndarray) -> np.ndarray:
    return samples / np.sqrt(np.mean(samples**2))


def _clip(root: Path, row: dict[str, str]) -> Clip:
    return Clip(root / row["path"], row["speaker"], float(row["seconds"]))


def _noise_type(clip: Clip) -> str:
    return clip.path.name.split("__")[0]


def _by_speaker(
    root: Path, rows: list[dict[str, str]], sets: tuple[str, ...]
) -> dict[str, list[Clip]]:
    speakers: dict[str, list[Clip]] = {}
    for row in rows:
        if row["set"] in sets:
            speakers.setdefault(row["speaker"], []).append(_clip(root, row))
    return speakers


def _draw_and_save(index: int, seed: int, material: Material, folder: Path) -> Path:
    return draw_standard(index, seed, material).save(folder)


def main() -> None:
    """Render a set of standard scenes into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ARRAYENH_DATA"))
    parser.add_argument("--split", choices=("valid", "train"), default="valid")
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give the folder of the data: --data, or $ARRAYENH_DATA")
    material = Material.load(Path(args.data), args.split)
    args.output.mkdir(parents=True, exist_ok=True)
    draw = partial(_draw_and_save, seed=args.seed, material=material, folder=args.output)
    with ProcessPoolExecutor(args.jobs) as pool:
        for path in pool.map(draw, range(args.n)):
            print(path)


if __name__ == "__main__":
    main()
