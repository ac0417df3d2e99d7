"""A small network, sines in noise to train it on, and a training of it in a process of its own.

python -m tests.learning FOLDER STEPS [key=value ...]     of [run]
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from arrayenh.errors import ConfigError
from arrayenh.networks.signature import Signature
from arrayenh.stft import Stft
from arrayenh.training.distributed import gathered
from arrayenh.training.recipe import as_recipe
from arrayenh.training.training import train

STFT = Stft(64, 16, "hann")


@dataclass(frozen=True)
class Sines:
    """Sines in noise, (B, C, N); batch k of B examples holds the examples k·B ... k·B + B - 1."""

    batch_size: int = 4
    seed: int = 0
    n_samples: int = 800
    n_inputs: int = 1
    n_batches: int = 3
    sleep: float = 0.0

    def __len__(self):
        return self.n_batches

    def batch(self, index):
        time.sleep(self.sleep)
        first = index * self.batch_size
        made = [self.example(k) for k in range(first, first + self.batch_size)]
        inputs, target = (np.stack(parts).astype(np.float32) for parts in zip(*made, strict=True))
        return {"inputs": inputs, "target": target}

    def example(self, k):
        rng = np.random.default_rng([self.seed, k])
        pitch, phase = rng.uniform(0.05, 0.5), rng.uniform(0, 2 * np.pi)
        target = 0.3 * np.sin(pitch * np.arange(self.n_samples) + phase)
        return target + 0.1 * rng.standard_normal((self.n_inputs, self.n_samples)), target


@dataclass(frozen=True)
class Arrays(Sines):
    """Those sines at two or three microphones, in noise from elsewhere that is as loud.

    Microphones (B, 3, N), a mask of a half (B, T, 33), target (B, N).
    """

    def batch(self, index):
        first = index * self.batch_size
        made = [self.example(k) for k in range(first, first + self.batch_size)]
        mics, target = (np.stack(parts).astype(np.float32) for parts in zip(*made, strict=True))
        mask = np.full((len(mics), STFT.n_frames(self.n_samples), 33), 0.5, np.float32)
        return {"microphones": mics, "mask": mask, "target": target}

    def example(self, k):
        rng = np.random.default_rng([self.seed, k])
        _, target = super().example(k)
        noise = 0.2 * rng.standard_normal(self.n_samples)
        lags, others = ((0, *rng.integers(-3, 4, 2)) for _ in range(2))
        mics = [np.roll(target, a) + np.roll(noise, b) for a, b in zip(lags, others, strict=True)]
        mics += 0.01 * rng.standard_normal((3, self.n_samples))
        mics[2 + k % 2 :] = 0
        return mics, target


class TinyMask(nn.Module):
    """One recurrent layer and a mask; `width` units, `dropout` before the last layer.

    `norm`: of batches, which has buffers, and makes examples depend on each other.
    """

    def __init__(
        self, task="mask", causal=True, width=8, dropout=0.0, inputs=("microphone",), norm=True
    ):
        super().__init__()
        self.signature = Signature("tiny", task, inputs, 64, 16, causal=causal)
        self.state_names = ("hidden",) if causal else ()
        self.width, self.causal = width, causal
        self.norm = nn.BatchNorm1d(33) if norm else nn.Identity()
        self.recurrent = nn.GRU(33, width, batch_first=True, bidirectional=not causal)
        self.dropout = nn.Dropout(dropout)
        self.expand = nn.Linear(width * (1 if causal else 2), 33)

    def initial_state(self, batch):
        return (torch.zeros(1, batch, self.width),) if self.causal else ()

    def forward(self, spec, state=None):
        power = (spec[:, 0].square().sum(-1) + 1e-8).log()  # (B, T, F)
        features = self.norm(power.transpose(1, 2)).transpose(1, 2)
        seen, hidden = self.recurrent(features, state[0] if state else None)
        mask = torch.sigmoid(self.expand(self.dropout(seen)))
        out = mask if self.signature.task == "mask" else spec[:, 0] * mask[..., None]
        return out, (hidden,) if self.causal else ()


def build(name, settings):
    given = {key: tuple(v) if key == "inputs" else v for key, v in settings.items()}
    try:
        return TinyMask(**given)
    except TypeError as error:  # a key that it does not have
        raise ConfigError(str(error)) from error


def recipe_of(tables=None, **run):
    """A recipe of a short training."""
    tree = {
        "model": {"name": "tiny", "settings": {"dropout": 0.2}},
        "loss": {"mask": 1.0},
        "optimiser": {"lr": 0.01},
        "run": {"steps": 20, "dev_every": 5, "batch_size": 4, "threads": 1, "ema": 0.9} | run,
    }
    return as_recipe(tree | (tables or {}), "test")


DEV = Sines(seed=1)


def main(folder, steps, *given):
    """Train in this process, which torchrun may have started."""
    said = {key: json.loads(value) for key, _, value in (word.partition("=") for word in given)}
    examples = Sines(said.get("batch_size", 4), sleep=said.pop("sleep", 0.0))
    resume = said.pop("resume", False)
    settings = said.pop("settings", {"dropout": 0.2})
    tables = {"model": {"name": "tiny", "settings": settings}}
    with gathered() as team:
        # every process names a folder of its own: only the first one may make it
        path = Path(folder) / str(team.rank)
        recipe = recipe_of(tables, steps=int(steps), **said)
        train(recipe, path, examples, DEV, build=build, team=team, resume=resume)
    left = [path for path in Path("/proc/self/task").glob("*/comm") if "gloo" in path.read_text()]
    assert not left, "threads of the team outlive it, and may abort the process as it ends"


if __name__ == "__main__":
    main(*sys.argv[1:])
