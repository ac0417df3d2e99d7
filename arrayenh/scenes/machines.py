"""Machines that hum."""

import numpy as np

from arrayenh.scenes.coloured import coloured_noise

BEAT_HZ, BEAT_DEPTH = 11.0, 0.3  # of the blades
HUM_HZ, HUM_LEVEL, HARMONICS = 120.0, 0.4, 8  # of the motor


def fan(rng: np.random.Generator, n_samples: int, sample_rate: int) -> np.ndarray:
    """A fan: pink air that beats with the blades, and the hum of the motor.

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
