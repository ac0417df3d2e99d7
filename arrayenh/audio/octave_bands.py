"""Levels in octave bands of a stream, in bounded memory."""

import numpy as np
import scipy.fft

LOWEST_HZ = 125.0
FRAME_SECONDS = 0.05  # resolves the lowest band


class OctaveBands:
    """Long-term level of each channel in octave bands.

    Periodograms of Hann-windowed frames of about 50 ms with 50 % overlap are averaged. The band
    around f_c extends from f_c/√2 to f_c·√2 (IEC 61260-1). The powers of all bands add up to the
    power of the channel between the lowest and highest band edge.

    Parameters
    ----------
    n_mics : int
    sample_rate : int
        Hz.

    Attributes
    ----------
    centres : list of float
        Band centres up to the Nyquist frequency, Hz.
    """

    def __init__(self, n_mics: int, sample_rate: int) -> None:
        self._n_fft = scipy.fft.next_fast_len(round(FRAME_SECONDS * sample_rate), real=True)
        self._hop = self._n_fft // 2
        self._window = np.hanning(self._n_fft + 1)[:-1].astype(np.float32)
        self._freqs = np.fft.rfftfreq(self._n_fft, 1 / sample_rate)
        self._power = np.zeros((n_mics, len(self._freqs)))
        self._n_frames = 0
        self._tail = np.zeros((n_mics, 0), np.float32)
        n_bands = int(np.floor(np.log2(sample_rate / 2 / LOWEST_HZ))) + 1
        self.centres = [LOWEST_HZ * 2**k for k in range(n_bands)]

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, shape (M, n)."""
        samples = np.concatenate([self._tail, block], axis=1)
        n_frames = max((samples.shape[1] - self._n_fft) // self._hop + 1, 0)
        self._tail = samples[:, n_frames * self._hop :].copy()
        if n_frames:
            frames = np.lib.stride_tricks.sliding_window_view(samples, self._n_fft, axis=1)
            spec = scipy.fft.rfft(frames[:, : n_frames * self._hop : self._hop] * self._window)
            self._power += np.sum(spec.real**2 + spec.imag**2, axis=1, dtype=np.float64)
            self._n_frames += n_frames

    def levels_dbfs(self) -> np.ndarray:
        """Levels, dB re full scale RMS 1.0, -inf without signal; shape (M, bands).

        NaN if the recording is shorter than a frame.
        """
        if self._n_frames == 0:
            return np.full((len(self._power), len(self.centres)), np.nan)
        # Parseval: a one-sided bin counts twice; Σ w² undoes the window
        scale = 2 / (self._n_frames * self._n_fft * np.sum(self._window**2.0))
        levels = np.empty((len(self._power), len(self.centres)))
        for k, centre in enumerate(self.centres):
            band = (self._freqs >= centre / 2**0.5) & (self._freqs < centre * 2**0.5)
            levels[:, k] = self._power[:, band].sum(axis=1) * scale
        with np.errstate(divide="ignore"):
            return 10 * np.log10(levels)
