"""Musical noise: residual noise that consists of isolated tones."""

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
"""Size of a patch, 156 Hz by 120 ms: a musical tone fills a small part of it."""

MASKED_DB = -30.0
"""Level relative to the input noise below which residual noise is inaudible."""

MUSICAL_RATIO = 3.0
"""Ratio of the kurtosis to that of the input above which a patch is musical."""


def musical_noise(noisy: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Share of the pauses in which noise became isolated tones (its kurtosis tripled).

        K(f,t) = <P⁴> / <P²>²,   P = |STFT|² + pedestal,   < > over 156 Hz and 120 ms
        m = share of the points (f,t) of noise alone where K_out > 3 K_in

    Over many points K is 6 for Gaussian noise at any level; it grows where a few points exceed
    the rest, as the tones of musical noise do. Uemura et al. compute K over frames that are
    known to be noise. Here it is the quietest tenth of the frames of the input, which may
    contain weak speech. Within a patch that speech is not isolated, so removing all the noise
    does not count as musical.

    The pedestal, in both, is 30 dB below the noise of the input in that bin and 80 dB below
    its speech: softer tones are inaudible. The output is first matched to the level of the
    input: the 90th percentile of the gain over points of speech is the 0 dB reference. The band
    is 100 Hz to 8 kHz.

    Parameters
    ----------
    noisy, estimate : float ndarray, shape (N,)
        Input and output.
    sample_rate : int
        Hz.

    Returns
    -------
    share : float
        Without unit, in [0, 1]; 0 is none, lower is better. It is also 0 if the input is
        digital silence in its pauses.

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
    "share of the pauses where noise became isolated tones",
    lower_is_better=True,
    needs="noisy",
    rank=370,
)


def musical_share(x: np.ndarray, y: np.ndarray, sample_rate: int) -> float:
    """Compute `musical_noise` of a validated pair."""
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
    """Raw fourth moment over the squared second moment of a patch around each point."""
    square = power**2
    fourth = box(square**2, PATCH_BINS, PATCH_FRAMES)
    return fourth / box(square, PATCH_BINS, PATCH_FRAMES) ** 2
