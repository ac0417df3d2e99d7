"""Beamformers frame by frame, against batch forms, closed forms and plain recursions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.beamformers.delay_and_sum import RecursiveDas, delay_and_sum
from arrayenh.beamformers.gsc import RecursiveGsc, blocking_matrix
from arrayenh.beamformers.mvdr import LEVEL_SECONDS, RecursiveMvdr, mvdr
from arrayenh.beamformers.mwf import rank_one_mwf
from arrayenh.beamformers.recursion import RECURSIVE_LOADING
from arrayenh.beamformers.weights import apply
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.statistics.covariance import spatial_covariance
from tests.reference import online as slow
from tests.signals import complex_normal

EPS = float(np.finfo(np.float32).eps)
HOP = 0.032  # seconds
F, M, T = 70, 4, 250  # more bins than the lanes of a block
LOADING = RECURSIVE_LOADING


def scene(rng, n_freqs=F, n_mics=M, n_frames=T):
    """A talker who speaks in half of the frames, coloured noise; transfer functions, weights."""
    a = np.exp(2j * np.pi * rng.random((n_freqs, n_mics)))
    a /= a[:, :1]
    speaks = rng.random((n_freqs, 1, n_frames)) < 0.5
    talker = a[:, :, None] * complex_normal(rng, n_freqs, 1, n_frames) * speaks
    mixing = complex_normal(rng, n_freqs, n_mics, n_mics) + np.eye(n_mics)
    noise = mixing @ complex_normal(rng, n_freqs, n_mics, n_frames)
    mask = np.clip(0.8 * speaks[:, 0] + 0.2 * rng.random((n_freqs, n_frames)), 0, 1)
    weights = (mask**2).astype(np.float32), ((1 - mask) ** 2).astype(np.float32)
    return (2 * talker + noise).astype(np.complex64), a, *weights


def output_power(weights, cov):
    return np.einsum("fi,fij,fj->f", weights.conj(), cov, weights).real


def response(weights, steering):
    return np.sum(weights.conj() * steering, axis=1)


def in_pieces(update, *frames, sizes=(1,)):
    """`update` on so many frames at a time, in turn; the outputs joined.

    Each piece lies in memory of its own, as in a stream: for views the loops are compiled anew.
    """
    parts, start, k = [], 0, 0
    while start < frames[0].shape[-1]:
        stop = start + sizes[k % len(sizes)]
        parts.append(update(*(x[..., start:stop].copy() for x in frames)))
        start, k = stop, k + 1
    return np.concatenate(parts, axis=1)


# ---- plain recursions --------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0.3, np.inf])
@pytest.mark.parametrize("n_mics", [1, 2, 4, 7])
def test_steered_mvdr_is_the_recursion_with_every_inverse_written_out(n_mics, memory):
    """Rounded each frame, and each error fades: eps·κ ≤ 1e-15·1e5; outputs are float32."""
    spec, a, _, noise = scene(np.random.default_rng(n_mics), n_mics=n_mics)
    online = RecursiveMvdr(F, n_mics, HOP, memory)
    found = online.update(spec, None, noise, a)
    wanted, w, cov = slow.steered_mvdr(spec, noise, a, 1 - np.exp(-HOP / memory), LOADING)
    assert_allclose(online.weights, w, rtol=0, atol=1e-9 * np.abs(w).max())
    level = np.sqrt(np.mean(np.abs(wanted) ** 2))
    assert_allclose(found, wanted, rtol=EPS, atol=1e-8 * level)
    inverse = np.linalg.inv(cov)
    assert_allclose(online.noise_cov_inverse, inverse, atol=1e-9 * np.abs(inverse).max())


@pytest.mark.parametrize("mu", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("reference", [0, 2])
def test_blind_filter_is_the_recursion_with_every_inverse_written_out(mu, reference):
    """The level's gain is float32: 3 eps. The first frame has noise and speech weight."""
    spec, _, speech, noise = scene(np.random.default_rng(5))
    speech[:, 0] = noise[:, 0] = 0.25
    online = RecursiveMvdr(F, M, HOP, 0.5, mu, reference, loading=1e-2)
    found = online.update(spec, speech, noise)
    forget = 1 - np.exp(-HOP / 0.5)
    wanted, w = slow.blind_mwf(
        spec, speech, noise, mu, reference, forget, 1e-2, level_keep=np.exp(-HOP / LEVEL_SECONDS)
    )
    assert_allclose(online.weights, w, rtol=0, atol=1e-9 * np.abs(w).max())
    level = np.sqrt(np.mean(np.abs(wanted) ** 2))
    assert_allclose(found, wanted, rtol=3 * EPS, atol=3 * EPS * level)


