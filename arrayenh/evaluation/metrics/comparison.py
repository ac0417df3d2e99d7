"""An output beside the input it was made from: where there is noise alone, where speech."""

import numpy as np

from arrayenh.errors import MetricError
from arrayenh.evaluation.metrics.checks import refuse_silence, same_length, waveform
from arrayenh.stft import Stft

LEAST_SECONDS = 1.0
"""Shorter signals have too few quiet frames."""

LOWEST_HZ, HIGHEST_HZ = 100.0, 8000.0

QUIET_SHARE, LOUD_SHARE = 0.1, 0.1
"""Parts of the frames that are taken for noise alone, and for speech."""

QUIET_SECONDS = 0.128
"""Over which a frame's level is averaged: one frame of noise may be quiet by chance."""

FLOOR_SHARE = 0.2
"""Part of the frames of a bin below whose power the noise certainly lies."""

ACTIVE_DB, ACTIVE_RANGE_DB = 10.0, 40.0
"""Speech is so far above the noise, and within so much of the loud frames."""

KEPT_QUANTILE = 0.9
"""Of the gain of the speech: it is that of what is kept, and taken for 0 dB."""

ROUNDING_DB = -80.0
"""What lies so far below the loud frames is not heard beside them."""


def aligned_pair(
    noisy: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Input and output in float64: refused unless alike in length, heard, and 1 s or longer."""
    x, y = waveform("noisy", noisy), waveform("estimate", estimate)
    same_length("noisy", x, "estimate", y)
    refuse_silence(noisy=x, estimate=y)
    if x.size < LEAST_SECONDS * sample_rate:
        raise MetricError(
            f"artifacts are judged from {LEAST_SECONDS:g} s on; got {x.size / sample_rate:.2f} s"
        )
    return x, y


def powers(signal: np.ndarray, sample_rate: int, frame: float, hop: float) -> np.ndarray:
    """|STFT|² of the whole frames, 100 Hz to 8 kHz, float64, shape (F, T)."""
    hop_size = round(hop * sample_rate)
    overlap = round(frame / hop)
    stft = Stft(overlap * hop_size, hop_size, "hann")
    freqs = stft.freqs(sample_rate)
    band = (freqs >= LOWEST_HZ) & (freqs <= HIGHEST_HZ)
    spec = stft.analyse(signal)[band, overlap - 1 : 1 - overlap].astype(np.complex128)
    return spec.real**2 + spec.imag**2


def quiet_and_loud(power: np.ndarray, hop: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames of noise alone and of speech, each bool, shape (T,).

    Whether a frame is quiet is told by its power over the least of each bin, averaged over
    bins: coloured noise is as white, and speech in a few bins is enough to tell. Frames of
    digital silence are not quiet: there is no noise in them.
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
    """Power above which a point of the input is speech, shape (F, 1)."""
    noise = power[:, quiet].mean(axis=1, keepdims=True) if quiet.any() else 0.0
    speech = power[:, loud].mean(axis=1, keepdims=True)
    above_noise, near_speech = 10 ** (ACTIVE_DB / 10), 10 ** (-ACTIVE_RANGE_DB / 10)
    return np.maximum(above_noise * noise, near_speech * speech)


def level_factor(power_in: np.ndarray, power_out: np.ndarray, active: np.ndarray) -> float:
    """Factor on the output's power that brings what it keeps to the level of the input."""
    if not active.any():
        active = power_in > 0
    kept = float(np.quantile(power_out[active] / power_in[active], KEPT_QUANTILE))
    return 1 / kept if kept > 0 else 1.0


def inaudible(power: np.ndarray, loud: np.ndarray) -> float:
    """Power of a point that is not heard beside the loud frames."""
    return float(10 ** (ROUNDING_DB / 10) * power[:, loud].mean())


def box(values: np.ndarray, n_bins: int, n_frames: int) -> np.ndarray:
    """Mean over a box around each point, the edges repeated.

    Summed shift by shift: a running sum forgets small powers beside large ones.
    """
    for size in (n_frames, n_bins):
        padded = np.pad(values, ((0, 0), (size // 2, size // 2)), mode="edge")
        total = np.zeros_like(values)
        for k in range(size):
            total += padded[:, k : k + values.shape[1]]
        values = total.T / size  # twice turned over, it stands as it was
    return values
