"""The causal spatial stage, frame by frame, with recursive statistics."""

import numpy as np

from arrayenh.beamformers.beamformer import Beamformer, Stream
from arrayenh.beamformers.mvdr import RecursiveMvdr
from arrayenh.chain.capture import RATE, Capture
from arrayenh.chain.crossfade import Bank
from arrayenh.chain.direction import TalkerDirection
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import Settings
from arrayenh.chain.signals import Signals
from arrayenh.dereverberation.dereverberator import Dereverberator
from arrayenh.localisation.tracking import DirectionTracker
from arrayenh.masks.neural import NeuralMasks, hears_a_guide
from arrayenh.masks.source import MaskSource
from arrayenh.masks.spp import SppMasks
from arrayenh.stft import Stft

BLOCK_SECONDS = 0.25  # of frames with one direction, and of one refinement of masks


class RecursiveStage:
    """Dereverberates and beamforms frame by frame, with exponentially fading statistics.

    Parameters
    ----------
    settings, stft, capture, networks, beamformer, dereverberator
        See `SegmentStage`.
    """

    def __init__(
        self,
        settings: Settings,
        stft: Stft,
        capture: Capture,
        networks: Networks,
        beamformer: Beamformer | None,
        dereverberator: Dereverberator | None,
    ) -> None:
        hop_seconds = stft.hop / RATE
        self._bank, self._reference = Bank(stft, capture.n_mics), capture.reference
        self._dereverb_name = self._beamformer_name = ""
        self._dereverb = self._beam = None
        if dereverberator is not None:
            self._dereverb_name = dereverberator.name
            self._dereverb = dereverberator.recursive(stft.n_freqs, capture.n_mics, hop_seconds)
        if beamformer is not None:
            self._beamformer_name = beamformer.name
            direction = TalkerDirection(
                settings, capture.array, capture.reference, stft.freqs(RATE)
            )
            stream = Stream(stft.n_freqs, capture.n_mics, hop_seconds, capture.reference)
            self._beam = RecursiveBeam(settings, beamformer, direction, stream, networks)

    def push(self, signals: Signals, last: bool) -> Signals:
        """Process the next samples; see `Stage`. WPE's output is its reference microphone."""
        spec = self._bank.analyse(signals.microphones, last)
        if self._dereverb is not None:
            spec = self._dereverb.update(spec)
            early = spec[:, self._reference : self._reference + 1]
            signals = signals.then(
                self._dereverb_name, self._bank.synthesise(self._dereverb_name, early)
            )
        if self._beam is not None:
            out = self._beam.update(spec, last)[:, None]
            signals = signals.then(
                self._beamformer_name, self._bank.synthesise(self._beamformer_name, out)
            )
        return signals

    def summary(self) -> list[str]:
        """Log lines for the user, after the last block."""
        return [] if self._beam is None else self._beam.direction.summary()


class RecursiveBeam:
    """Frame-by-frame beamformer with its masks and, if needed, a direction tracker.

    Speech presence in the microphones' mean power steers a first, blind MVDR; speech presence in
    its cleaner output is the mask of the actual beamformer. Neural masks replace the speech
    presence. If the direction has to be estimated, a tracker updates the steering vector block
    by block.

    Parameters
    ----------
    settings : Settings
    beamformer : Beamformer
    direction : TalkerDirection
    stream : Stream
    networks : Networks
        With a causal mask network, if masks are neural.
    """

    def __init__(
        self,
        settings: Settings,
        beamformer: Beamformer,
        direction: TalkerDirection,
        stream: Stream,
        networks: Networks,
    ) -> None:
        assert beamformer.recursive is not None  # Settings
        self.direction, self._fixed = direction, beamformer.fixed
        self._update = beamformer.recursive(stream, settings)
        self._masks: MaskSource = SppMasks(stream.n_freqs, stream.hop_seconds, rounds=1)
        if networks.mask is not None:
            self._masks = NeuralMasks(networks.mask, stream.reference)
        self._first = RecursiveMvdr(
            stream.n_freqs,
            stream.n_mics,
            stream.hop_seconds,
            settings.memory_seconds,
            reference=stream.reference,
        )
        self._tracker: DirectionTracker | None = None
        if direction.auto:
            assert direction.positions is not None
            self._tracker = DirectionTracker(
                direction.positions, direction.freqs, stream.hop_seconds
            )
        guided = networks.mask is not None and hears_a_guide(networks.mask)
        self._in_blocks = guided or self._tracker is not None
        self._block = max(1, round(BLOCK_SECONDS / stream.hop_seconds))
        self._held = np.zeros((stream.n_freqs, stream.n_mics, 0), np.complex64)

    def update(self, spec: np.ndarray, last: bool = True) -> np.ndarray:
        """Beamform the next frames, (F, M, t) -> (F, t').

        If a tracker steers, or the masks are refined in several rounds, only whole blocks of
        0.25 s are processed until the last frame.
        """
        if not self._in_blocks:
            return self._beamform(spec)
        held = np.concatenate([self._held, spec], axis=2)
        n_ready = held.shape[2] if last else held.shape[2] // self._block * self._block
        self._held = held[:, :, n_ready:].copy()
        parts = [np.zeros((len(spec), 0), np.complex64)]
        for start in range(0, n_ready, self._block):
            block = np.ascontiguousarray(held[:, :, start : min(start + self._block, n_ready)])
            if self._tracker is not None:
                for found in self._tracker.update(block)[:1]:
                    self.direction.found(found.azimuth)
            parts.append(self._beamform(block))
        return np.concatenate(parts, axis=1)

    def _beamform(self, spec: np.ndarray) -> np.ndarray:
        """Beamform frames of one direction, (F, M, t) -> (F, t)."""
        steering = self.direction.steering
        if self._fixed and steering is not None:
            out = self._update(spec, None, steering)
            assert out is not None
            return out
        blind: list[np.ndarray] = []

        def beamform(mask: np.ndarray) -> np.ndarray:
            blind.append(self._first.update(spec, mask**2, (1 - mask) ** 2))
            return blind[-1]

        mask = self._masks.estimate(spec, beamform)
        out = self._update(spec, mask, steering)
        if out is not None:
            return out
        return blind[-1] if blind else beamform(mask)  # before the first speech
