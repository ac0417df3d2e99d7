"""Parameters and multiplications of the built-in networks, from their recipes.

    python -m benchmarks.complexity [NAME ...]

It counts the multiply-accumulates of convolutions, matrices and recurrent layers for a second of
audio. Additions, comparisons and table look-ups are not counted.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from arrayenh.networks.catalogue import names
from arrayenh.training.models import build
from arrayenh.training.recipe import find_recipe, load_recipe

SECONDS = 4.0


def macs_per_second(name: str) -> float:
    """Multiply-accumulates per second of audio of a recipe's network."""
    recipe = load_recipe(find_recipe(Path(name)))
    network = build(recipe.model.name, recipe.model.settings).eval()
    signature = network.signature
    n_frames = round(SECONDS * signature.sample_rate / signature.hop)
    spec = torch.randn(1, len(signature.inputs), n_frames, signature.n_freqs, 2)
    with counted(network) as counts, torch.inference_mode():
        network(spec)
    return sum(counts) / SECONDS


@contextmanager
def counted(network: nn.Module) -> Iterator[list[int]]:
    """Collect the multiplications of each layer while the context is open."""
    counts: list[int] = []

    def count(layer: nn.Module, given: tuple[torch.Tensor, ...], out: object) -> None:
        counts.append(multiplications(layer, given[0], out))

    layers = [layer for layer in network.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield counts
    finally:
        for handle in handles:
            handle.remove()


def multiplications(layer: nn.Module, given: torch.Tensor, out: object) -> int:
    """Number of multiplications of one layer for one input."""
    if isinstance(layer, nn.Linear):
        return given.numel() * layer.out_features
    if isinstance(layer, nn.Conv1d | nn.Conv2d) and isinstance(out, torch.Tensor):
        return out.numel() * layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):
        return given.numel() * layer.weight[0].numel()
    if isinstance(layer, nn.GRU | nn.LSTM):
        matrices = [p for p in layer.parameters() if p.ndim == 2]
        return given.shape[0] * given.shape[1] * sum(p.numel() for p in matrices)
    return 0


def main() -> None:
    """Print a table."""
    print("| network | parameters | MMAC/s |\n|---|---:|---:|")
    for name in sys.argv[1:] or names():
        recipe = load_recipe(find_recipe(Path(name)))
        network = build(recipe.model.name, recipe.model.settings)
        n_parameters = sum(weight.numel() for weight in network.parameters())
        print(f"| `{name}` | {n_parameters:,} | {macs_per_second(name) / 1e6:.0f} |")


if __name__ == "__main__":
    main()
