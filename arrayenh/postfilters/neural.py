"""Neural post-filter: a network that maps spectra to spectra, on a stream of samples."""

from collections.abc import Mapping

import numpy as np

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.networks.cleanness import cleanness
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network
from arrayenh.stft import Analysis, Stft, Synthesis

OTHERS = ("reference", "noise", "masked")  # further input signals of a network


class NeuralPostFilter:
    """A post-filter network after the beamformer, with its own STFT.

    A streaming network runs frame by frame. A network that looks ahead runs on `Pieces`, at most
    one and a half of which are in memory.

    Two ears get one common real gain, which preserves the interaural cues: |out|/|in|, at most 1,
    where the input is the mean of both ears.

    Parameters
    ----------
    network : Network
    n_channels : int
        1, or 2 for two ears.

    Raises
    ------
    ConfigError
        If the network estimates masks.
    """

    def __init__(self, network: Network, n_channels: int = 1) -> None:
        signature = network.signature
        if signature.task != "postfilter":
            raise ConfigError(f"model {network.source} estimates masks: it is not a post-filter")
        stft = signature.stft
        self._network = network
        self._analysis = Analysis(stft, n_channels)
        self._others = {role: Ahead(stft) for role in OTHERS if network.needs(role)}
        self._synthesis = [Synthesis(stft) for _ in range(n_channels)]
        self._frames = network.stream() if network.streaming else None
        self._pieces = None if network.streaming else Pieces(network, self._harmless)
        self._waiting = np.zeros((stft.n_freqs, n_channels, 0), np.complex64)

    def push(
        self,
        samples: np.ndarray,
        last: bool = False,
        reference: np.ndarray | None = None,
        told: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        samples : float32 ndarray, shape (n,) or (C, n)
            Beamformed signal.
        last : bool
            Whether the signal ends here.
        reference : float32 ndarray, shape (m,) or (C, m), optional
            The next samples of the reference microphone, if the network takes it as input. They
            may be ahead of the beamformed samples, which are delayed, and are then buffered.
        told : mapping of str to float32 ndarray, shape (m,), optional
            "noise" in the beamformed samples and the "masked" reference, if the network takes
            them as inputs.

        Returns
        -------
        filtered : float32 ndarray, shape (n',) or (C, n')
            Completed samples, aligned with the input; in total at least as many as the input
            at the end.

        Raises
        ------
        ShapeError
            If a further input of the network is behind the beamformed samples.
        """
        spec = self._analysis.push(np.atleast_2d(samples), last)  # (F, C, t)
        given, heard = {**(told or {}), "reference": reference}, {}
        for role, signal in self._others.items():
            missing = signal.push(given.get(role), samples.shape[-1])
            if missing and not last:
                raise ShapeError(
                    f"the {role} is {missing} samples behind the beamformed ones; "
                    f"model {self._network.source} needs both"
                )
            heard[role] = signal.spectrum(samples.shape[-1], last)
        out = self._run(self._network.signals(spec.mean(axis=1), **heard), last)
        if samples.ndim == 1:
            return self._synthesis[0].push(out)
        ears = self._in_step(spec, out.shape[1])
        gain = real_gain(out, ears.mean(axis=1))
        return np.stack(
            [synthesis.push(ears[:, c] * gain) for c, synthesis in enumerate(self._synthesis)]
        )

    def _run(self, signals: np.ndarray, last: bool) -> np.ndarray:
        """Run the network; return completed frames, (C, F, t) -> (F, t')."""
        if self._pieces is not None:
            return self._pieces.push(signals, last)
        assert self._frames is not None
        return self._frames.push(signals)

    def _harmless(self, signals: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Blend a piece's output with its input, the more the cleaner the input is.

        The cleanness is the larger of the estimates of this network and of the mask network.
        """
        heard = dict(zip(self._network.signature.inputs, signals, strict=True))
        given = heard["beamformed"]
        level = np.vdot(out, given).real / max(float(np.sum(power(out))), 1e-30)
        same = np.float32(level) * out  # level-corrected, as the network may change the level
        share = cleanness(power(given), power(same), power(given - same))
        if {"reference", "masked"} <= heard.keys():
            reference, masked = heard["reference"], heard["masked"]
            rest = power(reference - masked)
            if rest.any():  # if masks were estimated
                share = max(share, cleanness(power(reference), power(masked), rest))
        return out if share == 0 else out + np.float32(share) * (given - out)

    def _in_step(self, spec: np.ndarray, n_frames: int) -> np.ndarray:
        """Return the input frames that match the network's output, (F, C, n_frames)."""
        held = np.concatenate([self._waiting, spec], axis=2)
        self._waiting = held[:, :, n_frames:]
        return held[:, :, :n_frames]


class Ahead:
    """Buffer and STFT of a further input, which may be ahead of the beamformed signal."""

    def __init__(self, stft: Stft) -> None:
        self._analysis = Analysis(stft, 1)
        self._held = np.zeros(0, np.float32)

    def push(self, samples: np.ndarray | None, n_samples: int) -> int:
        """Add the next samples (mean of two ears); return how many of `n_samples` are missing."""
        if samples is not None:
            mean = np.atleast_2d(samples).mean(axis=0, dtype=np.float32)
            self._held = np.concatenate([self._held, mean])
        return max(n_samples - len(self._held), 0)

    def spectrum(self, n_samples: int, last: bool) -> np.ndarray:
        """Frames of the next samples, zero-padded after the end, (F, t)."""
        now, self._held = np.split(self._held, [n_samples])
        return self._analysis.push(np.pad(now, (0, n_samples - len(now)))[None], last)[:, 0]


def real_gain(out: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Real gain |out| / |in|, at most 1, and 0 where the input is 0; float32."""
    level = np.abs(spec)
    return np.divide(
        np.minimum(np.abs(out), level), level, out=np.zeros_like(level), where=level > 0
    )


def power(spec: np.ndarray) -> np.ndarray:
    """Squared magnitude |x|²."""
    return spec.real**2 + spec.imag**2
