"""Oracle bounds: systems that use the clean speech.

The oracle chain of the project's tables is `oracle-mask-mvdr+irm`. These are not limits in the
strict sense, but no system of the same form without the clean speech has come near them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrayenh import beamformers
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mcwf import multi_frame_least_squares
from arrayenh.errors import TrialError
from arrayenh.evaluation.systems.system import BOUND, Output, Trial
from arrayenh.registry import Registry
from arrayenh.statistics.covariance import covariances, sounding, spatial_covariance
from arrayenh.stft import Stft

BEAMFORMER, MASK = Stft(2048, 512, "hann"), Stft(512, 128, "hann")
LOADING = 1e-6  # relative, of the noise covariance
FRAMES = 4  # of the multi-frame filter
REFERENCE = 0


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Mixture, speech and noise: spectra (F, M, T), or (F, T) of one channel."""

    mixture: np.ndarray
    speech: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, trial: Trial, stft: Stft) -> "Parts":
        """Compute the spectra of a trial with a known target."""
        rest = trial.rest
        assert trial.target is not None and rest is not None  # Bound.run
        return cls(*(stft.analyse(part) for part in (trial.mixture, trial.target, rest)))


Beamform = Callable[[Parts], Filters]
Mask = Callable[[Parts, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Bound:
    """An oracle beamformer and an oracle mask, computed from the true speech.

    Attributes
    ----------
    name, describe : str
    beamform : callable, optional
        Computes filters from the parts at all microphones; None: the reference microphone.
    mask : callable, optional
        Computes a gain (F, T) from the beamformed parts and the target's spectrum (F, T).
    """

    name: str
    describe: str
    beamform: Beamform | None = None
    mask: Mask | None = None
    kind: str = BOUND

    def definition(self) -> Mapping[str, Any]:
        """STFT sizes, loading, number of frames."""
        return {
            "system": self.name,
            "beamformer_stft": (BEAMFORMER.n_fft, BEAMFORMER.hop) if self.beamform else None,
            "mask_stft": (MASK.n_fft, MASK.hop) if self.mask else None,
            "loading": LOADING,
            "frames": FRAMES,
        }

    def latency(self) -> float | None:
        """None: the clean speech is used as a whole."""
        return None

    def run(self, trial: Trial) -> Output:
        """Enhance with the clean speech; see `System.run`."""
        rest = trial.rest
        if trial.target is None or rest is None:
            raise TrialError(f"{self.name} is a bound: it needs the clean speech")
        signals = [part[REFERENCE] for part in (trial.mixture, trial.target, rest)]
        if self.beamform is not None:
            signals = beamformed(self.beamform, Parts.of(trial, BEAMFORMER), trial)
        if self.mask is None:
            return Output(*(signal.astype(np.float32) for signal in signals))
        parts = Parts(*(MASK.analyse(signal) for signal in signals))
        gain = self.mask(parts, MASK.analyse(trial.target[REFERENCE]))
        return Output(MASK.synthesise(gain * parts.mixture, len(signals[0])))


BOUNDS = Registry("bound", Bound, "arrayenh.evaluation.systems")


def beamformed(beamform: Beamform, parts: Parts, trial: Trial) -> list[np.ndarray]:
    """Apply the same filters to mixture, speech and noise; each output has shape (N,)."""
    filters, n_samples = beamform(parts), trial.mixture.shape[1]
    return [
        BEAMFORMER.synthesise(filters.apply(part)[:, 0], n_samples)
        for part in (parts.mixture, parts.speech, parts.noise)
    ]


def mask_mvdr(parts: Parts) -> Filters:
    """Souden's MVDR from m² and (1 - m)², m the ratio mask's mean over the microphones."""
    there = sounding(parts.mixture)
    mask = ratio_mask(parts.speech, parts.noise).mean(axis=1)
    covs = covariances(parts.mixture, mask, there)
    weights = beamformers.souden_mvdr(*covs, REFERENCE, LOADING)
    return Filters.of(weights).spread(there, (REFERENCE,))


def covariance_mvdr(parts: Parts) -> Filters:
    """Souden's MVDR from the true covariances."""
    there, speech, noise = true_covariances(parts)
    weights = beamformers.souden_mvdr(speech, noise, REFERENCE, LOADING)
    return Filters.of(weights).spread(there, (REFERENCE,))


def covariance_mwf(parts: Parts) -> Filters:
    """Multichannel Wiener filter from the true covariances."""
    there, speech, noise = true_covariances(parts)
    weights = beamformers.mwf(speech, noise, reference=REFERENCE, loading=LOADING)
    return Filters.of(weights).spread(there, (REFERENCE,))


def least_squares(parts: Parts) -> Filters:
    """Least-squares filter over several frames to the true speech."""
    there = sounding(parts.mixture)
    delays = tuple(range(FRAMES))
    if not there.any():
        return Filters(np.zeros((len(there), 1, parts.mixture.shape[1], 1), np.complex128))
    weights = multi_frame_least_squares(
        np.ascontiguousarray(parts.mixture[there]), parts.speech[there, REFERENCE], delays
    )
    return Filters(weights[..., None], delays).spread(there, (REFERENCE,))


def true_covariances(parts: Parts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask of the bins with speech and noise, bool (F,), and the covariances of both there."""
    there = sounding(parts.speech) & sounding(parts.noise)
    speech, noise = (
        spatial_covariance(np.ascontiguousarray(part[there]))
        for part in (parts.speech, parts.noise)
    )
    return there, speech, noise


def ideal_ratio(parts: Parts, target: np.ndarray) -> np.ndarray:
    """Ratio mask of the beamformed speech and noise."""
    return ratio_mask(parts.speech, parts.noise)


def phase_sensitive(parts: Parts, target: np.ndarray) -> np.ndarray:
    """Phase-sensitive mask for the target."""
    return phase_sensitive_mask(target, parts.mixture)


def ratio_mask(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Ideal amplitude ratio mask |s| / (|s| + |n|), 0 where both are silent."""
    total = np.abs(speech) + np.abs(noise)
    return np.divide(np.abs(speech), total, out=np.zeros_like(total), where=total > 0)


def phase_sensitive_mask(speech: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Phase-sensitive mask, the least-squares real gain Re{s x*} / |x|², truncated to [0, 1].

    References
    ----------
    H. Erdogan, J. R. Hershey, S. Watanabe and J. Le Roux, "Phase-sensitive and
    recognition-boosted speech separation using deep recurrent neural networks", ICASSP 2015.
    """
    power = mixture.real**2 + mixture.imag**2
    along = (speech * mixture.conj()).real
    return np.clip(np.divide(along, power, out=np.zeros_like(power), where=power > 0), 0, 1)


RECORDS = (
    Bound("oracle-mask-mvdr", "MVDR from the ideal ratio mask", mask_mvdr),
    Bound(
        "oracle-mask-mvdr+irm",
        "the oracle chain: MVDR from the ideal ratio mask, and one more behind it",
        mask_mvdr,
        ideal_ratio,
    ),
    Bound("oracle-cov-mvdr", "MVDR from the true covariances", covariance_mvdr),
    Bound(
        "oracle-cov-mvdr+psm",
        "MVDR from the true covariances, then the phase-sensitive mask",
        covariance_mvdr,
        phase_sensitive,
    ),
    Bound("oracle-mwf", "multichannel Wiener filter from the true covariances", covariance_mwf),
    Bound(
        f"oracle-mcwf{FRAMES}",
        f"filter over {FRAMES} frames, least squares to the true speech",
        least_squares,
    ),
    Bound("irm", "ideal ratio mask on the reference microphone", None, ideal_ratio),
    Bound("psm", "phase-sensitive mask on the reference microphone", None, phase_sensitive),
)
