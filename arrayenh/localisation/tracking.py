"""Tracking: where the talkers are now, block by block, and how sure that is."""

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

LEAST_PRESENCE = 0.9  # of speech in a bin; the many bins below would add up to the noise


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """How a `DirectionTracker` listens.

    Attributes
    ----------
    method : {"srp-phat", "music", "norm-music"}
        Of the map in which peaks are looked for.
    n_talkers : int or None
        Most talkers at one time; None: four, and a signal subspace of one for MUSIC.
    block_seconds : float
        Frames that are judged together.
    time_constant : float
        Seconds after which a cross-spectrum is forgotten to 1/e.
    least_confidence : float
        A peak that stands out less is no direction.
    least_activity : float
        Share of the band that must hold speech in a block that is listened to.
    least_separation_deg : float
        Between two talkers.
    peak_share : float
        A second peak counts if it stands out by this share of what the first does.
    speech_only : bool
        Weight bins by the presence of speech; else whatever sounds is followed.
    step_deg : float or None
        Of the grid of directions.
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
    """What was heard in one block.

    Attributes
    ----------
    time : float
        Seconds from the first frame to the middle of the block.
    tracks : tuple of Track
        Of the talkers who are speaking, the surest first.
    directions : tuple of Direction
        The same, as angles.
    """

    time: float
    tracks: tuple[Track, ...]
    directions: tuple[Direction, ...]


@dataclass(slots=True, eq=False)
class TrackerState:
    """All that a tracker remembers.

    Attributes
    ----------
    cross : complex128 ndarray, shape (F, B)
        Recursive cross-spectra of phases, in the band.
    cov : complex128 ndarray, shape (F, M, M)
        Recursive covariances; used by MUSIC.
    weight : float
        Σ γ of what is in `cross`.
    held : complex64 ndarray, shape (F, M, t)
        Frames of the block that is not complete.
    speech : SppTracker
    tracks : list of Track
        Also of talkers who pause, and candidates.
    n_blocks, n_tracks : int
        Blocks judged, tracks begun.
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
    """Follows talkers from the spectra of a microphone array, as they come.

    Every block of frames is weighted by the presence of speech and added to recursive
    cross-spectra,

        R ← exp(-T/τ) R + Σ_t γ x_m x_n* / |x_m x_n*|,

    whose map (SRP-PHAT or MUSIC) has peaks; those that stand out (`excess`) move the tracks
    of talkers, or begin new ones (`arrayenh.localisation.tracks`). How the spectrum is cut into
    pieces does not matter.

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz, of the bins.
    hop_seconds : float
        From frame to frame.
    config : TrackerConfig, optional

    Raises
    ------
    GeometryError
        If there are fewer than two microphones.
    ConfigError
        If MUSIC cannot find so many talkers.

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
        """Forget all that was heard."""
        n_freqs, n_mics = len(self._freqs), len(self.positions)
        self.state = TrackerState(
            np.zeros((n_freqs, len(self._pairs.vectors)), np.complex128),
            np.zeros((n_freqs, n_mics, n_mics), np.complex128),
            np.zeros((self._n_freqs, n_mics, 0), np.complex64),
            SppTracker(self._n_freqs, self.hop_seconds),
        )
        self._now: tuple[Direction, ...] = ()

    def update(self, spec: np.ndarray) -> list[Direction]:
        """Hear the next frames; return where is spoken now.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
            Any t.

        Returns
        -------
        directions : list of (azimuth, elevation, confidence)
            Of the last whole block, the surest first; none while nobody speaks.

        Raises
        ------
        ShapeError
            If `spec` has other bins or microphones.
        """
        self.push(spec)
        return list(self._now)

    def push(self, spec: np.ndarray) -> list[Moment]:
        """Hear the next frames, as `update`; return what was heard in each whole block."""
        wanted = (self._n_freqs, len(self.positions))
        if spec.ndim != 3 or spec.shape[:2] != wanted:
            raise ShapeError(f"spec must have shape (F, M, t), (F, M) = {wanted}; got {spec.shape}")
        frames = np.concatenate([self.state.held, spec], axis=2)
        n_blocks = frames.shape[2] // self.block_frames
        ends = self.block_frames * np.arange(1, n_blocks + 1)
        *blocks, self.state.held = np.split(frames, ends, axis=2)
        self.state.held = self.state.held.copy()  # not a view of all the rest
        return [self._hear(block) for block in blocks]

    def _hear(self, block: np.ndarray) -> Moment:
        """Judge one block of frames."""
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
        """Add a block to the recursive statistics; say whether it holds speech."""
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
        """Directions of the peaks of the map, (K, 3), and how far each stands out, (K,)."""
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
