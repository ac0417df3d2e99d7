"""The 25 critical bands of the spectral scores, 0 to 3.8 kHz."""

import numpy as np

LOWEST_CENTRE_HZ = 50.0

# fmt: off
BANDWIDTHS_HZ = np.array([
    70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 77.3724, 86.0056, 95.3398, 105.411, 116.256,
    127.914, 140.423, 153.823, 168.154, 183.457, 199.776, 217.153, 235.631, 255.255, 276.072,
    298.126, 321.465, 346.136,
])
# fmt: on
"""Each band begins where the one below it ends: Loizou (2013), comp_fwseg.m."""

CENTRES_HZ = LOWEST_CENTRE_HZ + np.concatenate(([0.0], np.cumsum(BANDWIDTHS_HZ[:-1])))

SKIRT = np.exp(-30 / (2 * 2.303))
"""Below this weight, 30 dB in the program's words, a filter is zero."""

LEAST_RATE = 8000
"""Hz; the highest band ends at 3.8 kHz."""


def band_filters(sample_rate: int, n_fft: int) -> np.ndarray:
    """Gaussian weights of the DFT bins in each critical band.

        w(b,k) = (B₁ / B_b) exp(-11 ((f_k - f_b) / B_b)²)

    f_b is the centre of band b, rounded down to a bin, and B_b its width; weights under
    the skirt of a filter are zero.

    Parameters
    ----------
    sample_rate : int
        Hz, 8000 or more.
    n_fft : int
        Length of the DFT, even.

    Returns
    -------
    filters : float ndarray, shape (25, n_fft / 2)
        Over the bins from 0 Hz to below half the rate.

    References
    ----------
    P. Loizou, "Speech Enhancement", 2nd ed. 2013, chapter 11, programs comp_fwseg.m and
    comp_wss.m, after B. Pellom and J. Hansen.
    """
    bin_hz = sample_rate / n_fft
    centres = np.floor(CENTRES_HZ / bin_hz)
    distance = (np.arange(n_fft // 2) - centres[:, None]) * bin_hz / BANDWIDTHS_HZ[:, None]
    filters = np.exp(-11 * distance**2) * (BANDWIDTHS_HZ[0] / BANDWIDTHS_HZ[:, None])
    return np.where(filters > SKIRT, filters, 0.0)
