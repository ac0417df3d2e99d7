"""Description of a scene: room, array, talkers, noises, levels and seed, all plain values.

A scene has no random values: `arrayenh.scenes.render` renders the microphone signals of a scene,
always the same ones. Positions are in the frame of the room, in metres; the axes are x forward,
y left, z up.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from arrayenh.errors import SceneError
from arrayenh.microphones.mic_array import MAX_MICS, rotation
from arrayenh.scenes.imperfections import MicrophoneFaults
from arrayenh.scenes.motion import Path
from arrayenh.scenes.rooms import Measured, Room, one_of_three
from arrayenh.scenes.signals import Signal
from arrayenh.scenes.spec import (
    MOST_SECONDS,
    STRICT,
    Azimuth,
    EarlyMs,
    Elevation,
    FullScaleLevel,
    Level,
    Point,
    Rate,
    WindSpeed,
)

Seed = Annotated[int, Field(ge=0)]
SumLevel = Annotated[float, Field(ge=-200, le=200)]  # of a level over the sum of many sources
MIN_DISTANCE = 0.1  # metres, source to microphone: 1/r does not model a closer talker
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
    """Microphone array at a position in the room.

    Attributes
    ----------
    name : str
    positions : tuple of (x, y, z)
        Nominal microphone positions in the frame of the array, metres, the centre at the origin.
    centre : (x, y, z)
        Centre of the array in the room, metres.
    azimuth_deg, tilt_deg : float
        Direction of the +x axis of the array.
    directivity, facing : str
        Directivity of the microphones, one of `PATTERNS`; they face "outward" from the centre
        or "forward" along +x.
    head : {"none", "sphere"} or a SOFA file
    faults : MicrophoneFaults, optional
        Faults of each microphone, including position errors.
    """

    name: str
    positions: Annotated[tuple[Point, ...], Field(min_length=1, max_length=MAX_MICS)]
    centre: Point
    azimuth_deg: Azimuth = 0.0
    tilt_deg: Elevation = 0.0
    directivity: Literal["omni", "subcardioid", "cardioid", "hypercardioid", "figure-eight"] = (
        "omni"
    )
    facing: Literal["outward", "forward"] = "outward"
    head: str = "none"
    faults: MicrophoneFaults | None = None

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        faults = self.faults
        if faults is not None and any(
            len(values) != self.n_mics
            for values in (
                faults.gains_db,
                faults.delays_us,
                faults.clocks_ppm,
                faults.displacements,
                faults.alive,
            )
        ):
            raise SceneError(f"faults must be those of {self.n_mics} microphones")

    @property
    def n_mics(self) -> int:
        """Number of microphones, M."""
        return len(self.positions)

    def turn(self) -> np.ndarray:
        """Rotation from the array's frame to the room's, shape (3, 3)."""
        return rotation(np.deg2rad(self.azimuth_deg), np.deg2rad(self.tilt_deg))

    def mic_positions(self) -> np.ndarray:
        """Actual microphone positions in the room, metres, shape (M, 3)."""
        own = np.array(self.positions)
        if self.faults is not None:
            own = own + np.array(self.faults.displacements)
        return np.array(self.centre) + own @ self.turn().T

    def axes(self) -> np.ndarray:
        """Main axes of the microphones, unit vectors in the room's frame, shape (M, 3)."""
        own = np.array(self.positions)
        length = np.linalg.norm(own, axis=1, keepdims=True)
        outward = np.divide(own, length, out=np.zeros_like(own), where=length > 0)
        forward = np.array([1.0, 0.0, 0.0])
        ahead = (length == 0) | (self.facing == "forward")
        return np.where(ahead, forward, outward) @ self.turn().T

    def direction_of(self, position: np.ndarray) -> tuple[float, float, float]:
        """Azimuth and elevation (degrees) and distance (m) of a point from the array."""
        x, y, z = (np.asarray(position) - self.centre) @ self.turn()
        distance = float(np.sqrt(x * x + y * y + z * z))
        azimuth, elevation = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        return float(np.rad2deg(azimuth)), float(np.rad2deg(elevation)), distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """A talker of a scene.

    Attributes
    ----------
    speaker : str
        Name of the speaker.
    signal : Signal
    position : (x, y, z)
        Position, or start of the path of a walking talker, metres.
    path : Path, optional
        Path of a walking talker.
    level_db : float
        Active speech level at the reference microphone relative to the target, dB.
    """

    speaker: str
    signal: Signal
    position: Point
    path: Path | None = None
    level_db: SumLevel = 0.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """A noise of a scene.

    Attributes
    ----------
    kind : {"point", "walls", "diffuse", "wind", "white"}
    level_db : float
        Power at the reference microphone relative to the other noises, dB.
    positions : tuple of (x, y, z)
        One position for "point", several for "walls", metres.
    signals : tuple of Signal
        One for each position; for a diffuse field one, or one per microphone.
    field : {"spherical", "cylindrical"}
        Kind of diffuse field.
    speed : float
        Wind speed, m/s.
    seed : int
        Seed of diffuse, wind and white noise.
    """

    kind: Literal["point", "walls", "diffuse", "wind", "white"]
    level_db: SumLevel = 0.0
    positions: tuple[Point, ...] = ()
    signals: tuple[Signal, ...] = ()
    field: Literal["spherical", "cylindrical"] = "spherical"
    speed: WindSpeed = 5.0
    seed: Seed = 0

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        n_signals, n_places = len(self.signals), len(self.positions)
        placed, diffuse = self.kind in ("point", "walls"), self.kind == "diffuse"
        if placed and not (n_places == n_signals >= 1) or self.kind == "point" and n_places > 1:
            count = "one position and signal" if self.kind == "point" else "a signal per position"
            raise SceneError(
                f"a {self.kind} noise has {count}; got {n_places} positions and {n_signals} signals"
            )
        if not placed and (n_places or bool(n_signals) != diffuse):
            raise SceneError(
                f"{self.kind} noise has no positions and {'' if diffuse else 'no '}signals; "
                f"got {n_places} positions and {n_signals} signals"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A complete scene; its levels are defined as in `SceneSpec`.

    Raises
    ------
    SceneError
        If a microphone or a source is outside the room, or a source is too close to a
        microphone; the message names it.
    """

    room: Room
    array: PlacedArray
    talkers: tuple[Talker, ...]
    noises: tuple[Noise, ...] = ()
    n_samples: int
    sample_rate: Rate = 16000
    snr_db: Level | None = 5.0
    snr_over: Literal["file", "active"] = "file"
    level_dbfs: FullScaleLevel = -26.0
    sensor_noise_db: Level | None = 40.0
    early_ms: EarlyMs = 50.0
    seed: Seed = 0
    about: dict[str, str] = field(default_factory=dict)

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if not self.talkers:
            raise SceneError("a scene needs at least one talker, the target")
        most = MOST_SECONDS * self.sample_rate
        if not 1 <= self.n_samples <= most:
            raise SceneError(
                f"a scene needs at least one sample and at most {MOST_SECONDS} s; "
                f"got {self.n_samples}"
            )
        for k, noise in enumerate(self.noises):
            if noise.kind == "diffuse" and len(noise.signals) not in (1, self.array.n_mics):
                raise SceneError(f"noise {k} (diffuse) needs one signal, or one per microphone")
        if isinstance(self.room, Measured):
            self._check_files(self.room)
            return
        one_of_three(self.room.rt60, self.room.absorption, self.room.materials)
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

    def _check_files(self, room: Measured) -> None:
        n_sources = len(self.talkers) + sum(len(noise.positions) for noise in self.noises)
        if len(room.files) != n_sources:
            raise SceneError(
                f"a measured room needs a file of responses for each of {n_sources} sources; "
                f"got {len(room.files)}"
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
