"""`arrayenh qa`: thresholds, verdicts, JUnit XML, and the command."""

import json
import math
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

from arrayenh.audio import Recording
from arrayenh.cli import judged as judged_module
from arrayenh.cli.judged import together
from arrayenh.cli.main import run
from arrayenh.errors import ConfigError, MetricError
from arrayenh.evaluation import qa, thresholds
from arrayenh.evaluation.junit import junit_xml
from arrayenh.evaluation.qa import Check, Verdict, judge
from arrayenh.evaluation.scoring import METRICS, Score, scores
from arrayenh.evaluation.signals import Signals
from arrayenh.evaluation.thresholds import (
    Bound,
    Profile,
    load_profile,
    parse_bound,
    parse_profile,
    profile_names,
)
from tests.signals import RATE, voice

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sounds():
    """2 s of a voice alone; in noise at -5 dB; at 35 dB."""
    rng = np.random.default_rng(0)
    clean = 0.1 * voice(rng, 2 * RATE, start=RATE // 2)
    noise = rng.standard_normal(clean.size)
    noise *= np.sqrt(np.mean(clean**2) / np.mean(noise**2) * 10**0.5)
    return {"clean": clean, "noisy": clean + noise, "better": clean + 0.01 * noise}


def signals_of(sounds, name, reference=True):
    return Signals(
        sounds[name], RATE, sounds["clean"] if reference else None, noisy=sounds["noisy"]
    )


def verdict_on(sounds, name, profile, reference=True):
    before, after = (signals_of(sounds, each, reference) for each in ("noisy", name))
    return {check.name: check for check in judge(before, after, profile)}


# ---- bounds and profiles -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text, inside, outside, words",
    [
        (">3", [3.001, math.inf], [3, -math.inf, math.nan], "> 3"),
        (">= -0.5", [-0.5, 0], [-0.51, math.nan], ">= -0.5"),
        ("<1%", [0, 0.0099], [0.01], "< 0.01"),
        (" <= .3 ", [0.3, -math.inf], [0.3001], "<= 0.3"),
        (">1e-3", [0.0011], [0.001], "> 0.001"),
        ({"min": 1}, [1, 5], [0.9], ">= 1"),
        ({"min": 1, "max": 2}, [1, 2], [0.9, 2.1], "1 to 2"),
        (0.25, [0.25, 0.2], [0.26], "<= 0.25"),  # artifact: lower is better
    ],
)
def test_bounds(text, inside, outside, words):
    bound = parse_bound("artifact_score", text)
    assert all(map(bound.holds, inside)) and not any(map(bound.holds, outside))
    assert str(bound) == words


def test_a_number_is_no_worse_than_that():
    for key, words in {
        "delta_snr": ">= 2",
        "snr": ">= 2",
        "delta_artifact_score": "<= 2",
        "delta_wss": "<= 2",
    }.items():
        assert str(parse_bound(key, 2)) == words


@pytest.mark.parametrize(
    "value",
    ["3", "=3", ">", "> three", "><3", ">3 dB", "nan", math.nan, math.inf, True, [1], {},
     {"min": 2, "max": 1}, {"min": "1"}, {"least": 1}, {"min": True}, None],
)  # fmt: skip
def test_what_is_no_bound(value):
    with pytest.raises(ConfigError, match="delta_snr wants a bound"):
        parse_bound("delta_snr", value)


def test_the_profiles_of_the_issue():
    assert profile_names() == ["improvement", "no-harm"]
    improvement = load_profile("improvement")
    assert {key: str(bound) for key, bound in improvement.thresholds.items()} == {
        "delta_snr": "> 3",
        "delta_pesq_wb": "> 0.5",
        "delta_stoi": "> 0.1",
        "artifact_score": "< 0.3",
        "clipping": "< 0.01",
    }
    assert "delta_dnsmos_ovrl" in improvement.without_reference
    no_harm = load_profile("no-harm").thresholds
    assert all(key.startswith("delta_") for key in no_harm)
    for name in ("snr", "seg_snr", "si_sdr", "pesq_wb", "pesq_nb", "stoi", "estoi"):
        assert -0.011 <= no_harm[f"delta_{name}"].low <= 0
    assert (
        no_harm["delta_artifact_score"].high < 0.5
        and no_harm["delta_artifact_score"].low == -math.inf
    )


