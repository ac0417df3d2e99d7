"""The recursive MVDR of a live chain: looked at, inherited, at two ears."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.beamformers.beamformer import Stream
from arrayenh.beamformers.blind import residual_noise
from arrayenh.beamformers.mvdr import MaskedMvdr, RecursiveMvdr
from arrayenh.beamformers.weights import apply
from arrayenh.chain.settings import Settings
from arrayenh.errors import ShapeError
from tests.signals import complex_normal

EPS = float(np.finfo(np.float32).eps)
F, M, T = 70, 4, 60  # more bins than the lanes of a block
HOP = 0.016
LITTLE = 1e-10  # loading, so that which microphone has been loaded when does not matter


@pytest.fixture(scope="module")
def heard():
    """Transfer functions (F, M), speech, noise (F, M, T) and a mask that knows, float32."""
    rng = np.random.default_rng(1)
    a = complex_normal(rng, F, M)
    speaks = rng.random((F, 1, T)) < 0.5
    speech = 3 * a[:, :, None] * complex_normal(rng, F, 1, T) * speaks
    mixing = complex_normal(rng, F, M, M) + 2 * np.eye(M)
    noise = mixing @ complex_normal(rng, F, M, T) / 3
    return a, speech.astype("F"), noise.astype("F"), speaks[:, 0].astype("f")


def learnt(spec, mask, mics=slice(None), reference=0, loading=LITTLE, **more):
    """A beam that has learnt from some microphones, and its last output."""
    spec = np.ascontiguousarray(spec[:, mics])
    beam = RecursiveMvdr(F, spec.shape[1], HOP, 2.0, reference=reference, loading=loading, **more)
    return beam, beam.update(spec, mask, 1 - mask)


# ---- look --------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_level", [False, True])
def test_look_applies_the_weights_and_learns_nothing(heard, keep_level):
    _, speech, noise, mask = heard
    beam, out = learnt(speech + noise, mask, keep_level=keep_level)
    weights, last = beam.weights, (speech + noise)[:, :, -1:].copy()
    found, _ = beam.look(last)
    assert_allclose(found, out[:, -1:], atol=4 * EPS * np.abs(out).max())
    gain = np.vdot(apply(weights, last), found).real / np.linalg.norm(apply(weights, last)) ** 2
    assert_allclose(found, gain * apply(weights, last), atol=8 * EPS * np.abs(found).max())
    assert (gain == pytest.approx(1, abs=EPS)) == (not keep_level)
    assert_array_equal(beam.look(last)[0], found)
    assert_array_equal(beam.weights, weights)


@pytest.mark.parametrize("steered", [False, True])
@pytest.mark.parametrize("mu", [0.0, 2.0])
def test_the_noise_is_that_of_the_other_directions(heard, mu, steered):
    """`residual_noise` of the weights and the noise covariance that has been learnt."""
    a, speech, noise, mask = heard
    beam = RecursiveMvdr(F, M, HOP, 2.0, mu, keep_level=False)
    beam.update(speech + noise, mask, 1 - mask, a if steered else None)
    out, found = beam.look(speech + noise)
    noise_cov = np.linalg.inv(beam.noise_cov_inverse)
    wanted = residual_noise(speech + noise, beam.weights, noise_cov, out)
    assert_allclose(found, wanted, atol=1e-4 * wanted.max())  # a difference of squares, in float32


@pytest.mark.parametrize("mu", [0.0, 1.0])
def test_another_reference_is_that_of_a_beam_of_its_own(heard, mu):
    _, speech, noise, mask = heard
    beam, _ = learnt(speech + noise, mask, mu=mu, keep_level=False)
    own, _ = learnt(speech + noise, mask, reference=2, mu=mu, keep_level=False)
    for found, wanted in zip(beam.look(speech, 2), own.look(speech), strict=True):
        assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_before_the_first_sound_the_reference_passes(heard):
    spec = heard[1]
    beam = RecursiveMvdr(F, M, HOP, reference=1)
    for reference in (None, 1, 3):
        found, noise = beam.look(spec, reference)
        assert_array_equal(found, spec[:, 1 if reference is None else reference])
        assert not noise.any()


def test_one_microphone_has_no_other_directions(heard):
    beam = RecursiveMvdr(F, 1, HOP)
    spec = np.ascontiguousarray(heard[1][:, :1] + heard[2][:, :1])
    beam.update(spec, heard[3], 1 - heard[3])
    assert not beam.look(spec)[1].any()


def test_frames_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match="spec must have shape"):
        RecursiveMvdr(F, M, HOP).look(np.zeros((F, M - 1, 1), np.complex64))


# ---- inherit -----------------------------------------------------------------------------


@pytest.mark.parametrize("mics", [(0, 1, 3), (2, 0), (1,)])
def test_fewer_microphones_go_on_as_if_they_had_been_alone(heard, mics):
    _, speech, noise, mask = heard
    beam = RecursiveMvdr(F, len(mics), HOP, 2.0, loading=LITTLE, keep_level=False)
    beam.inherit(learnt(speech + noise, mask, keep_level=False)[0].learnt(), mics)
    alone, _ = learnt(speech + noise, mask, list(mics), keep_level=False)
    next_frames = np.ascontiguousarray((speech - noise)[:, list(mics)])
    for found, wanted in zip(beam.look(next_frames), alone.look(next_frames), strict=True):
        assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    assert_allclose(
        beam.update(next_frames, mask, 1 - mask),
        alone.update(next_frames, mask, 1 - mask),
        atol=1e-4 * np.abs(next_frames).max(),
    )


def test_a_new_microphone_changes_nothing_at_first(heard):
    """Its noise is thought to be as strong as the others' and of its own, and nothing of speech."""
    _, speech, noise, mask = heard
    three, _ = learnt(speech + noise, mask, [0, 1, 2])
    four = RecursiveMvdr(F, M, HOP, 2.0, loading=LITTLE)
    four.inherit(three.learnt(), [0, 1, 2, None])
    assert_allclose(four.weights[:, :3], three.weights, atol=1e-6)
    assert_allclose(four.weights[:, 3], 0, atol=1e-12)
    found = np.linalg.inv(four.noise_cov_inverse)
    before = np.linalg.inv(three.noise_cov_inverse)
    assert_allclose(found[:, :3, :3], before, rtol=1e-6, atol=1e-6)
    assert_allclose(found[:, 3, 3].real, np.trace(before, axis1=1, axis2=2).real / 3, rtol=1e-6)
    assert_allclose(found[:, :3, 3], 0, atol=1e-12)


