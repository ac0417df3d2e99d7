"""The benchmark's report: its numbers right, names harmless, all inside, alive in a browser."""

import base64
import io
import math
import re

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio.compressed import compress
from arrayenh.errors import AudioError, ConfigError, ShapeError
from arrayenh.evaluation.intervals import Interval, paired_interval
from arrayenh.evaluation.results import Results, SceneFacts, SystemFacts
from arrayenh.evaluation.systems.system import Cost
from arrayenh.reports.benchmark.excerpts import halved
from arrayenh.reports.benchmark.findings import Findings
from arrayenh.reports.benchmark.page import (
    SceneSounds,
    pick_scenes,
    write_benchmark_report,
)
from arrayenh.reports.charts import box_of, linear_axis, log_axis
from arrayenh.reports.scatter import Point, Rectangle, pareto_front, place_labels
from tests.browser import Browser, wait_for
from tests.reports.test_report import HOSTILE, Elements, noise

RATE = 16_000
METRICS = ("snr", "si_sdr", "pesq_wb", "stoi", "estoi")
SYSTEMS = (  # name, kind, part of the oracle's gain
    ("noisy", "own", 0.0),
    ("das", "own", 0.2),
    ("mvdr", "own", 0.6),
    ("default", "own", 0.7),
    ("wpe+mvdr", "own", 0.65),
    ("online", "own", 0.4),
    ("oracle", "bound", 1.0),
    ("peer-a", "peer", 0.5),
    ("peer-b", "peer", 0.3),
    ("peer-c", "peer", -0.1),
)
GAINS = (10.0, 10.0, 1.0, 0.2, 0.25)
"""Of the oracle, by metric."""


def results(n_scenes=40, systems=SYSTEMS, metrics=METRICS, costs=True, **changes):
    """Scores that are known up to noise a hundred times smaller than the gains."""
    rng = np.random.default_rng(3)
    snr_db = np.array([-5.0, 0.0, 5.0, 10.0])[np.arange(n_scenes) % 4]
    start = np.stack([snr_db, snr_db, 1.5 + 0 * snr_db, 0.7 + 0 * snr_db, 0.5 + 0 * snr_db], -1)
    parts = np.array([part for *_, part in systems])
    values = start[:, None] + parts[:, None] * GAINS
    values = values + 0.01 * np.array(GAINS) * rng.standard_normal(values.shape)
    scenes = [
        SceneFacts(
            f"scene {k}", 9.0, {"input SNR": f"{snr_db[k]:g} dB", "array": f"array-{k // 4 % 3}"}
        )
        for k in range(n_scenes)
    ]
    found = [
        SystemFacts(
            name, kind, f"about {name}", Cost(0.01 * 2**k, 200, math.inf) if costs else None
        )
        for k, (name, kind, _) in enumerate(systems)
    ]
    chosen = [METRICS.index(metric) for metric in metrics]
    fields = {
        "values": values[..., chosen],
        "oracle": "oracle",
        "facts": {"Command": "arrayenh benchmark quality"},
    }
    return Results("A suite", scenes, found, metrics, **(fields | changes))


def sounds_of(found, seconds=1.0, n_scenes=3):
    return [
        SceneSounds(
            found.scenes[k].name,
            why,
            RATE,
            {s.name: noise(seconds, seed=j) for j, s in enumerate(found.systems)},
        )
        for k, why in pick_scenes(found, found.metrics[0])[:n_scenes]
    ]


def written(tmp_path, found, sounds=()):
    text = write_benchmark_report(tmp_path / "report.html", found, sounds).read_text("utf-8")
    return text, Elements(text)


def plain(html):
    return re.sub("<[^>]*>", "", html).replace("\N{NO-BREAK SPACE}", " ")


def summary(text):
    return plain(re.search(r'<p class="summary">(.*?)</p>', text)[1])


def section(text, name):
    return re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)[0]


def table_rows(text, css="systems-table"):
    """Cells of the body of a table, row by row, without markup."""
    body = re.search(rf'class="{css}".*?<tbody>(.*?)</table>', text, re.DOTALL)[1]
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row) for row in body.split("</tr>")[:-1]]
    words = [[re.sub("<[^>]*>", " ", cell.replace("<wbr>", "")) for cell in row] for row in cells]
    return [[cell.split() for cell in row] for row in words]


