"""Streams: real-time factor, longest block, memory and latency of each profile, beside peers.

    python -m benchmarks.streaming [--minutes 10] [--hours 2]

One thread, blocks of 10 ms at 16 kHz. The real-time factor is the median block over its duration;
the block that 1 of 1000 exceeds (p99.9) should be shorter than its duration, too. Memory is the
growth of the resident memory over a simulated stream, after its first minute. Latency is the
position of an impulse's peak in a chain that passes it, or for peers, of the peak of the
correlation with speech above 1 kHz, beside the one that is stated.
"""

import os

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # must be set before NumPy and numba are imported

import argparse
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.chain.frames import LIVE
from arrayenh.chain.stream import StreamingEnhancer
from arrayenh.errors import MissingExtraError
from arrayenh.evaluation.systems.names import system
from arrayenh.evaluation.systems.system import Trial
from arrayenh.scenes.packaged import load_clip
from benchmarks.latency import words
from benchmarks.speed import interleaved

RATE, RATES = 16_000, (16_000, 44_100, 48_000)
BLOCK_SECONDS = 0.01
MOST_GROWTH_MB = 5.0
PEERS = ("rnnoise", "speex-ns", "webrtc-ns", "deepfilternet3")
OURS, N_MICS = "mvdr[online=true]+neural", 4
PEER_SECONDS, PEER_RUNS = 20.0, 3
SPEECH_HZ = 1000.0  # above it, the high-pass filters of peers do not change the phase


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile with its usual microphones.

    Attributes
    ----------
    name : str
    n_mics : int
    most : float
        Real-time factor to stay below.
    settings : dict
    """

    name: str
    n_mics: int
    most: float
    settings: dict[str, Any] = field(default_factory=dict)

    def stream(self, rate: int = RATE) -> StreamingEnhancer:
        """Start a stream."""
        return StreamingEnhancer(self.n_mics, rate, self.name, **self.settings)


PROFILES = (
    Profile("conference", 4, 0.10),
    Profile("low-latency", 4, 0.15),
    Profile("hearing-aid", 6, 0.50, {"ears": "0,3"}),
)


def material(n_mics: int) -> np.ndarray:
    """Half a minute of intermittent speech in noise, a little later at each microphone, (M, N)."""
    rng = np.random.default_rng(0)
    voice = np.concatenate([load_clip("female")[0], load_clip("male")[0]])
    shifted = np.stack([np.roll(voice, m) for m in range(n_mics)])
    return (0.3 * shifted + 0.01 * rng.standard_normal(shifted.shape)).astype(np.float32)


def blocks(samples: np.ndarray, seconds: float, rate: int = RATE) -> Iterator[np.ndarray]:
    """Blocks of 10 ms of samples that repeat for some time."""
    size = round(BLOCK_SECONDS * rate)
    n_held = samples.shape[1] // size
    for k in range(round(seconds / BLOCK_SECONDS)):
        start = k % n_held * size
        yield samples[:, start : start + size]


def block_times(profile: Profile, seconds: float) -> np.ndarray:
    """Time that each block takes, s; a first second is not counted."""
    stream, samples = profile.stream(), material(profile.n_mics)
    for block in blocks(samples, 1.0):
        stream.process(block)
    times = []
    for block in blocks(samples, seconds):
        started = time.perf_counter()
        stream.process(block)
        times.append(time.perf_counter() - started)
    return np.array(times)


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def growth_mb(profile: Profile, seconds: float) -> float:
    """Growth of the resident memory over a stream, after its first tenth, at most a minute."""
    stream, samples = profile.stream(), material(profile.n_mics)
    settled = min(60.0, seconds / 10)
    for block in blocks(samples, settled):
        stream.process(block)
    gc.collect()
    before = resident_mb()
    for block in blocks(samples, seconds - settled):
        stream.process(block)
    gc.collect()
    return resident_mb() - before


def impulse_latency(latency: str, rate: int) -> tuple[int, int]:
    """Latency in samples as computed, and as an impulse measures it."""
    stream = StreamingEnhancer(1, rate, latency=latency, masks="spp", postfilter="none")
    impulse = np.zeros((1, rate // 5), np.float32)
    impulse[0, rate // 50] = 0.5
    out = np.concatenate([stream.process(block) for block in blocks(impulse, 0.2, rate)])
    return stream.latency_samples, int(np.abs(out).argmax()) - rate // 50


def peer_trial(seconds: float) -> Trial:
    """Speech in noise at four microphones, of which peers use the first."""
    samples = material(N_MICS)
    repeats = -(-round(seconds * RATE) // samples.shape[1])
    return Trial(np.tile(samples, repeats)[:, : round(seconds * RATE)], RATE)


def runs(name: str) -> bool:
    """Run a system on a second of sound; False if its package is not installed."""
    try:
        system(name).run(peer_trial(1.0))
    except MissingExtraError:
        return False
    return True


def real_time_factors(names: Sequence[str], trial: Trial) -> dict[str, float]:
    """CPU seconds per second of sound; the systems take turns, so that other load hits all."""
    jobs = {name: partial(system(name).run, trial) for name in names}
    seconds = trial.mixture.shape[1] / trial.sample_rate
    times = interleaved(jobs, PEER_RUNS, time.process_time)
    return {name: taken / seconds for name, taken in times.items()}


def peer_row(name: str, trial: Trial, factor: float, ratio: float) -> str:
    """Speed of a system, its stated latency, and how far it is realigned wrongly."""
    late = 1000 * shift(trial.mixture[0], system(name).run(trial).samples) / RATE
    latency = words(system(name).latency())
    return f"| `{name}` | {factor:.4f} | {ratio:.2f} | {latency} | {late:+.2f} |"


def shift(samples: np.ndarray, out: np.ndarray) -> int:
    """Lag of the peak of the correlation above 1 kHz, samples."""
    n = len(samples)
    freqs = np.fft.rfftfreq(2 * n, 1 / RATE)
    cross = np.fft.rfft(out, 2 * n) * np.fft.rfft(samples, 2 * n).conj()
    cross[freqs < SPEECH_HZ] = 0
    lag = int(np.fft.irfft(cross).argmax())
    return lag if lag < n else lag - 2 * n


def speed_table(seconds: float) -> str:
    """Real-time factors and longest blocks, as Markdown."""
    lines = [
        f"Blocks of {1000 * BLOCK_SECONDS:g} ms, {seconds / 60:g} minutes, one thread:",
        "",
        "| profile | microphones | real-time factor | at most | median block, ms | p99.9, ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for profile in PROFILES:
        times = block_times(profile, seconds)
        factor, median = times.mean() / BLOCK_SECONDS, 1000 * np.median(times)
        longest = 1000 * np.quantile(times, 0.999)
        lines.append(
            f"| {profile.name} | {profile.n_mics} | {factor:.3f} | {profile.most:.2f} | "
            f"{median:.2f} | {longest:.2f} |"
        )
    return "\n".join(lines)


def memory_table(hours: float) -> str:
    """Growth of memory, as Markdown."""
    lines = [
        f"Resident memory, over {hours:g} hours of sound; at most {MOST_GROWTH_MB:g} MB:",
        "",
        "| profile | growth, MB |",
        "|---|---:|",
    ]
    lines += [f"| {one.name} | {growth_mb(one, 3600 * hours):+.1f} |" for one in PROFILES]
    return "\n".join(lines)


def latency_table() -> str:
    """Latencies of the profiles by rate, computed and measured, as Markdown."""
    lines = [
        "Latency, computed = by impulse:",
        "",
        "| profile | rate, Hz | samples | by impulse | ms | at most, ms |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, frames in LIVE.items():
        for rate in RATES:
            computed, found = impulse_latency(name, rate)
            lines.append(
                f"| {name} | {rate} | {computed} | {found} | {1000 * computed / rate:.2f} | "
                f"{frames.most_ms:g} |"
            )
    return "\n".join(lines)


def peer_table(seconds: float) -> str:
    """Own chain and peers, as Markdown; peers that are not installed are left out."""
    trial = peer_trial(seconds)
    factors = real_time_factors([OURS, *filter(runs, PEERS)], trial)
    lines = [
        f"CPU time of whole recordings, `{OURS}` with {N_MICS} microphones and",
        "peers with one, resampling and the creation of networks included. Outputs are realigned",
        "by the stated delay, and the last column is what is left:",
        "",
        "| system | real-time factor | x ours | stated latency, ms | left after realignment, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [peer_row(name, trial, one, one / factors[OURS]) for name, one in factors.items()]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--peer-seconds", type=float, default=PEER_SECONDS)
    args = parser.parse_args()
    print(speed_table(60 * args.minutes))
    print("\n" + latency_table())
    print("\n" + memory_table(args.hours))
    print("\n" + peer_table(args.peer_seconds))


if __name__ == "__main__":
    main()
