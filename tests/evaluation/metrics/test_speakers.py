import subprocess
import sys
import warnings

import numpy as np
import pytest
import soxr
from numpy.testing import assert_allclose

from arrayenh.errors import MetricError, MissingExtraError, ShapeError
from arrayenh.evaluation.metrics import speakers
from arrayenh.evaluation.metrics.speakers import speaker_similarity
from arrayenh.scenes.packaged import load_clip

RATE = 16000


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("torch", reason="speaker embeddings need torch: arrayenh[speakers]")
    pytest.importorskip("librosa", reason="speaker embeddings need librosa: arrayenh[speakers]")
    try:
        return speakers._network()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def woman():
    return load_clip("female")[0].astype(np.float64)


@pytest.fixture(scope="module")
def man():
    return load_clip("male")[0].astype(np.float64)


@pytest.fixture(scope="module")
def noise(woman):
    return woman.std() * np.random.default_rng(0).standard_normal(woman.size)


def test_the_same_voice_is_one(network, woman):
    assert_allclose(speaker_similarity(woman, woman, RATE), 1.0, atol=1e-9)


def test_one_voice_is_nearer_to_itself_than_to_another(network, woman, man):
    half = woman.size // 2
    itself = speaker_similarity(woman[:half], woman[half : 2 * half], RATE)
    another = speaker_similarity(woman[:half], man[:half], RATE)
    assert itself > 0.75 > another + 0.1


def test_noise_takes_the_voice_away(network, woman, noise):
    values = [speaker_similarity(woman, woman + gain * noise, RATE) for gain in (0.03, 0.3, 3)]
    assert 1 > values[0] > values[1] > values[2] > 0


def test_the_gain_does_not_matter(network, woman, noise):
    y = woman + 0.1 * noise
    plain = speaker_similarity(woman, y, RATE)
    for gain in (1e-3, 50.0):
        # float32 in the network, through 160 steps of three layers
        assert_allclose(speaker_similarity(woman, gain * y, RATE), plain, atol=1e-4)
        assert_allclose(speaker_similarity(gain * woman, y, RATE), plain, atol=1e-4)


def test_what_happens_in_pauses_does_not_matter(network, woman, noise):
    pause = np.zeros(2 * RATE)
    s = np.concatenate((woman, pause))
    y = np.concatenate((woman + 0.1 * noise, 0.1 * noise[: pause.size]))
    within = np.concatenate((woman + 0.1 * noise, pause))
    assert_allclose(speaker_similarity(s, y, RATE), speaker_similarity(s, within, RATE), atol=5e-3)


def test_other_rates_are_resampled(network, woman, noise):
    y = woman + 0.1 * noise
    at_48k = soxr.resample(woman, RATE, 48000), soxr.resample(y, RATE, 48000)
    expected = speaker_similarity(woman, y, RATE)
    assert_allclose(speaker_similarity(*at_48k, 48000), expected, atol=5e-3)


@pytest.mark.parametrize("n_samples", [25600, 40000, 41000, 97531, 140000])
def test_the_embedding_is_the_packages_own(network, woman, man, n_samples):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of webrtcvad and of SciPy's names
        package = pytest.importorskip(
            "resemblyzer", reason="Resemblyzer does not import here", exc_type=ImportError
        )
    speech = np.concatenate((woman, man))[:n_samples]
    at_level = speech * speakers.LEVEL / np.sqrt(np.mean(speech**2))
    expected = package.VoiceEncoder("cpu", verbose=False).embed_utterance(at_level)
    # float32 in the package, its mean over windows too
    assert_allclose(speakers.embedding(network, speech), expected, atol=1e-6)


def test_too_little_speech_is_refused(network, woman):
    with pytest.raises(MetricError, match="needs 1.6 s of speech .* got 0.99 s in 1.00 s"):
        speaker_similarity(woman[:RATE], woman[:RATE], RATE)
    with pytest.raises(MetricError, match="got 0.00 s in 0.00 s"):
        speaker_similarity(woman[1000:1001], woman[1000:1001], RATE)


def test_what_is_no_pair_of_signals_is_refused(network, woman):
    with pytest.raises(ShapeError, match="equal length"):
        speaker_similarity(woman, woman[:-1], RATE)
    with pytest.raises(MetricError, match="the estimate is silent"):
        speaker_similarity(woman, 0 * woman, RATE)
    with pytest.raises(MetricError, match="estimate must be finite"):
        speaker_similarity(woman, woman + np.nan, RATE)


def test_the_weights_are_read_without_running_what_they_hold(network, monkeypatch):
    import torch

    load, asked = torch.load, []
    monkeypatch.setattr(
        torch, "load", lambda *args, **kwargs: asked.append(kwargs) or load(*args, **kwargs)
    )
    speakers._network.__wrapped__()
    assert asked == [{"map_location": "cpu", "weights_only": True}]


@pytest.mark.parametrize("name", ["torch", "librosa", "resemblyzer"])
def test_what_is_missing_is_said(monkeypatch, woman, name):
    monkeypatch.setitem(sys.modules, name, None)
    speakers._network.cache_clear()
    with pytest.raises(MissingExtraError, match=r"Resemblyzer.* 'arrayenh\[speakers\]'$"):
        speaker_similarity(woman, woman, RATE)


def test_import_loads_no_network():
    code = "import sys, arrayenh.evaluation.metrics.speakers; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert {"torch", "librosa", "resemblyzer"}.isdisjoint(out.stdout.decode().split())
