"""Slow filters over several frames, in double precision."""

import numpy as np


def heard_before(spec, delay, past=None):
    """x(t - delay) of every frame, (F, M, T); nothing before the past."""
    nothing = np.zeros((*spec.shape[:2], delay), complex)
    parts = [nothing, spec] if past is None else [nothing, past, spec]
    whole = np.concatenate(parts, axis=2)
    return whole[:, :, whole.shape[2] - delay - spec.shape[2] : whole.shape[2] - delay]


def stacked(spec, delays, past=None):
    """x̄ = [x(t - δ₀); x(t - δ₁); ...], (F, A·M, T)."""
    return np.concatenate([heard_before(spec, delay, past) for delay in delays], axis=1)


def lagged_covariance(spec, weight, delays):
    """Σ_t γ x̄ x̄ᴴ; and Σ_t γ |x̄| |x̄|ᵀ, what its rounding errors are proportional to."""
    x = stacked(spec, delays)
    n_freqs, size, n_frames = x.shape
    cov = np.zeros((n_freqs, size, size), complex)
    magnitude = np.zeros((n_freqs, size, size))
    for f in range(n_freqs):
        for t in range(n_frames):
            gamma = float(weight[f, t])
            cov[f] += gamma * np.outer(x[f, :, t], x[f, :, t].conj())
            magnitude[f] += gamma * np.outer(abs(x[f, :, t]), abs(x[f, :, t]))
    return cov, magnitude


def lagged_filter(filters, spec, delays, past=None):
    """y_o = Σ_a w_{a,o}ᴴ x(t - δ_a); and Σ_a |w_{a,o}|ᵀ |x(t - δ_a)|."""
    n_freqs, n_delays, _, n_out = filters.shape
    out = np.zeros((n_freqs, n_out, spec.shape[2]), complex)
    magnitude = np.zeros(out.shape)
    for a in range(n_delays):
        x = heard_before(spec, delays[a], past)
        for f in range(n_freqs):
            for o in range(n_out):
                out[f, o] += filters[f, a, :, o].conj() @ x[f]
                magnitude[f, o] += abs(filters[f, a, :, o]) @ abs(x[f])
    return out, magnitude
