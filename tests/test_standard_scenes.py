"""The draw of the standard scenes, on a miniature of the data."""

import csv
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import write
from arrayenh.errors import SceneError
from arrayenh.scenes.scene import Room
from benchmarks.standard_scenes import (
    ARRAYS,
    FADE_S,
    HEARING_AID,
    N_DIFFUSE,
    Clip,
    Material,
    draw_layout,
    draw_room,
    draw_speech,
    draw_standard,
    draw_wall_positions,
    turn,
    well_apart,
)

FS = 16000


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """25 speakers of 5 s, one rain, one typing and one babble file."""
    folder = tmp_path_factory.mktemp("data")
    names = [f"speech/s{k}.flac" for k in range(25)]
    names += [f"noise/{kind}__x.flac" for kind in ("rain", "typing", "babble")]
    (folder / "speech").mkdir()
    (folder / "noise").mkdir()
    rows = []
    for k, name in enumerate(names):
        write(folder / name, 0.1 * rng(k).standard_normal(5 * FS), FS)
        kind = "librispeech_tc100" if k < 25 else "noise"
        rows.append((name, kind, f"s{k}", "valid", "5.0"))
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "set", "speaker", "split", "seconds"))
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def material(root):
    return Material.load(root, "valid")


@pytest.mark.parametrize("array", ARRAYS)
def test_a_layout_keeps_the_recipe(array):
    for seed in range(20):
        room = draw_room(rng(seed))
        layout = draw_layout(rng(seed), room, array)
        margin = np.minimum(layout.centre, room.size - layout.centre)
        assert margin[:2].min() >= 1.4 and 0.8 <= layout.centre[2] <= 1.6
        points = np.vstack([layout.target, layout.directional])
        distances = np.linalg.norm(points - layout.centre, axis=1)
        assert 1.0 <= distances[0] <= 3.0
        assert 1 <= len(layout.directional) <= 3
        assert 0.8 <= distances[1:].min() and distances[1:].max() <= 3.5
        offsets = points - layout.centre
        assert well_apart(np.arctan2(offsets[:, 1], offsets[:, 0]))
        if array == HEARING_AID:
            assert abs(layout.azimuth) <= np.radians(30)


def test_distances_that_no_place_allows_are_drawn_again():
    class FarFirst:
        """A generator whose first distances are the largest that there are."""

        def __init__(self):
            self.generator, self.pending = rng(0), [3.0, np.array([3.5, 3.5, 3.5])]

        def integers(self, *bounds):
            return 3

        def uniform(self, *bounds):
            drawn = self.generator.uniform(*bounds)
            return self.pending.pop(0) if self.pending else drawn

    layout = draw_layout(FarFirst(), Room((4.0, 3.5, 2.5), 0.5), HEARING_AID)
    offsets = layout.directional - layout.centre
    assert np.linalg.norm(offsets, axis=1).min() < 3.4


def test_the_azimuth_is_counted_from_the_arrays_own_x_axis():
    layout = draw_layout(rng(3), draw_room(rng(3)), HEARING_AID)
    front = layout.mics[0] - layout.mics[1]  # microphone 0 is the front: +x
    offset = layout.target - layout.centre
    angle = np.arctan2(offset[1], offset[0]) - np.arctan2(front[1], front[0])
    assert np.angle(np.exp(1j * (angle - layout.azimuth))) == pytest.approx(0, abs=1e-9)


def test_a_quarter_turn_takes_x_to_y():
    assert_allclose(turn(np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-15)


def test_directions_are_compared_around_the_circle():
    assert not well_apart(np.radians([175.0, -170.0]))
    assert well_apart(np.radians([175.0, -155.0, 10.0]))


def test_diffuse_sources_stand_along_all_four_walls():
    room = draw_room(rng())
    points = draw_wall_positions(rng(), room)
    assert points.shape == (N_DIFFUSE, 3)
    margin = np.stack([points[:, :2], room.size[:2] - points[:, :2]], axis=-1)
    assert ((margin.min(axis=(1, 2)) >= 0.1) & (margin.min(axis=(1, 2)) <= 0.3)).all()
    assert set(margin.reshape(N_DIFFUSE, 4).argmin(axis=1)) == {0, 1, 2, 3}


def test_short_utterances_are_joined_until_the_wanted_length(tmp_path):
    clips = []
    for k in range(3):
        path = write(tmp_path / f"{k}.flac", np.full(FS, 0.1 * (k + 1)), FS)
        clips.append(Clip(path, "s", 1.0))
    speech = draw_speech(rng(), clips, 2 * FS)
    assert speech.size == 2 * FS
    assert speech[0] == 0 and speech[round(FADE_S * FS)] == pytest.approx(1, rel=1e-3)
    assert draw_speech(rng(), clips, 9 * FS).size == round(3.3 * FS)


def test_babble_files_and_other_splits_are_left_out(root, material):
    assert {clip.path.name for clip in material.noises} == {
        "rain__x.flac",
        "typing__x.flac",
    }
    assert {clip.path.name for clip in material.ambiences} == {"rain__x.flac"}
    with pytest.raises(SceneError, match="no speech or noise in 'train'"):
        Material.load(root, "train")


def test_a_standard_scene_keeps_its_turn_and_its_silences(material):
    scene = draw_standard(6, 0, material)
    r, meta = scene.rendered, scene.meta
    assert (meta["array"], meta["snr_db"]) == ("circular6-46mm", 0.0)
    assert r.mixture.shape[0] == 6 and r.scene.snr_db == 0.0
    peak = np.abs(r.target_image).max()
    assert np.abs(r.target_image[:, : FS // 2]).max() < 1e-6 * peak
    assert np.abs(r.dry[-FS // 4 :]).max() == 0
    assert np.abs(r.noise_image[:, : FS // 2]).max() > 1e-2 * peak
    relative = r.scene.mic_positions - r.scene.mic_positions.mean(axis=0)
    assert_allclose(
        np.linalg.norm(relative, axis=1),
        np.linalg.norm(meta["mic_positions"], axis=1),
    )


def test_a_standard_scene_depends_on_its_seed_and_index_only(material, tmp_path):
    scene = draw_standard(3, 1, material)
    again = draw_standard(3, 1, material)
    assert_array_equal(again.rendered.mixture, scene.rendered.mixture)
    assert draw_standard(3, 2, material).meta["rt60"] != scene.meta["rt60"]
    with np.load(scene.save(tmp_path)) as saved:
        assert_array_equal(saved["mixture"], scene.rendered.mixture)
        assert json.loads(str(saved["meta"])) == scene.meta
    assert [path.name for path in tmp_path.iterdir()] == [f"{scene.name}.npz"]
