"""GCC-PHAT: time difference of arrival between two microphones."""

import numpy as np

from arrayenh.errors import ShapeError
from arrayenh.localisation.srp_phat import Pairs, checked_weight, cross_spectra
from arrayenh.microphones.synchrony import parabola_peak

UPSAMPLING = 16  # of the correlation, before parabolic interpolation of the peak


def gcc_phat(
    spec_a: np.ndarray,
    spec_b: np.ndarray,
    sample_rate: float,
    mask: np.ndarray | None = None,
    *,
    most_delay: float | None = None,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Generalised cross-correlation with phase transform of two microphones.

        r(τ) = Σ_f Re{R(f) exp(+j2πfτ)} / Σ_f Σ_t γ,   R(f) = Σ_t γ(f,t) a b* / |a b*|

    over all bins except 0 Hz and half the sample rate, which have no phase. It is computed at
    lags of 1/16 sample; parabolic interpolation of the maximum gives the delay.

    Parameters
    ----------
    spec_a, spec_b : complex ndarray, shape (F, T)
        Spectra with F = n_fft / 2 + 1 bins.
    sample_rate : float
        Hz.
    mask : float ndarray, shape (F, T), optional
        γ, not negative.
    most_delay : float, optional
        Largest lag, seconds, such as distance / c. Default: less than half a frame.

    Returns
    -------
    delay : float
        Seconds; positive if the sound arrives later at a than at b; 0 in silence.
    lags : float64 ndarray, shape (L,)
        Seconds, increasing, within half a frame.
    correlation : float64 ndarray, shape (L,)
        r, in [-1, 1].

    Raises
    ------
    ShapeError
        If the spectra, or the mask, differ in shape.

    References
    ----------
    Knapp & Carter, "The generalized correlation method for estimation of time delay", 1976,
    eq. 12 with the phase transform of table I.

    Examples
    --------
    >>> freqs = np.arange(257) * 16_000 / 512
    >>> late = np.exp(-2j * np.pi * freqs * 1e-4)[:, None]
    >>> delay, _, _ = gcc_phat(late, np.ones_like(late), sample_rate=16_000)
    >>> round(delay, 5)
    0.0001
    """
    if spec_a.ndim != 2 or spec_a.shape != spec_b.shape or len(spec_a) < 3:
        raise ShapeError(
            f"spec_a and spec_b must have one shape (F, T), F > 2; "
            f"got {spec_a.shape} and {spec_b.shape}"
        )
    spec = np.stack([spec_a, spec_b], axis=1)
    weight = checked_weight(spec, mask)[1:-1]
    pair = Pairs.of(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])[::-1])
    cross = np.zeros(len(spec), np.complex128)
    cross[1:-1] = cross_spectra(spec[1:-1], weight, pair)[:, 0]
    n_lags = 2 * (len(spec) - 1) * UPSAMPLING
    circular = np.fft.irfft(cross, n_lags) * n_lags / 2 / weight.sum(dtype=np.float64)
    most = n_lags // 2 - 1
    if most_delay is not None:
        most = min(most, int(np.ceil(most_delay * sample_rate * UPSAMPLING)))
    shifts = np.arange(-most, most + 1)
    correlation = circular[shifts]
    best = int(correlation.argmax()) if correlation.any() else most
    lag = shifts[best] + parabola_peak(circular[shifts[best] + np.arange(-1, 2)])
    return float(lag / (UPSAMPLING * sample_rate)), shifts / (UPSAMPLING * sample_rate), correlation
