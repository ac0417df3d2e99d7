import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording, open_recording, resample, write
from arrayenh.beamformers.filters import Filters
from arrayenh.chain.capture import rechunk, segment_sizes
from arrayenh.chain.crossfade import Course, SegmentFilter, SegmentFilters
from arrayenh.chain.enhancer import Enhancer, Session, enhance
from arrayenh.chain.settings import Settings
from arrayenh.errors import AudioError, ConfigError, GeometryError
from arrayenh.evaluation.scoring import shadow_snr, si_sdr, stoi
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.demo import demo_scene
from arrayenh.scenes.packaged import load_clip
from arrayenh.stft import Stft
from tests.settings import statistical
from tests.signals import RATE, arrivals, band_limited, delayed, diffuse_noise, level_db, voice

ARRAY = "circular4-35mm"
SEGMENTS = statistical(segment_seconds=2.0)  # three of them in 6.3 s
TALKER = np.deg2rad(60)


@pytest.fixture(scope="module")
def images():
    """Speech from 60 degrees and diffuse noise at four microphones, 6.3 s at 16 kHz."""
    rng, positions = np.random.default_rng(0), load_array(ARRAY).positions
    n_samples = int(6.3 * RATE)
    speech = 0.05 * delayed(voice(rng, n_samples, RATE // 2), arrivals(positions, TALKER))
    noise = 0.02 * diffuse_noise(rng, positions, n_samples, n_waves=32)
    noise += 0.0005 * rng.standard_normal(noise.shape)
    return speech.astype(np.float32), noise.astype(np.float32)


@pytest.fixture(scope="module")
def mixture(images):
    return images[0] + images[1]


@pytest.fixture(scope="module")
def whole(mixture):
    return enhance(Recording(mixture, RATE), settings=SEGMENTS)


@pytest.fixture(scope="module")
def demo():
    rendered = demo_scene().rendered
    components = {"speech": rendered.target_image, "noise": rendered.noise_image}
    recording = Recording(rendered.mixture, RATE)
    return rendered, Enhancer().enhance(recording, components)


def run_in_blocks(source, block, config=SEGMENTS, array=None):
    """All stages at 16 kHz, read so many samples at once."""
    pieces = list(Enhancer(config, array).open(source).stages(block))
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


# ---- any recording -----------------------------------------------------------------------

KINDS = {
    "noise": lambda rng, m, n: 0.1 * rng.standard_normal((m, n)),
    "silence": lambda rng, m, n: np.zeros((m, n)),
    "one click": lambda rng, m, n: np.eye(m, n, n // 2) * 0.9,
    "constant": lambda rng, m, n: np.full((m, n), 0.5),
    "all alike": lambda rng, m, n: np.tile(0.1 * rng.standard_normal(n), (m, 1)),
    "a tone": lambda rng, m, n: np.tile(0.3 * np.sin(0.1 * np.arange(n)), (m, 1)),
    "clipped": lambda rng, m, n: np.clip(5 * rng.standard_normal((m, n)), -1, 1),
    "very loud": lambda rng, m, n: 3e4 * rng.standard_normal((m, n)),
    "hardly there": lambda rng, m, n: 1e-20 * rng.standard_normal((m, n)),
    "below normal": lambda rng, m, n: 1e-40 * rng.standard_normal((m, n)),
    "half silent": lambda rng, m, n: rng.standard_normal((m, n)) * (np.arange(n) > n / 2),
}
CHAINS = [("mvdr", "mmse-lsa"), ("mvdr", "wiener"), ("das", "none"), ("none", "mmse-lsa")]


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    n_mics=st.integers(1, 16),
    rate=st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
    | st.integers(8000, 192_000),
    seconds=st.floats(0, 0.4),
    kind=st.sampled_from(sorted(KINDS)),
    chain=st.sampled_from(CHAINS),
    seed=st.integers(0, 1000),
)
@example(1, 16_000, 0.0, "noise", ("mvdr", "mmse-lsa"), 0)
@example(16, 16_000, 5.0, "noise", ("mvdr", "mmse-lsa"), 0)
@example(3, 192_000, 0.0, "noise", ("mvdr", "mmse-lsa"), 0)
@example(4, 16_000, 5.0, "half silent", ("mvdr", "mmse-lsa"), 0)
def test_any_recording_comes_out_as_long_and_finite(n_mics, rate, seconds, kind, chain, seed):
    n_samples = max(round(seconds * rate), n_mics)
    x = KINDS[kind](np.random.default_rng(seed), n_mics, n_samples).astype(np.float32)
    config = statistical(
        beamformer=chain[0], postfilter=chain[1], segment_seconds=1, crossfade_seconds=0.3
    )
    array = load_array("circular16-50mm").select(range(n_mics)) if chain[0] == "das" else None
    out = Enhancer(config, array).enhance(Recording(x, rate))
    for y in (out.samples, *out.stages.values()):
        assert y.shape == (n_samples,) and y.dtype == np.float32
        assert np.isfinite(y).all()
    assert out.sample_rate == rate


@pytest.mark.parametrize("chain", [*CHAINS, ("das", "wiener")], ids=str)
@pytest.mark.parametrize("n_mics", [1, 4])
def test_silence_stays_silence(chain, n_mics):
    array = load_array(ARRAY).select(range(n_mics))
    config = statistical(beamformer=chain[0], postfilter=chain[1])
    out = Enhancer(config, array).enhance(Recording(np.zeros((n_mics, RATE)), RATE))
    assert_array_equal(out.samples, np.zeros(RATE))
    assert "the recording is silent" in out.log


@pytest.mark.parametrize("beamformer", ["mvdr", "das"])
def test_a_recording_may_fade_out_to_nothing(mixture, beamformer):
    """Through the numbers below 1.2e-38, that floats hold with fewer digits, to zero."""
    fade = 10.0 ** (-50 * np.clip(np.arange(mixture.shape[1]) / RATE - 4, 0, 1))
    faded = Recording(mixture * fade.astype(np.float32), RATE)
    out = Enhancer(statistical(beamformer=beamformer), ARRAY).enhance(faded)
    assert np.isfinite(out.samples).all()
    assert not out.samples[6 * RATE :].any()


def test_the_same_recording_gives_the_same_bytes(mixture, whole):
    again = enhance(Recording(mixture, RATE), settings=SEGMENTS)
    assert again.samples.tobytes() == whole.samples.tobytes()


@pytest.mark.parametrize("level", [2.0**-10, 2.0**10])
def test_the_level_of_the_recording_is_that_of_the_output(mixture, level):
    """From -87 to +33 dBFS; powers of two scale every float exactly, weights to rounding."""
    before = enhance(Recording(mixture[:, : 2 * RATE], RATE)).samples
    after = enhance(Recording(mixture[:, : 2 * RATE] * np.float32(level), RATE)).samples
    assert_allclose(after / level, before, atol=1e-5 * np.abs(before).max())


# ---- blocks, segments, rates -------------------------------------------------------------


@pytest.mark.parametrize("block", [160, 1000, 65_536])
def test_blocks_are_enhanced_as_the_whole(mixture, whole, block):
    """Three segments; the last digits may be rounded in another order: 1e-5."""
    stages = run_in_blocks(Recording(mixture, RATE), block)
    assert_allclose(stages.pop("enhanced"), whole.samples, atol=1e-5)
    assert list(stages) == list(whole.stages)
    for name, y in stages.items():
        assert_allclose(y, whole.stages[name], atol=1e-5)


@pytest.mark.parametrize("block", [480, 10_007])
def test_blocks_at_48_khz_are_enhanced_as_the_whole(mixture, block):
    x = np.concatenate(list(resample(iter([mixture]), 4, RATE, 48_000)), axis=1)
    recording = Recording(x, 48_000)
    whole = run_in_blocks(recording, x.shape[1])
    for name, y in run_in_blocks(recording, block).items():
        assert len(y) == mixture.shape[1]
        assert_allclose(y, whole[name], atol=1e-5)


def test_a_file_is_enhanced_as_the_recording_in_memory(tmp_path, mixture, whole):
    path = write(tmp_path / "x.wav", mixture, RATE, subtype="FLOAT")
    stages = run_in_blocks(open_recording(path), 4096)
    assert_allclose(stages["enhanced"], whole.samples, atol=1e-5)


def test_another_rate_is_enhanced_as_16_khz(mixture, whole):
    """Up to 48 kHz and back the difference is the resampler's, and weights learnt from it."""
    x = np.concatenate(list(resample(iter([mixture]), 4, RATE, 48_000)), axis=1)
    out = enhance(Recording(x, 48_000), settings=SEGMENTS)
    assert out.sample_rate == 48_000 and len(out.samples) == x.shape[1]
    back = np.concatenate(list(resample(iter([out.samples[None]]), 1, 48_000, RATE)), axis=1)[0]
    n = min(len(back), len(whole.samples))
    band = slice(RATE // 2, n - RATE // 10)
    assert level_db((back[:n] - whole.samples[:n])[band]) - level_db(whole.samples) < -25
    spectrum = np.abs(np.fft.rfft(out.samples)) ** 2
    above = np.fft.rfftfreq(len(out.samples), 1 / 48_000) > 8200
    assert spectrum[above].sum() < 1e-6 * spectrum.sum()


def legal_stft(draw):
    n_fft = draw(st.sampled_from([64, 512, 2048, 4096]))
    return Stft(n_fft, n_fft // draw(st.sampled_from([2, 4, 8])), "hann")


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(1, 20_000_000), st.floats(1, 60), st.data())
def test_segments_are_equal_in_frames_and_together_the_recording(n_samples, seconds, data):
    stft = legal_stft(data.draw)
    sizes = segment_sizes(stft, n_samples, seconds)
    assert sum(sizes) == n_samples and min(sizes) > 0
    n_hops = np.array(sizes) // stft.hop  # whole hops; the last also has the odd samples
    assert n_hops.max() - n_hops.min() <= 1
    assert (np.cumsum(sizes)[:-1] % stft.hop == 0).all()
    if len(sizes) > 1:
        assert 0.6 * seconds < n_samples / len(sizes) / RATE < 1.51 * seconds


def test_segments_may_be_as_short_as_the_longest_window():
    """n_fft 16384 in segments of 1 s, 312 s of them: all are legal settings."""
    statistical(n_fft=16384, hop=64, segment_seconds=1, crossfade_seconds=0)
    sizes = segment_sizes(Stft(16384, 64, "hann"), 5_000_000, 1.0)
    assert sum(sizes) == 5_000_000 and min(sizes) > 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 50), max_size=8),
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
)
def test_a_stream_is_cut_anew_and_filled_up_with_zeros(blocks, sizes):
    x = np.arange(2 * sum(blocks), dtype=np.float32).reshape(2, -1) + 1
    stream = iter(np.split(x, np.cumsum(blocks)[:-1], axis=1) if blocks else [])
    pieces = list(rechunk(stream, 2, sizes))
    assert [piece.shape for piece in pieces] == [(2, size) for size in sizes]
    joined = np.concatenate(pieces, axis=1)
    n = min(joined.shape[1], x.shape[1])
    assert_array_equal(joined[:, :n], x[:, :n])
    assert not joined[:, n:].any()