@pytest.mark.parametrize("most_norm", [0.6, 1e6])
@pytest.mark.parametrize("n_mics, memory", [(2, 0.3), (4, 0.3), (4, np.inf)])
def test_sidelobe_canceller_is_recursive_least_squares(n_mics, memory, most_norm):
    spec, a, _, noise = scene(np.random.default_rng(6), n_mics=n_mics)
    online = RecursiveGsc(F, n_mics, HOP, memory, most_norm=most_norm)
    found = online.update(spec, noise, a)
    wanted, w = slow.sidelobe_canceller(
        spec, noise, a / n_mics, blocking_matrix(a), online.forget, LOADING, most_norm
    )
    assert_allclose(online.weights, w, rtol=0, atol=1e-8 * np.abs(w).max())
    level = np.sqrt(np.mean(np.abs(wanted) ** 2))
    assert_allclose(found, wanted, rtol=EPS, atol=1e-7 * level)


@pytest.mark.parametrize("n_mics", [4, 8])
def test_five_thousand_frames_later_the_inverse_still_is_one(n_mics):
    """Hermitian to the last bit; each frame's rounding fades, so that 1e-9 stays 1e-9."""
    rng = np.random.default_rng(7)
    spec, a, _, noise = scene(rng, 3, n_mics, 5000)
    online = RecursiveMvdr(3, n_mics, HOP, 1.0)
    found = online.update(spec, None, noise, a)
    assert np.isfinite(found).all()
    inverse = online.noise_cov_inverse
    assert_array_equal(inverse, inverse.conj().swapaxes(1, 2))
    *_, (phi, total) = slow.noise_covariances(spec, noise, online.forget, LOADING)
    assert_allclose(
        inverse @ (phi / total[:, None, None]), np.tile(np.eye(n_mics), (3, 1, 1)), atol=1e-9
    )


# ---- a memory without end: the batch forms -----------------------------------------------


def begun(spec, weight):
    """Covariance, in double precision, and the first frame's loading as a part of it."""
    spec, weight = spec.astype(complex), weight.astype(float)
    first = np.sum(np.abs(spec[:, :, 0]) ** 2, axis=1)
    load = LOADING * first / spec.shape[1] / weight.sum(axis=1)
    return spatial_covariance(spec, weight), load[:, None, None]


def test_steered_mvdr_ends_as_the_batch_form():
    """MVDR of Φ + δI, δ what is left of the first frame's loading: to the last digits.

    And of Φ itself: the excess of noise is at most δ / λ_min, as wᴴ(Φ + δI)w is least.
    """
    spec, a, _, noise = scene(np.random.default_rng(8), n_frames=2000)
    online = RecursiveMvdr(F, M, HOP, np.inf)
    online.update(spec, None, noise, a)
    cov, load = begun(spec, noise)
    exact = mvdr(a, cov + load * np.eye(M), 0.0)
    assert_allclose(online.weights, exact, atol=1e-9 * np.abs(exact).max())
    least = output_power(mvdr(a, cov, 0.0), cov)
    excess = output_power(online.weights, cov) / least - 1
    allowed = load[:, 0, 0] / np.linalg.eigvalsh(cov)[:, 0]
    assert (excess > -1e-9).all() and (excess <= allowed + 1e-9).all()
    assert allowed.max() < 0.01  # the bound says something


@pytest.mark.parametrize("mu", [0.0, 1.0])
@pytest.mark.parametrize("reference", [0, 3])
def test_blind_filter_ends_as_the_batch_form(mu, reference):
    """The means of the same weights. Of Φₙ without loading: apart by δ / λ_min twice over,
    in the numerator and in the trace."""
    spec, _, speech, noise = scene(np.random.default_rng(9), n_frames=2000)
    online = RecursiveMvdr(F, M, HOP, np.inf, mu, reference)
    online.update(spec, speech, noise)
    cov, load = begun(spec, noise)
    speech_cov, _ = begun(spec, speech)
    exact = rank_one_mwf(speech_cov, cov + load * np.eye(M), mu, reference, 0.0)
    assert_allclose(online.weights, exact, atol=1e-9 * np.abs(exact).max())
    plain = rank_one_mwf(speech_cov, cov, mu, reference, 0.0)
    allowed = 2 * load[:, 0, 0] / np.linalg.eigvalsh(cov)[:, 0]
    apart = np.linalg.norm(online.weights - plain, axis=1) / np.linalg.norm(plain, axis=1)
    assert (apart <= allowed * np.sqrt(np.linalg.cond(cov))).all()