@pytest.mark.parametrize("mics", [(0, 1, 2, 3), (0, 2, 3), (3, 0), (0, 1, None, 3, None)])
def test_speech_is_not_distorted_after_a_change(heard, mics):
    """Of clean speech, whose statistics have rank one, wᴴ a is the reference's."""
    a, speech, noise, mask = heard
    beam, _ = learnt(speech * mask[:, None] + noise * (1 - mask[:, None]), mask, keep_level=False)
    after = RecursiveMvdr(F, len(mics), HOP, 2.0, loading=LITTLE, keep_level=False)
    after.inherit(beam.learnt(), mics)
    response = sum(
        after.weights[:, k].conj() * a[:, m] for k, m in enumerate(mics) if m is not None
    )
    wanted = a[:, mics[0]]
    there = mask.any(axis=1) & (mask.sum(axis=1) < T)
    assert_allclose(response[there], wanted[there], atol=1e-4 * np.abs(a).max())


def test_a_smaller_share_changes_no_weights_but_gives_way_sooner(heard):
    """The next frames weigh the more against it: the new noise is there at once."""
    _, speech, noise, mask = heard
    before, _ = learnt(speech + noise, mask, keep_level=False)
    beams = {}
    for share in (1.0, 0.01):
        beams[share] = RecursiveMvdr(F, M, HOP, 2.0, loading=LITTLE, keep_level=False)
        beams[share].inherit(before.learnt(), range(M), share)
        assert_allclose(beams[share].weights, before.weights, atol=1e-6)
        found = beams[share].noise_cov_inverse
        assert_allclose(found, before.noise_cov_inverse, rtol=1e-5, atol=1e-6)
    nothing, everything = np.zeros((F, T), "f"), np.ones((F, T), "f")
    left = {}
    for share, beam in beams.items():
        beam.update(np.ascontiguousarray(noise[:, ::-1]), nothing, everything)
        left[share] = np.linalg.norm(beam.look(np.ascontiguousarray(noise[:, ::-1]))[0])
    assert left[0.01] < left[1.0]


