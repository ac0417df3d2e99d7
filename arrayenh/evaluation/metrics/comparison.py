"""Comparison of an output with its input: frames of noise alone and frames of speech."""

import numpy as np

from arrayenh.errors import MetricError
from arrayenh.evaluation.metrics.checks import refuse_silence, same_length, waveform
from arrayenh.stft import Stft

LEAST_SECONDS = 1.0
"""Shorter signals have too few quiet frames."""

LOWEST_HZ, HIGHEST_HZ = 100.0, 8000.0

QUIET_SHARE, LOUD_SHARE = 0.1, 0.1
"""Shares of the frames that count as noise alone, and as speech."""

QUIET_SECONDS = 0.128
"""Seconds over which levels are averaged: a single frame of noise may be quiet by chance."""

FLOOR_SHARE = 0.2
"""Quantile of the power of a bin that is certainly above the noise."""

ACTIVE_DB, ACTIVE_RANGE_DB = 10.0, 40.0
"""Least ratios of speech to the noise, and to the loud frames."""

KEPT_QUANTILE = 0.9
"""Quantile of the gain of speech that defines 0 dB: the gain of the speech that is kept."""

ROUNDING_DB = -80.0
"""Power relative to the loud frames below which a point is inaudible."""


def aligned_pair(
    noisy: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Validate input and output: equal length, not silent, at least 1 s; return float64."""
    x, y = waveform("noisy", noisy), waveform("estimate", estimate)
    same_length("noisy", x, "estimate", y)
    refuse_silence(noisy=x, estimate=y)
    if x.size < LEAST_SECONDS * sample_rate:
        raise MetricError(
            f"artifact scores need {LEAST_SECONDS:g} s or more; got {x.size / sample_rate:.2f} s"
        )
    return x, y


def powers(signal: np.ndarray, sample_rate: int, frame: float, hop: float) -> np.ndarray:
    """Compute |STFT|² of complete frames, 100 Hz to 8 kHz, float64, shape (F, T)."""
    hop_size = round(hop * sample_rate)
    overlap = round(frame / hop)
    stft = Stft(overlap * hop_size, hop_size, "hann")
    freqs = stft.freqs(sample_rate)
    band = (freqs >= LOWEST_HZ) & (freqs <= HIGHEST_HZ)
    spec = stft.analyse(signal)[band, overlap - 1 : 1 - overlap].astype(np.complex128)
    return spec.real**2 + spec.imag**2


def quiet_and_loud(power: np.ndarray, hop: float) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the frames of noise alone and of speech, each bool, shape (T,).

    The level of a frame is its power over the least power of each bin, averaged over the bins.
    So the colour of the noise does not matter, and speech in a few bins is enough to raise it.
    Frames of digital silence do not count as quiet, because they contain no noise.
    """
    total = power.sum(axis=0)
    heard = total > 0
    if not heard.any():
        raise MetricError("the noisy signal is silent between 100 Hz and 8 kHz")
    floor = np.quantile(power[:, heard], FLOOR_SHARE, axis=1, keepdims=True)
    excess = np.zeros_like(total)
    if (floor > 0).any():
        excess = (power[floor[:, 0] > 0] / floor[floor > 0][:, None]).mean(axis=0)
    excess = box(excess[None], 1, 2 * round(QUIET_SECONDS / hop / 2) + 1)[0]
    quiet = heard & (excess <= np.quantile(excess[heard], QUIET_SHARE))
    return quiet, total >= np.quantile(total, 1 - LOUD_SHARE)


def least_speech(power: np.ndarray, quiet: np.ndarray, loud: np.ndarray) -> np.ndarray:
    """Power threshold of speech in the input, shape (F, 1)."""
    noise = power[:, quiet].mean(axis=1, keepdims=True) if quiet.any() else 0.0
    speech = power[:, loud].mean(axis=1, keepdims=True)
    above_noise, near_speech = 10 ** (ACTIVE_DB / 10), 10 ** (-ACTIVE_RANGE_DB / 10)
    return np.maximum(above_noise * noise, near_speech * speech)


def level_factor(power_in: np.ndarray, power_out: np.ndarray, active: np.ndarray) -> float:
    """Factor on the output's power that matches the kept speech to the level of the input."""
    if not active.any():
        active = power_in > 0
    kept = float(np.quantile(power_out[active] / power_in[active], KEPT_QUANTILE))
    return 1 / kept if kept > 0 else 1.0


def inaudible(power: np.ndarray, loud: np.ndarray) -> float:
    """Power below which a point is inaudible beside the loud frames."""
    return float(10 ** (ROUNDING_DB / 10) * power[:, loud].mean())


def box(values: np.ndarray, n_bins: int, n_frames: int) -> np.ndarray:
    """Mean over a box around each point, with the edges repeated.

    It sums shifted copies, because a running sum loses small powers beside large ones.
    """
    for size in (n_frames, n_bins):
        padded = np.pad(values, ((0, 0), (size // 2, size // 2)), mode="edge")
        total = np.zeros_like(values)
        for k in range(size):
            total += padded[:, k : k + values.shape[1]]
        values = total.T / size  # two transpositions restore the axes
    return values
