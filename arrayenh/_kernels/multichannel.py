"""Loops of arrayenh.postfilters.multichannel.  Called by that module only; nothing is checked."""

from arrayenh._kernels.compiler import njit, prange


@njit(cache=True)
def quadratic_form(form, spec, f, t):
    """xᴴ Q x with x = spec[f, :, t] and Q = form[f], Hermitian."""
    total = 0.0
    for i in range(spec.shape[1]):
        x = spec[f, i, t]
        re = im = 0.0
        for j in range(i):
            y, q = spec[f, j, t], form[f, i, j]
            re += q.real * y.real - q.imag * y.imag
            im += q.real * y.imag + q.imag * y.real
        total += 2 * (x.real * re + x.imag * im)
        total += form[f, i, i].real * (x.real**2 + x.imag**2)
    return total


@njit(cache=True, parallel=True)
def wiener_gain(spec, form, output, share, keep, least, least_gain, state, gain):
    """Recursive means of xᴴQx and of the output power, and their ratio.

    `output` (F, t) is that power; if empty, it is `share[f]` Σ_m |x_m|². `state[f]` = (speech
    power, output power, frames so far).
    """
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        speech, whole, heard = state[f, 0], state[f, 1], state[f, 2]
        for t in range(n_frames):
            power = 0.0
            for m in range(n_mics):
                power += spec[f, m, t].real ** 2 + spec[f, m, t].imag ** 2
            if power <= least:  # skip digital silence
                gain[f, t] = least_gain
                continue
            heard += 1
            new = max(1 - keep, 1 / heard)  # initially a running mean
            speech += new * (quadratic_form(form, spec, f, t) - speech)
            out = output[f, t] if output.shape[0] else share[f] * power
            whole += new * (out - whole)
            ratio = speech / whole if whole > 0 else 0.0
            gain[f, t] = min(max(ratio, least_gain), 1.0)
        state[f, 0], state[f, 1], state[f, 2] = speech, whole, heard
