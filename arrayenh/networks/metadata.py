"""What an ONNX file tells of its network: the signature, checked, and words on where it is from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from arrayenh.checks import within
from arrayenh.errors import ConfigError
from arrayenh.networks.signature import TASKS, Signature
from arrayenh.stft import Stft
from arrayenh.validation import validated

KEY = "arrayenh"  # of the metadata: a JSON object, the fields of `Signature` and `Words`


@dataclass(frozen=True, slots=True)
class Words:
    """What a file may say beside the signature.

    Attributes
    ----------
    parameters : int or None
        How many were trained.
    describe, licence : str
    """

    parameters: int | None = None
    describe: str = ""
    licence: str = ""


def read_metadata(metadata: Mapping[str, str], where: str) -> tuple[Signature, Words]:
    """What the metadata of a file says.

    Raises
    ------
    ConfigError
        If there is no signature, or it says what cannot be.
    """
    text = own_text(metadata, where)
    try:
        found = parsed(text)
        words = {key: found.pop(key) for key in names_of(Words) if key in found}
        signature = validated(Signature, found, strict=True)
        check_sizes(signature)
        check_roles(signature)
        return signature, validated(Words, words, strict=True)
    except ConfigError as error:
        raise ConfigError(f"{where} has a wrong signature: {error}") from error


def task_of(metadata: Mapping[str, str], where: str) -> str:
    """The task that a file says it is for, nothing else of it checked.

    Raises
    ------
    ConfigError
        If it says none.
    """
    task = parsed(own_text(metadata, where)).get("task")
    if task not in TASKS:
        raise ConfigError(f"{where} says no task that there is, {' or '.join(TASKS)}: {task!r}")
    return str(task)


def own_text(metadata: Mapping[str, str], where: str) -> str:
    """What a file says of itself to us."""
    if KEY not in metadata:
        raise ConfigError(f"{where} is no network of arrayenh: its metadata has no {KEY!r}")
    return metadata[KEY]


def parsed(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError("not a JSON object")
    return found


def names_of(kind: Any) -> list[str]:
    """Names of the fields of a dataclass."""
    return [field.name for field in fields(kind)]


def check_sizes(signature: Signature) -> None:
    """Refuse an STFT that cannot be."""
    within("n_fft", signature.n_fft, 16, 16384)
    within("sample_rate", signature.sample_rate, 8000, 192_000)
    Stft(signature.n_fft, signature.hop, "hann")


def check_roles(signature: Signature) -> None:
    """Refuse inputs that the chain cannot give to such a network."""
    roles = signature.inputs
    if len(set(roles)) < len(roles):
        raise ConfigError(f"inputs are named twice: {', '.join(roles)}")
    if "microphone" in roles and (len(roles) > 1 or signature.task != "mask"):
        raise ConfigError("input 'microphone' stands alone, and for a mask")
    if signature.task == "postfilter" and "beamformed" not in roles:
        raise ConfigError(f"a post-filter needs the input 'beamformed'; got {', '.join(roles)}")
