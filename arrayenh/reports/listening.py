"""Audio player of a page: an excerpt that browsers can play, with axes for its pictures."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.audio import resample
from arrayenh.reports.excerpt import choose_excerpt
from arrayenh.reports.spectrogram import top_frequency
from arrayenh.reports.words import clock

PEAK = 0.9
"""Peak of all stages in the page; full scale is 1."""

MOST_GAIN = 100.0
"""Highest gain: a recording more than 40 dB below `PEAK` stays quiet."""

TIME_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
MOST_TIME_TICKS = 7
Tick = tuple[str, str]
"""Position along an axis, in percent, and text of a tick."""


@dataclass(frozen=True, slots=True, eq=False)
class Excerpt:
    """Audio of the stages in a page: `sounds`, shape (N,) each, at `rate` Hz, with one gain.

    `start` is the start of the excerpt in the recording, `whole_duration` the length of the
    recording, both in seconds.
    """

    sounds: Sequence[np.ndarray]
    rate: int
    start: float
    whole_duration: float
    gain_db: float

    @property
    def duration(self) -> float:
        """Duration of the excerpt, seconds."""
        return self.sounds[0].size / self.rate

    @property
    def is_cut(self) -> bool:
        """Whether the recording is longer than the excerpt."""
        return self.whole_duration - self.duration > 0.5

    @property
    def top_khz(self) -> float:
        """Highest frequency of the pictures, kHz."""
        return top_frequency(self.rate) / 1000

    def frequency_ticks(self) -> list[Tick]:
        """Ticks at whole kilohertz, from 0 at the bottom."""
        step = 2 if self.top_khz > 5 else 1
        ticks = range(0, int(self.top_khz) + 1, step)
        return [(f"{100 * khz / self.top_khz:.2f}", str(khz)) for khz in ticks]

    def time_ticks(self) -> list[Tick]:
        """Ticks at round times; in minutes and seconds if the recording is cut."""
        fitting = (s for s in TIME_STEPS_S if self.duration / s <= MOST_TIME_TICKS)
        times = np.arange(0, self.duration * 0.97, next(fitting, TIME_STEPS_S[-1]))
        return [(f"{100 * t / self.duration:.2f}", self._time_text(float(t))) for t in times]

    def _time_text(self, time: float) -> str:
        if self.is_cut:
            return clock(self.start + time)
        return f"{round(time, 1):g}" if time else "0 s"


def excerpt_of(stages: Sequence[np.ndarray], sample_rate: int, seconds: int, rate: int) -> Excerpt:
    """Cut the part whose last stage has the most speech, and amplify it with a common gain.

    Parameters
    ----------
    stages : sequence of float ndarray, shape (N,)
    sample_rate, rate : int
        Sample rates of the stages and of the page, Hz.
    seconds : int
        Longest duration of the excerpt.
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
    """Gain that sets the peak of all stages to `PEAK`; 1 for silence."""
    peak = max(float(np.abs(samples).max()) for samples in stages)
    return min(PEAK / peak, MOST_GAIN) if peak > 0 else 1.0


def resampled(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Resample a waveform, shape (N,)."""
    return np.concatenate(list(resample([samples[None]], 1, rate, to)), axis=1)[0]


def address(kind: str, content: bytes) -> str:
    """Data URL of audio or a picture, with a media type such as "image/png"."""
    return f"data:{kind};base64,{b64encode(content).decode()}"
