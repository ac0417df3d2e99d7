"""Rooms with a polygonal floor: image sources for the early part, rays for the late part.

pyroomacoustics computes both; only this module uses its room simulation.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.reverberation import measure_rt60

IMAGE_ORDER = 3  # most reflections of an image; rays model the higher orders
RECEIVER_RADIUS = 0.5  # metres, of the sphere that counts rays
N_RAYS = 10_000
CALIBRATION_RAYS = 8_000
ROUNDS, CLOSE = 6, 0.03  # corrections of the calibration, and its relative tolerance
Corner = tuple[float, float]


def polygon_responses(
    corners: np.ndarray,
    height: float,
    absorption: float | str,
    source: np.ndarray,
    mics: np.ndarray,
    sample_rate: int,
    *,
    air: tuple[float, float] | None = None,
    speed_of_sound: float = SPEED_OF_SOUND,
    n_rays: int = N_RAYS,
    seed: int = 0,
) -> np.ndarray:
    """Impulse responses of a polygonal room from one source to all microphones.

    Parameters
    ----------
    corners : float array, shape (n, 2)
        Corners of the floor, metres, in order.
    height : float
        Metres.
    absorption : float or str
        Energy absorption, or a material.
    source : float array, shape (3,)
    mics : float array, shape (M, 3)
    sample_rate : int
        Hz.
    air : (temperature_c, humidity_percent), optional
        Enables the absorption of the air.
    speed_of_sound : float
        m/s.
    n_rays : int
    seed : int
        Seed of the rays and of the fine structure of the late part.

    Returns
    -------
    responses : float64 ndarray, shape (M, L)
        Time 0 is the emission by the source; an image at distance d has gain 1/d.

    Raises
    ------
    SceneError
        If the outline crosses itself, or the source or a microphone is not in the room.

    References
    ----------
    R. Scheibler, E. Bezzam and I. Dokmanić, "Pyroomacoustics: a Python package for audio room
    simulation and array processing algorithms", ICASSP 2018; D. Schröder, "Physically based
    real-time auralization of interactive virtual environments", PhD thesis, RWTH Aachen 2011
    (the hybrid of images and rays).
    """
    import pyroomacoustics as pra

    corners, mics = counter_clockwise(corners), np.asarray(mics, np.float64)
    for who, point in [
        ("the source", source),
        *((f"microphone {m}", r) for m, r in enumerate(mics)),
    ]:
        if not inside(corners, height, np.asarray(point)[None]).all():
            where = ", ".join(f"{x:.2f}" for x in point)
            raise SceneError(f"{who} at ({where}) m lies outside the room")
    with deterministic(pra, seed):
        room = pra.Room.from_corners(
            corners.T,
            fs=sample_rate,
            materials=pra.Material(absorption),
            max_order=IMAGE_ORDER,
            ray_tracing=True,
            air_absorption=air is not None,
            **({"temperature": air[0], "humidity": air[1]} if air else {}),
        )
        room.extrude(height, materials=pra.Material(absorption))
        room.set_sound_speed(speed_of_sound)
        room.set_ray_tracing(n_rays=n_rays, receiver_radius=RECEIVER_RADIUS)
        room.add_source(source)
        room.add_microphone_array(mics.T)
        room.compute_rir()
    lead = pra.constants.get("frac_delay_length") // 2
    found = [rirs[0][lead:] for rirs in room.rir]
    responses = np.zeros((len(mics), max(map(len, found))))
    for row, response in zip(responses, found, strict=True):
        row[: len(response)] = response
    return responses


@lru_cache(maxsize=256)
def polygon_absorption(
    corners: tuple[Corner, ...], height: float, rt60: float, speed_of_sound: float
) -> float:
    """Absorption that gives a polygonal room a reverberation time, measured on responses.

    Parameters
    ----------
    corners : tuple of (x, y)
    height, rt60, speed_of_sound : float
        Metres, seconds, m/s.

    Returns
    -------
    absorption : float
        Energy absorption, the same for all walls.

    Raises
    ------
    SceneError
        If the reverberation time cannot be reached.
    """
    if rt60 == 0:
        return 1.0
    outline = counter_clockwise(np.array(corners))
    points = spots(outline, height)
    area = polygon_area(outline)
    rim = np.linalg.norm(np.diff(np.vstack([outline, outline[:1]]), axis=0), axis=1).sum()
    # initial value by Eyring's formula
    ratio = 24 * np.log(10) * area * height / (speed_of_sound * rt60 * (2 * area + rim * height))
    damping = ratio  # -log(1 - absorption)
    for _ in range(ROUNDS):
        absorption = 1 - np.exp(-damping)
        found = [
            measure_rt60(response, 16000)
            for response in polygon_responses(
                outline,
                height,
                float(absorption),
                points[0],
                points[1:],
                16000,
                speed_of_sound=speed_of_sound,
                n_rays=CALIBRATION_RAYS,
            )
        ]
        heard = float(np.exp(np.mean(np.log(found))))
        if abs(heard / rt60 - 1) < CLOSE:
            return float(absorption)
        damping *= heard / rt60
        if damping > 5:
            break
    else:
        return float(1 - np.exp(-damping))
    raise SceneError(
        f"rt60 {rt60:g} s cannot be reached in this room: even walls of absorption 1 leave "
        f"about {heard:.2f} s; take a smaller room or a longer time"
    )


def spots(corners: np.ndarray, height: float) -> np.ndarray:
    """Four points well inside a room, shape (4, 3): a source and listeners."""
    rng = np.random.default_rng(0)
    low, high = corners.min(axis=0), corners.max(axis=0)
    found: list[np.ndarray] = []
    for point in rng.uniform(low, high, (10_000, 2)):
        z = height * (0.35 + 0.1 * len(found))
        candidate = np.array([*point, z])
        apart = all(
            np.linalg.norm(candidate - other) > 0.1 * np.sqrt(polygon_area(corners))
            for other in found
        )
        if apart and inside(corners, height, candidate[None]).all():
            found.append(candidate)
        if len(found) == 4:
            return np.array(found)
    raise SceneError("the outline of the room encloses almost no area")


def counter_clockwise(corners: np.ndarray) -> np.ndarray:
    """Corners of an outline in counter-clockwise order.

    Raises
    ------
    ShapeError, SceneError
        If there are fewer than three corners, or walls cross.
    """
    corners = np.asarray(corners, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ShapeError(f"corners must have shape (n, 2), n at least 3; got {corners.shape}")
    walls = list(zip(corners, np.roll(corners, -1, axis=0), strict=True))
    for k, wall in enumerate(walls):
        for j in range(k + 2, len(walls)):
            if (k, j) != (0, len(walls) - 1) and crossing(*wall, *walls[j]):
                raise SceneError(f"the walls {k} and {j} of the room cross each other")
    if polygon_area(corners) == 0:
        raise SceneError("the corners of the room lie on one line")
    return corners if signed_area(corners) > 0 else corners[::-1]


def crossing(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether the segments ab and cd intersect."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


def signed_area(corners: np.ndarray) -> float:
    """Area of an outline, positive if counter-clockwise."""
    x, y = corners.T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def polygon_area(corners: np.ndarray) -> float:
    """Area of an outline, m²."""
    return abs(signed_area(corners))


def inside(corners: np.ndarray, height: float, points: np.ndarray) -> np.ndarray:
    """Whether points are inside the room, (n, 3) -> bool (n,), by the even-odd rule."""
    x, y, z = np.asarray(points, np.float64).T
    odd = np.zeros(len(x), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            odd ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd & (z > 0) & (z < height)


@contextmanager
def deterministic(pra: Any, seed: int) -> Iterator[None]:
    """Run pyroomacoustics with one thread and a fixed seed: its sums and rays depend on both."""
    before = pra.constants.get("num_threads")
    pra.constants.set("num_threads", 1)
    pra.random.seed(seed)
    try:
        yield
    finally:
        pra.constants.set("num_threads", before)
