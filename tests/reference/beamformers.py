"""Slow beamformers, from their formulas, in double precision."""

import numpy as np


def filter_and_sum(weights, spec):
    """y(f,t) = Σ_m w_m(f)* x_m(f,t)."""
    n_freqs, n_mics, n_frames = spec.shape
    out = np.zeros((n_freqs, n_frames), np.complex128)
    for f in range(n_freqs):
        for m in range(n_mics):
            out[f] += np.conj(weights[f, m]) * spec[f, m].astype(np.complex128)
    return out


def delay_and_sum_samples(samples, tau, sample_rate):
    """y(n) = 1/M Σ_m x_m(n + τ_m fs), between the samples by the whole sinc series.

    x(t) = Σ_k x(k) sinc(t - k)   (Whittaker, Shannon)
    """
    n_mics, n_samples = samples.shape
    k = np.arange(n_samples)
    out = np.zeros(n_samples)
    for n in range(n_samples):
        for m in range(n_mics):
            out[n] += np.sum(samples[m] * np.sinc(n + tau[m] * sample_rate - k)) / n_mics
    return out


def mvdr(steering, noise_cov):
    """w = Φ⁻¹ a / (aᴴ Φ⁻¹ a), by the inverse itself, one bin after the other."""
    weights = np.zeros_like(steering)
    for f in range(len(steering)):
        inverse = np.linalg.inv(noise_cov[f])
        a = steering[f]
        weights[f] = inverse @ a / (a.conj() @ inverse @ a)
    return weights
