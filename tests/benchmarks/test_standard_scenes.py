"""The draw of the standard scenes, on a miniature of the data."""

import csv
import json
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import write
from arrayenh.scenes.render import render
from benchmarks.standard_scenes import on_each, save, standard_scenes

ARRAYS = ("linear4-35mm", "circular4-35mm", "circular6-46mm", "linear2-12mm")
SNRS_DB = (-5.0, 0.0, 5.0, 10.0)
HEARING_AID = "linear2-12mm"
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
def source(root):
    with standard_scenes(root, "valid", 16, 0) as found:
        yield found


@pytest.mark.parametrize("index", range(16))
def test_a_scene_keeps_the_recipe(source, index):
    scene = source.scene(index)
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
    assert len(walls.positions) == len(walls.signals) == 20
    assert 5 * FS <= scene.n_samples <= 10 * FS and 0.2 <= scene.room.rt60 <= 0.8


def test_the_field_has_its_level_against_all_directional_noise(source):
    for index in range(8):
        *single, walls = source.scene(index).noises
        together = 10 * np.log10(sum(10 ** (noise.level_db / 10) for noise in single))
        assert -5 <= walls.level_db - together <= 5


def test_a_rival_is_nobody_from_the_target_and_is_told(source):
    for index in range(12):
        scene = source.scene(index)
        target = {clip.file for clip in scene.talkers[0].signal.clips}
        others = {clip.file for noise in scene.noises for s in noise.signals for clip in s.clips}
        assert not target & others
        rivals = [noise for noise in scene.noises[:-1] if noise.signals[0].kind == "babble"]
        told = source.facts(index).conditions["competing talker"]
        assert told == ("yes" if rivals else "no")


def test_a_scene_keeps_its_turn_and_its_silences(source):
    scene = source.scene(6)
    r = render(scene)
    assert scene.array.name == "circular6-46mm" and scene.snr_db == 0.0
    assert r.mixture.shape[0] == 6
    peak = np.abs(r.target_image).max()
    assert np.abs(r.target_image[:, : FS // 2]).max() < 1e-3 * peak
    assert np.abs(r.dry[0, -FS // 4 :]).max() == 0
    assert np.abs(r.noise_image[:, : FS // 2]).max() > 1e-2 * peak
    # the level of the speech over all noise is over the whole file
    ratio = np.sum(r.target_image[0] ** 2) / np.sum(sum(r.noise_images)[0] ** 2)
    assert_allclose(10 * np.log10(ratio), 0.0, atol=0.01)


def test_a_scene_depends_on_its_seed_and_index_only(root, source, tmp_path):
    trial = source.case(3).trial
    with standard_scenes(root, "valid", 4, 0) as again:
        assert_array_equal(again.case(3).trial.mixture, trial.mixture)
        assert again.facts(3) == source.facts(3)
        paths = on_each(partial(save, source=again, folder=tmp_path), 1, 1)
    with standard_scenes(root, "valid", 4, 1) as other:
        assert other.scene(3).room != source.scene(3).room
    with np.load(paths[0]) as saved:
        assert_array_equal(saved["mixture"], source.case(0).trial.mixture)
        assert json.loads(str(saved["facts"]))["name"] == source.facts(0).name
    assert [path.name for path in tmp_path.iterdir()] == [paths[0].name]
