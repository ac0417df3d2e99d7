"""Design of the compression channels of a hearing aid: their filters and input-output curves."""

import numpy as np

from arrayenh.hearing.audiograms import Audiogram
from arrayenh.hearing.nal_r import NAL_R_HZ, insertion_gain_db

CHANNEL_HZ = (500, 1000, 2000, 3000, 4000, 6000)
"""Centres of the compression channels; they meet at the geometric means. The lowest one reaches
down to 0 Hz: filters of 4 ms resolve 250 Hz, so that 250 and 500 Hz share a channel."""

TRANSITION_HZ = 250.0  # half of the overlap of two channels
DETECTION_HZ = 2 * TRANSITION_HZ  # by which a level detector is wider than its channel, each side
GRID = 2048  # frequencies of the fit
POINT_WEIGHT = 300.0  # of an audiometric frequency in the fit, in points of the grid
LOSS_OF_INFINITE_RATIO = 200.0  # dB HL
REFERENCE_DB = 65.0
"""Input at which the gain is the prescribed one, dB SPL: conversational speech."""


def compression_slopes(audiogram: Audiogram) -> np.ndarray:
    """Fall of the gain for each dB of input, by channel, (2, C).

        1 - 1/R = H/200

    R is the compression ratio and H the loss at the centre of the channel. The rule follows from
    the half-gain rule (Lybarger 1944): soft sounds, at the normal threshold, get half of the loss
    as gain, sounds at 100 dB none, and the gain falls linearly between the two. R is 1 for normal
    hearing, 1.25 for 40 dB, 1.67 for 80 dB.
    """
    return np.maximum(audiogram.at(CHANNEL_HZ), 0) / LOSS_OF_INFINITE_RATIO


def channel_filters(
    audiogram: Audiogram, sample_rate: int, delay: int, most_gain_db: float
) -> tuple[np.ndarray, np.ndarray]:
    """Filters of the channels, which add up to the prescribed gain.

    Each is a symmetric filter of 2 D + 1 taps, thus with a delay of exactly D at all frequencies.
    Channel c approximates G(f) W_c(f), with the prescribed gain G and raised-cosine windows W_c
    with Σ_c W_c = 1, by least squares of the error relative to G, which weigh the audiometric
    frequencies more. The fit is linear, so the filters add up to the fit of G itself; for G = 1
    that is the unit impulse, exactly.

    Parameters
    ----------
    audiogram : Audiogram
    sample_rate : int
        Hz.
    delay : int
        D, samples.
    most_gain_db : float
        Bound of G.

    Returns
    -------
    taps : float64 ndarray, shape (2, C, D + 1)
        Upper half of the filters: the centre, then the taps beside it.
    highest_db : float64 ndarray, shape (2, C)
        Largest G within each channel.
    """
    freqs, weight = fit_frequencies(sample_rate)
    gain_db = np.minimum(insertion_gain_db(audiogram, freqs), most_gain_db)
    windows = channel_windows(freqs, sample_rate)
    gain = 10 ** (gain_db[:, None] / 20)  # (2, 1, F)
    taps = np.stack(
        [fitted(one * windows, freqs, weight / one[0], sample_rate, delay) for one in gain]
    )
    inside = np.where(windows > 0, gain_db[:, None], -np.inf)  # (2, C, F)
    return taps, inside.max(axis=-1)


def detection_filters(sample_rate: int, delay: int) -> np.ndarray:
    """Filters of the level detectors, (C, D + 1), as those of the channels without gain.

    Each is flat wherever its channel passes anything and falls beyond. A tone between two
    channels thus has its full level in both.
    """
    freqs, weight = fit_frequencies(sample_rate)
    windows = channel_windows(freqs, sample_rate, DETECTION_HZ)
    return fitted(windows, freqs, weight, sample_rate, delay)


def fit_frequencies(sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies of the fit, Hz, and their weights: a uniform grid and the audiometric ones."""
    grid = (np.arange(GRID) + 0.5) / GRID * sample_rate / 2
    weight = np.repeat([1.0, np.sqrt(POINT_WEIGHT)], [GRID, len(NAL_R_HZ)])
    return np.concatenate([grid, NAL_R_HZ]), weight


def channel_windows(freqs: np.ndarray, sample_rate: int, wider: float = 0.0) -> np.ndarray:
    """Raised-cosine windows of the channels, (C, F), each `wider` by so many Hz at both sides."""
    centres = np.array(CHANNEL_HZ, np.float64)
    edges = np.sqrt(centres[1:] * centres[:-1])[:, None]
    none, everything = np.zeros((1, freqs.size)), np.ones((1, freqs.size))
    upper = np.concatenate([below(freqs, edges + wider), everything])
    lower = np.concatenate([none, below(freqs, edges - wider)])
    return upper - lower


def below(freqs: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """1 below the edges and 0 above, with a raised-cosine transition."""
    return 0.5 - 0.5 * np.sin(np.pi / 2 * np.clip((freqs - edges) / TRANSITION_HZ, -1, 1))


def fitted(
    targets: np.ndarray, freqs: np.ndarray, weight: np.ndarray, sample_rate: int, delay: int
) -> np.ndarray:
    """Symmetric filters by weighted least squares, their upper halves, (C, D + 1)."""
    halves = np.arange(delay + 1)
    cosines = np.cos(2 * np.pi * freqs[:, None] / sample_rate * halves) * np.where(halves, 2, 1)
    solution = np.linalg.lstsq(cosines * weight[:, None], (targets * weight).T, rcond=None)[0]
    return np.ascontiguousarray(solution.T)
