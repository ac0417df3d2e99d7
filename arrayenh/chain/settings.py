"""Settings of the chain, with their defaults, ranges and help."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Annotated, Any, cast

from arrayenh.beamformers.beamformer import BEAMFORMERS, Beamformer
from arrayenh.beamformers.recursion import MEMORY_SECONDS
from arrayenh.chain.frames import CONFERENCE, LIVE
from arrayenh.chain.setting_record import (
    ARRAY,
    BEAMFORMER,
    INPUT,
    MASKS,
    OUTPUT,
    POSTFILTER,
    TIMING,
    Described,
    Setting,
    described,
)
from arrayenh.checks import numbers, stretch
from arrayenh.dereverberation.dereverberator import DEREVERBERATORS, Dereverberator
from arrayenh.errors import ConfigError
from arrayenh.hearing import FULL_SCALE_DB, load_audiogram
from arrayenh.masks import source
from arrayenh.networks import catalogue
from arrayenh.postfilters.postfilter import NOISE_TRACKERS, POSTFILTERS, PostFilter
from arrayenh.registry import plugins
from arrayenh.statistics.loading import ROUNDING_LOADING

NONE, NEURAL, AUTO = "none", "neural", "auto"


def beamformer_names() -> Sequence[str]:
    """Names of the beamformers, and "none"."""
    return (*BEAMFORMERS, NONE)


def mask_names() -> Sequence[str]:
    """Names of the mask estimators: statistical ones and networks."""
    return (*source.MASKS, NEURAL, *catalogue.names("mask"), *catalogue.names("both"))


def postfilter_names() -> Sequence[str]:
    """Names of the post-filters: statistical ones and networks, and "none"."""
    return (
        *POSTFILTERS,
        NEURAL,
        *catalogue.names("postfilter"),
        *catalogue.names("both"),
        NONE,
    )


def dereverb_names() -> Sequence[str]:
    """Names of the dereverberation methods, and "none"."""
    return (*DEREVERBERATORS, NONE)


def check_pair(key: str, text: str) -> None:
    """Raise ConfigError if the text is not two numbers."""
    if len(numbers(key, text)) != 2:
        raise ConfigError(f"{key} must be two channels, left,right; got {text!r}")


def model_names(key: str, text: str) -> list[str]:
    """Parse names or paths joined by commas."""
    found = [name.strip() for name in text.split(",")]
    if not all(found):
        raise ConfigError(f"{key} wants names or ONNX files joined by commas; got {text!r}")
    return found


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of `Enhancer`.

    A plug-in adds settings by a subclass in its module (see `settings_class`).

    Raises
    ------
    ConfigError
        If a name is unknown, a number out of range, or two settings contradict each other.

    Examples
    --------
    >>> Settings(beamformer="gev", postfilter="mmse-lsa").online
    False
    """

    beamformer: Annotated[
        str,
        Setting(
            "Beamformer that combines the microphones.",
            BEAMFORMER,
            choices=beamformer_names,
            metavar="NAME",
        ),
    ] = "mvdr"
    masks: Annotated[
        str,
        Setting(
            "Estimator of the speech masks that steer the beamformer: statistical, the packaged "
            "network (neural), or another network by its name.",
            MASKS,
            choices=mask_names,
            metavar="NAME",
        ),
    ] = NEURAL
    noise: Annotated[
        str | None,
        Setting(
            "Time interval without speech, such as 0:00-0:02, to estimate the noise covariance.",
            MASKS,
            check=stretch,
            metavar="T-T",
            absent="estimated from the whole recording",
        ),
    ] = None
    doa: Annotated[
        float | str | None,
        Setting(
            "Direction of the talker, azimuth in degrees, or auto to localise it. Selects one of "
            "several talkers. Needs --array.",
            ARRAY,
            -360,
            360,
            words=(AUTO,),
            number="an azimuth in degrees",
            metavar="auto|DEG",
            absent="not used",
        ),
    ] = None
    distance: Annotated[
        float | None,
        Setting(
            "Distance of the talker from the array's centre, metres.",
            ARRAY,
            0.05,
            1000,
            metavar="M",
            absent="far field",
        ),
    ] = None
    head: Annotated[
        bool,
        Setting("Steer for microphones on a head, modelled as a rigid sphere.", ARRAY),
    ] = False
    nulls: Annotated[
        str | None,
        Setting(
            "Directions of nulls of beamformer lcmv, degrees, such as -60,120.",
            BEAMFORMER,
            check=numbers,
            metavar="DEG,DEG",
            absent="none",
        ),
    ] = None
    reference: Annotated[
        int | str,
        Setting(
            "Reference channel, at which speech is estimated; auto chooses it by output SNR.",
            ARRAY,
            0,
            1023,
            words=(AUTO,),
            number="a channel",
            metavar="auto|K",
        ),
    ] = 0
    ears: Annotated[
        str | None,
        Setting(
            "Channels at the left and right ear, for beamformer binaural-mwf, such as 0,2.",
            BEAMFORMER,
            check=check_pair,
            metavar="L,R",
            absent="from --array",
        ),
    ] = None
    mu: Annotated[
        float,
        Setting(
            "Wiener beamformers: trade-off, larger for more noise reduction and more distortion.",
            BEAMFORMER,
            0,
            1000,
        ),
    ] = 1.0
    partial: Annotated[
        float,
        Setting("binaural-mwf: share of unprocessed noise that is kept, 0 to 1.", BEAMFORMER, 0, 1),
    ] = 0.2
    frames: Annotated[int, Setting("mcwf: length of the filter, frames.", BEAMFORMER, 1, 16)] = 4
    online: Annotated[
        bool,
        Setting(
            "Process causally, frame by frame, with recursive statistics, as in live use.",
            TIMING,
        ),
    ] = False
    latency: Annotated[
        str,
        Setting(
            "With --online: frames, for a latency of at most 40 ms (conference), 20 ms "
            "(low-latency) or 8 ms (hearing-aid).",
            TIMING,
            choices=lambda: tuple(LIVE),
            metavar="NAME",
        ),
    ] = CONFERENCE
    memory_seconds: Annotated[
        float,
        Setting(
            "With --online: time constant of the statistics, seconds.",
            TIMING,
            0.05,
            3600,
            option="--memory",
            metavar="S",
        ),
    ] = MEMORY_SECONDS
    dereverb: Annotated[
        str,
        Setting(
            "Dereverberation before the beamformer.",
            BEAMFORMER,
            choices=dereverb_names,
            metavar="NAME",
        ),
    ] = NONE
    postfilter: Annotated[
        str,
        Setting(
            "Post-filter that reduces the residual noise of the beamformer.",
            POSTFILTER,
            choices=postfilter_names,
            metavar="NAME",
        ),
    ] = NEURAL
    noise_tracker: Annotated[
        str | None,
        Setting(
            "Noise tracker of a statistical post-filter.",
            POSTFILTER,
            choices=lambda: tuple(NOISE_TRACKERS),
            metavar="NAME",
            absent="the one of the post-filter's publication",
        ),
    ] = None
    model: Annotated[
        str | None,
        Setting(
            "Network for the masks, for the post-filter, or A,B for both: a name listed by "
            "'arrayenh models', or an ONNX file.",
            POSTFILTER,
            check=model_names,
            metavar="NAME|FILE",
            absent="the packaged ones",
        ),
    ] = None
    sync: Annotated[
        bool,
        Setting(
            "Align recordings of separate devices: start times and sampling rates. Mono files may "
            "differ in length.",
            INPUT,
        ),
    ] = False
    strength: Annotated[
        float,
        Setting("Blend of the microphone (0) and the enhanced speech (1).", OUTPUT, 0, 1),
    ] = 1.0
    audiogram: Annotated[
        str | None,
        Setting(
            "Online, with two ears: hearing aids for an audiogram. N1 to N7, S1 to S3, two of them "
            "for left,right, or a file.",
            OUTPUT,
            check=lambda key, text: load_audiogram(text),
            metavar="NAME|FILE",
            absent="no gain",
        ),
    ] = None
    full_scale_db: Annotated[
        float,
        Setting(
            "With --audiogram: sound pressure level of a signal of RMS 1.0, dB.",
            OUTPUT,
            60,
            160,
            option="--full-scale",
            metavar="DB",
        ),
    ] = FULL_SCALE_DB
    max_output_db: Annotated[
        float | None,
        Setting(
            "With --audiogram: largest sound pressure level of the output, dB.",
            OUTPUT,
            60,
            140,
            option="--max-output",
            metavar="DB",
            absent="105 and a quarter of the mean loss",
        ),
    ] = None
    segment_seconds: Annotated[
        float,
        Setting(
            "Length of the segments, each with its own statistics and weights, seconds.",
            TIMING,
            1,
            3600,
            option="--segment",
            metavar="S",
        ),
    ] = 20.0
    still: Annotated[
        bool,
        Setting(
            "The talker stays in place: one set of weights in each segment, however the direction "
            "changes.",
            TIMING,
        ),
    ] = False
    crossfade_seconds: Annotated[
        float,
        Setting(
            "Crossfade of the weights from segment to segment, seconds.",
            TIMING,
            0,
            60,
            option="--crossfade",
            metavar="S",
        ),
    ] = 1.0
    n_fft: Annotated[
        int | None,
        Setting(
            "Frame length of the beamformer's STFT, samples at 16 kHz.",
            TIMING,
            64,
            16384,
            absent="that of the mask network, or 2048",
        ),
    ] = None
    hop: Annotated[
        int | None,
        Setting(
            "Hop of the beamformer's STFT, samples; needs --n-fft.",
            TIMING,
            1,
            8192,
            absent="a quarter of the frame",
        ),
    ] = None
    loading: Annotated[
        float | None,
        Setting(
            "Diagonal loading of the noise covariance, relative to its mean diagonal.",
            BEAMFORMER,
            ROUNDING_LOADING,
            1,
            absent="1e-6 with masks, 1e-2 if geometry steers",
        ),
    ] = None
    position_error_mm: Annotated[
        float,
        Setting(
            "Error of the microphone positions, millimetres: adds loading that grows with "
            "frequency, if geometry steers.",
            ARRAY,
            0,
            100,
            option="--position-error",
            metavar="MM",
        ),
    ] = 1.0
    least_gain_db: Annotated[
        float,
        Setting(
            "Lowest gain of a statistical post-filter, dB.",
            POSTFILTER,
            -120,
            0,
            option="--least-gain",
            metavar="DB",
        ),
    ] = -15.0

    def __post_init__(self) -> None:
        for one in by_name(type(self)).values():
            one.validate(getattr(self, one.name))
        self._check_together()

    @property
    def beamforming(self) -> Beamformer | None:
        """The record of the beamformer; None if the setting is "none"."""
        return None if self.beamformer == NONE else BEAMFORMERS[self.beamformer]

    @property
    def dereverberation(self) -> Dereverberator | None:
        """The record of the dereverberation; None if the setting is "none"."""
        return None if self.dereverb == NONE else DEREVERBERATORS[self.dereverb]

    @property
    def postfiltering(self) -> PostFilter | None:
        """The record of a statistical post-filter; None for a network or no post-filter."""
        return POSTFILTERS.get(self.postfilter)

    @property
    def direction_given(self) -> bool:
        """Whether the talker's direction is given as a number."""
        return isinstance(self.doa, int | float)

    @property
    def learns(self) -> bool:
        """Whether the beamformer depends on the recording, by masks or by localisation."""
        beamforming = self.beamforming
        return beamforming is not None and not (beamforming.fixed and self.direction_given)

    def _check_together(self) -> None:
        """Raise ConfigError if settings contradict each other."""
        beamforming, postfiltering = self.beamforming, self.postfiltering
        if self.hop is not None:
            if self.n_fft is None:
                raise ConfigError("a hop belongs to a frame: give n_fft, too")
            if self.hop > self.n_fft // 2:
                raise ConfigError(f"hop must be 1 to {self.n_fft // 2}; got {self.hop}")
        if self.online and beamforming is not None and beamforming.recursive is None:
            recursive = (one.name for one in BEAMFORMERS.values() if one.recursive)
            raise ConfigError(
                f"beamformer {self.beamformer} has no online form; use {', '.join(recursive)}"
            )
        if self.online and self.noise is not None:
            raise ConfigError(
                "online statistics are estimated as the recording runs: leave noise out"
            )
        if self.online and self.sync:
            raise ConfigError("clocks are compared over the whole recording: sync is not online")
        if self.audiogram is not None and not (
            self.online and beamforming and beamforming.two_ears
        ):
            raise ConfigError(
                "hearing aids work online, at two ears: audiogram needs --profile hearing-aid, or "
                "--online --beamformer binaural-mwf"
            )
        if self.online and self.reference == AUTO:
            raise ConfigError("the best reference is chosen from a whole recording: name a channel")
        if self.head and self.distance is not None:
            raise ConfigError("steering around a head assumes the far field: give head or distance")
        for one in BEAMFORMERS.values():
            for key in one.takes:
                if getattr(self, key) is not None and one is not beamforming:
                    raise ConfigError(f"{key} need beamformer {one.name}; got {self.beamformer}")
        if postfiltering is not None and postfiltering.multichannel is not None:
            if beamforming is None or beamforming.two_ears:
                raise ConfigError(
                    f"postfilter {self.postfilter} needs a beamformer with one output"
                )
            if self.online:
                raise ConfigError(f"postfilter {self.postfilter} is not online; use mmse-lsa")


