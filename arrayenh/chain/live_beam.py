"""The recursive beamformer of a live chain, with its masks and its direction."""

from dataclasses import dataclass

import numpy as np

from arrayenh.beamformers.beamformer import Stream
from arrayenh.beamformers.mvdr import Learnt, MaskedMvdr, RecursiveMvdr
from arrayenh.chain.capture import RATE
from arrayenh.chain.direction import TalkerDirection
from arrayenh.chain.settings import Settings
from arrayenh.localisation.tracking import DirectionTracker
from arrayenh.masks.directional import DirectionalMasks
from arrayenh.masks.spp import SppMasks
from arrayenh.microphones.geometry import MicArray
from arrayenh.stft import Stft

SPOILT_SECONDS = 0.1  # from a fault to its notice, at most
LEAST_SHARE = 0.05  # weight of the statistics of a microphone that comes back, however late


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

    def learnt(self) -> "Experience":
        """Copy of the statistics as they are now."""
        first = None if self._blind is None else self._blind.learnt()
        return Experience(self.wiring.rows, self._ear.learnt(), first)

    def inherit(self, learnt: "Experience", share: float = 1.0) -> None:
        """Take over statistics, weighted by `share`, of the microphones in common."""
        rows = learnt.rows
        mics = [rows.index(row) if row in rows else None for row in self.wiring.rows]
        self._ear.inherit(learnt.ear, mics, share)
        if learnt.first is not None:
            self._first.inherit(learnt.first, mics, share)

    def follow(self, other: "LiveBeam") -> None:
        """Take over what does not depend on the microphones: speech presence and direction."""
        self._presence = other._presence
        self.direction.inherit(other.direction)

    def look(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Output (F, O, 1) with what has been learnt so far, and the noise in it (F, 1)."""
        return self._ear.look(frame)

    def learn(self, frame: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
        """Learn from a frame, (F, M, 1); output (F, O, 1), None before the first direction."""
        self._locate(frame)
        if self._guided:
            mask = mask * self._towards(frame)
        if not self.looks:
            self._ear(frame, mask, None)
        return self._update(frame, mask, self.direction.steering)

    def without_network(self, frame: np.ndarray, learns: bool) -> tuple[np.ndarray, np.ndarray]:
        """Output (F, O, 1) of masks by speech presence, and the mask (F, 1).

        Speech presence in the microphones' mean power steers a first, blind MVDR; speech presence
        in its cleaner output is the mask of the beamformer. A frame that is not learnt from passes
        the weights as they are.
        """
        everything = np.ones((len(frame), 1), np.float32)
        if self._fixed and self.direction.steering is not None:
            if learns:
                self._locate(frame)
            out = self._update(frame, None, self.direction.steering)
            assert out is not None
            return out, everything
        if not learns:
            looked = self.look(frame)[0] if self.looks else self._first.look(frame)[0][:, None]
            return looked, everything
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


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """Statistics of a `LiveBeam` at some time.

    Attributes
    ----------
    rows : tuple of int
        Its microphones.
    ear : Learnt
        Of the beamformer with masks.
    first : Learnt or None
        Of the blind MVDR that speech presence steers.
    """

    rows: tuple[int, ...]
    ear: Learnt
    first: Learnt | None


class Memory:
    """Statistics of the beams so far, from which those of another wiring begin.

    A microphone at fault has spoilt the statistics before the fault is noticed: those from 0.1 to
    0.2 s before are taken. A microphone that comes back finds the statistics of the beam with the
    most microphones, in which it was; they weigh the less the longer it was away.

    Parameters
    ----------
    hop_seconds : float
        Time from frame to frame, s.
    memory_seconds : float
        Time constant of the statistics, s.
    """

    def __init__(self, hop_seconds: float, memory_seconds: float) -> None:
        self._every = max(round(SPOILT_SECONDS / hop_seconds), 1)
        self._fade = float(np.exp(-hop_seconds / memory_seconds))
        self._recent: list[Experience] = []  # one of the last 0.1 s, one of those before
        self._fullest: Experience | None = None
        self._share, self._n = 1.0, 0

    def listen(self, beam: LiveBeam) -> None:
        """Keep what a beam has learnt after another frame, now and then."""
        self._share *= self._fade
        if self._n % self._every == 0:
            self._recent = [*self._recent[-1:], beam.learnt()]
        self._n += 1

    def leave(self, beam: LiveBeam, at_fault: bool) -> None:
        """Keep what a beam has learnt that is no longer used."""
        latest = self._recent[0] if at_fault and self._recent else beam.learnt()
        self._recent, self._n = [latest], 1
        if self._fullest is None or len(latest.rows) >= len(self._fullest.rows):
            self._fullest, self._share = latest, 1.0

    def teach(self, beam: LiveBeam) -> None:
        """Let a new beam inherit from the one that knows most of its microphones."""
        if self._fullest is None:
            return
        learnt, share, rows = self._recent[-1], 1.0, set(beam.wiring.rows)
        if len(rows & set(self._fullest.rows)) > len(rows & set(learnt.rows)):
            learnt, share = self._fullest, max(self._share, LEAST_SHARE)
        beam.inherit(learnt, share)
