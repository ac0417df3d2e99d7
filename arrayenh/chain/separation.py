"""Separation of simultaneous talkers: from a recording to one signal for each talker.

A recording is read three times: to check its microphones, to estimate the demixing matrices, and
to apply them. One set of matrices holds for the whole recording, so talkers and microphones must
not move. Memory for the estimation is bounded (`MOST_BYTES`): a long recording is decimated to
every second, third, ... frame, so that the frames cover all of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from arrayenh.audio import Recording
from arrayenh.chain.capture import RATE, Capture, Source, segment_sizes
from arrayenh.chain.enhancer import restored
from arrayenh.chain.synchronised import synchronised
from arrayenh.checks import one_of, within
from arrayenh.errors import AudioError
from arrayenh.separation import iva as spatial
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.stft import Analysis, Stft, Synthesis

METHODS = ("ilrma", "auxiva")
IVA_ROUND, ILRMA_ROUND = 20, 25  # iterations between alignments of the frequencies
BLOCK_SECONDS = 8.0
MOST_BYTES = 320 << 20  # of the spectrum: five minutes of four microphones

Progress = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class SeparationConfig:
    """Settings of a separation.

    Attributes
    ----------
    talkers : int
        K, two to six; at least K microphones are needed.
    method : {"ilrma", "auxiva"}
        `auxiva` is faster; `ilrma` starts from its result and separates better.
    iterations : int, optional
        Default: 50 of ILRMA, 60 of AuxIVA.
    bases : int
        NMF bases of each talker's spectrogram (ILRMA).
    reference : int
        Channel at which the talkers are estimated.
    seed : int
        Seed of ILRMA's initial values.
    n_fft, hop : int
        Samples at 16 kHz; the frame should be as long as the reverberation.
    sync : bool
        Align recordings of separate devices first.

    Raises
    ------
    ConfigError
        If a name is unknown or a number out of range.
    """

    talkers: int = 2
    method: str = "ilrma"
    iterations: int | None = None
    bases: int = 20
    reference: int = 0
    seed: int = 0
    n_fft: int = 4096
    hop: int = 1024
    sync: bool = False

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        within("talkers", self.talkers, 2, spatial.MOST_SOURCES)
        if self.iterations is not None:
            within("iterations", self.iterations, 1, 10_000)
        within("bases", self.bases, 1, 1000)
        within("reference", self.reference, 0, 1023)
        within("seed", self.seed, 0, 2**63)
        within("n_fft", self.n_fft, 64, 16384)
        within("hop", self.hop, 1, self.n_fft // 2)

    @property
    def n_iterations(self) -> int:
        """Iterations of the method, default or given."""
        return self.iterations or (50 if self.method == "ilrma" else 60)


@dataclass(frozen=True, slots=True, eq=False)
class Separated:
    """The result of `separate`.

    Attributes
    ----------
    samples : float32 ndarray, shape (K, N)
        The talkers, loudest first, as received at the reference microphone; with the sample
        rate and length of the recording.
    sample_rate : int
        Hz.
    log : tuple of str
        Log lines about faulty microphones.
    channels : tuple of int
        Channels of the file that were used.
    subtype, metadata
        Format and tags of the recording, for writing.
    """

    samples: np.ndarray
    sample_rate: int
    log: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    subtype: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def separate(recording: Recording, config: SeparationConfig | None = None) -> Separated:
    """Separate the talkers of a recording in memory.

    Parameters
    ----------
    recording : Recording
    config : SeparationConfig, optional

    Returns
    -------
    Separated

    Raises
    ------
    AudioError
        If the recording is empty, or has fewer usable microphones than talkers.
    ConfigError
        If the reference is not among its channels.
    """
    separation = Separation(config or SeparationConfig(), recording)
    pieces = np.concatenate(list(separation.voices()), axis=1)
    return Separated(
        np.stack([restored([piece], RATE, recording) for piece in pieces]),
        recording.sample_rate,
        tuple(separation.log),
        separation.used,
        recording.subtype,
        recording.metadata,
    )


class Separation:
    """The separation of one recording; an hour of four microphones takes 1.0 GB of memory.

    Parameters
    ----------
    config : SeparationConfig
    source : Recording or RecordingFile
    progress : callable
        Called with the fraction of the estimation that is done, 0 to 1.

    Attributes
    ----------
    demixing : complex128 ndarray, shape (F, K, M)
        Scaled to the reference microphone, loudest talker first.
    used : tuple of int
        Channels of the file in use.
    log : list of str
    """

    def __init__(
        self,
        config: SeparationConfig,
        source: Source,
        progress: Progress = lambda part: None,
    ) -> None:
        refuse_too_few(source.n_mics, config.talkers, f"{source.name} gives")
        notes: list[str] = []
        if config.sync:
            source, notes = synchronised(source, config.reference)
        self.config, self._capture = config, Capture(source, reference=config.reference)
        self.used, self.log = self._capture.channels, self._capture.log
        self.log[:0] = notes
        refuse_too_few(len(self.used), config.talkers, f"of {source.name} we can use")
        self.stft = Stft(config.n_fft, config.hop, "hann")
        self.demixing = estimate(self.kept_frames(), config, self._capture.reference, progress)

    @property
    def n_samples(self) -> int:
        """Length at 16 kHz."""
        return self._capture.n_samples

    def kept_frames(self) -> np.ndarray:
        """Spectrum, decimated in time if too large for memory; complex64, shape (F, M, T')."""
        n_frames, n_mics = self.stft.n_frames(self.n_samples), len(self.used)
        step = -(-n_frames * n_mics * self.stft.n_freqs * 8 // MOST_BYTES)
        kept = np.empty((self.stft.n_freqs, n_mics, -(-n_frames // step)), np.complex64)
        seen = done = 0
        for spec in self._spectra():
            frames = spec[..., -seen % step :: step]
            kept[..., done : done + frames.shape[2]] = frames
            seen, done = seen + spec.shape[2], done + frames.shape[2]
        return kept

    def voices(self) -> Iterator[np.ndarray]:
        """Yield the next samples of all talkers at 16 kHz, float32, shape (K, n); N in total."""
        syntheses = [Synthesis(self.stft) for _ in range(self.config.talkers)]
        left = self.n_samples
        for spec in self._spectra():
            sources = spatial.apply(self.demixing, spec)
            pieces = [s.push(sources[:, k]) for k, s in enumerate(syntheses)]
            yield np.stack(pieces)[:, :left]
            left -= min(left, len(pieces[0]))

    def _spectra(self) -> Iterator[np.ndarray]:
        """Yield the recording's spectrum, block by block."""
        analysis = Analysis(self.stft, self._capture.n_mics)
        for block, last in self._capture.pieces(
            segment_sizes(self.stft, self.n_samples, BLOCK_SECONDS)
        ):
            yield analysis.push(block, last)


def refuse_too_few(n_mics: int, talkers: int, whose: str) -> None:
    """Raise AudioError if there are fewer microphones than talkers."""
    if n_mics < talkers:
        raise AudioError(
            f"{whose} {n_mics} microphone{'s' * (n_mics > 1)}: "
            f"separating {talkers} talkers needs at least {talkers}"
        )


def estimate(
    spec: np.ndarray,
    config: SeparationConfig,
    reference: int = 0,
    progress: Progress = lambda part: None,
) -> np.ndarray:
    """Estimate demixing matrices in rounds of iterations, aligning the frequencies after each.

    All rounds but the last use only as many microphones as there are talkers, evenly spread
    over the array: with fewer unknowns the permutation across frequencies fails less often.

    Parameters
    ----------
    spec : complex64 ndarray, shape (F, M, T)
    config : SeparationConfig
    reference : int
        Row of the reference microphone.
    progress : callable
        Called with the fraction done, 0 to 1.

    Returns
    -------
    demixing : complex128 ndarray, shape (F, K, M)
        Scaled to the reference microphone, in order of descending energy there.
    """
    plan = schedule(config)
    ticks = iter(range(1, sum(n for _, n in plan) + 1))

    def tick() -> None:
        progress(next(ticks) / sum(n for _, n in plan))

    rng = np.random.default_rng(config.seed)
    few = spread(spec.shape[1], config.talkers)
    heard, demixing = np.ascontiguousarray(spec[:, few]), None
    for k, (method, n) in enumerate(plan):
        if k == len(plan) - 1:  # the talkers are separated: refine with all microphones
            demixing = None if demixing is None else widened(demixing, few, spec.shape[1])
            heard = spec
        if method == "auxiva":
            demixing = spatial.auxiva(heard, config.talkers, n, "gauss", demixing, tick=tick)
        else:
            demixing = spatial.ilrma(
                heard, config.talkers, rng, n, config.bases, demixing, tick=tick
            )
        demixing = spatial.align(demixing, heard)
    assert demixing is not None  # there is at least one round
    return loudest_first(spatial.project_back(demixing, spec, reference), spec)


def schedule(config: SeparationConfig) -> list[tuple[str, int]]:
    """List the rounds: method and number of iterations of each."""
    if config.method == "auxiva":
        return [("auxiva", n) for n in rounds(config.n_iterations, IVA_ROUND)]
    return [
        ("auxiva", IVA_ROUND),
        *(("ilrma", n) for n in rounds(config.n_iterations, ILRMA_ROUND)),
    ]


def rounds(n_iterations: int, length: int) -> list[int]:
    """Split the iterations into equal rounds of about `length`."""
    count = max(1, round(n_iterations / length))
    return [n_iterations * (k + 1) // count - n_iterations * k // count for k in range(count)]


def spread(n_mics: int, talkers: int) -> list[int]:
    """Select as many microphones as talkers, evenly spread over the array."""
    return [n_mics * k // talkers for k in range(talkers)]


def widened(demixing: np.ndarray, few: list[int], n_mics: int) -> np.ndarray:
    """Zero-pad demixing matrices of a few microphones to all microphones, shape (F, K, M)."""
    wide = np.zeros((*demixing.shape[:2], n_mics), np.complex128)
    wide[:, :, few] = demixing
    return wide


def loudest_first(demixing: np.ndarray, spec: np.ndarray) -> np.ndarray:
    """Sort the sources of scaled demixing matrices by descending energy."""
    cov = spatial_covariance(spec)
    energies = np.einsum("fkm,fmn,fkn->k", demixing, cov, demixing.conj(), optimize=True).real
    return demixing[:, np.argsort(-energies, kind="stable")]
