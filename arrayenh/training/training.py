"""Training of a network, with a results folder from which it can be resumed.

    log.csv  tensorboard/  loss.png  example.png       log and figures
    last.safetensors                                   complete state, to resume
    best.safetensors                                   best network, for `arrayenh export`
    recipe.toml                                        recipe with all defaults

Step k trains on batch k, with the dropout of step k: the complete state is the weights, the state
of the optimiser and a few counters. On a CPU, a training that was killed and resumed is
bit-identical to an uninterrupted one.
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
    """Result of a training.

    Attributes
    ----------
    folder : Path
    steps : int
    best_step : int
    best_loss : float or None
        Loss at `best_step`; None without an evaluation.
    seconds : float
        Total duration of all parts of the training.
    """

    folder: Path
    steps: int
    best_step: int
    best_loss: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reporter:
    """Callbacks: `progress` takes the number of finished steps, `say` a line per evaluation."""

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
    """Train a network, or resume its training.

    Parameters
    ----------
    recipe : TrainRecipe
    folder : Path
        Results folder.
    examples, dev : Examples
        Training and development data.
    build : callable
        Builds the network from its name and settings.
    team : Team, optional
        By default this process alone, on the CPU.
    resume : bool
        Continue from the last checkpoint, if there is one. Otherwise start a new training and
        replace existing results.
    reporter : Reporter, optional

    Returns
    -------
    trained : Trained

    Raises
    ------
    ConfigError
        If there is no development data, or the checkpoint has another recipe or is damaged.
    NumericalError
        If the loss is no longer finite.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, once the current step is finished and saved.
    """
    team = team or Team()
    if recipe.run.threads:
        torch.set_num_threads(recipe.run.threads)
    with torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        learner = Learner(recipe, steps_of(recipe, len(examples), team), team, build)
        before, elapsed = last_checkpoint(folder, team) if resume else None, 0.0
        if before:
            check_same(recipe, before.recipe, str(folder))
            elapsed = learner.restore(before).elapsed_s
        else:
            if recipe.model.init:
                learner.begin(read(Path(recipe.model.init)))
            if team.leads:
                clear(folder)
        run = Run(learner, folder, reporter or Reporter(), elapsed)
        with Prefetch({"train": examples, "dev": dev}, recipe.run.workers) as batches:
            run.through(batches, n_dev(recipe, dev))
    best = learner.course
    return Trained(folder, learner.step, best.best_step, best.best, run.elapsed)


def steps_of(recipe: TrainRecipe, n_batches: int, team: Team) -> int:
    """Number of steps of a training; in an epoch all processes together use the data once."""
    if recipe.run.steps is not None:
        return recipe.run.steps
    assert recipe.run.epochs is not None
    return recipe.run.epochs * max(n_batches // team.size, 1)


def n_dev(recipe: TrainRecipe, dev: Examples) -> int:
    """Number of development batches."""
    if len(dev) < 1:
        raise ConfigError("there is no development data")
    return min(recipe.run.dev_batches or len(dev), len(dev))


def last_checkpoint(folder: Path, team: Team) -> Checkpoint | None:
    """Last checkpoint of a training, read by the first process and broadcast to all."""
    path = folder / LAST
    content = path.read_bytes() if team.leads and path.exists() else None
    content = team.told(content)
    return None if content is None else decode(content, str(path))


def clear(folder: Path) -> None:
    """Remove the results of a previous training from a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (LAST, BEST, pictures.CURVE, pictures.EXAMPLE):
        (folder / name).unlink(missing_ok=True)


class Run:
    """Part of a training from one checkpoint on: steps, evaluations, files."""

    def __init__(self, learner: Learner, folder: Path, reporter: Reporter, elapsed: float) -> None:
        self.learner, self.folder, self.reporter = learner, folder, reporter
        self._started = time.perf_counter() - elapsed
        self._logged = (learner.step, time.perf_counter())
        self._shown: Any = None
        self._draws = pictures.can_draw()

    @property
    def elapsed(self) -> float:
        """Total duration of all parts of the training, seconds."""
        return time.perf_counter() - self._started

    def through(self, batches: Prefetch, n_dev: int) -> None:
        """Train to the end or until a stop signal."""
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
                # in a team only at some steps, since all processes must ask at the same one
                if (team.size == 1 or self._due(LOG_EVERY)) and team.any(stop.is_set()):
                    self._save()
                    raise KeyboardInterrupt
            stream.close()

    def _due(self, every: int) -> bool:
        return self.learner.step % every == 0 or self.learner.step == self.learner.n_steps

    def _log(self) -> Any:
        """Log book in the first process, no log in the others."""
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
        """Evaluate on the development data, update the course and save the best network."""
        learner, team = self.learner, self.learner.team
        # every process evaluates its share; the sums are reduced over all processes
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
        """Save the state and draw the figures, outside the time measured for steps."""
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
    """Context manager without a log."""
    yield None


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Event set by Ctrl-C and SIGTERM, so that a step is finished; a second signal interrupts."""
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
