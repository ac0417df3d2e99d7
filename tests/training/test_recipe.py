"""Scene files: values left to chance, what is refused, and what is drawn from them."""

import numpy as np
import pytest

from arrayenh.errors import SceneError
from arrayenh.scenes.casting import take_turns
from arrayenh.scenes.chance import draw_value, extremes
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe, load_recipe, preset_names
from arrayenh.scenes.spec import SceneSpec
from arrayenh.scenes.voices import find_voices, speaker_of

SMALL = {
    "seconds": 2.0,
    "room": {"size": [5.0, 4.0, 3.0], "rt60": {"uniform": [0.2, 0.4]}},
    "array": {"name": "linear2-12mm"},
    "talkers": [{"azimuth_deg": {"uniform": [-180.0, 180.0]}, "height": 1.2}],
    "noises": [{"kind": "diffuse", "level_db": {"uniform": [-3.0, 3.0]}}],
}


def drawn(value, n=2000, seed=0):
    rng = np.random.default_rng(seed)
    return np.array([draw_value(value, rng) for _ in range(n)])


def test_a_value_that_is_not_left_to_chance_stays():
    assert draw_value([1, 2], np.random.default_rng(0)) == [1, 2]


@pytest.mark.parametrize(
    "value, mean, least, most",
    [
        ({"uniform": [2.0, 4.0]}, 3.0, 2.0, 4.0),
        ({"log_uniform": [1.0, np.e]}, np.e - 1, 1.0, np.e),
        ({"integer": [1, 3]}, 2.0, 1, 3),
        ({"choice": [0.0, 10.0]}, 5.0, 0.0, 10.0),
    ],
)
def test_values_are_drawn_from_their_range(value, mean, least, most):
    found = drawn(value)
    assert least <= found.min() and found.max() <= most
    # four standard errors of the mean of 2000
    assert abs(found.mean() - mean) < 4 * found.std() / np.sqrt(len(found))
    assert found.max() - found.min() > 0.95 * (most - least)


def test_a_normal_value_has_its_mean_and_deviation():
    found = drawn({"normal": [1.0, 2.0]})
    assert found.mean() == pytest.approx(1.0, abs=4 * 2 / np.sqrt(2000))
    assert found.std() == pytest.approx(2.0, rel=4 / np.sqrt(2 * 2000))


def test_vectors_are_drawn_side_by_side():
    found = drawn({"uniform": [[4, 3, 2], [8, 3, 3]]})
    assert found.shape == (2000, 3)
    assert np.all(found[:, 1] == 3) and np.ptp(found[:, 0]) > 3.8


def test_the_extremes_are_the_ends_and_all_choices():
    assert list(extremes({"uniform": [1, 2]})) == [1, 2]
    assert list(extremes({"choice": [1, 2, 3]})) == [1, 2, 3]
    assert list(extremes(5)) == [5]


def specs(tree, *seeds):
    return Recipe("small", tree).draw(*map(np.random.default_rng, seeds))


def test_things_places_and_sounds_draw_apart():
    one, other = specs(SMALL, 0, 0, 0), specs(SMALL, 0, 0, 1)
    assert (one.room, one.talkers) == (other.room, other.talkers)
    assert one.noises != other.noises
    moved = specs(SMALL, 0, 1, 0)
    assert (moved.room, moved.noises) == (one.room, one.noises) and moved.talkers != one.talkers
    rebuilt = specs(SMALL, 1, 0, 0)
    assert rebuilt.room != one.room
    assert (rebuilt.talkers, rebuilt.noises) == (one.talkers, one.noises)


def test_a_count_repeats_its_source_and_draws_each():
    tree = {**SMALL, "noises": [{"count": 3, "azimuth_deg": {"uniform": [-180.0, 180.0]}}]}
    spec = specs(tree, 0, 0, 0)
    assert len({noise.azimuth_deg for noise in spec.noises}) == 3
    assert not specs({**SMALL, "noises": [{"count": 0}]}, 0, 0, 0).noises


