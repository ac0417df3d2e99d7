"""Catalogue of the packaged networks: weights, model cards and defaults.

Every file in the folder `weights` is a packaged network; its metadata holds its task. An installed
plug-in may add a folder of the same structure.
"""

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from arrayenh.errors import ConfigError
from arrayenh.networks.metadata import task_of
from arrayenh.networks.onnx_file import metadata_of
from arrayenh.registry import plugins

FOLDER: Traversable = resources.files("arrayenh") / "networks"
DEFAULTS = {
    "mask": "mask-gru",
    "postfilter": "postfilter-gru",
}
"""Default network of recordings by task."""


def names(task: str | None = None) -> list[str]:
    """Names of the packaged networks, all or those for a task; the defaults first."""
    found: dict[str, str] = {}
    for folder in folders():
        found |= tasks(cast(Any, folder))
    shipped = [*(name for name in DEFAULTS.values() if name in found), *found]
    return [name for name in dict.fromkeys(shipped) if task in (None, found[name])]


def folders() -> list[Traversable]:
    """Folders of networks: the packaged one, and the `NETWORKS` of plug-ins."""
    return [FOLDER, *(module.NETWORKS for module in plugins() if hasattr(module, "NETWORKS"))]


def file_of(name: str, folder: str, suffix: str) -> Traversable | None:
    """Find a file of a network by its name, in any of the folders."""
    files = (place / folder / f"{name}{suffix}" for place in folders())
    return next((file for file in files if file.is_file()), None)


@cache
def tasks(folder: Any) -> dict[str, str]:
    """Map the networks in a folder to their tasks, from the metadata of the files."""
    files = sorted((folder / "weights").iterdir(), key=lambda file: file.name)
    return {
        Path(file.name).stem: task_of(metadata_of(file), file.name)
        for file in files
        if file.name.endswith(".onnx")
    }


def default(task: str) -> str:
    """Name of the default network for a task, "mask" or "postfilter", of recordings."""
    return DEFAULTS[task]


def read(name_or_path: str) -> bytes:
    """Read the ONNX file of a packaged network, by its name, or of any other, by its path.

    Raises
    ------
    ConfigError
        If there is no such network, or the file cannot be read.
    """
    shipped = names()
    try:
        if name_or_path in shipped and (file := file_of(name_or_path, "weights", ".onnx")):
            return file.read_bytes()
        return Path(name_or_path).read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"unknown model {name_or_path!r}: neither an ONNX file nor one of {', '.join(shipped)}"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"model {name_or_path} cannot be read: {why}") from error


def card(name: str) -> str:
    """Model card of a packaged network, Markdown; empty for any other."""
    file = file_of(name, "cards", ".md") if name in names() else None
    return file.read_text(encoding="utf-8") if file else ""


def describe(name: str) -> str:
    """Summary of a packaged network: the first line of its card that is not a heading."""
    lines = (line.strip() for line in card(name).splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