def test_nothing_comes_from_outside(tmp_path):
    found = results(8)
    text, page = written(tmp_path, found, sounds_of(found))
    assert "http://" not in text and "https://" not in text and "@import" not in text
    assert "url(" not in text
    for tag, attrs in page.found:
        for key in ("src", "href", "data", "action", "srcset", "poster"):
            assert attrs.get(key, "data:").startswith(("data:", "#")), (tag, key)
    idents = [attrs["id"] for _, attrs in page.found if "id" in attrs]
    assert len(idents) == len(set(idents))
    targets = [a["href"][1:] for a in page.all("a")]
    assert set(targets) <= set(idents)


def test_summary_says_who_won_by_how_much_over_whom_and_at_what_cost(tmp_path):
    found = results(systems=(*SYSTEMS[:3], *SYSTEMS[6:8]))
    text, _ = written(tmp_path, found)
    words = summary(text)
    assert words.startswith("mvdr is the best of 2 chains of ours: first in SI-SDR, PESQ-WB and")
    gain = paired_interval(found.of("mvdr", "si_sdr"), found.of("noisy", "si_sdr"))
    assert (
        f"SI-SDR +{gain.mean:.2f} dB (95 % interval +{gain.low:.2f} to +{gain.high:.2f})" in words
    )
    assert "at a real-time factor of 0.040." in words
    assert "Against the best peer, peer-a, it is ahead by 0.97 dB SI-SDR (" in words
    assert "60 % of the oracle's gain" in plain(text)


def test_summary_admits_what_is_not_significant_and_what_is_lost(tmp_path):
    found = results(8, systems=(*SYSTEMS[:3], *SYSTEMS[6:8]))
    values = found.values.copy()
    mvdr, peer = found.system("mvdr"), found.system("peer-a")
    values[:, peer, 1] = values[:, mvdr, 1] + np.tile([-1.0, 1.0], 4)
    values[:, peer, 2] = values[:, mvdr, 2] + np.tile([0.2, 0.4], 4)
    words = summary(written(tmp_path, results(8, found_systems(found), values=values))[0])
    assert "does not differ significantly in SI-SDR (±0.00 dB, " in words
    assert "is behind by 0.300 PESQ-WB (0.2" in words


def found_systems(found):
    return [entry for entry in SYSTEMS if entry[0] in [s.name for s in found.systems]]


def test_winner_has_the_best_mean_rank():
    found = results(6, systems=SYSTEMS[:3])
    assert Findings(found).winner == "mvdr"
    values = found.values.copy()
    for metric in ("pesq_wb", "stoi"):  # das is ahead in two of three, mvdr in SI-SDR alone
        k = METRICS.index(metric)
        values[:, 1, k] = values[:, 2, k] + 0.01
    assert Findings(results(6, systems=SYSTEMS[:3], values=values)).winner == "das"


def test_baseline_and_oracle_cannot_win():
    found = results(4, baseline="default", oracle="wpe+mvdr")
    assert Findings(found).winner == "mvdr"
    assert Findings(found).kind("default") == "bound"


def test_table_has_means_gains_parts_and_costs(tmp_path):
    found = results(systems=(*SYSTEMS[:4], SYSTEMS[6]))
    text, page = written(tmp_path, found)
    rows = {row[0][0]: row for row in table_rows(text)}
    gain = paired_interval(found.of("das", "si_sdr"), found.of("noisy", "si_sdr"))
    part = np.mean(found.of("das", "si_sdr") - found.of("noisy", "si_sdr")) / np.mean(
        found.of("oracle", "si_sdr") - found.of("noisy", "si_sdr")
    )
    half = (gain.high - gain.low) / 2
    assert rows["das"][1][0] == f"{found.of('das', 'si_sdr').mean():.2f}"
    assert rows["das"][2] == [f"+{gain.mean:.2f}", f"±{half:.2f}"]
    assert rows["das"][3] == [f"{100 * part:.0f}", "%"]
    assert rows["noisy"][2] == ["–"] and rows["oracle"][3] == ["100", "%"]
    assert rows["das"][-3:] == [["0.020"], ["200"], ["whole", "recording"]]
    assert rows["das"][0] == ["das", "ours,", "about", "das"]
    assert rows["oracle"][0][1] == "bound,"
    best = [row for row, html in bold_cells(text).items() if 'class="begins best"' in html]
    assert best == ["das", "default"]  # in cost, and in the first of all scores


