"""`arrayenh stream`: enhance sound from a pipe to a pipe, as it comes."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Protocol

import typer

from arrayenh.chain.setting_record import INPUT, OUTPUT
from arrayenh.chain.settings import Settings
from arrayenh.checks import one_of, within
from arrayenh.cli import terminal
from arrayenh.cli.inputs import selection
from arrayenh.cli.interrupt import Interrupt
from arrayenh.cli.options import Array, Channels, Mics, Profile, live_settings, with_settings
from arrayenh.errors import AudioError, ConfigError

if TYPE_CHECKING:
    import numpy as np

    from arrayenh.audio.pcm import Encoding
    from arrayenh.audio.streams import RawFormat, StreamReader
    from arrayenh.chain.stream import LiveStream
    from arrayenh.live.inputs import Inputs
    from arrayenh.live.timing import Timing

PIPE = "-"
INTERRUPTED = 130
SUBTYPES = {"u8": "PCM_U8", "s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32", "f32": "FLOAT"}
"""Subtype of a sound file by the beginning of an encoding's name; others are 64-bit floats."""


class Sink(Protocol):
    """A pipe or a file that takes samples."""

    def write(self, samples: "np.ndarray", /) -> None:
        """Write the next samples, (C, n)."""


@dataclass(frozen=True, slots=True)
class Output:
    """Where the sound goes: a pipe or a file, its container and its encoding."""

    path: str
    container: str | None
    encoding: "Encoding | None"
    overwrite: bool

    def check(self, source: str) -> None:
        """Raise an error, before the sound comes, if the output cannot be written."""
        from arrayenh.audio import check_new
        from arrayenh.audio.streams import CONTAINERS
        from arrayenh.cli.outputs import refuse_inputs

        if self.container is not None:
            one_of("--to", self.container, CONTAINERS)
        if self.path != PIPE:
            if self.container is not None:
                raise ConfigError("--to is for a pipe; the suffix of -o FILE names its format")
            check_new(Path(self.path), self.overwrite)
            refuse_inputs([Path(self.path)], [Path(source)])
        elif sys.stdout is None or sys.stdout.isatty():
            raise ConfigError(
                "the sound would go to the terminal: give -o FILE, or a pipe: | aplay"
            )


@with_settings
def command(
    options: dict[str, Any],
    source: Annotated[
        str,
        typer.Argument(
            metavar="[IN]", help="WAV or raw file; -: standard input.", show_default=False
        ),
    ] = PIPE,
    sample_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="The input is raw PCM in this format: s16le, s24le, s32le, f32le, u8, f64le, "
            "s24_32le, or be for le. Default: WAV.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(metavar="HZ", help="Sample rate of raw PCM.", rich_help_panel=INPUT),
    ] = None,
    interleaved: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of channels of raw PCM. Default: --mics.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    mics: Mics = None,
    channels: Channels = None,
    profile: Profile = None,
    array: Array = None,
    block: Annotated[
        float,
        typer.Option(
            metavar="MS", help="Length of the blocks that are read.", rich_help_panel=INPUT
        ),
    ] = 10.0,
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Sound file; -: standard output.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = PIPE,
    container: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="wav|raw",
            help="Write WAV or raw PCM. Default: as the input.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Format of the output's samples, as for --format. Default: the input's.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Leave out the latency at the start: the timing and length of the input.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace an existing FILE.", rich_help_panel=OUTPUT),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print statistics as JSON at the end; on stderr if the sound goes to stdout.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """Enhance sound as it comes, from standard input to standard output.

    Reads WAV, also of unknown length, or raw PCM (--format). Each block is written at once, as
    long as it came, and late by the latency of the chain; at the end follows what is still in
    the chain. Ctrl-C ends the stream in the same way.
    """
    from arrayenh.audio.pcm import Encoding

    within("--block", block, 0.1, 1000)
    chosen = selection(mics, channels)
    settings = live_settings(options, profile, chosen)
    raw = raw_format(sample_format, rate, interleaved, mics)
    target = Output(
        output, container, None if encoding is None else Encoding.named(encoding), overwrite
    )
    target.check(source)
    with ExitStack() as stack:
        gate = stack.enter_context(Interrupt())
        with gate.wait():
            reader = stack.enter_context(reading(source, raw))
        inputs = selected(reader, mics, chosen)
        run = Run.of(settings, array, inputs, "reference" in options, as_json)
        sink = stack.enter_context(writing(target, reader, run.stream))
        run.through(reader, sink, gate, reader.sample_rate * block / 1000, align)
    run.finish(reader, target, settings)
    if gate.came:
        raise typer.Exit(INTERRUPTED)


