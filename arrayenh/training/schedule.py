"""Course of a training: best evaluation, learning rate, early stopping."""

import math
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from arrayenh.training.recipe import ScheduleRecipe

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Course:
    """Summary of the evaluations so far.

    Attributes
    ----------
    best : float, optional
        Lowest loss so far.
    best_step : int
    stale : int
        Evaluations since the best one.
    waited : int
        Evaluations without progress since the last reduction of the rate.
    falls : int
        Number of reductions of the rate.
    """

    best: Annotated[float, Field(allow_inf_nan=False)] | None = None
    best_step: Count = 0
    stale: Count = 0
    waited: Count = 0
    falls: Count = 0

    def measured(self, loss: float, step: int, patience: int) -> "Course":
        """Return the course after one more evaluation.

        As in `torch.optim.lr_scheduler.ReduceLROnPlateau`, the rate is reduced at the
        evaluation after `patience` ones without progress.
        """
        if self.best is None or loss < self.best:
            return replace(self, best=loss, best_step=step, stale=0, waited=0)
        falls = self.waited >= patience
        return replace(
            self,
            stale=self.stale + 1,
            waited=0 if falls else self.waited + 1,
            falls=self.falls + falls,
        )


def rate(recipe: ScheduleRecipe, step: int, n_steps: int, falls: int) -> float:
    """Factor of the learning rate at a step.

        plateau   max(factor^falls, least)
        step      factor^⌊step / every⌋
        cosine    least + (1 - least) (1 + cos(π step / n_steps)) / 2

    times (step + 1) / warmup in the first `warmup` steps.

    Parameters
    ----------
    recipe : ScheduleRecipe
    step : int
        Number of finished steps.
    n_steps : int
        Number of steps of the whole training.
    falls : int
        Number of reductions, from `Course`.
    """
    rise = min((step + 1) / recipe.warmup, 1.0) if recipe.warmup else 1.0
    if recipe.kind == "plateau":
        return rise * max(recipe.factor**falls, recipe.least)
    if recipe.kind == "step":
        return rise * recipe.factor ** (step // recipe.every)
    if recipe.kind == "cosine":
        down = (1 + math.cos(math.pi * min(step / n_steps, 1.0))) / 2
        return rise * (recipe.least + (1 - recipe.least) * down)
    return rise