def bold_cells(text):
    """First cells of the first and last group of each row that holds a best one."""
    body = section(text, "table").split("<tbody>")[1]
    return {
        re.sub("<[^>]*>", " ", row).split()[0]: row
        for row in body.split("</tr>")[:-1]
        if "best" in row
    }


def test_missing_scores_say_why_and_in_how_many_scenes(tmp_path):
    found = results(4, systems=SYSTEMS[:3])
    values = found.values.copy()
    values[1:3, 1, 2] = math.nan
    values[:, 2, 2] = math.nan
    reasons = {(k, 2, 2): HOSTILE for k in range(4)} | {(1, 1, 2): "too quiet"}
    text, page = written(tmp_path, results(4, systems=SYSTEMS[:3], values=values, reasons=reasons))
    notes = section(text, "table").split('<ol class="reasons">')[1].split("</ol>")[0]
    assert Elements(f"<ol>{notes}</ol>").texts("li") == [
        "too quiet (1 of 4 scenes)",
        "no value was given (1 of 4 scenes)",
        f"{HOSTILE} (all scenes)",
    ]
    rows = {row[0][0]: row for row in table_rows(text)}
    assert rows["mvdr"][3] == ["n/a", "3"]
    assert rows["das"][3][1:3] == ["1", "2"]


def test_many_scores_get_a_table_of_their_own(tmp_path):
    metrics = [f"score {k}" for k in range(6)]
    values = np.random.default_rng(0).standard_normal((4, 3, 6))
    found = results(4, systems=SYSTEMS[:3])
    found = Results("x", found.scenes, found.systems, metrics, values)
    text, _ = written(tmp_path, found)
    assert text.count('class="systems-table"') == 2


def test_hostile_names_stay_text(tmp_path):
    scenes = [SceneFacts(f"{HOSTILE}{k}", 1.0, {HOSTILE: f"{HOSTILE}{k % 2}"}) for k in range(4)]
    systems = [
        SystemFacts(f"{kind}{HOSTILE}", kind, HOSTILE, Cost(0.1 + k, 1, 1))
        for k, kind in enumerate(("own", "bound", "peer"))
    ]
    systems.append(SystemFacts("other", "own", "", Cost(0.3, 1, 1)))
    values = np.random.default_rng(0).standard_normal((4, 4, 2))
    found = Results(
        HOSTILE,
        scenes,
        systems,
        [HOSTILE, "si_sdr"],
        values,
        baseline=f"bound{HOSTILE}",
        oracle=f"peer{HOSTILE}",
        facts={HOSTILE: HOSTILE, "long": f"{HOSTILE}\n{HOSTILE}", "bytes": "\udcff"},
    )
    sounds = [SceneSounds(scenes[0].name, HOSTILE, RATE, {s.name: noise() for s in systems})]
    _, page = written(tmp_path, found, sounds)
    assert len(page.all("script")) == 1 and len(page.all("style")) == 1
    assert not any({"onload", "onerror"} & set(attrs) for _, attrs in page.found)
    assert HOSTILE in page.texts("title")[0]


def test_not_finite_scores_are_said_and_not_drawn(tmp_path):
    found = results(6, systems=(*SYSTEMS[:3], SYSTEMS[6]))
    values = found.values.copy()
    values[0, 2, 1] = math.inf
    values[1, 1, 1] = -math.inf
    values[:, 2, 4] = math.nan
    text, page = written(tmp_path, results(6, found_systems(found), values=values))
    rows = {row[0][0]: row for row in table_rows(text)}
    assert rows["mvdr"][1] == ["∞"] and rows["das"][1] == ["−∞"]
    drawn = [a.get("d", "") for a in page.all("path")]
    assert drawn and not any("nan" in d or "inf" in d for d in drawn)
    assert 'data-value="Infinity"' in text and 'data-value="inf"' not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"n_scenes": 1},
        {"n_scenes": 2},
        {"systems": SYSTEMS[:1]},
        {"systems": SYSTEMS[2:3]},
        {"systems": SYSTEMS[7:]},
        {"systems": SYSTEMS[:2]},
        {"oracle": None},
        {"costs": False},
        {"metrics": ("estoi",)},
        {"baseline": "none such"},
        {"values": np.full((40, 10, 5), np.nan)},
        {"values": np.zeros((40, 10, 5))},
    ],
)
def test_little_to_tell_is_told_without_fuss(tmp_path, changes):
    found = results(**changes)
    text, _ = written(tmp_path, found, sounds_of(found, n_scenes=1))
    for never in ("nan", "None", ">inf"):
        assert never not in re.sub(r'"data:[^"]*"|<(style|script)>.*?</\1>', "", text, flags=re.S)
    assert ('id="cost"' in text) == (findings_have_cost(found))
    assert ('id="conditions"' in text) == (len(found.scenes) > 1 and bool(Findings(found).scored))


