"""Ratios of separation: projections and SDR against least squares."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import toeplitz

from arrayenh.errors import MetricError, ShapeError
from arrayenh.evaluation.metrics import separation_ratios
from arrayenh.evaluation.metrics.separation_ratios import sdr, si_sar, si_sir
from arrayenh.evaluation.metrics.waveform import si_sdr
from tests.evaluation.test_scoring import noise_at, speech_like
from tests.reference.reverberation import torch_randn

RATE = 16000
SI = [si_sir, si_sar]


@pytest.fixture(scope="module")
def speech():
    s = speech_like(1.0)
    return s + noise_at(40.0, s, seed=7)


def signals(n_samples=4000, seed=0):
    """A target, an interference that resembles it, and an artefact."""
    s, n, a = np.random.default_rng(seed).standard_normal((3, n_samples))
    return s, n + 0.5 * s, a


def test_sdr_that_torchmetrics_publishes():
    # torch.manual_seed(42); preds, target = randn(8000), randn(8000): tensor(-11.9930)
    z = torch_randn(42, 16000).astype(np.float64)
    assert_allclose(sdr(z[8000:], z[:8000], 8000), -11.9930, atol=5e-5)


@pytest.mark.parametrize("colour", [[1.0], [1.0, 2.0, 1.0], [1.0, -1.8, 0.9]])
def test_sdr_is_what_least_squares_leaves(colour):
    s, _, a = signals(1500)
    s = np.convolve(s, colour)[: s.size]
    y = np.convolve(s, np.random.default_rng(1).standard_normal(600))[: s.size] + 5 * a
    delays = toeplitz(np.concatenate((s, np.zeros(511))), np.eye(1, 512)[0] * s[0])
    target = delays @ np.linalg.lstsq(delays, np.concatenate((y, np.zeros(511))), rcond=None)[0]
    rest = np.concatenate((y, np.zeros(511))) - target
    expected = 10 * np.log10(np.sum(target**2) / np.sum(rest**2))
    assert_allclose(sdr(s, y, RATE), expected, atol=1e-6)


@pytest.mark.parametrize("snr_db", [-20.0, 0.0, 40.0, 80.0])
def test_sdr_of_a_known_target(snr_db):
    """The rest of the estimate is where no filter of the target reaches, so that SDR is SNR."""
    s, a = np.pad(signals(4000)[0], (0, 4511)), signals(4000, 1)[0]
    target = np.convolve(s[:4000], np.random.default_rng(2).standard_normal(512))
    target = np.pad(target, (0, 4000))
    rest = np.concatenate((np.zeros(4511), a))
    rest *= np.linalg.norm(target) / np.linalg.norm(rest) * 10 ** (-snr_db / 20)
    assert_allclose(sdr(s, target + rest, RATE), snr_db, atol=1e-6)


def test_sdr_forgives_a_filter_and_a_delay_but_no_advance():
    s = signals(8000)[0]
    s[-600:] = 0.0
    assert sdr(s, np.roll(s, 511), RATE) > 100
    assert sdr(s, np.convolve(s, [1.0, -0.9, 0.3])[: s.size], RATE) > 100
    assert sdr(np.roll(s, 1), s, RATE) < 0
    assert sdr(s, np.roll(s, 512), RATE) < 0


def test_sdr_does_not_hear_gain(speech):
    y = speech + noise_at(10.0, speech)
    plain = sdr(speech, y, RATE)
    for gain in (1e-12, -3.0, 1e6):
        assert_allclose(sdr(speech, gain * y, RATE), plain, atol=1e-6)
        assert_allclose(sdr(gain * speech, y, RATE), plain, atol=1e-6)


def test_sdr_falls_with_noise(speech):
    values = [sdr(speech, speech + noise_at(db, speech), RATE) for db in (30, 15, 0)]
    assert np.all(np.diff(values) < -10)
    assert sdr(speech, speech, RATE) > 100


def test_sdr_of_a_singular_reference(monkeypatch, speech):
    def singular(*args, **kwargs):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(separation_ratios, "solve_toeplitz", singular)
    with pytest.raises(MetricError, match="too narrow in band for 512 taps"):
        sdr(speech, speech, RATE)


def test_sdr_needs_twice_its_filter(speech):
    with pytest.raises(MetricError, match="1024 samples, twice its filter; got 1023"):
        sdr(speech[:1023], speech[:1023], RATE)
    assert sdr(speech[4000:5024], speech[4000:5024], RATE) > 50


def test_orthogonal_parts_by_hand():
    s, n, a = np.eye(3, 8)
    y = 2 * s + 0.2 * n + 0.02 * a
    assert_allclose(si_sir(s, n, y, RATE), 20.0, atol=1e-12)
    assert_allclose(si_sar(s, n, y, RATE), 40.0, atol=1e-12)
    # interference at 45 degrees: what is parallel to the target is target
    assert_allclose(si_sir(s, s + n, y, RATE), 20.0, atol=1e-12)
    assert_allclose(si_sar(s, s + n, y, RATE), 40.0, atol=1e-12)


def test_parts_are_projections():
    s, n, a = signals()
    y = s + 0.3 * n + 0.1 * a
    plane = np.stack((s, n), axis=1)
    in_plane = plane @ np.linalg.lstsq(plane, y, rcond=None)[0]
    target = s * np.sum(s * y) / np.sum(s**2)
    sir = 10 * np.log10(np.sum(target**2) / np.sum((in_plane - target) ** 2))
    sar = 10 * np.log10(np.sum(target**2) / np.sum((y - in_plane) ** 2))
    assert_allclose(si_sir(s, n, y, RATE), sir, atol=1e-9)
    assert_allclose(si_sar(s, n, y, RATE), sar, atol=1e-9)


@pytest.mark.parametrize("level", [0.01, 1.0, 100.0])
def test_interference_and_artefacts_add_up_to_the_distortion(level):
    s, n, a = signals(seed=2)
    y = s + level * n + 0.3 * level * a
    ratios = [10 ** (-f(s, n, y, RATE) / 10) for f in SI]
    assert_allclose(sum(ratios), 10 ** (-si_sdr(s, y, RATE) / 10), rtol=1e-12)


@pytest.mark.parametrize("compute", SI)
def test_no_gain_matters(compute):
    s, n, a = signals()
    y = s + 0.3 * n + 0.1 * a
    plain = compute(s, n, y, RATE)
    for gain in (1e-6, -4.0, 1e6):
        assert_allclose(compute(gain * s, n, y, RATE), plain, atol=1e-9)
        assert_allclose(compute(s, gain * n, y, RATE), plain, atol=1e-9)
        assert_allclose(compute(s, n, gain * y, RATE), plain, atol=1e-9)


def test_a_delayed_interference_is_an_artefact():
    s, n, _ = signals()
    y = s + 0.1 * np.roll(n, 5)
    assert si_sir(s, n, y, RATE) > 40
    assert_allclose(si_sar(s, n, y, RATE), si_sdr(s, y, RATE), atol=0.01)


def test_ratios_without_a_limit():
    s, n, a = np.eye(3, 8)
    assert si_sir(s, n, s + a, RATE) == math.inf
    assert si_sar(s, n, s + n, RATE) == math.inf
    assert si_sir(s, n, n + a, RATE) == -math.inf


@pytest.mark.parametrize("compute", SI)
def test_what_has_no_ratio(compute):
    s, n, y = signals()
    with pytest.raises(MetricError, match="scaled copy of the reference"):
        compute(s, -3 * s, y, RATE)
    for silent, role in enumerate(("reference", "interference", "estimate")):
        args = [x * (k != silent) for k, x in enumerate((s, n, y))]
        with pytest.raises(MetricError, match=f"the {role} is silent"):
            compute(*args, RATE)
    with pytest.raises(ShapeError, match="reference and interference must have equal length"):
        compute(s, n[1:], y, RATE)
    with pytest.raises(MetricError, match="interference must be finite"):
        compute(s, np.full_like(n, np.nan), y, RATE)


def test_what_has_no_sdr(speech):
    with pytest.raises(MetricError, match="the reference is silent"):
        sdr(0 * speech, speech, RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        sdr(speech, 0 * speech, RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        sdr(speech, speech * np.inf, RATE)
    with pytest.raises(ShapeError, match="equal length"):
        sdr(speech, speech[1:], RATE)
