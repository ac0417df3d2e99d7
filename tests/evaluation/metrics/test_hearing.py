import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation.metrics.hearing import AUDIOGRAM_HZ, haspi, hasqi, mbstoi
from arrayenh.evaluation.metrics.interaural import ild_error_db, ipd_error, itd_error_us
from arrayenh.hearing import HearingAid, HearingAidSettings, load_audiogram
from arrayenh.scenes.packaged import load_clip

RATE = 16000
MODELS = [haspi, hasqi, mbstoi]
CUES = [ild_error_db, itd_error_us, ipd_error]


@pytest.fixture(scope="module")
def clarity():
    pytest.importorskip("yaml", reason="MBSTOI needs PyYAML: arrayenh[hearing]")
    return pytest.importorskip("clarity", reason="hearing models need pyclarity: arrayenh[hearing]")


@pytest.fixture(scope="module")
def clean():
    """Speech from the left: later and softer at the right ear."""
    speech = load_clip("female")[0][: round(1.2 * RATE)].astype(np.float64)
    return np.stack((speech, 0.7 * np.roll(speech, 5)))


@pytest.fixture(scope="module")
def noise(clean):
    return clean.std() * np.random.default_rng(0).standard_normal(clean.shape)


@pytest.fixture(scope="module")
def white():
    """White noise at both ears, the right one 3 samples later."""
    sound = np.random.default_rng(1).standard_normal(4 * RATE)
    return np.stack((sound, np.roll(sound, 3)))


def by_the_package(compute, clean, y, rate=RATE):
    """As the package's own example: 65 dB SPL where RMS is one."""
    from clarity.utils.audiogram import Audiogram

    rms = max(ear.std() for ear in clean)
    audiogram = Audiogram(levels=np.zeros(6), frequencies=np.array(AUDIOGRAM_HZ))
    np.random.seed(0)  # noqa: NPY002
    return max(
        compute(s / rms, rate, p / rms, rate, audiogram, level1=65.0)[0]
        for s, p in zip(clean, y, strict=True)
    )


def test_haspi_and_hasqi_are_the_package(clarity, clean, noise):
    from clarity.evaluator.haspi import haspi_v2
    from clarity.evaluator.hasqi import hasqi_v2

    y = clean + 0.3 * noise
    # its own noise is another for the second ear: 1e-3 of HASPI
    assert_allclose(haspi(clean, y, RATE), by_the_package(haspi_v2, clean, y), atol=2e-3)
    assert_allclose(hasqi(clean, y, RATE), by_the_package(hasqi_v2, clean, y), atol=2e-3)


def test_mbstoi_is_the_package(clarity, clean, noise):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "open_text is deprecated", DeprecationWarning)
        from clarity.evaluator.mbstoi import mbstoi as compute
    y = clean + noise
    assert_allclose(mbstoi(clean, y, RATE), compute(*clean, *y, RATE), atol=1e-12)


@pytest.mark.parametrize("compute", MODELS)
def test_noise_lowers_every_model(clarity, clean, noise, compute):
    values = [compute(clean, clean + gain * noise, RATE) for gain in (0.03, 0.3, 3.0)]
    assert 1 > values[0] > values[1] > values[2] >= 0


@pytest.mark.parametrize(("compute", "least"), [(haspi, 0.999), (hasqi, 0.99), (mbstoi, 0.999)])
def test_clean_speech_is_perfect(clarity, clean, compute, least):
    assert least < compute(clean, clean.copy(), RATE) <= 1 + 1e-9


@pytest.mark.parametrize("compute", [haspi, hasqi])
def test_the_better_ear_counts(clarity, clean, noise, compute):
    one_deaf = clean + noise * np.array([[0.01], [10.0]])
    both = compute(clean, clean + 0.01 * noise, RATE)
    assert_allclose(compute(clean, one_deaf, RATE), both, atol=0.02)


@pytest.mark.parametrize("compute", [haspi, hasqi])
def test_the_level_of_a_file_does_not_matter_but_that_of_the_output_does(clarity, clean, compute):
    y = 0.5 * clean
    plain = compute(clean, y, RATE)
    assert_allclose(compute(1e-3 * clean, 1e-3 * y, RATE), plain, atol=1e-9)
    assert compute(clean, 1e-3 * clean, RATE) < 0.1 < plain


