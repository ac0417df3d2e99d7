"""Wind noise at the microphones."""

import numpy as np
from scipy import fft

from arrayenh.scenes.coloured import coloured_noise
from arrayenh.stft import Stft

DECAY = 0.125  # Corcos' decay constant of the coherence along the wind
GUST_HZ, GUST_DB = 1.0, 6.0  # bandwidth and standard deviation of the gusts
CORNER_HZ = 60.0  # corner of the spectrum at 5 m/s; proportional to the speed


def wind_noise(
    rng: np.random.Generator,
    positions: np.ndarray,
    n_samples: int,
    sample_rate: int,
    speed: float = 5.0,
) -> np.ndarray:
    """Turbulence noise of wind at each microphone, with little coherence between microphones.

        |Γ(f)| = exp(-α 2π f d / U)

    Amplitudes fall with f^-2, 12 dB per octave, above a corner that grows with the wind speed
    (measured wind: 14 dB per octave, Nelke & Vary 2014). Gusts modulate all microphones together.

    Parameters
    ----------
    rng : Generator
    positions : float array, shape (M, 3)
        Metres.
    n_samples, sample_rate : int
    speed : float
        U, m/s.

    Returns
    -------
    noise : float64 ndarray, shape (M, N)

    References
    ----------
    G. M. Corcos, "The structure of the turbulent pressure field in boundary-layer flows",
    J. Fluid Mech. 18, 1964; C. M. Nelke and P. Vary, "Measurement, analysis and simulation of
    wind noise signals for mobile communication devices", IWAENC 2014.
    """
    n_mics = len(positions)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    stft = Stft(1024, 256, "hann")
    freqs = stft.freqs(sample_rate)
    coherence = np.exp(-DECAY * 2 * np.pi * freqs[:, None, None] * apart / speed)
    white = rng.standard_normal((n_mics, n_samples)).astype(np.float32)
    shape = 1 / (1 + (freqs / (CORNER_HZ * speed / 5.0)) ** 2)
    factor = np.linalg.cholesky(coherence + 1e-9 * np.eye(n_mics)) * shape[:, None, None]
    turbulence = stft.synthesise(
        np.einsum("fij,fjt->fit", factor.astype(np.float32), stft.analyse(white)), n_samples
    )
    return turbulence * gusts(rng, n_samples, sample_rate)


def gusts(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Gain of the gusts: slowly varying, log-normal, shape (N,)."""
    n_fft = fft.next_fast_len(n_samples + sample_rate, real=True)
    spectrum = fft.rfft(coloured_noise(rng, n_fft, sample_rate, "white"))
    spectrum[fft.rfftfreq(n_fft, 1 / sample_rate) > GUST_HZ] = 0
    slow = fft.irfft(spectrum, n_fft)[:n_samples]
    spread = np.sqrt(2 * GUST_HZ / sample_rate)  # RMS of white noise below GUST_HZ
    return 10 ** (GUST_DB * slow / spread / 20)
