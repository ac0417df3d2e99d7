"""Diagnostics of the microphones of a recording: who is dead, clipped, flipped, a copy.

A `ChannelSurvey` hears the recording block by block and keeps sums only, so memory does
not grow with the recording and the report does not depend on how it was cut.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from arrayenh.errors import ConfigError, ShapeError

DEAD_DBFS = -90.0
"""A channel below this level is dead: its RMS is about one 16-bit step."""

DEAD_BELOW_MEDIAN_DB = 60.0
"""So is one that far below the median level of the channels that are not."""

MISGAINED_DB = 20.0
"""A live channel at least this far from the median level is mis-gained."""

DC_FULL_SCALE, DC_RELATIVE = 0.01, 0.25
"""A DC offset is reported from 1 % of full scale and a quarter of the channel's RMS."""

LEAST_SECONDS = 0.1
"""Shorter recordings are judged for dead, clipped and non-finite channels only."""

COPY_RESIDUAL = 1e-4
"""A copy times a gain leaves less than this of a channel's RMS (-80 dB) ..."""

COPY_CORRELATION, PCM16_STEP = 0.99999, 2.0**-15
"""... or, correlated above this, less than one 16-bit step: a copy rounded again."""

POLARITY_BAND_HZ = (80.0, 500.0)
"""Voices have power here, and microphones 25 cm apart hear it nearly in phase."""

NEAR_LAG, FAR_LAG = 0.75e-3, 3e-3
"""Seconds: a travel of 26 cm, where an opposite peak is a flip if it stands out, and
one of 1 m, where a higher upright peak would explain it as a delay instead. A pure tone
between microphones farther apart than 1 m can still pass for a flip."""

FLIP_CORRELATION, FLIP_RATIO, FAR_RATIO = 0.5, 1.5, 1.1
"""An opposite peak counts above this, and above this many times the upright one near by
and far off."""

CLIP_RUN = 3
"""Equal samples at the extreme of a channel that make a flat top."""

CLIP_EDGE, CLIP_EDGE_FLOOR = 2e-3, 8 * PCM16_STEP
"""A flat top of clipping has two edges: steps of at least this part of the extreme, and
of eight 16-bit steps. The crest of a slow wave in 16 bits is flat too, but has none."""

