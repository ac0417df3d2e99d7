"""Scores of a linear beamformer: noise reduction and speech distortion.

Both use the outputs of the beamformer for speech alone and for noise alone (shadow filtering).
"""

import numpy as np

from arrayenh.evaluation.metric import ANY_DB, INF, of_shadow
from arrayenh.evaluation.metrics.checks import (
    energy,
    ratio_db,
    refuse_silence,
    same_length,
    waveform,
)


def noise_reduction_db(noise: np.ndarray, noise_out: np.ndarray) -> float:
    """Noise-reduction factor: noise at the reference microphone over noise in the output.

        ξ = 10 log10( Σ v² / Σ v_out² )

    Parameters
    ----------
    noise : float ndarray, shape (N,)
        v, everything but the target at the reference microphone.
    noise_out : float ndarray, shape (N,)
        v_out, the beamformer's output for it.

    Returns
    -------
    reduction_db : float
        dB; any real number, +inf if the output has no noise; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the noise is silent.

    References
    ----------
    J. Benesty, J. Chen, Y. Huang, "Microphone Array Signal Processing", Springer 2008.

    Examples
    --------
    >>> noise_reduction_db(np.array([1.0, -1.0]), np.array([0.1, 0.1]))
    20.0
    """
    v, v_out = _pair("noise", noise, noise_out)
    return ratio_db(energy(v), energy(v_out))


NOISE_REDUCTION_DB = of_shadow(
    noise_reduction_db,
    "noise reduction",
    "dB",
    ANY_DB,
    "noise",
    "noise that a beamformer removes",
    rank=320,
)


def speech_distortion_index(speech: np.ndarray, speech_out: np.ndarray) -> float:
    """Speech-distortion index: relative energy of the change that the beamformer makes to speech.

        υ = Σ (x_out - x)² / Σ x²

    Parameters
    ----------
    speech : float ndarray, shape (N,)
        x, the target at the reference microphone.
    speech_out : float ndarray, shape (N,)
        x_out, the beamformer's output for it, without delay.

    Returns
    -------
    index : float
        Without unit: 0 without distortion, 1 if the output has no speech, above 1 if the error
        exceeds the speech; lower is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the speech is silent.

    References
    ----------
    J. Benesty, J. Chen, Y. Huang, "Microphone Array Signal Processing", Springer 2008.

    Examples
    --------
    >>> speech_distortion_index(np.array([2.0, -2.0]), np.array([1.0, -1.0]))
    0.25
    """
    x, x_out = _pair("speech", speech, speech_out)
    return energy(x_out - x) / energy(x)


SPEECH_DISTORTION_INDEX = of_shadow(
    speech_distortion_index,
    "speech distortion index",
    "",
    (0.0, INF),
    "speech",
    "speech that a beamformer changes",
    lower_is_better=True,
    rank=330,
)


def _pair(role: str, before: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Validate the input and the output of the beamformer; return float64."""
    x = waveform(role, before)
    x_out = waveform(f"{role}_out", behind)
    same_length(role, x, f"{role}_out", x_out)
    refuse_silence(**{role: x})
    return x, x_out
