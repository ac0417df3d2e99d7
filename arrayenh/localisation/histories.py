"""Histories of directions: reflections of a talker, and talkers who walk from place to place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh.localisation.tracks import GATE_LIMITS

HOLD_SECONDS = 0.5  # after a talker's last observation, in which reflections are still heard
AHEAD_SECONDS = 0.2  # before a talker's first observation: tracks are confirmed late
LEAST_TOGETHER, MOST_STRONGER = 0.95, 0.05
"""Shares of the observations of a reflection: with the talker, and with more confidence."""

LEAST_OF_TRACK = 0.5  # share of a place's observations in the track of the one who walks
MOST_OVERLAP_SECONDS = 1.0  # in which a place that is left and one that is reached are both heard
NEAR = np.deg2rad(10.0)  # from a place, within which a talker is there
JUMP = GATE_LIMITS[1]  # rad; by less, a track may jump from one seated talker to the next
FASTEST = np.deg2rad(50.0)  # rad/s, of a walk over such a small angle


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """All observed directions of a recording, in order of time.

    Attributes
    ----------
    blocks : int ndarray, shape (N,)
        Number of the block of each observation.
    labels : int ndarray, shape (N,)
        Track.
    vectors : float ndarray, shape (N, 3)
        Unit vectors.
    confidences : float ndarray, shape (N,)
    block_seconds : float
    """

    blocks: np.ndarray
    labels: np.ndarray
    vectors: np.ndarray
    confidences: np.ndarray
    block_seconds: float

    def at(self, owner: np.ndarray, place: int) -> "Observations":
        """Observations of one place."""
        mine = owner == place
        return Observations(
            self.blocks[mine],
            self.labels[mine],
            self.vectors[mine],
            self.confidences[mine],
            self.block_seconds,
        )


def is_reflection(weak: Observations, strong: Observations) -> bool:
    """Whether a place is heard only together with a stronger one, and hardly ever louder.

    Two people who talk at once are each the louder one at times; a reflection never is.
    """
    hold, ahead = (round(seconds / weak.block_seconds) for seconds in (HOLD_SECONDS, AHEAD_SECONDS))
    rival = np.zeros(max(weak.blocks.max(), strong.blocks.max()) + hold + ahead + 1)
    for shift in range(hold + ahead + 1):
        np.maximum.at(rival, strong.blocks + shift, strong.confidences)
    beside = rival[weak.blocks + ahead]
    together, stronger = np.mean(beside > 0), np.mean(weak.confidences > beside)
    return bool(together >= LEAST_TOGETHER and stronger <= MOST_STRONGER)


def walked(start: Observations, end: Observations, all_of: Observations) -> bool:
    """Whether one talker left the first place and reached the second.

    One track holds most of both places, and the first is left before the second is reached. If
    they are so close that a track may jump, the way between must take as long as a walk.
    """
    labels, counts = np.unique(start.labels, return_counts=True)
    label = labels[counts.argmax()]
    if min(np.mean(one.labels == label) for one in (start, end)) < LEAST_OF_TRACK:
        return False
    left, reached = np.quantile(start.blocks, 0.95), np.quantile(end.blocks, 0.05)
    if left - reached > MOST_OVERLAP_SECONDS / start.block_seconds:
        return False
    angle = float(angles(mean_of(end.vectors)[None], mean_of(start.vectors))[0])
    if angle > JUMP:
        return True
    track = all_of.at(all_of.labels, label)
    here, there = (
        track.blocks[angles(track.vectors, mean_of(one.vectors)) <= NEAR] for one in (start, end)
    )
    if not here.size or not there.size:
        return False
    departure = here[here < there.max()].max(initial=here.min())
    arrival = there[there > departure].min(initial=there.max())
    return bool((arrival - departure) * start.block_seconds >= (angle - NEAR) / FASTEST)


def mean_of(vectors: np.ndarray) -> np.ndarray:
    """Mean direction, a unit vector."""
    total = vectors.sum(axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12))


def angles(vectors: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Angles from a direction, radians, (N, 3) -> (N,)."""
    return np.asarray(np.arccos(np.clip(vectors @ towards, -1, 1)))


def same_talkers(places: Sequence[Observations], all_of: Observations) -> list[list[int]]:
    """Group places, strongest first, into talkers: the way of each, without reflections.

    Returns
    -------
    ways : list of list of int
        Places of each talker in order of time.
    """
    kept: list[int] = []
    for k, place in enumerate(places):
        if not any(is_reflection(place, places[other]) for other in kept):
            kept.append(k)
    in_time = sorted(kept, key=lambda k: float(np.median(places[k].blocks)))
    ways: list[list[int]] = []
    for k in in_time:
        before = next((way for way in ways if walked(places[way[-1]], places[k], all_of)), None)
        if before is None:
            ways.append([k])
        else:
            before.append(k)
    return ways
