"""Speed of the spatial kernels, compared with pyroomacoustics, nara_wpe and NumPy.

    python -m benchmarks.spatial [--seconds 30] [--repeats 5] [--threads 1] [--scaling]

Four microphones of `circular4-35mm` in the room of `arrayenh demo` with a second talker, STFT
2048/512 at 16 kHz, one thread. Both implementations of a job process the same spectrum. Their
outputs are compared first; a difference above the bound is an error. Times are medians, with the
implementations taking turns. With `--scaling` the library's own times are compared on one and
two threads instead, which needs two idle cores.
"""

import os
import sys

THREADS = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"
for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = THREADS  # must be set before NumPy and numba are imported

import argparse
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh import beamformers
from arrayenh.acoustics.steering import delays, plane_wave
from arrayenh.beamformers.gsc import RecursiveGsc, blocking_matrix
from arrayenh.beamformers.mcwf import multi_frame_least_squares
from arrayenh.beamformers.mvdr import RecursiveMvdr
from arrayenh.dereverberation import wpe as dereverb
from arrayenh.localisation.music import music
from arrayenh.localisation.srp_phat import in_band, srp_phat
from arrayenh.masks import cacgmm as mixture
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.demo import TARGET_AZIMUTH_DEG, describe
from arrayenh.scenes.render import render
from arrayenh.separation import iva as separate
from arrayenh.statistics.covariance import speech_noise_covariances
from arrayenh.statistics.lagged import lagged_filter
from arrayenh.stft import Stft
from benchmarks import plain
from benchmarks.speed import interleaved

RATE, ARRAY = 16_000, "circular4-35mm"
STFT = Stft(2048, 512, "hann")
MEMORY = 2.0  # duration for the recursive jobs, s
ONLINE_FRAMES = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """One job, implemented by the library and by others.

    `bound` is the largest allowed difference of the outputs, relative to their norm. It is
    finite, so that a benchmark of different jobs fails.
    """

    name: str
    ours: Callable[[], np.ndarray]
    others: dict[str, Callable[[], np.ndarray]]
    bound: float


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Input signals: reverberant speech of one talker; a rival, a fan and air conditioning."""

    spec: np.ndarray
    mask: np.ndarray
    steering: np.ndarray
    freqs: np.ndarray
    positions: np.ndarray

    @classmethod
    def draw(cls, seconds: float) -> "Material":
        """Render the scene and repeat it; the mask is the true share of the talker's power."""
        array, freqs = load_array(ARRAY), STFT.freqs(RATE)
        scene = render(describe(array, np.random.default_rng(0), competing_talker=True))
        samples = np.arange(round(seconds * RATE)) % scene.mixture.shape[1]
        speech, noise = (
            STFT.analyse(image[:, samples])
            for image in (scene.talker_images[0], scene.mixture - scene.talker_images[0])
        )
        power, rest = (np.mean(np.abs(part) ** 2, axis=1) for part in (speech, noise))
        mask = np.clip(power / (power + rest), 0.05, 0.95).astype(np.float32)
        steering = plane_wave(array.positions, np.deg2rad(TARGET_AZIMUTH_DEG), freqs)
        spec = np.ascontiguousarray(speech + noise)
        return cls(spec, mask, steering, freqs, array.positions)


def pairs(made: Material) -> list[Pair]:
    """Return all jobs."""
    return [
        statistics_and_weights(made),
        expectation(made, np.complex64, 1e-2),  # that of single precision at a condition of 10⁶
        expectation(made, np.complex128, 1e-6),
        localisation(made),
        subspace(made),
        prediction(made),
        recursive_prediction(made),
        recursive_weights(made),
        recursive_canceller(made),
        several_frames(made),
        separation(made),
    ]


def statistics_and_weights(made: Material) -> Pair:
    """Covariances, Souden's MVDR weights, and the output."""
    spec, mask = made.spec, made.mask
    speech, noise = mask**2, (1 - mask) ** 2

    def ours() -> np.ndarray:
        covs = speech_noise_covariances(spec, speech, noise)
        return beamformers.apply(beamformers.souden_mvdr(*covs), spec)

    return Pair(
        "covariances + MVDR + output",
        ours,
        {
            "NumPy matmul": lambda: plain.mvdr_chain(spec, speech, noise),
            "NumPy einsum": lambda: plain.mvdr_chain(spec, speech, noise, plain.covariance_einsum),
        },
        1e-2,  # NumPy sums the covariances in single precision
    )


def expectation(made: Material, precision: type[np.complexfloating], bound: float) -> Pair:
    """Ten EM iterations of the cACGMM in single or double precision."""
    spec = made.spec.astype(precision)
    begin = np.stack([made.mask, 1 - made.mask], axis=1).astype(spec.real.dtype)
    return Pair(
        f"cACGMM, 10 iterations, {np.dtype(precision)}",
        lambda: mixture.cacgmm(spec, begin, 10)[0],
        {"NumPy matmul": lambda: plain.cacgmm(spec, begin, 10, mixture.LOADING)},
        bound,
    )


