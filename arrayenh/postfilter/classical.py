"""Statistical post-filter: noise tracking and a spectral gain, on a stream of samples."""

import numpy as np

from arrayenh.noise import SppTracker
from arrayenh.postfilter.gains import DecisionDirected
from arrayenh.stft import Analysis, Stft, Synthesis

N_FFT, HOP = 512, 128
PRIOR_SNR_DB = 12.0  # of a bin with speech, behind a beamformer
NOISE_DECAY = 0.9  # of the tracked noise in 16 ms: steadier than in front of it
SMOOTHING = 0.94  # of the prior SNR


class ClassicalPostFilter:
    """MMSE-LSA or Wiener gain over the noise that `SppTracker` finds; causal.

    Parameters
    ----------
    rule : {"mmse-lsa", "wiener"}
    sample_rate : int
        Hz.
    least_gain_db : float
        The most that is taken away, dB.
    """

    def __init__(self, rule: str, sample_rate: int, least_gain_db: float = -15.0) -> None:
        stft = Stft(N_FFT, HOP, "hann")
        self._analysis = Analysis(stft, 1)
        self._synthesis = Synthesis(stft)
        self._tracker = SppTracker(stft.n_freqs, HOP / sample_rate, PRIOR_SNR_DB, NOISE_DECAY)
        self._gain = DecisionDirected(rule, stft.n_freqs, SMOOTHING, least_gain_db=least_gain_db)

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : float32 ndarray, shape (n,)
        last : bool
            The signal ends here.

        Returns
        -------
        filtered : float32 ndarray, shape (n',)
            In time with the input: what is ready, up to 384 samples behind it, and at the
            end at least as many samples in all as came in.
        """
        spec = self._analysis.push(samples[None], last)[:, 0]
        power = spec.real**2 + spec.imag**2
        noise_psd, _ = self._tracker.update(power)
        return self._synthesis.push(spec * self._gain.update(power, noise_psd))
