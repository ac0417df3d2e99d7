"""Subspace localisation: MUSIC and NormMUSIC, and counting of sources."""

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.localisation.srp_phat import Pairs, steered_forms

LEAST_DISTANCE = 1e-12
"""Relative floor of the distance to the signal subspace, below its rounding error."""


def music(
    cov: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    directions: np.ndarray,
    n_sources: int = 1,
    *,
    normalise: bool = False,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """MUSIC pseudo-spectrum, averaged over all bins.

        P(f,u) = 1 / aᴴ (I - Eₛ Eₛᴴ) a,   Eₛ the eigenvectors of the largest eigenvalues of Φ

    NormMUSIC divides the pseudo-spectrum of each bin by its maximum over the directions, so that
    no single bin dominates the mean.

    Parameters
    ----------
    cov : complex ndarray, shape (F, M, M)
        Φ, Hermitian.
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz; select the bins of both `freqs` and `cov` beforehand.
    directions : float ndarray, shape (D, 3)
        Unit vectors towards the source.
    n_sources : int
        Dimension of the signal subspace, 1 to M - 1.
    normalise : bool
        Whether to use NormMUSIC.

    Returns
    -------
    power : float64 ndarray, shape (D,)

    Raises
    ------
    ShapeError
        If F or M differ.
    ConfigError
        If `n_sources` is not 1 to M - 1.

    References
    ----------
    Schmidt, "Multiple emitter location and signal parameter estimation", 1986, eq. 6;
    Salvati, Drioli & Foresti, "Incoherent frequency fusion for broadband steered response
    power algorithms in noisy environments", 2014, eq. 12.

    Examples
    --------
    >>> from arrayenh.acoustics.steering import direction, plane_wave
    >>> positions, freqs = np.array([[0.0, 0, 0], [0.05, 0, 0], [0, 0.05, 0]]), np.array([1000.0])
    >>> steering = plane_wave(positions, np.pi / 4, freqs)
    >>> cov = steering[:, :, None] * steering[:, None, :].conj() + 0.01 * np.eye(3)
    >>> music(cov, positions, freqs, direction(np.deg2rad([0, 45, 90]))).argmax().item()
    1
    """
    forms = MusicForms(cov, positions, freqs, n_sources, speed_of_sound)
    return fused(forms(directions), normalise)


class MusicForms:
    """Function that evaluates P(f,u) of `music` for given covariances.

    A call maps unit vectors (D, 3) to pseudo-spectra (F, D).
    """

    def __init__(
        self,
        cov: np.ndarray,
        positions: np.ndarray,
        freqs: np.ndarray,
        n_sources: int,
        speed_of_sound: float = SPEED_OF_SOUND,
    ) -> None:
        n_mics = len(positions)
        if cov.shape != (len(freqs), n_mics, n_mics) or positions.shape[1:] != (3,):
            raise ShapeError(
                f"cov (F, M, M), positions (M, 3) and freqs (F,) must agree; "
                f"got {cov.shape}, {positions.shape}, {freqs.shape}"
            )
        if not 1 <= n_sources < n_mics:
            raise ConfigError(
                f"MUSIC with {n_mics} microphones finds 1 to {n_mics - 1} sources; got {n_sources}"
            )
        signal = np.linalg.eigh(cov)[1][:, :, -n_sources:]
        self._noise = np.eye(n_mics) - signal @ signal.conj().swapaxes(1, 2)
        self._freqs, self._pairs, self._speed = freqs, Pairs.of(positions), speed_of_sound

    def __call__(self, directions: np.ndarray) -> np.ndarray:
        """Evaluate the pseudo-spectrum of each bin, (D, 3) -> (F, D)."""
        lags = self._pairs.lags(directions, self._speed)
        distance = np.abs(steered_forms(self._noise, self._freqs, self._pairs, lags))
        return 1 / np.maximum(distance, LEAST_DISTANCE * self._noise.shape[1])


def fused(spectra: np.ndarray, normalise: bool, most: np.ndarray | None = None) -> np.ndarray:
    """Average over bins, (F, D) -> (D,); NormMUSIC divides each bin by its maximum first.

    `most`, shape (F,), gives the maxima if `spectra` covers only some of the directions.
    """
    if normalise:
        most = spectra.max(axis=1) if most is None else most
        spectra = spectra / most[:, None]
    return spectra.mean(axis=0)


def count_sources(cov: np.ndarray, n_frames: int) -> int:
    """Number of sources by minimum description length (MDL), the median over all bins.

        MDL(k) = -N (M-k) log(g(k)/h(k)) + ½ k (2M - k) log N

    g and h are the geometric and the arithmetic mean of the M - k smallest eigenvalues, which
    are equal if these contain only noise. The model assumes a free field and equal, uncorrelated
    noise at all microphones; reverberation counts as further sources.

    Parameters
    ----------
    cov : complex ndarray, shape (F, M, M)
        Sample covariances.
    n_frames : int
        N, number of independent frames averaged; overlapping frames count once per frame length.

    Returns
    -------
    n_sources : int
        0 to M - 1.

    References
    ----------
    Wax & Kailath, "Detection of signals by information theoretic criteria", 1985, eq. 16.

    Examples
    --------
    >>> count_sources(np.diag([100.0, 1, 1])[None], n_frames=100)
    1
    """
    n_mics = cov.shape[1]
    eigenvalues = np.linalg.eigvalsh(cov)[:, ::-1]
    heard = eigenvalues[:, 0] > 0
    if not heard.any():
        return 0
    least = eigenvalues[heard, :1] * np.finfo(np.float32).eps
    log_values = np.log(np.maximum(eigenvalues[heard], least))
    length = np.empty((len(log_values), n_mics))
    for k in range(n_mics):
        rest = log_values[:, k:]
        alike = rest.mean(axis=1) - np.log(np.exp(rest).mean(axis=1))
        length[:, k] = -n_frames * (n_mics - k) * alike
        length[:, k] += 0.5 * k * (2 * n_mics - k) * np.log(max(n_frames, 1))
    return int(np.median(length.argmin(axis=1)))
