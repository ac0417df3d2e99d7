"""Networks in the chain: masks that steer, post-filters that follow, segments and blocks."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import beamformers
from arrayenh.audio import Recording, read, write
from arrayenh.beamformers.blind import BlindBeam, blind_mvdr, with_phase
from arrayenh.beamformers.mvdr import RecursiveMvdr
from arrayenh.chain import enhancer as pipeline
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.live_beam import LiveBeam, Wiring
from arrayenh.chain.live_filter import LiveFilter
from arrayenh.chain.networks import Networks, chosen
from arrayenh.chain.settings import Settings
from arrayenh.cli.main import run
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.evaluation.scoring import shadow_snr
from arrayenh.evaluation.systems.chain import Chain, waited
from arrayenh.evaluation.systems.names import known, system
from arrayenh.masks.cacgmm import CacgmmMasks
from arrayenh.masks.choice import mask_source
from arrayenh.masks.neural import NETWORK_ROUNDS, NeuralMasks
from arrayenh.microphones.geometry import load_array
from arrayenh.networks import catalogue, pieces
from arrayenh.networks.pieces import Pieces
from arrayenh.networks.runtime import Network
from arrayenh.networks.signature import ROLES
from arrayenh.postfilters.neural import NeuralPostFilter
from arrayenh.statistics.covariance import sounding
from arrayenh.statistics.loading import LOADING
from arrayenh.stft import Stft
from tests import small_networks as tiny
from tests.settings import statistical
from tests.signals import RATE, arrivals, complex_normal, delayed, diffuse_noise, level_db, voice

pytest.importorskip("onnx")
ARRAY = load_array("circular4-35mm")
EPS = float(np.finfo(np.float32).eps)
THREE = ("reference", "beamformed", "rest")
HEARD = ("reference", "beamformed", "noise", "masked")
AHEAD = ("rest", "noise", "beamformed")
SMALL = {"n_fft": 512, "hop": 128}
STFT = Stft(512, 128, "hann")
BLIND = {**SMALL, "masks": "neural", "postfilter": "none"}


@pytest.fixture(scope="module")
def images():
    """Speech from 60 degrees and diffuse noise at four microphones, 2.6 s."""
    rng, n_samples = np.random.default_rng(0), int(2.6 * RATE)
    speech = 0.05 * delayed(voice(rng, n_samples), arrivals(ARRAY.positions, np.deg2rad(60)))
    noise = 0.02 * diffuse_noise(rng, ARRAY.positions, n_samples, n_waves=24)
    noise += 5e-4 * rng.standard_normal(noise.shape)
    return speech.astype(np.float32), noise.astype(np.float32)


@pytest.fixture(scope="module")
def mixture(images):
    return images[0] + images[1]


FILES = {
    "ones": lambda: tiny.constant_mask(1.0),
    "none": lambda: tiny.constant_mask(0.0),
    "level": lambda: tiny.level_mask(),
    "level ahead": lambda: tiny.level_mask(causal=False),
    "level of three": lambda: tiny.level_mask(THREE, 1, causal=False),
    "pole": lambda: tiny.recursive_mask(),
    "pole of three": lambda: tiny.recursive_mask(THREE, 1),
    "long": lambda: tiny.level_mask(n_fft=2048, hop=512),
    "48 kHz": lambda: tiny.level_mask(sample_rate=48_000),
    "identity": lambda: tiny.weighted_sum([1]),
    "half": lambda: tiny.weighted_sum([0.5]),
    "minus two": lambda: tiny.weighted_sum([-2]),
    "hum": lambda: tiny.weighted_sum([1], offset=0.1),
    "reference": lambda: tiny.weighted_sum([0, 1], ("beamformed", "reference")),
    "beamformed and rest": lambda: tiny.weighted_sum([1, 1], ("beamformed", "rest")),
    "half of both": lambda: tiny.weighted_sum([0.5, 0.5], ("rest", "beamformed"), causal=False),
    "noise": lambda: tiny.weighted_sum([0, 1], ("beamformed", "noise")),
    "noise ahead": lambda: tiny.weighted_sum([0, 1, 0], AHEAD, causal=False),
    "beamformed and noise": lambda: tiny.weighted_sum([1, -0.5], ("beamformed", "noise")),
    "level of noise": lambda: tiny.level_mask(HEARD, 2, causal=False),
    "nothing": lambda: tiny.constant_mask(0.0, HEARD, n_fft=2048, hop=512, causal=False),
    "pole of noise": lambda: tiny.recursive_mask(HEARD, 2),
    "masked": lambda: tiny.weighted_sum([0, 1], ("beamformed", "masked"), causal=False),
    "ahead": lambda: tiny.looking_ahead(),
    "levelled": lambda: tiny.levelled(),
    "other frames": lambda: tiny.weighted_sum([1], n_fft=1024, hop=256),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Paths of small networks by their names."""
    folder, made = tmp_path_factory.mktemp("networks"), {}

    def path(name):
        if name not in made:
            made[name] = folder / f"{name.replace(' ', '-')}.onnx"
            made[name].write_bytes(FILES[name]())
        return str(made[name])

    return path


@pytest.fixture(scope="module")
def load(model):
    return lambda name: Network.load(model(name))


def enhanced(x, images=None, **settings):
    return Enhancer(statistical(**settings), ARRAY).enhance(Recording(x, RATE), images)


# ---- masks -------------------------------------------------------------------------------


def test_where_all_is_speech_the_reference_passes(mixture, model):
    """A mask of ones leaves no noise to take away: what changes is 20 dB below."""
    settings = {"masks": "neural", "model": model("ones"), **SMALL, "postfilter": "none"}
    out = enhanced(mixture, **settings)
    assert level_db(out.samples - mixture[0]) < level_db(mixture[0]) - 20
    assert abs(level_db(out.samples) - level_db(mixture[0])) < 0.1
    online = enhanced(mixture, **settings, online=True).samples
    assert np.isfinite(online).all()
    assert abs(level_db(online) - level_db(mixture[0])) < 0.5


