"""Loops of arrayenh.spatial.mixture.  Called by that module only; nothing is checked."""

import math

import numpy as np
from numba import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # lets a sum be vectorised; NaN stays NaN
TINY = 1e-30


@njit(cache=True)
def outer_products(spec, rows):
    """rows[(i, j)] = real (j <= i) and imaginary (j > i) parts of z zᴴ, z = x / |x|; (M², T)."""
    n_mics, n_frames = spec.shape
    scale = np.zeros(n_frames, np.float32)
    for m in range(n_mics):
        for t in range(n_frames):
            scale[t] += spec[m, t].real ** 2 + spec[m, t].imag ** 2
    for t in range(n_frames):
        scale[t] = 1 / scale[t] if scale[t] > TINY else 0.0
    for i in range(n_mics):
        for j in range(i + 1):
            for t in range(n_frames):
                a, b = spec[i, t], spec[j, t]
                rows[i * n_mics + j, t] = (a.real * b.real + a.imag * b.imag) * scale[t]
            if j < i:
                for t in range(n_frames):
                    a, b = spec[i, t], spec[j, t]
                    rows[j * n_mics + i, t] = (a.imag * b.real - a.real * b.imag) * scale[t]


@njit(cache=True)
def invert(shape, load, lower, inverse):
    """Inverse and log determinant of a Hermitian matrix with a loaded diagonal, by Cholesky."""
    n, power, log_det = len(shape), 0.0, 0.0
    for i in range(n):
        power += shape[i, i].real
    floor = load * power / n
    for i in range(n):
        for j in range(i):
            total = shape[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k].conjugate()
            lower[i, j] = total / lower[j, j].real
        pivot = shape[i, i].real + floor
        for k in range(i):
            pivot -= lower[i, k].real ** 2 + lower[i, k].imag ** 2
        pivot = max(pivot, floor)
        lower[i, i] = math.sqrt(pivot)
        log_det += math.log(pivot)
    for c in range(n):
        for i in range(c, n):  # column c of L⁻¹
            total = complex(1.0 if i == c else 0.0, 0.0)
            for k in range(c, i):
                total -= lower[i, k] * inverse[k, c]
            inverse[i, c] = total / lower[i, i].real
    for i in range(n):  # L⁻ᴴ L⁻¹, lower triangle from the top: what is read is not yet written
        for j in range(i + 1):
            total = 0j
            for k in range(i, n):
                total += inverse[k, i].conjugate() * inverse[k, j]
            lower[i, j] = total
    for i in range(n):
        for j in range(i + 1):
            inverse[i, j] = lower[i, j]
            inverse[j, i] = lower[i, j].conjugate()
    return log_det


@njit(cache=True, fastmath=SUM)
def add_row(factor, row, out):
    """out += factor · row."""
    for t in range(len(row)):
        out[t] += factor * row[t]


@njit(cache=True, fastmath=SUM)
def weighted_sum(weight, row):
    """Σ weight · row in blocks of single precision, the blocks in double."""
    total = 0.0
    for first in range(0, len(row), 512):
        part = np.float32(0)
        for t in range(first, min(first + 512, len(row))):
            part += weight[t] * row[t]
        total += part
    return total


@njit(cache=True)
def quadratic(inverse, rows, out):
    """out[t] = zᴴ B⁻¹ z for every frame."""
    n = len(inverse)
    out[:] = 0
    for i in range(n):
        add_row(np.float32(inverse[i, i].real), rows[i * n + i], out)
        for j in range(i):  # the two entries of a pair are conjugates: 2 Re(B_ij* (z zᴴ)_ij)
            add_row(np.float32(2 * inverse[i, j].real), rows[i * n + j], out)
            add_row(np.float32(2 * inverse[i, j].imag), rows[j * n + i], out)


@njit(cache=True)
def estimate_shape(weight, rows, shape):
    """B = Σ weight z zᴴ, up to its scale."""
    n = len(shape)
    for i in range(n):
        shape[i, i] = weighted_sum(weight, rows[i * n + i])
        for j in range(i):
            shape[i, j] = complex(
                weighted_sum(weight, rows[i * n + j]), weighted_sum(weight, rows[j * n + i])
            )
            shape[j, i] = shape[i, j].conjugate()


