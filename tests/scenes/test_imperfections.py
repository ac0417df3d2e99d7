"""What is wrong with microphones, each against what it does to a known signal."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import SceneError
from arrayenh.scenes.imperfections import (
    Imperfections,
    apply_linear,
    clip,
    draw,
    drifting,
    self_noise,
    typical,
)

FS = 16000


def faults(n_mics=4, seed=0, **kinds):
    return draw(Imperfections(**kinds), n_mics, np.random.default_rng(seed))


def tone(freq, seconds=1.0):
    return np.sin(2 * np.pi * freq * np.arange(int(seconds * FS)) / FS)


def test_nothing_is_wrong_unless_asked():
    assert faults() is None
    assert faults(gain_db=0.1) is not None and typical() != Imperfections()


def test_gains_lie_within_their_spread():
    found = np.array(faults(1000, gain_db=1.5).gains_db)
    assert np.abs(found).max() <= 1.5 and np.ptp(found) > 2.9
    images = np.random.default_rng(1).standard_normal((4, 100))
    drawn = faults(gain_db=1.5)
    heard = apply_linear(images, drawn, FS)
    assert_allclose(heard, images * 10 ** (np.array(drawn.gains_db)[:, None] / 20))


def test_delays_turn_the_phase():
    drawn = faults(2, delay_us=50.0)
    heard = apply_linear(np.tile(tone(1000), (2, 1)), drawn, FS)
    n = np.arange(4000, 12000)
    for row, delay in zip(heard, drawn.delays_us, strict=True):
        assert_allclose(row[n], np.sin(2 * np.pi * 1000 * (n / FS - 1e-6 * delay)), atol=2e-3)


def test_displacements_have_their_spread():
    moved = np.array(faults(1000, position_mm=2.0).displacements)
    assert moved.std() == pytest.approx(0.002, rel=0.05) and moved.shape == (1000, 3)


@pytest.mark.parametrize("ppm", [-200.0, 50.0])
@pytest.mark.slow
def test_a_clock_that_drifts_is_late_by_its_ppm(ppm):
    x = tone(1000, 20.0)
    y = drifting(x, ppm)
    n = np.arange(len(x))
    wanted = np.sin(2 * np.pi * 1000 * n / FS / (1 + 1e-6 * ppm))
    part = slice(100, len(x) - 100)
    assert_allclose(y[part], wanted[part], atol=1e-3)
    assert_allclose(y[40:60], x[40:60], atol=1e-2)  # in step at the start
    drawn = faults(2, clock_ppm=100.0)
    heard = apply_linear(np.tile(x, (2, 1)), drawn, FS)
    assert_allclose(heard[1], drifting(x, drawn.clocks_ppm[1]))


def test_the_sum_of_parts_is_heard_as_the_sum():
    drawn = faults(gain_db=1.0, delay_us=5.0, clock_ppm=50.0)
    parts = np.random.default_rng(3).standard_normal((2, 4, 2000))
    together = apply_linear(parts.sum(axis=0), drawn, FS)
    apart = sum(apply_linear(part, drawn, FS) for part in parts)
    assert_allclose(together, apart, atol=1e-12)


def test_self_noise_has_its_sound_pressure_level():
    drawn = faults(4, noise_spl_db=34.0, dead=(3,))
    noise = self_noise(drawn, FS * 4, np.random.default_rng(0))
    # 94 dB SPL is -26 dB full scale of a sine, an RMS of 3 dB less
    wanted = 34 - 94 - 26 - 10 * np.log10(2)
    assert 10 * np.log10(np.mean(noise[0] ** 2)) == pytest.approx(wanted, abs=0.1)
    assert not noise[3].any()
    assert not self_noise(faults(gain_db=1.0), 10, np.random.default_rng(0)).any()


def test_clipping_comes_with_its_residual():
    x = np.random.default_rng(0).standard_normal((4, 1000)).astype(np.float32)
    drawn = faults(clip_dbfs=-6.0)
    clipped, residual = clip(x, drawn)
    assert np.abs(clipped).max() == pytest.approx(10 ** (-6 / 20), rel=1e-6)
    assert_array_equal(residual, clipped - x)
    assert np.mean(residual == 0) == pytest.approx(0.383, abs=0.03)  # |x| < 0.5 of a Gaussian
    same, nothing = clip(x, faults(gain_db=1.0))
    assert_array_equal(same, x)
    assert not nothing.any()


def test_dead_microphones_hear_nothing():
    drawn = faults(dead=(0, 2))
    heard = apply_linear(np.ones((4, 10)), drawn, FS)
    assert heard.any(axis=1).tolist() == [False, True, False, True]
    with pytest.raises(SceneError, match="microphone 4 cannot be dead: the array has 0 to 3"):
        faults(dead=(4,))
