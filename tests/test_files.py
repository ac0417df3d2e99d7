import errno
import os

import pytest

from arrayenh.errors import AudioError, GeometryError
from arrayenh.files import matching, replacing, write_whole


def test_text_and_bytes_replace_what_was_there(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    assert write_whole(path, "Größe\n", make_folder=True) == path
    assert path.read_bytes() == "Größe\n".encode()
    write_whole(path, b"\x00\n")
    assert path.read_bytes() == b"\x00\n" and list(path.parent.iterdir()) == [path]


def test_the_longest_name_there_can_be(tmp_path):
    write_whole(tmp_path / ("x" * 255), "all")
    assert (tmp_path / ("x" * 255)).read_text() == "all"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_was_interrupted_leaves_nothing(tmp_path, stop):
    (tmp_path / "a").write_text("old")
    with pytest.raises(stop), replacing(tmp_path / "a") as part:
        part.write_text("half")
        raise stop
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_failure_is_one_line_of_the_class_asked_for(tmp_path, monkeypatch):
    with pytest.raises(GeometryError, match="write .*no/a: No such file.*folder that exists"):
        write_whole(tmp_path / "no" / "a", "x", GeometryError)
    with pytest.raises(GeometryError, match="^inside$"), replacing(tmp_path / "a"):
        raise GeometryError("inside")

    def full(*names):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(AudioError, match="cannot write .*/a: No space left on device$"):
        write_whole(tmp_path / "a", "x")
    assert not list(tmp_path.iterdir())


def test_a_pattern_takes_folders_that_exist_literally(tmp_path):
    for name in ("r [1]/a.wav", "r [1]/b.wav", "r 1/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert matching(str(tmp_path / "r [1]" / "*.wav")) == [
        tmp_path / "r [1]" / "a.wav",
        tmp_path / "r [1]" / "b.wav",
    ]
    assert matching(str(tmp_path / "r [1]" / "a.wav")) == [tmp_path / "r [1]" / "a.wav"]
    assert matching(str(tmp_path / "r [12]" / "*")) == [tmp_path / "r 1" / "c.wav"]
    assert matching(str(tmp_path / "gone" / "*")) == []
