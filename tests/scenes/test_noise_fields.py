"""Colours, diffuse fields, wind and babble, against their theory."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.signal import csd, welch

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.errors import ConfigError, SceneError, ShapeError
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.babble import babble
from arrayenh.scenes.coloured import SPEECH_DB, SPEECH_HZ, coloured_noise
from arrayenh.scenes.diffuse import diffuse_noise, mixing
from arrayenh.scenes.levels import active_speech_level
from arrayenh.scenes.packaged import load_clip
from arrayenh.scenes.wind import wind_noise

FS = 16000
PAIR = np.array([[0.0, 0, 0], [0.2, 0, 0]])


def coherence(x, n_fft=1024):
    """Real part of the measured coherence of each pair with the first, (M - 1, F)."""
    freqs, power = welch(x, FS, nperseg=n_fft)
    _, cross = csd(x[:1], x[1:], FS, nperseg=n_fft)
    return freqs, np.real(cross) / np.sqrt(power[0] * power[1:])


def octaves(x):
    freqs, power = welch(x, FS, nperseg=4096)
    edges = 125 * 2.0 ** np.arange(7)
    return np.array(
        [
            10 * np.log10(np.sum(power[(freqs >= a) & (freqs < b)]))
            for a, b in zip(edges, edges[1:], strict=False)
        ]
    )


# ---- colours -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "colour, step", [("white", 3.01), ("pink", 0), ("brown", -3.01), (-3, -6.02)]
)
def test_octaves_rise_or_fall_by_the_colour(colour, step):
    x = coloured_noise(np.random.default_rng(0), 60 * FS, FS, colour)
    assert np.mean(x**2) == pytest.approx(1, rel=0.01)
    # 60 s hold over 7000 independent values in the lowest octave: 0.05 dB
    assert np.diff(octaves(x)) == pytest.approx(np.full(5, step), abs=0.25)


def test_speech_shaped_noise_has_the_spectrum_of_speech():
    x = coloured_noise(np.random.default_rng(0), 60 * FS, FS, "speech-shaped")
    freqs, power = welch(x, FS, nperseg=8192)
    third = 2 ** (1 / 6)
    found = [
        10 * np.log10(np.sum(power[(freqs > f / third) & (freqs < f * third)]))
        for f in SPEECH_HZ[4:20]
    ]
    offset = np.array(found) - SPEECH_DB[4:20]
    # the table jumps by 6 dB from band to band, the density goes straight
    assert np.ptp(offset) < 2.5


@pytest.mark.parametrize("n_samples", [1, 2, 7])
def test_short_noises(n_samples):
    assert coloured_noise(np.random.default_rng(0), n_samples, FS).shape == (n_samples,)


def test_an_unknown_colour_is_refused():
    with pytest.raises(SceneError, match="colour of noise 'blue'; use one of white, pink"):
        coloured_noise(np.random.default_rng(0), 10, FS, "blue")


# ---- fields ------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["spherical", "cylindrical"])
@pytest.mark.parametrize("name", ["linear4-35mm", "circular6-46mm", "pair"])
@pytest.mark.parametrize("colour", ["white", "pink"])
def test_the_coherence_of_the_field_is_the_theory(field, name, colour):
    positions = PAIR if name == "pair" else load_array(name).positions
    signals = np.stack(
        [
            coloured_noise(np.random.default_rng(k), 60 * FS, FS, colour)
            for k in range(len(positions))
        ]
    )
    x = diffuse_noise(signals, positions, FS, field)
    freqs, found = coherence(x)
    wanted = diffuse_coherence(positions, freqs, field)[:, 0, 1:].T
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.05
    power_db = 10 * np.log10(np.mean(x.astype(float) ** 2, axis=1))
    # power of a pink signal lies in few independent values at low frequencies
    assert np.ptp(power_db) < (0.1 if colour == "white" else 0.5)
    assert power_db.mean() == pytest.approx(0, abs=0.1)


def test_the_mixing_is_a_root_of_the_coherence_and_smooth():
    freqs = np.linspace(0, 8000, 513)
    gamma = diffuse_coherence(load_array("circular6-46mm").positions, freqs)
    root = mixing(gamma)
    np.testing.assert_allclose(root @ np.swapaxes(root, 1, 2), gamma, atol=1e-12)
    assert np.abs(np.diff(root, axis=0)).max() < 0.1


def test_coherence_of_a_field():
    freqs = np.array([0.0, 343.0 / 0.4, 2000.0])
    spherical = diffuse_coherence(PAIR, freqs)
    # half a wavelength apart the sinc is zero
    assert spherical[:, 0, 1] == pytest.approx([1, 0, np.sinc(2 * 2000 * 0.2 / 343)], abs=1e-12)
    cylindrical = diffuse_coherence(
        PAIR, np.array([2.404826 * 343 / (2 * np.pi * 0.2)]), "cylindrical"
    )
    assert cylindrical[0, 0, 1] == pytest.approx(0, abs=1e-6)  # first zero of J0
    upright = np.array([[0.0, 0, 0], [0, 0, 0.2]])  # waves from the horizon arrive at once
    assert np.all(diffuse_coherence(upright, freqs, "cylindrical") == 1)
    assert_array_equal(diffuse_coherence(PAIR, freqs, "uncorrelated")[1], np.eye(2))
    with pytest.raises(ConfigError, match="unknown noise field 'round'; use spherical"):
        diffuse_coherence(PAIR, freqs, "round")
    with pytest.raises(ShapeError, match=r"\(M, 3\); got \(2,\)"):
        diffuse_coherence(PAIR[:, 0], freqs)


def test_a_field_needs_a_signal_for_each_microphone():
    with pytest.raises(ShapeError, match=r"M = 2 positions; got \(3, 100\)"):
        diffuse_noise(np.zeros((3, 100)), PAIR, FS)


# ---- wind and babble ---------------------------------------------------------------------


def test_wind_is_low_and_hardly_coherent():
    x = wind_noise(np.random.default_rng(0), PAIR, 60 * FS, FS)
    freqs, found = coherence(x)
    assert np.abs(found[0, freqs > 100]).mean() < 0.05
    bands = octaves(x[0])
    assert bands[0] - bands[4] > 30
    close = np.array([[0.0, 0, 0], [0.002, 0, 0]])
    freqs, found = coherence(wind_noise(np.random.default_rng(0), close, 60 * FS, FS, 10.0))
    wanted = np.exp(-0.125 * 2 * np.pi * freqs * 0.002 / 10)
    assert np.abs(found[0] - wanted)[freqs < 2000].mean() < 0.05


def test_stronger_wind_reaches_higher():
    def high(speed):
        x = wind_noise(np.random.default_rng(0), PAIR, 20 * FS, FS, speed)
        return octaves(x[0])[3] - octaves(x[0])[0]

    assert high(15.0) > high(3.0) + 5


def test_babble_has_every_voice_at_one_level():
    rng = np.random.default_rng(0)
    voices = [g * load_clip(name)[0].astype(float) for g, name in ((1, "female"), (9, "male"))]
    n = 3 * len(voices[0])
    x = babble(voices, n, FS, rng)
    parts = []
    for voice in voices:
        # the voice goes round from somewhere: find where by correlation
        spectrum = np.fft.rfft(x, 2 * n) * np.conj(np.fft.rfft(np.tile(voice, 2), 2 * n))
        lag = int(np.argmax(np.fft.irfft(spectrum)[: len(voice)]))
        turned = np.resize(np.roll(voice, lag), n)
        parts.append(turned * (turned @ x) / (turned @ turned))
    levels = [active_speech_level(part, FS)[0] for part in parts]
    assert levels == pytest.approx([0, 0], abs=0.7)
    assert np.mean((x - parts[0] - parts[1]) ** 2) < 0.1 * np.mean(x**2)


def test_more_talkers_are_steadier():
    def unrest_db(n_talkers):
        """Standard deviation of the level in 50 ms."""
        voices = [load_clip(name)[0].astype(float) for name in ("female", "male")] * n_talkers
        x = babble(voices[:n_talkers], 20 * FS, FS, np.random.default_rng(0))
        return np.std(10 * np.log10(np.mean(x.reshape(-1, 800) ** 2, axis=1)))

    assert unrest_db(1) > 2 * unrest_db(4) > 2 * unrest_db(20)
    with pytest.raises(SceneError, match="at least one voice"):
        babble([], 10, FS, np.random.default_rng(0))
