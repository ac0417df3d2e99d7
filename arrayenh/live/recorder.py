"""Recording of the input and the output of a session, in a thread of its own."""

import time
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import numpy as np

from arrayenh.audio import AudioWriter
from arrayenh.errors import AudioError

SUBTYPE = "PCM_24"


class Recorder:
    """Two sound files: what the microphones recorded, and what was played.

    They get their names when they are complete. Writing happens in another thread, so that a slow
    disk does not stop the sound.

    Parameters
    ----------
    folder : Path
        Exists.
    sample_rate : int
        Hz.
    n_inputs, n_outputs : int

    Attributes
    ----------
    paths : tuple of Path
        Input and output.
    failure : AudioError or None
        Why the files could not be written.

    Raises
    ------
    AudioError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path, sample_rate: int, n_inputs: int, n_outputs: int) -> None:
        self.paths = unused(folder, time.strftime("live-%Y%m%d-%H%M%S"))
        self.failure: AudioError | None = None
        channels = (n_inputs, n_outputs)
        self._writers = [
            AudioWriter(path, sample_rate, n, None, SUBTYPE)
            for path, n in zip(self.paths, channels, strict=True)
        ]
        self._queue: SimpleQueue[tuple[np.ndarray, np.ndarray] | None] = SimpleQueue()
        self._thread = Thread(target=self._write, name="arrayenh-recorder", daemon=True)
        self._thread.start()

    def add(self, heard: np.ndarray, played: np.ndarray) -> None:
        """Append the next samples of both, (M, n) and (C, n)."""
        if self.failure is None:
            self._queue.put((heard.copy(), played.copy()))

    def finish(self) -> tuple[Path, ...]:
        """Write what is left, and give the files their names.

        Raises
        ------
        AudioError
            If they could not be written.
        """
        self._queue.put(None)
        self._thread.join()
        if self.failure is not None:
            raise self.failure
        return self.paths

    def _write(self) -> None:
        inward, outward = self._writers
        try:
            with inward, outward:
                while (blocks := self._queue.get()) is not None:
                    heard, played = blocks
                    inward.write(np.clip(np.nan_to_num(heard, posinf=1, neginf=-1), -1, 1))
                    outward.write(np.clip(played, -1, 1))
        except AudioError as error:
            self.failure = error


def unused(folder: Path, stem: str) -> tuple[Path, Path]:
    """Names of the two files, with a number if they are taken."""
    for k in count(1):
        name = stem if k == 1 else f"{stem}-{k}"
        paths = folder / f"{name}-input.wav", folder / f"{name}-output.wav"
        if not any(path.exists() for path in paths):
            return paths
    raise AssertionError
