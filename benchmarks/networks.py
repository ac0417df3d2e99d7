"""Write docs/models.md, a comparison of the built-in networks.

    python -m benchmarks.networks --data ROOT [-n 40] [--seed 0] [--jobs 2]

The page has the scores of each network on one microphone, behind the MVDR and behind the oracle
MVDR; the gains in dry mixtures and in rooms; the costs; and spectrograms of one scene. Scores
come from `arrayenh benchmark`, which resumes a run that was stopped.
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arrayenh.evaluation.systems.names import system
from arrayenh.networks.catalogue import describe, names
from arrayenh.networks.runtime import Network
from arrayenh.postfilters.neural import NeuralPostFilter
from arrayenh.reports.spectrogram import spectrogram_db
from benchmarks.complexity import macs_per_second
from benchmarks.standard_scenes import arguments, standard_scenes

HERE = Path(__file__).parent
PAGE, PICTURE = HERE.parent / "docs" / "models.md", HERE.parent / "docs" / "models.png"
METRICS = {"si_sdr": "SI-SDR dB", "pesq_wb": "PESQ-wb", "stoi": "STOI"}
ALONE, STEERED, BOUND = "Alone on one microphone", "Behind the MVDR", "Behind the oracle's MVDR"
PLACES = {ALONE: "{}", STEERED: "mvdr+{}", BOUND: "oracle-mask-mvdr+{}"}
BESIDE = {
    ALONE: ("noisy", "mmse-lsa"),
    STEERED: ("mvdr", "mvdr+mmse-lsa"),
    BOUND: ("oracle-mask-mvdr", "oracle-mask-mvdr+irm"),
}
SNRS = ("0 dB", "5 dB")
RATE, SECONDS, ROUNDS = 16_000, 10, 3  # rounds of the speed measurement
SHOWN_SCENE = 5  # the first with an SNR of 0 dB and a circular array
RANGE_DB, COLUMNS = 60.0, 3
HEAD = """\
# The networks

Written by `python -m benchmarks.networks --data ROOT`; not by hand.

Every network that ships as a post-filter (`--postfilter NAME`), on the {n} standard scenes of
the [benchmark](../benchmarks/RESULTS.md): validation speakers and noises, against the early speech.
`mask-gru` and `mask-gru-online` steer beamformers and are not among them. Their cards, with data,
recipe, licence and learning curve: `arrayenh models show NAME`.

`postfilter-gru` and `postfilter-gru-online` hear more than one signal behind the MVDR: alone, and
behind the oracle's, they miss the others."""
GAINS = """\
## What each gains alone

SI-SDR in dB and STOI over the noisy microphone: dry speech in one recorded noise or in white
noise ({n} mixtures, the suite `mixtures`), as `mask-cnn`, `unet` and `conv-autoencoder` (white
noise only) were trained on; and the standard scenes.

"""


class Score(NamedTuple):
    """Scores of a system on a scene."""

    system: str
    metric: str
    background: str
    snr: str
    value: float


