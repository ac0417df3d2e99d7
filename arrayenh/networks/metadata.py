"""Metadata of a network's ONNX file: the validated signature and a description."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from arrayenh.checks import within
from arrayenh.errors import ConfigError
from arrayenh.formats import json_object
from arrayenh.networks.signature import TASKS, Signature
from arrayenh.validation import validated

KEY = "arrayenh"  # metadata key of a JSON object with the fields of `Signature` and `Words`


@dataclass(frozen=True, slots=True)
class Words:
    """Optional metadata besides the signature.

    Attributes
    ----------
    parameters : int or None
        Number of trained parameters.
    describe, licence : str
    """

    parameters: int | None = None
    describe: str = ""
    licence: str = ""


def read_metadata(metadata: Mapping[str, str], where: str) -> tuple[Signature, Words]:
    """Read and validate the metadata of a file.

    Raises
    ------
    ConfigError
        If the signature is missing or invalid.
    """
    found = json_object(own_text(metadata, where), f"{where}: its signature")
    try:
        words = {key: found.pop(key) for key in names_of(Words) if key in found}
        signature = validated(Signature, found, strict=True)
        check_sizes(signature)
        check_roles(signature)
        return signature, validated(Words, words, strict=True)
    except ConfigError as error:
        raise ConfigError(f"{where} has a wrong signature: {error}") from error


def task_of(metadata: Mapping[str, str], where: str) -> str:
    """Read the task of a network, without checking its other metadata.

    Raises
    ------
    ConfigError
        If there is no known task.
    """
    task = json_object(own_text(metadata, where), f"{where}: its signature").get("task")
    if task not in TASKS:
        raise ConfigError(f"{where}: task must be {', '.join(TASKS)}; got {task!r}")
    return str(task)


def own_text(metadata: Mapping[str, str], where: str) -> str:
    """JSON text under arrayenh's key of the metadata."""
    if KEY not in metadata:
        raise ConfigError(f"{where} is not a network for arrayenh: its metadata has no {KEY!r}")
    return metadata[KEY]


def names_of(kind: Any) -> list[str]:
    """Names of the fields of a dataclass."""
    return [field.name for field in fields(kind)]


def check_sizes(signature: Signature) -> None:
    """Raise ConfigError if the STFT or the sample rate is out of range."""
    within("n_fft", signature.n_fft, 16, 16384)
    within("sample_rate", signature.sample_rate, 8000, 192_000)
    signature.stft  # noqa: B018 - raises if its windows cannot reconstruct


def check_roles(signature: Signature) -> None:
    """Raise ConfigError if the chain cannot provide the inputs of a network."""
    roles = signature.inputs
    if len(set(roles)) < len(roles):
        raise ConfigError(f"inputs are named twice: {', '.join(roles)}")
    if "microphone" in roles and (len(roles) > 1 or signature.task != "mask"):
        raise ConfigError("input 'microphone' must be the only input, of a mask network")
    if signature.task == "postfilter" and "beamformed" not in roles:
        raise ConfigError(f"a post-filter needs the input 'beamformed'; got {', '.join(roles)}")
    if signature.task == "both" and not {"beamformed", "reference"}.issubset(roles):
        raise ConfigError(
            f"a network of masks and post-filter needs the inputs 'beamformed' and 'reference'; "
            f"got {', '.join(roles)}"
        )
