"""The layout as `docs/architecture.md` describes it: no import runs back up, one home each."""

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    {"errors", "version"},
    {"checks", "registry", "files", "formats", "processes", "drawing"},
    {"validation"},
    {"_kernels"},
    {"audio", "stft"},
    {"microphones", "networks"},
    {"acoustics"},
    {"statistics"},
    {"beamformers", "dereverberation"},
    {"masks"},
    {"localisation", "separation", "postfilters", "hearing"},
    {"chain"},
    {"live"},
    {"scenes"},
    {"evaluation"},
    {"reports"},
    {"training"},
    {"cli"},
]
"""From the ground up: what stands in one line may be imported by what stands below it here."""

HOMES = {
    "numba": "_kernels",
    "soundfile": "audio",
    "soxr": "audio",
    "onnxruntime": "networks",
    "torch": "training",
    "sounddevice": "live",
    "pyroomacoustics": "scenes",
    "typer": "cli",
    "rich": "cli",
    "jinja2": "reports",
}
GUESTS = {
    ("onnxruntime", "arrayenh.training.compact"): "its quantiser",
    ("onnxruntime", "arrayenh.evaluation.metrics.dnsmos"): "keeps a foreign package to one thread",
    ("torch", "arrayenh.evaluation.metrics.speakers"): "a foreign package's network",
    ("pyroomacoustics", "arrayenh.evaluation.systems.peers"): "a peer",
    ("pyroomacoustics", "arrayenh.evaluation.systems.steered_peers"): "a peer",
    ("soxr", "arrayenh.evaluation.metrics.pesq"): "resampling of high quality",
    ("soxr", "arrayenh.evaluation.metrics.rates"): "resampling of high quality",
    ("soxr", "arrayenh.evaluation.metrics.hearing"): "resampling of high quality",
}


def modules():
    """All modules of the package by name."""
    for path in sorted((ROOT / "arrayenh").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


MODULES = dict(modules())


def imported(path):
    """What a file imports, functions and `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


def arrows():
    """Pairs of our own modules: importing, imported."""
    for name, path in MODULES.items():
        for other in imported(path):
            if other.partition(".")[0] == "arrayenh":
                yield name, other


def place(module):
    """The height at which a module stands; the package itself and its command on top."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return len(ORDER)
    return next(k for k, line in enumerate(ORDER) if parts[1] in line)


def test_every_module_has_a_place():
    assert {place(name) for name in MODULES} >= set(range(len(ORDER))) - {1}


@pytest.mark.parametrize("name", MODULES)
def test_no_import_runs_back_up(name):
    back = {other for one, other in arrows() if one == name and place(other) > place(name)}
    # the package itself holds the version and `python -m arrayenh`
    assert back <= {"arrayenh"} and not (back and name.startswith("arrayenh.cli") is False)


def test_no_two_modules_import_each_other():
    graph = {name: set() for name in MODULES}
    for name, other in arrows():
        if other != name and not name.startswith(other + "."):
            graph[name].add(other)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", HOMES)
def test_a_heavy_dependency_has_one_home(package):
    homes = {
        name
        for name, path in MODULES.items()
        if any(other.partition(".")[0] == package for other in imported(path))
        and (package, name) not in GUESTS
    }
    assert {name.split(".")[1] for name in homes} <= {HOMES[package]}


def test_what_a_guest_may_do_is_still_done():
    for package, name in GUESTS:
        found = {other.partition(".")[0] for other in imported(MODULES[name])}
        assert package in found, f"{name} no longer imports {package}"


def test_only_this_python_is_needed_to_read_the_layout():
    assert sys.version_info >= (3, 11)
