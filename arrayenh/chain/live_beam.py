"""The recursive beamformer of a live chain, with its masks and its direction."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.beamformer import Stream
from arrayenh.beamformers.mvdr import MaskedMvdr, RecursiveMvdr
from arrayenh.chain.capture import RATE
from arrayenh.chain.direction import TalkerDirection
from arrayenh.chain.settings import Settings
from arrayenh.localisation.tracking import DirectionTracker
from arrayenh.masks.directional import DirectionalMasks
from arrayenh.masks.spp import SppMasks
from arrayenh.microphones.geometry import MicArray
from arrayenh.statistics.covariance import complete
from arrayenh.stft import Stft


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Microphones of a live chain that are in use.

    Attributes
    ----------
    rows : tuple of int
        Microphones in use.
    outputs : tuple of int
        Those at which speech is estimated, as indices into `rows`: one, or one at each ear.
    array : MicArray or None
        Geometry of those in use.
    """

    rows: tuple[int, ...]
    outputs: tuple[int, ...]
    array: MicArray | None


class LiveBeam:
    """Recursive beamformer of one wiring, frame by frame.

    Parameters
    ----------
    settings : Settings
        With a beamformer.
    stft : Stft
    wiring : Wiring
        With two microphones or more.
    guided : bool
        Whether a known direction selects the talker by a directional mask times the mask of a
        network, which steer a MVDR better than geometry does.
    """

    def __init__(
        self, settings: Settings, stft: Stft, wiring: Wiring, guided: bool = False
    ) -> None:
        beamformer = settings.beamforming
        assert beamformer is not None and beamformer.recursive is not None  # Settings
        freqs, n_mics = stft.freqs(RATE), len(wiring.rows)
        ears = (wiring.outputs[0], wiring.outputs[1]) if len(wiring.outputs) == 2 else None
        self.wiring = wiring
        self._stream = Stream(stft.n_freqs, n_mics, stft.hop / RATE, wiring.outputs[0], ears)
        self.direction = TalkerDirection(settings, wiring.array, wiring.outputs[0], freqs)
        self._guided = guided and self.direction.positions is not None
        self._guide: DirectionalMasks | None = None
        self._update = beamformer.recursive(self._stream, settings)
        if self._guided and isinstance(self._update, MaskedMvdr):
            self._update = MaskedMvdr(self._stream, settings)  # the masks steer it
        if isinstance(self._update, MaskedMvdr):
            self._ear = self._update
        else:
            self._ear = MaskedMvdr(self._stream, settings)
        self._fixed = beamformer.fixed
        self._steering: np.ndarray | None = None
        self._memory_seconds = settings.memory_seconds
        self._presence = SppMasks(stft.n_freqs, self._stream.hop_seconds, rounds=1)
        self._blind: RecursiveMvdr | None = None
        self._tracker: DirectionTracker | None = None
        if self.direction.auto:
            positions = self.direction.positions
            assert positions is not None
            self._tracker = DirectionTracker(positions, freqs, self._stream.hop_seconds)

    @property
    def looks(self) -> bool:
        """Whether `look` is the output: the beamformer itself, before it learns."""
        return self._update is self._ear

    def inherit(self, other: "LiveBeam") -> None:
        """Take over what the beam of another wiring has learnt."""
        before = other.wiring.rows
        mics = [before.index(row) if row in before else None for row in self.wiring.rows]
        self._ear.inherit(other._ear, mics)
        if isinstance(self._update, MaskedMvdr) and isinstance(other._update, MaskedMvdr):
            self._update.inherit(other._update, mics)
        if other._blind is not None:
            self._first.inherit(other._blind, mics)
        self._presence = other._presence

    def look(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output (F, O, 1) with what has been learnt so far, and the noise in it (F, 1)."""
        return self._ear.look(frame)

    def learn(self, frame: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
        """Learn from a frame, (F, M, 1); output (F, O, 1), None before the first direction.

        A frame in which a microphone drops out is not learnt from, and has no output, either.
        """
        if not complete(frame)[0]:
            return None
        self._locate(frame)
        if self._guided:
            mask = mask * self._towards(frame)
        if not self.looks:
            self._ear(frame, mask, None)
        return self._update(frame, mask, self.direction.steering)

    def without_network(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output (F, O, 1) of masks by speech presence, and the mask (F, 1).

        Speech presence in the microphones' mean power steers a first, blind MVDR; speech presence
        in its cleaner output is the mask of the beamformer.
        """
        if self._fixed and self.direction.steering is not None:
            self._locate(frame)
            out = self._update(frame, None, self.direction.steering)
            assert out is not None
            return out, np.ones((len(frame), 1), np.float32)
        heard: list[np.ndarray] = []

        def beamform(mask: np.ndarray) -> np.ndarray:
            heard.append(self._first.update(frame, mask**2, (1 - mask) ** 2))
            return heard[-1]

        mask = self._presence.estimate(frame, beamform)
        self._locate(frame)
        out = self._update(frame, mask, self.direction.steering)
        return heard[-1][:, None] if out is None else out, mask

    @property
    def _first(self) -> RecursiveMvdr:
        """Blind MVDR that speech presence steers."""
        if self._blind is None:
            stream = self._stream
            self._blind = RecursiveMvdr(
                stream.n_freqs,
                stream.n_mics,
                stream.hop_seconds,
                self._memory_seconds,
                reference=stream.reference,
            )
        return self._blind

    def _towards(self, frame: np.ndarray) -> np.ndarray:
        """Share of the sound from the talker's direction, (F, 1); 1 before it is found."""
        direction = self.direction
        if direction.steering is not self._steering:
            self._steering, self._guide = direction.steering, direction.guide()
        if self._guide is None:
            return np.ones((len(frame), 1), np.float32)
        return self._guide.estimate(frame, lambda mask: mask)

    def _locate(self, frame: np.ndarray) -> None:
        """Steer towards the talker whom the tracker hears now."""
        if self._tracker is not None:
            for moment in self._tracker.push(frame):  # one for each block of frames
                for found in moment.directions[:1]:
                    self.direction.found(found.azimuth)
