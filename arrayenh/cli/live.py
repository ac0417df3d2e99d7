"""`arrayenh live`: enhance the microphones of a sound device and play the voice on another."""

import sys
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arrayenh.chain.setting_record import INPUT, OUTPUT
from arrayenh.checks import within
from arrayenh.cli import terminal
from arrayenh.cli.inputs import selection
from arrayenh.cli.interrupt import Interrupt
from arrayenh.cli.options import Array, Channels, Mics, Profile, live_settings, with_settings
from arrayenh.errors import AudioError

if TYPE_CHECKING:
    from arrayenh.chain.settings import Settings
    from arrayenh.live.device import Device
    from arrayenh.live.session import Session

INTERRUPTED = 130
SHOWN_PER_SECOND = 10
MOST_UNASKED = 16  # channels; virtual devices claim 32 and more
STEP = 0.1  # of the strength


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asks of a session, but for the devices."""

    settings: "Settings"
    reference_given: bool
    array: str | None
    mics: int | None
    channels: tuple[int, ...] | None
    rate: int | None
    block_ms: float
    buffer_ms: float
    folder: Path


@with_settings
def command(
    options: dict[str, Any],
    source: Annotated[
        str | None,
        typer.Option(
            "--in",
            metavar="DEVICE",
            help="Input: number or part of the name, see 'arrayenh devices'. Default: the "
            "system's.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    sink: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DEVICE",
            help="Output: number or part of the name. Default: the system's.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    mics: Mics = None,
    channels: Channels = None,
    profile: Profile = None,
    array: Array = None,
    rate: Annotated[
        int | None,
        typer.Option(
            metavar="HZ",
            help="Sample rate of both devices. Default: the input's.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    block: Annotated[
        float,
        typer.Option(metavar="MS", help="Length of the blocks.", rich_help_panel=INPUT),
    ] = 10.0,
    buffer: Annotated[
        float,
        typer.Option(
            metavar="MS",
            help="Latency asked for from each device; longer if sound is lost.",
            rich_help_panel=INPUT,
        ),
    ] = 30.0,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Record input and output from the start into this folder.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SEC", help="End after so many seconds of sound.", rich_help_panel=OUTPUT
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print statistics as JSON at the end.", rich_help_panel=OUTPUT),
    ] = False,
) -> None:
    """Enhance the microphones of a sound device and play the voice, as it comes.

    Keys: b compares with the reference microphone (bypass), + and - change the strength, r starts
    and ends a recording (live-DATE-input.wav, live-DATE-output.wav), q quits. Without a terminal
    it prints a line each second.
    """
    from arrayenh.audio import LEAST_RATE, MOST_RATE
    from arrayenh.cli.outputs import check_folder, make_folder

    within("--block", block, 1, 1000)
    within("--buffer", buffer, 1, 2000)
    if rate is not None:
        within("--rate", rate, LEAST_RATE, MOST_RATE)
    if seconds is not None:
        within("--seconds", seconds, 0.1, 1e7)
    chosen = selection(mics, channels)
    settings = live_settings(options, profile, chosen)
    folder = record or Path()
    check_folder(folder)
    make_folder(folder)
    request = Request(
        settings, "reference" in options, array, mics, chosen, rate, block, buffer, folder
    )
    session, lines = session_of(request, source, sink)
    session.record(record is not None)
    if not as_json:
        terminal.warn(lines)
    interrupted = watched(session, seconds, quiet=as_json)
    if as_json:
        terminal.show_json(
            asdict(session.state())
            | {"recordings": [str(path) for path in session.saved], "settings": asdict(settings)}
        )
    if session.failure is not None:
        raise session.failure
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def session_of(
    request: Request, source: str | None, sink: str | None
) -> "tuple[Session, list[str]]":
    """Find the devices and build the chain; return the session and notes for the user."""
    from arrayenh.live.duplex import DevicePair
    from arrayenh.live.inputs import inputs_of, open_stream
    from arrayenh.live.portaudio import IN, OUT, find, found_again
    from arrayenh.live.session import Session

    pair = find(source, IN), find(sink, OUT)
    inward, outward = pair
    rate = request.rate or inward.sample_rate
    n_channels = channels_to_open(inward, request)
    inputs = inputs_of(inward.name, n_channels, rate, request.mics, request.channels)
    stream, inputs, notes = open_stream(
        request.settings, request.array, inputs, request.reference_given
    )
    n_outputs = max(stream.n_outputs, min(outward.n_outputs, 2))
    block = max(round(request.block_ms * rate / 1000), 1)
    sizes = rate, n_channels, n_outputs, block
    ready = [DevicePair(*pair, *sizes, request.buffer_ms)]  # an error comes before the view

    def open_devices() -> DevicePair:
        if ready:
            return ready.pop()
        pair = found_again(inward, IN), found_again(outward, OUT)
        return DevicePair(*pair, *sizes, request.buffer_ms)

    session = Session(stream, inputs, outward.name, open_devices, request.folder, block)
    return session, notes


def channels_to_open(device: "Device", request: Request) -> int:
    """Number of channels of the input device to open.

    Raises
    ------
    AudioError
        If it is not known.
    """
    from arrayenh.microphones.geometry import load_array

    if request.channels is not None:
        return max(request.channels) + 1
    if request.mics is not None:
        return request.mics
    if request.array is not None:
        array = load_array(request.array)
        return array.dump.n_channels if array.dump else array.n_mics
    if device.n_inputs > MOST_UNASKED:
        raise AudioError(
            f"{device.name} offers up to {device.n_inputs} channels: give the number of "
            f"microphones, --mics N"
        )
    return device.n_inputs


def watched(session: "Session", seconds: float | None, quiet: bool) -> bool:
    """Run a session and show it on stdout; return whether Ctrl-C has ended it.

    The sound libraries print on stderr as they like, which would spoil the view.
    """
    from arrayenh.audio.quiet import quiet_stderr

    with Interrupt() as gate, ThreadPoolExecutor(1) as pool, quiet_stderr():
        running = pool.submit(session.run, seconds)
        try:
            with gate.wait():
                if quiet:
                    wait([running])
                elif sys.stdin is not None and sys.stdin.isatty() and terminal.out.is_terminal:
                    show_view(session, running)
                else:
                    show_lines(session, running)
        except KeyboardInterrupt:
            pass
        finally:
            session.stop()
        running.result()
    return gate.came


def show_view(session: "Session", running: "Future[None]") -> None:
    """Show the session until it ends, and do what the keys ask for."""
    from rich.console import Console
    from rich.live import Live

    from arrayenh.cli.keys import pressed, single_keys
    from arrayenh.cli.live_view import view

    console = Console(highlight=False)
    with single_keys(), Live(console=console, auto_refresh=False) as shown:
        while not running.done():
            while (key := pressed()) is not None:
                press(session, key)
            shown.update(view(session.state()), refresh=True)
            wait([running], 1 / SHOWN_PER_SECOND)
        shown.update(view(session.state()), refresh=True)


def show_lines(session: "Session", running: "Future[None]") -> None:
    """Print a line each second, and notes as they come."""
    from arrayenh.cli.live_view import line

    n_noted = 0
    while not running.done():
        wait([running], 1)
        log = session.log
        for text in (*log[n_noted:], line(session.state())):
            terminal.out.print(terminal.escape(text))
        n_noted = len(log)


def press(session: "Session", key: str) -> None:
    """Do what a key asks for."""
    if key == "q":
        session.stop()
    elif key == "b":
        session.bypass = not session.bypass
    elif key == "r":
        session.record(not session.records)
    elif key in "+=-":
        step = -STEP if key == "-" else STEP
        session.strength = round(min(max(session.strength + step, 0.0), 1.0), 2)
