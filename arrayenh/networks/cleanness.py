"""Do no harm: how sure a network is that there is nothing to take away."""

import numpy as np

CLEAN_DB = 14.0, 18.0
QUIET_DB = 26.0, 32.0
ONE_PLACE_DB, ONE_PLACE_QUIET_DB = (20.0, 26.0), (18.0, 24.0)
QUIET_FRAMES = 0.02  # of all, which hold no speech


def cleanness(
    given: np.ndarray,
    speech: np.ndarray,
    other: np.ndarray,
    clean_db: tuple[float, float] = CLEAN_DB,
    quiet_db: tuple[float, float] = QUIET_DB,
) -> float:
    """How much of a recording may pass as it is, 0 to 1.

    Two things must be: early speech, as a network has it, 18 dB above everything else (below 14
    dB nothing passes), and pauses 32 dB below the mean (26 dB). Speech without noise in a room
    of RT60 0.3 s comes to 15 dB, a talker in the open to 18 and more; pauses of a meeting room
    are 5 to 20 dB below the speech, those of a studio 30 to 50; noise at 26 dB is heard.

    Parameters
    ----------
    given : real ndarray, shape (F, T)
        Power of the recording.
    speech, other : real ndarray, shape (F, T)
        Power of what a network calls early speech, and of the rest.
    clean_db, quiet_db : tuple of float
        Below and above which nothing and all may pass: the ratio of the two, and that of the
        mean to the pauses.
    """
    frames = np.sum(given, axis=0, dtype=np.float64)
    if not frames.any():
        return 0.0
    pauses = np.quantile(frames, QUIET_FRAMES)
    wanted, rest = (float(np.sum(power, dtype=np.float64)) for power in (speech, other))
    return rise(wanted, rest, clean_db) * rise(frames.mean(), pauses, quiet_db)


def from_one_place(given: np.ndarray, mask: np.ndarray) -> float:
    """How much may pass because all of it comes from one place, 0 to 1.

    A network knows what speech is like, and errs with a voice that it never heard; where sound
    comes from tells of clean speech whatever it is like. Masks of a mixture of directions make
    of it 21 to 53 dB in the open, 20 to 23 dB at RT60 0.12 s, below 18 dB in rooms more
    reverberant, and below 15 dB with noise 10 dB below the speech. What little noise comes from
    that very place is the talker's recording.

    Parameters
    ----------
    given : real ndarray, shape (F, T)
        Power of the recording.
    mask : real ndarray, shape (F, T)
        Of the mixture's first place, or of a direction, in [0, 1].
    """
    speech, other = given * mask**2, given * (1 - mask) ** 2
    return cleanness(given, speech, other, ONE_PLACE_DB, ONE_PLACE_QUIET_DB)


def rise(above: float, below: float, limits_db: tuple[float, float]) -> float:
    """From 0 to 1 while the ratio of two powers goes from one limit to the other."""
    if not above > 0:
        return 0.0
    ratio_db = 10 * np.log10(above / max(below, 1e-9 * above))
    low, high = limits_db
    return float(np.clip((ratio_db - low) / (high - low), 0, 1))
