"""Studies in miniature: that they run, and that what they say is what physics says."""

from pathlib import Path

import numpy as np
import pytest

from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe, load_recipe
from arrayenh.scenes.render import render
from simulations import (
    diffuse_field,
    imperfections,
    mic_count,
    online_level,
    recorders,
    rt60_sweep,
    snr_sweep,
    walking,
)
from simulations.beams import snr_gains
from simulations.study import Condition, Study, as_csv, markdown, measure, plot, scene_tree, summary

MODULES = (diffuse_field, imperfections, mic_count, rt60_sweep, snr_sweep)
LONG = (online_level, recorders, walking)
STUDIES = [module.STUDY for module in MODULES]
FOLDER = Path(__file__).parent.parent / "simulations"


def first_and_last(study):
    """The study with two of its conditions."""
    kept = [study.conditions[0], study.conditions[-1]]
    return Study(
        study.name, study.question, study.x_label, study.y_label, kept, study.score, n_scenes=1
    )


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_study_has_a_table_and_a_plot(study, tmp_path):
    small = first_and_last(study)
    rows = summary(measure(small, 1))
    table = markdown(small, rows, 1)
    assert study.question in table and table.count("\n") == 6
    assert as_csv(small, rows).count("\n") == 1 + 2 * len(rows[0])
    plot(small, rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


@pytest.mark.slow
def test_processes_find_the_same():
    small = first_and_last(imperfections.STUDY)
    for here, there in zip(measure(small, 2), measure(small, 2, jobs=2), strict=True):
        assert [pytest.approx(scores, abs=1e-6) for scores in here] == there


def test_means_and_standard_errors():
    (row,) = summary([[{"a": 1.0}, {"a": 2.0}, {"a": 3.0}]])
    assert row["a"] == pytest.approx((2.0, 1 / np.sqrt(3)))


def test_delay_and_sum_gains_what_it_has_microphones_against_white_noise():
    tree = scene_tree(
        room={"rt60": 0.0}, array={"name": "linear4-35mm"}, noises=[{"kind": "white"}],
        sensor_noise_db=60.0,
    )  # fmt: skip
    gains = snr_gains(render(draw_scene(Recipe("white", tree), 0)))
    assert gains["delay-and-sum"] == pytest.approx(10 * np.log10(4), abs=0.3)


def test_a_bold_superdirective_beam_suffers_from_gain_errors():
    found = measure(
        Study(
            "two", "?", "x", "y",
            [Condition(c.label, c.x, c.tree) for c in imperfections.STUDY.conditions[:4:3]],
            imperfections.score,
        ),
        6,
    )  # fmt: skip
    rows = summary(found)
    bold = [row["superdirective, loading 1e-05"][0] for row in rows]
    das = [row["delay-and-sum"][0] for row in rows]
    assert bold[0] > bold[1] + 1 and abs(das[0] - das[1]) < 0.2


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
@pytest.mark.slow
def test_scene_files_beside_the_studies_are_rendered(path):
    recipe = load_recipe(str(path))
    assert recipe.tree["description"]
    rendered = render(draw_scene(recipe, 0))
    assert np.isfinite(rendered.mixture).all() and rendered.mixture.any(axis=1).all()
