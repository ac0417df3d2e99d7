"""Loops of arrayenh.microphones.polarity.  Called by that module only; nothing is checked."""

import numpy as np

from arrayenh._kernels.compiler import njit


@njit(cache=True)
def filtered(sections, samples, state):
    """Filter samples (M, n) by second-order sections (S, 6), updating the state (S, M, 2); float64.

    Transposed direct form II.
    """
    n_mics, n_samples = samples.shape
    out = np.empty((n_mics, n_samples))
    for m in range(n_mics):
        for n in range(n_samples):
            x = samples[m, n]
            for s in range(sections.shape[0]):
                y = sections[s, 0] * x + state[s, m, 0]
                state[s, m, 0] = sections[s, 1] * x - sections[s, 4] * y + state[s, m, 1]
                state[s, m, 1] = sections[s, 2] * x - sections[s, 5] * y
                x = y
            out[m, n] = x
    return out
