"""The part of a report to listen to and to look at: the player, and a picture per stage."""

from base64 import b64encode
from html import escape

import numpy as np

from arrayenh.audio import encode
from arrayenh.evaluation.report.drawings import waveform_svg
from arrayenh.evaluation.report.page import Page, StageSound, clock
from arrayenh.evaluation.report.score_table import columns
from arrayenh.evaluation.report.spectrogram import (
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
        _figure(page, k, stage, spectrogram_png(level, loudest), peak)
        for k, (stage, level) in enumerate(zip(page.stages, levels, strict=True))
    )
    return (
        f'<section class="listening"><h2>Listen and look</h2>{_about_sound(page)}'
        f"{_player(page)}"
        '<p id="no-player" class="warning" hidden>This browser cannot decode the sound for '
        "the common player; each stage has its own below.</p>"
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
        f"{_number_keys(page)}<kbd>←</kbd> <kbd>→</kbd> move by 2 s.</span></p>"
    )


def _number_keys(page: Page) -> str:
    n_keys = min(len(page.stages), MOST_NUMBER_KEYS)
    if n_keys < 2:
        return ""
    return f"<kbd>1</kbd> to <kbd>{n_keys}</kbd> switch stages, "


def _player(page: Page) -> str:
    buttons = "".join(
        f'<button type="button" data-stage="{k}" aria-pressed="false">'
        f"{f'<kbd>{k + 1}</kbd>' if k < MOST_NUMBER_KEYS else ''}"
        f"{escape(stage.row.name)}</button>"
        for k, stage in enumerate(page.stages)
    )
    return (
        f'<div id="player" class="player" role="group" aria-label="Player" '
        f'data-duration="{page.duration:.4f}" data-start="{page.start:.4f}">'
        '<button type="button" id="play" aria-label="Play"><svg viewBox="0 0 24 24" '
        'aria-hidden="true"><path class="go" d="M7 4v16l13-8z"/>'
        '<path class="hold" d="M6 4h4v16H6zM14 4h4v16h-4z"/></svg></button>'
        f'<input type="range" id="seek" min="0" max="{page.duration:.4f}" step="any" '
        'value="0" aria-label="Position"><output id="clock" for="seek"></output>'
        f'<div class="choice" role="group" aria-label="Stage that is heard">{buttons}</div></div>'
    )


def _figure(page: Page, k: int, stage: StageSound, picture: bytes, peak: float) -> str:
    name = escape(stage.row.name)
    note = f" <small>{escape(stage.row.note)}</small>" if stage.row.note else ""
    sound = b64encode(encode(stage.samples, page.rate, "FLAC")).decode()
    top = top_frequency(page.rate) / 1000
    return (
        f'<figure class="stage" id="stage-{k + 1}"><figcaption><b>{name}</b>{note}</figcaption>'
        f'<div class="plot">{waveform_svg(stage.samples, peak)}'
        f'<img alt="Spectrogram of {name}, 0 to {top:g} kHz" '
        f'src="data:image/png;base64,{b64encode(picture).decode()}">'
        '<div class="playhead"></div></div>'
        f"{_frequency_axis(top)}{_time_axis(page)}"
        f'<audio controls preload="metadata" aria-label="{name}" '
        f'src="data:audio/flac;base64,{sound}"></audio></figure>'
    )


def _frequency_axis(top_khz: float) -> str:
    step = 2 if top_khz > 5 else 1
    ticks = "".join(
        f'<span style="bottom: {100 * khz / top_khz:.2f}%">{khz}</span>'
        for khz in range(0, int(top_khz) + 1, step)
    )
    return f'<div class="frequency" aria-hidden="true"><i>kHz</i>{ticks}</div>'


def _time_axis(page: Page) -> str:
    step = next(
        (s for s in TIME_STEPS_S if page.duration / s <= MOST_TIME_TICKS),
        TIME_STEPS_S[-1],
    )
    times = np.arange(0, page.duration * 0.97, step)
    ticks = "".join(
        f'<span style="left: {100 * time / page.duration:.2f}%">{_tick(page, float(time))}</span>'
        for time in times
    )
    return f'<div class="time" aria-hidden="true">{ticks}</div>'


def _tick(page: Page, time: float) -> str:
    if page.is_excerpt:
        return clock(page.start + time)
    return f"{time:g} s" if time == 0 else f"{round(time, 1):g}"


def _scale(page: Page) -> str:
    top, half = top_frequency(page.rate), page.recorded_rate / 2
    band = f" Shown up to {top / 1000:g} of {half / 1000:g} kHz." if half > top else ""
    return (
        '<p class="scale"><span>Spectrograms, level relative to the loudest hundredth of '
        f"all stages:</span> <span>−{RANGE_DB:g} dB <i></i> 0 dB.</span> Waveforms share one scale."
        f"{band}</p>"
    )
