import os
from pathlib import Path

import pytest

from arrayenh.cli.inputs import channel_list, find, is_recording, plan, selection
from arrayenh.errors import AudioError, ConfigError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with recordings, results of ours and other things; it is the current one."""
    for name in (
        "a.wav",
        "b.FLAC",
        "a_enhanced.wav",
        "a_enhanced.mvdr.wav",  # a stage
        ".a.wav",
        "notes.txt",
        "sub/a.wav",
        "sub/deep/c.ogg",
        "sub/deep/c_enhanced.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(recordings, output=None):
    return [(job.recording, str(job.output)) for job in plan(recordings, output)]


# ---- which recordings --------------------------------------------------------------------


def test_a_folder_gives_its_recordings_and_none_of_our_results(tree):
    assert [name for name, _ in find(".")] == ["a.wav", "b.FLAC", "sub/a.wav", "sub/deep/c.ogg"]
    assert [within for _, within in find(".")] == [Path(), Path(), Path("sub"), Path("sub/deep")]
    assert [name for name, _ in find("sub")] == ["sub/a.wav", "sub/deep/c.ogg"]
    assert [str(within) for _, within in find("sub")] == [".", "deep"]


@pytest.mark.parametrize(
    "name, taken",
    [("a.wav", True), ("a_enhanced.wav", False), ("a_enhanced.mvdr.wav", False), (".a.wav", False)],
)
def test_a_result_is_taken_only_when_it_is_named(tree, name, taken):
    assert is_recording(Path(name)) == taken
    assert [found for found, _ in find(name)] == [name]


def test_a_glob_gives_recordings_in_order(tree):
    assert [name for name, _ in find("*.wav")] == ["a.wav"]
    assert [name for name, _ in find("**/*.[wo]*")] == ["a.wav", "sub/a.wav", "sub/deep/c.ogg"]


def test_signs_of_a_glob_in_the_name_of_a_file_are_part_of_it(tree):
    for name in ("[ab].wav", "b?.wav", "*.wav", "x[1].wav", "y[1].wav"):
        (tree / name).touch()
        assert [found for found, _ in find(name)] == [name]
    assert [found for found, _ in find("x[1].wav,y[1].wav")] == ["x[1].wav,y[1].wav"]


def test_brackets_in_the_name_of_a_folder_are_part_of_it(tree):
    (tree / "d [2]").mkdir()
    (tree / "d [2]" / "x.wav").touch()
    (tree / "d 2").mkdir()
    (tree / "d 2" / "y.wav").touch()
    assert [name for name, _ in find("d [2]/*.wav")] == [os.path.join("d [2]", "x.wav")]
    assert [name for name, _ in find("d [23]/*.wav")] == [os.path.join("d 2", "y.wav")]


@pytest.mark.parametrize(
    "recording, words",
    [
        ("", "REC is empty"),
        ("  ", "REC is empty"),
        ("bare", "the folder bare holds no recording"),
        ("*.w64", r"no recording matches \*\.w64"),
        ("sub/deep/*_enhanced.wav", "no recording matches"),
    ],
)
def test_nothing_found_is_an_error(tree, recording, words):
    with pytest.raises(AudioError, match=words):
        plan([recording], None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read_is_not_called_empty(tree):
    os.chmod("sub", 0)
    with pytest.raises(AudioError, match="no permission to read the folder .*sub"):
        plan(["sub"], None)
    os.chmod("sub", 0o700)


# ---- where results go --------------------------------------------------------------------


def test_results_go_beside_the_recordings(tree):
    assert names(["a.wav", "sub", "m0.wav,m1.wav"]) == [
        ("a.wav", "a_enhanced.wav"),
        ("sub/a.wav", "sub/a_enhanced.wav"),
        ("sub/deep/c.ogg", "sub/deep/c_enhanced.wav"),
        ("m0.wav,m1.wav", "m0_enhanced.wav"),
    ]


def test_a_folder_of_results_mirrors_the_tree(tree):
    assert names(["."], Path("out")) == [
        ("a.wav", "out/a_enhanced.wav"),
        ("b.FLAC", "out/b_enhanced.wav"),
        ("sub/a.wav", "out/sub/a_enhanced.wav"),
        ("sub/deep/c.ogg", "out/sub/deep/c_enhanced.wav"),
    ]
    assert names(["sub/deep/c.ogg"], Path("out")) == [("sub/deep/c.ogg", "out/c_enhanced.wav")]


def test_a_sound_suffix_makes_it_a_file_unless_it_is_a_folder(tree):
    assert names(["a.wav"], Path("out.FLAC")) == [("a.wav", "out.FLAC")]
    assert names(["sub/deep"], Path("x/out.wav")) == [("sub/deep/c.ogg", "x/out.wav")]
    assert names(["a.wav"], Path("folder.wav")) == [("a.wav", "folder.wav/a_enhanced.wav")]
    assert names(["a.wav"], Path("out.d")) == [("a.wav", "out.d/a_enhanced.wav")]


def test_a_recording_named_twice_is_done_once_where_it_stood_first(tree):
    assert names(["a.wav", "a.wav"]) == [("a.wav", "a_enhanced.wav")]
    assert ("sub/a.wav", "out/sub/a_enhanced.wav") in names([".", "sub/a.wav"], Path("out"))


@pytest.mark.parametrize(
    "recordings, output, words",
    [
        (["a.wav", "b.FLAC"], "out.wav", "one file for 2 recordings; give a folder"),
        (["a.wav", "sub/a.wav"], "out", "a.wav and sub/a.wav would both write out/a_enhanced"),
        (["a.wav", "./sub/../a.wav"], "out", "would both write"),
        (["a.wav"], "out.mp3", r"\.mp3 cannot be written; use \.aif.*\.wav"),
        (["a.wav"], "out.M4A", r"\.M4A cannot be written"),
    ],
)
def test_outputs_that_cannot_be_are_refused(tree, recordings, output, words):
    with pytest.raises(ConfigError, match=words):
        plan(recordings, Path(output))


# ---- options -----------------------------------------------------------------------------


def test_channels_and_directions_are_read():
    assert channel_list("0,2, 5") == (0, 2, 5) and channel_list(None) is None
    assert selection(None, None) is None and selection(4, None) is None
    assert selection(2, "3,1") == (3, 1)


@pytest.mark.parametrize(
    "mics, channels, words",
    [
        (0, None, "--mics must be at least 1; got 0"),
        (None, "0,0", "each channel once, from 0 on; got 0, 0"),
        (None, "-1,0", "each channel once, from 0 on; got -1, 0"),
        (3, "0,1", "--mics 3 contradicts the 2 of --channels"),
        (None, "0-2", "numbers like 0,2,3,5; got '0-2'"),
        (None, "", "numbers like 0,2,3,5; got ''"),
        (None, "0,,1", "numbers like"),
    ],
)
def test_channels_that_make_no_sense_for_any_recording_are_refused(mics, channels, words):
    with pytest.raises(ConfigError, match=words):
        selection(mics, channels)
