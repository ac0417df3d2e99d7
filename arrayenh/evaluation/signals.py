"""`Signals`: the output of a system and all signals that scores compare it with."""

from dataclasses import dataclass

import numpy as np

from arrayenh.hearing.audiograms import Audiogram


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Signals that a score may use; only the estimate is always present.

    Attributes
    ----------
    estimate : float ndarray, shape (N,)
        Output of the system; the left ear of a binaural one.
    sample_rate : int
        Hz, of all signals.
    reference : float ndarray, shape (N,), optional
        The clean target at the reference microphone.
    noisy : float ndarray, shape (N,), optional
        Noisy signal at the reference microphone.
    speech, noise : float ndarray, shape (N,), optional
        Target and all the rest at the reference microphone; their sum is `noisy`.
    speech_out, noise_out : float ndarray, shape (N,), optional
        Output of a linear system for each of the two alone (shadow filtering).
    ears, reference_ears, noisy_ears : float ndarray, shape (2, N), optional
        Left and right ear: binaural output, clean target, noisy input.
    transcript : str, optional
        The words of the target talker.
    audiogram : Audiogram, optional
        Hearing of the listener; normal without it.
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
    audiogram: Audiogram | None = None
