"""Where microphones are: coordinates, conventions, files, and what is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from arrayenh.errors import GeometryError, ShapeError
from arrayenh.microphones.geometry import MicArray, load_array, preset_names, save_array

EXACT = {"rtol": 0, "atol": 1e-12}  # coordinates below 1 m: a few thousand eps


def mm(name):
    return 1000 * load_array(name).positions


def test_import_stays_light():
    code = "import sys, arrayenh.microphones.geometry; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    loaded = set(out.stdout.decode().split())
    assert {"numba", "matplotlib", "typer", "scipy"}.isdisjoint(loaded)


# --- the arrays that ship


def test_linear_starts_at_the_rear_end():
    rows = [[-52.5, 0, 0], [-17.5, 0, 0], [17.5, 0, 0], [52.5, 0, 0]]
    assert_allclose(mm("linear4-35mm"), rows, **EXACT)


def test_hearing_aid_starts_at_the_front():
    assert_allclose(mm("linear2-12mm"), [[6, 0, 0], [-6, 0, 0]], **EXACT)
    assert_allclose(mm("linear2-13mm"), [[-6.5, 0, 0], [6.5, 0, 0]], **EXACT)
    assert load_array("linear2-12mm").names == ("front", "rear")


def test_circular_counts_counter_clockwise_from_forward():
    rows = [[35, 0, 0], [0, 35, 0], [-35, 0, 0], [0, -35, 0]]
    assert_allclose(mm("circular4-35mm"), rows, **EXACT)
    half = np.sqrt(3) / 2 * 46
    assert_allclose(mm("circular6-46mm")[1], [23, half, 0], **EXACT)


def test_square_is_given_by_its_side():
    rows = [[23, 23, 0], [-23, 23, 0], [-23, -23, 0], [23, -23, 0]]
    assert_allclose(mm("square4-46mm"), rows, **EXACT)


def test_tetrahedron_has_six_equal_edges_and_starts_front_left_up():
    array = load_array("tetrahedral4-40mm")
    assert_allclose(array.distances()[np.triu_indices(4, 1)], 0.04, **EXACT)
    assert array.names == ("FLU", "FRD", "BLD", "BRU")
    signs = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert np.array_equal(np.sign(array.positions), signs)


def test_binaural_channels_go_left_right_from_front_to_rear():
    rows = [[6, 87.5, 0], [6, -87.5, 0], [-6, 87.5, 0], [-6, -87.5, 0]]
    assert_allclose(mm("binaural4-bte"), rows, **EXACT)
    assert load_array("binaural4-bte").names[:2] == ("left front", "right front")
    six = mm("binaural6-bte")
    assert_allclose(six[:, 0], [7.6, 7.6, 0, 0, -7.6, -7.6], **EXACT)
    assert_allclose(six[:, 1], [82, -82] * 3, **EXACT)
    assert "Kayser" in load_array("binaural6-bte").source


def test_table_is_a_circle_200_mm_across():
    assert_allclose(mm("table8-200mm"), mm("circular8-100mm"), **EXACT)
    assert load_array("table8-200mm").name == "table8-200mm"


BOARDS = {  # microphones, aperture in mm, microphone 0 in mm
    "respeaker-4mic": (4, 81.0, (-40.5, 0)),
    "respeaker-usb-4mic": (4, 64.0, (-32, 0)),
    "respeaker-6mic": (6, 92.656, (-23.2, 40.1)),
    "matrix-creator": (8, 105.0, (20.091, -48.504)),
    "matrix-voice": (8, 2 * 38.3 * np.sin(3 / 7 * np.pi), (0, 0)),
    "uma-8": (7, 86.0, (0, 0)),
    "uma-16": (16, 126 * np.sqrt(2), (21, -63)),
    "kinect": (4, 226.0, (20, -113)),
}


@pytest.mark.parametrize("name", BOARDS)
def test_board_has_the_size_of_its_source(name):
    n_mics, aperture, first = BOARDS[name]
    array = load_array(name)
    assert array.n_mics == n_mics
    assert 1000 * array.aperture == pytest.approx(aperture, rel=1e-4)
    assert_allclose(1000 * array.positions[0], [*first, 0], **EXACT)
    assert len(array.source) > 20
    assert array.is_planar


@pytest.mark.parametrize("name", ["matrix-voice", "matrix-creator", "uma-8", "respeaker-6mic"])
def test_the_rim_of_a_round_board_is_a_circle(name):
    radius = np.linalg.norm(mm(name), axis=1)
    rim = radius[radius > 0]
    assert np.ptp(rim) < 0.5  # the sources round to 0.1 or 1 mm


def test_uma16_is_a_grid_of_42_mm():
    grid = mm("uma-16")
    assert {tuple(row) for row in grid.round(6)} == {
        (x, y, 0.0) for x in (-63, -21, 21, 63) for y in (-63, -21, 21, 63)
    }
    assert_allclose(grid[8], [-63, 63, 0], **EXACT)  # acoular's Point 9


def test_kinect_has_one_microphone_on_its_right_and_three_on_its_left():
    assert_allclose(mm("kinect")[:, 1], [-113, 36, 76, 113], **EXACT)


def test_every_listed_name_loads_as_itself_and_once():
    names = preset_names()
    assert len(set(names)) == len(names) == 19
    for name in names:
        assert load_array(name).name == name


@pytest.mark.parametrize("name", preset_names()[:-1])  # all but the Kinect
def test_presets_are_centred(name):
    assert_allclose(load_array(name).positions.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("ReSpeaker 4-Mic Array", "respeaker-4mic"),
        ("ReSpeaker_Mic_Array_v2.0", "respeaker-usb-4mic"),
        ("miniDSP UMA-8", "uma-8"),
        ("uma16", "uma-16"),
        ("Kinect v1", "kinect"),
        ("  LINEAR4-35mm ", "linear4-35mm"),
    ],
)
def test_names_may_be_written_loosely(alias, name):
    assert load_array(alias).name == name


@given(n_mics=st.integers(1, 40), tenths=st.integers(1, 750))
def test_linear_names_parse_for_any_size(n_mics, tenths):
    array = load_array(f"linear{n_mics}-{tenths / 10}mm")
    assert array.n_mics == n_mics
    assert array.is_linear
    steps = np.diff(array.positions[:, 0])
    assert_allclose(steps, tenths / 10_000, rtol=1e-9)
    assert_allclose(array.positions.sum(axis=0), 0, atol=1e-9)
    assert_allclose(load_array(array.name).positions, array.positions)


@given(n_mics=st.integers(1, 40), tenths=st.integers(100, 5000))
def test_circular_names_parse_for_any_size(n_mics, tenths):
    array = load_array(f"circular{n_mics}-{tenths / 10}mm")
    radius = tenths / 10_000
    assert_allclose(np.linalg.norm(array.positions, axis=1), radius, rtol=1e-12)
    turn = np.arange(n_mics) * 2 * np.pi / n_mics
    azimuth = np.arctan2(array.positions[:, 1], array.positions[:, 0])
    assert_allclose(np.exp(1j * azimuth), np.exp(1j * turn), atol=1e-12)


def test_parametric_names_are_canonical():
    assert load_array("linear04-42.50mm").name == "linear4-42.5mm"
    assert load_array("linear2-12.0mm").names == ("front", "rear")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("linear0-35mm", "linear0-35mm: microphones must number 1 to 1024"),
        ("linear1025-1mm", "microphones must number 1 to 1024"),
        ("circular4-0mm", "the length before mm must be above zero"),
        ("square5-46mm", "a square array has 4 microphones; try square4-46mm"),
        ("tetrahedral3-40mm", "try tetrahedral4-40mm"),
        ("linear1024-999999mm", "within 1000 m of the origin"),
    ],
)
def test_impossible_parametric_names(name, message):
    with pytest.raises(GeometryError, match=message):
        load_array(name)


def test_unknown_name_suggests_the_nearest_in_one_line():
    with pytest.raises(GeometryError) as caught:
        load_array("linaer4-35mm\n")
    message = str(caught.value)
    assert "did you mean linear4-35mm or " in message
    assert "'arrayenh arrays list'" in message and ".json, .csv, .xml" in message
    assert "\n" not in message


def test_unknown_name_without_a_neighbour_makes_no_guess():
    with pytest.raises(GeometryError, match=r"unknown array 'zzz': 'arrayenh arrays"):
        load_array("zzz")


# --- MicArray


def test_positions_are_copied_and_read_only():
    given_positions = np.zeros((1, 3), np.float32)
    array = MicArray(given_positions)
    given_positions[0, 0] = 1
    assert array.positions.dtype == np.float64
    assert array.positions[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        array.positions[0, 0] = 1


def test_integers_are_positions_too():
    assert MicArray(np.array([[1, 2, 3]])).positions.tolist() == [[1.0, 2.0, 3.0]]


PAIR = [[0.0, 0, 0], [0.1, 0, 0]]


@pytest.mark.parametrize(
    ("positions", "error", "message"),
    [
        ([0.0, 1, 2], ShapeError, r"shape \(M, 3\), in metres; got shape \(3,\)"),
        ([[0.0, 1]], ShapeError, r"got shape \(1, 2\)"),
        ([[0.0, 1, 2], [0, 1]], ShapeError, "rows of different lengths"),
        ([["a", "b", "c"]], ShapeError, "got dtype <U1"),
        ([[1j, 0, 0]], ShapeError, "got dtype complex128"),
        ([[True, False, True]], ShapeError, "got dtype bool"),
        (5.0, ShapeError, r"got shape \(\)"),
        ([], GeometryError, "at least one microphone"),
        (np.zeros((0, 3)), GeometryError, "at least one microphone"),
        ([[0, 0, 0], [0, np.nan, 0]], GeometryError, "finite; microphone 1"),
        ([[np.inf, 0, 0]], GeometryError, "finite; microphone 0"),
        ([[0, 0, 0], [0, 0, -2e3]], GeometryError, "microphone 1 .* millimetres"),
        ([*PAIR, [0.1, 0, 1e-9]], GeometryError, "1 and 2 are at the same place"),
        (np.eye(3)[[0] * 1025], GeometryError, "at most 1024 microphones; got 1025"),
    ],
)
def test_impossible_positions_are_refused(positions, error, message):
    with pytest.raises(error, match=message):
        MicArray(positions)


def test_microphones_a_tenth_of_a_millimetre_apart_are_two():
    assert MicArray([[0, 0, 0], [1e-4, 0, 0]]).n_mics == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"names": ["a"]}, "each of the 2 microphones; got 1 names"),
        ({"names": ["a", "a"]}, "must differ; 'a' is used twice"),
        ({"names": ["a", ""]}, "microphone name must be one line .* got ''"),
        ({"names": ["a", 1]}, "microphone name must be one line .* got 1"),
        ({"names": "ab"}, "sequence of strings; got 'ab'"),
        ({"names": 5}, "sequence of strings; got 5"),
        ({"name": "  "}, "name of an array must be one line"),
        ({"name": "a\x1b[2J"}, "name of an array must be one line"),
        ({"source": "a\nb"}, "source of an array must be one line"),
    ],
)
def test_unusable_names_are_refused(fields, message):
    with pytest.raises(GeometryError, match=message):
        MicArray(PAIR, **fields)


def test_aperture_is_the_largest_distance():
    array = MicArray([[0, 0, 0], [0.03, 0, 0], [0.03, 0.04, 0]])
    assert array.aperture == pytest.approx(0.05)
    assert_allclose(array.distances()[1], [0.03, 0, 0.04], atol=1e-15)
    assert MicArray([[1, 2, 3]]).aperture == 0


def test_centred_moves_the_mean_to_the_origin_and_keeps_the_rest():
    array = MicArray([[1, 2, 3], [3, 2, 1]], "a", ("p", "q"), "tape")
    centred = array.centred()
    assert_allclose(centred.positions, [[-1, 0, 1], [1, 0, -1]])
    assert (centred.name, centred.names, centred.source) == ("a", ("p", "q"), "tape")


def test_select_reorders_names_and_positions():
    array = MicArray([[0, 0, 0], [1, 0, 0], [2, 0, 0]], "a", ("p", "q", "r"), "tape")
    chosen = array.select([2, np.int64(0)])
    assert_allclose(chosen.positions[:, 0], [2, 0])
    assert chosen.names == ("r", "p")
    assert (chosen.name, chosen.source) == ("a[2,0]", "tape")
    assert load_array("linear4-35mm").select((1,)).names is None


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ([], "at least one channel of linear4-35mm; got none"),
        ([4], "channels 0 to 3; got channel 4"),
        ([-1], "channels 0 to 3; got channel -1"),
        ([1, 1], r"selected once; got \[1, 1\]"),
        ([0.0], "integers counted from 0; got 0.0"),
        ("01", "integers counted from 0; got '0'"),
    ],
)
def test_impossible_selections_are_refused(channels, message):
    with pytest.raises(GeometryError, match=message):
        load_array("linear4-35mm").select(channels)


def test_azimuth_turns_forward_to_the_left_and_tilt_lifts_it():
    array = MicArray([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    turned = array.rotated(azimuth=np.pi / 2).positions
    assert_allclose(turned, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-15)
    lifted = array.rotated(tilt=np.pi / 2).positions
    assert_allclose(lifted, [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], atol=1e-15)


@given(azimuth=st.floats(-4, 4), tilt=st.floats(-2, 2))
def test_forward_points_where_azimuth_and_tilt_say(azimuth, tilt):
    array = MicArray([[1, 0, 0], [0, 0.5, 0.2]], names=("p", "q"))
    turned = array.rotated(azimuth, tilt)
    aim = [
        np.cos(tilt) * np.cos(azimuth),
        np.cos(tilt) * np.sin(azimuth),
        np.sin(tilt),
    ]
    assert_allclose(turned.positions[0], aim, atol=1e-14)
    assert_allclose(turned.distances(), array.distances(), atol=1e-14)
    assert turned.names == ("p", "q")


@pytest.mark.parametrize("angle", [np.nan, np.inf])
def test_angles_must_be_finite(angle):
    with pytest.raises(GeometryError, match="finite, in radians"):
        load_array("square4-46mm").rotated(azimuth=angle)
    with pytest.raises(GeometryError, match="finite, in radians"):
        load_array("square4-46mm").rotated(tilt=angle)


@pytest.mark.parametrize(
    ("name", "is_linear", "is_planar"),
    [
        ("linear8-35mm", True, True),
        ("linear1-35mm", True, True),
        ("circular2-35mm", True, True),
        ("circular4-35mm", False, True),
        ("tetrahedral4-40mm", False, False),
        ("kinect", True, True),
    ],
)
def test_line_and_plane_survive_any_move(name, is_linear, is_planar):
    array = load_array(name).rotated(0.7, -0.4)
    array = MicArray(array.positions + [3, -2, 1])
    assert (array.is_linear, array.is_planar) == (is_linear, is_planar)


def test_line_and_plane_are_relative_to_the_size():
    bent = np.array([[-1, 0, 0], [0, 1e-2, 0], [1, 0, 0]])
    for size in (1e-2, 1, 100):
        assert not MicArray(size * bent).is_linear
        assert MicArray(size * bent * [1, 1e-2, 1]).is_linear


# --- files

NAMED = MicArray(
    [[0.1, -1 / 3, 2e-17], [1e-3, 0, -0.0021]],
    'a "lab" & <array>',
    ('front, "left"', "hinten <ö>"),
    "tape measure",
)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".xml", ".JSON"])
def test_files_keep_positions_and_microphone_names_exactly(tmp_path, suffix):
    path = tmp_path / f"lab{suffix}"
    save_array(NAMED, path)
    array = load_array(path)
    assert np.array_equal(array.positions, NAMED.positions)
    assert array.names == NAMED.names
    assert array.name == ("lab" if suffix == ".csv" else NAMED.name)
    assert array.source == ("tape measure" if "js" in suffix.lower() else None)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".xml"])
def test_files_of_arrays_without_names(tmp_path, suffix):
    path = tmp_path / f"circular6-46mm{suffix}"
    save_array(load_array("circular6-46mm"), str(path))
    array = load_array(str(path))
    assert array.names is None
    assert array.name == "circular6-46mm"
    assert np.array_equal(array.positions, load_array("circular6-46mm").positions)


def test_json_is_plain_enough_to_write_by_hand(tmp_path):
    save_array(load_array("linear2-12mm"), tmp_path / "pair.json")
    assert json.loads((tmp_path / "pair.json").read_text()) == {
        "name": "linear2-12mm",
        "mic_positions_m": [[0.006, 0, 0], [-0.006, 0, 0]],
        "names": ["front", "rear"],
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.json", "[[0, 0, 0], [0.1, 0, 0]]"),
        ("a.json", '{"mic_positions_m": [[0, 0, 0], [0.1, 0, 0]], "real": true, "unit": "m"}'),
        ("a.json", '\ufeff{"positions": [[0, 0, 0], [0.1, 0, 0]]}'),
        ("a.csv", "0,0,0\n0.1,0,0\n"),
        ("a.csv", "# tape\nx, y, z\r\n0, 0, 0\r\n\r\n1e-1, 0, 0\r\n"),
        ("a.csv", "\ufeffZ,Y,X\n0,0,0\n0,0,0.1\n"),
        ("a.xml", '<MicArray><pos x="0" y="0" z="0"/><pos x=" 0.1" y="0" z="0"/></MicArray>'),  # noqa: E501
    ],
)  # fmt: skip
def test_the_same_pair_in_every_form(tmp_path, file, text):
    (tmp_path / file).write_bytes(text.encode())
    array = load_array(tmp_path / file)
    assert array.positions.tolist() == PAIR
    assert (array.name, array.names) == ("a", None)


@pytest.mark.parametrize("text", ["0,0,0,p\n1,0,0,q\n", "name,x,y,z\np,0,0,0\nq,1,0,0"])
def test_csv_may_name_its_microphones(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    array = load_array(tmp_path / "a.csv")
    assert array.names == ("p", "q")
    assert array.positions[1].tolist() == [1, 0, 0]


def test_xml_of_acoular_is_read_as_acoular_writes_it(tmp_path):
    (tmp_path / "a.xml").write_text(
        '<?xml version="1.1" encoding="utf-8"?><MicArray name="minidsp_uma16">\n'
        "<!-- positions in m -->\n"
        '<pos Name="Point 1" x="\t0.021" y="-0.063" z="0.0"/>\n'
        '<pos Name="Point 2" x="0.063" y="-0.063" z="0.0"/></MicArray>'
    )
    array = load_array(tmp_path / "a.xml")
    assert array.positions.tolist() == [[0.021, -0.063, 0], [0.063, -0.063, 0]]
    assert (array.name, array.names) == ("minidsp_uma16", None)


POS = '<pos Name="p" x="0" y="0" z="0"/>'


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.json", "{", "not JSON: "),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.json", "[[" + "9" * 5000 + ",0,0]]", "not JSON: "),
        ("a.json", "5", "an object or a list of positions; got int"),
        ("a.json", "{}", "mic_positions_m, .* in metres, once; got none"),
        ("a.json", '{"positions": [], "mic_positions_m": []}', "got mic_positions_m a"),
        ("a.json", '{"mic_positions_m": [], "unit": "mm"}', "must be in metres; got unit 'mm'"),
        ("a.json", '{"positions": [], "unit": "inch"}', "must be m, cm or mm; got 'inch'"),
        ("a.json", '{"positions": [[0, NaN, 0]]}', "must be finite; microphone 0"),
        ("a.json", '{"positions": [[0, null, 0]]}', "got dtype object"),
        ("a.json", '{"positions": [[0, 0]]}', r"shape \(M, 3\)"),
        ("a.json", '{"positions": [[0, 0, 0]], "name": 5}', "name of an array .* got 5"),  # noqa: E501
        ("a.json", "[]", "at least one microphone"),
        ("a.csv", "", "no microphones; expected lines of x,y,z"),
        ("a.csv", "x,y,z\n", "at least one microphone"),
        ("a.csv", "x,y\n0,0\n", "the header must hold x, y, z .* got x,y"),
        ("a.csv", "x,y,z,gain\n0,0,0,1\n", "got x,y,z,gain"),
        ("a.csv", "0,0,0\n1,0\n", "line 2: expected x,y,z; got 1,0"),
        ("a.csv", "0,0\n", "line 1: expected x,y,z; got 0,0"),
        ("a.csv", "0,0,0,p,1\n", "line 1: expected x,y,z,name; got"),
        ("a.csv", "0,0,0\n\n1,east,0\n", "line 3: y must be a number .* got 'east'"),
        ("a.csv", '0,0,"0', "not CSV: "),
        ("a.csv", "0,0,0,p\n1,0,0,p\n", "must differ; 'p'"),
        ("a.xml", "<MicArray>", "not XML: "),
        ("a.xml", "", "not XML: "),
        ("a.xml", f"<Mics>{POS}</Mics>", "expected <MicArray> at the top; got <Mics>"),
        ("a.xml", f"<MicArray>{POS}<mic/></MicArray>", "expected <pos> .* got <mic>"),
        ("a.xml", f'<MicArray>{POS}<pos x="0" y="0"/></MicArray>', "number 2: has no z"),  # noqa: E501
        ("a.xml", '<MicArray><pos x="" y="0" z="0"/></MicArray>', "number 1: x must be"),  # noqa: E501
        ("a.xml", "<MicArray/>", "at least one microphone"),
        ("a.xml", f"<!DOCTYPE MicArray><MicArray>{POS}</MicArray>", "DTD .* refused"),
        ("a.xml", f'<!DOCTYPE d [<!ENTITY e "0">]><MicArray>{POS}</MicArray>', "DTD"),
        ("a.xml", "<MicArray>&e;</MicArray>", "not XML: undefined entity"),
    ],
)  # fmt: skip
def test_corrupt_files_are_named_with_what_is_wrong(tmp_path, file, text, message):
    path = tmp_path / file
    path.write_text(text)
    with pytest.raises(GeometryError, match=message) as caught:
        load_array(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_text_in_another_encoding_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes("0,0,0,Köln\n".encode("latin-1"))
    with pytest.raises(GeometryError, match="not UTF-8 text"):
        load_array(path)


def test_missing_file_and_folder():
    with pytest.raises(GeometryError, match="cannot read no/a.json: No such file"):
        load_array("no/a.json")
    with pytest.raises(GeometryError, match="cannot read a.XML: No such file"):
        load_array("a.XML")


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(GeometryError, match="ends in .json, .csv, .xml; got .wav"):
        load_array(tmp_path / "a.wav")
    with pytest.raises(GeometryError, match="got no suffix"):
        save_array(NAMED, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("something older and longer than what replaces it\n" * 50)
    save_array(MicArray([[0, 0, 0.5]]), path)
    assert path.read_text() == "x,y,z\n0.0,0.0,0.5\n"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(GeometryError, match=r"a.csv: No space left on device"):
        save_array(NAMED, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_saving_into_no_folder(tmp_path):
    with pytest.raises(GeometryError, match="cannot write .*folder that exists"):
        save_array(NAMED, tmp_path / "no" / "a.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(GeometryError, match="cannot write .*Not a directory"):
        save_array(NAMED, tmp_path / "file" / "a.json")
