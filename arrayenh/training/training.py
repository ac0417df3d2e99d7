"""Training: batches in, a network out, and a folder from which it can go on after anything.

    log.csv  tensorboard/  loss.png  example.png       what happened
    last.safetensors                                   all that it takes to go on
    best.safetensors                                   the network, for `arrayenh export`
    recipe.toml                                        what was asked for

Step k trains on batch k, with the dropout of step k: all there is to keep are weights, the
optimiser's memory and a few counters, and a training that was killed and went on is, on a
processor, bit for bit the one that was not.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from arrayenh.errors import ConfigError
from arrayenh.files import write_whole
from arrayenh.training import models, pictures
from arrayenh.training.checkpoint import BEST, LAST, Build, Checkpoint, decode, read
from arrayenh.training.distributed import Team
from arrayenh.training.learner import Learner
from arrayenh.training.logbook import LogBook
from arrayenh.training.prefetch import Examples, Prefetch
from arrayenh.training.recipe import TrainRecipe, as_toml, check_same

RECIPE = "recipe.toml"
LOG_EVERY = 10  # steps
RATES = ("learning_rate", "examples_per_s", "elapsed_s")


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training ended.

    Attributes
    ----------
    folder : Path
    steps : int
    best_step : int
    best_loss : float or None
        Measured there; None if nothing was measured.
    seconds : float
        Of all its parts together.
    """

    folder: Path
    steps: int
    best_step: int
    best_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who is told: `progress` the steps done, `say` a line at each measurement."""

    progress: Callable[[float], None] = lambda step: None
    say: Callable[[str], None] = lambda line: None


def train(
    recipe: TrainRecipe,
    folder: Path,
    examples: Examples,
    dev: Examples,
    *,
    build: Build = models.build,
    team: Team | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Trained:
    """Train a network, or go on with it.

    Parameters
    ----------
    recipe : TrainRecipe
    folder : Path
        Of all results.
    examples, dev : Examples
        To train on, and to measure by.
    build : callable
        Makes the network from its name and settings.
    team : Team, optional
        Default: this process alone, on its processor.
    resume : bool
        Go on from the last checkpoint, if there is one; otherwise begin, over whatever lies
        there.
    reporter : Reporter, optional

    Returns
    -------
    trained : Trained

    Raises
    ------
    ConfigError
        If there is nothing to measure by, or the checkpoint is of another recipe or damaged.
    NumericalError
        If the loss is no longer finite.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, when the step is done and saved.
    """
    team = team or Team()
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    with torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        learner = Learner(recipe, steps_of(recipe, len(examples), team), team, build)
        before = last_checkpoint(folder, team) if resume else None
        if before:
            check_same(recipe, before.recipe, str(folder))
            learner.restore(before)
        else:
            if recipe.model.init:
                learner.begin(read(Path(recipe.model.init)))
            if team.leads:
                clear(folder)
        run = Run(learner, folder, reporter or Reporter(), before)
        with Prefetch({"train": examples, "dev": dev}, recipe.run.workers) as batches:
            run.through(batches, n_dev(recipe, dev))
    best = learner.course
    return Trained(folder, learner.step, best.best_step, best.best, run.elapsed)


def steps_of(recipe: TrainRecipe, n_batches: int, team: Team) -> int:
    """Steps of a training; in an epoch the processes together see everything once."""
    if recipe.run.steps is not None:
        return recipe.run.steps
    assert recipe.run.epochs is not None
    return recipe.run.epochs * max(n_batches // team.size, 1)


def n_dev(recipe: TrainRecipe, dev: Examples) -> int:
    """Batches that are measured by."""
    if len(dev) < 1:
        raise ConfigError("there are no examples to measure by")
    return min(recipe.run.dev_batches or len(dev), len(dev))


def last_checkpoint(folder: Path, team: Team) -> Checkpoint | None:
    """Where a training was when it was last saved: the first process reads, all are told."""
    path = folder / LAST
    content = path.read_bytes() if team.leads and path.exists() else None
    content = team.told(content)
    return None if content is None else decode(content, str(path))


def clear(folder: Path) -> None:
    """A folder without the results of a training before."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LAST, BEST, pictures.CURVE, pictures.EXAMPLE):
        (folder / name).unlink(missing_ok=True)


