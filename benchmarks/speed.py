"""Speed of the offline MVDR chain, compared with its FFTs alone and with pyroomacoustics + NumPy.

    python -m benchmarks.speed [--seconds 30] [--repeats 15]

One thread. The chain is STFT, both covariances, Souden weights, application and inverse
STFT of four microphones, with a given mask. It is compared with its FFTs alone (4 forward and
1 inverse, frames already windowed) and with the same job in pyroomacoustics' STFT and NumPy,
in the same run and taking turns. Times are medians; the ratios are the result.
"""

import os

for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # must be set before NumPy and numba are imported

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import scipy.fft

from arrayenh import beamformers
from arrayenh.statistics.covariance import speech_noise_covariances
from arrayenh.stft import Stft

RATE, N_MICS = 16_000, 4
STFT = Stft(2048, 512, "hann")


def ffts_alone(frames: np.ndarray) -> np.ndarray:
    """Compute 4 forward FFTs and 1 inverse of every frame; `frames` has shape (M, T, n_fft)."""
    spec = scipy.fft.rfft(frames)
    return scipy.fft.irfft(spec[0])


def chain(samples: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Run the library's offline MVDR with a given mask."""
    spec = STFT.analyse(samples)
    speech_cov, noise_cov = speech_noise_covariances(spec, mask**2, (1 - mask) ** 2)
    weights = beamformers.souden_mvdr(speech_cov, noise_cov)
    return STFT.synthesise(beamformers.apply(weights, spec), samples.shape[1])


def usual_way(samples: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Run the offline MVDR with pyroomacoustics' STFT and NumPy."""
    from pyroomacoustics.transform import stft

    window = STFT.analysis_window
    dual = stft.compute_synthesis_window(window, STFT.hop)
    padded = np.pad(samples, ((0, 0), (0, STFT.n_fft)))
    # it prepends n_fft - hop zeros to the signal, which delay its output by as much
    spec = stft.analysis(padded.T, STFT.n_fft, STFT.hop, win=window)  # (T, F, M)
    spec = spec[: mask.shape[1]].transpose(1, 2, 0)
    covs = []
    for weight in (mask**2, (1 - mask) ** 2):
        cov = np.einsum("ft,fmt,fnt->fmn", weight, spec, spec.conj(), optimize=True)
        covs.append(cov / weight.sum(axis=1)[:, None, None])
    ratio = np.linalg.solve(covs[1] + 1e-6 * np.eye(N_MICS) * trace(covs[1]), covs[0])
    weights = ratio[..., 0] / trace(ratio)[..., 0] / N_MICS
    out = np.einsum("fm,fmt->ft", weights.conj(), spec)
    return stft.synthesis(out.T, STFT.n_fft, STFT.hop, win=dual)[STFT.lead :][: samples.shape[1]]


def trace(cov: np.ndarray) -> np.ndarray:
    """Mean of the diagonal, shape (F, 1, 1)."""
    return np.trace(cov, axis1=1, axis2=2).real[:, None, None] / N_MICS


def interleaved(
    jobs: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median time of each job, s; jobs take turns, so that other load affects all equally."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats + 1):
        for name, job in jobs.items():
            started = clock()
            job()
            times[name].append(clock() - started)
    return {name: float(np.median(taken[1:])) for name, taken in times.items()}


def measure(seconds: float, repeats: int) -> dict[str, float]:
    """Measure the chain, its FFTs and pyroomacoustics + NumPy, s."""
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((N_MICS, round(seconds * RATE))).astype(np.float32)
    n_frames = STFT.n_frames(samples.shape[1])
    mask = rng.uniform(0.05, 0.95, (STFT.n_freqs, n_frames)).astype(np.float32)
    frames = rng.standard_normal((N_MICS, n_frames, STFT.n_fft)).astype(np.float32)
    ours, theirs = chain(samples, mask), usual_way(samples, mask)
    error = np.abs(ours - theirs).max() / np.abs(ours).max()
    if not error < 1e-3:
        raise SystemExit(f"the two implementations differ by {error:.1e}: not the same job")
    jobs = {
        "FFTs alone": lambda: ffts_alone(frames),
        "arrayenh": lambda: chain(samples, mask),
        "pyroomacoustics STFT + NumPy": lambda: usual_way(samples, mask),
    }
    return interleaved(jobs, repeats)


def table(seconds: float, times: Mapping[str, float]) -> str:
    """Format the times as Markdown."""
    least = times["FFTs alone"]
    lines = [
        f"Offline MVDR, {N_MICS} microphones, {seconds:g} s, one thread:",
        "",
        "| | ms | x FFTs alone | x real time |",
        "|---|---:|---:|---:|",
    ]
    for name, taken in times.items():
        speed = seconds / taken
        lines.append(f"| {name} | {1000 * taken:.1f} | {taken / least:.2f} | {speed:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    print(table(args.seconds, measure(args.seconds, args.repeats)))


if __name__ == "__main__":
    main()
