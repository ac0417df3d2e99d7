"""Localisation of the talkers in a recording file, over time, in bounded memory."""

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
from arrayenh.microphones.wiring import microphones_of
from arrayenh.stft import Analysis, Stft

FRAMES = Stft(512, 160, "hann")  # frames long enough for PHAT, short enough to resolve syllables
MOST_BLOCK = 0.1  # longest block of the tracker, seconds
PIECE = RATE  # samples per STFT call

Progress = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Row:
    """Direction of one talker in one time step."""

    time: float
    track: int
    direction: Direction


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Result of localising the talkers of a recording.

    Attributes
    ----------
    recording : str
        Path as given by the user.
    source : RecordingFile
    array : MicArray
        Geometry of the microphones in use.
    channels : tuple of int
        Channels of the file in use.
    config : TrackerConfig
    step : float
        Time step of the rows, s.
    grid : DirectionGrid
        Directions that the array can resolve.
    rows : list of Row
    places : list of Place
        Directions of the talkers over the whole recording.
    log : list of str
        Log lines about faulty microphones.
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
    """Parameters of a localisation, the same for every recording."""

    array: str
    mics: int | None
    channels: tuple[int, ...] | None
    pad: bool
    method: str
    talkers: int | None
    step: float


def locate(recording: str, request: Request, progress: Progress = lambda part: None) -> Located:
    """Localise the talkers of a recording, reading it twice, block by block.

    The first pass checks the microphones, the second tracks the talkers. `progress` is called
    with the fraction done, 0 to 1.

    Raises
    ------
    AudioError
        If the recording cannot be read, or has fewer than two usable microphones.
    GeometryError
        If the array has another number of microphones.
    """
    array = load_array(request.array)
    config = TrackerConfig(request.method, request.talkers, min(request.step, MOST_BLOCK))
    source = open_recording(recording, request.mics, request.channels, request.pad)
    if source.n_mics == 1:
        raise AudioError(f"{source.name} has one channel; a direction needs two or more")
    source, notes = microphones_of(source, array)
    capture = Capture(source, array)
    if capture.n_mics < 2:
        only = capture.channels[0]
        raise AudioError(f"{source.name}: only microphone {only} is usable; two are needed")
    array = capture.array or array
    tracker = DirectionTracker(array.positions, FRAMES.freqs(RATE), FRAMES.hop / RATE, config)
    census, rows = (
        Census(tracker.grid, tracker.block_frames * tracker.hop_seconds),
        Rows(tracker.grid, request.step),
    )
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
        [*notes, *capture.log],
    )


def moments(capture: Capture, tracker: DirectionTracker, progress: Progress) -> Iterator[Moment]:
    """Tracks of the talkers in each block of a recording."""
    analysis, done = Analysis(FRAMES, capture.n_mics), 0
    for samples in capture.blocks():
        for start in range(0, samples.shape[1], PIECE):
            yield from tracker.push(analysis.push(samples[:, start : start + PIECE]))
        progress((done := done + samples.shape[1]) / capture.n_samples)
    yield from tracker.push(analysis.push(np.zeros((capture.n_mics, 0), np.float32), True))


class Rows:
    """Groups moments into time steps: one row for each track active in a step."""

    def __init__(self, grid: DirectionGrid, step: float) -> None:
        self._grid, self._step, self._now = grid, step, 0
        self._heard: list[Track] = []
        self._rows: list[Row] = []

    def add(self, moment: Moment) -> None:
        """Add the tracks of a block."""
        step = int(moment.time / self._step)
        if step != self._now:
            self._finish()
            self._now = step
        self._heard += moment.tracks

    def done(self) -> list[Row]:
        """Return all rows."""
        self._finish()
        return self._rows

    def _finish(self) -> None:
        for label in sorted({track.label for track in self._heard}):
            row = self._row([track for track in self._heard if track.label == label])
            self._rows.append(row)
        self._heard = []

    def _row(self, tracks: Sequence[Track]) -> Row:
        """Mean direction of one track within a step, weighted by confidence."""
        mean = np.sum([track.confidence * track.vector for track in tracks], axis=0)
        azimuth, elevation = self._grid.angles(self._grid.fold(mean))
        sure = float(np.mean([track.confidence for track in tracks]))
        time = self._now * self._step
        return Row(time, tracks[0].label, Direction(azimuth, elevation, sure))