@pytest.mark.parametrize("name", ["level", "level ahead", "level of three", "pole of three"])
@pytest.mark.parametrize("beamformer", ["mvdr", "mwf"])
def test_what_the_mask_calls_speech_is_kept(images, model, name, beamformer):
    """Loud bins are speech: 5 dB and more of the noise go, the talker stays as loud."""
    speech, noise = images
    parts = {"speech": speech, "noise": noise}
    settings = BLIND | {"model": model(name), "beamformer": beamformer}
    shadows = enhanced(speech + noise, parts, **settings).shadows
    gain = shadow_snr(shadows["speech"], shadows["noise"]) - shadow_snr(speech[0], noise[0])
    assert gain > 5
    assert abs(level_db(shadows["speech"]) - level_db(speech[0])) < 1


def test_the_chain_does_with_a_networks_mask_what_its_steps_do(images, load):
    spec = STFT.analyse(images[0] + images[1])
    mask = NeuralMasks(load("level")).estimate(spec, None)
    weights, _ = blind_mvdr(spec, mask, 0, LOADING)
    out = STFT.synthesise(beamformers.apply(weights, spec), images[0].shape[1])
    config = statistical(**BLIND, model=load("level").source)
    found = Enhancer(config).enhance(Recording(images[0] + images[1], RATE)).samples
    assert_allclose(found, out, atol=1e-5)


def test_microphones_are_heard_one_by_one_and_once(load):
    """Nothing is beamformed for a network that knows of no beamformer."""
    spec = complex_normal(np.random.default_rng(1), 257, 3, 8, dtype=np.complex64)
    level = np.abs(spec)
    mask = NeuralMasks(load("level")).estimate(spec, None)
    assert_allclose(mask, (level / (level + 1)).mean(axis=1), atol=8 * EPS)


@pytest.mark.parametrize("reference", [0, 2])
def test_of_the_reference_microphone_alone_one_round_is_enough(reference):
    spec = complex_normal(np.random.default_rng(1), 257, 3, 8, dtype=np.complex64)
    level = np.abs(spec[:, reference])
    net = Network(tiny.level_mask(("reference",)), "reference")
    mask = mask_source("neural", 257, 0.008, net, reference).estimate(spec, None)
    assert_allclose(mask, level / (level + 1), atol=8 * EPS)


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("reference", [0, 2])
def test_a_network_of_three_signals_hears_the_beamformer_of_the_round_before(
    load, rounds, reference
):
    """First with y = r: its masks are those of the level of y in each round."""
    rng = np.random.default_rng(2)
    spec = complex_normal(rng, 257, 3, 8, dtype=np.complex64)
    given, answers = [], [k * spec[:, 1] for k in (2, 3, 4)]

    def beamform(mask):
        given.append(mask)
        return answers[len(given) - 1]

    last = NeuralMasks(load("level of three"), reference, rounds).estimate(spec, beamform)
    heard = [spec[:, reference], *answers][:rounds]
    assert len(given) == rounds - 1
    for mask, y in zip([*given, last], heard, strict=True):
        assert_allclose(mask, np.abs(y) / (np.abs(y) + 1), atol=8 * EPS)


def test_the_rest_is_what_the_beamformer_took_away(tmp_path):
    """Nothing at first; then reference less beamformed."""
    net = Network(tiny.level_mask(THREE, 2, causal=False), "rest")
    spec = complex_normal(np.random.default_rng(3), 257, 2, 5, dtype=np.complex64)
    given = []

    def beamform(mask):
        given.append(mask)
        return 0.25 * spec[:, 1]

    mask = NeuralMasks(net, 1).estimate(spec, beamform)
    assert not given[0].any()
    level = 0.75 * np.abs(spec[:, 1])
    assert_allclose(mask, level / (level + 1), atol=8 * EPS)


class Told:
    """A beamformer that gives one microphone, louder each time, and is heard to leave noise."""

    def __init__(self, spec):
        self.spec, self.masks = spec, []

    def with_noise(self, mask):
        self.masks.append(mask)
        k = np.float32(len(self.masks))
        return k * self.spec[:, 1], np.full(mask.shape, k / 4, np.float32)

    def __call__(self, mask):
        return self.with_noise(mask)[0]


class Known:
    """Masks of a quarter."""

    def estimate(self, spec, beamform):
        return np.full(spec.shape[::2], 0.25, np.float32)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_network_that_hears_noise_is_told_that_of_the_mask_before(rounds):
    """First of other masks; then of its own: n = 1/4, 2/4, 3/4 make n / (n + 1)."""
    spec = complex_normal(np.random.default_rng(20), 257, 3, 8, dtype=np.complex64)
    beam = Told(spec)
    net = Network(tiny.level_mask(HEARD, 2, causal=False), "noise")
    last = NeuralMasks(net, 2, rounds, first=Known()).estimate(spec, beam)
    levels = np.arange(1, rounds + 1) / 4
    for mask, level in zip([*beam.masks, last], [1 / 3, *levels], strict=True):
        assert_allclose(mask, level / (level + 1), atol=8 * EPS)


@pytest.mark.parametrize(
    "index, level",
    [(0, lambda x: x[:, 2]), (1, lambda x: x[:, 1]), (3, lambda x: 0.25 * x[:, 2])],
    ids=["reference", "beamformed", "masked"],
)
def test_beside_the_noise_it_hears_the_other_signals(index, level):
    """Of the mask that steered: a quarter everywhere."""
    spec = complex_normal(np.random.default_rng(21), 257, 3, 8, dtype=np.complex64)
    net = Network(tiny.level_mask(HEARD, index, causal=False), "noise")
    mask = NeuralMasks(net, 2, 1, first=Known()).estimate(spec, Told(spec))
    wanted = np.abs(level(spec))
    assert_allclose(mask, wanted / (wanted + 1), atol=16 * EPS)