def findings_have_cost(found):
    costly = [s for s in found.systems if s.cost and Findings(found).kind(s.name) != "bound"]
    return bool(costly) and bool(Findings(found).scored)


def test_errors_that_fall_are_gains(tmp_path):
    start = np.array([0.5, 0.4, 0.6])
    values = np.stack([start, start - 0.1, start - 0.3, start - 0.4], axis=1)[..., None]
    base = results(3, systems=(*SYSTEMS[:3], SYSTEMS[6]))
    found = Results(
        "x", base.scenes, base.systems, ("wer",), values, oracle="oracle", headline=("wer",)
    )
    assert Findings(found).winner == "mvdr"
    text, _ = written(tmp_path, found)
    assert "it gains WER −0.300 (95 % interval −0.300 to −0.300)" in summary(text)
    rows = {row[0][0]: row for row in table_rows(text)}
    assert [rows["mvdr"][k][0] for k in (1, 2, 3)] == ["0.200", "+0.300", "75"]
    assert "WER improvement over noisy; farther right is better" in text
    assert "WER; farther left is better" in text


def test_scenes_are_picked_by_the_gain_of_the_winner():
    found = results(5, systems=SYSTEMS[:3])
    values = found.values.copy()
    values[:, 2, 1] = values[:, 0, 1] + [5, 9, 7, 1, 6.5]
    found = results(5, systems=SYSTEMS[:3], values=values)
    assert pick_scenes(found, "si_sdr") == [
        (4, "median gain of mvdr, SI-SDR +6.50\N{NO-BREAK SPACE}dB"),
        (1, "largest gain of mvdr, SI-SDR +9.00\N{NO-BREAK SPACE}dB"),
        (3, "smallest gain of mvdr, SI-SDR +1.00\N{NO-BREAK SPACE}dB"),
    ]
    one = results(1)
    assert [k for k, _ in pick_scenes(one, "si_sdr")] == [0]


def test_best_and_worst_scenes_are_listed_with_their_gain(tmp_path):
    found = results(12, systems=SYSTEMS[:3])
    values = found.values.copy()
    values[:, 2, 1] = values[:, 0, 1] + np.arange(12)
    found = results(12, systems=SYSTEMS[:3], values=values)
    text, _ = written(tmp_path, found, sounds_of(found))
    rows = table_rows(section(text, "scenes"), "scenes-table")
    names = [" ".join(row[0]) for row in rows]
    best, worst = ([f"scene {k}" for k in where] for where in (range(11, 6, -1), range(4, -1, -1)))
    assert names == ["Best", *best, "Worst", *worst]
    assert rows[1][1] == ["+11.00"]
    assert '<a href="#scene-' in section(text, "scenes")


def test_box_has_quartiles_tukeys_whiskers_and_the_rest_as_points():
    box = box_of(np.array([1.0, 2, 3, 4, 5, 100, np.nan, np.inf]))
    assert box.quartiles == (2.25, 3.5, 4.75)
    assert box.whiskers == (1, 5)
    assert_array_equal(box.points, [100])
    assert box.n == 6
    assert_array_equal(box_of(np.array([3.0, 1, 2])).points, [1, 2, 3])
    assert box_of(np.array([np.nan])) is None


def test_pareto_front_is_what_none_outdoes():
    def point(name, cost, quality):
        return Point(name, "own", cost, Interval(quality, quality, quality, 2))

    points = [point("a", 1, 5), point("b", 2, 4), point("c", 3, 6), point("d", 1, 3)]
    assert [p.name for p in pareto_front(points, 1)] == ["a", "c"]
    assert [p.name for p in pareto_front(points, -1)] == ["d"]


