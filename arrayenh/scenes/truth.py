"""Ground truth of a rendered scene for JSON: positions, directions, reverberation, levels."""

from typing import Any

import numpy as np

from arrayenh.errors import ArrayenhError
from arrayenh.scenes.render import Rendered
from arrayenh.scenes.reverberation import direct_to_reverberant, measure_rt60
from arrayenh.scenes.rooms import Measured
from arrayenh.scenes.scene import Scene, Talker


def truth(rendered: Rendered) -> dict[str, Any]:
    """Ground truth of a rendered scene as plain values, requested and measured.

    Levels are at microphone 0. `snr_db` is the power ratio over the whole file, independent of
    `snr_over` of the scene. Values that cannot be measured (the RT60 of a dry room) are None.
    """
    scene = rendered.scene
    array, rate = scene.array, scene.sample_rate
    response = rendered.responses.talkers[0][0].astype(np.float64)
    return {
        "sample_rate": rate,
        "n_samples": scene.n_samples,
        "array": array.name,
        "mic_positions_m": [list(position) for position in array.positions],
        "array_centre_m": list(array.centre),
        "array_azimuth_deg": array.azimuth_deg,
        "talkers": [talker_truth(talker, scene) for talker in scene.talkers],
        "noises": [
            {
                "kind": noise.kind,
                "sources": [place_truth(position, scene) for position in noise.positions],
            }
            for noise in scene.noises
        ],
        "rt60_s": getattr(scene.room, "rt60", None),
        "rt60_measured_s": measured(measure_rt60, response, rate),
        "direct_to_reverberant_db": measured(direct_to_reverberant, response, rate),
        "snr_db": ratio_db(rendered.target_image[0], rendered.noise_image[0]),
        "clipped": bool(np.any(rendered.residual)),
    }


def talker_truth(talker: Talker, scene: Scene) -> dict[str, Any]:
    """Ground truth of a talker: speaker, position, direction and path."""
    found = {"speaker": talker.speaker, **place_truth(talker.position, scene)}
    if talker.path is not None:
        found["path"] = [
            {"time_s": time, **place_truth(point, scene)}
            for time, point in zip(talker.path.times, talker.path.waypoints, strict=True)
        ]
    return found


def place_truth(position: tuple[float, float, float], scene: Scene) -> dict[str, Any]:
    """Position in the room, and its direction and distance from the array."""
    if isinstance(scene.room, Measured):
        return {}
    azimuth_deg, elevation_deg, distance = scene.array.direction_of(np.array(position))
    return {
        "position_m": list(position),
        "azimuth_deg": azimuth_deg,
        "elevation_deg": elevation_deg,
        "distance_m": distance,
    }


def measured(measure: Any, response: np.ndarray, sample_rate: int) -> float | None:
    """Measure of a response; None if it is undefined."""
    try:
        value = float(measure(response, sample_rate))
    except ArrayenhError:
        return None
    return value if np.isfinite(value) else None


def ratio_db(target: np.ndarray, noise: np.ndarray) -> float | None:
    """Power ratio of two whole signals, dB."""
    above, below = (float(np.mean(np.square(x, dtype=np.float64))) for x in (target, noise))
    return float(10 * np.log10(above / below)) if above > 0 and below > 0 else None
