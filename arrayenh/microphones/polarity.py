"""Detection of microphones with inverted polarity, from low-frequency correlations."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from arrayenh import _kernels

POLARITY_BAND_HZ = (80.0, 500.0)
"""Band in which voices have power and microphones 25 cm apart are nearly in phase."""

NEAR_LAG, FAR_LAG = 0.75e-3, 3e-3
"""Lags, seconds. Up to a travel of 26 cm a prominent negative peak is a flip, unless a higher
positive peak up to 1 m explains it as a delay. A pure tone at microphones more than 1 m apart
may still be mistaken for a flip."""

FLIP_CORRELATION, FLIP_RATIO, FAR_RATIO = 0.5, 1.5, 1.1
"""Least height of a negative peak, and its least ratio to the positive peaks at near and at far
lags."""


def flipped(signs: np.ndarray, distinct: np.ndarray, labels: Sequence[int]) -> dict[int, str]:
    """Channels of inverted polarity, by majority within groups of correlated channels.

    Pairs with a clear sign link the channels into groups. The leading eigenvector of the signs
    splits a group into two sets of opposite polarity. The smaller set is flipped; of two equal
    sets, the one without the group's first channel.
    """
    found: dict[int, str] = {}
    votes = signs[np.ix_(distinct, distinct)]
    n_groups, group_of = connected_components(csr_array(votes != 0), directed=False)
    for group in (np.flatnonzero(group_of == g) for g in range(n_groups)):
        if not (votes[np.ix_(group, group)] < 0).any():
            continue
        camp = np.linalg.eigh(votes[np.ix_(group, group)])[1][:, -1] > 0
        camp = camp == camp[0]
        tied = 2 * camp.sum() == group.size
        upright = group[camp] if tied or 2 * camp.sum() > group.size else group[~camp]
        fault = f"flipped relative to channel {labels[distinct[group[0]]]}" if tied else "flipped"
        for m in np.setdiff1d(group, upright):
            if votes[m, upright].sum() < 0:  # the majority of clear pairs is negative
                found[int(distinct[m])] = fault
    return found


class LaggedCorrelation:
    """Correlations between channels in the low band, at lags up to 3 ms.

    The band-passed signals are decimated to about 4 kHz, which resolves lags of 0.25 ms.
    """

    def __init__(self, n_mics: int, sample_rate: int):
        low, high = POLARITY_BAND_HZ
        self._filtered = _kernels.polarity.filtered
        self._sections = band_pass(low, high, sample_rate)
        self._state = np.zeros((len(self._sections), n_mics, 2))
        self._stride = max(round(sample_rate / 4000), 1)
        kept_rate = sample_rate / self._stride
        self._n_near = math.ceil(NEAR_LAG * kept_rate)
        self._n_far = math.ceil(FAR_LAG * kept_rate)
        self._phase = 0  # samples until the next one kept by the decimation
        self._tail = np.zeros((n_mics, self._n_far))
        self._power = np.zeros(n_mics)
        self._product = np.zeros((self._n_far + 1, n_mics, n_mics))

    def update(self, block: np.ndarray) -> None:
        """Process the next samples, float64, shape (M, n)."""
        low = self._filtered(self._sections, np.asarray(block, np.float64), self._state)
        kept = np.ascontiguousarray(low[:, self._phase :: self._stride])
        self._phase = (self._phase - block.shape[1]) % self._stride
        if kept.shape[1] == 0:
            return
        joined = np.concatenate((self._tail, kept), axis=1)
        n_kept = kept.shape[1]
        for lag in range(self._n_far + 1):
            start = self._n_far - lag
            delayed = joined[:, start : start + n_kept]
            self._product[lag] += inner_products(kept, delayed)
        self._power += np.einsum("mn,mn->m", kept, kept)
        self._tail = joined[:, joined.shape[1] - self._n_far :].copy()

    def signs(self) -> np.ndarray:
        """Relative polarity: +1 equal, -1 opposite, 0 unclear; int, symmetric, shape (M, M)."""
        norm = np.sqrt(np.outer(self._power, self._power))
        late = np.divide(self._product, norm, out=np.zeros_like(self._product), where=norm > 0)
        both = np.concatenate((late, late[1:].transpose(0, 2, 1)))
        lag = np.concatenate((np.arange(len(late)), np.arange(1, len(late))))
        near = both[lag <= self._n_near]
        alike = _stands_out(near.max(axis=0), -near.min(axis=0), -both.min(axis=0))
        opposite = _stands_out(-near.min(axis=0), near.max(axis=0), both.max(axis=0))
        signs = alike.astype(np.int64) - opposite.astype(np.int64)
        np.fill_diagonal(signs, 0)
        return signs


def band_pass(low: float, high: float, sample_rate: int) -> np.ndarray:
    """Butterworth band pass of order 2, float64, shape (2, 6): b0 b1 b2 1 a1 a2 of each section.

    An analogue low pass is transformed to the band, and then by the bilinear transform.
    (`scipy.signal.butter` is equivalent, but costs 35 MB and 0.1 s to import.)

    References
    ----------
    A. Oppenheim and R. Schafer, "Discrete-time signal processing", 3rd ed., 2010, ch. 7 and
    appendix B.
    """
    edges = 2 * sample_rate * np.tan(np.pi * np.array([low, high]) / sample_rate)
    half_width, centre = (edges[1] - edges[0]) / 2, edges[0] * edges[1]
    pole = np.exp(0.75j * np.pi) * half_width
    split = np.sqrt(pole**2 - centre)
    poles = np.array([pole + split, pole - split])
    poles = (2 * sample_rate + poles) / (2 * sample_rate - poles)
    sections = np.zeros((2, 6))
    sections[:, 0], sections[:, 2], sections[:, 3] = 1, -1, 1  # zeros at 0 and half the rate
    sections[:, 4], sections[:, 5] = -2 * poles.real, np.abs(poles) ** 2
    at_centre = np.exp(-2j * np.arctan(np.sqrt(centre) / (2 * sample_rate)) * np.arange(3))
    sections[:, :3] /= np.abs((sections[:, :3] @ at_centre) / (sections[:, 3:] @ at_centre))[
        :, None
    ]
    return sections


def inner_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Inner products Σ_n x(n) y(n)ᵀ, shape (M, M), for x and y of shape (M, n)."""
    # pieces small enough that BLAS uses one thread: on a busy machine its threads wait for each
    # other, and one second of 16 channels would take 100 times longer
    n_mics, n_samples = x.shape
    step = max(200_000 // n_mics**2, 16)
    total = np.zeros((n_mics, n_mics))
    for start in range(0, n_samples, step):
        total += x[:, start : start + step] @ y[:, start : start + step].T
    return total


def _stands_out(peak: np.ndarray, rival_near: np.ndarray, rival_far: np.ndarray) -> np.ndarray:
    return (
        (peak >= FLIP_CORRELATION)
        & (peak >= FLIP_RATIO * rival_near)
        & (peak >= FAR_RATIO * rival_far)
    )
