"""Do no harm: how sure a network is that there is nothing to take away."""

import numpy as np

CLEAN_DB = 14.0, 18.0


def cleanness(speech: np.ndarray, other: np.ndarray) -> float:
    """How much of a recording may pass as it is, 0 to 1.

    By the power of what a network calls early speech over that of everything else: below 14 dB
    nothing, above 18 dB all. Speech without noise in a room of RT60 0.3 s comes to 15 dB, a
    talker in the open to 18 and more, noise 10 dB below the speech to 10.

    Parameters
    ----------
    speech, other : real ndarray
        Powers.
    """
    wanted, rest = (float(np.sum(power, dtype=np.float64)) for power in (speech, other))
    if not wanted > 0:
        return 0.0
    ratio_db = 10 * np.log10(wanted / max(rest, 1e-9 * wanted))
    low, high = CLEAN_DB
    return float(np.clip((ratio_db - low) / (high - low), 0, 1))
