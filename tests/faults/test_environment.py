"""Environment variables that other programs set, and systems without a temporary folder."""

import os
import subprocess
import sys
import warnings

import pytest

from arrayenh.cli import main

CODE = """
from arrayenh.drawing import drawn, new_figure
figure = new_figure((1, 1))
print(len(drawn(figure, "png", 10)), len(drawn(figure, "svg", 10)), type(figure.canvas).__name__)
"""


@pytest.mark.parametrize("backend", ["Qt4Agg", "module://no_such_backend", "TkAgg"])
def test_figures_are_drawn_whatever_backend_is_asked_for(backend):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    png, svg, canvas = done.stdout.split()
    assert int(png) > 100 and int(svg) > 100 and canvas == "FigureCanvasAgg"


def test_kernels_load_without_a_temporary_folder():
    code = """
import tempfile
def nowhere():
    raise FileNotFoundError(2, "No usable temporary directory found")
tempfile._get_default_tempdir = nowhere
import arrayenh._kernels.gains
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_warning_is_a_note_of_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["arrayenh", "--version"])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    with pytest.raises(SystemExit):
        main.main()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning("no folder", UserWarning, "compiler.py", 1)
    assert capsys.readouterr().err.splitlines()[-1] == "note: no folder"
