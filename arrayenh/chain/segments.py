"""The spatial stage of an offline chain: filters estimated and applied segment by segment."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.beamformers.beamformer import Beamformer, Statistics
from arrayenh.beamformers.blind import BlindBeam, residual_noise, with_phase
from arrayenh.beamformers.filters import Filters
from arrayenh.chain.capture import RATE, Capture
from arrayenh.chain.crossfade import Course, SegmentFilter, SegmentFilters
from arrayenh.chain.direction import TalkerDirection
from arrayenh.chain.following import Follower, Movement
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import Settings
from arrayenh.chain.signals import Signals
from arrayenh.dereverberation.dereverberator import Dereverberator
from arrayenh.masks.choice import mask_source
from arrayenh.masks.neural import hears_a_guide
from arrayenh.networks.cleanness import cleanness
from arrayenh.statistics.covariance import complete, covariances, sounding, spatial_covariance
from arrayenh.statistics.loading import (
    GEOMETRY_LOADING,
    LOADING,
    adaptive_loading,
    ill_conditioned,
    position_loading,
    solvable,
)
from arrayenh.statistics.power import squared
from arrayenh.stft import Stft

LEAST_COMPLETE = 0.25  # share of the frames without dropouts that are enough for statistics
TOLD = ("noise", "masked")  # signals that the stage provides to a neural post-filter


@dataclass(slots=True, eq=False)
class Estimated:
    """The filters of a segment, and the statistics they were estimated from.

    Attributes
    ----------
    course : Course
    towards : list of complex128 ndarray, shape (F, M)
        Steering vector or relative transfer function of the talker, for each piece.
    noise_cov : complex128 ndarray, shape (F, M, M)
        With its diagonal loading; zero in silent bins.
    mask : float32 ndarray, shape (F, T), optional
    """

    course: Course
    towards: list[np.ndarray]
    noise_cov: np.ndarray
    mask: np.ndarray | None = None


class SegmentStage:
    """Dereverberates and beamforms, with new filters for each segment.

    Parameters
    ----------
    settings : Settings
    stft : Stft
    capture : Capture
    outputs : tuple of int
        Reference microphones, as rows of those in use.
    networks : Networks
        The mask network, and the post-filter network if it takes the residual noise as input.
    beamformer : Beamformer, optional
    dereverberator : Dereverberator, optional
    noise : float32 ndarray, shape (M, n), optional
        An interval without speech.
    keep : bool
        Whether `filters` are kept, for shadow filtering.

    Attributes
    ----------
    filters : list of SegmentFilters
        Filters of each segment so far, if they are kept.
    """

    def __init__(
        self,
        settings: Settings,
        stft: Stft,
        capture: Capture,
        outputs: tuple[int, ...],
        networks: Networks,
        beamformer: Beamformer | None,
        dereverberator: Dereverberator | None,
        noise: np.ndarray | None = None,
        keep: bool = False,
    ) -> None:
        self.settings, self._keep = settings, keep
        self.stft, self._n_mics, self._reference = stft, capture.n_mics, capture.reference
        self._outputs = outputs
        self._beamformer, self._dereverberator = beamformer, dereverberator
        self.filters: list[SegmentFilters] = []
        self._filter = self.new_filter()
        freqs, hop_seconds = stft.freqs(RATE), stft.hop / RATE
        self._direction = TalkerDirection(settings, capture.array, capture.reference, freqs)
        network, listener = networks.mask, networks.postfilter
        self._knows_early = network is not None
        self._tells = listener is not None and any(map(listener.needs, TOLD))
        listens = network is not None and hears_a_guide(network)
        optional = beamformer is not None and beamformer.steering == "optional"
        self._geometry_steers = not (listens and optional)
        self._loading = self._usual_loading(freqs) if settings.loading is None else settings.loading
        self._noise_cov = None if noise is None else spatial_covariance(stft.analyse(noise))
        self._masks = None
        if beamformer is not None and settings.learns:
            guide = self._direction.guide() if listens and settings.direction_given else None
            self._masks = mask_source(
                settings.masks, stft.n_freqs, hop_seconds, network, capture.reference, guide
            )
        self._follower = None
        if self._masks is not None and not (settings.still or settings.direction_given):
            self._follower = Follower(stft, capture.reference, network)
        self._gain = None
        postfilter = settings.postfiltering
        if beamformer is not None and postfilter is not None and postfilter.multichannel:
            array = capture.array
            diffuse = None if array is None else diffuse_coherence(array.positions, freqs)
            self._gain = postfilter.multichannel(
                stft.n_freqs, hop_seconds, diffuse, settings.least_gain_db
            )
        self._n_passed = self._n_bins = self._n_ill = 0
        self._most_loading = 0.0

    def new_filter(self) -> SegmentFilter:
        """Make a new filter that can apply `filters` to other signals (shadow filtering)."""
        frames = round(self.settings.crossfade_seconds * RATE / self.stft.hop)
        return SegmentFilter(self.stft, self._n_mics, frames, self._dereverberator)

    def push(self, signals: Signals, last: bool) -> Signals:
        """Process the next segment; see `Stage`. WPE's output is its reference microphone."""
        spec = self._filter.bank.analyse(signals.microphones, last)
        dereverb = found = None
        if self._dereverberator is not None:
            dereverb = self._dereverberator.estimate(spec)
            spec = self._filter.dereverberate(dereverb, spec)
            early = spec[:, self._reference : self._reference + 1]
            signals = self._then(signals, self._dereverberator.name, early)
        if self._beamformer is not None:
            estimated = self._estimate(self._beamformer, spec)
            found = estimated.course
            out = self._filter.beamform(found, spec)
            signals = self._then(signals, self._beamformer.name, out)
            if self._tells:
                signals = self._telling(signals, spec, estimated, out[:, 0])
            if self._gain is not None:
                gain = np.concatenate(
                    [
                        self._gain.update(np.ascontiguousarray(piece), towards, part)
                        for piece, towards, part in zip(
                            found.split(spec),
                            estimated.towards,
                            found.split(out[:, 0]),
                            strict=True,
                        )
                    ],
                    axis=1,
                )
                signals = self._then(signals, self.settings.postfilter, out * gain[:, None])
        filters = SegmentFilters(dereverb, found)
        self._filter.passed(filters)
        if self._keep:
            self.filters.append(filters)
        return signals

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""
        lines = [] if self._follower is None else self._follower.summary()
        lines += self._direction.summary()
        if self._direction.auto and self._beamformer is not None and not self._geometry_steers:
            lines.append("the estimated direction does not steer: the network's masks do")
        if self._n_passed:
            lines.append(
                f"{self._n_passed} of {self._n_bins} bins hold no sound: "
                f"they pass the reference microphone"
            )
        if self._n_ill:
            lines.append(
                f"{self._n_ill} of {self._n_bins} bins have an ill-conditioned noise covariance: "
                f"loaded by up to {self._most_loading:.1g} of its mean power"
            )
        return lines

    def _then(self, signals: Signals, name: str, spec: np.ndarray) -> Signals:
        """Synthesise one more output, (F, O, T), and add it to the signals."""
        return signals.then(name, self._filter.bank.synthesise(name, spec))

    def _usual_loading(self, freqs: np.ndarray) -> float | np.ndarray:
        """Relative loading of the noise covariance, larger if inexact geometry steers."""
        if self.settings.doa is None or not self._geometry_steers:
            return LOADING
        error = self.settings.position_error_mm / 1000
        return GEOMETRY_LOADING + position_loading(freqs, error)

    def _estimate(self, beamformer: Beamformer, spec: np.ndarray) -> Estimated:
        """Estimate the filters of a segment from the frames in which no microphone drops out."""
        kept = np.flatnonzero(complete(spec))
        if len(kept) == spec.shape[2] or len(kept) < LEAST_COMPLETE * spec.shape[2]:
            return self._estimate_from(beamformer, spec)
        estimated = self._estimate_from(beamformer, np.ascontiguousarray(spec[:, :, kept]))
        course = estimated.course
        cuts = tuple(int(kept[cut]) for cut in course.cuts)
        estimated.course = replace(course, cuts=cuts)
        if estimated.mask is not None:
            mask = np.full((len(spec), spec.shape[2]), 0.5, np.float32)
            mask[:, kept] = estimated.mask
            estimated.mask = mask
        return estimated

    def _estimate_from(self, beamformer: Beamformer, spec: np.ndarray) -> Estimated:
        """Estimate the filters of a segment from some of its frames."""
        there = sounding(spec)
        self._n_passed += int(np.sum(~there))
        self._n_bins += len(there)
        silent = Filters.nothing(self._n_mics, len(self._outputs)).spread(
            np.zeros_like(there), self._outputs
        )
        noise_cov = np.zeros((*spec.shape[:2], self._n_mics), np.complex128)
        if not there.any():
            return Estimated(Course((silent,)), [np.ones(spec.shape[:2], complex)], noise_cov)
        mask, movement = self._mask(spec, there), None
        if mask is not None and self._follower is not None:
            mask, movement = self._follower.look(spec, mask, there)
        if movement is None:
            self._direction.find(spec, mask)
        heard = self._heard(spec, mask, there)
        local: Iterable[Statistics] = [heard]
        if movement is not None and mask is not None:
            local = self._local(heard, movement, spec, mask, there)
        share = 0.0
        if mask is not None and self._knows_early:
            power = squared(spec[:, self._reference])
            share = cleanness(power, power * mask**2, power * (1 - mask) ** 2)
        filters, towards, loading = [], [], np.zeros(len(heard.loading))
        for one in local:
            found = beamformer.estimate(one, self.settings).spread(there, self._outputs)
            filters.append(found.passing(share, self._outputs) if share else found)
            loading = np.maximum(loading, one.loading)
            at = np.ones(spec.shape[:2], np.complex128)
            if self._gain is not None:
                at[there] = one.towards
            towards.append(at)
        if not beamformer.fixed:
            ill = ill_conditioned(heard.noise_cov)
            self._n_ill += int(np.sum(ill))
            self._most_loading = max(self._most_loading, loading[ill].max(initial=0.0))
        noise_cov[there] = solvable(heard.noise_cov, loading)
        course = Course(tuple(filters), () if movement is None else movement.cuts)
        return Estimated(course, towards, noise_cov, mask)

    def _local(
        self,
        heard: Statistics,
        movement: Movement,
        spec: np.ndarray,
        mask: np.ndarray,
        there: np.ndarray,
    ) -> Iterator[Statistics]:
        """Statistics of each piece of a segment in which the talker moves."""
        usual = np.broadcast_to(self._loading, len(there))[there]
        for frames, one in movement.around(heard, usual):
            self._direction.find(np.ascontiguousarray(spec[:, :, frames]), mask[:, frames])
            steering, design = self._looking(there)
            yield replace(one, steering=steering, design=design)

    def _mask(self, spec: np.ndarray, there: np.ndarray) -> np.ndarray | None:
        """Estimate the speech mask (F, T) of a segment; None if the beamformer needs none."""
        if self._masks is None:
            return None
        settings = self.settings
        given = settings.doa is None and settings.loading is not None
        loading = settings.loading if given and settings.loading is not None else LOADING
        return self._masks.estimate(spec, BlindBeam(spec, self._reference, loading, there))

    def _heard(self, spec: np.ndarray, mask: np.ndarray | None, there: np.ndarray) -> Statistics:
        """Compute the statistics of the valid bins."""
        if mask is None:
            mask = np.full((len(spec), spec.shape[2]), 0.5, np.float32)
        speech_cov, noise_cov = covariances(spec, mask, there)
        if self._noise_cov is not None:
            noise_cov = self._noise_cov[there]
        usual = np.broadcast_to(self._loading, len(there))[there]
        steering, design = self._looking(there)
        return Statistics(
            spec if there.all() else np.ascontiguousarray(spec[there]),
            mask if there.all() else mask[there],
            speech_cov,
            noise_cov,
            adaptive_loading(speech_cov, noise_cov, usual),
            self._reference,
            steering,
            design,
            (self._outputs[0], self._outputs[1]) if len(self._outputs) == 2 else None,
        )

    def _looking(self, there: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Steering vector and fixed design towards the current direction, of the valid bins."""
        steering, design = self._direction.steering, self._direction.design
        return (
            steering[there] if steering is not None and self._geometry_steers else None,
            None if design is None else design[there],
        )

    def _telling(
        self, signals: Signals, spec: np.ndarray, estimated: Estimated, out: np.ndarray
    ) -> Signals:
        """Add the inputs of a neural post-filter: residual noise and masked reference.

        Of filters over several frames, only the weights of the current frame are used.
        """
        reference, course = spec[:, self._reference], estimated.course
        levels = [
            residual_noise(
                np.ascontiguousarray(piece), filters.weights[:, 0, :, 0], estimated.noise_cov, part
            )
            for filters, piece, part in zip(
                course.filters, course.split(spec), course.split(out), strict=True
            )
        ]
        noise = with_phase(np.concatenate(levels, axis=1), reference - out)
        masked = reference if estimated.mask is None else estimated.mask * reference
        noise, masked = (
            self._filter.bank.synthesise(role, signal[:, None])[0]
            for role, signal in zip(TOLD, (noise, masked), strict=True)
        )
        return replace(signals, noise=noise, masked=masked)
