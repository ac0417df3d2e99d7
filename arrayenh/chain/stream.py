"""`StreamingEnhancer`: blocks of samples in, as many enhanced samples out, a fixed time later."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from arrayenh import _kernels
from arrayenh.audio import LEAST_RATE, MOST_RATE
from arrayenh.audio.low_delay import LowDelayResampler
from arrayenh.chain.capture import RATE
from arrayenh.chain.geometry import check_geometry
from arrayenh.chain.live import LiveChain, split
from arrayenh.chain.networks import Networks, chosen
from arrayenh.chain.profile import resolve
from arrayenh.chain.settings import Settings
from arrayenh.checks import within
from arrayenh.errors import ConfigError, GeometryError, ShapeError
from arrayenh.microphones.geometry import MicArray, load_array
from arrayenh.microphones.watch import MicrophoneWatch

RESAMPLING_SECONDS = 0.001  # delay of each resampler, at least
OFFSET_HZ = 5.0  # cut-off of the high-pass filter that removes the offset of a microphone
LOUDEST = 100.0  # re full scale: what a driver gives beyond is no sound


class LiveStream:
    """A live chain at any sample rate, with a watch over its microphones.

    Parameters
    ----------
    settings : Settings
    networks : Networks
    n_mics : int
    sample_rate : int
        Hz.
    array : MicArray, optional
    every_stage : bool
        See `LiveChain`.
    labels : sequence of int, optional
        Channel of each microphone, for the log.

    Attributes
    ----------
    latency_samples : int
        From the input of a sound to its output, at the sample rate.
    log : list of str
        One line for each change of the microphones in use.
    """

    def __init__(
        self,
        settings: Settings,
        networks: Networks,
        n_mics: int,
        sample_rate: int,
        array: MicArray | None = None,
        every_stage: bool = False,
        labels: Sequence[int] | None = None,
    ) -> None:
        self.n_mics, self._labels = n_mics, labels
        self.chain = LiveChain(settings, networks, n_mics, array, every_stage)
        self.reset(sample_rate)

    @property
    def latency_ms(self) -> float:
        """`latency_samples` in milliseconds."""
        return 1000 * self.latency_samples / self.sample_rate

    @property
    def n_outputs(self) -> int:
        """1, or 2 for two ears."""
        return self.chain.n_outputs

    @property
    def log(self) -> list[str]:
        """One line for each change of the microphones in use."""
        return self.watch.log

    def reset(self, sample_rate: int | None = None) -> None:
        """Reset the state, as at the start of a stream, which may have another sample rate, Hz."""
        if sample_rate is not None:
            self._use_rate(sample_rate)
        self.chain.reset()
        self.watch.reset()
        self._n_heard = 0
        self._passed = np.zeros((2, self.n_mics))
        self._ready = {name: np.zeros((self.n_outputs, 0), np.float32) for name in self._up}
        for resampler in (self._down, *self._up.values()):
            if resampler is not None:
                resampler.reset()

    def _use_rate(self, rate: int) -> None:
        """Set the sample rate, and the latency at it."""
        within("sample_rate", rate, LEAST_RATE, MOST_RATE)
        self.sample_rate, self.latency_samples = rate, self.chain.latency
        self.watch = MicrophoneWatch(self.n_mics, rate, self._labels)
        self._heard = np.zeros((self.n_mics, self.watch.step), np.float32)
        self._keep = float(np.exp(-2 * np.pi * OFFSET_HZ / rate))
        self._down: LowDelayResampler | None = None
        self._up: dict[str, LowDelayResampler] = {}
        if rate != RATE:
            late = self.chain.latency / RATE
            self.latency_samples = ceil((late + 2 * RESAMPLING_SECONDS) * rate)
            delay = (self.latency_samples / rate - late) / 2
            self._down = LowDelayResampler(rate, RATE, self.n_mics, delay)
            self._up = {
                name: LowDelayResampler(RATE, rate, self.n_outputs, delay)
                for name in (*self.chain.stages, "enhanced")
            }

    def push(self, block: np.ndarray) -> dict[str, np.ndarray]:
        """Process the next samples, (M, n); see `LiveChain.push`."""
        if block.ndim != 2 or len(block) != self.n_mics:
            raise ShapeError(f"block must have shape ({self.n_mics}, n); got {block.shape}")
        if not np.issubdtype(block.dtype, np.floating):
            raise ShapeError(f"block must hold floats, full scale 1.0; got {block.dtype}")
        made: dict[str, list[np.ndarray]] = {}
        for part in split(block, self.watch.step - self._n_heard, self.watch.step):
            for name, piece in self._part(part).items():
                made.setdefault(name, []).append(piece)
        return {name: np.concatenate(pieces, axis=1) for name, pieces in made.items()}

    def _part(self, part: np.ndarray) -> dict[str, np.ndarray]:
        """Process samples up to the next judgement of the microphones."""
        n = part.shape[1]
        sound = np.abs(part) <= LOUDEST  # not so for NaN
        samples = np.where(sound, part * self.watch.gains[:, None], 0).astype(np.float32)
        self._heard[:, self._n_heard : self._n_heard + n] = np.where(sound, samples, np.nan)
        self._n_heard += n
        _kernels.stream.high_pass(samples, self._keep, self._passed)
        pieces = self.chain.push(samples if self._down is None else self._down.push(samples))
        if self._n_heard == self.watch.step:
            self._n_heard = 0
            self.chain.use(self.watch.judge(self._heard))
        return {name: self._upsampled(name, piece, n) for name, piece in pieces.items()}

    def _upsampled(self, name: str, piece: np.ndarray, n: int) -> np.ndarray:
        """The next n samples of an output at the sample rate; what is ready beyond is held."""
        if name not in self._up:
            return piece
        ready = np.concatenate([self._ready[name], self._up[name].push(piece)], axis=1)
        self._ready[name] = ready[:, n:]
        return ready[:, :n]


class StreamingEnhancer(LiveStream):
    """Enhances a stream of blocks, as it comes.

    Each block gives as many samples as it has, `latency_samples` late; the bits do not depend on
    the sizes of the blocks. A microphone that dies, clips, gives no finite samples or becomes
    unlike the others is left out until it is back; a change of its gain or polarity is undone.

    Parameters
    ----------
    n_mics : int
        M.
    sample_rate : int
        Hz; the chain works at 16 kHz and resamples with a short delay.
    profile : str
        "conference" (at most 40 ms late), "low-latency" (20 ms), "hearing-aid" (8 ms), or a TOML
        file of settings.
    array : MicArray, name or path, optional
        Microphone geometry; needed to steer, otherwise unused.
    **settings
        Settings that override the profile; see `Settings`.

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range, or needs an array that is missing.
    GeometryError
        If the array is unknown or has another number of microphones.

    Examples
    --------
    >>> stream = StreamingEnhancer(n_mics=2, masks="spp", postfilter="none")
    >>> stream.process(np.zeros((2, 160), np.float32)).shape
    (160,)
    >>> stream.latency_samples
    511
    """

    def __init__(
        self,
        n_mics: int = 4,
        sample_rate: int = RATE,
        profile: str = "conference",
        array: MicArray | str | None = None,
        **settings: Any,
    ) -> None:
        if n_mics < 1:
            raise ConfigError(f"n_mics must be at least 1; got {n_mics}")
        resolved = resolve(profile, {**settings, "online": True})
        geometry = load_array(array) if isinstance(array, str) else array
        check_geometry(resolved, geometry)
        if geometry is not None and geometry.n_mics != n_mics:
            raise GeometryError(
                f"array {geometry.name} has {geometry.n_mics} microphones; the stream has {n_mics}"
            )
        super().__init__(resolved, chosen(resolved, RATE), n_mics, sample_rate, geometry)

    def process(self, block: np.ndarray) -> np.ndarray:
        """Enhance the next samples.

        Parameters
        ----------
        block : float ndarray, shape (M, n)
            Full scale 1.0; any n from 0.

        Returns
        -------
        enhanced : float32 ndarray, shape (n,), or (2, n) for two ears
            The input of `latency_samples` before; zeros at first.

        Raises
        ------
        ShapeError
            If the block has another number of microphones, or no floats.
        """
        found = self.push(block)["enhanced"]
        return found if self.n_outputs == 2 else found[0]

    def flush(self) -> np.ndarray:
        """Return the last `latency_samples` samples at the end; `reset` starts again."""
        return self.process(np.zeros((self.n_mics, self.latency_samples), np.float32))
