"""What a stranger adds in one file of their own is found everywhere, without another edit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arrayenh.audio import read, write
from tests import small_networks

ROOT = Path(__file__).parents[1]
MODULE = '''
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer
from arrayenh.beamformers.filters import Filters
from arrayenh.chain.setting_record import BEAMFORMER, Setting
from arrayenh.chain.settings import Settings
from arrayenh.evaluation.metric import of_pair
from arrayenh.evaluation.systems.peer import Peer
from arrayenh.evaluation.systems.system import Output

NETWORKS = Path(__file__).parent / "networks"


@dataclass(frozen=True, slots=True)
class Mine(Settings):
    """Settings, and one more."""

    gain_db: Annotated[
        float, Setting("Gain of beamformer mean, dB.", BEAMFORMER, -20, 20, option="--gain")
    ] = 0.0


def mean(heard, settings):
    """Mean of the microphones, with a gain."""
    gain = 10 ** (settings.gain_db / 20)
    return Filters.of(np.full(heard.spec.shape[:2], gain / heard.spec.shape[1], complex))


def peak_ratio(reference, estimate, sample_rate):
    """Peak of the estimate over that of the reference."""
    return float(np.abs(estimate).max() / np.abs(reference).max())


MEAN = Beamformer("mean", "mean", "the microphones as they are, averaged", mean)
PEAK = of_pair(peak_ratio, "peak ratio", "", (0.0, np.inf), "peak over peak")
PEER = Peer("halver", "half of what is heard", "numpy", lambda trial: Output(trial.mixture[0] / 2))
'''
NAMES = ("mean", "gain", "peak_ratio", "halver", "tiny-mask")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A folder as an installed plug-in leaves it."""
    folder = tmp_path_factory.mktemp("plug-in")
    (folder / "extra_sounds.py").write_text(MODULE)
    (folder / "networks/weights").mkdir(parents=True)
    (folder / "networks/weights/tiny-mask.onnx").write_bytes(small_networks.level_mask())
    info = folder / "extra_sounds-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-sounds\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[arrayenh]\nsounds = extra_sounds\n")
    return folder


def run(plugin, *command, cwd=ROOT):
    """What a command prints in a Python that has the plug-in."""
    paths = [str(ROOT), *([str(plugin)] if plugin else [])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "300"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def has(text, word):
    """Whether a word stands in a text, by itself."""
    return word in text.replace("`", " ").replace(",", " ").replace(".", " ").split()


def test_without_the_plug_in_none_of_it_is_there():
    text = run(None, "docs.names") + run(None, "arrayenh", "enhance", "--help")
    assert not any(has(text, name) for name in ("peak_ratio", "tiny-mask", "--gain", "halver"))


def test_the_help_offers_what_a_plug_in_adds(plugin):
    text = run(plugin, "arrayenh", "enhance", "--help")
    assert has(text, "--gain") and has(text, "mean") and has(text, "tiny-mask")
    assert "Gain of beamformer mean, dB. Default: 0." in text


def test_the_benchmark_lists_what_a_plug_in_adds(plugin):
    text = run(plugin, "arrayenh", "benchmark", "--list")
    assert all(has(text, name) for name in ("mean", "peak_ratio", "halver"))


def test_the_documentation_has_what_a_plug_in_adds(plugin):
    text = run(plugin, "docs.names")
    assert all(has(text, name) for name in (*NAMES[:1], "gain_db", "--gain", *NAMES[2:]))


def test_the_command_runs_it(plugin, tmp_path):
    x = 0.1 * np.random.default_rng(0).standard_normal((4, 16_000)).astype(np.float32)
    write(tmp_path / "in.wav", x, 16_000, subtype="FLOAT")
    options = ("--beamformer", "mean", "--gain", "-6", "--masks", "spp", "--postfilter", "none")
    run(plugin, "arrayenh", "enhance", "in.wav", "-o", "out.wav", *options, cwd=tmp_path)
    out = read(tmp_path / "out.wav").samples[0]
    np.testing.assert_allclose(out, 10 ** (-6 / 20) * x.mean(axis=0), atol=2e-6)


def test_the_page_of_names_is_that_of_the_records():
    assert (ROOT / "docs/names.md").read_text(encoding="utf-8") == run(None, "docs.names")
