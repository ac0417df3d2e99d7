"""Slow losses of networks, written from their formulas one example at a time, in double."""

import math

import numpy as np


def stft(x, n_fft, hop):
    """Frames t·hop - (n_fft - hop) ... of a Hann window, (N,) -> complex (T, F)."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / n_fft) for n in range(n_fft)]
    frames, t = [], 0
    while t * hop - (n_fft - hop) < len(x):
        first = t * hop - (n_fft - hop)
        frame = [x[first + n] if 0 <= first + n < len(x) else 0.0 for n in range(n_fft)]
        frames.append(np.fft.rfft(np.multiply(frame, window)))
        t += 1
    return np.array(frames)


def si_sdr_loss(estimate, target, best_db=60.0, faintest_db=-60.0):
    losses = []
    for y, s in zip(estimate, target, strict=True):
        energy = np.dot(s, s)
        if energy == 0:
            continue
        kept = np.dot(y, s) ** 2 / energy
        lost = np.dot(y, y) - kept
        least = 10 ** (faintest_db / 10) * energy
        ratio = (lost + 10 ** (-best_db / 10) * kept + least) / (kept + least)
        losses.append(10 * math.log10(ratio))
    return float(np.mean(losses)) if losses else 0.0


def compressed_spectral_loss(estimate, target, level, compression, beta, floor_db=-80.0):
    """Complex (B, T, F)."""
    total = 0.0
    for y, s, scale in zip(estimate.ravel(), target.ravel(), per_bin(level, target), strict=True):
        magnitudes, compressed = [], []
        for value in (y / scale, s / scale):
            floored = math.sqrt(abs(value) ** 2 + 10 ** (floor_db / 10))
            magnitudes.append(floored**compression)
            compressed.append(value / floored * floored**compression)
        total += (1 - beta) * (magnitudes[0] - magnitudes[1]) ** 2
        total += beta * abs(compressed[0] - compressed[1]) ** 2
    return total / target.size


def per_bin(level, spec):
    return np.repeat([scale or 1.0 for scale in level], spec[0].size)


def multi_resolution_stft_loss(estimate, target, level, sizes, floor_db=-80.0):
    total = 0.0
    for n_fft in sizes:
        window = [0.5 - 0.5 * math.cos(2 * math.pi * n / n_fft) for n in range(n_fft)]
        floor = 10 ** (floor_db / 10) * sum(w * w for w in window)
        ratios, logs = [], []
        for y, s, scale in zip(estimate, target, level, strict=True):
            y_mag, s_mag = (
                np.sqrt(np.abs(stft(x / (scale or 1.0), n_fft, n_fft // 4)) ** 2 + floor)
                for x in (y, s)
            )
            if s.any():
                ratios.append(math.sqrt(((s_mag - y_mag) ** 2).sum() / (s_mag**2).sum()))
            logs.append(np.abs(np.log(s_mag) - np.log(y_mag)).mean())
        total += (np.mean(ratios) if ratios else 0.0) + np.mean(logs)
    return total / len(sizes)


def mask_loss(mask, noisy, target, measure, p, k, q):
    """Complex noisy and target, (B, T, F)."""
    losses = []
    for gammas, xs, ss in zip(mask, noisy, target, strict=True):
        total = weight = 0.0
        for gamma, x, s in zip(gammas.ravel(), xs.ravel(), ss.ravel(), strict=True):
            if x == 0:
                continue
            speech, noise = abs(s) ** p, abs(x - s) ** p
            ideal = speech / (speech + noise)
            found = gamma**k
            if measure == "mse":
                distance = (found - ideal) ** 2
            else:
                distance = -ideal * math.log(found) - (1 - ideal) * math.log(1 - found)
            total += abs(x) ** q * distance
            weight += abs(x) ** q
        if weight:
            losses.append(total / weight)
    return float(np.mean(losses)) if losses else 0.0
