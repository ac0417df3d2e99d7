"""Offline peers: spectral gates, spectral subtraction, dereverberation."""

import numpy as np

from arrayenh.errors import TrialError
from arrayenh.evaluation.systems.peer import LEAD_IN, RATE, Peer, fitted
from arrayenh.evaluation.systems.steered_peers import PACKAGE
from arrayenh.evaluation.systems.system import Output, Trial

GATE_N_FFT = 1024  # noisereduce's own default
SUBTRACTION_N_FFT = 512  # pyroomacoustics' own


def nara_wpe(trial: Trial, n_fft: int, hop: int, taps: int, delay: int, iterations: int) -> Output:
    """WPE of all microphones by NARA-WPE; returns the reference microphone."""
    from nara_wpe.utils import istft, stft
    from nara_wpe.wpe import wpe_v8

    spec = stft(trial.mixture.astype(np.float64), size=n_fft, shift=hop)  # (M, T, F)
    early = wpe_v8(spec.transpose(2, 0, 1), taps=taps, delay=delay, iterations=iterations)
    samples = istft(early.transpose(1, 2, 0), size=n_fft, shift=hop)[0]
    return Output(fitted(samples, trial.mixture.shape[1]))


def noisereduce(trial: Trial, lead_in: float | None) -> Output:
    """Spectral gating of the reference microphone; stationary if a noise lead-in is given."""
    from noisereduce import reduce_noise

    samples = trial.mixture[0].astype(np.float64)
    if len(samples) < GATE_N_FFT:
        raise TrialError(f"noisereduce needs {GATE_N_FFT} samples or more; got {len(samples)}")
    noise = None
    if lead_in is not None:
        noise = samples[: max(round(lead_in * trial.sample_rate), GATE_N_FFT)]
    gated = reduce_noise(samples, trial.sample_rate, stationary=noise is not None, y_noise=noise)
    return Output(fitted(gated, len(samples)))


def spectral_subtraction(trial: Trial, n_fft: int) -> Output:
    """Spectral subtraction of the reference microphone."""
    from pyroomacoustics.denoise import apply_spectral_sub

    late = apply_spectral_sub(with_tail(trial.mixture[0], n_fft), nfft=n_fft)
    return Output(fitted(late[n_fft // 2 :], trial.mixture.shape[1]))


def with_tail(samples: np.ndarray, n_fft: int) -> np.ndarray:
    """Append a frame of zeros: the peers drop an incomplete hop and are half a frame late."""
    return np.pad(samples.astype(np.float64), (0, n_fft))


RECORDS = (
    Peer(
        "nara-wpe",
        "WPE dereverberation by NARA-WPE",
        "nara-wpe",
        nara_wpe,
        {"n_fft": 512, "hop": 128, "taps": 10, "delay": 3, "iterations": 3},
    ),
    Peer(
        "noisereduce",
        "noisereduce: a spectral gate above the noise of the first half second",
        "noisereduce",
        noisereduce,
        {"lead_in": LEAD_IN},
    ),
    Peer(
        "noisereduce-nonstationary",
        "noisereduce with a noise floor that moves",
        "noisereduce",
        noisereduce,
        {"lead_in": None},
    ),
    Peer(
        "pra-spectral-subtraction",
        "pyroomacoustics: spectral subtraction",
        PACKAGE,
        spectral_subtraction,
        {"n_fft": SUBTRACTION_N_FFT},
        SUBTRACTION_N_FFT / RATE,
    ),
)