def test_what_hears_noise_begins_with_the_masks_of_the_mixture_and_nothing_else_does(images):
    """Those of `CacgmmMasks` steer the beamformer that it hears first."""
    spec = STFT.analyse(images[0] + images[1])[:, :, :60]
    beam = BlindBeam(spec, 1, 1e-6, sounding(spec))
    net = Network(tiny.level_mask(HEARD, 2, causal=False), "noise")
    found = mask_source("neural", 257, 0.008, net, 1).estimate(spec, beam)
    wanted = NeuralMasks(net, 1, first=CacgmmMasks(257, 0.008)).estimate(spec, beam)
    assert_array_equal(found, wanted)
    mask, rounds = CacgmmMasks(257, 0.008).estimate(spec, beam), []
    for _ in range(NETWORK_ROUNDS):
        beamformed, noise = beam.with_noise(mask)
        mask = noise / (noise + 1)
        rounds.append(mask)
    assert_allclose(found, mask, atol=1e-4)
    assert np.abs(rounds[0] - mask).max() > 0.1
    net = Network(tiny.level_mask(THREE, 1, causal=False), "three")
    found = mask_source("neural", 257, 0.008, net, 1).estimate(spec, beam)
    assert_array_equal(found, NeuralMasks(net, 1).estimate(spec, beam))


def test_a_network_that_errs_with_a_voice_takes_nothing_of_clean_speech(images, model):
    """It calls everything noise; that all comes from one place is known without it."""
    speech, noise = images
    n_samples = speech.shape[1]
    hiss = 1e-6 * np.random.default_rng(30).standard_normal((4, n_samples))
    models = ",".join(map(model, ("nothing", "masked")))
    settings = {"masks": "neural", "postfilter": "neural", "model": models}
    clean = (speech + hiss).astype(np.float32)
    out = enhanced(clean, **settings).samples
    assert level_db(out - clean[0]) < level_db(clean[0]) - 20
    out = enhanced(speech + noise, **settings).samples
    assert level_db(out) < level_db(speech[0] + noise[0]) - 20


@pytest.mark.parametrize("name", ["pole", "pole of three"])
@pytest.mark.parametrize("cuts", [[30], [0, 1, 2, 59]], ids=str)
def test_a_causal_network_goes_on_from_segment_to_segment(load, name, cuts):
    spec = complex_normal(np.random.default_rng(4), 257, 3, 60, dtype=np.complex64)

    def masks(pieces):
        source = mask_source("neural", 257, 0.008, load(name), 1)
        return np.concatenate(
            [source.estimate(piece, lambda mask, x=piece: x[:, 0] * mask) for piece in pieces],
            axis=1,
        )

    assert_allclose(masks(np.split(spec, cuts, axis=2)), masks([spec]), atol=1e-6)


def test_without_a_network_there_are_no_neural_masks():
    with pytest.raises(ConfigError, match="masks neural needs a network"):
        mask_source("neural", 257, 0.008)


# ---- frame by frame ----------------------------------------------------------------------


@pytest.mark.parametrize("inputs", [("microphone",), ("reference",)], ids=",".join)
def test_online_masks_are_the_networks(inputs, mixture):
    """The beamformer learns speech from m⁴ and noise from (1 - m)²."""
    spec = STFT.analyse(mixture)[:, :, :200]
    config = statistical(**BLIND, online=True)
    network = Network(tiny.recursive_mask(inputs), "pole")
    beam = LiveBeam(config, STFT, Wiring((0, 1, 2, 3), (1,), None))
    live = LiveFilter(config, STFT, Networks(network))
    frames = [live.push(x, x[:, 1:2], beam, True)[0] for x in np.split(spec, 200, axis=2)]
    mask = network.run(spec[None, :, 1]) if "reference" in inputs else network.masks(spec)
    blind = RecursiveMvdr(257, 4, 128 / RATE, config.memory_seconds, reference=1)
    wanted = blind.update(spec, mask**4, (1 - mask) ** 2)
    # masks in blocks may differ by a rounding, 1e-7, which filters hardly feel
    found = np.concatenate(frames, axis=2)[:, 0]
    assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["pole", "pole of three"])
@pytest.mark.parametrize("beamformer", ["mvdr", "das", "gsc"])
def test_online_no_future_is_heard(mixture, model, name, beamformer):
    """What is cut off later was never heard: 1024 samples before, all is the same."""
    settings = BLIND | {"model": model(name), "online": True, "beamformer": beamformer}
    settings |= {"doa": "auto"} if beamformer != "mvdr" else {}
    n = RATE
    whole, start = (enhanced(x, **settings).samples for x in (mixture, mixture[:, :n]))
    assert_allclose(start[: n - 1024], whole[: n - 1024], atol=1e-5)


def test_online_takes_noise_away(images, model):
    """Of 2.6 s the last: 3 dB where speech pauses, the level of speech as it was."""
    mixture = images[0] + images[1]
    out = enhanced(mixture, **BLIND, model=model("pole"), online=True).samples
    later = np.arange(mixture.shape[1]) > 1.2 * RATE
    pause = later & ((np.arange(mixture.shape[1]) / RATE) % 0.4 > 0.27)
    assert level_db(out[pause]) < level_db(mixture[0, pause]) - 3
    voiced = later & ((np.arange(mixture.shape[1]) / RATE) % 0.4 < 0.25)
    assert abs(level_db(out[voiced]) - level_db(mixture[0, voiced])) < 1


# ---- post-filters ------------------------------------------------------------------------


def filtered(network, x, sizes, reference=None, ahead=0, noise=None):
    """A post-filter pushed in pieces, the reference, or the noise, so many samples ahead."""
    postfilter, out, start = NeuralPostFilter(network, len(np.atleast_2d(x))), [], 0
    given = 0
    for k, size in enumerate(sizes):
        stop, last = start + size, k == len(sizes) - 1
        until = x.shape[-1] if last else min(stop + ahead, x.shape[-1])
        heard = None if reference is None else reference[..., given:until]
        told = None if noise is None else {"noise": noise[..., given:until]}
        out.append(postfilter.push(x[..., start:stop], last, heard, told))
        start, given = stop, until
    return np.concatenate(out, axis=-1)[..., : x.shape[-1]]


