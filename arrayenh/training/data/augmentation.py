"""Augmentation: random channels and faults of the recordings.

A channel (band, colour, level, speed of the talker) changes the recording and its target alike,
by zero-phase filters that delay neither. A fault (clipping, coarse quantisation) changes only the
recording.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from scipy import fft

from arrayenh.audio import resample

Share = Annotated[float, Field(ge=0, le=1)]
SPEEDS = (0.9, 1.1)
EQ_DB, EQ_OCTAVES = 6.0, 1.5  # largest gain of the colour, and spacing of its knots
LOW_PASS_HZ, HIGH_PASS_HZ = (3400.0, 7500.0), (40.0, 300.0)
EDGE = 0.15  # relative width of the band edges
LEAST_HZ = 40.0  # gains are constant below, so that the filters are short
CLIPPED = (0.15, 0.8)  # threshold relative to the peak
MU, CODES = 255.0, 256  # parameters of the logarithmic quantiser
PAD_S = 0.1  # zero padding for the filters
LEVELS_DBFS = (-45.0, -15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """Probabilities of the augmentations of an example.

    Attributes
    ----------
    speed : float
        Speed changed by up to 10 %, including the pitch and the room.
    eq : float
        Random equaliser of up to ± 6 dB.
    band : float
        Band limited: high-pass at 40 to 300 Hz, low-pass at 3.4 to 7.5 kHz, or both.
    clipping : float
        Clipped at 15 to 80 % of the peak.
    codec : float
        Quantised logarithmically to 8 bits, as in telephony (ITU-T G.711, μ-law).
    """

    speed: Share = 0.2
    eq: Share = 0.3
    band: Share = 0.1
    clipping: Share = 0.05
    codec: Share = 0.03

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


NONE = Augmentation(speed=0, eq=0, band=0, clipping=0, codec=0)


def faulty(mixture: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Apply random faults to microphone signals, shape (K, N)."""
    clipping, codec = rng.random(2) < (augmentation.clipping, augmentation.codec)
    threshold = rng.uniform(*CLIPPED)
    if clipping:
        mixture = clipped(mixture, threshold)
    return quantised(mixture) if codec else mixture


def clipped(mixture: np.ndarray, threshold: float) -> np.ndarray:
    """Clip at a fraction of the peak of all microphones."""
    most = threshold * np.abs(mixture).max(initial=0.0)
    return np.clip(mixture, -most, most)


def quantised(mixture: np.ndarray) -> np.ndarray:
    """Quantise logarithmically, full scale at the peak.

    F(x) = sgn(x) ln(1 + μ|x|) / ln(1 + μ), rounded to 8 bits
    """
    peak = np.abs(mixture).max(initial=0.0)
    if peak == 0:
        return mixture
    levels = np.log1p(MU * np.abs(mixture / peak)) / np.log1p(MU)
    levels = np.round(levels * (CODES / 2 - 1)) / (CODES / 2 - 1)
    return (np.sign(mixture) * peak * np.expm1(levels * np.log1p(MU)) / MU).astype(np.float32)


def drawn_speed(augmentation: Augmentation, rng: np.random.Generator) -> float:
    """Draw the speed factor of an example."""
    changed, speed = rng.random() < augmentation.speed, rng.uniform(*SPEEDS)
    return speed if changed else 1.0


def samples_needed(n_samples: int, speed: float) -> int:
    """Number of input samples for `n_samples` after the change of speed."""
    return int(np.ceil(n_samples * speed)) + (speed != 1)


def played(signals: np.ndarray, speed: float, sample_rate: int, n_samples: int) -> np.ndarray:
    """Change the speed of signals, shape (C, N) -> (C, n_samples)."""
    if speed == 1:
        return signals[:, :n_samples]
    blocks = resample(iter([signals]), len(signals), round(sample_rate * speed), sample_rate)
    faster = np.concatenate(list(blocks), axis=1)[:, :n_samples]
    return np.pad(faster, ((0, 0), (0, n_samples - faster.shape[1])))


def through_channel(
    signals: np.ndarray, augmentation: Augmentation, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Apply one random channel to the signals of a recording, shape (C, N)."""
    colour, band = rng.random(2) < (augmentation.eq, augmentation.band)
    if not (colour or band):
        return signals
    n_samples = signals.shape[1]
    n_fft = fft.next_fast_len(n_samples + round(PAD_S * sample_rate), real=True)
    freqs = fft.rfftfreq(n_fft, 1 / sample_rate)
    gain = np.ones(len(freqs))
    if colour:
        gain *= colour_gain(freqs, rng)
    if band:
        gain *= band_gain(freqs, rng)
    spectra = fft.rfft(signals, n_fft)
    spectra *= gain.astype(np.float32)
    return fft.irfft(spectra, n_fft, overwrite_x=True)[:, :n_samples]


def colour_gain(freqs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random smooth gain with knots 1.5 octaves apart."""
    octaves = np.log2(np.maximum(freqs, LEAST_HZ) / LEAST_HZ)
    knots = np.arange(0, octaves[-1] + EQ_OCTAVES, EQ_OCTAVES)
    gains_db = rng.uniform(-EQ_DB, EQ_DB, len(knots))
    place = octaves / EQ_OCTAVES
    below = np.minimum(place.astype(int), len(knots) - 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (place - below))
    return 10 ** ((gains_db[below] * (1 - rise) + gains_db[below + 1] * rise) / 20)


def band_gain(freqs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random band-limiting gain at one or both ends, with raised-cosine edges."""
    ends = int(rng.integers(3))
    low, high = rng.uniform(*HIGH_PASS_HZ), rng.uniform(*LOW_PASS_HZ)
    gain = np.ones(len(freqs))
    if ends != 1:
        gain *= flank((freqs - low) / low + 0.5)
    if ends != 0:
        gain *= flank((high - freqs) / (EDGE * high))
    return gain


def flank(place: np.ndarray) -> np.ndarray:
    """Raised-cosine edge from 0 to 1 for a position from 0 to 1."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(place, 0, 1))


def levelled(signals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale signals to a random level of the first one, the recording, within full scale."""
    level_db = rng.uniform(*LEVELS_DBFS)
    rms = np.sqrt(np.mean(np.square(signals[0], dtype=np.float64)))
    if rms == 0:
        return signals
    peak = np.abs(signals).max()
    return signals * np.float32(min(10 ** (level_db / 20) / rms, 1 / peak))
