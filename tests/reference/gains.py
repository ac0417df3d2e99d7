"""Slow spectral gains, one bin and one frame at a time."""

import math

import numpy as np
from scipy.special import exp1, ive


def wiener(xi, gamma):
    """G = ξ/(1 + ξ), whatever γ."""
    return xi / (1 + xi)


def mmse_lsa(xi, gamma):
    """G = ξ/(1 + ξ) exp(½ E₁(v)), v = γ ξ/(1 + ξ): Ephraim & Malah (1985), eq. 20."""
    v = gamma * xi / (1 + xi)
    return xi / (1 + xi) * math.exp(0.5 * exp1(v))


def mmse_stsa(xi, gamma):
    """Ephraim & Malah (1984), eq. 7; e⁻ˣIₙ(x) from SciPy."""
    v = gamma * xi / (1 + xi)
    bessel = (1 + v) * ive(0, v / 2) + v * ive(1, v / 2)
    return math.gamma(1.5) * math.sqrt(v) / gamma * bessel


def berouti(power, noise_psd, least_gain_db):
    """Berouti et al. (1979): α from 4.75 at -5 dB to 1 at 20 dB, floor β, one frame, (F,)."""
    snr_db = 10 * math.log10(sum(power) / sum(noise_psd))
    alpha = np.interp(snr_db, [-5, 20], [4.75, 1])
    beta = 10 ** (least_gain_db / 10)
    speech = np.maximum(power - alpha * noise_psd, beta * noise_psd)
    return np.clip(np.sqrt(speech / power), math.sqrt(beta), 1)


def om_lsa(power, noise_psd, least_gain_db):
    """Cohen & Berdugo (2001) with their constants: G, and p, lists of frames (F,)."""
    n_freqs, n_frames = power.shape
    before, zeta, mean_before, peak = None, np.zeros(n_freqs), 0.0, 1.0
    gains, presences = [], []
    for t in range(n_frames):
        gamma = power[:, t] / noise_psd[:, t]
        now = np.maximum(gamma - 1, 0)
        xi = np.maximum(now if before is None else 0.92 * before + 0.08 * now, 10**-2.5)
        v = gamma * xi / (1 + xi)
        speech_gain = np.minimum(xi / (1 + xi) * np.exp(0.5 * exp1(v)), 1)
        before = speech_gain**2 * gamma
        zeta = 0.7 * zeta + 0.3 * xi
        mean = zeta.mean()
        if mean <= 0.1:
            whole = 0.0
        elif mean > mean_before:
            peak, whole = min(max(mean, 1.0), 10.0), 1.0
        else:
            whole = log_ramp(mean / peak)
        mean_before = mean
        q = 1 - log_ramp(hann_mean(zeta, 1)) * log_ramp(hann_mean(zeta, 15)) * whole
        q = np.minimum(q, 0.95)
        p = 1 / (1 + q / (1 - q) * (1 + xi) * np.exp(-v))
        least = 10 ** (least_gain_db / 20)
        gains.append(np.maximum(speech_gain**p * least ** (1 - p), least))
        presences.append(p)
    return gains, presences


def log_ramp(snr):
    """0 below -10 dB, 1 above -5 dB, linear in dB between."""
    return np.interp(10 * np.log10(snr), [-10, -5], [0, 1])


def hann_mean(values, half):
    """Mean over 2 half + 1 bins by a Hann window, at the ends over the bins there are."""
    window = np.hanning(2 * half + 3)[1:-1]
    share = np.convolve(np.ones(len(values)), window, "full")[half : half + len(values)]
    return np.convolve(values, window, "full")[half : half + len(values)] / share


def decision_directed(power, noise_psd, rule, smoothing, least_prior_snr_db, least_gain_db):
    """Ephraim & Malah (1984), eq. 51, |ŝ(t-1)|² over the noise of its own frame.

    The first frame has no frame before it: ξ is γ - 1 there. Returns G, lists (F, T).
    """
    least_xi, least_gain = 10 ** (least_prior_snr_db / 10), 10 ** (least_gain_db / 20)
    gains = []
    for powers, noises in zip(power.tolist(), noise_psd.tolist(), strict=True):
        gains.append([])
        before = None
        for y2, variance in zip(powers, noises, strict=True):
            gamma = y2 / variance
            now = max(gamma - 1, 0)
            xi = now if before is None else smoothing * before + (1 - smoothing) * now
            gain = min(max(rule(max(xi, least_xi), gamma), least_gain), 1)
            before = gain**2 * y2 / variance
            gains[-1].append(gain)
    return gains
