"""Beamformers of pyroomacoustics, with the geometry and mostly the true talker position."""

from typing import Any

import numpy as np
import scipy.fft

from arrayenh.errors import TrialError
from arrayenh.evaluation.systems.peer import LEAD_IN, RATE, Peer, fitted, needs_array
from arrayenh.evaluation.systems.system import Output, Trial
from arrayenh.stft import Stft

PACKAGE = "pyroomacoustics"
N_FFT = 1024  # FFT size of the weights, their own default; the filters are as long
WHITE = 1e-2  # white noise added to the lead-in's covariance, relative
SENSOR_NOISE = 5e-7  # least power of the white noise, as in their examples
FILTER_SECONDS, DELAY_SECONDS = 0.03, 0.015  # length of the time-domain filters
EPSILON = 5e-3  # their own default: where the sinc of an impulse response is cut
SRP_N_FFT = 512


def delay_and_sum(trial: Trial, n_fft: int) -> Output:
    """Delay-and-sum with delays from the true position."""
    microphones, position = needs_array(trial, "pra-das"), needs_position(trial, "pra-das")
    beamformer = beamformer_of(microphones, trial.sample_rate, n_fft)
    beamformer.rake_delay_and_sum_weights(sound_source(position[None]))
    distances = np.linalg.norm(microphones - position, axis=1)
    # they sum with weights a_m/M, a_m = 1/(4π d_m): the talker has the mean of a_m² as its gain
    gain = amplitude(distances[0]) / np.mean(amplitude(distances) ** 2)
    return linear(trial, beamformer, n_fft // 2 - in_samples(trial, distances[0]), gain)


def mvdr(trial: Trial, n_fft: int, lead_in: float, white: float) -> Output:
    """MVDR with their maximum-SINR weights, which for one source are Capon's.

    The noise covariance, from the lead-in, is one matrix for all frequencies, as in the package.
    """
    microphones, position = needs_array(trial, "pra-mvdr"), needs_position(trial, "pra-mvdr")
    beamformer = beamformer_of(microphones, trial.sample_rate, n_fft)
    noise = lead_in_noise(trial, lead_in)
    cov = noise @ noise.T / noise.shape[1]
    source = sound_source(position[None])
    beamformer.rake_max_sinr_weights(source, R_n=cov + white_noise(cov, white))
    distance = np.linalg.norm(microphones[0] - position)
    advance = n_fft // 2 - in_samples(trial, distance)
    return linear(trial, beamformer, advance, amplitude(distance))


def rake_mvdr(
    trial: Trial, filter_seconds: float, delay: float, lead_in: float, white: float
) -> Output:
    """Time-domain MVDR filters for the talker and the first reflections, noise from the lead-in."""
    microphones = needs_array(trial, "pra-rake-mvdr")
    position = needs_position(trial, "pra-rake-mvdr")
    if trial.reflections is None:
        raise TrialError("pra-rake-mvdr needs the positions of the room's reflections")
    rate, images = trial.sample_rate, np.vstack([position, trial.reflections])
    n_taps = round(filter_seconds * rate)
    beamformer = beamformer_of(microphones, rate, N_FFT, n_taps)
    cov = stacked_covariance(lead_in_noise(trial, lead_in), n_taps)
    source = sound_source(images)
    # They add the covariance of an interferer, which is unknown. The source takes its place; with
    # twice the noise this doubles the covariance, and the filters are the same.
    beamformer.rake_mvdr_filters(
        source, source, 2 * (cov + white_noise(cov, white)), delay=delay, epsilon=EPSILON
    )
    nearest = np.linalg.norm(images[:, None] - microphones, axis=2).min()
    distance = np.linalg.norm(microphones[0] - position)
    # their impulse responses begin a little before the first arrival
    begin = in_samples(trial, nearest) - amplitude(nearest) / (np.pi * EPSILON)
    advance = int(delay * rate) + begin - in_samples(trial, distance)
    return linear(trial, beamformer, advance, amplitude(distance))


def srp_das(trial: Trial, n_fft: int, srp_n_fft: int) -> Output:
    """SRP-PHAT over the whole recording, then delay-and-sum of a plane wave."""
    import pyroomacoustics as pra

    microphones, rate = needs_array(trial, "pra-srp-das"), trial.sample_rate
    if len(microphones) < 2:
        raise TrialError("pra-srp-das needs two microphones or more")
    spec = Stft(srp_n_fft, srp_n_fft // 2, "hann").analyse(trial.mixture)
    flat = microphones[:, :2]
    srp = pra.doa.SRP(flat.T.copy(), rate, srp_n_fft, c=speed_of_sound())
    srp.locate_sources(spec.transpose(1, 0, 2))
    azimuth = float(srp.grid.azimuth[np.argmax(srp.grid.values)])
    beamformer = beamformer_of(flat, rate, n_fft)
    beamformer.far_field_weights(azimuth)
    ahead = flat @ [np.cos(azimuth), np.sin(azimuth)]
    # the sum is aligned with the microphone that the wave reaches first
    advance = n_fft // 2 - in_samples(trial, float(ahead.max() - ahead[0]))
    return linear(trial, beamformer, advance, 1 / len(flat))


def needs_position(trial: Trial, what: str) -> np.ndarray:
    """Position of the talker relative to the centre of the array, shape (3,)."""
    if trial.position is None:
        raise TrialError(f"{what} needs the talker's position")
    return trial.position


def beamformer_of(microphones: np.ndarray, rate: int, n_fft: int, n_taps: int | None = None) -> Any:
    """Make a pyroomacoustics beamformer at these microphones, (M, 3) or (M, 2)."""
    import pyroomacoustics as pra

    return pra.Beamformer(microphones.T.copy(), rate, N=n_fft, Lg=n_taps)


def sound_source(images: np.ndarray) -> Any:
    """Make a source with its images, (K, 3), the source first, all with the same amplitude."""
    from pyroomacoustics.soundsource import SoundSource

    order = np.minimum(np.arange(len(images)), 1)
    return SoundSource(images[0], images.T, np.ones((1, len(images))), order - 1, order - 1, order)


def linear(trial: Trial, beamformer: Any, advance: float, gain: float) -> Output:
    """Filter the recording, and its speech and noise alone, and realign the outputs."""
    rest, n_samples = trial.rest, trial.mixture.shape[1]

    def through(samples: np.ndarray) -> np.ndarray:
        beamformer.record(samples.astype(np.float64), trial.sample_rate)
        return fitted(gain * advanced(beamformer.process(FD=False), advance), n_samples)

    return Output(
        through(trial.mixture),
        None if trial.target is None else through(trial.target),
        None if rest is None else through(rest),
    )


def advanced(samples: np.ndarray, advance: float) -> np.ndarray:
    """Advance a signal (N,) by a fractional number of samples, by the phase of its spectrum."""
    padded = scipy.fft.next_fast_len(len(samples) + 2 * int(abs(advance)) + RATE // 10, real=True)
    turn = np.exp(2j * np.pi * scipy.fft.rfftfreq(padded) * advance)
    return scipy.fft.irfft(scipy.fft.rfft(samples, padded) * turn, padded)[: len(samples)]


def lead_in_noise(trial: Trial, seconds: float) -> np.ndarray:
    """Start of the recording, (M, n), float64."""
    return trial.mixture[:, : max(round(seconds * trial.sample_rate), 1)].astype(np.float64)


def white_noise(cov: np.ndarray, relative: float) -> np.ndarray:
    """Covariance of the white noise to add."""
    return max(relative * np.trace(cov) / len(cov), SENSOR_NOISE) * np.eye(len(cov))


def stacked_covariance(noise: np.ndarray, n_taps: int) -> np.ndarray:
    """E{x̄ x̄ᵀ} of the last L samples of each microphone, shape (M·L, M·L).

    x̄ = [x_0(n) ... x_0(n - L + 1), x_1(n) ...], from the correlations of (M, N) samples.
    """
    n_mics, n_samples = noise.shape
    spec = scipy.fft.rfft(noise, n_samples + n_taps, axis=1)
    lags = np.subtract.outer(np.arange(n_taps), np.arange(n_taps))
    cov = np.empty((n_mics, n_taps, n_mics, n_taps))
    for i in range(n_mics):
        for j in range(n_mics):
            # r(k) = E{x_i(n + k) x_j(n)}, and x_i(n - l) x_j(n - m) has k = m - l
            correlation = scipy.fft.irfft(spec[i] * spec[j].conj(), n_samples + n_taps) / n_samples
            cov[i, :, j] = correlation[-lags]
    return cov.reshape(n_mics * n_taps, n_mics * n_taps)


def amplitude(distance: Any) -> Any:
    """Amplitude of the direct sound in their convention, 1/(4πd)."""
    return 1 / (4 * np.pi * distance)


def in_samples(trial: Trial, distance: float | np.floating) -> float:
    """Travel time of sound over a distance, samples."""
    return trial.sample_rate * float(distance) / speed_of_sound()


def speed_of_sound() -> float:
    """Speed of sound in pyroomacoustics, m/s."""
    import pyroomacoustics as pra

    return float(pra.constants.get("c"))


RECORDS = (
    Peer(
        "pra-das",
        "pyroomacoustics: delay-and-sum, true position given",
        PACKAGE,
        delay_and_sum,
        {"n_fft": N_FFT},
        N_FFT / 2 / RATE,
    ),
    Peer(
        "pra-mvdr",
        "pyroomacoustics: MVDR, true position given, noise from the first half second",
        PACKAGE,
        mvdr,
        {"n_fft": N_FFT, "lead_in": LEAD_IN, "white": WHITE},
        LEAD_IN + N_FFT / 2 / RATE,
    ),
    Peer(
        "pra-rake-mvdr",
        "pyroomacoustics: MVDR for the talker and the reflections, true positions given",
        PACKAGE,
        rake_mvdr,
        {
            "filter_seconds": FILTER_SECONDS,
            "delay": DELAY_SECONDS,
            "lead_in": LEAD_IN,
            "white": WHITE,
        },
        LEAD_IN + DELAY_SECONDS,
    ),
    Peer(
        "pra-srp-das",
        "pyroomacoustics: direction by SRP-PHAT, then delay-and-sum; blind",
        PACKAGE,
        srp_das,
        {"n_fft": N_FFT, "srp_n_fft": SRP_N_FFT},
    ),
)
