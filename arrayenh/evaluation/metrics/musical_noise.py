"""Musical noise: what was noise and became isolated tones."""

import numpy as np

from arrayenh.evaluation.metric import of_pair
from arrayenh.evaluation.metrics.comparison import (
    aligned_pair,
    box,
    inaudible,
    least_speech,
    level_factor,
    powers,
    quiet_and_loud,
)

FRAME, HOP = 0.032, 0.008  # s
PATCH_BINS, PATCH_FRAMES = 5, 15
"""Of a patch of the spectrogram, 156 Hz by 120 ms: a musical tone fills a small part of it."""

MASKED_DB = -30.0
"""What lies so far below the noise that was there is not heard."""

MUSICAL_RATIO = 3.0
"""Kurtosis of a patch over that before, from which on it is musical."""


def musical_noise(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Part of the pauses in which noise became isolated tones: its kurtosis tripled.

        K(f,t) = <P⁴> / <P²>²,   P = |STFT|² + pedestal,   < > over 156 Hz and 120 ms
        m = share of the points (f,t) of noise alone where K_out > 3 K_in

    Over many points K is 6 for Gaussian noise, whatever its level; it grows where few of them
    stick out of the rest: the tones of musical noise. Uemura et al. take K over all frames
    of what is known to be noise. A recording must be taken as it is: the tenth of its frames
    where the input is quietest, in which weak speech is left. Within a patch that speech is
    not isolated, so that noise may vanish altogether and leave nothing musical.

    The pedestal, in both, lies 30 dB below the noise of the input in that bin and 80 dB
    below its speech: softer tones are not heard. The output is first brought to the level
    of the input: the gain that 90 % of the points of speech stay below is taken for 0 dB.
    100 Hz to 8 kHz are judged.

    Parameters
    ----------
    noisy, estimate : float ndarray, shape (N,)
        Input and output.
    sample_rate : int
        Hz.

    Returns
    -------
    share : float
        Without unit, in [0, 1]; 0 is none, lower is better. 0 too where the input is
        digital silence in its pauses: no noise could become tones.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or shorter than 1 s.

    References
    ----------
    Y. Uemura, Y. Takahashi, H. Saruwatari, K. Shikano, K. Kondo, "Automatic optimization
    scheme of spectral subtraction based on musical noise assessment via higher-order
    statistics", IWAENC 2008 (kurtosis ratio); Y. Takahashi et al., "Musical-noise analysis
    in methods of integrating microphone array and spectral subtraction based on
    higher-order statistics", EURASIP J. Adv. Signal Process. 2010, 431347.
    """
    x, y = aligned_pair(noisy, estimate, sample_rate)
    return musical_share(x, y, sample_rate)


MUSICAL_NOISE = of_pair(
    musical_noise,
    "musical noise",
    "",
    (0.0, 1.0),
    "part of the pauses where noise became isolated tones",
    lower_is_better=True,
    needs="noisy",
    rank=370,
)


def musical_share(x: np.ndarray, y: np.ndarray, sample_rate: int) -> float:
    """`musical_noise` of a pair that was checked."""
    power_in, power_out = (powers(s, sample_rate, FRAME, HOP) for s in (x, y))
    quiet, loud = quiet_and_loud(power_in, HOP)
    if not quiet.any():
        return 0.0
    power_out *= level_factor(power_in, power_out, power_in > least_speech(power_in, quiet, loud))
    noise = power_in[:, quiet].mean(axis=1, keepdims=True)
    pedestal = np.maximum(10 ** (MASKED_DB / 10) * noise, inaudible(power_in, loud))
    kurtosis_in, kurtosis_out = (
        patch_kurtosis(power / pedestal + 1)[:, quiet] for power in (power_in, power_out)
    )
    return float(np.mean(kurtosis_out > MUSICAL_RATIO * kurtosis_in))


def patch_kurtosis(power: np.ndarray) -> np.ndarray:
    """Raw fourth moment over the square of the second, of a patch around each point."""
    square = power**2
    fourth = box(square**2, PATCH_BINS, PATCH_FRAMES)
    return fourth / box(square, PATCH_BINS, PATCH_FRAMES) ** 2