def test_no_worse_than_the_input():
    profile = parse_profile("p", {"no_worse": ["snr", "artifact_score"], "tolerance": {"snr": 0.5}})
    assert {key: str(bound) for key, bound in profile.thresholds.items()} == {
        "delta_snr": ">= -0.5",
        "delta_artifact_score": "<= 0",
    }
    everything = parse_profile("p", {"no_worse": "all", "thresholds": {"delta_snr": ">3"}})
    assert list(everything.thresholds) == [f"delta_{name}" for name in METRICS]
    assert str(everything.thresholds["delta_snr"]) == "> 3"
    assert str(everything.thresholds["delta_stoi"]) == ">= 0"


PROFILES = {
    "thresholds = ": "not TOML",
    "[threshold]\nsnr = 1": "unknown key 'threshold'; known are thresholds, without_reference",
    "thresholds = 3": "thresholds should be a table, [thresholds]; got 3",
    "[thresholds]\nsnrr = 1": "unknown threshold 'snrr'; known are",
    "[thresholds]\nsnr = 'high'": "snr wants a bound",
    "no_worse = 'snr'": 'no_worse should be "all" or a list',
    "no_worse = [1]": "no_worse should be",
    "no_worse = ['delta_snr']": "name scores, not gains; got 'delta_snr'",
    "no_worse = ['snrr']": "unknown score 'snrr'",
    "no_worse = ['snr']\n[tolerance]\nstoi = 0.1": "tolerance names stoi, which no_worse does not",
    "no_worse = ['snr']\n[tolerance]\nsnr = -1": "the tolerance of snr should be 0 or more",
    "": "it has no threshold",
}


@pytest.mark.parametrize("text", PROFILES)
def test_what_is_no_profile(tmp_path, text):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_profile(str(path))
    assert PROFILES[text] in str(caught.value) and f"profile {path}" in str(caught.value)


def test_an_unknown_profile():
    with pytest.raises(ConfigError, match="unknown profile 'gone'.* one of improvement, no-harm"):
        load_profile("gone")


def test_thresholds_on_top():
    profile = load_profile("improvement")
    other = profile.changed(["delta_snr=>=1", "clipping=off", "stoi = 0.8", "musical_noise=off"])
    assert str(other.thresholds["delta_snr"]) == ">= 1" and "clipping" not in other.thresholds
    assert list(other.thresholds)[0] == "delta_snr" and list(other.thresholds)[-1] == "stoi"
    assert "musical_noise" not in other.without_reference
    assert str(profile.thresholds["delta_snr"]) == "> 3"  # as it was
    for text, words in {
        "delta_snr>2": "KEY=BOUND",
        "snrr=2": "unknown threshold 'snrr'",
        "snr=high": "snr wants a bound",
    }.items():
        with pytest.raises(ConfigError, match=words):
            profile.changed([text])


# ---- verdicts ----------------------------------------------------------------------------


def test_checks_hold_scores_and_gains(sounds):
    profile = parse_profile("p", {"thresholds": {"delta_snr": ">39", "snr": "<36", "stoi": ">2"}})
    found = verdict_on(sounds, "better", profile)
    gain = found["delta_snr"]
    assert gain.before == pytest.approx(-5) and gain.after == pytest.approx(35)
    assert gain.value == pytest.approx(40) and gain.passed and gain.verdict == "passed"
    assert gain.words == "delta_snr 40 dB, wanted > 39 dB"
    assert math.isnan(found["snr"].before) and found["snr"].value == gain.after
    assert found["stoi"].passed is False and found["stoi"].verdict == "failed"
    assert found["stoi"].words == f"stoi {found['stoi'].value:.4g}, wanted > 2"


