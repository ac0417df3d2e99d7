import builtins
import math
import subprocess
import sys

import numpy as np
import pesq as pesq_package
import pystoi
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import ConfigError, MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation import scoring as metrics
from arrayenh.evaluation.metrics.interaural import ild_error_db
from arrayenh.evaluation.scoring import (
    CORE,
    METRICS,
    Score,
    Signals,
    scores,
    scores_at_ears,
    scores_of,
)
from tests.reference import metrics as slow

RATE = 16000
PAIR = [getattr(metrics, name) for name in CORE]
PERCEPTUAL = [metrics.pesq_wb, metrics.pesq_nb, metrics.stoi, metrics.estoi]


def speech_like(seconds=2.0, rate=RATE, seed=0):
    """Harmonics of a gliding pitch under a 4 Hz envelope with pauses, plus breath."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / rate
    voiced = sum(np.sin(k * phase) / k for k in range(1, 25))
    envelope = np.maximum(np.sin(2 * np.pi * 2 * t), 0) ** 0.5
    return 0.1 * envelope * (voiced + 0.1 * rng.standard_normal(t.size))


def noise_at(snr_db, speech, seed=1):
    noise = np.random.default_rng(seed).standard_normal(speech.size)
    return noise * np.sqrt(np.sum(speech**2) / np.sum(noise**2) / 10 ** (snr_db / 10))


@pytest.fixture(scope="module")
def speech():
    return speech_like()


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 12.5, 60.0])
def test_snr_of_a_known_mixture(speech, snr_db):
    noise = noise_at(snr_db, speech)
    assert_allclose(metrics.snr(speech, speech + noise, RATE), snr_db, atol=1e-6)
    assert_allclose(metrics.shadow_snr(speech, noise), snr_db, atol=1e-6)


def test_snr_counts_gain_as_noise(speech):
    assert_allclose(metrics.snr(speech, 0.9 * speech, RATE), 20.0, atol=1e-9)


def test_perfect_estimates(speech):
    assert metrics.snr(speech, speech, RATE) == math.inf
    assert metrics.si_sdr(speech, speech, RATE) == math.inf
    assert metrics.seg_snr(speech, speech, RATE) == 35.0
    assert metrics.shadow_snr(speech, 0 * speech) == math.inf


def test_si_sdr_does_not_hear_gain(speech):
    noisy = speech + noise_at(5.0, speech)
    plain = metrics.si_sdr(speech, noisy, RATE)
    for gain in (1e-4, -3.0, 1e4):
        assert_allclose(metrics.si_sdr(speech, gain * noisy, RATE), plain, atol=1e-9)
        assert_allclose(metrics.si_sdr(gain * speech, noisy, RATE), plain, atol=1e-9)


def test_si_sdr_with_orthogonal_noise_is_the_snr(speech):
    noise = noise_at(7.0, speech)
    noise -= speech * np.dot(noise, speech) / np.dot(speech, speech)
    expected = 10 * np.log10(np.sum(speech**2) / np.sum(noise**2))
    assert_allclose(metrics.si_sdr(speech, speech + noise, RATE), expected, atol=1e-9)


def test_si_sdr_removes_no_mean(speech):
    offset = speech + 0.05  # a mean-removing SI-SDR would call this perfect
    expected = slow.si_sdr(speech, offset)
    assert_allclose(metrics.si_sdr(speech, offset, RATE), expected, atol=1e-9)
    assert expected < 20


def test_si_sdr_of_an_orthogonal_estimate():
    s = np.array([1.0, 0.0])
    assert metrics.si_sdr(s, s[::-1].copy(), RATE) == -math.inf


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_seg_snr_matches_the_slow_one(rate):
    s = speech_like(0.6, rate)
    y = s + noise_at(8.0, s)
    assert_allclose(metrics.seg_snr(s, y, rate), slow.seg_snr(s, y, rate), atol=1e-9)


def test_seg_snr_clamps_each_frame(speech):
    assert metrics.seg_snr(speech, speech + noise_at(-60, speech), RATE) == -10.0
    assert metrics.seg_snr(speech, speech + 1e-9, RATE) == 35.0


def test_seg_snr_leaves_pauses_out():
    s = np.concatenate((speech_like(0.25), np.zeros(RATE)))
    y = s.copy()
    y[-RATE // 2 :] = 0.1  # wrong in the pause only
    assert metrics.seg_snr(s, y, RATE) == 35.0


@pytest.mark.parametrize(("below_db", "heard"), [(39.0, True), (41.0, False)])
def test_seg_snr_hears_what_is_at_most_40_db_below_the_loudest_frame(below_db, heard):
    s = np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)  # each frame holds whole periods
    s[RATE:] *= 10 ** (-below_db / 20)
    wrong = np.concatenate((s[:RATE], -s[RATE:]))
    assert (metrics.seg_snr(s, wrong, RATE) < 20) == heard


def test_a_constant_scale_gives_the_same_frame_snr(speech):
    assert_allclose(metrics.seg_snr(speech, 0.9 * speech, RATE), 20.0, atol=1e-9)


@pytest.mark.parametrize("compute", PAIR, ids=CORE)
def test_every_score_falls_with_more_noise(speech, compute):
    values = [
        compute(speech, speech + noise_at(snr_db, speech), RATE) for snr_db in (30.0, 15.0, 0.0)
    ]
    assert values[0] > values[1] > values[2]


def everything(estimate, speech, noise):
    """All that a score may be given, of two ears a little apart."""

    def two(x):
        return np.stack([x, 0.8 * np.roll(x, 3)])

    return Signals(
        estimate,
        RATE,
        reference=speech,
        noisy=speech + noise,
        speech=speech,
        noise=noise,
        speech_out=speech,
        noise_out=estimate - speech,
        ears=two(estimate),
        reference_ears=two(speech),
        noisy_ears=two(speech + noise),
        transcript="one two three",
    )


@pytest.fixture(scope="module")
def extremes():
    """All scores of an estimate that is nearly clean, and of one that is nearly noise."""
    speech = speech_like(4.0)
    noise = noise_at(-10.0, speech)
    estimates = [speech + noise_at(snr_db, speech, 2) for snr_db in (40.0, -10.0)]
    return [scores_of(everything(one, speech, noise), list(METRICS)) for one in estimates]


@pytest.mark.parametrize("name", METRICS)
def test_scores_keep_within_their_range(extremes, name):
    metric = METRICS[name]
    for score in (found[name] for found in extremes):
        if score.reason is not None:
            assert "pip install" in score.reason  # a package that is not here
            pytest.skip(score.reason)
        # 1e-3: the bounds of PESQ are rounded to three digits
        assert metric.low - 1e-3 <= score.value <= metric.high + 1e-3


@pytest.fixture(scope="module")
def alone():
    """All scores of an estimate of which nothing else is known."""
    return scores_of(Signals(speech_like(2.0), RATE), list(METRICS))


@pytest.mark.parametrize("name", METRICS)
def test_a_score_says_what_it_was_not_given(alone, name):
    metric, score = METRICS[name], alone[name]
    if not metric.needs:
        assert score.reason is None or "pip install" in score.reason
    else:
        assert math.isnan(score.value) and metric.needs[0] in score.reason


def test_pesq_is_the_package_at_its_own_rates(speech):
    y = speech + noise_at(10.0, speech)
    assert metrics.pesq_wb(speech, y, 16000) == pesq_package.pesq(16000, speech, y, "wb")
    assert metrics.pesq_nb(speech, y, 16000) == pesq_package.pesq(16000, speech, y, "nb")
    assert metrics.pesq_nb(speech, y, 8000) == pesq_package.pesq(8000, speech, y, "nb")


def test_pesq_resamples_other_rates_to_16_khz():
    s = speech_like(1.5, 44100)
    y = s + noise_at(10.0, s)
    at_16k = soxr.resample(s, 44100, 16000), soxr.resample(y, 44100, 16000)
    assert metrics.pesq_wb(s, y, 44100) == pesq_package.pesq(16000, *at_16k, "wb")
    assert metrics.pesq_nb(s, y, 44100) == pesq_package.pesq(16000, *at_16k, "nb")


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_stoi_is_the_package(rate):
    s = speech_like(1.0, rate)
    y = s + noise_at(5.0, s)
    assert_allclose(metrics.stoi(s, y, rate), pystoi.stoi(s, y, rate), atol=1e-12)
    # pystoi adds noise of 1e-16 to its extended score
    expected = pystoi.stoi(s, y, rate, extended=True)
    assert_allclose(metrics.estoi(s, y, rate), expected, atol=1e-9)


def test_single_precision_input_changes_nothing_that_is_heard(speech):
    y = (speech + noise_at(10.0, speech)).astype(np.float32)
    s = speech.astype(np.float32)
    for compute in PAIR:
        wide = compute(s.astype(np.float64), y.astype(np.float64), RATE)
        assert_allclose(compute(s, y, RATE), wide, atol=1e-9)


@pytest.mark.parametrize("compute", PAIR, ids=CORE)
def test_unequal_lengths_are_refused(speech, compute):
    with pytest.raises(ShapeError, match="equal length; got 32000 and 31999 samples"):
        compute(speech, speech[:-1], RATE)
    with pytest.raises(ShapeError, match=r"estimate must have shape \(N,\)"):
        compute(speech, speech[None], RATE)
    with pytest.raises(ShapeError, match="got int16"):
        compute((speech * 1000).astype(np.int16), speech, RATE)


@pytest.mark.parametrize("compute", PAIR, ids=CORE)
def test_nan_and_infinity_are_refused(speech, compute):
    y = speech.copy()
    y[[3, 9]] = np.nan, np.inf
    with pytest.raises(MetricError, match="estimate must be finite; 2 samples"):
        compute(speech, y, RATE)


@pytest.mark.parametrize("compute", PAIR, ids=CORE)
def test_a_silent_reference_has_no_score(speech, compute):
    with pytest.raises(MetricError, match="the reference is silent"):
        compute(0 * speech, speech, RATE)


@pytest.mark.parametrize("compute", [metrics.si_sdr, *PERCEPTUAL])
def test_a_silent_estimate_has_no_score(speech, compute):
    with pytest.raises(MetricError, match="the estimate is silent"):
        compute(speech, 0 * speech, RATE)


def test_silence_against_noise_has_an_snr(speech):
    assert metrics.snr(speech, 0 * speech, RATE) == 0.0
    assert metrics.seg_snr(speech, 0 * speech, RATE) == 0.0
    with pytest.raises(MetricError, match="the speech is silent"):
        metrics.shadow_snr(0 * speech, speech)


def test_too_short_for_each(speech):
    s = speech[1000:1400]
    with pytest.raises(MetricError, match=r"30 ms = 480 samples at 16000 Hz; got 400"):
        metrics.seg_snr(s, s, RATE)
    with pytest.raises(MetricError, match="these 0.03 s: it needs at least 1/4 s"):
        metrics.pesq_wb(s, s, RATE)
    with pytest.raises(MetricError, match="30 frames .* in 0.03 s"):
        metrics.stoi(s, s, RATE)


def test_stoi_with_too_little_speech_is_an_error_not_a_warning(speech):
    s = np.zeros(2 * RATE)
    s[:3000] = speech[1000:4000]
    for compute in (metrics.stoi, metrics.estoi):
        with pytest.raises(MetricError, match="30 frames .* in 2.00 s"):
            compute(s, s, RATE)


def test_stoi_lengths_around_the_least_never_crash(speech):
    for n_samples in range(6300, 7300, 50):
        s = speech[:n_samples]
        result = scores(s, s, RATE, ["stoi"])["stoi"]
        assert result.value == pytest.approx(1.0) or "30 frames" in result.reason


def test_pesq_without_an_utterance(monkeypatch, speech):
    code = pesq_package.PesqError.NO_UTTERANCES_DETECTED
    monkeypatch.setattr(pesq_package, "pesq", lambda *args, **kwargs: code)
    with pytest.raises(MetricError, match="these 2.00 s: it detected no utterance"):
        metrics.pesq_wb(speech, speech, RATE)
    monkeypatch.setattr(pesq_package, "pesq", lambda *args, **kwargs: math.nan)
    with pytest.raises(MetricError, match="nearly silent"):
        metrics.pesq_wb(speech, speech, RATE)


def test_pesq_refuses_more_utterances_than_its_code_holds():
    word = np.random.default_rng(0).standard_normal(RATE // 3)
    many = np.tile(np.concatenate((word, np.zeros(RATE // 3))), 55)
    with pytest.raises(MetricError, match="about 55 were counted"):
        metrics.pesq_wb(many, many, RATE)
    few = many[: 30 * 2 * (RATE // 3)]
    assert metrics.pesq_wb(few, few, RATE) == pytest.approx(4.644, abs=1e-3)


def test_missing_pesq_says_what_to_install(monkeypatch, speech):
    real_import = builtins.__import__

    def without_pesq(name, *args, **kwargs):
        if name == "pesq":
            raise ModuleNotFoundError("No module named 'pesq'", name="pesq")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pesq)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[eval\]'"):
        metrics.pesq_nb(speech, speech, RATE)
    table = scores(speech, speech, RATE, ["pesq_wb", "snr"])
    assert math.isnan(table["pesq_wb"].value)
    assert "C compiler" in table["pesq_wb"].reason
    assert table["snr"] == Score(math.inf)


def test_one_failing_score_leaves_the_others(speech):
    s = speech[1000:4000]
    table = scores(s, s + noise_at(10.0, s), RATE)
    assert list(table) == list(CORE)
    assert table["snr"].value == pytest.approx(10.0)
    assert table["snr"].reason is None
    for name in ("pesq_wb", "pesq_nb", "stoi", "estoi"):
        assert math.isnan(table[name].value)
        assert table[name].reason


def test_scores_keep_the_order_asked_for(speech):
    assert list(scores(speech, speech, RATE, ["si_sdr", "snr"])) == ["si_sdr", "snr"]


def test_an_unknown_score_lists_the_known(speech):
    with pytest.raises(ConfigError, match="no metric is called 'pesq'; choose from snr, "):
        scores(speech, speech, RATE, ["pesq"])


def test_a_wrong_shape_is_not_a_missing_score(speech):
    with pytest.raises(ShapeError):
        scores(speech, speech[:-1], RATE)


@pytest.mark.parametrize("rate", [0, -8000, 16000.5])
def test_a_wrong_rate_is_refused(speech, rate):
    with pytest.raises(MetricError, match="sample_rate must be a whole number"):
        metrics.stoi(speech, speech, rate)


def test_import_loads_no_heavy_package():
    code = "import sys, arrayenh.evaluation.scoring; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    loaded = set(out.stdout.decode().split())
    assert {"pesq", "pystoi", "numba", "torch"}.isdisjoint(loaded)


def test_finding_all_scores_loads_no_heavy_package():
    code = "import sys; from arrayenh.evaluation.scoring import METRICS; "
    code += "print(len(METRICS), *sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    n_scores, *modules = out.stdout.split()
    assert int(n_scores) == len(METRICS) >= 39
    assert {"torch", "onnxruntime", "numba", "librosa"}.isdisjoint(modules)
    assert not any(module.startswith("arrayenh.reports") for module in modules)


def test_scores_at_two_ears_are_those_of_the_better_one():
    rng = np.random.default_rng(3)
    clean = rng.standard_normal((2, 16000))
    error = rng.standard_normal((2, 16000)) * np.array([[1.0], [0.1]])
    names = ("si_sdr", "log_spectral_distance", "ild_error_db")
    found = scores_at_ears(clean, clean + error, 16000, names)
    sides = [scores(clean[k], clean[k] + error[k], 16000, names) for k in (0, 1)]
    assert found["si_sdr"] == sides[1]["si_sdr"] and found["si_sdr"].value > 15
    assert found[names[1]].value == min(side[names[1]].value for side in sides)
    assert found["ild_error_db"].value == ild_error_db(clean, clean + error, 16000)


def test_an_ear_without_a_score_leaves_that_of_the_other():
    rng = np.random.default_rng(4)
    clean = rng.standard_normal((2, 16000))
    half = clean * np.array([[0.0], [1.0]])
    found = scores_at_ears(half, clean + 0.1 * clean[::-1], 16000, ["si_sdr"])["si_sdr"]
    assert found.value > 10 and found.reason is None
    silent = scores_at_ears(0 * clean, clean, 16000, ["si_sdr"])["si_sdr"]
    assert np.isnan(silent.value) and "silent" in silent.reason
