"""Loops of arrayenh.postfilters.gains; the functions of one bin serve _kernels.noise_psd as well.

Nothing is checked.
"""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange

EULER = 0.5772156649015329
WIENER, LSA, STSA = 0, 1, 2
MOST_POSTERIOR = 1e6


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


@njit(cache=True)
def bessel_scaled(x):
    """e⁻ˣ I₀(x) and e⁻ˣ I₁(x) for x >= 0: power series below 12, asymptotic above."""
    zeroth = first = term0 = term1 = 1.0
    if x < 12.0:
        quarter = 0.25 * x * x
        for k in range(1, 26):
            term0 *= quarter / (k * k)
            term1 *= quarter / (k * (k + 1))
            zeroth += term0
            first += term1
        decay = math.exp(-x)
        return decay * zeroth, decay * 0.5 * x * first
    for k in range(1, 20):
        odd = (2 * k - 1) ** 2
        term0 *= odd / (8 * k * x)
        term1 *= (odd - 4) / (8 * k * x)
        zeroth += term0
        first += term1
    root = math.sqrt(2 * math.pi * x)
    return zeroth / root, first / root


@njit(cache=True)
def lsa(wiener, posterior):
    """Ephraim & Malah 1985, eq. 20, from ξ/(1 + ξ) and γ; at most 1."""
    v = max(wiener * posterior, 1e-10)
    if v < 30:
        return min(wiener * math.exp(0.5 * exp1(v)), 1.0)
    return wiener


@njit(cache=True)
def stsa(wiener, posterior):
    """Ephraim & Malah 1984, eq. 7, from ξ/(1 + ξ) and γ; at most 1.

    √v/γ is written as ξ/(1 + ξ)/√v, which needs no division by γ.
    """
    v = max(wiener * posterior, 1e-10)
    zeroth, first = bessel_scaled(0.5 * v)
    shape = (1 + v) * zeroth + v * first
    return min(0.5 * math.sqrt(math.pi / v) * wiener * shape, 1.0)


@njit(cache=True)
def posterior_presence(absence, prior, posterior):
    """P(H₁|y) = 1 / (1 + q/(1 - q) (1 + ξ) exp(-v)),  v = γ ξ/(1 + ξ)."""
    if absence >= 1:
        return 0.0
    v = posterior * prior / (1 + prior)
    return 1 / (1 + absence / (1 - absence) * (1 + prior) * math.exp(-v))


@njit(cache=True, parallel=True)
def decision_directed(power, noise, rule, keep, least_snr, least_gain, state, gain):
    """Gain of each bin; `state[f]` is |ŝ|²/σ² of the previous frame (negative: none yet)."""
    n_freqs, n_frames = power.shape
    for f in prange(n_freqs):
        before = state[f]
        for t in range(n_frames):
            variance = noise[f, t]
            if variance <= 0:
                gain[f, t] = 1.0 if power[f, t] > 0 else least_gain
                before = 0.0
                continue
            posterior = min(power[f, t] / variance, MOST_POSTERIOR)
            now = max(posterior - 1, 0.0)
            prior = now if before < 0 else keep * before + (1 - keep) * now
            prior = max(prior, least_snr)
            g = prior / (1 + prior)
            if rule == LSA:
                g = lsa(g, posterior)
            elif rule == STSA:
                g = stsa(g, posterior)
            g = max(g, least_gain)
            before = g * g * posterior
            gain[f, t] = g
        state[f] = before


@njit(cache=True, parallel=True)
def subtract(power, noise, least_gain, gain):
    """Spectral subtraction of Berouti, Schwartz & Makhoul 1979, by the frame's SNR."""
    n_freqs, n_frames = power.shape
    for t in prange(n_frames):
        heard = expected = 0.0
        for f in range(n_freqs):
            heard += power[f, t]
            expected += noise[f, t]
        factor = 1.0
        if expected > 0:
            snr_db = 10 * math.log10(max(heard / expected, 1e-9))
            factor = 4 - 0.15 * min(max(snr_db, -5.0), 20.0)
        for f in range(n_freqs):
            if noise[f, t] <= 0:
                gain[f, t] = 1.0 if power[f, t] > 0 else least_gain
                continue
            posterior = max(power[f, t] / noise[f, t], 1e-12)
            left = max(1 - factor / posterior, least_gain**2 / posterior)
            gain[f, t] = min(max(math.sqrt(left), least_gain), 1.0)


