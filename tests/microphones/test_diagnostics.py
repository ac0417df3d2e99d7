import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.microphones.diagnostics import ChannelReport, ChannelSurvey, faults_text, survey

RATE = 16000


def array_in_a_field(n_mics, seed, n_waves=1, seconds=1.0, aperture=0.2, rate=RATE):
    """Speech-coloured plane waves on random microphones, with self-noise at -40 dB.

    One wave is a talker in the open, many are a diffuse field. RMS about -26 dBFS.
    """
    rng = np.random.default_rng(seed)
    n_samples = int(seconds * rate)
    freqs = np.fft.rfftfreq(n_samples, 1 / rate)
    colour = np.where(freqs > 60, 1 / np.maximum(freqs, 300.0), 0)
    positions = rng.uniform(-aperture / 2, aperture / 2, (n_mics, 3)) / np.sqrt(3)
    directions = rng.standard_normal((n_waves, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    spectrum = 0
    for towards_source in directions:
        white = rng.standard_normal(freqs.size) + 1j * rng.standard_normal(freqs.size)
        early = positions @ towards_source / 343.0
        spectrum = spectrum + colour * white * np.exp(2j * np.pi * early[:, None] * freqs)
    x = np.fft.irfft(spectrum, n_samples, axis=1)
    if n_waves == 1:
        x = x * (0.3 + np.abs(np.sin(2 * np.pi * 2 * np.arange(n_samples) / rate)))
    x *= 0.05 / np.sqrt(np.mean(x**2))
    return (x + 0.0005 * rng.standard_normal(x.shape)).astype(np.float32)


def all_faults(samples, rate=RATE):
    return {r.index: r.faults for r in survey(samples, rate) if r.faults}


@pytest.fixture(scope="module")
def clean():
    x = array_in_a_field(4, seed=0)
    x.setflags(write=False)
    return x


@pytest.mark.parametrize("n_waves", [1, 40], ids=["talker", "diffuse"])
@pytest.mark.parametrize("n_mics", [1, 2, 3, 4, 6, 8])
def test_healthy_arrays_raise_no_alarm(n_mics, n_waves):
    for seed in range(6):
        assert all_faults(array_in_a_field(n_mics, seed, n_waves)) == {}


def test_uncorrelated_microphones_raise_no_alarm():
    x = 0.1 * np.random.default_rng(0).standard_normal((8, RATE))
    assert all_faults(x.astype(np.float32)) == {}


@pytest.mark.parametrize("pitch", [180.0, 250.0, 400.0])
def test_a_hum_across_a_wide_table_is_not_a_flip(pitch):
    """Half a period of travel between two microphones looks opposite; it is late."""
    t = np.arange(RATE) / RATE
    x = [0.1 * np.sin(2 * np.pi * pitch * (t - late)) for late in (0.0, 0.5 / pitch)]
    noise = 0.001 * np.random.default_rng(0).standard_normal((2, RATE))
    assert all_faults(np.array(x) + noise) == {}


def test_a_voice_along_a_table_of_one_metre_is_not_a_flip():
    for seed in range(4):
        assert all_faults(array_in_a_field(2, seed, aperture=1.0)) == {}


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_other_rates(rate):
    x = array_in_a_field(4, seed=5, rate=rate)
    assert all_faults(x, rate) == {}
    x[2] *= -1
    assert all_faults(x, rate) == {2: ("flipped",)}


def test_level_peak_and_crest_of_a_sine():
    x = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE) + 0.001
    (report,) = survey(x[None], RATE)
    assert_allclose(report.level_dbfs, 20 * np.log10(0.5 / np.sqrt(2)), atol=1e-9)
    assert_allclose(report.dc_offset, 0.001, atol=1e-12)
    assert_allclose(report.peak, 0.501, rtol=1e-12)
    assert_allclose(report.peak_dbfs, 20 * np.log10(0.501), atol=1e-9)
    assert_allclose(report.crest_factor_db, 10 * np.log10(2), atol=1e-9)
    assert report.usable and not report.dead


@pytest.mark.parametrize("value", [0.0, 0.003])
def test_a_constant_channel_is_dead(clean, value):
    x = clean.copy()
    x[2] = value
    assert all_faults(x) == {2: ("dead",)}
    report = survey(x, RATE)[2]
    assert report.level_dbfs == -np.inf
    assert np.isnan(report.crest_factor_db)
    assert report.dead and not report.usable
    assert faults_text(report) == ("microphone 2 is dead (-inf dBFS): left out",)


def test_dead_by_level_and_by_comparison(clean):
    x = clean.copy()
    x[1] = 1e-5 * np.random.default_rng(0).standard_normal(RATE)  # -100 dBFS
    assert all_faults(x) == {1: ("dead",)}
    x[1] *= 4  # -88 dBFS: alive by itself, but 62 dB below the others
    assert all_faults(x) == {1: ("dead",)}
    x[1] *= 2
    assert all_faults(x) == {1: ("56 dB low",)}


def test_silence_is_dead_everywhere():
    reports = survey(np.zeros((3, RATE), np.float32), RATE)
    assert all(report.dead for report in reports)
    assert [report.faults for report in reports] == [("dead",)] * 3


@pytest.mark.parametrize("gain", [1.0, 0.13, 0.01])
def test_clipping_is_found_behind_any_gain(clean, gain):
    x = clean.copy()
    limit = 0.5 * np.abs(x[3]).max()
    n_over = np.count_nonzero(np.abs(x[3]) >= limit)
    x[3] = np.clip(x[3], -limit, limit)
    assert all_faults((gain * x).astype(np.float32)) == {3: ("clipped",)}
    fraction = survey((gain * x).astype(np.float32), RATE)[3].clipped_fraction
    assert 0.5 * n_over / RATE < fraction <= n_over / RATE


def test_clipping_of_one_side_and_off_centre(clean):
    x = clean.copy()
    x[0] = np.minimum(x[0], 0.5 * x[0].max()) - 0.005
    assert all_faults(x) == {0: ("clipped",)}
    assert all_faults(-x) == {0: ("clipped",)}


def test_clipped_fraction_counts_runs_of_three():
    x = np.array([0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, -1, -1, -1, 0.5]) / 2
    (report,) = survey(x[None], RATE)
    assert report.clipped_fraction == (3 + 4 + 3) / 16
    assert report.faults == ("clipped",)


def test_a_higher_sample_later_unmakes_a_flat_top():
    x = np.array([0, 1, 1, 1, 0, 1, 1, 1, 0, 0]) / 2
    assert survey(x[None], RATE)[0].clipped_fraction == 0.6
    x[-1] = 0.6
    assert survey(x[None], RATE)[0].clipped_fraction == 0.0
    listener = ChannelSurvey(1, RATE)
    for block in np.split(x[None], [4, 9], axis=1):
        listener.update(block)
    assert listener.report()[0].clipped_fraction == 0.0


@pytest.mark.parametrize("amplitude", [20, 300, 3000, 30000])
def test_the_rounded_crest_of_a_hum_is_not_clipping(amplitude):
    wave = np.sin(2 * np.pi * 50 * np.arange(RATE) / RATE)
    x = np.round(amplitude * wave) / 32768
    (report,) = survey(x[None], RATE)
    assert report.faults == ()


def test_dc_offset(clean):
    x = clean.copy()
    x[1] += 0.05
    assert all_faults(x) == {1: ("dc-offset",)}
    x[1] -= 0.045
    assert all_faults(x) == {}


@pytest.mark.parametrize("gain", [1.0, -1.0, 0.05, 3.0])
def test_a_copy_is_a_duplicate_at_any_gain(clean, gain):
    x = clean.copy()
    x[3] = gain * x[1]
    assert all_faults(x) == {3: ("duplicate of 1",)}
    assert not survey(x, RATE)[3].usable


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_a_copy_rounded_to_16_bits_is_a_duplicate(clean, gain):
    x = clean.copy()
    x[2] = gain * x[0]
    x = (np.round(x * 32768) / 32768).astype(np.float32)
    assert all_faults(x) == {2: ("duplicate of 0",)}


def test_one_signal_on_every_channel_leaves_one(clean):
    x = np.repeat(clean[:1], 4, axis=0)
    copies = {m: ("duplicate of 0",) for m in (1, 2, 3)}
    assert all_faults(x) == copies


def test_neighbours_with_self_noise_are_not_duplicates():
    x = array_in_a_field(2, seed=1, aperture=0.005)
    assert np.corrcoef(x)[0, 1] > 0.999
    assert all_faults(x) == {}


def test_two_converters_of_one_microphone_are_not_duplicates():
    """Noise of their own 56 dB under the signal, over a 16-bit step: not the same."""
    rng = np.random.default_rng(0)
    x = array_in_a_field(1, seed=1) + 8e-5 * rng.standard_normal((2, RATE))
    assert np.corrcoef(x)[0, 1] > 0.99999
    assert all_faults(x) == {}


@pytest.mark.parametrize(
    "gain_db, fault", [(-35, "35 dB low"), (-24, "24 dB low"), (24, "24 dB high")]
)
def test_mis_gained(clean, gain_db, fault):
    x = 0.1 * clean / np.sqrt(np.mean(clean**2, axis=1, keepdims=True))
    x[1] *= 10 ** (gain_db / 20)
    assert all_faults(x) == {1: (fault,)}
    x[1] *= 10 ** (-0.8 * gain_db / 20)
    assert all_faults(x) == {}


def test_of_two_levels_the_low_one_is_at_fault():
    x = array_in_a_field(2, seed=2)
    x[0] *= 0.01
    assert all_faults(x) == {0: ("40 dB low",)}


@pytest.mark.parametrize("n_waves", [1, 40], ids=["talker", "diffuse"])
@pytest.mark.parametrize("n_mics", [3, 4, 8])
def test_flipped_is_found_by_majority(n_mics, n_waves):
    for flipped in range(n_mics):
        x = array_in_a_field(n_mics, seed=flipped, n_waves=n_waves)
        x[flipped] *= -1
        assert all_faults(x) == {flipped: ("flipped",)}


def test_a_minority_of_flipped_channels():
    x = array_in_a_field(7, seed=3)
    x[[0, 2, 5]] *= -1
    assert all_faults(x) == {m: ("flipped",) for m in (0, 2, 5)}


@pytest.mark.parametrize("n_mics", [2, 4])
def test_without_a_majority_the_first_channel_is_right(n_mics):
    x = array_in_a_field(n_mics, seed=4)
    x[: n_mics // 2] *= -1
    expected = ("flipped relative to channel 0",)
    assert all_faults(x) == {m: expected for m in range(n_mics // 2, n_mics)}
    assert survey(x, RATE)[n_mics - 1].usable


def test_flips_across_the_head_are_judged_ear_by_ear():
    """Ears that hear different sounds: no majority, each pair for itself."""
    left, right = array_in_a_field(2, seed=6), array_in_a_field(2, seed=7)
    x = np.concatenate((left, right))
    x[3] *= -1
    assert all_faults(x) == {3: ("flipped relative to channel 2",)}


def test_several_faults_together():
    x = array_in_a_field(8, seed=8)
    x[1] *= -0.02
    x[4] = 0
    x[5] = x[7]
    x[6] += 0.1
    assert {m: f for m, f in all_faults(x).items() if m != 1} == {
        4: ("dead",),
        6: ("dc-offset",),
        7: ("duplicate of 5",),
    }
    assert survey(x, RATE)[1].faults[0].endswith("dB low")
    assert survey(x, RATE)[1].faults[1] == "flipped"


def test_nonfinite_samples_are_reported_and_left_out(clean):
    x = clean.copy()
    x[2, 100:105] = np.nan
    x[2, 200] = np.inf
    reports = survey(x, RATE)
    assert all_faults(x) == {2: ("nonfinite",)}
    assert not reports[2].usable
    assert np.isfinite(reports[2].level_dbfs)
    (line,) = faults_text(reports[2])
    assert line == "microphone 2 holds 6 NaN or infinite samples: left out"


def test_lines_for_people():
    report = ChannelReport(
        index=1,
        level_dbfs=-55.4,
        peak=0.1,
        peak_dbfs=-20.0,
        dc_offset=-0.0312,
        clipped_fraction=0.0015,
        crest_factor_db=12.0,
        faults=(
            "clipped",
            "dc-offset",
            "duplicate of 0",
            "31 dB low",
            "flipped relative to channel 0",
        ),
    )
    assert faults_text(report) == (
        "microphone 1 is clipped (0.15 % of its samples): kept",
        "microphone 1 has a DC offset (-0.031 of full scale): kept",
        "microphone 1 is a duplicate of 0: left out",
        "microphone 1 is 31 dB low against the others (-55 dBFS): kept",
        "microphone 1 has its polarity flipped relative to channel 0: kept",
    )


def test_one_sample_and_none():
    for n_samples in (0, 1):
        reports = survey(np.full((3, n_samples), 0.25, np.float32), RATE)
        assert [report.faults for report in reports] == [("dead",)] * 3
        assert reports[0].peak == 0.25 * n_samples


def test_short_recordings_are_not_compared(clean):
    x = np.stack((clean[0], -clean[0], 0.01 * clean[0] + 0.2))[:, 4000:5000]
    assert all_faults(x) == {}


@pytest.fixture(scope="module")
def faulty():
    x = array_in_a_field(6, seed=9, seconds=0.3)
    x[1] *= -1
    x[2] = np.clip(x[2], -0.04, 0.04)
    x[3] = 0
    x[4] = 0.5 * x[0]
    x[5] += 0.2
    return x


@settings(deadline=None, max_examples=40)
@given(cuts=st.lists(st.integers(0, 4800), max_size=12))
def test_the_report_does_not_depend_on_the_blocks(faulty, cuts):
    whole = survey(faulty, RATE)
    listener = ChannelSurvey(6, RATE)
    for block in np.split(faulty, sorted(cuts), axis=1):
        listener.update(block)
    for one, other in zip(whole, listener.report(), strict=True):
        assert one.faults == other.faults
        assert one.peak == other.peak
        assert one.clipped_fraction == other.clipped_fraction
        # a constant's level is -inf on both sides; sums differ by k eps
        assert_allclose(one.level_dbfs, other.level_dbfs, rtol=1e-12)
        assert_allclose(one.dc_offset, other.dc_offset, atol=1e-14)
        assert_allclose(one.crest_factor_db, other.crest_factor_db, rtol=1e-11)


def test_single_samples_as_blocks_agree_with_the_whole(faulty):
    x = faulty[:, :2400]
    listener = ChannelSurvey(6, RATE)
    for n in range(x.shape[1]):
        listener.update(x[:, n : n + 1])
    whole = ChannelSurvey(6, RATE)
    whole.update(x)
    for one, other in zip(whole.report(), listener.report(), strict=True):
        assert one.faults == other.faults
        assert one.clipped_fraction == other.clipped_fraction
        assert_allclose(one.level_dbfs, other.level_dbfs, rtol=1e-12)
    # the same samples are kept of the low band, so its sums differ by k eps only
    products = whole._low_band._product, listener._low_band._product
    assert_allclose(*products, rtol=0, atol=1e-13 * products[0].max())


def test_the_clip_at_a_seam_is_counted_once():
    x = np.array([[0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0.0]]) / 2
    for cut in range(1, x.shape[1]):
        listener = ChannelSurvey(1, RATE)
        listener.update(x[:, :cut])
        listener.update(x[:, cut:])
        assert listener.report()[0].clipped_fraction == 7 / 11
        assert listener.report()[0].faults == ("clipped",)


def test_reporting_halfway_changes_nothing(clean):
    listener = ChannelSurvey(4, RATE)
    listener.update(clean[:, :5000])
    first = listener.report()
    listener.update(clean[:, 5000:])
    whole = ChannelSurvey(4, RATE)
    whole.update(clean[:, :5000])
    whole.update(clean[:, 5000:])
    assert listener.report() == whole.report()
    assert first != listener.report()


def test_the_input_is_left_as_it_was(clean):
    x = clean.copy()
    x[0, 0] = np.nan
    kept = x.copy()
    survey(x, RATE)
    assert_array_equal(x, kept)


def test_wrong_input_is_refused(clean):
    with pytest.raises(ShapeError, match=r"samples must have shape \(M, N\)"):
        survey(clean[0], RATE)
    with pytest.raises(ShapeError, match="n_mics must be at least 1; got 0"):
        ChannelSurvey(0, RATE)
    with pytest.raises(ShapeError, match=r"M = 3; got \(4, 16000\)"):
        ChannelSurvey(3, RATE).update(clean)
    with pytest.raises(ShapeError, match="got int16"):
        ChannelSurvey(4, RATE).update(clean.astype(np.int16))
    with pytest.raises(ConfigError, match="at least 2000 Hz"):
        survey(clean, 1000)
