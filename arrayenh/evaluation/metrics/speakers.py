"""Speaker similarity: cosine of the speaker embeddings of clean and enhanced speech."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage

from arrayenh.errors import MetricError, MissingExtraError
from arrayenh.evaluation.metric import of_pair
from arrayenh.evaluation.metrics.checks import refuse_silence, waveforms
from arrayenh.evaluation.metrics.rates import RATE, at_16_khz
from arrayenh.evaluation.metrics.waveform import ACTIVE_RANGE_DB

N_MELS, N_FFT, HOP = 40, 400, 160
N_CELLS, N_LAYERS = 256, 3
WINDOW, STEP = 160, 77
"""Window of the network, 1.6 s, and step between windows, 0.77 s, in frames."""

LEAST_COVERAGE = 0.75
"""Least filled share of the last window, which is padded with zeros."""

LEVEL = 10 ** (-30 / 20)
"""RMS of the network's training data, -30 dB full scale."""

FRAME, PAUSE = 480, 6
"""Frames of 30 ms, and number of frames kept beside speech, 180 ms."""


def speaker_similarity(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Cosine between the speaker embeddings of the clean and of the enhanced speech.

        <e(s), e(y)>,   |e| = 1

    The embedding is that of `Resemblyzer`, computed from its weights at 16 kHz: an LSTM over
    mel spectra, trained for speaker verification (GE2E). Both signals are normalised to the RMS
    of its training data. The pauses of the reference are removed from both (frames of 30 ms
    more than 40 dB below its loudest, further than 180 ms from speech).

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        s and y.
    sample_rate : int
        Hz.

    Returns
    -------
    similarity : float
        Without unit, in [0, 1], 1 for equal signals; higher is better. The built-in clips give
        0.9 for two halves of one voice and 0.67 for the two voices; noise lowers it too.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or less than 1.6 s is left
        without the pauses.
    MissingExtraError
        If `resemblyzer`, `torch` or `librosa` is not installed.

    References
    ----------
    L. Wan, Q. Wang, A. Papir, I. Lopez Moreno, "Generalized end-to-end loss for speaker
    verification", ICASSP 2018.
    """
    network = _network()
    waveforms(reference, estimate, sample_rate)
    s = at_16_khz("reference", reference, sample_rate)
    y = at_16_khz("estimate", estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    spoken = active(s)
    if np.count_nonzero(spoken) < WINDOW * HOP:
        raise MetricError(
            f"speaker similarity needs 1.6 s of speech without its pauses; "
            f"got {np.count_nonzero(spoken) / RATE:.2f} s in {s.size / RATE:.2f} s"
        )
    refuse_silence(estimate=y[spoken])
    return float(np.dot(embedding(network, s[spoken]), embedding(network, y[spoken])))


SPEAKER_SIMILARITY = of_pair(
    speaker_similarity,
    "speaker similarity",
    "",
    (0.0, 1.0),
    "similarity of the talker's voice to the reference",
    rank=350,
)


def active(reference: np.ndarray) -> np.ndarray:
    """Mask of the samples in or near speech, shape (N,), bool."""
    n_frames = reference.size // FRAME
    power = np.sum(reference[: n_frames * FRAME].reshape(n_frames, FRAME) ** 2, axis=1)
    loud = power > power.max(initial=0) * 10 ** (-ACTIVE_RANGE_DB / 10)
    near = scipy.ndimage.binary_dilation(loud, np.ones(2 * PAUSE + 1))
    return np.pad(np.repeat(near, FRAME), (0, reference.size - n_frames * FRAME))


def embedding(network: Any, samples: np.ndarray) -> np.ndarray:
    """Mean embedding over windows of speech at 16 kHz, unit norm, shape (256,)."""
    import librosa
    import torch

    samples = samples * (LEVEL / np.sqrt(np.mean(samples**2)))
    starts = window_starts(samples.size)
    missing = max((starts[-1] + WINDOW) * HOP - samples.size, 0)
    mel = librosa.feature.melspectrogram(
        y=np.pad(samples, (0, missing)), sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=N_MELS
    ).T.astype(np.float32)
    windows = np.stack([mel[start : start + WINDOW] for start in starts])
    with torch.no_grad():
        _, (hidden, _) = network["lstm"](torch.from_numpy(windows))
        of_windows = torch.relu(network["linear"](hidden[-1])).numpy()  # (W, 256)
    of_windows /= np.linalg.norm(of_windows, axis=1, keepdims=True)
    mean = of_windows.mean(axis=0, dtype=np.float64)
    return mean / np.linalg.norm(mean)


def window_starts(n_samples: int) -> range:
    """First frames of the windows; the last window is kept if speech fills most of it."""
    n_frames = n_samples // HOP + 1
    starts = range(0, max(1, n_frames - WINDOW + STEP + 1), STEP)
    covered = (n_samples - starts[-1] * HOP) / (WINDOW * HOP)
    return starts[:-1] if covered < LEAST_COVERAGE and len(starts) > 1 else starts


@cache
def _network() -> Any:
    """Load the network with its weights on the CPU.

    `resemblyzer` itself is not imported: it requires `webrtcvad`, which requires
    `pkg_resources`, which setuptools no longer has.
    """
    try:
        import librosa  # noqa: F401  (used later; a missing package raises at once)
        import torch
    except ImportError as error:
        raise _missing() from error
    package = importlib.util.find_spec("resemblyzer")
    if package is None or package.origin is None:
        raise _missing()
    weights = Path(package.origin).parent / "pretrained.pt"
    state = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
    network = torch.nn.ModuleDict(
        {
            "lstm": torch.nn.LSTM(N_MELS, N_CELLS, N_LAYERS, batch_first=True),
            "linear": torch.nn.Linear(N_CELLS, N_CELLS),
        }
    )
    scaling = ("similarity_weight", "similarity_bias")  # parameters of the training loss
    network.load_state_dict({key: state[key] for key in state if key not in scaling})
    return network.eval()


def _missing() -> MissingExtraError:
    return MissingExtraError(
        "speaker similarity needs Resemblyzer, torch and librosa: pip install 'arrayenh[speakers]'"
    )
