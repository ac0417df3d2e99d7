"""Active speech level, and white noise at a signal-to-noise ratio."""

import numpy as np
from scipy.signal import lfilter

from arrayenh.errors import SceneError, ShapeError

ENVELOPE_S, HANGOVER_S, MARGIN_DB = 0.03, 0.2, 15.9
THRESHOLDS = 2.0 ** np.arange(-24, 1)  # relative to the peak of the signal
SNR_LADDER_DB = (10.0, 5.0, 0.0, -5.0)
"""Signal-to-noise ratios of small studies, dB."""


def active_speech_level(samples: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """Active speech level: mean power of speech without the pauses.

    The envelope is smoothed twice with a time constant of 30 ms and held for 200 ms. The
    threshold of activity lies 15.9 dB below the resulting level.

    Parameters
    ----------
    samples : float array, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    level_db : float
        dB re an RMS of 1.
    activity : float
        Fraction of the time in which speech is active, 0 to 1.

    Raises
    ------
    ShapeError
        If `samples` does not have one axis.
    SceneError
        If the signal is silent.

    References
    ----------
    ITU-T P.56, "Objective measurement of active speech level", 2011, method B.
    """
    x = np.asarray(samples, np.float64)
    if x.ndim != 1:
        raise ShapeError(f"speech must have shape (N,); got {x.shape}")
    energy = float(np.sum(x**2))
    if not 0 < energy < np.inf:
        raise SceneError("a silent signal has no active speech level")
    pole = np.exp(-1 / (sample_rate * ENVELOPE_S))
    smooth = [1 - pole], [1, -pole]
    envelope = lfilter(*smooth, lfilter(*smooth, np.abs(x)))
    # relative to the peak, so that a gain of 6 dB raises the level by exactly 6 dB
    thresholds = THRESHOLDS * np.abs(x).max()
    counts = np.array([active_samples(envelope, c, sample_rate) for c in thresholds])
    heard = counts > 0
    levels = 10 * np.log10(energy / counts[heard])
    margins = levels - 20 * np.log10(thresholds[heard])
    level_db = crossing(levels, margins)
    return level_db, min(energy / len(x) / 10 ** (level_db / 10), 1.0)


def active_samples(envelope: np.ndarray, threshold: float, sample_rate: int) -> int:
    """Number of active samples: above the threshold, or at most 200 ms after such a sample."""
    hangover = round(HANGOVER_S * sample_rate)
    above = np.flatnonzero(envelope >= threshold)
    if above.size == 0:
        return 0
    gaps = np.diff(np.append(above, len(envelope)))
    return int(np.minimum(gaps, hangover + 1).sum())


def crossing(levels: np.ndarray, margins: np.ndarray) -> float:
    """Level at which the margin over the threshold, which falls with it, is 15.9 dB."""
    below = np.flatnonzero(margins <= MARGIN_DB)
    if below.size == 0 or below[0] == 0:
        return float(levels[-1] if below.size == 0 else levels[0])
    k = below[0]
    part = (margins[k - 1] - MARGIN_DB) / (margins[k - 1] - margins[k])
    return float(levels[k - 1] + part * (levels[k] - levels[k - 1]))


def mix_white(
    clean: np.ndarray, snr_db: float, rng: np.random.Generator, reference: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Add white noise at a ratio of RMS values over the whole file.

        rms_noise = rms_speech / 10^(SNR / 20)

    Parameters
    ----------
    clean : float array, shape (M, N)
    snr_db : float
        SNR at the reference microphone; the noise power is the same at all microphones.
    rng : Generator
    reference : int

    Returns
    -------
    noisy, noise : float64 ndarray, shape (M, N)

    Raises
    ------
    SceneError
        If the reference microphone is silent.
    """
    clean = np.asarray(clean, np.float64)
    if clean.ndim != 2:
        raise ShapeError(f"clean must have shape (M, N); got {clean.shape}")
    rms = np.sqrt(np.mean(clean[reference] ** 2))
    if not rms > 0:
        raise SceneError(f"microphone {reference} is silent: the SNR is undefined")
    noise = rng.standard_normal(clean.shape)
    noise *= rms / 10 ** (snr_db / 20) / np.sqrt(np.mean(noise[reference] ** 2))
    return clean + noise, noise
