"""Slow noise tracker, one bin and one frame at a time."""

import math


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
