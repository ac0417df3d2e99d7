"""NAL-R: the insertion gain that is prescribed for a hearing loss."""

import numpy as np

from arrayenh.hearing.audiograms import Audiogram

NAL_R_HZ = (250, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000)
NAL_R_DB = (-17, -8, -3, 1, 1, -1, -2, -2, -2)
"""k(f) at `NAL_R_HZ`, dB: the long-term spectrum of speech, inverted."""


def nal_r_gain_db(audiogram: Audiogram) -> np.ndarray:
    """Insertion gain by NAL-R at `NAL_R_HZ`.

        G(f) = 0.15 H₃ + 0.31 H(f) + k(f),   0 ≤ G(f) ≤ max(H(f), 0)

    H is the hearing loss, H₃ its mean at 500, 1000 and 2000 Hz. The bounds are added to the
    published rule: a hearing aid does not attenuate, and without a loss it does not amplify. The
    upper one is not reached by any of the standard audiograms but that of normal hearing.

    Parameters
    ----------
    audiogram : Audiogram

    Returns
    -------
    gain_db : float64 ndarray, shape (2, 9)
        Left and right.

    References
    ----------
    D. Byrne, H. Dillon, "The National Acoustic Laboratories' (NAL) new procedure for selecting
    the gain and frequency response of a hearing aid", Ear and Hearing 7(4), 1986.

    Examples
    --------
    >>> from arrayenh.hearing import load_audiogram
    >>> nal_r_gain_db(load_audiogram("N3"))[0].round(1)
    array([ 0.1,  9.1, 14.1, 19.6, 21.2, 20.8, 21.3, 22.8, 24.4])
    """
    loss = audiogram.at(NAL_R_HZ)
    mean = audiogram.three_frequency_average()[:, None]
    gain = 0.15 * mean + 0.31 * loss + np.array(NAL_R_DB)
    return np.clip(gain, 0, np.maximum(loss, 0))


def insertion_gain_db(audiogram: Audiogram, freqs: np.ndarray) -> np.ndarray:
    """Insertion gain by NAL-R, interpolated over the logarithm of frequency.

    Parameters
    ----------
    audiogram : Audiogram
    freqs : float ndarray, shape (F,)
        Hz, above 0; the gain is constant below 250 Hz and above 6 kHz.

    Returns
    -------
    gain_db : float64 ndarray, shape (2, F)
    """
    return np.stack(
        [np.interp(np.log(freqs), np.log(NAL_R_HZ), gain) for gain in nal_r_gain_db(audiogram)]
    )