def test_an_improvement_improves_and_the_input_does_not(sounds):
    profile = load_profile("improvement")
    better = verdict_on(sounds, "better", profile)
    assert [check.verdict for check in better.values()] == ["passed"] * 5
    same = verdict_on(sounds, "noisy", profile)
    assert [check.name for check in same.values() if check.passed] == ["artifact_score", "clipping"]
    for name in ("delta_snr", "delta_pesq_wb", "delta_stoi"):
        assert same[name].value == 0


@pytest.mark.slow
def test_the_input_does_no_harm_to_itself_and_worse_does(sounds):
    profile = load_profile("no-harm")
    same = verdict_on(sounds, "noisy", profile)
    assert not [check for check in same.values() if check.passed is False]
    worse = {**sounds, "worse": sounds["noisy"] + 0.05 * (sounds["noisy"] - sounds["clean"])}
    failed = [name for name, check in verdict_on(worse, "worse", profile).items()
              if check.passed is False]  # fmt: skip
    assert {"delta_snr", "delta_si_sdr", "delta_seg_snr"} <= set(failed)
    rounded = {**sounds, "rounded": np.round(sounds["noisy"] * 2**15) / 2**15}
    checks = verdict_on(rounded, "rounded", profile).values()
    assert not [check for check in checks if check.passed is False]


def test_a_clean_input_that_stays_as_it_is_loses_nothing(sounds):
    clean = {**sounds, "noisy": sounds["clean"]}
    check = verdict_on(clean, "noisy", Profile("p", {"delta_snr": Bound(low=0)}))["delta_snr"]
    assert check.before == math.inf and check.value == 0 and check.passed


def test_without_a_reference_the_rest_is_judged(sounds):
    profile = load_profile("improvement").changed(["delta_dnsmos_ovrl=off"])
    found = verdict_on(sounds, "better", profile, reference=False)
    assert [name for name, check in found.items() if check.passed] == [
        "artifact_score", "clipping", "musical_noise", "delta_dynamic_range_db",
    ]  # fmt: skip
    assert found["delta_snr"].reason == "it needs the reference, not given here"
    assert found["delta_snr"].verdict == "skipped"
    assert "musical_noise" not in verdict_on(sounds, "better", load_profile("improvement"))


def test_what_is_not_installed_is_skipped_and_says_so(sounds, monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)
    check = verdict_on(sounds, "better", load_profile("improvement"))["delta_pesq_wb"]
    assert check.passed is None and "pip install 'arrayenh[eval]'" in check.reason


def test_the_reason_may_lie_in_the_input(sounds):
    silent = {**sounds, "noisy": 0 * sounds["noisy"]}
    profile = Profile("p", {"delta_stoi": Bound(low=0), "stoi": Bound(low=0)})
    check = verdict_on(silent, "better", profile)["delta_stoi"]
    assert check.passed is None and check.reason.startswith("of the input: ")


def test_nothing_that_can_be_judged_is_no_success(sounds):
    profile = Profile("p", {"delta_snr": Bound(low=0)})
    with pytest.raises(
        MetricError, match="profile p has no check that could be computed: it needs"
    ):
        verdict_on(sounds, "better", profile, reference=False)
    with pytest.raises(MetricError, match="profile p has no check for such a recording"):
        verdict_on(sounds, "better", Profile("p", {}))


def test_each_score_is_computed_once(sounds, monkeypatch):
    asked = []
    monkeypatch.setattr(
        qa, "scores_of", lambda signals, names: asked.append(list(names)) or
        {name: Score(1.0) for name in names},
    )  # fmt: skip
    profile = Profile("p", {key: Bound(low=0) for key in ("snr", "delta_snr", "delta_stoi")})
    verdict_on(sounds, "better", profile)
    assert [sorted(names) for names in asked] == [["snr", "stoi"], ["snr", "stoi"]]


