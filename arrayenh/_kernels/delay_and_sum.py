"""Loops of arrayenh.beamformers.delay_and_sum.  Called by that module only; nothing is checked."""

import numpy as np

from arrayenh._kernels.compiler import njit, prange


@njit(cache=True, parallel=True)
def delay_sum(samples, taps, first, out):
    """out[n] = mean over m of Σ_k taps[m, k] · samples[m, n + first[m] - k]."""
    n_mics, n_samples = samples.shape
    n_taps = taps.shape[1]
    block = 4096
    for b in prange((n_samples + block - 1) // block):
        start, stop = b * block, min((b + 1) * block, n_samples)
        for n in range(start, stop):
            out[n] = 0
        for m in range(n_mics):
            for k in range(n_taps):
                shift = first[m] - k
                tap = taps[m, k] / np.float32(n_mics)
                for n in range(max(start, -shift), min(stop, n_samples - shift)):
                    out[n] += tap * samples[m, n + shift]
