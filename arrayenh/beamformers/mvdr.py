"""Beamformers: weights from steering or statistics, and their application.

Estimating and applying are two calls, so that the same weights can be applied to the
mixture, or to the speech and the noise alone (shadow filtering).
"""

import numpy as np

from arrayenh._kernels import mvdr as kernels
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import ConfigError, NumericalError, ShapeError

LOADING = 1e-6  # relative; enough against rounding, too little to cost null depth
MPDR_LOADING = 1e-1  # relative; an error of steering must not cancel the talker
DIFFUSE_LOADING = 1e-2  # relative; sensor noise 20 dB under the diffuse field
HALVINGS = 50  # of the loading's interval: to its last bits
N_TAPS = 64  # of the fractional delay filter


def apply(weights: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Filter and sum: y(f,t) = w(f)ᴴ x(f,t).

    Parameters
    ----------
    weights : complex ndarray, shape (F, M)
    spec : complex64 ndarray, shape (F, M, T)

    Returns
    -------
    beamformed : complex64 ndarray, shape (F, T)

    Raises
    ------
    ShapeError
        If F or M differ.
    """
    if spec.ndim != 3 or weights.shape != spec.shape[:2]:
        raise ShapeError(
            f"weights must have shape (F, M) to match spec (F, M, T); "
            f"got {weights.shape} and {spec.shape}"
        )
    out = np.empty((spec.shape[0], spec.shape[2]), np.complex64)
    kernels.filter_sum(weights.astype(np.complex64), spec, out)
    return out


def delay_and_sum(steering: np.ndarray) -> np.ndarray:
    """Weights that align the look direction and average: w = a / aᴴa.

    Their white-noise gain is M where |a_m| = 1, the highest of all distortionless weights
    (Van Trees 2002, eq. 2.188).

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.
    """
    return steering / np.sum(np.abs(steering) ** 2, axis=-1, keepdims=True)


def delay_and_sum_samples(
    samples: np.ndarray, tau: np.ndarray, sample_rate: float, n_taps: int = N_TAPS
) -> np.ndarray:
    """Delay-and-sum in the time domain, with fractional delays.

    Microphone m is advanced by τ_m: the whole samples by shifting, the rest by a Kaiser-
    windowed sinc (Laakso, Välimäki, Karjalainen & Laine 1996, eq. 30).

    Parameters
    ----------
    samples : float ndarray, shape (M, N)
    tau : float ndarray, shape (M,)
        Arrival times, seconds, as from `steering.delays`.
    sample_rate : float
        Hz.
    n_taps : int
        Length of each fractional-delay filter.

    Returns
    -------
    summed : float32 ndarray, shape (N,)
        In time with the wave as the microphone of τ = 0 hears it.
    """
    if samples.ndim != 2 or tau.shape != samples.shape[:1]:
        raise ShapeError(
            f"samples must have shape (M, N) and tau (M,); got {samples.shape}, {tau.shape}"
        )
    advance = tau * sample_rate
    whole = np.floor(advance).astype(np.int64)
    # tap k looks at sample n + first - k, and the sinc peaks where that is n + advance
    first = whole + n_taps // 2
    distance = first[:, None] - np.arange(n_taps) - advance[:, None]
    taps = np.sinc(distance) * np.i0(
        8.0 * np.sqrt(np.clip(1 - (distance / (n_taps / 2 + 1)) ** 2, 0, None))
    )
    taps /= taps.sum(axis=1, keepdims=True)
    out = np.empty(samples.shape[1], np.float32)
    kernels.delay_sum(samples.astype(np.float32), taps.astype(np.float32), first, out)
    return out


def mvdr(
    steering: np.ndarray, noise_cov: np.ndarray, loading: float | np.ndarray = LOADING
) -> np.ndarray:
    """Least noise that keeps the look direction: the MVDR (Capon) beamformer.

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
    """
    if noise_cov.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"noise_cov must have shape (F, M, M) to match steering {steering.shape}; "
            f"got {noise_cov.shape}"
        )
    whitened = solve(noise_cov, steering[..., None], loading)[..., 0]
    gain = np.sum(steering.conj() * whitened, axis=-1, keepdims=True)
    return whitened / gain.real


def mpdr(
    steering: np.ndarray, noisy_cov: np.ndarray, loading: float | np.ndarray = MPDR_LOADING
) -> np.ndarray:
    """Least power that keeps the look direction: MPDR, from the recording as it is.

        w = Φₓ⁻¹ a / (aᴴ Φₓ⁻¹ a)        (Van Trees 2002, eq. 6.23; Capon 1969)

    `mvdr` with speech in the covariance. It needs to know of no mask, but cancels the talker
    where the steering vector is not exactly his (Cox 1973): it is loaded more.

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    noisy_cov : complex ndarray, shape (F, M, M)
        Of all frames.
    loading : float or ndarray, shape (F,)
        Relative diagonal loading.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError, NumericalError
        As of `mvdr`.
    """
    return mvdr(steering, noisy_cov, loading)


def position_loading(
    freqs: np.ndarray, position_error: float, speed_of_sound: float = SPEED_OF_SOUND
) -> np.ndarray:
    """Diagonal loading that microphones call for which are not quite where they should be.

        δ(f) = exp((2πfσ/c)²) - 1

    With errors of standard deviation σ along the wave, independent and normal, the mean of
    a aᴴ is exp(-(2πfσ/c)²) a aᴴ and white noise for the rest: the same as loading by δ.

    Parameters
    ----------
    freqs : float ndarray, shape (F,)
        Hz.
    position_error : float
        σ, metres.
    speed_of_sound : float
        m/s.

    Returns
    -------
    loading : float64 ndarray, shape (F,)
        Relative, 1 at most.

    References
    ----------
    E. N. Gilbert and S. P. Morgan, "Optimum design of directive antenna arrays subject to
    random variations", Bell Syst. Tech. J. 34, 1955.
    """
    phase = 2 * np.pi * np.asarray(freqs, np.float64) * position_error / speed_of_sound
    return np.minimum(np.expm1(np.minimum(phase**2, 1.0)), 1.0)


def superdirective(
    steering: np.ndarray,
    coherence: np.ndarray,
    loading: float = DIFFUSE_LOADING,
    *,
    least_wng_db: float | None = None,
) -> np.ndarray:
    """Least diffuse noise that keeps the look direction: the most directive weights.

        w = (Γ + δI)⁻¹ a / (aᴴ (Γ + δI)⁻¹ a)

    Without loading their white-noise gain is very low where microphones are much closer than
    a wavelength. δ bounds it; more exactly, so does `least_wng_db`, for which each bin is
    loaded no more than it needs, found by bisection (the gain rises with δ).

    Parameters
    ----------
    steering : complex ndarray, shape (F, M)
    coherence : real or complex ndarray, shape (F, M, M)
        Γ, as from `coherence.diffuse_coherence`.
    loading : float
        δ, at least; relative to the mean of the diagonal.
    least_wng_db : float, optional
        White-noise gain that every bin shall have, at most that of `delay_and_sum`.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    ConfigError
        If the loading is negative or not finite, or no weights have the gain wanted.
    NumericalError
        If a loaded coherence is singular or not finite.

    References
    ----------
    H. Cox, R. M. Zeskind and T. Kooij, "Practical supergain", IEEE Trans. Acoust., Speech,
    Signal Process. 34, 1986. H. Cox, R. M. Zeskind and M. M. Owen, "Robust adaptive
    beamforming", same journal 35, 1987.
    """
    if steering.ndim != 2 or coherence.shape != (*steering.shape, steering.shape[-1]):
        raise ShapeError(
            f"steering must have shape (F, M) and coherence (F, M, M); "
            f"got {steering.shape} and {coherence.shape}"
        )
    if not 0 <= loading < np.inf:
        raise ConfigError(f"loading must be finite and 0 or more; got {loading:g}")
    weights = mvdr(steering, coherence, loading)
    if least_wng_db is not None:
        least = _white_noise_gain_wanted(least_wng_db, steering)
        short = 1 / np.sum(np.abs(weights) ** 2, axis=-1) < least
        weights[short] = _least_loaded(steering[short], coherence[short], loading, least)
    response = np.sum(weights.conj() * steering, axis=-1, keepdims=True)
    return weights / response.conj()  # rounding of a near-singular solve is no distortion


def _white_noise_gain_wanted(least_wng_db: float, steering: np.ndarray) -> float:
    """The gain as a ratio, which delay-and-sum must reach: no weights have more."""
    most_db = 10 * np.log10(np.sum(np.abs(steering) ** 2, axis=-1).min(initial=np.inf))
    if not least_wng_db <= most_db + 1e-9:  # 10 log10 M may be asked for as such
        raise ConfigError(
            f"least_wng_db must be at most {most_db:.2f} dB, what delay-and-sum has; "
            f"got {least_wng_db:g}"
        )
    return float(10 ** (least_wng_db / 10))


def _least_loaded(
    steering: np.ndarray, coherence: np.ndarray, loading: float, least: float
) -> np.ndarray:
    """MVDR weights in (1 - s)Γ + sI with the least share s of white noise that has the gain."""
    white = np.eye(steering.shape[-1])
    low = np.full((len(steering), 1, 1), loading / (1 + loading))
    high = np.ones_like(low)
    for _ in range(HALVINGS):
        share = (low + high) / 2
        weights = mvdr(steering, (1 - share) * coherence + share * white, 0.0)
        enough = (1 / np.sum(np.abs(weights) ** 2, axis=-1) >= least)[:, None, None]
        low, high = np.where(enough, low, share), np.where(enough, share, high)
    return mvdr(steering, (1 - high) * coherence + high * white, 0.0)


def souden_mvdr(
    speech_cov: np.ndarray,
    noise_cov: np.ndarray,
    reference: int = 0,
    loading: float | np.ndarray = LOADING,
) -> np.ndarray:
    """MVDR without a steering vector, from the two covariances alone.

        w = Φₙ⁻¹ Φₛ e_ref / tr(Φₙ⁻¹ Φₛ)        (Souden, Benesty & Affes 2010, eq. 14)

    Where Φₛ has rank one this is `mvdr` with the relative transfer function of the speech.

    Parameters
    ----------
    speech_cov, noise_cov : complex ndarray, shape (F, M, M)
    reference : int
        Microphone whose speech is kept undistorted.
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
        If a covariance is singular, not finite, or holds no speech.
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


def solve(cov: np.ndarray, right: np.ndarray, loading: float | np.ndarray = 0.0) -> np.ndarray:
    """(Φ + δ tr(Φ)/M I)⁻¹ right for each bin, by Cholesky factors.

    Parameters
    ----------
    cov : complex ndarray, shape (F, M, M)
        Hermitian.
    right : complex ndarray, shape (F, M, K)
    loading : float or ndarray, shape (F,)
        δ, relative.

    Returns
    -------
    answer : complex128 ndarray, shape (F, M, K)

    Raises
    ------
    NumericalError
        If a loaded covariance is not positive definite, or not finite.
    """
    answer = np.empty(right.shape, np.complex128)
    positive = np.empty(len(cov), np.bool_)
    kernels.solve_loaded(
        np.asarray(cov, np.complex128),
        np.broadcast_to(np.asarray(loading, np.float64), len(cov)),
        np.asarray(right, np.complex128),
        answer,
        positive,
    )
    if not positive.all():
        raise NumericalError(
            f"the noise covariance of bin {np.argmin(positive)} is singular; "
            f"use loading > 0 or more frames"
        )
    if not np.isfinite(answer).all():
        finite = np.isfinite(answer).all(axis=(-2, -1))
        raise NumericalError(f"the covariances of bin {np.argmin(finite)} are not finite")
    return answer
