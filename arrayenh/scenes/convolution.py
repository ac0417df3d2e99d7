"""A signal through impulse responses."""

import numpy as np
from scipy import fft


def convolve(signal: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """A signal through the responses of all microphones, as long as the signal.

    One FFT of the whole, float32: twice as fast as double precision, rounding 130 dB down.

    Parameters
    ----------
    signal : float array, shape (N,)
    responses : float array, shape (..., L)

    Returns
    -------
    images : float32 ndarray, shape (..., N)
    """
    n_fft = fft.next_fast_len(len(signal) + responses.shape[-1] - 1, real=True)
    spectra = fft.rfft(responses.astype(np.float32), n_fft)
    spectra *= fft.rfft(signal.astype(np.float32), n_fft)
    return fft.irfft(spectra, n_fft, overwrite_x=True)[..., : len(signal)]
