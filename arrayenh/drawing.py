"""Figures of matplotlib, drawn by Agg whatever backend the user has chosen; no pyplot."""

from __future__ import annotations

import io
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
    try:
        import matplotlib  # noqa: F401
    except ValueError:
        with environment_of({"MPLBACKEND": "agg"}):
            import matplotlib  # noqa: F401


def drawn(figure: Figure, format: str, dpi: int) -> bytes:
    """Content of the file of a figure."""
    content = io.BytesIO()
    figure.savefig(content, format=format, dpi=dpi)
    return content.getvalue()
