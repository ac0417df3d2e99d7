"""Beamformers frame by frame: statistics that fade, weights anew in every frame.

Each holds its state openly, forgets it with `reset`, and gives for frame t what can be known
at frame t. Frames may come one by one or many at once: the output is the same. A memory of
`inf` seconds forgets nothing, and the weights converge to those of the batch form.
"""

import numpy as np

from arrayenh import _kernels
from arrayenh.beamformers.delay_and_sum import delay_and_sum
from arrayenh.beamformers.gsc import blocking_matrix
from arrayenh.beamformers.weights import apply
from arrayenh.chain.settings import within
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.statistics.transfer_functions import hermitian

LOADING = 1e-3  # relative; also what the first frame is loaded with
MOST_NORM = 10.0  # of ‖w‖² of the sidelobe canceller: a white-noise gain of -10 dB
LEVEL_SECONDS = 1.0  # over which the level of speech is evened


class Recursion:
    """What all of them have: sizes, a memory, a place in the order of microphones."""

    def __init__(
        self, n_freqs: int, n_mics: int, hop_seconds: float, memory_seconds: float, loading: float
    ) -> None:
        if n_freqs < 1 or n_mics < 1 or not hop_seconds > 0:
            raise ConfigError("n_freqs, n_mics and hop_seconds must be positive")
        if not memory_seconds >= hop_seconds:
            raise ConfigError(
                f"memory_seconds must be at least a hop, {hop_seconds}; got {memory_seconds}"
            )
        within("loading", loading, 1e-12, 1)
        self.n_freqs, self.n_mics, self.loading = n_freqs, n_mics, loading
        self.forget = float(1 - np.exp(-hop_seconds / memory_seconds))
        self._turn = 0

    def _check(self, spec: np.ndarray, **weights: np.ndarray | None) -> None:
        if spec.ndim != 3 or spec.shape[:2] != (self.n_freqs, self.n_mics):
            raise ShapeError(
                f"spec must have shape {(self.n_freqs, self.n_mics, 't')}; got {spec.shape}"
            )
        for name, weight in weights.items():
            if weight is not None and weight.shape != (self.n_freqs, spec.shape[2]):
                raise ShapeError(
                    f"{name} must have shape {(self.n_freqs, spec.shape[2])}; got {weight.shape}"
                )

    def _lanes(self, steering: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Real and imaginary parts (M, F) of what has shape (F, M)."""
        if steering.shape != (self.n_freqs, self.n_mics):
            raise ShapeError(
                f"steering must have shape {(self.n_freqs, self.n_mics)}; got {steering.shape}"
            )
        turned = np.asarray(steering, np.complex128).T
        return np.ascontiguousarray(turned.real), np.ascontiguousarray(turned.imag)


class OnlineDas:
    """Delay-and-sum towards a direction that may move: the weights glide after it.

    Parameters
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant with which the weights follow a new direction; 0: at once.
    """

    def __init__(
        self, n_freqs: int, n_mics: int, hop_seconds: float, memory_seconds: float = 0.0
    ) -> None:
        self._shape = n_freqs, n_mics
        self.keep = float(np.exp(-hop_seconds / memory_seconds)) if memory_seconds > 0 else 0.0
        self.reset()

    def reset(self) -> None:
        """Forget the direction."""
        self.weights: np.ndarray | None = None

    def update(self, spec: np.ndarray, steering: np.ndarray) -> np.ndarray:
        """Beamform the next frames towards `steering`, (F, M); (F, M, t) -> (F, t)."""
        wanted = delay_and_sum(steering)
        if self.weights is None:
            self.weights = wanted
        n_frames = spec.shape[2]
        left = self.keep ** np.arange(1, n_frames + 1)  # of what was steered at before
        old = apply(self.weights, spec)
        new = apply(wanted, spec)
        if n_frames:
            self.weights = wanted + left[-1] * (self.weights - wanted)
        return (new + left.astype(np.float32) * (old - new)).astype(np.complex64)


class OnlineMvdr(Recursion):
    """MVDR or rank-one Wiener filter with recursive statistics.

        Φₙ <- (1 - β γₙ) Φₙ + γₙ x xᴴ,   Φₛ <- (1 - β γₛ) Φₛ + γₛ x xᴴ
        steered:  w = Φₙ⁻¹ a / (aᴴ Φₙ⁻¹ a)
        blind:    w = Φₙ⁻¹ Φₛ e_ref / (μ + tr Φₙ⁻¹ Φₛ)

    with Φₙ⁻¹ updated by rank-one steps (Sherman & Morrison 1950) and kept Hermitian, and the
    weights γ of speech and noise in each bin. A bin in which noise is not heard forgets
    nothing of it: the memory is one of noise time, or speech time.

    Parameters
    ----------
    n_freqs, n_mics : int
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant of the statistics, s; `inf` for none: β = 1 - exp(-hop / memory).
    mu : float
        μ of the blind form: 0 is Souden's MVDR, 1 the Wiener filter.
    reference : int
    loading : float
        Relative diagonal loading of Φₙ, shared out over the frames of a memory; the first
        frame begins with as much.
    keep_level : bool
        Whether one gain for all bins restores the level of speech, which the blind form
        lowers where speech has not rank one.

    Raises
    ------
    ConfigError
        If a number is out of range.

    References
    ----------
    M. Souden, J. Chen, J. Benesty and S. Affes, "An integrated solution for online
    multichannel noise tracking and reduction", IEEE TASLP 19, 2011, section IV; T. Higuchi et
    al., "Online MVDR beamformer based on complex Gaussian mixture model with spatial prior
    for noise robust ASR", IEEE/ACM TASLP 25, 2017, eqs. 26 to 29.
    """

    def __init__(
        self,
        n_freqs: int,
        n_mics: int,
        hop_seconds: float,
        memory_seconds: float = 1.0,
        mu: float = 0.0,
        reference: int = 0,
        loading: float = LOADING,
        keep_level: bool = True,
    ) -> None:
        super().__init__(n_freqs, n_mics, hop_seconds, memory_seconds, loading)
        within("mu", mu, 0, 1e6)
        within("reference", reference, 0, n_mics - 1)
        self.mu, self.reference, self.keep_level = mu, reference, keep_level
        self._keep_level = float(np.exp(-hop_seconds / LEVEL_SECONDS))
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        square, line = (self.n_mics, self.n_mics, self.n_freqs), (self.n_mics, self.n_freqs)
        self._inverse = np.zeros(square), np.zeros(square)
        self._speech = np.zeros(square), np.zeros(square)
        self._totals = np.zeros((3, self.n_freqs))
        self._weights = np.zeros(line), np.zeros(line)
        self._weights[0][self.reference] = 1
        self._gain = 1.0
        self._turn = 0

    @property
    def weights(self) -> np.ndarray:
        """Weights after the last frame, complex128, shape (F, M); without the level's gain."""
        re, im = self._weights
        return (re + 1j * im).T

    @property
    def noise_cov_inverse(self) -> np.ndarray:
        """Inverse of the mean noise covariance, complex128, shape (F, M, M)."""
        re, im = self._inverse
        return ((re + 1j * im) * self._totals[0]).transpose(2, 0, 1)

    def update(
        self,
        spec: np.ndarray,
        speech_weight: np.ndarray | None,
        noise_weight: np.ndarray,
        steering: np.ndarray | None = None,
    ) -> np.ndarray:
        """Learn from the next frames and beamform them.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
        speech_weight, noise_weight : float ndarray, shape (F, t)
            γₛ and γₙ, in [0, 1]: with a speech mask m, m² and (1 - m)². γₛ is not needed to
            steer.
        steering : complex ndarray, shape (F, M), optional
            a; it may be another at every call, to follow a talker. Without it: blind.

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, t)

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        self._check(spec, speech_weight=speech_weight, noise_weight=noise_weight)
        blind = steering is None
        if blind and speech_weight is None:
            raise ShapeError("speech_weight or steering is needed")
        towards = np.zeros((self.n_freqs, self.n_mics)) if steering is None else steering
        speech = np.zeros_like(noise_weight) if speech_weight is None else speech_weight
        beamformed = np.empty((self.n_freqs, spec.shape[2]), np.complex64)
        level = np.zeros((2, *beamformed.shape), np.float32)
        _kernels.recursive.recursive_beamformer(
            spec,
            speech,
            noise_weight,
            self.forget,
            self.loading,
            blind,
            self.mu,
            self.reference,
            self._turn,
            *self._lanes(towards),
            *self._inverse,
            *self._speech,
            self._totals,
            *self._weights,
            beamformed,
            level,
        )
        self._turn = (self._turn + spec.shape[2]) % self.n_mics
        if blind and self.keep_level:
            beamformed *= self._level_gains(level)
        return beamformed

    def _level_gains(self, level: np.ndarray) -> np.ndarray:
        """Gain of each frame that gives speech its level back, smoothed; float32, (t,)."""
        before, after = level.sum(axis=1, dtype=np.float64)
        wanted = np.sqrt(np.divide(before, after, out=np.ones_like(before), where=after > 0))
        gains = np.empty(len(wanted), np.float32)
        for t, gain in enumerate(wanted):
            self._gain = self._keep_level * self._gain + (1 - self._keep_level) * gain
            gains[t] = self._gain
        return gains


class OnlineGsc(Recursion):
    """Adaptive generalised sidelobe canceller: what the blocked microphones tell is taken off.

        z = Bᴴ x,   y = w_qᴴ x - gᴴ z,   g by recursive least squares weighted with γₙ

    Speech that leaks through the blocking matrix would be cancelled. Against that g learns
    only where noise is (γₙ), is loaded, and ‖w‖² stays bounded (Cox, Zeskind & Owen 1987).

    Parameters
    ----------
    n_freqs, n_mics : int
        At least two microphones.
    hop_seconds, memory_seconds, loading
        As of `OnlineMvdr`.
    most_norm : float
        Bound of ‖w‖².

    References
    ----------
    L. J. Griffiths and C. W. Jim 1982; O. Hoshuyama, A. Sugiyama and A. Hirano, "A robust
    adaptive beamformer for microphone arrays with a blocking matrix using constrained
    adaptive filters", IEEE Trans. Signal Process. 47, 1999.
    """

    def __init__(
        self,
        n_freqs: int,
        n_mics: int,
        hop_seconds: float,
        memory_seconds: float = 1.0,
        loading: float = LOADING,
        most_norm: float = MOST_NORM,
    ) -> None:
        if n_mics < 2:
            raise ConfigError(f"a sidelobe canceller needs two microphones; got {n_mics}")
        super().__init__(n_freqs, n_mics, hop_seconds, memory_seconds, loading)
        self.most_norm = most_norm
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        n = self.n_mics - 1
        self._inverse = np.zeros((n, n, self.n_freqs)), np.zeros((n, n, self.n_freqs))
        self._filter = np.zeros((n, self.n_freqs)), np.zeros((n, self.n_freqs))
        self._totals = np.zeros((2, self.n_freqs))
        self._steering: np.ndarray | None = None
        self._turn = 0

    @property
    def weights(self) -> np.ndarray:
        """w_q - B g after the last frame, complex128, shape (F, M)."""
        if self._steering is None:
            raise ShapeError("no frame has been beamformed yet")
        re, im = self._filter
        blocked = blocking_matrix(self._steering) @ (re + 1j * im).T[:, :, None]
        return delay_and_sum(self._steering) - blocked[:, :, 0]

    def update(
        self, spec: np.ndarray, noise_weight: np.ndarray, steering: np.ndarray
    ) -> np.ndarray:
        """Learn from the next frames and beamform them.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
        noise_weight : float ndarray, shape (F, t)
            γₙ, in [0, 1].
        steering : complex ndarray, shape (F, M)

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, t)

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        self._check(spec, noise_weight=noise_weight)
        fixed = delay_and_sum(np.asarray(steering, np.complex128))
        adjoint = hermitian(blocking_matrix(steering)).transpose(1, 2, 0)
        room = self.most_norm - np.sum(np.abs(fixed) ** 2, axis=1)
        beamformed = np.empty((self.n_freqs, spec.shape[2]), np.complex64)
        _kernels.recursive.recursive_canceller(
            spec,
            noise_weight,
            self.forget,
            self.loading,
            self._turn,
            *self._lanes(fixed),
            np.ascontiguousarray(adjoint.real),
            np.ascontiguousarray(adjoint.imag),
            np.maximum(room, 0.0),
            *self._inverse,
            *self._filter,
            self._totals,
            beamformed,
        )
        self._steering = np.array(steering)
        self._turn = (self._turn + spec.shape[2]) % (self.n_mics - 1)
        return beamformed