def localisation(made: Material) -> Pair:
    """SRP-PHAT map of 360 directions."""
    import pyroomacoustics as pra

    band = in_band(made.freqs)
    azimuth = np.deg2rad(np.arange(-180, 180, 1.0))
    theirs = pra.doa.SRP(made.positions.T, RATE, STFT.n_fft, azimuth=azimuth, dim=2)
    spectra, bins = made.spec.transpose(1, 0, 2), np.arange(len(made.freqs))[band]
    turns = delays(made.positions, azimuth)
    table = np.exp(-2j * np.pi * made.freqs[band][:, None, None] * turns).astype(np.complex64)
    n_mics, n_terms = len(made.positions), len(bins) * made.spec.shape[2]

    def pyroomacoustics() -> np.ndarray:
        theirs.locate_sources(np.ascontiguousarray(spectra), freq_bins=bins)
        return theirs.grid.values / 2 - 1 / (n_mics - 1) / 1  # their pairs include the diagonal

    def numpy() -> np.ndarray:
        power = plain.steered_power(made.spec[band], table)
        return (power / n_terms - n_mics) / (n_mics * (n_mics - 1))

    def ours() -> np.ndarray:
        return srp_phat(made.spec, made.positions, made.freqs, azimuth=azimuth)[1]

    return Pair(
        "SRP-PHAT, 360 directions",
        ours,
        {"NumPy, table": numpy, "pyroomacoustics": pyroomacoustics},
        1e-3,
    )


def subspace(made: Material) -> Pair:
    """MUSIC over 360 directions, from the STFT."""
    import pyroomacoustics as pra

    from arrayenh.acoustics.steering import direction
    from arrayenh.statistics.covariance import spatial_covariance

    band = in_band(made.freqs)
    azimuth = np.deg2rad(np.arange(-180, 180, 1.0))
    theirs = pra.doa.MUSIC(made.positions.T, RATE, STFT.n_fft, azimuth=azimuth, dim=2)
    bins = np.arange(len(made.freqs))[band]
    directions = direction(azimuth)

    def ours() -> np.ndarray:
        cov = spatial_covariance(made.spec[band])
        return scaled_to_peak(music(cov, made.positions, made.freqs[band], directions))

    def pyroomacoustics() -> np.ndarray:
        spectra = np.ascontiguousarray(made.spec.transpose(1, 0, 2))
        theirs.locate_sources(spectra, num_src=1, freq_bins=bins)
        return scaled_to_peak(theirs.grid.values)

    return Pair("MUSIC, 360 directions", ours, {"pyroomacoustics": pyroomacoustics}, 1e-3)


def scaled_to_peak(power: np.ndarray) -> np.ndarray:
    """Scale a map to a maximum of 1: the scale of a pseudo-spectrum is a convention."""
    return power / power.max()


def prediction(made: Material) -> Pair:
    """WPE, 5 taps, delay 2, 3 iterations, with the floor of NARA-WPE and as little loading."""
    from nara_wpe.wpe import wpe_v8

    wide = made.spec.astype(np.complex128)  # the layout of its own STFT
    return Pair(
        "WPE, 5 taps, 3 iterations",
        lambda: dereverb.wpe(made.spec, loading=1e-14, least_power=1e-10),
        {"nara_wpe, complex128": lambda: wpe_v8(wide, dereverb.TAPS, dereverb.DELAY, 3)},
        1e-4,
    )


def recursive_prediction(made: Material) -> Pair:
    """Recursive WPE."""
    from nara_wpe.wpe import OnlineWPE

    part = np.ascontiguousarray(made.spec[:, :, :ONLINE_FRAMES])
    n_freqs, n_mics, _ = part.shape
    ours = dereverb.RecursiveWpe(n_freqs, n_mics, hop_seconds=0.032)

    def update() -> np.ndarray:
        ours.reset()
        return ours.update(part)

    def nara() -> np.ndarray:
        theirs = OnlineWPE(
            ours.taps, ours.delay - 2, ours.keep, channel=n_mics, frequency_bins=n_freqs
        )
        frames = part.transpose(2, 0, 1).astype(np.complex128)
        return np.stack([theirs.step_frame(frame) for frame in frames], axis=2)

    return Pair("WPE frame by frame", update, {"nara_wpe": nara}, 1e-2)


def recursive_weights(made: Material) -> Pair:
    """Recursive blind MVDR."""
    part, mask = (np.ascontiguousarray(x[..., :ONLINE_FRAMES]) for x in (made.spec, made.mask))
    n_freqs, n_mics, _ = part.shape
    speech, noise = mask**2, (1 - mask) ** 2
    ours = RecursiveMvdr(n_freqs, n_mics, 0.032, np.inf, keep_level=False)

    def update() -> np.ndarray:
        ours.reset()
        return ours.update(part, speech, noise)

    return Pair(
        "MVDR frame by frame",
        update,
        {"NumPy, all bins": lambda: plain.recursive_mvdr(part, speech, noise, 1.0)},
        1e-3,
    )


