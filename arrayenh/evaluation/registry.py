"""Every score by its name: unit, range, direction, and what it has to be given."""

import math
from collections.abc import Callable

import numpy as np

from arrayenh.evaluation.metric import Metric
from arrayenh.evaluation.metrics.artifacts import (
    artifact_score,
    clipping,
    dynamic_range_db,
    musical_noise,
)
from arrayenh.evaluation.metrics.beamforming import noise_reduction_db, speech_distortion_index
from arrayenh.evaluation.metrics.composite import cbak, covl, csig
from arrayenh.evaluation.metrics.dnsmos import dnsmos_bak, dnsmos_ovrl, dnsmos_p808, dnsmos_sig
from arrayenh.evaluation.metrics.hearing import haspi, hasqi, mbstoi
from arrayenh.evaluation.metrics.interaural import ild_error_db, ipd_error, itd_error_us
from arrayenh.evaluation.metrics.pesq import pesq_nb, pesq_wb
from arrayenh.evaluation.metrics.recognition import wer
from arrayenh.evaluation.metrics.reverberation import c50, drr, srmr
from arrayenh.evaluation.metrics.separation_ratios import sdr, si_sar, si_sir
from arrayenh.evaluation.metrics.speakers import speaker_similarity
from arrayenh.evaluation.metrics.spectral import (
    cepstral_distance,
    fw_seg_snr,
    llr,
    log_spectral_distance,
    wss,
)
from arrayenh.evaluation.metrics.stoi import estoi, stoi
from arrayenh.evaluation.metrics.waveform import SEG_SNR_RANGE_DB, seg_snr, si_sdr, snr
from arrayenh.evaluation.signals import Signals

INF = math.inf
MOS = (1.0, 5.0)
Pair = Callable[[np.ndarray, np.ndarray, int], float]
Triple = Callable[[np.ndarray, np.ndarray, np.ndarray, int], float]
Alone = Callable[[np.ndarray, int], float]


def metric(
    name: str,
    unit: str,
    bounds: tuple[float, float],
    needs: tuple[str, ...],
    compute: Callable[[Signals], float],
    describe: str,
    lower_is_better: bool = False,
) -> Metric:
    """One line of the registry."""
    return Metric(name, unit, *bounds, not lower_is_better, needs, compute, describe)


def of_pair(
    compute: Pair,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
    needs: str = "reference",
    judged: str = "estimate",
) -> Metric:
    """A score of what is judged against what it needs."""

    def of(signals: Signals) -> float:
        return compute(getattr(signals, needs), getattr(signals, judged), signals.sample_rate)

    others = (needs,) if judged == "estimate" else (needs, judged)
    return metric(compute.__name__, unit, bounds, others, of, describe, lower_is_better)


def of_ears(
    compute: Pair,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
) -> Metric:
    """A score of two ears against what is clean there."""
    return of_pair(compute, unit, bounds, describe, lower_is_better, "reference_ears", "ears")


def alone(
    compute: Alone,
    unit: str,
    bounds: tuple[float, float],
    describe: str,
    lower_is_better: bool = False,
) -> Metric:
    """A score that looks at the output alone."""

    def of(signals: Signals) -> float:
        return compute(signals.estimate, signals.sample_rate)

    return metric(compute.__name__, unit, bounds, (), of, describe, lower_is_better)


def of_noise(compute: Triple, describe: str) -> Metric:
    """A ratio in dB that has to know the noise beside the target."""

    def of(signals: Signals) -> float:
        assert signals.reference is not None and signals.noise is not None
        return compute(signals.reference, signals.noise, signals.estimate, signals.sample_rate)

    return metric(compute.__name__, "dB", (-INF, INF), ("reference", "noise"), of, describe)


def of_shadow(
    compute: Callable[[np.ndarray, np.ndarray], float],
    unit: str,
    bounds: tuple[float, float],
    part: str,
    describe: str,
    lower_is_better: bool = False,
) -> Metric:
    """A score of a linear system's answer to the speech, or to the noise."""

    def of(signals: Signals) -> float:
        return compute(getattr(signals, part), getattr(signals, f"{part}_out"))

    needs = (part, f"{part}_out")
    return metric(compute.__name__, unit, bounds, needs, of, describe, lower_is_better)


def _wer(signals: Signals) -> float:
    assert signals.transcript is not None
    return wer(signals.estimate, signals.sample_rate, signals.transcript)


