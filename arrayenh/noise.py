"""Noise power spectral density and speech presence, tracked frame by frame."""

import numpy as np

from arrayenh._kernels import noise as kernels
from arrayenh.errors import ShapeError

LEAST_POWER = 1e-20  # of a bin; what 16-bit rounding leaves is 10^12 times more
FRAME = 0.016  # s, the hop for which Gerkmann & Hendriks state their constants


class SppTracker:
    """MMSE noise tracking by speech presence probability, causal, with explicit state.

        P(H₁|y) = 1 / (1 + (1 + ξ) exp(-γ ξ/(1 + ξ))),   γ = |y|²/σ²
        E{|n|²|y} = P σ² + (1 - P) |y|²,     σ² <- 0.8 σ² + 0.2 E{|n|²|y}

    with the fixed prior SNR ξ and equal priors (Gerkmann & Hendriks, "Unbiased MMSE-based
    noise power estimation with low complexity and low tracking delay", 2012, eqs. 18, 22,
    8). The decays are stated for 16 ms and adapted to the hop.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    prior_snr_db : float
        ξ of a bin that holds speech.
    noise_decay : float
        What 16 ms leave of an old noise estimate, in (0, 1): the smaller, the faster.
    warm_up_seconds : float
        Start of the signal that is averaged as noise. Digital silence, there and later, is
        passed over: it tells nothing of the noise.
    """

    def __init__(
        self,
        n_freqs: int,
        hop_seconds: float,
        prior_snr_db: float = 15.0,
        noise_decay: float = 0.8,
        warm_up_seconds: float = 0.1,
    ) -> None:
        self.prior_snr = 10 ** (prior_snr_db / 10)
        self.keep_noise = noise_decay ** (hop_seconds / FRAME)
        self.keep_presence = 0.9 ** (hop_seconds / FRAME)
        self.warm_up = max(1, round(warm_up_seconds / hop_seconds))
        self._state = np.zeros((n_freqs, 3))  # noise PSD, smoothed presence, frames heard
        self._state[:, 1] = 0.5

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow the next frames.

        Parameters
        ----------
        power : float ndarray, shape (F, t)
            |y|², periodogram.

        Returns
        -------
        noise_psd, presence : float32 ndarray, shape (F, t)
            σ² after each frame, and P(H₁|y) in [0, 1].

        Raises
        ------
        ShapeError
            If `power` does not have F rows.
        """
        if power.ndim != 2 or len(power) != len(self._state):
            raise ShapeError(f"power must have shape ({len(self._state)}, t); got {power.shape}")
        noise_psd = np.empty(power.shape, np.float32)
        presence = np.empty(power.shape, np.float32)
        kernels.track_spp(
            power,
            self.prior_snr,
            self.keep_noise,
            self.keep_presence,
            self.warm_up,
            LEAST_POWER,
            self._state,
            noise_psd,
            presence,
        )
        return noise_psd, presence
