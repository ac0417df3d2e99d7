"""What a scene file says once chance has spoken: plain values, checked, nothing placed yet.

Degrees, metres, seconds, dB. Every default is here and nowhere else.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from arrayenh.scenes.imperfections import Imperfections
from arrayenh.scenes.rooms import Room, Shoebox

Point = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Azimuth = Annotated[float, Field(ge=-360, le=360)]
Elevation = Annotated[float, Field(ge=-90, le=90)]
Level = Annotated[float, Field(ge=-120, le=120)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """Where the array stands.

    Attributes
    ----------
    name : str
        A preset or an array file.
    position : (x, y, z), optional
        Its centre in the room; by default anywhere, `clearance` away from the walls (as far
        as the room allows) and `height` above the floor.
    azimuth_deg, tilt_deg : float
        Where its +x points.
    directivity : str
        Of every microphone; a directional one points away from the centre, or along the
        array's +x (`facing`).
    head : {"none", "sphere"} or a SOFA file
        What the microphones sit on.
    imperfections : Imperfections
    """

    name: str = "circular4-35mm"
    position: Point | None = None
    clearance: NotNegative = 1.0
    height: Positive = 1.0
    azimuth_deg: Azimuth = 0.0
    tilt_deg: Elevation = 0.0
    directivity: Literal["omni", "subcardioid", "cardioid", "hypercardioid", "figure-eight"] = (
        "omni"
    )
    facing: Literal["outward", "forward"] = "outward"
    head: str = "none"
    imperfections: Imperfections = field(default_factory=Imperfections)

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkSpec:
    """Where a talker walks to, seen from the array, and how fast (m/s)."""

    azimuth_deg: Azimuth
    distance: Positive
    speed: Annotated[float, Field(gt=0, le=10)] = 0.8

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerSpec:
    """Somebody who speaks; the first one is the target.

    Attributes
    ----------
    speech : str
        A folder of speech, or "packaged": two voices that ship.
    position : (x, y, z), optional
        In the room; else `azimuth_deg`, `distance` from the array's centre, `height` above
        the floor.
    walk : WalkSpec, optional
        The talker moves while speaking.
    whole : bool
        Says whole utterances, as many as fit into the turn, so that every word is heard.
    level_db : float
        Active speech level at the reference microphone, over the target's.
    """

    speech: str = "packaged"
    position: Point | None = None
    azimuth_deg: Azimuth = 0.0
    distance: Positive = 1.5
    height: Positive = 1.5
    walk: WalkSpec | None = None
    whole: bool = False
    level_db: Level = 0.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSpec:
    """One noise.

    Attributes
    ----------
    kind : str
        "point": one source in the room; "diffuse": a field with the theoretical coherence;
        "walls": `sources` points along the walls; "wind", "white": at each microphone.
    signal : str
        "white", "pink", "brown", "speech-shaped", "fan", "hum", "engine", "clicks", "babble", or
        a folder or file. Wind and white noise have their own.
    speech : str
        Where the voices of babble come from.
    voices : int
        Talkers of babble: in all of a point, and of each of the walls' sources.
    level_db : float
        Power at the reference microphone against the other noises.
    level_over : {"reference", "points"}
        "points": `level_db` is over that of all point noises together.
    field : {"spherical", "cylindrical"}
        Of diffuse noise.
    speed : float
        Of the wind, m/s.
    """

    kind: Literal["point", "diffuse", "walls", "wind", "white"] = "point"
    signal: str = "pink"
    speech: str = "packaged"
    voices: Annotated[int, Field(ge=1, le=100)] = 8
    sources: Annotated[int, Field(ge=1, le=200)] = 16
    position: Point | None = None
    azimuth_deg: Azimuth = 90.0
    distance: Positive = 2.0
    height: Positive = 1.5
    level_db: Level = 0.0
    level_over: Literal["reference", "points"] = "reference"
    field: Literal["spherical", "cylindrical"] = "spherical"
    speed: Annotated[float, Field(gt=0, le=40)] = 5.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSpec:
    """A scene whose values are known and whose sources are yet to be placed.

    Attributes
    ----------
    seconds, lead_in, tail : float
        Of the whole, and of the part before and after speech.
    snr_db : float or None
        Target over all noises at the reference microphone (microphone 0); None leaves every
        noise at its `level_db` below the target.
    snr_over : {"file", "active"}
        Plain power over the whole file, or active speech level (ITU-T P.56).
    level_dbfs : float
        Mean power of the target at the reference microphone.
    sensor_noise_db : float or None
        White noise of each microphone, so far below the target.
    overlap : float
        Which part of a talker's turn the next one shares: 0 in turn, 1 all at once.
    separation_deg : float
        Directions of talkers and point noises are at least so far apart.
    wall_distance : float
        Sources keep so far from the walls, metres.
    early_ms : float
        What follows the direct path by less is early speech.
    """

    description: str = ""
    sample_rate: Annotated[int, Field(ge=8000, le=192000)] = 16000
    seconds: Annotated[float, Field(gt=0, le=3600)] = 8.0
    lead_in: NotNegative = 0.5
    tail: NotNegative = 0.25
    snr_db: Level | None = 5.0
    snr_over: Literal["file", "active"] = "active"
    level_dbfs: Annotated[float, Field(ge=-80, le=0)] = -26.0
    sensor_noise_db: Level | None = 40.0
    overlap: Annotated[float, Field(ge=0, le=1)] = 1.0
    separation_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    wall_distance: NotNegative = 0.3
    early_ms: NotNegative = 50.0
    room: Room = field(default_factory=lambda: Shoebox(size=(6.0, 5.0, 3.0), rt60=0.4))
    array: ArraySpec = field(default_factory=ArraySpec)
    talkers: Annotated[tuple[TalkerSpec, ...], Field(min_length=1)] = (TalkerSpec(),)
    noises: tuple[NoiseSpec, ...] = ()

    __pydantic_config__ = STRICT
