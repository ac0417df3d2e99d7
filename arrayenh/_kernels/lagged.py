"""Loops of arrayenh.statistics.lagged.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange, uint64

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN
EPS = 2.0**-52
CHUNK = 1024  # frames per block, so that its data stay in the cache

# Loops take their start as an unsigned number instead of a slice, so that numba neither counts
# references nor checks for negative indices.


@njit(cache=True, fastmath=SUM)
def products(re, im, i, j, start, lag, n, both):
    """Real parts, then imaginary parts, of x_i(start + s) x_j*(start + s - lag), s < n."""
    a, b = uint64(start), uint64(start - lag)
    for s in range(uint64(n)):
        p, q, u, v = re[i, a + s], im[i, a + s], re[j, b + s], im[j, b + s]
        both[s] = p * u + q * v
        both[s + uint64(CHUNK)] = q * u - p * v


@njit(cache=True, fastmath=SUM)
def dot(weight, first, both, n):
    """Σ_s weight[first + s] · product[s] over the first n."""
    a = uint64(first)
    re = im = np.float32(0)
    for s in range(uint64(n)):
        re += weight[a + s] * both[s]
        im += weight[a + s] * both[s + uint64(CHUNK)]
    return complex(re, im)


@njit(cache=True, fastmath=SUM)
def two_dots(weight, first, second, both, n):
    """`dot` from two starts, reading each product once."""
    a, b = uint64(first), uint64(second)
    a_re = b_re = a_im = b_im = np.float32(0)
    for s in range(uint64(n)):
        re, im = both[s], both[s + uint64(CHUNK)]
        a_re += weight[a + s] * re
        a_im += weight[a + s] * im
        b_re += weight[b + s] * re
        b_im += weight[b + s] * im
    return complex(a_re, a_im), complex(b_re, b_im)


@njit(cache=True, fastmath=SUM)
def four_dots(weight, first, second, third, fourth, both, n):
    """`dot` from four starts, reading each product once."""
    a, b, c, d = uint64(first), uint64(second), uint64(third), uint64(fourth)
    a_re = b_re = c_re = d_re = a_im = b_im = c_im = d_im = np.float32(0)
    for s in range(uint64(n)):
        re, im = both[s], both[s + uint64(CHUNK)]
        a_re += weight[a + s] * re
        a_im += weight[a + s] * im
        b_re += weight[b + s] * re
        b_im += weight[b + s] * im
        c_re += weight[c + s] * re
        c_im += weight[c + s] * im
        d_re += weight[d + s] * re
        d_im += weight[d + s] * im
    return complex(a_re, a_im), complex(b_re, b_im), complex(c_re, c_im), complex(d_re, d_im)


@njit(cache=True)
def add_products(weight, shifts, first, stop, start, both, n, sums):
    """sums[k] += Σ_s weight[start + shifts[k] + s] · product[s] for k from first to stop."""
    k = first
    while k + 4 <= stop:
        a, b, c, d = four_dots(
            weight, start + shifts[k], start + shifts[k + 1], start + shifts[k + 2],
            start + shifts[k + 3], both, n,
        )  # fmt: skip
        sums[k] += a
        sums[k + 1] += b
        sums[k + 2] += c
        sums[k + 3] += d
        k += 4
    if k + 2 <= stop:
        a, b = two_dots(weight, start + shifts[k], start + shifts[k + 1], both, n)
        sums[k] += a
        sums[k + 1] += b
        k += 2
    if k < stop:
        sums[k] += dot(weight, start + shifts[k], both, n)


@njit(cache=True)
def split(spec, first, re, im):
    """Split into real and imaginary parts, (M, T), from `first` on."""
    n_mics, n_frames = spec.shape
    for m in range(n_mics):
        for t in range(n_frames):
            re[m, first + t] = spec[m, t].real
            im[m, first + t] = spec[m, t].imag


@njit(cache=True, parallel=True)
def lagged_sums(spec, weight, smallest, delays, lags, firsts, pairs, out):
    """out[f, (a, i), (b, j)] = Σ_t weight[f, t] x_i(t - δ_a) x_j*(t - δ_b).

    `pairs[firsts[k] : firsts[k + 1]]` are the (a, b) whose delays differ by lags[k]. They share
    the products of two microphones at that lag, so that each entry costs one multiplication by a
    real weight, a quarter of an outer product of weighted frames. Sums are in single precision
    over CHUNK frames, in sixteen or more parts each, then in double. The weights are normalised
    by their largest, so that their scale does not matter.
    """
    n_freqs, n_mics, n_frames = spec.shape
    shifts = delays[pairs[:, 0]]
    for f in prange(n_freqs):
        re = np.empty((n_mics, n_frames), np.float32)
        im = np.empty((n_mics, n_frames), np.float32)
        split(spec[f], 0, re, im)
        w = np.zeros(n_frames + delays[-1], np.float32)  # zero after the end
        scale = smallest
        for t in range(n_frames):
            scale = max(scale, np.float64(weight[f, t]))
        for t in range(n_frames):
            w[t] = weight[f, t] / scale
        sums = np.zeros((n_mics, n_mics, len(pairs)), np.complex128)
        both = np.empty(2 * CHUNK, np.float32)
        for chunk in range(0, n_frames, CHUNK):
            for k in range(len(lags)):
                lag, first, stop = lags[k], firsts[k], firsts[k + 1]
                start = max(chunk, lag)
                n = min(chunk + CHUNK, n_frames) - start
                if n <= 0:
                    continue
                for i in range(n_mics):
                    for j in range(n_mics if lag else i + 1):
                        products(re, im, i, j, start, lag, n, both)
                        add_products(w, shifts, first, stop, start, both, n, sums[i, j])
        for p in range(len(pairs)):
            a, b = pairs[p, 0] * n_mics, pairs[p, 1] * n_mics
            for i in range(n_mics):
                for j in range(n_mics if a < b else i + 1):
                    total = sums[i, j, p] * scale
                    if a + i == b + j:
                        total = complex(total.real)  # contraction leaves an imaginary rest
                    out[f, a + i, b + j] = total
                    out[f, b + j, a + i] = total.conjugate()


@njit(cache=True, fastmath=SUM)
def shifted_product(re, im, m, d_re, d_im, shift):
    """Σ_t x_m(t - shift) d*(t), summed in double."""
    row, by = uint64(m), uint64(shift)
    sum_re = sum_im = 0.0
    for s in range(uint64(max(len(d_re) - shift, 0))):
        sum_re += re[row, s] * d_re[by + s] + im[row, s] * d_im[by + s]
        sum_im += im[row, s] * d_re[by + s] - re[row, s] * d_im[by + s]
    return complex(sum_re, sum_im)


@njit(cache=True, parallel=True)
def lagged_cross_sums(spec, target, delays, out):
    """out[f, a, m] = Σ_t x_m(t - δ_a) target*[f, t]."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        re, im = np.empty((n_mics, n_frames)), np.empty((n_mics, n_frames))
        split(spec[f], 0, re, im)
        d_re, d_im = np.empty(n_frames), np.empty(n_frames)
        for t in range(n_frames):
            d_re[t] = target[f, t].real
            d_im[t] = target[f, t].imag
        for a in range(len(delays)):
            for m in range(n_mics):
                out[f, a, m] = shifted_product(re, im, m, d_re, d_im, delays[a])


