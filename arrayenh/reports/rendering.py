"""Rendering of self-contained pages from templates, with all texts escaped."""

import math
from functools import cache
from importlib.resources import files
from inspect import getmembers, getmodule
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from arrayenh.evaluation.scoring import METRICS
from arrayenh.reports import words
from arrayenh.reports.charts import tick_text
from arrayenh.reports.spectrogram import MAGMA, RANGE_DB
from arrayenh.version import __version__


class Footnotes:
    """Footnotes of a page, each once, numbered in order of reference."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        """Number of a footnote, from 1."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def render(template: str, **what: Any) -> str:
    """Render a template by name."""
    return environment().get_template(template).render(notes=Footnotes(), **what)


@cache
def environment() -> Environment:
    """Template environment with the functions that templates use."""
    found = Environment(
        loader=PackageLoader("arrayenh.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    found.globals.update(
        getmembers(words, lambda one: getmodule(one) is words),
        kinds=words.KINDS,
        plurals=words.PLURALS,
        singulars=words.SINGULARS,
        asset=asset,
        magma=Markup(", ".join(f"#{colour}" for colour in MAGMA.split())),
        range_db=f"{RANGE_DB:g}",
        tick_text=tick_text,
        version=__version__,
    )
    found.filters["metric"] = words.metric_of
    found.filters["label"] = lambda name: words.metric_of(name).label
    found.tests["finite"] = math.isfinite
    found.tests["metric"] = METRICS.__contains__
    return found


def asset(name: str) -> Markup:
    """Read a style sheet or a script from this folder."""
    return Markup(files("arrayenh.reports").joinpath(name).read_text("utf-8"))
