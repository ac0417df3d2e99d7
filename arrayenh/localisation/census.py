"""A census of directions: who spoke from where, over a whole recording."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from arrayenh.errors import ConfigError
from arrayenh.localisation.directions import MOST_TALKERS
from arrayenh.localisation.grid import DirectionGrid, angle_between
from arrayenh.localisation.tracks import Track

WIDTH = np.deg2rad(8.0)  # of the kernel that smooths the histogram
SEPARATION = np.deg2rad(20.0)  # between two talkers
REACH = np.deg2rad(25.0)  # what is farther from all talkers belongs to none
LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """From where somebody spoke.

    Attributes
    ----------
    azimuth, elevation : float
        Radians, the mean; NaN what the array does not hear.
    share : float
        Of all that was heard, weighted by confidence.
    spread : float
        Radians, root mean square around the mean (of azimuth alone for a level plane): a few
        degrees for somebody who sits.
    confidence : float
        Mean.
    """

    azimuth: float
    elevation: float
    share: float
    spread: float
    confidence: float


class Census:
    """Counts directions in a histogram over a grid; its size does not grow with time.

    For microphones in a level plane it counts azimuths, whatever the elevation, which is too
    vague there to tell two talkers apart.

    Parameters
    ----------
    grid : DirectionGrid
    """

    def __init__(self, grid: DirectionGrid) -> None:
        self.grid = grid
        self._level = grid.kind == "plane" and not grid.tilted
        self._cells = DirectionGrid.circle() if self._level else grid
        self._tree = cKDTree(self._cells.vectors)
        n_cells = len(self._cells.vectors)
        self._weight, self._count = np.zeros(n_cells), np.zeros(n_cells)
        self._sum, self._told = np.zeros((n_cells, 3)), np.zeros((n_cells, 3))

    def add(self, tracks: Sequence[Track]) -> None:
        """Count what was heard in one block, weighted by its confidence."""
        for track in tracks:
            told = self._tell(track.vector)
            index = self._tree.query(told)[1]
            self._count[index] += 1
            self._weight[index] += track.confidence
            self._sum[index] += track.confidence * track.vector
            self._told[index] += track.confidence * told

    def places(self, n_talkers: int | None = None) -> list[Place]:
        """Peaks of the histogram, smoothed by a von Mises-Fisher kernel of 8 degrees.

        Parameters
        ----------
        n_talkers : int, optional
            Most places. Without it: four, each with a tenth of all that was heard.

        Returns
        -------
        places : list of Place
            The most frequent first; none if nothing was heard.

        Raises
        ------
        ConfigError
            If `n_talkers` is below 1.
        """
        if n_talkers is not None and n_talkers < 1:
            raise ConfigError(f"the number of talkers must be at least 1; got {n_talkers}")
        filled = np.flatnonzero(self._weight)
        if not filled.size:
            return []
        cells, mean = self._cells, self._told[filled] / self._weight[filled, None]
        closeness = (cells.vectors @ mean.T - 1) / WIDTH**2
        density = np.exp(closeness) @ self._weight[filled]
        peaks = cells.vectors[cells.peaks(density, SEPARATION, n_talkers or MOST_TALKERS)]
        apart = angle_between(mean[:, None] / np.linalg.norm(mean, axis=1)[:, None, None], peaks)
        owner = np.where(apart.min(axis=1) <= REACH, apart.argmin(axis=1), -1)
        places = [self._place(filled[owner == k]) for k in range(len(peaks)) if (owner == k).any()]
        least = LEAST_SHARE if n_talkers is None else 0.0
        places = [place for place in places if place.share >= least]
        return sorted(places, key=lambda place: -place.share)

    def _tell(self, vector: np.ndarray) -> np.ndarray:
        """The part of a direction that tells talkers apart, a unit vector, shape (3,)."""
        across = np.hypot(vector[0], vector[1])
        if not self._level or across == 0:
            return vector
        return np.array([vector[0] / across, vector[1] / across, 0.0])

    def _place(self, cells: np.ndarray) -> Place:
        """What the cells of one talker, indices of the grid, have in common."""
        weight, total = self._weight[cells].sum(), self._sum[cells].sum(axis=0)
        length = np.linalg.norm(self._told[cells].sum(axis=0))
        azimuth, elevation = self.grid.angles(self.grid.fold(total))
        return Place(
            azimuth,
            elevation,
            float(weight / self._weight.sum()),
            float(np.sqrt(max(2 * (1 - length / weight), 0.0))),
            float(weight / self._count[cells].sum()),
        )
