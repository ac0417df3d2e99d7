"""Drawings of an array: what is where, how large, and that no number hides another."""

import itertools
import sys

import numpy as np
import pytest

from arrayenh.cli.figures.array import plot_array, render_text, save_figure
from arrayenh.cli.figures.labels import place_labels
from arrayenh.errors import ConfigError, GeometryError, MissingExtraError
from arrayenh.microphones.geometry import MicArray, load_array, preset_names


def framed(array, width=48):
    """Rows of the drawing between the frame, and the three lines below it."""
    lines = render_text(array, width).split("\n")
    return [line[1:-1] for line in lines[1:-4]], lines[-3:]


def test_text_shows_forward_to_the_right_and_left_up():
    rows, caption = framed(load_array("circular4-35mm"))
    row = {mic: next(r for r, line in enumerate(rows) if mic in line) for mic in "0123"}
    assert row["1"] < row["0"] == row["2"] < row["3"]
    middle = rows[row["0"]]
    assert middle.index("2") < rows[row["1"]].index("1") < middle.index("0")
    assert caption[1] == "circular4-35mm: 4 microphones, aperture 70 mm"
    assert caption[2] == "top view: +x (forward, azimuth 0) to the right, +y (left) up"


def test_text_is_to_scale():
    rows, caption = framed(load_array("linear4-35mm"))
    line = next(row for row in rows if "0" in row)
    step = line.index("1") - line.index("0")
    bar = len(caption[0].split()[0])
    assert caption[0].endswith("┤ 20 mm")
    assert bar / step == pytest.approx(20 / 35, abs=1 / step)


def test_text_of_a_square_is_square_in_a_terminal():
    rows, _ = framed(load_array("square4-46mm"))
    high = next(r for r, row in enumerate(rows) if "2" in row) - next(
        r for r, row in enumerate(rows) if "1" in row
    )
    wide = rows[1].index("0") - rows[1].index("1")
    assert wide == pytest.approx(2 * high, abs=2)  # characters are twice as high


@pytest.mark.parametrize("width", [24, 48, 100])
@pytest.mark.parametrize("name", [*preset_names(), "linear1-5mm", "linear200-5mm"])
def test_text_is_a_whole_frame_and_counts_every_microphone(name, width):
    array = load_array(name)
    rows, _ = framed(array, width)
    assert {len(row) for row in rows} == {width}
    labels = " ".join(rows).split()
    assert sum(1 + int("0" + label.partition("+")[2]) for label in labels) == (array.n_mics)


def test_text_shares_a_label_where_microphones_coincide():
    above = MicArray([[0, 0, 0], [0, 0, 0.1], [0.2, 0, 0]], "pole")
    rows, _ = framed(above)
    assert rows[1].split() == ["0+1", "2"]


def test_text_says_one_microphone():
    assert "one: 1 microphone, aperture 0 mm" in render_text(MicArray([[0, 0, 0]], "one"))


def test_text_needs_some_width():
    with pytest.raises(ConfigError, match="at least 24 columns; got 23"):
        render_text(load_array("kinect"), width=23)


def boxes(labels, marks):
    """Corners (left, bottom, right, top) that size 9 text covers at most, in points."""
    for label in labels:
        x, y = marks[label.mics[0]] + label.offset
        half = 2.7 * len(label.text)
        yield x - half, y - 5, x + half, y + 5


def overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize("gap", [2.0, 6.0, 12.0, 40.0])
@pytest.mark.parametrize("shape", ["linear20", "circular24", "grid"])
def test_labels_cover_neither_each_other_nor_a_mark(shape, gap):
    if shape == "grid":
        marks = gap * np.array(list(itertools.product(range(5), range(5))), float)
    else:
        marks = 1000 * gap * load_array(f"{shape}-1mm").positions[:, :2]
    labels = place_labels(marks)
    covered = list(boxes(labels, marks))
    assert not any(overlap(a, b) for a, b in itertools.combinations(covered, 2))
    dots = [(x - 3, y - 3, x + 3, y + 3) for x, y in marks[[g.mics[0] for g in labels]]]
    assert not any(overlap(a, b) for a in covered for b in dots)


def test_labels_stand_above_when_there_is_room():
    labels = place_labels(np.array([[0.0, 0], [100, 0]]))
    assert [(label.text, label.offset) for label in labels] == [
        ("0", (0.0, 11.0)),
        ("1", (0.0, 11.0)),
    ]


def test_labels_list_microphones_at_one_place():
    marks = np.zeros((6, 2))
    assert place_labels(marks)[0].text == "0, 1, 2, 3, +2"
    assert place_labels(marks[:4])[0].text == "0, 1, 2, 3"


@pytest.mark.parametrize("name", [*preset_names(), "linear1-5mm"])
def test_figure_has_two_views_of_one_scale_with_every_number(name):
    array = load_array(name)
    figure = plot_array(array)
    figure.draw_without_rendering()
    top, side = figure.axes
    assert top.get_xlim() == side.get_xlim()
    for axes in (top, side):
        box = axes.get_position()
        width, height = figure.get_size_inches() * (box.width, box.height)
        per_mm = width / np.ptp(axes.get_xlim()), height / np.ptp(axes.get_ylim())
        assert per_mm[0] == pytest.approx(per_mm[1], rel=1e-6)
    assert {text.get_text() for text in top.texts} == {str(mic) for mic in range(array.n_mics)}
    numbered = {
        text.get_text(): 1e-3 * np.asarray(text.xy)  # annotations keep what they mark
        for text in top.texts
    }
    for mic, position in enumerate(array.positions):
        assert numbered[str(mic)] == pytest.approx(position[:2], abs=1e-12)


def test_figure_marks_the_reference():
    top = plot_array(load_array("linear4-35mm")).axes[0]
    colours = {text.get_text(): text.get_color() for text in top.texts}
    assert colours.pop("0") == "#d1495b"
    assert set(colours.values()) == {"black"}
    (dots,) = top.collections
    red = np.all(np.isclose(dots.get_facecolors()[:, :3] * 255, [0xD1, 0x49, 0x5B]), 1)
    assert dots.get_offsets()[red].tolist() == [pytest.approx([-52.5, 0])]


def test_figure_of_a_name_with_dollars_is_no_formula():
    figure = plot_array(MicArray([[0, 0, 0]], r"a$\frac b$"))
    figure.draw_without_rendering()
    assert figure.texts[0].get_text() == r"a$\frac b$"


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_figures_are_written_whole_without_pyplot(tmp_path, monkeypatch, suffix, magic):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # import would fail
    path = tmp_path / f"a{suffix}"
    save_figure(load_array("uma-16"), path)
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]


def test_figures_of_another_kind_are_refused(tmp_path):
    with pytest.raises(GeometryError, match="ends in .png, .svg, .pdf; got .jpg"):
        save_figure(load_array("kinect"), tmp_path / "a.jpg")


def test_without_matplotlib_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[eval\]'"):
        save_figure(load_array("kinect"), tmp_path / "a.png")
