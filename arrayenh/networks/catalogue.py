"""The networks that ship: weights, model cards, and which is used when none is named.

A network ships by lying in the folder `weights`; what it is for, it tells by itself. An installed
plug-in may bring a folder of the same form.
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
    ("mask", False): "mask-gru",
    ("mask", True): "mask-gru-online",
    ("postfilter", False): "postfilter-gru",
    ("postfilter", True): "postfilter-gru-online",
}
"""Names by task and whether frames come one by one."""


def names(task: str | None = None) -> list[str]:
    """Names of the networks that ship, all or those for a task; the defaults first."""
    found: dict[str, str] = {}
    for folder in folders():
        found |= tasks(cast(Any, folder))
    shipped = [*(name for name in DEFAULTS.values() if name in found), *found]
    return [name for name in dict.fromkeys(shipped) if task in (None, found[name])]


def folders() -> list[Traversable]:
    """Folders of networks: the one that ships, and those that plug-ins call `NETWORKS`."""
    return [FOLDER, *(module.NETWORKS for module in plugins() if hasattr(module, "NETWORKS"))]


def file_of(name: str, folder: str, suffix: str) -> Traversable | None:
    """The file of a network by its name, from any folder that has it."""
    files = (place / folder / f"{name}{suffix}" for place in folders())
    return next((file for file in files if file.is_file()), None)


@cache
def tasks(folder: Any) -> dict[str, str]:
    """Name and task of each network in a folder, as the metadata of the files say."""
    files = sorted((folder / "weights").iterdir(), key=lambda file: file.name)
    return {
        Path(file.name).stem: task_of(metadata_of(file), file.name)
        for file in files
        if file.name.endswith(".onnx")
    }


def default(task: str, causal: bool) -> str:
    """Name of the network for a task.

    Parameters
    ----------
    task : {"mask", "postfilter"}
    causal : bool
        Frames come one by one: only a network that looks at no future will do.
    """
    return DEFAULTS[task, causal]


def read(name_or_path: str) -> bytes:
    """The ONNX file of a network that ships, by its name, or of any other, by its path.

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
    except (OSError, ValueError) as error:  # a path may hold a zero byte
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"model {name_or_path} cannot be read: {why}") from error


def card(name: str) -> str:
    """The model card of a network that ships, Markdown; empty of any other."""
    file = file_of(name, "cards", ".md") if name in names() else None
    return file.read_text(encoding="utf-8") if file else ""


def describe(name: str) -> str:
    """One line on a network that ships: the first of its card that is no heading."""
    lines = (line.strip() for line in card(name).splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
