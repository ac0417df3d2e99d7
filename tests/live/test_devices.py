"""Sound devices by name, and a pair of them, without a sound card."""

import sys

import numpy as np
import pytest

from arrayenh.errors import AudioError, DeviceLostError, MissingExtraError
from arrayenh.live import duplex
from arrayenh.live.duplex import DevicePair
from arrayenh.live.portaudio import IN, OUT, devices, find, found_again
from tests.live.fake_sound import DEVICES, FakeInput, FakeOutput, PortAudioError, device, fake


@pytest.fixture
def sound(monkeypatch):
    """The stand-in as the module; gives a function to replace it."""

    def use(module):
        monkeypatch.setitem(sys.modules, "sounddevice", module)

    use(fake())
    return use


def test_devices_and_defaults(sound):
    array, headphones, *_ = devices()
    assert (array.n_inputs, array.n_outputs, array.sample_rate) == (6, 2, 16_000)
    assert (array.default_input, array.default_output) == (True, False)
    assert (headphones.input_latency_ms, headphones.output_latency_ms) == (None, 20.0)
    assert headphones.default_output


@pytest.mark.parametrize(
    ("wanted", "way", "index"),
    [
        (None, IN, 0),
        (None, OUT, 1),
        ("3", OUT, 3),
        ("respeaker", IN, 0),
        ("Headphones", OUT, 1),
        ("hdmi 2", OUT, 3),
        ("PULSE", IN, 4),
        ("pulse, ALSA", OUT, 4),
    ],
)
def test_find_by_number_name_or_part(sound, wanted, way, index):
    assert find(wanted, way).index == index


def test_an_exact_name_goes_before_parts_of_others(sound):
    sound(fake([device("mic", 2, 0), device("mic array", 4, 0)]))
    assert find("mic", IN).index == 0


@pytest.mark.parametrize(
    ("wanted", "way", "words"),
    [
        ("Hedphones", OUT, "did you mean Headphones?"),
        ("9", IN, "there is no input device '9'"),
        ("Headphones", IN, "there is no input device 'Headphones'"),
        ("hdmi", OUT, r"several names: give the number, 2 \(HDMI 1, ALSA\), 3 \(HDMI 2, ALSA\)"),
    ],
)
def test_devices_that_are_not_there(sound, wanted, way, words):
    with pytest.raises(AudioError, match=words):
        find(wanted, way)


def test_a_computer_without_devices(sound):
    sound(fake([], (-1, -1)))
    assert devices() == []
    with pytest.raises(AudioError, match="no sound device for output"):
        find(None, OUT)


def test_a_device_is_found_again_at_another_number(sound):
    before = find("Headphones", OUT)
    sound(fake(DEVICES[1:]))
    assert found_again(before, OUT).index == 0
    sound(fake(DEVICES[:1]))
    with pytest.raises(AudioError, match="Headphones is not there"):
        found_again(before, OUT)


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[live\]'"):
        devices()


def test_without_portaudio_the_library_is_named(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="apt-get install libportaudio2"):
        devices()


def opened(rate=16_000, n_inputs=4, n_outputs=2):
    return DevicePair(
        find("respeaker", IN), find("Headphones", OUT), rate, n_inputs, n_outputs, 160, 20
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9997, "does not work at 22050 Hz; its default is --rate 16000"),
        (-9998, "does not open with 4 input channels"),
        (-9985, "in use by another program"),
        (-9999, "cannot be opened for input: the words of PortAudio"),
    ],
)
def test_devices_that_do_not_open(sound, code, words):
    sound(fake(problem=PortAudioError("the words of PortAudio", code)))
    with pytest.raises(AudioError, match=words):
        opened(22_050)


def test_too_few_channels(sound):
    with pytest.raises(AudioError, match="has 6 input channels, and 8 are needed"):
        opened(n_inputs=8)
    with pytest.raises(AudioError, match="Headphones has 2 output channels, and 4 are needed"):
        opened(n_outputs=4)


def test_a_voice_goes_to_both_ears_after_the_silence_of_the_buffer(sound):
    pair = opened()
    assert pair.latency_ms == 40
    assert pair.read().shape == (4, 160)
    pair.write(np.full((1, 160), 2, np.float32))
    silence, voice = pair._output.written
    assert silence.shape == (320, 2) and not silence.any()
    assert voice.shape == (160, 2) and (voice == 1).all()  # clipped
    pair.close()
    assert pair._input.calls == ["start", "abort", "close"] == pair._output.calls


def test_after_a_gap_the_delay_is_as_before(sound, monkeypatch):
    monkeypatch.setattr(FakeOutput, "gaps", (3,))  # silence, a block, a block
    pair = opened()
    pair.write(pair.read())
    pair._input.left = 3 * 160 + 100  # piled up in the gap
    pair.write(np.full((1, 160), 0.5, np.float32))
    assert pair._input.left == 100
    assert (pair.underruns, pair.overruns) == (1, 1)
    *_, voice, silence = pair._output.written
    assert voice.all() and silence.shape == (320, 2) and not silence.any()


@pytest.mark.parametrize("stream", [FakeInput, FakeOutput])
@pytest.mark.parametrize(
    ("state", "words"),
    [("gone", r"is gone: Unanticipated host error \(No such device\)"), ("silent", "no sound any")],
)
def test_a_device_that_vanishes_or_hangs(sound, monkeypatch, stream, state, words):
    monkeypatch.setattr(duplex, "LOST_SECONDS", 0.02)
    pair = opened()
    pair.write(pair.read())
    monkeypatch.setattr(stream, state, True)
    with pytest.raises(DeviceLostError, match=words):
        pair.write(pair.read())
    pair.close()


def test_a_driver_that_hangs_does_not_hang_the_program(sound, monkeypatch):
    from threading import Event

    released, unregistered = Event(), []
    monkeypatch.setattr(duplex, "CLOSING_SECONDS", 0.02)
    monkeypatch.setattr(FakeInput, "abort", lambda self, **more: released.wait(5))
    monkeypatch.setattr(duplex.atexit, "unregister", unregistered.append)
    pair = opened()
    with pytest.raises(DeviceLostError, match="Headphones hangs"):
        pair.close()
    assert unregistered == [sys.modules["sounddevice"]._exit_handler]
    released.set()
