"""What the chain does: one frozen value, every default in it and nowhere else."""

from dataclasses import dataclass

from arrayenh.errors import ConfigError
from arrayenh.networks import catalogue

BEAMFORMERS = (
    "mvdr",
    "das",
    "filter-and-sum",
    "superdirective",
    "mpdr",
    "lcmv",
    "gsc",
    "mwf",
    "rank1-mwf",
    "gev",
    "mcwf",
    "wpd",
    "binaural-mwf",
    "none",
)
FIXED = ("das", "filter-and-sum", "superdirective")  # from geometry alone
STEERED = (*FIXED, "lcmv")  # not without an array
MAY_STEER = ("mvdr", "mpdr", "gsc", "wpd")  # where a direction is given
ONLINE = ("das", "mvdr", "rank1-mwf", "gsc")  # have a form frame by frame
MASKS = ("spp", "cacgmm", "neural", *catalogue.names("mask"))
DEREVERB = ("none", "wpe")
SINGLE_POSTFILTERS = ("mmse-lsa", "mmse-stsa", "wiener", "spectral-subtraction", "om-lsa")
MULTICHANNEL_POSTFILTERS = ("zelinski", "mccowan")
NETWORKS = ("neural", *catalogue.names("postfilter"))
POSTFILTERS = (*SINGLE_POSTFILTERS, *MULTICHANNEL_POSTFILTERS, *NETWORKS, "none")
NOISE_TRACKERS = ("spp", "minimum-statistics", "imcra")
LEAST_LOADING = 1e-7  # what the rounding of float32 spectra asks for


