"""Do no harm: how sure a network is that there is nothing to take away."""

import numpy as np

CLEAN_DB = 14.0, 18.0
QUIET_DB = 24.0, 30.0
QUIET_FRAMES = 0.02  # of all, which hold no speech


def cleanness(given: np.ndarray, speech: np.ndarray, other: np.ndarray) -> float:
    """How much of a recording may pass as it is, 0 to 1.

    Two things must be: early speech, as a network has it, 18 dB above everything else (below 14
    dB nothing passes), and pauses 30 dB below the mean (24 dB). Speech without noise in a room
    of RT60 0.3 s comes to 15 dB, a talker in the open to 18 and more; pauses of a meeting room
    are 5 to 20 dB below the speech, those of a studio 25 to 50.

    Parameters
    ----------
    given : real ndarray, shape (F, T)
        Power of the recording.
    speech, other : real ndarray, shape (F, T)
        Power of what a network calls early speech, and of the rest.
    """
    frames = np.sum(given, axis=0, dtype=np.float64)
    if not frames.any():
        return 0.0
    pauses = np.quantile(frames, QUIET_FRAMES)
    wanted, rest = (float(np.sum(power, dtype=np.float64)) for power in (speech, other))
    return rise(wanted, rest, CLEAN_DB) * rise(frames.mean(), pauses, QUIET_DB)


def rise(above: float, below: float, limits_db: tuple[float, float]) -> float:
    """From 0 to 1 while the ratio of two powers goes from one limit to the other."""
    if not above > 0:
        return 0.0
    ratio_db = 10 * np.log10(above / max(below, 1e-9 * above))
    low, high = limits_db
    return float(np.clip((ratio_db - low) / (high - low), 0, 1))
