"""`arrayenh train`: train networks from recipes."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.cli import terminal

if TYPE_CHECKING:
    from arrayenh.networks.signature import Signature
    from arrayenh.training.distributed import Team
    from arrayenh.training.prefetch import Examples
    from arrayenh.training.recipe import TrainRecipe
    from arrayenh.training.training import Trained


def command(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG.toml|NAME",
            help="Recipe, or the name of a built-in network: see 'arrayenh models'.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="ROOT", help="Root folder of the training data."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the last checkpoint, if there is one.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Restart, and replace earlier results.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of steps. Default: the recipe's.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Number of threads. Default: the recipe's."),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Processes that render the scenes before training.")
    ] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Train a network, and keep the checkpoint with the lowest validation loss.

    Ctrl-C saves a checkpoint and stops. The same command with --resume continues a training
    that was stopped, with identical results. On several GPUs or machines:
    torchrun -m arrayenh train ...
    """
    from arrayenh.errors import ConfigError

    need_torch("training")
    from arrayenh.training.distributed import gathered
    from arrayenh.training.recipe import find_recipe, load_recipe, with_run

    if resume and overwrite:
        raise ConfigError("give --resume or --overwrite, not both")
    recipe = load_recipe(find_recipe(config))
    recipe = with_sounds(with_run(recipe, steps=steps, threads=threads), data)
    check_output(output, resume, overwrite)
    with gathered() as team:
        trained = run(recipe, output, team, resume, jobs)
    if team.leads:
        tell(trained, as_json)


def need_torch(what: str) -> None:
    """Raise an error if the extra is not installed."""
    from arrayenh.errors import MissingExtraError

    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise MissingExtraError(f"{what} needs {package}: pip install 'arrayenh[train]'")


def with_sounds(recipe: "TrainRecipe", root: Path | None) -> "TrainRecipe":
    """Return the recipe with the root folder and the example length set in its data."""
    from dataclasses import replace

    given = {"root": None if root is None else str(root.resolve()), "seconds": recipe.run.seconds}
    told = {key: value for key, value in given.items() if value is not None}
    return replace(recipe, data={**recipe.data, **told})


def check_output(folder: Path, resume: bool, overwrite: bool) -> None:
    """Raise an error, before training, if the folder must not or cannot be written to."""
    from arrayenh.cli.outputs import check_folder
    from arrayenh.errors import ConfigError
    from arrayenh.training.checkpoint import LAST

    check_folder(folder)
    if (folder / LAST).exists() and not resume and not overwrite:
        raise ConfigError(
            f"{folder} holds a training run; use --resume to continue it, or --overwrite"
        )


def run(recipe: "TrainRecipe", output: Path, team: "Team", resume: bool, jobs: int) -> "Trained":
    """Train, with progress on a terminal."""
    from arrayenh.training import models
    from arrayenh.training.training import Reporter, steps_of, train

    signature = models.build(recipe.model.name, recipe.model.settings).signature
    if team.size == 1:  # the other processes find the scenes rendered
        prepare(recipe, jobs)
    examples, dev = (examples_of(recipe, signature, part) for part in ("train", "dev"))
    if not team.leads:
        return train(recipe, output, examples, dev, team=team, resume=resume)
    if team.device.type == "cuda":
        terminal.say(f"on {team.size} GPU" + ("s" if team.size > 1 else ""))
    say = terminal.say if terminal.err.is_terminal else lambda line: None
    with terminal.progress(steps_of(recipe, len(examples), team), "steps") as progress:
        reporter = Reporter(progress, say)
        return train(recipe, output, examples, dev, team=team, resume=resume, reporter=reporter)


def prepare(recipe: "TrainRecipe", jobs: int) -> None:
    """Render the scenes that the data needs and that do not exist yet."""
    from arrayenh.training.data import build

    with terminal.progress(1, "scenes") as progress:
        build.prepare(recipe.data, jobs, lambda done, total: progress(done / max(total, 1)))


def examples_of(recipe: "TrainRecipe", signature: "Signature", part: str) -> "Examples":
    """Examples of the training or the validation part."""
    from arrayenh.training.data.build import build_examples

    return build_examples(recipe.data, signature, recipe.run.batch_size, recipe.run.seed, part)


def tell(trained: "Trained", as_json: bool) -> None:
    """Print the result of the training."""
    from arrayenh.training.checkpoint import BEST

    if as_json:
        keys = ("steps", "best_step", "best_loss", "seconds")
        facts = {key: getattr(trained, key) for key in keys}
        terminal.show_json({"folder": str(trained.folder), **facts})
        return
    loss = "not measured" if trained.best_loss is None else f"{trained.best_loss:.5g}"
    terminal.say(
        f"{trained.folder / BEST}: loss {loss} at step {trained.best_step} of {trained.steps}, "
        f"{trained.seconds / 60:.1f} min"
    )