# ---- JUnit -------------------------------------------------------------------------------


def checks():
    bound = Bound(low=3, strict=True)
    return (
        Check("delta_snr", "dB", 1.0, 5.0, 4.0, bound, True),
        Check("delta_stoi", "", 0.5, 0.4, -0.1, bound, False),
        Check("stoi", "", math.nan, math.nan, math.nan, bound, None, "it needs <that> & more"),
    )


def test_junit_has_a_case_for_each_recording_and_check():
    done = [
        Verdict("a.wav", checks(), seconds=0.3),
        Verdict("b.wav", error="b.wav is damaged", seconds=0.2),
    ]
    top = ElementTree.fromstring(junit_xml(done, "quality"))
    (suite,) = top
    assert top.tag == "testsuites" and suite.tag == "testsuite"
    assert suite.attrib == {
        "name": "quality", "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
        "time": "0.500",
    }  # fmt: skip
    assert [(case.get("classname"), case.get("name"), case[0].tag) for case in suite] == [
        ("b.wav", "judged", "error") if k == 3 else ("a.wav", name, tag)
        for k, (name, tag) in enumerate(
            [("delta_snr", "system-out"), ("delta_stoi", "failure"), ("stoi", "skipped"), ("", "")]
        )
    ]
    assert suite[1][0].get("message") == "delta_stoi -0.1, wanted > 3"
    assert suite[2][0].get("message") == "it needs <that> & more"
    assert suite[3][0].get("message") == "b.wav is damaged"
    assert sum(float(case.get("time")) for case in suite) == pytest.approx(0.5)


def test_junit_of_odd_names_can_be_read():
    name = 'a\x00\x1b\udcff<&">é😀.wav'
    text = junit_xml([Verdict(name, checks(), None)], "suite")
    case = ElementTree.fromstring(text.encode())[0][0]
    assert case.get("classname") == 'a\ufffd\ufffd\ufffd<&">é😀.wav'


def test_a_verdict_passes_when_nothing_failed():
    passed, failed, skipped = checks()
    assert Verdict("a", (passed, skipped)).passed and not Verdict("a", (passed, failed)).passed
    assert not Verdict("a", error="no").passed
    assert [Verdict("a", checks()).count(each) for each in (True, False, None)] == [1, 1, 1]


# ---- the command -------------------------------------------------------------------------


def save(path, samples, rate=RATE):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.atleast_2d(samples).T, rate, "FLOAT")


@pytest.fixture
def here(tmp_path, monkeypatch, sounds):
    """Recordings in/a.wav and in/sub/b.wav of two channels, outputs and references."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "sub/b"):
        save(f"in/{name}.wav", [0.5 * sounds["noisy"][::-1], sounds["noisy"]])
        save(f"out/{name}_enhanced.wav", sounds["better"])
        save(f"clean/{name}.wav", sounds["clean"])
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs a command line; gives (exit code, stdout, stderr)."""

    def arrayenh(line):
        capsys.readouterr()
        code = run(shlex.split(line))
        return code, *capsys.readouterr()

    return arrayenh


GIVEN = "--enhanced out --reference clean --channel 1"


def test_a_good_output_passes(here, call):
    code, out, err = call(f"qa in/a.wav {GIVEN}")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["in/a.wav"] and rows[1][0] == "check"
    assert rows[2] == ["delta_snr", "-5.000", "35.000", "40.000", ">", "3", "dB", "passed"]
    assert [row[0] for row in rows[2:7]] == [
        "delta_snr", "delta_pesq_wb", "delta_stoi", "artifact_score", "clipping",
    ]  # fmt: skip
    assert rows[-1] == "1 of 1 recordings pass improvement".split()