def test_weights_change_from_old_to_new_along_the_crossfade():
    """From microphone 0, which is silent, to microphone 1, which hums: the level rises
    steadily over 16 frames of 32 samples and then stays."""
    stft = Stft(128, 32, "hann")
    x = np.zeros((2, 64 * 32), np.float32)
    x[1] = np.sin(2 * np.pi * np.arange(x.shape[1]) / 8)
    segments = SegmentFilter(stft, 2, crossfade_frames=16)
    out = []
    for k, last in ((0, False), (1, True)):
        weights = np.zeros((stft.n_freqs, 2), np.complex128)
        weights[:, k] = 1
        segment = x[:, k * 1024 : (k + 1) * 1024]
        filters = SegmentFilters(None, Course((Filters.of(weights),)))
        spec = segments.bank.analyse(segment, last)
        out.append(segments.bank.synthesise("out", segments.beamform(filters.beamformer, spec))[0])
        segments.passed(filters)
    y = np.concatenate(out)[: x.shape[1]]
    level = np.sqrt(2 * np.mean(y.reshape(-1, 32).astype(np.float64) ** 2, axis=1))
    assert (level[:27] < 1e-6).all() and (np.abs(level[52:62] - 1) < 1e-3).all()
    assert (np.diff(level[27:52]) > -1e-6).all()
    assert 0.4 < level[38] < 0.6  # half way after 8 frames, 3 frames of overlap behind


