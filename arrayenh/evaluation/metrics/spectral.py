"""Scores of the short-time spectrum, frame by frame.

All of them compare frames of 30 ms, cut every 7.5 ms. Frames in which the reference is silent,
100 dB below its loudest frame, are excluded, because they have no spectrum to compare with.
"""

import numpy as np
from scipy.special import xlogy

from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import INF, of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms
from arrayenh.evaluation.metrics.critical_bands import LEAST_RATE, band_filters
from arrayenh.evaluation.metrics.framing import (
    SILENCE_DB,
    framed_pair,
    frames,
    magnitudes,
    mean_of_kept,
    refuse_faint,
)
from arrayenh.evaluation.metrics.linear_prediction import (
    autocorrelation,
    cepstra,
    levinson,
    lpc_order,
    residual_energy,
)
from arrayenh.evaluation.metrics.rates import at_most_16_khz
from arrayenh.evaluation.metrics.waveform import SEG_SNR_RANGE_DB

LEAST_ERROR = 2.0**-52
"""Squared difference of two band amplitudes below which they count as equal."""

BAND_WEIGHT_POWER = 0.2
"""γ of fwSegSNR: the weight of a band is |X|^γ."""

LSD_RANGE_DB = 50.0
"""Dynamic range of the log spectra, below the greatest value of the reference."""

CEPSTRAL_MOST_DB = 10.0
LLR_MOST = 2.0
"""The most that one frame can add to either distance."""

KLATT_MAX_DB, KLATT_PEAK_DB = 20.0, 1.0
"""Decay of the slope weights below the greatest band, and below the nearest peak."""


def fw_seg_snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Frequency-weighted segmental SNR over 25 critical bands, 0 to 3.8 kHz.

        SNR(t) = Σ_b W 10 log10( X² / (X - Y)² ) / Σ_b W,  W = X^0.2
        fwSegSNR = mean over t of SNR(t), clamped to [-10, 35] dB

    X(b,t) and Y(b,t) are the amplitudes of reference and estimate in band b, each of a
    spectrum |DFT| scaled to unit sum. So the level of each frame does not matter, only the
    shape of its spectrum.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, 8000 or more.

    Returns
    -------
    fw_seg_snr_db : float
        dB, in [-10, 35]; higher is better. A silent frame of the estimate counts 0 dB.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent or shorter than 30 ms, or the
        rate is below 8000 Hz.

    References
    ----------
    Y. Hu, P. Loizou, "Evaluation of objective quality measures for speech enhancement",
    IEEE TASLP 16(1), 2008, and Loizou's program comp_fwseg.m; J. Tribolet et
    al., "A study of complexity and quality of speech waveform coders", ICASSP 1978.
    """
    s, y = framed_pair(reference, estimate, sample_rate)
    clean = band_amplitudes(s, sample_rate)
    error = np.maximum((clean - band_amplitudes(y, sample_rate)) ** 2, LEAST_ERROR)
    weights = clean**BAND_WEIGHT_POWER
    weighted = xlogy(weights, clean**2 / error)  # 0 in a band of weight 0
    snr_db = 10 / np.log(10) * weighted.sum(axis=-1) / weights.sum(axis=-1)
    return float(np.mean(np.clip(snr_db, *SEG_SNR_RANGE_DB)))


FW_SEG_SNR = of_pair(
    fw_seg_snr,
    "FW seg. SNR",
    "dB",
    (-10.0, 35.0),
    "weighted segmental SNR of critical bands",
    rank=30,
)


def log_spectral_distance(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Log-spectral distance, over a dynamic range of 50 dB.

        LSD = mean over t of √( mean over f of (L(s) - L(y))² ),
        L(x) = 10 log10 max( |x(f,t)|², δ ),  δ = 10⁻⁵ max_{f,t} |s(f,t)|²

    All frames count, pauses too, where a residual above δ adds to the distance. A gain of
    g dB is a distance of g dB wherever both spectra are above δ.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    distance_db : float
        dB, 0 or more; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or a signal is silent or shorter than 30 ms.

    References
    ----------
    I. Cohen, "Relaxed statistical model for speech enhancement and a priori SNR
    estimation", IEEE TSAP 13(5), 2005.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    clean, processed = (magnitudes(frames(x, sample_rate)) ** 2 for x in (s, y))
    floor = clean.max() * 10 ** (-LSD_RANGE_DB / 10)
    refuse_faint(floor)
    ratio_db = 10 * np.log10(np.maximum(clean, floor) / np.maximum(processed, floor))
    return float(np.mean(np.sqrt(np.mean(ratio_db**2, axis=-1))))


LOG_SPECTRAL_DISTANCE = of_pair(
    log_spectral_distance,
    "log spectral distance",
    "dB",
    (0.0, INF),
    "distance of log spectra over 50 dB",
    lower_is_better=True,
    rank=170,
)


def cepstral_distance(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Cepstral distance of all-pole models, Hu and Loizou's definition.

        CD(t) = (10 / ln 10) √( 2 Σ_{n=1}^{P} (c_n(s) - c_n(y))² ), at most 10 dB
        CD = mean of the 95 % least CD(t)

    c_n are the cepstra of LPC models of P = 16 poles (10 below 10 kHz); c_0, the level of
    a frame, is excluded. Rates above 16 kHz are resampled to 16 kHz.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    distance_db : float
        dB, in [0, 10]; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or a signal is silent or shorter than 30 ms.

    References
    ----------
    N. Kitawaki, H. Nagabuchi, K. Itoh, "Objective quality evaluation for low-bit-rate
    speech coding systems", IEEE JSAC 6(2), 1988; Y. Hu, P. Loizou, IEEE TASLP 16(1),
    2008, and Loizou's program comp_cep.m.
    """
    s, y = prediction_lags(reference, estimate, sample_rate)
    difference = cepstra(levinson(s)) - cepstra(levinson(y))
    distance_db = 10 / np.log(10) * np.sqrt(2 * np.sum(difference**2, axis=-1))
    return mean_of_kept(np.minimum(distance_db, CEPSTRAL_MOST_DB))