def main() -> None:
    """Score and measure the networks, draw the figure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    parser.add_argument("--mixtures", type=int, default=96, help="Number of dry mixtures.")
    args = parser.parse_args()
    networks = names("postfilter")
    systems = [form.format(name) for form in PLACES.values() for name in networks]
    systems += [name for beside in BESIDE.values() for name in beside]
    rooms = scored("quality", systems, args.n, args)
    dry = scored("mixtures", [*BESIDE[ALONE], *networks], args.mixtures, args)
    parts = [HEAD.format(n=args.n), costs(networks)]
    for place, form in PLACES.items():
        rows = [*BESIDE[place], *(form.format(name) for name in networks)]
        parts.append(f"## {place}\n\n{table(rows, rooms)}")
    parts.append(GAINS.format(n=args.mixtures) + gains([BESIDE[ALONE][1], *networks], dry, rooms))
    draw(networks, args)
    parts.append(
        "## One scene through all of them\n\nEach alone on the reference microphone.\n\n"
        f"![Spectrograms of one scene through every network]({PICTURE.name})"
    )
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def scored(suite: str, systems: list[str], n: int, args: argparse.Namespace) -> list[Score]:
    """Score systems on the scenes of a suite."""
    out = HERE / "out" / "networks" / suite
    run = [
        sys.executable, "-m", "arrayenh", "benchmark", suite,
        "--systems", ",".join(systems), "--metrics", ",".join(METRICS),
        "--split", args.split, "-n", str(n), "--seed", str(args.seed),
        "--jobs", str(args.jobs), "--data", str(args.data),
        "--no-report", "--no-costs", "-o", str(out),
    ]  # fmt: skip
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    with (out / "results.csv").open(encoding="utf-8") as file:
        return [
            Score(row["system"], row["metric"], row["background"], row["input SNR"], float(value))
            for row in csv.DictReader(file)
            if (value := row["value"])
        ]


def mean(scores: list[Score], system: str, metric: str, **conditions: str) -> float:
    """Mean score of a system over the scenes with the given conditions."""
    return float(
        np.mean(
            [
                score.value
                for score in scores
                if (score.system, score.metric) == (system, metric)
                and all(getattr(score, key) == value for key, value in conditions.items())
            ]
        )
    )


def table(systems: list[str], scores: list[Score]) -> str:
    """Table of mean scores, with the best of each column in bold, except bounds."""
    found = {(name, metric): mean(scores, name, metric) for name in systems for metric in METRICS}
    rivals = [name for name in systems if not name.endswith("+irm")]
    best = {metric: max(found[name, metric] for name in rivals) for metric in METRICS}
    lines = [f"| system | {' | '.join(METRICS.values())} |", "|---|" + "---:|" * len(METRICS)]
    for name in systems:
        cells = []
        for metric in METRICS:
            value = found[name, metric]
            bold = "**" if value == best[metric] else ""
            cells.append(f"{bold}{value:.3f}{bold}")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def gains(systems: list[str], dry: list[Score], rooms: list[Score]) -> str:
    """Table of the SI-SDR and STOI gains over the input at several SNRs."""
    columns = [
        *((f"recorded, {snr}", dry, {"background": "ambience", "snr": snr}) for snr in SNRS),
        *((f"white, {snr}", dry, {"background": "white", "snr": snr}) for snr in SNRS),
        *((f"rooms, {snr}", rooms, {"snr": snr}) for snr in SNRS),
    ]
    lines = [f"| system | {' | '.join(head for head, *_ in columns)} |"]
    lines.append("|---|" + "---:|" * len(columns))
    for name in systems:
        cells = []
        for _, scores, conditions in columns:
            si_sdr, stoi = (
                mean(scores, name, metric, **conditions)
                - mean(scores, "noisy", metric, **conditions)
                for metric in ("si_sdr", "stoi")
            )
            cells.append(f"{si_sdr:+.1f} / {stoi:+.3f}")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def costs(networks: list[str]) -> str:
    """Table of sizes, multiplications, speed and latency."""
    head = ("network", "parameters", "MMAC/s", "file MB", "real-time factor", "latency ms")
    lines = [f"| {' | '.join(head)} | what it is |", "|---|" + "---:|" * (len(head) - 1) + "---|"]
    for name in networks:
        network = Network.load(name)
        latency = network.latency_seconds
        cells = (
            f"`{name}`",
            f"{network.words.parameters:,}",
            f"{macs_per_second(name) / 1e6:.0f}",
            f"{network.n_bytes / 1e6:.2f}",
            f"{real_time_factor(network):.4f}",
            "looks ahead" if latency is None else f"{1000 * latency:.0f}",
            describe(name),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "## What they cost\n\nOne thread, 10 s, the network alone.\n\n" + "\n".join(lines)


def real_time_factor(network: Network) -> float:
    """Time per second of audio, the best of several rounds."""
    sound = (0.1 * np.random.default_rng(0).standard_normal(RATE * SECONDS)).astype(np.float32)
    told = {"noise": np.zeros_like(sound), "masked": sound}
    taken = []
    for _ in range(ROUNDS):
        chain = NeuralPostFilter(network)
        start = time.perf_counter()
        chain.push(sound, last=True, reference=sound, told=told)
        taken.append(time.perf_counter() - start)
    return min(taken) / SECONDS


def draw(networks: list[str], args: argparse.Namespace) -> None:
    """Draw spectrograms of one scene: noisy, output of each network, and clean."""
    with standard_scenes(args.data, args.split, SHOWN_SCENE + 1, args.seed) as scenes:
        trial = scenes.case(SHOWN_SCENE).trial
    shown = {name: system(name).run(trial).samples for name in ("noisy", *networks)}
    shown["early speech"] = trial.target[0]
    levels = {name: spectrogram_db(samples, RATE) for name, samples in shown.items()}
    loudest = max(float(level.max()) for level in levels.values())
    n_rows = -(-len(levels) // COLUMNS)
    figure = Figure(figsize=(12, 2.5 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(n_rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    extent = (0, len(trial.target[0]) / RATE, 0, RATE / 2000)
    for axes, (name, level) in zip(grid, levels.items(), strict=False):
        axes.imshow(
            level - loudest, vmin=-RANGE_DB, vmax=0, cmap="magma", extent=extent,
            origin="lower", aspect="auto", interpolation="nearest",
        )  # fmt: skip
        axes.set_title(name, size=10, loc="left")
    for axes in grid[len(levels) :]:
        axes.set_visible(False)
    figure.supxlabel("time (s)", size=10)
    figure.supylabel("frequency (kHz)", size=10)
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
