"""LCMV: constraints on the response in several directions, such as nulls."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Look, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import mvdr
from arrayenh.checks import numbers
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import LOADING, solve
from arrayenh.statistics.transfer_functions import hermitian


def lcmv(
    constraints: np.ndarray,
    responses: np.ndarray,
    noise_cov: np.ndarray,
    loading: float = LOADING,
) -> np.ndarray:
    """LCMV weights: minimum noise with given responses in several directions.

        w = Φₙ⁻¹ A (Aᴴ Φₙ⁻¹ A)⁻¹ g*,   so that wᴴ a_k = g_k

    Parameters
    ----------
    constraints : complex ndarray, shape (F, M, K)
        A, with a steering vector in each column; K at most M.
    responses : complex ndarray, shape (K,) or (F, K)
        g: 1 passes a direction, 0 is a null.
    noise_cov : complex ndarray, shape (F, M, M)
    loading : float
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes do not fit, or there are more constraints than microphones.
    NumericalError
        If a covariance is singular, or two constraints are linearly dependent.

    References
    ----------
    O. L. Frost, "An algorithm for linearly constrained adaptive array processing", Proc. IEEE
    60, 1972, eq. 11; Van Trees 2002, eq. 6.358.

    Examples
    --------
    >>> constraints = np.array([[[1, 1], [1, -1]]])  # in columns: the talker, a null
    >>> lcmv(constraints, np.array([1, 0]), np.eye(2)[None]).real.round(3)
    array([[0.5, 0.5]])
    """
    constraints = np.asarray(constraints, np.complex128)
    if constraints.ndim != 3 or noise_cov.shape != (*constraints.shape[:2], constraints.shape[1]):
        raise ShapeError(
            f"constraints must have shape (F, M, K) and noise_cov (F, M, M); got "
            f"{constraints.shape} and {noise_cov.shape}"
        )
    n_freqs, n_mics, n_constraints = constraints.shape
    if n_constraints > n_mics:
        raise ShapeError(f"{n_mics} microphones cannot keep {n_constraints} constraints")
    try:
        wanted = np.broadcast_to(np.asarray(responses, np.complex128), (n_freqs, n_constraints))
    except ValueError as error:
        raise ShapeError(
            f"responses must have shape (K,) or (F, K), K = {n_constraints}; "
            f"got {np.shape(responses)}"
        ) from error
    whitened = solve(noise_cov, constraints, loading)
    gram = hermitian(constraints) @ whitened
    worst = np.linalg.cond(gram)
    if not (worst < 1e12).all():
        raise NumericalError(f"two constraints of bin {np.argmax(worst)} are the same direction")
    return (whitened @ np.linalg.solve(gram, wanted.conj()[..., None]))[..., 0]


def estimate_lcmv(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """LCMV filters of a segment, with nulls in the given directions."""
    assert heard.steering is not None
    constraints = heard.steering[:, :, None]
    if heard.design is not None:
        constraints = np.concatenate([constraints, heard.design], axis=2)
    found = heard.limited(lambda bins, noise: softly_constrained(constraints[bins], noise))
    return Filters.of(found)


def softly_constrained(constraints: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """LCMV weights, or MVDR weights in bins where the array cannot resolve the directions.

    At low frequencies a null close to the talker would cancel the talker, too.
    """
    gram = np.einsum("fmk,fml->fkl", constraints.conj(), constraints)
    apart = np.linalg.cond(gram) < 1e4
    weights = mvdr(constraints[:, :, 0], noise, 0.0)
    if apart.any():
        responses = np.zeros(constraints.shape[2])
        responses[0] = 1
        weights[apart] = lcmv(constraints[apart], responses, noise[apart], 0.0)
    return weights


def design_nulls(look: Look, settings: BeamformerSettings) -> np.ndarray | None:
    """Steering vectors of the nulls, (F, M, K)."""
    if settings.nulls is None:
        return None
    angles = np.deg2rad(numbers("nulls", settings.nulls)).tolist()
    return np.stack([look.steering_of(angle) for angle in angles], axis=2)


LCMV = Beamformer(
    "lcmv",
    "LCMV",
    "linearly constrained minimum variance: one direction passed, nulls in others",
    estimate_lcmv,
    steering="required",
    takes=("nulls",),
    design=design_nulls,
)
