"""Composite scores: the regressions, their limits, and what they are regressed on."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.testing import assert_allclose

import arrayenh.scenes
from arrayenh.errors import MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation.metrics.composite import cbak, covl, csig
from arrayenh.evaluation.metrics.pesq import pesq_wb
from arrayenh.evaluation.metrics.spectral import wss
from tests.evaluation.test_scoring import noise_at, speech_like
from tests.reference import spectral as slow

RATE = 16000
ALL = [csig, cbak, covl]


@pytest.fixture(scope="module")
def speech():
    clip = Path(arrayenh.scenes.__file__).parent / "clips" / "male.flac"
    return soundfile.read(clip)[0][: 2 * RATE]


def mean_frame_snr(s, y, rate):
    """SegSNR over all frames, one at a time."""
    values = []
    for a, e in zip(slow.frames(s, rate), slow.frames(s - y, rate), strict=True):
        values.append(min(max(10 * np.log10(np.sum(a**2) / np.sum(e**2)), -10.0), 35.0))
    return np.mean(values)


@pytest.mark.parametrize("rate", [8000, 16000])
def test_regressions_of_hu_and_loizou(speech, rate):
    s = soxr.resample(speech, RATE, rate)
    y = s + noise_at(20.0, s)
    order = 10 if rate == 8000 else 16
    frame_llr = slow.frame_llr(s, y, rate, order)
    assert max(frame_llr) > 2  # so that the limit of `llr` would show
    ratio, pesq, slope = slow.best(frame_llr), pesq_wb(s, y, rate), wss(s, y, rate)
    seg_snr = mean_frame_snr(s, y, rate)
    sig = 3.093 - 1.029 * ratio + 0.603 * pesq - 0.009 * slope
    bak = 1.634 + 0.478 * pesq - 0.007 * slope + 0.063 * seg_snr
    ovl = 1.594 + 0.805 * pesq - 0.512 * ratio - 0.007 * slope
    assert min(sig, bak, ovl) > 1 and max(sig, bak, ovl) < 5
    assert_allclose([csig(s, y, rate), cbak(s, y, rate), covl(s, y, rate)], [sig, bak, ovl])


@pytest.mark.parametrize("compute", ALL)
def test_ratings_stay_within_1_and_5(speech, compute):
    assert compute(speech, speech, RATE) == 5.0
    assert compute(speech, speech + noise_at(-40.0, speech), RATE) == 1.0


@pytest.mark.parametrize("compute", ALL)
def test_ratings_fall_with_more_noise(speech, compute):
    values = [compute(speech, speech + noise_at(db, speech), RATE) for db in (30.0, 20.0, 10.0)]
    assert np.all(np.diff(values) < 0)


def test_only_the_background_hears_gain(speech):
    y = speech + noise_at(30.0, speech)
    for compute in (csig, covl):
        # PESQ aligns levels by itself, to a few thousandths
        assert_allclose(compute(speech, 0.5 * y, RATE), compute(speech, y, RATE), atol=0.01)
    assert cbak(speech, 0.5 * y, RATE) < cbak(speech, y, RATE) - 0.2


@pytest.mark.parametrize("compute", ALL)
def test_higher_rates_are_resampled_to_16_khz(compute):
    s = speech_like(1.0, 48000)
    y = s + noise_at(20.0, s)
    at_16k = compute(soxr.resample(s, 48000, 16000), soxr.resample(y, 48000, 16000), 16000)
    assert compute(s, y, 48000) == at_16k


def test_digital_silence_does_not_count_as_background(speech):
    pause = np.zeros(RATE)
    s, y = np.concatenate((speech, pause)), np.concatenate((speech, pause))
    y[-RATE // 2 :] = 0.001 * speech[: RATE // 2]
    assert cbak(s, y, RATE) == 5.0
    noisy = y + noise_at(20.0, y)
    rounding = 1e-8 * np.random.default_rng(0).standard_normal(s.size)
    assert_allclose(cbak(s + rounding, noisy, RATE), cbak(s, noisy, RATE), atol=1e-3)


@pytest.mark.parametrize("compute", ALL)
def test_what_has_no_rating(compute, speech):
    y = speech.copy()
    y[0] = np.nan
    with pytest.raises(MetricError, match="finite"):
        compute(speech, y, RATE)
    with pytest.raises(MetricError, match="the reference is silent"):
        compute(0 * speech, speech, RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        compute(speech, 0 * speech, RATE)
    with pytest.raises(MetricError, match="it needs at least 1/4 s"):
        compute(speech[:2000], speech[:2000], RATE)
    with pytest.raises(ShapeError, match="equal length"):
        compute(speech, speech[1:], RATE)
    with pytest.raises(MetricError, match="8000 Hz or more; got 6000"):
        compute(speech, speech, 6000)


def test_without_pesq_there_is_no_rating(monkeypatch, speech):
    real_import = builtins.__import__

    def without_pesq(name, *args, **kwargs):
        if name == "pesq":
            raise ModuleNotFoundError("No module named 'pesq'", name="pesq")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pesq)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[eval\]'"):
        csig(speech, speech, RATE)
