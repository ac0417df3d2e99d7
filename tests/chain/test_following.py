"""Segments in which the talker moves: the beamformer follows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import Enhancer
from arrayenh.evaluation.scoring import si_sdr
from arrayenh.microphones.geometry import load_array
from tests.settings import statistical
from tests.signals import RATE, arrivals, delayed, diffuse_noise, voice

ARRAY = load_array("circular6-46mm")
N = 10 * RATE


def scene(azimuths):
    """A talker who passes these azimuths, and noise; (speech, noise) at six microphones."""
    rng = np.random.default_rng(2)
    spoken = voice(rng, N)
    places = np.linspace(0, N, len(azimuths) + 1)
    speech = np.zeros((6, N))
    centres = (places[1:] + places[:-1]) / 2
    for k, azimuth in enumerate(azimuths):
        share = np.interp(np.arange(N), centres, np.arange(len(azimuths)) == k)
        speech += delayed(spoken * share, arrivals(ARRAY.positions, np.deg2rad(azimuth)))
    noise = diffuse_noise(rng, ARRAY.positions, N, n_waves=24)
    return (0.05 * speech).astype(np.float32), (0.04 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def walk():
    return scene(np.linspace(150, -60, 15))


@pytest.fixture(scope="module")
def followed(walk):
    speech, noise = walk
    return run(walk, {"speech": speech, "noise": noise})


def run(images, components=None, **settings):
    enhancer = Enhancer(statistical(**settings))
    return enhancer.enhance(Recording(sum(images), RATE), components)


def score(images, enhanced):
    return si_sdr(images[0][0], enhanced.stages["mvdr"], RATE)


def test_a_walker_is_followed(walk, followed):
    fixed = [
        score(walk, run(walk, segment_seconds=seconds, still=True)) for seconds in (1, 2, 4, 20)
    ]
    assert score(walk, followed) > max(fixed) - 1
    assert score(walk, followed) > si_sdr(walk[0][0], sum(walk)[0], RATE) + 3
    (line,) = [line for line in followed.log if "moves" in line]
    assert line.startswith("the talker moves in 1 of 1 segments: the beamformer follows")


def test_shadows_add_up_to_the_output_of_the_beamformer(followed):
    total = followed.shadows["speech"] + followed.shadows["noise"]
    assert_allclose(total, followed.stages["mvdr"], atol=1e-6)


def test_the_blocks_of_the_file_do_not_matter(walk, followed):
    enhancer = Enhancer(statistical())
    pieces = list(enhancer.open(Recording(sum(walk), RATE)).stages(block=3_001))
    assert_array_equal(np.concatenate([piece["enhanced"] for piece in pieces]), followed.samples)


def test_one_who_stays_has_one_set_of_weights():
    images = scene([40])
    once, still = run(images), run(images, still=True)
    assert_array_equal(once.samples, still.samples)
    assert not [line for line in once.log if "moves" in line]


@pytest.mark.parametrize("beamformer", ["gev", "rank1-mwf", "wpd", "mcwf"])
def test_other_blind_beamformers_follow_too(walk, beamformer):
    images = [image[:, : 7 * RATE] for image in walk]
    moving, still = (
        run(images, beamformer=beamformer, still=still).stages[beamformer]
        for still in (False, True)
    )
    before = si_sdr(images[0][0], still, RATE)
    assert si_sdr(images[0][0], moving, RATE) > before


def test_a_localised_direction_follows(walk):
    enhancer = Enhancer(statistical(beamformer="das", doa="auto"), ARRAY)
    enhanced = enhancer.enhance(Recording(sum(walk), RATE))
    (line,) = [line for line in enhanced.log if line.startswith("direction of the talker")]
    assert line.count(",") >= 5
