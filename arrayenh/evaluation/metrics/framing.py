"""Frames of 30 ms for the spectral scores."""

import numpy as np
from scipy import fft

from arrayenh.errors import MetricError
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms

SILENCE_DB = 100.0
"""A frame this far below the loudest of its signal is silent: 16 bits reach no lower."""

KEPT = 0.95
"""Share of the frames, the best ones, over which a distance is averaged."""


def framed_pair(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut both signals into frames, shape (T, L), where the reference is not silent.

    Silent frames of the estimate are kept as zeros.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    s, y = frames(s, sample_rate), frames(y, sample_rate)
    heard = audible(s)
    y[~audible(y)] = 0.0
    return s[heard], y[heard]


def frames(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Cut a signal into frames of 30 ms every 7.5 ms with a Hann window, shape (T, L)."""
    length = round(0.030 * sample_rate)
    if length < 1 or signal.size < length:
        raise MetricError(
            f"spectral scores need one frame of 30 ms = {length} samples at "
            f"{sample_rate} Hz; got {signal.size}"
        )
    window = np.sin(np.pi * np.arange(1, length + 1) / (length + 1)) ** 2
    hop = max(length // 4, 1)
    return np.lib.stride_tricks.sliding_window_view(signal, length)[::hop] * window


def audible(framed: np.ndarray) -> np.ndarray:
    """Mask of the frames that are not silent, shape (T,)."""
    energies = np.einsum("tn,tn->t", framed, framed)
    refuse_faint(energies.max())
    return energies > energies.max() * 10 ** (-SILENCE_DB / 10)


def refuse_faint(greatest: float) -> None:
    """Raise an error if all frames are zero and only samples after the last frame are not."""
    if not greatest > 0:
        raise MetricError("a signal is silent in all of its frames; give a longer excerpt")


def mean_of_kept(distances: np.ndarray) -> float:
    """Mean of the least 95 %, so that a few outlier frames do not dominate."""
    return float(np.mean(np.sort(distances)[: round(KEPT * distances.size)]))


def magnitudes(framed: np.ndarray) -> np.ndarray:
    """Compute |DFT| of at least twice the frame length, 0 Hz to below half the rate."""
    n_fft = 2 ** int(np.ceil(np.log2(2 * framed.shape[-1])))
    return np.abs(fft.rfft(framed, n_fft)[:, :-1])
