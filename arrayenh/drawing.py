"""Figures of matplotlib, drawn by Agg whatever backend the user has chosen; no pyplot."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from arrayenh.errors import MissingExtraError
from arrayenh.processes import environment_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(size: tuple[float, float], **options: Any) -> Figure:
    """Make an empty figure of a width and height in inches.

    Parameters
    ----------
    size : pair of float
        Inches.
    **options
        Arguments of `matplotlib.figure.Figure`.

    Returns
    -------
    figure : matplotlib.figure.Figure
        Belongs to the caller; pyplot is not involved.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        import_matplotlib()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("figures need matplotlib: pip install 'arrayenh[eval]'") from error
    figure = Figure(figsize=size, **options)
    FigureCanvasAgg(figure)
    return figure


def import_matplotlib() -> None:
    """Import matplotlib, even if MPLBACKEND is a backend that it does not have."""
    asked = os.environ.get("MPLBACKEND")
    if not asked or "matplotlib" in sys.modules:
        return
    with environment_of({"MPLBACKEND": "agg"}):
        import matplotlib
    with suppress(ValueError):  # the choice of a program that also uses pyplot
        matplotlib.rcParams["backend"] = asked


def drawn(figure: Figure, format: str, dpi: int) -> bytes:
    """Content of the file of a figure."""
    content = io.BytesIO()
    figure.savefig(content, format=format, dpi=dpi)
    return content.getvalue()
