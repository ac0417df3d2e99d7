import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.beamformers.blind import blind_mvdr
from arrayenh.errors import ShapeError
from arrayenh.masks.spp import SppMasks, presence, smooth_bins
from arrayenh.microphones.geometry import load_array
from arrayenh.statistics.noise_psd import SppTracker
from arrayenh.statistics.power import mean_power
from arrayenh.stft import Stft
from tests.signals import RATE, arrivals, complex_normal, delayed, diffuse_noise, voice

EPS = float(np.finfo(np.float32).eps)
STFT = Stft(1024, 256, "hann")
HOP = 256 / RATE


def first_microphone(spec):
    """A beamformer for tests: whatever the mask, microphone 0."""
    return lambda mask: spec[:, 0]


def beam_of(spec):
    return lambda mask: beamformers.apply(blind_mvdr(spec, mask, 0, 1e-6)[0], spec)


def area_under_curve(score, label):
    """Probability that a bin of the label scores above one without (Mann & Whitney)."""
    rank = np.argsort(np.argsort(score))
    n, n_other = label.sum(), (~label).sum()
    return (rank[label].sum() - n * (n - 1) / 2) / n / n_other


@pytest.fixture(scope="module")
def heard():
    """A voice from 60 degrees after 1 s of diffuse noise alone, 5 dB below it."""
    rng, positions = np.random.default_rng(0), load_array("circular6-46mm").positions
    noise = diffuse_noise(rng, positions, 4 * RATE)
    noise = 0.05 * noise + 0.001 * rng.standard_normal(noise.shape)
    wave = voice(rng, 4 * RATE, start=RATE)
    speech = 0.05 * 10 ** (5 / 20) * delayed(wave, arrivals(positions, np.deg2rad(60)))
    images = [STFT.analyse(x.astype(np.float32)) for x in (speech, noise)]
    powers = [np.abs(image[:, 0]) ** 2 for image in images]
    return images[0] + images[1], *powers


@pytest.fixture(scope="module")
def masks(heard):
    """After 0, 1, 2 and 3 refinements."""
    spec = heard[0]
    return [
        SppMasks(STFT.n_freqs, HOP, rounds).estimate(spec, beam_of(spec)) for rounds in range(4)
    ]


def voiced(spec):
    """Bins of the voice's band, after 0.5 s for the trackers."""
    freqs = STFT.freqs(RATE)
    return spec[(freqs > 200) & (freqs < 4000), round(0.5 / HOP) :]


def test_mask_tells_the_voice_from_diffuse_noise(heard, masks):
    _, speech, noise = (voiced(x) if x.ndim == 2 else x for x in heard)
    mask = voiced(masks[2])
    assert area_under_curve(mask.ravel(), (speech > noise).ravel()) > 0.85
    assert mask[speech > 10 * noise].mean() > 0.8
    assert mask[speech < 0.1 * noise].mean() < 0.2


def test_each_refinement_behind_the_beamformer_sees_more_of_the_voice(heard, masks):
    _, speech, noise = (voiced(x) if x.ndim == 2 else x for x in heard)
    areas = [area_under_curve(voiced(m).ravel(), (speech > noise).ravel()) for m in masks]
    assert areas[0] + 0.05 < areas[1] < areas[2]
    usual = SppMasks(STFT.n_freqs, HOP).estimate(heard[0], beam_of(heard[0]))
    seen = area_under_curve(voiced(usual).ravel(), (speech > noise).ravel())
    assert areas[3] - seen < (areas[1] - areas[0]) / 10  # one more round is not worth its time


def test_mask_is_a_probability(masks):
    for mask in masks:
        assert mask.dtype == np.float32
        assert (mask >= 0).all() and (mask <= 1).all()


def test_the_level_of_the_recording_does_not_matter(heard, masks):
    spec = heard[0][:, :, :100]
    mask = SppMasks(STFT.n_freqs, HOP).estimate(spec, first_microphone(spec))
    soft = SppMasks(STFT.n_freqs, HOP).estimate(spec / 1024, first_microphone(spec / 1024))
    assert_array_equal(soft, mask)


@pytest.mark.parametrize("cuts", [[50], [0, 1, 2, 120]], ids=str)
def test_segments_join_without_a_new_warm_up(heard, cuts):
    spec = heard[0][::16]
    whole = SppMasks(len(spec), HOP).estimate(spec, first_microphone(spec))
    estimator = SppMasks(len(spec), HOP)
    pieces = np.split(spec, cuts, axis=2)
    masks = [estimator.estimate(piece, first_microphone(piece)) for piece in pieces]
    assert_array_equal(np.concatenate(masks, axis=1), whole)


def test_each_round_tracks_what_the_beamformer_let_through():
    """One round: the first mask from the mean power goes to the beamformer, the second
    from what that gives; silence there is no speech."""
    spec = complex_normal(np.random.default_rng(1), 20, 3, 60, dtype=np.complex64)
    spec[:, :, 40:45] *= 10
    given = []

    def silent(mask):
        given.append(mask)
        return np.zeros((20, 60), np.complex64)

    last = SppMasks(20, HOP, rounds=1).estimate(spec, silent)
    (first,) = given
    assert first[:, 40:45].min() > 0.9 and (last < 0.04).all()


def test_silent_bins_and_frames_hold_no_speech():
    spec = complex_normal(np.random.default_rng(2), 30, 2, 80, dtype=np.complex64)
    spec[10:] = 0
    spec[:, :, 60:] = 0
    mask = SppMasks(30, HOP).estimate(spec, first_microphone(spec))
    assert np.isfinite(mask).all()
    assert (mask[14:] < 0.04).all() and (mask[:, 60:] < 0.04).all()


def test_neighbouring_bins_are_averaged_1_4_6_4_1():
    impulse = np.zeros((9, 1), np.float32)
    impulse[4] = 16
    assert smooth_bins(impulse)[:, 0].tolist() == [0, 0, 1, 4, 6, 4, 1, 0, 0]
    edge = np.zeros((6, 1), np.float32)
    edge[0] = 16  # repeated beyond the edge: 6 + 4 + 1, then 4 + 1, then 1
    assert smooth_bins(edge)[:, 0].tolist() == [11, 5, 1, 0, 0, 0]
    assert_allclose(smooth_bins(np.full((7, 3), 0.3)), 0.3, rtol=1e-15)


def test_presence_is_judged_from_smoothed_power():
    """One loud bin lifts its neighbours, 4/16 of it, and not those three bins away."""
    power = np.ones((9, 30))
    power[4, 20] = 200
    mask = presence(SppTracker(9, HOP), power)
    assert (mask[2:7, 20] > 0.9).all() and (mask[[0, 1, 7, 8], 20] < 0.1).all()


def test_mean_power_is_over_the_microphones():
    spec = np.array([[[3 + 4j], [0], [1j]]], np.complex64)
    assert mean_power(spec) == pytest.approx(26 / 3, rel=EPS)


def test_a_spectrum_without_microphones_axis_is_refused():
    with pytest.raises(ShapeError, match=r"\(F, M, T\); got \(5, 7\)"):
        SppMasks(5, HOP).estimate(np.zeros((5, 7), np.complex64), lambda mask: mask)
