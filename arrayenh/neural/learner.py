"""A network that learns: weights, their average, their optimiser, step by step."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from arrayenh.errors import NumericalError, ShapeError
from arrayenh.networks.signature import Signature
from arrayenh.neural.checkpoint import (
    EMA,
    NETWORK,
    Build,
    Checkpoint,
    load_weights,
    optimiser_tensors,
    restore_optimiser,
)
from arrayenh.neural.distributed import Team
from arrayenh.neural.ema import Ema
from arrayenh.neural.losses import build_loss
from arrayenh.neural.prefetch import Batch
from arrayenh.neural.recipe import TrainRecipe
from arrayenh.neural.schedule import Course, rate

OPTIMISER, RECENT = "optimiser.", "recent"
WEIGHTS, DROPOUT = 0, 1  # streams of random numbers
PRECISION = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Learner:
    """All that changes while a network is trained.

    Parameters
    ----------
    recipe : TrainRecipe
    n_steps : int
        Of the whole training.
    team : Team
    build : callable
        Makes the network from its name and settings.

    Attributes
    ----------
    step : int
        Steps done.
    course : Course
    columns : tuple of str
        Of what `recent` tells.
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
        """The network that is measured and kept."""
        return self.ema.network if self.ema else self.network

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        factor = rate(self.recipe.schedule, self.step, self.n_steps, self.course.falls)
        return self.recipe.optimiser.lr * factor

    @property
    def done(self) -> bool:
        """Whether it learnt for long enough, or nothing more."""
        return self.step >= self.n_steps or self.course.stale >= self.recipe.run.patience

    def learn(self, batch: Batch) -> None:
        """One step downhill; dropout depends on the seed, the step and the process alone."""
        seeded(self.recipe.run.seed, DROPOUT, self.step, self.team.rank)
        for group in self._optimiser.param_groups:
            group["lr"] = self.learning_rate
        self.network.train()
        total, terms, _ = self._heard(self._wrapped, *self._placed(batch))
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
        """Means over the steps since this was last asked, by `columns`.

        Raises
        ------
        NumericalError
            If one is not finite: the training is lost.
        """
        self.check()
        means = self.team.mean(torch.stack(self._recent).mean(dim=0)).tolist()
        self._recent = []
        return dict(zip(self.columns, means, strict=True))

    def check(self) -> None:
        """Refuse to go on with, or keep, what is no longer finite."""
        if not self._recent:
            return
        # in half precision a gradient may overflow: the scaler then leaves out that step
        n_told = -1 if self._scaler.is_enabled() else len(self.columns)
        if not torch.stack(self._recent)[:, :n_told].isfinite().all():
            raise NumericalError(
                f"the loss or its gradient is not finite before step {self.step}; try a lower "
                f"lr or clip, and --resume from the last checkpoint"
            )

    @torch.inference_mode()
    def measure(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Mean loss over batches that are not trained on, and its terms, of `judged`."""
        network = self.judged.eval()
        sums = torch.zeros(len(self.columns), dtype=torch.float64, device=self.team.device)
        for batch in batches:
            total, terms, _ = self._heard(network, *self._placed(batch))
            one = torch.ones_like(total)
            sums += torch.stack([total, *terms.values(), one]).double()
        *sums_of, count = self.team.total(sums).tolist()
        means = dict(zip(self.columns[:-1], (value / count for value in sums_of), strict=True))
        if not np.isfinite(means["loss"]):
            raise NumericalError(f"the loss measured after step {self.step} is not finite")
        return means

    @torch.inference_mode()
    def heard(self, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spectra of the first example, in, out and target: complex (T, F) each."""
        spec, target = self._placed({key: value[:1] for key, value in batch.items()})
        _, _, estimate = self._heard(self.judged.eval(), spec, target)
        clean = self.loss.stft.analyse(target)
        shown = (spec[0, 0], estimate[0], clean[0])
        first, out, wanted = (torch.view_as_complex(x.contiguous()).cpu().numpy() for x in shown)
        return first, out, wanted

    def checkpoint(self, **facts: Any) -> Checkpoint:
        """All of it, and some facts more."""
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
        """The network that is kept, and nothing else."""
        facts = {"step": self.step, "dev_loss": self.course.best}
        return Checkpoint(self.recipe, named(NETWORK, self.judged.state_dict()), facts)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Be as when the checkpoint was made."""
        facts = checkpoint.facts
        load_weights(self.network, checkpoint.part(NETWORK))
        if self.ema:
            load_weights(self.ema.network, checkpoint.part(EMA))
            self.ema.n_averaged = facts["n_averaged"]
        restore_optimiser(self._optimiser, checkpoint.part(OPTIMISER))
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(facts["scaler"])
        self.step, self.course = facts["step"], Course(**facts["course"])
        recent = checkpoint.tensors.get(RECENT)
        self._recent = [] if recent is None else list(recent.to(self.team.device))

    def _placed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Spectra (B, C, T, F, 2) and target (B, N) of a batch, where the network is."""
        inputs, target = (torch.from_numpy(batch[key]) for key in ("inputs", "target"))
        wanted = (len(target), len(self.signature.inputs), target.shape[-1])
        if inputs.shape != wanted:
            raise ShapeError(
                f"inputs of a batch should be (B, C, N) = {wanted}; got {inputs.shape}"
            )
        inputs, target = (x.to(self.team.device, non_blocking=True) for x in (inputs, target))
        return self.loss.stft.analyse(inputs), target

    def _heard(
        self, network: Any, spec: Tensor, target: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss, terms and estimate; the network in the recipe's precision, all else float32."""
        amp = self.recipe.run.amp
        with torch.autocast(self.team.device.type, PRECISION.get(amp), amp != "none"):
            out, _ = network(spec)
        out = out.float()
        total, terms = self.loss(out, spec, target)
        return total, terms, self.loss.estimate(out, spec)


def seeded(*words: int) -> None:
    """Let torch draw the numbers of this stream, whatever it drew before."""
    state = np.random.SeedSequence(words).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))


def named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with a beginning before their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}
