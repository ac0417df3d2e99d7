"""PESQ, perceptual evaluation of speech quality (ITU-T P.862), by the package `pesq`."""

import math

import numpy as np
import soxr

from arrayenh.errors import MetricError, MissingExtraError
from arrayenh.evaluation.metric import of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms

PESQ_MAX_UTTERANCES = 40
"""Most utterances: the P.862 code has room for 50 without a bounds check; 40 is a margin."""


def pesq_wb(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Wide-band PESQ, mean opinion score (MOS-LQO) of ITU-T P.862.2.

    Computed by the package `pesq` at 16 kHz; other rates are resampled to 16 kHz with
    soxr first (below 16 kHz the missing band is missing in both signals).

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    mos : float
        MOS-LQO, in [0.999, 4.644]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, shorter than 1/4 s, or holds
        more utterances than the P.862 code has room for.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    ITU-T P.862 (2001) and P.862.2 (2007): PESQ and its wideband extension.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    return _pesq(s, y, sample_rate, "wb")


PESQ_WB = of_pair(
    pesq_wb, "PESQ-WB", "MOS", (0.999, 4.644), "speech quality, wide-band (P.862.2)", rank=80
)


def pesq_nb(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Narrow-band PESQ, mean opinion score (MOS-LQO) of ITU-T P.862.1.

    Computed by the package `pesq` at 8 or 16 kHz; other rates are resampled to 16 kHz
    with soxr first. The model includes a telephone handset, 300 to 3400 Hz.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    mos : float
        MOS-LQO, in [0.999, 4.549]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, shorter than 1/4 s, or holds
        more utterances than the P.862 code has room for.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    ITU-T P.862 (2001) and P.862.1 (2003): PESQ and its mapping to MOS-LQO.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    return _pesq(s, y, sample_rate, "nb")


PESQ_NB = of_pair(
    pesq_nb, "PESQ-NB", "MOS", (0.999, 4.549), "speech quality, narrow-band (P.862.1)", rank=90
)


def _pesq(s: np.ndarray, y: np.ndarray, sample_rate: int, mode: str) -> float:
    """Call the compiled package; its error codes become MetricError."""
    try:
        import pesq
    except ImportError as error:
        raise MissingExtraError(
            "PESQ needs the package pesq: pip install 'arrayenh[eval]' "
            "(it is compiled: a C compiler is needed)"
        ) from error
    refuse_silence(reference=s, estimate=y)
    rate = sample_rate if mode == "nb" and sample_rate == 8000 else 16000
    if sample_rate != rate:
        s, y = soxr.resample(s, sample_rate, rate), soxr.resample(y, sample_rate, rate)
    n_utterances = _utterances(s, rate)
    if n_utterances > PESQ_MAX_UTTERANCES:
        raise MetricError(
            f"PESQ is for short excerpts: its code holds 50 utterances and about "
            f"{n_utterances} were counted; score pieces of 20 s or less"
        )
    codes = pesq.PesqError
    score = pesq.pesq(rate, s, y, mode, on_error=codes.RETURN_VALUES)
    if math.isnan(score):
        raise MetricError("PESQ has no value: one of the signals is nearly silent")
    if score < 0:
        reasons = {
            codes.BUFFER_TOO_SHORT: "it needs at least 1/4 s",
            codes.NO_UTTERANCES_DETECTED: "it detected no utterance in the reference",
        }
        reason = reasons.get(score, f"its code returned error {score}")
        raise MetricError(f"PESQ has no value for these {s.size / rate:.2f} s: {reason}")
    return float(score)


def _utterances(reference: np.ndarray, sample_rate: int) -> int:
    """Upper bound on the utterances that P.862 detects: the maximum over speech thresholds.

    P.862 joins activity of 4 ms frames over gaps up to 0.2 s and counts segments of 0.2 s
    or longer. Its own threshold adapts to the signal; here every threshold from 10 to 60 dB
    below the loudest frame is tried.
    """
    hop = sample_rate // 250
    n_frames = reference.size // hop
    if n_frames == 0:
        return 0
    power = np.mean(reference[: n_frames * hop].reshape(n_frames, hop) ** 2, axis=1)
    counts = [0]
    for threshold_db in range(-60, -9, 5):
        active = np.flatnonzero(power > power.max() * 10 ** (threshold_db / 10))
        if active.size == 0:
            continue
        breaks = np.flatnonzero(np.diff(active) > 45)
        first = active[np.concatenate(([0], breaks + 1))]
        last = active[np.concatenate((breaks, [active.size - 1]))]
        counts.append(int(np.count_nonzero(last - first >= 45)))
    return max(counts)
