"""Scene specification: the values of a scene file after drawing, before placement.

Units are degrees, metres, seconds and dB. All defaults of scene files are defined here.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from arrayenh.scenes.imperfections import Imperfections
from arrayenh.scenes.rooms import Room, Shoebox

MOST_SECONDS = 3600
Coordinate = Annotated[float, Field(ge=-1e3, le=1e3)]  # metres
Point = tuple[Coordinate, Coordinate, Coordinate]
Positive = Annotated[float, Field(gt=0, le=350)]  # metres, in a room of at most 200 m
NotNegative = Annotated[float, Field(ge=0, le=MOST_SECONDS)]  # metres or seconds
Azimuth = Annotated[float, Field(ge=-360, le=360)]
Elevation = Annotated[float, Field(ge=-90, le=90)]
Level = Annotated[float, Field(ge=-120, le=120)]
FullScaleLevel = Annotated[float, Field(ge=-80, le=0)]
EarlyMs = Annotated[float, Field(ge=0, le=1e4)]
WindSpeed = Annotated[float, Field(gt=0, le=40)]
Rate = Annotated[int, Field(ge=8000, le=192000)]
STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """Array and its placement.

    Attributes
    ----------
    name : str
        A preset or an array file.
    position : (x, y, z), optional
        Centre in the room; by default random, `clearance` away from the walls (as far as the
        room allows) and `height` above the floor.
    azimuth_deg, tilt_deg : float
        Direction of the +x axis of the array.
    directivity : str
        Directivity of every microphone; a directional microphone points away from the centre,
        or along the +x axis of the array (`facing`).
    head : {"none", "sphere"} or a SOFA file
        Head on which the microphones are mounted.
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
    """End of a talker's walk, relative to the array, and its speed (m/s)."""

    azimuth_deg: Azimuth
    distance: Positive
    speed: Annotated[float, Field(gt=0, le=10)] = 0.8

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkerSpec:
    """A talker; the first one is the target.

    Attributes
    ----------
    speech : str
        A folder of speech, or "packaged" for the two packaged voices.
    position : (x, y, z), optional
        Position in the room; by default given by `azimuth_deg`, `distance` from the centre of
        the array and `height` above the floor.
    walk : WalkSpec, optional
        The talker moves while speaking.
    whole : bool
        Use as many whole utterances as fit into the turn, so that no word is cut off.
    level_db : float
        Active speech level at the reference microphone relative to the target, dB.
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
    """A noise.

    Attributes
    ----------
    kind : str
        "point": one source in the room; "diffuse": a field with the theoretical coherence;
        "walls": `sources` points along the walls; "wind", "white": noise at each microphone.
    signal : str
        "white", "pink", "brown", "speech-shaped", "fan", "hum", "engine", "clicks", "babble", or
        a folder or file. Wind and white noise have their own.
    speech : str
        Folder of the voices of babble.
    voices : int
        Number of babble talkers in each source of the noise.
    level_db : float
        Power at the reference microphone relative to the other noises, dB.
    level_over : {"reference", "points"}
        "points": `level_db` is relative to the sum of all point noises.
    field : {"spherical", "cylindrical"}
        Kind of diffuse field.
    speed : float
        Wind speed, m/s.
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
    speed: WindSpeed = 5.0

    __pydantic_config__ = STRICT


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSpec:
    """Values of a scene before the placement of array and sources.

    Attributes
    ----------
    seconds, lead_in, tail : float
        Duration of the scene, and of the parts before and after the speech.
    snr_db : float or None
        SNR of the target over the sum of all noises at the reference microphone (microphone
        0); with None, `level_db` of every noise is relative to the target.
    snr_over : {"file", "active"}
        Level of the speech in the SNR: power over the whole file, or active speech level
        (ITU-T P.56).
    level_dbfs : float
        Mean power of the target at the reference microphone.
    sensor_noise_db : float or None
        White noise of each microphone, dB below the target.
    overlap : float
        Fraction of a talker's turn that overlaps with the next: 0 in turn, 1 simultaneous.
    separation_deg : float
        Smallest angle between the directions of talkers and point noises.
    wall_distance : float
        Smallest distance of a source from the walls, metres.
    early_ms : float
        Reflections up to this time after the direct path belong to the early speech.
    """

    description: str = ""
    sample_rate: Rate = 16000
    seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS)] = 8.0
    lead_in: NotNegative = 0.5
    tail: NotNegative = 0.25
    snr_db: Level | None = 5.0
    snr_over: Literal["file", "active"] = "active"
    level_dbfs: FullScaleLevel = -26.0
    sensor_noise_db: Level | None = 40.0
    overlap: Annotated[float, Field(ge=0, le=1)] = 1.0
    separation_deg: Annotated[float, Field(ge=0, le=180)] = 0.0
    wall_distance: NotNegative = 0.3
    early_ms: EarlyMs = 50.0
    room: Room = field(default_factory=lambda: Shoebox(size=(6.0, 5.0, 3.0), rt60=0.4))
    array: ArraySpec = field(default_factory=ArraySpec)
    talkers: Annotated[tuple[TalkerSpec, ...], Field(min_length=1)] = (TalkerSpec(),)
    noises: tuple[NoiseSpec, ...] = ()

    __pydantic_config__ = STRICT
