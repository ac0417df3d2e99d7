"""Babble noise: the sum of many talkers."""

from collections.abc import Sequence

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.levels import active_speech_level


def babble(
    voices: Sequence[np.ndarray], n_samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Sum of looped voices, all at the same active speech level, from random start samples.

    Parameters
    ----------
    voices : sequence of float array, shape (N_k,)
        One recording per talker; each is looped.
    n_samples, sample_rate : int
    rng : Generator

    Returns
    -------
    noise : float64 ndarray, shape (N,)

    Raises
    ------
    SceneError
        If there is no voice, or one is silent.
    """
    if not len(voices):
        raise SceneError("babble needs at least one voice")
    total = np.zeros(n_samples)
    for voice in voices:
        level_db, _ = active_speech_level(voice, sample_rate)
        start = int(rng.integers(len(voice)))
        total += 10 ** (-level_db / 20) * np.resize(np.roll(voice, -start), n_samples)
    return total
