"""Short-time Fourier transform of batches in torch, equal to `arrayenh.stft.Stft`."""

import torch
from torch import Tensor
from torch.nn import functional

from arrayenh.errors import ShapeError
from arrayenh.stft import Stft


class TorchStft:
    """STFT of batches with gradients, with the frames of an `Stft`.

    Parameters
    ----------
    stft : Stft
    device : torch.device or str
        Device of the signals.
    """

    def __init__(self, stft: Stft, device: torch.device | str = "cpu") -> None:
        self.stft, self.n_fft, self.hop = stft, stft.n_fft, stft.hop
        self._analysis = torch.tensor(stft.analysis_window, device=device)
        self._synthesis = torch.tensor(stft.synthesis_window, device=device)

    def analyse(self, samples: Tensor) -> Tensor:
        """Compute the spectra of whole signals, (..., N) -> (..., T, F, 2)."""
        n_frames = self.stft.n_frames(samples.shape[-1])
        n_after = (n_frames - 1) * self.hop + self.n_fft - self.stft.lead - samples.shape[-1]
        padded = functional.pad(samples, (self.stft.lead, max(n_after, 0)))
        frames = padded.unfold(-1, self.n_fft, self.hop)[..., :n_frames, :]
        return torch.view_as_real(torch.fft.rfft(frames * self._analysis))

    def synthesise(self, spec: Tensor, n_samples: int) -> Tensor:
        """Reconstruct signals from whole spectra, (..., T, F, 2) -> (..., N).

        Raises
        ------
        ShapeError
            If T or F differs from the spectra of `n_samples` samples.
        """
        wanted = (self.stft.n_frames(n_samples), self.stft.n_freqs, 2)
        if spec.shape[-3:] != wanted:
            raise ShapeError(
                f"{n_samples} samples need spectra of (T, F, 2) = {wanted}; got {tuple(spec.shape)}"
            )
        frames = torch.fft.irfft(torch.view_as_complex(spec.contiguous()), self.n_fft)
        signal = overlap_add(frames[..., -self.stft.latency :] * self._synthesis, self.hop)
        start = self.stft.latency - self.hop
        return signal[..., start : start + n_samples]


def overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Overlap-add, frame t at sample t·hop; (..., T, n) -> (..., N), N a multiple of hop."""
    n_frames, size = frames.shape[-2:]
    n_parts = -(-size // hop)
    parts = functional.pad(frames, (0, n_parts * hop - size)).unflatten(-1, (n_parts, hop))
    signal = frames.new_zeros(*frames.shape[:-2], n_frames + n_parts - 1, hop)
    for k in range(n_parts):  # part k of frame t lies in block t + k
        signal = signal + functional.pad(parts[..., k, :], (0, 0, k, n_parts - 1 - k))
    return signal.flatten(-2)
