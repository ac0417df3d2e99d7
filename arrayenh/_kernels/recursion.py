"""Loops of arrayenh.beamformers.mvdr and gsc, frame by frame.  Nothing is checked here.

Bins are processed in blocks of LANES, (M, M, LANES), so that every step is vectorised over bins.
All frames of a block are processed in turn while its state is in the cache.
"""

import numpy as np

from arrayenh._kernels.compiler import njit, prange, uint64

LANES = 64  # bins of a block
UNHEARD = (
    1e-6  # power relative to the loading, below which statistics are lost in the rounding of Φ⁻¹
)


@njit(cache=True)
def load_frame(spec, first, t, n, re, im):
    """Load the bins from `first` on of frame t, (M, LANES), zero-padded."""
    for m in range(spec.shape[1]):
        for k in range(n):
            re[m, k] = spec[first + k, m, t].real
            im[m, k] = spec[first + k, m, t].imag


@njit(cache=True, fastmath={"contract"})
def times(a_re, a_im, x_re, x_im, out_re, out_im):
    """out = A x for each lane."""
    n_mics = len(x_re)
    for i in range(uint64(len(a_re))):
        out_re[i, :] = 0
        out_im[i, :] = 0
        for j in range(uint64(n_mics)):
            for k in range(uint64(LANES)):
                out_re[i, k] += a_re[i, j, k] * x_re[j, k] - a_im[i, j, k] * x_im[j, k]
            for k in range(uint64(LANES)):
                out_im[i, k] += a_re[i, j, k] * x_im[j, k] + a_im[i, j, k] * x_re[j, k]


@njit(cache=True, fastmath={"contract"})
def inner(x_re, x_im, y_re, y_im, out_re, out_im):
    """out = xᴴ y for each lane."""
    out_re[:] = 0
    out_im[:] = 0
    for i in range(uint64(len(x_re))):
        for k in range(uint64(LANES)):
            out_re[k] += x_re[i, k] * y_re[i, k] + x_im[i, k] * y_im[i, k]
        for k in range(uint64(LANES)):
            out_im[k] += x_re[i, k] * y_im[i, k] - x_im[i, k] * y_re[i, k]


@njit(cache=True, fastmath={"contract"})
def add_outer(a_re, a_im, keep, factor, x_re, x_im):
    """A <- keep A + factor x xᴴ for each lane, exactly Hermitian."""
    for i in range(uint64(len(x_re))):
        for j in range(i):
            for k in range(uint64(LANES)):
                a_re[i, j, k] = keep[k] * a_re[i, j, k] + factor[k] * (
                    x_re[i, k] * x_re[j, k] + x_im[i, k] * x_im[j, k]
                )
                a_re[j, i, k] = a_re[i, j, k]
            for k in range(uint64(LANES)):
                a_im[i, j, k] = keep[k] * a_im[i, j, k] + factor[k] * (
                    x_im[i, k] * x_re[j, k] - x_re[i, k] * x_im[j, k]
                )
                a_im[j, i, k] = -a_im[i, j, k]
        for k in range(uint64(LANES)):
            a_re[i, i, k] = keep[k] * a_re[i, i, k] + factor[k] * (
                x_re[i, k] * x_re[i, k] + x_im[i, k] * x_im[i, k]
            )


@njit(cache=True)
def take(state, first, n, block):
    """Copy a block of bins from a state (..., F)."""
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            for k in range(n):
                block[i, j, k] = state[i, j, first + k]


@njit(cache=True)
def give(block, first, n, state):
    """Copy a block of bins back to a state."""
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            for k in range(n):
                state[i, j, first + k] = block[i, j, k]


@njit(cache=True)
def begin(power, weight, load, trace, p_re, p_im):
    """Initialise lanes at their first sound with Φ = load · power / M · I.

    Lanes are also reinitialised if the new loading is far above all earlier statistics, which
    double precision would lose beside it in the inverse.
    """
    n_mics = len(p_re)
    for k in range(LANES):
        first = trace[k] == 0 and power[k] > 0
        if first or trace[k] < UNHEARD * load * weight[k] * power[k]:
            trace[k] = load * power[k]
            for i in range(n_mics):
                for j in range(n_mics):
                    p_re[i, j, k] = 0
                    p_im[i, j, k] = 0
                p_re[i, i, k] = n_mics / trace[k]


