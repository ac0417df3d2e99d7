"""Algorithmic latency of streaming systems: stated, and measured.

    python -m benchmarks.latency [--changes 8]

The input is changed from some sample on. The first output sample that changes shows how far the
system looks ahead; the maximum over several positions is its latency. If a system reads the whole
recording first, its output changes from the start. Peers are measured at their own sampling rate,
as the latency of a resampler is not theirs.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.peer import resampled
from arrayenh.evaluation.systems.system import System, Trial
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.packaged import load_clip

SYSTEMS = (
    "noisy",
    "mmse-lsa",
    "om-lsa",
    "das@direction",
    "das@direction+mmse-lsa",
    "superdirective@direction",
    "mvdr[online=true]",
    "mvdr[online=true]+neural",
    "mvdr[online=true,masks=spp,n_fft=512,hop=128]+mmse-lsa",
    "rank1-mwf[online=true]",
    "gsc[online=true]",
    "mvdr",
)
PEERS = {"webrtc-ns": 16_000, "speex-ns": 16_000, "rnnoise": 48_000, "deepfilternet3": 48_000}
SECONDS, WHOLE = 6.0, 2.0
ARRAY = "linear4-35mm"


def material() -> Trial:
    """Speech in noise, delayed a little more at each microphone."""
    voice, rate = load_clip("female")
    n, array = round(SECONDS * rate), load_array(ARRAY)
    rng = np.random.default_rng(0)
    mixture = np.stack([np.roll(voice, m)[:n] for m in range(array.n_mics)])
    mixture = mixture + 0.02 * rng.standard_normal(mixture.shape)
    return Trial(mixture.astype(np.float32), rate, array=array, azimuth=0.3)


def at_rate(trial: Trial, rate: int) -> Trial:
    """Resample the mixture of a trial."""
    mixture = np.stack([resampled(one, trial.sample_rate, rate) for one in trial.mixture])
    return replace(trial, mixture=mixture, sample_rate=rate)


def looked_ahead(tested: System, trial: Trial, moments: Sequence[int]) -> float:
    """Seconds by which the output changes before the input; infinite if it does from the start."""
    rng = np.random.default_rng(1)
    before = tested.run(trial).samples
    most = 0
    for moment in moments:
        changed = trial.mixture.copy()
        changed[:, moment:] += 0.5 * rng.standard_normal(changed[:, moment:].shape).astype("f")
        after = tested.run(replace(trial, mixture=changed)).samples
        differs = np.flatnonzero(np.abs(after - before) > 1e-7 * np.abs(before).max())
        most = max(most, moment - int(differs[0]))
    seconds = most / trial.sample_rate
    return seconds if seconds < WHOLE else float("inf")


def words(seconds: float | None) -> str:
    """Format a latency in milliseconds."""
    if seconds is None or seconds == float("inf"):
        return "whole recording"
    return f"{1000 * seconds:.1f}"


def table(n_changes: int) -> str:
    """Format stated and measured latencies as Markdown."""
    at_16k = material()
    rng = np.random.default_rng(2)
    moments = rng.integers(3 * at_16k.sample_rate, 5 * at_16k.sample_rate, n_changes)
    rates = dict.fromkeys(SYSTEMS, at_16k.sample_rate) | PEERS
    lines = ["| system | stated, ms | found, ms |", "|---|---:|---:|"]
    for name, rate in rates.items():
        tested, trial = system(name), at_rate(at_16k, rate)
        found = looked_ahead(tested, trial, [m * rate // at_16k.sample_rate for m in moments])
        lines.append(f"| `{name}` | {words(tested.latency())} | {words(found)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=8)
    print(table(parser.parse_args().changes))


if __name__ == "__main__":
    main()
