"""Filter-and-sum: beams of constant width, and beamformers as FIR filters."""

from functools import partial

import numpy as np

from arrayenh.acoustics.steering import SPEED_OF_SOUND, delays
from arrayenh.beamformers.beamformer import Beamformer, BeamformerSettings, Look, Statistics
from arrayenh.beamformers.filters import Filters
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.statistics.loading import solve

GRID_DEG = 5.0  # spacing of the directions of the design
LEAST_WNG_DB = -10.0
LOADING_STEP, MOST_STEPS = 2.0, 60


def beam_of_width(
    positions: np.ndarray,
    azimuth: float,
    freqs: np.ndarray,
    width: float = np.pi / 2,
    elevation: float = 0.0,
    *,
    least_wng_db: float = LEAST_WNG_DB,
    reference: int = 0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> np.ndarray:
    """Weights of a beam of constant width at all frequencies, as far as the array allows.

        min_w  Σ_u |wᴴ a(u) - b(u)|² + ν wᴴw   with   wᴴ a(u₀) = 1

    over all azimuths u. The desired response b, relative to the reference microphone, is 1 in the
    look direction and falls as cos² to half power at the edges of the beam and then to zero. ν is
    increased until the white-noise gain reaches its lower bound.

    Parameters
    ----------
    positions : float ndarray, shape (M, 3)
        Metres.
    azimuth, elevation : float
        Look direction, radians.
    freqs : float ndarray, shape (F,)
        Hz.
    width : float
        Width between the half-power directions, radians, in (0, π].
    least_wng_db : float
        Lower bound of the white-noise gain, at most that of delay-and-sum, 10 log₁₀ M.
    reference : int
    speed_of_sound : float
        m/s.

    Returns
    -------
    weights : complex128 ndarray, shape (F, M)
        wᴴa = 1 in the look direction.

    Raises
    ------
    ConfigError
        If the width is out of range, or no weights can reach the white-noise gain.

    References
    ----------
    S. Doclo and M. Moonen, "Design of far-field and near-field broadband beamformers using
    eigenfilters", Signal Process. 83, 2003, section 3.1; E. Mabande, A. Schad and W.
    Kellermann, "Design of robust superdirective beamformers as a convex optimization
    problem", ICASSP 2009, eq. 6.

    Examples
    --------
    >>> positions = np.array([[0, y, 0] for y in (0.06, 0.02, -0.02, -0.06)])
    >>> weights = beam_of_width(positions, 0.0, np.array([1000.0, 2000.0]), width=np.pi / 3)
    >>> weights.sum(axis=1).real.round(6)  # broadside: wᴴa = 1
    array([1., 1.])
    """
    if not 0 < width <= np.pi:
        raise ConfigError(f"width must be above 0 and at most π; got {width:g}")
    most_db = 10 * np.log10(len(positions))
    if not least_wng_db <= most_db + 1e-9:
        raise ConfigError(f"least_wng_db must be at most {most_db:.2f} dB; got {least_wng_db:g}")
    grid = azimuth + np.deg2rad(np.arange(-180.0, 180.0, GRID_DEG))
    heard = partial(delays, positions, reference=reference, speed_of_sound=speed_of_sound)
    tau = heard(azimuth=grid, elevation=elevation)  # (U, M)
    omega = 2 * np.pi * np.asarray(freqs, np.float64)
    steering = np.exp(-1j * omega[:, None, None] * tau)  # (F, U, M)
    look = np.exp(-1j * omega[:, None] * heard(azimuth=azimuth, elevation=elevation))
    wanted = wanted_response(grid - azimuth, width)
    gram = np.einsum("fum,fun->fmn", steering, steering.conj(), optimize=True) / len(grid)
    cross = np.einsum("fum,u->fm", steering, wanted) / len(grid)
    share = np.full(len(omega), 1e-9)
    weights = constrained(gram, cross, look, share)
    least = 10 ** (least_wng_db / 10)
    for _ in range(MOST_STEPS):
        poor = 1 / np.sum(np.abs(weights) ** 2, axis=1) < least * (1 - 1e-9)
        if not poor.any():
            break
        share[poor] *= LOADING_STEP
        weights[poor] = constrained(gram[poor], cross[poor], look[poor], share[poor])
    return weights


def wanted_response(angle: np.ndarray, width: float) -> np.ndarray:
    """Desired response: cos² of the angle, half power at ± width/2, 0 beyond the first zero."""
    away = np.abs((angle + np.pi) % (2 * np.pi) - np.pi)
    # cos²(s·width/2) = 1/√2
    scaled = away * np.arccos(2**-0.25) / (width / 2)
    return np.where(scaled < np.pi / 2, np.cos(scaled) ** 2, 0.0)


def constrained(
    gram: np.ndarray, cross: np.ndarray, look: np.ndarray, share: np.ndarray
) -> np.ndarray:
    """Least squares with wᴴa = 1: the unconstrained solution, corrected along R⁻¹ a."""
    loaded = gram + share[:, None, None] * np.eye(gram.shape[1])
    both = solve(loaded, np.stack([cross, look], axis=2))
    free, towards = both[:, :, 0], both[:, :, 1]
    gain = np.sum(look.conj() * towards, axis=1).real
    missing = 1 - np.sum(look.conj() * free, axis=1)
    weights = free + (missing / gain)[:, None] * towards
    response = np.sum(weights.conj() * look, axis=1, keepdims=True)
    return weights / response.conj()  # removes the rounding error of wᴴa = 1


def fir_filters(weights: np.ndarray, n_taps: int | None = None) -> np.ndarray:
    """FIR filters in the time domain for weights at the bins of a real FFT.

    Parameters
    ----------
    weights : complex ndarray, shape (F, M)
        At the frequencies of `rfftfreq(2 (F - 1))`.
    n_taps : int, optional
        Even length; at most, and by default, 2 (F - 1).

    Returns
    -------
    filters : float64 ndarray, shape (M, n_taps)
        Windowed if shorter than the FFT; their delay is n_taps / 2 samples.

    Raises
    ------
    ConfigError
        If the length is odd or too large.

    Examples
    --------
    >>> fir_filters(np.ones((3, 1))).round(3)
    array([[0., 0., 1., 0.]])
    """
    n_fft = 2 * (len(weights) - 1)
    n_taps = n_fft if n_taps is None else n_taps
    if n_taps < 2 or n_taps % 2 or n_taps > n_fft:
        raise ConfigError(f"n_taps must be even and 2 to {n_fft}; got {n_taps}")
    response = np.fft.irfft(weights.conj().T, n_fft)  # y = wᴴx, so the filters have the response w*
    middle = np.roll(response, n_taps // 2, axis=1)[:, :n_taps]
    if n_taps == n_fft:
        return middle
    return middle * np.hanning(n_taps + 1)[:-1]


def filter_and_sum(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Filter each microphone and sum, in the time domain.

        y(n) = Σ_m Σ_k h_m(k) x_m(n + K/2 - k)

    Parameters
    ----------
    samples : float ndarray, shape (M, N)
    filters : float ndarray, shape (M, K)
        See `fir_filters`.

    Returns
    -------
    summed : float32 ndarray, shape (N,)
        Aligned with the reference microphone: the delay of the filters is compensated.

    Raises
    ------
    ShapeError
        If M differs.

    Examples
    --------
    >>> samples = np.array([[1.0, 2, 3], [1, 2, 3]])
    >>> filter_and_sum(samples, np.array([[0, 0.5], [0, 0.5]])).round(3)
    array([1., 2., 3.], dtype=float32)
    """
    if samples.ndim != 2 or filters.ndim != 2 or len(samples) != len(filters):
        raise ShapeError(
            f"samples (M, N) and filters (M, K) must share M; got {samples.shape}, {filters.shape}"
        )
    from scipy.signal import oaconvolve  # costs 35 MB, which no other beamformer needs

    delay = filters.shape[1] // 2
    summed = oaconvolve(samples.astype(np.float64), filters, axes=1).sum(axis=0)
    return summed[delay : delay + samples.shape[1]].astype(np.float32)


def estimate_filter_and_sum(heard: Statistics, settings: BeamformerSettings) -> Filters:
    """Filter-and-sum filters of a segment."""
    assert heard.design is not None
    return Filters.of(heard.design)


def design_beam(look: Look, settings: BeamformerSettings) -> np.ndarray:
    """Design the weights of a beam of constant width, (F, M)."""
    return beam_of_width(look.positions, look.azimuth, look.freqs, reference=look.reference)


FILTER_AND_SUM = Beamformer(
    "filter-and-sum",
    "filter-and-sum",
    "a beam of constant width at all frequencies",
    estimate_filter_and_sum,
    steering="required",
    fixed=True,
    design=design_beam,
)
