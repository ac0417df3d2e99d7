"""`MicArray`: microphone positions, in metres; x forward, y left, z up."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.errors import GeometryError, ShapeError

MAX_MICS = 1024
"""Largest number of microphones; more are assumed to be a mistake."""

MAX_APERTURE = 3.0
"""Largest aperture, metres, of an array whose source does not state that it is in metres."""

MAX_COORDINATE = 1000.0
"""Largest coordinate, metres; larger ones are assumed to be in another unit."""

MIN_SPACING = 1e-6
"""Smallest spacing, metres; closer microphones share a position."""

RANK_TOLERANCE = 1e-3
"""Relative thickness below which an array counts as planar, or as linear."""


@dataclass(frozen=True, slots=True)
class Dump:
    """Channels that a board sends: their number, and those of its microphones, in order."""

    n_channels: int
    microphones: tuple[int, ...]
    source: str

    @property
    def option(self) -> str:
        """Option that selects the microphones."""
        return f"--channels {','.join(map(str, self.microphones))}"


@dataclass(frozen=True, slots=True, eq=False)
class MicArray:
    """Microphone positions, shape (M, 3), metres; row 0 is the reference.

    Parameters
    ----------
    positions : real array_like, shape (M, 3)
        Metres; x forward, y left, z up. Kept as read-only float64.
    name : str
        Name of the array in tables and figures.
    names : sequence of str, optional
        Unique name of each microphone.
    source : str, optional
        Source of the positions.
    dump : Dump, optional
        Channels of a board that sends more than its microphones.

    Raises
    ------
    ShapeError
        If `positions` is not an (M, 3) array of real numbers.
    GeometryError
        If there is no microphone or more than 1024, a coordinate is not finite or beyond 1 km,
        two microphones share a position, or a name is invalid.

    Examples
    --------
    >>> pair = MicArray([[0.006, 0, 0], [-0.006, 0, 0]], "hearing aid")
    >>> pair.n_mics, pair.aperture, pair.is_linear
    (2, 0.012, True)
    """

    positions: np.ndarray
    name: str = "unnamed"
    names: tuple[str, ...] | None = None
    source: str | None = None
    dump: Dump | None = None

    def __post_init__(self) -> None:
        positions = _checked_positions(self.positions)
        positions.setflags(write=False)
        object.__setattr__(self, "positions", positions)
        _check_word(self.name, "the name of an array")
        if self.names is not None:
            names = _checked_names(self.names, len(positions))
            object.__setattr__(self, "names", names)
        if self.source is not None:
            _check_word(self.source, "the source of an array")
        _check_apart(self.distances())

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return len(self.positions)

    @property
    def aperture(self) -> float:
        """Largest distance between two microphones, metres; 0 for a single one."""
        return float(self.distances().max())

    @property
    def is_linear(self) -> bool:
        """Whether all microphones lie on one line, to 0.1 % of the array's size."""
        return self._rank() <= 1

    @property
    def is_planar(self) -> bool:
        """Whether all microphones lie in one plane, to 0.1 % of the array's size."""
        return self._rank() <= 2

    def distances(self) -> np.ndarray:
        """Distances between all pairs of microphones.

        Returns
        -------
        distances : float64 ndarray, shape (M, M)
            Metres; symmetric, zero on the diagonal.
        """
        return np.linalg.norm(self.positions[:, None] - self.positions[None], axis=-1)

    def centred(self) -> "MicArray":
        """Return the same array with the mean of its positions at the origin."""
        return self._moved(self.positions - self.positions.mean(axis=0))

    def select(self, channels: Sequence[int]) -> "MicArray":
        """Select microphones in the given order; the first becomes the reference.

        Parameters
        ----------
        channels : sequence of int
            Rows to keep, counted from 0.

        Raises
        ------
        GeometryError
            If a channel is not an integer, not in the array or repeated, or if none is given.
        """
        rows = [_checked_channel(channel, self) for channel in channels]
        if not rows:
            raise GeometryError(f"select needs at least one channel of {self.name}; got none")
        if len(set(rows)) != len(rows):
            raise GeometryError(f"each channel of {self.name} can be selected once; got {rows}")
        names = self.names and tuple(self.names[row] for row in rows)
        name = f"{self.name}[{','.join(map(str, rows))}]"
        return MicArray(self.positions[rows], name, names, self.source)

    def rotated(self, azimuth: float = 0.0, tilt: float = 0.0) -> "MicArray":
        """Rotate the array about the origin: tilt first, then azimuth.

        The forward direction, +x, is rotated to
        (cos tilt cos azimuth, cos tilt sin azimuth, sin tilt).

        Parameters
        ----------
        azimuth : float
            Radians, counter-clockwise seen from above, about z.
        tilt : float
            Radians, the forward end upwards, about y.

        Raises
        ------
        GeometryError
            If an angle is not finite.
        """
        if not np.isfinite([azimuth, tilt]).all():
            raise GeometryError(
                f"azimuth and tilt must be finite, in radians; got {azimuth} and {tilt}"
            )
        return self._moved(self.positions @ rotation(azimuth, tilt).T)

    def _moved(self, positions: np.ndarray) -> "MicArray":
        return MicArray(positions, self.name, self.names, self.source)

    def _rank(self) -> int:
        spread = np.linalg.svd(self.centred().positions, compute_uv=False)
        return int(np.count_nonzero(spread > RANK_TOLERANCE * spread[0]))


