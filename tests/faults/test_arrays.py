"""Boards that send more channels than microphones, and positions in another unit."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording, open_recording, read, write
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.localisation import Request, locate
from arrayenh.chain.settings import Settings
from arrayenh.errors import GeometryError
from arrayenh.evaluation.cases.folders import find_cases
from arrayenh.microphones.geometry import MicArray, load_array, save_array
from arrayenh.microphones.wiring import microphones_of
from tests.signals import RATE, arrivals, delayed, voice

USB = load_array("respeaker-usb-4mic")
RAW = (1, 2, 3, 4)
QUICK = Settings(beamformer="das", postfilter="none", masks="spp", doa=75)


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    """What the board sends of a voice from 75 degrees: processed, 4 raw channels, playback."""
    rng = np.random.default_rng(0)
    raw = 0.05 * delayed(voice(rng, 2 * RATE), arrivals(USB.positions, np.deg2rad(75)))
    processed = np.roll(raw[0], 320)  # 20 ms late
    all_six = np.stack([processed, *raw, 0 * processed]) + 1e-4 * rng.standard_normal((6, 2 * RATE))
    return write(tmp_path_factory.mktemp("dump") / "six.wav", all_six.astype(np.float32), RATE)


@pytest.mark.parametrize(
    "name, n_channels, raw",
    [
        ("respeaker-usb-4mic", 6, (1, 2, 3, 4)),
        ("respeaker-6mic", 8, (0, 1, 2, 3, 4, 5)),
        ("uma-8", 8, (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_a_board_selects_its_microphones(name, n_channels, raw):
    samples = np.arange(n_channels)[:, None] / 10 * np.ones((1, 100))
    recording, notes = microphones_of(Recording(samples, RATE), load_array(name))
    assert recording.channels == raw
    assert_allclose(recording.samples[:, 0], np.array(raw) / 10, rtol=1e-6)
    used = ", ".join(map(str, raw))
    assert notes == [f"channels {used} are the microphones of {name}; the others are left out"]


def test_a_recording_of_the_microphones_alone_is_taken_as_it_is():
    recording = Recording(np.ones((4, 100)), RATE)
    assert microphones_of(recording, USB) == (recording, [])


def test_localize_finds_the_direction_in_what_the_board_sends(dump):
    request = Request("respeaker-usb-4mic", None, None, False, "srp-phat", 1, 0.25)
    located = locate(str(dump), request)
    assert located.channels == RAW
    assert np.rad2deg(located.places[0].azimuth) == pytest.approx(75, abs=3)
    assert located.log[0].startswith("channels 1, 2, 3, 4 are the microphones")


def test_enhance_uses_the_microphones_and_says_so(dump):
    six = Enhancer(QUICK, USB).enhance(read(dump))
    four = Enhancer(QUICK, USB).enhance(Recording(read(dump).samples[1:5], RATE))
    assert six.channels == RAW
    assert six.log[0].startswith("channels 1, 2, 3, 4 are the microphones")
    assert_array_equal(six.samples, four.samples)


def test_a_folder_of_such_recordings_is_scored_at_the_microphones(dump):
    cases = find_cases(dump.parent, "early", USB, {})
    assert_array_equal(cases.case(0).trial.mixture, read(dump).samples[1:5])


@pytest.mark.parametrize("selected", [{"mics": 4}, {"channels": (4, 3, 2, 1)}])
def test_other_channels_are_not_paired_with_the_positions(dump, selected):
    source = open_recording(dump, **selected)
    words = r"are not the microphones of respeaker-usb-4mic; use --channels 1,2,3,4"
    with pytest.raises(GeometryError, match=words):
        microphones_of(source, USB)


def test_a_mismatch_names_the_channels_of_the_board(dump):
    words = "--channels 1,2,3,4 for the 6 channels of respeaker-usb-4mic"
    with pytest.raises(GeometryError, match=words):
        microphones_of(open_recording(dump), load_array("circular4-32mm"))
    with pytest.raises(GeometryError, match=words):
        microphones_of(Recording(np.ones((5, 100)), RATE), USB)


LARGE = "the array is 46 m across; in millimetres it would be 46 mm: state the unit"


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.json", "[[0, 0, 0], [46, 0, 0]]"),
        ("a.json", '{"mic_positions_m": [[0, 0, 0], [46, 0, 0]]}'),
        ("a.csv", "x,y,z\n0,0,0\n46,0,0\n"),
        ("a.xml", '<MicArray><pos x="0" y="0" z="0"/><pos x="46" y="0" z="0"/></MicArray>'),
    ],
)
def test_millimetres_taken_for_metres_are_asked_about(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(GeometryError, match=LARGE):
        load_array(tmp_path / name)


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.json", '{{"positions": [[0, 0, 0], [46, 0, 0]], "unit": "{unit}"}}'),
        ("a.csv", "# unit: {unit}\nx,y,z\n0,0,0\n46,0,0\n"),
        (
            "a.xml",
            '<MicArray unit="{unit}"><pos x="0" y="0" z="0"/><pos x="46" y="0" z="0"/></MicArray>',
        ),
    ],
)
def test_a_file_may_state_its_unit(tmp_path, name, text):
    for unit, aperture in (("mm", 0.046), ("cm", 0.46), ("m", 46.0)):
        (tmp_path / name).write_text(text.format(unit=unit))
        assert load_array(tmp_path / name).aperture == pytest.approx(aperture)


@pytest.mark.parametrize("name", ["a.json", "a.csv", "a.xml"])
def test_a_large_array_that_is_saved_can_be_loaded(tmp_path, name):
    save_array(MicArray([[0, 0, 0], [0, 12.5, 0]], "hall"), tmp_path / name)
    assert load_array(tmp_path / name).aperture == 12.5


def test_a_name_of_more_than_three_metres_is_refused():
    assert load_array("linear2-3000mm").aperture == 3
    with pytest.raises(GeometryError, match="is 3.5 m across: the length is in millimetres"):
        load_array("linear2-3500mm")
