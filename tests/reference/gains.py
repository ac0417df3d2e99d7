"""Slow spectral gains, one bin and one frame at a time."""

import math

from scipy.special import exp1


def wiener(xi, gamma):
    """G = ξ/(1 + ξ), whatever γ."""
    return xi / (1 + xi)


def mmse_lsa(xi, gamma):
    """G = ξ/(1 + ξ) exp(½ E₁(v)), v = γ ξ/(1 + ξ): Ephraim & Malah (1985), eq. 20."""
    v = gamma * xi / (1 + xi)
    return xi / (1 + xi) * math.exp(0.5 * exp1(v))


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