@njit(cache=True)
def learn_noise(x_re, x_im, weight, forget, load, turn, trace, total, p_re, p_im, u_re, u_im, lane):
    """P = Φ⁻¹ after Φ <- (1 - forget·γ) Φ + γ x xᴴ, and a share of the loading.

    Both are rank-one updates (Sherman & Morrison 1950). Each frame loads one microphone in turn,
    so that over the memory each microphone is loaded by `load` tr Φ / M.
    """
    power, heard, keep, factor = lane[0], lane[1], lane[2], lane[3]
    inner(x_re, x_im, x_re, x_im, power, keep)
    begin(power, weight, load, trace, p_re, p_im)
    times(p_re, p_im, x_re, x_im, u_re, u_im)
    inner(x_re, x_im, u_re, u_im, heard, keep)
    for k in range(LANES):
        gamma = weight[k] if power[k] > 0 else 0.0  # skip silent frames
        fade = 1 - forget * gamma
        keep[k] = 1 / fade
        factor[k] = -gamma / (fade * (fade + gamma * heard[k]))
        trace[k] = fade * trace[k] + gamma * power[k]
        total[k] = fade * total[k] + gamma
    add_outer(p_re, p_im, keep, factor, u_re, u_im)
    if forget > 0:
        for k in range(LANES):
            added = forget * weight[k] * load * trace[k] if power[k] > 0 else 0.0
            factor[k] = -added / (1 + added * p_re[turn, turn, k])
            keep[k] = 1
        u_re[:] = p_re[:, turn]
        u_im[:] = p_im[:, turn]
        add_outer(p_re, p_im, keep, factor, u_re, u_im)


@njit(cache=True)
def learn_power(x_re, x_im, weight, forget, power):
    """Power of one microphone, with the memory of the noise."""
    for k in range(LANES):
        heard = x_re[k] ** 2 + x_im[k] ** 2
        gamma = weight[k] if heard > 0 else 0.0
        power[k] = (1 - forget * gamma) * power[k] + gamma * heard


@njit(cache=True)
def learn_speech(x_re, x_im, weight, forget, total, s_re, s_im, lane):
    """Φₛ <- (1 - forget·γ) Φₛ + γ x xᴴ."""
    power, keep = lane[0], lane[1]
    inner(x_re, x_im, x_re, x_im, power, keep)
    for k in range(LANES):
        gamma = weight[k] if power[k] > 0 else 0.0  # skip silent frames
        keep[k] = 1 - forget * gamma
        total[k] = keep[k] * total[k] + gamma
    add_outer(s_re, s_im, keep, weight, x_re, x_im)


@njit(cache=True)
def steer(p_re, p_im, a_re, a_im, reference, w_re, w_im, lane):
    """w = P a / aᴴ P a; the reference microphone before the first sound."""
    gain = lane[0]
    times(p_re, p_im, a_re, a_im, w_re, w_im)
    inner(a_re, a_im, w_re, w_im, gain, lane[1])
    divide_or_pass(gain, reference, w_re, w_im)


@njit(cache=True)
def wiener(p_re, p_im, s_re, s_im, totals, mu, reference, w_re, w_im, below):
    """w = Φₙ⁻¹ Φₛ e / (μ + tr Φₙ⁻¹ Φₛ), Φ normalised; the reference before the first speech."""
    times(p_re, p_im, s_re[:, reference], s_im[:, reference], w_re, w_im)
    below[:] = 0
    for i in range(uint64(len(w_re))):
        for j in range(uint64(len(w_re))):
            for k in range(uint64(LANES)):  # tr P S = Σ P_ij S_ji, both Hermitian
                below[k] += p_re[i, j, k] * s_re[i, j, k] + p_im[i, j, k] * s_im[i, j, k]
    for k in range(LANES):  # P belongs to a sum of noise weights, S to one of speech weights
        if totals[0, k] > 0 and below[k] > 0:
            below[k] += mu * totals[1, k] / totals[0, k]
        else:
            below[k] = 0
    divide_or_pass(below, reference, w_re, w_im)


