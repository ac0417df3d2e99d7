from dataclasses import dataclass

import pytest

from arrayenh.errors import ConfigError
from arrayenh.registry import Registry


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: int = 0


def package(folder, monkeypatch, **modules):
    """A package `fruits` of modules with these texts, importable."""
    (folder / "fruits").mkdir()
    (folder / "fruits" / "__init__.py").write_text("")
    for name, text in modules.items():
        text = f"from {__name__} import Fruit\n{text}\n"
        (folder / "fruits" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(folder)
    for name in ("fruits", *(f"fruits.{module}" for module in modules)):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)


def test_each_module_of_the_package_holds_records(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, b="B = Fruit('plum'), Fruit('fig')", a="A = Fruit('pear')")
    found = Registry("fruit", Fruit, "fruits")
    assert list(found) == ["pear", "plum", "fig"]
    assert found["fig"] == Fruit("fig") and "apple" not in found and len(found) == 3


def test_records_may_be_sorted(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, a="A = Fruit('pear', 2)", b="B = Fruit('fig', 1)")
    assert list(Registry("fruit", Fruit, "fruits", lambda one: one.weight)) == ["fig", "pear"]


def test_an_unknown_name_is_said_with_the_one_that_may_be_meant(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, a="A = Fruit('pear'), Fruit('fig')")
    found = Registry("fruit", Fruit, "fruits")
    with pytest.raises(ConfigError, match=r"unknown fruit 'paer' \(did you mean pear\?\); use"):
        found.get_known("paer")
    with pytest.raises(ConfigError, match=r"^unknown fruit 'xyz'; use pear, fig$"):
        found.get_known("xyz")


def test_two_of_one_name_are_refused(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, a="A = Fruit('fig')", b="B = Fruit('fig', 1)")
    with pytest.raises(ConfigError, match="two fruits are called 'fig'"):
        list(Registry("fruit", Fruit, "fruits"))


def test_an_installed_plug_in_adds_its_records(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, a="A = Fruit('fig')")
    (tmp_path / "more_fruit.py").write_text(f"from {__name__} import Fruit\nP = Fruit('kiwi')\n")
    info = tmp_path / "more_fruit-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more-fruit\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[arrayenh]\nfruit = more_fruit\n")
    found = Registry("fruit", Fruit, "fruits")
    found.search_again()
    assert list(found) == ["fig", "kiwi"]
    (info / "entry_points.txt").unlink()
    found.search_again()
    assert list(found) == ["fig"]


def test_a_plug_in_that_cannot_be_imported_is_left_out_with_a_warning(tmp_path, monkeypatch):
    package(tmp_path, monkeypatch, a="A = Fruit('fig')")
    info = tmp_path / "no_fruit-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: no-fruit\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[arrayenh]\nfruit = no_such_module\n")
    found = Registry("fruit", Fruit, "fruits")
    found.search_again()
    with pytest.warns(UserWarning, match="plug-in fruit .no_such_module. is left out: No module"):
        assert list(found) == ["fig"]
    (info / "entry_points.txt").unlink()
    found.search_again()
