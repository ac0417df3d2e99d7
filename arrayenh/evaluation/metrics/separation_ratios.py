"""Source-separation ratios: target, interference and artefacts in an estimate."""

import numpy as np
import scipy.fft
from scipy.linalg import solve_toeplitz

from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import ANY_DB, of_noise, of_pair
from arrayenh.evaluation.metrics.checks import (
    energy,
    ratio_db,
    refuse_silence,
    same_length,
    waveform,
    waveforms,
)

SDR_TAPS = 512
"""Taps of the allowed distortion filter, as in BSS Eval version 3."""

LEAST_INDEPENDENCE = 1e-12
"""Least share of the interference that is not a copy of the reference."""


def sdr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Signal-to-distortion ratio of BSS Eval.

        SDR = 10 log10( |h * s|² / |y - h * s|² )

    h is the least-squares filter of 512 taps, at any rate, from s to y. So gain, colouration
    and a delay of up to 511 samples do not matter, but an advance does. With the reference as
    the only source, SDR does not separate interference from artefacts: both are distortion.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        s and y; N at least 1024.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    sdr_db : float
        dB; any real number; equal signals reach 100 dB or more, up to +inf.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, shorter than twice the filter,
        or the reference is too narrow in band to resolve the taps.

    References
    ----------
    E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source
    separation", IEEE TASLP 14(4), 2006; R. Scheibler, "SDR - medium rare with fast
    computations", ICASSP 2022.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    if s.size < 2 * SDR_TAPS:
        raise MetricError(f"SDR needs {2 * SDR_TAPS} samples, twice its filter; got {s.size}")
    target = min(max(_explained(s, y, SDR_TAPS), 0.0), 1.0)  # exact except for rounding
    return ratio_db(target, 1.0 - target)


SDR = of_pair(sdr, "SDR", "dB", ANY_DB, "distortion beyond a filter of 512 taps", rank=70)


def si_sir(
    reference: np.ndarray, interference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> float:
    """Scale-invariant source-to-interference ratio.

        SI-SIR = 10 log10( |e_target|² / |e_interf|² )

    The estimate is split into orthogonal parts,

        e_target = P_s y,  e_interf = P_{s,n} y - P_s y,  e_artif = y - P_{s,n} y,

    where P_s projects onto the reference s, P_{s,n} onto the span of s and the
    interference n: here one signal, everything but the target at the reference microphone.
    The gains of the three signals do not matter. Noise that was filtered, delayed or masked
    is no longer in the span, and counts as artefact.

    Parameters
    ----------
    reference, interference, estimate : float ndarray, shape (N,)
        s, n and y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    si_sir_db : float
        dB; any real number, up to +inf without interference.

    Raises
    ------
    ShapeError
        If the three are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or the interference is a copy
        of the reference.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?",
    ICASSP 2019; E. Vincent, R. Gribonval, C. Févotte, "Performance measurement
    in blind audio source separation", IEEE TASLP 14(4), 2006.
    """
    target, interf, _ = _parts(reference, interference, estimate, sample_rate)
    return ratio_db(energy(target), energy(interf))


SI_SIR = of_noise(si_sir, "SI-SIR", "residual noise, independent of gain", rank=50)


def si_sar(
    reference: np.ndarray, interference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> float:
    """Scale-invariant source-to-artefact ratio.

        SI-SAR = 10 log10( |e_target|² / |e_artif|² )

    The parts are those of `si_sir`. They are orthogonal, so with `si_sdr`

        10^(-SI-SDR/10) = 10^(-SI-SIR/10) + 10^(-SI-SAR/10)

    (Vincent's SAR has e_target + e_interf in the numerator, so the sum does not hold for it).

    Parameters
    ----------
    reference, interference, estimate : float ndarray, shape (N,)
        s, n and y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    si_sar_db : float
        dB; any real number, up to +inf without artefacts.

    Raises
    ------
    ShapeError
        If the three are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or the interference is a copy
        of the reference.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?",
    ICASSP 2019.
    """
    target, _, artefact = _parts(reference, interference, estimate, sample_rate)
    return ratio_db(energy(target), energy(artefact))


SI_SAR = of_noise(
    si_sar, "SI-SAR", "artefacts (neither speech nor noise), independent of gain", rank=60
)


def _explained(reference: np.ndarray, estimate: np.ndarray, n_taps: int) -> float:
    """Share of the estimate's energy that the filtered reference explains.

    With R the autocorrelation of the reference, a Toeplitz matrix, and r its correlation
    with the estimate, the filter is h = R⁻¹ r and the share rᵀh / |y|².
    """
    s, y = (x / np.abs(x).max() for x in (reference, estimate))
    s, y = s / np.sqrt(energy(s)), y / np.sqrt(energy(y))
    n_fft = scipy.fft.next_fast_len(s.size + n_taps - 1, real=True)
    spec_s, spec_y = scipy.fft.rfft(s, n_fft), scipy.fft.rfft(y, n_fft)
    auto = scipy.fft.irfft(np.abs(spec_s) ** 2, n_fft)[:n_taps]
    cross = scipy.fft.irfft(spec_s.conj() * spec_y, n_fft)[:n_taps]
    try:
        taps = solve_toeplitz(auto, cross)
    except np.linalg.LinAlgError:
        raise MetricError(
            f"SDR has no value: the reference is too narrow in band for {n_taps} taps"
        ) from None
    return float(cross @ taps)


def _parts(
    reference: np.ndarray, interference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split the estimate into e_target, e_interf and e_artif."""
    s, y = waveforms(reference, estimate, sample_rate)
    n = waveform("interference", interference)
    same_length("reference", s, "interference", n)
    refuse_silence(reference=s, interference=n, estimate=y)
    apart = n - _projection(n, s)
    if not energy(apart) > LEAST_INDEPENDENCE * energy(n):
        raise MetricError("the interference is a scaled copy of the reference")
    target = _projection(y, s)
    interf = _projection(y - target, apart)
    return target, interf, y - target - interf


def _projection(x: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Projection of x onto another signal."""
    return (np.dot(x, onto) / energy(onto)) * onto
