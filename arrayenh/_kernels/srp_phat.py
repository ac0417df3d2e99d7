"""Loops of arrayenh.localisation.srp_phat.  Called by that module only; nothing is checked.

One thread: most calls take less than what it costs to wake a second one. Long recordings have
a loop of their own, the same on several.
"""

import numpy as np

from arrayenh._kernels.compiler import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # lets a sum be vectorised; NaN stays NaN
CHUNK = 128  # frames summed in single precision, before they are added in double
DIRECTIONS = 128  # turned at once: their phases stay in the cache
SAME_GAP = 1e-9  # relative: bins so evenly spaced share one turn


@njit(cache=True, fastmath=SUM, error_model="numpy")
def phases(spec, least, re, im):
    """x / max(|x|, least) in two parts, shape (T,)."""
    for t in range(spec.size):
        re[t] = spec[t].real
        im[t] = spec[t].imag
    floor = least * least
    for t in range(spec.size):  # in double: the square of a small float32 is no float32
        a, b = np.float64(re[t]), np.float64(im[t])
        scale = 1.0 / np.sqrt(max(a * a + b * b, floor))
        re[t] = a * scale
        im[t] = b * scale


@njit(cache=True, fastmath=SUM)
def inner_product(re_a, im_a, re_b, im_b):
    """Σ_t a b*, of single precision."""
    sum_re = sum_im = np.float32(0)
    for t in range(re_a.size):
        sum_re += re_a[t] * re_b[t] + im_a[t] * im_b[t]
        sum_im += im_a[t] * re_b[t] - re_a[t] * im_b[t]
    return complex(np.float64(sum_re), np.float64(sum_im))


@njit(cache=True, fastmath=SUM)
def cross_spectra_of_bin(spec, weight, least, first, second, baseline, out):
    """out[baseline[p]] += Σ_t weight[t] x_first[p] x_second[p]*, of phases."""
    n_mics, n_frames = spec.shape
    re = np.empty((n_mics, n_frames), np.float32)
    im, re_w, im_w = np.empty_like(re), np.empty_like(re), np.empty_like(re)
    w = weight.astype(np.float32)
    for m in range(n_mics):
        phases(spec[m], least, re[m], im[m])
        for t in range(n_frames):
            re_w[m, t] = re[m, t] * w[t]
            im_w[m, t] = im[m, t] * w[t]
    for p in range(first.size):
        i, j = first[p], second[p]
        for start in range(0, n_frames, CHUNK):
            part = slice(start, min(start + CHUNK, n_frames))
            out[baseline[p]] += inner_product(
                re_w[i, part], im_w[i, part], re[j, part], im[j, part]
            )


@njit(cache=True)
def phase_cross_spectra(spec, weight, least, first, second, baseline, out):
    """`cross_spectra_of_bin` of every bin, (F, M, T) -> (F, B)."""
    for f in range(len(spec)):
        cross_spectra_of_bin(spec[f], weight[f], least, first, second, baseline, out[f])


@njit(cache=True, parallel=True)
def phase_cross_spectra_of_long(spec, weight, least, first, second, baseline, out):
    """`phase_cross_spectra` on several threads."""
    for f in prange(len(spec)):
        cross_spectra_of_bin(spec[f], weight[f], least, first, second, baseline, out[f])


@njit(cache=True, fastmath=SUM)
def steered_sum(re, im, omega, tau, out):
    """out[d] = Σ_f Σ_b Re{(re + j im)[f, b] exp(jω_f tau[b, d])}, by phase rotation per bin."""
    n_freqs, n_pairs = re.shape
    for start in range(0, out.size, DIRECTIONS):
        n = min(DIRECTIONS, out.size - start)
        total = np.zeros(n)
        c, s, turn_c, turn_s = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        for b in range(n_pairs):
            lag = tau[b, start : start + n]
            for d in range(n):
                c[d], s[d] = np.cos(omega[0] * lag[d]), np.sin(omega[0] * lag[d])
                total[d] += re[0, b] * c[d] - im[0, b] * s[d]
            gap = -1.0
            for f in range(1, n_freqs):
                step = omega[f] - omega[f - 1]
                if abs(step - gap) > SAME_GAP * abs(step):
                    gap = step
                    for d in range(n):
                        turn_c[d], turn_s[d] = np.cos(gap * lag[d]), np.sin(gap * lag[d])
                x, y = re[f, b], im[f, b]
                for d in range(n):
                    turned = c[d] * turn_c[d] - s[d] * turn_s[d]
                    s[d] = c[d] * turn_s[d] + s[d] * turn_c[d]
                    c[d] = turned
                    total[d] += x * turned - y * s[d]
        out[start : start + n] = total


@njit(cache=True, fastmath=SUM)
def steered_bins(re, im, omega, tau, out):
    """out[f, d] = Σ_b Re{(re + j im)[f, b] exp(jω_f tau[b, d])}: `steered_sum`, bin by bin."""
    n_freqs, n_pairs = re.shape
    n_dirs = out.shape[1]
    for start in range(0, n_dirs, DIRECTIONS):
        n = min(DIRECTIONS, n_dirs - start)
        out[:, start : start + n] = 0.0
        c, s, turn_c, turn_s = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        for b in range(n_pairs):
            lag = tau[b, start : start + n]
            for d in range(n):
                c[d], s[d] = np.cos(omega[0] * lag[d]), np.sin(omega[0] * lag[d])
                out[0, start + d] += re[0, b] * c[d] - im[0, b] * s[d]
            gap = -1.0
            for f in range(1, n_freqs):
                step = omega[f] - omega[f - 1]
                if abs(step - gap) > SAME_GAP * abs(step):
                    gap = step
                    for d in range(n):
                        turn_c[d], turn_s[d] = np.cos(gap * lag[d]), np.sin(gap * lag[d])
                x, y = re[f, b], im[f, b]
                row = out[f, start : start + n]
                for d in range(n):
                    turned = c[d] * turn_c[d] - s[d] * turn_s[d]
                    s[d] = c[d] * turn_s[d] + s[d] * turn_c[d]
                    c[d] = turned
                    row[d] += x * turned - y * s[d]
