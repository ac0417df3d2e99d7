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

from arrayenh.checks import whole_number
from arrayenh.errors import ConfigError
from arrayenh.files import write_whole
from arrayenh.formats import json_object, read_bytes
from arrayenh.training.recipe import TrainRecipe, as_recipe, as_tree
from arrayenh.version import __version__

LAST, BEST = "last.safetensors", "best.safetensors"
HEAD = "arrayenh"  # key of the metadata
NETWORK, EMA = "network.", "ema."  # prefixes of tensor names
ADAMW_STATE = {"step", "exp_avg", "exp_avg_sq"}  # of each weight

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
        head = json_object(content[8 : 8 + length], source)["__metadata__"][HEAD]
        said = json_object(head, source)
        tree, facts, tensors = said["recipe"], dict(said["facts"]), safetensors.torch.load(content)
    except (ValueError, TypeError, KeyError, safetensors.SafetensorError) as error:
        raise ConfigError(f"{source} is not a checkpoint of arrayenh, or is damaged") from error
    return Checkpoint(as_recipe(tree, source), tensors, facts)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint from a file, or the best one from the folder of a training.

    Raises
    ------
    ConfigError
        If the file cannot be read, is damaged, or is not a checkpoint.
    """
    path = path / BEST if path.is_dir() else path
    return decode(read_bytes(path, f"the checkpoint {path}"), str(path))


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


def restore_scaler(scaler: torch.amp.GradScaler, state: Mapping[str, float]) -> None:
    """Restore the scaler of gradients; raise ConfigError if a value is missing or no number."""
    for key, usual in scaler.state_dict().items():
        if not isinstance(state.get(key), type(usual)):
            raise ConfigError(
                f"the checkpoint is damaged: {key} of the gradient scaler is {state.get(key)!r}"
            )
    scaler.load_state_dict(dict(state))


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimiser as tensors named "<index of the weight>.<name>"."""
    state = optimiser.state_dict()["state"]
    return {f"{k}.{name}": value for k, entry in state.items() for name, value in entry.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state of an optimiser from `optimiser_tensors`.

    Raises
    ------
    ConfigError
        If the tensors are not the state of AdamW for these weights.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        index = whole_number(number)
        if index is None or index >= len(weights):
            raise ConfigError(f"the checkpoint does not fit the optimiser: {key} in it")
        wanted = [] if name == "step" else list(weights[index].shape)
        if list(tensor.shape) != wanted or tensor.dtype != torch.float32:
            raise ConfigError(
                f"the checkpoint does not fit the optimiser: {key} should be float32 of shape "
                f"{wanted}; got {tensor.dtype} of shape {list(tensor.shape)}"
            )
        state.setdefault(index, {})[name] = tensor
    for index, entry in state.items():
        if entry.keys() != ADAMW_STATE:
            raise ConfigError(
                f"the checkpoint does not fit the optimiser: weight {index} has {sorted(entry)}"
            )
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