SIZES = {"whole": (9000,), "odd": (1, 0, 700, 5000, 3299), "last empty": (9000, 0)}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name, gain", [("identity", 1), ("half", 0.5), ("minus two", -2)])
def test_a_gain_is_a_gain(load, name, gain, sizes):
    """In time, to the first and the last sample."""
    x = np.random.default_rng(5).standard_normal(9000).astype(np.float32)
    found = filtered(load(name), x, sizes)
    assert found.shape == (9000,) and found.dtype == np.float32
    assert_allclose(found, gain * x, atol=8 * EPS * np.abs(gain * x).max())


@pytest.mark.parametrize("ahead", [0, 300, 9000])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", ["reference", "beamformed and rest"])
def test_the_reference_is_in_time_with_the_beamformed(load, name, sizes, ahead):
    """However far it runs ahead, what comes out is the reference microphone."""
    x, r = np.random.default_rng(6).standard_normal((2, 9000)).astype(np.float32)
    found = filtered(load(name), x, sizes, r, ahead)
    assert_allclose(found, r, atol=32 * EPS * np.abs(r).max())


def test_a_reference_that_comes_too_late_is_refused(load):
    postfilter = NeuralPostFilter(load("reference"))
    x = np.zeros(1000, np.float32)
    with pytest.raises(ShapeError, match="the reference is 10 samples behind"):
        postfilter.push(x, False, x[:990])
    with pytest.raises(ShapeError, match="needs the reference"):
        load("reference").signals(np.zeros((257, 3), np.complex64))


@pytest.mark.parametrize("ahead", [0, 300, 9000])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", ["noise", "noise ahead"])
def test_the_noise_is_in_time_with_the_beamformed(load, name, sizes, ahead):
    """What comes out is what was told, not the other two."""
    x, r, n = np.random.default_rng(22).standard_normal((3, 9000)).astype(np.float32)
    found = filtered(load(name), x, sizes, r, ahead, n)
    assert_allclose(found, n, atol=32 * EPS * np.abs(n).max())


def test_of_two_ears_and_their_noise_there_is_one_gain(load):
    """Where the noise is half as loud as both, which are alike, the gain is a half."""
    x = np.tile(np.random.default_rng(23).standard_normal(9000).astype(np.float32), (2, 1))
    found = filtered(load("noise"), x, SIZES["odd"], ahead=200, noise=0.5 * x[0])
    assert_allclose(found, 0.5 * x, atol=32 * EPS * np.abs(x).max())


def test_noise_that_comes_too_late_or_not_at_all_is_refused(load):
    x = np.zeros(1000, np.float32)
    with pytest.raises(ShapeError, match="the noise is 10 samples behind"):
        NeuralPostFilter(load("noise")).push(x, False, x, {"noise": x[:990]})
    with pytest.raises(ShapeError, match="the noise is 1000 samples behind"):
        NeuralPostFilter(load("noise")).push(x, False, x)
    spec = np.zeros((257, 3), np.complex64)
    with pytest.raises(ShapeError, match=r"needs the noise of shape \(257, 3\); got None"):
        load("noise").signals(spec, spec)
    with pytest.raises(ShapeError, match=r"needs the noise of shape \(257, 3\); got \(257, 2\)"):
        load("noise").signals(spec, spec, spec[:, :2])


def test_signals_come_in_the_order_of_the_network():
    y, r, n = complex_normal(np.random.default_rng(24), 3, 257, 4, dtype=np.complex64)
    net = Network(tiny.level_mask(("noise", "rest", "beamformed", "reference")), "all")
    assert_array_equal(net.signals(y, r, n), np.stack([n, r - y, y, r]))
    magnitude = np.abs(n)  # a magnitude will do
    assert net.signals(y, r, magnitude).dtype == np.complex64
    assert_array_equal(net.signals(y, r, magnitude)[0], magnitude)


@pytest.mark.parametrize(
    "inputs, roles",
    [
        (("noise",), ("noise",)),
        (("rest",), ("rest", "reference")),
        (("beamformed", "noise"), ("beamformed", "noise")),
        (("reference",), ("reference",)),
    ],
    ids=str,
)
def test_what_a_network_needs(inputs, roles):
    net = Network(tiny.level_mask(inputs), "x")
    assert {role for role in ROLES if net.needs(role)} == set(roles)


def test_a_mask_is_no_post_filter(load):
    with pytest.raises(ConfigError, match="estimates masks: it is not a post-filter"):
        NeuralPostFilter(load("level"))


@pytest.mark.parametrize("name", ["identity", "half", "minus two"])
def test_two_ears_have_one_real_gain_of_one_at_most(load, name):
    """Level and time between them stay: -2 is louder and turned, which ears are not given."""
    x = np.random.default_rng(7).standard_normal((2, 9000)).astype(np.float32)
    gain = {"identity": 1, "half": 0.5, "minus two": 1}[name]
    found = filtered(load(name), x, SIZES["odd"])
    assert_allclose(found, gain * x, atol=16 * EPS * np.abs(x).max())


def test_the_gain_of_two_ears_is_that_of_their_mean(load):
    """The reference, 6 dB below the mean of the ears where they are alike."""
    rng = np.random.default_rng(8)
    x = np.tile(rng.standard_normal(9000).astype(np.float32), (2, 1))
    r = x * np.array([[0.25], [0.75]], np.float32)
    found = filtered(load("reference"), x, SIZES["odd"], r, ahead=200)
    assert_allclose(found, 0.5 * x, atol=32 * EPS * np.abs(x).max())


