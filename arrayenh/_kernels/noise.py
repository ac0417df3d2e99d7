"""Loops of arrayenh.noise.  Called by that module only; nothing is checked."""

import math

from numba import njit, prange


@njit(cache=True, parallel=True)
def track_spp(power, prior_snr, keep_noise, keep_presence, warm_up, least, state, noise, presence):
    """Gerkmann & Hendriks 2012, algorithm 1.

    `state[f]` = (noise PSD, smoothed presence, frames that it has heard).
    """
    n_freqs, n_frames = power.shape
    wiener = prior_snr / (1 + prior_snr)
    for f in prange(n_freqs):
        psd, smooth, heard = state[f, 0], state[f, 1], state[f, 2]
        for t in range(n_frames):
            observed = power[f, t]
            if observed <= least:  # digital silence tells nothing of the noise
                present = 0.0
            elif heard < warm_up:  # a running mean: the first frames are taken as noise
                heard += 1
                psd += (observed - psd) / heard
                present = 0.0
            else:
                posterior = observed / psd
                present = 1 / (1 + (1 + prior_snr) * math.exp(-posterior * wiener))
                smooth = keep_presence * smooth + (1 - keep_presence) * present
                if smooth > 0.99 and present > 0.99:  # never stop updating
                    present = 0.99
                expected = present * psd + (1 - present) * observed
                psd = keep_noise * psd + (1 - keep_noise) * expected
            noise[f, t] = psd
            presence[f, t] = present
        state[f, 0], state[f, 1], state[f, 2] = psd, smooth, heard
