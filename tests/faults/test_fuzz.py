"""Every quick reader of text, hundreds of damaged files each; `tests.fuzz` does it for minutes."""

from dataclasses import replace

import pytest

from tests.fuzz import OK, REFUSED, Bench, fuzz, table
from tests.loaders import LOADERS

SLOW = (
    "manifest", "data set", "scene of a set", "drawn scene", "scene show", "arrays show",
    "checkpoint facts", "training recipe", "training log", "scene file", "suite", "corpus",
    "benchmark",
)  # fmt: skip
QUICK = [name for name, loader in LOADERS.items() if loader.text and name not in SLOW]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_damaged_text_is_read_or_refused(name, tmp_path):
    bench = Bench(tmp_path, seed=0)
    for attempt in range(500):
        assert bench.outcome(name, attempt) in (OK, REFUSED), attempt


def test_a_fault_is_found_and_told(tmp_path, monkeypatch):
    careless = replace(LOADERS["array json"], load=lambda path: path.read_bytes().decode())
    monkeypatch.setitem(LOADERS, "array json", careless)
    bench = Bench(tmp_path, seed=0)
    found = {bench.outcome("array json", attempt).splitlines()[-1] for attempt in range(100)}
    assert OK in found and any(line.startswith("UnicodeDecodeError") for line in found)


def test_attempts_are_counted_by_outcome():
    counts = fuzz(["array json"], seed=1, seconds=0)
    assert list(table(counts))[1].split() == ["array", "json", "0", "0", "0", "0"]
