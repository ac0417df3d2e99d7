"""The generalised sidelobe canceller: MVDR as a fixed beamformer and what is taken off it."""

import numpy as np

from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING, solve
from arrayenh.statistics.transfer_functions import hermitian


def blocking_matrix(steering: np.ndarray) -> np.ndarray:
    """Orthonormal columns in which the look direction is not heard: Bᴴ a = 0, Bᴴ B = I.

    Columns 1 to M - 1 of the Householder reflection that takes a onto the first axis.

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
        If `steering` has not two axes, or there is but one microphone.
    NumericalError
        If a steering vector is zero.

    References
    ----------
    S. Gannot, D. Burshtein and E. Weinstein, "Signal enhancement using beamforming and
    nonstationarity with applications to speech", IEEE Trans. Signal Process. 49, 2001, eq. 24
    has other columns of the same space.
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
    """Weights of a generalised sidelobe canceller whose noise filter is the best there is.

        w = w_q - B g,   g = (Bᴴ Φₙ B)⁻¹ Bᴴ Φₙ w_q

    The same as `mvdr` with the same loading, whatever fixed beamformer it starts from
    (Griffiths & Jim 1982; Breed & Strauss 2002). Its adaptive form is `online.OnlineGsc`.

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
    n_mics = steering.shape[1]
    load = loading * np.trace(noise_cov, axis1=1, axis2=2).real / n_mics
    noise = np.asarray(noise_cov, np.complex128) + load[:, None, None] * np.eye(n_mics)
    through = noise @ quiescent[:, :, None]
    blocked = hermitian(blocking) @ noise @ blocking
    noise_filter = solve(blocked, hermitian(blocking) @ through)
    return quiescent - (blocking @ noise_filter)[:, :, 0]