CEPSTRAL_DISTANCE = of_pair(
    cepstral_distance,
    "cepstral distance",
    "dB",
    (0.0, CEPSTRAL_MOST_DB),
    "distance of cepstra, independent of level",
    lower_is_better=True,
    rank=180,
)


def llr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Log-likelihood ratio of the all-pole models of the two signals.

        LLR(t) = ln( aᵀ(y) R(s) a(y) / aᵀ(s) R(s) a(s) ), at most 2
        LLR = mean of the 95 % least LLR(t)

    a are the prediction error filters of LPC models of 16 poles (10 below 10 kHz), R(s)
    the autocorrelation matrix of the reference: how much worse the estimate's filter
    whitens the reference than its own. The level of a frame does not matter. Rates above
    16 kHz are resampled to 16 kHz.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    ratio : float
        Without unit, in [0, 2]; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or a signal is silent or shorter than 30 ms.

    References
    ----------
    S. Quackenbush, T. Barnwell, M. Clements, "Objective Measures of Speech Quality",
    1988, equation (2.18); Y. Hu, P. Loizou, IEEE TASLP 16(1), 2008, and
    Loizou's program comp_llr.m.
    """
    return mean_of_kept(np.clip(frame_llr(reference, estimate, sample_rate), 0.0, LLR_MOST))


LLR = of_pair(
    llr, "LLR", "", (0.0, LLR_MOST), "distance of all-pole models", lower_is_better=True, rank=150
)


def wss(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Weighted spectral slope distance over 25 critical bands, 0 to 3.8 kHz.

        WSS(t) = Σ_b W (ΔX - ΔY)² / Σ_b W,  W = (W(X) + W(Y)) / 2
        W(X) = 20 / (20 + max X - X(b))  ·  1 / (1 + peak X - X(b))
        WSS = mean of the 95 % least WSS(t)

    X(b) and Y(b) are band levels in dB, ΔX = X(b+1) - X(b) their slopes. The peak nearest
    to a band lies uphill of it. On a rising slope this function takes the band before the
    peak, as does Hu and Loizou's program, with which the composite scores were fitted. Levels
    are limited to 100 dB below the signal's greatest. Gain does not matter.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz, 8000 or more.

    Returns
    -------
    distance : float
        dB² per band, 0 or more, seldom above 150; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent or shorter than 30 ms, or the
        rate is below 8000 Hz.

    References
    ----------
    D. Klatt, "Prediction of perceived phonetic distance from critical-band spectra: a
    first step", ICASSP 1982; Y. Hu, P. Loizou, IEEE TASLP 16(1), 2008, and
    Loizou's program comp_wss.m.
    """
    s, y = framed_pair(reference, estimate, sample_rate)
    clean, processed = band_levels(s, sample_rate), band_levels(y, sample_rate)
    weights = slope_weights(clean) + slope_weights(processed)
    difference = np.diff(clean, axis=-1) - np.diff(processed, axis=-1)
    return mean_of_kept(np.sum(weights * difference**2, axis=-1) / weights.sum(axis=-1))


