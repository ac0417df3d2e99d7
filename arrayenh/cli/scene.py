"""`arrayenh scene`: list the built-in scene files, describe one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.cli import terminal

if TYPE_CHECKING:
    from arrayenh.scenes.render import Rendered
    from arrayenh.scenes.scene import Scene

app = typer.Typer(help="Simulated scenes: list the presets, show one.")


@app.command("list")
def list_presets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the built-in scene files by name."""
    from arrayenh.scenes.recipe import load_recipe, preset_names

    found = {name: str(load_recipe(name).tree.get("description", "")) for name in preset_names()}
    if as_json:
        terminal.show_json(found)
        return
    terminal.show_table("Scenes", ("name", "what"), found.items(), prose=("what",))
    terminal.say("To write your own scene file (TOML), see docs/scene-files.md.")


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="PRESET|FILE", help="Preset, scene file (.toml), or a drawn scene (scene.json)."
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random values.")] = 0,
    index: Annotated[int, typer.Option(min=0, help="Number of the scene for that seed.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Save the picture: PNG, SVG or PDF."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE.")] = False,
    speech: Annotated[
        str | None, typer.Option(metavar="DIR|LIST.csv", help="Speech instead of the file's.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(metavar="DIR|LIST.csv", help="Noise instead of the file's.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the ground truth as JSON.")
    ] = False,
) -> None:
    """Draw a scene, render it and describe it; with -o, save a picture too."""
    from arrayenh.cli.figures.array import FIGURE_SUFFIXES
    from arrayenh.cli.outputs import check_folder
    from arrayenh.errors import ConfigError
    from arrayenh.files import check_free
    from arrayenh.scenes.render import render
    from arrayenh.scenes.truth import truth

    if output is not None:
        if output.suffix.lower() not in FIGURE_SUFFIXES:
            raise ConfigError(f"-o {output} should end in {', '.join(FIGURE_SUFFIXES)}")
        check_free(output, overwrite)
        check_folder(output.parent)
    scene = drawn(name, index, seed, speech, noise)
    rendered = render(scene)
    if output is not None:
        from arrayenh.cli.figures.scene import save_picture

        save_picture(rendered, Path(name).stem, output, overwrite)
    if as_json:
        terminal.show_json(truth(rendered))
    else:
        describe(rendered)
    if output is not None:
        terminal.say(f"written: {output}")


def drawn(name: str, index: int, seed: int, speech: str | None, noise: str | None) -> "Scene":
    """Draw a scene from a recipe, or read one that was drawn before."""
    from arrayenh.errors import ConfigError
    from arrayenh.scenes.dataset import with_folders
    from arrayenh.scenes.draw import draw_scene
    from arrayenh.scenes.recipe import Recipe, load_recipe
    from arrayenh.scenes.serialise import scene_in_file

    if name.endswith(".json"):
        if speech or noise:
            raise ConfigError(
                "a drawn scene has its own speech and noise; omit --speech and --noise"
            )
        return scene_in_file(Path(name))
    found = load_recipe(name)
    return draw_scene(Recipe(found.name, with_folders(found.tree, speech, noise)), index, seed)


def describe(rendered: "Rendered") -> None:
    """Print the properties of a scene and a table of its sources."""
    from arrayenh.scenes.truth import truth

    scene, found = rendered.scene, truth(rendered)
    asked, measured = number(found["rt60_s"]), number(found["rt60_measured_s"])
    facts = {
        "room": scene.room.words(),
        "RT60 asked, measured": f"{asked} s, {measured} s",
        "direct to reverberant": f"{number(found['direct_to_reverberant_db'], 1)} dB",
        "array": f"{scene.array.name}, {scene.array.n_mics} microphones",
        "length": f"{found['n_samples'] / found['sample_rate']:.1f} s at {found['sample_rate']} Hz",
        "SNR over the file": f"{number(found['snr_db'], 1)} dB",
    }
    for key, value in facts.items():
        terminal.out.print(f"{key:<22} {terminal.escape(value)}")
    terminal.show_table(
        "Sources",
        ("source", "azimuth °", "elevation °", "distance m", "level dBFS"),
        list(sources(rendered, found)),
    )


def sources(rendered: "Rendered", found: dict[str, Any]) -> Any:
    """Table rows: source, position, level at microphone 0."""
    for k, talker in enumerate(found["talkers"]):
        who = f"{'target' if k == 0 else f'talker {k}'}, {talker['speaker']}"
        who += ", walks" if "path" in talker else ""
        yield (who, *place(talker), level(rendered.talker_images[k][0]))
    for k, noise in enumerate(found["noises"]):
        where = noise["sources"]
        count = f", {len(where)} sources" if len(where) > 1 else ""
        spot = place(where[0]) if len(where) == 1 else ("", "", "")
        yield (f"{noise['kind']}{count}", *spot, level(rendered.noise_images[k][0]))
    yield ("sensors", "", "", "", level(rendered.sensor_image[0]))


def place(source: dict[str, Any]) -> tuple[str, str, str]:
    """Format azimuth, elevation and distance for table cells."""
    keys = ("azimuth_deg", "elevation_deg", "distance_m")
    azimuth, elevation, distance = (source.get(key) for key in keys)
    return number(azimuth, 0), number(elevation, 0), number(distance)


def level(samples: Any) -> str:
    """Mean power, dB full scale."""
    import numpy as np

    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return f"{10 * np.log10(power):.1f}" if power > 0 else "-inf"


def number(value: float | None, digits: int = 2) -> str:
    """Format a number; "n/a" for None."""
    return "n/a" if value is None else f"{value:.{digits}f}"
