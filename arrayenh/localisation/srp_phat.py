"""SRP-PHAT localisation: the direction with the highest steered response power."""

from dataclasses import dataclass

import numpy as np

from arrayenh import _kernels
from arrayenh.acoustics.steering import SPEED_OF_SOUND, direction
from arrayenh.errors import ShapeError

GRID_DEG = 1.0
LONG = 1 << 20  # size of a spectrum from which several threads pay off
LEAST_MAGNITUDE = 1e-30  # below it the phase is undefined
LEAST_WEIGHT = np.float32(1e-6)  # floor of a mask: if it is empty, all frames count equally
BAND_HZ = (
    200.0,
    6000.0,
)  # below, small arrays have no phase differences; above, speech has little power
SAME_BASELINE = 1e-9  # metres, tolerance of equal baselines


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of microphones, grouped by baseline.

    Pairs with the same baseline have the same delay for every direction, so their cross-spectra
    are added before steering. A uniform line of eight microphones has 28 pairs but 7 baselines.

    Attributes
    ----------
    first, second, baseline : int64 ndarray, shape (P,)
        r[first] - r[second] is vectors[baseline].
    vectors : float64 ndarray, shape (B, 3)
        Metres.

    Examples
    --------
    >>> line = np.array([[0.05 * m, 0, 0] for m in range(4)])
    >>> pairs = Pairs.of(line)
    >>> len(pairs.first), len(pairs.vectors)
    (6, 3)
    """

    first: np.ndarray
    second: np.ndarray
    baseline: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, positions: np.ndarray) -> "Pairs":
        """Make all pairs of the microphones at `positions`, shape (M, 3)."""
        positions = np.asarray(positions, np.float64)
        second, first = np.triu_indices(len(positions), k=1)
        apart = np.round((positions[first] - positions[second]) / SAME_BASELINE) + 0.0
        leading = np.take_along_axis(apart, (apart != 0).argmax(axis=1)[:, None], axis=1)[:, 0]
        turned = leading < 0
        first, second = np.where(turned, second, first), np.where(turned, first, second)
        apart[turned] *= -1
        _, chosen, baseline = np.unique(apart, axis=0, return_index=True, return_inverse=True)
        vectors = (positions[first] - positions[second])[chosen]
        return cls(first, second, baseline.reshape(-1), vectors)

    def lags(self, directions: np.ndarray, speed_of_sound: float = SPEED_OF_SOUND) -> np.ndarray:
        """Delays τ_first - τ_second of plane waves from `directions`, (D, 3) -> (B, D), seconds."""
        return -(self.vectors @ directions.T) / speed_of_sound


def cross_spectra(spec: np.ndarray, weight: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Phase-transformed cross-spectra, summed over frames and over pairs of equal baseline.

        R_b(f) = Σ_(m,n)∈b Σ_t γ(f,t) x_m x_n* / |x_m x_n*|

    Parameters
    ----------
    spec : complex ndarray, shape (F, M, T)
    weight : float ndarray, shape (F, T)
        γ.
    pairs : Pairs

    Returns
    -------
    cross : complex128 ndarray, shape (F, B)

    Examples
    --------
    >>> pairs = Pairs.of(np.array([[0.0, 0, 0], [0.05, 0, 0]]))
    >>> spec = np.array([[[1, 2], [1, 2]]], np.complex64)
    >>> cross_spectra(spec, np.ones((1, 2), np.float32), pairs).real
    array([[2.]])
    """
    cross = np.zeros((len(spec), len(pairs.vectors)), np.complex128)
    gather = (
        _kernels.srp_phat.phase_cross_spectra_of_long
        if spec.size >= LONG
        else _kernels.srp_phat.phase_cross_spectra
    )
    gather(spec, weight, LEAST_MAGNITUDE, pairs.first, pairs.second, pairs.baseline, cross)
    return cross


