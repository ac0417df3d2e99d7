"""Noise power spectral density and speech presence, tracked frame by frame."""

from typing import Protocol

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ShapeError

LEAST_POWER = 1e-20  # of a bin, 10^12 times below 16-bit rounding noise
FRAME = 0.016  # s, hop of the constants of Gerkmann & Hendriks, and of Martin
COHEN_FRAME = 0.008  # s, hop of Cohen's constants
MEMORY = 1.536  # s, window of the minimum search: 96 frames
PARTS = 8  # sub-windows of the minimum search
LEAST_PRIOR_SNR = 10**-2.5  # floor of ξ in Imcra
FALL = {1: 0.0, 2: 0.26, 5: 0.48, 8: 0.58, 10: 0.61, 15: 0.668, 20: 0.705, 30: 0.762, 40: 0.8}
FALL |= {60: 0.841, 80: 0.865, 120: 0.89, 140: 0.9, 160: 0.91, 180: 0.92, 220: 0.93, 260: 0.935}
FALL |= {300: 0.94}  # M(D) of a window of D frames: Martin 2001, table III


class NoiseTracker(Protocol):
    """An estimator of the noise PSD, frame by frame."""

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the noise PSD and the speech presence probability of the next frames, (F, t)."""


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
        Decay of the noise estimate per 16 ms, in (0, 1); smaller is faster.
    warm_up_seconds : float
        Beginning of the signal, whose mean power initialises the noise. Digital silence is
        ignored throughout.

    Examples
    --------
    >>> tracker = SppTracker(n_freqs=1, hop_seconds=0.016)
    >>> noise_psd, presence = tracker.update(np.array([[1.0] * 10 + [100.0]], np.float32))
    >>> noise_psd[0, -1].round(2).item(), presence[0, -1].round(2).item()
    (1.0, 1.0)
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
        self._state = np.zeros((n_freqs, 3))  # noise PSD, smoothed presence, frames so far
        self._state[:, 1] = 0.5

    def update(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Update the noise estimate with the next frames.

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
    """Noise tracking by minimum statistics (Martin), causal, with explicit state.

        P <- α P + (1 - α) |y|²,   α = α_max α_c / (1 + (P/σ² - 1)²)
        σ² = min over the last D frames of B_min B_c P

    Speech has gaps: within 1.5 s the power of every bin falls to the noise floor. The bias of the
    minimum, B_min, depends on D and the variance of P; α_c reduces the smoothing if P deviates
    from |y|². The D frames are U = 8 sub-windows of V frames. The smoothing constants are stated
    for 16 ms and adapted to the hop. In stationary noise the bias is below 0.3 dB for frames of
    up to 64 ms, and -1.4 dB for 128 ms, of which the window holds too few.

    The method has no speech presence of its own: it is computed as in `SppTracker`, with a fixed
    prior ξ, from the noise estimated here.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Window of the minimum, longer than continuous speech. It is also the worst-case delay
        in tracking rising noise.
    prior_snr_db : float
        ξ of a bin that holds speech, for the speech presence only.
    warm_up_seconds : float
        Beginning of the signal, whose mean power initialises the noise. Digital silence is
        ignored throughout.

    References
    ----------
    R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
    statistics", IEEE Trans. Speech Audio Process. 9(5), 2001.

    Examples
    --------
    >>> tracker = MinimumStatistics(n_freqs=1, hop_seconds=0.016)
    >>> noise_psd, _ = tracker.update(np.ones((1, 100), np.float32))
    >>> noise_psd.shape
    (1, 100)
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
        """Update the noise estimate with the next frames; see `SppTracker.update`."""
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
    """Noise tracking by improved minima controlled recursive averaging (IMCRA), causal.

        q = 1 where |y|² and its smoothed value are close to a speech-free minimum
        p = 1 / (1 + q/(1 - q) (1 + ξ) exp(-γ ξ/(1 + ξ)))
        λ <- α λ + (1 - α) |y|²,   α = α_d + (1 - α_d) p,   σ² = 1.47 λ

    Smoothing over time and neighbouring bins and the minimum search run twice, the second time
    without the bins in which the first detected speech. ξ is decision-directed. The constants are
    the paper's (α_s = 0.9, α_d = 0.85, B_min = 1.66, γ₀ = 4.6, γ₁ = 3, ζ₀ = 1.67), adapted to the
    hop. B_min is valid for frames of about 32 ms (bias below 0.3 dB; -0.8 dB for 64 ms, -2 dB for
    128 ms).

    A sudden rise of the noise is tracked after two windows, once it is in both minima.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Window of the minimum search; in the paper 8 sub-windows of 15 frames of 8 ms.
    warm_up_seconds : float
        Beginning of the signal, whose mean power initialises the noise. Digital silence is
        ignored throughout.

    References
    ----------
    I. Cohen, "Noise spectrum estimation in adverse environments: improved minima controlled
    recursive averaging", IEEE Trans. Speech Audio Process. 11(5), 2003.

    Examples
    --------
    >>> tracker = Imcra(n_freqs=1, hop_seconds=0.008)
    >>> noise_psd, _ = tracker.update(np.ones((1, 100), np.float32))
    >>> noise_psd.shape
    (1, 100)
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
        """Update the noise estimate with the next frames; see `SppTracker.update`."""
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
    """Raise ShapeError if the spectra do not have `n_freqs` bins."""
    if power.ndim != 2 or len(power) != n_freqs:
        raise ShapeError(f"power must have shape ({n_freqs}, t); got {power.shape}")