def test_sidelobe_canceller_ends_as_the_mvdr():
    """Least squares with the loading of the first blocked frame: MVDR with the same."""
    spec, a, _, noise = scene(np.random.default_rng(10), n_frames=2000)
    online = RecursiveGsc(F, M, HOP, np.inf, most_norm=1e6)
    online.update(spec, noise, a)
    cov, _ = begun(spec, noise)
    _, load = begun(np.einsum("fmk,fmt->fkt", blocking_matrix(a).conj(), spec), noise)
    exact = mvdr(a, cov + load * np.eye(M), 0.0)
    assert_allclose(online.weights, exact, atol=1e-8 * np.abs(exact).max())


def test_a_blind_mvdr_keeps_one_talker_as_the_reference_hears_him():
    """Speech weights on frames of the talker alone: Φₛ has rank one, wᴴa = 1."""
    rng = np.random.default_rng(11)
    spec, a, _, _ = scene(rng, n_frames=400)
    spec *= np.float32(0.05)
    talker = (a[:, :, None] * complex_normal(rng, F, 1, 200)).astype(np.complex64)
    spec[:, :, 200:] = talker
    speech = np.repeat(np.arange(400)[None] >= 200, F, axis=0).astype(np.float32)
    online = RecursiveMvdr(F, M, HOP, np.inf)
    found = online.update(spec, speech, 1 - speech)
    assert_allclose(response(online.weights, a), 1, atol=1e-6)  # spectra are float32
    # so is the level's gain, but for the noise, 26 dB below, that Φₛ is taken to hold
    assert_allclose(found[:, -1], talker[:, 0, -1], rtol=0, atol=0.01 * np.abs(talker).max())


@pytest.mark.parametrize("snr_db", [0, 10, 25])
def test_the_first_speech_after_noise_is_as_loud_as_the_reference_hears_it(snr_db):
    """The level does not learn from noise alone: within 1.5 dB from 0.1 s on."""
    rng = np.random.default_rng(12)
    n_noise, n_speech = 125, 63  # 4 s of noise, 2 s of speech
    n_frames = n_noise + n_speech
    _, a, _, _ = scene(rng)
    mixing = complex_normal(rng, F, M, M) + 2 * np.eye(M)
    noise = mixing @ complex_normal(rng, F, M, n_frames)
    noise /= np.sqrt(np.mean(np.abs(noise[:, 0]) ** 2))
    speaks = (np.arange(n_frames) >= n_noise) & (rng.random((F, n_frames)) < 0.5)
    talker = 10 ** (snr_db / 20) * np.sqrt(2) * complex_normal(rng, F, n_frames) * speaks
    # a mask that is not quite sure, and reverberation, so that Φₛ has more than rank one
    late = 0.3 * (mixing @ complex_normal(rng, F, M, n_frames)) * np.abs(talker[:, None])
    spec = (a[:, :, None] * talker[:, None] + 0.3 * late + noise).astype(np.complex64)
    mask = np.where(speaks, 0.9, 0.15).astype(np.float32)
    online = RecursiveMvdr(F, M, HOP, 2.0)
    found = online.update(spec, mask**4, (1 - mask) ** 2)
    for first in range(n_noise + 3, n_frames - 15, 15):
        heard, said = found[:, first : first + 15], talker[:, first : first + 15]
        gain = np.vdot(said, heard).real / np.vdot(said, said).real
        assert abs(20 * np.log10(gain)) < 1.5


