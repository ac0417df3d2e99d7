"""The stream: bits that do not depend on blocks, and a delay that is known exactly."""

from functools import cache

import numpy as np
import pytest
import scipy.signal
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.frames import LIVE
from arrayenh.chain.settings import Settings
from arrayenh.chain.stream import StreamingEnhancer
from arrayenh.errors import ConfigError, GeometryError, ShapeError
from tests import small_networks as tiny
from tests.signals import band_limited, difference_db, level_db

EPS = float(np.finfo(np.float32).eps)
RATES = (16_000, 44_100, 48_000)
STATISTICAL = {"masks": "spp", "postfilter": "mmse-lsa"}
PASSING = {"masks": "spp", "postfilter": "none"}  # of one microphone: nothing but the STFT
EARS = {"beamformer": "binaural-mwf", "ears": "0,2", **STATISTICAL}


@cache
def stream(latency, rate=16_000, n_mics=3, **more):
    """A stream to be reset before it is used."""
    return StreamingEnhancer(n_mics, rate, latency=latency, **(STATISTICAL | more))


def started(*args, **more):
    again = stream(*args, **more)
    again.reset()
    return again


@cache
def bursts(rate, seconds=0.125, n_mics=3):
    """Noise that is loud now and then, a little later at each microphone; one dies half way."""
    rng, n = np.random.default_rng(3), round(seconds * rate)
    loud = np.repeat(rng.choice([0.02, 0.3], n // 400 + 1), 400)[:n]
    source = rng.standard_normal(n) * loud
    own = 0.01 * rng.standard_normal((n_mics, n))
    heard = np.stack([np.roll(source, 2 * m) for m in range(n_mics)]) + own
    heard[1:2, n // 2 :] = 0
    return heard.astype(np.float32)


def without_offset(samples, rate=16_000):
    """The first-order high-pass filter at 5 Hz."""
    return scipy.signal.lfilter([1, -1], [1, -np.exp(-10 * np.pi / rate)], samples)


def in_blocks(enhancer, samples, sizes):
    """The stream in blocks of these sizes in turn, and its end."""
    parts, start, k = [], 0, 0
    while start < samples.shape[1]:
        size = sizes[k % len(sizes)]
        parts.append(enhancer.process(samples[:, start : start + size]))
        start, k = start + size, k + 1
    return np.concatenate([*parts, enhancer.flush()], axis=-1)


# ---- bits --------------------------------------------------------------------------------


@cache
def at_once(latency, rate, **more):
    return in_blocks(started(latency, rate, **more), bursts(rate), [10**6])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("latency", LIVE)
@settings(max_examples=3, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=8).filter(any))
@example(sizes=[1, 0, 7])
def test_bits_do_not_depend_on_the_blocks(latency, rate, sizes):
    found = in_blocks(started(latency, rate), bursts(rate), sizes)
    assert_array_equal(found, at_once(latency, rate))


@settings(max_examples=4, deadline=None, derandomize=True)
@given(sizes=st.lists(st.integers(0, 999), min_size=1, max_size=8).filter(any))
def test_bits_of_two_ears_do_not_depend_on_the_blocks(sizes):
    found = in_blocks(started("hearing-aid", **EARS), bursts(16_000), sizes)
    assert found.shape == (2, 2000 + 95)
    assert_array_equal(found, at_once("hearing-aid", 16_000, **EARS))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("latency", LIVE)
def test_a_stream_is_the_online_chain(latency, rate):
    chain = Enhancer(Settings(online=True, latency=latency, **STATISTICAL))
    found = chain.enhance(Recording(bursts(rate), rate)).samples
    assert_array_equal(found, at_once(latency, rate)[stream(latency, rate).latency_samples :])


@pytest.mark.parametrize("latency", LIVE)
def test_a_network_that_masks_and_filters_streams(latency, tmp_path):
    """Its output differs from the beamformer's, and its bits do not depend on the blocks."""
    pytest.importorskip("onnx")
    frames = LIVE[latency]
    sizes = {"n_fft": frames.n_fft, "hop": frames.hop, "synthesis": frames.synthesis}
    (tmp_path / "joint.onnx").write_bytes(tiny.joint(**sizes))
    neural = {"masks": "neural", "model": str(tmp_path / "joint.onnx")}
    outputs = {}
    for postfilter in ("neural", "none"):
        enhancer = StreamingEnhancer(3, latency=latency, postfilter=postfilter, **neural)
        outputs[postfilter] = in_blocks(enhancer, bursts(16_000), [160])
    enhancer = StreamingEnhancer(3, latency=latency, postfilter="neural", **neural)
    assert_array_equal(outputs["neural"], in_blocks(enhancer, bursts(16_000), [37, 1, 1024]))
    assert difference_db(outputs["neural"], outputs["none"]) > -20


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_reset_stream_repeats_its_bits(rate):
    enhancer = started("low-latency", rate)
    enhancer.process(0.3 * bursts(rate)[:, ::-1])
    enhancer.reset()
    assert_array_equal(in_blocks(enhancer, bursts(rate), [441]), at_once("low-latency", rate))


# ---- latency -----------------------------------------------------------------------------


@pytest.mark.parametrize("latency", LIVE)
def test_a_chain_that_passes_delays_the_input_exactly(latency):
    enhancer = StreamingEnhancer(1, latency=latency, **PASSING)
    x = bursts(16_000, n_mics=1)
    found = in_blocks(enhancer, x, [160])
    late = enhancer.latency_samples
    assert not found[:late].any()
    assert_allclose(found[late:], without_offset(x[0]), atol=4 * EPS * np.abs(x).max())


@pytest.mark.parametrize("rate", [8000, *RATES, 96_000])
@pytest.mark.parametrize("latency", LIVE)
def test_an_impulse_is_late_by_the_latency(latency, rate):
    """Its peak is there, and the latency is that of the profile at most."""
    enhancer = StreamingEnhancer(1, rate, latency=latency, **PASSING)
    for at in (0, 101):
        x = np.zeros((1, rate // 20), np.float32)
        x[0, at] = 0.5
        enhancer.reset()
        found = in_blocks(enhancer, x, [rate // 100])
        assert int(np.abs(found).argmax()) == at + enhancer.latency_samples
    assert enhancer.latency_ms == 1000 * enhancer.latency_samples / rate
    assert enhancer.latency_ms <= LIVE[latency].most_ms


@pytest.mark.parametrize("rate", [8000, *RATES, 96_000])
def test_speech_is_resampled_and_back_without_a_change(rate):
    """Up to 3 kHz to -60 dB of itself, the attenuation of the filters."""
    enhancer = StreamingEnhancer(1, rate, latency="hearing-aid", **PASSING)
    x = band_limited(np.random.default_rng(0), rate // 5, 100, 3000, rate)[None].astype("f") / 10
    found = in_blocks(enhancer, x, [rate // 100])[enhancer.latency_samples :]
    inner = slice(rate // 100, -rate // 100)  # without the edges of what begins and ends
    assert difference_db(found[inner], without_offset(x[0], rate)[inner]) < -57


def test_latencies():
    """Window and frame, and a millisecond for each resampler."""
    found = {latency: [stream(latency, rate).latency_samples for rate in RATES] for latency in LIVE}
    assert found == {
        "conference": [511, 1497, 1630],
        "low-latency": [255, 792, 862],
        "hearing-aid": [95, 351, 381],
    }


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("latency", LIVE)
def test_what_the_whole_chain_makes_is_late_by_the_latency(latency, rate):
    """The peak of the correlation with a source that reaches all microphones at once."""
    rng, n = np.random.default_rng(0), rate // 2
    source = band_limited(rng, n, 100, 3500, rate) * (np.arange(n) // (rate // 20) % 2)
    x = (0.1 * source + 0.003 * rng.standard_normal((3, n))).astype(np.float32)
    enhancer = started(latency, rate)
    found = in_blocks(enhancer, x, [rate // 100])
    lags = np.arange(2 * enhancer.latency_samples)
    found = np.pad(found, (0, enhancer.latency_samples))
    likeness = [np.dot(source, found[lag : lag + n]) for lag in lags]
    assert int(np.argmax(likeness)) == enhancer.latency_samples


def test_flush_gives_what_is_left_and_no_more():
    enhancer = started("conference")
    x = bursts(16_000)
    found = enhancer.process(x), enhancer.flush()
    assert enhancer.log == ["0.1 s: microphone 1 is dead: left out"]
    assert [len(part) for part in found] == [x.shape[1], enhancer.latency_samples]
    assert level_db(found[1][-400:]) > -60


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_strength_blends_the_delayed_reference_in(strength):
    """The enhanced samples are s times the output of strength 1 and 1 - s times the reference."""
    x, enhancer = bursts(16_000), started("low-latency")
    enhancer.chain.strength = strength
    enhancer.reset()
    late = enhancer.latency_samples
    found = enhancer.process(x)[late:]
    reference, whole = (
        without_offset(x[0])[:-late],
        at_once("low-latency", 16_000)[late : x.shape[1]],
    )
    enhancer.chain.strength = 1.0
    assert_allclose(found, reference + strength * (whole - reference), atol=4 * EPS)


@pytest.mark.parametrize("size", [1, 333])
def test_strength_moves_in_10_ms(size):
    """A change fades along a line, whatever the blocks."""
    x, enhancer = bursts(16_000), started("low-latency")
    late, when = enhancer.latency_samples, 900
    before = enhancer.process(x[:, :when])
    enhancer.chain.strength = 0.0
    after = in_blocks(enhancer, x[:, when:], [size])[: x.shape[1] - when]
    enhancer.chain.strength = 1.0
    whole, reference = at_once("low-latency", 16_000), without_offset(x[0])[when - late : -late]
    assert_array_equal(before, whole[:when])
    share = np.maximum(1 - np.arange(1, len(after) + 1) / 160, 0)
    wanted = reference + share * (whole[when : x.shape[1]] - reference)
    assert_allclose(after, wanted, atol=4 * EPS)


@pytest.mark.parametrize("rates", [(48_000, 44_100), (16_000, 48_000), (44_100, 16_000)])
def test_a_stream_goes_on_at_another_rate(rates):
    """`reset` with a rate is a stream of that rate from the start."""
    before, after = rates
    enhancer = StreamingEnhancer(3, before, latency="low-latency", **STATISTICAL)
    enhancer.process(bursts(before))
    enhancer.reset(after)
    assert enhancer.sample_rate == after
    assert enhancer.latency_samples == stream("low-latency", after).latency_samples
    assert_array_equal(in_blocks(enhancer, bursts(after), [441]), at_once("low-latency", after))
    with pytest.raises(ConfigError, match="sample_rate"):
        enhancer.reset(10)


# ---- what is pushed ----------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_an_empty_block_changes_nothing(rate):
    enhancer = started("low-latency", rate)
    for _ in range(3):
        assert enhancer.process(np.zeros((3, 0), np.float32)).shape == (0,)
    assert_array_equal(in_blocks(enhancer, bursts(rate), [10**6]), at_once("low-latency", rate))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_of_any_size_are_taken(dtype):
    x = bursts(16_000).astype(np.float16)
    found = started("low-latency").process(x.astype(dtype))
    assert found.dtype == np.float32
    assert_array_equal(found, started("low-latency").process(x.astype(np.float32)))


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
def test_the_layout_in_memory_does_not_matter(layout):
    x = bursts(16_000)
    before = x.copy()
    assert_array_equal(started("low-latency").process(layout(x)), started("low-latency").process(x))
    assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        (np.zeros((2, 160), np.float32), r"must have shape \(3, n\); got \(2, 160\)"),
        (np.zeros(160, np.float32), r"must have shape \(3, n\); got \(160,\)"),
        (np.zeros((3, 160, 1), np.float32), r"must have shape \(3, n\)"),
        (np.zeros((3, 160), np.int16), "floats, full scale 1.0; got int16"),
        (np.zeros((3, 160), np.complex64), "floats, full scale 1.0; got complex64"),
    ],
)
def test_a_wrong_block_is_refused_and_leaves_the_stream_as_it_was(block, problem):
    enhancer = started("low-latency")
    with pytest.raises(ShapeError, match=problem):
        enhancer.process(block)
    assert_array_equal(in_blocks(enhancer, bursts(16_000), [160]), at_once("low-latency", 16_000))


@pytest.mark.parametrize(
    ("wrong", "error", "problem"),
    [
        ({"n_mics": 0}, ConfigError, "n_mics must be at least 1; got 0"),
        ({"sample_rate": 0}, ConfigError, "sample_rate"),
        ({"sample_rate": 10**7}, ConfigError, "sample_rate"),
        ({"array": "circular4-35mm", "n_mics": 3}, GeometryError, "has 4 microphones"),
        ({"beamformer": "das"}, ConfigError, "array"),
        ({"beamformer": "gev"}, ConfigError, "no online form"),
        ({"latency": "soon"}, ConfigError, "latency"),
        ({"strenght": 1.0}, ConfigError, "strenght"),
        ({"beamformer": "binaural-mwf", "ears": "0,9"}, ConfigError, "among the 4 microphones"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(wrong, error, problem):
    with pytest.raises(error, match=problem):
        StreamingEnhancer(**{**STATISTICAL, **wrong})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 101.0])
def test_what_is_no_sound_is_silence_and_its_microphone_left_out(dtype, value):
    """The output is that of zeros in its place, until the microphone is back."""
    x = bursts(16_000).astype(dtype)
    silent, wrong = x.copy(), x.copy()
    silent[2, 500], wrong[2, 500] = 0, value
    until = 480 + 96  # the frames that are complete before the microphones are judged
    found = started("hearing-aid").process(wrong)
    assert np.isfinite(found).all()
    assert_array_equal(found[:until], started("hearing-aid").process(silent)[:until])


def test_a_microphone_with_no_finite_samples_is_named():
    x = bursts(16_000).copy()
    x[2, 500] = np.nan
    enhancer = started("hearing-aid")
    enhancer.process(x)
    assert enhancer.log[0] == "0.0 s: microphone 2 has no finite samples: left out"
