"""The chain: stages in processing order, and their time-aligned outputs."""

import numpy as np

from arrayenh.beamformers.binaural import ears
from arrayenh.chain.capture import RATE, Capture
from arrayenh.chain.networks import Networks
from arrayenh.chain.postfilter import postfilter_stage
from arrayenh.chain.segments import SegmentStage
from arrayenh.chain.settings import Settings
from arrayenh.chain.signals import Aligned, Signals, Stage
from arrayenh.checks import numbers, stretch
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.stft import Stft


class Chain:
    """A cascade of stages that processes a stream of samples at 16 kHz.

    Parameters
    ----------
    stages : list of Stage
    capture : Capture
    outputs : tuple of int
        Reference microphones, as rows of those in use: one, or one at each ear.
    strength : float
        Blend of the reference (0) and the output of the last stage (1).
    notes : list of str
        Log lines about stages that are skipped.
    """

    def __init__(
        self,
        stages: list[Stage],
        capture: Capture,
        outputs: tuple[int, ...],
        strength: float,
        notes: list[str],
    ) -> None:
        self.stages, self.outputs = stages, outputs
        self._strength, self._notes = np.float32(strength), notes
        # the "reference" output is the raw microphone, with the DC that was removed
        self._offsets = capture.microphones.offsets[list(outputs)][:, None]
        self._aligned = Aligned(capture.n_samples)

    @property
    def spatial(self) -> SegmentStage | None:
        """The stage whose filters can be applied to other signals, if there is one."""
        return next((stage for stage in self.stages if isinstance(stage, SegmentStage)), None)

    def push(self, microphones: np.ndarray, last: bool) -> dict[str, np.ndarray]:
        """Run the next samples through all stages.

        Parameters
        ----------
        microphones : float32 ndarray, shape (M, n)
            Corrected samples; the next segment in a chain that works in segments.
        last : bool
            Whether the recording ends here.

        Returns
        -------
        pieces : dict of str to float32 ndarray, shape (C, n')
            "reference", the output of each stage by its name, and "enhanced", of equal length.
        """
        reference = microphones[list(self.outputs)]
        signals = Signals(microphones, reference, {"reference": reference + self._offsets})
        for stage in self.stages:
            signals = stage.push(signals, last)
        pieces = self._aligned.push(signals.stages)
        *_, final = pieces.values()
        if self._strength < 1:
            final = pieces["reference"] + self._strength * (final - pieces["reference"])
        return {**pieces, "enhanced": final}

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""
        return [*self._notes, *(line for stage in self.stages for line in stage.summary())]


def build_chain(
    settings: Settings, capture: Capture, networks: Networks, keep_filters: bool = False
) -> Chain:
    """Build the chain for the settings and a recording, without stages that cannot work on it.

    Parameters
    ----------
    settings : Settings
    capture : Capture
    networks : Networks
        See `arrayenh.chain.networks.chosen`.
    keep_filters : bool
        Whether the filters of past segments are kept, for shadow filtering.

    Raises
    ------
    ConfigError
        If the recording does not fit the settings: ears or a noise interval are missing.
    """
    stft = networks.stft(settings)
    outputs = outputs_of(settings, capture)
    aside = why_aside(settings, capture, stft)
    beamformer = None if aside else settings.beamforming
    dereverberator = settings.dereverberation if capture.n_samples >= stft.n_fft else None
    noise = noise_stretch(settings.noise, capture, stft) if settings.noise else None
    stages: list[Stage] = []
    if beamformer or dereverberator:
        stages.append(
            SegmentStage(
                settings,
                stft,
                capture,
                outputs,
                networks,
                beamformer,
                dereverberator,
                noise,
                keep_filters,
            )
        )
    if postfilter := postfilter_stage(settings, networks, len(outputs)):
        stages.append(postfilter)
    notes = spatial_notes(settings, capture, aside)
    return Chain(stages, capture, outputs, settings.strength, notes)


def outputs_of(settings: Settings, capture: Capture) -> tuple[int, ...]:
    """Reference microphones, as rows of those in use: one, or one at each ear.

    Raises
    ------
    ConfigError
        If the beamformer is binaural and the microphones of the ears are not known.
    """
    beamforming = settings.beamforming
    if beamforming is None or not beamforming.two_ears or capture.n_mics == 1:
        return (capture.reference,)
    if settings.ears is not None:
        pair = numbers("ears", settings.ears)
        if missing := [ear for ear in pair if ear not in capture.channels]:
            raise ConfigError(
                f"ear {missing[0]:g} is not among the microphones in use, "
                f"{', '.join(map(str, capture.channels))}"
            )
        return tuple(capture.channels.index(int(ear)) for ear in pair)
    assert capture.array is not None  # check_geometry
    try:
        return ears(capture.array.positions)
    except ShapeError as error:
        raise ConfigError(
            f"{error}; array {capture.array.name} has none on one side: give --ears LEFT,RIGHT"
        ) from error


def why_aside(settings: Settings, capture: Capture, stft: Stft) -> str | None:
    """Reason to skip the beamformer, or None."""
    if capture.n_mics == 1:
        return "one microphone"
    if settings.learns and capture.n_samples < stft.n_fft:
        return f"less than one frame of {stft.n_fft} samples"
    return None


def spatial_notes(settings: Settings, capture: Capture, aside: str | None) -> list[str]:
    """Log lines about inputs that the spatial stages ignore."""
    beamforming, postfiltering = settings.beamforming, settings.postfiltering
    if beamforming is None:
        unused = settings.doa is not None
        return ["no beamformer: the direction (doa) is not used"] if unused else []
    if aside:
        return [f"{aside}: the spatial stages are skipped"]
    needed = settings.doa is not None or (postfiltering is not None and postfiltering.needs_array)
    if capture.array and beamforming.steering == "optional" and not needed:
        return ["the array's geometry is not used: masks steer; give a direction (doa) to use it"]
    return []


def noise_stretch(text: str, capture: Capture, stft: Stft) -> np.ndarray:
    """Read the samples of the noise interval, shape (M, n).

    Raises
    ------
    ConfigError
        If the interval ends after the recording, or is shorter than a frame.
    """
    first, stop = (round(seconds * RATE) for seconds in stretch("noise", text))
    if stop > capture.n_samples:
        raise ConfigError(
            f"noise {text} ends after {capture.source.name}, which is "
            f"{capture.n_samples / RATE:.1f} s long"
        )
    if stop - first < stft.n_fft:
        raise ConfigError(f"noise {text} is shorter than {stft.n_fft / RATE:g} s, one frame")
    return capture.stretch(first, stop)