@njit(cache=True, fastmath=SUM)
def row_product(a_re, a_im, b_re, b_im, n):
    """Σ_k a(k) b*(k) over the first n."""
    re = im = 0.0
    for k in range(n):
        re += a_re[k] * b_re[k] + a_im[k] * b_im[k]
        im += a_im[k] * b_re[k] - a_re[k] * b_im[k]
    return re, im


@njit(cache=True)
def factorise(cov, load, re, im):
    """Lower Cholesky factor re + j im of cov + load I; False where it is not positive."""
    for i in range(len(cov)):
        for j in range(i):
            less_re, less_im = row_product(re[i], im[i], re[j], im[j], j)
            re[i, j] = (cov[i, j].real - less_re) / re[j, j]
            im[i, j] = (cov[i, j].imag - less_im) / re[j, j]
        less, _ = row_product(re[i], im[i], re[i], im[i], i)
        pivot = cov[i, i].real + load - less
        if not 0.0 < pivot < math.inf:  # also for NaN
            return False
        re[i, i] = math.sqrt(pivot)
        im[i, i] = 0.0
    return True


@njit(cache=True, parallel=True)
def solve_each(cov, right, loading, step, most, out, used):
    """out[f] = (cov + δ I)⁻¹ right, δ = used[f] tr(cov) / n, from `loading` on by `step`.

    used[f] is NaN if even `most` is not enough.
    """
    n_freqs, size, n_right = right.shape
    for f in prange(n_freqs):
        power = 0.0
        for i in range(size):
            power += cov[f, i, i].real
        re, im = np.empty((size, size)), np.empty((size, size))
        part = loading
        while not factorise(cov[f], part * power / size, re, im):
            if not part < most:
                part = np.nan
                break
            part = min(max(part * step, EPS), most)  # also from 0 or below
        used[f] = part
        if part != part:
            continue
        for c in range(n_right):
            for i in range(size):  # L z = right
                total = right[f, i, c]
                for k in range(i):
                    total -= complex(re[i, k], im[i, k]) * out[f, k, c]
                out[f, i, c] = total / re[i, i]
            for i in range(size - 1, -1, -1):  # Lᴴ out = z
                total = out[f, i, c]
                for k in range(i + 1, size):
                    total -= complex(re[k, i], -im[k, i]) * out[f, k, c]
                out[f, i, c] = total / re[i, i]


