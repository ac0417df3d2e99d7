"""Loops of arrayenh.spatial.covariance.  Called by that module only; nothing is checked."""

import numpy as np
from numba import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # lets a sum be vectorised; NaN stays NaN


@njit(cache=True, parallel=True, fastmath=SUM)
def weighted_outer_sum(spec, weight, out):
    """out[f] = Σ_t weight[f, t] x xᴴ,  with x = spec[f, :, t]; summed in double."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        re = np.empty((n_mics, n_frames), np.float32)
        im = np.empty((n_mics, n_frames), np.float32)
        for m in range(n_mics):
            for t in range(n_frames):
                re[m, t] = spec[f, m, t].real
                im[m, t] = spec[f, m, t].imag
        for i in range(n_mics):
            for j in range(i + 1):
                sum_re = sum_im = 0.0
                for t in range(n_frames):
                    w = weight[f, t]
                    sum_re += w * (re[i, t] * re[j, t] + im[i, t] * im[j, t])
                    sum_im += w * (im[i, t] * re[j, t] - re[i, t] * im[j, t])
                out[f, i, j] = complex(sum_re, sum_im)
                out[f, j, i] = complex(sum_re, -sum_im)


@njit(cache=True, parallel=True, fastmath=SUM)
def weighted_outer_sums(spec, weight_a, weight_b, out_a, out_b):
    """`weighted_outer_sum` with two weights at once: each product of spectra serves both."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        re = np.empty((n_mics, n_frames), np.float32)
        im = np.empty((n_mics, n_frames), np.float32)
        for m in range(n_mics):
            for t in range(n_frames):
                re[m, t] = spec[f, m, t].real
                im[m, t] = spec[f, m, t].imag
        for i in range(n_mics):
            for j in range(i + 1):
                a_re = a_im = b_re = b_im = 0.0
                for t in range(n_frames):
                    product_re = re[i, t] * re[j, t] + im[i, t] * im[j, t]
                    product_im = im[i, t] * re[j, t] - re[i, t] * im[j, t]
                    a_re += weight_a[f, t] * product_re
                    a_im += weight_a[f, t] * product_im
                    b_re += weight_b[f, t] * product_re
                    b_im += weight_b[f, t] * product_im
                out_a[f, i, j] = complex(a_re, a_im)
                out_a[f, j, i] = complex(a_re, -a_im)
                out_b[f, i, j] = complex(b_re, b_im)
                out_b[f, j, i] = complex(b_re, -b_im)
