"""Scores of every beamformer on the standard scenes, with oracle, cACGMM and SPP statistics.

    python -m benchmarks.beamformers --data ROOT [--split valid] [-n 40] [--seed 0] [--jobs 2]

Scores are against the early target, at the beamformer's output, without a post-filter; SNR is
by shadow filtering. The oracle statistics come from the ideal ratio mask of the early speech.
The second table compares some beamformers with an implementation in plain NumPy, and lists the
largest difference over the scenes.
"""

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from arrayenh import beamformers
from arrayenh.acoustics.steering import plane_wave
from arrayenh.beamformers.beamformer import BEAMFORMERS, Beamformer, Look, Statistics
from arrayenh.beamformers.blind import blind_mvdr
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.mcwf import multi_frame_least_squares
from arrayenh.chain.settings import Settings
from arrayenh.dereverberation.wpe import wpe
from arrayenh.evaluation.cases.drawn import DrawnScenes
from arrayenh.evaluation.scoring import scores, shadow_snr
from arrayenh.evaluation.systems.bounds import ratio_mask
from arrayenh.evaluation.systems.system import Trial
from arrayenh.masks.choice import mask_source
from arrayenh.statistics.covariance import covariances, sounding
from arrayenh.statistics.loading import GEOMETRY_LOADING, LOADING, adaptive_loading
from arrayenh.stft import Stft
from benchmarks import plain
from benchmarks.standard_scenes import arguments, on_each, standard_scenes

STFT = Stft(2048, 512, "hann")
NAMES = ("si_sdr", "pesq_wb", "stoi")
SETTINGS = Settings(masks="spp")
NOISY = "noisy reference microphone"
Row = dict[str, float]


class Scene:
    """Spectra of one scene, and the masks and statistics for beamformers."""

    def __init__(self, trial: Trial) -> None:
        assert trial.target is not None and trial.array is not None and trial.azimuth is not None
        self.rate = trial.sample_rate
        self.mixture, self.early = trial.mixture, trial.target
        self.rest = self.mixture - self.early
        self.spec, self.speech, self.noise = map(
            STFT.analyse, (self.mixture, self.early, self.rest)
        )
        self.there = sounding(self.spec)
        self.freqs = STFT.freqs(self.rate)
        self.positions, self.azimuth = trial.array.positions, trial.azimuth
        self.steering = plane_wave(self.positions, self.azimuth, self.freqs)
        self.n_samples = self.mixture.shape[1]

    def masks(self) -> dict[str, np.ndarray]:
        """Speech masks by method."""
        hop = STFT.hop / self.rate
        found = {"oracle": ratio_mask(self.speech, self.noise).mean(axis=1)}
        for name in ("cacgmm", "spp"):
            found[name] = mask_source(name, STFT.n_freqs, hop).estimate(self.spec, self.first)
        return found

    def first(self, mask: np.ndarray) -> np.ndarray:
        """Output of the first beamformer, from which the masks are refined."""
        weights, _ = blind_mvdr(self.spec, mask, 0, LOADING, self.there)
        return beamformers.apply(weights, self.spec)

    def heard(self, mask: np.ndarray, steered: bool, beamformer: Beamformer) -> Statistics:
        """Statistics from a mask, computed as in the chain."""
        there, design = self.there, None
        if steered and beamformer.design is not None:
            steering_of = partial(plane_wave, self.positions, freqs=self.freqs)
            look = Look(self.positions, self.freqs, 0, self.azimuth, steering_of)
            design = beamformer.design(look, SETTINGS)
        covs = covariances(self.spec, mask, there)
        loading = GEOMETRY_LOADING if steered else LOADING
        return Statistics(
            np.ascontiguousarray(self.spec[there]),
            mask[there],
            *covs,
            adaptive_loading(*covs, loading),
            0,
            self.steering[there] if steered else None,
            None if design is None else design[there],
        )

    def score(self, filters: Filters) -> Row:
        """Scores of beamformer filters."""
        out, speech, noise = (
            STFT.synthesise(filters.apply(part)[:, 0], self.n_samples)
            for part in (self.spec, self.speech, self.noise)
        )
        return self.scored(out) | {"snr": shadow_snr(speech, noise)}

    def scored(self, samples: np.ndarray) -> Row:
        """Scores of a signal."""
        found = scores(self.early[0], samples, self.rate, NAMES)
        return {name: score.value for name, score in found.items()}


def systems(scene: Scene) -> dict[str, Row]:
    """Score every beamformer with every source of statistics."""
    noisy = scene.scored(scene.mixture[0])
    table = {NOISY: noisy | {"snr": shadow_snr(scene.early[0], scene.rest[0])}}
    masks = scene.masks()

    def row(beamformer: Beamformer, mask: np.ndarray, steered: bool) -> Row:
        found = beamformer.estimate(scene.heard(mask, steered, beamformer), SETTINGS)
        return scene.score(found.spread(scene.there, (0,)))

    for name, beamformer in BEAMFORMERS.items():
        if beamformer.steering == "blind":
            continue
        kinds = {"geometry": masks["spp"]} if beamformer.fixed or name == "mpdr" else masks
        for kind, mask in kinds.items():
            table[f"{name}, true direction | {kind}"] = row(beamformer, mask, True)
    for name, beamformer in BEAMFORMERS.items():
        if beamformer.steering == "required" or beamformer.two_ears:
            continue
        for kind, mask in masks.items():
            table[f"{name} | {kind}"] = row(beamformer, mask, False)
    early = STFT.synthesise(wpe(scene.spec)[:, 0], scene.n_samples)
    table["WPE, no beamformer | itself"] = scene.scored(early) | {"snr": np.nan}
    for n_frames in (1, 4):
        weights = multi_frame_least_squares(scene.spec, scene.speech[:, 0], range(n_frames))
        filters = Filters(weights[..., None], tuple(range(n_frames)))
        table[f"MCWF to the true early speech, {n_frames} frames | target"] = scene.score(filters)
    return table


