"""Auditory filters: gammatone filters of the cochlea and modulation filters of envelopes."""

import numpy as np

EAR_Q = 9.26449
LEAST_BANDWIDTH_HZ = 24.7
"""ERB(f) = f / 9.26449 + 24.7 Hz: Glasberg and Moore (1990)."""

GAMMATONE_BANDWIDTH = 1.019
"""b of the gammatone filter in ERB, Patterson's value for order 4."""


def erb(freqs: np.ndarray) -> np.ndarray:
    """Equivalent rectangular bandwidth of the auditory filters at these frequencies, Hz."""
    return freqs / EAR_Q + LEAST_BANDWIDTH_HZ


def erb_centres(lowest: float, highest: float, n_bands: int) -> np.ndarray:
    """Centres in Hz, evenly spaced in ERB from `lowest` to one step below `highest`."""
    offset = EAR_Q * LEAST_BANDWIDTH_HZ
    return np.geomspace(lowest + offset, highest + offset, n_bands + 1)[:-1] - offset


def gammatone(centre: float, sample_rate: int) -> np.ndarray:
    """Gammatone filter of order 4: four sections that share a pair of poles.

        h(t) ∝ t³ exp(-2πbt) cos(2πft),  b = 1.019 ERB(f),  |H(f)| = 1

    Each section is impulse-invariant by itself: far below half the rate |H| is that of
    h(t) to 0.3 %, in the highest band to 6 %.

    Parameters
    ----------
    centre : float
        f, Hz.
    sample_rate : int
        fs, Hz.

    Returns
    -------
    sections : float ndarray, shape (4, 6)
        Second-order sections for `scipy.signal.sosfilt`.

    References
    ----------
    M. Slaney, "An efficient implementation of the Patterson-Holdsworth auditory filter
    bank", Apple Technical Report 35, 1993.
    """
    phase = 2 * np.pi * centre / sample_rate
    decay = np.exp(-2 * np.pi * GAMMATONE_BANDWIDTH * erb(np.asarray(centre)) / sample_rate)
    tilt = np.array([np.sqrt(2) + 1, -np.sqrt(2) - 1, np.sqrt(2) - 1, 1 - np.sqrt(2)])
    sections = np.zeros((4, 6))
    sections[:, 0] = sections[:, 3] = 1.0
    sections[:, 1] = -decay * (np.cos(phase) + tilt * np.sin(phase))
    sections[:, 4:] = -2 * decay * np.cos(phase), decay**2
    powers = np.exp(-1j * phase * np.arange(3))
    gain = np.abs((sections[:, :3] @ powers) / (sections[:, 3:] @ powers))
    sections[:, :3] /= gain[:, None]
    return sections


def modulation_filter(
    centre: float, quality: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Design a second-order band-pass for envelopes, and return its lower edge.

        H(s) = (Ω/Q) s / (s² + (Ω/Q) s + Ω²),  Ω = tan(πf/fs), bilinear

    Parameters
    ----------
    centre, quality : float
        f in Hz, and Q.
    sample_rate : int
        fs, Hz.

    Returns
    -------
    b, a : float ndarray, shape (3,)
        Coefficients for `scipy.signal.lfilter`.
    edge : float
        Hz, where the response is 3 dB down: f - fs tan(πf/fs) / (2πQ).
    """
    warped = np.tan(np.pi * centre / sample_rate)
    width = warped / quality
    b = np.array([width, 0.0, -width])
    a = np.array([1 + width + warped**2, 2 * warped**2 - 2, 1 - width + warped**2])
    return b, a, centre - width * sample_rate / (2 * np.pi)