def test_ears_wait_for_a_network_that_looks_ahead(load, monkeypatch):
    """Four pieces; where both ears hear the same, they get what a network of one would give."""
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.4)
    monkeypatch.setattr(pieces, "OVERLAP_SECONDS", 0.1)
    half = Network(tiny.weighted_sum([0.5], causal=False), "half")
    x = np.random.default_rng(9).standard_normal((2, 2 * RATE)).astype(np.float32)
    found = filtered(half, x, (3000, 3000, 20_000, 6000))
    assert_allclose(found, 0.5 * x, atol=16 * EPS * np.abs(x).max())


# ---- networks that look ahead, on long recordings ----------------------------------------


@pytest.fixture
def short_pieces(monkeypatch):
    """Pieces of 0.4 s, 50 frames, that overlap by 0.08 s, 10 frames."""
    monkeypatch.setattr(pieces, "PIECE_SECONDS", 0.4)
    monkeypatch.setattr(pieces, "OVERLAP_SECONDS", 0.08)


def in_pieces(network, spec, sizes):
    stream, out, start = Pieces(network), [], 0
    for k, size in enumerate(sizes):
        out.append(stream.push(spec[:, :, start : start + size], k == len(sizes) - 1))
        start += size
    return np.concatenate(out, axis=1)


@pytest.mark.parametrize("n_frames", [1, 74, 75, 76, 115, 116, 1000])
def test_pieces_are_bounded_and_cover_the_recording(load, short_pieces, monkeypatch, n_frames):
    network, sizes = load("ahead"), []
    monkeypatch.setattr(
        Network, "run", lambda self, spec: sizes.append(spec.shape[2]) or spec[0], raising=True
    )
    spec = complex_normal(np.random.default_rng(10), 1, 257, n_frames, dtype=np.complex64)
    found = in_pieces(network, spec, [n_frames])
    assert_allclose(found, spec[0], atol=4 * EPS * np.abs(spec).max())
    assert max(sizes) <= 75 and (min(sizes) > 75 - 40 or len(sizes) == 1)
    assert sum(sizes) == n_frames + 10 * (len(sizes) - 1)


def test_no_more_than_one_piece_and_a_half_waits_for_an_answer(load, short_pieces):
    stream, answered = Pieces(load("levelled")), 0
    for given in range(1, 400):
        answered += stream.push(np.ones((1, 257, 1), np.complex64), False).shape[1]
        assert given - answered <= 75


@pytest.mark.parametrize("sizes", [[1] * 333, [333], [120, 0, 200, 13]], ids=len)
@pytest.mark.parametrize("name", ["ahead", "levelled"])
def test_pieces_do_not_depend_on_blocks(load, short_pieces, name, sizes):
    spec = complex_normal(np.random.default_rng(11), 1, 257, 333, dtype=np.complex64)
    assert_array_equal(in_pieces(load(name), spec, sizes), in_pieces(load(name), spec, [333]))


def test_pieces_are_as_the_whole_but_where_they_end(load, short_pieces):
    """A mean over three frames lacks one at the end of a piece, where it counts least:
    a frame's part of (1/2)/10 of a third. Everywhere else the same bits."""
    network, spec = load("ahead"), np.ones((1, 257, 333), np.complex64)
    found, whole = in_pieces(network, spec, [333]), network.run(spec)
    wrong = np.flatnonzero(np.abs(found - whole).max(axis=0) > 4 * EPS)
    assert len(wrong) and {t % 40 for t in wrong} <= {0, 9}
    assert np.abs(found - whole).max() < 0.05 / 3 + 4 * EPS


def test_what_a_piece_decides_fades_into_the_next(load, short_pieces):
    """The level of a piece is 1, that of the next 0.01: over ten frames of the overlap the
    weight goes from one to the other in steps of a tenth."""
    spec = np.ones((1, 257, 110), np.complex64)
    spec[:, :, 50:] = 0.01
    network = load("levelled")
    found = np.abs(in_pieces(network, spec, [110])[0])
    first, second = (np.abs(network.run(x)[0]) for x in (spec[:, :, :50], spec[:, :, 40:]))
    rise = (np.arange(10) + 0.5) / 10
    assert_allclose(found[:40], first[:40], rtol=4 * EPS)
    assert_allclose(found[40:50], (1 - rise) * first[40:] + rise * second[:10], rtol=1e-5)
    assert_allclose(found[50:], second[10:], rtol=4 * EPS)


# ---- the whole chain ---------------------------------------------------------------------

CHAINS = {
    "masks": BLIND | {"model": "level ahead"},
    "masks of three": BLIND | {"model": "level of three"},
    "causal masks": BLIND | {"model": "pole of three"},
    "post-filter": {**SMALL, "postfilter": "neural", "model": "beamformed and rest"},
    "post-filter ahead": {**SMALL, "postfilter": "neural", "model": "ahead"},
    "both": {**SMALL, "masks": "neural", "postfilter": "neural", "model": "pole,half of both"},
    "online": BLIND | {"online": True, "model": "pole", "postfilter": "neural"},
    "das online": BLIND | {"online": True, "beamformer": "das", "doa": "auto", "model": "pole"},
    "no beamformer": {"beamformer": "none", "postfilter": "neural", "model": "reference"},
    "binaural": {
        **SMALL,
        "beamformer": "binaural-mwf",
        "ears": "1,3",
        "postfilter": "neural",
        "model": "half of both",
    },
    "wpe": {**SMALL, "dereverb": "wpe", "postfilter": "neural", "model": "half of both"},
}
CHAINS["online"]["model"] += ",reference"
CHAINS |= {
    "noise": {**SMALL, "postfilter": "neural", "model": "beamformed and noise"},
    "noise ahead": {**SMALL, "postfilter": "neural", "model": "noise ahead"},
    "noise of wpd": {**SMALL, "beamformer": "wpd", "postfilter": "neural", "model": "noise"},
    "noise behind wpe": {**SMALL, "dereverb": "wpe", "postfilter": "neural", "model": "noise"},
    "noise of wpe alone": CHAINS["wpe"] | {"beamformer": "none", "model": "noise"},
    "noise at two ears": CHAINS["binaural"] | {"model": "beamformed and noise"},
    "masks of noise": BLIND | {"model": "level of noise"},
    "causal masks of noise": BLIND | {"model": "pole of noise"},
    "masks and noise": CHAINS["both"] | {"model": "pole of noise,beamformed and noise"},
}


