"""Filters of segments applied to a stream, each fading over from those before."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.filters import MOST_FRAMES, Filters
from arrayenh.dereverberation.dereverberator import Dereverberator
from arrayenh.stft import Analysis, Stft, Synthesis


class Bank:
    """The STFT of a stage: microphones in, any number of outputs out, in time with them."""

    def __init__(self, stft: Stft, n_mics: int) -> None:
        self._stft, self._analysis = stft, Analysis(stft, n_mics)
        self._syntheses: dict[str, list[Synthesis]] = {}

    def analyse(self, samples: np.ndarray, last: bool) -> np.ndarray:
        """Spectrum of the next samples, (M, n) -> (F, M, T)."""
        return self._analysis.push(samples, last)

    def synthesise(self, name: str, spec: np.ndarray) -> np.ndarray:
        """Samples of an output that are ready, (F, O, T) -> (O, n')."""
        outputs = range(spec.shape[1])
        made = self._syntheses.setdefault(name, [Synthesis(self._stft) for _ in outputs])
        return np.stack([made[k].push(spec[:, k]) for k in outputs])


@dataclass(frozen=True, slots=True, eq=False)
class SegmentFilters:
    """What is applied to a segment: filters of a dereverberation and of a beamformer, or None."""

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
        """Take the late sound off a spectrum, (F, M, T) -> (F, M, T)."""
        assert self._dereverberator is not None
        apply, past = self._dereverberator.apply, self._past.get("dereverb")
        early = apply(filters, spec, past)
        if (old := self._before.dereverb) is not None:
            n = min(self._crossfade_frames, spec.shape[2])
            fade(early, apply(old, np.ascontiguousarray(spec[:, :, :n]), past))
        self._past["dereverb"] = joined(past, spec, self._dereverberator.n_past)
        return early

    def beamform(self, filters: Filters, spec: np.ndarray) -> np.ndarray:
        """Filter a spectrum, (F, M, T) -> (F, O, T)."""
        past = self._past.get("beamformer")
        beamformed = filters.apply(spec, past)
        if (old := self._before.beamformer) is not None:
            n = min(self._crossfade_frames, spec.shape[2])
            fade(beamformed, old.apply(np.ascontiguousarray(spec[:, :, :n]), past))
        self._past["beamformer"] = joined(past, spec, MOST_FRAMES)
        return beamformed

    def passed(self, filters: SegmentFilters) -> None:
        """The next segment fades over from these filters."""
        self._before = filters

    def run(
        self, filters: SegmentFilters, samples: np.ndarray, last: bool, reference: int
    ) -> np.ndarray:
        """All of them, on another signal than they were made from, (M, n) -> (O, n')."""
        spec = self.bank.analyse(samples, last)
        if filters.dereverb is not None:
            spec = self.dereverberate(filters.dereverb, spec)
        if filters.beamformer is None:
            out = spec[:, reference : reference + 1]
        else:
            out = self.beamform(filters.beamformer, spec)
        self.passed(filters)
        return self.bank.synthesise("shadow", out)


def fade(after: np.ndarray, before: np.ndarray) -> None:
    """Let the first frames, the last axis, of `after` rise out of `before`; in place."""
    n = before.shape[-1]
    if n:
        rise = ((np.arange(n) + 0.5) / n).astype(np.float32)
        after[..., :n] = (1 - rise) * before + rise * after[..., :n]


def joined(past: np.ndarray | None, spec: np.ndarray, n: int) -> np.ndarray:
    """The last n frames so far."""
    if spec.shape[2] >= n or past is None:
        return spec[:, :, -n:].copy()
    return np.concatenate([past, spec], axis=2)[:, :, -n:]
