"""Mask-based MVDR as it is commonly used: a mask of another package, then Souden's weights."""

import numpy as np

from arrayenh.errors import TrialError
from arrayenh.evaluation.systems.peer import LEAD_IN, Peer
from arrayenh.evaluation.systems.peers import noisereduce
from arrayenh.evaluation.systems.system import Output, Trial
from arrayenh.stft import Stft

LOADING = 1e-7  # relative diagonal loading of the noise covariance, that of torchaudio's MVDR
SEED = 0  # of the initial classes


def cacgmm_mvdr(
    trial: Trial, n_fft: int, hop: int, classes: int, iterations: int, lead_in: float
) -> Output:
    """Masks by spatial clustering, permutations aligned; MVDR towards the talker's class.

    The talker's class is the one that is least active in the lead-in.
    """
    from ssspy.bss.cacgmm import CACGMM

    if len(trial.mixture) < 2:
        raise TrialError("ssspy-cacgmm-mvdr needs two microphones or more")
    stft = Stft(n_fft, hop, "hann")
    spec = stft.analyse(trial.mixture).transpose(1, 0, 2).astype(np.complex128)
    model = CACGMM(classes, record_loss=False, rng=np.random.default_rng(SEED))
    model(spec, n_iter=iterations)
    n_lead_in = max(round(lead_in * trial.sample_rate / hop), 1)
    return masked_mvdr(trial, stft, talker_class(model.posterior, n_lead_in))


def noisereduce_mvdr(trial: Trial, n_fft: int, hop: int, lead_in: float) -> Output:
    """Mask from noisereduce's output y of the reference x: |y|² / (|y|² + |x - y|²)."""
    stft = Stft(n_fft, hop, "hann")
    speech = noisereduce(trial, lead_in).samples
    kept, gone = (np.abs(stft.analyse(x)) ** 2 for x in (speech, trial.mixture[0] - speech))
    return masked_mvdr(trial, stft, kept / np.maximum(kept + gone, np.finfo(np.float32).tiny))


def masked_mvdr(trial: Trial, stft: Stft, mask: np.ndarray) -> Output:
    """Souden's MVDR with the covariances of a mask, applied to mixture, speech and noise."""
    spec, n_samples = stft.analyse(trial.mixture), trial.mixture.shape[1]
    weights = souden(covariance(spec, mask), covariance(spec, 1 - mask))

    def through(samples: np.ndarray) -> np.ndarray:
        beamformed = np.sum(weights.conj()[:, :, None] * stft.analyse(samples), axis=1)
        return stft.synthesise(beamformed.astype(np.complex64), n_samples)

    return Output(
        through(trial.mixture),
        None if trial.target is None else through(trial.target),
        None if trial.rest is None else through(trial.rest),
    )


def talker_class(posteriors: np.ndarray, n_lead_in: int) -> np.ndarray:
    """Posteriors (K, F, T) of the class that is least active in the lead-in, (F, T)."""
    activity = posteriors.mean(axis=1)
    quiet = activity[:, :n_lead_in].mean(axis=1) / activity.mean(axis=1)
    return posteriors[quiet.argmin()]


def covariance(spec: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Σ γ x xᴴ / Σ γ, complex128, shape (F, M, M)."""
    share = mask / np.maximum(mask.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return (share[:, None] * spec) @ spec.conj().swapaxes(1, 2)


def souden(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Φₙ⁻¹ Φₛ e₀ / tr(Φₙ⁻¹ Φₛ), shape (F, M); M. Souden et al., IEEE TASLP 18, 2010, eq. 24."""
    n_mics = noise.shape[1]
    power = np.trace(noise, axis1=1, axis2=2).real
    floor = np.maximum(LOADING * power, np.finfo(float).tiny)
    ratio = np.linalg.solve(noise + floor[:, None, None] * np.eye(n_mics), speech)
    trace = np.trace(ratio, axis1=1, axis2=2)
    trace = np.where(trace == 0, 1, trace)  # a silent bin stays silent
    return ratio[:, :, 0] / trace[:, None]


RECORDS = (
    Peer(
        "ssspy-cacgmm-mvdr",
        "mask-based MVDR: cACGMM masks of ssspy, Souden's weights; talker silent in the lead-in",
        "ssspy",
        cacgmm_mvdr,
        {"n_fft": 1024, "hop": 256, "classes": 2, "iterations": 20, "lead_in": LEAD_IN},
    ),
    Peer(
        "noisereduce-mvdr",
        "mask-based MVDR: masks of noisereduce, Souden's weights",
        "noisereduce",
        noisereduce_mvdr,
        {"n_fft": 1024, "hop": 256, "lead_in": LEAD_IN},
    ),
)