def raw_format(
    sample_format: str | None, rate: int | None, interleaved: int | None, mics: int | None
) -> "RawFormat | None":
    """Format of raw input; None for WAV."""
    from arrayenh.audio import LEAST_RATE, MOST_RATE
    from arrayenh.audio.pcm import Encoding
    from arrayenh.audio.streams import RawFormat

    n_channels = interleaved or mics
    if sample_format is None:
        for option, value in (("--rate", rate), ("--interleaved", interleaved)):
            if value is not None:
                raise ConfigError(f"{option} is for raw PCM, which needs --format; WAV states it")
        return None
    encoding = Encoding.named(sample_format)
    if rate is None or n_channels is None:
        raise ConfigError("raw PCM has no header: give --rate HZ and --mics N (or --interleaved N)")
    within("--interleaved", n_channels, 1, 1024)
    within("--rate", rate, LEAST_RATE, MOST_RATE)
    return RawFormat(encoding, n_channels, rate)


def selected(
    reader: "StreamReader", mics: int | None, channels: tuple[int, ...] | None
) -> "Inputs":
    """Channels of the stream that are used."""
    from arrayenh.live.inputs import inputs_of

    return inputs_of(reader.name, reader.n_channels, reader.sample_rate, mics, channels)


@contextmanager
def reading(source: str, raw: "RawFormat | None") -> "Iterator[StreamReader]":
    """Open the input."""
    from arrayenh.audio.streams import StreamReader

    if source != PIPE:
        with open(source, "rb") as file:
            yield StreamReader(file, source, raw)
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise AudioError("no sound on standard input: give a file, or a pipe: arecord ... |")
    yield StreamReader(sys.stdin.buffer, "standard input", raw)


@contextmanager
def writing(target: Output, reader: "StreamReader", stream: "LiveStream") -> Iterator[Sink]:
    """Open the output; a file gets its name when it is complete."""
    from arrayenh.audio import AudioWriter
    from arrayenh.audio.streams import StreamWriter

    encoding = target.encoding or reader.encoding
    n_channels, rate = stream.n_outputs, stream.sample_rate
    if target.path == PIPE:
        file: BinaryIO = sys.stdout.buffer
        pipe = StreamWriter(file, target.container or reader.container, encoding, n_channels, rate)
        yield pipe
        pipe.finish()
        return
    subtype = SUBTYPES.get(f"{encoding.kind}{encoding.bits}", "DOUBLE")
    name = Path(target.path)
    with AudioWriter(name, rate, n_channels, None, subtype, None, target.overwrite) as writer:
        yield writer


