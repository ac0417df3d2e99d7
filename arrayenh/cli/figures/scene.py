"""Figure of a scene: views from above and from the side, impulse response, spectrograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arrayenh.checks import printable
from arrayenh.cli.figures.array import write_figure
from arrayenh.drawing import new_figure
from arrayenh.errors import SceneError
from arrayenh.scenes.reverberation import decay_line, energy_decay
from arrayenh.scenes.rooms import Measured, Polygon, Shoebox
from arrayenh.scenes.truth import truth
from arrayenh.stft import Stft

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from arrayenh.scenes.render import Rendered
    from arrayenh.scenes.scene import Scene

TARGET, TALKER, NOISE, WALL, ARRAY = "#d55e00", "#cc79a7", "#0072b2", "#56b4e9", "#000000"
FLOOR_DB = -70.0
SPAN_DB = 70.0
STFT = Stft(512, 128, "hann")


def save_picture(rendered: Rendered, name: str, path: Path, overwrite: bool = True) -> None:
    """Save a figure of a rendered scene atomically.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    GeometryError
        If the file cannot be written.
    """
    figure = new_figure((11, 13))
    grid = figure.add_gridspec(
        4, 6, height_ratios=(2.3, 1.5, 1.0, 1.0), hspace=0.42, wspace=0.5,
        left=0.07, right=0.97, top=0.93, bottom=0.05,
    )  # fmt: skip
    title = f"{printable(name)}: {subtitle(rendered)}"
    figure.suptitle(title, fontsize=11, y=0.975, parse_math=False)
    scene = rendered.scene
    if isinstance(scene.room, Measured):
        nowhere(figure.add_subplot(grid[0, :]), scene)
    else:
        view(figure.add_subplot(grid[0, :3]), scene, 1, "from above")
        side = figure.add_subplot(grid[0, 3:])
        view(side, scene, 2, "from the side")
        figure.legend(
            *side.get_legend_handles_labels(),
            loc="upper center",
            bbox_to_anchor=(0.5, 0.635),
            ncol=5,
            fontsize=8,
            frameon=False,
        )
    response(figure.add_subplot(grid[1, :]), rendered)
    pictures = {
        "mixture": rendered.mixture[0],
        "target, reverberant": rendered.target_image[0],
        "target, early": rendered.early_image[0],
        "all the rest": rendered.noise_image[0],
    }
    most = max(levels_db(samples).max() for samples in pictures.values())
    for k, (title, samples) in enumerate(pictures.items()):
        axes = figure.add_subplot(grid[2 + k // 2, 3 * (k % 2) : 3 * (k % 2) + 3])
        spectrogram(axes, samples, rendered.sample_rate, title, most)
    write_figure(figure, path, overwrite)


def subtitle(rendered: Rendered) -> str:
    """One-line summary of the scene."""
    scene, found = rendered.scene, truth(rendered)
    words = [scene.room.words(), scene.array.name]
    if found["rt60_measured_s"] is not None:
        words.append(f"RT60 {found['rt60_measured_s']:.2f} s")
    if found["snr_db"] is not None:
        words.append(f"SNR {found['snr_db']:.1f} dB")
    return ", ".join(words)


def view(axes: Axes, scene: Scene, up: int, title: str) -> None:
    """Draw a view of the room; `up` is the vertical axis of the drawing (1: y, 2: z)."""
    outline = floor_or_wall(scene, up)
    axes.plot(*outline.T, color="0.3", linewidth=1.5)
    centre = np.array(scene.array.centre)
    for k, talker in enumerate(scene.talkers):
        colour, who = (TARGET, "target") if k == 0 else (TALKER, "other talker")
        points = np.array(talker.path.waypoints if talker.path else (talker.position,))
        axes.plot(
            [centre[0], points[0, 0]], [centre[up], points[0, up]], color=colour, linewidth=0.8
        )
        if len(points) > 1:
            axes.annotate(
                "",
                (points[-1, 0], points[-1, up]),
                (points[0, 0], points[0, up]),
                arrowprops={"arrowstyle": "->", "color": colour, "linestyle": "--"},
            )
        label = who if k < 2 else None
        axes.plot(points[0, 0], points[0, up], "o", color=colour, markersize=8, label=label)
    labels = {"point": "noise", "walls": "noise along the walls"}
    for noise in scene.noises:
        if noise.positions:
            points = np.array(noise.positions)
            style = ("s", NOISE, 7) if noise.kind == "point" else ("x", WALL, 5)
            axes.plot(
                points[:, 0],
                points[:, up],
                style[0],
                color=style[1],
                markersize=style[2],
                linestyle="none",
                label=labels.pop(noise.kind, None),
            )
    mics = scene.array.mic_positions()
    axes.plot(mics[:, 0], mics[:, up], ".", color=ARRAY, markersize=5, label="microphones")
    ahead = 0.5 * (scene.array.turn() @ [1.0, 0, 0])
    axes.annotate(
        "",
        (centre[0] + ahead[0], centre[up] + ahead[up]),
        (centre[0], centre[up]),
        arrowprops={"arrowstyle": "->", "color": ARRAY},
    )
    axes.set_aspect("equal")
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)" if up == 1 else "z (m)")
    axes.set_title(f"{title} (arrow: the array's +x)" if up == 1 else title, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def floor_or_wall(scene: Scene, up: int) -> np.ndarray:
    """Closed outline of the room from above or from the side, shape (n, 2)."""
    room = scene.room
    if isinstance(room, Shoebox):
        right, top = room.size[0], room.size[up]
        return np.array([(0, 0), (right, 0), (right, top), (0, top), (0, 0)])
    assert isinstance(room, Polygon)
    corners = np.array([*room.corners, room.corners[0]])
    if up == 1:
        return corners
    left, right = corners[:, 0].min(), corners[:, 0].max()
    top = room.height
    return np.array([(left, 0), (right, 0), (right, top), (left, top), (left, 0)])


def nowhere(axes: Axes, scene: Scene) -> None:
    """Draw a note in place of the view: a measured room has no positions."""
    axes.axis("off")
    text = f"measured impulse responses: {scene.room.words()}"
    axes.text(0.5, 0.5, text, ha="center", va="center")


def response(axes: Axes, rendered: Rendered) -> None:
    """Draw the target's impulse response at microphone 0 in dB, its decay and the fitted RT60."""
    rir = rendered.responses.talkers[0][0].astype(np.float64)
    rate = rendered.sample_rate
    times = np.arange(len(rir)) / rate
    level = 20 * np.log10(np.maximum(np.abs(rir) / np.abs(rir).max(), 10 ** (FLOOR_DB / 20)))
    axes.plot(times, level, color="0.7", linewidth=0.5, label="response")
    decay = energy_decay(rir)
    axes.plot(times, decay, color=NOISE, linewidth=1.5, label="energy decay (Schroeder)")
    try:
        slope, start = decay_line(rir, rate)
    except SceneError:
        pass
    else:
        axes.plot(
            times[[0, -1]],
            start + slope * times[[0, -1]],
            color=TARGET,
            linestyle="--",
            linewidth=1.5,
            label=f"fit from -5 to -35 dB: RT60 {-60 / slope:.2f} s",
        )
    direct = times[np.argmax(np.abs(rir))]
    early = rendered.scene.early_ms / 1000
    span = (direct, direct + early)
    axes.axvspan(*span, color=TARGET, alpha=0.12, linewidth=0, label="early speech")
    axes.set_ylim(FLOOR_DB, 3)
    axes.set_xlim(0, times[-1])
    axes.set_xlabel("time (s)")
    axes.set_ylabel("level (dB)")
    axes.set_title("target to microphone 0", fontsize=9)
    axes.legend(loc="upper right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def levels_db(samples: np.ndarray) -> np.ndarray:
    """Compute a spectrogram, dB, shape (F, T)."""
    power = np.abs(STFT.analyse(samples[None].astype(np.float32))[:, 0]) ** 2
    return 10 * np.log10(np.maximum(power, 1e-20))


def spectrogram(axes: Axes, samples: np.ndarray, rate: int, title: str, most: float) -> None:
    """Draw the spectrogram of one signal, on the scale of all."""
    axes.imshow(
        levels_db(samples),
        origin="lower",
        aspect="auto",
        extent=(0, len(samples) / rate, 0, rate / 2000),
        vmin=most - SPAN_DB,
        vmax=most,
        cmap="magma",
        interpolation="antialiased",
    )
    axes.set_title(f"{title}, microphone 0", fontsize=9)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("frequency (kHz)")