@njit(cache=True)
def divide_or_pass(below, reference, w_re, w_im):
    """w / below if that is positive, else the reference microphone."""
    for k in range(LANES):
        good = below[k] > 0 and np.isfinite(below[k])
        for m in range(len(w_re)):
            w_re[m, k] = w_re[m, k] / below[k] if good else (1.0 if m == reference else 0.0)
            w_im[m, k] = w_im[m, k] / below[k] if good else 0.0


@njit(cache=True)
def levels(s_re, s_im, total, below, reference, w_re, w_im, u_re, u_im, level, lane):
    """Power of the speech at the reference and at the output, and of all that Φₛ holds there.

    Φₛ holds the noise of the frames that it was learnt in; Φₙ, the mean noise, is subtracted.
    """
    times(s_re, s_im, w_re, w_im, u_re, u_im)
    inner(w_re, w_im, u_re, u_im, level[1], lane)
    # with w = Φₙ⁻¹ s / below, wᴴ Φₙ w = wᴴ s / below
    inner(w_re, w_im, s_re[:, reference], s_im[:, reference], level[0], lane)
    for k in range(LANES):
        heard = total[1, k] > 0 and total[0, k] > 0
        passed = not (below[k] > 0 and np.isfinite(below[k]))
        noise = total[3, k] if passed else level[0, k] / below[k]
        total[4, k] = noise
        level[2, k] = s_re[reference, reference, k] / total[1, k] if heard else 0.0
        level[1, k] = level[1, k] / total[1, k] - noise / total[0, k] if heard else 0.0
        level[0, k] = level[2, k] - total[3, k] / total[0, k] if heard else 0.0