def settings_of(chain, model, **more):
    settings = CHAINS[chain] | more
    return settings | {"model": ",".join(model(name) for name in settings["model"].split(","))}


@pytest.mark.parametrize("chain", CHAINS)
def test_blocks_are_enhanced_as_the_whole(mixture, model, chain, short_pieces):
    """Three segments and their crossfades, read in pieces: the same bits."""
    more = {"segment_seconds": 1, "crossfade_seconds": 0.3}
    config = statistical(**settings_of(chain, model, **more))
    runs = []
    for block in (mixture.shape[1], 160, 5000):
        pieces = list(Enhancer(config, ARRAY).open(Recording(mixture, RATE)).stages(block))
        runs.append({n: np.concatenate([p[n] for p in pieces], axis=-1) for n in pieces[0]})
    for stages in runs:
        assert list(stages) == list(runs[0])
        for name, y in stages.items():
            assert y.shape[-1] == mixture.shape[1] and np.isfinite(y).all()
            assert_array_equal(y, runs[0][name])


KINDS = {
    "silence": lambda x: 0 * x,
    "one frame": lambda x: x[:, 4000:4500],
    "four samples": lambda x: x[:, 4000:4004],
    "one microphone": lambda x: x[:1],
    "silent beginning": lambda x: x * (np.arange(x.shape[1]) > 9000),
    "below normal": lambda x: x * np.float32(1e-38),
    "very loud": lambda x: x * np.float32(1e6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chain", CHAINS)
def test_any_recording_comes_out_as_long_and_finite(mixture, model, chain, kind):
    x = KINDS[kind](mixture)
    config = statistical(**settings_of(chain, model))
    array = ARRAY.select(range(len(x)))
    out = Enhancer(config, array).enhance(Recording(x, RATE))
    for y in (out.samples, *out.stages.values()):
        assert y.shape[-1] == x.shape[1] and y.dtype == np.float32 and np.isfinite(y).all()
    if kind == "silence":
        assert not out.samples.any()


def test_silence_stays_silence_whatever_the_network_hums(mixture, model):
    x = mixture * (np.arange(mixture.shape[1]) < RATE)
    out = enhanced(x, **SMALL, postfilter="neural", model=model("hum")).samples
    assert out[: RATE // 2].any()
    assert not out[RATE + 2 * 2048 :].any()


@pytest.mark.parametrize("beamformer", ["mvdr", "none"])
@pytest.mark.parametrize("name", ["reference", "beamformed and rest"])
def test_the_post_filter_hears_the_reference_microphone_in_time(mixture, model, name, beamformer):
    """Networks that give the reference back: three segments, a beamformer behind by a frame."""
    settings = {**SMALL, "segment_seconds": 1, "beamformer": beamformer, "reference": 2}
    out = enhanced(mixture, **settings, postfilter="neural", model=model(name))
    assert list(out.stages)[-1] == "neural"
    assert_allclose(out.samples, mixture[2], atol=64 * EPS * np.abs(mixture).max())


def test_the_reference_is_the_microphone_without_its_offset(mixture, model):
    """As the beamformer hears it, too."""
    x = mixture + np.float32(0.1)
    out = enhanced(x, **SMALL, postfilter="neural", model=model("reference"))
    assert_allclose(out.samples, mixture[0], atol=1e-3)


def test_the_post_filter_stands_behind_the_beamformer(mixture, model):
    out = enhanced(mixture, **SMALL, postfilter="neural", model=model("half"))
    assert_allclose(out.samples, 0.5 * out.stages["mvdr"], atol=1e-7)
    blend = enhanced(mixture, **SMALL, postfilter="neural", model=model("half"), strength=0.5)
    assert_allclose(blend.samples, 0.5 * (mixture[0] + out.samples), atol=1e-7)


def steps(spec, mask, reference=0):
    """Noise that the chain's beamformer leaves of a mask, as samples would tell it."""
    beam = BlindBeam(spec, reference, LOADING, sounding(spec))
    beamformed, noise = beam.with_noise(mask)
    return with_phase(noise, spec[:, reference] - beamformed)


@pytest.mark.parametrize("reference", [0, 2])
def test_the_chain_tells_the_noise_that_its_steps_tell(images, load, reference):
    """Behind masks of a level: a post-filter that gives it back."""
    mixture = images[0] + images[1]
    spec = STFT.analyse(mixture)
    wanted = STFT.synthesise(
        steps(spec, NeuralMasks(load("level")).estimate(spec, None), reference), mixture.shape[1]
    )
    paths = ",".join(load(name).source for name in ("level", "noise"))
    out = enhanced(
        mixture, **SMALL, masks="neural", postfilter="neural", model=paths, reference=reference
    )
    assert_allclose(out.samples, wanted, atol=1e-3 * np.abs(wanted).max())
    assert level_db(out.samples) < level_db(out.stages["mvdr"]) - 3  # most of that is speech


@pytest.mark.parametrize("segment_seconds", [30, 1])
def test_the_chain_tells_the_reference_through_its_mask(mixture, load, segment_seconds):
    """A level is a level of each frame, wherever segments begin."""
    spec = STFT.analyse(mixture)
    mask = NeuralMasks(load("level")).estimate(spec, None)
    wanted = STFT.synthesise(mask * spec[:, 2], mixture.shape[1])
    paths = ",".join(load(name).source for name in ("level", "masked"))
    settings = {**SMALL, "masks": "neural", "postfilter": "neural", "reference": 2}
    out = enhanced(mixture, **settings, model=paths, segment_seconds=segment_seconds)
    assert_allclose(out.samples, wanted, atol=64 * EPS * np.abs(mixture).max())


@pytest.mark.parametrize("n_mics, settings", [(1, {}), (4, {"beamformer": "none"})])
def test_without_a_mask_all_of_the_reference_passes_it(mixture, model, n_mics, settings):
    config = statistical(**settings, postfilter="neural", model=model("masked"))
    out = Enhancer(config).enhance(Recording(mixture[:n_mics], RATE))
    assert_allclose(out.samples, mixture[0], atol=32 * EPS * np.abs(mixture).max())


@pytest.mark.parametrize("segment_seconds", [30, 1])
@pytest.mark.parametrize("settings", [{"beamformer": "mvdr"}, {"beamformer": "das", "doa": 60.0}])
def test_the_noise_is_told_in_time_with_the_output(mixture, model, settings, segment_seconds):
    """A network is linear: what it makes of both is the sum of what it makes of each."""
    settings = {**SMALL, **settings, "segment_seconds": segment_seconds, "postfilter": "neural"}
    both = enhanced(mixture, **settings, model=model("beamformed and noise"))
    noise = enhanced(mixture, **settings, model=model("noise")).samples
    name = settings["beamformer"]
    assert level_db(noise) > level_db(both.stages[name]) - 40
    wanted = both.stages[name] - 0.5 * noise
    assert_allclose(both.samples, wanted, atol=64 * EPS * np.abs(mixture).max())


STEERED = {"doa": 60.0}
ALL_NOISE = {
    "das": STEERED,
    "superdirective": STEERED,
    "mvdr": STEERED,
    "gsc": STEERED,
    "lcmv": STEERED | {"nulls": "200"},
    "mwf": {},
}


@pytest.mark.parametrize("segment_seconds", [30, 1])
@pytest.mark.parametrize("beamformer", ALL_NOISE)
def test_where_all_is_noise_it_is_told_as_loud_as_it_comes_out(
    images, model, beamformer, segment_seconds
):
    """E n² = wᴴ Φₙ w, the power of the output, whatever the weights; in every second of it.

    But for frames whose phases, those of the rest, do not quite belong to their magnitudes.
    """
    paths = ",".join(map(model, ("none", "noise")))
    settings = SMALL | ALL_NOISE[beamformer] | {"postfilter": "neural", "model": paths}
    settings |= {"beamformer": beamformer, "masks": "neural", "segment_seconds": segment_seconds}
    out = enhanced(images[1], **settings)
    for k in range(2):
        second = np.s_[k * RATE : (k + 1) * RATE]
        assert abs(level_db(out.samples[second]) - level_db(out.stages[beamformer][second])) < 1.5


NOTHING_TO_TELL = {
    "one microphone": (1, {}),
    "no beamformer": (4, {"beamformer": "none"}),
    "dereverberation alone": (4, {"beamformer": "none", "dereverb": "wpe"}),
    "dereverberation of one": (1, {"dereverb": "wpe"}),
}


@pytest.mark.parametrize("kind", NOTHING_TO_TELL)
@pytest.mark.parametrize("name", ["noise", "noise ahead"])
@pytest.mark.parametrize("segment_seconds", [30, 1])
def test_without_a_beamformer_there_is_no_noise_to_tell(
    mixture, model, kind, name, segment_seconds
):
    n_mics, settings = NOTHING_TO_TELL[kind]
    settings = SMALL | settings | {"segment_seconds": segment_seconds, "postfilter": "neural"}
    config = statistical(**settings, model=model(name))
    out = Enhancer(config).enhance(Recording(mixture[:n_mics], RATE))
    assert out.samples.shape == mixture.shape[1:] and not out.samples.any()
    heard = statistical(**settings, model=model("beamformed and noise"))
    out = Enhancer(heard).enhance(Recording(mixture[:n_mics], RATE))
    before = list(out.stages.values())[-2] if out.stages.keys() - {"neural"} else mixture[0]
    assert_allclose(out.samples, before, atol=64 * EPS * np.abs(mixture).max())


def test_ears_keep_what_is_between_them(mixture, model):
    settings = {**SMALL, "beamformer": "binaural-mwf", "ears": "1,3", "postfilter": "neural"}
    out = enhanced(mixture, **settings, model=model("half"))
    assert out.samples.shape == (2, mixture.shape[1])
    assert_allclose(out.samples, 0.5 * out.stages["binaural-mwf"], atol=1e-7)


# ---- which networks ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"model": "gone"}, "unknown model 'gone': neither an ONNX file nor"),
        ({"model": ""}, "model wants names or ONNX files joined by commas; got ''"),
        ({"model": "a,"}, "model wants names"),
    ],
)
def test_what_is_missing_is_said(settings, says):
    with pytest.raises(ConfigError, match=says):
        Enhancer(statistical(**settings))


@pytest.mark.parametrize(
    "names, settings, says",
    [
        ("level", {}, "is for masks neural, and masks is cacgmm"),
        ("half", {}, "is for postfilter neural, and postfilter is mmse-lsa"),
        ("half", {"masks": "neural"}, "is for postfilter neural, and postfilter is mmse-lsa"),
        ("level,pole", BLIND, "model names two networks for masks"),
        ("level", BLIND | {"n_fft": 2048, "hop": 512}, "2048 and 512: leave n_fft and hop out"),
        ("level", {"masks": "neural", "n_fft": 1024}, "1024 and 256: leave n_fft and hop out"),
        ("level ahead", BLIND | {"online": True}, "looks ahead: it cannot run frame by frame"),
        ("ahead", {"postfilter": "neural", "online": True}, "looks ahead: it cannot run frame"),
        (
            "pole,other frames",
            {"masks": "neural", "postfilter": "neural", "online": True},
            "a live chain has one STFT",
        ),
        ("48 kHz", BLIND, "works at 48000 Hz, the chain at 16000 Hz"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(model, names, settings, says):
    paths = ",".join(model(name) for name in names.split(","))
    with pytest.raises(ConfigError) as caught:
        Enhancer(statistical(**settings | {"model": paths}))
    assert says in str(caught.value) and "\n" not in str(caught.value)


NO_MASKS = {"masks": "spp", "postfilter": "none"}


@pytest.mark.parametrize(
    "name, settings, frames",
    [
        (None, {}, (2048, 512)),
        (None, {"n_fft": 512}, (512, 128)),
        (None, {"n_fft": 512, "hop": 64}, (512, 64)),
        ("level", {}, (512, 128)),
        ("long", {}, (2048, 512)),
        ("level", {"n_fft": 512}, (512, 128)),
        ("level", {"n_fft": 512, "hop": 128}, (512, 128)),
        ("half", {}, (2048, 512)),
        ("half", {"n_fft": 1024}, (1024, 256)),
    ],
)
def test_the_beamformers_frames_are_given_or_those_of_its_masks(model, name, settings, frames):
    stages = {"half": {"postfilter": "neural"}, None: {}}.get(name, {"masks": "neural"})
    given = NO_MASKS | stages | settings | ({"model": model(name)} if name else {})
    config = statistical(**given)
    stft = chosen(config, RATE).stft(config)
    assert (stft.n_fft, stft.hop) == frames
    session = Enhancer(config).open(Recording(np.ones((2, 3000), np.float32), RATE))
    assert (session.chain.spatial.stft.n_fft, session.chain.spatial.stft.hop) == frames


def test_a_hop_alone_is_refused():
    with pytest.raises(ConfigError, match="a hop belongs to a frame: give n_fft, too"):
        statistical(hop=128)


def test_without_neural_stages_there_are_no_networks():
    found = chosen(statistical(), RATE)
    assert (found.mask, found.postfilter, found.digests) == (None, None, {})


def test_what_ships_is_used_by_default(tmp_path, monkeypatch, mixture):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/mask.onnx").write_bytes(FILES["long"]())
    (tmp_path / "weights/half.onnx").write_bytes(FILES["half"]())
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    monkeypatch.setattr(catalogue, "DEFAULTS", {"mask": "mask", "postfilter": "half"})
    settings = {"masks": "neural", "postfilter": "neural"}
    by_default = enhanced(mixture, **settings)
    by_name = enhanced(mixture, **settings, model="half,mask")
    by_path = enhanced(mixture, **settings, model=str(tmp_path / "weights/half.onnx"))
    assert_array_equal(by_default.samples, by_name.samples)
    assert_array_equal(by_default.samples, by_path.samples)
    assert_allclose(by_default.samples, 0.5 * by_default.stages["mvdr"], atol=1e-7)


# ---- the command -------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch, mixture):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rec.wav", mixture, RATE, subtype="FLOAT")
    return tmp_path


@pytest.mark.parametrize(
    "names, settings",
    [
        (["half"], {"masks": "cacgmm"}),
        (["long"], {"postfilter": "mmse-lsa"}),
        (["long", "half"], {}),
    ],
)
def test_a_model_takes_the_place_that_its_signature_names(here, model, capsys, names, settings):
    paths = ",".join(map(model, names))
    options = [word for key, value in settings.items() for word in (f"--{key}", value)]
    line = ["enhance", "rec.wav", "-o", "out.wav", "--model", paths, "--stages", "st", *options]
    assert run(line) == 0
    assert capsys.readouterr().err == ""
    wanted = pipeline.enhance(read("rec.wav"), settings=Settings(model=paths, **settings))
    assert_array_equal(read("out.wav").samples[0], wanted.samples)
    again = ["enhance", "rec.wav", "-o", "again.wav", "--profile", "st/enhance.toml"]
    assert run(again) == 0  # the settings that were saved
    assert_array_equal(read("again.wav").samples, read("out.wav").samples)


def test_the_report_and_the_summary_name_the_stage(here, model, capsys):
    line = ["enhance", "rec.wav", "--model", model("half"), "--json", "--report", "page.html"]
    assert run(line) == 0
    assert json.loads(capsys.readouterr().out)["stages"] == ["reference", "mvdr", "neural"]
    assert "neural post-filter" in (here / "page.html").read_text()


@pytest.mark.parametrize(
    "line, says",
    [
        ("--model rec.wav", "model rec.wav is no ONNX network, or damaged"),
        ("--model gone.onnx", "unknown model 'gone.onnx'"),
        ("--model HALF --postfilter none", "is for postfilter neural, and postfilter is none"),
        ("--model ''", "model wants names or ONNX files"),
    ],
)
def test_what_is_wrong_is_one_line(here, model, capsys, line, says):
    words = [word.strip("'") for word in line.replace("HALF", model("half")).split(" ")]
    assert run(["enhance", "rec.wav", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err
    assert not list(here.glob("*enhanced*"))


# ---- as a system of the benchmark --------------------------------------------------------


def test_a_system_is_known_by_the_contents_of_its_networks(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(FILES["half"]())
    chain = system(f"mvdr+neural[model={path}]")
    before = chain.definition()
    assert json.dumps(before)
    path.write_bytes(FILES["identity"]())
    assert chain.definition() != before


@pytest.mark.parametrize(
    "name, stages", [("half", [(512, 128)]), ("long half", [(1024, 256)]), ("ahead", None)]
)
def test_the_latency_of_a_system_is_that_of_its_network(tmp_path, name, stages):
    path = tmp_path / "x.onnx"
    made = {"long half": lambda: tiny.weighted_sum([0.5], n_fft=1024, hop=256)}
    path.write_bytes({**FILES, **made}[name]())
    config = statistical(beamformer="none", postfilter="neural", model=str(path))
    assert Chain("x", config).latency() == (stages and waited(stages) / RATE)


def test_every_network_that_ships_is_a_known_system():
    found = known()
    assert found["neural"].startswith("the packaged network")
    assert {*catalogue.names("postfilter")} <= found.keys()
