"""Slow multichannel post-filters, one pair of microphones at a time."""

import numpy as np


def smoothed(values, keep):
    """Recursive mean over the last axis, at first the plain one."""
    out = np.array(values, dtype=np.complex128)
    for t in range(1, out.shape[-1]):
        new = max(1 - keep, 1 / (t + 1))
        out[..., t] = (1 - new) * out[..., t - 1] + new * out[..., t]
    return out


def speech_psd(spec, steering, keep, coherence=None, most_coherence=1.0):
    """φ_s(t) of one bin from the pairs of aligned microphones x̃ = x a*/|a|, (t,).

    Re φ_ij - Γ̃ ½(φ_ii + φ_jj) = (|a_i||a_j| - Γ̃ ½(|a_i|² + |a_j|²)) φ_s, by least squares.
    """
    level = np.abs(steering)
    turn = steering.conj() / level
    x = spec * turn[:, None]
    left, right = [], []
    for i in range(len(x)):
        for j in range(i):
            alike = 0.0
            if coherence is not None:
                alike = min((coherence[i, j] * turn[i] * np.conj(turn[j])).real, most_coherence)
            cross = smoothed(x[i] * x[j].conj(), keep).real
            auto = smoothed(abs(x[i]) ** 2 + abs(x[j]) ** 2, keep).real
            left.append(level[i] * level[j] - alike * (level[i] ** 2 + level[j] ** 2) / 2)
            right.append(cross - alike * auto / 2)
    return np.linalg.lstsq(np.array(left)[:, None], np.array(right), rcond=None)[0][0]


def gain(spec, steering, keep, least, coherence=None, most_coherence=1.0, output=None):
    """φ_s over the power of the output, or of the mean microphone, in [least, 1], (t,)."""
    speech = speech_psd(spec, steering, keep, coherence, most_coherence)
    if output is None:
        mean = np.mean(np.abs(spec) ** 2, axis=0) / np.mean(np.abs(steering) ** 2)
    else:
        mean = np.abs(output) ** 2
    return np.clip(speech / smoothed(mean, keep).real, least, 1)
