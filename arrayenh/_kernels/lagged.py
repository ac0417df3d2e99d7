"""Loops of arrayenh.statistics.lagged.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange, uint64

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN
EPS = 2.0**-52
CHUNK = 512  # frames per block, so that its data stay in the cache

# Loops take their start as an unsigned number instead of a slice, so that numba neither counts
# references nor checks for negative indices.


@njit(cache=True)
def split(spec, first, re, im):
    """Split into real and imaginary parts, (M, T), from `first` on."""
    n_mics, n_frames = spec.shape
    for m in range(n_mics):
        for t in range(n_frames):
            re[m, first + t] = spec[m, t].real
            im[m, first + t] = spec[m, t].imag


@njit(cache=True)
def weigh(weight, re, im, mic, start, n, row, rows):
    """rows[row], rows[row + 1] = weight · real and imaginary part of x_mic(start + s), s < n."""
    m, a = uint64(mic), uint64(start)
    for s in range(uint64(n)):
        rows[row, s] = weight[s] * re[m, a + s]
        rows[row + 1, s] = weight[s] * im[m, a + s]


@njit(cache=True, fastmath=SUM)
def add_two_by_two(rows, re, im, mics, starts, n, out):
    """out[r, c] += Σ_s row_r(s) x_c*(starts[c] + s), two rows by two columns.

    Four numbers are read for each four products, so that the arithmetic takes the time, not the
    reading.
    """
    j, k, b, c = uint64(mics[0]), uint64(mics[1]), uint64(starts[0]), uint64(starts[1])
    re_00 = re_01 = re_10 = re_11 = im_00 = im_01 = im_10 = im_11 = 0.0
    for s in range(uint64(n)):
        u, v, x, y = re[j, b + s], im[j, b + s], re[k, c + s], im[k, c + s]
        p, q = rows[0, s], rows[1, s]
        re_00 += p * u + q * v
        im_00 += q * u - p * v
        re_01 += p * x + q * y
        im_01 += q * x - p * y
        p, q = rows[2, s], rows[3, s]
        re_10 += p * u + q * v
        im_10 += q * u - p * v
        re_11 += p * x + q * y
        im_11 += q * x - p * y
    out[0, 0] += complex(re_00, im_00)
    out[0, 1] += complex(re_01, im_01)
    out[1, 0] += complex(re_10, im_10)
    out[1, 1] += complex(re_11, im_11)


@njit(cache=True, parallel=True)
def lagged_sums(spec, weight, mics, delays, out):
    """out[f, a, b] = Σ_t weight[f, t] x_a(t) x_b*(t), x_a(t) = x(t - delays[a]) of mics[a].

    `mics` and `delays` have an even length, one more than `out` if its size is odd. Samples are
    widened once per bin, and everything is summed in double: the matrices are so badly
    conditioned (2e7) that sums in single precision would decide the filters.
    """
    n_freqs, n_mics, n_frames = spec.shape
    size, n_rows, longest = out.shape[1], len(mics), delays[-1]
    for f in prange(n_freqs):
        re, im = np.zeros((n_mics, longest + n_frames)), np.zeros((n_mics, longest + n_frames))
        split(spec[f], longest, re, im)
        w = weight[f].astype(np.float64)
        rows = np.empty((4, CHUNK))
        sums = np.zeros((n_rows, n_rows), np.complex128)
        for chunk in range(0, n_frames, CHUNK):
            n = min(CHUNK, n_frames - chunk)
            starts = longest + chunk - delays
            for a in range(0, n_rows, 2):
                for k in range(2):
                    weigh(w[chunk:], re, im, mics[a + k], starts[a + k], n, 2 * k, rows)
                for b in range(0, a + 2, 2):
                    add_two_by_two(rows, re, im, mics[b:], starts[b:], n, sums[a:, b:])
        for a in range(size):
            for b in range(a):
                out[f, a, b] = sums[a, b]
                out[f, b, a] = sums[a, b].conjugate()
            out[f, a, a] = sums[a, a].real  # contraction leaves an imaginary rest


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
def add_four(g, re, im, mics, at, n, y):
    """y(s) += Σ_k g[k]* x(at[k] + s) of microphone mics[k], k = 0 ... 3, s < n.

    The real parts of y are followed, CHUNK later, by the imaginary parts: in one array, so that
    the compiler can rule out overlap with the input and vectorise.
    """
    p0, p1, p2, p3 = g[0].real, g[1].real, g[2].real, g[3].real
    q0, q1, q2, q3 = g[0].imag, g[1].imag, g[2].imag, g[3].imag
    i, j, k, m = uint64(mics[0]), uint64(mics[1]), uint64(mics[2]), uint64(mics[3])
    a, b, c, d = uint64(at[0]), uint64(at[1]), uint64(at[2]), uint64(at[3])
    for s in range(uint64(n)):
        r0, r1, r2, r3 = re[i, a + s], re[j, b + s], re[k, c + s], re[m, d + s]
        i0, i1, i2, i3 = im[i, a + s], im[j, b + s], im[k, c + s], im[m, d + s]
        y[s] += p0 * r0 + q0 * i0 + p1 * r1 + q1 * i1 + p2 * r2 + q2 * i2 + p3 * r3 + q3 * i3
        y[s + uint64(CHUNK)] += (
            p0 * i0 - q0 * r0 + p1 * i1 - q1 * r1 + p2 * i2 - q2 * r2 + p3 * i3 - q3 * r3
        )


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
        y = np.empty(2 * CHUNK, np.float32)
        for chunk in range(0, n_frames, CHUNK):
            n = min(CHUNK, n_frames - chunk)
            at = n_past + chunk - delays
            for o in range(n_out):
                y[:] = 0
                for k in range(0, len(delays), 4):
                    stop = k + 4
                    add_four(filters[f, o, k:stop], re, im, mics[k:stop], at[k:stop], n, y)
                for t in range(n):
                    out[f, o, chunk + t] += complex(y[t], y[t + CHUNK])
