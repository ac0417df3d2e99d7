"""Statistical post-filter: noise tracking and a spectral gain, on a stream of samples."""

from collections.abc import Mapping

import numpy as np

from arrayenh.chain.settings import NOISE_TRACKERS, SINGLE_POSTFILTERS
from arrayenh.errors import ConfigError
from arrayenh.postfilters.gains import DecisionDirected, OmLsa, SpectralSubtraction
from arrayenh.statistics.noise_psd import Imcra, MinimumStatistics, NoiseTracker, SppTracker
from arrayenh.stft import Analysis, Stft, Synthesis

N_FFT, HOP = 512, 128
PRIOR_SNR_DB = 12.0  # of a bin with speech, behind a beamformer
NOISE_DECAY = 0.9  # of the tracked noise in 16 ms: steadier than in front of it
SMOOTHING = 0.94  # of the prior SNR
STSA_SMOOTHING = 0.98  # its gain follows γ more: with 0.94 it leaves 3 dB more of the noise


class ClassicalPostFilter:
    """A statistical gain over the noise that a tracker finds; causal.

    Parameters
    ----------
    rule : {"mmse-lsa", "mmse-stsa", "wiener", "spectral-subtraction", "om-lsa"}
    sample_rate : int
        Hz.
    least_gain_db : float
        The most that is taken away, dB.
    noise : {"spp", "minimum-statistics", "imcra"}, optional
        Tracker of the noise; by default "imcra" for "om-lsa", as its authors have it, and
        "spp" for the others.
    n_channels : int
        Two ears have one gain in common, from their mean power: it moves nothing.

    Raises
    ------
    ConfigError
        If the rule or the tracker is unknown.
    """

    def __init__(
        self,
        rule: str,
        sample_rate: int,
        least_gain_db: float = -15.0,
        noise: str | None = None,
        n_channels: int = 1,
    ) -> None:
        stft = Stft(N_FFT, HOP, "hann")
        self._analysis = Analysis(stft, n_channels)
        self._synthesis = [Synthesis(stft) for _ in range(n_channels)]
        self._gain = spectral_gain(rule, stft.n_freqs, least_gain_db)
        name = noise or ("imcra" if rule == "om-lsa" else "spp")
        self._tracker = noise_tracker(name, stft.n_freqs, HOP / sample_rate)

    def push(
        self,
        samples: np.ndarray,
        last: bool = False,
        reference: np.ndarray | None = None,
        told: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : float32 ndarray, shape (n,) or (C, n)
        last : bool
            The signal ends here.
        reference, told : optional
            Not heard; as of `NeuralPostFilter`.

        Returns
        -------
        filtered : float32 ndarray, shape (n',) or (C, n')
            In time with the input: what is ready, up to 384 samples behind it, and at the
            end at least as many samples in all as came in.
        """
        spec = self._analysis.push(np.atleast_2d(samples), last)
        power = np.mean(spec.real**2 + spec.imag**2, axis=1)
        noise_psd, _ = self._tracker.update(power)
        gain = self._gain.update(power, noise_psd)
        filtered = [
            synthesis.push(spec[:, c] * gain) for c, synthesis in enumerate(self._synthesis)
        ]
        return np.stack(filtered) if samples.ndim == 2 else filtered[0]


def spectral_gain(
    rule: str, n_freqs: int, least_gain_db: float
) -> DecisionDirected | SpectralSubtraction | OmLsa:
    """The gain of that name, in the settings that suit a post-filter.

    Raises
    ------
    ConfigError
        If the rule is unknown.
    """
    if rule not in SINGLE_POSTFILTERS:
        raise ConfigError(
            f"unknown post-filter {rule!r}; use one of {', '.join(SINGLE_POSTFILTERS)}"
        )
    if rule == "spectral-subtraction":
        return SpectralSubtraction(n_freqs, least_gain_db)
    if rule == "om-lsa":
        return OmLsa(n_freqs, least_gain_db=least_gain_db)
    smoothing = STSA_SMOOTHING if rule == "mmse-stsa" else SMOOTHING
    return DecisionDirected(rule, n_freqs, smoothing, least_gain_db=least_gain_db)


def noise_tracker(name: str, n_freqs: int, hop_seconds: float) -> NoiseTracker:
    """The noise tracker of that name, in the settings that suit a post-filter.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if name not in NOISE_TRACKERS:
        raise ConfigError(f"unknown noise tracker {name!r}; use one of {', '.join(NOISE_TRACKERS)}")
    if name == "minimum-statistics":
        return MinimumStatistics(n_freqs, hop_seconds)
    if name == "imcra":
        return Imcra(n_freqs, hop_seconds)
    return SppTracker(n_freqs, hop_seconds, PRIOR_SNR_DB, NOISE_DECAY)