@njit(cache=True, parallel=True)
def recursive_beamformer(
    spec, speech, noise, forget, load, blind, mu, reference, turn, a_re, a_im, p_re, p_im, s_re,
    s_im, totals, w_re, w_im, out, level,
):  # fmt: skip
    """For each frame: update the statistics, compute weights, filter.  See RecursiveMvdr.

    State: P and Φₛ (M, M, F), totals (5, F) (sums of noise and speech weights, tr Φₙ, Φₙ at the
    reference, wᴴ Φₙ w), weights (M, F). `levels` are written to level (3, F, t).
    """
    n_freqs, n_mics, n_frames = spec.shape
    for b in prange((n_freqs + LANES - 1) // LANES):
        first = b * LANES
        n = min(LANES, n_freqs - first)
        line = (n_mics, LANES)
        pb_re, pb_im, sb_re, sb_im = blocks(p_re, p_im, s_re, s_im, first, n)
        x_re, x_im, u_re, u_im = np.zeros(line), np.zeros(line), np.zeros(line), np.zeros(line)
        ab_re, ab_im, wb_re, wb_im = np.zeros(line), np.zeros(line), np.zeros(line), np.zeros(line)
        lane, total, y = np.zeros((4, LANES)), np.zeros((5, LANES)), np.zeros((2, LANES))
        below, heard = np.zeros(LANES), np.zeros((3, LANES))
        gamma, sigma = np.zeros(LANES), np.zeros(LANES)
        total[:, :n] = totals[:, first : first + n]
        ab_re[:, :n] = a_re[:, first : first + n]
        ab_im[:, :n] = a_im[:, first : first + n]
        for t in range(n_frames):
            load_frame(spec, first, t, n, x_re, x_im)
            for k in range(n):
                gamma[k], sigma[k] = noise[first + k, t], speech[first + k, t]
            learn_noise(
                x_re, x_im, gamma, forget, load, (turn + t) % n_mics, total[2], total[0], pb_re,
                pb_im, u_re, u_im, lane,
            )  # fmt: skip
            learn_power(x_re[reference], x_im[reference], gamma, forget, total[3])
            if blind:
                learn_speech(x_re, x_im, sigma, forget, total[1], sb_re, sb_im, lane)
                wiener(pb_re, pb_im, sb_re, sb_im, total, mu, reference, wb_re, wb_im, below)
                levels(
                    sb_re, sb_im, total, below, reference, wb_re, wb_im, u_re, u_im, heard, lane[0]
                )
                for k in range(n):
                    for i in range(3):
                        level[i, first + k, t] = heard[i, k]
            else:
                steer(pb_re, pb_im, ab_re, ab_im, reference, wb_re, wb_im, lane)
                for k in range(n):
                    total[4, k] = 1 / lane[0, k] if lane[0, k] > 0 else total[3, k]
            inner(wb_re, wb_im, x_re, x_im, y[0], y[1])
            for k in range(n):
                out[first + k, t] = complex(y[0, k], y[1, k])
        give(pb_re, first, n, p_re)
        give(pb_im, first, n, p_im)
        give(sb_re, first, n, s_re)
        give(sb_im, first, n, s_im)
        totals[:, first : first + n] = total[:, :n]
        w_re[:, first : first + n] = wb_re[:, :n]
        w_im[:, first : first + n] = wb_im[:, :n]


@njit(cache=True, parallel=True)
def blind(p_re, p_im, s_re, s_im, totals, mu, reference, w_re, w_im, passed):
    """Weights of `wiener` (M, F), and wᴴ Φₙ w = wᴴ s / below where there are any, into passed."""
    n_mics, n_freqs = w_re.shape
    for b in prange((n_freqs + LANES - 1) // LANES):
        first = b * LANES
        n = min(LANES, n_freqs - first)
        pb_re, pb_im, sb_re, sb_im = blocks(p_re, p_im, s_re, s_im, first, n)
        wb_re, wb_im = np.zeros((n_mics, LANES)), np.zeros((n_mics, LANES))
        total, below, lane = np.zeros((2, LANES)), np.zeros(LANES), np.zeros((2, LANES))
        total[:, :n] = totals[:2, first : first + n]
        wiener(pb_re, pb_im, sb_re, sb_im, total, mu, reference, wb_re, wb_im, below)
        inner(wb_re, wb_im, sb_re[:, reference], sb_im[:, reference], lane[0], lane[1])
        for k in range(n):
            if below[k] > 0 and np.isfinite(below[k]):
                passed[first + k] = lane[0, k] / below[k]
        w_re[:, first : first + n] = wb_re[:, :n]
        w_im[:, first : first + n] = wb_im[:, :n]


@njit(cache=True, parallel=True)
def look(spec, p_re, p_im, w_re, w_im, passed, out, noise):
    """Filter frames with the weights as they are, and estimate the noise left in the output.

    n² = ((wᴴ Φₙ w) (xᴴ Φₙ⁻¹ x) - |wᴴ x|²) / (M - 1), with wᴴ Φₙ w in `passed` (F,).
    """
    n_freqs, n_mics, n_frames = spec.shape
    for b in prange((n_freqs + LANES - 1) // LANES):
        first = b * LANES
        n = min(LANES, n_freqs - first)
        square, line = (n_mics, n_mics, LANES), (n_mics, LANES)
        pb_re, pb_im = np.zeros(square), np.zeros(square)
        take(p_re, first, n, pb_re)
        take(p_im, first, n, pb_im)
        x_re, x_im, u_re, u_im = np.zeros(line), np.zeros(line), np.zeros(line), np.zeros(line)
        wb_re, wb_im = np.zeros(line), np.zeros(line)
        wb_re[:, :n] = w_re[:, first : first + n]
        wb_im[:, :n] = w_im[:, first : first + n]
        y, total = np.zeros((2, LANES)), np.zeros((2, LANES))
        for t in range(n_frames):
            load_frame(spec, first, t, n, x_re, x_im)
            inner(wb_re, wb_im, x_re, x_im, y[0], y[1])
            times(pb_re, pb_im, x_re, x_im, u_re, u_im)
            inner(x_re, x_im, u_re, u_im, total[0], total[1])
            for k in range(n):
                out[first + k, t] = complex(y[0, k], y[1, k])
                left = passed[first + k] * total[0, k] - y[0, k] ** 2 - y[1, k] ** 2
                noise[first + k, t] = np.sqrt(max(left, 0.0) / (n_mics - 1)) if n_mics > 1 else 0.0


@njit(cache=True)
def blocks(p_re, p_im, s_re, s_im, first, n):
    """Blocks of bins of four states."""
    square = (p_re.shape[0], p_re.shape[1], LANES)
    a, b, c, d = np.zeros(square), np.zeros(square), np.zeros(square), np.zeros(square)
    take(p_re, first, n, a)
    take(p_im, first, n, b)
    take(s_re, first, n, c)
    take(s_im, first, n, d)
    return a, b, c, d


@njit(cache=True)
def cancel(d_re, d_im, x_re, x_im, g_re, g_im, e_re, e_im):
    """e = d - gᴴ x."""
    inner(g_re, g_im, x_re, x_im, e_re, e_im)
    for k in range(LANES):
        e_re[k] = d_re[k] - e_re[k]
        e_im[k] = d_im[k] - e_im[k]


@njit(cache=True)
def bound(most, g_re, g_im):
    """Scale g down if |g|² exceeds `most`."""
    for k in range(LANES):
        norm = 0.0
        for m in range(len(g_re)):
            norm += g_re[m, k] * g_re[m, k] + g_im[m, k] * g_im[m, k]
        if norm > most[k]:
            scale = np.sqrt(most[k] / norm)
            for m in range(len(g_re)):
                g_re[m, k] *= scale
                g_im[m, k] *= scale


@njit(cache=True, parallel=True)
def recursive_canceller(
    spec, noise, forget, load, turn, q_re, q_im, b_re, b_im, most, p_re, p_im, g_re, g_im, totals,
    out,
):  # fmt: skip
    """Generalised sidelobe canceller with a recursive least-squares noise filter.

    q (M, F) is the fixed beamformer, b (M - 1, M, F) the adjoint blocking matrix; state: P of
    the blocked microphones (M - 1, M - 1, F), g (M - 1, F), totals (2, F) as above.
    """
    n_freqs, n_mics, n_frames = spec.shape
    n_blocked = n_mics - 1
    for b in prange((n_freqs + LANES - 1) // LANES):
        first = b * LANES
        n = min(LANES, n_freqs - first)
        line, short = (n_mics, LANES), (n_blocked, LANES)
        pb_re, pb_im, _, _ = blocks(p_re, p_im, p_re, p_im, first, n)
        bb_re = np.zeros((n_blocked, n_mics, LANES))
        bb_im = np.zeros((n_blocked, n_mics, LANES))
        take(b_re, first, n, bb_re)
        take(b_im, first, n, bb_im)
        x_re, x_im, qb_re, qb_im = np.zeros(line), np.zeros(line), np.zeros(line), np.zeros(line)
        z_re, z_im, u_re, u_im = np.zeros(short), np.zeros(short), np.zeros(short), np.zeros(short)
        gb_re, gb_im = np.zeros(short), np.zeros(short)
        lane, total, y = np.zeros((4, LANES)), np.zeros((2, LANES)), np.zeros((4, LANES))
        gamma, most_here = np.zeros(LANES), np.zeros(LANES)
        total[:, :n] = totals[:, first : first + n]
        qb_re[:, :n] = q_re[:, first : first + n]
        qb_im[:, :n] = q_im[:, first : first + n]
        gb_re[:, :n] = g_re[:, first : first + n]
        gb_im[:, :n] = g_im[:, first : first + n]
        most_here[:n] = most[first : first + n]
        for t in range(n_frames):
            load_frame(spec, first, t, n, x_re, x_im)
            for k in range(n):
                gamma[k] = noise[first + k, t]
            times(bb_re, bb_im, x_re, x_im, z_re, z_im)
            inner(qb_re, qb_im, x_re, x_im, y[0], y[1])
            learn_noise(
                z_re, z_im, gamma, forget, load, (turn + t) % n_blocked, total[1], total[0], pb_re,
                pb_im, u_re, u_im, lane,
            )  # fmt: skip
            times(pb_re, pb_im, z_re, z_im, u_re, u_im)  # with the new P this is the gain
            cancel(y[0], y[1], z_re, z_im, gb_re, gb_im, y[2], y[3])
            for m in range(n_blocked):
                for k in range(LANES):  # g <- g + γ P z e*
                    gb_re[m, k] += gamma[k] * (u_re[m, k] * y[2, k] + u_im[m, k] * y[3, k])
                    gb_im[m, k] += gamma[k] * (u_im[m, k] * y[2, k] - u_re[m, k] * y[3, k])
            bound(most_here, gb_re, gb_im)
            cancel(y[0], y[1], z_re, z_im, gb_re, gb_im, y[2], y[3])
            for k in range(n):
                out[first + k, t] = complex(y[2, k], y[3, k])
        give(pb_re, first, n, p_re)
        give(pb_im, first, n, p_im)
        totals[:, first : first + n] = total[:, :n]
        g_re[:, first : first + n] = gb_re[:, :n]
        g_im[:, first : first + n] = gb_im[:, :n]