def test_a_failed_check_is_exit_code_1(here, call):
    code, out, _ = call(f"qa in/a.wav {GIVEN} --threshold 'delta_snr=>50' --threshold stoi=0.5")
    assert code == 1 and "0 of 1 recordings pass" in out
    row = next(line.split() for line in out.splitlines() if line.startswith("delta_snr"))
    assert row[-4:] == [">", "50", "dB", "failed"]
    assert call(f"qa in/a.wav {GIVEN} --threshold delta_snr=off")[0] == 0
    assert "delta_snr" not in call(f"qa in/a.wav {GIVEN} --threshold delta_snr=off")[1]


def test_a_batch_is_a_row_for_each(here, call, sounds):
    save("out/sub/b_enhanced.wav", sounds["noisy"])
    Path("in/bad.wav").write_text("no sound")
    save("in/lost.wav", sounds["noisy"])
    code, out, err = call(f"qa in {GIVEN} --junit out/report.xml")
    assert code == 1 and "1 of 4 recordings pass improvement" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith("in/")}
    assert rows["in/a.wav"][1:] == ["5", "0", "0", "passed"]
    assert rows["in/sub/b.wav"][1:4] == ["2", "3", "0"]
    assert "wanted > 3 dB; delta_pesq_wb" in next(
        line for line in out.splitlines() if line.startswith("in/sub/b.wav")
    )
    assert rows["in/bad.wav"][1:] == "0 0 0 cannot be judged".split()
    assert "2 of 4 recordings cannot be judged:\n  in/bad.wav: " in err
    assert "in/lost.wav: out holds no output called lost_enhanced.* or lost.*" in err
    (suite,) = ElementTree.parse("out/report.xml").getroot()
    assert suite.get("name") == "arrayenh qa improvement"
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == ["12", "3", "2"]


def test_json_has_everything(here, call):
    code, out, err = call(f"qa in {GIVEN} --json --threshold stoi=2")
    found = json.loads(out)
    assert code == 1 and err == "" and found["profile"] == "improvement"
    assert found["passed"] is False and len(found["recordings"]) == 2
    one = found["recordings"][1]
    assert one["input"] == "in/sub/b.wav" and one["enhanced"] == "out/sub/b_enhanced.wav"
    assert one["reference"] == "clean/sub/b.wav" and one["channel"] == 1
    first, last = one["checks"][0], one["checks"][-1]
    assert first["name"] == "delta_snr" and first["value"] == pytest.approx(40, abs=1e-3)
    assert (first["bound"], first["verdict"], first["unit"]) == ("> 3", "passed", "dB")
    assert last["name"] == "stoi" and last["verdict"] == "failed" and last["before"] is None


def test_without_a_reference_what_needs_one_is_skipped(here, call):
    without = "--threshold delta_dnsmos_ovrl=off"  # whether it is installed or not
    code, out, err = call(f"qa in/a.wav --enhanced out --channel 1 {without}")
    assert code == 0 and out.count("skipped") == 3
    assert "note: skipped delta_snr, delta_pesq_wb, delta_stoi: it needs the reference" in err
    code, _, err = call("qa in/a.wav --enhanced out --channel 1 --profile no-harm")
    assert code == 0 and err.count("it needs the reference") == 1
    assert "note: skipped delta_snr, delta_seg_snr, delta_si_sdr, delta_pesq_wb" in err


def test_without_outputs_the_default_chain_is_judged(here, call, sounds):
    code, out, err = call("qa in/a.wav --reference clean --channel 1 --json")
    (one,) = json.loads(out)["recordings"]
    assert one["enhanced"] is None and one["channel"] == 1
    assert call("enhance in/a.wav --reference 1 -o mine.wav")[0] == 0
    given = call("qa in/a.wav --reference clean --channel 1 --enhanced mine.wav --json")
    (other,) = json.loads(given[1])["recordings"]
    assert other["enhanced"] == "mine.wav" and code == given[0]
    for check, same in zip(one["checks"], other["checks"], strict=True):
        assert check["value"] == pytest.approx(same["value"], abs=1e-6)
        assert check["before"] == same["before"]
    found = json.loads(call("qa in/a.wav --reference clean --channel 1 --chain gentle --json")[1])
    assert found["recordings"][0]["checks"][0]["value"] != one["checks"][0]["value"]


