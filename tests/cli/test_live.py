"""`arrayenh live` and `arrayenh devices`: views of a state, keys, and what is wrong."""

import dataclasses
import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from arrayenh.cli.live import press
from arrayenh.cli.live_view import bar, clock, dial, line, view
from arrayenh.cli.main import run
from arrayenh.live import session
from arrayenh.live.session import LiveState
from tests.live.fake_sound import FakeInput, PortAudioError, fake

STATE = LiveState(
    source="ReSpeaker",
    sink="Headphones",
    sample_rate=16_000,
    channels=(1, 2, 3),
    seconds=3671.4,
    levels_db=(-30.0, -120.0, -5.0),
    peaks_db=(-15.0, -120.0, -0.5),
    faults=(None, "dead", None),
    output_db=-24.0,
    output_peak_db=-12.5,
    direction_deg=None,
    strength=0.8,
    bypass=False,
    load=0.123,
    real_time_factor=0.1,
    worst_ms=4.2,
    block_ms=10.0,
    overruns=0,
    underruns=0,
    chain_ms=31.9,
    device_ms=40.0,
    recording=(),
    waiting=False,
    log=(),
)


def shown(**changes):
    console = Console(width=100)
    with console.capture() as lines:
        console.print(view(dataclasses.replace(STATE, **changes)))
    return lines.get()


def test_a_view_of_everything():
    text = shown()
    assert "ReSpeaker → Headphones   16000 Hz   1:01:11" in text
    first, dead, loud, output = (row for row in text.splitlines() if " dB" in row)
    assert first.startswith("mic 1") and "-30 dB" in first
    assert dead.startswith("mic 2") and "dead: left out" in dead and "-∞ dB" in dead
    assert "clips" in loud and "clips" not in first
    assert output.startswith("output") and "-24 dB" in output
    assert "strength 80%   load 12%, worst block 4.2 of 10.0 ms   0 overruns" in text
    assert "latency 82 ms: chain 31.9, block 10.0, devices 40.0" in text
    assert "q quit" in text
    assert "recording" not in text and "talker" not in text


def test_what_changes_is_seen():
    assert "BYPASS" in shown(bypass=True) and "strength" not in shown(bypass=True).split("- +")[0]
    assert "● recording" in shown(recording=(Path("a.wav"),))
    assert "device gone" in shown(waiting=True, recording=(Path("a.wav"),))
    assert "talker at 60°" in shown(direction_deg=60.0)
    notes = shown(log=("first", "second", "third", "fo\x1burth"))
    assert "first" not in notes and "second" in notes and "fo�urth" in notes


def test_bars_are_as_long_as_the_levels():
    assert bar(-60, -60) == " " * 30
    assert bar(0, 0) == "█" * 30
    assert bar(-30, -30) == "█" * 15 + "│" + " " * 14
    assert bar(-31, -10) == "█" * 14 + "▌" + " " * 10 + "│" + " " * 4
    assert bar(20, 20) == "█" * 30 and bar(-120, -120) == " " * 30


@pytest.mark.parametrize(
    ("azimuth", "row", "column"), [(0, 4, 16), (90, 0, 8), (180, 4, 0), (-90, 8, 8), (360, 4, 16)]
)
def test_the_dial_points_to_the_talker(azimuth, row, column):
    *lines, label = dial(azimuth).plain.split("\n")
    assert len(lines) == 9
    assert [(k, one.index("●")) for k, one in enumerate(lines) if "●" in one] == [(row, column)]
    assert label == f"talker at {azimuth}°"


def test_a_line_without_a_terminal():
    assert line(STATE) == (
        "1:01:11  microphones -30 out -5 dB, output -24 dB, load 12%, 0 overruns, 0 underruns"
    )
    told = line(dataclasses.replace(STATE, direction_deg=60.4, waiting=True))
    assert "talker at 60 deg" in told and told.endswith("device gone")
    assert clock(59.9) == "0:00:59"


