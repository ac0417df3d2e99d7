"""Directions of several simultaneous talkers, by SRP-PHAT or MUSIC."""

from typing import NamedTuple

import numpy as np

from arrayenh.checks import one_of
from arrayenh.errors import ConfigError
from arrayenh.localisation.grid import DirectionGrid, PowerAt
from arrayenh.localisation.music import MusicForms, count_sources, fused
from arrayenh.localisation.srp_phat import (
    Pairs,
    check_spectrum,
    checked_weight,
    cross_spectra,
    in_band,
    steered_power,
)
from arrayenh.statistics.covariance import spatial_covariance

MOST_TALKERS = 4
LEAST_SEPARATION_DEG = 15.0
PEAK_SHARES = {"srp-phat": 0.4, "music": 0.15, "norm-music": 0.15}
"""Least height of a peak above the map's mean, relative to the highest peak."""
METHODS = tuple(PEAK_SHARES)


class Direction(NamedTuple):
    """Direction of a talker; NaN for an angle that the array cannot resolve.

    Attributes
    ----------
    azimuth, elevation : float
        Radians.
    confidence : float
        Coherence of the phases with the direction, 0 (diffuse noise) to 1 (one plane wave);
        see `excess`.
    """

    azimuth: float
    elevation: float
    confidence: float


def find_directions(
    spec: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    method: str = "srp-phat",
    n_talkers: int | None = None,
    step_deg: float | None = None,
    least_separation_deg: float = LEAST_SEPARATION_DEG,
) -> list[Direction]:
    """Directions of the talkers of a spectrum, in order of descending confidence.

    The method's map is computed over all directions that the array can resolve
    (`DirectionGrid`). Its peaks are the talkers, refined to an eighth of the grid's step. If the
    number of talkers is not given, at most four peaks are returned, whose height above the map's
    mean is at least 0.4 of the highest peak's (0.15 for MUSIC). For MUSIC, `count_sources` then
    sets the dimension of the signal subspace and the largest number of peaks.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz; the band of 200 to 6000 Hz is used.
    mask : float ndarray, shape (F, T), optional
        Speech presence, used as a weight.
    method : {"srp-phat", "music", "norm-music"}
    n_talkers : int, optional
        Number of talkers; fewer are returned if the map has fewer peaks.
    step_deg : float, optional
        Step of the grid.
    least_separation_deg : float
        Least angle between two directions.

    Returns
    -------
    directions : list of Direction
        Empty in silence.

    Raises
    ------
    ShapeError
        If F, M or T differ.
    ConfigError
        If the method is unknown, or the number of talkers is out of range.
    GeometryError
        If there are fewer than two microphones.

    Examples
    --------
    >>> from arrayenh.acoustics.steering import plane_wave
    >>> positions = np.array([[0.0, 0, 0], [0.05, 0, 0], [0.1, 0, 0]])
    >>> freqs = np.arange(0.0, 4000.0, 250.0)
    >>> spec = plane_wave(positions, np.pi / 3, freqs)[:, :, None].astype(np.complex64)
    >>> round(np.rad2deg(find_directions(spec, positions, freqs)[0].azimuth).item(), 1)
    60.0
    """
    one_of("method", method, METHODS)
    check_spectrum(spec, positions, freqs)
    grid = DirectionGrid.of(positions, step_deg)
    check_talkers(method, n_talkers, len(positions))
    band, pairs = in_band(freqs), Pairs.of(positions)
    spec, weight, freqs = spec[band], checked_weight(spec, mask)[band], freqs[band]
    cross = cross_spectra(spec, weight, pairs)
    if not cross.any():
        return []
    total = len(pairs.first) * weight.sum(dtype=np.float64)
    phat = srp_at(cross / total, freqs, pairs)
    power_at, most = phat, n_talkers or MOST_TALKERS
    if method != "srp-phat":
        cov = spatial_covariance(spec, weight)
        n_sources = n_talkers or min(max(count_sources(cov, spec.shape[2]), 1), len(positions) - 1)
        power_at = music_at(cov, positions, freqs, n_sources, method, grid)
        most = min(most, n_sources)
    share = PEAK_SHARES[method] if n_talkers is None else 0.0
    vectors = peak_directions(grid, power_at, most, np.deg2rad(least_separation_deg), share)
    sure = excess(phat(vectors), phat(grid.vectors))
    return [
        Direction(*grid.angles(vector), float(q)) for vector, q in zip(vectors, sure, strict=True)
    ]


def check_talkers(method: str, n_talkers: int | None, n_mics: int) -> None:
    """Raise ConfigError if the number of talkers is out of range."""
    if n_talkers is None:
        return
    if n_talkers < 1:
        raise ConfigError(f"the number of talkers must be at least 1; got {n_talkers}")
    if method != "srp-phat" and n_talkers >= n_mics:
        raise ConfigError(
            f"MUSIC with {n_mics} microphones finds at most {n_mics - 1} talkers at once; "
            f"got {n_talkers}"
        )


def srp_at(cross: np.ndarray, freqs: np.ndarray, pairs: Pairs) -> PowerAt:
    """Make the SRP-PHAT power a function of direction, (D, 3) -> (D,)."""
    return lambda vectors: steered_power(cross, freqs, pairs.lags(vectors))


def music_at(
    cov: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    n_sources: int,
    method: str,
    grid: DirectionGrid,
) -> PowerAt:
    """Make the MUSIC pseudo-spectrum a function of direction, (D, 3) -> (D,).

    NormMUSIC normalises by the maxima over the whole grid, for any set of directions.
    """
    forms = MusicForms(cov, positions, freqs, n_sources)
    most = forms(grid.vectors).max(axis=1) if method == "norm-music" else None
    return lambda vectors: fused(forms(vectors), method == "norm-music", most)


def peak_directions(
    grid: DirectionGrid, power_at: PowerAt, most: int, least_separation: float, share: float
) -> np.ndarray:
    """Find the refined peaks of a map, highest first, shape (K, 3).

    The height of a peak above the map's mean must be at least `share` of the highest peak's.
    """
    power = power_at(grid.vectors)
    peaks = grid.peaks(power, least_separation, most)
    height = power[peaks] - power.mean()
    peaks = peaks[height >= share * height[0]]
    return np.array([grid.refine(power_at, grid.vectors[peak]) for peak in peaks])


def excess(power: np.ndarray, over_all: np.ndarray) -> np.ndarray:
    """Confidence of a direction: its SRP-PHAT power above the mean of the map, 0 to 1.

        q = (P - mean P) / (1 - mean P)

    A single plane wave has P = 1 and q = 1. Diffuse noise has equal P in all directions and
    q = 0, however coherent it is between closely spaced microphones.

    Examples
    --------
    >>> excess(np.array([1.0, 0.5]), over_all=np.array([1.0, 0.5, 0, 0])).round(3)
    array([1. , 0.2])
    """
    mean = float(over_all.mean())
    return np.clip((power - mean) / max(1 - mean, np.finfo(float).tiny), 0.0, 1.0)
