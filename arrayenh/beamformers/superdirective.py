"""The superdirective beamformer: minimum output in a diffuse noise field."""

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Look, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mvdr import mvdr
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.statistics.loading import LOADING

DIFFUSE_LOADING = 1e-2  # relative; sensor noise 20 dB below the diffuse field


LEAST_WNG_DB = -10.0  # white-noise gain in the chain
HALVINGS = 50  # bisection steps of the loading, to double precision


def superdirective(
    steering: np.ndarray,
    coherence: np.ndarray,
    loading: float = DIFFUSE_LOADING,
    *,
    least_wng_db: float | None = None,
) -> np.ndarray:
    """Superdirective weights: minimum diffuse noise without distortion in the look direction.

        w = (Γ + δI)⁻¹ a / (aᴴ (Γ + δI)⁻¹ a)

    Without loading the white-noise gain is very low if the spacing is much smaller than a
    wavelength. The loading δ increases it. `least_wng_db` bounds it exactly: each bin gets the
    smallest sufficient loading, found by bisection (the gain rises with δ).

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    coherence : real or complex ndarray, shape (F, M, M)
        Γ; see `arrayenh.acoustics.coherence.diffuse_coherence`.
    loading : float
        Lower bound of δ, relative to the mean of the diagonal.
    least_wng_db : float, optional
        Lower bound of the white-noise gain in every bin, at most that of `delay_and_sum`.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ConfigError
        If the loading is negative or not finite, or no weights can reach the white-noise gain.
    NumericalError
        If a loaded coherence is singular or not finite.

    References
    ----------
    H. Cox, R. M. Zeskind and T. Kooij, "Practical supergain", IEEE Trans. Acoust., Speech,
    Signal Process. 34, 1986. H. Cox, R. M. Zeskind and M. M. Owen, "Robust adaptive
    beamforming", same journal 35, 1987.

    Examples
    --------
    >>> from arrayenh.acoustics.steering import plane_wave
    >>> positions, freqs = np.array([[0.01, 0, 0], [-0.01, 0, 0]]), np.array([1000.0])
    >>> steering = plane_wave(positions, 0.0, freqs)
    >>> weights = superdirective(steering, diffuse_coherence(positions, freqs), least_wng_db=-5)
    >>> (-10 * np.log10(np.sum(np.abs(weights) ** 2, axis=1))).round(2)  # white-noise gain, dB
    array([-5.])
    """
    if steering.ndim != 2 or coherence.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"steering must have shape (F, M) and coherence (F, M, M); "
            f"got {steering.shape} and {coherence.shape}"
        )
    if not 0 <= loading < np.inf:
        raise ConfigError(f"loading must be finite and 0 or more; got {loading:g}")
    weights = mvdr(steering, coherence, loading)
    if least_wng_db is not None:
        least = _white_noise_gain_wanted(least_wng_db, steering)
        short = 1 / np.sum(np.abs(weights) ** 2, axis=-1) < least
        weights[short] = _least_loaded(steering[short], coherence[short], loading, least)
    response = np.sum(weights.conj() * steering, axis=-1, keepdims=True)
    return weights / response.conj()  # removes the rounding error of a near-singular solve


def _white_noise_gain_wanted(least_wng_db: float, steering: np.ndarray) -> float:
    """Convert the bound to a ratio; raise ConfigError if it exceeds delay-and-sum's gain."""
    most_db = 10 * np.log10(np.sum(np.abs(steering) ** 2, axis=-1).min(initial=np.inf))
    if not least_wng_db <= most_db + 1e-9:  # tolerance, so that 10 log10 M is accepted
        raise ConfigError(
            f"least_wng_db must be at most {most_db:.2f} dB, what delay-and-sum has; "
            f"got {least_wng_db:g}"
        )
    return float(10 ** (least_wng_db / 10))


def _least_loaded(
    steering: np.ndarray, coherence: np.ndarray, loading: float, least: float
) -> np.ndarray:
    """MVDR weights for (1 - s)Γ + sI with the smallest white-noise share s that suffices."""
    white = np.eye(steering.shape[-1])
    low = np.full((len(steering), 1, 1), loading / (1 + loading))
    high = np.ones_like(low)
    for _ in range(HALVINGS):
        share = (low + high) / 2
        weights = mvdr(steering, (1 - share) * coherence + share * white, 0.0)
        enough = (1 / np.sum(np.abs(weights) ** 2, axis=-1) >= least)[:, None, None]
        low, high = np.where(enough, low, share), np.where(enough, share, high)
    return mvdr(steering, (1 - high) * coherence + high * white, 0.0)


def estimate_superdirective(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Superdirective filters of a segment."""
    assert heard.design is not None
    loading = LOADING if settings.loading is None else settings.loading
    found = superdirective(heard.towards, heard.design, loading, least_wng_db=LEAST_WNG_DB)
    return Filters.of(found)


def design_coherence(look: Look, settings: BeamformerSettings) -> np.ndarray:
    """Coherence of the diffuse noise field, (F, M, M)."""
    return diffuse_coherence(look.positions, look.freqs)


SUPERDIRECTIVE = Beamformer(
    "superdirective",
    "superdirective",
    "minimum output in a diffuse noise field",
    estimate_superdirective,
    steering="required",
    fixed=True,
    design=design_coherence,
)
