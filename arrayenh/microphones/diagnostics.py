"""Diagnosis of the microphones of a recording: dead, clipped, mis-gained, flipped, duplicate.

A `ChannelSurvey` processes the recording block by block and keeps only sums, so memory is bounded
and the report does not depend on the block size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.microphones.clipping import PCM16_STEP, FlatTops
from arrayenh.microphones.polarity import LaggedCorrelation, flipped, inner_products

DEAD_DBFS = -90.0
"""A channel below this level is dead: its RMS is about one 16-bit step."""

DEAD_BELOW_MEDIAN_DB = 60.0
"""A channel this far below the median level of the other channels is dead, too."""

MISGAINED_DB = 20.0
"""A live channel at least this far from the median level is mis-gained."""

DC_FULL_SCALE, DC_RELATIVE = 0.01, 0.25
"""A DC offset is reported from 1 % of full scale and a quarter of the channel's RMS."""

LEAST_SECONDS = 0.1
"""Shorter recordings are checked for dead, clipped and non-finite channels only."""

COPY_RESIDUAL = 1e-4
"""Largest residual of a duplicate after the best gain, relative to its RMS (-80 dB)."""

COPY_CORRELATION = 0.99999
"""Least correlation of a duplicate that was rounded again to 16 bits (residual below a step)."""

LEAST_CLIP_EDGES = 3
"""Least number of edges of clipping; a single flat top of three samples occurs in quiet rumble."""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """Measurements and faults of one channel.

    Attributes
    ----------
    index : int
        Channel, from 0.
    level_dbfs : float
        RMS after the mean is removed, dB re full scale 1.0; -inf for a constant.
    peak, peak_dbfs : float
        Largest magnitude, linear and in dB re full scale.
    dc_offset : float
        Mean, full scale 1.0.
    clipped_fraction : float
        Fraction of the samples in flat tops: runs of at least three equal samples at the
        channel's positive or negative extreme, at any level (a gain may follow the clipping).
        Resampling, dither or a high-pass filter after the clipping hide it.
    crest_factor_db : float
        Ratio of the largest deviation from the mean to the RMS, dB; NaN for a constant.
    n_nonfinite : int
        Number of NaN or infinite samples; they are treated as zeros.
    faults : tuple of str
        Faults: "nonfinite", "dead", "clipped", "dc-offset", "duplicate of K",
        "N dB low", "N dB high", "flipped", "flipped relative to channel K", "N ms behind the
        others", "N ms ahead of channel K", "N ppm fast", "N ppm slow" (`out_of_step`).
    """

    index: int
    level_dbfs: float
    peak: float
    peak_dbfs: float
    dc_offset: float
    clipped_fraction: float
    crest_factor_db: float
    n_nonfinite: int = 0
    faults: tuple[str, ...] = ()

    @property
    def dead(self) -> bool:
        """Whether the channel has no signal; if all have none, the recording is silent or quiet."""
        return "dead" in self.faults

    @property
    def usable(self) -> bool:
        """Whether the spatial stage may use the channel.

        Dead and non-finite channels are left out; duplicates, which add no spatial information
        and make covariances singular; and single channels out of step with the others. All other
        faults do little harm.
        """
        return not any(
            fault in ("dead", "nonfinite")
            or fault.startswith("duplicate")
            or fault.endswith("the others")
            for fault in self.faults
        )


def survey(samples: np.ndarray, sample_rate: int) -> tuple[ChannelReport, ...]:
    """Diagnose every channel of a whole recording.

    Parameters
    ----------
    samples : float ndarray, shape (M, N)
    sample_rate : int
        Hz.

    Returns
    -------
    reports : tuple of ChannelReport, length M

    Raises
    ------
    ShapeError
        If `samples` is not two-dimensional with at least one channel of floats.
    ConfigError
        If the sample rate is below 2000 Hz.
    """
    samples = np.asarray(samples)
    if samples.ndim != 2:
        raise ShapeError(f"samples must have shape (M, N); got {samples.shape}")
    listener = ChannelSurvey(samples.shape[0], sample_rate)
    step = int(sample_rate)  # one second at a time, to avoid a double-precision copy of everything
    for start in range(0, samples.shape[1], step):
        listener.update(samples[:, start : start + step])
    return listener.report()


def faults_text(report: ChannelReport) -> tuple[str, ...]:
    """Describe each fault of a channel in one short line.

    Parameters
    ----------
    report : ChannelReport

    Returns
    -------
    lines : tuple of str
        Empty for a channel without a fault.

    Examples
    --------
    >>> dead = ChannelReport(2, -np.inf, 0, -np.inf, 0, 0, np.nan, faults=("dead",))
    >>> faults_text(dead)
    ('microphone 2 is dead (-inf dBFS): left out',)
    """
    return tuple(
        f"microphone {report.index} {_fault_words(fault, report)}" for fault in report.faults
    )


