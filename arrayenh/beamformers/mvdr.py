"""MVDR beamformers: steered, blind (Souden) and recursive.

Weights are estimated and applied by separate calls, so that the same weights can be applied to
the mixture, or to the speech and the noise alone (shadow filtering).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arrayenh import _kernels
from arrayenh.beamformers.beamformer import (
    Beamformer,
    BeamformerSettings,
    Statistics,
    Stream,
    Update,
)
from arrayenh.beamformers.filters import Filters
from arrayenh.beamformers.recursion import RECURSIVE_LOADING, Recursion
from arrayenh.checks import within
from arrayenh.errors import NumericalError, ShapeError
from arrayenh.statistics.loading import GEOMETRY_LOADING, LOADING, solve


def mvdr(
    steering: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray = LOADING
) -> np.ndarray:
    """MVDR (Capon) weights: minimum noise without distortion in the look direction.

        w = Φₙ⁻¹ a / (aᴴ Φₙ⁻¹ a)        (Capon 1969, eq. 9; Van Trees 2002, eq. 6.13)

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noise_cov : complex ndarray, shape (F, M, M)
    loading : float or ndarray, shape (F,)
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    NumericalError
        If a noise covariance is singular or not finite.

    Examples
    --------
    >>> noise_cov = np.diag([1.0, 3.0])[None]  # microphone 1 is noisier
    >>> mvdr(np.ones((1, 2)), noise_cov).real.round(3)
    array([[0.75, 0.25]])
    """
    if noise_cov.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"noise_cov must have shape (F, M, M) to match steering {steering.shape}; "
            f"got {noise_cov.shape}"
        )
    whitened = solve(noise_cov, steering[..., None], loading)[..., 0]
    gain = np.sum(steering.conj() * whitened, axis=-1, keepdims=True)
    return whitened / gain.real


def souden_mvdr(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float | np.ndarray = LOADING,
) -> np.ndarray:
    """Souden's MVDR weights, from speech and noise covariances without a steering vector.

        w = Φₙ⁻¹ Φₛ e_ref / tr(Φₙ⁻¹ Φₛ)        (Souden, Benesty & Affes 2010, eq. 14)

    If Φₛ has rank one this is `mvdr` with the relative transfer function of the speech.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    reference : int
        Microphone at which the speech is estimated.
    loading : float or ndarray, shape (F,)
        Relative diagonal loading of the noise covariance.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)

    Raises
    ------
    ShapeError
        If the shapes differ, or the reference is no microphone.
    NumericalError
        If a noise covariance is singular or not finite, or a speech covariance is empty.

    Examples
    --------
    >>> speech_cov, noise_cov = np.ones((1, 2, 2)), np.diag([1.0, 3.0])[None]
    >>> souden_mvdr(speech_cov, noise_cov).real.round(3)
    array([[0.75, 0.25]])
    """
    if speech_cov.shape != noise_cov.shape or speech_cov.ndim != 3:
        raise ShapeError(
            f"covariances must share the shape (F, M, M); "
            f"got {speech_cov.shape} and {noise_cov.shape}"
        )
    if not 0 <= reference < speech_cov.shape[-1]:
        raise ShapeError(f"reference must be 0 to {speech_cov.shape[-1] - 1}; got {reference}")
    ratio = solve(noise_cov, speech_cov, loading)
    trace = np.trace(ratio, axis1=-2, axis2=-1).real
    if not (trace > 0).all():
        raise NumericalError(f"the speech covariance of bin {np.argmin(trace > 0)} is empty")
    return ratio[..., reference] / trace[:, None]


USUAL_GAIN = 1.4  # of the level, before the first speech: 3 dB are lost in ordinary rooms
LEVEL_SECONDS = 0.05
"""Time constant of the gain that restores the speech level, while there is nothing but speech."""


class RecursiveMvdr(Recursion):
    """MVDR or rank-one Wiener filter with recursive statistics.

        Φₙ <- (1 - β γₙ) Φₙ + γₙ x xᴴ,   Φₛ <- (1 - β γₛ) Φₛ + γₛ x xᴴ
        steered:  w = Φₙ⁻¹ a / (aᴴ Φₙ⁻¹ a)
        blind:    w = Φₙ⁻¹ Φₛ e_ref / (μ + tr Φₙ⁻¹ Φₛ)

    γₛ and γₙ weight speech and noise in each bin. Φₙ⁻¹ is updated by rank-one steps (Sherman &
    Morrison 1950) and kept Hermitian. A bin without noise (γₙ = 0) does not forget its noise
    statistics: the memory counts noise time, or speech time, only.

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
        Relative diagonal loading of Φₙ, spread over the frames of the memory; the first frame
        starts with all of it.
    keep_level : bool
        Whether one gain for all bins restores the speech level, which the blind form reduces if
        the rank of the speech covariance exceeds one.

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

    Examples
    --------
    >>> beam = RecursiveMvdr(n_freqs=1, n_mics=2, hop_seconds=0.008)
    >>> spec, noise_weight = np.ones((1, 2, 3), np.complex64), np.ones((1, 3), np.float32)
    >>> beam.update(spec, None, noise_weight, steering=np.ones((1, 2))).real.round(3)
    array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        n_freqs: int,
        n_mics: int,
        hop_seconds: float,
        memory_seconds: float = 1.0,
        mu: float = 0.0,
        reference: int = 0,
        loading: float = RECURSIVE_LOADING,
        keep_level: bool = True,
    ) -> None:
        super().__init__(n_freqs, n_mics, hop_seconds, memory_seconds, loading)
        within("mu", mu, 0, 1e6)
        within("reference", reference, 0, n_mics - 1)
        self.mu, self.reference, self.keep_level = mu, reference, keep_level
        self._keep_level = float(np.exp(-hop_seconds / LEVEL_SECONDS))
        self.reset()

    def reset(self) -> None:
        """Reset the state."""
        square, line = (self.n_mics, self.n_mics, self.n_freqs), (self.n_mics, self.n_freqs)
        self._inverse = np.zeros(square), np.zeros(square)
        self._speech = np.zeros(square), np.zeros(square)
        self._totals = np.zeros((5, self.n_freqs))
        self._weights = np.zeros(line), np.zeros(line)
        self._weights[0][self.reference] = 1
        self._gain, self._applied = USUAL_GAIN, np.float32(1)
        self._turn = 0

    @property
    def weights(self) -> np.ndarray:
        """Weights after the last frame, without the level gain; complex128, shape (F, M)."""
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
        """Update the statistics with the next frames and beamform them.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
        speech_weight, noise_weight : float ndarray, shape (F, t)
            γₛ and γₙ, in [0, 1]; m² and (1 - m)² for a speech mask m. The steered form does
            not need γₛ.
        steering : complex ndarray, shape (F, M), optional
            a; may change from call to call, to follow a talker. Default: the blind form.

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
        level = np.zeros((3, *beamformed.shape))
        _kernels.recursion.recursive_beamformer(
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
            gains = self._level_gains(level)
            beamformed *= gains
            self._applied = gains[-1] if len(gains) else self._applied
        return beamformed

    def look(self, spec: np.ndarray, reference: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Beamform frames with the weights as they are, and estimate the noise that is left.

        A network of masks may so hear the beamformer before `update` learns from its mask.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, t)
        reference : int, optional
            Another microphone at which the speech is estimated, in the blind form.

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, t)
        noise : float32 ndarray, shape (F, t)
            Magnitude, estimated from the other directions; see
            `arrayenh.beamformers.blind.residual_noise`. 0 for one microphone.

        Raises
        ------
        ShapeError
            If the shape does not fit.
        """
        self._check(spec)
        shape = self.n_freqs, spec.shape[2]
        beamformed, noise = np.empty(shape, np.complex64), np.empty(shape, np.float32)
        weights, passed = self._weights, self._totals[4]
        if reference is not None and reference != self.reference:
            weights, passed = self._blind(reference)
        _kernels.recursion.look(spec, *self._inverse, *weights, passed, beamformed, noise)
        return beamformed * self._applied, noise * self._applied

    def learnt(self) -> "Learnt":
        """Copy of the statistics as they are now."""
        (p_re, p_im), (s_re, s_im) = self._inverse, self._speech
        return Learnt(
            (p_re.copy(), p_im.copy()), (s_re.copy(), s_im.copy()), self._totals.copy(),
            self._gain, self._applied,
        )  # fmt: skip

    def inherit(self, learnt: "Learnt", mics: Sequence[int | None], share: float = 1.0) -> None:
        """Take over the statistics of another beam, where microphones are lost or come back.

        A new microphone begins with the mean noise power, and without speech. Before the next
        frame is learnt, the weights are those of the blind form.

        Parameters
        ----------
        learnt : Learnt
            Of a beam with the same frames.
        mics : sequence of int or None
            For each microphone, which one of that beam it is; None if it is new.
        share : float
            Weight of what is taken over, in (0, 1], relative to what is learnt next.
        """
        kept = [m for m in mics if m is not None]
        rows = [k for k, m in enumerate(mics) if m is not None]
        heard = learnt.totals[0] > 0
        noise = np.zeros((self.n_freqs, self.n_mics, self.n_mics), np.complex128)
        theirs = np.linalg.inv(as_matrices(learnt.inverse)[heard])
        mean = np.trace(theirs, axis1=1, axis2=2).real / theirs.shape[1]
        noise[heard] = mean[:, None, None] * np.eye(self.n_mics)
        noise[np.ix_(heard, rows, rows)] = theirs[:, kept][:, :, kept]
        inverse = np.zeros_like(noise)
        inverse[heard] = np.linalg.inv(noise[heard])
        speech = np.zeros_like(noise)
        speech[np.ix_(range(self.n_freqs), rows, rows)] = as_matrices(learnt.speech)[:, kept][
            :, :, kept
        ]
        self._inverse, self._speech = as_lanes(inverse / share), as_lanes(speech * share)
        self._totals = learnt.totals * share
        self._totals[2] = np.trace(noise, axis1=1, axis2=2).real * share
        self._totals[3] = noise[:, self.reference, self.reference].real * share
        self._weights, self._totals[4] = self._blind(self.reference)
        self._gain, self._applied = learnt.gain, learnt.applied

    def _blind(self, reference: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """Weights of the blind form for a microphone, (M, F) twice, and wᴴ Φₙ w, (F,)."""
        weights = np.empty((self.n_mics, self.n_freqs)), np.empty((self.n_mics, self.n_freqs))
        passed = self._totals[3].copy()
        _kernels.recursion.blind(
            *self._inverse, *self._speech, self._totals, self.mu, reference, *weights, passed
        )
        return weights, passed

    def _level_gains(self, level: np.ndarray) -> np.ndarray:
        """Smoothed gain of each frame that restores the speech level, float32, shape (t,)."""
        gains = np.empty(level.shape[2], np.float32)
        for t, (before, after, heard) in enumerate(level.sum(axis=1).T):
            # of noise alone, nothing is left and nothing is learnt
            sure = min(max(before, 0.0) / heard, 1.0) if heard > 0 and after > 0 else 0.0
            if sure > 0:
                rate = (1 - self._keep_level) * sure
                self._gain += rate * (np.sqrt(before / after) - self._gain)
            gains[t] = self._gain if heard > 0 else 1.0
        return gains


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """Statistics of a `RecursiveMvdr` at some time.

    Attributes
    ----------
    inverse, speech : pair of float64 ndarray, shape (M, M, F)
        Real and imaginary part of Φₙ⁻¹ and Φₛ.
    totals : float64 ndarray, shape (5, F)
        See `arrayenh._kernels.recursion.recursive_beamformer`.
    gain, applied : float
        Gain that restores the speech level: as estimated, and as applied to the last frame.
    """

    inverse: tuple[np.ndarray, np.ndarray]
    speech: tuple[np.ndarray, np.ndarray]
    totals: np.ndarray
    gain: float
    applied: np.float32


def as_matrices(lanes: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Join real and imaginary parts (M, M, F) of matrices, (F, M, M)."""
    return (lanes[0] + 1j * lanes[1]).transpose(2, 0, 1)


def as_lanes(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split matrices (F, M, M) into real and imaginary parts (M, M, F)."""
    turned = matrices.transpose(1, 2, 0)
    return np.ascontiguousarray(turned.real), np.ascontiguousarray(turned.imag)


def estimate_mvdr(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """MVDR filters of a segment: steered if a direction is known, else Souden's."""
    steering = heard.steering
    if steering is not None:
        return Filters.of(heard.limited(lambda bins, noise: mvdr(steering[bins], noise, 0.0)))
    found = heard.limited(
        lambda bins, noise: souden_mvdr(heard.speech_cov[bins], noise, heard.reference, 0.0)
    )
    return Filters.of(heard.levelled(found))


class MaskedMvdr:
    """A `RecursiveMvdr` that learns from masks, frame by frame: an `Update` of the chain.

    It may have one output, or one at each ear, where a fraction of the unprocessed signal is kept
    as in `binaural_mwf`.

    Parameters
    ----------
    stream : Stream
    settings : BeamformerSettings
    mu : float
        See `RecursiveMvdr`.
    steered : bool
        Whether steering vectors are used.
    partial : float
        Fraction of the unprocessed signal that is kept.
    """

    def __init__(
        self,
        stream: Stream,
        settings: BeamformerSettings,
        mu: float = 0.0,
        steered: bool = False,
        partial: float = 0.0,
    ) -> None:
        usual = GEOMETRY_LOADING if steered else RECURSIVE_LOADING
        loading = usual if settings.loading is None else settings.loading
        self._steered, self._outputs, self._partial = steered, stream.outputs, np.float32(partial)
        self._beam = RecursiveMvdr(
            stream.n_freqs,
            stream.n_mics,
            stream.hop_seconds,
            settings.memory_seconds,
            mu,
            self._outputs[0],
            loading,
        )

    def __call__(
        self, frame: np.ndarray, mask: np.ndarray | None, steering: np.ndarray | None
    ) -> np.ndarray:
        """Learn from the next frame, (F, M, 1), and beamform it, (F, O, 1)."""
        assert mask is not None  # the chain passes a mask to all but fixed beamformers
        # noise that the mask lets through, a little in every frame, would outweigh a talker's
        # first frames: speech is learnt where the mask is sure
        towards = steering if self._steered else None
        first = self._beam.update(frame, mask**4, (1 - mask) ** 2, towards)
        rest = [self._beam.look(frame, output)[0] for output in self._outputs[1:]]
        return self._with_part(frame, np.stack([first, *rest], axis=1))

    def look(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Beamform a frame with the weights as they are; see `RecursiveMvdr.look`.

        Returns
        -------
        beamformed : complex64 ndarray, shape (F, O, 1)
        noise : float32 ndarray, shape (F, 1)
            Root of the mean power of the outputs.
        """
        found = [self._beam.look(frame, output) for output in self._outputs]
        beamformed = np.stack([one for one, _ in found], axis=1)
        noise = found[0][1]
        if len(found) > 1:
            noise = np.sqrt(np.mean([part**2 for _, part in found], axis=0))
        return self._with_part(frame, beamformed), noise

    def _with_part(self, frame: np.ndarray, beamformed: np.ndarray) -> np.ndarray:
        """Outputs (F, O, 1) with the part of the unprocessed signal that is kept."""
        if self._partial:
            beamformed += self._partial * (frame[:, list(self._outputs)] - beamformed)
        return beamformed

    def learnt(self) -> Learnt:
        """Copy of the statistics as they are now."""
        return self._beam.learnt()

    def inherit(self, learnt: Learnt, mics: Sequence[int | None], share: float = 1.0) -> None:
        """Take over what another one has learnt; see `RecursiveMvdr.inherit`."""
        self._beam.inherit(learnt, mics, share)


def recursive_mvdr(stream: Stream, settings: BeamformerSettings) -> Update:
    """Make a recursive MVDR: steered if a direction is known, else Souden's."""
    return MaskedMvdr(stream, settings, steered=settings.doa is not None)


def recursive_rank_one_mwf(stream: Stream, settings: BeamformerSettings) -> Update:
    """Make a recursive rank-one Wiener filter; it is never steered."""
    return MaskedMvdr(stream, settings, settings.mu)


def recursive_binaural_mwf(stream: Stream, settings: BeamformerSettings) -> Update:
    """Make a recursive Wiener filter at each ear."""
    return MaskedMvdr(stream, settings, settings.mu, partial=settings.partial)


MVDR = Beamformer(
    "mvdr",
    "MVDR",
    "minimum variance distortionless response: Souden's form from masks, or steered",
    estimate_mvdr,
    steering="optional",
    recursive=recursive_mvdr,
)
