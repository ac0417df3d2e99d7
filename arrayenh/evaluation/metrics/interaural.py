"""Errors of the interaural cues: level, time and phase."""

import numpy as np

from arrayenh.beamformers.binaural import interaural_cues
from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import INF, of_ears
from arrayenh.evaluation.metrics.checks import both_ears
from arrayenh.stft import Stft

FINE_STRUCTURE_HZ = (100.0, 1500.0)
"""Band of unambiguous phase, Hz: above, a period is shorter than the path around the head."""

FRAME_SECONDS = 0.032
ACTIVE_RANGE_DB = 30.0
"""A bin is active within this range of the loudest one of the clean ears in the band."""


def ild_error_db(reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int) -> float:
    """Error of the interaural level difference, above 1.5 kHz.

        Σ_f P(f) |ILD_y(f) - ILD_s(f)| / Σ_f P(f)

    ILD as in `interaural_cues`, each over the time-frequency bins in which the clean target
    is active (within 30 dB of its loudest bin in this band); P is its power there.

    Parameters
    ----------
    reference_ears : float ndarray, shape (2, N)
        s, clean target, left and right.
    ears : float ndarray, shape (2, N)
        y, output, left and right.
    sample_rate : int
        Hz.

    Returns
    -------
    error_db : float
        dB, 0 and above; lower is better.

    Raises
    ------
    ShapeError
        If the two are not float arrays of one shape (2, N).
    MetricError
        If a sample is NaN or infinite, or an ear has no power in this band.

    References
    ----------
    B. Cornelis, S. Doclo, T. Van den Bogaert, M. Moonen and J. Wouters, "Theoretical
    analysis of binaural multimicrophone noise reduction techniques", IEEE TASLP 18, 2010.
    """
    above = (FINE_STRUCTURE_HZ[1], np.inf)
    _, weight, error_db, _ = _cue_errors(reference_ears, ears, sample_rate, above)
    return float(np.average(np.abs(error_db), weights=weight))


ILD_ERROR_DB = of_ears(
    ild_error_db,
    "ILD error",
    "dB",
    (0.0, INF),
    "error of interaural level, above 1.5 kHz",
    lower_is_better=True,
    rank=290,
)


def itd_error_us(reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int) -> float:
    """Error of the interaural time difference, from the phase of 100 Hz to 1.5 kHz.

        Σ_f P(f) |IPD_y(f) - IPD_s(f)| / 2πf / Σ_f P(f),   phases wrapped to ±π

    Errors of half a period or more (333 µs at 1.5 kHz) alias to smaller ones. Parameters,
    errors and weights are those of `ild_error_db`.

    Returns
    -------
    error_us : float
        Microseconds, 0 and above; lower is better.
    """
    freqs, weight, _, error = _cue_errors(reference_ears, ears, sample_rate, FINE_STRUCTURE_HZ)
    return float(1e6 * np.average(np.abs(error) / (2 * np.pi * freqs), weights=weight))


ITD_ERROR_US = of_ears(
    itd_error_us,
    "ITD error",
    "µs",
    (0.0, 5000.0),
    "error of interaural time, below 1.5 kHz",
    lower_is_better=True,
    rank=300,
)


def ipd_error(reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int) -> float:
    """Error of the interaural phase difference from 100 Hz to 1.5 kHz.

        Σ_f P(f) |IPD_y(f) - IPD_s(f)| / Σ_f P(f),   phases wrapped to ±π

    Parameters, errors and weights are those of `ild_error_db`.

    Returns
    -------
    error : float
        Radians, in [0, π]; lower is better.
    """
    _, weight, _, error = _cue_errors(reference_ears, ears, sample_rate, FINE_STRUCTURE_HZ)
    return float(np.average(np.abs(error), weights=weight))


IPD_ERROR = of_ears(
    ipd_error,
    "IPD error",
    "rad",
    (0.0, np.pi),
    "error of interaural phase, below 1.5 kHz",
    lower_is_better=True,
    rank=310,
)


def _cue_errors(
    reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int, band: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute frequency, target power, ILD error (dB) and IPD error (rad) of each active bin."""
    clean, output = both_ears(reference_ears, ears, sample_rate)
    hop = max(round(FRAME_SECONDS / 2 * sample_rate), 1)
    stft = Stft(2 * hop, hop, "hann")
    freqs = stft.freqs(sample_rate)
    inside = (freqs >= band[0]) & (freqs < band[1])
    s, y = stft.analyse(clean)[inside], stft.analyse(output)[inside]  # (F, 2, T)
    power = np.sum(np.abs(s) ** 2, axis=1, dtype=np.float64)
    active = power > power.max(initial=0) * 10 ** (-ACTIVE_RANGE_DB / 10)
    weight = np.sum(power * active, axis=1)
    bins = weight > 0
    cues = [interaural_cues(*(x * active[:, None]).transpose(1, 0, 2)[:, bins]) for x in (s, y)]
    (clean_ild, clean_ipd), (ild, ipd) = cues
    if not bins.any() or not np.isfinite(clean_ild).all() or not np.isfinite(ild).all():
        upper = min(band[1], sample_rate / 2)
        raise MetricError(
            f"interaural cues need sound at both ears from {band[0]:g} to {upper:g} Hz"
        )
    return freqs[inside][bins], weight[bins], ild - clean_ild, wrapped(ipd - clean_ipd)


def wrapped(phase: np.ndarray) -> np.ndarray:
    """Wrap a phase to [-π, π)."""
    return np.mod(phase + np.pi, 2 * np.pi) - np.pi
