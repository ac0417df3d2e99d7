"""Tracking of the talkers' directions, block by block, with confidence."""

from dataclasses import dataclass, field, replace

import numpy as np

from arrayenh.checks import one_of, within
from arrayenh.errors import ShapeError
from arrayenh.localisation.directions import (
    METHODS,
    MOST_TALKERS,
    Direction,
    check_talkers,
    excess,
    music_at,
    peak_directions,
    srp_at,
)
from arrayenh.localisation.grid import DirectionGrid
from arrayenh.localisation.srp_phat import LEAST_WEIGHT, Pairs, cross_spectra, in_band
from arrayenh.localisation.tracks import Track, follow
from arrayenh.masks.spp import presence
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.statistics.noise_psd import SppTracker
from arrayenh.statistics.power import mean_power

LEAST_PRESENCE = (
    0.9  # least speech presence of a bin that is used; the many weaker bins would add noise
)


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Settings of a `DirectionTracker`.

    Attributes
    ----------
    method : {"srp-phat", "music", "norm-music"}
        Method of the map whose peaks are the talkers.
    n_talkers : int or None
        Most simultaneous talkers. None: four, and for MUSIC a signal subspace of dimension one.
    block_seconds : float
        Length of a block of frames, s.
    time_constant : float
        Time constant of the recursive cross-spectra, s.
    least_confidence : float
        Least confidence of a peak.
    least_activity : float
        Least share of time-frequency bins with speech in a block that is used.
    least_separation_deg : float
        Least angle between two talkers.
    peak_share : float
        Least height of a further peak, relative to the highest.
    speech_only : bool
        Whether bins are weighted by speech presence; otherwise any sound is tracked.
    step_deg : float or None
        Step of the grid of directions.

    Examples
    --------
    >>> TrackerConfig(method="music", n_talkers=2).block_seconds
    0.1
    """

    method: str = "srp-phat"
    n_talkers: int | None = None
    block_seconds: float = 0.1
    time_constant: float = 0.1
    least_confidence: float = 0.08
    least_activity: float = 0.01
    least_separation_deg: float = 20.0
    peak_share: float = 0.4
    speech_only: bool = True
    step_deg: float | None = None

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        within("block_seconds", self.block_seconds, 0.01, 10)
        within("time_constant", self.time_constant, 0.01, 60)
        within("least_confidence", self.least_confidence, 0, 1)
        within("least_activity", self.least_activity, 0, 1)
        within("least_separation_deg", self.least_separation_deg, 1, 180)
        within("peak_share", self.peak_share, 0, 1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Directions of the talkers in one block.

    Attributes
    ----------
    time : float
        Middle of the block, seconds from the first frame.
    tracks : tuple of Track
        Tracks of the active talkers, in order of descending confidence.
    directions : tuple of Direction
        The tracks as angles.
    """

    time: float
    tracks: tuple[Track, ...]
    directions: tuple[Direction, ...]


@dataclass(slots=True, eq=False)
class TrackerState:
    """State of a tracker.

    Attributes
    ----------
    cross : complex128 ndarray, shape (F, B)
        Recursive phase-transformed cross-spectra in the speech band.
    cov : complex128 ndarray, shape (F, M, M)
        Recursive covariances, for MUSIC.
    weight : float
        Sum of the weights γ in `cross`.
    held : complex64 ndarray, shape (F, M, t)
        Frames of the incomplete block.
    speech : SppTracker
    tracks : list of Track
        All tracks, including silent talkers and candidates.
    n_blocks, n_tracks : int
        Number of blocks processed and of tracks started.
    """

    cross: np.ndarray
    cov: np.ndarray
    held: np.ndarray
    speech: SppTracker
    weight: float = 0.0
    tracks: list[Track] = field(default_factory=list)
    n_blocks: int = 0
    n_tracks: int = 0


