"""DNSMOS: predicted ratings of listeners without a reference, by `speechmos`."""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.errors import MetricError, MissingExtraError
from arrayenh.evaluation.metric import MOS, alone
from arrayenh.evaluation.metrics.checks import refuse_silence
from arrayenh.evaluation.metrics.rates import RATE, at_16_khz

LEAST_SECONDS = 1.0
"""Least duration, s: the networks take 9 s, and shorter signals would repeat too often."""


def dnsmos_ovrl(estimate: np.ndarray, sample_rate: int) -> float:
    """Overall quality on the scale of ITU-T P.835, estimated without a reference.

    Computed by the package `speechmos` at 16 kHz with the networks that it ships, on one
    thread; other rates are resampled with soxr. Windows of 9.01 s, one each second, are
    averaged; a shorter signal is repeated. The level matters, as it does to listeners; samples
    beyond full scale are clipped, as by a sound card.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    mos : float
        Mean opinion score, about 1 to 5; higher is better.

    Raises
    ------
    ShapeError
        If the estimate is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or the signal is silent or shorter than 1 s.
    MissingExtraError
        If `speechmos`, or a package that it needs, is not installed.

    References
    ----------
    C. Reddy, V. Gopal, R. Cutler, "DNSMOS P.835: a non-intrusive perceptual objective speech
    quality metric to evaluate noise suppressors", ICASSP 2022.
    """
    return _opinions(estimate, sample_rate)["ovrl_mos"]


DNSMOS_OVRL = alone(
    dnsmos_ovrl, "DNSMOS OVRL", "MOS", MOS, "overall quality without a reference (P.835)", rank=220
)


def dnsmos_sig(estimate: np.ndarray, sample_rate: int) -> float:
    """Quality of the speech alone on the scale of ITU-T P.835; computed as `dnsmos_ovrl`."""
    return _opinions(estimate, sample_rate)["sig_mos"]


DNSMOS_SIG = alone(
    dnsmos_sig, "DNSMOS SIG", "MOS", MOS, "quality of the speech alone (P.835)", rank=230
)


def dnsmos_bak(estimate: np.ndarray, sample_rate: int) -> float:
    """Intrusiveness of the background on the scale of P.835; computed as `dnsmos_ovrl`."""
    return _opinions(estimate, sample_rate)["bak_mos"]


DNSMOS_BAK = alone(
    dnsmos_bak, "DNSMOS BAK", "MOS", MOS, "how little the background intrudes (P.835)", rank=240
)


def dnsmos_p808(estimate: np.ndarray, sample_rate: int) -> float:
    """Overall quality on the scale of ITU-T P.808; computed as `dnsmos_ovrl`.

    References
    ----------
    C. Reddy, V. Gopal, R. Cutler, "DNSMOS: a non-intrusive perceptual objective speech quality
    metric to evaluate noise suppressors", ICASSP 2021.
    """
    return _opinions(estimate, sample_rate)["p808_mos"]


DNSMOS_P808 = alone(
    dnsmos_p808, "DNSMOS P.808", "MOS", MOS, "overall quality without a reference (P.808)", rank=250
)


def _opinions(estimate: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Compute the four scores, keyed by the package's names."""
    network = _network()
    y = at_16_khz("estimate", estimate, sample_rate)
    if y.size < LEAST_SECONDS * RATE:
        raise MetricError(
            f"DNSMOS has no value for these {y.size / RATE:.2f} s: it needs {LEAST_SECONDS:g} s"
        )
    refuse_silence(estimate=y)
    return _judged(network, np.clip(y, -1, 1).tobytes())


@lru_cache(maxsize=1)  # the four scores of one signal are computed one after the other
def _judged(network: Any, samples: bytes) -> dict[str, float]:
    found = network(np.frombuffer(samples), RATE, is_personalized_MOS=False)
    return {name: float(mos) for name, mos in found.items()}


@cache
def _network() -> Any:
    """Return the package's scorer with single-threaded sessions; its own would use all threads."""
    try:
        import onnxruntime
        from speechmos import dnsmos
    except ImportError as error:
        raise MissingExtraError(
            "DNSMOS needs speechmos, librosa, onnxruntime and requests: "
            "pip install 'arrayenh[dnsmos]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    primary, p808 = str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx")
    network = dnsmos.DNSMOS(primary, p808)
    network.onnx_sess = onnxruntime.InferenceSession(primary, options)
    network.p808_onnx_sess = onnxruntime.InferenceSession(p808, options)
    return network