LEAST_CLIP_EDGES = 3
"""More than one flat top: a single one, of three samples, happens in quiet rumble."""


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What was heard in one channel.

    Attributes
    ----------
    index : int
        Channel, from 0.
    level_dbfs : float
        RMS after the mean is removed, dB re full scale 1.0; -inf for a constant.
    peak, peak_dbfs : float
        Greatest magnitude; the same in dB re full scale.
    dc_offset : float
        Mean, full scale 1.0.
    clipped_fraction : float
        Part of the samples in flat tops: runs of at least three equal samples at the
        channel's own positive or negative extreme, at any level (a gain may follow the
        clipping). Resampling, dither or a high-pass after the clipping hide it.
    crest_factor_db : float
        Greatest deviation from the mean over RMS, dB; NaN for a constant.
    n_nonfinite : int
        NaN or infinite samples; they were taken for zeros.
    faults : tuple of str
        Among "nonfinite", "dead", "clipped", "dc-offset", "duplicate of K",
        "N dB low", "N dB high", "flipped", "flipped relative to channel K".
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
        """Whether nothing is heard; if all channels are dead, it is silence."""
        return "dead" in self.faults

    @property
    def usable(self) -> bool:
        """Whether the spatial stage may take the channel.

        Dead and non-finite channels are left out, and so are duplicates: they add no
        direction and make covariances singular. All other faults only harm a little.
        """
        return not any(
            fault in ("dead", "nonfinite") or fault.startswith("duplicate") for fault in self.faults
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
    step = int(sample_rate)  # one second at a time: no double-precision copy of all
    for start in range(0, samples.shape[1], step):
        listener.update(samples[:, start : start + step])
    return listener.report()


def faults_text(report: ChannelReport) -> tuple[str, ...]:
    """One short line for each fault of a channel.

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
    if fault.startswith("flipped"):
        return f"has its polarity {fault}: kept"
    return f"is {fault} against the others ({report.level_dbfs:.0f} dBFS): kept"


class ChannelSurvey:
    """Listens to a recording block by block; reports each channel at any time.

    Parameters
    ----------
    n_mics : int
        M.
    sample_rate : int
        Hz, at least 2000.

    Raises
    ------
    ShapeError
        If `n_mics` is below 1.
    ConfigError
        If the sample rate is below 2000 Hz.
    """

    def __init__(self, n_mics: int, sample_rate: int):
        if n_mics < 1:
            raise ShapeError(f"n_mics must be at least 1; got {n_mics}")
        if sample_rate < 2000:
            raise ConfigError(
                f"sample_rate must be at least 2000 Hz, to hear the band that tells "
                f"polarity; got {sample_rate}"
            )
        self._n_mics = n_mics
        self._sample_rate = sample_rate
        self._n_samples = 0
        self._n_nonfinite = np.zeros(n_mics, np.int64)
        self._sum = np.zeros(n_mics)
        self._product = np.zeros((n_mics, n_mics))
        self._tops = _FlatTops(n_mics)
        self._bottoms = _FlatTops(n_mics)
        self._low_band = _LaggedCorrelation(n_mics, sample_rate)

    def update(self, block: np.ndarray) -> None:
        """Take the next samples.

        Parameters
        ----------
        block : float ndarray, shape (M, n)
            Any n; NaN and infinities are counted and taken for zeros.

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
        self._product += _inner_products(wide, wide)
        self._low_band.update(wide)

    def report(self) -> tuple[ChannelReport, ...]:
        """Judge what was heard so far.

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
                index=m,
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
        """Add the faults that show only beside the other live channels."""
        originals = _originals(heard.cov, live)
        for m in live[originals != live]:
            original = originals[live == m][0]
            faults[m].append(f"duplicate of {original}")
        distinct = live[originals == live]
        for m, gain_db in _misgained(heard.level_dbfs, distinct).items():
            word = "high" if gain_db > 0 else "low"
            faults[m].append(f"{abs(gain_db):.0f} dB {word}")
        for m, fault in _flipped(self._low_band.signs(), distinct).items():
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
        constant = top == bottom  # exact; the difference of the sums is not
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
    """Numbers of all channels, each of shape (M,); the covariance is (M, M)."""

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
    """Boolean (M,): below -90 dBFS, or 60 dB below the median of those above it."""
    dead = level_dbfs < DEAD_DBFS
    if dead.all():
        return dead
    return dead | (level_dbfs < _median_high(level_dbfs[~dead]) - DEAD_BELOW_MEDIAN_DB)


def _offset(dc_offset: np.ndarray, rms: np.ndarray) -> np.ndarray:
    dc = np.abs(dc_offset)
    return (dc >= DC_FULL_SCALE) & (dc >= DC_RELATIVE * rms)


def _median_high(level_dbfs: np.ndarray) -> float:
    """Take the median; of an even number the louder of the middle two.

    So of two channels the quiet one is at fault: gain is lost more often than won.
    """
    return float(np.sort(level_dbfs)[level_dbfs.size // 2])


def _misgained(level_dbfs: np.ndarray, distinct: np.ndarray) -> dict[int, float]:
    """Channels at least 20 dB from the median level: {channel: dB above it}."""
    gain_db = level_dbfs[distinct] - _median_high(level_dbfs[distinct])
    far = np.abs(gain_db) >= MISGAINED_DB
    return {int(m): float(g) for m, g in zip(distinct[far], gain_db[far], strict=True)}


def _originals(cov: np.ndarray, live: np.ndarray) -> np.ndarray:
    """For each live channel the first one that it copies, itself if it copies none.

    A copy is x_m = g x_k, g of any size and sign. The best g leaves σ_m √(1 - ρ²):
    small beside σ_m for a copy in floating point, under a 16-bit step for the quieter
    of the two where the copy was rounded again.
    """
    power = np.diag(cov)[live]
    rho2 = cov[np.ix_(live, live)] ** 2 / np.outer(power, power)
    residual = np.sqrt(np.maximum(1 - rho2, 0.0))
    rounding = np.sqrt(np.minimum.outer(power, power)) * residual
    copy = (residual < COPY_RESIDUAL) | ((rho2 > COPY_CORRELATION**2) & (rounding < PCM16_STEP))
    np.fill_diagonal(copy, True)
    return live[copy.argmax(axis=1)]  # the first True of each row


def _flipped(signs: np.ndarray, distinct: np.ndarray) -> dict[int, str]:
    """Channels of inverted polarity, by majority among those that hear alike.

    Pairs with a clear sign link the channels into groups. The leading eigenvector of
    the signs splits a group in two camps of opposite polarity: the smaller one is
    flipped; of two equal ones that without the group's first channel.
    """
    found: dict[int, str] = {}
    votes = signs[np.ix_(distinct, distinct)]
    n_groups, labels = connected_components(csr_array(votes != 0), directed=False)
    for group in (np.flatnonzero(labels == g) for g in range(n_groups)):
        if not (votes[np.ix_(group, group)] < 0).any():
            continue
        camp = np.linalg.eigh(votes[np.ix_(group, group)])[1][:, -1] > 0
        camp = camp == camp[0]
        tied = 2 * camp.sum() == group.size
        upright = group[camp] if tied or 2 * camp.sum() > group.size else group[~camp]
        fault = f"flipped relative to channel {distinct[group[0]]}" if tied else "flipped"
        for m in np.setdiff1d(group, upright):
            if votes[m, upright].sum() < 0:  # more clear pairs against it than for it
                found[int(distinct[m])] = fault
    return found


class _FlatTops:
    """Counts flat tops at the running maximum of each channel.

    A new maximum resets the counts, so they always belong to the final one. Windows of
    three samples at the maximum plus two for each run is the number of samples in runs;
    hard edges are the starts and ends of runs with a step beyond them.
    """

    def __init__(self, n_mics: int):
        self.extreme = np.full(n_mics, -np.inf)
        self.hard_edges = np.zeros(n_mics, np.int64)
        self._windows = np.zeros(n_mics, np.int64)
        self._runs = np.zeros(n_mics, np.int64)
        # NaN, before the first sample, equals nothing and makes no edge
        self._history = np.full((n_mics, CLIP_RUN), np.nan, np.float32)

    def update(self, block: np.ndarray) -> None:
        """Take the next samples, shape (M, n)."""
        loudest = block.max(axis=1)
        grown = loudest > self.extreme
        self.extreme = np.where(grown, loudest, self.extreme)
        for count in (self._windows, self._runs, self.hard_edges):
            count[grown] = 0
        joined = np.concatenate((self._history, block), axis=1)
        self._history = joined[:, -CLIP_RUN:].copy()
        for m in np.flatnonzero(self.extreme > 0):
            self._count(int(m), joined[m])

    def _count(self, m: int, x: np.ndarray) -> None:
        """Look at each new sample and the three before it."""
        at = np.flatnonzero(x == self.extreme[m])
        if at.size < CLIP_RUN:
            return
        third = at[2:][at[2:] - at[:-2] == 2]  # last sample of three at the maximum
        new = third[third >= CLIP_RUN]  # the others were counted in an earlier block
        before = x[new - CLIP_RUN]
        starts = before != self.extreme[m]
        after = x[third[third + 1 < x.size] + 1]
        step = max(CLIP_EDGE * self.extreme[m], CLIP_EDGE_FLOOR)
        self._windows[m] += new.size
        self._runs[m] += np.count_nonzero(starts)
        self.hard_edges[m] += np.count_nonzero(self.extreme[m] - before >= step)
        self.hard_edges[m] += np.count_nonzero(self.extreme[m] - after >= step)

    def n_flat(self) -> np.ndarray:
        """Count the samples in flat tops, shape (M,)."""
        return self._windows + (CLIP_RUN - 1) * self._runs


class _LaggedCorrelation:
    """Correlation between channels in the low band, at every lag up to 3 ms.

    The band-passed signals are kept at about 4 kHz: enough for lags of 0.25 ms.
    """

    def __init__(self, n_mics: int, sample_rate: int):
        low, high = POLARITY_BAND_HZ
        self._sos = butter(2, (low, high), "bandpass", fs=sample_rate, output="sos")
        self._state = np.zeros((len(self._sos), n_mics, 2))
        self._stride = max(round(sample_rate / 4000), 1)
        kept_rate = sample_rate / self._stride
        self._n_near = math.ceil(NEAR_LAG * kept_rate)
        self._n_far = math.ceil(FAR_LAG * kept_rate)
        self._phase = 0  # samples until the next one that is kept
        self._tail = np.zeros((n_mics, self._n_far))
        self._power = np.zeros(n_mics)
        self._product = np.zeros((self._n_far + 1, n_mics, n_mics))

    def update(self, block: np.ndarray) -> None:
        """Take the next samples, float64, shape (M, n)."""
        low, self._state = sosfilt(self._sos, block, axis=-1, zi=self._state)
        kept = np.ascontiguousarray(low[:, self._phase :: self._stride])
        self._phase = (self._phase - block.shape[1]) % self._stride
        if kept.shape[1] == 0:
            return
        joined = np.concatenate((self._tail, kept), axis=1)
        n_kept = kept.shape[1]
        for lag in range(self._n_far + 1):
            start = self._n_far - lag
            delayed = joined[:, start : start + n_kept]
            self._product[lag] += _inner_products(kept, delayed)
        self._power += np.einsum("mn,mn->m", kept, kept)
        self._tail = joined[:, joined.shape[1] - self._n_far :].copy()

    def signs(self) -> np.ndarray:
        """+1 alike, -1 opposite, 0 not clear; int (M, M), symmetric, diagonal 0."""
        norm = np.sqrt(np.outer(self._power, self._power))
        late = np.divide(self._product, norm, out=np.zeros_like(self._product), where=norm > 0)
        both = np.concatenate((late, late[1:].transpose(0, 2, 1)))
        lag = np.concatenate((np.arange(len(late)), np.arange(1, len(late))))
        near = both[lag <= self._n_near]
        alike = _stands_out(near.max(axis=0), -near.min(axis=0), -both.min(axis=0))
        opposite = _stands_out(-near.min(axis=0), near.max(axis=0), both.max(axis=0))
        signs = alike.astype(np.int64) - opposite.astype(np.int64)
        np.fill_diagonal(signs, 0)
        return signs


def _inner_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Σ_n x(n) y(n)ᵀ, shape (M, M), for x and y of shape (M, n)."""
    # pieces so small that BLAS keeps to one thread: on a busy machine its threads wait
    # for each other, and 16 channels of one second then take 100 times longer
    n_mics, n_samples = x.shape
    step = max(200_000 // n_mics**2, 16)
    total = np.zeros((n_mics, n_mics))
    for start in range(0, n_samples, step):
        total += x[:, start : start + step] @ y[:, start : start + step].T
    return total


def _stands_out(peak: np.ndarray, rival_near: np.ndarray, rival_far: np.ndarray) -> np.ndarray:
    return (
        (peak >= FLIP_CORRELATION)
        & (peak >= FLIP_RATIO * rival_near)
        & (peak >= FAR_RATIO * rival_far)
    )
