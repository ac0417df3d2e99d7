"""Microphone imperfections: gain, delay, position, clock, self-noise, clipping, failure."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from scipy import fft

from arrayenh.errors import SceneError

FULL_SCALE_SPL_DB = 120.0
"""dB SPL of a full-scale sine; digital MEMS microphones give -26 dBFS at 94 dB SPL."""

DRIFT_TAPS = 32  # per side of the sinc that resamples a drifting clock
MOST_DB, MOST_US, MOST_PPM = 120.0, 1e5, 1e5
SplDb = Annotated[float, Field(ge=-60, le=200)]
Shift = Annotated[float, Field(ge=-10, le=10)]  # metres, of a microphone


@dataclass(frozen=True, slots=True, kw_only=True)
class Imperfections:
    """Ranges of microphone imperfections; none by default.

    Attributes
    ----------
    gain_db : float
        Largest error of the sensitivity, drawn uniformly from ± this value.
    delay_us : float
        Largest delay error, microseconds, drawn uniformly: the phase of the converters.
    position_mm : float
        Standard deviation of every coordinate from its nominal value.
    clock_ppm : float
        Standard deviation of the clock errors; each microphone has its own clock.
    noise_spl_db : float, optional
        Self-noise of each microphone, dB SPL; a full-scale sine is 120 dB SPL.
    clip_dbfs : float, optional
        Peak level at which samples are clipped.
    dead : tuple of int
        Indices of microphones that give no signal.
    """

    gain_db: Annotated[float, Field(ge=0, le=MOST_DB)] = 0.0
    delay_us: Annotated[float, Field(ge=0, le=MOST_US)] = 0.0
    position_mm: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    clock_ppm: Annotated[float, Field(ge=0, le=MOST_PPM / 10)] = 0.0
    noise_spl_db: SplDb | None = None
    clip_dbfs: Annotated[float, Field(ge=-120, le=0)] | None = None
    dead: tuple[int, ...] = ()

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneFaults:
    """Faults of each microphone of one array; all tuples have length M.

    Attributes
    ----------
    gains_db, delays_us, clocks_ppm : tuple of float
    displacements : tuple of (x, y, z)
        Metres, in the frame of the array.
    alive : tuple of bool
    noise_spl_db : float, optional
    clip_level : float, optional
        Amplitude, full scale 1.
    """

    gains_db: tuple[Annotated[float, Field(ge=-MOST_DB, le=MOST_DB)], ...]
    delays_us: tuple[Annotated[float, Field(ge=-MOST_US, le=MOST_US)], ...]
    clocks_ppm: tuple[Annotated[float, Field(ge=-MOST_PPM, le=MOST_PPM)], ...]
    displacements: tuple[tuple[Shift, Shift, Shift], ...]
    alive: tuple[bool, ...]
    noise_spl_db: SplDb | None = None
    clip_level: Annotated[float, Field(ge=0, le=1)] | None = None

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)


def typical() -> Imperfections:
    """Imperfections of the uncalibrated microphones of a consumer device."""
    return Imperfections(gain_db=1.0, delay_us=2.0, position_mm=0.5, noise_spl_db=29.0)


def draw(
    imperfections: Imperfections, n_mics: int, rng: np.random.Generator
) -> MicrophoneFaults | None:
    """Draw the faults of one array; None if it has none.

    Raises
    ------
    SceneError
        If the array has no microphone with the index of a dead one.
    """
    asked = imperfections
    if asked == Imperfections():
        return None
    for mic in asked.dead:
        if not 0 <= mic < n_mics:
            raise SceneError(f"microphone {mic} cannot be dead: the array has 0 to {n_mics - 1}")
    spread = rng.uniform(-1, 1, (2, n_mics))
    clocks = rng.standard_normal(n_mics) * asked.clock_ppm
    moved = rng.standard_normal((n_mics, 3)) * asked.position_mm / 1000
    return MicrophoneFaults(
        gains_db=tuple((spread[0] * asked.gain_db).tolist()),
        delays_us=tuple((spread[1] * asked.delay_us).tolist()),
        clocks_ppm=tuple(clocks.tolist()),
        displacements=tuple((float(x), float(y), float(z)) for x, y, z in moved),
        alive=tuple(mic not in asked.dead for mic in range(n_mics)),
        noise_spl_db=asked.noise_spl_db,
        clip_level=None if asked.clip_dbfs is None else 10 ** (asked.clip_dbfs / 20),
    )


def apply_linear(images: np.ndarray, faults: MicrophoneFaults, sample_rate: int) -> np.ndarray:
    """Apply gains, delays, clock errors and failures; linear, so components sum to the mixture.

    Parameters
    ----------
    images : float array, shape (M, N)
    faults : MicrophoneFaults
    sample_rate : int
        Hz.

    Returns
    -------
    heard : float64 ndarray, shape (M, N)
    """
    gains = 10 ** (np.array(faults.gains_db) / 20) * np.array(faults.alive)
    heard = gains[:, None] * images
    if any(faults.delays_us):
        heard = delayed(heard, 1e-6 * np.array(faults.delays_us) * sample_rate)
    for row, ppm in zip(heard, faults.clocks_ppm, strict=True):
        if ppm:
            row[:] = drifting(row, ppm)
    return heard


def delayed(images: np.ndarray, delays: np.ndarray) -> np.ndarray:
    """Delay rows by fractions of a sample, zero-padded at both ends."""
    pad = 64 + int(np.ceil(np.abs(delays).max()))
    n_fft = fft.next_fast_len(images.shape[1] + 2 * pad, real=True)
    turn = np.exp(-2j * np.pi * delays[:, None] * fft.rfftfreq(n_fft))
    padded = np.pad(images, ((0, 0), (pad, 0)))
    return fft.irfft(fft.rfft(padded, n_fft) * turn, n_fft)[:, pad : pad + images.shape[1]]


def drifting(signal: np.ndarray, ppm: float) -> np.ndarray:
    """Resample a signal to a clock that is `ppm` too fast, synchronous at the start, (N,).

    Sample n is taken at the time n / (1 + ppm 10^-6) of the true clock: the recording is longer
    and lower in pitch.
    """
    place = np.arange(len(signal)) / (1 + 1e-6 * ppm)
    whole = np.floor(place).astype(int)
    taps = np.arange(-DRIFT_TAPS + 1, DRIFT_TAPS + 1)
    padded = np.pad(signal, DRIFT_TAPS)
    out = np.zeros(len(signal))
    for start in range(0, len(signal), 1 << 16):  # bounded memory
        index = whole[start : start + (1 << 16)]
        x = (place[start : start + len(index)] - index)[:, None] - taps
        sinc = np.sinc(x) * (0.5 + 0.5 * np.cos(np.pi * x / (DRIFT_TAPS + 1)))
        reach = np.clip(index[:, None] + taps + DRIFT_TAPS, 0, len(padded) - 1)
        out[start : start + len(index)] = np.einsum("nt,nt->n", sinc, padded[reach])
    return out


def self_noise(faults: MicrophoneFaults, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """White self-noise of the microphones at their level in dB SPL, full scale 1, (M, N)."""
    shape = (len(faults.alive), n_samples)
    if faults.noise_spl_db is None:
        return np.zeros(shape)
    # the RMS of a full-scale sine is 3 dB below full scale
    rms = 10 ** ((faults.noise_spl_db - FULL_SCALE_SPL_DB) / 20) / np.sqrt(2)
    return rms * rng.standard_normal(shape) * np.array(faults.alive)[:, None]


def clip(mixture: np.ndarray, faults: MicrophoneFaults) -> tuple[np.ndarray, np.ndarray]:
    """Clipped mixture and clipping error (clipped minus input), shape (M, N) each."""
    if faults.clip_level is None:
        return mixture, np.zeros_like(mixture)
    clipped = np.clip(mixture, -faults.clip_level, faults.clip_level)
    return clipped, clipped - mixture
