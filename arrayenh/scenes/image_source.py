"""Impulse responses of shoebox rooms by the image-source method.

Every image is an impulse at its exact time on a grid with eight times the sample rate of the
signal. One windowed sinc then limits the band of all impulses together, so that an image costs
four additions instead of its own sinc.
"""

from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.signal import butter, sosfiltfilt

from arrayenh import _kernels
from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.errors import SceneError, ShapeError

OVERSAMPLING = 8
HALF_TAPS = 40  # of the sinc on each side, in samples of the signal
HIGH_PASS_HZ = 10.0
MOST_IMAGES = 2e9  # per microphone: about a minute of computing time


def shoebox_responses(
    size: np.ndarray,
    absorption: float | np.ndarray,
    source: np.ndarray,
    mics: np.ndarray,
    sample_rate: int,
    *,
    length_s: float,
    bands: np.ndarray | None = None,
    air: np.ndarray | None = None,
    speed_of_sound: float = SPEED_OF_SOUND,
    max_order: int | None = None,
    axes: np.ndarray | None = None,
    pattern: float = 1.0,
    high_pass_hz: float = HIGH_PASS_HZ,
) -> np.ndarray:
    """Impulse responses of a shoebox room from one source to all microphones.

    Images farther away than c `length_s` are left out; the direct path is always included. If
    there are reflections, a zero-phase high-pass removes the offset to which the images, all
    positive, add up.

    Parameters
    ----------
    size : float array, shape (3,)
        Metres.
    absorption : float or array, shape (6,) or (B, 6)
        Energy absorption of the walls x = 0, x = length, y = 0, y = width, floor, ceiling;
        one row per octave band if `bands` is given.
    source : float array, shape (3,)
    mics : float array, shape (M, 3)
    sample_rate : int
        Hz.
    length_s : float
        Seconds.
    bands : float array, shape (B,), optional
        Centres of octave bands, Hz.
    air : float array, shape (B,), optional
        Attenuation of pressure by the air, nepers per metre, in the same bands.
    speed_of_sound : float
        m/s.
    max_order : int, optional
        Largest number of reflections of an image.
    axes : float array, shape (M, 3), optional
        Unit vectors along the main axes of the microphones.
    pattern : float
        p of their first-order directivity p + (1 - p) cos θ; 1 is omnidirectional.
    high_pass_hz : float
        Cutoff of the high-pass, Hz; 0 keeps the offset.

    Returns
    -------
    responses : float64 ndarray, shape (M, L)
        Time 0 is the emission by the source; an image at distance d has gain 1/d.

    Raises
    ------
    ShapeError
        If an array does not have the shape above.
    SceneError
        If the source or a microphone is not inside the room, absorption is outside 0 to 1, or
        there are too many images.

    References
    ----------
    J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room
    acoustics", J. Acoust. Soc. Am. 65, 1979, eq. 10; P. M. Peterson, "Simulating the response
    of multiple microphones to a single acoustic source in a reverberant room", J. Acoust.
    Soc. Am. 80, 1986 (band-limited impulses).
    """
    size, source, mics = (np.asarray(given, np.float64) for given in (size, source, mics))
    check_shapes(size, source, mics)
    walls = reflections(absorption, bands)
    check_places(size, source, mics)
    check_work(size, speed_of_sound * length_s)
    filters = None if bands is None else octave_filters(tuple(bands), sample_rate)
    looks = np.zeros((len(mics), 3)) if axes is None else np.asarray(axes, np.float64)
    farthest = float(np.linalg.norm(mics - source, axis=1).max())
    radius = max(speed_of_sound * length_s, farthest * (1 + 1e-9))
    n_samples = int(np.ceil(radius / speed_of_sound * sample_rate)) + HALF_TAPS + 2
    responses = np.zeros((len(mics), n_samples))
    for band, wall in enumerate(walls):
        grids = np.zeros((len(mics), n_samples * OVERSAMPLING))
        for grid, mic, look in zip(grids, mics, looks, strict=True):
            # at least the direct path, however far the source is
            reach = max(speed_of_sound * length_s, float(np.linalg.norm(mic - source)) * (1 + 1e-9))
            x, y, z = (
                per_axis(size[a], source[a], mic[a], wall[2 * a], wall[2 * a + 1], reach)
                for a in range(3)
            )
            rate = sample_rate * OVERSAMPLING / speed_of_sound
            most = np.inf if max_order is None else float(max_order)
            _kernels.image_source.add_images(x, y, z, reach, rate, most, pattern, look, grid)
        if air is not None:
            metres = np.arange(grids.shape[1]) / rate
            grids *= np.exp(-air[band] * metres)
        limited = band_limited(grids)
        responses += limited if filters is None else through(filters[band], limited)
    reverberant = speed_of_sound * length_s > farthest
    return high_passed(responses, sample_rate, high_pass_hz) if reverberant else responses


def per_axis(
    side: float, source: float, mic: float, low: float, high: float, radius: float
) -> np.ndarray:
    """Images along one axis: offset from the microphone, gain and order, nearest first.

    Parameters
    ----------
    side, source, mic : float
        Metres.
    low, high : float
        Pressure reflection of the walls at 0 and at `side`.
    radius : float
        Largest distance of an image, metres.

    Returns
    -------
    images : float64 ndarray, shape (n, 3)
    """
    most = int(np.ceil((radius + side) / (2 * side)))
    turns = np.arange(-most, most + 1)
    rows = []
    for mirrored in (0, 1):
        offset = 2 * turns * side + (1 - 2 * mirrored) * source - mic
        hits_low, hits_high = np.abs(turns - mirrored), np.abs(turns)
        gain = low**hits_low * high**hits_high
        rows.append(np.stack([offset, gain, hits_low + hits_high], axis=1))
    images = np.concatenate(rows)
    images = images[np.abs(images[:, 0]) <= radius]
    return np.ascontiguousarray(images[np.argsort(np.abs(images[:, 0]), kind="stable")])


