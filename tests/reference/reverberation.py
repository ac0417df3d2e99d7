"""Slow scores of reverberation: filters by their impulse responses, one sample at a time."""

import math

import numpy as np


def gammatone(centre, rate, n_taps):
    """t³ exp(-2πbt) cos(2πft), sampled, with a gain of 1 at f."""
    n = np.arange(n_taps)
    width = 1.019 * (centre / 9.26449 + 24.7)
    h = n**3 * np.exp(-2 * np.pi * width * n / rate) * np.cos(2 * np.pi * centre * n / rate)
    return h / abs(np.sum(h * np.exp(-2j * np.pi * centre * n / rate)))


def envelope(x):
    """|x + jH{x}| through a DFT as long as the signal."""
    spec = np.fft.fft(x)
    n = len(x)
    for k in range(1, n):
        if 2 * k < n:
            spec[k] *= 2
        elif 2 * k > n:
            spec[k] = 0
    return np.abs(np.fft.ifft(spec))


def resonator(x, centre, rate):
    """The band-pass (Ω/2) s / (s² + (Ω/2) s + Ω²), s = (1 - z⁻¹) / (1 + z⁻¹)."""
    omega = math.tan(math.pi * centre / rate)
    a0 = 1 + omega / 2 + omega**2
    out, x1, x2, y1, y2 = [], 0.0, 0.0, 0.0, 0.0
    for value in x:
        y = omega / 2 * (value - x2) - (2 * omega**2 - 2) * y1 - (1 - omega / 2 + omega**2) * y2
        y /= a0
        out.append(y)
        x1, x2, y1, y2 = value, x1, y, y1
    return np.array(out)


def srmr(x, rate):
    """Falk, Zheng and Chan (2010), with the constants of the SRMR toolbox."""
    corner = 9.26449 * 24.7
    step = math.log((rate / 2 + corner) / (125 + corner)) / 23
    centres = [(125 + corner) * math.exp(k * step) - corner for k in range(23)]
    modulation = [4 * 2 ** (5 * j / 7) for j in range(8)]
    length, hop = round(0.256 * rate), round(0.064 * rate)
    window = [0.54 - 0.46 * math.cos(2 * math.pi * n / length) for n in range(length)]
    energy = np.zeros((23, 8))
    for k, centre in enumerate(centres):
        band = envelope(np.convolve(x, gammatone(centre, rate, len(x)))[: len(x)])
        for j, frequency in enumerate(modulation):
            out = resonator(band, frequency, rate)
            starts = range(0, len(x) - length + 1, hop)
            frames = [np.sum((window * out[t : t + length]) ** 2) for t in starts]
            energy[k, j] = np.mean(frames)
    k = 0
    while np.sum(energy[: k + 1]) <= 0.9 * np.sum(energy):
        k += 1
    bandwidth = centres[k] / 9.26449 + 24.7
    edges = [f - rate * math.tan(math.pi * f / rate) / (4 * math.pi) for f in modulation]
    last = sum(edge <= bandwidth for edge in edges)
    return np.sum(energy[:, :4]) / np.sum(energy[:, 4:last])


def torch_randn(seed, n_samples):
    """`torch.manual_seed(seed); torch.randn(n_samples)` of PyTorch on a CPU, n in 16s.

    24 bits of a Mersenne twister each, and Box and Muller over blocks of 16.
    """
    twister = np.random.RandomState(seed)
    bits = twister.randint(0, 2**32, n_samples, dtype=np.uint32) & 0xFFFFFF
    uniform = (bits / 2**24).astype(np.float32).reshape(-1, 2, 8)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = np.float32(2 * np.pi) * uniform[:, 1]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).ravel()


def clarity(h, rate):
    """C50 and DRR of a known response, as ISO 3382-1 and the ACE challenge define them."""
    strongest = max(range(len(h)), key=lambda n: h[n] ** 2)
    early = direct = total = 0.0
    for n, tap in enumerate(h):
        total += tap**2
        if n - strongest <= round(0.050 * rate):
            early += tap**2
        if abs(n - strongest) <= round(0.0025 * rate):
            direct += tap**2
    return 10 * math.log10(early / (total - early)), 10 * math.log10(direct / (total - direct))