def test_the_kept_channel_is_the_input(here, call, sounds):
    """The first of --channels, or of those in use, unless --channel says otherwise."""
    for options, channel in {"": 0, "--channels 1,0": 1, "--channel 1": 1, "--mics 1": 0}.items():
        found = json.loads(call(f"qa in/a.wav --reference clean {options} --json")[1])
        assert found["recordings"][0]["channel"] == channel, options
    save("two.wav", [sounds["clean"][::-1], sounds["clean"]])  # the reference has channels too
    given = call("qa in/a.wav --enhanced out --reference two.wav --channel 1 --json")
    assert json.loads(given[1])["recordings"][0]["checks"][0]["before"] == pytest.approx(-5)


def test_an_output_is_found_by_name(here, call, sounds):
    """NAME_enhanced.* before NAME.*, in the same subfolder before the top, never the input."""
    for name in ("flat/a.wav", "flat/b.wav"):
        save(name, sounds["better"])
    code, out, _ = call("qa in --enhanced flat --reference clean --channel 1 --json")
    assert code == 0
    names = [one["enhanced"] for one in json.loads(out)["recordings"]]
    assert names == ["flat/a.wav", "flat/b.wav"]
    code, _, err = call("qa in/a.wav --enhanced in")
    assert code == 2 and "in holds no output called a_enhanced.* or a.*" in err
    save("in/a_enhanced.wav", sounds["better"])
    found = json.loads(call("qa in/a.wav --enhanced in --channel 1 --json")[1])
    assert found["recordings"][0]["enhanced"] == "in/a_enhanced.wav"
    soundfile.write("in/a_enhanced.flac", sounds["better"], RATE)
    code, _, err = call("qa in/a.wav --enhanced in")
    assert code == 2 and "may both be the output; give the file" in err


def test_files_that_do_not_belong_together(here, call, sounds):
    save("slow.wav", sounds["better"], 8000)
    save("short.wav", sounds["better"][:RATE])
    save("nearly.wav", sounds["better"][:-100])
    for name, words in {
        "slow.wav": "slow.wav has 8000 Hz but a.wav has 16000 Hz; resample one of them",
        "short.wav": "short.wav has 16000 samples but a.wav has 32000",
    }.items():
        code, out, err = call(f"qa in/a.wav --enhanced {name}")
        assert (code, out) == (2, "") and words in err
    code, _, err = call("qa in/a.wav --enhanced nearly.wav --reference clean --channel 1")
    assert code == 0 and "31900 to 32000 samples: all cut to the shortest" in err


def test_a_late_output_is_named_and_aligned_when_asked(here, call, sounds):
    Path("p.toml").write_text('[thresholds]\nsnr = ">10"\n')
    save("late.wav", np.r_[np.zeros(900), sounds["better"]])
    line = "qa in/a.wav --enhanced late.wav --reference clean --channel 1 --profile p.toml"
    code, _, err = call(line)
    assert code == 2 and "late.wav has 32900 samples but a.wav has 32000" in err
    code, _, err = call(f"{line} --align")
    assert code == 0 and "late.wav lags a.wav by 900 samples (56.2 ms): aligned" in err
    save("late.wav", np.r_[np.zeros(900), sounds["better"][:-900]])
    code, _, err = call(line)
    assert code == 1 and "(56.2 ms): the scores suffer; --align aligns it first" in err


def test_notes_of_the_output_and_the_reference_are_passed_on():
    x = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    files = [
        (Recording(x[:1], RATE, "in", notes=("of the input",)), 0),
        (Recording(x, RATE, "out", notes=("a note",)), 0),
        (Recording(x[:1], RATE, "clean", notes=("another",)), 0),
    ]
    _, notes = together(files, align=False)
    assert notes == ("out: a note", "clean: another", "out has 2 channels: channel 0 is judged")


