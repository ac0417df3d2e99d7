"""Statistical post-filter: noise tracker and spectral gain, on a stream of samples."""

import numpy as np

from arrayenh.errors import ConfigError
from arrayenh.postfilters.postfilter import NOISE_TRACKERS, POSTFILTERS
from arrayenh.stft import Analysis, Stft, Synthesis

N_FFT, HOP = 512, 128


class StatisticalGain:
    """Causal spectral gain with a noise tracker, on spectra.

    Parameters
    ----------
    rule, least_gain_db, noise
        See `StatisticalPostFilter`.
    n_freqs : int
    hop_seconds : float
        Time from frame to frame, s.
    """

    def __init__(
        self,
        rule: str,
        n_freqs: int,
        hop_seconds: float,
        least_gain_db: float = -15.0,
        noise: str | None = None,
    ) -> None:
        record = POSTFILTERS.get_known(rule)
        if record.gain is None:
            raise ConfigError(f"postfilter {rule} needs several microphones, not one channel")
        self._gain = record.gain(n_freqs, least_gain_db)
        self._tracker = NOISE_TRACKERS.get_known(noise or record.tracker).tracker(
            n_freqs, hop_seconds
        )

    def apply(self, spec: np.ndarray) -> np.ndarray:
        """Filter the next frames with one gain for all channels, (F, C, t) -> (F, C, t)."""
        power = np.mean(spec.real**2 + spec.imag**2, axis=1)
        noise_psd, _ = self._tracker.update(power)
        return spec * self._gain.update(power, noise_psd)[:, None]


class StatisticalPostFilter:
    """Causal post-filter: a spectral gain with a noise tracker, in its own STFT.

    Parameters
    ----------
    rule : {"mmse-lsa", "mmse-stsa", "wiener", "spectral-subtraction", "om-lsa"}
    sample_rate : int
        Hz.
    least_gain_db : float
        Lowest gain, dB.
    noise : {"spp", "minimum-statistics", "imcra"}, optional
        Noise tracker. Default: "imcra" for "om-lsa", as in its publication, else "spp".
    n_channels : int
        1, or 2 for two ears. They get one common gain from their mean power, which preserves the
        interaural cues.

    Raises
    ------
    ConfigError
        If the rule or the tracker is unknown.

    Examples
    --------
    >>> postfilter = StatisticalPostFilter("mmse-lsa", sample_rate=16_000)
    >>> postfilter.push(np.zeros(1024, np.float32)).shape  # 384 samples behind
    (640,)
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
        self._gain = StatisticalGain(rule, stft.n_freqs, HOP / sample_rate, least_gain_db, noise)

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : float32 ndarray, shape (n,) or (C, n)
        last : bool
            Whether the signal ends here.

        Returns
        -------
        filtered : float32 ndarray, shape (n',) or (C, n')
            Completed samples, aligned with the input and up to 384 samples behind it; in total
            at least as many as the input at the end.
        """
        spec = self._analysis.push(np.atleast_2d(samples), last)
        gained = self._gain.apply(spec)
        filtered = [synthesis.push(gained[:, c]) for c, synthesis in enumerate(self._synthesis)]
        return np.stack(filtered) if samples.ndim == 2 else filtered[0]
