"""Spatial covariances weighted by masks, the statistics of the adaptive beamformers."""

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, NumericalError, ShapeError


def spatial_covariance(spec: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Mask-weighted spatial covariance, one matrix per bin.

        Φ(f) = Σ_t γ(f,t) x(f,t) x(f,t)ᴴ / Σ_t γ(f,t)

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    mask : float ndarray, shape (F, T), optional
        γ, not negative; default: 1 in every frame.

    Returns
    -------
    cov : complex128 ndarray, shape (F, M, M)
        Hermitian, positive semidefinite.

    Raises
    ------
    ShapeError
        If `spec` does not have three axes, or `mask` not the F and T of `spec`.
    NumericalError
        If the mask is zero in every frame of a bin.

    Examples
    --------
    >>> spec = np.array([[[1, 1j], [1, 1j]]], np.complex64)  # F = 1, M = 2, T = 2
    >>> spatial_covariance(spec)[0].real
    array([[1., 1.],
           [1., 1.]])
    """
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
    if mask is None:
        mask = np.ones((spec.shape[0], spec.shape[2]), np.float32)
    check_mask(spec, mask)
    cov = np.empty((spec.shape[0], spec.shape[1], spec.shape[1]), np.complex128)
    mass = np.empty(len(spec))
    _kernels.covariance.weighted_outer_sum(spec, mask, cov, mass)
    return divided(cov, mass)


def speech_noise_covariances(
    spec: np.ndarray, speech_mask: np.ndarray, noise_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Speech and noise covariances, `spatial_covariance` for two masks in one pass.

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    speech_mask, noise_mask : float ndarray, shape (F, T)

    Returns
    -------
    speech_cov, noise_cov : complex128 ndarray, shape (F, M, M)

    Raises
    ------
    ShapeError
        If a mask does not have the F and T of `spec`.
    NumericalError
        If a mask is zero in every frame of a bin.

    Examples
    --------
    >>> spec = np.array([[[1, 0], [0, 2]]], np.complex64)
    >>> speech_mask = np.array([[1, 0]], np.float32)
    >>> speech_cov, noise_cov = speech_noise_covariances(spec, speech_mask, 1 - speech_mask)
    >>> noise_cov[0].real
    array([[0., 0.],
           [0., 4.]])
    """
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
    check_mask(spec, speech_mask)
    check_mask(spec, noise_mask)
    speech_cov = np.empty((spec.shape[0], spec.shape[1], spec.shape[1]), np.complex128)
    noise_cov = np.empty_like(speech_cov)
    speech, noise = np.empty(len(spec)), np.empty(len(spec))
    _kernels.covariance.weighted_outer_sums(
        spec, speech_mask, noise_mask, speech_cov, noise_cov, speech, noise
    )
    return divided(speech_cov, speech), divided(noise_cov, noise)


def blocked_covariance(
    spec: np.ndarray, n_frames: int, mask: np.ndarray | None = None
) -> np.ndarray:
    """Spatial covariances of consecutive blocks of frames.

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    n_frames : int
        Frames of a block; the last block may be shorter.
    mask : float ndarray, shape (F, T), optional

    Returns
    -------
    cov : complex128 ndarray, shape (B, F, M, M)
        B = ⌈T / n_frames⌉. Zero where the mask of a block is zero.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ConfigError
        If `n_frames` is below 1.

    Examples
    --------
    >>> blocked_covariance(np.ones((1, 2, 5), np.complex64), n_frames=2).shape
    (3, 1, 2, 2)
    """
    if spec.ndim != 3:
        raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
    if n_frames < 1:
        raise ConfigError(f"n_frames must be at least 1; got {n_frames}")
    n_freqs, n_mics, n_all = spec.shape
    if mask is None:
        mask = np.ones((n_freqs, n_all), np.float32)
    check_mask(spec, mask)
    starts = range(0, n_all, n_frames)
    cov = np.empty((len(starts), n_freqs, n_mics, n_mics), np.complex128)
    for b, start in enumerate(starts):
        part = slice(start, start + n_frames)
        mass = np.empty(n_freqs)
        _kernels.covariance.weighted_outer_sum(
            np.ascontiguousarray(spec[:, :, part]),
            np.ascontiguousarray(mask[:, part]),
            cov[b],
            mass,
        )
        cov[b] /= np.where(mass > 0, mass, 1)[:, None, None]
    return cov


class RecursiveCovariance:
    """Recursive, exponentially weighted covariance.

        Φ <- (1 - βγ) Φ + βγ x xᴴ,   β = 1 - exp(-hop / memory)

    A masked frame (γ = 0) does not change the covariance. The result does not depend on how the
    frames are split into calls.

    Parameters
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant, s.

    Attributes
    ----------
    mass : float64 ndarray, shape (F,)
        Total weight so far, 1 - Π (1 - βγ), which tends to 1.

    Raises
    ------
    ConfigError
        If a number is not positive.

    Examples
    --------
    >>> recursive = RecursiveCovariance(1, 2, hop_seconds=0.01, memory_seconds=0.5)
    >>> recursive.update(np.ones((1, 2, 10), np.complex64))[0].real.round(3)
    array([[1., 1.],
           [1., 1.]])
    """

    def __init__(
        self, n_freqs: int, n_mics: int, hop_seconds: float, memory_seconds: float
    ) -> None:
        if min(n_freqs, n_mics) < 1 or not (hop_seconds > 0 and memory_seconds > 0):
            raise ConfigError("n_freqs, n_mics, hop_seconds and memory_seconds must be positive")
        self._shape = n_freqs, n_mics
        self.rate = float(1 - np.exp(-hop_seconds / memory_seconds))
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        n_freqs, n_mics = self._shape
        self._sum = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
        self.mass = np.zeros(n_freqs)

    @property
    def cov(self) -> np.ndarray:
        """Φ normalised by `mass`, complex128, (F, M, M); zero where the mass is zero."""
        return self._sum / np.where(self.mass > 0, self.mass, 1)[:, None, None]

    def update(self, spec: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Update the covariance with the next frames.

        Parameters
        ----------
        spec : complex ndarray, shape (F, M, t)
        mask : float ndarray, shape (F, t), optional
            γ, in [0, 1].

        Returns
        -------
        cov : complex128 ndarray, shape (F, M, M)
            Covariance after the last frame.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        if spec.ndim != 3 or spec.shape[:2] != self._shape:
            raise ShapeError(f"spec must have shape {(*self._shape, 't')}; got {spec.shape}")
        if mask is None:
            mask = np.ones((len(spec), spec.shape[2]), np.float32)
        check_mask(spec, mask)
        learnt = self.rate * mask.astype(np.float64)
        kept = np.cumprod((1 - learnt)[:, ::-1], axis=1)[
            :, ::-1
        ]  # decay by frame t and all later ones
        later = np.concatenate([kept[:, 1:], np.ones((len(spec), 1))], axis=1)[:, : spec.shape[2]]
        left = kept[:, 0] if spec.shape[2] else np.ones(len(spec))
        added = np.empty_like(self._sum)
        _kernels.covariance.weighted_outer_sum(spec, learnt * later, added, np.empty(len(spec)))
        self._sum = left[:, None, None] * self._sum + added
        self.mass = left * self.mass + (1 - left)
        return self.cov


def check_mask(spec: np.ndarray, mask: np.ndarray) -> None:
    """Raise ShapeError if a mask does not have the F and T of `spec`."""
    if mask.shape != (spec.shape[0], spec.shape[2]):
        raise ShapeError(
            f"mask must have shape (F, T) = {(spec.shape[0], spec.shape[2])} to match spec; "
            f"got {mask.shape}"
        )


def divided(cov: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """Normalise sums by the mass of their mask; raise NumericalError if a mass is zero."""
    if not (mass > 0).all():  # written so that NaN is refused too
        raise NumericalError(f"mask is zero in every frame of bin {np.argmin(mass > 0)}")
    return cov / mass[:, None, None]


EMPTY = 1e-14  # relative to the loudest bin: rounding of float32 spectra in an empty band


LEAST_MASK = 1e-6  # floor, so that a mask of zeros still yields a covariance


def sounding(spec: np.ndarray) -> np.ndarray:
    """Valid bins, in which every microphone has power; bool, shape (F,).

    Examples
    --------
    >>> sounding(np.array([[[0, 0]], [[1, 2]]], np.complex64))
    array([False,  True])
    """
    power = sum(np.einsum("fmt,fmt->fm", part, part) for part in (spec.real, spec.imag))
    return power.min(axis=1) > EMPTY * max(power.max(initial=0), 1e-20)


def complete(spec: np.ndarray) -> np.ndarray:
    """Frames in which no single microphone is silent; bool, shape (T,).

    A recorder that starts late, or a microphone that drops out, is no plane of zeros that an MVDR
    should learn from. Frames in which all are silent are complete.

    Examples
    --------
    >>> complete(np.array([[[1, 0, 1], [1, 0, 0]]], np.complex64))
    array([ True,  True, False])
    """
    power = sum(np.einsum("fmt,fmt->mt", part, part) for part in (spec.real, spec.imag))
    return np.asarray(power.min(axis=0) > EMPTY * power.max(axis=0)) | ~power.any(axis=0)


def covariances(
    spec: np.ndarray, mask: np.ndarray, there: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Speech and noise covariances of the valid bins, weighted by m² and (1 - m)².

    Examples
    --------
    >>> spec = np.array([[[1, 0], [0, 2]]], np.complex64)
    >>> mask = np.array([[1, 0]], np.float32)
    >>> covariances(spec, mask, sounding(spec))[1][0].real.round(3)
    array([[0., 0.],
           [0., 4.]])
    """
    if not there.all():
        spec, mask = spec[there], mask[there]
    speech = np.maximum(mask, np.float32(LEAST_MASK))
    noise = np.maximum(1 - mask, np.float32(LEAST_MASK))
    return speech_noise_covariances(spec, speech**2, noise**2)
