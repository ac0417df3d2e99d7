"""From a recording on disk to directions over time, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.audio import RecordingFile, open_recording
from arrayenh.chain.capture import RATE, Capture
from arrayenh.errors import AudioError
from arrayenh.localisation.census import Census, Place
from arrayenh.localisation.directions import Direction
from arrayenh.localisation.grid import DirectionGrid
from arrayenh.localisation.tracking import DirectionTracker, Moment, TrackerConfig
from arrayenh.localisation.tracks import Track
from arrayenh.microphones.geometry import MicArray, load_array
from arrayenh.stft import Analysis, Stft

FRAMES = Stft(512, 160, "hann")  # long enough for PHAT, short enough to follow syllables
MOST_BLOCK = 0.1  # seconds judged at once
PIECE = RATE  # samples analysed at once

Progress = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Row:
    """One talker in one step of time."""

    time: float
    track: int
    direction: Direction


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """What was found in a recording.

    Attributes
    ----------
    recording : str
        As it was asked for.
    source : RecordingFile
    array : MicArray
        Of the microphones in use.
    channels : tuple of int
        The file's channels in use.
    config : TrackerConfig
    step : float
        Seconds from row to row.
    grid : DirectionGrid
        What the array can tell.
    rows : list of Row
    places : list of Place
        Of the talkers, over the whole recording.
    log : list of str
        What was done about faulty microphones.
    """

    recording: str
    source: RecordingFile
    array: MicArray
    channels: tuple[int, ...]
    config: TrackerConfig
    step: float
    grid: DirectionGrid
    rows: list[Row]
    places: list[Place]
    log: list[str]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of every recording."""

    array: str
    mics: int | None
    channels: tuple[int, ...] | None
    pad: bool
    method: str
    talkers: int | None
    step: float


def locate(recording: str, request: Request, progress: Progress = lambda part: None) -> Located:
    """Hear a recording twice, in blocks: first its microphones, then its talkers.

    `progress` is told the part that is done, 0 to 1.

    Raises
    ------
    AudioError
        If it cannot be read, or has not two usable microphones.
    GeometryError
        If the array has another number of microphones.
    """
    array = load_array(request.array)
    config = TrackerConfig(request.method, request.talkers, min(request.step, MOST_BLOCK))
    source = open_recording(recording, request.mics, request.channels, request.pad)
    if source.n_mics == 1:
        raise AudioError(f"{source.name} has one channel; a direction needs two or more")
    capture = Capture(source, array)
    if capture.n_mics < 2:
        only = capture.channels[0]
        raise AudioError(f"{source.name}: only microphone {only} is usable; two are needed")
    array = capture.array or array
    tracker = DirectionTracker(array.positions, FRAMES.freqs(RATE), FRAMES.hop / RATE, config)
    census, rows = Census(tracker.grid), Rows(tracker.grid, request.step)
    for moment in moments(capture, tracker, progress):
        census.add(moment.tracks)
        rows.add(moment)
    places = census.places(request.talkers)
    return Located(
        recording,
        source,
        array,
        capture.channels,
        config,
        request.step,
        tracker.grid,
        rows.done(),
        places,
        capture.log,
    )


def moments(capture: Capture, tracker: DirectionTracker, progress: Progress) -> Iterator[Moment]:
    """What the tracker hears, block after block."""
    analysis, done = Analysis(FRAMES, capture.n_mics), 0
    for samples in capture.blocks():
        for start in range(0, samples.shape[1], PIECE):
            yield from tracker.push(analysis.push(samples[:, start : start + PIECE]))
        progress((done := done + samples.shape[1]) / capture.n_samples)
    yield from tracker.push(analysis.push(np.zeros((capture.n_mics, 0), np.float32), True))


class Rows:
    """Gathers moments into steps of time: one row for each track heard in a step."""

    def __init__(self, grid: DirectionGrid, step: float) -> None:
        self._grid, self._step, self._now = grid, step, 0
        self._heard: list[Track] = []
        self._rows: list[Row] = []

    def add(self, moment: Moment) -> None:
        """Take the tracks of a block."""
        step = int(moment.time / self._step)
        if step != self._now:
            self._finish()
            self._now = step
        self._heard += moment.tracks

    def done(self) -> list[Row]:
        """All rows."""
        self._finish()
        return self._rows

    def _finish(self) -> None:
        for label in sorted({track.label for track in self._heard}):
            row = self._row([track for track in self._heard if track.label == label])
            self._rows.append(row)
        self._heard = []

    def _row(self, tracks: Sequence[Track]) -> Row:
        """The mean of one talker's moments, weighted by confidence."""
        mean = np.sum([track.confidence * track.vector for track in tracks], axis=0)
        azimuth, elevation = self._grid.angles(self._grid.fold(mean))
        sure = float(np.mean([track.confidence for track in tracks]))
        time = self._now * self._step
        return Row(time, tracks[0].label, Direction(azimuth, elevation, sure))
