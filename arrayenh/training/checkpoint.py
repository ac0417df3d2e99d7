"""Checkpoints of trainings and networks: one safetensors file, with JSON metadata in its header.

There is no pickle, so files from any source can be opened. The single file is written atomically
and is therefore always consistent.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from arrayenh.errors import ConfigError
from arrayenh.files import write_whole
from arrayenh.training.recipe import TrainRecipe, as_recipe, as_tree
from arrayenh.version import __version__

LAST, BEST = "last.safetensors", "best.safetensors"
HEAD = "arrayenh"  # key of the metadata
NETWORK, EMA = "network.", "ema."  # prefixes of tensor names

Build = Callable[[str, dict[str, Any]], nn.Module]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Contents of a checkpoint file.

    Attributes
    ----------
    recipe : TrainRecipe
    tensors : dict of str to Tensor
    facts : dict
        Counters and other values in JSON types.
    """

    recipe: TrainRecipe
    tensors: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors with names that start with `prefix`, the prefix removed."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    def encode(self) -> bytes:
        """Checkpoint as the bytes of a file."""
        head = {"version": __version__, "recipe": as_tree(self.recipe), "facts": self.facts}
        # cloned: layers may share the memory of their weights, which the format does not support
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in self.tensors.items()}
        return safetensors.torch.save(tensors, {HEAD: json.dumps(head)})

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        write_whole(path, self.encode())


def decode(content: bytes, source: str) -> Checkpoint:
    """Decode the bytes of a checkpoint file.

    Raises
    ------
    ConfigError
        If the file is damaged or is not a checkpoint.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        head = json.loads(content[8 : 8 + length])["__metadata__"][HEAD]
        said = json.loads(head)
        recipe, facts = as_recipe(said["recipe"], source), dict(said["facts"])
        return Checkpoint(recipe, safetensors.torch.load(content), facts)
    except (ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{source} is not a checkpoint of arrayenh, or is damaged") from error


def read(path: Path) -> Checkpoint:
    """Read a checkpoint from a file, or the best one from the folder of a training.

    Raises
    ------
    ConfigError
        If the file cannot be read, is damaged, or is not a checkpoint.
    """
    path = path / BEST if path.is_dir() else path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    return decode(content, str(path))


def load_network(checkpoint: Checkpoint, build: Build) -> nn.Module:
    """Build the network of a checkpoint for inference, with averaged weights if it has them.

    Raises
    ------
    ConfigError
        If the weights do not fit the network.
    """
    choice = checkpoint.recipe.model
    network = build(choice.name, choice.settings)
    load_weights(network, checkpoint.part(EMA) or checkpoint.part(NETWORK))
    return network.eval()


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights into a network; raise ConfigError if they do not fit."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        words = " ".join(str(error).split())
        raise ConfigError(f"the checkpoint does not fit the network: {words}") from error


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimiser as tensors named "<index of the weight>.<name>"."""
    state = optimiser.state_dict()["state"]
    return {f"{k}.{name}": value for k, entry in state.items() for name, value in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state of an optimiser from `optimiser_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
