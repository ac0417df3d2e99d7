"""The part of a report to listen to and to look at: the player, and a picture per stage."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np

from arrayenh.audio import encode
from arrayenh.reports.drawings import waveform_svg
from arrayenh.reports.page import Page, clock
from arrayenh.reports.score_table import columns
from arrayenh.reports.spectrogram import (
    RANGE_DB,
    loudest_db,
    spectrogram_db,
    spectrogram_png,
    top_frequency,
)

TIME_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
MOST_TIME_TICKS = 7
MOST_NUMBER_KEYS = 9


def listening_html(page: Page) -> str:
    """Player, pictures and sounds, and the scale of the pictures."""
    levels = [spectrogram_db(stage.samples, page.rate) for stage in page.stages]
    loudest = loudest_db(levels)
    peak = max(float(np.abs(stage.samples).max()) for stage in page.stages) or 1.0
    figures = "".join(
        _figure(page, k, spectrogram_png(level, loudest), peak) for k, level in enumerate(levels)
    )
    return (
        f'<section class="listening"><h2>Listen and look</h2>{_about_sound(page)}'
        f"{player_html([stage.row.name for stage in page.stages], page.duration, page.start)}"
        f"{figures}{_scale(page)}</section>"
    )


def _about_sound(page: Page) -> str:
    end = page.start + page.duration
    excerpt = (
        f"Sound and pictures are an excerpt, {clock(page.start)} to {clock(end)} of "
        f"{clock(page.whole_duration)}: the stretch with the most speech, judged by level. "
        if page.is_excerpt
        else ""
    )
    if excerpt and columns([stage.row for stage in page.stages]):
        excerpt += "The scores are those of the whole recording. "
    gain = f"{page.gain_db:+.1f}".replace("-", "−")
    return (
        f"<p>{excerpt}All stages play with the same gain, {gain} dB. "
        '<span class="scripted-only">A click into a picture goes to that stage and time.'
        '</span> <span class="scripted-only keys">Keys: <kbd>space</kbd> plays, '
        f"{number_keys(len(page.stages))}<kbd>←</kbd> <kbd>→</kbd> move by 2 s.</span></p>"
    )


def number_keys(n_stages: int) -> str:
    """Words about the keys that switch stages; none where there is nothing to switch."""
    if n_stages < 2:
        return ""
    return f"<kbd>1</kbd> to <kbd>{min(n_stages, MOST_NUMBER_KEYS)}</kbd> switch stages, "


def player_html(names: Sequence[str], duration: float, start: float = 0.0, prefix: str = "") -> str:
    """The common player of a few stages; `prefix` tells the players of one page apart.

    Parameters
    ----------
    names : sequence of str
        Of the stages, in the order of their figures.
    duration, start : float
        Seconds: of the sounds, and where they begin in the recording.
    prefix : str
        Of its ids.
    """
    buttons = "".join(
        f'<button type="button" data-stage="{k}" aria-pressed="false">'
        f"{f'<kbd>{k + 1}</kbd>' if k < MOST_NUMBER_KEYS else ''}{escape(name)}</button>"
        for k, name in enumerate(names)
    )
    return (
        f'<div id="{prefix}player" class="player" role="group" aria-label="Player" '
        f'data-duration="{duration:.4f}" data-start="{start:.4f}">'
        '<button type="button" class="play" aria-label="Play"><svg viewBox="0 0 24 24" '
        'aria-hidden="true"><path class="go" d="M7 4v16l13-8z"/>'
        '<path class="hold" d="M6 4h4v16H6zM14 4h4v16h-4z"/></svg></button>'
        f'<input type="range" id="{prefix}seek" class="seek" min="0" max="{duration:.4f}" '
        'step="any" value="0" aria-label="Position">'
        f'<output class="clock" for="{prefix}seek"></output>'
        f'<div class="choice" role="group" aria-label="Stage that is heard">{buttons}</div></div>'
        '<p class="no-player warning" hidden>This browser cannot decode the sound for '
        "the common player; each stage has its own below.</p>"
    )


def figure_html(name: str, note: str, plot: str, axes: str, sound: str, ident: str) -> str:
    """One stage: its name and a note, its picture between axes, and the browser's own player.

    Parameters
    ----------
    name : str
    note, plot, axes : str
        HTML.
    sound : str
        Address of the sound.
    ident : str
        The figure's id.
    """
    note = f" <small>{note}</small>" if note else ""
    return (
        f'<figure class="stage" id="{ident}"><figcaption><b>{escape(name)}</b>{note}</figcaption>'
        f'<div class="plot">{plot}<div class="playhead"></div></div>{axes}'
        f'<audio controls preload="metadata" aria-label="{escape(name)}" src="{sound}"></audio>'
        "</figure>"
    )


def picture_html(name: str, picture: bytes, top_khz: float) -> str:
    """A spectrogram as it stands in the page."""
    return (
        f'<img alt="Spectrogram of {escape(name)}, 0 to {top_khz:g} kHz" '
        f'src="data:image/png;base64,{b64encode(picture).decode()}">'
    )


def frequency_axis(top_khz: float) -> str:
    """Ticks at whole kilohertz, from 0 at the bottom."""
    step = 2 if top_khz > 5 else 1
    ticks = "".join(
        f'<span style="bottom: {100 * khz / top_khz:.2f}%">{khz}</span>'
        for khz in range(0, int(top_khz) + 1, step)
    )
    return f'<div class="frequency" aria-hidden="true"><i>kHz</i>{ticks}</div>'


def time_axis(duration: float, start: float | None = None) -> str:
    """Ticks at round times; those of an excerpt, which has a `start`, as on a clock."""
    step = next((s for s in TIME_STEPS_S if duration / s <= MOST_TIME_TICKS), TIME_STEPS_S[-1])
    ticks = "".join(
        f'<span style="left: {100 * time / duration:.2f}%">{_tick(float(time), start)}</span>'
        for time in np.arange(0, duration * 0.97, step)
    )
    return f'<div class="time" aria-hidden="true">{ticks}</div>'


def _tick(time: float, start: float | None) -> str:
    if start is not None:
        return clock(start + time)
    return f"{time:g} s" if time == 0 else f"{round(time, 1):g}"


def _figure(page: Page, k: int, picture: bytes, peak: float) -> str:
    stage = page.stages[k]
    name = stage.row.name
    top = top_frequency(page.rate) / 1000
    start = page.start if page.is_excerpt else None
    sound = b64encode(encode(stage.samples, page.rate, "FLAC")).decode()
    return figure_html(
        name,
        escape(stage.row.note),
        waveform_svg(stage.samples, peak) + picture_html(name, picture, top),
        frequency_axis(top) + time_axis(page.duration, start),
        f"data:audio/flac;base64,{sound}",
        f"stage-{k + 1}",
    )


def _scale(page: Page) -> str:
    top, half = top_frequency(page.rate), page.recorded_rate / 2
    band = f" Shown up to {top / 1000:g} of {half / 1000:g} kHz." if half > top else ""
    return (
        '<p class="scale"><span>Spectrograms, level relative to the loudest hundredth of '
        f"all stages:</span> <span>−{RANGE_DB:g} dB <i></i> 0 dB.</span> Waveforms share one scale."
        f"{band}</p>"
    )