def test_segment_borders_are_not_heard():
    """A voice below 2 kHz, and a noise that moves at every border: what a jump in the
    output would ring at, 3 to 8 kHz, stays 60 dB below the output everywhere."""
    rng, positions = np.random.default_rng(1), load_array(ARRAY).positions
    n_samples = 6 * RATE
    x = 0.05 * delayed(band_limited(rng, n_samples, 100, 2000), arrivals(positions, 0.0))
    for k in range(3):
        part = slice(2 * k * RATE, 2 * (k + 1) * RATE)
        wave = band_limited(rng, n_samples, 100, 2000)
        x[:, part] += 0.05 * delayed(wave, arrivals(positions, 2.0 * k))[:, part]
    ramp = np.minimum(np.arange(n_samples) % (2 * RATE), 400) / 400
    x *= np.minimum(ramp, ramp[::-1])  # the noises themselves do not jump
    x += 1e-6 * rng.standard_normal(x.shape)
    config = statistical(segment_seconds=2, crossfade_seconds=0.2, postfilter="none")
    y = enhance(Recording(x.astype(np.float32), RATE), settings=config).samples
    high = np.fft.rfft(y)
    high[np.fft.rfftfreq(n_samples, 1 / RATE) < 3000] = 0
    ringing = np.fft.irfft(high, n_samples)
    for border in (2 * RATE, 4 * RATE):
        near = slice(border - 3000, border + 6000)
        assert level_db(ringing[near]) - level_db(y) < -60
        assert np.abs(ringing[near]).max() < 1e-3 * np.abs(y).max()


