"""Loops of arrayenh.masks.cacgmm.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange, uint64

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN
TINY = 1e-30
BLOCK = 512  # frames summed in the precision of the spectrum


@njit(cache=True)  # no contraction, so that a phase of 90 degrees leaves the result identical
def outer_products(spec, re, im, rows, heard):
    """rows[(i, j)] = real (j <= i) or imaginary (j > i) part of z zᴴ, z = x / |x|; (M², T).

    heard[t] is |z|²: 1, or 0 if all microphones are silent.
    """
    n_mics, n_frames = spec.shape
    heard[:] = 0
    one, zero = heard.dtype.type(1), heard.dtype.type(0)
    for m in range(uint64(n_mics)):
        for t in range(uint64(n_frames)):
            re[m, t] = spec[m, t].real
            im[m, t] = spec[m, t].imag
        for t in range(uint64(n_frames)):
            heard[t] += re[m, t] * re[m, t] + im[m, t] * im[m, t]
    for t in range(uint64(n_frames)):
        heard[t] = one / np.sqrt(heard[t]) if heard[t] > TINY else zero
    for m in range(uint64(n_mics)):
        for t in range(uint64(n_frames)):
            re[m, t] *= heard[t]
            im[m, t] *= heard[t]
    for i in range(uint64(n_mics)):
        for j in range(i + 1):
            for t in range(uint64(n_frames)):
                rows[i * n_mics + j, t] = re[i, t] * re[j, t] + im[i, t] * im[j, t]
        for j in range(i):
            for t in range(uint64(n_frames)):
                rows[j * n_mics + i, t] = im[i, t] * re[j, t] - re[i, t] * im[j, t]
    for t in range(uint64(n_frames)):
        heard[t] = one if heard[t] > 0 else zero


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
    for i in range(n):  # L⁻ᴴ L⁻¹ in place, lower triangle from the top: reads precede writes
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
def four_sums(weight, rows, q, start, stop, sums):
    """sums[q ... q + 3] += Σ weight · row from `start` to `stop`, in the precision of the rows."""
    row = uint64(q)
    a = b = c = d = weight.dtype.type(0)
    for t in range(uint64(start), uint64(stop)):
        w = weight[t]
        a += w * rows[row, t]
        b += w * rows[row + uint64(1), t]
        c += w * rows[row + uint64(2), t]
        d += w * rows[row + uint64(3), t]
    sums[q] += a
    sums[q + 1] += b
    sums[q + 2] += c
    sums[q + 3] += d


@njit(cache=True, fastmath=SUM)
def add_four(factors, rows, q, out):
    """out += Σ factors · row of the rows q ... q + 3."""
    row = uint64(q)
    a, b, c, d = factors[q], factors[q + 1], factors[q + 2], factors[q + 3]
    for t in range(uint64(len(out))):
        out[t] += (
            a * rows[row, t] + b * rows[row + uint64(1), t]
            + c * rows[row + uint64(2), t] + d * rows[row + uint64(3), t]
        )  # fmt: skip


@njit(cache=True)
def quadratic(inverse, rows, factors, out):
    """out[t] = zᴴ B⁻¹ z for every frame; the rows come in fours, the last of them zero."""
    n = len(inverse)
    factors[:] = 0
    for i in range(n):
        factors[i * n + i] = inverse[i, i].real
        for j in range(i):  # the two entries of a pair are conjugates: 2 Re(B_ij* (z zᴴ)_ij)
            factors[i * n + j] = 2 * inverse[i, j].real
            factors[j * n + i] = 2 * inverse[i, j].imag
    out[:] = 0
    for q in range(0, len(factors), 4):
        add_four(factors, rows, q, out)


@njit(cache=True)
def estimate_shape(weight, rows, sums, shape):
    """B = Σ weight z zᴴ, up to its scale; summed in blocks, and those in double."""
    n, n_frames = len(shape), len(weight)
    sums[:] = 0
    for start in range(0, n_frames, BLOCK):
        stop = min(start + BLOCK, n_frames)
        for q in range(0, len(sums), 4):
            four_sums(weight, rows, q, start, stop, sums)
    for i in range(n):
        shape[i, i] = sums[i * n + i]
        for j in range(i):
            shape[i, j] = complex(sums[i * n + j], sums[j * n + i])
            shape[j, i] = shape[i, j].conjugate()


@njit(cache=True, fastmath={"contract", "nsz"})
def likelihoods(quadratics, scale, prior, least, total, out):
    """out[k] = prior[k] (least / scale[k] q_k)ᴹ, their sum `total`, and `least` = min scale q.

    The ratio is at most 1, and 1 for the class that fits best. `scale` holds the M-th roots of
    the determinants, and in its last element the number of microphones.
    """
    n_classes, n_frames = quadratics.shape
    n_mics = int(scale[n_classes])
    least[:] = np.inf
    total[:] = 0
    for k in range(uint64(n_classes)):
        factor = least.dtype.type(scale[k])
        for t in range(uint64(n_frames)):
            least[t] = min(least[t], factor * quadratics[k, t])
    for k in range(uint64(n_classes)):
        factor = least.dtype.type(scale[k])
        for t in range(uint64(n_frames)):
            ratio = least[t] / (factor * quadratics[k, t])
            gamma = prior[k, t]
            for _ in range(n_mics):
                gamma *= ratio
            out[k, t] = gamma
        for t in range(uint64(n_frames)):
            total[t] += out[k, t]


@njit(cache=True, fastmath={"contract", "nsz"})
def posteriors(prior, heard, total, out):
    """Normalise out[k] by their sum; prior[k] in silent frames and those that fit no class."""
    n_classes, n_frames = out.shape
    for k in range(uint64(n_classes)):
        for t in range(uint64(n_frames)):
            good = total[t] > TINY and heard[t] > 0
            out[k, t] = out[k, t] / total[t] if good else prior[k, t]


@njit(cache=True)
def log_likelihood(least, total, heard, n_mics):
    """Σ_t log(total · least⁻ᴹ) over the frames that hold sound; one logarithm for four frames."""
    found = 0.0
    sums, leasts, n = 1.0, 1.0, 0
    for t in range(len(total)):
        if heard[t] > 0:
            sums *= max(np.float64(total[t]), TINY)
            leasts *= np.float64(least[t])
            n += 1
            if n == 4:  # 1e-120 at the least
                found += math.log(sums) - n_mics * math.log(leasts)
                sums, leasts, n = 1.0, 1.0, 0
    return found + math.log(sums) - n_mics * math.log(leasts)


@njit(cache=True, parallel=True)
def expectation_maximisation(spec, load, fixed, prior, n_iterations, gamma, quadratics, at):
    """Run `n_iterations` of EM in each bin, updating gamma and the quadratic forms, (F, K, T).

    Single or double precision, that of gamma.

    With `fixed` the priors are prior[k, t], common to all bins; otherwise each bin has its own
    constant priors. at[f] is set to the log likelihood.
    """
    n_freqs, n_mics, n_frames = spec.shape
    n_classes = gamma.shape[1]
    n_rows = (n_mics * n_mics + 3) // 4 * 4
    real = gamma.dtype
    for f in prange(n_freqs):
        rows = np.zeros((n_rows, n_frames), real)
        re, im = np.empty((n_mics, n_frames), real), np.empty((n_mics, n_frames), real)
        heard, weight = np.empty(n_frames, real), np.empty(n_frames, real)
        outer_products(spec[f], re, im, rows, heard)
        least, total = np.empty(n_frames, real), np.empty(n_frames, real)
        own = np.empty((n_classes, n_frames), real)
        sums, factors = np.empty(n_rows), np.empty(n_rows, real)
        shape = np.empty((n_mics, n_mics), np.complex128)
        lower, inverse = np.empty_like(shape), np.zeros_like(shape)
        scale = np.empty(n_classes + 1)
        scale[n_classes] = n_mics
        for _ in range(n_iterations):
            for k in range(n_classes):
                q = quadratics[f, k]
                mass = weigh(gamma[f, k], heard, q, weight)
                if fixed:
                    own[k] = prior[k]
                else:
                    own[k] = max(mass / n_frames, TINY)
                estimate_shape(weight, rows, sums, shape)
                normalise(shape)
                log_det = invert(shape, load, lower, inverse)
                scale[k] = math.exp(
                    log_det / n_mics
                )  # with many microphones det(B) itself would underflow
                quadratic(inverse, rows, factors, q)
                bound(heard, q)
            likelihoods(quadratics[f], scale, own, least, total, gamma[f])
            posteriors(own, heard, total, gamma[f])
        at[f] = log_likelihood(least, total, heard, n_mics)


@njit(cache=True, fastmath=SUM)
def weigh(gamma, heard, q, weight):
    """weight = γ / q in frames with sound; returns Σ γ."""
    mass = weight.dtype.type(0)
    for t in range(uint64(len(gamma))):
        mass += gamma[t]
    for t in range(uint64(len(gamma))):
        weight[t] = gamma[t] * heard[t] / q[t]
    return np.float64(mass)


@njit(cache=True)
def bound(heard, q):
    """Make a quadratic form positive, and 1 in silence."""
    for t in range(uint64(len(q))):
        q[t] = max(q[t], q.dtype.type(TINY)) if heard[t] > 0 else q.dtype.type(1)


@njit(cache=True)
def normalise(shape):
    """Scale the trace of B to M, as its scale is arbitrary; B = I for a class without frames."""
    n, power = len(shape), 0.0
    for i in range(n):
        power += shape[i, i].real
    power = power / n if power > 0 else 1.0
    for i in range(n):
        for j in range(n):
            shape[i, j] /= power
        if not shape[i, i].real > 0:
            shape[i, i] = 1.0
