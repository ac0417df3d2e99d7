"""Names that hold control characters or bytes that are not UTF-8, and outputs that exist."""

import csv
import errno
import os
import shlex
import shutil
import sys

import numpy as np
import pytest
import soundfile

from arrayenh.audio import write
from arrayenh.checks import printable
from arrayenh.cli import benchmark, terminal
from arrayenh.cli.main import complain, run
from arrayenh.errors import AudioError, ConfigError, SceneError
from arrayenh.evaluation.corpus import write_list
from arrayenh.evaluation.tables import no_formula
from arrayenh.files import check_free, replacing, write_whole
from arrayenh.scenes.voices import sound_file
from arrayenh.scenes.workers import in_turn

HOSTILE = os.fsdecode(b"na\xffme\x1b[31m.wav")
on_posix = pytest.mark.skipif(os.name == "nt", reason="names are Unicode, without control codes")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with rec.wav: two channels, 0.5 s."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write("rec.wav", (0.05 * rng.standard_normal((2, 8000))).astype(np.float32), 16_000)
    return tmp_path


def call(line, capsys, *more):
    capsys.readouterr()
    code = run([*shlex.split(line), *map(str, more)])
    return code, *capsys.readouterr()


# --- names


@pytest.mark.parametrize(
    "text, safe",
    [
        ("Größe 日本.wav", "Größe 日本.wav"),
        ("a\x1b]0;x\x07\u009b1m\n", "a�]0;x��1m�"),
        (HOSTILE, "na�me�[31m.wav"),
    ],
)
def test_text_without_what_a_terminal_executes(text, safe):
    assert printable(text) == safe


def test_no_message_reaches_the_terminal_with_control_codes(capsys):
    terminal.say("a\x1b[31m")
    terminal.warn(["b\x1b[31m"])
    terminal.show_table("c\x1b[31m[bold]", ("d",), [("e\x1b[31m and more",)])
    complain("f\x1b[31m")
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "c�[31m[bold]" in out and err.count("�") == 3


@on_posix
@pytest.mark.parametrize(
    "command", ["inspect --plot p.png", "localize --array linear2-12mm --plot p.png"]
)
def test_recordings_with_any_name_are_drawn(here, capsys, command):
    os.rename("rec.wav", HOSTILE)
    code, out, err = call(command, capsys, HOSTILE)
    assert code == 0 and (here / "p.png").exists()
    assert "\x1b" not in out + err and "na�me" in out


@on_posix
def test_a_folder_with_any_name_in_it_is_scored(here, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "workers", lambda *options: in_turn)
    monkeypatch.setattr(sys, "argv", ["arrayenh", "benchmark", HOSTILE])
    (here / "in").mkdir()
    shutil.move("rec.wav", here / "in" / HOSTILE)
    shutil.copy(here / "in" / HOSTILE, here / "in" / '=HYPERLINK("x").wav')
    line = "benchmark in -o out --systems noisy --metrics dynamic_range_db --no-costs"
    code, _, err = call(line, capsys)
    assert code == 0, err
    with open("out/results.csv", encoding="utf-8", newline="") as file:
        assert [row["case"] for row in csv.DictReader(file)] == [
            """'=HYPERLINK("x")""",
            "na�me�[31m",
        ]


@pytest.mark.parametrize("text", ["=1+2", "+x", "-x", "@SUM(1)", '=HYPERLINK("x")'])
def test_a_spreadsheet_does_not_execute_texts(text):
    assert no_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+2.5", "-5 dB", "a=b", "", "noisy"])
def test_other_texts_are_kept(text):
    assert no_formula(text) == text


@on_posix
def test_a_sound_whose_name_no_scene_can_hold_is_refused(here):
    os.rename("rec.wav", HOSTILE)
    with pytest.raises(SceneError, match="the name is not UTF-8; rename the file"):
        sound_file(here / HOSTILE)


def test_a_text_file_that_would_name_such_a_file_is_refused(tmp_path):
    with pytest.raises(AudioError, match=r"a\.txt: 'file na\\udcffme' names a file in bytes that"):
        write_whole(tmp_path / "a.txt", "file na\udcffme")
    with pytest.raises(ConfigError, match="bytes that are not UTF-8; rename it"):
        write_list(tmp_path / "a.csv", tmp_path, [{"path": "\udcff.wav", "speaker": "x"}])
    assert not list(tmp_path.iterdir())


