"""Training examples from sound files: pairs of noisy and clean speech, or speech and noise."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.audio import read, resample
from arrayenh.errors import AudioError, ConfigError
from arrayenh.scenes.chance import draw_value
from arrayenh.scenes.coloured import coloured_noise
from arrayenh.scenes.signals import looped, sounding_start
from arrayenh.scenes.voices import speaker_of
from arrayenh.training.data.examples import RATE, Example, Finish
from arrayenh.training.data.layouts import VOICEBANK, check_whole, files_in, reader
from arrayenh.training.data.splits import parted

KEPT = 1 << 30  # bytes: largest cache of sound files per process
FULL_SCALE = 32767
FILE_ID = re.compile(r"fileid_(\d+)$")
TEST = "test"  # in the name of a folder that is not used


class Sounds:
    """Cache of mono files at 16 kHz, as 16-bit samples with their own scale.

    Parameters
    ----------
    memory : int
        Size in bytes; the least recently used file is removed first.
    """

    def __init__(self, memory: int = KEPT) -> None:
        self._free = memory
        self._kept: OrderedDict[Path, tuple[np.ndarray, np.float32]] = OrderedDict()

    def samples(self, path: Path) -> np.ndarray:
        """Load the first channel of a file, float32, shape (N,)."""
        if path not in self._kept:
            self._keep(path)
        self._kept.move_to_end(path)
        samples, scale = self._kept[path]
        return samples * scale

    def _keep(self, path: Path) -> None:
        recording = read(path, channels=[0])
        blocks = resample(recording.blocks(), 1, recording.sample_rate, RATE)
        samples = np.concatenate(list(blocks), axis=1)[0]
        scale = np.float32((np.abs(samples).max(initial=0.0) or 1.0) / FULL_SCALE)
        self._kept[path] = np.round(samples / scale).astype(np.int16), scale
        self._free -= self._kept[path][0].nbytes
        while self._free < 0 and len(self._kept) > 1:
            _, (old, _) = self._kept.popitem(last=False)
            self._free += old.nbytes


@dataclass(frozen=True, slots=True)
class Pair:
    """A noisy file and its clean file."""

    noisy: Path
    clean: Path


def find_pairs(root: Path, part: str) -> tuple[Pair, ...]:
    """Find the pairs of a folder that belong to the part "train" or "dev".

    The folders are either noisy and clean, split 80 : 10 : 10 by speaker (the test part is not
    used), or noisy_* and clean_*, as in VoiceBank+DEMAND: those with "test" in their name are
    ignored, the others are split 90 : 10. With a single speaker, the files are split.

    Raises
    ------
    ConfigError
        If there are no such folders, or a noisy file has no clean file.
    """
    folders = [path for path in sorted(root.glob("noisy*")) if path.is_dir()]
    if not folders:
        raise ConfigError(
            f"{root} has no folder noisy or noisy_...; VoiceBank+DEMAND has such folders: "
            f"{VOICEBANK}"
        )
    judged = any(TEST in path.name for path in folders)
    found: dict[str, list[Pair]] = {}
    for folder in folders:
        if TEST not in folder.name:
            for who, pair in pairs_of(folder):
                found.setdefault(who, []).append(pair)
    if len(found) == 1:
        found = {pair.noisy.stem: [pair] for (pairs,) in [found.values()] for pair in pairs}
    chosen = parted(found, judged)[part]
    pairs = tuple(pair for who in sorted(chosen) for pair in found[who])
    if not pairs:
        raise ConfigError(f"{root} has no pairs for the part {part!r}: it needs more speakers")
    return pairs


def pairs_of(folder: Path) -> list[tuple[str, Pair]]:
    """Find speakers and pairs of one noisy folder."""
    beside = folder.with_name(f"clean{folder.name.removeprefix('noisy')}")
    if not beside.is_dir():
        raise ConfigError(
            f"{folder} has no clean speech: there is no folder {beside}; VoiceBank+DEMAND has "
            f"its own archive for each: {VOICEBANK}"
        )
    by_number = {number: path for path in files_in(beside) if (number := numbered(path))}
    found, used = [], set()
    for path in files_in(folder):
        clean = by_number.get(numbered(path) or "", beside / path.relative_to(folder))
        if not clean.is_file():
            raise ConfigError(f"{path} has no clean speech: {clean} does not exist")
        who = speaker_of(path, folder) if clean.name == path.name else reader(path)
        found.append((who, Pair(path, clean)))
        used.add(clean)
    alone = sorted(str(path) for path in files_in(beside) if path not in used)
    if alone and not by_number:
        check_whole(folder, [Path(path).name for path in alone], "noisy files", VOICEBANK)
    return found


def numbered(path: Path) -> str | None:
    """File number that links the files of a DNS-Challenge pair, ..._fileid_7.wav."""
    found = FILE_ID.search(path.stem)
    return found.group(1) if found else None


class PairExamples:
    """Excerpts of pairs.

    Parameters
    ----------
    pairs : sequence of Pair
    finish : Finish
    """

    def __init__(self, pairs: Sequence[Pair], finish: Finish) -> None:
        self._pairs, self._finish, self._sounds = pairs, finish, Sounds()

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._pairs)

    def example(self, k: int, rng: np.random.Generator) -> Example:
        """Draw inputs (1, N) and target (N,) from pair `k`."""
        pair = self._pairs[k]
        noisy, clean = self._sounds.samples(pair.noisy), self._sounds.samples(pair.clean)
        if len(noisy) != len(clean):
            raise AudioError(f"{pair.noisy} and {pair.clean} have different lengths")
        speed, n = self._finish.speed(rng)
        place = random_place(len(clean), n, rng)
        inputs = self._finish.faulty(cut(noisy, place, n)[None], rng)
        inputs, target = self._finish.finished(inputs, cut(clean, place, n), speed, rng)
        return {"inputs": inputs, "target": target}


class MixtureExamples:
    """Excerpts of speech and noise of a corpus, mixed at one microphone.

    Parameters
    ----------
    speech : sequence of Path
    noise : sequence of Path, or str
        Noise files, or a colour, one of `COLOURS`.
    snr_db : float or table of a random value
        Ratio of powers over the excerpt.
    finish : Finish
    """

    def __init__(
        self, speech: Sequence[Path], noise: Sequence[Path] | str, snr_db: Any, finish: Finish
    ) -> None:
        self._speech, self._noise = speech, noise
        self._snr_db, self._finish, self._sounds = snr_db, finish, Sounds()

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self._speech)

    def example(self, k: int, rng: np.random.Generator) -> Example:
        """Draw inputs (1, N) and target (N,) from utterance `k`."""
        speed, n = self._finish.speed(rng)
        speech = self._sounds.samples(self._speech[k])
        speech = cut(speech, random_place(len(speech), n, rng), n)
        noise = self._noise_of(n, rng)
        gain = noise_gain(speech, noise, draw_value(self._snr_db, rng))
        inputs = self._finish.faulty((speech + gain * noise)[None], rng)
        inputs, target = self._finish.finished(inputs, speech, speed, rng)
        return {"inputs": inputs, "target": target}

    def _noise_of(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `n` samples of noise, shape (n,)."""
        if isinstance(self._noise, str):
            return coloured_noise(rng, n, RATE, self._noise).astype(np.float32)
        noise = self._sounds.samples(self._noise[int(rng.integers(len(self._noise)))])
        return looped(noise, sounding_start(rng, noise, n), n) if np.any(noise) else noise


def noise_gain(speech: np.ndarray, noise: np.ndarray, snr_db: float) -> np.float32:
    """Gain of the noise for an SNR; 1 if speech or noise is silent."""
    powers = [float(np.mean(np.square(x, dtype=np.float64))) for x in (speech, noise)]
    if min(powers) == 0:
        return np.float32(1)
    return np.float32(np.sqrt(powers[0] / powers[1]) * 10 ** (-snr_db / 20))


def random_place(length: int, n: int, rng: np.random.Generator) -> int:
    """Random start of an excerpt of `n` samples; negative for a shorter signal."""
    return int(rng.integers(min(length - n, 0), max(length - n, 0) + 1))


def cut(samples: np.ndarray, start: int, n: int) -> np.ndarray:
    """Cut `n` samples from `start`, which may be negative, zero-padded; (N,) -> (n,)."""
    part = samples[max(start, 0) : start + n]
    before = max(-start, 0)
    return np.pad(part, (before, n - before - len(part)))
