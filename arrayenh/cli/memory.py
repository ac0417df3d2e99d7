"""Memory: what is no longer needed goes back at once."""

import ctypes

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
LARGE = 1 << 20  # bytes


def give_back() -> None:
    """Let the allocator return arrays above 1 MB to the system when they are freed.

    By itself glibc keeps blocks of up to 32 MB for later, in which arrays of other sizes do not
    fit: a fifth of the memory of an hour's recording. Elsewhere nothing is done.
    """
    try:
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
    except (OSError, TypeError, AttributeError):
        return
