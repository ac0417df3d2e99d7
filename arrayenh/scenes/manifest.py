"""Manifest of a data set: one row per scene, with the scene as JSON in the last column."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.serialise import scene_from_json, scene_to_json

COLUMNS = (
    "index",
    "folder",
    "array",
    "n_mics",
    "seconds",
    "rt60_s",
    "rt60_measured_s",
    "direct_to_reverberant_db",
    "snr_db",
    "n_talkers",
    "speakers",
    "azimuth_deg",
    "elevation_deg",
    "distance_m",
    "noises",
    "scene",
)
csv.field_size_limit(1 << 24)


def row_of(index: int, folder: str, scene: Scene, truth: dict[str, Any]) -> dict[str, Any]:
    """Manifest row of a scene; the target is the first talker."""
    target = truth["talkers"][0]
    return {
        "index": index,
        "folder": folder,
        "array": scene.array.name,
        "n_mics": scene.array.n_mics,
        "seconds": scene.n_samples / scene.sample_rate,
        "rt60_s": truth["rt60_s"],
        "rt60_measured_s": truth["rt60_measured_s"],
        "direct_to_reverberant_db": truth["direct_to_reverberant_db"],
        "snr_db": truth["snr_db"],
        "n_talkers": len(scene.talkers),
        "speakers": " ".join(talker.speaker for talker in scene.talkers),
        "azimuth_deg": target.get("azimuth_deg"),
        "elevation_deg": target.get("elevation_deg"),
        "distance_m": target.get("distance_m"),
        "noises": " ".join(noise.kind for noise in scene.noises),
        "scene": scene_to_json(scene),
    }


def write_rows(rows: Iterable[dict[str, Any]], file: TextIO) -> None:
    """Write rows as CSV: numbers with six digits, the scene with full precision."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: f"{v:.6g}" if isinstance(v, float | np.floating) else v for key, v in row.items()}
        )


def scene_texts(path: Path) -> dict[int, str]:
    """Read the scenes of a manifest as JSON texts by index.

    Raises
    ------
    SceneError
        If the file cannot be read or is not a manifest.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [(row["index"], row["scene"]) for row in csv.DictReader(file)]
    except (KeyError, UnicodeDecodeError, csv.Error):
        rows = []
    except OSError as error:
        raise SceneError(f"{path} cannot be read as a manifest: {error.strerror}") from error
    if not rows or not all(index and index.isdecimal() and scene for index, scene in rows):
        raise SceneError(f"{path} is not a manifest: it needs rows with an index and a scene")
    return {int(index): scene for index, scene in rows}


def read_manifest(path: Path) -> dict[int, Scene]:
    """Read the scenes of a manifest by index; errors as above, and for an invalid scene."""
    texts = scene_texts(path)
    try:
        return {index: scene_from_json(text) for index, text in texts.items()}
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error


def scene_file_text(row: dict[str, Any], truth: dict[str, Any]) -> str:
    """Text of a scene.json: manifest row, ground truth and scene."""
    plain = {key: value for key, value in row.items() if key != "scene"}
    content = {"row": plain, "truth": truth, "scene": json.loads(row["scene"])}
    return json.dumps(content, indent=1) + "\n"
