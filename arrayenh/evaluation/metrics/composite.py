"""Composite scores of Hu and Loizou: ratings regressed on PESQ, LLR, WSS and SegSNR.

They were fitted to listeners' ratings by ITU-T P.835, at 8 kHz and with the raw score of
narrow-band PESQ. This module follows the usual practice in the literature at 16 kHz: the same
coefficients with wide-band PESQ (MOS-LQO). Rates above 16 kHz are resampled to 16 kHz. Below,
PESQ is still wide-band, and the other terms use the given rate.
"""

import numpy as np

from arrayenh.evaluation.metric import MOS, of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms
from arrayenh.evaluation.metrics.framing import SILENCE_DB, mean_of_kept
from arrayenh.evaluation.metrics.pesq import pesq_wb
from arrayenh.evaluation.metrics.rates import at_most_16_khz
from arrayenh.evaluation.metrics.spectral import frame_llr, wss
from arrayenh.evaluation.metrics.waveform import SEG_SNR_RANGE_DB, frame_energies

RATING_RANGE = (1.0, 5.0)
"""Limits of an opinion score."""


def csig(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Predicted rating of the distortion of the speech alone (SIG of P.835).

        Csig = 3.093 - 1.029 LLR + 0.603 PESQ - 0.009 WSS, clipped to [1, 5]

    LLR is that of `llr` without the limit of 2 per frame, WSS is `wss`, and PESQ is
    wide-band, `pesq_wb`.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, 8000 or more.

    Returns
    -------
    rating : float
        MOS, in [1, 5]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, the rate is below 8000 Hz, or PESQ has no value:
        silence, less than 1/4 s, too many utterances.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    Y. Hu, P. Loizou, "Evaluation of objective quality measures for speech enhancement",
    IEEE TASLP 16(1), 2008, and Loizou's program composite.m.
    """
    s, y, rate = _narrowed_pair(reference, estimate, sample_rate)
    return _rating(
        3.093
        - 1.029 * mean_of_kept(frame_llr(s, y, rate))
        + 0.603 * pesq_wb(s, y, rate)
        - 0.009 * wss(s, y, rate)
    )


CSIG = of_pair(csig, "Csig", "MOS", MOS, "speech distortion as listeners would rate it", rank=120)


def cbak(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Predicted rating of the intrusiveness of the background (BAK of P.835).

        Cbak = 1.634 + 0.478 PESQ - 0.007 WSS + 0.063 SegSNR, clipped to [1, 5]

    PESQ is wide-band, `pesq_wb`, WSS is `wss`; SegSNR is that of `seg_snr` over all frames
    where the reference is not silent, pauses of real recordings included, as in the
    program. Unlike the other two it depends on gain, through SegSNR.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, 8000 or more.

    Returns
    -------
    rating : float
        MOS, in [1, 5]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, the rate is below 8000 Hz, or PESQ has no value:
        silence, less than 1/4 s, too many utterances.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    Y. Hu, P. Loizou, "Evaluation of objective quality measures for speech enhancement",
    IEEE TASLP 16(1), 2008, and Loizou's program composite.m.
    """
    s, y, rate = _narrowed_pair(reference, estimate, sample_rate)
    return _rating(
        1.634
        + 0.478 * pesq_wb(s, y, rate)
        - 0.007 * wss(s, y, rate)
        + 0.063 * _seg_snr_with_pauses(s, y, rate)
    )


CBAK = of_pair(cbak, "Cbak", "MOS", MOS, "background as listeners would rate it", rank=130)


def covl(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Predicted rating of the overall quality (OVRL of P.835).

        Covl = 1.594 + 0.805 PESQ - 0.512 LLR - 0.007 WSS, clipped to [1, 5]

    LLR is that of `llr` without the limit of 2 per frame, WSS is `wss`, and PESQ is
    wide-band, `pesq_wb`.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, 8000 or more.

    Returns
    -------
    rating : float
        MOS, in [1, 5]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, the rate is below 8000 Hz, or PESQ has no value:
        silence, less than 1/4 s, too many utterances.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    Y. Hu, P. Loizou, "Evaluation of objective quality measures for speech enhancement",
    IEEE TASLP 16(1), 2008, and Loizou's program composite.m.
    """
    s, y, rate = _narrowed_pair(reference, estimate, sample_rate)
    return _rating(
        1.594
        + 0.805 * pesq_wb(s, y, rate)
        - 0.512 * mean_of_kept(frame_llr(s, y, rate))
        - 0.007 * wss(s, y, rate)
    )


COVL = of_pair(covl, "Covl", "MOS", MOS, "overall quality as listeners would rate it", rank=140)


def _narrowed_pair(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray, int]:
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    (s, y), rate = at_most_16_khz(s, y, sample_rate=sample_rate)
    return s, y, rate


def _rating(opinion: float) -> float:
    return float(np.clip(opinion, *RATING_RANGE))


def _seg_snr_with_pauses(s: np.ndarray, y: np.ndarray, rate: int) -> float:
    """Segmental SNR in dB of all frames that are not silent in the reference."""
    speech, noise = frame_energies(s, rate), frame_energies(s - y, rate)
    heard = speech > speech.max() * 10 ** (-SILENCE_DB / 10)
    with np.errstate(divide="ignore"):  # a perfect frame is +inf, then clamped
        snr_db = 10 * np.log10(speech[heard] / noise[heard])
    return float(np.mean(np.clip(snr_db, *SEG_SNR_RANGE_DB)))
