"""Loops of arrayenh.statistics.loading.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange


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
            if not pivot > 0.0:  # also for NaN
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
