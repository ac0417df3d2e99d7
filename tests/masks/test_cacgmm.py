"""Masks from directions: drawn data whose classes are known, then slow steps in double."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.beamformers.blind import blind_mvdr
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.masks.cacgmm import LOADING, CacgmmMasks, align, cacgmm, normalised, random_classes
from arrayenh.masks.choice import mask_source
from arrayenh.masks.spp import SppMasks
from arrayenh.microphones.geometry import load_array
from arrayenh.stft import Stft
from tests.reference import mixture as slow
from tests.signals import RATE, arrivals, band_limited, complex_normal, delayed, voice

EPS = float(np.finfo(np.float32).eps)
F, T = 4, 400


def drawn(rng, n_classes, n_mics=4, floor=0.1, n_freqs=F, n_frames=T):
    """Sound (F, M, T) of one class a frame, its classes (F, T), their shapes (F, K, M, M).

    A class is a direction and `floor` of diffuse noise; the last class is diffuse alone.
    """
    towards = complex_normal(rng, n_freqs, n_classes, n_mics)
    towards[:, -1] = 0
    noise = np.full(n_classes, floor)
    noise[-1] = 1
    shapes = towards[..., None] * towards[..., None, :].conj()
    shapes += (noise**2)[:, None, None] * np.eye(n_mics)
    label = rng.integers(0, n_classes, (n_freqs, n_frames))
    x = np.empty((n_freqs, n_mics, n_frames), complex)
    for f in range(n_freqs):
        for t in range(n_frames):
            k = label[f, t]
            source = towards[f, k] * complex_normal(rng) + noise[k] * complex_normal(rng, n_mics)
            x[f, :, t] = 10 ** rng.uniform(-2, 1) * source  # whose level must not matter
    return x.astype(np.complex64), label, shapes


def hints(rng, label, n_classes, certainty=1.0):
    """Classes to begin with that are right a little more often than not, (F, K, T)."""
    given = rng.uniform(0.2, 1, (len(label), n_classes, label.shape[1]))
    given += certainty * (label[:, None] == np.arange(n_classes)[:, None])
    return (given / given.sum(axis=1, keepdims=True)).astype(np.float32)


def bayes(spec, shapes):
    """The class that is likeliest when all shapes are known, (F, T)."""
    best = np.empty((len(spec), spec.shape[2]), int)
    for f in range(len(spec)):
        z = spec[f] / np.linalg.norm(spec[f], axis=0)
        best[f] = np.argmax([slow.loaded_log_density(z, b, 0.0)[0] for b in shapes[f]], axis=0)
    return best


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize(
    "n_mics, n_classes, floor", [(1, 2, 1), (2, 2, 0.3), (3, 3, 0.3), (8, 2, 0.1)]
)
def test_steps_match_the_formula(n_mics, n_classes, floor, shared):
    rng = np.random.default_rng(n_mics)
    spec, label, _ = drawn(rng, n_classes, n_mics, floor, 3, 120)
    initial = hints(rng, label, n_classes)
    found, likelihood = cacgmm(spec, initial, 6, shared)
    wanted, likelihoods = slow.cacgmm(spec, initial, 6, shared, LOADING)
    # terms of q are as large as 1 / floor² and its M-th power makes the posteriors: M eps of
    # that, in each of six steps
    bound = 6 * n_mics / floor**2 * EPS
    assert_allclose(found, wanted, atol=bound)
    assert_allclose(likelihood, likelihoods if shared else likelihoods[-1:], atol=bound)


@pytest.mark.parametrize("loading", [1e-4, 1e-10])
def test_in_double_precision_close_microphones_match_the_formula(loading):
    """Eigenvalues of B spread over eight decades, as of microphones 12 mm apart at 200 Hz."""
    rng = np.random.default_rng(5)
    spec, label, _ = drawn(rng, 2, 3, 1e-4, 3, 120)
    spec, initial = spec.astype(np.complex128), hints(rng, label, 2)
    found, likelihood = cacgmm(spec, initial, 6, loading=loading)
    wanted, likelihoods = slow.cacgmm(spec, initial, 6, loading=loading)
    assert found.dtype == np.float64
    assert_allclose(found, wanted, atol=1e-6)
    assert_allclose(likelihood, likelihoods, atol=1e-6)


@pytest.mark.parametrize("n_mics", [12, 16])
def test_many_microphones_and_a_clean_direction_do_not_underflow(n_mics):
    """det(B)⁻¹ of one class is 1e45 times that of the other, more than a float32 holds."""
    rng = np.random.default_rng(0)
    spec, label, _ = drawn(rng, 2, n_mics, 1e-3, 2, 200)
    loading = 1e-4
    found, likelihood = cacgmm(spec, hints(rng, label, 2), 6, False, loading)
    wanted, likelihoods = slow.cacgmm(spec, hints(rng, label, 2), 6, False, loading)
    assert_array_equal(found.argmax(axis=1), label)
    assert np.abs(found - wanted).max() < 0.01
    # eigenvalues at the loading: the terms of q are as large as 1e4, against 1 / M
    assert_allclose(likelihood, likelihoods[-1:], atol=n_mics**2 * EPS / loading)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_drawn_classes_are_found_as_well_as_can_be(n_classes, shared):
    """As often as by who knows the shapes, but for 2 %."""
    rng = np.random.default_rng(n_classes)
    draw = same_classes if shared else drawn
    spec, label, shapes = draw(rng, n_classes)
    initial = hints(rng, label, n_classes, 0.3)
    right = (initial.argmax(axis=1) == label).mean()
    posteriors, _ = cacgmm(spec, initial, 30, shared)
    found = (posteriors.argmax(axis=1) == label).mean()
    best = (bayes(spec, shapes) == label).mean()
    assert right < 0.9 < best < 1
    assert found > best - 0.02


def same_classes(rng, n_classes):
    """As `drawn`, one class in all bins of a frame."""
    spec, label, shapes = drawn(rng, n_classes, n_frames=3 * n_classes * T)
    order = rng.integers(0, n_classes, T)
    chosen = np.empty((F, T), int)
    for f in range(F):
        places = [list(np.flatnonzero(label[f] == k)) for k in range(n_classes)]
        chosen[f] = [places[k].pop() for k in order]
    return np.take_along_axis(spec, chosen[:, None], 2), np.tile(order, (F, 1)), shapes


def test_shared_priors_tell_what_one_bin_cannot():
    """Bins whose sound has no direction follow those that have one."""
    rng = np.random.default_rng(4)
    spec, label, _ = same_classes(rng, 2)
    spec[:2] = complex_normal(rng, 2, 4, T)  # no direction: only the others tell
    posteriors, _ = cacgmm(spec, hints(rng, label, 2), 20)
    assert ((posteriors[:2].argmax(axis=1) == label[:2]).mean(axis=1) > 0.85).all()


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize("n_mics, n_classes", [(2, 2), (4, 3)])
def test_the_likelihood_never_falls(n_mics, n_classes, shared):
    rng = np.random.default_rng(5)
    spec, _, _ = drawn(rng, n_classes, n_mics, 0.3)
    initial = rng.dirichlet(np.ones(n_classes), (F, T)).swapaxes(1, 2)
    if shared:
        _, likelihood = cacgmm(spec, initial, 40)
    else:
        likelihood = np.array([cacgmm(spec, initial, n, False)[1][0] for n in range(1, 41)])
    # loading moves M eigenvalues of at least 0.05, at a maximum to second order; and rounding
    slack = n_mics * ((LOADING / 0.05) ** 2 + 10 * EPS)
    assert (np.diff(likelihood) > -slack).all()
    assert likelihood[-1] > likelihood[0] + 0.1


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_posteriors_are_probabilities(shared):
    rng = np.random.default_rng(6)
    spec, _, _ = drawn(rng, 3)
    posteriors, _ = cacgmm(spec, random_classes(F, 3, T, rng), 10, shared)
    assert posteriors.dtype == np.float32
    assert (posteriors >= 0).all() and (posteriors <= 1 + 2 * EPS).all()
    assert_allclose(posteriors.sum(axis=1), 1, atol=4 * EPS)


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**20])
def test_neither_the_level_nor_the_phase_of_a_frame_counts(scale):
    rng = np.random.default_rng(7)
    spec, label, _ = drawn(rng, 2, 3, 0.3)
    initial = hints(rng, label, 2)
    wanted, _ = cacgmm(spec, initial, 5)
    assert_array_equal(cacgmm(np.float32(scale) * spec, initial, 5)[0], wanted)
    assert_array_equal(cacgmm(np.complex64(1j) * spec, initial, 5)[0], wanted)


def test_a_silent_frame_has_its_priors():
    rng = np.random.default_rng(8)
    spec, label, _ = drawn(rng, 2, 3)
    initial = hints(rng, label, 2)
    spec[:, :, 50:60] = 0
    posteriors, _ = cacgmm(spec, initial, 10)  # its priors: the mean of the bins, for ever
    wanted = np.broadcast_to(initial[:, :, 50:60].mean(axis=0), (F, 2, 10))
    assert_allclose(posteriors[:, :, 50:60], wanted, atol=20 * EPS)
    own, _ = cacgmm(spec, initial, 10, shared_priors=False)
    before, _ = cacgmm(spec, initial, 9, shared_priors=False)
    wanted = np.broadcast_to(before.mean(axis=2, keepdims=True), (F, 2, 10))
    assert_allclose(own[:, :, 50:60], wanted, atol=20 * EPS)


def test_silent_frames_do_not_teach():
    """Shapes, and with priors of their own the rest, are those of the frames that sound."""
    rng = np.random.default_rng(9)
    spec, label, _ = drawn(rng, 2, 3)
    initial = hints(rng, label, 2)
    padded = np.concatenate([spec, np.zeros((F, 3, 100), np.complex64)], axis=2)
    prior = np.repeat(initial.mean(axis=2, keepdims=True), 100, axis=2)
    found, likelihood = cacgmm(padded, np.concatenate([initial, prior], axis=2), 1, False)
    wanted, alone = cacgmm(spec, initial, 1, False)
    assert_allclose(found[:, :, :T], wanted, atol=1e-4)
    assert_allclose(likelihood * (T + 100) / T, alone, rtol=1e-5)


def awkward(case):
    rng = np.random.default_rng(10)
    spec = complex_normal(rng, 3, 4, 50, dtype=np.complex64)
    if case == "silence":
        spec[:] = 0
    elif case == "a silent bin":
        spec[1] = 0
    elif case == "identical":
        spec[:] = spec[:, :1]
    elif case == "a dead microphone":
        spec[:, 2] = 0
    elif case == "sixteen microphones":
        spec = complex_normal(rng, 3, 16, 50, dtype=np.complex64)
    elif case == "one direction, sixteen microphones":
        spec = (complex_normal(rng, 3, 16, 1) * complex_normal(rng, 3, 1, 50)).astype(np.complex64)
    elif case.endswith("frames"):
        spec = spec[:, :, : int(case[0])]
    return spec


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
@pytest.mark.parametrize(
    "case",
    ["silence", "a silent bin", "identical", "a dead microphone", "0 frames", "1 frames",
     "2 frames", "sixteen microphones", "one direction, sixteen microphones"],
)  # fmt: skip
def test_awkward_sound_gives_probabilities(case, shared):
    spec = awkward(case)
    initial = random_classes(3, 2, spec.shape[2], np.random.default_rng(11))
    initial[2, 0] = 0  # a class that nothing begins with
    posteriors, likelihood = cacgmm(spec, initial, 20, shared)
    assert_allclose(posteriors.sum(axis=1), 1, atol=4 * EPS)
    assert (posteriors >= 0).all()
    assert np.isfinite(likelihood).all()


def test_one_class_takes_everything():
    spec = awkward("noise")
    assert_allclose(cacgmm(spec, np.full((3, 1, 50), 0.2), 3)[0], 1, atol=EPS)


def test_what_begins_is_made_to_sum_to_one():
    given = np.array([[[2.0, 0, -1], [6.0, 0, 3]]])
    assert_allclose(
        normalised(given, np.dtype(np.float32)), [[[0.25, 0.5, 0], [0.75, 0.5, 1]]], rtol=EPS
    )
    chance = random_classes(5, 3, 40, np.random.default_rng(12))
    assert_allclose(chance.sum(axis=1), 1, atol=4 * EPS)
    assert_array_equal(chance, np.broadcast_to(chance[0], chance.shape))
    assert chance[0].std(axis=1).min() > 0.1


def activities(rng, n_freqs, n_classes, noise):
    """Posteriors of sounds that are heard in turn, at all frequencies alike but for noise."""
    turn = rng.integers(0, n_classes, 200)
    active = np.repeat(turn, 3)[None, None] == np.arange(n_classes)[:, None]
    shares = active + noise * rng.random((n_freqs, n_classes, 600))
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_freqs", [2, 7, 129])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_permutations_of_each_bin_are_undone(n_classes, n_freqs, noise):
    rng = np.random.default_rng(n_freqs)
    wanted = activities(rng, n_freqs, n_classes, noise)
    shuffle = np.argsort(rng.random((n_freqs, n_classes)), axis=1)
    shuffled = np.take_along_axis(wanted, shuffle[:, :, None], 1)
    order = align(shuffled)
    aligned = np.take_along_axis(shuffled, order[:, :, None], 1)
    same = np.take_along_axis(shuffle, order, 1)  # which sound each class now is
    assert_array_equal(same, np.broadcast_to(same[0], same.shape))
    assert_array_equal(aligned, wanted[:, same[0]])


def two_classes(course):
    """Posteriors (F, 2, T) of which the first follows a course, (F, T)."""
    return np.stack([0.5 + 0.1 * course, 0.5 - 0.1 * course], axis=1)


@pytest.mark.parametrize("n_freqs", [4, 8])
def test_bins_that_are_swapped_by_turns_are_undone(n_freqs):
    """Their mean tells nothing: only neighbours can, and blocks of them."""
    sign = np.where(np.arange(n_freqs) % 4 < 2, 1, -1) * np.where(np.arange(n_freqs) % 2, -1, 1)
    course = np.random.default_rng(15).choice([-1.0, 1.0], 300)
    order = align(two_classes(sign[:, None] * course))
    assert_array_equal(order[:, 0] == order[0, 0], sign > 0)


def test_neighbours_that_disagree_are_put_right_by_all():
    """s₀ = a + b and s₁ = a - 1.2 b are opposed; of both, the other bins know a."""
    a, b = np.tile([1.0, 1, -1, -1], 50), np.tile([1.0, -1, 1, -1], 50)
    course = a + np.array([1, -1.2, 0, 0, 0, 0, 0, 0])[:, None] * b
    assert course[0] @ course[1] < 0
    assert_array_equal(align(two_classes(course)), np.tile([0, 1], (8, 1)))


def test_what_is_aligned_stays_and_silent_bins_do_no_harm():
    rng = np.random.default_rng(13)
    posteriors = activities(rng, 20, 3, 0.5)
    assert_array_equal(align(posteriors), np.tile([0, 1, 2], (20, 1)))
    posteriors[4:9] = 1 / 3  # nothing tells
    order = align(posteriors[:, [2, 0, 1]])
    heard = [f for f in range(20) if not 4 <= f < 9]
    assert_array_equal(order[heard], np.broadcast_to(order[0], (15, 3)))
    assert_array_equal(np.sort(order, axis=1), np.tile([0, 1, 2], (20, 1)))
    assert_array_equal(align(posteriors[:, :1]), np.zeros((20, 1)))


STFT = Stft(1024, 256, "hann")
HOP = 256 / RATE


def beam_of(spec):
    return lambda mask: beamformers.apply(blind_mvdr(spec, mask, 0, 1e-6)[0], spec)


@pytest.fixture(scope="module")
def two_directions():
    """A voice from 60 degrees and noise from 200 as loud, from 1 s on; (spec, label)."""
    rng, positions = np.random.default_rng(14), load_array("circular6-46mm").positions
    speech = delayed(voice(rng, 5 * RATE, start=RATE), arrivals(positions, np.deg2rad(60)))
    noise = delayed(band_limited(rng, 5 * RATE), arrivals(positions, np.deg2rad(200)))
    noise = 0.3 * noise + 0.01 * rng.standard_normal(noise.shape)
    images = [STFT.analyse(0.05 * x.astype(np.float32)) for x in (speech, noise)]
    louder = np.abs(images[0][:, 0]) > np.abs(images[1][:, 0])
    return images[0] + images[1], louder


def area_under_curve(score, label):
    """Probability that a bin of the label scores above one without (Mann & Whitney)."""
    rank = np.argsort(np.argsort(score, axis=None))
    label = label.ravel()
    n, n_other = label.sum(), (~label).sum()
    return (rank[label].sum() - n * (n - 1) / 2) / n / n_other


def test_directions_sharpen_what_presence_began(two_directions):
    spec, louder = two_directions
    freqs = STFT.freqs(RATE)
    band = np.s_[(freqs > 200) & (freqs < 4000), round(0.5 / HOP) :]
    sharp = mask_source("cacgmm", STFT.n_freqs, HOP).estimate(spec, beam_of(spec))
    first = mask_source("spp", STFT.n_freqs, HOP).estimate(spec, beam_of(spec))
    assert sharp.dtype == np.float32 and (sharp >= 0).all() and (sharp <= 1 + 2 * EPS).all()
    areas = [area_under_curve(mask[band], louder[band]) for mask in (first, sharp)]
    missed = [1 - area for area in areas]
    assert missed[1] < 0.5 * missed[0]


def test_segments_go_on_from_the_presence_of_those_before(two_directions):
    """The mixture of each segment begins with masks whose trackers know what came before."""
    spec = two_directions[0][::8]
    masks, first = CacgmmMasks(len(spec), HOP, iterations=3), SppMasks(len(spec), HOP)
    for piece in np.split(spec, [90, 200], axis=2):
        found = masks.estimate(piece, beam_of(piece))
        given = first.estimate(piece, beam_of(piece))
        wanted, _ = cacgmm(piece, np.stack([given, 1 - given], axis=1), 3)
        assert_array_equal(found, wanted[:, 0])


def test_what_does_not_fit_is_refused():
    spec = awkward("noise")
    for shape in ((3, 2, 49), (2, 2, 50), (3, 50)):
        with pytest.raises(ShapeError, match=r"initial must have shape \(F, K, T\) to match"):
            cacgmm(spec, np.ones(shape))
    with pytest.raises(ShapeError, match=r"\(F, M, T\); got \(3, 50\)"):
        cacgmm(spec[:, 0], np.ones((3, 2, 50)))
    with pytest.raises(ConfigError, match="iterations must be at least 1; got 0"):
        cacgmm(spec, np.ones((3, 2, 50)), 0)
    with pytest.raises(ConfigError, match="at most 6 classes can be aligned; got 7"):
        align(np.ones((3, 7, 50)))
