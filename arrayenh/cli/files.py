"""Enhancement of a recording on disk in bounded memory, with atomically written outputs."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np

from arrayenh.audio import AudioWriter, RecordingFile, headroom, resample
from arrayenh.chain.capture import RATE
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.online import Pass
from arrayenh.chain.profile import as_toml
from arrayenh.cli.outputs import SETTINGS, Outputs, make_folder
from arrayenh.cli.results import Summary
from arrayenh.errors import AudioError
from arrayenh.files import write_whole

Progress = Callable[[float], None]
REPORT_SECONDS = 120  # from the start, of each stage, kept for the report's excerpt
PEAK_DBFS = -1.0  # of a normalised output


def enhance_file(
    enhancer: Enhancer,
    source: RecordingFile,
    outputs: Outputs,
    progress: Progress = lambda part: None,
) -> Summary:
    """Enhance a recording on disk, block by block, and write the results.

    Parameters
    ----------
    enhancer : Enhancer
    source : RecordingFile
    outputs : Outputs
    progress : callable
        Called with the fraction that is done, 0 to 1.

    Raises
    ------
    AudioError
        If the input is damaged, or an output exists or cannot be written.
    """
    outputs.check(enhancer.settings, source)
    started = time.perf_counter()
    session = enhancer.open(source)
    rate = outputs.rate or source.sample_rate
    n_samples = -(-source.n_samples * rate // source.sample_rate)
    for folder in outputs.folders:
        make_folder(folder)
    with ExitStack() as stack:
        n_channels = len(session.outputs)
        spool = stack.enter_context(Spool(outputs.enhanced.parent, n_channels))
        listener = Listener(session, outputs, stack)
        pieces = reported(session.stages(), session.n_samples, progress)
        enhanced = (np.atleast_2d(listener(piece)["enhanced"]) for piece in pieces)
        for block in resample(enhanced, n_channels, session.sample_rate, rate):
            spool.write(block)
        gain = 10 ** (PEAK_DBFS / 20) / spool.peak if outputs.normalise and spool.peak else 1.0
        gain *= headroom(spool.peak * gain)
        with AudioWriter(
            outputs.enhanced,
            rate,
            n_channels,
            n_samples,
            source.subtype,
            source.metadata,
            outputs.overwrite,
        ) as writer:
            for block in spool.read(n_samples):
                writer.write(block * np.float32(gain))
    elapsed = time.perf_counter() - started
    seconds = source.n_samples / source.sample_rate
    summary = Summary(
        source.name,
        str(outputs.enhanced),
        session.used,
        listener.names,
        rate,
        seconds,
        elapsed,
        elapsed / seconds,
        listener.level_change_db(gain),
        0.0 if outputs.normalise else max(0.0, float(-20 * np.log10(gain))),
        (*session.log, *rate_note(rate)),
    )
    listener.report(enhancer, summary)
    return summary


def rate_note(rate: int) -> tuple[str, ...]:
    """Note for the user when the output rate exceeds the processing rate: the band is limited."""
    if rate <= RATE:
        return ()
    return (f"written at {rate} Hz; processed at {RATE} Hz, so it is empty above {RATE // 2} Hz",)


def reported(
    pieces: Iterator[dict[str, np.ndarray]], n_samples: int, progress: Progress
) -> Iterator[dict[str, np.ndarray]]:
    """Pass the pieces on; report the fraction of the stream to `progress`."""
    done = 0
    for piece in pieces:
        yield piece
        done += piece["enhanced"].shape[-1]
        progress(done / n_samples)


class Listener:
    """Records levels, stage files and an excerpt for the report as the stages stream by."""

    def __init__(self, session: Pass, outputs: Outputs, stack: ExitStack) -> None:
        self.session, self.outputs, self._stack = session, outputs, stack
        self.names: tuple[str, ...] = ()
        self._power = {"reference": 0.0, "enhanced": 0.0}
        self._writers: dict[str, AudioWriter] = {}
        self._excerpt: dict[str, list[np.ndarray]] = {}
        self._heard = 0

    def __call__(self, piece: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Record the next samples of every stage."""
        if not self.names:
            self.names = tuple(name for name in piece if name != "enhanced")
            self._open()
        for name, power in self._power.items():
            self._power[name] = power + float(np.sum(piece[name].astype(np.float64) ** 2))
        for name, writer in self._writers.items():
            writer.write(np.atleast_2d(piece[name]))
        if self.outputs.report and self._heard < REPORT_SECONDS * self.session.sample_rate:
            self._heard += piece["enhanced"].shape[-1]
            for name, samples in piece.items():  # the report shows the left of two ears
                self._excerpt.setdefault(name, []).append(np.atleast_2d(samples)[0])
        return piece

    def level_change_db(self, gain: float) -> float | None:
        """Level of the output, written with `gain`, relative to the reference microphone, dB."""
        before, after = self._power["reference"], gain**2 * self._power["enhanced"]
        return float(10 * np.log10(after / before)) if before > 0 and after > 0 else None

    def report(self, enhancer: Enhancer, summary: Summary) -> None:
        """Write the report and the settings if they were requested."""
        if self.outputs.stages:
            write_whole(self.outputs.stages / SETTINGS, as_toml(enhancer.settings))
        if self.outputs.report:
            from arrayenh.cli.reports import enhancement_report

            enhancement_report(
                self.outputs,
                summary,
                self._excerpts(),
                self.session.sample_rate,
                enhancer.array,
            )

    def _open(self) -> None:
        if self.outputs.stages is None:
            return
        for name in self.names:
            self._writers[name] = self._stack.enter_context(
                AudioWriter(
                    self.outputs.stage(name),
                    self.session.sample_rate,
                    len(self.session.outputs),
                    self.session.n_samples,
                    "FLOAT",
                    overwrite=self.outputs.overwrite,
                )
            )

    def _excerpts(self) -> dict[str, np.ndarray]:
        n = REPORT_SECONDS * self.session.sample_rate
        return {name: np.concatenate(parts)[:n] for name, parts in self._excerpt.items()}


class Spool:
    """Samples on disk until their peak is known, shape (C, n)."""

    def __init__(self, folder: Path, n_channels: int) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        except OSError as error:
            raise AudioError(f"{folder} cannot be written to: {error.strerror}") from error
        self.n_channels, self.peak = n_channels, 0.0

    def write(self, samples: np.ndarray) -> None:
        """Append samples, float32."""
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0.0)))
        try:
            self._file.write(np.ascontiguousarray(samples.T, np.float32).tobytes())
            self._file.flush()  # a full disk raises here, not when it is read
        except OSError as error:
            raise AudioError(f"no room to write the result: {error.strerror}") from error

    def read(self, n_samples: int, block: int = 1 << 20) -> Iterator[np.ndarray]:
        """`n_samples` samples from the start, in blocks; zeros where there are fewer."""
        self._file.seek(0)
        frame = 4 * self.n_channels
        for start in range(0, n_samples, block):
            n = min(block, n_samples - start)
            samples = np.frombuffer(self._file.read(frame * n), np.float32)
            samples = samples.reshape(-1, self.n_channels).T
            yield np.pad(samples, ((0, 0), (0, n - samples.shape[1])))

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
