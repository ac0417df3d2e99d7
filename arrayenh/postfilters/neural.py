"""Neural post-filter: a network from spectrum to spectrum, on a stream of samples."""

from collections.abc import Mapping

import numpy as np

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.networks.cleanness import cleanness
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network
from arrayenh.stft import Analysis, Stft, Synthesis

OTHERS = ("reference", "noise", "masked")  # signals beside the beamformed one


class NeuralPostFilter:
    """A network behind the beamformer, in its own STFT.

    A streaming network goes frame by frame; one that looks ahead hears `Pieces`, of which no
    more than one and a half is ever in memory.

    Two ears are given one gain in common, real, so that it moves nothing: |out|/|in|, at most
    1, of the network's answer to the mean of both.

    Parameters
    ----------
    network : Network
    n_channels : int
        One, or two ears.

    Raises
    ------
    ConfigError
        If the network gives masks.
    """

    def __init__(self, network: Network, n_channels: int = 1) -> None:
        signature = network.signature
        if signature.task != "postfilter":
            raise ConfigError(f"model {network.source} gives masks: it is no post-filter")
        stft = Stft(signature.n_fft, signature.hop, "hann")
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
            Beamformed.
        last : bool
            The signal ends here.
        reference : float32 ndarray, shape (m,) or (C, m), optional
            The next samples of the microphone that was kept, where the network hears it; they
            may run ahead of the beamformed ones, as a beamformer is behind, and are held back.
        told : mapping of str to float32 ndarray, shape (m,), optional
            "noise" in the beamformed samples and the "masked" reference, where the network
            hears them.

        Returns
        -------
        filtered : float32 ndarray, shape (n',) or (C, n')
            In time with the input: what is ready, and at the end at least as many samples in
            all as came in.

        Raises
        ------
        ShapeError
            If the network hears another signal, and that is behind the beamformed samples.
        """
        spec = self._analysis.push(np.atleast_2d(samples), last)  # (F, C, t)
        given, heard = {**(told or {}), "reference": reference}, {}
        for role, signal in self._others.items():
            missing = signal.push(given.get(role), samples.shape[-1])
            if missing and not last:
                raise ShapeError(
                    f"the {role} is {missing} samples behind the beamformed ones; "
                    f"model {self._network.source} hears both"
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
        """The network's frames that are ready, (C, F, t) -> (F, t')."""
        if self._pieces is not None:
            return self._pieces.push(signals, last)
        assert self._frames is not None
        return self._frames.push(signals)

    def _harmless(self, signals: np.ndarray, out: np.ndarray) -> np.ndarray:
        """What the network makes of a piece, or that itself, the surer one is that it is clean.

        As sure as this network is, or the one of the masks.
        """
        heard = dict(zip(self._network.signature.inputs, signals, strict=True))
        given = heard["beamformed"]
        level = np.vdot(out, given).real / max(float(np.sum(power(out))), 1e-30)
        same = np.float32(level) * out  # but for its level, which the network may have changed
        share = cleanness(power(given), power(same), power(given - same))
        if {"reference", "masked"} <= heard.keys():
            reference, masked = heard["reference"], heard["masked"]
            rest = power(reference - masked)
            if rest.any():  # there is a mask
                share = max(share, cleanness(power(reference), power(masked), rest))
        return out if share == 0 else out + np.float32(share) * (given - out)

    def _in_step(self, spec: np.ndarray, n_frames: int) -> np.ndarray:
        """The beamformed frames that the network has answered, (F, C, n_frames)."""
        held = np.concatenate([self._waiting, spec], axis=2)
        self._waiting = held[:, :, n_frames:]
        return held[:, :, :n_frames]


class Ahead:
    """A signal beside the beamformed one, which may run ahead of it and is held back."""

    def __init__(self, stft: Stft) -> None:
        self._analysis = Analysis(stft, 1)
        self._held = np.zeros(0, np.float32)

    def push(self, samples: np.ndarray | None, n_samples: int) -> int:
        """Take the next samples, of two ears their mean; how many of `n_samples` are missing."""
        if samples is not None:
            mean = np.atleast_2d(samples).mean(axis=0, dtype=np.float32)
            self._held = np.concatenate([self._held, mean])
        return max(n_samples - len(self._held), 0)

    def spectrum(self, n_samples: int, last: bool) -> np.ndarray:
        """Frames of the next samples, zeros behind the end of what came; (F, t)."""
        now, self._held = np.split(self._held, [n_samples])
        return self._analysis.push(np.pad(now, (0, n_samples - len(now)))[None], last)[:, 0]


def real_gain(out: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """|out| / |in|, at most 1, and 0 where nothing comes in; float32."""
    level = np.abs(spec)
    return np.divide(
        np.minimum(np.abs(out), level), level, out=np.zeros_like(level), where=level > 0
    )


def power(spec: np.ndarray) -> np.ndarray:
    """|x|²."""
    return spec.real**2 + spec.imag**2
