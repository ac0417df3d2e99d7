"""Slow mixture of complex angular-central Gaussians, in double precision."""

import numpy as np


def loaded_log_density(z, shape, loading):
    """log A(z; B) but for a constant, of unit vectors (M, T); B of trace M, loaded."""
    n_mics = len(z)
    shape = shape / (np.trace(shape).real / n_mics) + loading * np.eye(n_mics)
    _, log_det = np.linalg.slogdet(shape)
    q = np.einsum("it,it->t", z.conj(), np.linalg.solve(shape, z)).real
    return -log_det - n_mics * np.log(q), q


def cacgmm(spec, initial, iterations, shared_priors=True, loading=0.0):
    """Ito, Araki & Nakatani (2016), eqs. 9 to 13; every frame holds sound.

    Returns the posteriors (F, K, T) and the mean log-likelihood after each iteration.
    """
    n_freqs, n_mics, n_frames = spec.shape
    n_classes = initial.shape[1]
    x = spec.astype(np.complex128)
    z = x / np.linalg.norm(x, axis=1, keepdims=True)
    gamma = np.asarray(initial, float) / initial.sum(axis=1, keepdims=True)
    q = np.ones_like(gamma)
    likelihoods = []
    for _ in range(iterations):
        if shared_priors:
            prior = np.broadcast_to(gamma.mean(axis=0), gamma.shape)
        else:
            prior = np.broadcast_to(gamma.mean(axis=2, keepdims=True), gamma.shape)
        log_joint = np.empty_like(gamma)
        for f in range(n_freqs):
            for k in range(n_classes):
                shape = np.zeros((n_mics, n_mics), complex)
                for t in range(n_frames):
                    shape += gamma[f, k, t] / q[f, k, t] * np.outer(z[f, :, t], z[f, :, t].conj())
                log_density, q[f, k] = loaded_log_density(z[f], shape, loading)
                log_joint[f, k] = np.log(prior[f, k]) + log_density
        total = np.logaddexp.reduce(log_joint, axis=1, keepdims=True)
        gamma = np.exp(log_joint - total)
        likelihoods.append(total.mean())
    return gamma, likelihoods