def steered_power(cross: np.ndarray, freqs: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Steered response power of each direction u: Σ_f Σ_b Re{R_b(f) exp(+j2πf τ_b(u))}.

    Parameters
    ----------
    cross : complex ndarray, shape (F, B)
    freqs : float ndarray, shape (F,)
        Hz.
    lags : float ndarray, shape (B, D)
        Seconds; see `Pairs.lags`.

    Returns
    -------
    power : float64 ndarray, shape (D,)

    Examples
    --------
    >>> lags = np.array([[0.0, 5e-4]])
    >>> steered_power(np.ones((1, 1), complex), np.array([1000.0]), lags).round(3)
    array([ 1., -1.])
    """
    power = np.zeros(lags.shape[1])
    if len(freqs) and len(lags):
        omega = 2 * np.pi * np.asarray(freqs, np.float64)
        re, im = np.ascontiguousarray(cross.real), np.ascontiguousarray(cross.imag)
        _kernels.srp_phat.steered_sum(re, im, omega, np.ascontiguousarray(lags), power)
    return power


def steered_forms(
    hermitian: np.ndarray, freqs: np.ndarray, pairs: Pairs, lags: np.ndarray
) -> np.ndarray:
    """Quadratic forms a(f,u)ᴴ C(f) a(f,u) of each bin and direction u.

    Parameters
    ----------
    hermitian : complex ndarray, shape (F, M, M)
        C; a is the steering vector of u.
    freqs : float ndarray, shape (F,)
        Hz.
    pairs : Pairs
    lags : float ndarray, shape (B, D)
        Seconds; see `Pairs.lags`.

    Returns
    -------
    forms : float64 ndarray, shape (F, D)

    Examples
    --------
    >>> pairs = Pairs.of(np.array([[0.0, 0, 0], [0.05, 0, 0]]))
    >>> lags = pairs.lags(np.array([[0.0, 1, 0]]))
    >>> steered_forms(np.ones((1, 2, 2), complex), np.array([1000.0]), pairs, lags)
    array([[4.]])
    """
    forms = np.zeros((len(hermitian), lags.shape[1]))
    if len(freqs) and len(lags):
        cross = np.zeros((len(hermitian), len(lags)), np.complex128)
        entries = hermitian[:, pairs.first, pairs.second]  # (F, P)
        np.add.at(cross.T, pairs.baseline, entries.T)
        omega = 2 * np.pi * np.asarray(freqs, np.float64)
        re, im = np.ascontiguousarray(cross.real), np.ascontiguousarray(cross.imag)
        _kernels.srp_phat.steered_bins(re, im, omega, np.ascontiguousarray(lags), forms)
    return 2 * forms + np.einsum("fmm->f", hermitian).real[:, None]


def srp_phat(
    spec: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    azimuth: np.ndarray | None = None,
    elevation: float | np.ndarray = 0.0,
    speed_of_sound: float = SPEED_OF_SOUND,
) -> tuple[np.ndarray, np.ndarray]:
    """Steered response power with phase transform, over azimuth or any directions.

        P(u) = Σ_f Σ_{m≠n} a_m* R_mn a_n / Σ_f Σ_{m≠n} Σ_t γ,
        R_mn(f) = Σ_t γ(f,t) x_m x_n* / |x_m x_n*|,   a the steering vector of u

    (DiBiase 2000, eq. 6.28, weighted by a speech mask γ; over 200 to 6000 Hz.)

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    positions : float ndarray, shape (M, 3)
        Metres.
    freqs : float ndarray, shape (F,)
        Hz.
    mask : float ndarray, shape (F, T), optional
    azimuth : float ndarray, shape (A,), optional
        Radians. Default: the full circle in steps of one degree.
    elevation : float or ndarray, shape (A,)
        Radians, for each azimuth or for all.

    Returns
    -------
    azimuth : float64 ndarray, shape (A,)
        Radians, [-π, π) unless given.
    power : float64 ndarray, shape (A,)
        At most 1, for a plane wave from that direction in every bin.

    Raises
    ------
    ShapeError
        If F, M or T differ.

    Examples
    --------
    >>> from arrayenh.acoustics.steering import plane_wave
    >>> positions = np.array([[0.0, 0, 0], [0.05, 0, 0], [0, 0.05, 0]])
    >>> freqs = np.arange(0.0, 4000.0, 250.0)
    >>> spec = plane_wave(positions, np.pi / 4, freqs)[:, :, None].astype(np.complex64)
    >>> azimuth, power = srp_phat(spec, positions, freqs)
    >>> np.rad2deg(azimuth[power.argmax()]).round(3).item(), power.max().round(3).item()
    (45.0, 1.0)
    """
    check_spectrum(spec, positions, freqs)
    if azimuth is None:
        azimuth = np.deg2rad(np.arange(-180.0, 180.0, GRID_DEG))
    band, pairs = in_band(freqs), Pairs.of(positions)
    weight = checked_weight(spec, mask)[band]
    cross = cross_spectra(spec[band], weight, pairs)
    lags = pairs.lags(direction(azimuth, elevation), speed_of_sound)
    power = steered_power(cross, freqs[band], lags)
    most = len(pairs.first) * weight.sum(dtype=np.float64)
    return azimuth, power / max(most, np.finfo(float).tiny)


def localise(
    spec: np.ndarray,
    positions: np.ndarray,
    freqs: np.ndarray,
    mask: np.ndarray | None = None,
) -> float:
    """Azimuth of the highest power of `srp_phat`, radians.

    A linear array cannot distinguish a direction from its mirror image; the one on its +y side is
    returned.

    Examples
    --------
    >>> from arrayenh.acoustics.steering import plane_wave
    >>> positions = np.array([[0.0, 0, 0], [0.05, 0, 0], [0, 0.05, 0]])
    >>> freqs = np.arange(0.0, 4000.0, 250.0)
    >>> spec = plane_wave(positions, np.pi / 4, freqs)[:, :, None].astype(np.complex64)
    >>> round(np.rad2deg(localise(spec, positions, freqs)).item(), 3)
    45.0
    """
    azimuth, power = srp_phat(spec, positions, freqs, mask)
    best = np.flatnonzero(power >= power.max() - 1e-9 * abs(power.max()))
    return float(max(azimuth[best], key=lambda angle: np.sin(angle)))


def in_band(freqs: np.ndarray) -> slice | np.ndarray:
    """Bins in the speech band, as a slice (which avoids a copy) if they are contiguous."""
    bins = np.flatnonzero((freqs >= BAND_HZ[0]) & (freqs <= BAND_HZ[1]))
    whole = len(bins) > 0 and bins[-1] - bins[0] == len(bins) - 1
    return slice(bins[0], bins[-1] + 1) if whole else bins


def check_spectrum(spec: np.ndarray, positions: np.ndarray, freqs: np.ndarray) -> None:
    """Raise ShapeError if spectrum, positions and frequencies do not match."""
    if spec.ndim != 3 or positions.shape != (spec.shape[1], 3) or len(freqs) != len(spec):
        raise ShapeError(
            f"spec (F, M, T), positions (M, 3) and freqs (F,) must agree; "
            f"got {spec.shape}, {positions.shape}, {freqs.shape}"
        )


def checked_weight(spec: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Check that a mask fits `spec`, and apply its floor; shape (F, T)."""
    if mask is None:
        return np.ones((len(spec), spec.shape[2]), np.float32)
    if mask.shape != (len(spec), spec.shape[2]):
        raise ShapeError(
            f"mask must have shape (F, T) = {(len(spec), spec.shape[2])} to match spec; "
            f"got {mask.shape}"
        )
    return np.maximum(mask, LEAST_WEIGHT)
