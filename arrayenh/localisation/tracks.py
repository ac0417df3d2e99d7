"""Tracks of talkers on the sphere: Kalman filters with track initiation and deletion.

The state of a track is a direction, a unit vector, and its angular velocity, a rotation vector,
with an isotropic covariance (the wrapped Kalman filter of Traa & Smaragdis 2013, on the sphere
instead of the circle).
"""

from dataclasses import dataclass, field

import numpy as np

from arrayenh.localisation.grid import DirectionGrid, angle_between

SPEED = np.deg2rad(25.0)  # rad/s, of a talker walking past
SPEED_SECONDS = 1.0  # time constant of the angular velocity
ERROR = np.deg2rad(2.5)  # of an observation of confidence 1; variance is ∝ 1 / confidence
LEAST_SURE = 0.05  # floor of the confidence in the variance
GATE = 3.0  # standard deviations within which an observation may belong to a track
GATE_LIMITS = np.deg2rad([12.0, 40.0])
MERGE = np.deg2rad(10.0)  # closer tracks are merged
CONFIRMED = 3  # observations before a candidate counts as a talker
CANDIDATE_SECONDS, MEMORY_SECONDS = 0.6, 4.0  # without observation, before deletion
HOLD_SECONDS = 0.3  # without observation, before a talker counts as silent
CONFIDENCE_SECONDS = 0.5  # time constant of the mean confidence
LEAST_CONFIDENCE = 0.03  # least mean confidence of an active talker


@dataclass(slots=True, eq=False)
class Track:
    """Track of one talker.

    Attributes
    ----------
    label : int
        Number of the track, from 1.
    vector : float64 ndarray, shape (3,)
        Unit vector towards the talker.
    turn : float64 ndarray, shape (3,)
        Angular velocity, a rotation vector, rad/s.
    cov : float64 ndarray, shape (2, 2)
        Covariance of angle and speed, rad² and rad²/s².
    confidence : float
        Mean confidence of the observations over half a second, 0 for blocks without one.
    unheard : float
        Seconds since the last observation.
    n_heard : int
        Number of observations.
    """

    label: int
    vector: np.ndarray
    confidence: float
    turn: np.ndarray = field(default_factory=lambda: np.zeros(3))
    cov: np.ndarray = field(default_factory=lambda: np.diag([ERROR**2 / LEAST_SURE, SPEED**2]))
    unheard: float = 0.0
    n_heard: int = 1

    @property
    def confirmed(self) -> bool:
        """Whether the track has enough observations to be a talker."""
        return self.n_heard >= CONFIRMED

    @property
    def speaking(self) -> bool:
        """Whether the talker is confirmed and currently active."""
        heard = self.unheard <= HOLD_SECONDS and self.confidence >= LEAST_CONFIDENCE
        return self.confirmed and heard

    @property
    def forgotten(self) -> bool:
        """Whether the track has been without observation for too long."""
        return self.unheard > (MEMORY_SECONDS if self.confirmed else CANDIDATE_SECONDS)

    def predict(self, seconds: float) -> None:
        """Predict the state after a time; the velocity of a silent talker is set to zero."""
        keep = np.exp(-seconds / SPEED_SECONDS)
        ahead = np.array([[1.0, seconds], [0.0, keep]])
        if self.unheard > HOLD_SECONDS:
            self.turn = np.zeros(3)
        self.vector = rotated(self.vector, self.turn * seconds)
        self.turn = keep * self.turn
        drift = SPEED**2 * (1 - keep**2)
        noise = drift * np.array([[seconds**2 / 3, seconds / 2], [seconds / 2, 1.0]])
        self.cov = ahead @ self.cov @ ahead.T + noise
        self.unheard += seconds

    def gate(self, sure: float) -> float:
        """Angle within which an observation may belong to the track, radians."""
        return float(np.clip(GATE * np.sqrt(self.cov[0, 0] + variance(sure)), *GATE_LIMITS))

    def correct(self, observed: np.ndarray, sure: float) -> None:
        """Update the state with an observation, shape (3,)."""
        gain = self.cov[:, 0] / (self.cov[0, 0] + variance(sure))
        innovation = rotation_between(self.vector, observed)
        self.vector = rotated(self.vector, gain[0] * innovation)
        self.turn = self.turn + gain[1] * innovation
        self.cov = self.cov - np.outer(gain, self.cov[0])
        self.unheard = 0.0
        self.n_heard += 1


