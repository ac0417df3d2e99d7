"""Generalised sidelobe canceller: MVDR as a fixed beamformer and a noise canceller."""

import numpy as np

from arrayenh import _kernels
from arrayenh.beamformers.beamformer import (
    Beamformer,
    BeamformerSettings,
    Statistics,
    Stream,
    Update,
)
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import recursive_mvdr
from arrayenh.beamformers.recursion import RECURSIVE_LOADING, Recursion
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.statistics.loading import GEOMETRY_LOADING, LOADING, loaded, solve
from arrayenh.statistics.transfer_functions import hermitian


def blocking_matrix(steering: np.ndarray) -> np.ndarray:
    """Blocking matrix of orthonormal columns with a null in the look direction.

        Bᴴ a = 0,   Bᴴ B = I

    The columns are 1 to M - 1 of the Householder reflection that maps a onto the first axis.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
        A steering vector or relative transfer function.

    Returns
    -------
    blocking : complex128 ndarray, shape (F, M, M - 1)

    Raises
    ------
    ShapeError
        If `steering` does not have two axes, or there is only one microphone.
    NumericalError
        If a steering vector is zero.

    References
    ----------
    S. Gannot, D. Burshtein and E. Weinstein, "Signal enhancement using beamforming and
    nonstationarity with applications to speech", IEEE Trans. Signal Process. 49, 2001, eq. 24
    has other columns of the same space.

    Examples
    --------
    >>> steering = np.array([[1, 1j]])
    >>> np.abs(steering.conj() @ blocking_matrix(steering)[0]).round(6)
    array([[0.]])
    """
    if steering.ndim != 2 or steering.shape[1] < 2:
        raise ShapeError(f"steering must have shape (F, M), M at least 2; got {steering.shape}")
    norm = np.linalg.norm(steering, axis=1)
    if not (norm > 0).all():
        raise NumericalError(f"the steering vector of bin {np.argmin(norm > 0)} is zero")
    mirror = np.array(steering, np.complex128) / norm[:, None]
    first = mirror[:, 0]
    size = np.abs(first)
    phase = np.divide(first, size, out=np.ones_like(first), where=size > 0)
    mirror[:, 0] += phase
    mirror /= np.linalg.norm(mirror, axis=1, keepdims=True)
    reflection = np.eye(steering.shape[1]) - 2 * mirror[:, :, None] * mirror[:, None, :].conj()
    return reflection[:, :, 1:]


def sidelobe_canceller(
    steering: np.ndarray,
    noise_cov: np.ndarray,
    fixed: np.ndarray | None = None,
    loading: float = LOADING,
) -> np.ndarray:
    """Weights of a generalised sidelobe canceller with the optimal noise filter.

        w = w_q - B g,   g = (Bᴴ Φₙ B)⁻¹ Bᴴ Φₙ w_q

    The weights equal those of `mvdr` with the same loading, for any fixed beamformer (Griffiths
    & Jim 1982; Breed & Strauss 2002). The adaptive form is `RecursiveGsc`.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noise_cov : complex ndarray, shape (F, M, M)
    fixed : complex ndarray, shape (F, M), optional
        w_q, distortionless; default: delay-and-sum.
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError, NumericalError
        If shapes do not fit or a covariance is singular.

    References
    ----------
    L. J. Griffiths and C. W. Jim, "An alternative approach to linearly constrained adaptive
    beamforming", IEEE Trans. Antennas Propag. 30, 1982.

    Examples
    --------
    >>> noise_cov = np.diag([1.0, 3.0])[None]
    >>> sidelobe_canceller(np.ones((1, 2)), noise_cov).real.round(3)
    array([[0.75, 0.25]])
    """
    if noise_cov.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"noise_cov must have shape (F, M, M) to match steering {steering.shape}; "
            f"got {noise_cov.shape}"
        )
    quiescent = steering / np.sum(np.abs(steering) ** 2, axis=1, keepdims=True)
    if fixed is not None:
        quiescent = np.asarray(fixed, np.complex128)
    blocking = blocking_matrix(steering)
    noise = loaded(np.asarray(noise_cov, np.complex128), loading)
    through = noise @ quiescent[:, :, None]
    blocked = hermitian(blocking) @ noise @ blocking
    noise_filter = solve(blocked, hermitian(blocking) @ through)
    return quiescent - (blocking @ noise_filter)[:, :, 0]


MOST_NORM = 10.0  # bound of ‖w‖², a white-noise gain of -10 dB