@pytest.mark.parametrize("compute", [haspi, hasqi])
def test_hearing_loss_hears_less(clarity, clean, compute):
    lost = compute(clean, clean.copy(), RATE, load_audiogram("N4"))
    assert lost < compute(clean, clean.copy(), RATE) - 0.1


def test_each_ear_has_its_own_audiogram(clarity, clean):
    for name in ("N6,NH", "NH,N6"):  # for N6 at both ears nothing is left
        assert haspi(clean, clean.copy(), RATE, load_audiogram(name)) > 0.5


def test_a_hearing_aid_makes_quiet_speech_intelligible(clarity, clean):
    listener = load_audiogram("N4")
    level = 10 * np.log10((clean[0] ** 2).mean())  # of 65 dB SPL: the level in the models
    settings = HearingAidSettings(full_scale_db=65 - level)
    aid = HearingAid(listener, settings=settings)
    late = aid.latency_samples
    aided = aid.process(np.pad(clean, ((0, 0), (0, late))))[:, late:].astype(np.float64)
    gain = haspi(clean, aided, RATE, listener) - haspi(clean, clean.copy(), RATE, listener)
    assert gain > 0.5


def test_rates_that_are_not_whole_khz_are_resampled_as_they_are(clarity, clean, noise):
    y = clean + 0.3 * noise
    at = {rate: [soxr.resample(x.T, RATE, rate).T for x in (clean, y)] for rate in (24000, 44100)}
    # the package alone would take 44100 Hz for 44000, and move its bands by 0.2 %
    assert_allclose(haspi(*at[44100], 44100), haspi(*at[24000], 24000), atol=2e-3)


@pytest.mark.parametrize("compute", MODELS)
def test_the_process_is_left_as_it_was(clarity, clean, compute):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    handlers = list(logging.root.handlers)
    y = clean + 0.1 * np.random.default_rng(3).standard_normal(clean.shape)
    first = compute(clean, y, RATE)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002
    np.random.standard_normal(7)  # noqa: NPY002
    assert compute(clean, y, RATE) == first
    assert logging.root.handlers == handlers


@pytest.mark.parametrize("compute", MODELS)
def test_models_refuse_what_is_too_short(clarity, clean, compute):
    short = clean[:, 4000:7000]
    with pytest.raises(MetricError, match="a hearing model needs 0.5 s; got 0.19 s"):
        compute(short, short, RATE)


def test_mbstoi_with_too_little_speech(clarity, clean):
    s = np.zeros_like(clean)
    s[:, 1000:4000] = clean[:, 4000:7000]
    with pytest.raises(MetricError, match="30 frames .* in 1.20 s"):
        mbstoi(s, s, RATE)


