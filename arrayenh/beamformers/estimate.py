"""Weights by name: what each beamformer makes of a segment's statistics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh import beamformers
from arrayenh.beamformers.binaural import binaural_mwf
from arrayenh.beamformers.gsc import sidelobe_canceller
from arrayenh.beamformers.mcwf import multi_frame_least_squares
from arrayenh.beamformers.mpdr import MPDR_LOADING
from arrayenh.beamformers.weights import level_gain, limited
from arrayenh.beamformers.wpd import wpd
from arrayenh.chain.settings import EnhanceConfig
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.statistics.lagged import apply_lagged
from arrayenh.statistics.loading import LOADING, loaded
from arrayenh.statistics.transfer_functions import (
    LEAST_HEARD,
    principal_direction,
    rank_one,
    speech_covariance,
)

LEAST_WNG_DB = -10.0  # white-noise gain of the superdirective beamformer
LEAST_MU = 1e-3  # of the full-rank Wiener filter: without noise it is no filter
LEAST_TARGET = 0.1  # gain of a bin without speech in the target of a multi-frame filter


@dataclass(frozen=True, slots=True, eq=False)
class Filters:
    """Filters of one segment.

    Attributes
    ----------
    weights : complex128 ndarray, shape (F, A, M, O)
        For each of A delays and O outputs.
    delays : tuple of int
        Frames.
    """

    weights: np.ndarray
    delays: tuple[int, ...] = (0,)

    @classmethod
    def of(cls, weights: np.ndarray) -> "Filters":
        """One output from one frame, shape (F, M)."""
        return cls(weights[:, None, :, None])


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The bins of a segment that hold sound, and what is known of them.

    Attributes
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    mask : float32 ndarray, shape (F, T)
        Speech, in [0, 1].
    speech_cov, noise_cov : complex128 ndarray, shape (F, M, M)
    loading : float64 ndarray, shape (F,)
        Relative, of the noise covariance; `limited` leaves here what was needed.
    reference : int
    steering : complex128 ndarray, shape (F, M), optional
    nulls : complex128 ndarray, shape (F, M, K), optional
        Steering vectors of what shall not be heard.
    diffuse : float64 ndarray, shape (F, M, M), optional
        Coherence of a diffuse field.
    beam : complex128 ndarray, shape (F, M), optional
        Weights that were designed from the geometry.
    ears : pair of int, optional
    """

    spec: np.ndarray
    mask: np.ndarray
    speech_cov: np.ndarray
    noise_cov: np.ndarray
    loading: np.ndarray
    reference: int
    steering: np.ndarray | None = None
    nulls: np.ndarray | None = None
    diffuse: np.ndarray | None = None
    beam: np.ndarray | None = None
    ears: tuple[int, int] | None = None

    def limited(self, estimate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Weights of `estimate(bins, loaded noise covariance)` of bounded noise gain."""
        weights, self.loading[:] = limited(
            lambda bins, loading: estimate(bins, loaded(self.noise_cov[bins], loading)),
            self.loading,
        )
        return weights

    def levelled(self, weights: np.ndarray) -> np.ndarray:
        """Weights with the speech level of the reference microphone."""
        return weights * level_gain(weights, self.speech_cov, self.reference)

    @property
    def towards(self) -> np.ndarray:
        """Steering vector, or the talker's relative transfer function where there is none."""
        if self.steering is not None:
            return self.steering
        found = principal_direction(self.speech_cov, loaded(self.noise_cov, self.loading), 0.0)
        at = found[:, self.reference : self.reference + 1]
        alone = np.zeros_like(found)
        alone[:, self.reference] = 1  # where the reference does not hear him: nobody else
        return np.where(np.abs(at) > LEAST_HEARD, found / np.where(at == 0, 1, at), alone)


def mvdr(heard: Heard, config: EnhanceConfig) -> Filters:
    """Steered, or Souden's."""
    steering = heard.steering
    if steering is not None:
        return Filters.of(
            heard.limited(lambda bins, noise: beamformers.mvdr(steering[bins], noise, 0.0))
        )
    found = heard.limited(
        lambda bins, noise: beamformers.souden_mvdr(
            heard.speech_cov[bins], noise, heard.reference, 0.0
        )
    )
    return Filters.of(heard.levelled(found))


def delay_and_sum(heard: Heard, config: EnhanceConfig) -> Filters:
    """Towards the steering vector."""
    return Filters.of(beamformers.delay_and_sum(heard.towards))


def filter_and_sum(heard: Heard, config: EnhanceConfig) -> Filters:
    """A beam of the same width at all frequencies."""
    assert heard.beam is not None
    return Filters.of(heard.beam)


def superdirective(heard: Heard, config: EnhanceConfig) -> Filters:
    """Against a diffuse field."""
    assert heard.diffuse is not None
    loading = LOADING if config.loading is None else config.loading
    found = beamformers.superdirective(
        heard.towards, heard.diffuse, loading, least_wng_db=LEAST_WNG_DB
    )
    return Filters.of(found)


def mpdr(heard: Heard, config: EnhanceConfig) -> Filters:
    """From all frames."""
    loading = MPDR_LOADING if config.loading is None else config.loading
    return Filters.of(beamformers.mpdr(heard.towards, spatial_covariance(heard.spec), loading))


def lcmv(heard: Heard, config: EnhanceConfig) -> Filters:
    """The look direction kept, the nulls not heard."""
    assert heard.steering is not None
    constraints = heard.steering[:, :, None]
    if heard.nulls is not None:
        constraints = np.concatenate([constraints, heard.nulls], axis=2)
    found = heard.limited(lambda bins, noise: softly_constrained(constraints[bins], noise))
    return Filters.of(found)


def softly_constrained(constraints: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """LCMV weights; where array and wavelength cannot tell the directions apart, MVDR weights.

    At low frequency a null beside the talker would take him with it.
    """
    gram = np.einsum("fmk,fml->fkl", constraints.conj(), constraints)
    apart = np.linalg.cond(gram) < 1e4
    weights = beamformers.mvdr(constraints[:, :, 0], noise, 0.0)
    if apart.any():
        responses = np.zeros(constraints.shape[2])
        responses[0] = 1
        weights[apart] = beamformers.lcmv(constraints[apart], responses, noise[apart], 0.0)
    return weights


def gsc(heard: Heard, config: EnhanceConfig) -> Filters:
    """Sidelobe canceller."""
    towards = heard.towards
    return Filters.of(
        heard.limited(lambda bins, noise: sidelobe_canceller(towards[bins], noise, loading=0.0))
    )


def mwf(heard: Heard, config: EnhanceConfig) -> Filters:
    """Speech-distortion-weighted Wiener filter."""

    def estimate(bins: np.ndarray, noise: np.ndarray) -> np.ndarray:
        speech = speech_covariance(heard.speech_cov[bins], noise, 0.0)
        return beamformers.mwf(speech, noise, max(config.mu, LEAST_MU), heard.reference, 0.0)

    return Filters.of(heard.levelled(heard.limited(estimate)))


def rank_one_mwf(heard: Heard, config: EnhanceConfig) -> Filters:
    """The same for one talker."""

    def estimate(bins: np.ndarray, noise: np.ndarray) -> np.ndarray:
        speech = rank_one(heard.speech_cov[bins], noise, 0.0)
        return beamformers.rank_one_mwf(speech, noise, config.mu, heard.reference, 0.0)

    return Filters.of(heard.levelled(heard.limited(estimate)))


def gev(heard: Heard, config: EnhanceConfig) -> Filters:
    """Of the largest SNR."""
    found = heard.limited(
        lambda bins, noise: beamformers.gev(heard.speech_cov[bins], noise, heard.reference, 0.0)
    )
    return Filters.of(heard.levelled(found))


def binaural(heard: Heard, config: EnhanceConfig) -> Filters:
    """Two outputs; one gain for both restores the level and moves nothing."""
    assert heard.ears is not None
    ears = heard.ears
    noise = loaded(heard.noise_cov, heard.loading)
    speech = rank_one(heard.speech_cov, noise, 0.0)
    left, right = binaural_mwf(speech, noise, ears, config.mu, config.partial, loading=0.0)
    gain = np.mean(
        [
            level_gain(weights, heard.speech_cov, ear)
            for weights, ear in zip((left, right), ears, strict=True)
        ]
    )
    return Filters(gain * np.stack([left, right], axis=2)[:, None])


def mcwf(heard: Heard, config: EnhanceConfig) -> Filters:
    """A multi-frame filter to what the MVDR and the mask leave."""
    first = beamformers.apply(mvdr(heard, config).weights[:, 0, :, 0], heard.spec)
    target = np.maximum(heard.mask, np.float32(LEAST_TARGET)) * first
    delays = tuple(range(config.frames))
    found = multi_frame_least_squares(
        heard.spec, target, delays, float(heard.loading.min(initial=1.0))
    )
    return levelled_output(heard, found, delays)


def convolutional(heard: Heard, config: EnhanceConfig) -> Filters:
    """WPD, its power from what the mask says is speech."""
    power = heard.mask * np.mean(np.abs(heard.spec) ** 2, axis=1)
    found, delays = wpd(heard.spec, heard.towards, power, iterations=2)
    return levelled_output(heard, found, tuple(delays))


def levelled_output(heard: Heard, weights: np.ndarray, delays: tuple[int, ...]) -> Filters:
    """Filters over several frames with the speech level of the reference microphone."""
    output = apply_lagged(weights, heard.spec, delays)
    speech = heard.mask**2
    before = np.sum(speech * np.abs(heard.spec[:, heard.reference]) ** 2, dtype=np.float64)
    after = np.sum(speech * np.abs(output) ** 2, dtype=np.float64)
    gain = np.sqrt(before / after) if after > 0 else 1.0
    return Filters((gain * weights)[..., None], delays)


ESTIMATORS: dict[str, Callable[[Heard, EnhanceConfig], Filters]] = {
    "mvdr": mvdr,
    "das": delay_and_sum,
    "filter-and-sum": filter_and_sum,
    "superdirective": superdirective,
    "mpdr": mpdr,
    "lcmv": lcmv,
    "gsc": gsc,
    "mwf": mwf,
    "rank1-mwf": rank_one_mwf,
    "gev": gev,
    "mcwf": mcwf,
    "wpd": convolutional,
    "binaural-mwf": binaural,
}
