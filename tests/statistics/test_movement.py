import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.statistics.movement import SpeechBlocks, averaging, memories
from tests.signals import complex_normal

FREQS = np.arange(257) * 31.25
N_MICS, FRAMES, SECONDS = 4, 16, 0.5  # of a block


def segment(turn_deg, n_blocks=24, snr=1.0, seed=0):
    """A talker whose direction turns by so much within the segment, in noise."""
    rng = np.random.default_rng(seed)
    n_frames = n_blocks * FRAMES
    angle = np.deg2rad(turn_deg) * np.arange(n_frames) / n_frames
    places = 0.05 * np.arange(N_MICS)
    delays = places[:, None] * np.cos(angle) / 343
    towards = np.exp(-2j * np.pi * FREQS[:, None, None] * delays)
    # half of the bins hold speech, as a good mask knows
    mask = (rng.random((len(FREQS), n_frames)) < 0.5).astype(np.float32)
    speech = complex_normal(rng, len(FREQS), n_frames) * mask
    noise = complex_normal(rng, len(FREQS), N_MICS, n_frames)
    spec = np.sqrt(snr) * towards * speech[:, None] + noise
    return spec.astype(np.complex64), mask


def found(spec, mask):
    return memories(spec, mask, FREQS, np.ones(len(FREQS), bool), FRAMES, SECONDS)


@pytest.mark.parametrize("snr", [0.3, 1.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_talker_who_stays_is_averaged_over_the_whole_segment(snr, seed):
    assert found(*segment(0, snr=snr, seed=seed)) is None


@pytest.mark.parametrize("turn_deg", [60, 180])
def test_a_talker_who_moves_is_averaged_over_some_seconds(turn_deg):
    lengths = found(*segment(turn_deg))
    assert lengths.shape == (24,) and lengths.min() <= 4


def test_the_faster_the_shorter():
    slow, fast = (found(*segment(turn))[4:-4].mean() for turn in (60, 180))
    assert fast < slow


def test_only_where_the_talker_moves_the_average_is_short():
    moving, still = segment(180, 16), segment(0, 48)
    spec, mask = (np.concatenate(pair, axis=-1) for pair in zip(moving, still, strict=True))
    lengths = found(spec, mask)
    assert (lengths[2:14] <= 4).all() and np.isinf(lengths[-40:]).all()


def test_short_segments_and_single_microphones_say_nothing():
    spec, mask = segment(180, 5)
    assert found(spec, mask) is None
    spec, mask = segment(180)
    assert found(spec[:, :1], mask) is None


def test_blocks_add_up_to_the_covariance_of_the_segment():
    spec, mask = segment(40, 5)
    spec, mask = spec[:, :, :70], mask[:, :70]  # the last block is shorter
    blocks = SpeechBlocks.of(spec, mask, FRAMES)
    assert blocks.sums.shape == (5, len(FREQS), N_MICS, N_MICS)
    whole = spatial_covariance(spec, np.maximum(mask, 1e-6) ** 2)
    assert_allclose(blocks.averaged(np.ones(5)), whole, atol=1e-6)


def test_averages_are_triangles_around_each_block():
    weights = averaging(np.array([1.0, np.inf, 0.6]), SECONDS)
    assert_array_equal(weights[0], [1, 0.5, 0])
    assert_array_equal(weights[1], [1, 1, 1])
    assert_allclose(weights[2], [0, 1 / 6, 1], atol=1e-12)
