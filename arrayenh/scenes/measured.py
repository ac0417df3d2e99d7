"""Measured impulse responses from sound and SOFA files."""

from functools import lru_cache

import numpy as np

from arrayenh.audio import read, resample
from arrayenh.checks import whole_number
from arrayenh.errors import SceneError
from arrayenh.scenes.sofa import Sofa, read_sofa

ONSET_DB = -20.0  # re the peak: threshold of the onset of the direct path
CLOSE_S = 0.001  # longest time from the onset to the peak of the direct path


@lru_cache(maxsize=64)
def measured_responses(
    file: str, sample_rate: int, positions: tuple[tuple[float, float, float], ...] = ()
) -> np.ndarray:
    """Read the responses of all microphones from a file, shape (M, L), float64, read-only.

    Parameters
    ----------
    file : str
        A sound file with one channel per microphone, or a SOFA file. "name.sofa" is its first
        measurement, "name.sofa:7" its eighth.
    sample_rate : int
        Hz; other rates are resampled.
    positions : tuple of (x, y, z), optional
        Microphones in the frame of the array, metres: the order of the receivers of a SOFA file.

    Raises
    ------
    AudioError, SceneError
        If the file cannot be read, is silent, or has no such measurement.
    """
    name, _, number = file.partition(".sofa:")
    index = whole_number(number) if number else 0
    if file.lower().endswith(".sofa") or (number and index is not None):
        sofa = read_sofa(f"{name}.sofa" if number else file)
        if len(positions) == len(sofa.receivers):  # else the caller raises
            sofa = sofa.heard_at(np.array(positions))
        if index is None or index >= len(sofa.responses):
            raise SceneError(f"{file}: the file has measurements 0 to {len(sofa.responses) - 1}")
        responses, rate = sofa.delayed()[index], sofa.sample_rate
    else:
        recording = read([file])
        responses, rate = recording.samples.astype(np.float64), recording.sample_rate
    if not np.any(responses):
        raise SceneError(f"{file} is silent; it is not an impulse response")
    responses = at_rate(responses, rate, sample_rate)
    responses.setflags(write=False)
    return responses


def at_rate(responses: np.ndarray, rate: int, to: int) -> np.ndarray:
    """Resample responses (M, L), keeping their gain for signals."""
    if rate == to:
        return np.ascontiguousarray(responses)
    blocks = iter([np.ascontiguousarray(responses, np.float32)])
    found = np.concatenate(list(resample(blocks, len(responses), rate, to)), axis=1)
    # samples of a response are densities in time, so they scale with the sample period
    return found.astype(np.float64) * (rate / to)


def direct_sample(response: np.ndarray, sample_rate: int) -> int:
    """Arrival of the direct path in a response, samples.

    The onset is the first sample within 20 dB of the strongest one. The direct path is the
    strongest sample in the millisecond after the onset.

    Parameters
    ----------
    response : float array, shape (L,)
    sample_rate : int
        Hz.

    Raises
    ------
    SceneError
        If the response is silent.
    """
    size = np.abs(response)
    peak = size.max(initial=0.0)
    if not peak > 0:
        raise SceneError("a silent response has no direct path")
    onset = int(np.argmax(size >= peak * 10 ** (ONSET_DB / 20)))
    return onset + int(np.argmax(size[onset : onset + round(CLOSE_S * sample_rate) + 1]))


class MeasuredHead:
    """Measured head from a SOFA file; implements `arrayenh.scenes.head.Head`.

    Parameters
    ----------
    file : str
        SOFA file of free-field head-related responses.
    positions : float array, shape (M, 3)
        Microphones in the frame of the array, metres: the order of the receivers.
    sample_rate : int
        Hz.

    Raises
    ------
    SceneError
        If the number of receivers differs, or the file has fewer than four directions.
    """

    def __init__(self, file: str, positions: np.ndarray, sample_rate: int) -> None:
        found = read_sofa(file)
        if len(found.receivers) != len(positions):
            raise SceneError(
                f"{file} measures {len(found.receivers)} microphones, but the array has "
                f"{len(positions)}"
            )
        self._sofa: Sofa = found.heard_at(positions)
        responses = self._sofa.delayed()
        if len(responses) < 4:
            raise SceneError(f"{file} measures {len(responses)} directions, too few for a head")
        flat = responses.reshape(-1, responses.shape[2])
        flat = at_rate(flat, self._sofa.sample_rate, sample_rate)
        responses = flat.reshape(*responses.shape[:2], -1)
        # the sound passes the centre of the head at the middle of all arrivals
        arrivals = [[direct_sample(row, sample_rate) for row in rows] for rows in responses]
        centre = int(round(float(np.mean(arrivals))))
        length = 2 * max(centre, responses.shape[2] - centre)
        self._filters = np.zeros((*responses.shape[:2], length))
        start = length // 2 - centre
        self._filters[:, :, start : start + responses.shape[2]] = responses

    def filters(self, directions: np.ndarray) -> np.ndarray:
        """Responses of the nearest measured directions, shape (M, K, T)."""
        return np.swapaxes(self._filters[self._sofa.nearest(directions)], 0, 1)