def variance(sure: float) -> float:
    """Variance of an observation of a given confidence, rad²."""
    return float(ERROR**2 / max(sure, LEAST_SURE))


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rotation vector of the shortest rotation from unit vector a to b, shape (3,)."""
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis)
    if sine == 0:
        return np.zeros(3)
    return axis * (np.arctan2(sine, a @ b) / sine)


def rotated(vector: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Rotate a unit vector by a rotation vector (Rodrigues).

    Examples
    --------
    >>> rotated(np.array([1.0, 0, 0]), np.array([0, 0, np.pi / 2])).round(3)
    array([0., 1., 0.])
    """
    angle = np.linalg.norm(turn)
    if angle == 0:
        return vector
    axis = turn / angle
    along = axis * (axis @ vector)
    out = along + np.cos(angle) * (vector - along) + np.sin(angle) * np.cross(axis, vector)
    return out / np.linalg.norm(out)


def follow(
    tracks: list[Track],
    grid: DirectionGrid,
    heard: np.ndarray,
    sure: np.ndarray,
    seconds: float,
    n_tracks: int,
) -> tuple[list[Track], int]:
    """Update the tracks by one block.

    Parameters
    ----------
    tracks : list of Track
        Changed in place.
    grid : DirectionGrid
        Folds directions that the array cannot distinguish.
    heard : float ndarray, shape (K, 3)
        Observed directions, in order of descending confidence.
    sure : float ndarray, shape (K,)
        Confidence of each.
    seconds : float
        Time since the last block.
    n_tracks : int
        Number of tracks started so far.

    Returns
    -------
    tracks : list of Track
        The remaining tracks and the new ones.
    n_tracks : int

    Examples
    --------
    >>> heard, sure = np.array([[1.0, 0, 0]]), np.array([0.8])
    >>> tracks, n_tracks = follow([], DirectionGrid.circle(), heard, sure, seconds=0.1, n_tracks=0)
    >>> n_tracks, tracks[0].confirmed
    (1, False)
    """
    for track in tracks:
        track.predict(seconds)
        track.vector = grid.fold(track.vector)
    matches = assigned(tracks, heard, sure)
    smooth = 1 - float(np.exp(-seconds / CONFIDENCE_SECONDS))
    for t, track in enumerate(tracks):
        q = float(sure[matches[t]]) if t in matches else 0.0
        track.confidence += smooth * (q - track.confidence)
        if t in matches:
            track.correct(heard[matches[t]], q)
            track.vector = grid.fold(track.vector)
    for k in sorted(set(range(len(heard))) - set(matches.values())):
        n_tracks += 1
        tracks = [*tracks, Track(n_tracks, heard[k], smooth * float(sure[k]))]
    return merged([track for track in tracks if not track.forgotten]), n_tracks


def assigned(tracks: list[Track], heard: np.ndarray, sure: np.ndarray) -> dict[int, int]:
    """Assign observations to tracks: talkers before candidates, nearest first."""
    pairs = []
    for t, track in enumerate(tracks):
        for k, vector in enumerate(heard):
            apart = float(angle_between(track.vector, vector))
            if apart <= track.gate(float(sure[k])):
                pairs.append((not track.confirmed, apart, t, k))
    matches: dict[int, int] = {}
    for _, _, t, k in sorted(pairs):
        if t not in matches and k not in matches.values():
            matches[t] = k
    return matches


def merged(tracks: list[Track]) -> list[Track]:
    """Remove tracks that are close to an older one."""
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda track: (not track.confirmed, track.label)):
        if all(angle_between(track.vector, other.vector) >= MERGE for other in kept):
            kept.append(track)
    return sorted(kept, key=lambda track: track.label)
