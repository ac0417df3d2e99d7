"""Weights of a whole spectrum from its masks, bin by bin where the statistics exist.

The beamformers refuse a bin that has no answer: nothing but silence, a mask that is empty,
a band that the recording never had. Here such a bin passes the reference microphone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers import mvdr as beamformers
from arrayenh.beamformers.mwf import loaded
from arrayenh.statistics.covariance import speech_noise_covariances

EMPTY = 1e-14  # of the loudest bin's power: what float32 spectra leave of a missing band
LEAST_MASK = 1e-6  # keeps a mask of exact zeros from being no statistics at all
MOST_NORM = 1e3  # of ‖w‖²: a white-noise gain of -30 dB at the least
LEAST_LOADING, LOADING_STEP, MOST_STEPS = 1e-9, 4.0, 24
MOST_CONDITION = 1e8  # of a covariance that needs no loading to be solved
BINS_AT_ONCE = 64  # whose whitened spectra are in memory
CLEAN_SNR = 10.0  # power ratio of a bin above which loading grows


def blind_mvdr(
    spec: np.ndarray,
    mask: np.ndarray,
    reference: int,
    loading: float,
    there: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """`beamformers.souden_mvdr` from a speech mask m: Φₛ from m², Φₙ from (1 - m)².

    Where Φₛ has not rank one (reverberation, noise within the mask) Souden's weights lower
    the speech, by 3 dB in ordinary rooms; one gain for all bins restores its level.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        In [0, 1].
    reference : int
    loading : float
    there : bool ndarray, shape (F,), optional
        `sounding(spec)`, where it is known already.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
    n_passed : int
        Bins without statistics, which pass the reference microphone.
    """
    there = sounding(spec) if there is None else there
    return BlindBeam(spec, reference, loading, there).weights(mask)[0], int(np.sum(~there))


@dataclass(frozen=True, slots=True, eq=False)
class BlindBeam:
    """`blind_mvdr` of one spectrum, for one mask after the other.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    reference : int
    loading : float
    there : bool ndarray, shape (F,)
        `sounding(spec)`.
    """

    spec: np.ndarray
    reference: int
    loading: float
    there: np.ndarray

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """The beamformed spectrum, complex64, (F, T) -> (F, T)."""
        return beamformers.apply(self.weights(mask)[0], self.spec)

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same, and the magnitude of the noise in it: see `residual_noise`."""
        weights, noise_cov = self.weights(mask)
        beamformed = beamformers.apply(weights, self.spec)
        return beamformed, residual_noise(self.spec, weights, noise_cov, beamformed)

    def weights(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (F, M), and the noise covariances (F, M, M) with the loading they needed."""
        n_freqs, n_mics = self.spec.shape[:2]
        weights = passing(n_freqs, n_mics, self.reference)
        noise_covs = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
        there = self.there
        if there.any():
            speech_cov, noise_cov = covariances(self.spec, mask, there)
            found, loadings = limited(
                lambda bins, loading: beamformers.souden_mvdr(
                    speech_cov[bins], noise_cov[bins], self.reference, loading
                ),
                adaptive_loading(speech_cov, noise_cov, self.loading),
            )
            weights[there] = found * level_gain(found, speech_cov, self.reference)
            noise_covs[there] = solvable(noise_cov, loadings)
        return weights, noise_covs


def residual_noise(
    spec: np.ndarray, weights: np.ndarray, noise_cov: np.ndarray, beamformed: np.ndarray
) -> np.ndarray:
    """How loud the noise in a beamformer's output is, told by all that comes from elsewhere.

        n² = ( (wᴴ Φₙ w) (xᴴ Φₙ⁻¹ x) - |wᴴ x|² ) / (M - 1)

    In whitened space the output is one component of x and n² the mean power of the M - 1
    others, on the output's scale: that of the noise, bin by bin, if Φₙ is its covariance. A
    talker at whom w looks does not raise it. |y|²/n² is then the statistic by which adaptive
    coherence estimators detect (Kraut, Scharf & McWhorter, "Adaptive subspace detectors", IEEE
    TSP 49, 2001), and is never below 0, whatever the weights (Cauchy and Schwarz).

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    weights : complex ndarray, shape (F, M)
    noise_cov : complex128 ndarray, shape (F, M, M)
        Loaded as the weights needed it. Bins where it is zero tell nothing.
    beamformed : complex64 ndarray, shape (F, T)

    Returns
    -------
    noise : float32 ndarray, shape (F, T)
        n; 0 of one microphone.
    """
    n_mics = spec.shape[1]
    noise = np.zeros(beamformed.shape, np.float32)
    there = np.flatnonzero(np.trace(noise_cov, axis1=-2, axis2=-1).real > 0)
    if n_mics == 1:
        return noise
    for bins in np.split(there, range(BINS_AT_ONCE, len(there), BINS_AT_ONCE)):
        w, cov = weights[bins], noise_cov[bins]
        output = np.einsum("fm,fmn,fn->f", w.conj(), cov, w).real
        # whitened once more by the output's power, so that float32 holds faint bins as well
        factor = np.linalg.inv(np.linalg.cholesky(cov)) * np.sqrt(output)[:, None, None]
        whitened = factor.astype(np.complex64) @ spec[bins]
        total = np.einsum("fmt,fmt->ft", whitened.real, whitened.real)
        total += np.einsum("fmt,fmt->ft", whitened.imag, whitened.imag)
        passed = beamformed[bins]
        total -= passed.real**2 + passed.imag**2
        noise[bins] = np.sqrt(np.maximum(total, 0) / np.float32(n_mics - 1))
    return noise


def steered_mvdr(
    spec: np.ndarray,
    mask: np.ndarray,
    steering: np.ndarray,
    reference: int,
    loading: float,
    there: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """`beamformers.mvdr` towards `steering`, Φₙ from (1 - m)²; otherwise as `blind_mvdr`."""
    weights = passing(spec.shape[0], spec.shape[1], reference)
    there = sounding(spec) if there is None else there
    if there.any():
        speech_cov, noise_cov = covariances(spec, mask, there)
        loadings = adaptive_loading(speech_cov, noise_cov, loading)
        towards = steering[there]
        weights[there], _ = limited(
            lambda bins, loading: beamformers.mvdr(towards[bins], noise_cov[bins], loading),
            loadings,
        )
    return weights, int(np.sum(~there))


def adaptive_loading(
    speech_cov: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray
) -> np.ndarray:
    """Loading that grows where there is hardly any noise: δ (1 + (ξ/10)⁴), at most 1.

    There "noise" is the talker leaking through the mask, and a beamformer that minimises
    it sharply would cancel the talker. ξ = tr Φₛ / tr Φₙ.

    Returns
    -------
    loading : float64 ndarray, shape (F,)
    """
    speech = np.trace(speech_cov, axis1=-2, axis2=-1).real
    noise = np.trace(noise_cov, axis1=-2, axis2=-1).real
    ratio = np.divide(speech, noise, out=np.full_like(speech, np.inf), where=noise > 0)
    return np.minimum(loading * (1 + (ratio / CLEAN_SNR) ** 4), 1.0)


def limited(
    estimate: Callable[[np.ndarray, np.ndarray], np.ndarray], loading: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights whose white-noise gain is no less than -30 dB, by loading where it is.

    (Cox, Zeskind & Owen, "Robust adaptive beamforming", 1987, section V.) Without it a small
    array at low frequency is steered by differences that no real microphone pair can keep.

    Parameters
    ----------
    estimate : callable
        Weights of the bins chosen by a bool array, with their loading.
    loading : float ndarray, shape (F,)
        To start from.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
    loading : float64 ndarray, shape (F,)
        That was needed.
    """
    loading = loading.copy()
    weights = estimate(np.ones(len(loading), bool), loading)
    for _ in range(MOST_STEPS):
        loud = np.sum(np.abs(weights) ** 2, axis=-1) > MOST_NORM
        if not loud.any():
            break
        loading[loud] = np.maximum(LOADING_STEP * loading[loud], LEAST_LOADING)
        weights[loud] = estimate(loud, loading[loud])
    return weights, loading


def with_phase(magnitude: np.ndarray, of: np.ndarray) -> np.ndarray:
    """The magnitudes with the phases of a spectrum, 0 where that is as good as 0; complex64."""
    size = np.abs(of)
    there = size >= np.finfo(np.float32).tiny
    return np.divide(magnitude * of, size, out=np.zeros_like(of), where=there)


def solvable(cov: np.ndarray, loading: np.ndarray) -> np.ndarray:
    """A covariance with its loading, and what float64 needs of it to invert it; (F, M, M)."""
    return loaded(cov, np.maximum(loading, LEAST_LOADING))


def ill_conditioned(cov: np.ndarray) -> np.ndarray:
    """Whether the largest eigenvalue is above 1e8 times the smallest, bool, shape (F,).

    Such are two channels that hold the same, or noise of fewer directions than microphones.
    """
    values = np.linalg.eigvalsh(cov)
    return values[:, 0] * MOST_CONDITION < values[:, -1]


def level_gain(weights: np.ndarray, speech_cov: np.ndarray, reference: int) -> float:
    """Gain that gives the output the speech power of the reference microphone, all bins together.

    g² = Σ_f Φₛ(ref, ref) / Σ_f wᴴ Φₛ w;  1 where Φₛ has rank one and w is distortionless.
    """
    before = np.sum(speech_cov[:, reference, reference].real)
    after = np.einsum("fm,fmn,fn->", weights.conj(), speech_cov, weights).real
    return float(np.sqrt(before / after)) if after > 0 else 1.0


def passing(n_freqs: int, n_mics: int, reference: int) -> np.ndarray:
    """Weights that pass the reference microphone, complex128, shape (F, M)."""
    weights = np.zeros((n_freqs, n_mics), np.complex128)
    weights[:, reference] = 1
    return weights


def sounding(spec: np.ndarray) -> np.ndarray:
    """Whether every microphone hears something in a bin, bool, shape (F,)."""
    power = sum(np.einsum("fmt,fmt->fm", part, part) for part in (spec.real, spec.imag))
    return power.min(axis=1) > EMPTY * max(power.max(initial=0), 1e-20)


def covariances(
    spec: np.ndarray, mask: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Speech and noise covariances of the bins that are there."""
    if not there.all():
        spec, mask = spec[there], mask[there]
    speech = np.maximum(mask, np.float32(LEAST_MASK))
    noise = np.maximum(1 - mask, np.float32(LEAST_MASK))
    return speech_noise_covariances(spec, speech**2, noise**2)
