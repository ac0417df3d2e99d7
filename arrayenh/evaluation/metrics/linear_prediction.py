"""All-pole models of frames: autocorrelation method, Levinson recursion, cepstra."""

import numpy as np
from scipy import fft

WHITE_NOISE_CORRECTION = 1e-9
"""White noise added to each frame, -90 dB, so that band-limited frames have a model too."""


def lpc_order(sample_rate: int) -> int:
    """Number of poles of a speech model: 10 for the telephone band, 16 above it."""
    return 10 if sample_rate < 10000 else 16


def autocorrelation(frames: np.ndarray, order: int) -> np.ndarray:
    """Autocorrelation of each frame with white-noise correction; a frame of zeros is white.

        r(p) = Σ_n x(n) x(n+p),  p = 0 ... P;  r(0) times 1 + 1e-9

    Parameters
    ----------
    frames : float ndarray, shape (T, L)
    order : int
        P.

    Returns
    -------
    lags : float ndarray, shape (T, P+1)
    """
    n_fft = fft.next_fast_len(frames.shape[-1] + order, real=True)
    power = np.abs(fft.rfft(frames, n_fft)) ** 2
    lags = fft.irfft(power, n_fft)[:, : order + 1]
    silent = ~frames.any(axis=-1)
    lags[silent] = 0.0
    lags[silent, 0] = 1.0
    lags[:, 0] *= 1 + WHITE_NOISE_CORRECTION
    return lags


def levinson(lags: np.ndarray) -> np.ndarray:
    """Prediction error filters of frames with these autocorrelations.

        A(z) = 1 + Σ_p a_p z⁻ᵖ,  Σ_p a_p r(|q - p|) = 0 for q = 1 ... P

    Parameters
    ----------
    lags : float ndarray, shape (T, P+1)
        Positive definite.

    Returns
    -------
    filters : float ndarray, shape (T, P+1)
        a, with a_0 = 1.

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63(4), 1975,
    equation (38).
    """
    filters = np.zeros_like(lags)
    filters[:, 0] = 1.0
    error = lags[:, 0].copy()
    for p in range(1, lags.shape[1]):
        reflection = -np.einsum("tp,tp->t", filters[:, :p], lags[:, p:0:-1]) / error
        filters[:, 1 : p + 1] += reflection[:, None] * filters[:, p - 1 :: -1]
        error *= 1 - reflection**2
    return filters


def residual_energy(filters: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Residual energy aᵀ R a of each filter on a frame with these lags, shape (T,)."""
    taps = np.arange(lags.shape[1])
    toeplitz = lags[:, np.abs(taps[:, None] - taps)]  # (T, P+1, P+1)
    return np.einsum("tp,tpq,tq->t", filters, toeplitz, filters)


def cepstra(filters: np.ndarray) -> np.ndarray:
    """Cepstral coefficients of 1 / A(z), without c_0, the gain.

        c_n = -a_n - Σ_{k=1}^{n-1} (k/n) c_k a_{n-k}

    Parameters
    ----------
    filters : float ndarray, shape (T, P+1)

    Returns
    -------
    cepstra : float ndarray, shape (T, P)
    """
    c = -filters
    for n in range(2, c.shape[1]):
        k = np.arange(1, n)
        c[:, n] -= np.einsum("k,tk,tk->t", k / n, c[:, 1:n], filters[:, n - k])
    return c[:, 1:]
