"""Loops of arrayenh.statistics.noise_psd.  Called by that module only; nothing is checked."""

import math

import numpy as np

from arrayenh._kernels.compiler import njit, prange
from arrayenh._kernels.gains import lsa, posterior_presence

HEARD, NOISE, SMOOTH = 0, 1, 2  # columns of the states of MinimumStatistics and Imcra
MEAN, SQUARE, SPREAD, LEAST, LEAST_PART, PAST, LOWERED, LOCAL = 3, 4, 5, 6, 7, 8, 9, 10
RESTRICTED, SPEECH, LOWEST, LOWEST_PART, LOWEST_R, LOWEST_R_PART = 3, 4, 5, 6, 7, 8


@njit(cache=True, parallel=True)
def track_spp(power, prior_snr, keep_noise, keep_presence, warm_up, least, state, noise, presence):
    """SPP noise tracking: Gerkmann & Hendriks 2012, algorithm 1.

    `state[f]` = (noise PSD, smoothed presence, frames that it has heard).
    """
    n_freqs, n_frames = power.shape
    wiener = prior_snr / (1 + prior_snr)
    for f in prange(n_freqs):
        psd, smooth, heard = state[f, 0], state[f, 1], state[f, 2]
        for t in range(n_frames):
            observed = power[f, t]
            if observed <= least:  # skip digital silence
                present = 0.0
            elif heard < warm_up:  # initially a running mean: the first frames count as noise
                heard += 1
                psd += (observed - psd) / heard
                present = 0.0
            else:
                posterior = observed / psd
                present = 1 / (1 + (1 + prior_snr) * math.exp(-posterior * wiener))
                smooth = keep_presence * smooth + (1 - keep_presence) * present
                if smooth > 0.99 and present > 0.99:  # prevents a stalled update
                    present = 0.99
                expected = present * psd + (1 - present) * observed
                psd = keep_noise * psd + (1 - keep_noise) * expected
            noise[f, t] = psd
            presence[f, t] = present
        state[f, 0], state[f, 1], state[f, 2] = psd, smooth, heard


@njit(cache=True)
def warm_up_bin(observed, bins):
    """Running mean of the first frames, which count as noise."""
    bins[HEARD] += 1
    bins[SMOOTH] += (observed - bins[SMOOTH]) / bins[HEARD]
    bins[NOISE] = bins[SMOOTH]


@njit(cache=True)
def frame_smoothing(power, pace, warm_up, least, state, correction):
    """Correction α_c and floor α_min of the frame: Martin 2001, eqs. 9, 10 and 12.

    α_c reduces the smoothing if the smoothed power deviates; α_min lets it decay within 64 ms.
    """
    smooth = observed = expected = 0.0
    for f in range(len(power)):
        if power[f] > least and state[f, HEARD] >= warm_up:
            smooth += state[f, SMOOTH]
            observed += power[f]
            expected += state[f, NOISE]
    if observed > 0:
        keep = 0.7**pace
        wanted = 1 / (1 + (smooth / observed - 1) ** 2)
        correction[0] = keep * correction[0] + (1 - keep) * max(wanted, 0.7)
        return min(0.3, (smooth / expected) ** -0.25) ** pace
    return 1.0


@njit(cache=True)
def smooth_optimally(observed, correction, least_keep, pace, bins):
    """P(t) and its normalised variance 1/Q: Martin 2001, eqs. 4, 11 and 20 to 23."""
    keep = (0.96 * correction / (1 + (bins[SMOOTH] / bins[NOISE] - 1) ** 2)) ** pace
    keep = max(keep, least_keep)
    bins[SMOOTH] = keep * bins[SMOOTH] + (1 - keep) * observed
    keep = min(keep * keep, 0.8**pace)
    bins[MEAN] = keep * bins[MEAN] + (1 - keep) * bins[SMOOTH]
    bins[SQUARE] = keep * bins[SQUARE] + (1 - keep) * bins[SMOOTH] ** 2
    variance = max(bins[SQUARE] - bins[MEAN] ** 2, 0.0)
    bins[SPREAD] = min(variance / (2 * bins[NOISE] ** 2), 0.5)