# ---- microphones -------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [1, 3])
def test_a_dead_microphone_is_as_if_it_were_not_there(mixture, dead):
    x, rest = mixture.copy(), np.delete(mixture, dead, axis=0)
    x[dead] = 0
    out = enhance(Recording(x, RATE))
    assert out.channels == tuple(m for m in range(4) if m != dead)
    assert any(f"microphone {dead} is dead" in line for line in out.log)
    assert_array_equal(out.samples, enhance(Recording(rest, RATE)).samples)


def test_a_dead_microphone_leaves_the_array_as_well(mixture):
    x = mixture.copy()
    x[1] = 0
    config = statistical(beamformer="das", doa=60.0, postfilter="none")
    out = Enhancer(config, ARRAY).enhance(Recording(x, RATE))
    array = load_array(ARRAY).select([0, 2, 3])
    alone = Enhancer(config, array).enhance(Recording(mixture[[0, 2, 3]], RATE))
    assert_array_equal(out.samples, alone.samples)


def test_a_dead_reference_hands_over_and_says_so(mixture):
    x = mixture.copy()
    x[0] = 0
    out = enhance(Recording(x, RATE))
    assert "microphone 0 cannot be the reference: microphone 1 is used instead" in out.log
    assert_array_equal(out.stages["reference"], mixture[1])


