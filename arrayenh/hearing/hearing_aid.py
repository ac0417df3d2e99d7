"""`HearingAid`: amplification by audiogram, compression and output limiting of a stream."""

from dataclasses import dataclass

import numpy as np

from arrayenh import _kernels
from arrayenh.checks import within
from arrayenh.errors import ShapeError
from arrayenh.hearing.audiograms import Audiogram
from arrayenh.hearing.compression import (
    REFERENCE_DB,
    channel_filters,
    compression_slopes,
    detection_filters,
)

DELAY_SECONDS = 0.002  # of the filters: half their length
AVERAGE_SECONDS = 0.002  # of the power, before attack and release
LIMITER_SECONDS = 0.02  # in which the limiter, which acts at once, recovers
LEAST_RATE, MOST_RATE = 16_000, 96_000
PART = 512  # samples at a time, which bounds the memory
OUTPUT_DB, OUTPUT_SLOPE = 105.0, 0.25  # of the maximum output, over the three-frequency loss

FULL_SCALE_DB = 110.0  # SPL of a signal of RMS 1.0


@dataclass(frozen=True, slots=True)
class HearingAidSettings:
    """Settings of a hearing aid.

    Attributes
    ----------
    full_scale_db : float
        Sound pressure level of a signal of RMS 1.0, at input and output, dB SPL.
    knee_db : float
        Level in a channel below which the gain is constant, dB SPL.
    attack, release : float
        Time constants of the level, in dB, when it rises and when it falls, seconds.
    linked : bool
        Both ears use the level of the louder one, which keeps the difference between them.
    max_output_db : float, optional
        Level of the loudest possible tone, dB SPL; no sample exceeds its peak. Default: 105 dB
        and a quarter of the mean loss at 500, 1000 and 2000 Hz, for each ear.
    most_gain_db : float
        Bound of the insertion gain at every frequency and level, against feedback, dB. The default
        suits a closed mould; an open one allows 25 to 30 dB.

    Raises
    ------
    ConfigError
        If a value is out of range.
    """

    full_scale_db: float = FULL_SCALE_DB
    knee_db: float = 45.0
    attack: float = 0.005
    release: float = 0.1
    linked: bool = True
    max_output_db: float | None = None
    most_gain_db: float = 50.0

    def __post_init__(self) -> None:
        within("full_scale_db", self.full_scale_db, 60, 160)
        within("knee_db", self.knee_db, 20, REFERENCE_DB)
        within("attack", self.attack, 0.0005, 1)
        within("release", self.release, 0.0005, 10)
        within("most_gain_db", self.most_gain_db, 0, 80)
        if self.max_output_db is not None:
            within("max_output_db", self.max_output_db, 60, 140)