class Run:
    """One stream from its input to its output, with statistics and notes."""

    def __init__(
        self,
        stream: "LiveStream",
        inputs: "Inputs",
        timing: "Timing",
        notes: list[str],
        quiet: bool,
    ) -> None:
        self.stream, self.inputs, self.timing = stream, inputs, timing
        self.quiet, self._n_noted = quiet, 0
        self.log: list[str] = []
        self.block_ms, self.n_beyond = 0.0, 0
        self._say(notes)

    @classmethod
    def of(
        cls,
        settings: Settings,
        array: str | None,
        inputs: "Inputs",
        reference_given: bool,
        quiet: bool,
    ) -> "Run":
        """Build the chain for the inputs."""
        from arrayenh.live.inputs import open_stream
        from arrayenh.live.timing import Timing

        stream, inputs, notes = open_stream(settings, array, inputs, reference_given)
        return cls(stream, inputs, Timing(inputs.sample_rate), notes, quiet)

    def through(
        self, reader: "StreamReader", sink: Sink, gate: Interrupt, size: float, align: bool
    ) -> None:
        """Process the stream to its end, to Ctrl-C or until nobody reads the output."""
        n = max(round(size), 1)
        self.block_ms = 1000 * n / reader.sample_rate
        self._announce()
        late = self.stream.latency_samples if align else 0
        try:
            for block in self._blocks(reader, gate, n):
                enhanced = self._processed(block)
                skipped = min(late, enhanced.shape[1])
                late -= skipped
                sink.write(enhanced[:, skipped:])
        except BrokenPipeError:  # the reader has what it wanted
            return

    def finish(self, reader: "StreamReader", target: Output, settings: Settings) -> None:
        """Show the statistics."""
        self._say([*reader.notes, *self.stream.chain.summary()])
        if self.n_beyond:
            self._say([f"{self.n_beyond} samples of the output were beyond full scale: clipped"])
        if self.quiet:
            found = self._statistics(reader.name, target.path) | {"settings": asdict(settings)}
            show = terminal.say_json if target.path == PIPE else terminal.show_json
            show(found)
        elif terminal.err.is_terminal:
            timing = self.timing
            terminal.say(
                f"{timing.seconds:.1f} s, real-time factor {timing.real_time_factor:.3f}, worst "
                f"block {1000 * timing.worst_seconds:.1f} ms of {self.block_ms:.1f} ms"
            )

    def _blocks(self, reader: "StreamReader", gate: Interrupt, n: int) -> "Iterator[np.ndarray]":
        """Blocks of the microphones, and zeros for the end that is still in the chain."""
        import numpy as np

        blocks, rows = reader.blocks(n), list(self.inputs.channels)
        try:
            while True:
                with gate.wait():
                    block = next(blocks, None)
                if block is None:
                    break
                yield block[rows]
        except KeyboardInterrupt:
            pass
        left = self.stream.latency_samples
        for start in range(0, left, n):
            yield np.zeros((len(rows), min(n, left - start)), np.float32)

    def _processed(self, block: "np.ndarray") -> "np.ndarray":
        """Enhance a block; note what has changed among the microphones."""
        import numpy as np

        with self.timing.block(block.shape[1]):
            enhanced = self.stream.push(block)["enhanced"]
        self.n_beyond += int(np.count_nonzero(np.abs(enhanced) > 1))
        self._say(self.stream.log[self._n_noted :])
        self._n_noted = len(self.stream.log)
        return enhanced

    def _announce(self) -> None:
        if not self.quiet and terminal.err.is_terminal:
            terminal.say(
                f"{self.inputs.name}: channels {', '.join(map(str, self.inputs.channels))} at "
                f"{self.inputs.sample_rate} Hz; the output is {self.stream.latency_ms:.1f} ms "
                f"late, and the length of a block, {self.block_ms:.1f} ms"
            )

    def _say(self, lines: list[str]) -> None:
        """Keep lines for the log; show them now unless JSON is wanted."""
        self.log += lines
        if not self.quiet:
            terminal.warn(lines)

    def _statistics(self, source: str, output: str) -> dict[str, Any]:
        stream, timing = self.stream, self.timing
        return {
            "input": source,
            "output": "standard output" if output == PIPE else output,
            "sample_rate": stream.sample_rate,
            "channels": self.inputs.channels,
            "latency_ms": stream.latency_ms,
            "block_ms": self.block_ms,
            "seconds": timing.seconds,
            "real_time_factor": timing.real_time_factor,
            "worst_block_ms": 1000 * timing.worst_seconds,
            "n_clipped": self.n_beyond,
            "direction_deg": stream.chain.direction_deg,
            "log": self.log,
        }