WSS = of_pair(
    wss,
    "WSS",
    "",
    (0.0, INF),
    "distance of spectral slopes",
    lower_is_better=True,
    decimals=2,
    rank=160,
)


def critical_bands(magnitude: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sum of each band's bins under its filter, shape (T, 25)."""
    if sample_rate < LEAST_RATE:
        raise MetricError(
            f"critical bands reach 3.8 kHz: the rate must be {LEAST_RATE} Hz or more; "
            f"got {sample_rate}"
        )
    return magnitude @ band_filters(sample_rate, 2 * magnitude.shape[-1]).T


def band_amplitudes(framed: np.ndarray, sample_rate: int) -> np.ndarray:
    """Amplitudes in the bands of spectra of unit sum, shape (T, 25); 0 in silence."""
    magnitude = magnitudes(framed)
    area = magnitude.sum(axis=-1, keepdims=True)
    unit = np.divide(magnitude, area, out=np.zeros_like(magnitude), where=area > 0)
    return critical_bands(unit, sample_rate)


def band_levels(framed: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels of the bands relative to the greatest of all frames, dB, shape (T, 25)."""
    power = critical_bands(magnitudes(framed) ** 2, sample_rate)
    return 10 * np.log10(np.maximum(power / power.max(), 10 ** (-SILENCE_DB / 10)))


def slope_weights(levels: np.ndarray) -> np.ndarray:
    """Klatt's weights: 1 at the greatest band, less in valleys, shape (T, 24)."""
    below_max = levels.max(axis=-1, keepdims=True) - levels[:, :-1]
    below_peak = np.take_along_axis(levels, nearest_peak(levels), axis=-1) - levels[:, :-1]
    return (KLATT_MAX_DB / (KLATT_MAX_DB + below_max)) * (
        KLATT_PEAK_DB / (KLATT_PEAK_DB + below_peak)
    )


def nearest_peak(levels: np.ndarray) -> np.ndarray:
    """Index of the peak uphill of each band but the last; one less on a rising slope."""
    rising = np.diff(levels, axis=-1) > 0
    band = np.arange(rising.shape[-1])
    summit = np.where(rising, rising.shape[-1], band)[:, ::-1]
    summit = np.minimum.accumulate(summit, axis=-1)[:, ::-1]  # first band that does not rise
    ascent = np.maximum.accumulate(np.where(rising, band, -1), axis=-1)  # last band that rises
    return np.where(rising, summit - 1, ascent + 1)


def frame_llr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> np.ndarray:
    """LLR of each frame, without limit, shape (T,)."""
    s, y = prediction_lags(reference, estimate, sample_rate)
    return np.log(residual_energy(levinson(y), s) / residual_energy(levinson(s), s))


def prediction_lags(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Autocorrelations of the frames of both signals, shape (T, P+1), at 16 kHz at most."""
    s, y = waveforms(reference, estimate, sample_rate)
    (s, y), rate = at_most_16_khz(s, y, sample_rate=sample_rate)
    s, y = framed_pair(s, y, rate)
    return autocorrelation(s, lpc_order(rate)), autocorrelation(y, lpc_order(rate))
