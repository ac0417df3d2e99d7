"""Spatial processing in plain NumPy, with batched matrix products over all bins.

It follows the formulas in idiomatic NumPy. `benchmarks.spatial` compares the library's kernels
with it.
"""

from collections.abc import Callable

import numpy as np

Covariance = Callable[[np.ndarray, np.ndarray], np.ndarray]
MASK_FLOOR = 1e-10


def covariance(spec: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted covariance Σ γ x xᴴ / Σ γ by one batched matrix product, (F, M, M)."""
    cov = (spec * weight[:, None]) @ spec.conj().swapaxes(1, 2)
    return cov / weight.sum(axis=1)[:, None, None]


def covariance_einsum(spec: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted covariance by `einsum`, (F, M, M)."""
    cov = np.einsum("ft,fmt,fnt->fmn", weight, spec, spec.conj(), optimize=True)
    return cov / weight.sum(axis=1)[:, None, None]


def souden(speech: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """Souden's MVDR Φₙ⁻¹ Φₛ e₀ / tr(Φₙ⁻¹ Φₛ), (F, M)."""
    ratio = np.linalg.solve(loaded(noise, loading), speech.astype(np.complex128))
    return ratio[:, :, 0] / np.trace(ratio, axis1=1, axis2=2)[:, None]


def loaded(cov: np.ndarray, loading: float) -> np.ndarray:
    """Diagonal loading Φ + δ tr Φ / M I."""
    n_mics = cov.shape[1]
    power = np.trace(cov, axis1=1, axis2=2).real / n_mics
    return cov.astype(np.complex128) + loading * power[:, None, None] * np.eye(n_mics)


def mvdr_chain(
    spec: np.ndarray, speech: np.ndarray, noise: np.ndarray, cov: Covariance = covariance
) -> np.ndarray:
    """Compute covariances, MVDR weights and the output, (F, T)."""
    weights = souden(cov(spec, speech), cov(spec, noise))
    return np.matmul(weights.conj()[:, None].astype(np.complex64), spec)[:, 0]


def cacgmm(spec: np.ndarray, gamma: np.ndarray, iterations: int, loading: float) -> np.ndarray:
    """EM of the cACGMM with priors common to all bins, in the precision of `spec`; (F, K, T)."""
    n_freqs, n_mics, _ = spec.shape
    z = spec / np.maximum(np.linalg.norm(spec, axis=1, keepdims=True), 1e-15)
    quadratic = np.ones_like(gamma)
    for _ in range(iterations):
        prior = gamma.mean(axis=0)
        log = np.empty_like(gamma)
        for k in range(gamma.shape[1]):
            weight = gamma[:, k] / quadratic[:, k]
            shape = (z * weight[:, None]) @ z.conj().swapaxes(1, 2)
            shape *= n_mics / np.trace(shape, axis1=1, axis2=2).real[:, None, None]
            shape = loaded(shape, loading).astype(spec.dtype)
            through = np.linalg.solve(shape, z)
            quadratic[:, k] = np.sum(z.conj() * through, axis=1).real
            sign, log_det = np.linalg.slogdet(shape)
            log[:, k] = (
                np.log(prior[k] + MASK_FLOOR)
                - log_det.real[:, None]
                - n_mics * np.log(quadratic[:, k])
            )
        log -= log.max(axis=1, keepdims=True)
        gamma = np.exp(log)
        gamma /= gamma.sum(axis=1, keepdims=True)
    return gamma


def steered_power(spec: np.ndarray, steering: np.ndarray) -> np.ndarray:
    """SRP-PHAT from a table of steering vectors (F, A, M), (A,)."""
    phases = spec / np.maximum(np.abs(spec), 1e-15)
    cross = phases @ phases.conj().swapaxes(1, 2)
    return np.sum((steering.conj() @ cross) * steering, axis=(0, 2)).real


def recursive_mvdr(
    spec: np.ndarray, speech: np.ndarray, noise: np.ndarray, keep: float
) -> np.ndarray:
    """Souden's MVDR frame by frame, with rank-one inverse updates, all bins at once, (F, T)."""
    n_freqs, n_mics, n_frames = spec.shape
    power = np.mean(np.abs(spec[:, :, 0]) ** 2, axis=1)
    inverse = np.eye(n_mics, dtype=complex) / (1e-3 * power)[:, None, None]
    speech_cov = np.zeros((n_freqs, n_mics, n_mics), np.complex128)
    out = np.empty((n_freqs, n_frames), np.complex64)
    for t in range(n_frames):
        x = spec[:, :, t].astype(np.complex128)
        fade = 1 - (1 - keep) * noise[:, t]
        u = (inverse @ x[:, :, None])[:, :, 0]
        heard = np.sum(x.conj() * u, axis=1).real
        factor = noise[:, t] / (fade + noise[:, t] * heard)
        inverse -= factor[:, None, None] * u[:, :, None] * u[:, None, :].conj()
        inverse /= fade[:, None, None]
        speech_cov *= (1 - (1 - keep) * speech[:, t])[:, None, None]
        speech_cov += speech[:, t, None, None] * x[:, :, None] * x[:, None, :].conj()
        ratio = inverse @ speech_cov
        trace = np.trace(ratio, axis1=1, axis2=2).real
        weights = ratio[:, :, 0] / np.maximum(trace, 1e-300)[:, None]
        out[:, t] = np.sum(weights.conj() * x, axis=1)
    return out


def recursive_canceller(
    spec: np.ndarray, noise: np.ndarray, fixed: np.ndarray, blocking: np.ndarray, keep: float
) -> np.ndarray:
    """Sidelobe canceller by recursive least squares, all bins at once, (F, T)."""
    n_freqs, n_mics, n_frames = spec.shape
    blocked = blocking.conj().swapaxes(1, 2) @ spec
    power = np.mean(np.abs(blocked[:, :, 0]) ** 2, axis=1)
    inverse = np.eye(n_mics - 1, dtype=complex) / (1e-3 * power)[:, None, None]
    noise_filter = np.zeros((n_freqs, n_mics - 1), np.complex128)
    out = np.empty((n_freqs, n_frames), np.complex64)
    for t in range(n_frames):
        z = blocked[:, :, t]
        fade = 1 - (1 - keep) * noise[:, t]
        u = (inverse @ z[:, :, None])[:, :, 0]
        heard = np.sum(z.conj() * u, axis=1).real
        gain = u * (noise[:, t] / (fade + noise[:, t] * heard))[:, None]
        inverse -= gain[:, :, None] * u[:, None, :].conj()
        inverse /= fade[:, None, None]
        main = np.sum(fixed.conj() * spec[:, :, t], axis=1)
        error = main - np.sum(noise_filter.conj() * z, axis=1)
        noise_filter += gain * error.conj()[:, None]
        out[:, t] = main - np.sum(noise_filter.conj() * z, axis=1)
    return out


def multi_frame(spec: np.ndarray, target: np.ndarray, n_delays: int) -> np.ndarray:
    """Least-squares filter over several frames, its output (F, T)."""
    n_frames = spec.shape[2]
    stacked = np.concatenate(
        [np.pad(spec, ((0, 0), (0, 0), (a, 0)))[:, :, :n_frames] for a in range(n_delays)], axis=1
    ).astype(np.complex128)
    cov = stacked @ stacked.conj().swapaxes(1, 2)
    cross = stacked @ target.conj()[:, :, None]
    weights = np.linalg.solve(loaded(cov, 1e-6), cross)
    return np.sum(weights.conj() * stacked, axis=1)


def mwf(speech: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """Multichannel Wiener filter (Φₛ + Φₙ)⁻¹ Φₛ e₀, (F, M)."""
    return np.linalg.solve(speech + loaded(noise, loading), speech)[:, :, 0]


def rank_one_mwf(speech: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """Rank-one MWF Φₙ⁻¹ Φₛ e₀ / (1 + tr(Φₙ⁻¹ Φₛ)), (F, M)."""
    ratio = np.linalg.solve(loaded(noise, loading), speech)
    return ratio[:, :, 0] / (1 + np.trace(ratio, axis1=1, axis2=2))[:, None]


def principal(speech: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Principal eigenvector of Φₙ⁻¹ Φₛ, (F, M)."""
    values, vectors = np.linalg.eig(np.linalg.solve(noise, speech))
    best = values.real.argmax(axis=1)
    return np.take_along_axis(vectors, best[:, None, None], axis=2)[:, :, 0]


def gev(speech: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """GEV beamformer with blind analytic normalisation and the reference's phase, (F, M)."""
    weights = principal(speech, loaded(noise, loading))
    through = (noise @ weights[:, :, None])[:, :, 0]
    power = np.sum(weights.conj() * through, axis=1).real
    gain = np.sqrt(np.sum(np.abs(through) ** 2, axis=1) / speech.shape[1]) / power
    heard = np.sum(weights.conj() * speech[:, :, 0], axis=1)
    return weights * (gain * heard / np.abs(heard))[:, None]


def rtf_by_whitening(speech: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """RTF by covariance whitening: Φₙ times the principal eigenvector, normalised, (F, M)."""
    heard = (loaded(noise, loading) @ principal(speech, loaded(noise, loading))[:, :, None])[
        :, :, 0
    ]
    return heard / heard[:, :1]


def mvdr(steering: np.ndarray, noise: np.ndarray, loading: float = 1e-6) -> np.ndarray:
    """MVDR weights Φₙ⁻¹ a / aᴴ Φₙ⁻¹ a, (F, M)."""
    through = np.linalg.solve(loaded(noise, loading), steering[:, :, None])[:, :, 0]
    return through / np.sum(steering.conj() * through, axis=1)[:, None]