FAULTS = {
    "flipped": (lambda x: x * np.array([[1], [1], [-1], [1]]), "microphone 2 has its polarity"),
    "offset": (lambda x: x + np.array([[0], [0.1], [0], [0]]), "microphone 1 has a DC offset"),
    "low": (lambda x: x * np.array([[1], [1], [1], [0.05]]), "microphone 3 is 26 dB low"),
    "high": (lambda x: x * np.array([[1], [1], [12], [1]]), "microphone 2 is 22 dB high"),
    "flipped reference": (lambda x: x * np.array([[-1], [1], [1], [1]]), "microphone 0 has its"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_microphone_is_put_right(mixture, whole, fault):
    """The output is that of sound microphones; gains are known to the microphones' own
    differences, and what 0.1 dB of one of four changes is 50 dB below the output."""
    spoil, words = FAULTS[fault]
    out = enhance(Recording(spoil(mixture).astype(np.float32), RATE), settings=SEGMENTS)
    assert any(line.startswith(words) for line in out.log)
    sign = -1 if fault == "flipped reference" else 1
    error = level_db(sign * out.samples - whole.samples) - level_db(whole.samples)
    assert error < -40
    das = statistical(beamformer="das", doa=60.0, postfilter="none")
    sound, right = (  # delay-and-sum adapts to nothing: it shows what was put right
        Enhancer(das, ARRAY).enhance(Recording(x.astype(np.float32), RATE)).samples
        for x in (mixture, spoil(mixture))
    )
    assert level_db(sign * right - sound) - level_db(sound) < -30


def test_the_quieter_of_two_microphones_is_brought_up_to_the_other(mixture):
    """30 dB low of two: the fault says 30 dB, and so must the gain."""
    pair = mixture[:2] * np.array([[1], [10 ** (-30 / 20)]], np.float32)
    session = Enhancer().open(Recording(pair, RATE))
    assert any("microphone 1 is 30 dB low" in line for line in session.log)
    assert 20 * np.log10(session.capture.microphones.gains[1]) == pytest.approx(30, abs=1)


def test_a_reference_of_another_level_keeps_its_own(mixture, whole):
    quiet = mixture * np.array([[0.05], [1], [1], [1]], np.float32)
    out = enhance(Recording(quiet, RATE), settings=SEGMENTS)
    assert_array_equal(out.stages["reference"], quiet[0])
    assert level_db(out.samples / 0.05 - whole.samples) - level_db(whole.samples) < -40


def test_a_copy_of_a_microphone_is_left_out(mixture):
    x = np.concatenate([mixture, 0.5 * mixture[1:2]])
    out = enhance(Recording(x, RATE))
    assert "microphone 4 is a duplicate of 1: left out" in out.log
    assert_array_equal(out.samples, enhance(Recording(mixture, RATE)).samples)


def test_messages_count_the_channels_of_the_file(mixture):
    """Rows 0 to 3 were channels 2, 4, 5 and 7 of the file; row 1 is dead."""
    x = mixture.copy()
    x[1] = 0
    recording = Recording(x, RATE, channels=(2, 4, 5, 7))
    out = enhance(recording, settings=statistical(reference=5))
    assert out.channels == (2, 5, 7)
    assert_array_equal(out.stages["reference"], mixture[2])
    assert any("microphone 4 is dead" in line for line in out.log)


@pytest.mark.parametrize("start", [30_000, 60_000])
@pytest.mark.parametrize("n_samples", [100, 2047])
def test_less_than_a_frame_passes_the_reference_and_says_so(mixture, start, n_samples):
    short = Recording(mixture[:, start : start + n_samples], RATE)
    out = enhance(short, settings=statistical(postfilter="none"))
    assert_allclose(out.samples, short.samples[0], rtol=0, atol=1e-7)
    assert "less than one frame of 2048 samples: the spatial stages are skipped" in out.log


@pytest.mark.parametrize(
    "settings, note",
    [
        ({}, "the array's geometry is not used: masks steer; give a direction (doa) to use it"),
        ({"beamformer": "none", "doa": 30.0}, "no beamformer: the direction (doa) is not used"),
    ],
)
def test_what_is_not_used_is_named(mixture, settings, note):
    config = statistical(postfilter="none", **settings)
    assert note in enhance(Recording(mixture, RATE), ARRAY, config).log


def test_one_microphone_steps_aside_and_says_so(mixture):
    out = enhance(Recording(mixture[:1], RATE))
    assert list(out.stages) == ["reference", "neural"]
    assert "one microphone: the spatial stages are skipped" in out.log
    without = Settings(beamformer="none")
    quiet = enhance(Recording(mixture[:1], RATE), settings=without)
    assert quiet.log == ()
    assert_array_equal(out.samples, quiet.samples)


@pytest.mark.parametrize("reference", [0, 2])
@pytest.mark.parametrize("beamformer, doa", [("mvdr", None), ("mvdr", 60.0), ("das", 60.0)])
def test_the_reference_is_the_microphone_asked_for(mixture, images, reference, beamformer, doa):
    """35 mm apart: the speech comes out in time with the one, not with the others."""
    config = statistical(beamformer=beamformer, doa=doa, reference=reference, postfilter="none")
    speech = images[0]
    out = Enhancer(config, ARRAY).enhance(Recording(mixture, RATE), {"speech": speech})
    assert_array_equal(out.stages["reference"], mixture[reference])
    errors = [level_db(out.shadows["speech"] - speech[m]) for m in range(4)]
    assert np.argmin(errors) == reference


# ---- stages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, names",
    [
        ({}, ["reference", "mvdr", "mmse-lsa"]),
        ({"postfilter": "wiener"}, ["reference", "mvdr", "wiener"]),
        ({"beamformer": "das", "postfilter": "none"}, ["reference", "das"]),
        ({"beamformer": "none"}, ["reference", "mmse-lsa"]),
        ({"beamformer": "none", "postfilter": "none"}, ["reference"]),
    ],
)
def test_stages_are_named_after_what_they_do_and_the_last_is_the_output(mixture, settings, names):
    x = mixture[:, : 2 * RATE]
    out = Enhancer(statistical(**settings), ARRAY).enhance(Recording(x, RATE))
    assert list(out.stages) == names
    assert_array_equal(out.stages[names[-1]], out.samples)
    assert_array_equal(out.stages["reference"], x[0])


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_a_chain_of_nothing_is_the_identity(rate):
    """Resampled up to 16 kHz and back, or down: exact at 16 kHz, -80 dB in its band."""
    x = 0.1 * band_limited(np.random.default_rng(2), rate, 100, 3200, rate)[None]
    config = statistical(beamformer="none", postfilter="none")
    y = enhance(Recording(x, rate), settings=config).samples
    if rate == RATE:
        assert_array_equal(y, x[0].astype(np.float32))
    else:
        inside = slice(rate // 20, -rate // 20)
        assert level_db((y - x[0])[inside]) - level_db(x) < -80


def test_strength_zero_is_the_reference_microphone(mixture):
    out = enhance(Recording(mixture, RATE), settings=statistical(strength=0.0))
    assert_array_equal(out.samples, mixture[0])


def test_strength_zero_is_the_reference_microphone_even_with_an_offset(mixture):
    """The stage "reference" is the microphone as it was: so its docstring says."""
    x = mixture + np.float32(0.1)
    out = enhance(Recording(x, RATE), settings=statistical(strength=0.0))
    assert_allclose(out.stages["reference"], x[0], atol=1e-6)


@pytest.mark.parametrize("strength", [0.25, 0.7])
def test_strength_blends_in_between(mixture, whole, strength):
    config = statistical(segment_seconds=2.0, strength=strength)
    y = enhance(Recording(mixture, RATE), settings=config).samples
    wanted = (1 - strength) * mixture[0] + strength * whole.samples
    assert_allclose(y, wanted, atol=2e-7)


@pytest.mark.parametrize(
    "gains", [(1, 1, 1, 1), (1, 1, 0, 1), (1, -1, 1, 0.05), (0, 1, 1, 1)], ids=str
)
def test_shadows_of_the_components_add_up_to_the_beamformer(mixture, images, gains):
    """Linear, across segments and crossfades; with microphones left out or put right."""
    gains = np.array(gains, np.float32)[:, None]
    parts = {name: image * gains for name, image in zip("sn", images, strict=True)}
    out = Enhancer(SEGMENTS).enhance(Recording(mixture * gains, RATE), parts)
    total = out.shadows["s"] + out.shadows["n"]
    assert_allclose(total, out.stages["mvdr"], atol=1e-6)


def test_shadows_at_another_rate_add_up_too(images):
    parts = {}
    for name, image in zip("sn", images, strict=True):
        parts[name] = np.concatenate(list(resample(iter([image]), 4, RATE, 44_100)), axis=1)
    out = Enhancer(SEGMENTS).enhance(Recording(parts["s"] + parts["n"], 44_100), parts)
    total = out.shadows["s"] + out.shadows["n"]
    assert_allclose(total, out.stages["mvdr"], atol=1e-5)


def test_delay_and_sum_finds_the_talker_and_steers_there(mixture):
    config = statistical(beamformer="das", postfilter="none")
    found = Enhancer(config, ARRAY).enhance(Recording(mixture, RATE))
    (line,) = [line for line in found.log if line.startswith("direction of the talker")]
    azimuth_deg = float(line.removeprefix("direction of the talker: ").removesuffix(" degrees"))
    assert abs(azimuth_deg - 60) < 5
    told = Enhancer(statistical(beamformer="das", doa=azimuth_deg, postfilter="none"), ARRAY)
    assert_allclose(found.samples, told.enhance(Recording(mixture, RATE)).samples, atol=1e-6)


def test_asked_to_localise_the_chain_does_as_if_it_were_told(mixture):
    """doa "auto" steers the same MVDR, with the same masks, to the angle that it finds."""
    auto = statistical(doa="auto", postfilter="none")
    found = Enhancer(auto, ARRAY).enhance(Recording(mixture, RATE))
    azimuth_deg = float(found.log[-1].split()[-2])
    told = statistical(doa=azimuth_deg, postfilter="none")
    out = Enhancer(told, ARRAY).enhance(Recording(mixture, RATE))
    assert_allclose(found.samples, out.samples, atol=1e-5)


# ---- what is gained ----------------------------------------------------------------------


def test_a_voice_in_diffuse_noise_gains_from_each_stage(images, whole):
    """4 microphones in the open: 5 dB from the beamformer, 2 more from the post-filter."""
    scores = [si_sdr(images[0][0], y, RATE) for y in whole.stages.values()]
    assert scores[1] > scores[0] + 4
    assert scores[2] > scores[1] + 2


def test_a_room_is_enhanced_by_two_decibel(demo):
    """SI-SDR against early and against reverberant speech; SNR by shadow filtering."""
    rendered, out = demo
    for target in (rendered.early_image[0], rendered.target_image[0]):
        before = si_sdr(target, rendered.mixture[0], RATE)
        assert si_sdr(target, out.stages["mvdr"], RATE) > before + 1.6
        assert si_sdr(target, out.stages["neural"], RATE) > before + 2
    before = shadow_snr(rendered.target_image[0], rendered.noise_image[0])
    assert shadow_snr(out.shadows["speech"], out.shadows["noise"]) > before + 3


def test_the_talker_stays_as_loud_as_at_the_reference_microphone(demo):
    rendered, out = demo
    assert abs(level_db(out.shadows["speech"]) - level_db(rendered.target_image[0])) < 1


def test_clean_speech_is_not_ruined():
    """A synthetic voice in the open, sensors 60 dB below it: nothing is there to be taken away.

    The masks know that: all of it passes, though the post-filter does not know such a voice.
    (See test_cleanness as well.)
    """
    rng, positions = np.random.default_rng(0), load_array(ARRAY).positions
    clip, rate = load_clip("female")
    speech = delayed(0.1 * clip / np.sqrt(np.mean(clip**2)), arrivals(positions, TALKER), rate)
    x = speech + 1e-4 * rng.standard_normal(speech.shape)
    out = enhance(Recording(x.astype(np.float32), rate))
    assert si_sdr(speech[0], out.stages["mvdr"], rate) > 40
    assert stoi(speech[0], out.stages["mvdr"].astype(np.float64), rate) > 0.99
    assert si_sdr(speech[0], out.samples, rate) > 20


# ---- errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"beamformer": "das"}, {"doa": 30.0}, {"doa": "auto"}])
def test_steering_without_an_array_is_refused(settings):
    what = "das" if "beamformer" in settings else "direction"
    with pytest.raises(ConfigError, match=f"{what}.* needs the array's geometry: give --array"):
        Enhancer(statistical(**settings))


def test_an_array_of_another_number_of_microphones_is_refused(mixture):
    recording = Recording(mixture, RATE, name="talk.wav")
    with pytest.raises(GeometryError, match=r"has 6 microphones but talk\.wav gives 4.*--mics"):
        enhance(recording, "circular6-46mm")
    with pytest.raises(GeometryError, match="unknown array 'circle'"):
        enhance(recording, "circle")


@pytest.mark.parametrize("reference", [1, 4])
def test_a_reference_that_is_not_there_is_refused(mixture, reference):
    recording = Recording(mixture[:2], RATE, channels=(0, 3))
    with pytest.raises(ConfigError, match=f"reference {reference} is not among.*in use, 0, 3"):
        enhance(recording, settings=statistical(reference=reference))


def test_a_recording_without_samples_is_refused():
    with pytest.raises(AudioError, match=r"nothing\.wav is empty: it holds no samples"):
        enhance(Recording(np.zeros((1, 0)), RATE, name="nothing.wav"))


@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"beamformer": "gve"},
            "unknown beamformer 'gve'.*did you mean gev.*use binaural-mwf, das",
        ),
        ({"masks": "neural2"}, "unknown masks 'neural2'"),
        (
            {"postfilter": "mmse"},
            "unknown postfilter 'mmse'.*use mmse-lsa, mmse-stsa, wiener",
        ),
        ({"doa": "left"}, "doa should be auto or an azimuth in degrees; got 'left'"),
        ({"doa": "an azimuth in degrees"}, "doa should be auto"),
        ({"doa": 361.0}, "doa must be -360 to 360; got 361"),
        ({"doa": np.nan}, "doa must be -360 to 360; got nan"),
        ({"strength": 1.1}, "strength must be 0 to 1; got 1.1"),
        ({"strength": np.nan}, "strength must be 0 to 1; got nan"),
        ({"reference": -1}, "reference must be 0 to 1023; got -1"),
        ({"segment_seconds": 0.5}, "segment_seconds must be 1 to 3600; got 0.5"),
        ({"crossfade_seconds": 61.0}, "crossfade_seconds must be 0 to 60; got 61"),
        ({"loading": 0.0}, "loading must be 1e-07 to 1; got 0"),
        ({"least_gain_db": 3.0}, "least_gain_db must be -120 to 0; got 3"),
        ({"n_fft": 32}, "n_fft must be 64 to 16384; got 32"),
        ({"n_fft": 512, "hop": 300}, "hop must be 1 to 256; got 300"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        statistical(**settings)


def test_every_legal_window_and_hop_works(mixture):
    x = mixture[:, : RATE // 2]
    for n_fft, hop in ((64, 32), (65, 32), (100, 7), (16384, 8192), (2048, 2048 // 3)):
        config = statistical(n_fft=n_fft, hop=hop, postfilter="none")
        out = enhance(Recording(x, RATE), settings=config)
        assert len(out.samples) == x.shape[1] and np.isfinite(out.samples).all()


def test_a_session_says_what_it_uses(mixture):
    x = mixture.copy()
    x[2] = 0
    session = Enhancer(SEGMENTS).open(Recording(x, 48_000))
    assert isinstance(session, Session)
    assert session.used == (0, 1, 3)
    assert session.n_samples == mixture.shape[1] // 3
    assert [report.dead for report in session.reports] == [False, False, True, False]
