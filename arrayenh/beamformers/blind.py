"""MVDR weights of a whole spectrum from masks, with silent bins handled.

The beamformers raise an error for a bin without statistics: silence, an empty mask, a band above
the recording's own. The functions here pass the reference microphone in such bins.
"""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.mvdr import mvdr, souden_mvdr
from arrayenh.beamformers.weights import apply, level_gain, limited, passing
from arrayenh.statistics.covariance import covariances, sounding
from arrayenh.statistics.loading import (
    adaptive_loading,
    solvable,
)

BINS_AT_ONCE = 64  # bins whitened at once, to bound memory


def blind_mvdr(
    spec: np.ndarray,
    mask: np.ndarray,
    reference: int,
    loading: float,
    there: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """Souden's MVDR weights from a speech mask m: Φₛ weighted with m², Φₙ with (1 - m)².

    If the rank of Φₛ exceeds one (reverberation, noise within the mask), Souden's weights
    attenuate the speech, by 3 dB in ordinary rooms; one gain for all bins restores its level.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        In [0, 1].
    reference : int
    loading : float
    there : bool ndarray, shape (F,), optional
        Valid bins; default: `sounding(spec)`.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
    n_passed : int
        Number of bins without statistics, which pass the reference microphone.

    Examples
    --------
    >>> spec = np.array([[[2, 2, 1, 0], [2, 2, 0, 1]]], np.complex64)
    >>> mask = np.array([[1, 1, 0, 0]], np.float32)
    >>> weights, n_passed = blind_mvdr(spec, mask, reference=0, loading=1e-6)
    >>> weights.real.round(3), n_passed
    (array([[0.5, 0.5]]), 0)
    """
    there = sounding(spec) if there is None else there
    return BlindBeam(spec, reference, loading, there).weights(mask)[0], int(np.sum(~there))


@dataclass(frozen=True, slots=True, eq=False)
class BlindBeam:
    """`blind_mvdr` of one spectrum, for several masks in turn.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    reference : int
    loading : float
    there : bool ndarray, shape (F,)
        Valid bins, `sounding(spec)`.

    Examples
    --------
    >>> spec = np.array([[[2, 2, 1, 0], [2, 2, 0, 1]]], np.complex64)
    >>> beam = BlindBeam(spec, 0, 1e-6, sounding(spec))
    >>> beam(np.array([[1, 1, 0, 0]], np.float32)).real.round(2)
    array([[2. , 2. , 0.5, 0.5]], dtype=float32)
    """

    spec: np.ndarray
    reference: int
    loading: float
    there: np.ndarray

    def __call__(self, mask: np.ndarray) -> np.ndarray:
        """Beamform with a mask, (F, T) -> (F, T), complex64."""
        return apply(self.weights(mask)[0], self.spec)

    def with_noise(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Beamform with a mask; return the output and its noise magnitude (`residual_noise`)."""
        weights, noise_cov = self.weights(mask)
        beamformed = apply(weights, self.spec)
        return beamformed, residual_noise(self.spec, weights, noise_cov, beamformed)

    def weights(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (F, M) from a mask, and the loaded noise covariances (F, M, M)."""
        n_freqs, n_mics = self.spec.shape[:2]
        weights = passing(n_freqs, n_mics, self.reference)
        noise_covs = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
        there = self.there
        if there.any():
            speech_cov, noise_cov = covariances(self.spec, mask, there)
            weights[there], loadings = levelled_mvdr(
                speech_cov, noise_cov, self.reference, self.loading
            )
            noise_covs[there] = solvable(noise_cov, loadings)
        return weights, noise_covs


def levelled_mvdr(
    speech_cov: np.ndarray, noise_cov: np.ndarray, reference: int, loading: float
) -> tuple[np.ndarray, np.ndarray]:
    """Souden's MVDR weights (F, M) with limited noise gain and restored level, and the loading."""
    found, loadings = limited(
        lambda bins, loading: souden_mvdr(speech_cov[bins], noise_cov[bins], reference, loading),
        adaptive_loading(speech_cov, noise_cov, loading),
    )
    return found * level_gain(found, speech_cov, reference), loadings


def residual_noise(
    spec: np.ndarray, weights: np.ndarray, noise_cov: np.ndarray, beamformed: np.ndarray
) -> np.ndarray:
    """Magnitude of the residual noise in a beamformer's output, from the other directions.

        n² = ( (wᴴ Φₙ w) (xᴴ Φₙ⁻¹ x) - |wᴴ x|² ) / (M - 1)

    In whitened space the output is one component of x, and n² is the mean power of the other
    M - 1 components, scaled to the output: the noise power in each bin, if Φₙ is the noise
    covariance. A talker in the look direction of w does not contribute. |y|²/n² is then the
    detection statistic of the adaptive coherence estimator (Kraut, Scharf & McWhorter, "Adaptive
    subspace detectors", IEEE TSP 49, 2001). n² is never negative, for any weights (Cauchy-Schwarz).

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    weights : complex ndarray, shape (F, M)
    noise_cov : complex128 ndarray, shape (F, M, M)
        With the loading of the weights. Bins where it is zero are skipped, n = 0.
    beamformed : complex64 ndarray, shape (F, T)

    Returns
    -------
    noise : float32 ndarray, shape (F, T)
        n; 0 for one microphone.

    Examples
    --------
    >>> spec = np.array([[[1, 1], [1, -1]]], np.complex64)  # talker, noise
    >>> weights = np.array([[0.5, 0.5]])
    >>> residual_noise(spec, weights, np.eye(2, dtype=complex)[None], apply(weights, spec)).round(3)
    array([[0., 1.]], dtype=float32)
    """
    n_mics = spec.shape[1]
    noise = np.zeros(beamformed.shape, np.float32)
    there = np.flatnonzero(np.trace(noise_cov, axis1=-2, axis2=-1).real > 0)
    if n_mics == 1:
        return noise
    for bins in np.split(there, range(BINS_AT_ONCE, len(there), BINS_AT_ONCE)):
        w, cov = weights[bins], noise_cov[bins]
        output = np.einsum("fm,fmn,fn->f", w.conj(), cov, w).real
        # scaled by the output's power, so that faint bins do not underflow in float32
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
    """MVDR weights towards `steering`, with Φₙ weighted by (1 - m)²; see `blind_mvdr`.

    Examples
    --------
    >>> spec = np.array([[[2, 2, 1, 0], [2, 2, 0, 1]]], np.complex64)
    >>> mask = np.array([[1, 1, 0, 0]], np.float32)
    >>> weights, _ = steered_mvdr(spec, mask, np.ones((1, 2)), reference=0, loading=1e-6)
    >>> weights.real.round(3)
    array([[0.5, 0.5]])
    """
    weights = passing(spec.shape[0], spec.shape[1], reference)
    there = sounding(spec) if there is None else there
    if there.any():
        speech_cov, noise_cov = covariances(spec, mask, there)
        loadings = adaptive_loading(speech_cov, noise_cov, loading)
        towards = steering[there]
        weights[there], _ = limited(
            lambda bins, loading: mvdr(towards[bins], noise_cov[bins], loading),
            loadings,
        )
    return weights, int(np.sum(~there))


def with_phase(magnitude: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Combine magnitudes with the phases of a spectrum, 0 where that vanishes; complex64.

    Examples
    --------
    >>> with_phase(np.array([2.0], np.float32), of=np.array([3j], np.complex64))
    array([0.+2.j], dtype=complex64)
    """
    size = np.abs(of)
    there = size >= np.finfo(np.float32).tiny
    return np.divide(magnitude * of, size, out=np.zeros_like(of), where=there)