@pytest.mark.parametrize(
    "text, message",
    [
        ("seconds = ", "x.toml is not TOML"),
        ("secnds = 3", "x.toml: secnds: unknown key; did you mean seconds?"),
        ("snr_over = 'all'", "snr_over: input should be 'file' or 'active'; got 'all'"),
        ("[room]\nrt60 = 0.3", "room.size: must be given"),
        ("[room]\nsize = [4, 3, 2]\nrt60 = -0.1", "room.rt60: input should be greater than or"),
        ("[room]\nsize = [4, 3, 2]\nrt60 = {uniform = [-0.1, 0.3]}", "room.rt60: .* got -0.1"),
        ("[room]\nsize = [4, 3, 2]\nrt60 = {uniform = [0.3, 0.1]}", "room.rt60: .* low first"),
        ("[room]\nsize = [4, 3, 2]\nrt60 = {uniform = 0.3}", "room.rt60: uniform needs a list"),
        ("[room]\nkind = 'cave'", "room.kind: must be one of shoebox, polygon, measured"),
        ("[room]\nsize = [4, 3, 2]\nrt6 = 1", "room.rt6: unknown key; did you mean rt60?"),
        ("[room]\nsize = [4, 3, 2]\nrt60 = {unifrom = [0, 1]}", "room.rt60: .*valid number"),
        ("[array]\nname = 3", "array.name: input should be a valid string; got 3"),
        ("[array]\nspacing = 3", "array.spacing: unknown key; .*known are name, position"),
        ("[[talkers]]\nlevel = 3", "talkers.0.level: unknown key; did you mean level_db"),
        ("[talkers]\nlevel_db = 3", r"talkers must be tables, each starting with \[\[talkers\]\]"),
        ("[[noises]]\nkind = 'hum'", "noises.0.kind: input should be 'point', 'diffuse'"),
        ("[[noises]]\ncount = 1.5", "noises.0.count: must be a whole number, 0 to 100; got 1.5"),
        ("[[noises]]\ncount = {integer = [1, 200]}", "noises.0.count: .* got 200"),
        ("[[noises]]\nlevel_db = {normal = [0, -1]}", "level_db: the deviation of normal"),
        ("[[noises]]\nlevel_db = {integer = [0.5, 1]}", "level_db: integer needs whole numbers"),
        ("seconds = {log_uniform = [0, 1]}", "seconds: log_uniform needs numbers above 0"),
        ("seconds = {uniform = [1]}", r"seconds: uniform needs \[low, high\]; got \[1\]"),
        ("seconds = {choice = []}", "seconds: choice needs a list"),
        ("snr_db = nan", "snr_db: .*finite number"),
        ("talkers = []", "talkers: .* at least 1"),
    ],
)
def test_bad_scene_files_are_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(SceneError, match=message) as caught:
        load_recipe(str(tmp_path / "x.toml"))
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(SceneError, match="no preset 'conferense-4'; use one of car, conference-4"):
        load_recipe("conferense-4")
    with pytest.raises(SceneError, match="missing.toml cannot be read: No such file"):
        load_recipe("missing.toml")


def test_all_presets_are_drawn_and_described():
    assert {"conference-4", "conference-8", "hearing-aid", "car", "living-room"} <= set(
        preset_names()
    )
    for name in preset_names():
        recipe = load_recipe(name)
        assert recipe.tree["description"]
        scene = draw_scene(recipe, 0)
        assert scene.n_samples > 3 * 16000 and scene.talkers[0].signal.clips


# ---- placing and choosing ----------------------------------------------------------------


def test_a_scene_depends_on_its_seed_and_index_only():
    recipe = Recipe("small", SMALL)
    assert draw_scene(recipe, 5, seed=1) == draw_scene(recipe, 5, seed=1)
    assert draw_scene(recipe, 5, seed=1) != draw_scene(recipe, 6, seed=1)
    assert draw_scene(recipe, 5, seed=1) != draw_scene(recipe, 5, seed=2)


def test_rooms_come_back_with_other_sounds():
    recipe = Recipe("small", SMALL)
    one, other = (draw_scene(recipe, index, n_rooms=3) for index in (1, 4))
    assert (one.room, one.array) == (other.room, other.array)
    assert one.talkers[0].position == other.talkers[0].position
    assert one.noises != other.noises and one.seed != other.seed


def test_sources_keep_their_distance_direction_and_height():
    tree = {
        **SMALL,
        "array": {"name": "circular4-35mm", "azimuth_deg": 30.0, "height": 1.0},
        "talkers": [{"azimuth_deg": 50.0, "distance": 1.2, "height": 1.5}],
    }
    scene = draw_scene(Recipe("here", tree), 0)
    azimuth_deg, elevation_deg, distance = scene.array.direction_of(scene.talkers[0].position)
    assert (azimuth_deg, distance) == pytest.approx((50.0, 1.2))
    assert np.sin(np.deg2rad(elevation_deg)) == pytest.approx(0.5 / 1.2)


