"""Isotropic noise fields: microphone signals with the theoretical spatial coherence."""

import numpy as np

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import ShapeError
from arrayenh.stft import Stft

WINDOW_S = 0.064


def diffuse_noise(
    signals: np.ndarray,
    positions: np.ndarray,
    sample_rate: int,
    field: str = "spherical",
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Mix independent signals into an isotropic noise field.

    The coherence of the field is factored in every frequency bin, Γ(f) = C(f) C(f)ᵀ, and the
    STFTs of the signals are mixed by C. C is the symmetric factor V sqrt(Λ) Vᵀ: it changes
    smoothly with frequency and treats all microphones alike.

    Parameters
    ----------
    signals : float array, shape (M, N)
        Mutually independent signals with equal spectra, one per microphone.
    positions : float array, shape (M, 3)
        Metres.
    sample_rate : int
        Hz.
    field : {"spherical", "cylindrical"}
    speed_of_sound : float
        m/s.

    Returns
    -------
    noise : float32 ndarray, shape (M, N)
        The power of each microphone is the mean power of the signals.

    Raises
    ------
    ShapeError
        If the number of signals differs from the number of positions.

    References
    ----------
    E. A. P. Habets, I. Cohen and S. Gannot, "Generating nonstationary multisensor signals
    under a spatial coherence constraint", J. Acoust. Soc. Am. 124, 2008, eqs. 11 and 15;
    D. Mirabilii, S. J. Schlecht and E. A. P. Habets, "Generating coherence-constrained
    multisensor signals using balanced mixing and spectrally smooth filters", J. Acoust. Soc.
    Am. 149, 2021.
    """
    signals = np.asarray(signals)
    if signals.ndim != 2 or len(signals) != len(positions):
        raise ShapeError(
            f"signals must have shape (M, N), M = {len(positions)} positions; got {signals.shape}"
        )
    n_fft = 2 ** round(np.log2(WINDOW_S * sample_rate))
    stft = Stft(n_fft, n_fft // 4, "hann")
    coherence = diffuse_coherence(positions, stft.freqs(sample_rate), field, speed_of_sound)
    spec = stft.analyse(signals.astype(np.float32))
    # einsum, because the rounding of matmul may depend on the number of threads
    mixed = np.einsum("fij,fjt->fit", mixing(coherence).astype(np.float32), spec)
    return stft.synthesise(mixed, signals.shape[1])


def mixing(coherence: np.ndarray) -> np.ndarray:
    """Symmetric square root of a coherence matrix, shape (F, M, M)."""
    values, vectors = np.linalg.eigh(coherence)
    roots = np.sqrt(np.maximum(values, 0.0))
    return (vectors * roots[:, None, :]) @ np.swapaxes(vectors, 1, 2)