def recursive_canceller(made: Material) -> Pair:
    """Recursive generalised sidelobe canceller."""
    part, mask = (np.ascontiguousarray(x[..., :ONLINE_FRAMES]) for x in (made.spec, made.mask))
    n_freqs, n_mics, _ = part.shape
    noise = (1 - mask) ** 2
    ours = RecursiveGsc(n_freqs, n_mics, 0.032, np.inf, most_norm=1e9)
    fixed, blocking = (
        beamformers.delay_and_sum(made.steering),
        blocking_matrix(made.steering),
    )

    def update() -> np.ndarray:
        ours.reset()
        return ours.update(part, noise, made.steering)

    return Pair(
        "GSC frame by frame",
        update,
        {"NumPy, all bins": lambda: plain.recursive_canceller(part, noise, fixed, blocking, 1.0)},
        1e-3,
    )


def several_frames(made: Material) -> Pair:
    """Multi-frame filter over four frames to a known target, and its output."""
    target = made.spec[:, 0] * made.mask
    frames = range(4)

    def ours() -> np.ndarray:
        weights = multi_frame_least_squares(made.spec, target, frames)
        return lagged_filter(weights[..., None], made.spec, frames)[:, 0]

    return Pair(
        "multi-frame filter, 4 frames",
        ours,
        {"NumPy matmul": lambda: plain.multi_frame(made.spec, target, 4)},
        1e-3,
    )


def separation(made: Material) -> Pair:
    """Ten iterations of AuxIVA with as many sources as microphones."""
    import pyroomacoustics as pra

    n_mics = made.spec.shape[1]
    frames = made.spec.transpose(2, 0, 1).astype(np.complex128)

    def ours() -> np.ndarray:
        return projected(separate.auxiva(made.spec, n_mics, 10) @ made.spec, made.spec)

    def pyroomacoustics() -> np.ndarray:
        found = pra.bss.auxiva(frames, n_iter=10, proj_back=False, model="laplace")
        return projected(found.transpose(1, 2, 0), made.spec)

    return Pair("AuxIVA, 10 iterations", ours, {"pyroomacoustics": pyroomacoustics}, 1e-2)


def projected(sources: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Project sources onto microphone 0, as the scale of each bin of AuxIVA is arbitrary."""
    cross = np.sum(sources.conj() * spec[:, :1], axis=2, keepdims=True)
    return sources * cross / np.sum(np.abs(sources) ** 2, axis=2, keepdims=True)


def check(pair: Pair) -> None:
    """Raise an error if the outputs of a pair differ."""
    wanted = pair.ours()
    for name, other in pair.others.items():
        error = np.linalg.norm(other() - wanted) / np.linalg.norm(wanted)
        if not error < pair.bound:
            raise SystemExit(f"{pair.name}: {name} differs by {error:.1e}: not the same job")


def own_times(seconds: float, repeats: int) -> dict[str, float]:
    """Measure the library's own times, s."""
    jobs = {pair.name: pair.ours for pair in pairs(Material.draw(seconds))}
    return interleaved(jobs, repeats)


def table(seconds: float, repeats: int) -> str:
    """Measure all times; format them as Markdown."""
    lines = [
        f"4 microphones, {seconds:g} s, STFT 2048/512, one thread:",
        "",
        "| job | arrayenh, ms | beside | ms | x faster |",
        "|---|---:|---|---:|---:|",
    ]
    for pair in pairs(Material.draw(seconds)):
        check(pair)
        times = interleaved({"": pair.ours, **pair.others}, repeats)
        own = times.pop("")
        for name, taken in times.items():
            lines.append(
                f"| {pair.name} | {1000 * own:.1f} | {name} | {1000 * taken:.1f} | "
                f"{taken / own:.1f} |"
            )
    return "\n".join(lines)


def scaling(seconds: float, repeats: int) -> str:
    """Measure with one and with two threads in separate processes; format as Markdown."""
    runs = []
    for threads in ("1", "2"):
        command = [sys.executable, "-m", "benchmarks.spatial", "--threads", threads, "--own"]
        command += ["--seconds", f"{seconds:g}", "--repeats", str(repeats)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        runs.append(dict(line.rsplit("\t", 1) for line in out.strip().splitlines()))
    lines = [
        f"Two threads, {seconds:g} s:",
        "",
        "| job | one thread, ms | two, ms | x faster |",
        "|---|---:|---:|---:|",
    ]
    for name in runs[0]:
        one, two = float(runs[0][name]), float(runs[1][name])
        lines.append(f"| {name} | {1000 * one:.1f} | {1000 * two:.1f} | {one / two:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scaling", action="store_true", help="one thread and two, nothing else")
    parser.add_argument("--own", action="store_true", help="only the library's own times")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.own:
        for name, taken in own_times(args.seconds, args.repeats).items():
            print(f"{name}\t{taken}")
        return
    measure = scaling if args.scaling else table
    print(measure(args.seconds, args.repeats))


if __name__ == "__main__":
    main()