@njit(cache=True)
def posteriors(quadratics, scale, prior, n_mics, out):
    """out[k] ∝ prior[k] scale[k] q_k⁻ᴹ, summing to one; powers of a ratio that is at most 1."""
    n_classes, n_frames = quadratics.shape
    least = np.empty(n_frames, np.float32)
    total = np.zeros(n_frames, np.float32)
    least[:] = quadratics[0]
    for k in range(1, n_classes):
        for t in range(n_frames):
            least[t] = min(least[t], quadratics[k, t])
    for k in range(n_classes):
        gamma, ratio = out[k], np.empty(n_frames, np.float32)
        factor = np.float32(scale[k])
        for t in range(n_frames):
            ratio[t] = least[t] / quadratics[k, t]
            gamma[t] = factor * prior[k, t]
        for _ in range(n_mics):
            for t in range(n_frames):
                gamma[t] *= ratio[t]
        for t in range(n_frames):
            total[t] += gamma[t]
    for t in range(n_frames):
        total[t] = 1 / total[t] if total[t] > TINY else 0.0
    for k in range(n_classes):
        for t in range(n_frames):
            if total[t] > 0:
                out[k, t] *= total[t]
            else:
                out[k, t] = prior[k, t]


@njit(cache=True, parallel=True)
def expectation_maximisation(spec, load, fixed, prior, n_iterations, gamma, quadratics, at):
    """`n_iterations` of EM of each bin, from gamma and the quadratic forms, (F, K, T), on.

    With `fixed` the priors are prior[k, t], the same for all bins; else each bin has its
    own, constant in time. at[f] becomes the log likelihood.
    """
    n_freqs, n_mics, n_frames = spec.shape
    n_classes = gamma.shape[1]
    for f in prange(n_freqs):
        rows = np.empty((n_mics * n_mics, n_frames), np.float32)
        outer_products(spec[f], rows)
        heard = np.zeros(n_frames, np.float32)
        for m in range(n_mics):
            for t in range(n_frames):
                heard[t] += rows[m * n_mics + m, t]
        q = quadratics[f]
        weight = np.empty(n_frames, np.float32)
        own = np.empty((n_classes, n_frames), np.float32)
        shape = np.empty((n_mics, n_mics), np.complex128)
        lower, inverse = np.empty_like(shape), np.zeros_like(shape)
        log_scale, scale = np.empty(n_classes), np.empty(n_classes)
        for _ in range(n_iterations):
            for k in range(n_classes):
                mass = 0.0
                for t in range(n_frames):
                    mass += gamma[f, k, t]
                    weight[t] = gamma[f, k, t] * heard[t] / q[k, t]
                if fixed:
                    own[k] = prior[k]
                else:
                    own[k] = max(mass / n_frames, TINY)
                estimate_shape(weight, rows, shape)
                power = 0.0
                for i in range(n_mics):
                    power += shape[i, i].real
                power = power / n_mics if power > 0 else 1.0
                for i in range(n_mics):  # the trace is M: the scale of B means nothing
                    for j in range(n_mics):
                        shape[i, j] /= power
                    if not shape[i, i].real > 0:
                        shape[i, i] = 1.0
                log_scale[k] = -invert(shape, load, lower, inverse)
                quadratic(inverse, rows, q[k])
                for t in range(n_frames):
                    q[k, t] = max(q[k, t], np.float32(TINY)) if heard[t] > 0 else np.float32(1)
            most = log_scale.max()
            for k in range(n_classes):
                scale[k] = math.exp(log_scale[k] - most)
            posteriors(q, scale, own, n_mics, gamma[f])
        at[f] = log_likelihood_of(q, log_scale, own, heard, n_mics)


@njit(cache=True)
def log_likelihood_of(q, log_scale, own, heard, n_mics):
    """Σ_t log Σ_k π_k exp(log_scale_k) q_k⁻ᴹ over the frames that hold sound."""
    n_classes, n_frames = q.shape
    total = 0.0
    for t in range(n_frames):
        if not heard[t] > 0:
            continue
        most = -np.inf
        for k in range(n_classes):
            if own[k, t] > 0:
                most = max(most, math.log(own[k, t]) + log_scale[k] - n_mics * math.log(q[k, t]))
        part = 0.0
        for k in range(n_classes):
            if own[k, t] > 0:
                log = math.log(own[k, t]) + log_scale[k] - n_mics * math.log(q[k, t])
                part += math.exp(log - most)
        total += most + math.log(part)
    return total
