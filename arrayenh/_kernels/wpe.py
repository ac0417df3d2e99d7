"""Loops of arrayenh.dereverberation.wpe.  Called by that module only; nothing is checked."""

import numpy as np

from arrayenh._kernels.compiler import njit, prange

SUM = {"reassoc", "contract", "nsz"}  # lets a sum be vectorised; NaN stays NaN


@njit(cache=True, parallel=True)
def mean_power(spec, power):
    """power[f, t] = mean_m |spec[f, m, t]|²."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        for t in range(n_frames):
            power[f, t] = 0
        for m in range(n_mics):
            for t in range(n_frames):
                x = spec[f, m, t]
                power[f, t] += (x.real * x.real + x.imag * x.imag) / np.float32(n_mics)


@njit(cache=True, parallel=True)
def copy(spec, out):
    """out = spec, on all threads, as copying takes time for a long recording."""
    for f in prange(len(spec)):
        out[f] = spec[f]


@njit(cache=True, fastmath=SUM)
def mean(values):
    """Mean, summed in double."""
    total = 0.0
    for t in range(len(values)):
        total += values[t]
    return total / max(len(values), 1)


@njit(cache=True, parallel=True)
def relative_inverse(power, least, smallest):
    """power[f, t] <- floor / max(power[f, t], floor), floor = least · mean of the bin."""
    n_freqs, n_frames = power.shape
    for f in prange(n_freqs):
        floor = np.float32(max(least * mean(power[f]), smallest))
        for t in range(n_frames):
            power[f, t] = floor / max(power[f, t], floor)


@njit(cache=True, fastmath=SUM)
def times(re, im, x_re, x_im, out_re, out_im):
    """out = (re + j im) x, a matrix times a vector."""
    n = len(x_re)
    for i in range(len(re)):
        a = b = 0.0
        for j in range(n):
            a += re[i, j] * x_re[j] - im[i, j] * x_im[j]
            b += re[i, j] * x_im[j] + im[i, j] * x_re[j]
        out_re[i] = a
        out_im[i] = b


@njit(cache=True)
def downdate(re, im, v_re, v_im, total, keep):
    """re + j im <- (re + j im - v vᴴ / total) / keep; without contraction, so exactly Hermitian."""
    n = len(v_re)
    for i in range(n):
        a, b = v_re[i], v_im[i]
        for j in range(n):
            re[i, j] = (re[i, j] - (a * v_re[j] + b * v_im[j]) / total) / keep
            im[i, j] = (im[i, j] - (b * v_re[j] - a * v_im[j]) / total) / keep


@njit(cache=True)
def restart(re, im):
    """The identity."""
    re[:] = 0
    im[:] = 0
    for i in range(len(re)):
        re[i, i] = 1


@njit(cache=True, parallel=True)
def recursive_wpe(spec, keep, inverse_re, inverse_im, g_re, g_im, x_re, x_im, out):
    """Recursive WPE, frame by frame; see RecursiveWpe.

    State of each bin: R⁻¹ (n, n), Gᴴ (M, n), and the last K + D frames, newest last, (K + D) · M.
    """
    n_freqs, n_mics, n_frames = spec.shape
    size = inverse_re.shape[1]
    n_held = x_re.shape[1]
    for f in prange(n_freqs):
        v_re, v_im = np.empty(size), np.empty(size)
        late_re, late_im = np.empty(n_mics), np.empty(n_mics)
        re, im, held_re, held_im = inverse_re[f], inverse_im[f], x_re[f], x_im[f]
        for t in range(n_frames):
            for k in range(n_held - n_mics):
                held_re[k] = held_re[k + n_mics]
                held_im[k] = held_im[k + n_mics]
            for m in range(n_mics):
                held_re[n_held - n_mics + m] = spec[f, m, t].real
                held_im[n_held - n_mics + m] = spec[f, m, t].imag
            power = 0.0
            for k in range(n_mics, n_held):
                power += held_re[k] * held_re[k] + held_im[k] * held_im[k]
            power /= n_held - n_mics
            past_re, past_im = held_re[:size], held_im[:size]
            times(g_re[f], g_im[f], past_re, past_im, late_re, late_im)
            for m in range(n_mics):
                out[f, m, t] = spec[f, m, t] - complex(late_re[m], late_im[m])
            times(re, im, past_re, past_im, v_re, v_im)
            heard = 0.0
            for k in range(size):
                heard += past_re[k] * v_re[k] + past_im[k] * v_im[k]
            if heard < 0 or not np.isfinite(heard):  # rounding has won: begin anew
                restart(re, im)
                continue
            if not heard > 0 or not 0 < power < np.inf:  # silence teaches nothing, nor overflow
                continue
            total = keep * power + heard
            for m in range(n_mics):  # G += k dᴴ, so that Gᴴ += d kᴴ
                d_re, d_im = out[f, m, t].real / total, out[f, m, t].imag / total
                for k in range(size):
                    g_re[f, m, k] += d_re * v_re[k] + d_im * v_im[k]
                    g_im[f, m, k] += d_im * v_re[k] - d_re * v_im[k]
            downdate(re, im, v_re, v_im, total, keep)