@njit(cache=True)
def likelihood(snr, low, high):
    """Ramp from 0 below `low` to 1 above `high`, logarithmic: Cohen & Berdugo 2001."""
    if snr <= low:
        return 0.0
    if snr >= high:
        return 1.0
    return math.log(snr / low) / math.log(high / low)


@njit(cache=True)
def frame_likelihood(mean_snr, low, high, state):
    """P_frame of Cohen & Berdugo 2001; `state` = (previous ζ_frame, ζ_peak)."""
    before = state[0]
    state[0] = mean_snr
    if mean_snr <= low:
        return 0.0
    if mean_snr > before:
        state[1] = min(max(mean_snr, 1.0), 10.0)
        return 1.0
    return likelihood(mean_snr / state[1], low, high)


@njit(cache=True)
def window_mean(values, f, window):
    """Mean of `values` around f with a symmetric window, (w + 1,), over existing bins."""
    n_freqs = len(values)
    total, weight = window[0] * values[f], window[0]
    for i in range(1, len(window)):
        if f - i >= 0:
            total += window[i] * values[f - i]
            weight += window[i]
        if f + i < n_freqs:
            total += window[i] * values[f + i]
            weight += window[i]
    return total / weight


@njit(cache=True)
def speech_gains(power, noise, keep, keep_snr, least_snr, state, prior, posterior, gain):
    """Compute G_H₁ and the smoothed ξ of one frame; return the mean of ξ over the bins.

    `state[f]` = (|ŝ|²/σ² of the previous frame, negative: none yet; ζ).
    """
    total, heard = 0.0, 0
    for f in range(len(power)):
        if noise[f] <= 0:
            gain[f] = 1.0
            state[f, 0] = 0.0
            continue
        posterior[f] = min(power[f] / noise[f], MOST_POSTERIOR)
        now = max(posterior[f] - 1, 0.0)
        before = state[f, 0]
        prior[f] = max(now if before < 0 else keep * before + (1 - keep) * now, least_snr)
        gain[f] = lsa(prior[f] / (1 + prior[f]), posterior[f])
        state[f, 0] = gain[f] ** 2 * posterior[f]
        state[f, 1] = keep_snr * state[f, 1] + (1 - keep_snr) * prior[f]
        total += state[f, 1]
        heard += 1
    return total / heard if heard else 0.0


@njit(cache=True)
def speech_presence(
    power, noise, keep, keep_snr, least_snr, bounds, local, wide, state, frame, gain, presence
):
    """G_H₁ and P(H₁|y) of Cohen & Berdugo 2001; `bounds` = (ζ_min, ζ_max, q_max)."""
    n_freqs, n_frames = power.shape
    low, high, most_absence = bounds
    prior, posterior, now = np.empty(n_freqs), np.empty(n_freqs), np.empty(n_freqs)
    for t in range(n_frames):
        mean_snr = speech_gains(
            power[:, t], noise[:, t], keep, keep_snr, least_snr, state, prior, posterior, now
        )
        whole = frame_likelihood(mean_snr, low, high, frame)
        snr = state[:, 1]
        for f in range(n_freqs):
            gain[f, t] = now[f]
            if noise[f, t] <= 0:
                presence[f, t] = 1.0 if power[f, t] > 0 else 0.0
                continue
            near = likelihood(window_mean(snr, f, local), low, high)
            around = likelihood(window_mean(snr, f, wide), low, high)
            absence = min(1 - near * around * whole, most_absence)
            presence[f, t] = posterior_presence(absence, prior[f], posterior[f])
