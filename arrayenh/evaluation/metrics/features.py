"""Spectral features: centroid, bandwidth, flatness and roll-off."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft

from arrayenh.errors import ShapeError
from arrayenh.evaluation.metrics.checks import waveform

FRAME_SECONDS = 0.05
"""Frame length, s: it resolves 20 Hz, so the harmonics of a voice are separated."""

OFFSET_BINS = 2
"""Bins 0 and 1 are excluded: under the Hann window only they contain the DC offset."""

ROLLOFF = 0.95


@dataclass(frozen=True, slots=True)
class SpectralFeatures:
    """Features of a power spectrum P(f); all NaN if it has no power.

    Attributes
    ----------
    centroid_hz : float
        c = Σ f P / Σ P, the centre of gravity.
    bandwidth_hz : float
        √( Σ (f - c)² P / Σ P ), the standard deviation around it.
    flatness : float
        Geometric over arithmetic mean of P: 1 for white noise, 0 for a tone.
    rolloff_hz : float
        Frequency below which 95 % of the power lies.
    """

    centroid_hz: float
    bandwidth_hz: float
    flatness: float
    rolloff_hz: float


def long_term_spectrum(samples: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Power spectral density averaged over a whole signal.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
        Full scale is 1.0.
    sample_rate : int
        Hz.

    Returns
    -------
    freqs : float64 ndarray, shape (F,)
        Hz.
    level_db : float64 ndarray, shape (F,)
        dB re full scale RMS 1.0 in 1 Hz; -inf without power, NaN for less than 50 ms.

    Raises
    ------
    ShapeError
        If the signal is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite.
    """
    spectrum = LongTermSpectrum(1, sample_rate)
    spectrum.update(waveform("samples", samples)[None])
    return spectrum.freqs, spectrum.levels_db()[0]


def spectral_features(samples: np.ndarray, sample_rate: int) -> SpectralFeatures:
    """Features of the long-term spectrum of a signal.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    features : SpectralFeatures

    Raises
    ------
    ShapeError
        If the signal is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite.

    References
    ----------
    G. Peeters, "A large set of audio features for sound description (similarity and
    classification) in the CUIDADO project", IRCAM 2004; bins here are weighted by power.
    """
    spectrum = LongTermSpectrum(1, sample_rate)
    spectrum.update(waveform("samples", samples)[None])
    return features_of(spectrum.freqs, spectrum.density()[0])


def features_of(freqs: np.ndarray, power: np.ndarray) -> SpectralFeatures:
    """Features of a power spectrum, without the bins of a DC offset.

    Parameters
    ----------
    freqs, power : float ndarray, shape (F,)
        Hz, evenly spaced, and power in each bin.

    Returns
    -------
    features : SpectralFeatures

    Raises
    ------
    ShapeError
        If the two do not have the same shape (F,), F > 2.
    """
    if freqs.ndim != 1 or freqs.shape != power.shape or freqs.size <= OFFSET_BINS:
        raise ShapeError(
            f"freqs and power must have one shape (F,); got {freqs.shape}, {power.shape}"
        )
    freqs, power = freqs[OFFSET_BINS:], power[OFFSET_BINS:]
    total = power.sum()
    if not total > 0:
        return SpectralFeatures(math.nan, math.nan, math.nan, math.nan)
    centroid = freqs @ power / total
    bandwidth = np.sqrt((freqs - centroid) ** 2 @ power / total)
    with np.errstate(divide="ignore"):  # an empty bin: the geometric mean is 0
        flatness = np.exp(np.mean(np.log(power))) / power.mean()
    return SpectralFeatures(
        float(centroid), float(bandwidth), float(flatness), rolloff(freqs, power)
    )


def rolloff(freqs: np.ndarray, power: np.ndarray) -> float:
    """Frequency below which 95 % of the power lies, Hz, interpolated within a bin."""
    step = freqs[1] - freqs[0]
    below = np.concatenate([[0.0], np.cumsum(power)])
    edges = np.append(freqs - step / 2, freqs[-1] + step / 2)
    edge = np.interp(ROLLOFF * below[-1], below, edges)
    return float(min(edge, freqs[-1]))


class LongTermSpectrum:
    """Welch's power spectral density of a stream, in bounded memory.

        S(f) = 2/(f_s Σ w²) · mean over frames of |Σ_n w(n) x(n) e^(-j2πfn/f_s)|²

    Hann windows of about 50 ms, half overlapped; the factor 2, of the one-sided spectrum, is
    1 at 0 Hz and at half the sample rate. Σ S Δf is the power of the signal.

    Parameters
    ----------
    n_mics : int
    sample_rate : int
        Hz.

    Attributes
    ----------
    freqs : float64 ndarray, shape (F,)
        Hz.

    References
    ----------
    P. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE
    Trans. Audio Electroacoust. 15(2), 1967.
    """

    def __init__(self, n_mics: int, sample_rate: int) -> None:
        self._n_fft = 2 * scipy.fft.next_fast_len(round(FRAME_SECONDS * sample_rate / 2))
        self._hop = self._n_fft // 2
        self._window = np.hanning(self._n_fft + 1)[:-1]
        self.freqs = np.fft.rfftfreq(self._n_fft, 1 / sample_rate)
        self._scale = np.full(len(self.freqs), 2 / (sample_rate * np.sum(self._window**2)))
        self._scale[[0, -1]] /= 2
        self._power = np.zeros((n_mics, len(self.freqs)))
        self._n_frames = 0
        self._tail = np.zeros((n_mics, 0), np.float32)

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, shape (M, n)."""
        samples = np.concatenate([self._tail, block], axis=1)
        n_frames = max((samples.shape[1] - self._n_fft) // self._hop + 1, 0)
        self._tail = samples[:, n_frames * self._hop :].copy()
        if n_frames:
            frames = np.lib.stride_tricks.sliding_window_view(samples, self._n_fft, axis=1)
            spec = scipy.fft.rfft(frames[:, : n_frames * self._hop : self._hop] * self._window)
            self._power += np.sum(spec.real**2 + spec.imag**2, axis=1)
            self._n_frames += n_frames

    def density(self) -> np.ndarray:
        """Power spectral density, full scale² per Hz, float64, shape (M, F).

        NaN before the first complete frame.
        """
        if self._n_frames == 0:
            return np.full(self._power.shape, np.nan)
        return self._power * self._scale / self._n_frames

    def levels_db(self) -> np.ndarray:
        """Density in dB re full scale RMS 1.0 in 1 Hz, -inf without power, shape (M, F)."""
        with np.errstate(divide="ignore"):
            return 10 * np.log10(self.density())

    def features(self) -> tuple[SpectralFeatures, ...]:
        """Features of each channel."""
        return tuple(features_of(self.freqs, power) for power in self.density())
