"""STOI and ESTOI: short-time objective intelligibility, by `pystoi`."""

import warnings

import numpy as np

from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms


def stoi(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, STOI.

    Mean correlation of the envelopes in 15 third-octave bands from 150 Hz, over spans
    of 384 ms, with the pauses of the reference removed. Computed by the package `pystoi` at
    10 kHz, which resamples other rates itself.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    intelligibility : float
        Without unit, in [-1, 1]; in practice 0.4 to 1; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or fewer than 30 frames
        (0.4 s) are left without the pauses.

    References
    ----------
    C. Taal, R. Hendriks, R. Heusdens, J. Jensen, "An algorithm for intelligibility
    prediction of time-frequency weighted noisy speech", IEEE TASLP 19(7), 2011.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    return _stoi(s, y, sample_rate, extended=False)


STOI = of_pair(stoi, "STOI", "", (-1.0, 1.0), "short-time objective intelligibility", rank=100)


def estoi(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Extended STOI for modulated noise, ESTOI.

    Unlike `stoi` it normalises spectra over time and over bands, so it also predicts
    intelligibility in modulated noise. If a band of the estimate is exactly zero for 384 ms,
    the package `pystoi` normalises noise of 1e-16, and the score varies slightly by run.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    intelligibility : float
        Without unit, in [-1, 1]; in practice 0 to 1; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or fewer than 30 frames
        (0.4 s) are left without the pauses.

    References
    ----------
    J. Jensen, C. Taal, "An algorithm for predicting the intelligibility of speech
    masked by modulated noise maskers", IEEE/ACM TASLP 24(11), 2016.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    return _stoi(s, y, sample_rate, extended=True)


ESTOI = of_pair(estoi, "ESTOI", "", (-1.0, 1.0), "STOI extended to modulated noise", rank=110)


def _stoi(s: np.ndarray, y: np.ndarray, sample_rate: int, *, extended: bool) -> float:
    """Call pystoi; its warning about too few frames becomes MetricError."""
    import pystoi

    too_few = MetricError(
        "STOI needs 30 frames (0.4 s) of speech after its pauses are removed; "
        f"got too few in {s.size / sample_rate:.2f} s"
    )
    if s.size < 0.4 * sample_rate:  # pystoi fails on arrays of less than a frame
        raise too_few
    refuse_silence(reference=s, estimate=y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(pystoi.stoi(s, y, int(sample_rate), extended=extended))
        except RuntimeWarning:
            raise too_few from None
