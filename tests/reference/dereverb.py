"""Slow weighted prediction error, in double precision, one frame at a time."""

import numpy as np

from tests.reference.convolutional import stacked


def reverberate(dry, filters, delay):
    """x_t = d_t + Σ_k G_kᴴ x(t - D - k), by its own definition; G of shape (F, K, M, M)."""
    x = np.array(dry, complex)
    for t in range(x.shape[2]):
        for k in range(filters.shape[1]):
            if t - delay - k >= 0:
                late = x[:, :, t - delay - k]
                x[:, :, t] += np.einsum("fio,fi->fo", filters[:, k].conj(), late)
    return x


def wpe(spec, taps, delay, iterations, floor=1e-4, loading=0.0):
    """Nakatani et al. (2010), loaded; returns what stays, and the filters (F, K, M, M)."""
    n_freqs, n_mics, n_frames = spec.shape
    x = spec.astype(complex)
    past = stacked(x, range(delay, delay + taps))
    early, filters = x.copy(), np.zeros((n_freqs, taps, n_mics, n_mics), complex)
    for _ in range(iterations):
        for f in range(n_freqs):
            power = np.mean(np.abs(early[f]) ** 2, axis=0)
            power = np.maximum(power, floor * power.mean())
            cov = sum(
                np.outer(past[f, :, t], past[f, :, t].conj()) / power[t] for t in range(n_frames)
            )
            cross = sum(
                np.outer(past[f, :, t], x[f, :, t].conj()) / power[t] for t in range(n_frames)
            )
            mean = np.trace(cov).real / len(cov)
            found = np.linalg.solve(cov + loading * mean * np.eye(len(cov)), cross)
            early[f] = x[f] - found.conj().T @ past[f]
            filters[f] = found.reshape(taps, n_mics, n_mics)
    return early, filters


def online_wpe(spec, taps, delay, keep):
    """Recursive least squares of each bin, R itself inverted every frame."""
    n_freqs, n_mics, n_frames = spec.shape
    x = spec.astype(complex)
    size = taps * n_mics
    past = stacked(x, range(delay, delay + taps))
    early = np.zeros(x.shape, complex)
    filters = np.zeros((n_freqs, size, n_mics), complex)
    for f in range(n_freqs):
        cov = np.eye(size, dtype=complex)
        for t in range(n_frames):
            recent = x[f, :, max(t - delay - taps + 2, 0) : t + 1]
            power = np.sum(np.abs(recent) ** 2) / ((taps + delay - 1) * n_mics)
            early[f, :, t] = x[f, :, t] - filters[f].conj().T @ past[f, :, t]
            heard = past[f, :, t]
            if power > 0 and np.any(heard):
                cov = keep * cov + np.outer(heard, heard.conj()) / power
                gain = np.linalg.solve(cov, heard) / power
                filters[f] += np.outer(gain, early[f, :, t].conj())
    return early, filters.reshape(n_freqs, taps, n_mics, n_mics)