@njit(cache=True, fastmath={"contract"})
def add_four(g, re, im, mics, at, n, y_re, y_im):
    """y(s) += Σ_k g[k]* x(at[k] + s) of microphone mics[k], k = 0 ... 3, s < n."""
    p0, p1, p2, p3 = g[0].real, g[1].real, g[2].real, g[3].real
    q0, q1, q2, q3 = g[0].imag, g[1].imag, g[2].imag, g[3].imag
    i, j, k, m = uint64(mics[0]), uint64(mics[1]), uint64(mics[2]), uint64(mics[3])
    a, b, c, d = uint64(at[0]), uint64(at[1]), uint64(at[2]), uint64(at[3])
    for s in range(uint64(n)):
        y_re[s] += (
            p0 * re[i, a + s] + q0 * im[i, a + s] + p1 * re[j, b + s] + q1 * im[j, b + s]
            + p2 * re[k, c + s] + q2 * im[k, c + s] + p3 * re[m, d + s] + q3 * im[m, d + s]
        )  # fmt: skip
    for s in range(uint64(n)):
        y_im[s] += (
            p0 * im[i, a + s] - q0 * re[i, a + s] + p1 * im[j, b + s] - q1 * re[j, b + s]
            + p2 * im[k, c + s] - q2 * re[k, c + s] + p3 * im[m, d + s] - q3 * re[m, d + s]
        )  # fmt: skip


@njit(cache=True, parallel=True)
def add_lagged(filters, mics, delays, spec, past, out):
    """out[f, o, t] += Σ_k filters[f, o, k]* x(t - delays[k]) of microphone mics[k].

    `filters` is complex64, and its number of k a multiple of four; `past`, as long as the longest
    delay, precedes `spec`.
    """
    n_freqs, n_mics, n_frames = spec.shape
    n_past, n_out = past.shape[2], out.shape[1]
    for f in prange(n_freqs):
        re = np.empty((n_mics, n_past + n_frames), np.float32)
        im = np.empty((n_mics, n_past + n_frames), np.float32)
        split(past[f], 0, re, im)
        split(spec[f], n_past, re, im)
        y_re, y_im = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
        for chunk in range(0, n_frames, CHUNK):
            n = min(CHUNK, n_frames - chunk)
            at = n_past + chunk - delays
            for o in range(n_out):
                y_re[:n] = 0
                y_im[:n] = 0
                for k in range(0, len(delays), 4):
                    stop = k + 4
                    add_four(filters[f, o, k:stop], re, im, mics[k:stop], at[k:stop], n, y_re, y_im)
                for t in range(n):
                    out[f, o, chunk + t] += complex(y_re[t], y_im[t])
