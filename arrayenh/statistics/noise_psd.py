"""Noise power spectral density and speech presence, tracked frame by frame."""

from typing import Protocol

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ShapeError

LEAST_POWER = 1e-20  # of a bin; what 16-bit rounding leaves is 10^12 times more
FRAME = 0.016  # s, the hop for which Gerkmann & Hendriks, and Martin, state their constants
COHEN_FRAME = 0.008  # s, that of Cohen
MEMORY = 1.536  # s in which the minimum is looked for: 96 frames
PARTS = 8  # of that window
LEAST_PRIOR_SNR = 10**-2.5  # floor of ξ in Imcra
FALL = {1: 0.0, 2: 0.26, 5: 0.48, 8: 0.58, 10: 0.61, 15: 0.668, 20: 0.705, 30: 0.762, 40: 0.8}
FALL |= {60: 0.841, 80: 0.865, 120: 0.89, 140: 0.9, 160: 0.91, 180: 0.92, 220: 0.93, 260: 0.935}
FALL |= {300: 0.94}  # M(D) of a window of D frames: Martin 2001, table III


class NoiseTracker(Protocol):
    """What follows the noise of a spectrum, frame by frame."""

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Noise PSD after each of the next frames, and probability of speech, (F, t)."""


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
        check_power(power, len(self._state))
        noise_psd, presence = (np.empty(power.shape, np.float32) for _ in range(2))
        _kernels.noise_psd.track_spp(
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


class MinimumStatistics:
    """Noise tracking by the minimum of the smoothed power, causal, with explicit state.

        P <- α P + (1 - α) |y|²,   α = α_max α_c / (1 + (P/σ² - 1)²)
        σ² = min over the last D frames of B_min B_c P

    Speech leaves gaps: in 1.5 s every bin comes down to the noise. The bias of the minimum,
    B_min, follows from D and the variance of P; α_c watches whether P follows |y|². The D frames
    are U = 8 parts of V; smoothing constants are stated for 16 ms and adapted to the hop. In
    stationary noise the bias is below 0.3 dB for frames of up to 64 ms, -1.4 dB for 128 ms, of
    which the window holds too few.

    The method decides nothing about speech: the presence given is that of `SppTracker`, with
    its fixed prior ξ, for the noise found here.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Window of the minimum, longer than a talker goes on without a gap; noise that rises
        is followed after that time, in the worst case.
    prior_snr_db : float
        ξ of a bin that holds speech, for the presence alone.
    warm_up_seconds : float
        Start of the signal that is averaged as noise. Digital silence, there and later, is
        passed over.

    References
    ----------
    R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
    statistics", IEEE Trans. Speech Audio Process. 9(5), 2001.
    """

    def __init__(
        self,
        n_freqs: int,
        hop_seconds: float,
        memory_seconds: float = MEMORY,
        prior_snr_db: float = 15.0,
        warm_up_seconds: float = 0.1,
    ) -> None:
        self.prior_snr = 10 ** (prior_snr_db / 10)
        self.pace = hop_seconds / FRAME
        self.warm_up = max(1, round(warm_up_seconds / hop_seconds))
        self.n_part = max(1, round(memory_seconds / hop_seconds / PARTS))
        lengths = np.sqrt([PARTS * self.n_part, self.n_part])
        self._falls = np.interp(lengths, np.sqrt(list(FALL)), list(FALL.values()))
        self._state = np.zeros((n_freqs, 11))
        self._minima = np.full((n_freqs, PARTS), np.inf)
        self._correction = np.ones(1)

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow the next frames: parameters, result and errors of `SppTracker.update`."""
        check_power(power, len(self._state))
        noise_psd, presence = (np.empty(power.shape, np.float32) for _ in range(2))
        _kernels.noise_psd.track_minimum(
            power,
            self.pace,
            self.prior_snr,
            self.warm_up,
            self.n_part,
            self._falls,
            LEAST_POWER,
            self._state,
            self._minima,
            self._correction,
            noise_psd,
            presence,
        )
        return noise_psd, presence


class Imcra:
    """Noise tracking by improved minima controlled recursive averaging, causal, with state.

        q = 1 where |y|² and its smooth are near a minimum that speech has no part in
        p = 1 / (1 + q/(1 - q) (1 + ξ) exp(-γ ξ/(1 + ξ)))
        λ <- α λ + (1 - α) |y|²,   α = α_d + (1 - α_d) p,   σ² = 1.47 λ

    Smoothing (over time, and the bin and its neighbours) and search for the minimum are done
    twice: the second time without the bins that the first found to hold speech. ξ is
    decision-directed. Constants are the paper's (α_s = 0.9, α_d = 0.85, B_min = 1.66, γ₀ = 4.6,
    γ₁ = 3, ζ₀ = 1.67), adapted to the hop; B_min holds for frames of about 32 ms (bias
    below 0.3 dB; -0.8 dB for 64 ms, -2 dB for 128 ms).

    Noise that rises at once is followed after two windows: so long is it in neither minimum.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Window of the minimum: in the paper 8 parts of 15 frames of 8 ms.
    warm_up_seconds : float
        Start of the signal that is averaged as noise. Digital silence, there and later, is
        passed over.

    References
    ----------
    I. Cohen, "Noise spectrum estimation in adverse environments: improved minima controlled
    recursive averaging", IEEE Trans. Speech Audio Process. 11(5), 2003.
    """

    def __init__(
        self,
        n_freqs: int,
        hop_seconds: float,
        memory_seconds: float = 0.96,
        warm_up_seconds: float = 0.1,
    ) -> None:
        self.pace = hop_seconds / COHEN_FRAME
        self.warm_up = max(1, round(warm_up_seconds / hop_seconds))
        self.n_part = max(1, round(memory_seconds / hop_seconds / PARTS))
        self._state = np.zeros((n_freqs, 9))
        self._state[:, _kernels.noise_psd.SPEECH] = -1
        self._state[:, _kernels.noise_psd.LOWEST :] = np.inf
        self._minima = np.full((n_freqs, 2, PARTS), np.inf)

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Follow the next frames: parameters, result and errors of `SppTracker.update`."""
        check_power(power, len(self._state))
        noise_psd, presence = (np.empty(power.shape, np.float32) for _ in range(2))
        _kernels.noise_psd.track_imcra(
            power,
            self.pace,
            LEAST_PRIOR_SNR,
            self.warm_up,
            self.n_part,
            LEAST_POWER,
            self._state,
            self._minima,
            noise_psd,
            presence,
        )
        return noise_psd, presence


def check_power(power: np.ndarray, n_freqs: int) -> None:
    """Refuse spectra of another number of bins."""
    if power.ndim != 2 or len(power) != n_freqs:
        raise ShapeError(f"power must have shape ({n_freqs}, t); got {power.shape}")