def test_keys():
    asked = []
    session = SimpleNamespace(
        bypass=False,
        strength=0.95,
        records=False,
        record=lambda wanted: asked.append(wanted),
        stop=lambda: asked.append("stop"),
    )
    press(session, "b")
    assert session.bypass
    press(session, "b")
    assert not session.bypass
    press(session, "+")
    assert session.strength == 1
    for _ in range(12):
        press(session, "-")
    assert session.strength == 0
    press(session, "r")
    session.records = True
    press(session, "r")
    press(session, "q")
    press(session, "x")
    assert asked == [True, False, "stop"]


@pytest.fixture
def sound(monkeypatch, tmp_path):
    """A stand-in for sounddevice, and an empty current folder."""
    monkeypatch.chdir(tmp_path)

    def use(module):
        monkeypatch.setitem(sys.modules, "sounddevice", module)

    use(fake())
    return use


def test_devices_as_a_table_and_as_json(sound, capsys):
    assert run(["devices"]) == 0
    text = capsys.readouterr().out
    row = next(one for one in text.splitlines() if "ReSpeaker" in one)
    assert row.split()[:2] == ["0", "ReSpeaker"] and row.endswith("in")
    assert run(["devices", "--json"]) == 0
    array, *_ = json.loads(capsys.readouterr().out)
    assert (array["n_inputs"], array["sample_rate"], array["default_input"]) == (6, 16_000, True)


def test_a_session_on_devices(sound, capsys):
    line = "live --masks spp --postfilter none --mics 4 --seconds 0.3"
    assert run(shlex.split(f"{line} --record takes --json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == pytest.approx(0.3)
    assert found["device_ms"] == 40
    assert [Path(path).parent.name for path in found["recordings"]] == ["takes", "takes"]
    assert found["settings"]["beamformer"] == "mvdr"
    assert run(shlex.split(line)) == 0
    out, err = capsys.readouterr()
    assert "microphones -13 -13 -13 -13 dB" in out  # after 0.3 s, of -12 dB
    assert err == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--in respekaer", "there is no input device 'respekaer'"),
        ("--out 17", "there is no output device '17'"),
        ("--in pulse", "offers up to 32 channels: give the number of microphones"),
        ("--mics 8", "has 6 input channels, and 8 are needed"),
        ("--channels 0,7", "has 6 input channels, and 8 are needed"),
        ("--rate 5", "--rate must be"),
        ("--block 0", "--block must be"),
        ("--buffer 9999", "--buffer must be"),
        ("--seconds 0", "--seconds must be"),
        ("--record taken", "taken is a file"),
        ("--array circular6-46mm --mics 4", "circular6-46mm has 6 microphones"),
        ("--masks nonsense", "nonsense"),
    ],
)
def test_what_is_wrong_is_one_line(sound, capsys, line, words):
    Path("taken").write_text("")
    masks = "" if "--masks" in line else "--masks spp"
    assert run(shlex.split(f"live {masks} --postfilter none {line}")) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("arrayenh: ") and err.count("\n") == 1
    assert words in err


def test_a_rate_that_the_device_refuses(sound, capsys):
    sound(fake(problem=PortAudioError("Invalid sample rate", -9997)))
    assert run(shlex.split("live --masks spp --postfilter none --rate 22050")) == 2
    assert "does not work at 22050 Hz; its default is --rate 16000" in capsys.readouterr().err


def test_a_computer_without_devices(sound, capsys):
    sound(fake([], (-1, -1)))
    for command in ("devices", "live --masks spp --postfilter none"):
        assert run(shlex.split(command)) == 2
        assert "no sound device" in capsys.readouterr().err


def test_a_device_that_vanishes(sound, capsys, monkeypatch):
    monkeypatch.setattr(session, "REOPEN_SECONDS", 0.05)
    monkeypatch.setattr(session, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(FakeInput, "gone", True)
    module = fake()
    module._initialize = lambda: setattr(module, "query_devices", lambda: [])
    sound(module)
    assert run(shlex.split("live --masks spp --postfilter none --mics 4")) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "ReSpeaker 4 Mic Array (UAC1.0) is gone" in err