class HearingAid:
    """Two hearing aids, processing a binaural stream.

    The input is split into six channels by linear-phase filters, which contain the gain that NAL-R
    prescribes at 65 dB SPL. Each channel is compressed: above the knee its gain falls with the
    level. The sum is limited to the maximum output.

        y(n) = Σ_c 10^(g_c(n) / 20) (h_c * x)(n),   g_c = min(s_c (65 - L_c), b_c)

    with the level L_c in the channel, at least the knee, the slope s_c = 1 - 1/R_c of the
    compression ratio R_c, and the bound b_c that keeps the insertion gain below `most_gain_db`.
    All filters have the same delay at all frequencies, at both ears, so the time difference
    between the ears stays as it is, whatever their audiograms.

    Parameters
    ----------
    audiogram : Audiogram
    sample_rate : int
        Hz, 16000 to 96000.
    settings : HearingAidSettings, optional

    Attributes
    ----------
    latency_samples : int
        Delay of the output: 2 ms.
    max_output_db : float64 ndarray, shape (2,)
        Level of the loudest possible tone at each ear, dB SPL.

    Raises
    ------
    ConfigError
        If the sample rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from arrayenh.hearing import HearingAid, load_audiogram
    >>> aid = HearingAid(load_audiogram("N3"))
    >>> aid.process(np.zeros((2, 160), np.float32)).shape, aid.latency_samples
    ((2, 160), 32)
    """

    def __init__(
        self,
        audiogram: Audiogram,
        sample_rate: int = 16_000,
        settings: HearingAidSettings | None = None,
    ) -> None:
        within("sample_rate", sample_rate, LEAST_RATE, MOST_RATE)
        self.settings = settings = settings or HearingAidSettings()
        self.latency_samples = delay = round(DELAY_SECONDS * sample_rate)
        self.max_output_db = maximum_output_db(audiogram, settings)
        self._taps, highest_db = channel_filters(
            audiogram, sample_rate, delay, settings.most_gain_db
        )
        self._detectors = np.stack([detection_filters(sample_rate, delay)] * 2)
        self._slope = compression_slopes(audiogram)
        self._boost = settings.most_gain_db - highest_db
        seconds = np.array([AVERAGE_SECONDS, settings.attack, settings.release])
        self._steps = -np.expm1(-1 / (seconds * sample_rate))
        self._fall = np.exp(-1 / (LIMITER_SECONDS * sample_rate))
        self._full_scale = settings.full_scale_db
        self._ceiling = np.sqrt(2) * 10 ** ((self.max_output_db - self._full_scale) / 20)
        self.reset()

    def reset(self) -> None:
        """Reset the state, as at the start of a stream."""
        n_channels = self._slope.shape[1]
        self._tail = np.zeros((2, 2 * self.latency_samples))
        self._power = np.zeros((2, n_channels))
        self._level = np.full((2, n_channels), self.settings.knee_db - self._full_scale)
        self._peak = np.ones(2)

    def process(self, block: np.ndarray) -> np.ndarray:
        """Process the next samples.

        Parameters
        ----------
        block : float ndarray, shape (2, n)
            Left and right; any n. Samples that are not finite count as 0.

        Returns
        -------
        output : float32 ndarray, shape (2, n)
            Late by `latency_samples`. The bits do not depend on the sizes of the blocks.

        Raises
        ------
        ShapeError
            If the block has another shape, or no floats.
        """
        if block.ndim != 2 or len(block) != 2:
            raise ShapeError(f"block must have shape (2, n), left and right; got {block.shape}")
        if not np.issubdtype(block.dtype, np.floating):
            raise ShapeError(f"block must hold floats, full scale 1.0; got {block.dtype}")
        output = np.empty(block.shape, np.float32)
        for start in range(0, block.shape[1], PART):
            part = slice(start, start + PART)
            output[:, part] = self._processed(block[:, part])
        return output

    def _processed(self, part: np.ndarray) -> np.ndarray:
        """Process a few samples, (2, n), in float64."""
        finite = np.where(np.isfinite(part), part, 0)
        samples = np.concatenate([self._tail, finite], axis=1, dtype=np.float64)
        self._tail = samples[:, part.shape[1] :].copy()
        bands = np.empty((2, self._slope.shape[1], part.shape[1]))
        detected, output = np.empty_like(bands), np.empty(part.shape)
        kernels = _kernels.hearing_aid
        kernels.symmetric_filters(samples, self._taps, bands)
        kernels.symmetric_filters(samples, self._detectors, detected)
        kernels.compress(
            bands,
            detected,
            self._slope,
            self._boost,
            REFERENCE_DB - self._full_scale,
            self.settings.knee_db - self._full_scale,
            self._steps,
            self.settings.linked,
            self._power,
            self._level,
            output,
        )
        kernels.limit(output, self._ceiling, self._fall, self.settings.linked, self._peak)
        return output


def maximum_output_db(audiogram: Audiogram, settings: HearingAidSettings) -> np.ndarray:
    """Level of the loudest possible tone at each ear, (2,), dB SPL; see `HearingAidSettings`."""
    if settings.max_output_db is not None:
        return np.full(2, settings.max_output_db)
    return OUTPUT_DB + OUTPUT_SLOPE * np.maximum(audiogram.three_frequency_average(), 0)