class RecursiveGsc(Recursion):
    """Adaptive generalised sidelobe canceller.

        z = Bᴴ x,   y = w_qᴴ x - gᴴ z,   g by recursive least squares weighted with γₙ

    Speech that leaks through the blocking matrix would be cancelled. To prevent that, g adapts
    only to noise (γₙ), is loaded, and ‖w‖² is bounded (Cox, Zeskind & Owen 1987).

    Parameters
    ----------
    n_freqs, n_mics : int
        At least two microphones.
    hop_seconds, memory_seconds, loading
        See `RecursiveMvdr`.
    most_norm : float
        Upper bound of ‖w‖².

    References
    ----------
    L. J. Griffiths and C. W. Jim 1982; O. Hoshuyama, A. Sugiyama and A. Hirano, "A robust
    adaptive beamformer for microphone arrays with a blocking matrix using constrained
    adaptive filters", IEEE Trans. Signal Process. 47, 1999.

    Examples
    --------
    >>> beam = RecursiveGsc(n_freqs=1, n_mics=2, hop_seconds=0.008)
    >>> spec, noise_weight = np.ones((1, 2, 3), np.complex64), np.ones((1, 3), np.float32)
    >>> beam.update(spec, noise_weight, steering=np.ones((1, 2))).real.round(3)
    array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        n_freqs: int,
        n_mics: int,
        hop_seconds: float,
        memory_seconds: float = 1.0,
        loading: float = RECURSIVE_LOADING,
        most_norm: float = MOST_NORM,
    ) -> None:
        if n_mics < 2:
            raise ConfigError(f"a sidelobe canceller needs two microphones; got {n_mics}")
        super().__init__(n_freqs, n_mics, hop_seconds, memory_seconds, loading)
        self.most_norm = most_norm
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        n = self.n_mics - 1
        self._inverse = np.zeros((n, n, self.n_freqs)), np.zeros((n, n, self.n_freqs))
        self._filter = np.zeros((n, self.n_freqs)), np.zeros((n, self.n_freqs))
        self._totals = np.zeros((2, self.n_freqs))
        self._steering: np.ndarray | None = None
        self._turn = 0

    @property
    def weights(self) -> np.ndarray:
        """Weights w_q - B g after the last frame, complex128, shape (F, M)."""
        if self._steering is None:
            raise ShapeError("no frame has been beamformed yet")
        re, im = self._filter
        blocked = blocking_matrix(self._steering) @ (re + 1j * im).T[:, :, None]
        return delay_and_sum(self._steering) - blocked[:, :, 0]

    def update(
        self, spec: np.ndarray, noise_weight: np.ndarray, steering: np.ndarray
    ) -> np.ndarray:
        """Adapt to the next frames and beamform them.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
        noise_weight : float ndarray, shape (F, t)
            γₙ, in [0, 1].
        steering : complex ndarray, shape (F, M)

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, t)

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        self._check(spec, noise_weight=noise_weight)
        fixed = delay_and_sum(np.asarray(steering, np.complex128))
        adjoint = hermitian(blocking_matrix(steering)).transpose(1, 2, 0)
        room = self.most_norm - np.sum(np.abs(fixed) ** 2, axis=1)
        beamformed = np.empty((self.n_freqs, spec.shape[2]), np.complex64)
        _kernels.recursion.recursive_canceller(
            spec,
            noise_weight,
            self.forget,
            self.loading,
            self._turn,
            *self._lanes(fixed),
            np.ascontiguousarray(adjoint.real),
            np.ascontiguousarray(adjoint.imag),
            np.maximum(room, 0.0),
            *self._inverse,
            *self._filter,
            self._totals,
            beamformed,
        )
        self._steering = np.array(steering)
        self._turn = (self._turn + spec.shape[2]) % (self.n_mics - 1)
        return beamformed


def estimate_gsc(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Sidelobe-canceller filters of a segment."""
    towards = heard.towards
    return Filters.of(
        heard.limited(lambda bins, noise: sidelobe_canceller(towards[bins], noise, loading=0.0))
    )


def recursive_gsc(stream: Stream, settings: BeamformerSettings) -> Update:
    """Make an adaptive canceller; it is a blind MVDR until a direction is known."""
    blind = None if isinstance(settings.doa, int | float) else recursive_mvdr(stream, settings)
    if settings.doa is None:
        assert blind is not None
        return blind
    loading = GEOMETRY_LOADING if settings.loading is None else settings.loading
    sizes = stream.n_freqs, stream.n_mics, stream.hop_seconds
    canceller = RecursiveGsc(*sizes, settings.memory_seconds, loading)

    def update(
        spec: np.ndarray, mask: np.ndarray | None, steering: np.ndarray | None
    ) -> np.ndarray | None:
        assert mask is not None  # the chain passes a mask to all but fixed beamformers
        if steering is None:
            return blind and blind(spec, mask, None)
        return canceller.update(spec, (1 - mask) ** 2, steering)[:, None]

    return update


GSC = Beamformer(
    "gsc",
    "GSC",
    "generalised sidelobe canceller: MVDR as a fixed beam and a noise canceller",
    estimate_gsc,
    steering="optional",
    recursive=recursive_gsc,
)
