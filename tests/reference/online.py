"""Slow recursive beamformers: every covariance written out and inverted in every frame.

All bins side by side, spectra (F, M, T). A first sound begins with Φ = δ |x|² / M · I, and
frame t loads microphone t mod M. It never begins anew, however much louder it gets.
"""

import numpy as np


def noise_covariances(spec, weight, forget, loading):
    """Φ <- (1 - β γ) Φ + γ x xᴴ + β γ δ tr Φ e eᵀ after each frame, and Σ γ, which fades alike."""
    n_freqs, n_mics, n_frames = spec.shape
    phi = np.zeros((n_freqs, n_mics, n_mics), complex)
    trace, total = np.zeros(n_freqs), np.zeros(n_freqs)
    for t in range(n_frames):
        x = spec[:, :, t].astype(complex)
        power = np.sum(np.abs(x) ** 2, axis=1)
        for f in np.flatnonzero((trace == 0) & (power > 0)):
            trace[f] = loading * power[f]
            phi[f] = trace[f] / n_mics * np.eye(n_mics)
        gamma = np.where(power > 0, weight[:, t].astype(float), 0)
        fade = 1 - forget * gamma
        phi = fade[:, None, None] * phi
        phi += gamma[:, None, None] * x[:, :, None] * x[:, None].conj()
        trace = fade * trace + gamma * power
        total = fade * total + gamma
        phi[:, t % n_mics, t % n_mics] += forget * gamma * loading * trace
        yield phi, total


def speech_covariances(spec, weight, forget):
    """Mean of x xᴴ weighted by γ, which fades by 1 - β γ, after each frame."""
    n_freqs, n_mics, n_frames = spec.shape
    phi, total = np.zeros((n_freqs, n_mics, n_mics), complex), np.zeros(n_freqs)
    for t in range(n_frames):
        x, gamma = spec[:, :, t].astype(complex), weight[:, t].astype(float)
        phi = (1 - forget * gamma)[:, None, None] * phi
        phi += gamma[:, None, None] * x[:, :, None] * x[:, None].conj()
        total = (1 - forget * gamma) * total + gamma
        yield phi / total[:, None, None]


def steered_mvdr(spec, weight, steering, forget, loading):
    """w = Φ⁻¹ a / (aᴴ Φ⁻¹ a): output (F, T), last weights, last mean covariance."""
    outputs, mean = [], None
    for t, (phi, total) in enumerate(noise_covariances(spec, weight, forget, loading)):
        mean = phi / total[:, None, None]
        w = np.linalg.solve(mean, steering[:, :, None])[:, :, 0]
        w /= np.sum(steering.conj() * w, axis=1, keepdims=True)
        outputs.append(np.sum(w.conj() * spec[:, :, t], axis=1))
    return np.stack(outputs, axis=1), w, mean


def blind_mwf(spec, speech_weight, noise_weight, mu, reference, forget, loading, level_keep):
    """w = Φₙ⁻¹ Φₛ e / (μ + tr Φₙ⁻¹ Φₛ), then one gain that restores the level of speech.

    Speech is what Φₛ holds above Φₙ, at the reference (Φₙ without its loading) and at the output;
    the gain learns as far as it holds speech, from 1.4 on.
    """
    outputs, smooth, heard = [], 1.4, np.zeros(len(spec))
    noise = noise_covariances(spec, noise_weight, forget, loading)
    speech = speech_covariances(spec, speech_weight, forget)
    for t, ((phi, total), phi_s) in enumerate(zip(noise, speech, strict=True)):
        ratio = np.linalg.solve(phi / total[:, None, None], phi_s)
        below = mu + np.trace(ratio, axis1=1, axis2=2).real
        w = ratio[:, :, reference] / below[:, None]
        gamma = noise_weight[:, t].astype(float)
        heard = (1 - forget * gamma) * heard + gamma * np.abs(spec[:, reference, t]) ** 2
        at_reference = np.sum(phi_s[:, reference, reference].real)
        before = at_reference - np.sum(heard / total)
        above = phi_s - phi / total[:, None, None]
        after = np.einsum("fi,fij,fj->", w.conj(), above, w).real
        if before > 0 and after > 0:
            rate = (1 - level_keep) * before / at_reference
            smooth += rate * (np.sqrt(before / after) - smooth)
        outputs.append(smooth * np.sum(w.conj() * spec[:, :, t], axis=1))
    return np.stack(outputs, axis=1), w


def sidelobe_canceller(spec, weight, fixed, blocking, forget, loading, most_norm):
    """g <- g + γ Φ_z⁻¹ z (w_qᴴx - gᴴz)*, shortened to ‖w_q‖² + ‖g‖² at most `most_norm`."""
    z = np.einsum("fmk,fmt->fkt", blocking.conj(), spec.astype(complex))
    g = np.zeros((*fixed.shape[:1], z.shape[1]), complex)
    room = most_norm - np.sum(np.abs(fixed) ** 2, axis=1)
    outputs = []
    for t, (phi, _) in enumerate(noise_covariances(z, weight, forget, loading)):
        desired = np.sum(fixed.conj() * spec[:, :, t], axis=1)
        error = desired - np.sum(g.conj() * z[:, :, t], axis=1)
        step = np.linalg.solve(phi, z[:, :, t, None])[:, :, 0]
        g = g + (weight[:, t] * error.conj())[:, None] * step
        norm = np.sum(np.abs(g) ** 2, axis=1)
        g = g * np.sqrt(np.minimum(1, room / np.maximum(norm, 1e-300)))[:, None]
        outputs.append(desired - np.sum(g.conj() * z[:, :, t], axis=1))
    return np.stack(outputs, axis=1), fixed - np.einsum("fmk,fk->fm", blocking, g)
