"""Figures of a training: loss over the steps, and spectrograms of an example."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.drawing import drawn, new_figure
from arrayenh.files import write_whole
from arrayenh.networks.signature import Signature

CURVE, EXAMPLE = "loss.png", "example.png"
RANGE_DB = 70.0  # range of the colours below the loudest bin of the input
COLOURS = {"loss": "#0072b2", "dev_loss": "#d55e00"}
NAMES = {"loss": "trained on", "dev_loss": "measured by"}


def draw_losses(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Plot the training and the development loss over the steps.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of a `LogBook`.
    path : Path
        PNG file.
    """
    figure = new_figure((8, 4.5))
    axes = figure.add_subplot()
    for key, colour in COLOURS.items():
        points = [(row["step"], row[key]) for row in rows if key in row]
        if points:
            steps, values = zip(*points, strict=True)
            marker = "o" if key == "dev_loss" else ""
            axes.plot(steps, values, color=colour, marker=marker, markersize=3, label=NAMES[key])
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(color="0.9", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save(figure, path)


def draw_example(spectra: Sequence[np.ndarray], signature: Signature, path: Path) -> None:
    """Plot spectrograms of input, output and target, one above the other.

    Parameters
    ----------
    spectra : sequence of complex ndarray, shape (T, F)
        Input, output and target.
    signature : Signature
    path : Path
        PNG file.
    """
    figure = new_figure((9, 7.5))
    names = (f"in: {signature.inputs[0]}", f"out: {signature.name}", "target")
    loudest = max(float(np.abs(spectra[0]).max()), 1e-6)
    n_frames = len(spectra[0])
    extent = (0, n_frames * signature.hop / signature.sample_rate, 0, signature.sample_rate / 2e3)
    for k, (spec, name) in enumerate(zip(spectra, names, strict=True)):
        axes = figure.add_subplot(3, 1, k + 1)
        level = 20 * np.log10(np.maximum(np.abs(spec) / loudest, 10 ** (-RANGE_DB / 20)))
        axes.imshow(
            level.T, origin="lower", aspect="auto", extent=extent, cmap="magma",
            vmin=-RANGE_DB, vmax=0,
        )  # fmt: skip
        axes.set_title(name, size=10, loc="left")
        axes.set_ylabel("kHz")
    axes.set_xlabel("time (s)")
    figure.tight_layout()
    save(figure, path)


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    write_whole(path, drawn(figure, "png", dpi=110))