def test_labels_cover_neither_each_other_nor_points():
    points = np.array([[100.0 + 9 * k, 100.0 + 5 * k] for k in range(6)])
    marks = [Rectangle(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    chart = Rectangle(0, 0, 700, 350)
    labels = place_labels(points, ["a name of 17 letrs"] * 6, marks, chart)
    for k, label in enumerate(labels):
        assert label.outside(chart) == 0
        assert sum(map(label.overlap, [*marks, *labels[:k]])) == 0


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-3.2, 17.9), (0.871, 0.874), (5.0, 5.0), (1e3, 9e6)])
def test_axis_holds_its_values_between_round_ticks(ends):
    axis = linear_axis(ends)
    assert axis.low < ends[0] and ends[1] < axis.high
    assert 2 <= len(axis.ticks) <= 12
    steps = np.diff(axis.ticks)
    assert_allclose(steps, steps[0], rtol=1e-6)
    assert all(axis.holds(tick) for tick in axis.ticks)


def test_log_axis_spaces_decades_evenly():
    axis = log_axis([0.01, 1.0])
    places = [axis.place(tick) for tick in (0.01, 0.1, 1.0)]
    assert_allclose(np.diff(places), np.diff(places)[0])
    assert {0.01, 0.1, 1.0} <= set(np.round(axis.ticks, 6))


def test_sounds_are_the_stages_where_they_were(tmp_path):
    """MP3 has a delay of its own, which must not be heard; the coder's noise is 20 dB down."""
    time = np.arange(3 * RATE) / RATE
    chirp = (0.3 * np.sin(2 * np.pi * (200 + 500 * time) * time)).astype(np.float32)
    found = results(4, systems=SYSTEMS[:2])
    sounds = [SceneSounds("scene 0", "", RATE, {"noisy": chirp, "das": 0.5 * chirp})]
    text, page = written(tmp_path, found, sounds)
    assert "Gain +9.5 dB" in text
    for attrs, level in zip(page.all("audio"), (0.9, 0.45), strict=True):
        data = attrs["src"].removeprefix("data:audio/mpeg;base64,")
        heard, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
        assert rate == RATE and heard.size == chirp.size
        error = heard - level * chirp / 0.3
        assert np.mean(error[800:-800] ** 2) < 0.01 * np.mean(heard**2)


def test_compressing_knows_its_rates_and_clips():
    content = compress(np.full(RATE, 3.0, np.float32), RATE)
    assert np.abs(soundfile.read(io.BytesIO(content))[0]).max() < 1.5
    with pytest.raises(ConfigError, match="the rates 8000"):
        compress(noise(), 20_000)
    with pytest.raises(AudioError, match="NaN"):
        compress(np.float32([0, np.nan]), RATE)


def test_odd_rate_is_resampled_to_one_that_can_be_compressed(tmp_path):
    found = results(4, systems=SYSTEMS[:1])
    tone = np.sin(2 * np.pi * 440 * np.arange(20_000) / 20_000).astype(np.float32)
    _, page = written(tmp_path, found, [SceneSounds("scene 0", "", 20_000, {"noisy": tone})])
    data = page.all("audio")[0]["src"].partition(",")[2]
    assert soundfile.info(io.BytesIO(base64.b64decode(data))).samplerate == 22_050


def test_halved_spectrogram_keeps_its_power():
    level_db = 10 * np.log10(np.arange(1.0, 36.0).reshape(5, 7))
    expected = [[(8 + 9 + 15 + 16) / 4, (10 + 11 + 17 + 18) / 4, (12 + 13 + 19 + 20) / 4]]
    assert_allclose(10 ** (halved(level_db)[:1] / 10), expected)
    assert halved(level_db).shape == (2, 3)


@pytest.mark.slow
def test_size_of_forty_scenes_ten_systems_and_thirty_sounds(tmp_path):
    """White noise is the hardest to make small: sounds become coarser, the page stays."""
    found = results()
    text, page = written(tmp_path, found, sounds_of(found, seconds=12))
    assert len(page.all("audio")) == 30
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert re.search("0:0[0-2] to 0:1[0-2] of 0:12, the stretch", text)


@pytest.mark.parametrize(
    "stages, error, words",
    [
        ({}, ShapeError, "at least one stage"),
        ({"a": np.zeros((2, 5))}, ShapeError, "must have shape"),
        ({"a": np.zeros(0)}, ShapeError, "must have shape"),
        ({"a": np.zeros(5), "b": np.zeros(6)}, ShapeError, "the first has"),
        ({"a": np.full(5, np.inf)}, AudioError, "NaN or infinite"),
    ],
)
def test_impossible_sounds_are_refused(stages, error, words):
    with pytest.raises(error, match=words):
        SceneSounds("scene 0", "", RATE, stages)