class DirectionTracker:
    """Tracks the directions of talkers in a stream of spectra.

    Every block of frames is weighted by speech presence and added to recursive cross-spectra,

        R ← exp(-T/τ) R + Σ_t γ x_m x_n* / |x_m x_n*|,

    from which a map is computed (SRP-PHAT or MUSIC). Peaks of sufficient confidence (`excess`)
    update the tracks of talkers or start new ones (`arrayenh.localisation.tracks`). The result
    does not depend on how the frames are split into calls.

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Frequencies of the bins, Hz.
    hop_seconds : float
        Time from frame to frame, s.
    config : TrackerConfig, optional

    Raises
    ------
    GeometryError
        If there are fewer than two microphones.
    ConfigError
        If MUSIC cannot resolve the number of talkers.

    Examples
    --------
    >>> tracker = DirectionTracker(np.eye(3) / 20, np.arange(0, 8001, 31.25), 0.01)
    >>> tracker.update(np.zeros((257, 3, 50), np.complex64))  # silence has no direction
    []
    """

    def __init__(
        self,
        positions: np.ndarray,
        freqs: np.ndarray,
        hop_seconds: float,
        config: TrackerConfig | None = None,
    ) -> None:
        self.config = config or TrackerConfig()
        self.positions = np.asarray(positions, np.float64)
        self.grid = DirectionGrid.of(self.positions, self.config.step_deg)
        check_talkers(self.config.method, self.config.n_talkers, len(self.positions))
        self.hop_seconds = hop_seconds
        self.block_frames = max(1, round(self.config.block_seconds / hop_seconds))
        self._n_freqs, self._band = len(freqs), in_band(freqs)
        self._freqs, self._pairs = freqs[self._band], Pairs.of(self.positions)
        self._lags = self._pairs.lags(self.grid.vectors)
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        n_freqs, n_mics = len(self._freqs), len(self.positions)
        self.state = TrackerState(
            np.zeros((n_freqs, len(self._pairs.vectors)), np.complex128),
            np.zeros((n_freqs, n_mics, n_mics), np.complex128),
            np.zeros((self._n_freqs, n_mics, 0), np.complex64),
            SppTracker(self._n_freqs, self.hop_seconds),
        )
        self._now: tuple[Direction, ...] = ()

    def update(self, spec: np.ndarray) -> list[Direction]:
        """Process the next frames and return the current directions.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
            Any t.

        Returns
        -------
        directions : list of (azimuth, elevation, confidence)
            Directions in the last complete block, in order of descending confidence; empty
            while no talker is active.

        Raises
        ------
        ShapeError
            If `spec` has other numbers of bins or microphones.
        """
        self.push(spec)
        return list(self._now)

    def push(self, spec: np.ndarray) -> list[Moment]:
        """Process the next frames, like `update`; return a `Moment` for each complete block."""
        wanted = (self._n_freqs, len(self.positions))
        if spec.ndim != 3 or spec.shape[:2] != wanted:
            raise ShapeError(f"spec must have shape (F, M, t), (F, M) = {wanted}; got {spec.shape}")
        frames = np.concatenate([self.state.held, spec], axis=2)
        n_blocks = frames.shape[2] // self.block_frames
        ends = self.block_frames * np.arange(1, n_blocks + 1)
        *blocks, self.state.held = np.split(frames, ends, axis=2)
        self.state.held = self.state.held.copy()  # a view would keep all frames in memory
        return [self._hear(block) for block in blocks]

    def _hear(self, block: np.ndarray) -> Moment:
        """Process one block of frames."""
        state, config = self.state, self.config
        seconds = self.block_frames * self.hop_seconds
        active = self._gather(np.ascontiguousarray(block), seconds)
        heard, sure = self._observe() if active else (np.zeros((0, 3)), np.zeros(0))
        state.tracks, state.n_tracks = follow(
            state.tracks, self.grid, heard, sure, seconds, state.n_tracks
        )
        time = (state.n_blocks + 0.5) * seconds
        state.n_blocks += 1
        speaking = [track for track in state.tracks if track.speaking]
        speaking.sort(key=lambda track: -track.confidence)
        speaking = speaking[: config.n_talkers or MOST_TALKERS]
        self._now = tuple(
            Direction(*self.grid.angles(track.vector), track.confidence) for track in speaking
        )
        return Moment(time, tuple(map(replace, speaking)), self._now)

    def _gather(self, block: np.ndarray, seconds: float) -> bool:
        """Add a block to the recursive statistics; return whether it holds speech."""
        state = self.state
        keep = np.exp(-seconds / self.config.time_constant)
        if self.config.speech_only:
            weight = presence(state.speech, mean_power(block))[self._band]
            weight[weight < LEAST_PRESENCE] = 0.0
        else:
            weight = np.ones((len(self._freqs), block.shape[2]), np.float32)
        spec = block[self._band]
        weight = np.where(mean_power(spec) > 0, weight, 0).astype(np.float32)
        state.cross = keep * state.cross + cross_spectra(spec, weight, self._pairs)
        state.weight = keep * state.weight + float(weight.sum(dtype=np.float64))
        if self.config.method != "srp-phat":
            cov = spatial_covariance(spec, np.maximum(weight, LEAST_WEIGHT))
            state.cov = keep * state.cov + cov * weight.sum(axis=1)[:, None, None]
        activity = float(weight.mean())
        return activity > 0 and activity >= self.config.least_activity

    def _observe(self) -> tuple[np.ndarray, np.ndarray]:
        """Find the peaks of the map: directions (K, 3) and confidences (K,)."""
        state, config = self.state, self.config
        cross = state.cross / (len(self._pairs.first) * state.weight)
        phat = srp_at(cross, self._freqs, self._pairs)
        power_at = phat
        if config.method != "srp-phat":
            n_sources = config.n_talkers or 1
            power_at = music_at(
                state.cov, self.positions, self._freqs, n_sources, config.method, self.grid
            )
        vectors = peak_directions(
            self.grid,
            power_at,
            config.n_talkers or MOST_TALKERS,
            np.deg2rad(config.least_separation_deg),
            config.peak_share,
        )
        sure = excess(phat(vectors), phat(self.grid.vectors))
        return vectors[sure >= config.least_confidence], sure[sure >= config.least_confidence]