# ---- states ------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1,), (3, 1, 64, 2)], ids=str)
@pytest.mark.parametrize("n_mics", [2, 5])
def test_frames_one_by_one_or_all_at_once_are_the_same_to_the_last_bit(n_mics, sizes):
    spec, a, speech, noise = scene(np.random.default_rng(12), 257, n_mics, 150)
    size = 257, n_mics, HOP, 0.5
    blind = [RecursiveMvdr(*size, mu=1.0) for _ in range(2)]
    whole = blind[0].update(spec, speech, noise)
    assert_array_equal(in_pieces(blind[1].update, spec, speech, noise, sizes=sizes), whole)
    assert_array_equal(blind[1].weights, blind[0].weights)
    steered = [RecursiveMvdr(*size) for _ in range(2)]
    whole = steered[0].update(spec, None, noise, a)
    parts = in_pieces(lambda x, n: steered[1].update(x, None, n, a), spec, noise, sizes=sizes)
    assert_array_equal(parts, whole)
    gsc = [RecursiveGsc(*size) for _ in range(2)]
    whole = gsc[0].update(spec, noise, a)
    assert_array_equal(
        in_pieces(lambda x, n: gsc[1].update(x, n, a), spec, noise, sizes=sizes), whole
    )
    assert_array_equal(gsc[1].weights, gsc[0].weights)


@pytest.mark.slow
def test_views_are_heard_as_what_they_show():
    """Every second frame of a longer recording, or a copy of those."""
    spec, a, speech, noise = scene(np.random.default_rng(12), n_frames=60)
    views = spec[:, :, ::2], speech[:, ::2], noise[:, ::2]
    copies = [x.copy() for x in views]
    size = F, M, HOP, 0.5
    assert_array_equal(RecursiveMvdr(*size).update(*views), RecursiveMvdr(*size).update(*copies))
    steered = [RecursiveMvdr(*size).update(x, None, n, a) for x, _, n in (views, copies)]
    assert_array_equal(*steered)
    assert_array_equal(*[RecursiveGsc(*size).update(x, n, a) for x, _, n in (views, copies)])


def test_after_a_reset_everything_begins_again():
    spec, a, speech, noise = scene(np.random.default_rng(13), n_frames=31)
    blind, gsc, das = (
        RecursiveMvdr(F, M, HOP),
        RecursiveGsc(F, M, HOP),
        RecursiveDas(F, M, HOP, 0.3),
    )
    updates = [
        lambda: blind.update(spec, speech, noise),
        lambda: gsc.update(spec, noise, a),
        lambda: das.update(spec, a),
    ]
    first = [update() for update in updates]
    das.update(spec, a.conj())
    for online in (blind, gsc, das):
        online.reset()
    for update, before in zip(updates, first, strict=True):
        assert_array_equal(update(), before)


def test_before_anything_is_heard_the_reference_passes():
    online = RecursiveMvdr(F, M, HOP, reference=2)
    spec = np.zeros((F, M, 3), np.complex64)
    ones = np.ones((F, 3), np.float32)
    assert_array_equal(online.update(spec, ones, ones), spec[:, 2])
    wanted = np.zeros((F, M))
    wanted[:, 2] = 1
    assert_array_equal(online.weights, wanted)
    spec[:] = 1 + 1j  # noise, and nobody has spoken
    assert_array_equal(online.update(spec, 0 * ones, ones), spec[:, 2])


def test_silence_teaches_nothing():
    """A minute of zeros between words leaves every statistic as it was, to the last bit."""
    spec, a, speech, noise = scene(np.random.default_rng(14), n_frames=100)
    silence, ones = np.zeros((F, M, 1875), np.complex64), np.ones((F, 1875), np.float32)
    blind, steered = RecursiveMvdr(F, M, HOP, mu=1.0), RecursiveMvdr(F, M, HOP)
    gsc = RecursiveGsc(F, M, HOP)
    updates = [
        (blind, lambda x, s, n: blind.update(x, s, n)),
        (steered, lambda x, s, n: steered.update(x, None, n, a)),
        (gsc, lambda x, s, n: gsc.update(x, n, a)),
    ]
    for online, update in updates:
        update(spec, speech, noise)
        weights = online.weights
        assert_array_equal(update(silence, ones, ones), 0)
        assert_array_equal(online.weights, weights)