def log_lines(reports: Sequence[ChannelReport]) -> tuple[str, ...]:
    """Describe the faults of a recording: of each channel, or of all if none has a usual level."""
    if not all(report.dead for report in reports):
        return tuple(line for report in reports for line in faults_text(report))
    silent = [report for report in reports if report.level_dbfs == -np.inf]
    if len(silent) == len(reports):
        return ("the recording is silent",)
    loudest_dbfs = max(report.level_dbfs for report in reports)
    quiet = f"the recording is very quiet ({loudest_dbfs:.0f} dBFS): its faults are not corrected"
    return (quiet, *(line for report in silent for line in faults_text(report)))


def _fault_words(fault: str, report: ChannelReport) -> str:
    if fault == "dead":
        return f"is dead ({report.level_dbfs:.0f} dBFS): left out"
    if fault == "nonfinite":
        return f"holds {report.n_nonfinite} NaN or infinite samples: left out"
    if fault == "clipped":
        percent = 100 * report.clipped_fraction
        return f"is clipped ({percent:.2g} % of its samples): kept"
    if fault == "dc-offset":
        return f"has a DC offset ({report.dc_offset:+.3f} of full scale): kept"
    if fault.startswith("duplicate"):
        return f"is a {fault}: left out"
    if fault.endswith("the others"):
        return f"is {fault}, processed or from another device: left out"
    if fault.endswith(("fast", "slow")) or " ms " in fault:
        return f"is {fault}, from another device: kept; sync (--sync) aligns it"
    if fault.startswith("flipped"):
        return f"has its polarity {fault}: kept"
    return f"is {fault} against the others ({report.level_dbfs:.0f} dBFS): kept"


