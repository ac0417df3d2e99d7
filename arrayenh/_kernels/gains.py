"""Loops of arrayenh.postfilter.gains.  Called by that module only; nothing is checked."""

import math

from numba import njit, prange

EULER = 0.5772156649015329


@njit(cache=True)
def exp1(x):
    """E₁(x) = ∫ₓ^∞ e⁻ᵗ/t dt for x > 0: series below 2, continued fraction above."""
    if x <= 2.0:
        total, term = 0.0, 1.0
        for k in range(1, 22):
            term *= -x / k
            total -= term / k
        return total - EULER - math.log(x)
    fraction = x + 1.0 + 2 * 20
    for k in range(20, 0, -1):
        fraction = x + 2 * k - 1 - k * k / fraction
    return math.exp(-x) / fraction


@njit(cache=True, parallel=True)
def decision_directed(power, noise, lsa, keep, least_snr, least_gain, state, gain):
    """Gain of each bin; `state[f]` is |ŝ|²/σ² of the frame before (negative: none yet)."""
    n_freqs, n_frames = power.shape
    for f in prange(n_freqs):
        before = state[f]
        for t in range(n_frames):
            variance = noise[f, t]
            if variance <= 0:
                gain[f, t] = 1.0 if power[f, t] > 0 else least_gain
                before = 0.0
                continue
            posterior = min(power[f, t] / variance, 1e6)
            now = max(posterior - 1, 0.0)
            prior = now if before < 0 else keep * before + (1 - keep) * now
            prior = max(prior, least_snr)
            g = prior / (1 + prior)
            if lsa:
                v = max(g * posterior, 1e-10)
                if v < 30:
                    g = min(g * math.exp(0.5 * exp1(v)), 1.0)
            g = max(g, least_gain)
            before = g * g * posterior
            gain[f, t] = g
        state[f] = before
