"""Binaural Wiener filters, which preserve interaural cues."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import recursive_binaural_mwf
from arrayenh.beamformers.mwf import mwf, rank_one_mwf
from arrayenh.beamformers.weights import level_gain
from arrayenh.checks import within
from arrayenh.errors import ShapeError
from arrayenh.statistics.loading import LOADING, loaded
from arrayenh.statistics.transfer_functions import check_covariances, rank_one


def binaural_mwf(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    references: tuple[int, int],
    mu: float = 1.0,
    partial: float = 0.2,
    rank_one: bool = True,
    loading: float = LOADING,
) -> np.ndarray:
    """Multichannel Wiener filter at each ear, with partial noise estimation (MWF-N).

        w_e = (1 - η) w_MWF(e) + η i_e,   e = left, right

    The speech at each ear is estimated from the microphones of both ears, which preserves the
    interaural cues of the speech (exactly, for one talker). The residual noise would take on the
    cues of the talker; mixing in a fraction η of the unprocessed signal preserves its own.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    references : pair of int
        Microphones at the left and at the right ear.
    mu : float
        Trade-off of noise reduction against speech distortion.
    partial : float
        η, 0 (full noise reduction) to 1 (no processing).
    rank_one : bool
        Whether the speech is modelled as one talker (`rank_one_mwf`) or not (`mwf`).
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (2, F, M)
        Left, right.

    Raises
    ------
    ShapeError, NumericalError, ConfigError
        As raised by `mwf`; or if η is not in [0, 1].

    References
    ----------
    T. J. Klasen, T. Van den Bogaert, M. Moonen and J. Wouters, "Binaural noise reduction
    algorithms for hearing aids that preserve interaural time delay cues", IEEE Trans. Signal
    Process. 55, 2007, eq. 25; S. Doclo et al., "Multichannel signal enhancement algorithms
    for assisted listening devices", IEEE Signal Process. Mag. 32, 2015, eq. 26.

    Examples
    --------
    >>> speech_cov, noise_cov = np.ones((1, 2, 2)), np.eye(2)[None]
    >>> left, right = binaural_mwf(speech_cov, noise_cov, references=(0, 1))
    >>> left.real.round(3), right.real.round(3)
    (array([[0.467, 0.267]]), array([[0.267, 0.467]]))
    """
    within("partial", partial, 0, 1)
    weights = []
    for reference in references:
        check_covariances(speech_cov, noise_cov, reference)
        estimate = rank_one_mwf if rank_one else mwf
        w = (1 - partial) * estimate(speech_cov, noise_cov, mu, reference, loading)
        w[:, reference] += partial
        weights.append(w)
    return np.stack(weights)


def ears(positions: np.ndarray) -> tuple[int, int]:
    """Choose the microphones for the left and right ear: the foremost on each side.

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres, +y to the left.

    Returns
    -------
    left, right : int

    Raises
    ------
    ShapeError
        If one side has no microphone.

    Examples
    --------
    >>> ears(np.array([[0, 0.08, 0], [0, -0.08, 0]]))
    (0, 1)
    """
    side = positions[:, 1] - positions[:, 1].mean()
    wide = np.abs(side) > 1e-6
    left, right = np.flatnonzero(wide & (side > 0)), np.flatnonzero(wide & (side < 0))
    if not len(left) or not len(right):
        raise ShapeError("two ears need microphones on the left and on the right of the centre")
    return (
        int(left[positions[left, 0].argmax()]),
        int(right[positions[right, 0].argmax()]),
    )


def interaural_cues(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interaural level and phase difference of each bin.

        ILD = 10 log₁₀ Σ_t |l|² / Σ_t |r|²,   IPD = arg Σ_t l r*

    Parameters
    ----------
    left, right : complex ndarray, shape (F, T)

    Returns
    -------
    ild_db : float64 ndarray, shape (F,)
    ipd : float64 ndarray, shape (F,)
        Radians; divided by 2πf, the delay of the right ear.

    References
    ----------
    B. Cornelis, S. Doclo, T. Van den Bogaert, M. Moonen and J. Wouters, "Theoretical
    analysis of binaural multimicrophone noise reduction techniques", IEEE TASLP 18, 2010,
    eqs. 19 and 20.

    Examples
    --------
    >>> ild_db, ipd = interaural_cues(np.full((1, 4), 2j), np.ones((1, 4), complex))
    >>> ild_db.round(2), ipd.round(3)
    (array([6.02]), array([1.571]))
    """
    if left.shape != right.shape or left.ndim != 2:
        raise ShapeError(f"left and right must share (F, T); got {left.shape}, {right.shape}")
    at_left = np.sum(np.abs(left) ** 2, axis=1, dtype=np.float64)
    at_right = np.sum(np.abs(right) ** 2, axis=1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ild_db = 10 * np.log10(at_left / at_right)
    ipd = np.angle(np.sum(left * right.conj(), axis=1, dtype=np.complex128))
    return ild_db, np.asarray(ipd)


def estimate_binaural(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Binaural MWF of a segment; one gain for both ears preserves the interaural cues."""
    assert heard.ears is not None
    pair = heard.ears
    noise = loaded(heard.noise_cov, heard.loading)
    speech = rank_one(heard.speech_cov, noise, 0.0)
    left, right = binaural_mwf(speech, noise, pair, settings.mu, settings.partial, loading=0.0)
    gain = np.mean(
        [
            level_gain(weights, heard.speech_cov, ear)
            for weights, ear in zip((left, right), pair, strict=True)
        ]
    )
    return Filters(gain * np.stack([left, right], axis=2)[:, None])


BINAURAL = Beamformer(
    "binaural-mwf",
    "binaural MWF",
    "Wiener filter at each ear that preserves the interaural cues",
    estimate_binaural,
    two_ears=True,
    recursive=recursive_binaural_mwf,
)
