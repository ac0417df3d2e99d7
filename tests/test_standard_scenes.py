"""The draw of the standard scenes, on a miniature of the data."""

import csv
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import write
from arrayenh.errors import SceneError
from benchmarks.standard_scenes import (
    ARRAYS,
    HEARING_AID,
    N_WALL_SOURCES,
    SNRS_DB,
    Material,
    describe_standard,
    draw_standard,
)

FS = 16000


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """25 speakers of 10 s, one rain, one typing and one babble file."""
    folder = tmp_path_factory.mktemp("data")
    names = [f"speech/s{k}.flac" for k in range(25)]
    names += [f"noise/{kind}__x.flac" for kind in ("rain", "typing", "babble")]
    (folder / "speech").mkdir()
    (folder / "noise").mkdir()
    rows = []
    for k, name in enumerate(names):
        write(folder / name, 0.1 * np.random.default_rng(k).standard_normal(10 * FS), FS)
        kind = "librispeech_tc100" if k < 25 else "noise"
        rows.append((name, kind, f"s{k}", "valid", "10.0"))
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "set", "speaker", "split", "seconds"))
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def material(root, tmp_path_factory):
    return Material.load(root, "valid", tmp_path_factory.mktemp("lists"))


@pytest.mark.parametrize("index", range(16))
def test_a_scene_keeps_the_recipe(material, index):
    scene = describe_standard(index, 0, material)
    array, size = scene.array, np.array(scene.room.size)
    assert array.name == ARRAYS[index % 4] and scene.snr_db == SNRS_DB[index // 4]
    margin = np.minimum(array.centre, size - array.centre)
    assert margin[:2].min() >= 1.4 and 0.8 <= array.centre[2] <= 1.6
    *single, walls = scene.noises
    points = [scene.talkers[0].position, *(noise.positions[0] for noise in single)]
    seen = np.array([array.direction_of(np.array(point)) for point in points])
    assert 1 <= seen[0, 2] <= 3 and 1 <= len(single) <= 3
    assert np.all((seen[1:, 2] >= 0.8) & (seen[1:, 2] <= 3.5))
    angles = np.sort(seen[:, 0])
    assert np.diff([*angles, angles[0] + 360]).min() >= 25
    if array.name == HEARING_AID:
        assert abs(seen[0, 0]) <= 30
    assert len(walls.positions) == len(walls.signals) == N_WALL_SOURCES
    assert 5 * FS <= scene.n_samples <= 10 * FS and 0.2 <= scene.room.rt60 <= 0.8


def test_the_field_has_its_level_against_all_directional_noise(material):
    for index in range(8):
        *single, walls = describe_standard(index, 0, material).noises
        together = 10 * np.log10(sum(10 ** (noise.level_db / 10) for noise in single))
        assert -5 <= walls.level_db - together <= 5


def test_babble_files_and_other_splits_are_left_out(root, material, tmp_path):
    def listed(path):
        with open(path, newline="", encoding="utf-8") as file:
            return {row["path"].rsplit("/", 1)[-1] for row in csv.DictReader(file)}

    assert listed(material.noises) == {"rain__x.flac", "typing__x.flac"}
    assert listed(material.ambiences) == {"rain__x.flac"}
    with pytest.raises(SceneError, match="no speech or noise in 'train'"):
        Material.load(root, "train", tmp_path)


def test_a_rival_is_nobody_from_the_target_and_is_told(material):
    for index in range(12):
        scene = describe_standard(index, 3, material)
        target = {clip.file for clip in scene.talkers[0].signal.clips}
        others = {clip.file for noise in scene.noises for s in noise.signals for clip in s.clips}
        assert not target & others


def test_a_scene_keeps_its_turn_and_its_silences(material):
    scene = draw_standard(6, 0, material)
    r, meta = scene.rendered, scene.meta
    assert (meta["array"], meta["snr_db"]) == ("circular6-46mm", 0.0)
    assert r.mixture.shape[0] == 6 and r.scene.snr_db == 0.0
    peak = np.abs(r.target_image).max()
    assert np.abs(r.target_image[:, : FS // 2]).max() < 1e-3 * peak
    assert np.abs(r.dry[0, -FS // 4 :]).max() == 0
    assert np.abs(r.noise_image[:, : FS // 2]).max() > 1e-2 * peak
    relative = r.scene.array.mic_positions() - r.scene.array.centre
    assert_allclose(np.linalg.norm(relative, axis=1), np.linalg.norm(meta["mic_positions"], axis=1))
    rivals = [noise for noise in r.scene.noises[:-1] if noise.signals[0].kind == "babble"]
    assert meta["has_competing_talker"] == bool(rivals)


def test_a_scene_depends_on_its_seed_and_index_only(material, tmp_path):
    scene = draw_standard(3, 1, material)
    again = draw_standard(3, 1, material)
    assert_array_equal(again.rendered.mixture, scene.rendered.mixture)
    assert describe_standard(3, 2, material).room != again.rendered.scene.room
    with np.load(scene.save(tmp_path)) as saved:
        assert_array_equal(saved["mixture"], scene.rendered.mixture)
        assert json.loads(str(saved["meta"])) == scene.meta
    assert [path.name for path in tmp_path.iterdir()] == [f"{scene.name}.npz"]
