"""The networks that ship: weights, model cards, and which is used when none is named."""

from importlib import resources
from pathlib import Path

from arrayenh.errors import ConfigError

FOLDER = resources.files("arrayenh") / "networks"
TASKS = {
    "mask-gru": "mask",
    "mask-gru-online": "mask",
    "postfilter-gru": "postfilter",
    "postfilter-gru-online": "postfilter",
    "mask-blstm": "postfilter",
    "conv-tasnet": "postfilter",
    "mask-cnn": "postfilter",
    "unet": "postfilter",
    "conv-autoencoder": "postfilter",
}
"""What each network that ships is for."""

DEFAULTS = {
    ("mask", False): "mask-gru",
    ("mask", True): "mask-gru-online",
    ("postfilter", False): "postfilter-gru",
    ("postfilter", True): "postfilter-gru-online",
}
"""Names by task and whether frames come one by one."""


def names(task: str | None = None) -> list[str]:
    """Names of the networks that ship, all or those for a task."""
    return [name for name, its in TASKS.items() if task in (None, its)]


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
        if name_or_path in shipped:
            return (FOLDER / "weights" / f"{name_or_path}.onnx").read_bytes()
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
    file = FOLDER / "cards" / f"{name}.md"
    return file.read_text(encoding="utf-8") if name in names() and file.is_file() else ""


def describe(name: str) -> str:
    """One line on a network that ships: the first of its card that is no heading."""
    lines = (line.strip() for line in card(name).splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
