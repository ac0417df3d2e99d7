"""The part of a page to listen to and to look at: an excerpt that browsers can play."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.audio import resample
from arrayenh.reports.excerpt import choose_excerpt
from arrayenh.reports.spectrogram import top_frequency
from arrayenh.reports.words import clock

PEAK = 0.9
"""The loudest sample of all stages plays at this; full scale is 1."""

MOST_GAIN = 100.0
"""A recording fainter than 40 dB below `PEAK` stays faint."""

TIME_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
MOST_TIME_TICKS = 7
Tick = tuple[str, str]
"""Where along an axis, in percent, and its text."""


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """Stages as a page plays them: `sounds`, shape (N,) each, at `rate` Hz, with one gain.

    Seconds: `start` is where they begin in the recording, `whole_duration` its length.
    """

    sounds: Sequence[np.ndarray]
    rate: int
    start: float
    whole_duration: float
    gain_db: float

    @property
    def duration(self) -> float:
        """Seconds of sound in the page."""
        return self.sounds[0].size / self.rate

    @property
    def is_cut(self) -> bool:
        """Whether the recording is longer than the sound in the page."""
        return self.whole_duration - self.duration > 0.5

    @property
    def top_khz(self) -> float:
        """Where pictures of it end."""
        return top_frequency(self.rate) / 1000

    def frequency_ticks(self) -> list[Tick]:
        """Whole kilohertz, from 0 at the bottom."""
        step = 2 if self.top_khz > 5 else 1
        ticks = range(0, int(self.top_khz) + 1, step)
        return [(f"{100 * khz / self.top_khz:.2f}", str(khz)) for khz in ticks]

    def time_ticks(self) -> list[Tick]:
        """Round times; those of a part of a recording as on a clock."""
        fitting = (s for s in TIME_STEPS_S if self.duration / s <= MOST_TIME_TICKS)
        times = np.arange(0, self.duration * 0.97, next(fitting, TIME_STEPS_S[-1]))
        return [(f"{100 * t / self.duration:.2f}", self._time_text(float(t))) for t in times]

    def _time_text(self, time: float) -> str:
        if self.is_cut:
            return clock(self.start + time)
        return f"{round(time, 1):g}" if time else "0 s"


def excerpt_of(stages: Sequence[np.ndarray], sample_rate: int, seconds: int, rate: int) -> Excerpt:
    """The stretch of a recording whose last stage is richest in speech, loud enough to hear.

    Parameters
    ----------
    stages : sequence of float ndarray, shape (N,)
    sample_rate, rate : int
        Hz: of the stages, and of the page.
    seconds : int
        Most of the excerpt.
    """
    part = choose_excerpt(np.asarray(stages[-1]), sample_rate, seconds)
    cut = [
        resampled(np.asarray(samples[part], np.float32), sample_rate, rate) for samples in stages
    ]
    gain = common_gain(cut)
    return Excerpt(
        [samples * np.float32(gain) for samples in cut],
        rate,
        part.start / sample_rate,
        stages[-1].size / sample_rate,
        float(20 * np.log10(gain)),
    )


def common_gain(stages: Sequence[np.ndarray]) -> float:
    """The gain that brings the loudest of all samples to `PEAK`; 1 for silence."""
    peak = max(float(np.abs(samples).max()) for samples in stages)
    return min(PEAK / peak, MOST_GAIN) if peak > 0 else 1.0


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """A waveform, shape (N,), at another rate."""
    return np.concatenate(list(resample([samples[None]], 1, rate, to)), axis=1)[0]


def address(kind: str, content: bytes) -> str:
    """A sound or a picture as it stands in a page, of a kind such as "image/png"."""
    return f"data:{kind};base64,{b64encode(content).decode()}"
