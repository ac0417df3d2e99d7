"""The description of a simulated scene: a room, microphones, sources, levels.

Nothing sounds here; `arrayenh.scenes.render` turns a `Scene` and its signals into
microphone signals.  Positions are absolute, in metres, in the corner of the room that
has all coordinates zero; axes as everywhere (x forward, y left, z up).
"""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from arrayenh.errors import SceneError, ShapeError

SPEED_OF_SOUND = 343.0
MIN_DISTANCE = 0.1  # metres, source to microphone: closer, 1/r is no model of a talker


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """A shoebox room whose six walls absorb alike at all frequencies.

    Parameters
    ----------
    size : float array, shape (3,)
        Length, width, height; metres.
    rt60 : float
        Reverberation time in seconds, by Sabine's formula; 0 is an anechoic room.

    Raises
    ------
    ShapeError
        If `size` is not three numbers.
    SceneError
        If a side or `rt60` is not finite, a side is not positive, or the room is so
        large that even black walls would reverberate longer than `rt60`.
    """

    size: np.ndarray
    rt60: float

    def __post_init__(self) -> None:
        size = _frozen(self.size)
        if size.shape != (3,):
            raise ShapeError(f"room size must have shape (3,); got {size.shape}")
        if not (np.isfinite(size).all() and size.min() > 0):
            raise SceneError(f"room sides must be positive metres; got {size.tolist()}")
        if not (np.isfinite(self.rt60) and self.rt60 >= 0):
            raise SceneError(f"rt60 must be at least 0 seconds; got {self.rt60}")
        object.__setattr__(self, "size", size)
        if self.absorption > 1 and self.rt60 > 0:
            raise SceneError(
                f"rt60 {self.rt60} s cannot be reached in a room of {_metres(size)}: "
                f"it is at least {self.rt60 * self.absorption:.3f} s there"
            )

    @property
    def absorption(self) -> float:
        """Energy absorption of the walls, in (0, 1]; 1 if anechoic.

            α = 24 ln(10) V / (c S RT60)

        References
        ----------
        W. C. Sabine, "Collected Papers on Acoustics", 1922.  (For image sources in a
        shoebox it is nearer to the decay one gets than Eyring's formula.)
        """
        if self.rt60 == 0:
            return 1.0
        volume = float(np.prod(self.size))
        surface = 2 * sum(a * b for a, b in combinations(self.size.tolist(), 2))
        return 24 * np.log(10) * volume / (SPEED_OF_SOUND * surface * self.rt60)

    @property
    def image_order(self) -> int:
        """Order of reflection that reaches the images c RT60 away.

        Images up to an order fill a diamond of rooms.  This one, the choice of
        pyroomacoustics, holds circles of radius c RT60 parallel to the walls; towards
        the corners it misses images farther than about 0.8 c RT60, 48 dB down.
        """
        radii = [a * b / np.hypot(a, b) for a, b in combinations(self.size, 2)]
        return max(0, int(np.ceil(SPEED_OF_SOUND * self.rt60 / min(radii) - 1)))


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Who sounds where, and how loud, in a room that does not change.

    Parameters
    ----------
    room : Room
    mic_positions : float array, shape (M, 3)
        Metres, absolute; row 0 is the reference, where all levels are defined.
    target_position : float array, shape (3,)
    directional : float array, shape (K, 3)
        Point sources of noise, or competing talkers.
    diffuse : float array, shape (D, 3)
        Sources of the diffuse field, usually along the walls.
    snr_db : float
        Reverberant speech over all directional and diffuse noise at microphone 0: mean
        power over the whole file.  Without such noise it says nothing.
    directional_gains_db : tuple of float, length K
        Level of each directional image at microphone 0 against the others; empty means
        all alike.
    diffuse_to_directional_db : float
        All diffuse over all directional noise at microphone 0.
    sensor_noise_db : float
        How far the white noise of each microphone lies below the reverberant speech.
    early_ms : float
        What follows the direct path by less than this is early speech.
    seed : int
        Of the sensor noise, the only thing that `render` draws.
    sample_rate : int

    Raises
    ------
    ShapeError
        If positions or gains do not have the shape above.
    SceneError
        If a position lies outside the room or in a microphone (the message names it),
        or a level is not finite.
    """

    room: Room
    mic_positions: np.ndarray
    target_position: np.ndarray
    directional: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    diffuse: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    snr_db: float = 5.0
    directional_gains_db: tuple[float, ...] = ()
    diffuse_to_directional_db: float = 0.0
    sensor_noise_db: float = 40.0
    early_ms: float = 50.0
    seed: int = 0
    sample_rate: int = 16000

    def __post_init__(self) -> None:
        for name in ("mic_positions", "directional", "diffuse"):
            object.__setattr__(self, name, _points(getattr(self, name), name))
        target = _frozen(self.target_position)
        if target.shape != (3,):
            raise ShapeError(f"target_position must have shape (3,); got {target.shape}")
        object.__setattr__(self, "target_position", target)
        if not len(self.mic_positions):
            raise ShapeError("mic_positions must hold at least one microphone")
        gains = self.directional_gains_db or (0.0,) * len(self.directional)
        if len(gains) != len(self.directional):
            raise ShapeError(
                f"directional_gains_db must have one value for each of the "
                f"{len(self.directional)} directional sources; got {len(gains)}"
            )
        object.__setattr__(self, "directional_gains_db", tuple(gains))
        self._check_levels()
        self._check_positions()

    def _check_levels(self) -> None:
        names = ("snr_db", "diffuse_to_directional_db", "sensor_noise_db")
        levels = {name: getattr(self, name) for name in names}
        for k, gain in enumerate(self.directional_gains_db):
            levels[f"directional_gains_db[{k}]"] = gain
        for name, level in levels.items():
            if not np.isfinite(level):
                raise SceneError(f"{name} must be finite; got {level}")
        if not self.early_ms >= 0:
            raise SceneError(f"early_ms must be at least 0; got {self.early_ms}")
        if not self.sample_rate > 0:
            raise SceneError(f"sample_rate must be positive; got {self.sample_rate}")

    def _check_positions(self) -> None:
        for m, position in enumerate(self.mic_positions):
            self._check_inside(f"microphone {m}", position)
        self._check_source("the target", self.target_position)
        for kind in ("directional", "diffuse"):
            for k, position in enumerate(getattr(self, kind)):
                self._check_source(f"{kind} source {k}", position)

    def _check_inside(self, who: str, position: np.ndarray) -> None:
        # written so that NaN is refused too
        if not ((position > 0) & (position < self.room.size)).all():
            where = ", ".join(f"{x:.2f}" for x in position)
            raise SceneError(
                f"{who} at ({where}) m lies outside the room of {_metres(self.room.size)}"
            )

    def _check_source(self, who: str, position: np.ndarray) -> None:
        self._check_inside(who, position)
        distances = np.linalg.norm(self.mic_positions - position, axis=1)
        if distances.min() < MIN_DISTANCE:
            raise SceneError(
                f"{who} is {distances.min():.3f} m from microphone "
                f"{distances.argmin()}; sources must keep {MIN_DISTANCE} m away"
            )


def _frozen(values: object) -> np.ndarray:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _points(values: object, name: str) -> np.ndarray:
    points = _frozen(values)
    if points.size == 0:
        points = _frozen(np.empty((0, 3)))
    if points.ndim != 2 or points.shape[1] != 3:
        raise ShapeError(f"{name} must have shape (n, 3); got {points.shape}")
    return points


def _metres(size: np.ndarray) -> str:
    return " x ".join(f"{side:g}" for side in size) + " m"
