import sys

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation.metrics import dnsmos
from arrayenh.scenes.packaged import load_clip

RATE = 16000
SCORES = {
    "ovrl_mos": dnsmos.dnsmos_ovrl,
    "sig_mos": dnsmos.dnsmos_sig,
    "bak_mos": dnsmos.dnsmos_bak,
    "p808_mos": dnsmos.dnsmos_p808,
}


@pytest.fixture(scope="module")
def package():
    for name in ("librosa", "onnxruntime", "requests"):
        pytest.importorskip(name, reason=f"DNSMOS needs {name}: arrayenh[dnsmos]")
    pytest.importorskip("speechmos", reason="DNSMOS needs speechmos: arrayenh[dnsmos]")
    from speechmos import dnsmos as package

    return package


@pytest.fixture(scope="module")
def speech():
    return load_clip("male")[0].astype(np.float64)


@pytest.fixture(scope="module")
def noise(speech):
    return speech.std() * np.random.default_rng(0).standard_normal(speech.size)


@pytest.mark.parametrize("seconds", [4, 9.01, 11])
@pytest.mark.slow
def test_every_score_is_the_package(package, speech, noise, seconds):
    y = np.resize(speech + 0.1 * noise, int(seconds * RATE))
    expected = package.run(y, RATE)
    for name, compute in SCORES.items():
        # the package's sessions add up on all threads: float32, to about 1e-6
        assert_allclose(compute(y, RATE), expected[name], atol=1e-5)


def test_other_rates_are_resampled(package, speech):
    y = soxr.resample(speech, RATE, 44100)
    expected = package.run(soxr.resample(y, 44100, RATE), RATE)
    assert_allclose(dnsmos.dnsmos_ovrl(y, 44100), expected["ovrl_mos"], atol=1e-5)


def test_four_scores_of_a_signal_take_one_run(package, speech, monkeypatch):
    runs = []
    run = package.DNSMOS.__call__
    monkeypatch.setattr(
        package.DNSMOS,
        "__call__",
        lambda self, *args, **kwargs: runs.append(1) or run(self, *args, **kwargs),
    )
    for compute in SCORES.values():
        compute(0.9 * speech, RATE)
    assert len(runs) == 1
    dnsmos.dnsmos_sig(0.8 * speech, RATE)  # another signal is not taken for the first
    assert len(runs) == 2


def test_scores_repeat(package, speech):
    first = dnsmos.dnsmos_ovrl(speech, RATE)
    dnsmos._judged.cache_clear()
    assert dnsmos.dnsmos_ovrl(speech, RATE) == first


def test_noise_lowers_what_it_should(package, speech, noise):
    noisy = [speech + gain * noise for gain in (0.03, 0.1, 0.4)]
    for compute in (dnsmos.dnsmos_ovrl, dnsmos.dnsmos_bak, dnsmos.dnsmos_p808):
        values = [compute(y / 2, RATE) for y in noisy]
        assert values[0] > values[1] > values[2]
        assert all(1 < value < 5 for value in values)


def test_beyond_full_scale_is_cut_off(package, speech):
    loud = 3 * speech / np.abs(speech).max()
    expected = package.run(np.clip(loud, -1, 1), RATE)
    assert_allclose(dnsmos.dnsmos_sig(loud, RATE), expected["sig_mos"], atol=1e-5)


def test_it_takes_one_thread(package):
    network = dnsmos._network()
    for session in (network.onnx_sess, network.p808_onnx_sess):
        assert session.get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("compute", SCORES.values(), ids=SCORES)
def test_what_is_no_recording_is_refused(package, speech, compute):
    with pytest.raises(ShapeError, match=r"estimate must have shape \(N,\)"):
        compute(speech[None], RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        compute(np.full(RATE, np.inf), RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        compute(0 * speech, RATE)
    with pytest.raises(MetricError, match="these 0.50 s: it needs 1 s"):
        compute(speech[: RATE // 2], RATE)
    with pytest.raises(MetricError, match="whole number of Hz"):
        compute(speech, 0)


@pytest.mark.parametrize("name", ["speechmos", "onnxruntime"])
def test_what_is_missing_is_said(monkeypatch, speech, name):
    monkeypatch.setitem(sys.modules, name, None)
    dnsmos._network.cache_clear()
    with pytest.raises(MissingExtraError, match=r"speechmos.* pip install 'arrayenh\[dnsmos\]'$"):
        dnsmos.dnsmos_ovrl(speech, RATE)