class Run:
    """From one checkpoint on: steps, measurements, files."""

    def __init__(
        self, learner: Learner, folder: Path, reporter: Reporter, before: Checkpoint | None
    ) -> None:
        self.learner, self.folder, self.reporter = learner, folder, reporter
        self._started = time.perf_counter() - (before.facts["elapsed_s"] if before else 0.0)
        self._logged = (learner.step, time.perf_counter())
        self._shown: Any = None
        self._draws = pictures.can_draw()

    @property
    def elapsed(self) -> float:
        """Seconds of all parts of the training together."""
        return time.perf_counter() - self._started

    def through(self, batches: Prefetch, n_dev: int) -> None:
        """Train to the end, or until asked to stop."""
        learner, team = self.learner, self.learner.team
        indices = (step * team.size + team.rank for step in range(learner.step, learner.n_steps))
        stream = batches.stream("train", indices)
        with self._log() as log, stop_signals() as stop:
            while not learner.done:
                learner.learn(next(stream))
                measured = self._due(learner.recipe.run.dev_every)
                if measured or self._due(LOG_EVERY):
                    row = self._row()
                    if measured:
                        row |= self._measure(batches, n_dev)
                    if log:
                        log.write(row)
                    self.reporter.progress(learner.step)
                    if measured:
                        self._keep(log)
                # in a team only now and then: every process must ask at the same step
                if (team.size == 1 or self._due(LOG_EVERY)) and team.any(stop.is_set()):
                    self._save()
                    raise KeyboardInterrupt
            stream.close()

    def _due(self, every: int) -> bool:
        return self.learner.step % every == 0 or self.learner.step == self.learner.n_steps

    def _log(self) -> Any:
        """The log; for the other processes nothing."""
        if not self.learner.team.leads:
            return nothing()
        write_whole(self.folder / RECIPE, as_toml(self.learner.recipe))
        losses = [name for name in self.learner.columns if name != "gradient_norm"]
        columns = [*self.learner.columns, *(f"dev_{name}" for name in losses), *RATES]
        return LogBook(self.folder, columns, self.learner.step)

    def _row(self) -> dict[str, float]:
        learner, (step, moment) = self.learner, self._logged
        row: dict[str, float] = {"step": learner.step, **learner.recent()}
        self._logged = (learner.step, time.perf_counter())
        n_examples = (learner.step - step) * learner.recipe.run.batch_size * learner.team.size
        rates = learner.learning_rate, n_examples / (self._logged[1] - moment), self.elapsed
        return row | dict(zip(RATES, rates, strict=True))

    def _measure(self, batches: Prefetch, n_dev: int) -> dict[str, float]:
        """Loss on what is not trained on, and what follows from it; the best is kept."""
        learner, team = self.learner, self.learner.team
        # every process its share: all of them know the sum
        means = learner.measure(batches.stream("dev", range(team.rank, n_dev, team.size)))
        patience = learner.recipe.schedule.patience
        learner.course = learner.course.measured(means["loss"], learner.step, patience)
        best = learner.course.best_step == learner.step
        if team.leads:
            if best:
                learner.best().write(self.folder / BEST)
            if self._draws and self._shown is None:
                self._shown = next(batches.stream("dev", [0]))
            self.reporter.say(
                f"step {learner.step}: {means['loss']:.5g} measured{', the best' if best else ''}"
            )
        return {f"dev_{name}": value for name, value in means.items()}

    def _keep(self, log: LogBook | None) -> None:
        """Save and draw; measuring and drawing is not time of the next steps."""
        self._save()
        if log and self._draws:
            pictures.draw_losses(log.rows, self.folder / pictures.CURVE)
            spectra = self.learner.heard(self._shown)
            pictures.draw_example(spectra, self.learner.signature, self.folder / pictures.EXAMPLE)
        self._logged = (self.learner.step, time.perf_counter())

    def _save(self) -> None:
        self.learner.check()
        if self.learner.team.leads:
            self.learner.checkpoint(elapsed_s=self.elapsed).write(self.folder / LAST)


@contextmanager
def nothing() -> Iterator[None]:
    """No log."""
    yield None


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Told by Ctrl-C and SIGTERM, so that no step is left half done; the second time at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