def test_impossible_results_and_paths_are_refused(tmp_path):
    found = results(4)
    with pytest.raises(ShapeError, match=r"\(4, 10, 5\), none of them 0; got \(4, 10, 2\)"):
        write_benchmark_report(tmp_path / "a.html", results(4, values=found.values[..., :2]))
    with pytest.raises(ConfigError, match="should end in .html"):
        write_benchmark_report(tmp_path / "a.pdf", found)
    write_benchmark_report(tmp_path / "a.html", found)
    with pytest.raises(AudioError, match="exists"):
        write_benchmark_report(tmp_path / "a.html", found)
    write_benchmark_report(tmp_path / "a.html", found, overwrite=True)


@pytest.fixture(scope="module")
def browser():
    with Browser() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    found = results(12)
    path = tmp_path_factory.mktemp("report") / "report.html"
    return write_benchmark_report(path, found, sounds_of(found, seconds=6))


@pytest.fixture
def page(browser, report, request):
    width = getattr(request, "param", 1280)
    browser.complaints.clear()
    found = browser.open(report, width, is_mobile=width < 500)
    yield found
    found.context.close()
    assert browser.complaints == []


def count(page, selector):
    """How many of them are seen."""
    return page.locator(selector).filter(visible=True).count()


@pytest.mark.parametrize("page", [360, 390, 768, 1280], indirect=True)
def test_page_is_no_wider_than_the_screen(page):
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_metric_view_and_systems_are_chosen(page):
    assert count(page, "#conditions [data-metric=si_sdr] .chart") > 0
    page.locator("#conditions button[data-metric=stoi]").first.click()
    assert count(page, "#conditions [data-metric=si_sdr] .chart") == 0
    assert count(page, "#conditions [data-metric=stoi] [data-view=gain] .chart") == 8
    assert count(page, "#cost [data-metric=stoi] .scatter") == 1
    page.locator("#conditions button[data-view=score]").first.click()
    assert count(page, "#conditions [data-view=gain] .chart") == 0
    assert count(page, "#conditions [data-view=score] .chart") == 8
    assert count(page, "#conditions .row[data-system='1']") == 0
    page.locator(".systems input[value='1']").first.click()
    assert count(page, "#conditions .row[data-system='1']") == 8


def test_table_is_sorted_by_its_headings_and_back(page):
    names = "[...document.querySelectorAll('.systems-table tbody .system')].map((e) => e.innerText)"
    button = ".systems-table tr + tr .sorts button"
    before = page.evaluate(names)
    page.locator(button).first.click()
    assert page.evaluate(names)[:3] == ["oracle", "default", "wpe+mvdr"]
    page.locator(button).first.click()
    assert page.evaluate(names)[:2] == ["peer-c", "noisy"]
    page.locator(button).first.click()
    assert page.evaluate(names) == before


def test_stages_switch_without_losing_the_position_and_one_scene_plays(page):
    def at(scene):
        return page.evaluate(
            f"Number(document.getElementById('{scene}').style.getPropertyValue('--at'))"
        )

    heard = "document.querySelector('#scene-1 .heard').id"
    page.locator("#scene-1 .play").first.click()
    wait_for(page, "document.querySelector('#scene-1 .clock').textContent > '0:00.3'")
    before = at("scene-1")
    page.keyboard.press("3")
    assert page.evaluate(heard) == "scene-1-stage-3"
    wait_for(page, "document.querySelector('#scene-1 .clock').textContent > '0:00.6'")
    assert before < at("scene-1") < 0.9
    page.locator("#scene-2 .play").first.click()
    wait_for(page, "document.querySelector('#scene-2 .clock').textContent > '0:00.2'")
    stopped = at("scene-1")
    assert page.evaluate("document.querySelectorAll('.playing').length") == 1
    wait_for(page, "document.querySelector('#scene-2 .clock').textContent > '0:00.4'")
    assert at("scene-1") == stopped > 0
    page.keyboard.press("2")  # keys mean the scene that was last touched
    assert page.evaluate(heard) == "scene-1-stage-3"
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelectorAll('.playing').length") == 0
    assert at("scene-2") > 0
