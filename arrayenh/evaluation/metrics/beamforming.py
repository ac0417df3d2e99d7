"""Scores of a linear beamformer: what it takes off the noise, and off the speech.

Both look at the answers of the beamformer to speech and to noise apart (shadow filtering).
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
    """Noise-reduction factor: how much less noise comes out than the reference hears.

        ξ = 10 log10( Σ v² / Σ v_out² )

    Parameters
    ----------
    noise : float ndarray, shape (N,)
        v, all but the target at the reference microphone.
    noise_out : float ndarray, shape (N,)
        v_out, the beamformer's answer to it.

    Returns
    -------
    reduction_db : float
        dB; any real number, +inf where no noise comes out; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or there is no noise to take off.

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
    "noise that a beamformer takes off",
    rank=320,
)


def speech_distortion_index(speech: np.ndarray, speech_out: np.ndarray) -> float:
    """Speech-distortion index: the part of the speech that the beamformer changes.

        υ = Σ (x_out - x)² / Σ x²

    Parameters
    ----------
    speech : float ndarray, shape (N,)
        x, the target at the reference microphone.
    speech_out : float ndarray, shape (N,)
        x_out, the beamformer's answer to it, not delayed.

    Returns
    -------
    index : float
        Without unit: 0 without distortion, 1 where no speech comes out, above 1 where the
        beamformer adds to it; lower is better.

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
    """A signal before and behind the beamformer in float64, checked."""
    x = waveform(role, before)
    x_out = waveform(f"{role}_out", behind)
    same_length(role, x, f"{role}_out", x_out)
    refuse_silence(**{role: x})
    return x, x_out