WRONG = {
    "qa": "Missing argument 'REC...'",
    "qa gone.wav": "gone.wav does not exist",
    "qa in/a.wav --profile gone": "unknown profile 'gone'",
    "qa in/a.wav --threshold snr": "a threshold is KEY=BOUND",
    "qa in/a.wav --threshold snrr=1": "unknown threshold 'snrr'",
    "qa in/a.wav --enhanced gone": "--enhanced gone does not exist",
    "qa in/a.wav --reference gone.wav": "--reference gone.wav does not exist",
    "qa in --enhanced out/a_enhanced.wav": "is one file for 2 recordings; give a folder",
    "qa in/a.wav --enhanced out --chain gentle": "but --enhanced runs none",
    "qa in/a.wav --enhanced out --array linear4-35mm": "but --enhanced runs none",
    "qa in/a.wav --array linear4-35mm": "has 4 microphones but a.wav gives 2",
    "qa in/a.wav --chain gone": "unknown profile 'gone'",
    "qa in/a.wav --channel 7": "reference 7 is not among the channels in use",
    "qa in/a.wav --enhanced out --channel 7": "a.wav has no channel 7; in use are 0, 1",
    "qa in/a.wav --mics 0": "--mics must be at least 1",
    "qa in/a.wav --junit x.txt": "--junit x.txt should end in .xml",
    "qa in/a.wav --junit old.xml": "old.xml exists; use --overwrite",
    "qa in/a.wav --junit in/a.wav/x.xml": "in/a.wav is a file",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(here, call, line):
    Path("old.xml").touch()
    before = sorted(here.rglob("*"))
    code, out, err = call(line)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith("arrayenh: ") and WRONG[line] in err
    assert sorted(here.rglob("*")) == before


def test_one_recording_that_cannot_be_judged_is_in_the_junit_file_too(here, call):
    code, out, err = call("qa in/a.wav --enhanced in --junit new/x.xml")
    assert (code, out) == (2, "") and err.startswith("written: new/x.xml\narrayenh: in holds no")
    (suite,) = ElementTree.parse("new/x.xml").getroot()
    assert suite.get("errors") == "1" and suite[0].get("classname") == "in/a.wav"


def test_a_mistake_of_ours_is_no_verdict(here, call, monkeypatch):
    monkeypatch.setattr(judged_module, "judge", lambda *signals: 1 / 0)
    assert call("qa in/a.wav --enhanced out")[0] == 70


def test_help_loads_little(here):
    code = (
        "import sys; from arrayenh.cli.main import run; run(['qa', '--help']); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "--junit" in done.stdout
    assert {"numba", "scipy", "matplotlib", "pesq"}.isdisjoint(done.stdout.splitlines()[-1].split())


def test_scores_of_the_command_are_those_of_score(here, call, sounds):
    found = json.loads(call(f"qa in/a.wav {GIVEN} --json")[1])["recordings"][0]["checks"]
    wanted = scores(*(sounds[name].astype(np.float32) for name in ("clean", "better")), RATE)
    for check in found[:3]:
        name = thresholds.score_of(check["name"])
        assert check["after"] == pytest.approx(wanted[name].value, rel=1e-6)


def test_a_profile_of_ones_own(here, call):
    Path("mine.toml").write_text("[thresholds]\nestoi = {min = 0.2, max = 0.999}\n")
    code, out, _ = call(f"qa in/a.wav {GIVEN} --profile mine.toml")
    assert code == 0 and "0.2 to 0.999" in out and "1 of 1 recordings pass mine.toml" in out


def test_signals_of_before_and_after(sounds):
    after = signals_of(sounds, "better")
    before = replace(after, estimate=after.noisy)
    assert judge(before, after, load_profile("improvement"))[0].value == pytest.approx(40)
