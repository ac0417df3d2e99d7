"""Write the model card of a built-in network from the folder of its training.

    python -m benchmarks.cards DIR NAME [--scores quality/results.csv ...] [--limits TEXT]

The training figures come from the log. The scores come from `arrayenh benchmark`, in a folder
with the name of the suite.
"""

import argparse
import csv
from itertools import pairwise
from pathlib import Path
from shutil import copyfile

import numpy as np

from arrayenh.chain.capture import RATE
from arrayenh.chain.networks import chosen
from arrayenh.evaluation.systems.behind import Behind
from arrayenh.evaluation.systems.chain import Chain
from arrayenh.evaluation.systems.names import system as parse
from arrayenh.networks.catalogue import FOLDER
from arrayenh.networks.runtime import Network
from arrayenh.scenes.signals import COLOURS
from arrayenh.training.recipe import TrainRecipe, load_recipe

HERE = Path(__file__).parent
CURVES = HERE.parent / "docs" / "learning-curves"
METRICS = {"si_sdr": "SI-SDR dB", "pesq_wb": "PESQ-wb", "stoi": "STOI"}
BESIDE = ("noisy", "mvdr[masks=cacgmm]+mmse-lsa", "oracle-mask-mvdr+irm")
ROWS = 12  # most rows of the learning curve
ROLES = {
    "microphone": "any microphone",
    "reference": "the reference microphone",
    "beamformed": "the beamformer's output",
    "rest": "the part that the beamformer removed",
    "noise": "the residual noise of the beamformer, estimated from the other directions",
    "masked": "the reference microphone times the mask that steers the beamformer",
}
ROOMS = """\
Rooms: {scenes} scenes of 8 s (and 100 to select the best step), drawn by
`arrayenh/training/data/train-scenes.toml` and rendered by `arrayenh`: 2 to 8 microphones, RT60
0.1 to 1 s, talkers at 0.5 to 4 m, up to three directional noises or talkers, a diffuse field,
imperfect microphones; mixed at random for every example. Speakers and noises of the measured
scenes, and those of the benchmark, are not in the training data.
"""
MIXTURES = """\
Mixtures: dry speech and one noise{noise}, {seconds:g} s, at {snrs} dB, mixed at random for every
example. A tenth of the speakers and noises was used to select the best step; those of the
benchmark are not in the data.
"""
SPEECH = """\
Speech: LibriSpeech (V. Panayotov, CC BY 4.0; excerpts of train-clean-100 and train-clean-5),
Picovoice speech-to-intent and wake-word benchmarks (Apache-2.0), Mycroft Precise Community Data
(public domain), Rhasspy kerstin and kathleen (CC0), LJSpeech (public domain).
"""
NOISE = """\
Noise: OLPC Berklee Sound Library (CC BY 3.0), Speech Commands background noise (CC BY 4.0),
Blanket, Muges, Ambie, DrunkenToast, AntumMT, Cataclysm-DDA, SS14, OpenSFX, OpenRCT2, MAX audio
classifier, AmbienZZZzz, Berlin Noise (T. Rosen, CC BY 4.0), ambient-engine, alarm-clock and Kenney
sounds (per file CC0, CC BY 2.0 to 4.0, CC BY-SA 3.0 or 4.0), kbsim and Mechvibes (MIT), SpeechBrain
and Picovoice samples (Apache-2.0), librosa examples (Kevin MacLeod, Mihai Sorohan, InspectorJ,
CC BY 3.0), A. N. Rose, Sonic Pi and Mycroft (CC0, public domain){computed}.
"""
COMPUTED = "; fans, white, pink and brown noise and\nbabble are computed"
SCENES = {"quality": "standard scenes, early target", "mixtures": "dry mixtures"}