def test_sources_are_as_far_apart_as_asked():
    around = {"uniform": [-180.0, 180.0]}
    tree = {
        **SMALL,
        "separation_deg": 60.0,
        "noises": [{"count": 3, "azimuth_deg": around, "distance": 1.0, "height": 1.2}],
    }
    for index in range(5):
        scene = draw_scene(Recipe("apart", tree), index)
        points = [scene.talkers[0].position, *(noise.positions[0] for noise in scene.noises)]
        angles = np.sort([scene.array.direction_of(point)[0] for point in points])
        assert np.diff([*angles, angles[0] + 360]).min() >= 60


def test_what_is_hard_to_place_does_not_become_rare():
    """One to three sources far apart in a small room: each number as often as the others."""
    tree = {
        **SMALL,
        "separation_deg": 60.0,
        "room": {"size": [4.5, 4.0, 2.5], "absorption": 0.4},
        "noises": [
            {
                "count": {"integer": [1, 3]},
                "azimuth_deg": {"uniform": [-180.0, 180.0]},
                "distance": 1.2,
                "height": 1.2,
            }
        ],
    }
    counts = [len(draw_scene(Recipe("hard", tree), k).noises) for k in range(90)]
    # a third each: 30, with a standard deviation of 4.5
    assert np.all(np.abs(np.bincount(counts)[1:] - 30) < 4 * 4.5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"talkers": [{"position": [6.0, 1.0, 1.0]}]}, r"the target at \(6.00, 1.00, 1.00\) m"),
        ({"talkers": [{"distance": 9.0}]}, "the target at .* not inside the room, 5 x 4 x 3 m"),
        ({"talkers": [{"distance": 0.1, "height": 2.0}]}, "0.1 m from the array no point is 2 m"),
        ({"array": {"position": [0.0, 1.0, 1.0]}}, "microphone 2 at .* is in a wall"),
        ({"array": {"name": "linear9"}}, "linear9"),
        ({"seconds": 30.0}, "packaged has no speaker with 29.2 s of speech, the most is"),
        ({"seconds": 0.7}, "leaves no time to speak between lead_in"),
        ({"room": {"size": [5.0, 4.0, 3.0], "rt60": 0.02}}, "0.02"),
        ({"room": {"size": [5.0, 4.0, 3.0], "rt60": 0.2, "absorption": 0.2}}, "exactly one of"),
        ({"talkers": [{"speech": "/nowhere"}]}, "folder of sounds /nowhere does not exist"),
    ],
)
def test_scenes_that_cannot_be_say_why(change, message):
    with pytest.raises(Exception, match=message) as caught:
        draw_scene(Recipe("bad", {**SMALL, **change}), 0)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_of_speech_is_named(tmp_path):
    with pytest.raises(SceneError, match=f"the folder {tmp_path} holds no sound files"):
        find_voices(str(tmp_path))


@pytest.mark.parametrize(
    "path, speaker",
    [
        ("84-121123-0001.flac", "84"),
        ("set/84-121123-0001.flac", "84"),
        ("84/121123/84-121123-0001.flac", "84"),
        ("wav48/p225/p225_001.wav", "p225"),
        ("dr1/fcjf0/sa1.wav", "fcjf0"),
        ("anna_1.wav", "anna"),
        ("anna.wav", "anna"),
    ],
)
def test_the_speaker_is_in_the_name_of_file_or_folder(tmp_path, path, speaker):
    assert speaker_of(tmp_path / path, tmp_path) == speaker


@pytest.mark.parametrize("overlap", [1.0, 0.0, 0.5])
def test_turns_overlap_by_their_share(overlap):
    spec = SceneSpec(seconds=3.0, lead_in=0.5, tail=0.5, overlap=overlap)
    (a, b), (c, d) = take_turns(spec, 2)
    assert a == 8000 and d == 40000 and b - a == d - c
    assert (b - c) / (b - a) == pytest.approx(overlap, abs=1e-3)


def test_speech_fills_its_turn_with_utterances():
    scene = draw_scene(Recipe("small", {**SMALL, "seconds": 4.0}), 0)
    clips = scene.talkers[0].signal.clips
    assert clips[0].at == 8000
    assert sum(clip.stop - clip.start for clip in clips) == 4 * 16000 - 8000 - 4000
