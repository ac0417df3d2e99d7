from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import ConfigDict, Field

from arrayenh.errors import ConfigError, SceneError
from arrayenh.formats import read_toml
from arrayenh.validation import validated

CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Box:
    __pydantic_config__: ClassVar[Any] = CLOSED
    size: Annotated[float, Field(gt=0)]
    kind: Literal["box"] = "box"


@dataclass(frozen=True)
class Ball:
    __pydantic_config__: ClassVar[Any] = CLOSED
    radius: float
    kind: Literal["ball"] = "ball"

    def __post_init__(self):
        if self.radius < 0:
            raise ConfigError("a ball has a radius of 0 or more")


@dataclass(frozen=True)
class Shelf:
    things: tuple[Annotated[Box | Ball, Field(discriminator="kind")], ...] = ()
    price: float = 0.0

    def __post_init__(self):
        if self.price > 9:
            raise ConfigError("price must be 9 or less")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"prize": 1}, "shelf: prize: unknown key; did you mean price? known are things, price"),
        ({"price": "much"}, "shelf: price: input should be a valid number; got 'much'"),
        ({"price": "1"}, "shelf: price: input should be a valid number; got '1'"),
        ({"price": 10}, "shelf: price must be 9 or less"),
        ({"things": [{"kind": "box"}]}, "shelf: things.0.size: must be given"),
        (
            {"things": [{"kind": "cup"}]},
            "shelf: things.0.kind: must be one of box, ball; got 'cup'",
        ),
        (
            {"things": [{"kind": "box", "size": 1, "sise": 2}]},
            "shelf: things.0.sise: unknown key; did you mean size? known are size, kind, count",
        ),
        (
            {"things": [{"kind": "ball", "radius": -1}]},
            "shelf: things.0: a ball has a radius of 0 or more",
        ),
        (
            {"things": ["x" * 200]},
            f"shelf: things.0: input should be an object; got '{'x' * 96}...",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_its_key(found, message):
    with pytest.raises(SceneError) as caught:
        validated(Shelf, found, "shelf", SceneError, strict=True, more_keys={"things": ["count"]})
    assert str(caught.value) == message


def test_values_become_dataclasses():
    found = {"things": [{"kind": "box", "size": 1}, {"kind": "ball", "radius": 2}], "price": 3}
    shelf = Shelf((Box(1.0), Ball(2.0)), 3.0)
    assert validated(Shelf, found, strict=True) == validated(Shelf, found) == shelf
    assert validated(Shelf, '{"price": 3}') == Shelf(price=3.0)
    assert validated(Shelf, {"price": "3"}) == Shelf(price=3.0)  # unless it is strict
    with pytest.raises(ConfigError, match=r"^sale\.price: input .* valid number; got None"):
        validated(Shelf, {"price": None}, table="sale")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a = [", "is not TOML: "),
        (b"a = " + b"[" * 5000, "is not TOML: "),
        (b"a = 1" + b"0" * 5000, "is not TOML: "),
    ],
    ids=["gone", "bytes", "open", "deep", "long"],
)
def test_files_that_are_no_toml(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(SceneError, match=f"^shelf {message}"):
        read_toml(tmp_path / "a.toml", "shelf", SceneError)
    (tmp_path / "a.toml").write_text("a = 1", encoding="utf-8-sig")
    assert read_toml(tmp_path / "a.toml") == {"a": 1}
