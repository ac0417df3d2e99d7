"""Resampling of a stream of samples."""

from collections.abc import Iterable, Iterator

import numpy as np
import soxr


def resample(blocks: Iterable[np.ndarray], n_mics: int, rate: int, to: int) -> Iterator[np.ndarray]:
    """Resample a stream of blocks, delay compensated (soxr, "HQ").

    Parameters
    ----------
    blocks : iterable of float32 ndarray, shape (M, n)
    n_mics : int
        M.
    rate, to : int
        Hz.

    Yields
    ------
    block : float32 ndarray, shape (M, n')
    """
    if rate == to:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, to, n_mics, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    yield stream.resample_chunk(np.zeros((0, n_mics), np.float32), last=True).T
