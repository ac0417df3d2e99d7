"""Quality stage by stage on the standard scenes, against the early target.

    python -m benchmarks.quality --data ROOT [--split valid] [-n 32] [--seed 0] [--jobs 2]

Each scene is drawn and rendered on the spot (`benchmarks.standard_scenes`). Bounds in the
table: the oracle-mask MVDR and the oracle chain, which adds an oracle ratio mask behind
it; "gain" columns are the part of the oracle chain's gain that a system reaches.
"""

import argparse
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from arrayenh.audio import Recording
from arrayenh.config import EnhanceConfig
from arrayenh.evaluation.metrics import scores, shadow_snr
from arrayenh.geometry import load_array
from arrayenh.pipeline import Enhancer
from arrayenh.scenes.render import Rendered
from arrayenh.spatial import beamformers
from arrayenh.spatial.covariance import speech_noise_covariances
from arrayenh.stft import Stft
from benchmarks.standard_scenes import Material, draw_standard, with_material

SCORES = ("snr", "si_sdr", "pesq_wb", "stoi", "estoi")
NOISY, ORACLE = "noisy reference microphone", "oracle mask MVDR + oracle mask"
BEAMFORMER, POSTFILTER = Stft(2048, 512, "hann"), Stft(512, 128, "hann")

Row = dict[str, float]


def systems(rendered: Rendered, array_name: str, azimuth_deg: float) -> dict[str, Row]:
    """Scores of every system on one scene."""
    recording = Recording(rendered.mixture, rendered.sample_rate)
    early, rest = rendered.early_image, rendered.mixture - rendered.early_image
    images = {"speech": early, "noise": rest}
    chain = EnhanceConfig()
    noisy = recording.samples[0]

    def row(samples: np.ndarray, snr: float | None = None) -> Row:
        found = scores(early[0], samples, rendered.sample_rate, SCORES)
        values = {name: score.value for name, score in found.items()}
        return values if snr is None else values | {"snr": snr}

    def run(config: EnhanceConfig) -> tuple[dict[str, np.ndarray], float]:
        array = load_array(array_name) if config.doa is not None else None
        result = Enhancer(config, array).enhance(recording, images)
        return dict(result.stages), shadow_snr(**result.shadows)

    table = {NOISY: row(noisy, shadow_snr(early[0], rest[0]))}
    alone, _ = run(replace(chain, beamformer="none"))
    table["MMSE-LSA on one microphone"] = row(alone["mmse-lsa"])
    das, snr = run(replace(chain, beamformer="das", doa=azimuth_deg))
    table["delay-and-sum, true direction"] = row(das["das"], snr)
    table["delay-and-sum + MMSE-LSA"] = row(das["mmse-lsa"])
    steered, snr = run(replace(chain, doa=azimuth_deg))
    table["MVDR steered, true direction"] = row(steered["mvdr"], snr)
    blind, snr = run(chain)
    table["MVDR (blind)"] = row(blind["mvdr"], snr)
    wiener, _ = run(replace(chain, postfilter="wiener"))
    table["MVDR + Wiener"] = row(wiener["wiener"])
    table["MVDR + MMSE-LSA (default)"] = row(blind["mmse-lsa"])
    bound, masked, snr = oracle(recording.samples, early, rest)
    table["oracle mask MVDR"] = row(bound, snr)
    table[ORACLE] = row(masked)
    return table


