"""Souden's MVDR beamformer in torch: from a mask to a beamformed spectrum, with gradients.

A mask network can be trained on the loss of the beamformer that its mask steers, and can take the
output of that beamformer as input.
Heymann, Drude, Boeddeker, Hanebrink & Haeb-Umbach, "BEAMNET: end-to-end training of a
beamformer-supported multi-channel ASR system", ICASSP 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arrayenh.beamformers.mvdr import RecursiveMvdr
from arrayenh.beamformers.recursion import MEMORY_SECONDS, RECURSIVE_LOADING
from arrayenh.statistics.covariance import LEAST_MASK
from arrayenh.statistics.loading import CLEAN_SNR, LEAST_LOADING, LOADING

FAINT = 1e-14  # power of a bin re the mean: statistics of fainter bins are not used


@dataclass(frozen=True, slots=True)
class Beamed:
    """Output of a beamformer and related spectra; complex64, shape (B, T, F).

    Attributes
    ----------
    reference : Tensor
        Microphone 0.
    beamformed : Tensor
    masked : Tensor
        The reference microphone times the mask.
    noise : Tensor
        Residual noise in the output, estimated as in
        `arrayenh.beamformers.blind.residual_noise`, without phase or gradient.
    """

    reference: Tensor
    beamformed: Tensor
    masked: Tensor
    noise: Tensor

    @property
    def rest(self) -> Tensor:
        """Reference minus beamformed."""
        return self.reference - self.beamformed

    def spec(self, roles: tuple[str, ...]) -> Tensor:
        """Input spectra of a network with these roles, (B, C, T, F, 2)."""
        return torch.view_as_real(torch.stack([getattr(self, role) for role in roles], dim=1))


def beamform(mask: Tensor, mics: Tensor) -> Beamed:
    """Apply the beamformer of `arrayenh.beamformers.blind.blind_mvdr` for microphone 0.

    The limit on the noise gain is left out: it is not differentiable and rarely reached.

    Parameters
    ----------
    mask : Tensor, shape (B, T, F)
        Speech mask, in [0, 1].
    mics : Tensor, shape (B, M, T, F, 2)
        Microphones that are silent throughout are not counted.
    """
    x = torch.view_as_complex(mics.contiguous()).permute(0, 3, 1, 2).contiguous()  # (B, F, M, T)
    heard = (mics != 0).flatten(2).any(dim=2).sum(dim=1).clamp(min=1)  # (B,)
    speech_weight = mask.clamp(min=LEAST_MASK).square()
    noise_weight = (1 - mask).clamp(min=LEAST_MASK).square()
    speech, noise = (covariance(x, w) for w in (speech_weight, noise_weight))
    least = FAINT * mics.square().mean(dim=(1, 2, 3, 4))[:, None] + torch.finfo().tiny
    speech_power, noise_power = (trace(cov) / heard[:, None] for cov in (speech, noise))
    ratio = (speech_power / (noise_power + least)).detach()
    loading = (LOADING * (1 + (ratio / CLEAN_SNR) ** 4)).clamp(LEAST_LOADING, 1.0)
    eye = torch.eye(x.shape[2], dtype=noise.dtype, device=noise.device)
    noise = noise + (loading * noise_power + least)[..., None, None] * eye
    solved = torch.linalg.solve(noise, torch.cat([speech, eye.expand_as(noise)], dim=-1))
    product, inverse = solved.chunk(2, dim=-1)
    weights = product[..., 0] / (trace(product)[..., None] + torch.finfo().tiny)  # (B, F, M)
    kept, power = speech[..., 0, 0].real.sum(dim=1), output_power(weights, speech).sum(dim=1)
    level = torch.where(power > 0, kept / positive(power), 1.0).sqrt()
    weights = weights * level[:, None, None]
    beamformed = (weights.conj().to(x.dtype)[..., None, :] @ x)[:, :, 0]  # (B, F, T)
    with torch.no_grad():
        solved = torch.view_as_real(inverse.to(x.dtype) @ x)
        total = (torch.view_as_real(x) * solved).sum(dim=-1).sum(dim=2)
        total *= output_power(weights, noise).to(total.dtype)[..., None]
        left = (total - beamformed.abs().square()).clamp(min=0)
        left = left * (heard > 1)[:, None, None]  # with one microphone it is only rounding
        magnitude = (left / (heard - 1).clamp(min=1)[:, None, None]).sqrt()
    reference = x[:, :, 0].transpose(1, 2)
    return Beamed(
        reference,
        beamformed.transpose(1, 2),
        mask * reference,
        torch.complex(magnitude, torch.zeros_like(magnitude)).transpose(1, 2),
    )


def follow(mask: Tensor, mics: Tensor, hop_seconds: float) -> Beamed:
    """Apply the recursive beamformer of a live chain, which learns from each frame behind it.

    Parameters
    ----------
    mask, mics
        See `beamform`. No gradient passes.
    hop_seconds : float
        Time from frame to frame, s.
    """
    spec = torch.view_as_complex(mics.contiguous()).permute(0, 3, 1, 2).cpu().numpy()
    masks = mask.transpose(1, 2).cpu().numpy()
    heard = (spec != 0).any(axis=(1, 3)).sum(axis=1)
    found = [
        followed(one[:, :n_mics], m, hop_seconds)
        for one, m, n_mics in zip(spec, masks, np.maximum(heard, 1), strict=True)
    ]
    roles = (torch.from_numpy(np.stack(role)).to(mask.device) for role in zip(*found, strict=True))
    reference, beamformed, noise = (role.transpose(1, 2) for role in roles)
    return Beamed(reference, beamformed, mask * reference, torch.complex(noise, 0 * noise))


def followed(
    spec: np.ndarray, mask: np.ndarray, hop_seconds: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference, beamformed and residual noise (F, T) of one example, (F, M, T) and (F, T)."""
    n_freqs, n_mics = spec.shape[:2]
    beam = RecursiveMvdr(n_freqs, n_mics, hop_seconds, MEMORY_SECONDS, loading=RECURSIVE_LOADING)
    spec, looks = np.ascontiguousarray(spec), []
    for t in range(spec.shape[2]):
        frame = np.ascontiguousarray(spec[:, :, t : t + 1])
        looks.append(beam.look(frame))
        m = mask[:, t : t + 1]
        beam.update(frame, m**4, (1 - m) ** 2)
    beamformed, noise = (np.concatenate(parts, axis=1) for parts in zip(*looks, strict=True))
    return spec[:, 0], beamformed, noise


def covariance(x: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of x xᴴ, (B, F, M, T) and (B, T, F) -> complex128 (B, F, M, M)."""
    weight = weight.transpose(1, 2)
    summed = (x * weight[:, :, None]) @ x.mH
    return (summed / weight.sum(dim=2)[..., None, None]).to(torch.complex128)


def trace(matrix: Tensor) -> Tensor:
    """Real part of the trace, (..., M, M) -> (...)."""
    return torch.diagonal(matrix, dim1=-2, dim2=-1).real.sum(dim=-1)


def output_power(weights: Tensor, cov: Tensor) -> Tensor:
    """Output power wᴴ Φ w, (..., M) and (..., M, M) -> (...)."""
    return (weights.conj()[..., None, :] @ cov @ weights[..., None])[..., 0, 0].real


def positive(values: Tensor) -> Tensor:
    """Replace values that are not positive by 1."""
    return torch.where(values > 0, values, 1.0)
