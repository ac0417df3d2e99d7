import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import butter, sosfilt, sosfreqz

from arrayenh._kernels.polarity import filtered
from arrayenh.microphones.polarity import POLARITY_BAND_HZ, band_pass


@pytest.mark.parametrize("sample_rate", [8000, 16_000, 44_100, 192_000])
def test_the_band_pass_is_butterworths(sample_rate):
    _, wanted = sosfreqz(
        butter(2, POLARITY_BAND_HZ, "bandpass", fs=sample_rate, output="sos"), 4096
    )
    _, found = sosfreqz(band_pass(*POLARITY_BAND_HZ, sample_rate), 4096)
    assert_allclose(np.abs(found), np.abs(wanted), atol=1e-9)


@pytest.mark.parametrize("block", [1, 7, 4000])
def test_block_by_block_is_scipys_filter(block):
    sections = band_pass(*POLARITY_BAND_HZ, 16_000)
    samples = np.random.default_rng(0).standard_normal((3, 4000))
    state = np.zeros((2, 3, 2))
    parts = [
        filtered(sections, samples[:, start : start + block], state)
        for start in range(0, 4000, block)
    ]
    assert_allclose(np.concatenate(parts, axis=1), sosfilt(sections, samples), atol=1e-12)
