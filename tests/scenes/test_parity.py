"""Beamformer weights against pyroomacoustics, which computes them another way."""

import numpy as np
import pyroomacoustics as pra
import pytest
from numpy.testing import assert_allclose

from arrayenh import beamformers
from arrayenh.acoustics.coherence import diffuse_coherence
from arrayenh.acoustics.steering import plane_wave, spherical_wave
from arrayenh.microphones.geometry import load_array
from tests.signals import random_covariances

RATE, N_FFT = 16_000, 256


class Talker:
    """What pyroomacoustics asks of a sound source: where its images are."""

    def __init__(self, place):
        self.images = np.array(place)[:, None]


@pytest.fixture(params=["circular6-46mm", "linear4-35mm"])
def array(request):
    """Ours and theirs, the middle of the array at the origin, at one speed of sound."""
    positions = load_array(request.param).positions
    positions = positions - positions.mean(axis=0)
    before = pra.constants.get("c")
    pra.constants.set("c", 343.0)
    theirs = pra.Beamformer(positions.T.copy(), RATE, N=N_FFT)
    yield positions, np.asarray(theirs.frequencies), theirs
    pra.constants.set("c", before)


def same_up_to_scale(ours, theirs, rtol):
    """Weights (F, M) that differ by one complex number for each bin."""
    scale = np.sum(theirs.conj() * ours, axis=1) / np.sum(np.abs(theirs) ** 2, axis=1)
    assert_allclose(ours, scale[:, None] * theirs, rtol=0, atol=rtol * np.abs(ours).max())


def test_delay_and_sum_of_a_plane_wave(array):
    positions, freqs, theirs = array
    flat = pra.Beamformer(positions[:, :2].T.copy(), RATE, N=N_FFT)
    for azimuth in (-2.0, 0.3, 1.1):
        flat.far_field_weights(azimuth)
        ours = beamformers.delay_and_sum(plane_wave(positions, azimuth, freqs))
        same_up_to_scale(ours, flat.weights.T, 1e-10)


def test_delay_and_sum_of_a_talker_nearby(array):
    positions, freqs, theirs = array
    for place in ((0.3, 0.2, 0.1), (-1.0, 2.0, 0.5)):
        theirs.rake_delay_and_sum_weights(Talker(place))
        ours = beamformers.delay_and_sum(spherical_wave(positions, np.array(place), freqs))
        same_up_to_scale(ours, theirs.weights.T, 1e-10)


def test_mvdr_in_a_given_noise(array):
    """Their maximum-SINR weights of one source are those of Capon."""
    positions, freqs, theirs = array
    place = np.array([0.4, -0.5, 0.1])
    noise = random_covariances(np.random.default_rng(0), 1, len(positions))[0]
    theirs.rake_max_sinr_weights(Talker(place), R_n=noise)
    steering = spherical_wave(positions, place, freqs)
    ours = beamformers.mvdr(steering, np.broadcast_to(noise, (len(freqs), *noise.shape)), 0.0)
    same_up_to_scale(ours, theirs.weights.T, 1e-9)


def test_a_null_on_an_interferer(array):
    """Their interferer is a rank-one covariance over white noise."""
    positions, freqs, theirs = array
    place, other = np.array([1.0, 0.5, 0.0]), np.array([-0.6, 0.9, 0.2])
    theirs.rake_max_sinr_weights(Talker(place), Talker(other), rcond=1e-4)
    wave = spherical_wave(positions, other, freqs)
    distance = np.linalg.norm(positions - other, axis=1)
    wave = wave / wave[:, :1] / (4 * np.pi * distance[0])
    noise = wave[:, :, None] * wave[:, None].conj() + 1e-4 * np.eye(len(positions))
    steering = spherical_wave(positions, place, freqs)
    ours = beamformers.mvdr(steering, noise, 0.0)
    same_up_to_scale(ours, theirs.weights.T, 1e-6)


def test_superdirective_has_the_gain_of_the_inverse_coherence(array):
    """aᴴ Γ⁻¹ a, by NumPy's inverse."""
    positions, freqs, _ = array
    some = freqs[20:60:10]
    steering = plane_wave(positions, 0.4, some)
    coherence = diffuse_coherence(positions, some) + 1e-3 * np.eye(len(positions))
    weights = beamformers.superdirective(steering, coherence, 0.0)
    noise = np.einsum("fm,fmn,fn->f", weights.conj(), coherence, weights).real
    wanted = np.einsum("fm,fmn,fn->f", steering.conj(), np.linalg.inv(coherence), steering).real
    assert_allclose(1 / noise, wanted, rtol=1e-8)