def main() -> None:
    """Write the card and copy the learning curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Folder of the training.")
    parser.add_argument("name")
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="SUITE/results.csv.")
    parser.add_argument("--limits", default="", help="Limits of the network.")
    args = parser.parse_args()
    network = Network.load(args.name)
    recipe = load_recipe(args.folder / "recipe.toml")
    log = list(csv.DictReader((args.folder / "log.csv").open(encoding="utf-8")))
    parts = [
        f"# {args.name}\n\n{network.words.describe}",
        facts(args.name, network, recipe, log),
        f"## Trained on\n\n{data(recipe)}",
        f"## Learning curve\n\nLoss on the development data.\n\n{curve(log)}",
    ]
    if args.scores:
        tables = [scores(args.name, path) for path in args.scores]
        parts.append("\n\n".join(["## Scores", *tables]))
    if args.limits:
        parts.append(f"## Limits\n\n{args.limits}")
    card = FOLDER / "cards" / f"{args.name}.md"
    Path(str(card)).write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    CURVES.mkdir(parents=True, exist_ok=True)
    copyfile(args.folder / "loss.png", CURVES / f"{args.name}.png")


def facts(name: str, network: Network, recipe: TrainRecipe, log: list[dict[str, str]]) -> str:
    """Table of the network's properties and training."""
    signature, run = network.signature, recipe.run
    steps = int(log[-1]["step"])
    processes = workers(log, run.batch_size)
    hours = steps * run.batch_size * processes * float(recipe.data.get("seconds", 4.0)) / 3600
    threads = "one thread of a CPU" if processes == 1 else f"{processes} processes of a thread each"
    loss = ", ".join(f"{weight:g} {term}" for term, weight in recipe.loss.weights.items() if weight)
    causal = "frame by frame" if signature.causal else "looks ahead"
    frame = 1000 * signature.n_fft / signature.sample_rate
    rows = {
        "task": signature.task,
        "input": "; ".join(ROLES[role] for role in signature.inputs),
        "frames": f"{signature.n_fft} samples every {signature.hop} ({frame:g} ms), {causal}",
        "parameters": f"{network.words.parameters:,}",
        "file": f"{network.n_bytes / 1e6:.2f} MB, ONNX",
        "licence of the weights": network.words.licence,
        "recipe": f"`arrayenh train {name} --data ROOT -o DIR` (seed {run.seed})",
        "loss": loss,
        "training": f"{steps} steps of {run.batch_size * processes}, {hours:.1f} h of sound, "
        f"{float(log[-1]['elapsed_s']) / 60:.0f} min on {threads}",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {text} |" for key, text in rows.items())])


def data(recipe: TrainRecipe) -> str:
    """Description of the training data and its sources."""
    settings = recipe.data
    if settings["kind"] == "scenes":
        parts = [ROOMS.format(scenes=settings.get("scenes", 1500)), SPEECH]
        return "\n".join([*parts, NOISE.format(computed=COMPUTED)]).strip()
    coloured = settings.get("noise") in COLOURS
    how = MIXTURES.format(
        noise=f" ({settings['noise']})" if coloured else "",
        seconds=settings["seconds"],
        snrs=", ".join(f"{snr:g}" for snr in settings["snr_db"]["choice"]),
    )
    parts = [how, SPEECH] if coloured else [how, SPEECH, NOISE.format(computed="")]
    return "\n".join(parts).strip()


def workers(log: list[dict[str, str]], batch_size: int) -> int:
    """Number of training processes, from the rate of examples in the log."""
    found = []
    for before, last in pairwise(log):  # most steps have no measurement in between
        seconds = float(last["elapsed_s"]) - float(before["elapsed_s"])
        steps = int(last["step"]) - int(before["step"])
        found.append(float(last["examples_per_s"]) * seconds / (steps * batch_size))
    return round(np.median(found))


def curve(log: list[dict[str, str]]) -> str:
    """Table of the measured loss, at evenly spaced steps."""
    measured = [row for row in log if row.get("dev_loss")]
    keep = sorted({round(k * (len(measured) - 1) / (ROWS - 1)) for k in range(ROWS)})
    columns = [key for key in log[0] if key.startswith("dev_")]
    lines = [f"| step | {' | '.join(columns)} |", "|---:|" + "---:|" * len(columns)]
    for row in (measured[k] for k in keep):
        lines.append(f"| {row['step']} | {' | '.join(f'{float(row[c]):.4g}' for c in columns)} |")
    return "\n".join(lines)


def scores(name: str, path: Path) -> str:
    """Table of mean scores of the systems that use the network, and of some others."""
    sums: dict[str, dict[str, list[float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["metric"] in METRICS and row["value"]:
                values = sums.setdefault(row["system"], {}).setdefault(row["metric"], [])
                values.append(float(row["value"]))
    shown = [system for system in sums if system in BESIDE or takes_part(name, system)]
    suite = path.parent.name
    lines = [f"| system | {' | '.join(METRICS.values())} |", "|---|" + "---:|" * len(METRICS)]
    for system in shown:
        means = (np.mean(sums[system][metric]) for metric in METRICS)
        lines.append(f"| {system} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    n_cases = max(len(values) for values in sums[shown[0]].values())
    head = f"{n_cases} {SCENES[suite]} (`arrayenh benchmark {suite}`), means."
    return head + "\n\n" + "\n".join(lines)


def takes_part(name: str, system: str) -> bool:
    """Whether a system uses the network."""
    chain = parse(system)
    chain = chain.chain if isinstance(chain, Behind) else chain
    return isinstance(chain, Chain) and any(
        network is not None and network.source == name
        for network in (chosen(chain.config, RATE).mask, chosen(chain.config, RATE).postfilter)
    )


if __name__ == "__main__":
    main()
