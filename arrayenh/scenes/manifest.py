"""Manifest of a data set: one row per scene, with the scene as JSON in the last column."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from arrayenh.checks import whole_number
from arrayenh.errors import SceneError
from arrayenh.formats import json_object, read_table, read_text
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
    found: dict[int, str] = {}
    for row in read_table(path, ("index", "scene"), SceneError):
        index = whole_number(row["index"])
        if index is None or index in found:
            raise SceneError(
                f"{row.where}: the index must be a whole number, once; got {row['index'][:20]!r}"
            )
        found[index] = row["scene"]
    return found


def read_manifest(path: Path) -> dict[int, Scene]:
    """Read the scenes of a manifest by index; errors as above, and for an invalid scene."""
    texts = scene_texts(path)
    try:
        return {index: scene_from_json(text) for index, text in texts.items()}
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error


def row_in_file(path: Path) -> tuple[dict[str, Any], str]:
    """Row of the manifest without the scene, and the scene's JSON, from a scene.json.

    Raises
    ------
    SceneError
        If the file cannot be read or is damaged.
    """
    found = json_object(read_text(path, error=SceneError), str(path), SceneError)
    row, scene = found.get("row"), found.get("scene")
    if (
        not isinstance(row, dict)
        or not isinstance(scene, dict)
        or not scene
        or {*row, "scene"} != {*COLUMNS}
        or not isinstance(row["seconds"], int | float)
    ):
        raise SceneError(f"{path} is damaged; delete its folder to render the scene again")
    return row, json.dumps(scene, separators=(",", ":"))


def scene_file_text(row: dict[str, Any], truth: dict[str, Any]) -> str:
    """Text of a scene.json: manifest row, ground truth and scene."""
    plain = {key: value for key, value in row.items() if key != "scene"}
    content = {"row": plain, "truth": truth, "scene": json.loads(row["scene"])}
    return json.dumps(content, indent=1) + "\n"
