"""The front end of every chain: which microphones there are, put right, at 16 kHz."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording
from arrayenh.chain.capture import RATE, Capture, survey
from arrayenh.chain.enhancer import Enhancer
from arrayenh.cli.batch import Request, batch
from arrayenh.cli.inputs import Job
from arrayenh.errors import AudioError, ConfigError, GeometryError
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.microphones.geometry import load_array
from arrayenh.networks.runtime import Network
from tests.settings import statistical
from tests.signals import arrivals, band_limited, delayed, diffuse_noise, voice

ARRAY = load_array("circular4-35mm")


@pytest.fixture(scope="module")
def sound():
    """Noise from one direction at four microphones, 8 s."""
    rng = np.random.default_rng(0)
    wave = 0.1 * band_limited(rng, 8 * RATE, 100, 7000)
    return delayed(wave, arrivals(ARRAY.positions, 0.5)).astype(np.float32)


def test_a_dead_microphone_is_left_out_of_samples_channels_and_array(sound):
    x = sound.copy()
    x[1] = 0
    capture = Capture(Recording(x, RATE, channels=(2, 4, 6, 8)), ARRAY, reference=4)
    assert capture.channels == (2, 6, 8) and capture.reference == 0
    assert_array_equal(capture.array.positions, ARRAY.positions[[0, 2, 3]])
    assert_array_equal(np.concatenate(list(capture.blocks()), axis=1), x[[0, 2, 3]])
    assert any("microphone 4 is dead" in line for line in capture.log)


def test_an_array_in_order_stays_what_it_is(sound):
    assert Capture(Recording(sound, RATE), ARRAY).array is ARRAY


def test_polarity_and_offset_are_put_right(sound):
    x = sound.copy()
    x[2] = 0.2 - x[2]
    capture = Capture(Recording(x, RATE), reference=0)
    found = np.concatenate(list(capture.blocks(4096)), axis=1)
    assert_allclose(found[2], sound[2], atol=2e-3)  # the mean of the sound itself goes as well


def test_a_stretch_is_that_of_16_khz(sound):
    capture = Capture(Recording(np.repeat(sound, 3, axis=1), 3 * RATE))
    assert capture.n_samples == sound.shape[1]
    whole = np.concatenate(list(capture.blocks()), axis=1)
    assert_array_equal(capture.stretch(1000, 3000), whole[:, 1000:3000])


def test_what_does_not_fit_is_refused(sound):
    with pytest.raises(AudioError, match="is empty"):
        Capture(Recording(np.zeros((0, 0), np.float32), RATE))
    with pytest.raises(GeometryError, match="4 microphones but"):
        Capture(Recording(sound[:3], RATE), ARRAY)
    with pytest.raises(ConfigError, match="reference 7 is not among the channels in use, 0, 1"):
        Capture(Recording(sound[:2], RATE), reference=7)


def test_a_survey_of_some_seconds_hears_no_more(sound):
    """A microphone that dies after 5 s is dead in 8 s, and sound in 5."""
    x = sound.copy()
    x[3, 5 * RATE :] = 0
    quiet = 20 * np.log10(np.sqrt(np.mean(x[3, : 5 * RATE] ** 2)))
    found = survey(Recording(x, RATE), seconds=5.0)[3]
    assert found.level_dbfs == pytest.approx(quiet, abs=1e-3)
    assert survey(Recording(x, RATE))[3].level_dbfs < found.level_dbfs - 1.5


def test_frame_by_frame_the_microphones_are_judged_as_it_goes(sound):
    """Dead but for the last seconds: it is left out, and used from when it is heard."""
    x = sound.copy()
    x[2, : 5 * RATE] = 0
    online = statistical(masks="spp", postfilter="none", n_fft=512, online=True)
    session = Enhancer(online).open(Recording(x, RATE))
    list(session.stages(1000))
    assert session.used == (0, 1, 2, 3)
    assert session.log == [
        "0.0 s: microphone 2 is dead: left out",
        "5.1 s: microphone 2 is back",
    ]


def test_the_networks_of_a_batch_are_loaded_once(tmp_path, monkeypatch, sound):
    """Two networks, three recordings: two loads."""
    from arrayenh.audio import write
    from arrayenh.chain.settings import Settings
    from arrayenh.cli.batch import enhancer_of

    enhancer_of.cache_clear()
    loaded, load = [], Network.load
    monkeypatch.setattr(Network, "load", lambda name: loaded.append(name) or load(name))
    jobs = []
    for k in range(3):
        write(tmp_path / f"{k}.wav", sound[:2, : RATE // 2], RATE)
        jobs.append(Job(str(tmp_path / f"{k}.wav"), tmp_path / f"{k}_enhanced.wav"))
    done = list(batch(jobs, Request(Settings()), jobs=1))
    assert [summary.stages for summary in done] == 3 * [("reference", "mvdr", "neural")]
    assert loaded == ["mask-gru", "postfilter-gru"]


def test_a_microphone_that_drops_out_does_not_spoil_the_rest():
    """Statistics are those of the frames in which all microphones run."""
    rng = np.random.default_rng(4)
    n_samples, lost = 8 * RATE, slice(3 * RATE, 4 * RATE)
    voices = 0.1 * delayed(voice(rng, n_samples), arrivals(ARRAY.positions, 0.5))
    noise = 0.03 * diffuse_noise(rng, ARRAY.positions, n_samples, n_waves=24)
    whole = (voices + noise).astype(np.float32)
    broken = whole.copy()
    broken[2, lost] = 0
    elsewhere = np.r_[0 : 3 * RATE - 2048, 4 * RATE + 2048 : n_samples]
    scores = [
        si_sdr(voices[0, elsewhere], enhanced.stages["mvdr"][elsewhere], RATE)
        for enhanced in (
            Enhancer(statistical()).enhance(Recording(samples, RATE)) for samples in (whole, broken)
        )
    ]
    assert scores[1] > scores[0] - 0.5