def test_noise_is_forgotten_only_where_noise_is_heard():
    """Speech in between, a whole turn of the loading long, moves the noise's statistics by
    nothing; weights of ½ fade half as fast as weights of 1."""
    spec, a, _, noise = scene(np.random.default_rng(15), n_frames=200)
    plain, disturbed = RecursiveMvdr(F, M, HOP, 0.5), RecursiveMvdr(F, M, HOP, 0.5)
    plain.update(spec, None, noise, a)
    half = spec[:, :, :100].copy(), None, noise[:, :100].copy(), a
    disturbed.update(*half)
    loud = (1e3 * complex_normal(np.random.default_rng(0), F, M, 8 * M)).astype(np.complex64)
    disturbed.update(loud, None, np.zeros((F, 8 * M), np.float32), a)
    disturbed.update(spec[:, :, 100:].copy(), None, noise[:, 100:].copy(), a)
    assert_array_equal(disturbed.noise_cov_inverse, plain.noise_cov_inverse)
    assert_array_equal(disturbed.weights, plain.weights)


def test_speech_alone_does_not_change_the_sidelobe_canceller():
    """What leaks through the blocking matrix of a wrong direction is not learnt from."""
    rng = np.random.default_rng(16)
    spec, a, _, noise = scene(rng)
    online = RecursiveGsc(F, M, HOP)
    online.update(spec, noise, a)
    learnt = online.weights
    other = (complex_normal(rng, F, M, 1) * complex_normal(rng, F, 1, 500)).astype(np.complex64)
    y = online.update(other, np.zeros((F, 500), np.float32), a)
    assert_array_equal(online.weights, learnt)
    assert_allclose(y, apply(learnt, other), rtol=0, atol=16 * EPS * np.abs(other).max())


@pytest.mark.parametrize("quiet", [1e-6, 1e-10, 1e-18])
def test_a_first_sound_that_is_hardly_there_is_soon_forgotten(quiet):
    """A fade-in: Φ⁻¹ would lose all digits of what is 1e20 times as loud.

    Of the residual noise, a memory of T frames lacks M / T of the best: within 10 %.
    """
    rng = np.random.default_rng(17)
    spec, a, _, _ = scene(rng, n_frames=2000)
    spec[:, :, 0] *= np.float32(quiet)
    ones = np.ones((F, 2000), np.float32)
    cov = spatial_covariance(spec[:, :, 1:])
    best = output_power(mvdr(a, cov), cov)
    steered, gsc = RecursiveMvdr(F, M, HOP, 3.2), RecursiveGsc(F, M, HOP, 3.2, most_norm=1e6)
    steered.update(spec, None, ones, a)
    gsc.update(spec, ones, a)
    assert (np.linalg.eigvalsh(steered.noise_cov_inverse) > 0).all()
    for online in (steered, gsc):
        assert np.median(output_power(online.weights, cov) / best) < 1.1
        assert (output_power(online.weights, cov) / best < 1.5).all()


# ---- directions --------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0.1, 2.0, np.inf])
def test_a_talker_who_moves_is_kept_in_every_block(memory):
    """The steering vector is another at every call; and what he says comes out."""
    rng = np.random.default_rng(18)
    spec, a, _, noise = scene(rng)
    steered, gsc = RecursiveMvdr(F, M, HOP, memory), RecursiveGsc(F, M, HOP, memory)
    for start in range(0, T, 10):
        a = a * np.exp(0.3j * rng.standard_normal((F, M)))
        part = np.s_[..., start : start + 10]
        steered.update(spec[part], None, noise[part], a)
        gsc.update(spec[part], noise[part], a)
        assert_allclose(response(steered.weights, a), 1, atol=1e-10)
        assert_allclose(response(gsc.weights, a), 1, atol=1e-10)
    talker = (a[:, :, None] * complex_normal(rng, F, 1, 20)).astype(np.complex64)
    none = np.zeros((F, 20), np.float32)
    size = np.linalg.norm(steered.weights, axis=1).max() * np.abs(talker).max()
    kept = steered.update(talker, None, none, a)
    assert_allclose(kept, (talker / a[:, :, None])[:, 0], rtol=0, atol=4 * M * EPS * size)


