"""Lossy compression of audio for listening in a page; never used for scores."""

import io

import numpy as np
import soundfile

from arrayenh.audio.files import check_finite
from arrayenh.errors import ConfigError

RATES = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sample rates supported by MP3, Hz."""


def compress(samples: np.ndarray, sample_rate: int, coarseness: float = 0.0) -> bytes:
    """Encode an MP3 file in memory, with variable bit rate; clips beyond full scale.

    Every browser can play it, and decoding preserves the timing to the sample.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz, one of `RATES`.
    coarseness : float
        From 0, about 50 kbit/s at 16 kHz, to 1, about half of that.

    Returns
    -------
    content : bytes

    Raises
    ------
    AudioError
        If a sample is not finite.
    ConfigError
        If MP3 does not support the rate.
    """
    if sample_rate not in RATES:
        raise ConfigError(f"MP3 supports the rates {', '.join(map(str, RATES))}; got {sample_rate}")
    check_finite(np.atleast_2d(samples), 0, sample_rate, "the sound")
    content = io.BytesIO()
    soundfile.write(
        content,
        np.clip(samples, -1, 1),
        sample_rate,
        format="MP3",
        compression_level=coarseness,
        bitrate_mode="VARIABLE",
    )
    return content.getvalue()
