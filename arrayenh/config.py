"""What the chain does: one frozen value, every default in it and nowhere else."""

from dataclasses import dataclass

from arrayenh.errors import ConfigError

BEAMFORMERS = ("mvdr", "das", "none")
MASKS = ("spp",)
POSTFILTERS = ("mmse-lsa", "wiener", "none")
LEAST_LOADING = 1e-7  # what the rounding of float32 spectra asks for


@dataclass(frozen=True, slots=True)
class EnhanceConfig:
    """Settings of `Enhancer`.

    Attributes
    ----------
    beamformer : {"mvdr", "das", "none"}
        `mvdr` is blind (Souden) unless `doa` says where to look; `das` needs an array.
    masks : {"spp"}
        Where the speech and noise statistics come from.
    doa : None, "auto" or float
        Direction of the talker: azimuth in degrees, or "auto" to localise it.
    reference : int
        Microphone, of those used, whose speech is kept as it is.
    postfilter : {"mmse-lsa", "wiener", "none"}
    strength : float
        From 0 (the reference microphone) to 1 (all of the enhancement).
    segment_seconds, crossfade_seconds : float
        Length over which statistics are gathered, and over which weights then change.
    n_fft, hop : int
        STFT of the beamformer, samples at 16 kHz.
    loading : float, optional
        Diagonal loading of the noise covariance, relative to its mean diagonal. Default:
        1e-6 for the blind MVDR, whose statistics know the microphones as they are; 1e-2 for
        the steered one, whose geometry and direction never are exact.
    least_gain_db : float
        The most that the post-filter takes away, dB.

    Raises
    ------
    ConfigError
        If a name is unknown or a number out of range.
    """

    beamformer: str = "mvdr"
    masks: str = "spp"
    doa: float | str | None = None
    reference: int = 0
    postfilter: str = "mmse-lsa"
    strength: float = 1.0
    segment_seconds: float = 30.0
    crossfade_seconds: float = 1.0
    n_fft: int = 2048
    hop: int = 512
    loading: float | None = None
    least_gain_db: float = -15.0

    def __post_init__(self) -> None:
        one_of("beamformer", self.beamformer, BEAMFORMERS)
        one_of("masks", self.masks, MASKS)
        one_of("postfilter", self.postfilter, POSTFILTERS)
        if isinstance(self.doa, str):
            if self.doa != "auto":
                raise ConfigError(f"unknown doa {self.doa!r}; use auto, an azimuth in degrees")
        elif self.doa is not None:
            within("doa", self.doa, -360, 360)
        within("reference", self.reference, 0, 1023)
        within("strength", self.strength, 0, 1)
        within("segment_seconds", self.segment_seconds, 1, 3600)
        within("crossfade_seconds", self.crossfade_seconds, 0, 60)
        if self.loading is not None:
            within("loading", self.loading, LEAST_LOADING, 1)
        within("least_gain_db", self.least_gain_db, -120, 0)
        within("n_fft", self.n_fft, 64, 16384)
        within("hop", self.hop, 1, self.n_fft // 2)


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a name that is not among the allowed ones."""
    if value not in allowed:
        raise ConfigError(f"unknown {key} {value!r}; use {', '.join(allowed)}")


def within(key: str, value: float, least: float, most: float) -> None:
    """Refuse a number outside [least, most]; NaN too."""
    if not least <= value <= most:
        raise ConfigError(f"{key} must be {least:g} to {most:g}; got {value:g}")
