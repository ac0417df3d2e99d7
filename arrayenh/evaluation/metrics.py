"""Scores of an estimate against its reference, and the table that lists them.

Every score is a function of `(reference, estimate, sample_rate)` that returns one
float; `METRICS` says what each one means, `scores` computes several, each on its own.
"""

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import soxr

from arrayenh.errors import ConfigError, MetricError, MissingExtraError, ShapeError

SEG_SNR_RANGE_DB = (-10.0, 35.0)
"""Limits of the SNR of one frame, Hansen and Pellom (1998)."""

ACTIVE_RANGE_DB = 40.0
"""A frame is active within this range of the loudest frame of the reference."""

PESQ_MAX_UTTERANCES = 40
"""The P.862 code holds 50 utterances and does not check; 40 leaves it a margin."""


def snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Signal-to-noise ratio: whatever differs from the reference is noise.

        SNR = 10 log10( Σ s² / Σ (s - y)² )

    Gain and delay of the estimate count as noise.

    Parameters
    ----------
    reference : float ndarray, shape (N,)
        s.
    estimate : float ndarray, shape (N,)
        y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    snr_db : float
        dB; any real number, +inf where the two are equal.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the reference is silent.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    _refuse_silence(reference=s)
    return _ratio_db(_energy(s), _energy(s - y))


def shadow_snr(speech: np.ndarray, noise: np.ndarray) -> float:
    """SNR behind a linear stage, by shadow filtering.

        SNR = 10 log10( Σ s² / Σ n² )

    The stage's weights, estimated on the mixture, are applied to the speech image and
    to the noise image apart; the ratio of the two outputs is the SNR of the stage's
    output, and the ratio of the two images themselves (`snr_of`) that of its input.

    Parameters
    ----------
    speech, noise : float ndarray, shape (N,)

    Returns
    -------
    snr_db : float
        dB; any real number, +inf without noise.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or the speech is silent.

    Examples
    --------
    >>> shadow_snr(np.array([2.0, -2.0]), np.array([0.2, 0.2]))
    20.0
    """
    s = _waveform("speech", speech)
    n = _waveform("noise", noise)
    _same_length("speech", s, "noise", n)
    _refuse_silence(speech=s)
    return _ratio_db(_energy(s), _energy(n))


snr_of = shadow_snr  # the same ratio, named for the images in front of the stage


def seg_snr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Segmental SNR: mean over active frames of the clamped frame SNR.

        SNR(t) = 10 log10( Σ (w s)² / Σ (w (s - y))² ), clamped to [-10, 35] dB
        SegSNR = mean of SNR(t) over the active frames t

    Frames of 30 ms, advanced by a quarter of that, under the Hann window
    w(n) = (1 - cos(2πn/(L+1)))/2, n = 1 ... L. A frame is active if the energy of the
    windowed reference is above zero and at most 40 dB below that of its loudest frame;
    all other frames are left out (Hansen and Pellom keep them: each pause then scores
    -10 dB whatever the estimate does).

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    seg_snr_db : float
        dB, in [-10, 35].

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, the reference is silent, or the signals are
        shorter than one frame.

    References
    ----------
    J. Hansen, B. Pellom, "An effective quality evaluation protocol for speech
    enhancement algorithms", ICSLP 1998; P. Loizou, "Speech Enhancement", 2nd ed. 2013,
    section 11.2.1, and its program comp_snr.m.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    _refuse_silence(reference=s)
    speech = _frame_energies(s, sample_rate)
    noise = _frame_energies(s - y, sample_rate)
    active = speech > speech.max() * 10 ** (-ACTIVE_RANGE_DB / 10)
    if not active.any():
        raise MetricError(
            "seg_snr found no active frame: the reference is silent but at its very "
            "end; give a longer excerpt"
        )
    with np.errstate(divide="ignore"):  # a perfect frame is +inf, then clamped
        frame_snr_db = 10 * np.log10(speech[active] / noise[active])
    return float(np.mean(np.clip(frame_snr_db, *SEG_SNR_RANGE_DB)))


