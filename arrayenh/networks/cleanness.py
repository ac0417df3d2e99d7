"""Cleanness of a recording, by which clean speech is passed unprocessed."""

import numpy as np

CLEAN_DB = 14.0, 18.0
QUIET_DB = 26.0, 32.0
ONE_PLACE_DB, ONE_PLACE_QUIET_DB = (20.0, 26.0), (18.0, 24.0)
QUIET_FRAMES = 0.02  # share of the frames taken as pauses


def cleanness(
    given: np.ndarray,
    speech: np.ndarray,
    other: np.ndarray,
    clean_db: tuple[float, float] = CLEAN_DB,
    quiet_db: tuple[float, float] = QUIET_DB,
) -> float:
    """Share of a recording that may pass unprocessed, 0 to 1.

    It is 1 under two conditions: the early speech estimated by a network is 18 dB above everything
    else (0 below 14 dB), and the pauses are 32 dB below the mean (0 above 26 dB). Noise-free speech
    in a room of RT60 0.3 s reaches 15 dB, a talker in the free field 18 dB and more. Pauses are 5
    to 20 dB below the speech in a meeting room, and 30 to 50 dB in a studio; noise at -26 dB is
    audible.

    Parameters
    ----------
    given : real ndarray, shape (F, T)
        Power of the recording.
    speech, other : real ndarray, shape (F, T)
        Power of the early speech estimated by a network, and of the rest.
    clean_db, quiet_db : tuple of float
        Limits between which the share rises from 0 to 1: of the ratio of speech to the rest, and
        of the mean to the pauses.
    """
    frames = np.sum(given, axis=0, dtype=np.float64)
    if not frames.any():
        return 0.0
    pauses = np.quantile(frames, QUIET_FRAMES)
    wanted, rest = (float(np.sum(power, dtype=np.float64)) for power in (speech, other))
    return rise(wanted, rest, clean_db) * rise(frames.mean(), pauses, quiet_db)


def from_one_place(given: np.ndarray, mask: np.ndarray) -> float:
    """Share of a recording that may pass because all sound comes from one position, 0 to 1.

    A network may fail for voices unlike its training data; the spatial criterion does not depend
    on the voice. With cACGMM masks the ratio is 21 to 53 dB in the free field, 20 to 23 dB at RT60
    0.12 s, below 18 dB in more reverberant rooms, and below 15 dB with noise 10 dB below the
    speech. Noise from the talker's own position is not detected.

    Parameters
    ----------
    given : real ndarray, shape (F, T)
        Power of the recording.
    mask : real ndarray, shape (F, T)
        Mask of the talker's class of a spatial mixture, or of a direction, in [0, 1].
    """
    speech, other = given * mask**2, given * (1 - mask) ** 2
    return cleanness(given, speech, other, ONE_PLACE_DB, ONE_PLACE_QUIET_DB)


def rise(above: float, below: float, limits_db: tuple[float, float]) -> float:
    """Ramp from 0 to 1 while the ratio of two powers rises between two limits."""
    if not above > 0:
        return 0.0
    ratio_db = 10 * np.log10(above / max(below, 1e-9 * above))
    low, high = limits_db
    return float(np.clip((ratio_db - low) / (high - low), 0, 1))
