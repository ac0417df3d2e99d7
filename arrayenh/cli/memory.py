"""Allocator setting that returns freed memory to the system at once."""

import ctypes

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE = 1 << 20  # bytes


def give_back() -> None:
    """Let the allocator return arrays above 1 MB to the system when they are freed.

    By default glibc keeps freed blocks of up to 32 MB, which arrays of other sizes cannot reuse:
    a fifth of the memory for a recording of an hour. On other systems this does nothing.
    """
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (OSError, TypeError, AttributeError):
        return