@dataclass(frozen=True, slots=True)
class EnhanceConfig:
    """Settings of `Enhancer`.

    Attributes
    ----------
    beamformer : str
        One of `BEAMFORMERS`. `das`, `filter-and-sum`, `superdirective` and `lcmv` need an
        array; `mvdr`, `mpdr`, `gsc` and `wpd` may be steered (see `doa`); the others are blind.
    masks : str
        One of `MASKS`, where the speech and noise statistics come from: "spp", speech presence;
        "cacgmm", that sharpened by a spatial mixture model; "neural", a network; or the name of
        one that ships. Online the mixture model gives way to speech presence, which looks at no
        future, and a network must be causal.
    noise : str, optional
        A stretch without speech, such as "0:00-0:02": its covariance is that of the noise.
    doa : None, "auto" or float
        Direction of the talker: azimuth in degrees, or "auto" to localise it. A network's masks
        are those of the talker whose direction is given; where they are statistical, or there
        are none, geometry steers there.
    distance : float, optional
        Of the talker from the array's middle, metres: steers to a source nearby.
    head : bool
        Whether the microphones are on a head, a rigid sphere, around which is steered.
    nulls : str, optional
        Azimuths that `lcmv` does not hear, degrees: "-60,120".
    reference : int or "auto"
        Microphone, of those used, whose speech is kept as it is; "auto": that of the best
        output SNR.
    ears : str, optional
        Microphones at the left and right ear for `binaural-mwf`: "0,2". Default: from the array.
    mu : float
        Of the Wiener beamformers: noise reduction against speech distortion.
    partial : float
        Of `binaural-mwf`: part of the noise that stays where it was, 0 to 1.
    frames : int
        Of `mcwf`: frames that the filter sees.
    online : bool
        Frame by frame, with statistics that fade, instead of segment by segment.
    memory_seconds : float
        Time constant of those statistics.
    dereverb : {"none", "wpe"}
        Stage in front of the beamformer.
    postfilter : str
        One of `POSTFILTERS`.
    noise_tracker : str, optional
        Of the single-channel post-filters: "spp", "minimum-statistics" or "imcra". Default: as
        the rule was published.
    model : str, optional
        Networks of `masks` and `postfilter`, where they are "neural": a name that ships or an
        ONNX file, or one of each joined by a comma. Default: those that ship.
    strength : float
        From 0 (the reference microphone) to 1 (all of the enhancement).
    segment_seconds, crossfade_seconds : float
        Length over which statistics are gathered, and over which weights then change.
    n_fft, hop : int, optional
        STFT of the beamformer, samples at 16 kHz. Default: those of the network of masks, or
        2048 every 512; of a given `n_fft` a quarter of it.
    loading : float, optional
        Diagonal loading of the noise covariance, relative to its mean diagonal. Default:
        1e-6 for the blind beamformers, whose statistics know the microphones as they are;
        1e-2 for the steered ones, whose geometry and direction never are exact.
    position_error_mm : float
        Of the microphones, where geometry steers: adds loading that grows with frequency.
    least_gain_db : float
        The most that a statistical post-filter takes away, dB.

    Raises
    ------
    ConfigError
        If a name is unknown, a number out of range, or two settings contradict each other.
    """

    beamformer: str = "mvdr"
    masks: str = "neural"
    noise: str | None = None
    doa: float | str | None = None
    distance: float | None = None
    head: bool = False
    nulls: str | None = None
    reference: int | str = 0
    ears: str | None = None
    mu: float = 1.0
    partial: float = 0.2
    frames: int = 4
    online: bool = False
    memory_seconds: float = 2.0
    dereverb: str = "none"
    postfilter: str = "neural"
    noise_tracker: str | None = None
    model: str | None = None
    strength: float = 1.0
    segment_seconds: float = 20.0
    crossfade_seconds: float = 1.0
    n_fft: int | None = None
    hop: int | None = None
    loading: float | None = None
    position_error_mm: float = 1.0
    least_gain_db: float = -15.0

    def __post_init__(self) -> None:
        one_of("beamformer", self.beamformer, BEAMFORMERS)
        one_of("masks", self.masks, MASKS)
        one_of("postfilter", self.postfilter, POSTFILTERS)
        one_of("dereverb", self.dereverb, DEREVERB)
        if self.noise_tracker is not None:
            one_of("noise_tracker", self.noise_tracker, NOISE_TRACKERS)
        if isinstance(self.doa, str):
            if self.doa != "auto":
                raise ConfigError(f"unknown doa {self.doa!r}; use auto, an azimuth in degrees")
        elif self.doa is not None:
            within("doa", self.doa, -360, 360)
        if isinstance(self.reference, str):
            if self.reference != "auto":
                raise ConfigError(f"unknown reference {self.reference!r}; use auto, or a channel")
        else:
            within("reference", self.reference, 0, 1023)
        if self.distance is not None:
            within("distance", self.distance, 0.05, 1000)
        within("mu", self.mu, 0, 1000)
        within("partial", self.partial, 0, 1)
        within("frames", self.frames, 1, 16)
        within("memory_seconds", self.memory_seconds, 0.05, 3600)
        within("strength", self.strength, 0, 1)
        within("segment_seconds", self.segment_seconds, 1, 3600)
        within("crossfade_seconds", self.crossfade_seconds, 0, 60)
        if self.loading is not None:
            within("loading", self.loading, LEAST_LOADING, 1)
        within("position_error_mm", self.position_error_mm, 0, 100)
        within("least_gain_db", self.least_gain_db, -120, 0)
        if self.n_fft is not None:
            within("n_fft", self.n_fft, 64, 16384)
        if self.hop is not None:
            if self.n_fft is None:
                raise ConfigError("a hop belongs to a frame: give n_fft, too")
            within("hop", self.hop, 1, self.n_fft // 2)
        self._check_together()

    def _check_together(self) -> None:
        """Refuse settings that contradict each other."""
        if self.online and self.beamformer not in (*ONLINE, "none"):
            raise ConfigError(
                f"beamformer {self.beamformer} has no online form; use {', '.join(ONLINE)}"
            )
        if self.online and self.noise is not None:
            raise ConfigError("online statistics are learnt as they come: leave noise out")
        if self.head and self.distance is not None:
            raise ConfigError("around a head the talker is far away: give head or distance")
        if self.nulls is not None and self.beamformer != "lcmv":
            raise ConfigError(f"nulls belong to beamformer lcmv; got {self.beamformer}")
        if self.postfilter in MULTICHANNEL_POSTFILTERS:
            if self.beamformer in ("none", "binaural-mwf"):
                raise ConfigError(
                    f"postfilter {self.postfilter} stands behind a beamformer of one output"
                )
            if self.online:
                raise ConfigError(f"postfilter {self.postfilter} is not online; use mmse-lsa")
        if self.noise is not None:
            stretch(self.noise)
        for key in ("nulls", "ears"):
            if getattr(self, key) is not None:
                numbers(key, getattr(self, key))
        model_names(self.model)
        if self.ears is not None and len(numbers("ears", self.ears)) != 2:
            raise ConfigError(f"ears are two channels, left,right; got {self.ears!r}")


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not among the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"unknown {key} {value!r}; use {', '.join(allowed)}")


def within(key: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside [least, most]; NaN too."""
    if not least <= value <= most:
        raise ConfigError(f"{key} must be {least:g} to {most:g}; got {value:g}")


def numbers(key: str, text: str) -> tuple[float, ...]:
    """Numbers joined by commas."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = (float("nan"),)
    if not all(abs(number) < float("inf") for number in found):  # NaN is refused, too
        raise ConfigError(f"{key} wants numbers joined by commas; got {text!r}")
    return found


def model_names(text: str | None) -> list[str]:
    """Names or paths joined by commas."""
    found = [] if text is None else [name.strip() for name in text.split(",")]
    if not all(found):
        raise ConfigError(f"model wants names or ONNX files joined by commas; got {text!r}")
    return found


def stretch(text: str) -> tuple[float, float]:
    """Start and end of a stretch of time such as "0:00-0:02" or "1.5-3", seconds."""
    start, dash, end = text.partition("-")
    try:
        found = seconds(start), seconds(end)
    except ValueError:
        found = (0.0, 0.0)
    if not dash or not 0 <= found[0] < found[1]:
        raise ConfigError(f"noise wants a stretch of time like 0:00-0:02; got {text!r}")
    return found


def seconds(text: str) -> float:
    """Seconds of h:m:s, m:s or s."""
    parts = text.strip().split(":")
    if len(parts) > 3 or any(part.strip().startswith("-") for part in parts):
        raise ValueError(text)
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    if not total < float("inf"):
        raise ValueError(text)
    return total
