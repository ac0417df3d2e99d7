"""Slow spectral scores, written from their formulas one frame and one band at a time."""

import cmath
import math

import numpy as np
from scipy.linalg import toeplitz

# Centre and width of the critical bands in Hz, as Hu and Loizou's programs list them.
BANDS = [
    (50.0, 70.0), (120.0, 70.0), (190.0, 70.0), (260.0, 70.0), (330.0, 70.0),
    (400.0, 70.0), (470.0, 70.0), (540.0, 77.3724), (617.372, 86.0056), (703.378, 95.3398),
    (798.717, 105.411), (904.128, 116.256), (1020.38, 127.914), (1148.30, 140.423),
    (1288.72, 153.823), (1442.54, 168.154), (1610.70, 183.457), (1794.16, 199.776),
    (1993.93, 217.153), (2211.08, 235.631), (2446.71, 255.255), (2701.97, 276.072),
    (2978.04, 298.126), (3276.17, 321.465), (3597.63, 346.136),
]  # fmt: skip


def frames(x, rate):
    length = round(0.030 * rate)
    start, out = 0, []
    while start + length <= len(x):
        out.append(
            np.array(
                [
                    0.5 * (1 - math.cos(2 * math.pi * (n + 1) / (length + 1))) * x[start + n]
                    for n in range(length)
                ]
            )
        )
        start += length // 4
    return out


def magnitude(frame):
    n_fft = 1
    while n_fft < 2 * len(frame):
        n_fft *= 2
    n = np.arange(len(frame))
    return [abs(np.sum(frame * np.exp(-2j * cmath.pi * k * n / n_fft))) for k in range(n_fft // 2)]


def bands(spectrum, rate):
    out = []
    for centre, width in BANDS:
        centre_bin = math.floor(centre / (rate / 2) * len(spectrum))
        width_bins = width / (rate / 2) * len(spectrum)
        total = 0.0
        for k, value in enumerate(spectrum):
            weight = math.exp(-11 * ((k - centre_bin) / width_bins) ** 2) * 70.0 / width
            if weight > math.exp(-30 / (2 * 2.303)):
                total += weight * value
        out.append(total)
    return out


def best(values):
    values = sorted(values)[: round(0.95 * len(values))]
    return sum(values) / len(values)


def fw_seg_snr(reference, estimate, rate):
    values = []
    for s, y in zip(frames(reference, rate), frames(estimate, rate), strict=True):
        s, y = magnitude(s), magnitude(y)
        s = bands([v / sum(s) for v in s], rate)
        y = bands([v / sum(y) for v in y], rate)
        above = below = 0.0
        for a, b in zip(s, y, strict=True):
            above += a**0.2 * 10 * math.log10(a**2 / (a - b) ** 2)
            below += a**0.2
        values.append(min(max(above / below, -10.0), 35.0))
    return sum(values) / len(values)


def log_spectral_distance(reference, estimate, rate):
    clean = [magnitude(f) for f in frames(reference, rate)]
    processed = [magnitude(f) for f in frames(estimate, rate)]
    floor = 1e-5 * max(max(s) for s in clean) ** 2
    values = []
    for s, y in zip(clean, processed, strict=True):
        squares = [
            (10 * math.log10(max(a**2, floor)) - 10 * math.log10(max(b**2, floor))) ** 2
            for a, b in zip(s, y, strict=True)
        ]
        values.append(math.sqrt(sum(squares) / len(squares)))
    return sum(values) / len(values)


def correlation(frame, order):
    r = [sum(frame[n] * frame[n + p] for n in range(len(frame) - p)) for p in range(order + 1)]
    return np.array([r[0] * (1 + 1e-9), *r[1:]])


def predictor(r):
    """The normal equations, solved as they stand."""
    return np.concatenate(([1.0], np.linalg.solve(toeplitz(r[:-1]), -r[1:])))


def frame_llr(reference, estimate, rate, order):
    values = []
    for s, y in zip(frames(reference, rate), frames(estimate, rate), strict=True):
        r, a_y = correlation(s, order), predictor(correlation(y, order))
        a_s = predictor(r)
        values.append(math.log((a_y @ toeplitz(r) @ a_y) / (a_s @ toeplitz(r) @ a_s)))
    return values


def llr(reference, estimate, rate, order):
    return best([min(v, 2.0) for v in frame_llr(reference, estimate, rate, order)])


def cepstrum(a):
    """By its definition, the inverse transform of ln |1 / A|², halved: no recursion."""
    log_power = -2 * np.log(np.abs(np.fft.fft(a, 2**14)))
    return np.fft.ifft(log_power).real[1 : len(a)]


def cepstral_distance(reference, estimate, rate, order):
    values = []
    for s, y in zip(frames(reference, rate), frames(estimate, rate), strict=True):
        c_s = cepstrum(predictor(correlation(s, order)))
        c_y = cepstrum(predictor(correlation(y, order)))
        distance = 10 / math.log(10) * math.sqrt(2 * sum((c_s - c_y) ** 2))
        values.append(min(distance, 10.0))
    return best(values)


def peak_levels(levels):
    """Hu and Loizou's search from each band uphill, and their way to stop."""
    out = []
    for i in range(len(levels) - 1):
        n = i
        if levels[i + 1] > levels[i]:
            while n < len(levels) - 1 and levels[n + 1] > levels[n]:
                n += 1
            out.append(levels[n - 1])
        else:
            while n >= 0 and levels[n + 1] <= levels[n]:
                n -= 1
            out.append(levels[n + 1])
    return out


def slope_weight(levels):
    return [
        20 / (20 + max(levels) - level) * 1 / (1 + peak - level)
        for level, peak in zip(levels[:-1], peak_levels(levels), strict=True)
    ]


def wss(reference, estimate, rate):
    def levels(x):
        energies = [bands([v**2 for v in magnitude(f)], rate) for f in frames(x, rate)]
        floor = 1e-10 * max(max(e) for e in energies)
        return [[10 * math.log10(max(v, floor)) for v in e] for e in energies]

    values = []
    for s, y in zip(levels(reference), levels(estimate), strict=True):
        weights = [(a + b) / 2 for a, b in zip(slope_weight(s), slope_weight(y), strict=True)]
        total = sum(w * ((s[i + 1] - s[i]) - (y[i + 1] - y[i])) ** 2 for i, w in enumerate(weights))
        values.append(total / sum(weights))
    return best(values)
