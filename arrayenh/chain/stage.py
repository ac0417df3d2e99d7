"""The spatial stages of the chain: segments of samples in, dereverberated, beamformed."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from arrayenh import beamformers
from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.beamformers.binaural import ears
from arrayenh.beamformers.blind import BlindBeam, residual_noise, with_phase
from arrayenh.beamformers.estimate import ESTIMATORS, Filters, Heard
from arrayenh.chain.look import Look
from arrayenh.chain.networks import Networks, needs_mask
from arrayenh.chain.online_stage import OnlineBeamformer
from arrayenh.chain.settings import FIXED, MAY_STEER, EnhanceConfig, numbers
from arrayenh.dereverberation.wpe import DELAY, TAPS, OnlineWpe, apply_wpe, wpe_filters
from arrayenh.masks.directional import DirectionalMasks
from arrayenh.masks.neural import hears_a_guide
from arrayenh.masks.source import MaskSource, mask_source
from arrayenh.microphones.geometry import MicArray
from arrayenh.networks.cleanness import cleanness
from arrayenh.statistics.covariance import covariances, sounding, spatial_covariance
from arrayenh.statistics.lagged import lagged_filter
from arrayenh.statistics.loading import (
    LOADING,
    adaptive_loading,
    ill_conditioned,
    position_loading,
    solvable,
)
from arrayenh.statistics.power import squared
from arrayenh.stft import Analysis, Stft, Synthesis

STEERED_LOADING = 1e-2  # relative: geometry and direction never are exact
WPE_MEMORY_SECONDS = 5.0  # of its online form
TOLD = ("noise", "masked")  # signals that the stage has for a post-filter
MOST_FRAMES = 16  # that a beamformer sees, of mcwf


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFilters:
    """What is applied to a segment: WPE filters (F, K, M, M), or None, and a beamformer's."""

    dereverb: np.ndarray | None
    beamformer: Filters | None


class SegmentFilter:
    """Applies the filters of each segment, with a crossfade from those before.

    Distortionless weights stay so in between: both keep the talker as the reference
    microphone hears it, and so does every mixture of them.

    Parameters
    ----------
    stft : Stft
    n_mics : int
    crossfade_frames : int
        Frames, at the start of a segment, in which the weights change.
    """

    def __init__(self, stft: Stft, n_mics: int, crossfade_frames: int) -> None:
        self._stft, self._crossfade_frames = stft, crossfade_frames
        self._analysis = Analysis(stft, n_mics)
        self._synthesis: dict[tuple[str, int], Synthesis] = {}
        self._before: SegmentFilters | None = None
        self._past: dict[str, np.ndarray] = {}

    def analyse(self, segment: np.ndarray, last: bool) -> np.ndarray:
        """Spectrum of the next segment, shape (M, n) -> (F, M, T)."""
        return self._analysis.push(segment, last)

    def dereverberate(self, filters: np.ndarray, spec: np.ndarray) -> np.ndarray:
        """Take the predicted late sound off a spectrum, (F, M, T) -> (F, M, T)."""
        old = self._before.dereverb if self._before else None
        past = self._past.get("wpe")
        early = apply_wpe(filters, spec, DELAY, past)
        n = min(self._crossfade_frames, spec.shape[2])
        if old is not None and n:
            before = apply_wpe(old, np.ascontiguousarray(spec[:, :, :n]), DELAY, past)
            early[:, :, :n] = faded(before, early[:, :, :n])
        self._past["wpe"] = joined(past, spec, DELAY + TAPS - 1)
        return early

    def beamform(self, filters: Filters, spec: np.ndarray) -> np.ndarray:
        """Filter a spectrum, (F, M, T) -> (F, O, T)."""
        old = self._before.beamformer if self._before else None
        past = self._past.get("beamformer")
        beamformed = filtered(filters, spec, past)
        n = min(self._crossfade_frames, spec.shape[2])
        if old is not None and n:
            before = filtered(old, np.ascontiguousarray(spec[:, :, :n]), past)
            beamformed[:, :, :n] = faded(before, beamformed[:, :, :n])
        self._past["beamformer"] = joined(past, spec, MOST_FRAMES)
        return beamformed

    def passed(self, filters: SegmentFilters) -> None:
        """The next segment fades over from these filters."""
        self._before = filters

    def samples(self, name: str, spec: np.ndarray) -> np.ndarray:
        """Samples of a stage that are ready, (F, O, T) -> (n',) or (O, n')."""
        parts = []
        for k in range(spec.shape[1]):
            synthesis = self._synthesis.setdefault((name, k), Synthesis(self._stft))
            parts.append(synthesis.push(spec[:, k]))
        return parts[0] if len(parts) == 1 else np.stack(parts)

    def run(self, filters: SegmentFilters, spec: np.ndarray, reference: int) -> np.ndarray:
        """All of them, on another signal than they were made from; samples that are ready."""
        if filters.dereverb is not None:
            spec = self.dereverberate(filters.dereverb, spec)
        if filters.beamformer is None:
            out = spec[:, reference : reference + 1]
        else:
            out = self.beamform(filters.beamformer, spec)
        self.passed(filters)
        return self.samples("shadow", out)


