"""Clocks of two devices that differ."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.live.drift import Drift, stretched

RATE, BLOCK = 48_000, 480


@pytest.mark.parametrize("ppm", [0, 100, -300])
def test_the_delay_stays_where_it_was(ppm):
    drift, held, most = Drift(BLOCK, RATE), 2000.0, 0.0
    samples = np.zeros((1, BLOCK), np.float32)
    n_blocks = 60 * RATE // BLOCK
    for k in range(n_blocks):
        n = drift.corrected(samples, round(held)).shape[1]
        held += n - BLOCK * (1 - 1e-6 * ppm)  # the output plays more slowly, or faster
        if k > n_blocks // 2:
            most = max(most, abs(held - 2000))
    assert most < 0.6 * BLOCK
    wanted = 1e-6 * ppm * 60 * RATE
    assert drift.n_removed == pytest.approx(wanted, abs=0.6 * BLOCK)
    assert ppm or drift.n_removed == 0


def test_a_stretched_block_is_the_same_sound():
    t = np.arange(BLOCK) / RATE
    x = np.sin(2 * np.pi * 1000 * t)
    longer = stretched(x[None], BLOCK + 1)[0]
    places = np.linspace(0, BLOCK - 1, BLOCK + 1) / RATE
    # error of linear interpolation: (2 pi f / fs)^2 / 8
    assert_allclose(longer, np.sin(2 * np.pi * 1000 * places), atol=(2 * np.pi / 48) ** 2 / 8)
    assert_array_equal(stretched(x[None], BLOCK)[0], x.astype(np.float32))