@pytest.mark.parametrize("compute", MODELS)
def test_missing_pyclarity_says_what_to_install(monkeypatch, clean, compute):
    monkeypatch.setitem(sys.modules, "clarity", None)
    for name in [name for name in sys.modules if name.startswith("clarity.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[hearing\]'"):
        compute(clean, clean, RATE)


@pytest.mark.parametrize("compute", CUES)
def test_the_same_ears_have_the_same_cues(white, clean, compute):
    for ears in (white, clean):
        assert compute(ears, ears.copy(), RATE) == 0
        # of float32 spectra; a phase and a level do not know the gain
        assert_allclose(compute(ears, -0.3 * ears, RATE), 0, atol=1e-2)


@pytest.mark.parametrize("gain", [0.25, 2.0])
def test_a_gain_at_one_ear_is_an_error_of_level_alone(white, clean, gain):
    for ears in (white, clean):
        y = ears * np.array([[1.0], [gain]])
        assert_allclose(ild_error_db(ears, y, RATE), abs(20 * np.log10(gain)), atol=1e-4)
        assert_allclose(ipd_error(ears, y, RATE), 0, atol=1e-5)


@pytest.mark.parametrize("n_samples", [-4, 1, 2])
def test_a_delay_at_one_ear_is_an_error_of_time(white, n_samples):
    y = np.stack((white[0], np.roll(white[1], n_samples)))
    # the frames of the two ears differ by |n| of 512 samples: 2 % of what they add up
    expected = 1e6 * abs(n_samples) / RATE
    assert_allclose(itd_error_us(white, y, RATE), expected, rtol=0.02)
    assert ild_error_db(white, y, RATE) < 0.1


def test_a_phase_at_one_ear_is_that_error_of_phase(white):
    turned = np.fft.irfft(np.fft.rfft(white[1]) * np.exp(0.5j), white.shape[1])
    y = np.stack((white[0], turned))
    assert_allclose(ipd_error(white, y, RATE), 0.5, atol=5e-3)


def test_errors_do_not_cancel(white):
    """Half the band louder at the left, half at the right: the errors add up."""
    spectrum = np.fft.rfft(white[1])
    low = np.fft.rfftfreq(white.shape[1], 1 / RATE) < 4750  # the middle of 1.5 to 8 kHz
    tilted = np.fft.irfft(np.where(low, 2, 0.5) * spectrum, white.shape[1])
    y = np.stack((white[0], tilted))
    assert_allclose(ild_error_db(white, y, RATE), 20 * np.log10(2), rtol=0.01)


def test_each_cue_is_heard_in_its_band(white):
    freqs = np.fft.rfftfreq(white.shape[1], 1 / RATE)

    def changed(where, factor):
        spectrum = np.fft.rfft(white[1])
        return np.stack((white[0], np.fft.irfft(np.where(where, factor, 1) * spectrum)))

    assert ild_error_db(white, changed(freqs < 1300, 4.0), RATE) < 0.01
    assert itd_error_us(white, changed(freqs > 1700, 1j), RATE) < 1
    assert ipd_error(white, changed(freqs > 1700, 1j), RATE) < 0.01


def test_pauses_and_silent_bands_of_the_target_do_not_count(white):
    pause = np.zeros((2, 2 * RATE))
    s = np.concatenate((white, pause), axis=1)
    y = np.concatenate((white, pause + 0.1), axis=1)
    y[0, -RATE:] *= -30
    for compute in CUES:
        assert compute(s, y, RATE) < 0.02


def test_bins_count_by_the_power_of_the_target():
    t = np.arange(2 * RATE) / RATE
    tones = np.stack([np.sin(2 * np.pi * f * t) for f in (2000, 4000)])
    s = np.tile(2 * tones[0] + tones[1], (2, 1))
    y = np.stack((s[0], 2 * tones[0] + 0.5 * tones[1]))  # 6 dB at a fifth of the power
    # the clean power is that of both ears: 4 to 1
    assert_allclose(ild_error_db(s, y, RATE), 20 * np.log10(2) / 5, rtol=1e-3)


@pytest.mark.parametrize("compute", [*MODELS, *CUES])
def test_what_is_no_pair_of_ears_is_refused(request, clean, compute):
    if compute in MODELS:
        request.getfixturevalue("clarity")
    with pytest.raises(ShapeError, match=r"ears must have shape \(2, N\), left and right; got"):
        compute(clean, clean[0], RATE)
    with pytest.raises(ShapeError, match=r"reference_ears must have shape \(2, N\)"):
        compute(clean[:1], clean, RATE)
    with pytest.raises(ShapeError, match="equal length"):
        compute(clean, clean[:, :-1], RATE)
    with pytest.raises(MetricError, match="right ear of the estimate is silent"):
        compute(clean, clean * np.array([[1.0], [0.0]]), RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        compute(clean, clean + np.nan, RATE)


def test_no_band_has_no_cues(white):
    with pytest.raises(MetricError, match="sound at both ears from 1500 to 1000 Hz"):
        ild_error_db(white, white, 2000)


def test_import_loads_neither_numba_nor_a_model():
    code = "import sys, arrayenh.evaluation.metrics.hearing; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert {"numba", "clarity", "torch"}.isdisjoint(out.stdout.decode().split())