def reflections(absorption: float | np.ndarray, bands: np.ndarray | None) -> np.ndarray:
    """Pressure reflection of each wall, sqrt(1 - α), shape (B, 6); B = 1 without bands."""
    alpha = np.asarray(absorption, np.float64)
    if not ((alpha >= 0) & (alpha <= 1)).all():
        raise SceneError(f"absorption must be 0 to 1; got {alpha.tolist()}")
    n_bands = 1 if bands is None else len(bands)
    if alpha.ndim == 1 and alpha.shape != (6,) or alpha.ndim > 2:
        raise ShapeError(f"absorption must be one number, (6,) or (B, 6); got {alpha.shape}")
    if alpha.ndim == 2 and alpha.shape != (n_bands, 6):
        raise ShapeError(f"absorption must have shape {(n_bands, 6)}; got {alpha.shape}")
    return np.sqrt(1 - np.broadcast_to(alpha, (n_bands, 6)))


def check_shapes(size: np.ndarray, source: np.ndarray, mics: np.ndarray) -> None:
    """Validate the shapes of the room size, the source and the microphones."""
    for name, given in (("size", size), ("source", source)):
        if given.shape != (3,):
            raise ShapeError(f"{name} must have shape (3,); got {given.shape}")
    if mics.ndim != 2 or mics.shape[1] != 3 or not len(mics):
        raise ShapeError(f"mics must have shape (M, 3); got {mics.shape}")


def check_places(size: np.ndarray, source: np.ndarray, mics: np.ndarray) -> None:
    """Raise if a source or microphone is outside the room, or both are at the same point."""
    for who, point in (
        ("the source", source),
        *((f"microphone {m}", r) for m, r in enumerate(mics)),
    ):
        if not ((point > 0) & (point < size)).all():
            where = ", ".join(f"{x:.2f}" for x in point)
            room = " x ".join(f"{side:g}" for side in size)
            raise SceneError(f"{who} at ({where}) m lies outside the room of {room} m")
    if not np.linalg.norm(mics - source, axis=1).min() > 0:
        raise SceneError("the source is at the position of a microphone; move it away")


def check_work(size: np.ndarray, radius: float) -> None:
    """Raise if the room needs too many images."""
    n_images = 4 / 3 * np.pi * radius**3 / np.prod(size)
    if not n_images < MOST_IMAGES:
        raise SceneError(
            f"{n_images:.0e} images are too many: take a shorter rt60, a larger room, or a "
            f"polygon, with a late part from rays"
        )


def band_limited(grids: np.ndarray) -> np.ndarray:
    """Decimate the fine grid, time 0 at its second sample, to the rate of the signal."""
    n_fft = fft.next_fast_len(grids.shape[1] + 2 * HALF_TAPS * OVERSAMPLING + 1, real=True)
    spectra = fft.rfft(grids, n_fft)
    spectra *= sinc_spectrum(n_fft)
    fine = fft.irfft(spectra, n_fft, overwrite_x=True)
    return fine[:, 1 : grids.shape[1] : OVERSAMPLING]


@lru_cache(maxsize=64)
def sinc_spectrum(n_fft: int) -> np.ndarray:
    """Spectrum of a Hann-windowed sinc centred on sample 0; real."""
    n = np.arange(-HALF_TAPS * OVERSAMPLING, HALF_TAPS * OVERSAMPLING + 1)
    taps = np.zeros(n_fft)
    taps[n] = np.sinc(n / OVERSAMPLING) * (0.5 + 0.5 * np.cos(np.pi * n / n[-1]))
    return fft.rfft(taps).real


def high_passed(responses: np.ndarray, sample_rate: int, cutoff: float) -> np.ndarray:
    """High-pass responses: Butterworth of order 2, forward and backward."""
    if cutoff == 0:
        return responses
    sos = butter(2, cutoff, "highpass", fs=sample_rate, output="sos")
    return sosfiltfilt(sos, responses, axis=1)


@lru_cache(maxsize=16)
def octave_filters(bands: tuple[float, ...], sample_rate: int) -> np.ndarray:
    """Gains of octave bands at 1025 frequencies, raised cosines on the logarithmic scale.

    They add up to 1; the first and the last band extend to 0 Hz and to the Nyquist frequency.

    Returns
    -------
    gains : float64 ndarray, shape (B, 1025)
    """
    freqs = np.linspace(0, sample_rate / 2, 1025)
    octave = np.log2(np.maximum(freqs, 1.0))
    centres = np.log2(np.array(bands))
    gains = np.zeros((len(bands), len(freqs)))
    for k, centre in enumerate(centres):
        near = np.abs(octave - centre) < 1
        gains[k, near] = 0.5 + 0.5 * np.cos(np.pi * (octave[near] - centre))
    gains[0, octave <= centres[0]] = 1.0
    gains[-1, octave >= centres[-1]] = 1.0
    return gains / gains.sum(axis=0)


def through(gain: np.ndarray, responses: np.ndarray) -> np.ndarray:
    """Filter responses by a zero-phase filter with the given gain."""
    taps = np.fft.fftshift(np.fft.irfft(gain)) * np.hanning(2 * len(gain) - 1)[: 2 * len(gain) - 2]
    half = len(taps) // 2
    n_fft = fft.next_fast_len(responses.shape[1] + len(taps), real=True)
    filtered = fft.irfft(fft.rfft(responses, n_fft) * fft.rfft(taps, n_fft), n_fft)
    return filtered[:, half : half + responses.shape[1]]
