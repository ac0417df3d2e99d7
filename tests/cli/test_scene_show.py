"""`arrayenh scene`: what is told of a scene, and its picture."""

import json
import re

import matplotlib
import pytest

from arrayenh.cli.figures import scene as scene_view
from arrayenh.cli.main import run
from arrayenh.cli.scene import drawn
from arrayenh.scenes.render import render
from arrayenh.scenes.serialise import scene_to_json


@pytest.fixture
def done(capsys, tmp_path, monkeypatch):
    """Run a command; its results, or what it complained of."""
    monkeypatch.chdir(tmp_path)

    def call(arguments, code=0):
        assert run(["scene", *arguments.split()]) == code
        out, err = capsys.readouterr()
        return out if code == 0 else err

    return call


def test_all_presets_are_listed_with_what_they_are(done):
    found = json.loads(done("list --json"))
    assert found["car"].startswith("Two microphones") and len(found) == 7
    assert "hearing-aid" in done("list")


def test_a_scene_is_told(done):
    out = done("show car --seed 3")
    assert "RT60 asked, measured" in out and "linear2-35mm, 2 microphones" in out
    assert "target" in out and "walls, 6 sources" in out and "sensors" in out
    found = json.loads(done("show car --seed 3 --json"))
    assert found["talkers"][0]["distance_m"] > 0
    other = json.loads(done("show car --seed 3 --index 1 --json"))
    assert other["rt60_s"] != found["rt60_s"]


def test_a_drawn_scene_is_shown_again(done, tmp_path):
    before = json.loads(done("show car --json"))
    (tmp_path / "scene.json").write_text(scene_to_json(drawn("car", 0, 0, None, None)))
    assert json.loads(done("show scene.json --json")) == before


@pytest.mark.parametrize("name", ["living-room", "conference-8", "hearing-aid"])
def test_the_picture_is_drawn_and_nothing_overlaps(done, tmp_path, monkeypatch, name):
    figures, real = [], scene_view.write_figure

    def kept(figure, path, *more):
        figures.append(figure)
        real(figure, path, *more)

    monkeypatch.setattr(scene_view, "write_figure", kept)
    done(f"show {name} -o scene.png")
    assert (tmp_path / "scene.png").read_bytes()[:4] == b"\x89PNG"
    figure = figures[0]
    figure.draw_without_rendering()
    page = figure.bbox
    texts = [
        text.get_window_extent()
        for axes in figure.axes
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label)
        if text.get_text()
    ]
    texts += [legend.get_window_extent() for legend in figure.legends]
    for k, box in enumerate(texts):
        assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1
        assert not any(box.overlaps(other) for other in texts[k + 1 :])
    assert "RT60" in figure.axes[2].get_legend().get_texts()[2].get_text()


def test_walks_and_polygons_and_measured_rooms_have_pictures(tmp_path):
    (tmp_path / "walk.toml").write_text(
        "seconds = 2\n[room]\nkind = 'polygon'\nheight = 2.6\nabsorption = 0.5\n"
        "corners = [[0, 0], [5, 0], [5, 4], [3, 4], [3, 2.5], [0, 2.5]]\n"
        "[array]\nname = 'linear2-35mm'\nposition = [1, 1.2, 1]\n"
        "[[talkers]]\nposition = [2, 1.5, 1.5]\nheight = 1.5\n"
        "walk = {azimuth_deg = 0, distance = 2.5}\n"
    )
    scene = drawn(str(tmp_path / "walk.toml"), 0, 0, None, None)
    assert scene.talkers[0].path.length > 1
    scene_view.save_picture(render(scene), "walk", tmp_path / "walk.svg")
    assert (tmp_path / "walk.svg").stat().st_size > 10_000
    assert matplotlib.get_backend()  # and no window was opened


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("show caar", "no preset 'caar'; use one of car, .*did you mean car"),
        ("show nothing.toml", "nothing.toml cannot be read: No such file"),
        ("show nothing.json", "nothing.json cannot be read"),
        ("show car -o car.gif", "car.gif should end in .png, .svg, .pdf"),
        ("show car -o no/car.png", "no"),
    ],
)
def test_wrong_requests_are_one_line(done, arguments, message):
    err = done(arguments, code=2)
    assert err.startswith("arrayenh: ") and err.count("\n") == 1
    assert re.search(message, err)
