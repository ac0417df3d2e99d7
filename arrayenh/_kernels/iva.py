"""Loops of arrayenh.separation.iva.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # fast-math flags for vectorised sums; NaN stays NaN


@njit(cache=True)
def split(spec, re, im):
    """Split into real and imaginary parts, (M, T), in double precision."""
    n_mics, n_frames = spec.shape
    for m in range(n_mics):
        for t in range(n_frames):
            re[m, t] = spec[m, t].real
            im[m, t] = spec[m, t].imag


@njit(cache=True, fastmath=SUM)
def dot(a, b):
    """Σ_t a b."""
    total = 0.0
    for t in range(len(a)):
        total += a[t] * b[t]
    return total


@njit(cache=True)
def covariances(spec, weights, loading, out):
    """out[k] = Σ_t weights[k, t] x xᴴ / T, loaded, with x = spec[:, t] of one bin."""
    (n_mics, n_frames), n_sources = spec.shape, len(weights)
    re, im = np.empty(spec.shape), np.empty(spec.shape)
    split(spec, re, im)
    product_re, product_im = np.empty(n_frames), np.empty(n_frames)
    for i in range(n_mics):
        for j in range(i + 1):
            for t in range(n_frames):
                product_re[t] = re[i, t] * re[j, t] + im[i, t] * im[j, t]
                product_im[t] = im[i, t] * re[j, t] - re[i, t] * im[j, t]
            for k in range(n_sources):
                sum_re = dot(weights[k], product_re) / n_frames
                sum_im = dot(weights[k], product_im) / n_frames if j < i else 0.0
                out[k, i, j] = complex(sum_re, sum_im)
                out[k, j, i] = complex(sum_re, -sum_im)
    for k in range(n_sources):
        power = 0.0
        for i in range(n_mics):
            power += out[k, i, i].real
        for i in range(n_mics):
            out[k, i, i] += loading * power / n_mics


@njit(cache=True)
def solve(matrix, right):
    """Solve for a Hermitian matrix, in place of `right`; False unless positive definite."""
    n = len(right)
    lower = np.empty((n, n), np.complex128)
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k].conjugate()
            if j < i:
                lower[i, j] = total / lower[j, j].real
            elif total.real > 0.0:
                lower[i, i] = math.sqrt(total.real)
            else:  # also for NaN
                return False
    for i in range(n):  # L z = right
        for k in range(i):
            right[i] -= lower[i, k] * right[k]
        right[i] /= lower[i, i].real
    for i in range(n - 1, -1, -1):  # Lᴴ out = z
        for k in range(i + 1, n):
            right[i] -= lower[k, i].conjugate() * right[k]
        right[i] /= lower[i, i].real
    return True


@njit(cache=True)
def mixing_column(demixing, cov, source, out):
    """out = C Wᴴ (W C Wᴴ)⁻¹ e_source of one bin; False where W C Wᴴ is singular."""
    n_sources, n_mics = demixing.shape
    filtered = np.zeros((n_sources, n_mics), np.complex128)  # W C
    for k in range(n_sources):
        for m in range(n_mics):
            for i in range(n_mics):
                filtered[k, m] += demixing[k, i] * cov[i, m]
    gram = np.zeros((n_sources, n_sources), np.complex128)
    for k in range(n_sources):
        for j in range(n_sources):
            for m in range(n_mics):
                gram[k, j] += filtered[k, m] * demixing[j, m].conjugate()
    share = np.zeros(n_sources, np.complex128)
    share[source] = 1.0
    if not solve(gram, share):
        return False
    for m in range(n_mics):
        out[m] = 0.0
        for k in range(n_sources):
            out[m] += filtered[k, m].conjugate() * share[k]
    return True


@njit(cache=True)
def project(weighted, cov, demixing):
    """Update each row of W in turn, to minimise wᴴ V w subject to wᴴ a = 1."""
    n_sources, n_mics = demixing.shape
    column, filtered = np.empty(n_mics, np.complex128), np.empty(n_mics, np.complex128)
    for k in range(n_sources):
        if not mixing_column(demixing, cov, k, column):
            continue
        filtered[:] = column
        if not solve(weighted[k], filtered):
            continue
        power = 0.0
        for m in range(n_mics):
            power += (column[m].conjugate() * filtered[m]).real
        for m in range(n_mics):
            demixing[k, m] = filtered[m].conjugate() / math.sqrt(power)


@njit(cache=True, parallel=True)
def project_bins(spec, weights, cov, loading, demixing):
    """One iteration of iterative projection; `weights`, (K, T), are common to all bins."""
    n_freqs, n_mics, _ = spec.shape
    for f in prange(n_freqs):
        weighted = np.empty((len(weights), n_mics, n_mics), np.complex128)
        covariances(spec[f], weights, loading, weighted)
        project(weighted, cov[f], demixing[f])


@njit(cache=True, parallel=True)
def project_low_rank(spec, bases, activations, floor, cov, loading, demixing):
    """Iterative projection with the weights 1 / Σ_b bases[f, k, b] activations[k, b, t]."""
    n_freqs, n_mics, n_frames = spec.shape
    n_sources = demixing.shape[1]
    for f in prange(n_freqs):
        weights = np.empty((n_sources, n_frames))
        for k in range(n_sources):
            modelled(bases[f, k], activations[k], floor, 0, n_frames, weights[k])
            for t in range(n_frames):
                weights[k, t] = 1.0 / weights[k, t]
        weighted = np.empty((n_sources, n_mics, n_mics), np.complex128)
        covariances(spec[f], weights, loading, weighted)
        project(weighted, cov[f], demixing[f])


@njit(cache=True, fastmath={"contract"})
def power_of(demixing, spec, re, im, out):
    """out[t] = |w x|²  with the row w of one bin; `re` and `im` are scratch."""
    n_mics, n_frames = spec.shape
    for t in range(n_frames):
        re[t] = im[t] = 0.0
    for m in range(n_mics):
        w_re, w_im = demixing[m].real, demixing[m].imag
        for t in range(n_frames):
            x = spec[m, t]
            re[t] += w_re * x.real - w_im * x.imag
            im[t] += w_re * x.imag + w_im * x.real
    for t in range(n_frames):
        out[t] = re[t] * re[t] + im[t] * im[t]


@njit(cache=True, parallel=True)
def frame_powers(spec, demixing, partial):
    """partial[b, k, t] = Σ |y|² over every B-th bin from b on, so that threads do not conflict."""
    n_freqs, _, n_frames = spec.shape
    n_parts, n_sources, _ = partial.shape
    for b in prange(n_parts):
        re, im, power = np.empty(n_frames), np.empty(n_frames), np.empty(n_frames)
        partial[b] = 0.0
        for f in range(b, n_freqs, n_parts):
            for k in range(n_sources):
                power_of(demixing[f, k], spec[f], re, im, power)
                for t in range(n_frames):
                    partial[b, k, t] += power[t]


@njit(cache=True, parallel=True)
def bin_powers(spec, demixing, out):
    """out[f, k, t] = |y|²."""
    n_freqs, _, n_frames = spec.shape
    for f in prange(n_freqs):
        re, im = np.empty(n_frames), np.empty(n_frames)
        for k in range(demixing.shape[1]):
            power_of(demixing[f, k], spec[f], re, im, out[f, k])


@njit(cache=True, fastmath={"contract"})
def modelled(bases, activations, floor, start, stop, out):
    """out[t - start] = Σ_b bases[b] activations[b, t], no less than `floor`; one bin."""
    n = stop - start
    for t in range(n):
        out[t] = 0.0
    for b in range(len(bases)):
        for t in range(n):
            out[t] += bases[b] * activations[b, start + t]
    for t in range(n):
        out[t] = max(out[t], floor)


@njit(cache=True)
def fit(power, model, ratio, inverse):
    """ratio = P / R² and inverse = 1 / R, for both multiplicative updates."""
    for t in range(len(model)):
        inverse[t] = 1.0 / model[t]
        ratio[t] = power[t] * inverse[t] * inverse[t]


@njit(cache=True, parallel=True)
def update_bases(power, activations, floor, bases):
    """bases ← bases sqrt(Σ_t (P / R²) V / Σ_t V / R), with R from before the update."""
    n_freqs, n_sources, n_frames = power.shape
    for f in prange(n_freqs):
        model, ratio, inverse = np.empty(n_frames), np.empty(n_frames), np.empty(n_frames)
        for k in range(n_sources):
            modelled(bases[f, k], activations[k], floor, 0, n_frames, model)
            fit(power[f, k], model, ratio, inverse)
            for b in range(bases.shape[2]):
                above, below = dot(activations[k, b], ratio), dot(activations[k, b], inverse)
                bases[f, k, b] = max(bases[f, k, b] * math.sqrt(above / below), floor)


@njit(cache=True, parallel=True)
def update_activations(power, bases, floor, activations):
    """The update of V, with sums over f; parallel over blocks of frames."""
    n_freqs, n_sources, n_frames = power.shape
    n_bases, block = bases.shape[2], 128
    for part in prange((n_frames + block - 1) // block):
        start, stop = part * block, min((part + 1) * block, n_frames)
        n = stop - start
        model, ratio, inverse = np.empty(n), np.empty(n), np.empty(n)
        for k in range(n_sources):
            above, below = np.zeros((n_bases, n)), np.zeros((n_bases, n))
            for f in range(n_freqs):
                modelled(bases[f, k], activations[k], floor, start, stop, model)
                fit(power[f, k, start:stop], model, ratio, inverse)
                for b in range(n_bases):
                    base = bases[f, k, b]
                    for t in range(n):
                        above[b, t] += base * ratio[t]
                        below[b, t] += base * inverse[t]
            for b in range(n_bases):
                for t in range(n):
                    grown = activations[k, b, start + t] * math.sqrt(above[b, t] / below[b, t])
                    activations[k, b, start + t] = max(grown, floor)


@njit(cache=True)
def add_neighbours(shares, f, near, out):
    """out = Σ of `shares` over bins within `near` of f, and about 2f, 3f, f/2 and f/3."""
    n_freqs = len(shares)
    out[:] = 0.0
    for g in range(max(f - near, 0), min(f + near + 1, n_freqs)):
        if g != f:
            out += shares[g]
    for harmonic in (2, 3):
        for offset in (-1, 0, 1):
            for g in (harmonic * f + offset, int(round(f / harmonic)) + offset):
                if 0 <= g < n_freqs and g != f:
                    out += shares[g]


@njit(cache=True)
def align_to_neighbours(shares, permutations, near, order):
    """Permute the sources of each bin in turn by correlation with its neighbours; count changes."""
    n_freqs, n_sources, n_frames = shares.shape
    around = np.empty((n_sources, n_frames), shares.dtype)
    likeness = np.empty((n_sources, n_sources))
    n_changed = 0
    for f in range(n_freqs):
        add_neighbours(shares, f, near, around)
        for j in range(n_sources):
            for k in range(n_sources):
                likeness[j, k] = dot(shares[f, j], around[k])
        best, most = 0, -np.inf
        for p in range(len(permutations)):
            total = 0.0
            for k in range(n_sources):
                total += likeness[permutations[p, k], k]
            if total > most:
                best, most = p, total
        if best > 0:  # permutation 0 is the identity
            n_changed += 1
            shares[f] = shares[f][permutations[best]]
            order[f] = order[f][permutations[best]]
    return n_changed
