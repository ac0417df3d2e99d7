"""Multichannel post-filters, from auto- and cross-spectra of the microphones."""

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, NumericalError, ShapeError
from arrayenh.postfilters.postfilter import MultichannelGain, PostFilter

RULES = ("zelinski", "mccowan")
LEAST_POWER = 1e-20  # power of a bin below which it is digital silence


class MultichannelWiener:
    """Wiener gain from auto- and cross-spectra of the microphones, causal, with state.

    Aligned in phase with the talker, x̃_m = x_m a_m*/|a_m|, the microphones have
    φ_ij = E{x̃_i x̃_j*} = |a_i||a_j| φ_s + Γ̃_ij φ_n, and every pair gives one equation

        n_ij = Re φ_ij - Γ̃_ij ½(φ_ii + φ_jj) = d_ij φ_s,
        d_ij = |a_i||a_j| - Γ̃_ij ½(|a_i|² + |a_j|²)

    whose least-squares solution is φ_s = Σ n_ij d_ij / Σ d_ij². The gain is φ_s/φ_y, the ratio of
    the talker's power to that of the beamformer's output or of the mean microphone.

    zelinski: noise is uncorrelated between microphones, Γ = 0.
    mccowan:  noise has a known coherence Γ, as in a diffuse field.

    If |a| = 1 the first is Zelinski's mean over the pairs. McCowan & Bourlard weight all pairs
    equally. The weights d² used here reduce the influence of pairs with coherent noise, which
    carry little information (measured: equal in a diffuse field, 1 to 3 dB SI-SDR better if Γ is
    wrong).

    Parameters
    ----------
    rule : {"zelinski", "mccowan"}
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    coherence : float or complex ndarray, shape (F, M, M), optional
        Γ_ij = E{n_i n_j*}/φ_n for "mccowan", from `diffuse_coherence` or measured.
    averaging_seconds : float
        Time constant of the recursive spectra, s.
    least_gain_db : float
        Floor of the gain.
    most_coherence : float
        Ceiling of Γ̃, below 1, because microphones have self-noise and close pairs would divide
        by almost zero. Where Γ exceeds it, at low frequencies, some noise passes.

    Raises
    ------
    ConfigError
        If the rule is unknown, or a coherence is missing or not used by the rule.
    ShapeError
        If the coherence is not (F, M, M).

    References
    ----------
    R. Zelinski, "A microphone array with adaptive post-filtering for noise reduction in
    reverberant rooms", ICASSP 1988; K. U. Simmer, J. Bitzer and C. Marro,
    "Post-filtering techniques", in Microphone Arrays, Springer 2001 (the output's power as
    denominator); I. A. McCowan and H. Bourlard, "Microphone array post-filter based on noise
    field coherence", IEEE Trans. Speech Audio Process. 11(6), 2003.

    Examples
    --------
    >>> postfilter = MultichannelWiener("zelinski", n_freqs=1, hop_seconds=0.008)
    >>> spec = np.array([[[1, 1], [1, -1]]], np.complex64)  # in phase, then not
    >>> postfilter.update(spec, steering=np.ones((1, 2))).round(2)
    array([[1.  , 0.18]], dtype=float32)
    """

    def __init__(
        self,
        rule: str,
        n_freqs: int,
        hop_seconds: float,
        coherence: np.ndarray | None = None,
        averaging_seconds: float = 0.06,
        least_gain_db: float = -15.0,
        most_coherence: float = 0.95,
    ) -> None:
        check_rule(rule, coherence is not None)
        if coherence is not None and (coherence.ndim != 3 or len(coherence) != n_freqs):
            raise ShapeError(
                f"coherence must have shape (F, M, M), F = {n_freqs}; got {coherence.shape}"
            )
        self.coherence = coherence
        self.keep = np.exp(-hop_seconds / averaging_seconds)
        self.least_gain = 10 ** (least_gain_db / 20)
        self.most_coherence = most_coherence
        self._state = np.zeros((n_freqs, 3))  # speech power, output power, frames so far

    def update(
        self, spec: np.ndarray, steering: np.ndarray, beamformed: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the gain of the next frames.

        Parameters
        ----------
        spec : complex ndarray, shape (F, M, t)
            Microphone spectra.
        steering : complex ndarray, shape (F, M)
            a, steering vector or relative transfer functions of the talker; may change from
            call to call. Ones for microphones that are already aligned.
        beamformed : complex ndarray, shape (F, t), optional
            Output y of weights with wᴴa = 1, to which the gain will be applied.

        Returns
        -------
        gain : float32 ndarray, shape (F, t)
            In [least gain, 1].

        Raises
        ------
        ShapeError
            If the shapes do not fit each other, or M is 1.
        NumericalError
            If the steering of a bin is not finite, or speech reaches no pair.
        """
        self._check(spec, steering, beamformed)
        form = speech_form(steering, self.coherence, self.most_coherence)
        if beamformed is None:
            output = np.empty((0, 0))
        else:
            output = beamformed.real.astype(np.float64) ** 2 + beamformed.imag**2
        share = 1 / np.sum(np.abs(steering) ** 2, axis=1)
        gain = np.empty((len(spec), spec.shape[2]), np.float32)
        _kernels.multichannel.wiener_gain(
            spec, form, output, share, self.keep, LEAST_POWER, self.least_gain, self._state, gain
        )
        return gain

    def _check(self, spec: np.ndarray, steering: np.ndarray, beamformed: np.ndarray | None) -> None:
        """Raise ShapeError if the arguments do not match."""
        n_freqs = len(self._state)
        if spec.ndim != 3 or len(spec) != n_freqs or spec.shape[1] < 2:
            raise ShapeError(
                f"spec must have shape (F, M, t), F = {n_freqs}, M at least 2; got {spec.shape}"
            )
        if steering.shape != spec.shape[:2]:
            raise ShapeError(f"steering must have shape {spec.shape[:2]}; got {steering.shape}")
        wanted = (n_freqs, spec.shape[2])
        if beamformed is not None and beamformed.shape != wanted:
            raise ShapeError(f"beamformed must have shape {wanted}; got {beamformed.shape}")
        pairs = (n_freqs, spec.shape[1], spec.shape[1])
        if self.coherence is not None and self.coherence.shape != pairs:
            raise ShapeError(f"coherence must have shape {pairs}; got {self.coherence.shape}")


def speech_form(
    steering: np.ndarray, coherence: np.ndarray | None, most_coherence: float
) -> np.ndarray:
    """Hermitian form Q for which E{xᴴ Q x} is the power of the talker.

    φ_s is linear in all n_ij, which are linear in the spectra x_i x_j*: one form for each bin.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    coherence : float or complex ndarray, shape (F, M, M), or None
    most_coherence : float

    Returns
    -------
    form : complex128 ndarray, shape (F, M, M)

    Raises
    ------
    NumericalError
        If the steering of a bin is not finite, or speech reaches no pair.

    Examples
    --------
    >>> speech_form(np.ones((1, 2)), coherence=None, most_coherence=0.95)[0, 0, 1].real.item()
    0.5
    """
    level = np.abs(steering).astype(np.float64)
    phase = np.exp(1j * np.angle(steering))
    turn = phase[:, :, None] * phase[:, None, :].conj()  # phase of x_i x_j* for a plane wave
    if coherence is None:
        alike = np.zeros(turn.shape)
    else:
        alike = np.minimum((coherence * turn.conj()).real, most_coherence)
    power = level**2
    heard = level[:, :, None] * level[:, None, :]
    heard -= alike * 0.5 * (power[:, :, None] + power[:, None, :])
    mics = np.arange(level.shape[1])
    heard[:, mics, mics] = 0  # only pairs of different microphones count
    square = np.sum(heard**2, axis=(1, 2))
    if not (square > 0).all():  # written so that NaN is refused, too
        raise NumericalError(
            f"speech reaches no pair of microphones in bin {np.argmin(square > 0)}"
        )
    weight = heard / square[:, None, None]
    form = weight * turn
    form[:, mics, mics] = -np.sum(weight * alike, axis=2)
    return form


def check_rule(rule: str, has_coherence: bool) -> None:
    """Raise ConfigError if the rule is unknown, or a coherence is missing or not used."""
    if rule not in RULES:
        raise ConfigError(f"unknown multichannel post-filter {rule!r}; use {', '.join(RULES)}")
    if has_coherence != (rule == "mccowan"):
        raise ConfigError("mccowan needs the coherence of the noise field; zelinski takes none")


def _zelinski(
    n_freqs: int, hop_seconds: float, diffuse: np.ndarray | None, least_gain_db: float
) -> MultichannelGain:
    """Make Zelinski's gain for a post-filter record."""
    return MultichannelWiener("zelinski", n_freqs, hop_seconds, least_gain_db=least_gain_db)


def _mccowan(
    n_freqs: int, hop_seconds: float, diffuse: np.ndarray | None, least_gain_db: float
) -> MultichannelGain:
    """Make McCowan's gain for a diffuse field, for a post-filter record."""
    return MultichannelWiener("mccowan", n_freqs, hop_seconds, diffuse, least_gain_db=least_gain_db)


RECORDS = (
    PostFilter(
        "zelinski",
        "Zelinski",
        "multichannel Wiener gain for uncorrelated noise (Zelinski 1988)",
        multichannel=_zelinski,
    ),
    PostFilter(
        "mccowan",
        "McCowan",
        "multichannel Wiener gain for a diffuse field (McCowan & Bourlard 2003)",
        multichannel=_mccowan,
        needs_array=True,
    ),
)
