"""Beamformed training data, steered by estimated masks or by degraded oracle masks."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter

from arrayenh.beamformers.blind import BlindBeam, with_phase
from arrayenh.errors import ConfigError
from arrayenh.masks.choice import mask_source
from arrayenh.masks.source import MaskSource
from arrayenh.networks.runtime import Network
from arrayenh.statistics.covariance import sounding
from arrayenh.statistics.loading import LOADING
from arrayenh.stft import Stft

STATISTICAL = ("spp", "cacgmm")
CHAIN = Stft(2048, 512, "hann")  # of the chain, unless a network of masks has its own
SEEN = 2  # number of microphones in the average ideal mask
SMOOTH_FRAMES, SMOOTH_BINS = 15, 9  # at most
NOISE = 0.35  # largest standard deviation
CONTRAST = (0.4, 2.5)  # exponents of a mask
THRESHOLD = (0.15, 0.6)
CONFUSED = (0.2, 0.8)  # share of the loudness mask
DAMAGED = 0.4  # probability of each degradation


@dataclass(frozen=True, slots=True)
class Roles:
    """Outputs of the chain for a recording, float32, shape (N,), aligned with the reference."""

    reference: np.ndarray
    beamformed: np.ndarray
    noise: np.ndarray
    masked: np.ndarray

    @classmethod
    def of_one(cls, microphone: np.ndarray) -> "Roles":
        """Roles of a single microphone, which passes unchanged."""
        return cls(microphone, microphone, np.zeros_like(microphone), microphone)

    @property
    def rest(self) -> np.ndarray:
        """Reference minus beamformed: the part that the beamformer removed."""
        return self.reference - self.beamformed

    def signals(self, names: tuple[str, ...]) -> np.ndarray:
        """Signals by name, shape (C, N)."""
        return np.stack([getattr(self, name) for name in names])


def check_masks(masks: str) -> None:
    """Validate the source of the masks.

    Raises
    ------
    ConfigError
        If `masks` is unknown or is a network without masks; the message names the valid values.
    """
    if not by_network(masks):
        return
    try:
        task = network(masks).signature.task
    except ConfigError as error:
        known = ", ".join(("oracle", *STATISTICAL))
        raise ConfigError(f"data.masks must be {known} or a network; {error}") from error
    if task != "mask":
        raise ConfigError(f"data.masks: {masks} is not a network of masks")


def by_network(masks: str) -> bool:
    """Whether the masks are estimated by a network."""
    return masks not in ("oracle", *STATISTICAL)


@lru_cache(maxsize=2)
def network(name_or_path: str) -> Network:
    """Load a packaged network or one from a file, once per process."""
    return Network.load(name_or_path)


def stft_of(masks: str) -> Stft:
    """STFT of the beamformer for a source of masks."""
    if not by_network(masks):
        return CHAIN
    return network(masks).signature.stft


def source_of(masks: str, stft: Stft, sample_rate: int) -> MaskSource:
    """Mask estimator for one recording with microphone 0 as the reference."""
    hop_seconds = stft.hop / sample_rate
    if masks in STATISTICAL:
        return mask_source(masks, stft.n_freqs, hop_seconds)
    return mask_source("neural", stft.n_freqs, hop_seconds, network(masks))


def beamform(
    mixture: np.ndarray, early: np.ndarray, masks: str, sample_rate: int, rng: np.random.Generator
) -> Roles:
    """Apply Souden's MVDR with the loading and limits of the chain, reference microphone 0.

    Parameters
    ----------
    mixture, early : float32 ndarray, shape (K, N)
        Microphone signals, and the early speech in them.
    masks : str
        "oracle", "spp", "cacgmm" or a network.
    sample_rate : int
        Hz.
    rng : Generator
        Generator of the degradations of the oracle mask.
    """
    stft, n_samples = stft_of(masks), mixture.shape[1]
    spec = stft.analyse(mixture)
    beam = BlindBeam(spec, 0, LOADING, sounding(spec))
    if masks == "oracle":
        ideal = ideal_mask(spec[:, :SEEN], stft.analyse(early[:SEEN]))
        mask = damaged(ideal, loudness(spec[:, 0]), rng)
    else:
        mask = source_of(masks, stft, sample_rate).estimate(spec, beam)
    beamformed, noise = beam.with_noise(mask)
    noise = with_phase(noise, spec[:, 0] - beamformed)
    made = (beamformed, noise, mask * spec[:, 0])
    return Roles(mixture[0], *(stft.synthesise(signal, n_samples) for signal in made))


def first_mask(
    mixture: np.ndarray,
    early: np.ndarray,
    masks: str,
    stft: Stft,
    sample_rate: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mask that steers the beamformer before the first pass of a network of masks.

    Parameters
    ----------
    mixture : float32 ndarray, shape (M, N)
    early : float32 ndarray, shape (N,)
        Early speech at microphone 0.
    masks : str
        "oracle", "spp" or "cacgmm".
    stft : Stft
        STFT of the network.
    sample_rate : int
        Hz.
    rng : Generator
        Generator of the degradations of the oracle mask.

    Returns
    -------
    mask : float32 ndarray, shape (F, T)
    """
    spec = stft.analyse(mixture)
    if masks == "oracle":
        ideal = ideal_mask(spec[:, :1], stft.analyse(early[None]))
        return damaged(ideal, loudness(spec[:, 0]), rng)
    beam = BlindBeam(spec, 0, LOADING, sounding(spec))
    source = mask_source(masks, stft.n_freqs, stft.hop / sample_rate)
    return source.estimate(spec, beam)


def ideal_mask(spec: np.ndarray, early: np.ndarray) -> np.ndarray:
    """Ideal mask |e| / (|e| + |x - e|), mean over microphones, float32; (F, M, T) -> (F, T)."""
    wanted, other = np.abs(early), np.abs(spec - early)
    total = wanted + other
    return np.divide(wanted, total, out=np.zeros_like(total), where=total > 0).mean(axis=1)


def loudness(spec: np.ndarray) -> np.ndarray:
    """Loudness mask |x|² / (|x|² + its mean over time), shape (F, T)."""
    power = spec.real**2 + spec.imag**2
    total = power + power.mean(axis=1, keepdims=True)
    return np.divide(power, total, out=np.zeros_like(power), where=total > 0)


def damaged(mask: np.ndarray, loud: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrade a mask at random, as if a network had estimated it, (F, T).

    Degradations are: confusion of loudness with speech, blur, noise, low or high contrast, and
    suppression of small values.
    """
    confused, smooth, noisy, contrast, sharp = rng.random(5) < DAMAGED
    if confused:
        share = np.float32(rng.uniform(*CONFUSED))
        mask = mask + share * (loud - mask)
    if smooth:
        size = rng.integers(SMOOTH_BINS) + 1, rng.integers(SMOOTH_FRAMES) + 1
        mask = uniform_filter(mask, size, mode="nearest")
    if noisy:
        deviation = np.float32(rng.uniform(0, NOISE))
        mask = mask + deviation * rng.standard_normal(mask.shape, np.float32)
    mask = np.clip(mask, 0, 1)
    if contrast:
        mask = mask ** np.float32(np.exp(rng.uniform(*np.log(CONTRAST))))
    if sharp:
        mask = np.where(mask < rng.uniform(*THRESHOLD), np.float32(0), mask)
    return mask