@njit(cache=True)
def minimum_bias(spread, n_frames, fall):
    """B_min of Martin 2001, eqs. 16 and 17, from 1/Q, D and M(D)."""
    return 1 + 2 * (n_frames - 1) * (1 - fall) * spread / (1 - 2 * fall * spread)


@njit(cache=True)
def steepest_rise(spread):
    """Largest rise of the minimum between sub-windows: Martin 2001, fig. 5."""
    if spread < 0.03:
        return 8.0
    if spread < 0.05:
        return 4.0
    return 2.0 if spread < 0.06 else 1.2


@njit(cache=True)
def search_minimum(frame, n_part, falls, correction, slope, bins, minima):
    """Minimum search: σ² is the least compensated P over the sub-windows: Martin 2001, fig. 5."""
    n_parts = len(minima)
    turn = frame % n_part
    if turn == 0:
        bins[LEAST] = bins[LEAST_PART] = np.inf
        bins[LOCAL] = 0
    power = bins[SMOOTH] * correction
    lowered = power * minimum_bias(bins[SPREAD], n_parts * n_part, falls[0]) < bins[LEAST]
    if lowered:
        bins[LEAST] = power * minimum_bias(bins[SPREAD], n_parts * n_part, falls[0])
        bins[LEAST_PART] = power * minimum_bias(bins[SPREAD], n_part, falls[1])
    if turn == n_part - 1:
        minima[(frame // n_part) % n_parts] = bins[LEAST]
        past, part = minima.min(), bins[LEAST_PART]
        if bins[LOCAL] and not lowered and past < part < slope * past:
            past = part  # the noise has risen: discard earlier minima
            minima[:] = part
        bins[PAST] = bins[NOISE] = past
    elif turn > 0:
        if lowered:
            bins[LOCAL] = 1
        bins[PAST] = bins[NOISE] = min(bins[LEAST_PART], bins[PAST])


@njit(cache=True)
def track_minimum(
    power,
    pace,
    prior_snr,
    warm_up,
    n_part,
    falls,
    least,
    state,
    minima,
    correction,
    noise,
    presence,
):
    """Minimum statistics: Martin 2001, fig. 5.  `pace` = hop / 16 ms; `falls` = M(U V), M(V)."""
    n_freqs, n_frames = power.shape
    for t in range(n_frames):
        least_keep = frame_smoothing(power[:, t], pace, warm_up, least, state, correction)
        spread, heard = 0.0, 0
        for f in range(n_freqs):
            if power[f, t] > least and state[f, HEARD] >= warm_up:
                smooth_optimally(power[f, t], correction[0], least_keep, pace, state[f])
                spread += state[f, SPREAD]
                heard += 1
        spread = spread / max(heard, 1)
        for f in range(n_freqs):
            observed, bins = power[f, t], state[f]
            presence[f, t] = 0.0
            if observed <= least:  # skip digital silence
                pass
            elif bins[HEARD] < warm_up:
                warm_up_bin(observed, bins)
                bins[MEAN], bins[SQUARE], bins[PAST] = bins[SMOOTH], bins[SMOOTH] ** 2, np.inf
            else:
                frame = int(bins[HEARD]) - warm_up
                search_minimum(
                    frame,
                    n_part,
                    falls,
                    1 + 2.12 * math.sqrt(spread),
                    steepest_rise(spread),
                    bins,
                    minima[f],
                )
                bins[HEARD] += 1
                presence[f, t] = posterior_presence(0.5, prior_snr, observed / bins[NOISE])
            noise[f, t] = bins[NOISE]


@njit(cache=True)
def near_power(power, weight, f):
    """Weighted mean of the bin and its neighbours, ¼ ½ ¼; negative if all weights are zero."""
    total = share = 0.0
    for i in range(max(f - 1, 0), min(f + 2, len(power))):
        part = weight[i] * (0.5 if i == f else 0.25)
        total += part * power[i]
        share += part
    return total / share if share > 0 else -1.0


@njit(cache=True)
def sliding_minimum(frame, n_part, value, column, bins, minima):
    """Minimum over the last sub-windows of n_part frames, and over the current one."""
    bins[column] = min(bins[column], value)
    bins[column + 1] = min(bins[column + 1], value)
    if frame % n_part == n_part - 1:
        minima[(frame // n_part) % len(minima)] = bins[column + 1]
        bins[column] = minima.min()
        bins[column + 1] = value
    return bins[column]


@njit(cache=True)
def find_absence(power, keep, warm_up, n_part, least, state, minima, heard, absent):
    """First iteration of Cohen 2003, eqs. 14 to 21: smoothing, minimum, rough decision I."""
    for f in range(len(power)):
        heard[f] = 1.0 if power[f] > least else 0.0
    for f in range(len(power)):
        absent[f] = heard[f]
        bins = state[f]
        frame = int(bins[HEARD]) - warm_up
        if not heard[f] or frame < 0:
            continue
        bins[SMOOTH] = keep * bins[SMOOTH] + (1 - keep) * near_power(power, heard, f)
        lowest = 1.66 * sliding_minimum(frame, n_part, bins[SMOOTH], LOWEST, bins, minima[f, 0])
        if power[f] >= 4.6 * lowest or bins[SMOOTH] >= 1.67 * lowest:
            absent[f] = 0.0


@njit(cache=True)
def a_priori_absence(power, smooth, lowest):
    """Prior speech absence q of Cohen 2003, eqs. 28 and 29."""
    if smooth >= 1.67 * lowest:
        return 0.0
    return min(max((3.0 - power / lowest) / 2.0, 0.0), 1.0)


@njit(cache=True)
def average_noise(observed, absence, keep, keep_noise, least_snr, bins):
    """Update λ by Cohen 2003, eqs. 7, 10 to 12, 32 and 33; returns P(H₁|y)."""
    posterior = min(observed / bins[NOISE], 1e6)
    now = max(posterior - 1, 0.0)
    prior = now if bins[SPEECH] < 0 else keep * bins[SPEECH] + (1 - keep) * now
    prior = max(prior, least_snr)
    bins[SPEECH] = lsa(prior / (1 + prior), posterior) ** 2 * posterior
    present = posterior_presence(absence, prior, posterior)
    keep_noise += (1 - keep_noise) * present
    bins[NOISE] = keep_noise * bins[NOISE] + (1 - keep_noise) * 1.47 * observed
    return present


@njit(cache=True)
def track_imcra(power, pace, least_snr, warm_up, n_part, least, state, minima, noise, presence):
    """IMCRA: Cohen 2003, fig. 3.  `pace` is the hop / 8 ms."""
    n_freqs, n_frames = power.shape
    heard, absent = np.empty(n_freqs), np.empty(n_freqs)
    keep, keep_noise, keep_prior = 0.9**pace, 0.85**pace, 0.92**pace
    for t in range(n_frames):
        now = power[:, t]
        find_absence(now, keep, warm_up, n_part, least, state, minima, heard, absent)
        for f in range(n_freqs):
            bins = state[f]
            frame = int(bins[HEARD]) - warm_up
            presence[f, t] = 0.0
            if not heard[f]:  # skip digital silence
                pass
            elif frame < 0:
                warm_up_bin(now[f], bins)
                bins[RESTRICTED] = bins[SMOOTH]
            else:
                pause = near_power(now, absent, f)
                if pause >= 0:
                    bins[RESTRICTED] = keep * bins[RESTRICTED] + (1 - keep) * pause
                lowest = 1.66 * sliding_minimum(
                    frame, n_part, bins[RESTRICTED], LOWEST_R, bins, minima[f, 1]
                )
                absence = a_priori_absence(now[f], bins[SMOOTH], lowest)
                presence[f, t] = average_noise(
                    now[f], absence, keep_prior, keep_noise, least_snr, bins
                )
                bins[HEARD] += 1
            noise[f, t] = bins[NOISE]