def test_a_damaged_list_is_written_again(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"path,\xff")
    write_list(tmp_path / "a.csv", tmp_path, [{"path": "b.wav", "speaker": "x"}])
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == "path,speaker"


# --- outputs


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_of_two_runs_one_writes_a_new_output(tmp_path, monkeypatch, links):
    def without(*names):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", without)
    path = tmp_path / "a"
    with pytest.raises(AudioError, match="a exists; use --overwrite"):
        with replacing(path, overwrite=False) as part:
            part.write_text("late")
            write_whole(path, "early", overwrite=False)
    assert path.read_text() == "early" and list(tmp_path.iterdir()) == [path]


def test_of_two_runs_one_writes_a_new_sound(here, monkeypatch):
    sound = np.zeros(100)
    monkeypatch.setattr("arrayenh.audio.writing.check_target", lambda *seen_too_early: None)
    before = write("a.wav", sound, 16_000).read_bytes()
    with pytest.raises(AudioError, match=r"a\.wav exists; use --overwrite"):
        write("a.wav", sound + 0.5, 16_000)
    assert (here / "a.wav").read_bytes() == before
    write("a.wav", sound + 0.5, 16_000, overwrite=True)
    assert sorted(path.name for path in here.iterdir()) == ["a.wav", "rec.wav"]


@on_posix
def test_a_link_to_nothing_is_not_replaced_unasked(here, capsys):
    (here / "out.wav").symlink_to("nothing")
    code, _, err = call("enhance rec.wav -o out.wav", capsys)
    assert (code, err) == (
        2, "arrayenh: out.wav exists, a link to nothing; use --overwrite to replace it\n"
    )  # fmt: skip
    assert (here / "out.wav").is_symlink()


def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path):
    check_free(tmp_path / ("x" * 255), overwrite=False)
    with pytest.raises(AudioError, match="cannot write .*: File name too long"):
        check_free(tmp_path / ("x" * 256), overwrite=False)


def test_no_job_replaces_the_input_of_another(here, capsys):
    shutil.copy("rec.wav", "rec_enhanced.wav")
    before = (here / "rec_enhanced.wav").read_bytes()
    code, _, err = call("enhance rec.wav rec_enhanced.wav --overwrite", capsys)
    assert code == 2 and "rec_enhanced.wav is an input of this command" in err
    assert (here / "rec_enhanced.wav").read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        "inspect rec.wav --plot a.png --overwrite --against a.png",
        "separate rec.wav -o a_talker1.wav/..",
        "qa rec.wav --enhanced rec.wav --junit a.xml --overwrite",
        "simulate a/manifest.csv -o a",
        "localize rec.wav --array linear2-12mm --csv a.csv --overwrite",
    ],
)
def test_no_output_is_an_input(here, capsys, line):
    names = {"inspect": "a.png", "qa": "a.xml", "localize": "a.csv"}
    command = line.split()[0]
    (here / "a").mkdir()
    (here / "a/manifest.csv").write_text("index,scene\n0,{}\n")
    if command in names:  # the recording under another name
        os.link("rec.wav", names[command])
    if command == "separate":
        (here / "a_talker1.wav").mkdir()
        os.link("rec.wav", "rec_talker1.wav")
        line = "separate rec.wav --overwrite"
    code, _, err = call(line, capsys)
    assert code == 2 and "is an input of this command" in err
    assert (here / "rec.wav").stat().st_size > 16_000


def test_an_array_file_is_not_replaced_by_a_part_of_it(here, capsys):
    (here / "a.json").write_text('{"positions": [[0, 0, 0]], "notes": "kept"}')
    code, _, err = call("arrays show a.json -o a.json --overwrite", capsys)
    assert code == 2 and "a.json is an input of this command" in err
    assert "notes" in (here / "a.json").read_text()


def test_a_full_disk_is_named_when_a_sound_is_opened(here, monkeypatch):
    def full(*arguments, **options):
        raise soundfile.LibsndfileError(2, "Error opening: ")  # SF_ERR_SYSTEM

    monkeypatch.setattr(soundfile, "SoundFile", full)
    with pytest.raises(AudioError, match=r"a\.wav cannot be written: is the disk full\?"):
        write("a.wav", np.zeros(100), 16_000)
    assert [path.name for path in here.iterdir()] == ["rec.wav"]