def filtered(filters: Filters, spec: np.ndarray, past: np.ndarray | None) -> np.ndarray:
    """Apply filters to a spectrum, shape (F, O, T)."""
    if filters.delays == (0,):
        outputs = [
            beamformers.apply(filters.weights[:, 0, :, k], spec)
            for k in range(filters.weights.shape[3])
        ]
        return np.stack(outputs, axis=1)
    return lagged_filter(filters.weights, spec, filters.delays, past)


def faded(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """From one to the other over the frames, the last axis."""
    n = after.shape[-1]
    rise = ((np.arange(n) + 0.5) / n).astype(np.float32)
    return (1 - rise) * before + rise * after


def joined(past: np.ndarray | None, spec: np.ndarray, n: int) -> np.ndarray:
    """The last n frames so far."""
    if spec.shape[2] >= n or past is None:
        return spec[:, :, -n:].copy()
    return np.concatenate([past, spec], axis=2)[:, :, -n:]


@dataclass(slots=True, eq=False)
class Estimated:
    """What the filters of a segment were estimated from.

    Attributes
    ----------
    towards : complex128 ndarray, shape (F, M)
        Steering vector or transfer function of the talker, where a post-filter wants it.
    noise_cov : complex128 ndarray, shape (F, M, M)
        With the loading that was needed.
    mask : float32 ndarray, shape (F, T), optional
    """

    towards: np.ndarray
    noise_cov: np.ndarray
    mask: np.ndarray | None = None


class MultichannelGain(Protocol):
    """A post-filter that hears all microphones."""

    def update(
        self, spec: np.ndarray, steering: np.ndarray, beamformed: np.ndarray | None = None
    ) -> np.ndarray:
        """Gain (F, t) of the next frames, from (F, M, t), (F, M) and (F, t)."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where the microphones are, and which of them stand for what; indices among those used.

    `channels` are the file's own numbers of the microphones in use.
    """

    n_mics: int
    reference: int
    array: MicArray | None
    channels: tuple[int, ...]


class SpatialStage:
    """Estimates filters segment by segment and applies them.

    Parameters
    ----------
    config : EnhanceConfig
    stft : Stft
    sample_rate : int
        Hz.
    place : Place
    n_samples : int
        Length of the recording; less than a frame is too little to estimate from.
    noise : float32 ndarray, shape (M, n), optional
        A stretch without speech.
    postfilter : MultichannelGain, optional
        Applied to the beamformer's output, frame by frame.
    keep : bool
        Whether `filters` are kept, for shadow filtering.
    networks : Networks, optional
        Of masks that are neural, and of the post-filter, if it wants to be told of `noise`.

    Attributes
    ----------
    told : dict of str to float32 ndarray, shape (n',)
        For the post-filter, of the latest segment, in time with its output: "noise", what of it
        is in the output, as `residual_noise` tells its magnitude, with the phase of what was
        taken away; "masked", the reference microphone through the mask.
    active : bool
        Whether there is anything to do: not with one microphone, nor where there is neither
        beamformer nor dereverberation, nor where the recording is too short.
    filters : list of SegmentFilters
        Of each segment so far.
    """

    def __init__(
        self,
        config: EnhanceConfig,
        stft: Stft,
        sample_rate: int,
        place: Place,
        n_samples: int,
        noise: np.ndarray | None = None,
        postfilter: MultichannelGain | None = None,
        keep: bool = True,
        networks: Networks | None = None,
    ) -> None:
        self.config, self.place, self._keep = config, place, keep
        networks = networks or Networks()
        listener = networks.postfilter
        self._knows_early = networks.mask is not None
        self._tells = listener is not None and any(map(listener.needs, TOLD))
        self.told: dict[str, np.ndarray] = {}
        self._aside = why_aside(config, place.n_mics, n_samples, stft.n_fft)
        self._beamformer = "none" if self._aside else config.beamformer
        self._dereverb = config.dereverb if n_samples >= stft.n_fft else "none"
        self.active = self._beamformer != "none" or self._dereverb != "none"
        self.filters: list[SegmentFilters] = []
        self._freqs = stft.freqs(sample_rate)
        self._hop_seconds = stft.hop / sample_rate
        self._crossfade_frames = round(config.crossfade_seconds * sample_rate / stft.hop)
        self._stft = stft
        self._filter = self.new_filter()
        listens = networks.mask is not None and hears_a_guide(networks.mask)
        self._geometry_steers = not (listens and config.beamformer in MAY_STEER)
        self._loading = self._usual_loading() if config.loading is None else config.loading
        self._n_passed = self._n_bins = self._n_ill = 0
        self._most_loading = 0.0
        self._noise_cov = None if noise is None else noise_covariance(stft, noise)
        self._postfilter = postfilter
        self._look = Look(config, place.array, place.reference, self._freqs)
        self._masks: MaskSource | None = None
        if needs_mask(config):
            self._masks = mask_source(
                config.masks,
                stft.n_freqs,
                self._hop_seconds,
                networks.mask,
                place.reference,
                self._guide() if listens else None,
            )
        if config.online and self._dereverb != "none":
            self._online_wpe = OnlineWpe(
                stft.n_freqs, place.n_mics, TAPS, DELAY, self._hop_seconds, WPE_MEMORY_SECONDS
            )
        self._online = None
        if config.online and self._beamformer != "none":
            self._online = OnlineBeamformer(
                config, self._look, place.n_mics, self._hop_seconds, networks.mask
            )

    @property
    def ears(self) -> tuple[int, int] | None:
        """Microphones of the two ears, for a binaural beamformer."""
        if self.config.beamformer != "binaural-mwf" or self.place.n_mics == 1:
            return None
        if self.config.ears is not None:
            left, right = (int(ear) for ear in numbers("ears", self.config.ears))
            return self.place.channels.index(left), self.place.channels.index(right)
        assert self.place.array is not None  # Session refuses two ears that nobody named
        return ears(self.place.array.positions)

    def _guide(self) -> DirectionalMasks | None:
        """Whom to listen to, where the direction is known beforehand."""
        if not self._look.given:
            return None
        assert self._look.steering is not None
        assert self.place.array is not None
        diffuse = diffuse_coherence(self.place.array.positions, self._freqs)
        return DirectionalMasks(self._look.steering, diffuse)

    def _usual_loading(self) -> float | np.ndarray:
        """Relative loading of the noise covariance: statistics are exact, geometry never is."""
        if self.config.doa is None or not self._geometry_steers:
            return LOADING
        error = self.config.position_error_mm / 1000
        return STEERED_LOADING + position_loading(self._freqs, error)

    def new_filter(self) -> SegmentFilter:
        """A filter of the same form, to apply `filters` to other signals (shadow filtering)."""
        return SegmentFilter(self._stft, self.place.n_mics, self._crossfade_frames)

    def push(self, segment: np.ndarray, last: bool) -> dict[str, np.ndarray]:
        """Process the next segment.

        Parameters
        ----------
        segment : float32 ndarray, shape (M, n)
        last : bool
            The recording ends here.

        Returns
        -------
        stages : dict of str to float32 ndarray, shape (n',) or (2, n')
            What is ready of each stage, in time with the reference microphone; of WPE its
            reference microphone.
        """
        config, reference = self.config, self.place.reference
        spec = self._filter.analyse(segment, last)
        stages = {}
        dereverb = None
        if self._dereverb == "wpe":
            if config.online:
                spec = self._online_wpe.update(spec)
            else:
                dereverb = wpe_filters(spec)
                spec = self._filter.dereverberate(dereverb, spec)
            stages["wpe"] = self._filter.samples("wpe", spec[:, reference : reference + 1])
        found = None
        if self._online is not None:
            stages[config.beamformer] = self._filter.samples(
                config.beamformer, self._online.update(spec)[:, None]
            )
        elif self._beamformer != "none":
            found, heard = self._estimate(spec)
            out = self._filter.beamform(found, spec)
            stages[config.beamformer] = self._filter.samples(config.beamformer, out)
            if self._tells:
                self.told = self._telling(spec, found, heard, out[:, 0])
            if self._postfilter is not None:
                gain = self._postfilter.update(spec, heard.towards, out[:, 0])
                name = config.postfilter
                stages[name] = self._filter.samples(name, (out[:, 0] * gain)[:, None])
        filters = SegmentFilters(dereverb, found)
        if self._tells and found is None:
            out_samples = list(stages.values())[-1]
            self.told = {"noise": np.zeros_like(out_samples), "masked": out_samples}
        self._filter.passed(filters)
        if self._keep:
            self.filters.append(filters)
        return stages

    def shadow(self, other: SegmentFilter, k: int, segment: np.ndarray, last: bool) -> np.ndarray:
        """Apply the filters of segment k to another signal; samples that are ready."""
        return other.run(self.filters[k], other.analyse(segment, last), self.place.reference)

    def summary(self) -> list[str]:
        """What there is to say at the end."""
        lines, config = [], self.config
        steering = config.doa is not None
        if config.beamformer == "none":
            if steering:
                lines.append("no beamformer: the direction (doa) is not used")
        elif self._aside:
            lines.append(f"{self._aside}: the spatial stages step aside")
        elif (
            self.place.array
            and config.beamformer == "mvdr"
            and not (steering or config.postfilter == "mccowan")
        ):
            lines.append("the array's geometry is not used: masks steer; a direction (doa) would")
        lines += self._look.summary()
        if self._look.auto and not (self._geometry_steers or self._aside or config.online):
            lines.append("the direction that was found does not steer: the network's masks do")
        if self._n_passed:
            lines.append(
                f"{self._n_passed} of {self._n_bins} bins hold no sound: "
                f"they pass the reference microphone"
            )
        if self._n_ill:
            lines.append(
                f"{self._n_ill} of {self._n_bins} bins hold noise that the microphones hear all "
                f"alike: loaded by up to {self._most_loading:.1g} of its mean power"
            )
        return lines

    def _estimate(self, spec: np.ndarray) -> tuple[Filters, "Estimated"]:
        """Filters of a segment, and what they were estimated from."""
        config, reference, n_mics = self.config, self.place.reference, self.place.n_mics
        there = sounding(spec)
        self._n_passed += int(np.sum(~there))
        self._n_bins += len(there)
        ear_pair = self.ears
        outputs = (reference,) if ear_pair is None else ear_pair
        estimated = Estimated(
            np.ones((len(spec), n_mics), np.complex128),
            np.zeros((len(spec), n_mics, n_mics), np.complex128),
        )
        if not there.any():
            nothing = Filters(np.zeros((0, 1, n_mics, len(outputs)), np.complex128))
            return scattered(nothing, there, outputs), estimated
        needs_mask = config.beamformer not in FIXED or self._look.auto
        estimated.mask = mask = self._mask(spec, there) if needs_mask else None
        self._look.turn(spec, mask)
        heard = self._heard(spec, mask, there, ear_pair)
        found = ESTIMATORS[config.beamformer](heard, config)
        if config.beamformer not in FIXED:
            ill = ill_conditioned(heard.noise_cov)
            self._n_ill += int(np.sum(ill))
            self._most_loading = max(self._most_loading, heard.loading[ill].max(initial=0.0))
        if self._postfilter is not None:
            estimated.towards[there] = heard.towards
        estimated.noise_cov[there] = solvable(heard.noise_cov, heard.loading)
        filters = scattered(found, there, outputs)
        if mask is not None and self._knows_early:
            power = squared(spec[:, reference])
            share = cleanness(power, power * mask**2, power * (1 - mask) ** 2)
            filters = passing(filters, outputs, share)
        return filters, estimated

    def _telling(
        self, spec: np.ndarray, found: Filters, heard: "Estimated", out: np.ndarray
    ) -> dict[str, np.ndarray]:
        """`told`, as far as it is ready; of filters over several frames the noise of the first."""
        reference = spec[:, self.place.reference]
        noise = residual_noise(spec, found.weights[:, 0, :, 0], heard.noise_cov, out)
        signals = {
            "noise": with_phase(noise, reference - out),
            "masked": reference if heard.mask is None else heard.mask * reference,
        }
        return {
            role: self._filter.samples(role, signal[:, None]) for role, signal in signals.items()
        }

    def _heard(
        self,
        spec: np.ndarray,
        mask: np.ndarray | None,
        there: np.ndarray,
        ear_pair: tuple[int, int] | None,
    ) -> Heard:
        """The statistics of the bins that hold sound."""
        if mask is None:
            mask = np.full((len(spec), spec.shape[2]), 0.5, np.float32)
        speech_cov, noise_cov = covariances(spec, mask, there)
        if self._noise_cov is not None:
            noise_cov = self._noise_cov[there]
        usual = np.broadcast_to(self._loading, len(there))[there]
        loading = adaptive_loading(speech_cov, noise_cov, usual)
        look = self._look
        return Heard(
            spec if there.all() else np.ascontiguousarray(spec[there]),
            mask if there.all() else mask[there],
            speech_cov,
            noise_cov,
            loading,
            self.place.reference,
            look.steering[there] if look.steering is not None and self._geometry_steers else None,
            None if look.nulls is None else look.nulls[there],
            None if look.diffuse is None else look.diffuse[there],
            None if look.beam is None else look.beam[there],
            ear_pair,
        )

    def _mask(self, spec: np.ndarray, there: np.ndarray) -> np.ndarray:
        loading, reference = LOADING, self.place.reference
        if self.config.doa is None and self.config.loading is not None:
            loading = self.config.loading
        assert self._masks is not None  # there is a beamformer
        return self._masks.estimate(spec, BlindBeam(spec, reference, loading, there))


def scattered(found: Filters, there: np.ndarray, outputs: tuple[int, ...]) -> Filters:
    """Filters of all bins: those that hold no sound pass the microphone of each output."""
    shape = (len(there), *found.weights.shape[1:])
    weights = np.zeros(shape, np.complex128)
    for k, output in enumerate(outputs):
        weights[:, 0, output, k] = 1
    weights[there] = found.weights
    return Filters(weights, found.delays)


def passing(filters: Filters, outputs: tuple[int, ...], share: float) -> Filters:
    """Filters that pass a share of the microphone of each output as it is."""
    weights = (1 - share) * filters.weights
    for k, output in enumerate(outputs):
        weights[:, 0, output, k] += share
    return Filters(weights, filters.delays)


def noise_covariance(stft: Stft, noise: np.ndarray) -> np.ndarray:
    """Covariance of a stretch without speech, its edges faded by the windows; (F, M, M)."""
    return spatial_covariance(stft.analyse(noise))


def why_aside(config: EnhanceConfig, n_mics: int, n_samples: int, n_fft: int) -> str | None:
    """Why no beamformer can help, or None."""
    if n_mics == 1:
        return "one microphone"
    known = config.beamformer in FIXED and isinstance(config.doa, int | float)
    if not known and n_samples < n_fft:
        return f"less than one frame of {n_fft} samples"
    return None
