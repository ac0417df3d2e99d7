"""Reverberation time: measured on a response, and calibrated for a shoebox room."""

import numpy as np
from scipy.optimize import brentq

from arrayenh import _kernels
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.image_source import per_axis, shoebox_responses

DECAY_DB = 30.0
FIT_FROM_DB = -5.0
DIRECT_S = 0.0025  # reflections within this time count as direct sound
STEPS_PER_RT60 = 400  # time steps of the image energy per RT60
MOST_ORDER = 400
ROUNDS, CLOSE = 4, 0.02  # corrections of the calibration, and its relative tolerance
CALIBRATION_RATE = 16000  # Hz
SOURCE = np.array([0.31, 0.43, 0.55])  # positions of the calibration, as fractions of the room
LISTENERS = np.array([[0.67, 0.58, 0.38], [0.44, 0.77, 0.46], [0.74, 0.26, 0.59]])


def energy_decay(response: np.ndarray) -> np.ndarray:
    """Energy decay curve of a response: backward-integrated energy, dB, 0 dB at the start.

    Parameters
    ----------
    response : float array, shape (L,)

    Returns
    -------
    decay_db : float64 ndarray, shape (L,)
        -inf after the last sample that is not zero.

    Raises
    ------
    ShapeError
        If `response` does not have one axis.
    SceneError
        If the response is silent.

    References
    ----------
    M. R. Schroeder, "New method of measuring reverberation time", J. Acoust. Soc. Am. 37,
    1965, eq. 3.
    """
    response = np.asarray(response, np.float64)
    if response.ndim != 1:
        raise ShapeError(f"a response must have shape (L,); got {response.shape}")
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    if not (energy.size and 0 < energy[0] < np.inf):
        raise SceneError("a silent response has no decay")
    with np.errstate(divide="ignore"):
        return 10 * np.log10(energy / energy[0])


def measure_rt60(response: np.ndarray, sample_rate: int, decay_db: float = DECAY_DB) -> float:
    """Reverberation time: time in which the line of `decay_line` falls by 60 dB.

    Parameters
    ----------
    response : float array, shape (L,)
        Response without noise; it is integrated to its end.
    sample_rate : int
        Hz.
    decay_db : float
        30 gives T30, 20 T20 (ISO 3382-2).

    Returns
    -------
    rt60 : float
        Seconds.

    Raises
    ------
    SceneError
        If the response is silent, or does not decay by `decay_db` in at least two samples.
    """
    slope, _ = decay_line(response, sample_rate, decay_db)
    return -60 / slope


def decay_line(
    response: np.ndarray, sample_rate: int, decay_db: float = DECAY_DB
) -> tuple[float, float]:
    """Fit a line to the energy decay curve between -5 dB and `decay_db` below that.

    Parameters and exceptions are those of `measure_rt60`.

    Returns
    -------
    slope_db, start_db : float
        Slope, dB per second, and level of the line at time 0, dB.
    """
    curve = energy_decay(response)
    first, last = FIT_FROM_DB, FIT_FROM_DB - decay_db
    part = np.flatnonzero((curve <= first) & (curve >= last))
    if part.size < 2 or curve[-1] > last:
        raise SceneError(f"the response does not decay from {first:g} to {last:g} dB")
    slope, start = line_through(part / sample_rate, curve[part])
    if not slope < 0:
        raise SceneError("the response does not decay")
    return slope, start


