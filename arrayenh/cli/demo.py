"""`arrayenh demo`: a simulated room, every stage of the chain, scores, sounds, a report."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arrayenh.cli import terminal
from arrayenh.cli.results import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from arrayenh.scenes.demo import DemoScene

SCORES = ("snr", "si_sdr", "pesq_wb", "stoi", "estoi")
SNR_NOTE = (
    "SNR of noisy, delay-and-sum and MVDR by shadow filtering: the same weights applied to the "
    "early speech and to all the rest; SNR of the post-filter: its waveform against early speech"
)


def command(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")
    ] = Path("arrayenh_demo"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the noise.")] = 0,
    competing_talker: Annotated[
        bool, typer.Option("--competing-talker", help="Add a second talker.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace earlier results.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Enhance a simulated 4-microphone meeting room and score every stage.

    Writes the recording, the clean speech, the output of every stage and report.html.
    """
    from arrayenh.audio import write
    from arrayenh.cli.outputs import check_folder, make_folder
    from arrayenh.cli.reports import demo_report
    from arrayenh.files import check_free
    from arrayenh.scenes.demo import demo_scene

    report = output / "report.html"
    check_folder(output)
    check_free(report, overwrite)
    for name in ("recording", "clean", "das", "mvdr", "enhanced"):
        check_free(output / f"{name}.wav", overwrite)
    with terminal.progress(4, "demo") as progress:
        scene = demo_scene(seed, competing_talker)
        progress(1)
        stages = run_chain(scene)
        progress(3)
        make_folder(output)
        rendered = scene.rendered
        sounds = {"recording": rendered.mixture, "clean": rendered.early_image[0]}
        sounds |= {stage.key: stage.samples for stage in stages[1:]}
        for name, samples in sounds.items():
            path = output / f"{name}.wav"
            write(path, samples, rendered.sample_rate, subtype="PCM_16", overwrite=overwrite)
        demo_report(report, scene, stages, SNR_NOTE, overwrite)
        progress(4)
    show(scene, stages, output, as_json)


def run_chain(scene: "DemoScene") -> list[Stage]:
    """Run every stage of the chain on the scene; score it against the early speech."""
    import numpy as np

    from arrayenh.audio import Recording
    from arrayenh.chain.enhancer import Enhancer
    from arrayenh.chain.settings import Settings
    from arrayenh.evaluation.scoring import Score, scores, shadow_snr

    rendered = scene.rendered
    recording = Recording(rendered.mixture, rendered.sample_rate, "demo")
    images = {"speech": rendered.early_image, "rest": rendered.mixture - rendered.early_image}
    clean = rendered.early_image[0]

    def stage(key: str, name: str, samples: "np.ndarray", snr: float | None) -> Stage:
        found = scores(clean, samples, rendered.sample_rate, SCORES)
        if snr is not None:
            found["snr"] = Score(snr)
        return Stage(key, name, samples, found)

    chain = Settings()
    azimuth_deg = float(np.rad2deg(scene.azimuth))
    steer = replace(chain, beamformer="das", doa=azimuth_deg, postfilter="none")
    das = Enhancer(steer, scene.array).enhance(recording, images)
    mvdr = Enhancer(chain).enhance(recording, images)
    noisy_snr = shadow_snr(images["speech"][0], images["rest"][0])
    return [
        stage("noisy", "noisy", recording.samples[0], noisy_snr),
        stage("das", "delay-and-sum", das.stages["das"], shadow_snr(**renamed(das.shadows))),
        stage("mvdr", "MVDR", mvdr.stages["mvdr"], shadow_snr(**renamed(mvdr.shadows))),
        stage("enhanced", "MVDR + network", mvdr.samples, None),
    ]


def renamed(shadows: "Mapping[str, np.ndarray]") -> "dict[str, np.ndarray]":
    """Rename shadow-filtered signals to the arguments of `shadow_snr`."""
    return {"speech": shadows["speech"], "noise": shadows["rest"]}


def show(scene: "DemoScene", stages: list[Stage], output: Path, as_json: bool) -> None:
    """Print the table of the stages."""
    from arrayenh.evaluation.scoring import METRICS

    if as_json:
        terminal.show_json(
            {
                stage.name: {name: score.value for name, score in stage.scores.items()}
                for stage in stages
            }
        )
    else:
        heads = [f"{name} {METRICS[name].unit}".strip() for name in SCORES]
        rows = (
            (stage.name, *(METRICS[name].text(stage.scores[name].value) for name in SCORES))
            for stage in stages
        )
        terminal.show_table("Demo: stage by stage", ("stage", *heads), rows)
        terminal.out.print(f"[dim]written[/] {terminal.escape(str(output / 'report.html'))}")
    terminal.say(SNR_NOTE)
    reasons = {score.reason for stage in stages for score in stage.scores.values() if score.reason}
    terminal.warn(sorted(reasons))
