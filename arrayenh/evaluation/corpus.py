"""Speech and noise of a suite: built-in clips, a corpus with splits, or the user's folders."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

from arrayenh.errors import ConfigError
from arrayenh.evaluation.suite import Selection, Suite
from arrayenh.files import as_utf8, write_whole
from arrayenh.formats import read_table

SPEECH, NOISE = ("targets", "talkers"), ("noises", "ambiences")
Row = Mapping[str, str]


def with_corpus(suite: Suite, root: Path, split: str, folder: Path) -> Suite:
    """Return a suite with speech and noise from a corpus.

    A corpus is a folder with a file manifest.csv: a line for each audio file, with the
    columns `path`, `set`, `speaker` and `split`. Lists of the selected files are written to
    `folder`.

    Raises
    ------
    ConfigError
        If the corpus has no manifest, or no file that the suite selects.
    """
    rows = [row for row in manifest(root) if row.get("split", split) == split]
    material = dict(suite.material)
    for name, selection in suite.data.items():
        found = [row for row in rows if selected(row, selection)]
        if not found:
            raise ConfigError(f"{root}/manifest.csv has no {name} in its split {split!r}")
        material[name] = (write_list(folder / f"{name}.csv", root, found),)
    missing = [name for name in suite.material if name not in suite.data]
    if missing and not suite.data:
        raise ConfigError("this suite selects no files from --data; use --speech and --noise")
    return replace(suite, material=material)


def with_folders(suite: Suite, speech: str | None, noise: str | None) -> Suite:
    """Return a suite with speech and noise from folders, files or lists."""
    material = dict(suite.material)
    for given, names in ((speech, SPEECH), (noise, NOISE)):
        if given is None:
            continue
        if not Path(given).exists():
            raise ConfigError(f"no folder or list of audio files {given}")
        changed = [name for name in names if name in material]
        if not changed:
            raise ConfigError(f"the suite's scenes do not use {given}")
        material |= dict.fromkeys(changed, (str(Path(given).resolve()),))
    return replace(suite, material=material)


def manifest(root: Path) -> list[dict[str, str]]:
    """Read the manifest of a corpus."""
    path = root / "manifest.csv"
    if not path.exists():
        raise ConfigError(f"--data wants a folder with a manifest.csv; there is no {path}")
    rows = read_table(path, ("path",), blank=("set", "speaker", "split"))
    for row in rows:
        if len(Path(row["path"]).parts) < 1:
            raise ConfigError(f"{row.where}: {row['path']!r} is not the path of a file")
    return [dict(row.cells) for row in rows]


def selected(row: Row, selection: Selection) -> bool:
    """Whether the selection includes a row."""
    path = Path(row["path"])
    kind = path.name.split("__")[0]
    return (
        (not selection.sets or row["set"] in selection.sets)
        and (not selection.folder or path.parts[0] == selection.folder)
        and (not selection.kinds or kind in selection.kinds)
        and kind not in selection.not_kinds
    )


def write_list(path: Path, root: Path, rows: Iterable[Row]) -> str:
    """Write a list of files with their speakers, unless it exists already."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "speaker"))
    writer.writerows((root.resolve() / row["path"], row["speaker"]) for row in rows)
    content = as_utf8(text.getvalue(), path, ConfigError)
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content, make_folder=True)
    return str(path.resolve())