def oracle(
    mixture: np.ndarray, early: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Souden MVDR from the ideal ratio mask; the same with one behind it; its SNR."""
    n = mixture.shape[1]
    spec, speech, noise = (BEAMFORMER.analyse(part) for part in (mixture, early, rest))
    mask = ratio_mask(speech, noise).mean(axis=1)
    covs = speech_noise_covariances(spec, mask**2, (1 - mask) ** 2)
    weights = beamformers.souden_mvdr(*covs, reference=0, loading=1e-6)
    out, target, left = (
        BEAMFORMER.synthesise(beamformers.apply(weights, part), n) for part in (spec, speech, noise)
    )
    gain = ratio_mask(POSTFILTER.analyse(target), POSTFILTER.analyse(left))
    masked = POSTFILTER.synthesise(gain * POSTFILTER.analyse(out), n)
    return out, masked, shadow_snr(target, left)


def ratio_mask(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """|s| / (|s| + |n|), 0 where both are silent."""
    total = np.abs(speech) + np.abs(noise)
    return np.divide(np.abs(speech), total, out=np.zeros_like(total), where=total > 0)


def score_scene(index: int, seed: int, material: Material) -> tuple[dict, dict[str, Row]]:
    """Draw one scene and score every system on it."""
    scene = draw_standard(index, seed, material)
    meta = scene.meta
    return meta, systems(scene.rendered, meta["array"], meta["target_azimuth_deg"])


def measure(data: Path, split: str, n: int, seed: int, jobs: int) -> list[tuple[dict, dict]]:
    """Scores of every system on every scene."""

    def work(material: Material) -> list[tuple[dict, dict]]:
        score = partial(score_scene, seed=seed, material=material)
        with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
            return list(pool.map(score, range(n)))

    return with_material(data, split, work)


def mean_rows(found: list[tuple[dict, dict]]) -> dict[str, Row]:
    """Means over scenes; a score that failed anywhere counts nowhere."""
    names = found[0][1]
    return {
        name: {key: float(np.nanmean([rows[name][key] for _, rows in found])) for key in SCORES}
        for name in names
    }


def table(means: Mapping[str, Row]) -> str:
    """Means and fractions of the oracle gain as Markdown."""
    lines = [
        "| system | SNR | SI-SDR | PESQ-wb | STOI | ESTOI | gain SI-SDR | gain PESQ | gain STOI |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in means.items():
        parts = [
            (row[key] - means[NOISY][key]) / (means[ORACLE][key] - means[NOISY][key])
            for key in ("si_sdr", "pesq_wb", "stoi")
        ]
        lines.append(
            f"| {name} | {row['snr']:.2f} | {row['si_sdr']:.2f} | {row['pesq_wb']:.3f} | "
            f"{row['stoi']:.3f} | {row['estoi']:.3f} | "
            + " | ".join(f"{part:.2f}" for part in parts)
            + " |"
        )
    return "\n".join(lines)


def breakdown(found: list[tuple[dict, dict]], key: str, system: str) -> str:
    """Mean gains of one system over the noisy microphone, by a property of the scene."""
    lines = [f"| {key} | scenes | SI-SDR | PESQ-wb | STOI |", "|---|---:|---:|---:|---:|"]
    for value in sorted({meta[key] for meta, _ in found}):
        rows = [rows for meta, rows in found if meta[key] == value]
        gains = [
            np.nanmean([r[system][name] - r[NOISY][name] for r in rows])
            for name in ("si_sdr", "pesq_wb", "stoi")
        ]
        lines.append(
            f"| {value} | {len(rows)} | {gains[0]:+.2f} | {gains[1]:+.3f} | {gains[2]:+.3f} |"
        )
    return "\n".join(lines)


def report(found: list[tuple[dict, dict]], title: str) -> str:
    """All tables as Markdown."""
    default = "MVDR + MMSE-LSA (default)"
    parts = [f"{title}, against the early target:", table(mean_rows(found))]
    for key in ("snr_db", "array", "has_competing_talker"):
        parts += [f"Gain of {default} over the noisy microphone by {key}:"]
        parts += [breakdown(found, key, default)]
    return "\n\n".join(parts)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options that choose the scenes."""
    parser.add_argument("--data", type=Path, default=os.environ.get("ARRAYENH_DATA"))
    parser.add_argument("--split", choices=("valid", "train"), default="valid")
    parser.add_argument("-n", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    args = parser.parse_args()
    if args.data is None:
        parser.error("give the folder of the data: --data, or $ARRAYENH_DATA")
    found = measure(Path(args.data), args.split, args.n, args.seed, args.jobs)
    print(report(found, f"{args.n} standard scenes, split {args.split}, seed {args.seed}"))


if __name__ == "__main__":
    main()
