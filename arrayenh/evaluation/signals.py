"""What is known of a system's output: the output, and all that it can be compared with."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What a score may look at; only the estimate is always there.

    Attributes
    ----------
    estimate : float ndarray, shape (N,)
        What the system gave; of a binaural one, its left ear.
    sample_rate : int
        Hz, of all of them.
    reference : float ndarray, shape (N,), optional
        The clean target at the reference microphone.
    noisy : float ndarray, shape (N,), optional
        The reference microphone itself, what the system had.
    speech, noise : float ndarray, shape (N,), optional
        Target and all the rest at the reference microphone: they add up to `noisy`.
    speech_out, noise_out : float ndarray, shape (N,), optional
        The answer of a linear system to each of the two (shadow filtering).
    ears, reference_ears, noisy_ears : float ndarray, shape (2, N), optional
        Left and right: what a binaural system gave, the clean target there, what it had.
    transcript : str, optional
        The words that are spoken.
    """

    estimate: np.ndarray
    sample_rate: int
    reference: np.ndarray | None = None
    noisy: np.ndarray | None = None
    speech: np.ndarray | None = None
    noise: np.ndarray | None = None
    speech_out: np.ndarray | None = None
    noise_out: np.ndarray | None = None
    ears: np.ndarray | None = None
    reference_ears: np.ndarray | None = None
    noisy_ears: np.ndarray | None = None
    transcript: str | None = None