def rotation(azimuth: float, tilt: float) -> np.ndarray:
    """Rotation matrix R_z(azimuth) R_y(-tilt), shape (3, 3)."""
    cos_az, sin_az = np.cos(azimuth), np.sin(azimuth)
    cos_tilt, sin_tilt = np.cos(tilt), np.sin(tilt)
    turn = np.array([[cos_az, -sin_az, 0], [sin_az, cos_az, 0], [0, 0, 1]])
    lift = np.array([[cos_tilt, 0, -sin_tilt], [0, 1, 0], [sin_tilt, 0, cos_tilt]])
    return turn @ lift


def _checked_positions(positions: object) -> np.ndarray:
    wanted = "positions must be numbers of shape (M, 3), in metres"
    try:
        given = np.asarray(positions)
    except ValueError as error:  # rows of different lengths
        raise ShapeError(f"{wanted}; got rows of different lengths") from error
    if given.dtype.kind not in "iuf" and given.size:
        raise ShapeError(f"{wanted}; got dtype {given.dtype}")
    if given.shape[:1] == (0,):
        raise GeometryError("an array needs at least one microphone; got none")
    if given.ndim != 2 or given.shape[1] != 3:
        raise ShapeError(f"{wanted}; got shape {given.shape}")
    if len(given) > MAX_MICS:
        raise GeometryError(f"an array has at most {MAX_MICS} microphones; got {len(given)}")
    _check_coordinates(given)
    return np.array(given, np.float64)


def _check_coordinates(positions: np.ndarray) -> None:
    finite = np.isfinite(positions).all(axis=1)
    if not finite.all():
        mic = int(finite.argmin())
        raise GeometryError(
            f"positions must be finite; microphone {mic} is at {positions[mic].tolist()}"
        )
    near = (np.abs(positions) <= MAX_COORDINATE).all(axis=1)
    if not near.all():
        mic = int(near.argmin())
        raise GeometryError(
            f"positions must be within {MAX_COORDINATE:g} m of the origin; microphone "
            f"{mic} is at {positions[mic].tolist()} m: are these millimetres?"
        )


def _check_apart(distances: np.ndarray) -> None:
    first, second = np.triu_indices(len(distances), k=1)
    apart = distances[first, second]
    if apart.size and apart.min() < MIN_SPACING:
        pair = apart.argmin()
        raise GeometryError(
            f"microphones {first[pair]} and {second[pair]} are at the same place; "
            "give each microphone its own position"
        )


def _checked_names(names: object, n_mics: int) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise GeometryError(f"names must be a sequence of strings; got {names!r}")
    for name in names:
        _check_word(name, "a microphone name")
    if len(names) != n_mics:
        raise GeometryError(
            f"names must name each of the {n_mics} microphones; got {len(names)} names"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise GeometryError(f"microphone names must differ; {twice[0]!r} is used twice or more")
    return tuple(names)


def _check_word(word: object, what: str) -> None:
    if not isinstance(word, str) or not word.strip() or not word.isprintable():
        raise GeometryError(f"{what} must be one line of printable text; got {word!r}")


def _checked_channel(channel: object, array: MicArray) -> int:
    try:
        row = operator.index(channel)  # type: ignore[arg-type]
    except TypeError as error:
        raise GeometryError(f"channels are integers counted from 0; got {channel!r}") from error
    if not 0 <= row < array.n_mics:
        raise GeometryError(f"{array.name} has channels 0 to {array.n_mics - 1}; got channel {row}")
    return row
