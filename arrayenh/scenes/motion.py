"""Moving sources.

The sample that a source emits at time t is filtered by the response of its position at time t.
Responses are rendered at positions along the path. Between two of them the filtered signals are
crossfaded, since switching the responses would click. The direct path is not crossfaded (two
arrivals half a sample apart would cause a comb filter): its delay and gain follow the distance
to each microphone continuously, which gives the pitch and phase of a moving source.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.convolution import convolve

MOST_SPEED = 20.0  # m/s
SPACING = 0.1  # metres between the positions at which reflections are rendered
HALF_TAPS = 16  # per side of the sinc of the moving direct path
Point = tuple[float, float, float]
Responses = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Path:
    """Path of a source: waypoints joined by straight lines.

    Attributes
    ----------
    waypoints : tuple of (x, y, z)
        Metres.
    times : tuple of float
        Seconds, increasing; the source rests before the first and after the last.

    Raises
    ------
    SceneError
        If the numbers of times and waypoints differ, the times do not increase, or the source
        would move faster than 20 m/s.
    """

    waypoints: tuple[Point, ...]
    times: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.waypoints) != len(self.times) or not self.times:
            raise SceneError(
                f"a path needs a time for each waypoint; got {len(self.waypoints)} waypoints "
                f"and {len(self.times)} times"
            )
        points, times = np.array(self.waypoints, np.float64), np.array(self.times, np.float64)
        if points.shape != (len(times), 3) or not (
            np.isfinite(points).all() and np.isfinite(times).all()
        ):
            raise SceneError("waypoints must be (x, y, z) in metres, times seconds, all finite")
        if not (np.diff(times) > 0).all():
            raise SceneError(f"the times of a path must increase; got {list(self.times)}")
        speeds = np.linalg.norm(np.diff(points, axis=0), axis=1) / np.diff(times)
        if speeds.size and speeds.max() > MOST_SPEED:
            raise SceneError(
                f"a source cannot move at {speeds.max():.1f} m/s; at most {MOST_SPEED:g} m/s"
            )

    def position(self, time: float | np.ndarray) -> np.ndarray:
        """Position of the source, shape (3,), or (n, 3) for n times."""
        points = np.array(self.waypoints)
        axes = [np.interp(time, self.times, points[:, axis]) for axis in range(3)]
        return np.stack(axes, axis=-1)

    def points(self, spacing: float = SPACING) -> np.ndarray:
        """Positions along the path, at most `spacing` metres apart, shape (n, 3)."""
        return self.position(places(self, np.inf, spacing))

    @property
    def length(self) -> float:
        """Length of the path, metres."""
        return float(np.linalg.norm(np.diff(np.array(self.waypoints), axis=0), axis=1).sum())


def moving_image(
    signal: np.ndarray,
    path: Path,
    mics: np.ndarray,
    reflections_at: Responses,
    sample_rate: int,
    *,
    direct_gain: Callable[[np.ndarray], np.ndarray] | None = None,
    spacing: float = SPACING,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Microphone signals of a moving source.

    Parameters
    ----------
    signal : float array, shape (N,)
    path : Path
    mics : float array, shape (M, 3)
    reflections_at : callable
        Function from a position (3,) to responses without the direct path, shape (M, L).
    sample_rate : int
        Hz.
    direct_gain : callable, optional
        Function from positions to the gain of each microphone for the direct path, shape (M,),
        such as its directivity; 1 by default.
    spacing : float
        Metres between the positions at which reflections are rendered.
    speed_of_sound : float
        m/s.

    Returns
    -------
    image : float64 ndarray, shape (M, N)
        Each sample is filtered by the response of the position where it is emitted.

    Raises
    ------
    ShapeError
        If `signal` does not have one axis.
    """
    signal = np.asarray(signal, np.float64)
    if signal.ndim != 1:
        raise ShapeError(f"signal must have shape (N,); got {signal.shape}")
    gain = direct_gain or (lambda position: np.ones(len(mics)))
    times = places(path, len(signal) / sample_rate, spacing)
    gains = times, np.stack([gain(path.position(time)) for time in times])
    image = moving_direct(signal, path, mics, gains, sample_rate, speed_of_sound)
    n = np.arange(len(signal)) / sample_rate
    for k, time in enumerate(times):
        weight = hat(n, times, k)
        heard = np.flatnonzero(weight)
        if heard.size == 0:
            continue
        part = slice(heard[0], heard[-1] + 1)
        responses = reflections_at(path.position(time))
        length = responses.shape[1] - 1
        faded = np.pad(weight[part] * signal[part], (0, length))
        end = min(part.start + len(faded), len(signal))
        image[:, part.start : end] += convolve(faded, responses)[:, : end - part.start]
    return image


def places(path: Path, seconds: float, spacing: float = SPACING) -> np.ndarray:
    """Times at which the source passes the positions with rendered reflections, seconds."""
    points = np.array(path.waypoints)
    times = [path.times[0]]
    for k, metres in enumerate(np.linalg.norm(np.diff(points, axis=0), axis=1)):
        steps = max(1, int(np.ceil(metres / spacing - 1e-9)))
        times.extend(np.linspace(path.times[k], path.times[k + 1], steps + 1)[1:])
    found = np.array(times)
    return found[: np.searchsorted(found, seconds) + 1]


def hat(n: np.ndarray, times: np.ndarray, k: int) -> np.ndarray:
    """Crossfade weight of position k at the times n: 1 at k, falling to 0 at its neighbours."""
    values = np.zeros(len(times))
    values[k] = 1.0
    return np.interp(n, times, values)


def moving_direct(
    signal: np.ndarray,
    path: Path,
    mics: np.ndarray,
    gains: tuple[np.ndarray, np.ndarray],
    sample_rate: int,
    speed_of_sound: float,
) -> np.ndarray:
    """Direct path with delay d / c and gain 1 / d that change with every sample, (M, N).

    Sound that arrives at time t was emitted at the time s with s + d(s) / c = t. `gains` are
    times, shape (K,), and the gains at these times, (K, M).
    """
    n = np.arange(len(signal))
    arrival = n / sample_rate
    image = np.zeros((len(mics), len(signal)))
    padded = np.pad(signal, HALF_TAPS)
    taps = np.arange(-HALF_TAPS + 1, HALF_TAPS + 1)
    for m, mic in enumerate(mics):
        sent = arrival.copy()
        for _ in range(8):  # fixed-point iteration that contracts by v / c < 0.06
            distance = np.linalg.norm(path.position(sent) - mic, axis=1)
            sent = arrival - distance / speed_of_sound
        place = sent * sample_rate
        whole = np.floor(place).astype(int)
        inside = (whole > -HALF_TAPS) & (whole < len(signal) + HALF_TAPS - 1)
        index, part = whole[inside], (place - whole)[inside]
        x = part[:, None] - taps
        sinc = np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * x / (HALF_TAPS + 1)))
        reach = np.clip(index[:, None] + taps + HALF_TAPS, 0, len(padded) - 1)
        loudness = np.interp(sent[inside], gains[0], gains[1][:, m]) / distance[inside]
        image[m, inside] = loudness * np.einsum("nt,nt->n", sinc, padded[reach])
    return image