class ChannelSurvey:
    """Diagnoses the channels of a recording, block by block.

    Parameters
    ----------
    n_mics : int
        M.
    sample_rate : int
        Hz, at least 2000.
    labels : sequence of int, optional
        Number of each channel in the reports. Default: 0 to M - 1.

    Raises
    ------
    ShapeError
        If `n_mics` is below 1.
    ConfigError
        If the sample rate is below 2000 Hz.
    """

    def __init__(self, n_mics: int, sample_rate: int, labels: Sequence[int] | None = None):
        if n_mics < 1:
            raise ShapeError(f"n_mics must be at least 1; got {n_mics}")
        if sample_rate < 2000:
            raise ConfigError(
                f"sample_rate must be at least 2000 Hz, to hold the band in which polarity is "
                f"checked; got {sample_rate}"
            )
        self._n_mics = n_mics
        self._labels = list(range(n_mics)) if labels is None else list(labels)
        self._sample_rate = sample_rate
        self._n_samples = 0
        self._n_nonfinite = np.zeros(n_mics, np.int64)
        self._sum = np.zeros(n_mics)
        self._product = np.zeros((n_mics, n_mics))
        self._tops = FlatTops(n_mics)
        self._bottoms = FlatTops(n_mics)
        self._low_band = LaggedCorrelation(n_mics, sample_rate)

    def update(self, block: np.ndarray) -> None:
        """Process the next samples.

        Parameters
        ----------
        block : float ndarray, shape (M, n)
            Any n; NaN and infinities are counted and treated as zeros.

        Raises
        ------
        ShapeError
            If the block does not have M channels of real floating-point samples.
        """
        block = np.asarray(block)
        if block.ndim != 2 or block.shape[0] != self._n_mics:
            raise ShapeError(f"block must have shape (M, n), M = {self._n_mics}; got {block.shape}")
        if not np.issubdtype(block.dtype, np.floating):
            raise ShapeError(
                f"block must hold real floating-point samples; got {block.dtype}: "
                "scale to full scale 1.0 first"
            )
        if block.shape[1] == 0:
            return
        block = self._without_nonfinite(block)
        self._tops.update(block)
        self._bottoms.update(-block)
        wide = block.astype(np.float64)
        self._n_samples += wide.shape[1]
        self._sum += wide.sum(axis=1)
        self._product += inner_products(wide, wide)
        self._low_band.update(wide)

    def report(self) -> tuple[ChannelReport, ...]:
        """Report on the samples so far.

        Returns
        -------
        reports : tuple of ChannelReport, length M
        """
        heard = self._measured()
        faults: list[list[str]] = [[] for _ in range(self._n_mics)]
        broken = self._n_nonfinite > 0
        dead = _dead(heard.level_dbfs)
        offset = _offset(heard.dc_offset, heard.rms) & self._long_enough()
        for m in range(self._n_mics):
            named = {
                "nonfinite": broken[m],
                "dead": dead[m],
                "clipped": heard.clipped[m] and not dead[m],
                "dc-offset": offset[m],
            }
            faults[m] += [fault for fault, found in named.items() if found]
        live = np.flatnonzero(~dead & ~broken)
        if live.size > 1 and self._long_enough():
            self._compare(heard, live, faults)
        return tuple(
            ChannelReport(
                index=self._labels[m],
                level_dbfs=float(heard.level_dbfs[m]),
                peak=float(heard.peak[m]),
                peak_dbfs=float(_db(heard.peak[m])),
                dc_offset=float(heard.dc_offset[m]),
                clipped_fraction=float(heard.clipped_fraction[m]),
                crest_factor_db=float(heard.crest_db[m]),
                n_nonfinite=int(self._n_nonfinite[m]),
                faults=tuple(faults[m]),
            )
            for m in range(self._n_mics)
        )

    def _compare(self, heard: "_Measured", live: np.ndarray, faults: list[list[str]]) -> None:
        """Add the faults found by comparison with the other live channels."""
        originals = _originals(heard.cov, live)
        for m in live[originals != live]:
            original = originals[live == m][0]
            faults[m].append(f"duplicate of {self._labels[original]}")
        distinct = live[originals == live]
        for m, gain_db in _misgained(heard.level_dbfs, distinct).items():
            word = "high" if gain_db > 0 else "low"
            faults[m].append(f"{abs(gain_db):.0f} dB {word}")
        for m, fault in flipped(self._low_band.signs(), distinct, self._labels).items():
            faults[m].append(fault)

    def _without_nonfinite(self, block: np.ndarray) -> np.ndarray:
        finite = np.isfinite(block)
        if finite.all():
            return block
        self._n_nonfinite += np.count_nonzero(~finite, axis=1)
        return np.where(finite, block, block.dtype.type(0))

    def _long_enough(self) -> bool:
        return self._n_samples >= LEAST_SECONDS * self._sample_rate

    def _measured(self) -> "_Measured":
        n_samples = max(self._n_samples, 1)
        mean = self._sum / n_samples
        cov = self._product / n_samples - np.outer(mean, mean)
        top, bottom = self._tops.extreme, -self._bottoms.extreme
        if self._n_samples == 0:
            top = bottom = np.zeros(self._n_mics)
        constant = top == bottom  # exact, unlike the difference of the sums
        cov[constant] = cov[:, constant] = 0.0
        rms = np.sqrt(np.maximum(np.diag(cov), 0.0))
        swing = np.where(constant, np.nan, np.maximum(top - mean, mean - bottom))
        with np.errstate(divide="ignore", invalid="ignore"):
            crest_db = _db(swing / rms)
        flat = self._tops.n_flat() + self._bottoms.n_flat()
        edges = self._tops.hard_edges + self._bottoms.hard_edges
        return _Measured(
            cov=cov,
            rms=rms,
            level_dbfs=_db(rms),
            peak=np.maximum(np.abs(top), np.abs(bottom)),
            dc_offset=mean,
            crest_db=crest_db,
            clipped_fraction=flat / n_samples,
            clipped=edges >= LEAST_CLIP_EDGES,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Measurements of all channels, each of shape (M,); the covariance is (M, M)."""

    cov: np.ndarray
    rms: np.ndarray
    level_dbfs: np.ndarray
    peak: np.ndarray
    dc_offset: np.ndarray
    crest_db: np.ndarray
    clipped_fraction: np.ndarray
    clipped: np.ndarray


def _db(amplitude: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 20 * np.log10(amplitude)


def _dead(level_dbfs: np.ndarray) -> np.ndarray:
    """Dead channels, bool, (M,): below -90 dBFS, or 60 dB below the median of the others."""
    dead = level_dbfs < DEAD_DBFS
    if dead.all():
        return dead
    return dead | (level_dbfs < _median_high(level_dbfs[~dead]) - DEAD_BELOW_MEDIAN_DB)


def _offset(dc_offset: np.ndarray, rms: np.ndarray) -> np.ndarray:
    dc = np.abs(dc_offset)
    return (dc >= DC_FULL_SCALE) & (dc >= DC_RELATIVE * rms)


def _median_high(level_dbfs: np.ndarray) -> float:
    """Median level; of an even number the louder of the middle two.

    So of two channels the quieter one is at fault, as gain is lost more often than added.
    """
    return float(np.sort(level_dbfs)[level_dbfs.size // 2])


def _misgained(level_dbfs: np.ndarray, distinct: np.ndarray) -> dict[int, float]:
    """Channels at least 20 dB from the median level: {channel: dB above it}."""
    gain_db = level_dbfs[distinct] - _median_high(level_dbfs[distinct])
    far = np.abs(gain_db) >= MISGAINED_DB
    return {int(m): float(g) for m, g in zip(distinct[far], gain_db[far], strict=True)}


def _originals(cov: np.ndarray, live: np.ndarray) -> np.ndarray:
    """For each live channel, the first channel that it duplicates, or itself.

    A duplicate is x_m = g x_k, for any g. The best g leaves a residual σ_m √(1 - ρ²): small
    relative to σ_m for a duplicate in floating point, and below a 16-bit step of the quieter
    channel if it was rounded again.
    """
    power = np.diag(cov)[live]
    rho2 = cov[np.ix_(live, live)] ** 2 / np.outer(power, power)
    residual = np.sqrt(np.maximum(1 - rho2, 0.0))
    rounding = np.sqrt(np.minimum.outer(power, power)) * residual
    copy = (residual < COPY_RESIDUAL) | ((rho2 > COPY_CORRELATION**2) & (rounding < PCM16_STEP))
    np.fill_diagonal(copy, True)
    return live[copy.argmax(axis=1)]  # the first True of each row