@pytest.mark.parametrize("most_norm", [0.5, 2.0, 10.0])
def test_the_norm_of_a_sidelobe_canceller_is_bounded(most_norm):
    """A loud talker beside the look direction, called noise, asks for weights without end."""
    rng = np.random.default_rng(19)
    a = np.exp(2j * np.pi * rng.random((F, M)))
    beside = a * np.exp(0.02j * rng.standard_normal((F, M)))
    spec = 1e3 * beside[:, :, None] * complex_normal(rng, F, 1, 300)
    spec = (spec + complex_normal(rng, F, M, 300)).astype(np.complex64)
    online = RecursiveGsc(F, M, HOP, most_norm=most_norm)
    largest = 0.0
    for start in range(0, 300, 10):
        piece = spec[:, :, start : start + 10].copy()
        online.update(piece, np.ones((F, 10), np.float32), a)
        largest = max(largest, float(np.sum(np.abs(online.weights) ** 2, axis=1).max()))
        assert_allclose(response(online.weights, a), 1, atol=1e-10)
    assert largest == pytest.approx(most_norm, rel=1e-9)


def test_delay_and_sum_glides_to_a_new_direction():
    """n frames after the turn the old direction is left to exp(-n hop / memory)."""
    rng = np.random.default_rng(20)
    spec, a, _, _ = scene(rng, n_frames=40)
    b = np.exp(2j * np.pi * rng.random((F, M)))
    online = RecursiveDas(F, M, HOP, 0.2)
    assert_array_equal(online.update(spec, a), apply(delay_and_sum(a), spec))
    found = online.update(spec, b)
    left = np.exp(-np.arange(1, 41) * HOP / 0.2)
    old, new = (apply(delay_and_sum(d), spec) for d in (a, b))
    assert_allclose(found, left * old + (1 - left) * new, atol=8 * EPS * np.abs(spec).max())
    gliding = delay_and_sum(b) + left[-1] * (delay_and_sum(a) - delay_and_sum(b))
    assert_allclose(online.weights, gliding, atol=1e-14)
    online.reset()
    online.update(spec, a)
    one_by_one = in_pieces(lambda x: online.update(x, b), spec, sizes=(1, 5))
    assert_allclose(one_by_one, found, atol=8 * EPS * np.abs(spec).max())


def test_without_a_memory_delay_and_sum_turns_at_once():
    spec, a, _, _ = scene(np.random.default_rng(21), n_frames=5)
    online = RecursiveDas(F, M, HOP)
    online.update(spec, a)
    assert_array_equal(online.update(spec, a.conj()), apply(delay_and_sum(a.conj()), spec))


# ---- refused -----------------------------------------------------------------------------


def test_what_does_not_fit_is_refused():
    spec, a, speech, noise = scene(np.random.default_rng(22), n_frames=5)
    online = RecursiveMvdr(F, M, HOP)
    with pytest.raises(ShapeError, match=r"spec must have shape \(70, 4, 't'\); got \(70, 3, 5\)"):
        online.update(spec[:, :3], speech, noise)
    with pytest.raises(ShapeError, match=r"noise_weight must have shape \(70, 5\); got \(70, 4\)"):
        online.update(spec, speech, noise[:, :4])
    with pytest.raises(ShapeError, match=r"speech_weight must have shape \(70, 5\)"):
        online.update(spec, speech[:3], noise)
    with pytest.raises(ShapeError, match=r"steering must have shape \(70, 4\); got \(70, 3\)"):
        online.update(spec, None, noise, a[:, :3])
    with pytest.raises(ShapeError, match="speech_weight or steering is needed"):
        online.update(spec, None, noise)
    with pytest.raises(ShapeError, match="no frame has been beamformed yet"):
        RecursiveGsc(F, M, HOP).weights  # noqa: B018
    with pytest.raises(ConfigError, match="needs two microphones; got 1"):
        RecursiveGsc(F, 1, HOP)
    with pytest.raises(ConfigError, match=r"memory_seconds must be at least a hop, 0\.032; got 0"):
        RecursiveMvdr(F, M, HOP, 0.0)
    with pytest.raises(ConfigError, match="memory_seconds must be at least a hop"):
        RecursiveGsc(F, M, HOP, np.nan)
    with pytest.raises(ConfigError, match="must be positive"):
        RecursiveMvdr(F, M, 0.0)
    with pytest.raises(ConfigError, match="reference must be 0 to 3; got 4"):
        RecursiveMvdr(F, M, HOP, reference=4)
    with pytest.raises(ConfigError, match="mu must be 0 to"):
        RecursiveMvdr(F, M, HOP, mu=-1.0)
    with pytest.raises(ConfigError, match="loading must be 1e-12 to 1; got 0"):
        RecursiveMvdr(F, M, HOP, loading=0.0)
