"""A scene: a room, an array, talkers, noises, levels and a seed, all plain values.

Nothing sounds here and nothing is left to chance: `arrayenh.scenes.render` turns a scene
into what the microphones hear, and the same scene always into the same. Positions are
absolute, in metres; axes as everywhere (x forward, y left, z up).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.microphones.mic_array import rotation
from arrayenh.scenes.imperfections import MicrophoneFaults
from arrayenh.scenes.motion import Path
from arrayenh.scenes.rooms import Measured, Room
from arrayenh.scenes.signals import Signal

Point = tuple[float, float, float]
MIN_DISTANCE = 0.1  # metres, source to microphone: closer, 1/r is no model of a talker
PATTERNS = {
    "omni": 1.0,
    "subcardioid": 0.7,
    "cardioid": 0.5,
    "hypercardioid": 0.25,
    "figure-eight": 0.0,
}
"""p of the first-order patterns p + (1 - p) cos θ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedArray:
    """An array in the room.

    Attributes
    ----------
    name : str
    positions : tuple of (x, y, z)
        As its maker says, in its own frame, the centre at the origin.
    centre : (x, y, z)
        Where that is in the room.
    azimuth_deg, tilt_deg : float
        Where its +x points.
    directivity, facing : str
        Of the microphones: see `PATTERNS`; "outward" from the centre, or "forward" along +x.
    head : {"none", "sphere"} or a SOFA file
    faults : MicrophoneFaults, optional
        What is wrong with each microphone, errors of position among it.
    """

    name: str
    positions: tuple[Point, ...]
    centre: Point
    azimuth_deg: float = 0.0
    tilt_deg: float = 0.0
    directivity: str = "omni"
    facing: str = "outward"
    head: str = "none"
    faults: MicrophoneFaults | None = None

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return len(self.positions)

    def turn(self) -> np.ndarray:
        """Rotation from the array's frame to the room's, shape (3, 3)."""
        return rotation(np.deg2rad(self.azimuth_deg), np.deg2rad(self.tilt_deg))

    def mic_positions(self) -> np.ndarray:
        """Where the microphones really are in the room, shape (M, 3)."""
        own = np.array(self.positions)
        if self.faults is not None:
            own = own + np.array(self.faults.displacements)
        return np.array(self.centre) + own @ self.turn().T

    def axes(self) -> np.ndarray:
        """Where the microphones point, unit vectors in the room's frame, shape (M, 3)."""
        own = np.array(self.positions)
        length = np.linalg.norm(own, axis=1, keepdims=True)
        outward = np.divide(own, length, out=np.zeros_like(own), where=length > 0)
        forward = np.array([1.0, 0.0, 0.0])
        ahead = (length == 0) | (self.facing == "forward")
        return np.where(ahead, forward, outward) @ self.turn().T

    def direction_of(self, position: np.ndarray) -> tuple[float, float, float]:
        """Azimuth and elevation (degrees) and distance of a point, seen from the array."""
        x, y, z = (np.asarray(position) - self.centre) @ self.turn()
        distance = float(np.sqrt(x * x + y * y + z * z))
        azimuth, elevation = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        return float(np.rad2deg(azimuth)), float(np.rad2deg(elevation)), distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """Somebody who speaks.

    Attributes
    ----------
    speaker : str
        Who it is.
    signal : Signal
    position : (x, y, z)
        Where he is, and where he begins if he walks.
    path : Path, optional
        Where he walks.
    level_db : float
        Active speech level at the reference microphone, over that of the target.
    """

    speaker: str
    signal: Signal
    position: Point
    path: Path | None = None
    level_db: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """One noise.

    Attributes
    ----------
    kind : {"point", "walls", "diffuse", "wind", "white"}
    level_db : float
        Power at the reference microphone against the other noises.
    positions : tuple of (x, y, z)
        One of a point, several of walls.
    signals : tuple of Signal
        One for each position; of a diffuse field one, or one for each microphone.
    field : {"spherical", "cylindrical"}
        Of a diffuse field.
    speed : float
        Of the wind, m/s.
    seed : int
        Of diffuse, wind and white noise.
    """

    kind: Literal["point", "walls", "diffuse", "wind", "white"]
    level_db: float = 0.0
    positions: tuple[Point, ...] = ()
    signals: tuple[Signal, ...] = ()
    field: Literal["spherical", "cylindrical"] = "spherical"
    speed: float = 5.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Who sounds where, and how loud; the levels are those of `SceneSpec`.

    Raises
    ------
    SceneError
        If a microphone or a source is outside the room, or a source in a microphone; the
        message names it.
    """

    room: Room
    array: PlacedArray
    talkers: tuple[Talker, ...]
    noises: tuple[Noise, ...] = ()
    n_samples: int
    sample_rate: int = 16000
    snr_db: float | None = 5.0
    snr_over: Literal["file", "active"] = "file"
    level_dbfs: float = -26.0
    sensor_noise_db: float | None = 40.0
    early_ms: float = 50.0
    seed: int = 0
    about: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.talkers:
            raise SceneError("a scene needs at least one talker, the target")
        if self.n_samples < 1:
            raise SceneError(f"a scene needs at least one sample; got {self.n_samples}")
        if isinstance(self.room, Measured):
            return
        mics = self.array.mic_positions()
        for m, mic in enumerate(mics):
            self._check_inside(f"microphone {m}", mic)
        for who, position in self._sources():
            self._check_inside(who, position)
            distances = np.linalg.norm(mics - position, axis=1)
            if distances.min() < MIN_DISTANCE:
                raise SceneError(
                    f"{who} is {distances.min():.3f} m from microphone {distances.argmin()}; "
                    f"sources must keep {MIN_DISTANCE} m away"
                )

    def _sources(self) -> list[tuple[str, np.ndarray]]:
        found = []
        for k, talker in enumerate(self.talkers):
            who = "the target" if k == 0 else f"talker {k}"
            points = talker.path.points() if talker.path else np.array([talker.position])
            found += [(who, point) for point in points]
        for k, noise in enumerate(self.noises):
            found += [(f"noise {k} ({noise.kind})", np.array(point)) for point in noise.positions]
        return found

    def _check_inside(self, who: str, position: np.ndarray) -> None:
        if not isinstance(self.room, Measured) and not self.room.contains(position):
            where = ", ".join(f"{x:.2f}" for x in position)
            raise SceneError(f"{who} at ({where}) m lies outside the room: {self.room.words()}")
