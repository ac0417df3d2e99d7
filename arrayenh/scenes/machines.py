"""Machine noise: fan, mains hum, engine, keyboard clicks.

The parameters of the fan are fixed; those of the other machines are drawn at random.
"""

import numpy as np
from scipy import fft

from arrayenh.scenes.coloured import coloured_noise

BEAT_HZ, BEAT_DEPTH = 11.0, 0.3  # of the blades
HUM_HZ, HUM_LEVEL, HARMONICS = 120.0, 0.4, 8  # of the motor
MAINS_HZ = (50.0, 60.0)
HIGHEST_HZ = 2000.0  # harmonic of mains and engines
DRIFT_HZ = 0.5  # bandwidth of the speed and loudness fluctuations of an engine
CLICKS_PER_S = (2.0, 9.0)
RINGING_HZ, RINGING_S = (600.0, 6000.0), (0.002, 0.012)  # of a key
RESONANCES = 3


def fan(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Fan noise: pink noise modulated by the blades, and the hum of the motor.

    Parameters
    ----------
    rng : Generator
    n_samples, sample_rate : int

    Returns
    -------
    noise : float64 ndarray, shape (N,)
        Power about 1.
    """
    time = np.arange(n_samples) / sample_rate
    air = coloured_noise(rng, n_samples, sample_rate, "pink")
    beat = 1 + BEAT_DEPTH * np.sin(2 * np.pi * BEAT_HZ * time)
    phases = rng.uniform(0, 2 * np.pi, HARMONICS)
    hum = sum(
        np.sin(2 * np.pi * HUM_HZ * k * time + phase) / k for k, phase in enumerate(phases, start=1)
    )
    return air * beat + HUM_LEVEL * hum


def hum(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Mains hum: 50 or 60 Hz and harmonics to 2 kHz, with stronger even ones in half the draws.

    Parameters and return value are those of `fan`.
    """
    pitch = rng.choice(MAINS_HZ)
    orders = np.arange(1, int(min(HIGHEST_HZ, sample_rate / 2 - pitch) / pitch) + 1)
    levels = orders ** -rng.uniform(0.5, 2.0) * rng.uniform(0.2, 1.0, len(orders))
    levels[orders % 2 == 0] *= rng.choice([0.3, 3.0])
    phases = rng.uniform(0, 2 * np.pi, len(orders))
    time = 2 * np.pi * pitch * np.arange(n_samples) / sample_rate
    return unit(harmonics(time, orders, levels, phases))


def engine(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Engine noise: harmonics of a slowly varying speed, and noise modulated by it.

    Parameters and return value are those of `fan`.
    """
    pitch = rng.uniform(25.0, 110.0) * (1 + 0.15 * wander(rng, n_samples, sample_rate))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    orders = np.arange(1, int(min(HIGHEST_HZ, 0.35 * sample_rate) / pitch.max()) + 1)
    levels = orders ** -rng.uniform(0.3, 1.2) * rng.uniform(0.1, 1.0, len(orders))
    tone = harmonics(phase, orders, levels, rng.uniform(0, 2 * np.pi, len(orders)))
    beat = 1 + rng.uniform(0.1, 0.8) * np.sin(phase)
    air = coloured_noise(rng, n_samples, sample_rate, rng.uniform(-2.0, -0.5)) * beat
    loudness = 10 ** (0.2 * wander(rng, n_samples, sample_rate))
    return unit((unit(tone) + rng.uniform(0.1, 1.0) * air) * loudness)


def clicks(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Keyboard clicks at random times, ringing at a few frequencies for some milliseconds.

    Parameters and return value are those of `fan`; there is at least one click.
    """
    n_clicks = max(rng.poisson(rng.uniform(*CLICKS_PER_S) * n_samples / sample_rate), 1)
    strokes = np.zeros(n_samples)
    for at in rng.integers(n_samples, size=n_clicks):
        strokes[at] += rng.choice([-1, 1]) * 10 ** rng.uniform(-0.5, 0)
    time = np.arange(min(n_samples, sample_rate // 10)) / sample_rate
    low, high = RINGING_HZ[0], min(RINGING_HZ[1], 0.4 * sample_rate)
    ringing = np.zeros(len(time))
    for _ in range(RESONANCES):
        decay = np.exp(-time / rng.uniform(*RINGING_S))
        tone = np.sin(2 * np.pi * rng.uniform(low, high) * time + rng.uniform(0, 2 * np.pi))
        ringing += rng.uniform(0.3, 1.0) * decay * tone
    n_fft = fft.next_fast_len(n_samples + len(time), real=True)
    spectra = fft.rfft(strokes, n_fft) * fft.rfft(ringing, n_fft)
    return unit(fft.irfft(spectra, n_fft)[:n_samples])


def harmonics(
    phase: np.ndarray, orders: np.ndarray, levels: np.ndarray, phases: np.ndarray
) -> np.ndarray:
    """Sum of sines at multiples of a phase, shape (N,)."""
    total = np.zeros(len(phase))
    for order, level, start in zip(orders, levels, phases, strict=True):
        total += level * np.sin(order * phase + start)
    return total


def wander(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """Slow random fluctuation around 0, mostly within ±1, shape (N,)."""
    n_knots = int(2 * DRIFT_HZ * n_samples / sample_rate) + 2
    knots = np.clip(rng.standard_normal(n_knots) / 2, -1, 1)
    return np.interp(np.linspace(0, n_knots - 1, n_samples), np.arange(n_knots), knots)


def unit(samples: np.ndarray) -> np.ndarray:
    """Normalise samples to a mean power of 1; silence stays silent."""
    power = np.mean(samples**2) if len(samples) else 0.0
    return samples / np.sqrt(power) if power > 0 else samples
