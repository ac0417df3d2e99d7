"""The live chain at 16 kHz: frame by frame on one STFT, with microphones that come and go."""

from collections import deque

import numpy as np

from arrayenh.beamformers.binaural import ears
from arrayenh.chain.bursts import Bursts
from arrayenh.chain.capture import RATE
from arrayenh.chain.live_beam import LiveBeam, Memory, Wiring
from arrayenh.chain.live_filter import LiveFilter
from arrayenh.chain.networks import Networks
from arrayenh.chain.settings import NONE, Settings
from arrayenh.checks import numbers
from arrayenh.dereverberation.dereverberator import RecursiveDereverberation
from arrayenh.errors import ConfigError
from arrayenh.hearing import HearingAid, HearingAidSettings, load_audiogram
from arrayenh.microphones.geometry import MicArray
from arrayenh.statistics.covariance import complete
from arrayenh.stft import Analysis, Synthesis

MOST_OVER_DB = 2.0
"""The output exceeds the peak of the microphones, over the frame, by at most this.

It leaves 1 dB for the filters of a stream: resampling, and the removal of the offset.
"""

BLEND_SECONDS = 0.01  # in which the strength moves from 0 to 1


class LiveChain:
    """The chain as a stream of samples at 16 kHz, late by `latency`.

    Parameters
    ----------
    settings : Settings
    networks : Networks
    n_mics : int
    array : MicArray, optional
        Geometry of all microphones.
    every_stage : bool
        Whether `push` returns the output of every stage, or only the last.

    Attributes
    ----------
    latency : int
        Samples from the input of a sound to its output: the synthesis window, less one, and what
        the hearing aid adds.
    n_outputs : int
        1, or 2 for two ears.
    stages : tuple of str
        Names of the outputs of `push`.
    strength : float
        Blend of the reference (0) and the output of the last stage (1); it may change.
    """

    def __init__(
        self,
        settings: Settings,
        networks: Networks,
        n_mics: int,
        array: MicArray | None = None,
        every_stage: bool = False,
    ) -> None:
        self.settings, self.networks, self.array = settings, networks, array
        self._stft = networks.stft(settings)
        self._ears = ears_of(settings, n_mics, array)
        self.n_mics, self.n_outputs = n_mics, 2 if self._ears else 1
        self._aid = None
        if settings.audiogram is not None:
            levels = HearingAidSettings(
                settings.full_scale_db, max_output_db=settings.max_output_db
            )
            self._aid = HearingAid(load_audiogram(settings.audiogram), RATE, levels)
        self.latency = self._stft.latency - 1 + (self._aid.latency_samples if self._aid else 0)
        names = (settings.dereverb, settings.beamformer, settings.postfilter)
        made = [name for name in names if name != NONE]
        self.stages = ("reference", *(made if every_stage else made[-1:]))
        self.strength = settings.strength
        self.reset()

    def reset(self) -> None:
        """Reset the state, as at the start of a stream."""
        stft = self._stft
        self._analysis = Analysis(stft, self.n_mics)
        self._filter = LiveFilter(self.settings, stft, self.networks)
        self._rows: tuple[int, ...] = ()
        self._beam: LiveBeam | None = None
        self._memory = Memory(stft.hop / RATE, self.settings.memory_seconds)
        self._dereverb: RecursiveDereverberation | None = None
        self.use(tuple(range(self.n_mics)))
        self._until_frame = stft.hop
        n_hops = -(-stft.n_fft // stft.hop)
        self._peaks, self._bursts = deque([0.0], n_hops), Bursts(stft.hop / RATE, n_hops)
        outputs = range(self.n_outputs)
        self._syntheses = {name: [Synthesis(stft) for _ in outputs] for name in self.stages[1:]}
        late = np.zeros((self.n_outputs, stft.latency - 1), np.float32)
        self._late = {name: late for name in self.stages}
        if self._aid is not None:
            self._aid.reset()
            late = np.zeros((self.n_outputs, self._aid.latency_samples), np.float32)
            self._behind = {name: late for name in self.stages}
        self._blend = self.strength

    def use(self, rows: tuple[int, ...]) -> None:
        """Use these microphones only, from the next frame on, with what has been learnt."""
        if rows == self._rows:
            return
        settings, stft, before = self.settings, self._stft, self._beam
        if before is not None:
            self._memory.leave(before, at_fault=not set(rows) > set(self._rows))
        self._rows = rows
        self.wiring = Wiring(
            rows,
            tuple(rows.index(row) for row in self._outputs_among(rows)),
            None if self.array is None else self.array.select(rows),
        )
        self._beam = None
        if settings.beamforming is not None and len(rows) > 1:
            self._beam = LiveBeam(settings, stft, self.wiring, self.networks.mask is not None)
            self._memory.teach(self._beam)
            if before is not None:
                self._beam.follow(before)
        if settings.dereverberation is not None:
            self._dereverb = settings.dereverberation.recursive(
                stft.n_freqs, len(rows), stft.hop / RATE
            )

    @property
    def outputs(self) -> tuple[int, ...]:
        """Microphones at which speech is estimated, as rows of the input."""
        return tuple(self._rows[k] for k in self.wiring.outputs)

    @property
    def direction_deg(self) -> float | None:
        """Azimuth towards which the beamformer looks, degrees; None if it is not steered."""
        return None if self._beam is None else self._beam.direction.azimuth_deg

    def push(self, block: np.ndarray) -> dict[str, np.ndarray]:
        """Process the next samples of all microphones.

        Parameters
        ----------
        block : float32 ndarray, shape (M, n)
            Finite samples; any n. Microphones that are not in use are ignored.

        Returns
        -------
        pieces : dict of str to float32 ndarray, shape (C, n)
            "reference", the output of each stage by its name, and "enhanced", `latency` samples
            late. Their bits do not depend on how the stream is split into blocks.
        """
        used, reference = list(self._rows), block[list(self.outputs)]
        made: dict[str, list[np.ndarray]] = {name: [] for name in self.stages}
        made["reference"] = [reference]
        for part in split(block, self._until_frame, self._stft.hop):
            self._peaks[-1] = max(self._peaks[-1], float(np.abs(part[used]).max(initial=0.0)))
            self._until_frame -= part.shape[1]
            spec = self._analysis.push(part)
            if self._until_frame == 0:
                self._until_frame = self._stft.hop
                for name, frame in self._frame(spec[:, used]).items():
                    if name in made:
                        made[name].append(self._samples(name, frame))
                self._peaks.append(0.0)
        pieces = {
            name: held(self._late, name, parts, block.shape[1]) for name, parts in made.items()
        }
        *_, final = pieces.values()
        strength = self._strengths(block.shape[1])
        if (strength < 1).any():
            final = pieces["reference"] + strength * (final - pieces["reference"])
        if self._aid is not None:
            final = self._aid.process(final)
            pieces = {
                name: held(self._behind, name, [piece], block.shape[1])
                for name, piece in pieces.items()
            }
        return {**pieces, "enhanced": final}

    def _strengths(self, n: int) -> np.ndarray:
        """Blend of the next n samples, which moves to a new value within 10 ms, float32."""
        most = np.arange(1, n + 1) / (BLEND_SECONDS * RATE)
        change = np.clip(self.strength - self._blend, -most, most)
        blends = (self._blend + change).astype(np.float32)
        self._blend = float(self._blend + change[-1]) if n else self._blend
        return blends

    def summary(self) -> list[str]:
        """Log lines for the user, at the end."""
        return [] if self._beam is None else self._beam.direction.summary()

    def _frame(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        """Output of each stage, (F, C, 1), from a frame of the microphones in use."""
        outputs, stages = list(self.wiring.outputs), {}
        if self._dereverb is not None:
            frame = self._dereverb.update(frame)
            stages[self.settings.dereverb] = frame[:, outputs]
        frame = np.ascontiguousarray(frame)
        # a microphone that drops out, or a burst, is nothing to learn from
        learns = not self._bursts.within(self._peaks[-1]) and bool(complete(frame)[0])
        out, filtered = self._filter.push(frame, frame[:, outputs], self._beam, learns)
        if self._beam is not None:
            self._memory.listen(self._beam)
        if self.settings.beamforming is not None:
            stages[self.settings.beamformer] = out
        if filtered is not None:
            stages[self.settings.postfilter] = filtered
        return stages

    def _samples(self, name: str, frame: np.ndarray) -> np.ndarray:
        """Samples of an output that a frame completes, (F, C, 1) -> (C, n), within the limit."""
        made = [one.push(frame[:, c]) for c, one in enumerate(self._syntheses[name])]
        most = np.float32(10 ** (MOST_OVER_DB / 20) * max(self._peaks))
        return np.clip(np.stack(made), -most, most)

    def _outputs_among(self, rows: tuple[int, ...]) -> tuple[int, ...]:
        """Reference, or microphone at each ear, or the nearest one in use."""
        wanted = self._ears or (int(self.settings.reference),)
        places = np.arange(self.n_mics)[:, None] if self.array is None else self.array.positions
        away = [np.linalg.norm(places[list(rows)] - places[row], axis=1) for row in wanted]
        return tuple(rows[int(distances.argmin())] for distances in away)


def held(late: dict[str, np.ndarray], name: str, parts: list[np.ndarray], n: int) -> np.ndarray:
    """The next n samples of an output, (C, n); what is ready beyond stays in `late`."""
    whole = np.concatenate([late[name], *parts], axis=1)
    late[name] = whole[:, n:].copy()
    return whole[:, :n]


def ears_of(settings: Settings, n_mics: int, array: MicArray | None) -> tuple[int, int] | None:
    """Microphones at the left and the right ear; None if the beamformer has one output."""
    beamforming = settings.beamforming
    if beamforming is None or not beamforming.two_ears or n_mics == 1:
        return None
    if settings.ears is None:
        assert array is not None  # check_geometry
        return ears(array.positions)
    left, right = (int(ear) for ear in numbers("ears", settings.ears))
    if not 0 <= max(left, right) < n_mics:
        raise ConfigError(f"ears are among the {n_mics} microphones; got {settings.ears}")
    return left, right


def split(block: np.ndarray, first: int, size: int) -> list[np.ndarray]:
    """Cut a block (M, n) after `first` samples, and then after every `size`."""
    return np.split(block, range(first, block.shape[1], size), axis=1)
