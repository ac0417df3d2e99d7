"""Slow noise trackers, one frame at a time."""

import math
from collections import deque

import numpy as np
from scipy.special import exp1


def track_spp(power, hop_seconds, prior_snr_db=15.0, noise_decay=0.8, warm_up_seconds=0.1):
    """Gerkmann & Hendriks (2012), algorithm 1, after a mean over the first frames.

    Decays are those of frames 16 ms apart. Returns σ² and P(H₁|y), lists (F, T).
    """
    xi = 10 ** (prior_snr_db / 10)
    alpha = noise_decay ** (hop_seconds / 0.016)
    beta = 0.9 ** (hop_seconds / 0.016)
    warm_up = max(1, round(warm_up_seconds / hop_seconds))
    psds, presences = [], []
    for row in power.tolist():
        psds.append([])
        presences.append([])
        mean_presence = 0.5
        for t, y2 in enumerate(row):
            if t < warm_up:
                psd = sum(row[: t + 1]) / (t + 1)
                p = 0.0
            else:
                likelihood = math.exp(-(y2 / psd) * xi / (1 + xi))
                p = 1 / (1 + (1 + xi) * likelihood)  # eq. 18
                mean_presence = beta * mean_presence + (1 - beta) * p  # eq. 23
                if mean_presence > 0.99:
                    p = min(p, 0.99)
                noise_power = p * psd + (1 - p) * y2  # eq. 22
                psd = alpha * psd + (1 - alpha) * noise_power  # eq. 8
            psds[-1].append(psd)
            presences[-1].append(p)
    return psds, presences


def presence(xi, gamma, q=0.5):
    """P(H₁|y) for the prior absence q, from Bayes' rule on two exponential densities."""
    speech = (1 - q) * np.exp(-gamma / (1 + xi)) / (1 + xi)
    return speech / (speech + q * np.exp(-gamma))


FALL = {1: 0, 2: 0.26, 5: 0.48, 8: 0.58, 10: 0.61, 15: 0.668, 20: 0.705, 30: 0.762, 40: 0.8}
FALL |= {60: 0.841, 80: 0.865, 120: 0.89, 140: 0.9, 160: 0.91, 180: 0.92, 220: 0.93, 260: 0.935}
FALL |= {300: 0.94}


def minimum_bias(inverse_q, n_frames):
    """B_min, Martin (2001), eqs. 16 and 17; M(D) between the table's D by √D."""
    m = np.interp(math.sqrt(n_frames), [math.sqrt(d) for d in FALL], list(FALL.values()))
    q = (1 / np.maximum(inverse_q, 1e-300) - 2 * m) / (1 - m)
    return 1 + (n_frames - 1) * 2 / q


def track_minimum(power, hop_seconds):
    """Martin (2001), fig. 5, after a mean over 0.1 s; constants of 16 ms, 8 parts of 0.192 s."""
    pace = hop_seconds / 0.016
    warm_up, v = max(1, round(0.1 / hop_seconds)), max(1, round(0.192 / hop_seconds))
    psd = p = power[:, :warm_up].mean(axis=1)
    out = [power[:, : t + 1].mean(axis=1) for t in range(warm_up)]
    mean, square, correction = p, p**2, 1.0
    parts = deque(maxlen=8)
    past = np.full(len(power), np.inf)
    for t in range(warm_up, power.shape[1]):
        y2 = power[:, t]
        wanted = 1 / (1 + (p.sum() / y2.sum() - 1) ** 2)
        correction = 0.7**pace * correction + (1 - 0.7**pace) * max(wanted, 0.7)
        least = min(0.3, (p.sum() / psd.sum()) ** (-0.016 / 0.064)) ** pace
        alpha = np.maximum((0.96 * correction / (1 + (p / psd - 1) ** 2)) ** pace, least)
        p = alpha * p + (1 - alpha) * y2
        beta = np.minimum(alpha**2, 0.8**pace)
        mean, square = beta * mean + (1 - beta) * p, beta * square + (1 - beta) * p**2
        inverse_q = np.minimum(np.maximum(square - mean**2, 0) / (2 * psd**2), 0.5)
        spread = inverse_q.mean()
        compensated = p * (1 + 2.12 * math.sqrt(spread)) * minimum_bias(inverse_q, 8 * v)
        short = p * (1 + 2.12 * math.sqrt(spread)) * minimum_bias(inverse_q, v)
        turn = (t - warm_up) % v
        if turn == 0:
            whole_min, part_min = np.full((2, len(p)), np.inf)
            local = np.zeros(len(p), bool)
        lower = compensated < whole_min
        whole_min = np.where(lower, compensated, whole_min)
        part_min = np.where(lower, short, part_min)
        if turn == v - 1:
            parts.append(whole_min)
            past = np.min(parts, axis=0)
            slope = 8 if spread < 0.03 else 4 if spread < 0.05 else 2 if spread < 0.06 else 1.2
            risen = local & ~lower & (part_min > past) & (part_min < slope * past)
            past = np.where(risen, part_min, past)
            parts = deque([np.where(risen, part_min, old) for old in parts], maxlen=8)
            psd = past
        elif turn > 0:
            local |= lower
            past = psd = np.minimum(part_min, past)
        out.append(psd)
    return np.stack(out, axis=1)


