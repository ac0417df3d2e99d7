"""Positions of the talkers over a whole recording, from a histogram of directions."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from arrayenh.errors import ConfigError
from arrayenh.localisation.directions import MOST_TALKERS
from arrayenh.localisation.grid import DirectionGrid, angle_between
from arrayenh.localisation.histories import Observations, same_talkers
from arrayenh.localisation.tracks import Track

WIDTH = np.deg2rad(8.0)  # smoothing kernel of the histogram
SEPARATION = np.deg2rad(20.0)  # least angle between two talkers
REACH = np.deg2rad(25.0)  # largest angle from a talker to directions assigned to it
LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Direction of one talker over a whole recording.

    Attributes
    ----------
    azimuth, elevation : float
        Mean, radians; NaN for an angle that the array cannot resolve.
    share : float
        Share of all observations, weighted by confidence.
    spread : float
        Root mean square deviation from the mean, radians (of azimuth only for a horizontal
        planar array): a few degrees for a seated talker.
    confidence : float
        Mean confidence.
    way : tuple of float
        Azimuths, radians, of the places that a walking talker came from; `azimuth` is the last.
    """

    azimuth: float
    elevation: float
    share: float
    spread: float
    confidence: float
    way: tuple[float, ...] = ()


class Census:
    """Histogram of directions over a grid, and the history of each direction.

    For a horizontal planar array it is a histogram of azimuth only, because elevation is too
    inaccurate there to separate two talkers.

    Parameters
    ----------
    grid : DirectionGrid
    block_seconds : float
        Time from one `add` to the next, s.

    Examples
    --------
    >>> census = Census(DirectionGrid.circle())
    >>> census.add([Track(1, np.array([0.0, 1, 0]), confidence=0.8)])
    >>> round(np.rad2deg(census.places()[0].azimuth).item(), 3)
    90.0
    """

    def __init__(self, grid: DirectionGrid, block_seconds: float = 0.1) -> None:
        self.grid, self._block_seconds = grid, block_seconds
        self._n_blocks, self._seen = 0, array("d")
        self._level = grid.kind == "plane" and not grid.tilted
        self._cells = DirectionGrid.circle() if self._level else grid
        self._tree = cKDTree(self._cells.vectors)
        n_cells = len(self._cells.vectors)
        self._weight, self._count = np.zeros(n_cells), np.zeros(n_cells)
        self._sum, self._told = np.zeros((n_cells, 3)), np.zeros((n_cells, 3))

    def add(self, tracks: Sequence[Track]) -> None:
        """Add the tracks of one block, weighted by confidence."""
        for track in tracks:
            told = self._tell(track.vector)
            index = self._tree.query(told)[1]
            self._count[index] += 1
            self._weight[index] += track.confidence
            self._sum[index] += track.confidence * track.vector
            self._told[index] += track.confidence * told
            self._seen.extend((self._n_blocks, index, track.label, track.confidence))
        self._n_blocks += 1

    def places(self, n_talkers: int | None = None) -> list[Place]:
        """Find the talkers: peaks of the histogram, smoothed by a von Mises-Fisher kernel.

        The width of the kernel is 8 degrees.

        Parameters
        ----------
        n_talkers : int, optional
            Most places. Default: at most four, each with at least a tenth of the observations;
            reflections of a talker are left out, and the places of a talker who walks are one.

        Returns
        -------
        places : list of Place
            In order of descending share; empty if there are no observations.

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
        cells_of = [filled[owner == k] for k in range(len(peaks)) if (owner == k).any()]
        cells_of.sort(key=lambda cells: -self._weight[cells].sum())
        if n_talkers is not None:
            return [self._place(cells) for cells in cells_of]
        least = LEAST_SHARE * self._weight.sum()
        cells_of = [cells for cells in cells_of if self._weight[cells].sum() >= least]
        places = [self._talker(way) for way in self._ways(cells_of)]
        return sorted(places, key=lambda place: -place.share)

    def _ways(self, cells_of: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Cells of the places of each talker, in order of time."""
        blocks, index, labels, confidences = np.array(self._seen).reshape(-1, 4).T
        seen = Observations(
            blocks.astype(np.int64),
            labels.astype(np.int64),
            self._cells.vectors[index.astype(np.int64)],
            confidences,
            self._block_seconds,
        )
        owner = np.full(len(self._weight), -1)
        for k, cells in enumerate(cells_of):
            owner[cells] = k
        of_each = owner[index.astype(np.int64)]
        places = [seen.at(of_each, k) for k in range(len(cells_of))]
        return [[cells_of[k] for k in way] for way in same_talkers(places, seen)]

    def _talker(self, way: list[np.ndarray]) -> Place:
        """Statistics of a talker; one who walks is where the way ends."""
        if len(way) == 1:
            return self._place(way[0])
        *before, last = (self._place(cells) for cells in way)
        return replace(
            self._place(np.concatenate(way)),
            azimuth=last.azimuth,
            elevation=last.elevation,
            way=tuple(place.azimuth for place in before),
        )

    def _tell(self, vector: np.ndarray) -> np.ndarray:
        """Project a direction to the histogram's grid; a unit vector, shape (3,)."""
        across = np.hypot(vector[0], vector[1])
        if not self._level or across == 0:
            return vector
        return np.array([vector[0] / across, vector[1] / across, 0.0])

    def _place(self, cells: np.ndarray) -> Place:
        """Statistics of the cells (indices of the grid) of one talker."""
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
