"""Seeded signals, shaped like what microphones hear."""

from functools import cache

import numpy as np

from arrayenh.scenes.convolution import convolve
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.packaged import load_clip
from arrayenh.stft import Stft

RATE = 16_000
SPEED_OF_SOUND = 343.0


def complex_normal(rng, *shape, dtype=np.complex128):
    """Circular Gaussian numbers of power 1."""
    parts = rng.standard_normal((2, *shape)) / np.sqrt(2)
    return (parts[0] + 1j * parts[1]).astype(dtype)


def random_covariances(rng, n_freqs, n_mics, n_frames=None):
    """Sample covariances of coloured noise, (F, M, M): Hermitian, positive definite."""
    mixing = complex_normal(rng, n_freqs, n_mics, n_mics)
    x = mixing @ complex_normal(rng, n_freqs, n_mics, n_frames or 4 * n_mics)
    return x @ x.conj().swapaxes(1, 2) / x.shape[2]


def band_limited(rng, n_samples, low=50.0, high=7000.0, rate=RATE):
    """Gaussian noise of power 1 with nothing outside [low, high] Hz; periodic in N."""
    freqs = np.fft.rfftfreq(n_samples, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum[(freqs < low) | (freqs > high)] = 0
    signal = np.fft.irfft(spectrum, n_samples)
    return signal / np.sqrt(np.mean(signal**2))


def arrivals(positions, azimuth, elevation=0.0, reference=0):
    """Arrival times (M,) of a plane wave, from the distance it has still to travel."""
    towards_source = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    ahead = positions @ towards_source  # the farther ahead, the earlier
    return (ahead[reference] - ahead) / SPEED_OF_SOUND


def delayed(signal, tau, rate=RATE):
    """The signal at each microphone, (M, N), exactly `tau` seconds later; periodic in N."""
    freqs = np.fft.rfftfreq(len(signal), 1 / rate)
    turned = np.fft.rfft(signal) * np.exp(-2j * np.pi * freqs * np.asarray(tau)[:, None])
    return np.fft.irfft(turned, len(signal), axis=-1)


def diffuse_noise(rng, positions, n_samples, n_waves=64, rate=RATE):
    """Plane waves from all around, (M, N), of power 1 at each microphone on average."""
    field = np.zeros((len(positions), n_samples))
    for k in range(n_waves):
        wave = band_limited(rng, n_samples, 50.0, 7900.0, rate)
        azimuth = 2 * np.pi * (k + rng.random()) / n_waves
        elevation = np.arcsin(rng.uniform(-1, 1))
        field += delayed(wave, arrivals(positions, azimuth, elevation), rate)
    return field / np.sqrt(n_waves)


def voice(rng, n_samples, start=0, rate=RATE, pitch=140.0):
    """Syllables of a gliding harmonic tone from sample `start` on: 0.25 s, 0.15 s apart.

    Harmonics fall by 6 dB an octave up to 6 kHz; power 1 while it sounds.
    """
    time = np.arange(n_samples) / rate
    glide = pitch * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    tone = np.zeros(n_samples)
    for k in range(1, int(6000 / (1.15 * pitch))):
        tone += np.sin(k * phase + rng.uniform(0, 2 * np.pi)) / k
    since = np.arange(n_samples) - start
    within = (since / rate) % 0.4 / 0.25
    envelope = np.where((since >= 0) & (within < 1), np.sin(np.pi * within) ** 2, 0.0)
    sound = tone * envelope
    power = np.mean(sound[envelope > 0] ** 2) if (envelope > 0).any() else 1.0
    return sound / np.sqrt(power)


@cache
def reverberant_speech():
    """Three seconds of a woman in a room, 3 close microphones, noise at -40 dB; (64, 3, 97).

    Every sixteenth bin of the STFT 2048/512 but the first: the matrices of WPE have condition
    numbers up to 10⁷.
    """
    speech = load_clip("female")[0][: 3 * RATE]
    mics = np.array([2.0, 1.5, 1.4]) + 0.03 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    room, source = np.array([6.0, 5.0, 2.8]), np.array([4.2, 3.1, 1.5])
    heard = convolve(speech, shoebox_responses(room, 0.25, source, mics, RATE, length_s=0.4))
    noise = np.random.default_rng(0).standard_normal(heard.shape)
    heard = (heard + 1e-2 * heard.std() * noise).astype(np.float32)
    return np.ascontiguousarray(Stft(2048, 512).analyse(heard)[16::16])


def difference_db(found, wanted):
    """Level of the difference relative to what is wanted, dB."""
    return level_db(found - wanted) - level_db(wanted)


def level_db(signal):
    """Mean power, dB; -300 for silence."""
    power = np.mean(np.abs(np.asarray(signal, np.complex128)) ** 2)
    return 10 * np.log10(max(power, 1e-30))