def test_what_has_been_learnt_is_a_copy(heard):
    _, speech, noise, mask = heard
    beam, _ = learnt(speech + noise, mask)
    copy, weights = beam.learnt(), beam.weights
    beam.update(7 * noise, mask, 1 - mask)
    beam.inherit(copy, range(M))
    assert_allclose(beam.weights, weights, atol=1e-6)


def test_nothing_learnt_is_nothing_inherited(heard):
    beam = RecursiveMvdr(F, 3, HOP)
    beam.inherit(RecursiveMvdr(F, M, HOP).learnt(), [0, 1, None])
    assert_array_equal(beam.weights, np.broadcast_to([1, 0, 0], (F, 3)))
    spec = np.ascontiguousarray((heard[1] + heard[2])[:, :3])
    fresh = RecursiveMvdr(F, 3, HOP)
    weights = heard[3], 1 - heard[3]
    assert_array_equal(beam.update(spec, *weights), fresh.update(spec, *weights))


# ---- two ears ----------------------------------------------------------------------------


@pytest.mark.parametrize("partial", [0.0, 0.3])
def test_each_ear_is_a_wiener_filter_with_a_part_of_the_input(heard, partial):
    """y_e = (1 - η) wₑᴴ x + η xₑ,  wₑ = Φₙ⁻¹ Φₛ e / (μ + tr Φₙ⁻¹ Φₛ); the noise is their RMS."""
    _, speech, noise, mask = heard
    mu, ears, mask = 1.5, (0, 2), 0.1 + 0.8 * mask
    stream = Stream(F, M, HOP, ears[0], ears)
    both = MaskedMvdr(stream, Settings(memory_seconds=2.0), mu, partial=partial)
    assert len(ears) == len(stream.outputs)
    spec = speech + noise
    for t in range(T):
        out = both(spec[:, :, t : t + 1].copy(), mask[:, t : t + 1], None)
    phi_n, phi_s, totals = covariances(spec, mask**4, (1 - mask) ** 2)
    ratio = np.linalg.solve(phi_n, phi_s)
    below = mu * (totals[1] / totals[0]) + np.trace(ratio, axis1=1, axis2=2).real
    last = spec[:, :, -1]
    wanted = [np.sum((ratio[..., ear] / below[:, None]).conj() * last, axis=1) for ear in ears]
    level = both._beam._applied
    assert out.shape == (F, 2, 1) and 0.5 < level < 2
    for k, ear in enumerate(ears):
        part = (1 - partial) * level * wanted[k] + partial * last[:, ear]
        assert_allclose(out[:, k, 0], part, atol=2e-3 * np.abs(last).max())  # of the loading
    noises = [both._beam.look(spec[:, :, -1:].copy(), ear)[1] for ear in ears]
    found = both.look(spec[:, :, -1:].copy())[1]
    assert_allclose(found, np.sqrt((noises[0] ** 2 + noises[1] ** 2) / 2), rtol=1e-6)


def covariances(spec, speech_weight, noise_weight):
    """Sums that fade by 1 - β γ, of noise and speech, and of their weights."""
    forget = 1 - np.exp(-HOP / 2.0)
    outer = np.einsum("fmt,fnt->tfmn", spec.astype("D"), spec.conj().astype("D"))
    sums, totals = [], []
    for weight in (noise_weight.astype(float), speech_weight.astype(float)):
        cov, total = np.zeros((F, M, M), complex), np.zeros(F)
        for t in range(T):
            fade = 1 - forget * weight[:, t]
            cov = fade[:, None, None] * cov + weight[:, t, None, None] * outer[t]
            total = fade * total + weight[:, t]
        sums.append(cov)
        totals.append(total)
    return *sums, totals
