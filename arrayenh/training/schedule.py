"""How a training goes: its best measurement, when the rate falls, when it is enough."""

import math
from dataclasses import dataclass, replace

from arrayenh.training.recipe import ScheduleRecipe


@dataclass(frozen=True, slots=True)
class Course:
    """What the measurements were.

    Attributes
    ----------
    best : float, optional
        The least loss measured.
    best_step : int
    stale : int
        Measurements since then.
    waited : int
        Of these, since the rate last fell.
    falls : int
        How often it fell.
    """

    best: float | None = None
    best_step: int = 0
    stale: int = 0
    waited: int = 0
    falls: int = 0

    def measured(self, loss: float, step: int, patience: int) -> "Course":
        """The course after one more measurement.

        As `torch.optim.lr_scheduler.ReduceLROnPlateau` the rate falls at the measurement after
        `patience` ones without progress.
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
    """Factor of the learning rate.

        plateau   max(factor^falls, least)
        step      factor^⌊step / every⌋
        cosine    least + (1 - least) (1 + cos(π step / n_steps)) / 2

    times (step + 1) / warmup in the first `warmup` steps.

    Parameters
    ----------
    recipe : ScheduleRecipe
    step : int
        Steps done.
    n_steps : int
        Of the whole training.
    falls : int
        Of `Course`.
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
