"""`arrayenh simulate`: data sets of simulated scenes."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.checks import listed
from arrayenh.cli import terminal

if TYPE_CHECKING:
    from arrayenh.scenes.dataset import Map
    from arrayenh.scenes.plan import Plan

MOST_SCENES = 1_000_000  # of a data set: the names of its folders have six digits


def command(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="PRESET|SCENE.toml|MANIFEST.csv",
            help="Scene recipe ('arrayenh scene list'), or a manifest to render again.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the data set.")
    ],
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=MOST_SCENES, help="Scenes.")
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random values.")] = 0,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT, instead of --jobs."),
    ] = None,
    rooms: Annotated[
        int | None,
        typer.Option(min=1, help="Number of rooms, each simulated once and reused."),
    ] = None,
    components: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Signals: mixture, target, early, noise, talkers, noises, sensors, residual, dry, "
            "rirs; or all.",
        ),
    ] = "mixture,target,early,noise",
    speech: Annotated[
        str | None, typer.Option(metavar="DIR|LIST.csv", help="Speech instead of the recipe's.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(metavar="DIR|LIST.csv", help="Noise instead of the recipe's, except babble."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="LIST", help="Render only these scenes: 3,17,20-25.")
    ] = None,
    format: Annotated[str, typer.Option(help="wav (32-bit float) or flac (24 bits).")] = "wav",
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary as JSON.")] = False,
) -> None:
    """Simulate a data set of rooms, with the ground truth of every scene.

    The same command resumes a run that was stopped. The files are identical to the byte for
    any --jobs.
    """
    from arrayenh.cli.outputs import check_folder, refuse_inputs
    from arrayenh.scenes.dataset import make_dataset

    refuse_inputs(
        (output / name for name in ("manifest.csv", "dataset.json")),
        (Path(name) for name in (recipe, speech, noise) if name),
    )
    plan = planned(recipe, seed, rooms, components, format, speech, noise)
    indices = chosen(plan, only, count)
    check_folder(output.parent)
    mapped = workers(scheduler, jobs)
    start = time.perf_counter()
    with terminal.progress(len(indices), "scenes") as progress:
        rows = make_dataset(plan, output, indices, mapped=mapped, progress=progress)
    took = time.perf_counter() - start
    seconds = sum(row["seconds"] for row in rows)
    if as_json:
        terminal.show_json(
            {"folder": str(output), "scenes": len(rows), "seconds": seconds, "took_s": took}
        )
        return
    terminal.say(f"{output}: {len(rows)} scenes, {seconds / 60:.1f} min, made in {took:.1f} s")


def workers(scheduler: str | None, jobs: int) -> "Map":
    """Worker pool: a Dask scheduler or local processes."""
    from arrayenh.scenes.workers import in_processes, in_turn, on_cluster

    if scheduler is None:
        return in_turn if jobs == 1 else in_processes(jobs)
    mapped = on_cluster(scheduler)
    # Dask logs a lost scheduler at length; the error message is enough
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    return mapped


def planned(
    recipe: str,
    seed: int,
    rooms: int | None,
    components: str,
    format: str,
    speech: str | None,
    noise: str | None,
) -> "Plan":
    """Plan of the data set from the options, validated."""
    from arrayenh.errors import ConfigError
    from arrayenh.scenes.dataset import from_anywhere, with_folders
    from arrayenh.scenes.plan import COMPONENTS, Plan
    from arrayenh.scenes.recipe import Recipe, load_recipe
    from arrayenh.scenes.voices import find_sounds, find_voices

    wanted = COMPONENTS if components == "all" else listed(components)
    kinds: dict[str, Any] = {"components": wanted, "format": format, "seed": seed}
    if recipe.endswith(".csv"):
        if speech or noise or rooms:
            raise ConfigError(
                "a manifest has its own speech, noise and rooms; omit --speech, --noise and --rooms"
            )
        return Plan(source=str(Path(recipe).resolve()), name=Path(recipe).stem, **kinds)
    found = load_recipe(recipe)
    tree = with_folders(from_anywhere(found.tree), absolute(speech), absolute(noise))
    for folder in {absolute(speech)} - {None}:
        find_voices(str(folder))  # raises before rendering if the folder is empty
    for folder in {absolute(noise)} - {None}:
        find_sounds(str(folder))
    return Plan(tree=Recipe(found.name, tree).tree, name=found.name, n_rooms=rooms, **kinds)


def absolute(folder: str | None) -> str | None:
    """Absolute path of a folder, valid in every worker."""
    return None if folder is None else str(Path(folder).resolve())


def chosen(plan: "Plan", only: str | None, count: int) -> list[int]:
    """Scene numbers: those of --only, else all of the manifest, else the first `count`."""
    from arrayenh.scenes.plan import manifest_of

    if only is not None:
        return numbers(only)
    return sorted(manifest_of(plan.source)) if plan.source else list(range(count))


def numbers(text: str) -> list[int]:
    """Parse a list of numbers such as 3,17,20-25."""
    from arrayenh.checks import whole_number
    from arrayenh.errors import ConfigError

    found: list[int] = []
    for part in listed(text):
        start, dash, end = part.partition("-")
        first, last = whole_number(start), whole_number(end if dash else start)
        if first is None or last is None or not first <= last < MOST_SCENES:
            raise ConfigError(
                f"--only {text}: {part!r} is neither a number nor a range such as 3-7, "
                f"below {MOST_SCENES}"
            )
        found += range(first, last + 1)
    if not found:
        raise ConfigError("--only is empty; give scene numbers such as 3,17,20-25")
    return found
