"""Training state of a network: weights, their average, optimiser and counters."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.networks.signature import Signature
from arrayenh.training.beam import Beamed, beamform, follow
from arrayenh.training.checkpoint import (
    EMA,
    NETWORK,
    Build,
    Checkpoint,
    load_weights,
    optimiser_tensors,
    restore_optimiser,
    restore_scaler,
)
from arrayenh.training.distributed import Team
from arrayenh.training.ema import Ema
from arrayenh.training.losses import build_loss
from arrayenh.training.prefetch import Batch
from arrayenh.training.recipe import TrainRecipe
from arrayenh.training.schedule import Count, Course, rate
from arrayenh.validation import validated

OPTIMISER, RECENT = "optimiser.", "recent"
WEIGHTS, DROPOUT, ROUNDS = 0, 1, 2  # streams of random numbers
PRECISION = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Learner:
    """A network in training, with everything that changes at a step.

    Parameters
    ----------
    recipe : TrainRecipe
    n_steps : int
        Number of steps of the whole training.
    team : Team
    build : callable
        Builds the network from its name and settings.

    Attributes
    ----------
    step : int
        Number of finished steps.
    course : Course
    columns : tuple of str
        Names of the values that `recent` returns.
    """

    def __init__(self, recipe: TrainRecipe, n_steps: int, team: Team, build: Build) -> None:
        self.recipe, self.n_steps, self.team = recipe, n_steps, team
        seeded(recipe.run.seed, WEIGHTS)
        self.network: Any = build(recipe.model.name, recipe.model.settings).to(team.device)
        self.signature = cast(Signature, self.network.signature)
        self.loss = build_loss(recipe.loss, self.signature, team.device)
        self.ema = Ema(self.network, recipe.run.ema) if recipe.run.ema else None
        self._wrapped = team.wrapped(self.network)
        chosen = recipe.optimiser
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=chosen.lr,
            betas=chosen.betas,
            weight_decay=chosen.weight_decay,
            fused=True,
        )
        half = recipe.run.amp == "float16"
        self._scaler = torch.amp.GradScaler(team.device.type, enabled=half)
        self.step, self.course = 0, Course()
        self.columns = ("loss", *self.loss.weights, "gradient_norm")
        self._recent: list[Tensor] = []

    @property
    def judged(self) -> Any:
        """The network that is evaluated and saved: averaged if there is an average."""
        return self.ema.network if self.ema else self.network

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        factor = rate(self.recipe.schedule, self.step, self.n_steps, self.course.falls)
        return self.recipe.optimiser.lr * factor

    @property
    def done(self) -> bool:
        """Whether the training has reached its last step or stopped improving."""
        return self.step >= self.n_steps or self.course.stale >= self.recipe.run.patience

    def learn(self, batch: Batch) -> None:
        """Run one optimiser step; dropout depends only on the seed, the step and the process."""
        seeded(self.recipe.run.seed, DROPOUT, self.step, self.team.rank)
        for group in self._optimiser.param_groups:
            group["lr"] = self.learning_rate
        given = self._placed(batch, self.network, self._rounds_before())
        self.network.train()
        total, terms, _ = self._heard(self._wrapped, *given)
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(total).backward()
        self._scaler.unscale_(self._optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimiser.clip)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        if self.ema:
            self.ema.update(self.network)
        self._recent.append(torch.stack([total.detach(), *terms.values(), norm]).detach())
        self.step += 1

    def recent(self) -> dict[str, float]:
        """Mean values over the steps since the last call, by `columns`.

        Raises
        ------
        NumericalError
            If a mean is not finite: the training has diverged.
        """
        self.check()
        means = self.team.mean(torch.stack(self._recent).mean(dim=0)).tolist()
        self._recent = []
        return dict(zip(self.columns, means, strict=True))

    def check(self) -> None:
        """Raise if the loss or a gradient is not finite, so that it is neither used nor saved."""
        if not self._recent:
            return
        # in half precision a gradient may overflow: the scaler then skips the step
        n_told = -1 if self._scaler.is_enabled() else len(self.columns)
        if not torch.stack(self._recent)[:, :n_told].isfinite().all():
            raise NumericalError(
                f"the loss or its gradient is not finite before step {self.step}; try a lower "
                f"lr or clip, and --resume from the last checkpoint"
            )

    @torch.inference_mode()
    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean loss and terms of `judged` over development batches."""
        network, before = self.judged.eval(), self.recipe.run.rounds - 1
        sums = torch.zeros(len(self.columns), dtype=torch.float64, device=self.team.device)
        for batch in batches:
            total, terms, _ = self._heard(network, *self._placed(batch, network, before))
            one = torch.ones_like(total)
            sums += torch.stack([total, *terms.values(), one]).double()
        *sums_of, count = self.team.total(sums).tolist()
        means = dict(zip(self.columns[:-1], (value / count for value in sums_of), strict=True))
        if not np.isfinite(means["loss"]):
            raise NumericalError(f"the loss measured after step {self.step} is not finite")
        return means

    @torch.inference_mode()
    def heard(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Input, output and target spectra of the first example: complex (T, F) each."""
        one = {key: value[:1] for key, value in batch.items()}
        network = self.judged.eval()
        spec, target, mics = self._placed(one, network, self.recipe.run.rounds - 1)
        _, _, estimate = self._heard(network, spec, target, mics)
        clean = self.loss.stft.analyse(target)
        shown = (spec[0, 0], estimate[0], clean[0])
        first, out, wanted = (torch.view_as_complex(x.contiguous()).cpu().numpy() for x in shown)
        return first, out, wanted

    def checkpoint(self, **facts: Any) -> Checkpoint:
        """Checkpoint of the complete training state, with additional facts."""
        tensors = named(NETWORK, self.network.state_dict())
        tensors |= named(OPTIMISER, optimiser_tensors(self._optimiser))
        if self.ema:
            tensors |= named(EMA, self.ema.network.state_dict())
        if self._recent:
            tensors[RECENT] = torch.stack(self._recent)
        facts |= {
            "step": self.step,
            "course": {key: getattr(self.course, key) for key in Course.__dataclass_fields__},
            "n_averaged": self.ema.n_averaged if self.ema else 0,
            "scaler": self._scaler.state_dict(),
        }
        return Checkpoint(self.recipe, tensors, facts)

    def best(self) -> Checkpoint:
        """Checkpoint of the evaluated network only."""
        facts = {"step": self.step, "dev_loss": self.course.best}
        return Checkpoint(self.recipe, named(NETWORK, self.judged.state_dict()), facts)

    def begin(self, checkpoint: Checkpoint) -> None:
        """Initialise the weights from the checkpoint of another training."""
        weights = checkpoint.part(EMA) or checkpoint.part(NETWORK)
        load_weights(self.network, weights)
        if self.ema:
            load_weights(self.ema.network, weights)

    def restore(self, checkpoint: Checkpoint) -> "Facts":
        """Restore the complete training state of a checkpoint; return its facts.

        Raises
        ------
        ConfigError
            If the checkpoint is damaged or does not fit the network.
        """
        facts = validated(Facts, checkpoint.facts, "the facts of the checkpoint")
        load_weights(self.network, checkpoint.part(NETWORK))
        if self.ema:
            load_weights(self.ema.network, checkpoint.part(EMA))
            self.ema.n_averaged = facts.n_averaged
        restore_optimiser(self._optimiser, checkpoint.part(OPTIMISER))
        if self._scaler.is_enabled():
            restore_scaler(self._scaler, facts.scaler)
        self.step, self.course = facts.step, facts.course
        recent = checkpoint.tensors.get(RECENT, torch.zeros(0, len(self.columns)))
        if recent.shape[1:] != (len(self.columns),):
            raise ConfigError(f"the checkpoint is damaged: {RECENT} has shape {list(recent.shape)}")
        self._recent = list(recent.to(self.team.device))
        return facts

    def _rounds_before(self) -> int:
        """Random number of passes before the trained one; the same in all processes."""
        draw = np.random.default_rng([self.recipe.run.seed, ROUNDS, self.step])
        return int(draw.integers(self.recipe.run.rounds))

    def _placed(
        self, batch: Batch, network: Any, rounds: int
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Input spectra, target (B, N) and microphone spectra (or None) of a batch, on the device.

        The spectra have shapes (B, C, T, F, 2) and (B, M, T, F, 2).
        """
        tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
        target = tensors["target"]
        if "microphones" not in tensors:
            wanted = (len(target), len(self.signature.inputs), target.shape[-1])
            if tensors["inputs"].shape != wanted:
                raise ShapeError(
                    f"inputs of a batch should be (B, C, N) = {wanted}; "
                    f"got {tuple(tensors['inputs'].shape)}"
                )
        placed = {k: x.to(self.team.device, non_blocking=True) for k, x in tensors.items()}
        if "microphones" not in placed:
            return self.loss.stft.analyse(placed["inputs"]), placed["target"], None
        mics = self.loss.stft.analyse(placed["microphones"])
        return self._beamed(mics, placed["mask"], network, rounds), placed["target"], mics

    @torch.no_grad()
    def _beamed(self, mics: Tensor, mask: Tensor, network: Any, rounds: int) -> Tensor:
        """Network input from a beamformer, after `rounds` passes with the network's own masks."""
        network.eval()
        for _ in range(rounds):
            out = self._run(network, self._steered(mask, mics).spec(self.signature.inputs))
            mask = self.loss.mask(out)
        return self._steered(mask, mics).spec(self.signature.inputs)

    def _steered(self, mask: Tensor, mics: Tensor) -> Beamed:
        """Apply the beamformer that the network steers: of whole recordings, or a live one."""
        if self.signature.task == "both":
            return follow(mask, mics, self.signature.hop / self.signature.sample_rate)
        return beamform(mask, mics)

    def _heard(
        self, network: Any, spec: Tensor, target: Tensor, mics: Tensor | None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss, terms and estimate."""
        out = self._run(network, spec)
        total, terms = self.loss(out, spec, target, mics)
        return total, terms, self.loss.estimate(out, spec)

    def _run(self, network: Any, spec: Tensor) -> Tensor:
        """Output of the network, which alone runs in the precision of the recipe."""
        amp = self.recipe.run.amp
        with torch.autocast(self.team.device.type, PRECISION.get(amp), amp != "none"):
            out, _ = network(spec)
        return out.float()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counters of a checkpoint from which a training is resumed; see `Learner`."""

    step: Count
    course: Course
    n_averaged: Count = 0
    scaler: dict[str, int | float] = field(default_factory=dict)
    elapsed_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


def seeded(*words: int) -> None:
    """Seed torch with a stream of random numbers."""
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add a prefix to the names of tensors."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