def line_through(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the least-squares line, by sums that do not depend on the BLAS."""
    centred = x - x.mean()
    slope = np.sum(centred * y) / np.sum(centred**2)
    return float(slope), float(y.mean() - slope * x.mean())


def direct_to_reverberant(response: np.ndarray, sample_rate: int) -> float:
    """Direct-to-reverberant ratio, split 2.5 ms after the strongest sample, dB.

    Raises
    ------
    SceneError
        If the response is silent.
    """
    energy_decay(response)  # raises for a silent response
    energy = np.asarray(response, np.float64) ** 2
    end = int(np.argmax(energy)) + 1 + round(DIRECT_S * sample_rate)
    rest = energy[end:].sum()
    return float(10 * np.log10(energy[:end].sum() / rest)) if rest > 0 else float("inf")


def calibrated_absorption(
    size: np.ndarray, rt60: float, *, speed_of_sound: float = SPEED_OF_SOUND
) -> float:
    """Wall absorption that gives a shoebox room a reverberation time.

    The image sources of three listeners are counted once, by time and by number of
    reflections. Their counts give the energy decay for every absorption,

        E(t) = Σ_o (1 - α)^o N(t, o),

    and the absorption with T30 = `rt60` is found by a root search. The energies neglect that low
    frequencies add up in phase, so responses are rendered and the target of the search is
    corrected by their measured T30. (Sabine's formula, inverted, errs by -25 to +27 % in common
    rooms.)

    Parameters
    ----------
    size : float array, shape (3,)
        Metres.
    rt60 : float
        Seconds, above 0.
    speed_of_sound : float
        m/s.

    Returns
    -------
    absorption : float
        Energy absorption, the same for all walls, in (0, 1).

    Raises
    ------
    SceneError
        If no absorption gives this time; the message names the reachable range.
    """
    size = np.asarray(size, np.float64)
    if size.shape != (3,):
        raise ShapeError(f"size must have shape (3,); got {size.shape}")
    if not (np.isfinite(rt60) and rt60 > 0):
        raise SceneError(f"rt60 must be above 0 seconds; got {rt60}")
    counts, steps_per_s = image_energy(size, rt60, speed_of_sound)
    wanted, absorption = rt60, 1.0
    for _ in range(ROUNDS):
        absorption = absorption_for(counts, steps_per_s, wanted, size)
        heard = rendered_rt60(size, absorption, rt60, speed_of_sound)
        if abs(heard / rt60 - 1) < CLOSE:
            break
        wanted *= rt60 / heard
    return absorption


def absorption_for(counts: np.ndarray, steps_per_s: float, rt60: float, size: np.ndarray) -> float:
    """Absorption that gives the counted image energy the decay time `rt60`."""
    if not counts.any():
        raise SceneError(
            f"rt60 {rt60:g} s cannot be reached in a room of {words(size)}: no reflection "
            f"arrives so early; take a smaller room or a longer rt60"
        )

    def error(reflected: float) -> float:
        return decay_time(counts, reflected, steps_per_s) - rt60

    least, most = 1e-3, 1 - 1e-6  # reflected energy, 1 - absorption
    if error(least) > 0 or error(most) < 0:
        shortest, longest = (decay_time(counts, end, steps_per_s) for end in (least, most))
        raise SceneError(
            f"this reverberation time cannot be reached in a room of {words(size)}, only about "
            f"{shortest:.2f} to {longest:.2f} s; take another room or another rt60"
        )
    return float(1 - brentq(error, least, most, xtol=1e-6))


def rendered_rt60(
    size: np.ndarray, absorption: float, length_s: float, speed_of_sound: float
) -> float:
    """RT60 measured on rendered responses, geometric mean over the listeners, seconds."""
    responses = shoebox_responses(
        size,
        absorption,
        SOURCE * size,
        LISTENERS * size,
        CALIBRATION_RATE,
        length_s=length_s,
        speed_of_sound=speed_of_sound,
    )
    times = [measure_rt60(response, CALIBRATION_RATE) for response in responses]
    return float(np.exp(np.mean(np.log(times))))


def image_energy(size: np.ndarray, rt60: float, speed_of_sound: float) -> tuple[np.ndarray, float]:
    """Energy of the image sources by time step and order, (T, O), and time steps per second."""
    radius = speed_of_sound * rt60
    steps_per_s = STEPS_PER_RT60 / rt60
    energy = np.zeros((STEPS_PER_RT60 + 1, MOST_ORDER))
    for listener in LISTENERS:
        x, y, z = (
            per_axis(size[a], SOURCE[a] * size[a], listener[a] * size[a], 1.0, 1.0, radius)
            for a in range(3)
        )
        _kernels.image_source.count_energy(x, y, z, radius, steps_per_s / speed_of_sound, energy)
    used = int(np.flatnonzero(energy.any(axis=0)).max(initial=0)) + 1
    return np.ascontiguousarray(energy[:, :used]), steps_per_s


def decay_time(counts: np.ndarray, reflected: float, steps_per_s: float) -> float:
    """T30 of the counted image energy for walls that reflect a fraction of it, seconds."""
    energy = np.sum(counts * reflected ** np.arange(counts.shape[1]), axis=1)
    curve = np.cumsum(energy[::-1])[::-1]
    curve = 10 * np.log10(np.maximum(curve, 1e-30 * curve[0]) / curve[0])
    inside = (curve <= FIT_FROM_DB) & (curve >= FIT_FROM_DB - DECAY_DB)
    part = np.flatnonzero(inside)
    if part.size < 2 or curve[part[0]] == curve[part[-1]]:  # the decay is a single step
        return 0.0
    slope, _ = line_through(part / steps_per_s, curve[part])
    return -60 / slope


def words(size: np.ndarray) -> str:
    """Dimensions of a room as text."""
    return " x ".join(f"{side:g}" for side in size) + " m"
