"""Terminal view of a live session: pure functions of its state."""

import math

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from arrayenh.checks import printable
from arrayenh.live.session import LiveState

LOWEST_DB, LOUD_DB, CLIPS_DB = -60.0, -12.0, -1.0
CELLS = 30
PARTS = " ▏▎▍▌▋▊▉█"
RADIUS = 4  # of the dial, lines
NOTES = 3  # latest lines of the log
KEYS = "b bypass   - + strength   r record   q quit"


def view(state: LiveState) -> RenderableType:
    """Meters, direction, figures, latest notes and keys."""
    meters: RenderableType = meter_table(state)
    if state.direction_deg is not None:
        meters = Columns([meters, dial(state.direction_deg)], padding=(0, 4))
    return Group(heading(state), meters, figures(state), *notes(state), Text(KEYS, style="dim"))


def heading(state: LiveState) -> Text:
    """Devices, rate, time and recording."""
    line = Text.assemble(
        (printable(state.source), "bold"),
        " → ",
        (printable(state.sink), "bold"),
        f"   {state.sample_rate} Hz   {clock(state.seconds)}",
    )
    if state.waiting:
        line.append("   device gone: waiting for it", style="bold red")
    elif state.recording:
        line.append("   ● recording", style="bold red")
    return line


def meter_table(state: LiveState) -> Table:
    """One meter for each microphone, and one for the output."""
    grid = Table.grid(padding=(0, 1))
    rows = zip(state.channels, state.levels_db, state.peaks_db, state.faults, strict=True)
    for channel, level, peak, fault in rows:
        grid.add_row(*meter(f"mic {channel}", level, peak, fault))
    grid.add_row(*meter("output", state.output_db, state.output_peak_db, None))
    return grid


def meter(name: str, level_db: float, peak_db: float, fault: str | None) -> tuple[Text, ...]:
    """Name, bar, level and remark of one channel."""
    if fault is not None:
        colour, remark = "dim", f"{fault}: left out"
    elif peak_db > CLIPS_DB:
        colour, remark = "red", "clips"
    else:
        colour, remark = "yellow" if peak_db > LOUD_DB else "green", ""
    shown = "  -∞" if level_db < -100 else f"{level_db:4.0f}"
    filled = Text(bar(level_db, peak_db), style=colour)
    return Text(name), filled, Text(f"{shown} dB"), Text(remark, style="bold red")


def bar(level_db: float, peak_db: float) -> str:
    """Bar of 30 cells from -60 to 0 dB, with a line at the peak."""
    eighths = round(8 * CELLS * fraction(level_db))
    cells = list("█" * (eighths // 8) + (PARTS[eighths % 8] if eighths % 8 else ""))
    cells += " " * (CELLS - len(cells))
    place = min(int(CELLS * fraction(peak_db)), CELLS - 1)
    if fraction(peak_db) > 0 and cells[place] == " ":
        cells[place] = "│"
    return "".join(cells)


def fraction(level_db: float) -> float:
    """Part of the bar that a level fills, 0 to 1."""
    return min(max(1 - level_db / LOWEST_DB, 0.0), 1.0)


def dial(azimuth_deg: float) -> Text:
    """Circle with the direction of the talker; 0 degrees is right, 90 up."""
    width, height = 4 * RADIUS + 1, 2 * RADIUS + 1  # a letter is twice as high as wide
    cells = [[" "] * width for _ in range(height)]

    def put(angle: float, mark: str) -> None:
        column = round(2 * RADIUS * (1 + math.cos(angle)))
        cells[round(RADIUS * (1 - math.sin(angle)))][column] = mark

    for k in range(32):
        put(2 * math.pi * k / 32, "·")
    cells[RADIUS][2 * RADIUS] = "+"
    put(math.radians(azimuth_deg), "●")
    lines = ["".join(row).rstrip() for row in cells]
    return Text("\n".join([*lines, f"talker at {azimuth_deg:.0f}°"]))


def figures(state: LiveState) -> Text:
    """Strength, load, lost sound and latency."""
    line = Text("BYPASS" if state.bypass else f"strength {state.strength:.0%}")
    line.stylize("bold yellow" if state.bypass else "bold")
    line.append(
        f"   load {state.load:.0%}, worst block {state.worst_ms:.1f} of {state.block_ms:.1f} ms   "
    )
    lost = state.overruns + state.underruns
    line.append(
        f"{state.overruns} overruns, {state.underruns} underruns", style="red" if lost else ""
    )
    line.append(
        f"\nlatency {state.latency_ms:.0f} ms: chain {state.chain_ms:.1f}, "
        f"block {state.block_ms:.1f}, devices {state.device_ms:.1f}"
    )
    return line


def notes(state: LiveState) -> list[Text]:
    """Latest lines of the log."""
    return [Text(printable(line), style="yellow") for line in state.log[-NOTES:]]


def line(state: LiveState) -> str:
    """One line of statistics, where there is no terminal."""
    levels = " ".join(
        "out" if fault else f"{level:.0f}"
        for level, fault in zip(state.levels_db, state.faults, strict=True)
    )
    direction = "" if state.direction_deg is None else f", talker at {state.direction_deg:.0f} deg"
    return (
        f"{clock(state.seconds)}  microphones {levels} dB, output {state.output_db:.0f} dB"
        f"{direction}, load {state.load:.0%}, {state.overruns} overruns, "
        f"{state.underruns} underruns{', device gone' if state.waiting else ''}"
    )


def clock(seconds: float) -> str:
    """Time as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