ALL = (
    of_pair(snr, "dB", (-INF, INF), "waveform against reference, or by shadow filtering"),
    of_pair(seg_snr, "dB", SEG_SNR_RANGE_DB, "mean clamped SNR of active frames"),
    of_pair(fw_seg_snr, "dB", (-10.0, 35.0), "segmental SNR of critical bands, weighted"),
    of_pair(si_sdr, "dB", (-INF, INF), "distortion, whatever the gain"),
    of_noise(si_sir, "what of the noise is left, whatever the gain"),
    of_noise(si_sar, "what is neither speech nor noise, whatever the gain"),
    of_pair(sdr, "dB", (-INF, INF), "distortion, whatever a filter of 512 taps does"),
    of_pair(pesq_wb, "MOS", (0.999, 4.644), "speech quality, wide-band (P.862.2)"),
    of_pair(pesq_nb, "MOS", (0.999, 4.549), "speech quality, narrow-band (P.862.1)"),
    of_pair(stoi, "", (-1.0, 1.0), "short-time objective intelligibility"),
    of_pair(estoi, "", (-1.0, 1.0), "the same, extended to modulated noise"),
    of_pair(csig, "MOS", MOS, "speech distortion as listeners would rate it"),
    of_pair(cbak, "MOS", MOS, "background as listeners would rate it"),
    of_pair(covl, "MOS", MOS, "overall quality as listeners would rate it"),
    of_pair(llr, "", (0.0, 2.0), "distance of all-pole models", True),
    of_pair(wss, "", (0.0, INF), "distance of spectral slopes", True),
    of_pair(log_spectral_distance, "dB", (0.0, INF), "distance of log spectra over 50 dB", True),
    of_pair(cepstral_distance, "dB", (0.0, 10.0), "distance of cepstra, whatever the level", True),
    alone(srmr, "", (0.0, INF), "slow modulation of speech over fast one of reverberation"),
    of_pair(c50, "dB", (-INF, INF), "clarity: the first 50 ms over what comes later"),
    of_pair(drr, "dB", (-INF, INF), "direct sound over all reflections"),
    alone(dnsmos_ovrl, "MOS", MOS, "overall quality without a reference (P.835)"),
    alone(dnsmos_sig, "MOS", MOS, "quality of the speech alone (P.835)"),
    alone(dnsmos_bak, "MOS", MOS, "how little the background intrudes (P.835)"),
    alone(dnsmos_p808, "MOS", MOS, "overall quality without a reference (P.808)"),
    of_ears(haspi, "", (0.0, 1.0), "intelligibility, better ear, normal hearing (HASPI v2)"),
    of_ears(hasqi, "", (0.0, 1.0), "quality, better ear, normal hearing (HASQI v2)"),
    of_ears(mbstoi, "", (-1.0, 1.0), "intelligibility with two ears"),
    of_ears(ild_error_db, "dB", (0.0, INF), "error of interaural level, above 1.5 kHz", True),
    of_ears(itd_error_us, "µs", (0.0, 5000.0), "error of interaural time, below 1.5 kHz", True),
    of_ears(ipd_error, "rad", (0.0, math.pi), "error of interaural phase, below 1.5 kHz", True),
    of_shadow(noise_reduction_db, "dB", (-INF, INF), "noise", "noise that a beamformer takes off"),
    of_shadow(
        speech_distortion_index, "", (0.0, INF), "speech", "speech that a beamformer changes", True
    ),
    metric(
        "wer", "", (0.0, INF), ("transcript",), _wer, "words that a recogniser gets wrong", True
    ),
    of_pair(speaker_similarity, "", (0.0, 1.0), "whether the voice is still its speaker's"),
    of_pair(
        artifact_score,
        "",
        (0.0, 1.0),
        "tones, gaps and clicks that the input has not",
        True,
        needs="noisy",
    ),
    of_pair(
        musical_noise,
        "",
        (0.0, 1.0),
        "part of the pauses where noise became isolated tones",
        True,
        needs="noisy",
    ),
    alone(clipping, "", (0.0, 1.0), "part of the samples in flat tops", True),
    alone(dynamic_range_db, "dB", (0.0, INF), "level of speech above the background"),
)

METRICS: dict[str, Metric] = {one.name: one for one in ALL}
"""The scores by name, in the order of a table; `low` and `high` bound the value."""

CORE = ("snr", "seg_snr", "si_sdr", "pesq_wb", "pesq_nb", "stoi", "estoi")
"""What is scored unless something else is asked for."""