def near(power, weight):
    """Mean by ¼ ½ ¼ over the bins that have weight; NaN where none has."""
    total, share = np.zeros(len(power)), np.zeros(len(power))
    for shift, b in ((-1, 0.25), (0, 0.5), (1, 0.25)):
        for f in range(len(power)):
            if 0 <= f + shift < len(power):
                total[f] += b * weight[f + shift] * power[f + shift]
                share[f] += b * weight[f + shift]
    with np.errstate(invalid="ignore"):
        return total / share


def sliding_minimum(values, v):
    """Least value of the parts of v frames that are stored (8 at most) and of this one.

    A part begins with the last value of the one before (Cohen 2003: S_sw = S).
    """
    n = len(values)
    begins = [0] + list(range(v - 1, n, v))
    return np.min(values[begins[-1 - min(8, len(begins) - 1)] :], axis=0)


def track_imcra(power, hop_seconds):
    """Cohen (2003), fig. 3, after a mean over 0.1 s; constants of 8 ms, 8 parts of 0.12 s."""
    pace = hop_seconds / 0.008
    warm_up, v = max(1, round(0.1 / hop_seconds)), max(1, round(0.12 / hop_seconds))
    alpha_s, alpha_d, alpha = 0.9**pace, 0.85**pace, 0.92**pace
    mean = power[:, :warm_up].mean(axis=1)
    noise, smooth, pauses, before = mean / 1.47, mean, mean, None
    out = [power[:, : t + 1].mean(axis=1) for t in range(warm_up)]
    speech = [np.zeros(len(power)) for _ in range(warm_up)]
    history, pause_history = [], []
    for t in range(warm_up, power.shape[1]):
        y2 = power[:, t]
        smooth = alpha_s * smooth + (1 - alpha_s) * near(y2, np.ones(len(y2)))
        history.append(smooth)
        least = 1.66 * sliding_minimum(history, v)
        absent = (y2 < 4.6 * least) & (smooth < 1.67 * least)
        pause = near(y2, absent)
        pause = np.where(np.isnan(pause), pauses, pause)
        # where no neighbour is absent, S̃ stays as it is
        pauses = alpha_s * pauses + (1 - alpha_s) * pause
        pause_history.append(pauses)
        least = 1.66 * sliding_minimum(pause_history, v)
        q = np.clip((3 - y2 / least) / 2, 0, 1) * (smooth < 1.67 * least)
        gamma = y2 / (1.47 * noise)
        now = np.maximum(gamma - 1, 0)
        xi = np.maximum(now if before is None else alpha * before + (1 - alpha) * now, 10**-2.5)
        gain = np.minimum(xi / (1 + xi) * np.exp(0.5 * exp1(gamma * xi / (1 + xi))), 1)
        before = gain**2 * gamma
        p = presence(xi, gamma, q)
        keep = alpha_d + (1 - alpha_d) * p
        noise = keep * noise + (1 - keep) * y2
        out.append(1.47 * noise)
        speech.append(p)
    return np.stack(out, axis=1), np.stack(speech, axis=1)
