"""Rooms of a scene, and their impulse responses from a source to the microphones.

Positions are in metres, in the frame of the room. The origin of a shoebox is a corner; the axes
are x forward, y left, z up, as in the whole package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError
from arrayenh.scenes.air import air_attenuation, speed_of_sound
from arrayenh.scenes.head import Head, head_responses
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.materials import BANDS_HZ, absorption_of, wall_absorption
from arrayenh.scenes.polygon import (
    counter_clockwise,
    inside,
    polygon_absorption,
    polygon_responses,
)
from arrayenh.scenes.reverberation import calibrated_absorption

Corner = tuple[float, float]
Fraction = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=20)]
Side = Annotated[float, Field(gt=0, le=200)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
LONGEST_S = 4.0  # longest response of a room given by its walls


@dataclass(frozen=True, slots=True, kw_only=True)
class Shoebox:
    """Shoebox room; its walls are given by one of `rt60`, `absorption` and `materials`.

    Attributes
    ----------
    size : (length, width, height)
    rt60 : float, optional
        Reverberation time measured on the rendered response, seconds; 0 is anechoic.
    absorption : float, optional
        Energy absorption, the same for all walls and frequencies.
    materials : str or mapping, optional
        A material for all walls, or one for each of west (x = 0), east, south (y = 0),
        north, floor, ceiling.
    air : bool
        Whether the air absorbs high frequencies (ISO 9613-1).
    temperature_c, humidity_percent : float
        State of the air; the speed of sound is 343 m/s unless a temperature is given.
    """

    kind: Literal["shoebox"] = "shoebox"
    size: tuple[Side, Side, Side]
    rt60: Seconds | None = None
    absorption: Fraction | None = None
    materials: str | dict[str, str] | None = None
    air: bool = False
    temperature_c: Annotated[float, Field(ge=-30, le=60)] | None = None
    humidity_percent: Annotated[float, Field(ge=0, le=100)] = 50.0

    __pydantic_config__ = STRICT

    def check(self) -> None:
        """Raise SceneError if the room is impossible."""
        one_of_three(self.rt60, self.absorption, self.materials)
        self.walls()  # raises for impossible walls

    def words(self) -> str:
        """Dimensions as text."""
        return " x ".join(f"{round(side, 2):g}" for side in self.size) + " m"

    def contains(self, point: np.ndarray, margin: float = 0.0) -> bool:
        """Whether a point is inside and more than `margin` metres away from every wall."""
        gap = np.minimum(point, np.subtract(self.size, point))
        return bool(np.all(gap > margin))

    def anywhere(self, rng: np.random.Generator, clearance: float, height: float) -> np.ndarray:
        """Random point, if possible `clearance` away from the walls, shape (3,)."""
        sides = np.array(self.size[:2])
        margin = np.minimum(clearance, sides / 2)
        return np.array([*rng.uniform(margin, sides - margin), height])

    def along_walls(self, rng: np.random.Generator, n_points: int, gap: float) -> np.ndarray:
        """Points nearly uniform along the four walls, at random heights, shape (n, 3)."""
        length, width, _ = self.size
        corners = [(0.0, 0.0), (length, 0.0), (length, width), (0.0, width)]
        return along_outline(rng, corners, self.size[2], n_points, gap)

    def walls(self) -> dict[str, Any]:
        """Renderer arguments: absorption of walls and air, and length of the responses."""
        speed = sound_speed(self)
        bands: np.ndarray | None = None
        absorption: np.ndarray | float
        if self.materials is not None:
            bands, absorption = wall_absorption(self.materials)
        elif self.absorption is not None:
            absorption = self.absorption
        else:
            absorption = calibrated(self.size, self.rt60 or 0.0, speed)
        air = air_of(self)
        if air is not None and bands is None:
            bands, absorption = BANDS_HZ, np.full((len(BANDS_HZ), 6), absorption)
        length_s = self.rt60
        if length_s is None:
            length_s = self.longest(np.asarray(absorption), speed)
        return {
            "absorption": absorption,
            "bands": bands,
            "air": air,
            "length_s": length_s,
            "speed_of_sound": speed,
        }

    def longest(self, absorption: np.ndarray, speed: float) -> float:
        """Longest reverberation time of all octave bands, by Eyring's formula, seconds."""
        length, width, height = self.size
        pairs = np.array([width * height, length * height, length * width]).repeat(2)
        share = np.sum(pairs * absorption, axis=-1) / np.sum(pairs)
        damping = -np.log(1 - min(float(np.min(share)), 1 - 1e-9))
        seconds = (
            24 * np.log(10) * np.prod(self.size) / (speed * np.sum(pairs) * max(damping, 1e-9))
        )
        return float(min(1.2 * seconds, LONGEST_S))

    def responses(
        self,
        source: np.ndarray,
        mics: np.ndarray,
        sample_rate: int,
        *,
        axes: np.ndarray | None = None,
        pattern: float = 1.0,
        max_order: int | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Impulse responses from a source to microphones, float64, shape (M, L)."""
        return shoebox_responses(
            np.array(self.size),
            source=source,
            mics=mics,
            sample_rate=sample_rate,
            axes=axes,
            pattern=pattern,
            max_order=max_order,
            **self.walls(),
        )

    def head_responses(
        self,
        source: np.ndarray,
        centre: np.ndarray,
        head: Head,
        turn: np.ndarray,
        sample_rate: int,
        max_order: int | None = None,
    ) -> np.ndarray:
        """Impulse responses from a source to microphones on a head, float64, shape (M, L)."""
        return head_responses(
            np.array(self.size),
            source=source,
            centre=centre,
            head=head,
            turn=turn,
            sample_rate=sample_rate,
            max_order=max_order,
            **self.walls(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """Room with a polygonal floor, rendered by image sources and rays.

    Attributes
    ----------
    corners : tuple of (x, y)
        Corners of the floor, metres, in order.
    height : float
    rt60, absorption, materials, air, temperature_c, humidity_percent
        See `Shoebox`; one material for all walls.
    """

    kind: Literal["polygon"] = "polygon"
    corners: Annotated[tuple[Corner, ...], Field(min_length=3)]
    height: Side
    rt60: Seconds | None = None
    absorption: Fraction | None = None
    materials: str | None = None
    air: bool = False
    temperature_c: Annotated[float, Field(ge=-30, le=60)] | None = None
    humidity_percent: Annotated[float, Field(ge=0, le=100)] = 50.0

    __pydantic_config__ = STRICT

    def check(self) -> None:
        """Raise SceneError if the room is impossible."""
        one_of_three(self.rt60, self.absorption, self.materials)
        counter_clockwise(np.array(self.corners))  # raises if walls cross
        self.walls()

    def walls(self) -> float | str:
        """Energy absorption of all walls, or the name of their material."""
        if self.materials is not None:
            absorption_of(self.materials)  # raises for an unknown material
            return self.materials
        if self.absorption is not None:
            return self.absorption
        return polygon_absorption(self.corners, self.height, self.rt60 or 0.0, sound_speed(self))

    def words(self) -> str:
        """Number of corners and height as text."""
        return f"{len(self.corners)} corners, {round(self.height, 2):g} m high"

    def contains(self, point: np.ndarray, margin: float = 0.0) -> bool:
        """Whether a point is inside and more than `margin` metres away from every wall."""
        around = np.asarray(point) + margin * AROUND
        return bool(inside(np.array(self.corners), self.height, around).all())

    def anywhere(self, rng: np.random.Generator, clearance: float, height: float) -> np.ndarray:
        """Random point, if possible `clearance` away from the walls, shape (3,)."""
        corners = np.array(self.corners)
        low, high = corners.min(axis=0), corners.max(axis=0)
        for margin in (clearance, clearance / 2, clearance / 4, 0.0):
            for point in rng.uniform(low, high, (100, 2)):
                candidate = np.array([*point, height])
                if self.contains(
                    candidate, min(margin, height * 0.9, (self.height - height) * 0.9)
                ):
                    return candidate
        raise SceneError(f"no point {height:g} m high was found in the room: {self.words()}")

    def along_walls(self, rng: np.random.Generator, n_points: int, gap: float) -> np.ndarray:
        """Points nearly uniform along the walls, at random heights, shape (n, 3)."""
        return along_outline(rng, list(self.corners), self.height, n_points, gap)

    def responses(
        self,
        source: np.ndarray,
        mics: np.ndarray,
        sample_rate: int,
        *,
        axes: np.ndarray | None = None,
        pattern: float = 1.0,
        max_order: int | None = None,
        seed: int = 0,
    ) -> np.ndarray:
        """Impulse responses from a source to microphones, float64, shape (M, L)."""
        if pattern != 1.0:
            raise SceneError("directional microphones need a shoebox room")
        air = (20.0 if self.temperature_c is None else self.temperature_c, self.humidity_percent)
        return polygon_responses(
            np.array(self.corners),
            self.height,
            self.walls(),
            source,
            mics,
            sample_rate,
            air=air if self.air else None,
            speed_of_sound=sound_speed(self),
            seed=seed,
        )

    def head_responses(
        self,
        source: np.ndarray,
        centre: np.ndarray,
        head: Head,
        turn: np.ndarray,
        sample_rate: int,
        max_order: int | None = None,
    ) -> np.ndarray:
        """Raise SceneError: a polygonal room does not support a head."""
        raise SceneError("microphones on a head need a shoebox room")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measured impulse responses from files instead of a simulated room.

    Attributes
    ----------
    responses : str
        A WAV, FLAC or SOFA file, a folder or a glob pattern; one microphone per channel.
    files : tuple of str
        Files of the talkers, then of the point noises, drawn from `responses`.
    """

    kind: Literal["measured"] = "measured"
    responses: str
    files: tuple[str, ...] = ()

    __pydantic_config__ = STRICT

    def check(self) -> None:
        """Do nothing: the files are checked when they are read."""

    def words(self) -> str:
        """Path of the responses as text."""
        return self.responses


Simulated = Shoebox | Polygon
Room = Annotated[Shoebox | Polygon | Measured, Field(discriminator="kind")]
AROUND = np.array([[0, 0, 0], *np.eye(3), *-np.eye(3)])


def one_of_three(
    rt60: float | None, absorption: float | None, materials: str | Mapping[str, str] | None
) -> None:
    """Raise unless exactly one of the three descriptions of the walls is given."""
    given = [value is not None for value in (rt60, absorption, materials)]
    if sum(given) != 1:
        raise SceneError("a room needs exactly one of rt60, absorption and materials")


def sound_speed(room: Simulated) -> float:
    """Speed of sound in a room, m/s."""
    if room.temperature_c is None:
        return SPEED_OF_SOUND
    return speed_of_sound(room.temperature_c)


def air_of(room: Simulated) -> np.ndarray | None:
    """Attenuation by the air in octave bands, nepers per metre; None without absorption."""
    if not room.air:
        return None
    temperature_c = 20.0 if room.temperature_c is None else room.temperature_c
    return air_attenuation(temperature_c, room.humidity_percent)


@lru_cache(maxsize=4096)
def calibrated(size: tuple[float, float, float], rt60: float, speed: float) -> float:
    """Wall absorption for a reverberation time; 1 for a reverberation time of 0."""
    if rt60 == 0:
        return 1.0
    return calibrated_absorption(np.array(size), rt60, speed_of_sound=speed)


def along_outline(
    rng: np.random.Generator, corners: list[Corner], height: float, n_points: int, gap: float
) -> np.ndarray:
    """Points inside an outline, `gap` away from it, nearly uniform along it, shape (n, 3)."""
    outline = np.array([*corners, corners[0]])
    steps = np.diff(outline, axis=0)
    lengths = np.hypot(*steps.T)
    area = np.sum(outline[:-1, 0] * outline[1:, 1] - outline[1:, 0] * outline[:-1, 1])
    inwards = np.stack([-steps[:, 1], steps[:, 0]], axis=1) / lengths[:, None] * np.sign(area)
    along = (np.arange(n_points) + rng.uniform(0, 1, n_points)) / n_points * lengths.sum()
    ends = np.cumsum(lengths)
    found = []
    for walked, z in zip(along, rng.uniform(0.15, 0.85, n_points) * height, strict=True):
        side = int(np.searchsorted(ends, walked))
        into = walked - (ends[side] - lengths[side])
        into = np.clip(into, gap, lengths[side] - gap) if lengths[side] > 2 * gap else into
        xy = outline[side] + into / lengths[side] * steps[side] + gap * inwards[side]
        found.append((*xy, z))
    return np.array(found)
