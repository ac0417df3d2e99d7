"""Grids of the directions that an array can resolve, with peak search and refinement.

A linear array resolves only the angle to its axis, and a planar array cannot distinguish the two
sides of its plane. A grid holds one of the equivalent directions; `words` describes the ambiguity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from arrayenh.acoustics.steering import direction
from arrayenh.errors import ConfigError, GeometryError, ShapeError
from arrayenh.microphones.mic_array import RANK_TOLERANCE

LINE_STEP_DEG, SPHERE_STEP_DEG = 1.0, 4.0
MOST_STEP_DEG = 30.0
UPRIGHT = 1e-2  # largest horizontal component of the axis of a vertical line
LEVEL = 0.9999  # least vertical component of the normal of a horizontal plane
HALVINGS = 3  # of the grid's step, in the refinement of a peak
PowerAt = Callable[[np.ndarray], np.ndarray]
PATCH = np.linspace(-1, 1, 5)  # offsets of a patch around a direction, in steps

WORDS = {
    "line": "a linear array resolves only the angle to its axis: azimuth is given on the left "
    "(+y) side, for a talker at the array's height; the mirror image is equivalent",
    "upright": "a vertical linear array resolves elevation only, not azimuth",
    "plane": "a horizontal planar array cannot distinguish up from down: elevation is given as 0 "
    "or above, and is inaccurate near 0",
    "tilted plane": "a planar array cannot distinguish the two sides of its plane: the upper, or "
    "the front, is given",
    "space": "azimuth and elevation are both resolved",
}


@dataclass(frozen=True, eq=False)
class DirectionGrid:
    """Grid of evenly spaced directions that an array can resolve.

    Attributes
    ----------
    vectors : float64 ndarray, shape (D, 3)
        Unit vectors from the array towards the source.
    kind : {"line", "upright", "plane", "space"}
        Shape of the array, which determines what it can resolve; see `words`.
    axis : float64 ndarray, shape (3,)
        Axis of the line, or normal of the plane on the side that is given.
    step : float
        Angle between neighbours, radians.

    Examples
    --------
    >>> grid = DirectionGrid.of(np.array([[0.0, 0, 0], [0.05, 0, 0]]))
    >>> grid.kind, len(grid.vectors)
    ('line', 181)
    """

    vectors: np.ndarray
    kind: str
    axis: np.ndarray
    step: float

    @classmethod
    def of(cls, positions: np.ndarray, step_deg: float | None = None) -> "DirectionGrid":
        """Make the grid of an array.

        Parameters
        ----------
        positions : float ndarray, shape (M, 3)
            Metres.
        step_deg : float, optional
            Default: 1 degree on the half circle of a line, 4 degrees on the sphere.

        Raises
        ------
        ShapeError
            If `positions` is not (M, 3).
        GeometryError
            If there are fewer than two microphones.
        ConfigError
            If the step is not above 0 and at most 30 degrees.
        """
        kind, axis = what_is_told(positions)
        curve = kind in ("line", "upright")
        step_deg = step_deg or (LINE_STEP_DEG if curve else SPHERE_STEP_DEG)
        if not 0 < step_deg <= MOST_STEP_DEG:
            raise ConfigError(f"the step must be above 0, at most {MOST_STEP_DEG:g}; {step_deg}")
        step = float(np.deg2rad(step_deg))
        vectors = half_circle(kind, axis, step) if curve else sphere(step)
        if kind == "plane":
            vectors = vectors[vectors @ axis >= -1e-9]
        return cls(vectors, kind, axis, step)

    @classmethod
    def circle(cls, step_deg: float = LINE_STEP_DEG) -> "DirectionGrid":
        """Make a grid of all azimuths at elevation 0."""
        azimuth = np.deg2rad(np.arange(-180.0, 180.0, step_deg))
        return cls(direction(azimuth), "line", np.eye(3)[0], float(np.deg2rad(step_deg)))

    @property
    def words(self) -> str:
        """Description of the angles that the array can resolve."""
        return WORDS["tilted plane" if self.tilted else self.kind]

    @property
    def tilted(self) -> bool:
        """Whether the array is planar and not horizontal."""
        return self.kind == "plane" and bool(self.axis[2] < LEVEL)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Indices of the nearest neighbours of each direction, shape (D, 2 or 8)."""
        n = min(3 if self.kind in ("line", "upright") else 9, len(self.vectors))
        return cKDTree(self.vectors).query(self.vectors, k=n)[1][:, 1:]

    def fold(self, vectors: np.ndarray) -> np.ndarray:
        """Map each direction to the equivalent one on the grid's side, of unit length."""
        vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
        if self.kind == "plane":
            behind = np.minimum(vectors @ self.axis, 0.0)
            return vectors - 2 * behind[..., None] * self.axis
        if self.kind == "space":
            return vectors
        along, side = half_circle_axes(self.kind, self.axis)
        cosine = np.clip(vectors @ along, -1, 1)[..., None]
        return cosine * along + np.sqrt(1 - cosine**2) * side

    def angles(self, vector: np.ndarray) -> tuple[float, float]:
        """Azimuth and elevation, radians; NaN for an angle that the array cannot resolve."""
        x, y, z = (float(part) for part in vector)
        azimuth, elevation = float(np.arctan2(y, x)), float(np.arcsin(np.clip(z, -1, 1)))
        if self.kind == "line":
            return azimuth, float("nan")
        return (float("nan"), elevation) if self.kind == "upright" else (azimuth, elevation)

    def peaks(self, power: np.ndarray, least_separation: float, most: int) -> np.ndarray:
        """Find the highest local maxima of a map that have a least separation.

        Parameters
        ----------
        power : float ndarray, shape (D,)
        least_separation : float
            Radians.
        most : int

        Returns
        -------
        indices : int64 ndarray, shape (K,), K <= most
            In order of descending power.
        """
        maxima = np.flatnonzero(power >= power[self.neighbours].max(axis=1))
        chosen: list[int] = []
        for index in maxima[np.argsort(-power[maxima], kind="stable")]:
            if len(chosen) == most:
                break
            nearest = max(
                (float(self.vectors[index] @ self.vectors[k]) for k in chosen), default=-1
            )
            if np.arccos(min(nearest, 1.0)) >= least_separation:
                chosen.append(int(index))
        return np.array(chosen, np.int64)

    def refine(
        self, power_at: Callable[[np.ndarray], np.ndarray], vector: np.ndarray
    ) -> np.ndarray:
        """Refine a maximum of the grid to an eighth of its step.

        Parameters
        ----------
        power_at : callable
            Power of directions, (D, 3) -> (D,).
        vector : float ndarray, shape (3,)
            Direction of a local maximum of the grid.
        """
        for halving in range(HALVINGS):
            around = self.patch(vector, self.step / 2**halving)
            vector = around[int(np.argmax(power_at(around)))]
        return vector

    def patch(self, vector: np.ndarray, width: float) -> np.ndarray:
        """Directions within `width` of a direction: 5 on a curve, 5 by 5 on the sphere."""
        if self.kind in ("line", "upright"):
            along, side = half_circle_axes(self.kind, self.axis)
            angle = np.arctan2(vector @ side, vector @ along) + width * PATCH
            return self.fold(np.cos(angle)[:, None] * along + np.sin(angle)[:, None] * side)
        helper = np.eye(3)[np.argmin(np.abs(vector))]
        right = np.cross(helper, vector)
        right /= np.linalg.norm(right)
        up = np.cross(vector, right)
        across, above = (np.tan(width) * part.reshape(-1, 1) for part in np.meshgrid(PATCH, PATCH))
        return self.fold(vector + across * right + above * up)


