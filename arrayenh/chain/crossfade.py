"""Segment-wise filtering of a stream, with a crossfade from segment to segment."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.filters import MOST_FRAMES, Filters
from arrayenh.beamformers.weights import fade
from arrayenh.dereverberation.dereverberator import Dereverberator
from arrayenh.stft import Analysis, Stft, Synthesis


class Bank:
    """The streaming STFT of a stage: one analysis, and a synthesis for each named output."""

    def __init__(self, stft: Stft, n_mics: int) -> None:
        self._stft, self._analysis = stft, Analysis(stft, n_mics)
        self._syntheses: dict[str, list[Synthesis]] = {}

    def analyse(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Spectrum of the next samples, (M, n) -> (F, M, T)."""
        return self._analysis.push(samples, last)

    def synthesise(self, name: str, spec: np.ndarray) -> np.ndarray:
        """Completed samples of an output, (F, O, T) -> (O, n')."""
        outputs = range(spec.shape[1])
        made = self._syntheses.setdefault(name, [Synthesis(self._stft) for _ in outputs])
        return np.stack([made[k].push(spec[:, k]) for k in outputs])


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Beamforming filters of a segment, one for each of its pieces.

    Attributes
    ----------
    filters : tuple of Filters
    cuts : tuple of int
        Frames between the pieces.
    """

    filters: tuple[Filters, ...]
    cuts: tuple[int, ...] = ()

    def split(self, frames: np.ndarray) -> list[np.ndarray]:
        """Cut an array, along its last axis, into the pieces."""
        return np.split(frames, self.cuts, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFilters:
    """Filters of a segment: dereverberation and beamformer, each may be None."""

    dereverb: np.ndarray | None
    beamformer: Course | None


class SegmentFilter:
    """Applies the filters of each segment, with a crossfade from the previous filters.

    Distortionless weights stay distortionless during the crossfade: both sets pass the talker as
    received at the reference microphone, and so does every convex combination of them.

    Parameters
    ----------
    stft : Stft
    n_mics : int
    crossfade_frames : int
        Length of the crossfade at the start of a segment, frames.
    dereverberator : Dereverberator, optional
    """

    def __init__(
        self,
        stft: Stft,
        n_mics: int,
        crossfade_frames: int,
        dereverberator: Dereverberator | None = None,
    ) -> None:
        self.bank = Bank(stft, n_mics)
        self._crossfade_frames, self._dereverberator = crossfade_frames, dereverberator
        self._before = SegmentFilters(None, None)
        self._past: dict[str, np.ndarray] = {}

    def dereverberate(self, filters: np.ndarray, spec: np.ndarray) -> np.ndarray:
        """Remove late reverberation from a spectrum, (F, M, T) -> (F, M, T)."""
        assert self._dereverberator is not None
        apply, past = self._dereverberator.apply, self._past.get("dereverb")
        early = apply(filters, spec, past)
        if (old := self._before.dereverb) is not None:
            n = min(self._crossfade_frames, spec.shape[2])
            fade(early, apply(old, np.ascontiguousarray(spec[:, :, :n]), past))
        self._past["dereverb"] = joined(past, spec, self._dereverberator.n_past)
        return early

    def beamform(self, course: Course, spec: np.ndarray) -> np.ndarray:
        """Beamform a spectrum, (F, M, T) -> (F, O, T)."""
        old = None if self._before.beamformer is None else self._before.beamformer.filters[-1]
        outputs = []
        for filters, piece in zip(course.filters, course.split(spec), strict=True):
            outputs.append(self._beamform(filters, old, piece))
            old = filters
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)

    def _beamform(self, filters: Filters, old: Filters | None, piece: np.ndarray) -> np.ndarray:
        """Beamform a piece, with a crossfade from the filters of the one before."""
        past, piece = self._past.get("beamformer"), np.ascontiguousarray(piece)
        beamformed = filters.apply(piece, past)
        if old is not None:
            n = min(self._crossfade_frames, piece.shape[2])
            fade(beamformed, old.apply(np.ascontiguousarray(piece[:, :, :n]), past))
        self._past["beamformer"] = joined(past, piece, MOST_FRAMES)
        return beamformed

    def passed(self, filters: SegmentFilters) -> None:
        """Set the filters from which the next segment fades."""
        self._before = filters

    def run(
        self, filters: SegmentFilters, samples: np.ndarray, last: bool, reference: int
    ) -> np.ndarray:
        """Apply all filters to another signal (shadow filtering), (M, n) -> (O, n')."""
        spec = self.bank.analyse(samples, last)
        if filters.dereverb is not None:
            spec = self.dereverberate(filters.dereverb, spec)
        if filters.beamformer is None:
            out = spec[:, reference : reference + 1]
        else:
            out = self.beamform(filters.beamformer, spec)
        self.passed(filters)
        return self.bank.synthesise("shadow", out)


def joined(past: np.ndarray | None, spec: np.ndarray, n: int) -> np.ndarray:
    """Return the last n frames of past and current spectra."""
    if spec.shape[2] >= n or past is None:
        return spec[:, :, -n:].copy()
    return np.concatenate([past, spec], axis=2)[:, :, -n:]