def differences(scene: Scene) -> Row:
    """Differences in SI-SDR of oracle beamformers between the library and plain NumPy, dB."""
    mask = scene.masks()["oracle"].astype(np.float64)
    spec = scene.spec.astype(np.complex128)
    speech, noise = plain.covariance(spec, mask**2), plain.covariance(spec, (1 - mask) ** 2)
    ours = covariances(scene.spec, mask.astype(np.float32), np.ones(len(mask), bool))
    jobs: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "Souden MVDR": (beamformers.souden_mvdr(*ours), plain.souden(speech, noise)),
        "SDW-MWF": (beamformers.mwf(*ours), plain.mwf(speech, noise)),
        "rank-1 MWF": (beamformers.rank_one_mwf(*ours), plain.rank_one_mwf(speech, noise)),
        "GEV with BAN": (beamformers.gev(*ours), plain.gev(speech, noise)),
        "MVDR, RTF by whitening": (
            beamformers.mvdr(wiener_rtf(*ours), ours[1]),
            plain.mvdr(plain.rtf_by_whitening(speech, noise), noise),
        ),
    }
    found = {}
    for name, pair in jobs.items():
        outputs = [np.einsum("fm,fmt->ft", weights.conj(), spec) for weights in pair]
        found[name] = apart(scene, outputs)
    for n_frames in (1, 4):
        target = scene.speech[:, 0]
        weights = multi_frame_least_squares(scene.spec, target, range(n_frames))
        filters = Filters(weights[..., None], tuple(range(n_frames)))
        outputs = [
            filters.apply(scene.spec)[:, 0],
            plain.multi_frame(spec, target.astype(np.complex128), n_frames),
        ]
        found[f"MCWF, {n_frames} frames"] = apart(scene, outputs)
    return found


def wiener_rtf(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Relative transfer function computed by the library."""
    from arrayenh.statistics.transfer_functions import rtf_by_whitening

    return rtf_by_whitening(speech, noise)


def apart(scene: Scene, outputs: list[np.ndarray]) -> float:
    """Difference in SI-SDR of two outputs, dB."""
    samples = [STFT.synthesise(out.astype(np.complex64), scene.n_samples) for out in outputs]
    first, second = (
        scores(scene.early[0], signal, scene.rate, ("si_sdr",))["si_sdr"].value
        for signal in samples
    )
    return abs(first - second)


def score_scene(index: int, source: DrawnScenes) -> tuple[dict[str, Row], Row]:
    """Draw one scene and score all systems on it."""
    scene = Scene(source.case(index).trial)
    return systems(scene), differences(scene)


def measure(
    data: Path, split: str, n: int, seed: int, jobs: int
) -> list[tuple[dict[str, Row], Row]]:
    """Score all systems on every scene."""
    with standard_scenes(data, split, n, seed) as source:
        return on_each(partial(score_scene, source=source), n, jobs)


def table(found: list[tuple[dict[str, Row], Row]]) -> str:
    """Format the means over the scenes as Markdown."""
    lines = [
        "| beamformer | statistics | SNR | SI-SDR | PESQ-wb | STOI |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name in found[0][0]:
        means: Mapping[str, float] = {
            key: float(np.mean([rows[name][key] for rows, _ in found])) for key in ("snr", *NAMES)
        }
        system, _, kind = name.partition(" | ")
        snr = "n/a" if np.isnan(means["snr"]) else f"{means['snr']:.2f}"
        lines.append(
            f"| {system} | {kind} | {snr} | {means['si_sdr']:.2f} | {means['pesq_wb']:.3f} | "
            f"{means['stoi']:.3f} |"
        )
    return "\n".join(lines)


def differences_table(found: list[tuple[dict[str, Row], Row]]) -> str:
    """Format the largest differences from plain NumPy as Markdown."""
    lines = ["| oracle beamformer | largest difference of SI-SDR, dB |", "|---|---:|"]
    for name in found[0][1]:
        lines.append(f"| {name} | {max(row[name] for _, row in found):.4f} |")
    return "\n".join(lines)


def report(found: list[tuple[dict[str, Row], Row]], title: str) -> str:
    """Format both tables."""
    return "\n\n".join(
        [
            f"{title}, against the early target, no post-filter:",
            table(found),
            "The library against plain NumPy, the same formulas and oracle masks:",
            differences_table(found),
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments(parser)
    args = parser.parse_args()
    found = measure(args.data, args.split, args.n, args.seed, args.jobs)
    print(report(found, f"{args.n} standard scenes, split {args.split}, seed {args.seed}"))


if __name__ == "__main__":
    main()
