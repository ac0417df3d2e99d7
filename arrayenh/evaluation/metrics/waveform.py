"""Waveform scores: SNR, segmental SNR, SI-SDR."""

import numpy as np

from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import ANY_DB, of_pair
from arrayenh.evaluation.metrics.checks import (
    energy,
    ratio_db,
    refuse_silence,
    same_length,
    waveform,
    waveforms,
)

SEG_SNR_RANGE_DB = (-10.0, 35.0)
"""Limits of the SNR of one frame, Hansen and Pellom (1998)."""

ACTIVE_RANGE_DB = 40.0
"""A frame is active within this range of the loudest frame of the reference."""


def snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Signal-to-noise ratio, with the difference from the reference as the noise.

        SNR = 10 log10( Σ s² / Σ (s - y)² )

    Gain and delay of the estimate count as noise.

    Parameters
    ----------
    reference : float ndarray, shape (N,)
        s.
    estimate : float ndarray, shape (N,)
        y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    snr_db : float
        dB; any real number, +inf where the two are equal.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the reference is silent.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s)
    return ratio_db(energy(s), energy(s - y))


SNR = of_pair(
    snr, "SNR", "dB", ANY_DB, "waveform against reference, or by shadow filtering", rank=10
)


def shadow_snr(speech: np.ndarray, noise: np.ndarray) -> float:
    """SNR at the output of a linear stage, by shadow filtering.

        SNR = 10 log10( Σ s² / Σ n² )

    The stage's weights, estimated on the mixture, are applied separately to the speech image
    and to the noise image. The ratio of the two outputs is the SNR of the stage's output, and
    the ratio of the two images is that of its input.

    Parameters
    ----------
    speech, noise : float ndarray, shape (N,)

    Returns
    -------
    snr_db : float
        dB; any real number, +inf without noise.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the speech is silent.

    Examples
    --------
    >>> shadow_snr(np.array([2.0, -2.0]), np.array([0.2, 0.2]))
    20.0
    """
    s = waveform("speech", speech)
    n = waveform("noise", noise)
    same_length("speech", s, "noise", n)
    refuse_silence(speech=s)
    return ratio_db(energy(s), energy(n))


def seg_snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Segmental SNR: mean over active frames of the clamped frame SNR.

        SNR(t) = 10 log10( Σ (w s)² / Σ (w (s - y))² ), clamped to [-10, 35] dB
        SegSNR = mean of SNR(t) over the active frames t

    Frames of 30 ms, advanced by a quarter of that, under the Hann window
    w(n) = (1 - cos(2πn/(L+1)))/2, n = 1 ... L. A frame is active if the energy of the
    windowed reference is above zero and at most 40 dB below that of its loudest frame;
    all other frames are excluded (Hansen and Pellom keep them: each pause then scores
    -10 dB for any estimate).

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    seg_snr_db : float
        dB, in [-10, 35].

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, the reference is silent, or the signals are
        shorter than one frame.

    References
    ----------
    J. Hansen, B. Pellom, "An effective quality evaluation protocol for speech
    enhancement algorithms", ICSLP 1998; P. Loizou, "Speech Enhancement", 2nd ed. 2013,
    section 11.2.1, and its program comp_snr.m.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s)
    speech = frame_energies(s, sample_rate)
    noise = frame_energies(s - y, sample_rate)
    active = speech > speech.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    if not active.any():
        raise MetricError(
            "seg_snr found no active frame: the reference is silent except at its very "
            "end; give a longer excerpt"
        )
    with np.errstate(divide="ignore"):  # a perfect frame is +inf, then clamped
        frame_snr_db = 10 * np.log10(speech[active] / noise[active])
    return float(np.mean(np.clip(frame_snr_db, *SEG_SNR_RANGE_DB)))


SEG_SNR = of_pair(
    seg_snr, "Seg. SNR", "dB", SEG_SNR_RANGE_DB, "mean clamped SNR of active frames", rank=20
)


def si_sdr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio.

        α = <y, s> / <s, s>
        SI-SDR = 10 log10( |α s|² / |α s - y|² )

    No mean is removed, as in the paper. The gain of either signal does not matter.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        s and y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    si_sdr_db : float
        dB; any real number, +inf where the two are equal, -inf where orthogonal.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or one of the signals is silent.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, equations (3) to (5).
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    target = (np.dot(y, s) / np.dot(s, s)) * s
    return ratio_db(energy(target), energy(target - y))


SI_SDR = of_pair(si_sdr, "SI-SDR", "dB", ANY_DB, "distortion, independent of gain", rank=40)


def frame_energies(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Energy under a 30 ms Hann window every 7.5 ms, shape (T,)."""
    length = round(0.030 * sample_rate)
    hop = max(length // 4, 1)
    if length < 1 or signal.size < length:
        raise MetricError(
            f"seg_snr needs one frame of 30 ms = {length} samples at {sample_rate} Hz; "
            f"got {signal.size}"
        )
    window = np.sin(np.pi * np.arange(1, length + 1) / (length + 1)) ** 2
    frames = np.lib.stride_tricks.sliding_window_view(signal, length)[::hop]
    # einsum reads the overlapping view; a product would copy it four times
    return np.einsum("tn,tn,n->t", frames, frames, window**2)
