"""Short-time Fourier transform with perfect reconstruction, of whole signals or block by block.

Frame t holds the samples t·hop - (n_fft - hop) ... t·hop + hop - 1. The signal is zero-padded at
both ends, so that every sample is covered by the full number of overlapping frames and the first
and last samples are reconstructed as exactly as all others.
"""

from dataclasses import dataclass, field

import numpy as np

from arrayenh.errors import ConfigError, ShapeError

MOST_OVERLAP = 8  # n_fft / hop up to which overlap-add runs in single precision
CHUNK = 64  # frames per FFT call, so that the windowed copies fit the cache
LEAST_OVERLAP = 0.01  # min Σ w² / max Σ w², below which the dual window amplifies rounding


@dataclass(frozen=True, slots=True, eq=False)
class Stft:
    """STFT: an analysis window, a hop, and the dual synthesis window.

    The synthesis window is the canonical dual,  w_s(n) = w(n) / Σ_k w²(n + k·hop),  which has the
    least energy of all windows that reconstruct perfectly (Griffin & Lim 1984, eq. 6).

    Parameters
    ----------
    n_fft : int
        Frame length and transform size, samples.
    hop : int
        Samples from one frame to the next, 1 <= hop <= n_fft.
    window : str or float ndarray, shape (n_fft,)
        A name known to `scipy.signal.get_window` (periodic form), `sqrt_hann`, or samples.
    synthesis : int, optional
        Length of the synthesis window, at the end of the frame. It makes the latency shorter than
        the frame; both windows are then roots of Hann windows with unequal halves (see
        `low_delay_windows`), and `window` must be `sqrt_hann`. Default: n_fft.

    Raises
    ------
    ConfigError
        If a size is out of range, the window is unknown, or its overlap sum Σ w² falls below
        1 % of its maximum, so that no synthesis window can reconstruct the signal.

    Examples
    --------
    >>> stft = Stft(n_fft=512, hop=128)
    >>> spec = stft.analyse(np.ones((2, 1000)))
    >>> spec.shape
    (257, 2, 11)
    >>> np.allclose(stft.synthesise(spec, 1000), 1)
    True
    """

    n_fft: int = 2048
    hop: int = 512
    window: str | np.ndarray = "sqrt_hann"
    synthesis: int | None = None
    analysis_window: np.ndarray = field(init=False, repr=False)
    synthesis_window: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.n_fft < 2 or not 1 <= self.hop <= self.n_fft:
            raise ConfigError(
                f"an STFT needs n_fft >= 2 and 1 <= hop <= n_fft; "
                f"got n_fft={self.n_fft}, hop={self.hop}"
            )
        if self.synthesis is None:
            window = window_samples(self.window, self.n_fft)
            dual = dual_window(window, self.hop)
        else:
            check_low_delay(self.n_fft, self.hop, self.synthesis, self.window)
            window, dual = low_delay_windows(self.n_fft, self.hop, self.synthesis)
        object.__setattr__(self, "analysis_window", frozen(window))
        object.__setattr__(self, "synthesis_window", frozen(dual))

    @property
    def n_freqs(self) -> int:
        """Number of frequency bins, n_fft // 2 + 1."""
        return self.n_fft // 2 + 1

    @property
    def lead(self) -> int:
        """Number of zeros in front of the signal, n_fft - hop samples."""
        return self.n_fft - self.hop

    @property
    def latency(self) -> int:
        """Delay of the reconstruction in a stream, samples: length of the synthesis window."""
        return len(self.synthesis_window)

    def n_frames(self, n_samples: int) -> int:
        """Number of frames that reconstruct `n_samples` samples (0 for no samples)."""
        return -(-(n_samples + self.latency - self.hop) // self.hop) if n_samples else 0

    def freqs(self, sample_rate: float) -> np.ndarray:
        """Centre frequencies of the bins, Hz, shape (F,)."""
        return np.fft.rfftfreq(self.n_fft, 1 / sample_rate)

    def analyse(self, samples: np.ndarray) -> np.ndarray:
        """Compute the spectrum of a whole signal.

        Parameters
        ----------
        samples : real ndarray, shape (M, N) or (N,)

        Returns
        -------
        spec : complex64 ndarray, shape (F, M, T) or (F, T)

        Raises
        ------
        ShapeError
            If `samples` has neither one nor two axes.
        """
        if samples.ndim not in (1, 2):
            raise ShapeError(f"samples must have shape (M, N) or (N,); got {samples.shape}")
        channels = np.atleast_2d(samples)
        spec = Analysis(self, len(channels)).push(channels, last=True)
        return spec if samples.ndim == 2 else spec[:, 0]

    def synthesise(self, spec: np.ndarray, n_samples: int) -> np.ndarray:
        """Reconstruct a signal from its whole spectrum: the inverse of `analyse`.

        Parameters
        ----------
        spec : complex ndarray, shape (F, T) or (F, M, T)
        n_samples : int
            Length of the signal; T must be `n_frames(n_samples)`.

        Returns
        -------
        samples : float32 ndarray, shape (N,) or (M, N)

        Raises
        ------
        ShapeError
            If F or T does not match `n_samples`.
        """
        n_frames = self.n_frames(n_samples)
        if spec.ndim not in (2, 3) or (spec.shape[0], spec.shape[-1]) != (
            self.n_freqs,
            n_frames,
        ):
            raise ShapeError(
                f"{n_samples} samples need a spectrum of F={self.n_freqs}, T={n_frames}; "
                f"got shape {spec.shape}"
            )
        if spec.ndim == 3:
            return np.stack([self.synthesise(spec[:, m], n_samples) for m in range(spec.shape[1])])
        return Synthesis(self).push(spec)[:n_samples]


class Analysis:
    """Streaming `Stft.analyse`; buffers the samples that the next frames need."""

    def __init__(self, stft: Stft, n_mics: int) -> None:
        self.stft = stft
        self._tail = np.zeros((n_mics, stft.lead), np.float32)
        self._seen = 0
        self._done = 0

    def push(self, block: np.ndarray, last: bool = False) -> np.ndarray:
        """Compute the spectrum of the frames that `block` completes.

        Parameters
        ----------
        block : real ndarray, shape (M, n)
            The next samples of all microphones; any n, including 0.
        last : bool
            Whether the signal ends here; the remaining frames are then zero-padded.

        Returns
        -------
        spec : complex64 ndarray, shape (F, M, t)
        """
        stft, n_mics = self.stft, len(self._tail)
        if block.ndim != 2 or len(block) != n_mics:
            raise ShapeError(f"block must have shape ({n_mics}, n); got {block.shape}")
        held, n_new = self._tail.shape[1], block.shape[1]
        self._seen += n_new
        if last:
            n_frames = stft.n_frames(self._seen) - self._done
        else:
            n_frames = max((held + n_new - stft.n_fft) // stft.hop + 1, 0)
        needed = (n_frames - 1) * stft.hop + stft.n_fft if n_frames else 0
        signal = np.empty((n_mics, max(held + n_new, needed)), np.float32)
        signal[:, :held] = self._tail
        signal[:, held : held + n_new] = block
        signal[:, held + n_new :] = 0
        self._tail = signal[:, n_frames * stft.hop :].copy()
        self._done += n_frames
        return transform(stft, signal, n_frames)


class Synthesis:
    """Streaming `Stft.synthesise`; buffers the overlap that later frames complete."""

    def __init__(self, stft: Stft) -> None:
        self.stft = stft
        self._overlap = np.zeros(stft.latency - stft.hop)
        self._skip = stft.latency - stft.hop

    def push(self, spec: np.ndarray) -> np.ndarray:
        """Reconstruct the samples that the frames of `spec` complete.

        Parameters
        ----------
        spec : complex ndarray, shape (F, t)

        Returns
        -------
        samples : float32 ndarray, shape (n,)
            hop samples per frame, without those in front of the signal. After the last frame the
            caller cuts the output to the length of the signal.
        """
        from scipy import fft  # a tenth of a second that the command line need not wait

        stft, n_frames = self.stft, spec.shape[1]
        # with many overlapping frames float32 sums would lose a digit
        dtype = np.float64 if stft.n_fft > MOST_OVERLAP * stft.hop else np.float32
        out = np.zeros(len(self._overlap) + n_frames * stft.hop, dtype)
        out[: len(self._overlap)] = self._overlap
        for start in range(0, n_frames, CHUNK):
            frames = fft.irfft(spec[:, start : start + CHUNK].T, stft.n_fft)[:, -stft.latency :]
            frames *= stft.synthesis_window
            overlap_add(frames, stft.hop, out[start * stft.hop :])
        self._overlap = out[n_frames * stft.hop :].copy()
        ready = out[min(self._skip, n_frames * stft.hop) : n_frames * stft.hop]
        self._skip -= min(self._skip, n_frames * stft.hop)
        return ready.astype(np.float32, copy=False)


def transform(stft: Stft, signal: np.ndarray, n_frames: int) -> np.ndarray:
    """Windowed real FFT of the first `n_frames` frames of `signal`, shape (F, M, T)."""
    from scipy import fft

    spec = np.empty((stft.n_freqs, len(signal), n_frames), np.complex64)
    if n_frames == 1:  # of a stream: without the cost of a view
        spec[..., 0] = fft.rfft(signal[:, : stft.n_fft] * stft.analysis_window).T
    elif n_frames:
        frames = np.lib.stride_tricks.sliding_window_view(signal, stft.n_fft, axis=1)
        frames = frames[:, : n_frames * stft.hop : stft.hop]  # (M, T, n_fft), a view
        for start in range(0, n_frames, CHUNK):
            windowed = frames[:, start : start + CHUNK] * stft.analysis_window
            # an FFT along axis 0 writes bins first, which saves a transposing copy
            spec[..., start : start + CHUNK] = fft.rfft(windowed.transpose(2, 0, 1), axis=0)
    return spec


def overlap_add(frames: np.ndarray, hop: int, out: np.ndarray) -> None:
    """Add frame t of `frames`, shape (T, n_fft), to `out` at sample t·hop."""
    n_frames, n_fft = frames.shape
    for start in range(0, n_fft, hop):
        part = frames[:, start : start + hop]
        if part.shape[1] == hop:
            out[start : start + n_frames * hop].reshape(n_frames, hop)[:] += part
        else:  # the remainder of a window that is no multiple of the hop
            for t in range(n_frames):
                out[start + t * hop : start + t * hop + part.shape[1]] += part[t]


def window_samples(window: str | np.ndarray, n_fft: int) -> np.ndarray:
    """Samples of a window given by name or as an array, float64, shape (n_fft,)."""
    if isinstance(window, str):
        samples = named_window(window.removeprefix("sqrt_"), n_fft)
        if window.startswith("sqrt_"):
            # the root of a negative window is NaN, refused below
            with np.errstate(invalid="ignore"):
                samples = np.sqrt(samples)
    else:
        samples = np.array(window, dtype=np.float64)
    if samples.shape != (n_fft,) or not np.isfinite(samples).all():
        raise ConfigError(f"the window must be {n_fft} finite samples; got shape {samples.shape}")
    return samples


def named_window(name: str, n_fft: int) -> np.ndarray:
    """Periodic window of a given name, float64, shape (n_fft,)."""
    if name == "hann":
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    from scipy.signal import get_window  # costs 35 MB and 0.1 s, so only for rare windows

    try:
        return np.asarray(get_window(name, n_fft))
    except ValueError as error:
        raise ConfigError(f"unknown window {name!r}: {error}") from error


def dual_window(window: np.ndarray, hop: int) -> np.ndarray:
    """Canonical dual of `window` at `hop`, shape (n_fft,)."""
    n_parts = -(-len(window) // hop)
    square = np.zeros(n_parts * hop)
    square[: len(window)] = window**2
    overlap = square.reshape(n_parts, hop).sum(axis=0)
    if not overlap.min() >= LEAST_OVERLAP * overlap.max() > 0:
        raise ConfigError(
            f"window and hop cannot reconstruct the signal: the overlap sum of w² falls to "
            f"{overlap.min():.3g} of {overlap.max():.3g}; use a smaller hop (now {hop})"
        )
    return window / np.tile(overlap, n_parts)[: len(window)]


def check_low_delay(n_fft: int, hop: int, synthesis: int, window: str | np.ndarray) -> None:
    """Raise ConfigError if a short synthesis window cannot reconstruct the signal."""
    if not isinstance(window, str) or window != "sqrt_hann":
        raise ConfigError(f"a short synthesis window needs the window sqrt_hann; got {window!r}")
    if not 2 * hop <= synthesis <= n_fft or synthesis % hop or synthesis % 2:
        raise ConfigError(
            f"the synthesis window must be even, a multiple of the hop {hop}, and "
            f"{2 * hop} to {n_fft} samples; got {synthesis}"
        )


def low_delay_windows(n_fft: int, hop: int, synthesis: int) -> tuple[np.ndarray, np.ndarray]:
    """Analysis window (n_fft,), and synthesis window (synthesis,) at the end of a frame.

    The analysis window rises slowly and falls within half the synthesis window, both as the root
    of a Hann window; the product of the windows is a Hann window of length `synthesis`, which
    overlaps to a constant (Mauler & Martin 2007, "A low delay, variable resolution, perfect
    reconstruction spectral analysis-synthesis system for speech enhancement", section 3).
    """
    fall = synthesis // 2
    rise = n_fft - fall
    slow = np.sqrt(named_window("hann", 2 * rise))
    fast = np.sqrt(named_window("hann", synthesis))
    analysis = np.concatenate([slow[:rise], fast[fall:]])
    end = analysis[-synthesis:]
    product = named_window("hann", synthesis) * (2 * hop / synthesis)
    # both windows begin at zero if the frame is as short as the synthesis window
    return analysis, np.divide(product, end, out=np.zeros(synthesis), where=end > 0)


def frozen(window: np.ndarray) -> np.ndarray:
    """A read-only float32 copy of `window`."""
    window = window.astype(np.float32)
    window.setflags(write=False)
    return window
