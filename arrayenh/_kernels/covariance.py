"""Loops of arrayenh.statistics.covariance.  Called by that module only; nothing is checked."""

import numpy as np

from arrayenh._kernels.compiler import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN


@njit(cache=True)
def split(spec, re, im):
    """Split into real and imaginary parts, (M, T), so that the loops are vectorised."""
    n_mics, n_frames = spec.shape
    for m in range(n_mics):
        for t in range(n_frames):
            re[m, t] = spec[m, t].real
            im[m, t] = spec[m, t].imag


@njit(cache=True, fastmath=SUM)
def total(weight):
    """Σ_t weight[t]."""
    found = 0.0
    for t in range(len(weight)):
        found += weight[t]
    return found


@njit(cache=True, parallel=True, fastmath=SUM)
def weighted_outer_sum(spec, weight, out, mass):
    """out[f] = Σ_t weight[f, t] x xᴴ,  with x = spec[f, :, t]; mass[f] = Σ_t weight[f, t]."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        re, im = np.empty_like(spec[f].real), np.empty_like(spec[f].imag)
        split(spec[f], re, im)
        w = weight[f].astype(np.float64)
        mass[f] = total(w)
        for i in range(n_mics):
            power = 0.0
            for t in range(n_frames):
                power += w[t] * np.float64(re[i, t] * re[i, t] + im[i, t] * im[i, t])
            out[f, i, i] = power
            for j in range(i):
                sum_re = sum_im = 0.0
                for t in range(n_frames):
                    sum_re += w[t] * np.float64(re[i, t] * re[j, t] + im[i, t] * im[j, t])
                    sum_im += w[t] * np.float64(im[i, t] * re[j, t] - re[i, t] * im[j, t])
                out[f, i, j] = complex(sum_re, sum_im)
                out[f, j, i] = complex(sum_re, -sum_im)


@njit(cache=True, parallel=True, fastmath=SUM)
def weighted_outer_sums(spec, weight_a, weight_b, out_a, out_b, mass_a, mass_b):
    """`weighted_outer_sum` with two weights at once, sharing the products of spectra."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        re, im = np.empty_like(spec[f].real), np.empty_like(spec[f].imag)
        split(spec[f], re, im)
        a, b = weight_a[f].astype(np.float64), weight_b[f].astype(np.float64)
        mass_a[f], mass_b[f] = total(a), total(b)
        for i in range(n_mics):
            a_re = b_re = 0.0
            for t in range(n_frames):
                power = np.float64(re[i, t] * re[i, t] + im[i, t] * im[i, t])
                a_re += a[t] * power
                b_re += b[t] * power
            out_a[f, i, i] = a_re
            out_b[f, i, i] = b_re
            for j in range(i):
                a_re = a_im = b_re = b_im = 0.0
                for t in range(n_frames):
                    product_re = np.float64(re[i, t] * re[j, t] + im[i, t] * im[j, t])
                    product_im = np.float64(im[i, t] * re[j, t] - re[i, t] * im[j, t])
                    a_re += a[t] * product_re
                    a_im += a[t] * product_im
                    b_re += b[t] * product_re
                    b_im += b[t] * product_im
                out_a[f, i, j] = complex(a_re, a_im)
                out_a[f, j, i] = complex(a_re, -a_im)
                out_b[f, i, j] = complex(b_re, b_im)
                out_b[f, j, i] = complex(b_re, -b_im)
