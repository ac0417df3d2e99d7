"""Slow scores, written from their formulas one sample at a time."""

import math


def seg_snr(reference, estimate, sample_rate):
    """Hansen and Pellom (1998) over the frames within 40 dB of the loudest."""
    length = round(0.030 * sample_rate)
    hop = length // 4
    frames = []
    start = 0
    while start + length <= len(reference):
        signal = noise = 0.0
        for n in range(1, length + 1):
            w = 0.5 * (1 - math.cos(2 * math.pi * n / (length + 1)))
            s = float(reference[start + n - 1])
            e = s - float(estimate[start + n - 1])
            signal += (w * s) ** 2
            noise += (w * e) ** 2
        frames.append((signal, noise))
        start += hop
    loudest = max(signal for signal, _ in frames)
    values = []
    for signal, noise in frames:
        if signal <= loudest * 1e-4:
            continue
        value = math.inf if noise == 0 else 10 * math.log10(signal / noise)
        values.append(min(max(value, -10.0), 35.0))
    return sum(values) / len(values)


def si_sdr(reference, estimate):
    """Le Roux et al. (2019), equations (3) to (5), no mean removed."""
    ys = sum(float(y) * float(s) for s, y in zip(reference, estimate, strict=True))
    ss = sum(float(s) ** 2 for s in reference)
    alpha = ys / ss
    target = alpha**2 * ss
    residual = sum(
        (alpha * float(s) - float(y)) ** 2 for s, y in zip(reference, estimate, strict=True)
    )
    return 10 * math.log10(target / residual)
