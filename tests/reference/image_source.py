"""The image-source method written out: one windowed sinc for each image, no grid."""

import itertools

import numpy as np

HALF_TAPS = 40


def images(size, source, mic, walls, radius, max_order=None):
    """Offset from the microphone (3,), gain and order of every image within a radius."""
    most = [int(np.ceil((radius + side) / (2 * side))) for side in size]
    for turns in itertools.product(*(range(-n, n + 1) for n in most)):
        for mirrored in itertools.product((0, 1), repeat=3):
            offset, gain, order = np.zeros(3), 1.0, 0
            for a in range(3):
                place = 2 * turns[a] * size[a] + (1 - 2 * mirrored[a]) * source[a]
                low, high = abs(turns[a] - mirrored[a]), abs(turns[a])
                offset[a] = place - mic[a]
                gain *= walls[2 * a] ** low * walls[2 * a + 1] ** high
                order += low + high
            if np.linalg.norm(offset) <= radius and (max_order is None or order <= max_order):
                yield offset, gain, order


def response(size, source, mic, walls, sample_rate, length_s, n_samples, c=343.0, look=None, p=1.0):
    """Response of one microphone, shape (n_samples,), without the high-pass."""
    time, out = np.arange(n_samples), np.zeros(n_samples)
    for offset, gain, _ in images(size, source, mic, walls, c * length_s):
        distance = np.linalg.norm(offset)
        if look is not None:
            gain = gain * (p + (1 - p) * offset @ look / distance)
        x = time - distance / c * sample_rate
        window = np.where(np.abs(x) <= HALF_TAPS, 0.5 + 0.5 * np.cos(np.pi * x / HALF_TAPS), 0)
        out += gain / distance * np.sinc(x) * window
    return out
