"""What a post-filter meets: the real beamformer's output, steered by masks as bad as real ones."""

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
CHAIN = Stft(2048, 512, "hann")  # of the chain's beamformer, if no network's masks ask for others
SEEN = 2  # microphones whose ideal masks are averaged
SMOOTH_FRAMES, SMOOTH_BINS = 15, 9  # at most
NOISE = 0.35  # standard deviation, at most
CONTRAST = (0.4, 2.5)  # exponents of a mask
THRESHOLD = (0.15, 0.6)
CONFUSED = (0.2, 0.8)  # share of loudness in a mask
DAMAGED = 0.4  # how often, in each way


@dataclass(frozen=True, slots=True)
class Roles:
    """What the chain makes of a recording; float32, shape (N,), in step with its reference."""

    reference: np.ndarray
    beamformed: np.ndarray
    noise: np.ndarray
    masked: np.ndarray

    @classmethod
    def of_one(cls, microphone: np.ndarray) -> "Roles":
        """Of a microphone alone, which passes."""
        return cls(microphone, microphone, np.zeros_like(microphone), microphone)

    @property
    def rest(self) -> np.ndarray:
        """Reference less beamformed: what the beamformer took away."""
        return self.reference - self.beamformed

    def signals(self, names: tuple[str, ...]) -> np.ndarray:
        """Those of the names, shape (C, N)."""
        return np.stack([getattr(self, name) for name in names])


def check_masks(masks: str) -> None:
    """Refuse what stands for no masks, or a network that cannot give them.

    Raises
    ------
    ConfigError
        The message names what may stand there.
    """
    if not by_network(masks):
        return
    try:
        task = network(masks).signature.task
    except ConfigError as error:
        known = ", ".join(("oracle", *STATISTICAL))
        raise ConfigError(f"data.masks must be {known} or a network; {error}") from error
    if task != "mask":
        raise ConfigError(f"data.masks: {masks} gives no masks")


def by_network(masks: str) -> bool:
    """Whether a network gives them."""
    return masks not in ("oracle", *STATISTICAL)


@lru_cache(maxsize=2)
def network(name_or_path: str) -> Network:
    """A network that ships, or one of a file, loaded once in each process."""
    return Network.load(name_or_path)


def stft_of(masks: str) -> Stft:
    """The beamformer's, for those masks."""
    if not by_network(masks):
        return CHAIN
    signature = network(masks).signature
    return Stft(signature.n_fft, signature.hop, "hann")


def source_of(masks: str, stft: Stft, sample_rate: int) -> MaskSource:
    """Who estimates them, for one recording whose reference is microphone 0."""
    hop_seconds = stft.hop / sample_rate
    if masks in STATISTICAL:
        return mask_source(masks, stft.n_freqs, hop_seconds)
    return mask_source("neural", stft.n_freqs, hop_seconds, network(masks))


def beamform(
    mixture: np.ndarray, early: np.ndarray, masks: str, sample_rate: int, rng: np.random.Generator
) -> Roles:
    """Souden's MVDR with the weights, loading and limits of the chain; microphone 0 is kept.

    Parameters
    ----------
    mixture, early : float32 ndarray, shape (K, N)
        What the microphones hear, and what of it is wanted.
    masks : str
        "oracle", "spp", "cacgmm" or a network.
    sample_rate : int
        Hz.
    rng : Generator
        Spoils the oracle.
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
    """What steers the beamformer that a network of masks first hears.

    Parameters
    ----------
    mixture : float32 ndarray, shape (M, N)
    early : float32 ndarray, shape (N,)
        What of it microphone 0 should keep.
    masks : str
        "oracle", "spp" or "cacgmm".
    stft : Stft
        Of the network.
    sample_rate : int
        Hz.
    rng : Generator
        Spoils the oracle.

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
    """|e| / (|e| + |x - e|), mean over the microphones, float32; (F, M, T) -> (F, T)."""
    wanted, other = np.abs(early), np.abs(spec - early)
    total = wanted + other
    return np.divide(wanted, total, out=np.zeros_like(total), where=total > 0).mean(axis=1)


def loudness(spec: np.ndarray) -> np.ndarray:
    """|x|² / (|x|² + its mean over time): what one takes for speech who hears no more; (F, T)."""
    power = spec.real**2 + spec.imag**2
    total = power + power.mean(axis=1, keepdims=True)
    return np.divide(power, total, out=np.zeros_like(power), where=total > 0)


def damaged(mask: np.ndarray, loud: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask as a network might have estimated it, each damage by chance; (F, T).

    It takes what is loud for speech, blurs, errs, is too soft or too hard, and forgets what is
    faint.
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
