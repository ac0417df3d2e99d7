"""Slow covariances, from the formula, in double precision."""

import numpy as np


def spatial_covariance(spec, mask):
    """Φ(f) = Σ_t γ(f,t) x(f,t) x(f,t)ᴴ / Σ_t γ(f,t)."""
    x, gamma = spec.astype(np.complex128), mask.astype(np.float64)
    outer = np.einsum("ft,fit,fjt->fij", gamma, x, x.conj())
    return outer / gamma.sum(axis=1)[:, None, None]
