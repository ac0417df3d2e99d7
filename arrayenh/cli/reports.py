"""The reports of `arrayenh enhance --report` and `arrayenh demo`."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrayenh.chain.settings import label_of
from arrayenh.microphones.geometry import MicArray
from arrayenh.reports import Report, StageReport, write_report

if TYPE_CHECKING:
    from arrayenh.cli.outputs import Outputs
    from arrayenh.cli.results import Stage, Summary
    from arrayenh.scenes.demo import DemoScene


def enhancement_report(
    outputs: "Outputs",
    summary: "Summary",
    excerpts: Mapping[str, np.ndarray],
    sample_rate: int,
    array: MicArray | None,
) -> None:
    """Write the report of one enhanced recording: no reference, so no scores."""
    stages = [
        StageReport(label_of(name), samples, {})
        for name, samples in excerpts.items()
        if name != "enhanced"
    ]
    if not np.array_equal(stages[-1].samples, excerpts["enhanced"]):
        stages.append(StageReport("blended", excerpts["enhanced"], {}))
    level = summary.level_change_db
    facts = {
        "Input": f"{summary.input}, {summary.seconds:.1f} s",
        "Output": f"{Path(summary.output).name}, {summary.sample_rate} Hz",
        "Channels": ", ".join(map(str, summary.channels)),
        "Stages": " > ".join(label_of(name) for name in summary.stages),
        "Level": "silent" if level is None else f"{level:+.1f} dB",
        "Speed": f"real-time factor {summary.real_time_factor:.3f}",
        "Made with": f"arrayenh {version('arrayenh')}",
    }
    assert outputs.report is not None
    report = Report(
        f"Enhancement of {summary.input}", stages, sample_rate, facts, summary.log, array
    )
    write_report(outputs.report, report, overwrite=outputs.overwrite)


def demo_report(
    path: Path, scene: "DemoScene", stages: "Sequence[Stage]", note: str, overwrite: bool
) -> None:
    """Write the report of the demo, with the scores of every stage."""
    from arrayenh.scenes.demo import ROOM

    rows = [StageReport(stage.name, stage.samples, stage.scores) for stage in stages]
    facts = {
        "Room": f"{ROOM.words()}, RT60 {ROOM.rt60:g} s",
        "Array": f"{scene.array.name}, {scene.array.n_mics} microphones",
        "Talker": f"azimuth {np.rad2deg(scene.azimuth):.0f} degrees",
        "SNR": f"{scene.rendered.scene.snr_db:g} dB, reverberant speech over noise",
        "Target": "early speech (direct sound and 50 ms) at microphone 0",
        "Made with": f"arrayenh {version('arrayenh')}",
    }
    title = "arrayenh demo: four microphones in a meeting room"
    report = Report(title, rows, scene.rendered.sample_rate, facts, [note], scene.array)
    write_report(path, report, overwrite=overwrite)
