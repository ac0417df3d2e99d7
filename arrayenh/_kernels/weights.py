"""Loops of arrayenh.beamformers.weights.  Called by that module only; nothing is checked."""

from arrayenh._kernels.compiler import njit, prange


@njit(cache=True, parallel=True, fastmath={"contract"})
def filter_sum(weights, spec, out):
    """out[f, t] = wᴴ x  with w = weights[f] (complex64) and x = spec[f, :, t]."""
    n_freqs, n_mics, n_frames = spec.shape
    for f in prange(n_freqs):
        for t in range(n_frames):
            out[f, t] = 0
        for m in range(n_mics):
            w_re, w_im = weights[f, m].real, weights[f, m].imag
            for t in range(n_frames):
                x = spec[f, m, t]
                out[f, t] += complex(w_re * x.real + w_im * x.imag, w_re * x.imag - w_im * x.real)