def settings_class() -> type[Settings]:
    """The class of the settings, including those of plug-ins.

    Raises
    ------
    ConfigError
        If two plug-ins add settings, and neither's class is a subclass of the other's.
    """
    found: type[Settings] = Settings
    for module in plugins():
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Settings) and value is not Settings:
                if not (issubclass(value, found) or issubclass(found, value)):
                    raise ConfigError(
                        f"plug-ins {found.__module__} and {module.__name__} both add settings; "
                        f"make one class a subclass of the other"
                    )
                found = value if issubclass(value, found) else found
    return found


def by_name(kind: type[Settings]) -> dict[str, Described]:
    """Map the settings of a class by name."""
    return _by_name(cast(Any, kind))


@cache
def _by_name(kind: Any) -> dict[str, Described]:
    return {one.name: one for one in described(kind)}


def label_of(name: str) -> str:
    """Label of a stage for tables and reports."""
    if name == "reference":
        return "input"
    for registry in (BEAMFORMERS, DEREVERBERATORS, POSTFILTERS):
        if name in registry:
            return str(registry[name].label)
    return "neural post-filter" if name == NEURAL else name


def summary_of(name: str) -> str:
    """Summary of a stage, one line."""
    for registry in (BEAMFORMERS, DEREVERBERATORS, POSTFILTERS):
        if name in registry:
            return f"{registry[name].label}: {registry[name].summary}"
    if name == NEURAL:
        return "the packaged network"
    return catalogue.describe(name) or f"the network {name}"


def changed(settings: Settings) -> dict[str, object]:
    """Settings that differ from the defaults."""
    usual = type(settings)()
    return {key: value for key, value in asdict(settings).items() if value != getattr(usual, key)}
