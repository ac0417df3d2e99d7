"""The part of a benchmark's report to listen to: chosen scenes, a player and pictures each."""

from collections.abc import Sequence
from html import escape

import numpy as np

from arrayenh.evaluation.results import Results
from arrayenh.reports.benchmark.excerpts import (
    Excerpt,
    SceneSounds,
    addresses_of,
    excerpts_of,
    pictures_of,
)
from arrayenh.reports.benchmark.findings import names
from arrayenh.reports.benchmark.words import condition_html, with_unit
from arrayenh.reports.listening import (
    figure_html,
    frequency_axis,
    number_keys,
    player_html,
    time_axis,
)
from arrayenh.reports.page import clock
from arrayenh.reports.score_table import label
from arrayenh.reports.spectrogram import RANGE_DB, top_frequency


def sounds_html(results: Results, sounds: Sequence[SceneSounds], room: int) -> str:
    """The section; empty without sounds.

    Parameters
    ----------
    results : Results
    sounds : sequence of SceneSounds
    room : int
        Characters that pictures and sounds may take, as far as coarser sounds help.
    """
    if not sounds:
        return ""
    excerpts = excerpts_of(sounds)
    pictures = [pictures_of(excerpt) for excerpt in excerpts]
    room -= sum(len(picture) for scene in pictures for picture in scene)
    addresses = addresses_of(excerpts, room)
    scenes = "".join(
        scene_html(results, excerpt, pictures[k], addresses[k], k + 1)
        for k, excerpt in enumerate(excerpts)
    )
    most = max(len(scene.stages) for scene in sounds)
    return (
        '<section id="listen"><h2>Listen and look</h2>'
        "<p>All stages of a scene play with the same gain, so that their loudness compares. "
        '<span class="scripted-only">A click into a picture goes to that stage and time.</span> '
        '<span class="scripted-only keys">Keys: <kbd>space</kbd> plays, '
        f"{number_keys(most)}<kbd>←</kbd> <kbd>→</kbd> move by 2 s.</span></p>"
        f"{scenes}{scale()}</section>"
    )


def anchors(sounds: Sequence[SceneSounds]) -> dict[str, str]:
    """Where in the page each scene is, by its name."""
    return {scene.scene: f"scene-{k}" for k, scene in enumerate(sounds, 1)}


def scene_html(
    results: Results,
    excerpt: Excerpt,
    pictures: Sequence[str],
    addresses: Sequence[str],
    number: int,
) -> str:
    """One scene: what it is, the player, a figure for each stage."""
    ident = f"scene-{number}"
    start = excerpt.start if excerpt.is_cut else None
    axes = frequency_axis(top_frequency(excerpt.rate) / 1000) + time_axis(excerpt.duration, start)
    figures = "".join(
        figure_html(
            name,
            stage_scores(results, excerpt.scene, name),
            picture,
            axes,
            sound,
            f"{ident}-stage-{k}",
        )
        for k, (name, picture, sound) in enumerate(
            zip(excerpt.stages, pictures, addresses, strict=True), 1
        )
    )
    return (
        f'<div class="listening scene" id="{ident}"><h3>{condition_html(excerpt.scene)}</h3>'
        f"<p>{about(results, excerpt)}</p>"
        f"{player_html(list(excerpt.stages), excerpt.duration, excerpt.start, f'{ident}-')}"
        f'<div class="stages">{figures}</div></div>'
    )


def about(results: Results, excerpt: Excerpt) -> str:
    """Why the scene is here, its conditions, which part of it is heard, and how loud."""
    parts = [escape(excerpt.why), conditions_words(results, excerpt.scene)]
    if excerpt.is_cut:
        end = excerpt.start + excerpt.duration
        parts.append(
            f"sound and pictures are {clock(excerpt.start)} to {clock(end)} of "
            f"{clock(excerpt.whole_duration)}, the stretch with the most speech"
        )
    parts.append(f"gain {excerpt.gain_db:+.1f} dB".replace("-", "−"))
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts if part)


def conditions_words(results: Results, name: str) -> str:
    """The conditions of a scene; empty for one that is not in the results."""
    found = [scene.conditions for scene in results.scenes if scene.name == name]
    conditions = found[0].items() if found else ()
    return ", ".join(f"{escape(key)} {condition_html(value)}" for key, value in conditions)


def stage_scores(results: Results, scene: str, system: str) -> str:
    """The headline scores of one system in one scene."""
    found = [k for k, known in enumerate(results.scenes) if known.name == scene]
    if not found or system not in names(results):
        return ""
    values = {m: float(results.of(system, m)[found[0]]) for m in results.headlines()}
    return ", ".join(
        f"{escape(label(m))} {with_unit(v, m)}" for m, v in values.items() if not np.isnan(v)
    )


def scale() -> str:
    """What the colours mean."""
    return (
        '<p class="scale"><span>Spectrograms, level relative to the loudest hundredth of all '
        f"stages of the scene:</span> <span>−{RANGE_DB:g} dB <i></i> 0 dB.</span> Sounds are MP3, "
        "to listen to; scores are those of the outputs themselves.</p>"
    )