def what_is_told(positions: np.ndarray) -> tuple[str, np.ndarray]:
    """Determine the kind of an array, and its axis or normal."""
    positions = np.asarray(positions, np.float64)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ShapeError(f"positions must have shape (M, 3); got {positions.shape}")
    if len(positions) < 2:
        raise GeometryError("a direction needs at least two microphones; got one")
    _, spread, axes = np.linalg.svd(positions - positions.mean(axis=0))
    rank = int(np.count_nonzero(spread > RANK_TOLERANCE * spread[0]))
    if rank <= 1:
        axis = turned_towards(axes[0], np.array([1e6, 1e3, 1.0]))
        return ("upright" if np.hypot(axis[0], axis[1]) < UPRIGHT else "line"), axis
    if rank == 2:
        return "plane", turned_towards(axes[2], np.array([1e3, 1.0, 1e6]))
    return "space", np.array([0.0, 0.0, 1.0])


def turned_towards(axis: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Flip an axis, if needed, to point towards the preferred direction."""
    axis = np.round(axis, 12)  # so that rounding errors do not decide the sign
    return axis if axis @ preference >= 0 else -axis


def half_circle_axes(kind: str, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that span the half circle of a line: along the line, and to its +y side."""
    if kind == "upright":
        return np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    x, y = axis[:2] / np.hypot(axis[0], axis[1])
    side = np.array([-y, x, 0.0])
    return np.array([x, y, 0.0]), turned_towards(side, np.array([1.0, 1e6, 0.0]))


def half_circle(kind: str, axis: np.ndarray, step: float) -> np.ndarray:
    """Directions that a linear array can resolve, shape (D, 3)."""
    along, side = half_circle_axes(kind, axis)
    angle = np.linspace(0, np.pi, round(np.pi / step) + 1)[:, None]
    return np.cos(angle) * along + np.sin(angle) * side


def sphere(step: float) -> np.ndarray:
    """Evenly spaced directions on the sphere, in rings of constant elevation, shape (D, 3)."""
    half = max(1, round(np.pi / 2 / step))
    rings = []
    for elevation in np.linspace(-np.pi / 2, np.pi / 2, 2 * half + 1):
        n = max(1, round(2 * np.pi * np.cos(elevation) / step))
        rings.append(direction(2 * np.pi * np.arange(n) / n, np.full(n, elevation)))
    return np.concatenate(rings)


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between unit vectors, radians; shapes broadcast, (..., 3) -> (...).

    Examples
    --------
    >>> np.rad2deg(angle_between(np.eye(3)[0], np.eye(3)[1])).round(3).item()
    90.0
    """
    chord = np.linalg.norm(a - b, axis=-1)  # accurate at small angles, unlike arccos
    return 2 * np.arcsin(np.minimum(chord / 2, 1.0))
