"""Loops of arrayenh.beamformers.mvdr.  Called by that module only; nothing is checked."""

import math

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True, fastmath={"contract"})
def filter_sum(weights, spec, out):
    """out[f, t] = wᴴ x  with w = weights[f] (complex64) and x = spec[f, :, t]."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        for t in range(n_frames):
            out[f, t] = 0
        for m in range(n_mics):
            w_re, w_im = weights[f, m].real, weights[f, m].imag
            for t in range(n_frames):
                x = spec[f, m, t]
                out[f, t] += complex(w_re * x.real + w_im * x.imag, w_re * x.imag - w_im * x.real)


@njit(cache=True, parallel=True, fastmath={"contract"})
def solve_loaded(cov, loading, right, out, positive):
    """out[f] = (cov[f] + δ I)⁻¹ right[f] by Cholesky, δ = loading[f] · tr(cov[f]) / M.

    `positive[f]` tells whether the loaded matrix is positive definite; else out[f] is not set.
    """
    n_freqs, n_mics, n_right = right.shape
    for f in prange(n_freqs):
        power = 0.0
        for i in range(n_mics):
            power += cov[f, i, i].real
        load = loading[f] * power / n_mics
        lower = np.empty((n_mics, n_mics), np.complex128)
        good = True
        for i in range(n_mics):
            for j in range(i):
                total = cov[f, i, j]
                for k in range(j):
                    total -= lower[i, k] * lower[j, k].conjugate()
                lower[i, j] = total / lower[j, j].real
            pivot = cov[f, i, i].real + load
            for k in range(i):
                pivot -= lower[i, k].real ** 2 + lower[i, k].imag ** 2
            if not pivot > 0.0:  # NaN is not, either
                good = False
                break
            lower[i, i] = math.sqrt(pivot)
        positive[f] = good
        if not good:
            continue
        for c in range(n_right):
            for i in range(n_mics):  # L z = right
                total = right[f, i, c]
                for k in range(i):
                    total -= lower[i, k] * out[f, k, c]
                out[f, i, c] = total / lower[i, i].real
            for i in range(n_mics - 1, -1, -1):  # Lᴴ out = z
                total = out[f, i, c]
                for k in range(i + 1, n_mics):
                    total -= lower[k, i].conjugate() * out[f, k, c]
                out[f, i, c] = total / lower[i, i].real


@njit(cache=True, parallel=True)
def delay_sum(samples, taps, first, out):
    """out[n] = mean over m of Σ_k taps[m, k] · samples[m, n + first[m] - k]."""
    n_mics, n_samples = samples.shape
    n_taps = taps.shape[1]
    block = 4096
    for b in prange((n_samples + block - 1) // block):
        start, stop = b * block, min((b + 1) * block, n_samples)
        for n in range(start, stop):
            out[n] = 0
        for m in range(n_mics):
            for k in range(n_taps):
                shift = first[m] - k
                tap = taps[m, k] / np.float32(n_mics)
                for n in range(max(start, -shift), min(stop, n_samples - shift)):
                    out[n] += tap * samples[m, n + shift]