def si_sdr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio.

        α = <y, s> / <s, s>
        SI-SDR = 10 log10( |α s|² / |α s - y|² )

    No mean is removed, as in the paper. The gain of either signal does not matter.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        s and y.
    sample_rate : int
        Hz; not used, all scores take the same arguments.

    Returns
    -------
    si_sdr_db : float
        dB; any real number, +inf where the two are equal, -inf where orthogonal.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, or one of the signals is silent.

    References
    ----------
    J. Le Roux, S. Wisdom, H. Erdogan, J. Hershey, "SDR - half-baked or well done?",
    ICASSP 2019, equations (3) to (5).
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    _refuse_silence(reference=s, estimate=y)
    target = (np.dot(y, s) / np.dot(s, s)) * s
    return _ratio_db(_energy(target), _energy(target - y))


def pesq_wb(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Wide-band PESQ, mean opinion score (MOS-LQO) of ITU-T P.862.2.

    Computed by the package `pesq` at 16 kHz; other rates are resampled to 16 kHz with
    soxr first (below 16 kHz the missing band is missing in both signals).

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    mos : float
        MOS-LQO, in [1.043, 4.644]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, shorter than 1/4 s, or holds
        more utterances than the P.862 code has room for.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    ITU-T P.862 (2001) and P.862.2 (2007): PESQ and its wideband extension.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    return _pesq(s, y, sample_rate, "wb")


def pesq_nb(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Narrow-band PESQ, mean opinion score (MOS-LQO) of ITU-T P.862.1.

    Computed by the package `pesq` at 8 or 16 kHz; other rates are resampled to 16 kHz
    with soxr first. The score listens through a telephone handset, 300 to 3400 Hz.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    mos : float
        MOS-LQO, in [1.017, 4.549]; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, shorter than 1/4 s, or holds
        more utterances than the P.862 code has room for.
    MissingExtraError
        If the package `pesq` is not installed.

    References
    ----------
    ITU-T P.862 (2001) and P.862.1 (2003): PESQ and its mapping to MOS-LQO.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    return _pesq(s, y, sample_rate, "nb")


def stoi(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, STOI.

    Mean correlation of the envelopes in 15 third-octave bands from 150 Hz, over spans
    of 384 ms, pauses of the reference removed. Computed by the package `pystoi` at
    10 kHz, which resamples every other rate itself.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    intelligibility : float
        Without unit, in [-1, 1]; in practice 0.4 to 1; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or fewer than 30 frames
        (0.4 s) are left without the pauses.

    References
    ----------
    C. Taal, R. Hendriks, R. Heusdens, J. Jensen, "An algorithm for intelligibility
    prediction of time-frequency weighted noisy speech", IEEE TASLP 19(7), 2011.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    return _stoi(s, y, sample_rate, extended=False)


def estoi(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """STOI, extended to modulated noise: ESTOI.

    As `stoi`, but spectra are normalised over time and over bands: it also follows
    modulated noise. Where a band of the estimate is exactly zero through 384 ms the
    package `pystoi` normalises noise of 1e-16, and the score varies slightly by run.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    intelligibility : float
        Without unit, in [-1, 1]; in practice 0 to 1; higher is better.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent, or fewer than 30 frames
        (0.4 s) are left without the pauses.

    References
    ----------
    J. Jensen, C. Taal, "An algorithm for predicting the intelligibility of speech
    masked by modulated noise maskers", IEEE/ACM TASLP 24(11), 2016.
    """
    s, y = _waveforms(reference, estimate, sample_rate)
    return _stoi(s, y, sample_rate, extended=True)


@dataclass(frozen=True, slots=True)
class Metric:
    """What a score is: its name, unit, range, direction and the function behind it.

    `needs_reference` tells a score of a pair from one of a signal alone; all scores of
    this module compare a pair.
    """

    name: str
    unit: str
    low: float
    high: float
    higher_is_better: bool
    needs_reference: bool
    compute: Callable[[np.ndarray, np.ndarray, int], float]
    describe: str


@dataclass(frozen=True, slots=True)
class Score:
    """A value, or NaN with the reason why there is none."""

    value: float
    reason: str | None = None


def _metric(
    compute: Callable[[np.ndarray, np.ndarray, int], float],
    unit: str,
    low: float,
    high: float,
    describe: str,
) -> Metric:
    return Metric(
        compute.__name__,
        unit,
        low,
        high,
        True,
        True,
        compute=compute,
        describe=describe,
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric(snr, "dB", -math.inf, math.inf, "waveform against reference"),
        _metric(seg_snr, "dB", *SEG_SNR_RANGE_DB, "mean clamped SNR of active frames"),
        _metric(si_sdr, "dB", -math.inf, math.inf, "distortion, whatever the gain"),
        _metric(pesq_wb, "MOS", 1.043, 4.644, "speech quality, wide-band (P.862.2)"),
        _metric(pesq_nb, "MOS", 1.017, 4.549, "speech quality, narrow-band (P.862.1)"),
        _metric(stoi, "", -1.0, 1.0, "short-time objective intelligibility"),
        _metric(estoi, "", -1.0, 1.0, "the same, extended to modulated noise"),
    )
}
"""The scores by name, in the order of a table; `low` and `high` bound the value."""


def scores(
    reference: np.ndarray,
    estimate: np.ndarray,
    sample_rate: int,
    names: Iterable[str] | None = None,
) -> dict[str, Score]:
    """Several scores of one estimate; one that fails is NaN with its reason.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.
    names : iterable of str, optional
        Keys of `METRICS`; all of them without it.

    Returns
    -------
    table : dict of str to Score
        In the order of `names`.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    ConfigError
        If a name is unknown.
    """
    wanted = list(METRICS if names is None else names)
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise ConfigError(
            f"no metric is called {', '.join(map(repr, unknown))}; choose from {', '.join(METRICS)}"
        )
    return {name: _score(METRICS[name], reference, estimate, sample_rate) for name in wanted}


def _score(metric: Metric, reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> Score:
    try:
        return Score(metric.compute(reference, estimate, sample_rate))
    except (MetricError, MissingExtraError) as error:
        return Score(math.nan, str(error))


def _waveforms(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both signals in float64, checked."""
    if int(sample_rate) != sample_rate or sample_rate <= 0:
        raise MetricError(f"sample_rate must be a whole number of Hz above 0; got {sample_rate}")
    s = _waveform("reference", reference)
    y = _waveform("estimate", estimate)
    _same_length("reference", s, "estimate", y)
    return s, y


def _waveform(role: str, signal: np.ndarray) -> np.ndarray:
    signal = np.asarray(signal)
    if signal.ndim != 1 or signal.size == 0:
        raise ShapeError(
            f"{role} must have shape (N,), N > 0; got {signal.shape}: score one channel at a time"
        )
    if not np.issubdtype(signal.dtype, np.floating):
        raise ShapeError(
            f"{role} must hold real floating-point samples; got {signal.dtype}: "
            "scale to full scale 1.0 first"
        )
    n_bad = signal.size - int(np.count_nonzero(np.isfinite(signal)))
    if n_bad:
        raise MetricError(f"{role} must be finite; {n_bad} samples are NaN or infinite")
    return signal.astype(np.float64)


def _same_length(role: str, signal: np.ndarray, other_role: str, other: np.ndarray) -> None:
    if signal.shape != other.shape:
        raise ShapeError(
            f"{role} and {other_role} must have equal length; got {signal.size} and "
            f"{other.size} samples: align and cut them first"
        )


def _refuse_silence(**signals: np.ndarray) -> None:
    for role, signal in signals.items():
        if not signal.any():
            raise MetricError(f"the {role} is silent: every sample is zero")


def _energy(signal: np.ndarray) -> float:
    return float(np.dot(signal, signal))


def _ratio_db(signal_energy: float, noise_energy: float) -> float:
    if noise_energy == 0:
        return math.inf
    if signal_energy == 0:
        return -math.inf
    return 10 * math.log10(signal_energy / noise_energy)


def _frame_energies(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """Energy under a 30 ms Hann window every 7.5 ms, shape (T,)."""
    length = round(0.030 * sample_rate)
    hop = max(length // 4, 1)
    if length < 1 or signal.size < length:
        raise MetricError(
            f"seg_snr needs one frame of 30 ms = {length} samples at {sample_rate} Hz; "
            f"got {signal.size}"
        )
    window = np.sin(np.pi * np.arange(1, length + 1) / (length + 1)) ** 2
    frames = np.lib.stride_tricks.sliding_window_view(signal, length)[::hop]
    # einsum walks the overlapping view; a product would copy it four times over
    return np.einsum("tn,tn,n->t", frames, frames, window**2)


def _pesq(s: np.ndarray, y: np.ndarray, sample_rate: int, mode: str) -> float:
    """PESQ through the compiled package; its error codes become MetricError here."""
    try:
        import pesq
    except ImportError as error:
        raise MissingExtraError(
            "PESQ needs the package pesq: pip install 'arrayenh[eval]' "
            "(it is compiled: a C compiler is needed)"
        ) from error
    _refuse_silence(reference=s, estimate=y)
    rate = sample_rate if mode == "nb" and sample_rate == 8000 else 16000
    if sample_rate != rate:
        s, y = soxr.resample(s, sample_rate, rate), soxr.resample(y, sample_rate, rate)
    n_utterances = _utterances(s, rate)
    if n_utterances > PESQ_MAX_UTTERANCES:
        raise MetricError(
            f"PESQ is for short excerpts: its code holds 50 utterances and about "
            f"{n_utterances} were counted; score pieces of 20 s or less"
        )
    codes = pesq.PesqError
    score = pesq.pesq(rate, s, y, mode, on_error=codes.RETURN_VALUES)
    if math.isnan(score):
        raise MetricError("PESQ has no value: one of the signals is nearly silent")
    if score < 0:
        reasons = {
            codes.BUFFER_TOO_SHORT: "it needs at least 1/4 s",
            codes.NO_UTTERANCES_DETECTED: "it detected no utterance in the reference",
        }
        reason = reasons.get(score, f"its code returned error {score}")
        raise MetricError(f"PESQ has no value for these {s.size / rate:.2f} s: {reason}")
    return float(score)


def _utterances(reference: np.ndarray, sample_rate: int) -> int:
    """Bound on the utterances that P.862 finds: the most over many speech thresholds.

    P.862 joins activity of 4 ms frames over gaps up to 0.2 s and counts what is 0.2 s
    or longer. Its own threshold adapts to the signal; here every one from 10 to 60 dB
    below the loudest frame is tried.
    """
    hop = sample_rate // 250
    n_frames = reference.size // hop
    if n_frames == 0:
        return 0
    power = np.mean(reference[: n_frames * hop].reshape(n_frames, hop) ** 2, axis=1)
    counts = [0]
    for threshold_db in range(-60, -9, 5):
        active = np.flatnonzero(power > power.max() * 10 ** (threshold_db / 10))
        if active.size == 0:
            continue
        breaks = np.flatnonzero(np.diff(active) > 45)
        first = active[np.concatenate(([0], breaks + 1))]
        last = active[np.concatenate((breaks, [active.size - 1]))]
        counts.append(int(np.count_nonzero(last - first >= 45)))
    return max(counts)


def _stoi(s: np.ndarray, y: np.ndarray, sample_rate: int, *, extended: bool) -> float:
    """STOI through pystoi; its warning about too few frames becomes MetricError."""
    import pystoi

    too_few = MetricError(
        "STOI needs 30 frames (0.4 s) of speech after its pauses are removed; "
        f"got too few in {s.size / sample_rate:.2f} s"
    )
    if s.size < 0.4 * sample_rate:  # pystoi fails on arrays of less than a frame
        raise too_few
    _refuse_silence(reference=s, estimate=y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not enough STFT frames", RuntimeWarning)
        try:
            return float(pystoi.stoi(s, y, int(sample_rate), extended=extended))
        except RuntimeWarning:
            raise too_few from None
