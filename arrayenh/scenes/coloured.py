"""Gaussian noise with a white, pink, brown, speech-shaped or power-law spectrum."""

import numpy as np
from scipy import fft

from arrayenh.errors import SceneError

SLOPES = {"white": 0.0, "pink": -1.0, "brown": -2.0}
CORNER_HZ = 60.0  # the spectrum is flat below, so that the power at 0 Hz stays finite
SPEECH_HZ = np.array(
    [63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500,
     3150, 4000, 5000, 6300, 8000, 10000, 12500, 16000.0]
)  # fmt: skip
SPEECH_DB = np.array(
    [38.6, 43.5, 54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7, 53.0, 52.0,
     48.7, 48.1, 46.8, 45.6, 44.5, 44.3, 43.7, 43.4, 41.3, 40.7]
)  # fmt: skip
"""Long-term average speech in third octaves, dB SPL at 70 dB overall, men and women."""


def coloured_noise(
    rng: np.random.Generator, n_samples: int, sample_rate: int, colour: str | float = "pink"
) -> np.ndarray:
    """Gaussian noise with a given colour and power 1.

    Parameters
    ----------
    rng : Generator
    n_samples, sample_rate : int
    colour : {"white", "pink", "brown", "speech-shaped"} or float
        Power spectrum: f^0, f^-1, f^-2, the long-term average of speech, or f^colour.
        Power laws are flat below 60 Hz.

    Returns
    -------
    noise : float64 ndarray, shape (N,)

    Raises
    ------
    SceneError
        If the colour is unknown.

    References
    ----------
    D. Byrne et al., "An international comparison of long-term average speech spectra",
    J. Acoust. Soc. Am. 96, 1994, table II.
    """
    white = rng.standard_normal(n_samples)
    if colour == "white" or n_samples < 2:
        return white
    n_fft = fft.next_fast_len(n_samples, real=True)
    freqs = fft.rfftfreq(n_fft, 1 / sample_rate)
    shaped = fft.irfft(amplitude(colour, freqs) * fft.rfft(white, n_fft), n_fft)[:n_samples]
    return shaped / np.sqrt(np.mean(shaped**2))


def amplitude(colour: str | float, freqs: np.ndarray) -> np.ndarray:
    """Amplitude spectrum of a colour at the frequencies `freqs` (Hz), arbitrary scale."""
    if colour == "speech-shaped":
        # the width of third octaves grows with frequency: density is level minus 10 log f
        density_db = SPEECH_DB - 10 * np.log10(SPEECH_HZ)
        octave = np.log2(np.maximum(freqs, 1.0))
        return 10 ** (np.interp(octave, np.log2(SPEECH_HZ), density_db, left=-40) / 20)
    slope = colour if isinstance(colour, int | float) else SLOPES.get(colour)
    if slope is None:
        known = ", ".join((*SLOPES, "speech-shaped"))
        raise SceneError(f"unknown colour of noise {colour!r}; use one of {known}, or a slope")
    return np.maximum(freqs, CORNER_HZ) ** (slope / 2)
