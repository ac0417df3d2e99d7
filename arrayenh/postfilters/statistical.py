"""Statistical post-filter: noise tracking and a spectral gain, on a stream of samples."""

import numpy as np

from arrayenh.errors import ConfigError
from arrayenh.postfilters.postfilter import NOISE_TRACKERS, POSTFILTERS
from arrayenh.stft import Analysis, Stft, Synthesis

N_FFT, HOP = 512, 128


class StatisticalPostFilter:
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
        record = POSTFILTERS.get_known(rule)
        if record.gain is None:
            raise ConfigError(f"postfilter {rule} hears several microphones, not one channel")
        self._gain = record.gain(stft.n_freqs, least_gain_db)
        tracking = NOISE_TRACKERS.get_known(noise or record.tracker)
        self._tracker = tracking.tracker(stft.n_freqs, HOP / sample_rate)

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : float32 ndarray, shape (n,) or (C, n)
        last : bool
            The signal ends here.

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
