"""A direction says who shall be heard: its masks, and what a network makes of them."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import plane_wave
from arrayenh.audio import Recording
from arrayenh.beamformers.blind import BlindBeam
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.settings import Settings
from arrayenh.evaluation.scoring import scores
from arrayenh.masks.cacgmm import CacgmmMasks
from arrayenh.masks.choice import mask_source
from arrayenh.masks.directional import DirectionalMasks
from arrayenh.masks.neural import GUIDED_ROUNDS, NeuralMasks
from arrayenh.microphones.geometry import load_array
from arrayenh.networks.runtime import Network
from arrayenh.scenes.packaged import CLIPS, load_clip
from arrayenh.statistics.covariance import sounding
from arrayenh.stft import Stft
from tests import small_networks as tiny
from tests.signals import RATE, arrivals, complex_normal, delayed, diffuse_noise, level_db

pytest.importorskip("onnx")
ARRAY = load_array("circular4-35mm")
STFT = Stft(512, 128, "hann")
FREQS = STFT.freqs(RATE)
HEARD = ("reference", "beamformed", "noise", "masked")
SPEECH_HZ = (FREQS > 500) & (FREQS < 4000)  # where 7 cm tell directions apart


def masks_towards(azimuth_deg):
    steering = plane_wave(ARRAY.positions, np.deg2rad(azimuth_deg), FREQS)
    return DirectionalMasks(steering, diffuse_coherence(ARRAY.positions, FREQS))


def wave(azimuth_deg, seed=0, n_frames=40):
    """Spectrum (F, M, T) of a source far away."""
    source = complex_normal(np.random.default_rng(seed), len(FREQS), n_frames)
    steering = plane_wave(ARRAY.positions, np.deg2rad(azimuth_deg), FREQS)
    return (steering[:, :, None] * source[:, None]).astype(np.complex64)


def test_a_wave_from_the_direction_is_all_of_it_and_the_farther_away_the_less():
    """Out of the beam, and beside its side lobes."""
    masks = masks_towards(30)
    means = [masks.estimate(wave(30 + off), None)[SPEECH_HZ].mean() for off in (0, 20, 40, 60)]
    assert_allclose(masks.estimate(wave(30), None), 1, atol=3e-3)  # float32, whitened
    assert all(nearer > farther + 0.05 for nearer, farther in pairwise(means))
    assert means[-1] < 0.2


def test_of_a_diffuse_field_it_is_a_third():
    """There y is as large as the noise in it: m = 1 / (1 + 2) on average, but for the means."""
    rng = np.random.default_rng(1)
    spec = STFT.analyse(diffuse_noise(rng, ARRAY.positions, 4 * RATE).astype(np.float32))
    mask = masks_towards(-70).estimate(spec, None)
    assert 0.28 < mask[SPEECH_HZ].mean() < 0.38


def test_loudness_does_not_matter_and_silence_is_no_speech():
    masks, spec = masks_towards(0), wave(0) + wave(100, seed=1)
    mask = masks.estimate(spec, None)
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert_allclose(masks.estimate(np.float32(1e-3) * spec, None), mask, atol=1e-3)
    assert not masks.estimate(np.zeros_like(spec), None).any()


def test_a_network_that_hears_the_beamformer_begins_with_the_guide_and_no_other_does():
    spec = wave(30) + wave(150, seed=1)
    beam, guide = BlindBeam(spec, 0, 1e-6, sounding(spec)), masks_towards(30)
    net = Network(tiny.level_mask(HEARD, 2, causal=False), "noise")
    found = mask_source("neural", 257, 0.008, net, guide=guide).estimate(spec, beam)
    wanted = NeuralMasks(net, 0, GUIDED_ROUNDS, guide).estimate(spec, beam)
    assert_array_equal(found, wanted)
    blind = NeuralMasks(net, 0, first=CacgmmMasks(257, 0.008)).estimate(spec, beam)
    assert np.abs(found - blind).max() > 0.1
    net = Network(tiny.level_mask(), "level")
    alone = mask_source("neural", 257, 0.008, net, guide=guide).estimate(spec, beam)
    assert_array_equal(alone, NeuralMasks(net, 0).estimate(spec, beam))


@pytest.fixture(scope="module")
def talkers():
    """Two who talk at once, 30 and 150 degrees, (2, M, N); and the noise of the room."""
    clips = [load_clip(name)[0] for name in CLIPS]
    n_samples = min(map(len, clips))
    images = [
        delayed(0.05 * clip[:n_samples] / clip[:n_samples].std(), arrivals(ARRAY.positions, angle))
        for clip, angle in zip(clips, np.deg2rad([30, 150]), strict=True)
    ]
    rng = np.random.default_rng(2)
    return np.stack(images), 0.005 * diffuse_noise(rng, ARRAY.positions, n_samples)


def test_a_direction_that_is_found_chooses_nobody_and_the_log_says_so(talkers):
    recording = Recording(talkers[0].sum(axis=0).astype(np.float32)[:, : 3 * RATE], RATE)
    blind, found = (
        Enhancer(Settings(doa=doa, postfilter="none"), ARRAY).enhance(recording)
        for doa in (None, "auto")
    )
    assert_array_equal(blind.samples, found.samples)
    assert "the estimated direction does not steer: the network's masks do" in found.log
    assert any(line.startswith("direction of the talker: ") for line in found.log)


@pytest.mark.parametrize("beamformer", ["mvdr", "gsc", "mwf"])
def test_with_a_direction_either_of_two_talkers_is_heard(talkers, beamformer):
    """As loud as the other, who goes down by 6 dB and more; blind, it is the same one always."""
    images, noise = talkers
    recording = Recording((images.sum(axis=0) + noise).astype(np.float32), RATE)
    for number, doa in enumerate((30.0, 150.0)):
        config = Settings(beamformer=beamformer, doa=doa, postfilter="none")
        out = Enhancer(config, ARRAY).enhance(recording).samples
        clean = images[number, 0].astype(np.float32)
        gain = [
            scores(clean, x, RATE, ("si_sdr",))["si_sdr"].value for x in (recording.samples[0], out)
        ]
        assert gain[1] > gain[0] + 6
        assert abs(level_db(out) - level_db(clean)) < 2
