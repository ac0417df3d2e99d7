"""Spectrogram pictures: levels in dB, a palette, and PNG encoding.

This module encodes the PNG itself, so reports need no plotting package. The axes are text of
the page around the picture, which follows the reader's colours and width.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WINDOW_S = 0.032
COLUMN_S = 0.008
"""Hop of the analysis; in a long recording several frames are averaged into one column."""

MOST_COLUMNS = 1400
TOP_HZ = 8000.0
"""Highest frequency shown, Hz, at any sample rate."""

RANGE_DB = 60.0
LOUDEST_PERCENTILE = 99.0
"""The range ends at the level that so many points, of all pictures together, stay below:
rumble in a few rows would otherwise darken everything else."""

SILENCE_DB = -150.0
"""Level assigned to digital silence, dB."""

MAGMA = (
    "000004 100b2d 2c115f 51127c 721f81 932b80 b73779 d8456c f1605d fc8961 feb078 fed799 fcfdbf"
)  # fmt: skip
"""Anchors of matplotlib's "magma" (S. van der Walt and N. Smith, CC0), evenly spaced."""


def top_frequency(sample_rate: int) -> float:
    """Highest frequency that is shown, Hz."""
    return min(TOP_HZ, sample_rate / 2)


def spectrogram_db(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Compute short-time power in dB; the columns divide the whole duration evenly.

        S(f, t) = 10 log10( mean_j | Σ_n w(n) x(n + n_tj) e^(-j2πfn) |² / (Σ w)² )

    Hann windows of 32 ms, with centres n_tj at most 8 ms apart. Frames are averaged to at most
    1400 columns. A sine of amplitude 1 has -6 dB.

    Parameters
    ----------
    samples : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    level_db : float32 ndarray, shape (F, T)
        dB, row 0 at 0 Hz, the last row at 8 kHz or at half the sample rate; at least
        `SILENCE_DB`.
    """
    size = 2 * round(WINDOW_S * sample_rate / 2)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    n_steps = max(1, -(-samples.size // round(COLUMN_S * sample_rate)))
    n_columns = min(n_steps, MOST_COLUMNS)
    n_averaged = -(-n_steps // n_columns)
    steps = np.arange(n_columns * n_averaged) + 0.5
    starts = (steps * samples.size / steps.size).astype(np.intp)
    padded = np.pad(samples.astype(np.float32), size // 2)
    frames = sliding_window_view(padded, size)
    n_rows = round(top_frequency(sample_rate) * size / sample_rate) + 1
    level_db = np.empty((n_rows, n_columns), np.float32)
    for column, group in enumerate(starts.reshape(n_columns, n_averaged)):
        spectrum = np.fft.rfft(frames[group] * window)[:, :n_rows] / window.sum()
        power = np.mean(np.abs(spectrum) ** 2, axis=0)
        level_db[:, column] = 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))
    return level_db


def loudest_db(levels_db: Sequence[np.ndarray]) -> float:
    """Level of the brightest colour for pictures on one scale, dB.

    Digital silence stays dark, even if all pictures are silent.
    """
    together = np.concatenate([level.ravel() for level in levels_db])
    loudest = float(np.percentile(together, LOUDEST_PERCENTILE))
    return max(loudest, SILENCE_DB + RANGE_DB)


@cache
def palette() -> np.ndarray:
    """Colours from quiet to loud, uint8, shape (256, 3)."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in MAGMA.split()])
    positions = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(positions, range(len(anchors)), c) for c in anchors.T]
    colours = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    colours.setflags(write=False)
    return colours


def spectrogram_png(level_db: np.ndarray, loudest_db: float) -> bytes:
    """Encode a spectrogram as PNG, one pixel per value, low frequencies at the bottom.

    Parameters
    ----------
    level_db : float ndarray, shape (F, T)
        dB.
    loudest_db : float
        dB; the brightest colour. The darkest is 60 dB below.

    Returns
    -------
    content : bytes
    """
    relative = np.clip((level_db - loudest_db) / RANGE_DB + 1, 0, 1)
    return indexed_png(np.rint(255 * relative[::-1]).astype(np.uint8), palette())


def indexed_png(indices: np.ndarray, colours: np.ndarray) -> bytes:
    """Encode 8-bit palette indices, shape (height, width), as PNG; colours, shape (256, 3).

    References
    ----------
    ISO/IEC 15948 (PNG), sections 11.2.1 to 11.2.4: header, palette, data, end.
    """
    height, width = indices.shape
    rows = np.pad(indices, ((0, 0), (1, 0)))  # each row starts with filter type 0, none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, content)
        for kind, content in (
            (b"IHDR", header),
            (b"PLTE", colours.tobytes()),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
