"""Every beamformer in the chain: any recording, any block size, what it keeps and takes away."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.rigid_sphere import sphere_wave
from arrayenh.acoustics.steering import direction, plane_wave, spherical_wave
from arrayenh.audio import Recording
from arrayenh.beamformers.beamformer import BEAMFORMERS
from arrayenh.beamformers.filters import Filters
from arrayenh.chain.crossfade import Course, SegmentFilter, SegmentFilters
from arrayenh.chain.direction import TalkerDirection
from arrayenh.chain.enhancer import Enhancer
from arrayenh.dereverberation.dereverberator import DEREVERBERATORS
from arrayenh.dereverberation.wpe import apply_wpe
from arrayenh.errors import ConfigError, GeometryError
from arrayenh.evaluation.scoring import shadow_snr
from arrayenh.microphones.geometry import load_array
from arrayenh.statistics.lagged import apply_lagged
from arrayenh.stft import Stft
from tests.settings import statistical
from tests.signals import (
    RATE,
    arrivals,
    band_limited,
    complex_normal,
    delayed,
    diffuse_noise,
    level_db,
    voice,
)

ARRAY = load_array("circular4-35mm")
RING = load_array("circular16-50mm")
TALKER, JAMMER = 60.0, 180.0
SMALL = {"n_fft": 512, "hop": 128, "postfilter": "none"}
EARS = (1, 3)  # of the ring of four: left and right
NEEDED = {"lcmv": {"doa": TALKER}, "binaural-mwf": {"ears": "1,3"}}
STEERED = [name for name, one in BEAMFORMERS.items() if one.steering != "blind"]
RECURSIVE = [name for name, one in BEAMFORMERS.items() if one.recursive]


def settings(beamformer, **more):
    return {"beamformer": beamformer, **SMALL, **NEEDED.get(beamformer, {}), **more}


def rendered(n_samples, array=ARRAY, seed=0):
    """A voice from 60 degrees, and a noise from 180 with some from all around; (M, N) each."""
    rng, positions = np.random.default_rng(seed), array.positions
    speech = 0.05 * delayed(voice(rng, n_samples), arrivals(positions, np.deg2rad(TALKER)))
    hum = band_limited(rng, n_samples, 100, 7900)
    noise = 0.02 * delayed(hum, arrivals(positions, np.deg2rad(JAMMER)))
    noise += 0.005 * diffuse_noise(rng, positions, n_samples, n_waves=16)
    noise += 5e-4 * rng.standard_normal(noise.shape)
    return speech.astype(np.float32), noise.astype(np.float32)


@pytest.fixture(scope="module")
def images():
    return rendered(int(2.6 * RATE))


@pytest.fixture(scope="module")
def mixture(images):
    return images[0] + images[1]


def weights_of(config, recording, array=ARRAY):
    """Of the only segment: (F, A, M, O), and frequencies."""
    session = Enhancer(config, array).open(recording, keep_filters=True)
    list(session.stages())
    spatial = session.chain.spatial
    (filters,) = spatial.filters
    return filters.beamformer.filters[0].weights, spatial.stft.freqs(RATE)


# ---- any recording -----------------------------------------------------------------------


def dead(x):
    return x * (np.arange(len(x)) != 2)[:, None]


def alike(x):
    return x[[0, 1, 1, 3]]


def nearly_alike(x):
    rng = np.random.default_rng(0)
    return x[[0, 0, 0, 0]] + 1e-4 * rng.standard_normal(x.shape).astype(np.float32)


KINDS = {
    "mixture": lambda x: x,
    "silence": lambda x: 0 * x,
    "dead": dead,
    "alike": alike,
    "nearly alike": nearly_alike,
    "two frames": lambda x: x[:, 4000 : 4000 + 640],
    "four samples": lambda x: x[:, 4000:4004],
    "one sample": lambda x: x[:1, 4000:4001],
    "silent beginning": lambda x: x * (np.arange(x.shape[1]) > 3000),
    "sixteen": lambda x: x,
}
CHAINS = {name: settings(name) for name in (*BEAMFORMERS, "none")}
CHAINS |= {f"online {name}": settings(name, online=True) for name in RECURSIVE}
CHAINS |= {
    "steered online mvdr": settings("mvdr", online=True, doa=TALKER),
    "tracking online mvdr": settings("mvdr", online=True, doa="auto"),
    "steered online gsc": settings("gsc", online=True, doa=TALKER),
    "online wpe": settings("none", online=True, dereverb="wpe"),
    "wpe": settings("none", dereverb="wpe"),
    "wpe mvdr": settings("mvdr", dereverb="wpe", masks="spp"),
    "zelinski": settings("mvdr", postfilter="zelinski"),
    "mccowan": settings("superdirective", doa=TALKER, postfilter="mccowan"),
    "binaural mmse-lsa": settings("binaural-mwf", postfilter="mmse-lsa", masks="spp"),
    "om-lsa": settings("mwf", postfilter="om-lsa"),
    "wpd auto": settings("wpd", doa="auto", dereverb="wpe"),
    "noise": settings("rank1-mwf", noise="0-0.2", reference="auto"),
    "near": settings("gsc", doa=TALKER, distance=0.5),
    "head": settings("mpdr", doa=TALKER, head=True),
    "nulls": settings("lcmv", nulls="180,-60"),
}


@pytest.fixture(scope="module")
def short():
    """0.6 s: at four microphones, and at sixteen."""
    n_samples = int(0.6 * RATE)
    return {array.n_mics: sum(rendered(n_samples, array)) for array in (ARRAY, RING)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chain", CHAINS)
def test_any_recording_comes_out_as_long_and_no_louder(short, chain, kind):
    """Finite; silence stays silence; less than a frame passes, offline; at most 3 dB are added."""
    array = {"sixteen": RING, "one sample": ARRAY.select([0])}.get(kind, ARRAY)
    x = KINDS[kind](short[16 if kind == "sixteen" else 4])
    config, recording = statistical(**CHAINS[chain]), Recording(x, RATE)
    if refusal := refused(config, x):
        with pytest.raises(ConfigError, match=refusal):
            Enhancer(config, array).enhance(recording)
        return
    out = Enhancer(config, array).enhance(recording)
    ears = config.beamformer == "binaural-mwf" and len(x) > 1
    shape = (2, x.shape[1]) if ears else (x.shape[1],)
    for y in (out.samples, *out.stages.values()):
        assert y.shape == shape and y.dtype == np.float32 and np.isfinite(y).all()
    if kind == "silence":
        assert not out.samples.any()
    elif "sample" in kind and config.learns and not config.online and config.postfiltering is None:
        assert_allclose(out.samples, out.stages["reference"], rtol=0, atol=1e-7)
    assert level_db(out.samples) < level_db(out.stages["reference"]) + 3


def refused(config, x):
    """What is rightly said to be missing."""
    if config.noise and x.shape[1] < 0.2 * RATE:
        return r"noise 0-0\.2 ends after"
    if config.nulls and len(x) == 1:
        return "1 microphones keep one direction and at most 0 nulls"
    return None


# ---- blocks and segments -----------------------------------------------------------------

LAGGED = {
    "wpe": settings("none", dereverb="wpe"),
    "wpe mvdr": settings("mvdr", dereverb="wpe"),
    "mcwf": settings("mcwf"),
    "wpd": settings("wpd"),
    "binaural": settings("binaural-mwf"),
    "mccowan": settings("mvdr", doa=TALKER, postfilter="mccowan"),
    "online": settings("mvdr", online=True, doa="auto"),
    "online wpe": settings("rank1-mwf", online=True, dereverb="wpe"),
}


@pytest.mark.parametrize("chain", LAGGED)
def test_blocks_are_enhanced_as_the_whole(mixture, chain):
    """Three segments and their crossfades, read in pieces: the same bits."""
    config = statistical(**LAGGED[chain], segment_seconds=1, crossfade_seconds=0.3)
    runs = []
    for block in (mixture.shape[1], 160, 5000):
        pieces = list(Enhancer(config, ARRAY).open(Recording(mixture, RATE)).stages(block))
        runs.append({n: np.concatenate([p[n] for p in pieces], axis=-1) for n in pieces[0]})
    for stages in runs[1:]:
        assert list(stages) == list(runs[0])
        for name, y in stages.items():
            assert_array_equal(y, runs[0][name])


@pytest.mark.parametrize("sizes", [(1000, 600, 1400), (3000,), (64, 32, 2904)], ids=str)
def test_filters_over_frames_hear_across_segments(sizes):
    """The same filters in every segment, whatever its length: one filter of all frames."""
    rng, stft = np.random.default_rng(1), Stft(64, 32, "hann")
    x = rng.standard_normal((3, sum(sizes))).astype(np.float32)
    spec = stft.analyse(x)
    wpe = 0.1 * complex_normal(rng, stft.n_freqs, 5, 3, 3)
    delays = (0, 2, 5)
    weights = complex_normal(rng, stft.n_freqs, 3, 3)
    filters = SegmentFilters(wpe, Course((Filters(weights[..., None], delays),)))
    wanted = stft.synthesise(apply_lagged(weights, apply_wpe(wpe, spec), delays), x.shape[1])
    segments, out, start = SegmentFilter(stft, 3, 4, DEREVERBERATORS["wpe"]), [], 0
    for size in sizes:
        stop = start + size
        out.append(segments.run(filters, x[:, start:stop], stop == x.shape[1], reference=0)[0])
        start = stop
    found = np.concatenate(out)[: x.shape[1]]
    assert_allclose(found, wanted[: len(found)], atol=1e-5 * np.abs(wanted).max())


def test_a_filter_over_frames_hears_those_of_a_segment_that_had_none():
    """A segment without statistics passes the reference; the next still remembers its end."""
    rng, stft = np.random.default_rng(2), Stft(64, 32, "hann")
    x = rng.standard_normal((2, 30 * 32)).astype(np.float32)
    lagged = np.zeros((stft.n_freqs, 4, 2, 1), complex)
    lagged[:, 3, 1] = 1  # microphone 1, three frames before
    now = np.zeros((stft.n_freqs, 1, 2, 1), complex)
    now[:, 0, 0] = 1
    segments = SegmentFilter(stft, 2, crossfade_frames=0)
    out = []
    for k, (weights, delays) in enumerate(
        ((lagged, (0, 1, 2, 3)), (now, (0,)), (lagged, (0, 1, 2, 3)))
    ):
        filters = SegmentFilters(None, Course((Filters(weights, delays),)))
        spec = segments.bank.analyse(x[:, 320 * k : 320 * (k + 1)], k == 2)
        out.append(segments.beamform(filters.beamformer, spec)[:, 0])
        segments.passed(filters)
    spec = stft.analyse(x)
    n = out[0].shape[1] + out[1].shape[1]
    assert_array_equal(out[1], spec[:, 0, out[0].shape[1] : n])
    assert_array_equal(out[2], spec[:, 1, n - 3 : -3])


# ---- shadows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chain",
    [*BEAMFORMERS, "wpe", "wpe mvdr", "wpd auto", "near"],
)
def test_shadows_of_the_components_add_up_to_the_stage(mixture, images, chain):
    """Three segments, linear; a sum of up to 84 products of float32, two crossfades."""
    config = statistical(**CHAINS[chain], segment_seconds=1, crossfade_seconds=0.3)
    parts = dict(zip("sn", images, strict=True))
    out = Enhancer(config, ARRAY).enhance(Recording(mixture, RATE), parts)
    assert_allclose(
        out.shadows["s"] + out.shadows["n"], out.samples, atol=3e-5 * np.abs(mixture).max()
    )


def test_shadows_of_what_is_too_short_pass_both_ears(images):
    parts = {name: image[:, :100] for name, image in zip("sn", images, strict=True)}
    config = statistical(**settings("binaural-mwf"))
    out = Enhancer(config, ARRAY).enhance(Recording(parts["s"] + parts["n"], RATE), parts)
    assert_array_equal(out.shadows["s"], parts["s"][list(EARS)])
    assert_allclose(out.samples, (parts["s"] + parts["n"])[list(EARS)], atol=1e-7)


def test_an_online_beamformer_casts_no_shadow(mixture, images):
    config = statistical(**settings("mvdr", online=True))
    with pytest.raises(ConfigError, match="changes in every frame: shadow filtering needs"):
        Enhancer(config, ARRAY).enhance(Recording(mixture, RATE), {"speech": images[0]})


# ---- what is kept, what is taken away ----------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"distance": 0.4}, {"head": True}], ids=str)
@pytest.mark.parametrize("beamformer", STEERED)
def test_a_steered_beamformer_keeps_its_direction(mixture, beamformer, more):
    """wᴴa = 1 in every bin, of the wave that the settings describe; WPD at its own level.

    The beam of filter-and-sum is designed for plane waves alone.
    """
    config = statistical(**settings(beamformer) | {"doa": TALKER, "reference": 2} | more)
    found, freqs = weights_of(config, Recording(mixture, RATE))
    angle = np.deg2rad(TALKER)
    a = plane_wave(ARRAY.positions, angle, freqs, reference=2)
    if "distance" in more and beamformer != "filter-and-sum":
        a = spherical_wave(ARRAY.positions, 0.4 * direction(angle), freqs, reference=2)
    elif "head" in more and beamformer != "filter-and-sum":
        a = sphere_wave(ARRAY.positions, angle, freqs, reference=2)
    kept = np.sum(found[:, 0, :, 0].conj() * a, axis=1)
    if beamformer == "wpd":
        kept = kept / kept[1].real
    assert_allclose(kept, 1, atol=1e-6)


@pytest.mark.parametrize("beamformer", list(BEAMFORMERS))
def test_every_beamformer_takes_noise_away_and_leaves_the_talker_as_loud(images, beamformer):
    """By shadow filtering: 6 to 9 dB by what geometry alone says, 9 to 17 dB by what adapts."""
    speech, noise = images
    doa = {"doa": TALKER} if beamformer in STEERED else {}
    config = statistical(**settings(beamformer) | doa)
    parts = {"speech": speech, "noise": noise}
    shadows = Enhancer(config, ARRAY).enhance(Recording(speech + noise, RATE), parts).shadows
    mics = EARS if beamformer == "binaural-mwf" else (0,)
    for k, mic in enumerate(mics):
        s, n = (np.atleast_2d(shadows[name])[k] for name in ("speech", "noise"))
        gain = shadow_snr(s, n) - shadow_snr(speech[mic], noise[mic])
        assert gain > (5 if BEAMFORMERS[beamformer].fixed else 8)
        assert abs(level_db(s) - level_db(speech[mic])) < 0.5


def test_ears_keep_their_sides(images):
    """The speech that comes out left is that of the left ear, not of the right."""
    speech, noise = images
    out = Enhancer(statistical(**settings("binaural-mwf")), ARRAY).enhance(
        Recording(speech + noise, RATE), {"speech": speech}
    )
    assert_array_equal(out.stages["reference"], (speech + noise)[list(EARS)])
    for k in range(2):
        errors = [level_db(out.shadows["speech"][k] - speech[mic]) for mic in range(4)]
        assert np.argmin(errors) == EARS[k]


def test_ears_are_found_in_the_geometry_and_count_the_channels_of_the_file(images):
    x = (images[0] + images[1])[[2, 3, 0, 1]]
    turned = ARRAY.select([2, 3, 0, 1])
    config = statistical(**SMALL, beamformer="binaural-mwf", reference=4)
    out = Enhancer(config, turned).enhance(Recording(x, RATE, channels=(4, 5, 6, 9)))
    assert_array_equal(out.stages["reference"], x[[3, 1]])
    named = statistical(**SMALL, beamformer="binaural-mwf", reference=4, ears="9,5")
    again = Enhancer(named).enhance(Recording(x, RATE, channels=(4, 5, 6, 9)))
    assert_array_equal(again.samples, out.samples)


def test_a_bin_without_sound_passes_the_microphone_of_each_ear():
    rng = np.random.default_rng(6)
    there = np.array([False, True, False])
    found = Filters(complex_normal(rng, 1, 2, 4, 2), (0, 3))
    weights = found.spread(there, EARS).weights
    spec = complex_normal(rng, 3, 4, 5)
    heard = np.einsum("famo,fmt->fot", weights[:, :1].conj()[:, 0][:, None], spec)
    assert_array_equal(heard[[0, 2]], spec[[0, 2]][:, list(EARS)])
    assert not weights[[0, 2], 1].any()
    assert_array_equal(weights[1], found.weights[0])


def test_nulls_are_not_heard_where_the_array_can_tell_them_from_the_talker(mixture):
    """Two nulls; where three steering vectors are nearly two, noise would be all there is,
    and the talker alone is kept."""
    config = statistical(**settings("lcmv", nulls="180,-60"))
    found, freqs = weights_of(config, Recording(mixture, RATE))
    angles = np.deg2rad([TALKER, 180, -60])
    waves = np.stack([plane_wave(ARRAY.positions, angle, freqs) for angle in angles], axis=2)
    apart = np.linalg.cond(waves) < 90
    assert apart[freqs > 1000].mean() > 0.95 and not apart[0]
    heard = np.einsum("fm,fmk->fk", found[:, 0, :, 0].conj(), waves)
    assert_allclose(heard[:, 0], 1, atol=1e-5)
    assert_allclose(heard[apart, 1:], 0, atol=1e-5)


def test_what_sounds_in_the_stretch_of_noise_is_taken_away(images):
    """A hum that sounds from 0.5 to 1.0 s alone, and is told to be the noise."""
    speech, noise = images
    hum = np.zeros_like(noise)
    part = slice(RATE // 2, RATE)
    other = delayed(
        band_limited(np.random.default_rng(3), speech.shape[1], 300, 7000),
        arrivals(ARRAY.positions, np.deg2rad(-40)),
    )
    hum[:, part] = 0.05 * other[:, part]
    silent = speech.copy()
    silent[:, : RATE + 100] = 0
    x = silent + hum + 0.01 * noise
    gains = []
    for stretch in ("0:00.5-0:01", "0-0.5"):
        config = statistical(**settings("mvdr", doa=TALKER, noise=stretch))
        out = Enhancer(config, ARRAY).enhance(Recording(x, RATE), {"hum": hum})
        gains.append(level_db(out.shadows["hum"]) - level_db(hum[0]))
    assert gains[0] < -15 and gains[0] < gains[1] - 10


def test_the_reference_may_be_that_of_the_best_snr(images):
    """Where all microphones but one have a loud noise of their own."""
    speech, noise = images
    rng = np.random.default_rng(4)
    own = 0.05 * rng.standard_normal(noise.shape).astype(np.float32)
    own[2] = 0
    x = speech + noise + own
    config = statistical(**settings("mvdr", reference="auto", masks="spp"))
    out = Enhancer(config).enhance(Recording(x, RATE, channels=(1, 3, 5, 7)))
    assert "reference: channel 5" in out.log
    assert_array_equal(out.stages["reference"], x[2])


def test_the_look_is_that_of_the_settings():
    """Plane waves, a talker nearby, around a head; each null by itself."""
    freqs, positions = np.array([500.0, 3000.0]), ARRAY.positions

    def look(**more):
        return TalkerDirection(statistical(**settings("lcmv", **more)), ARRAY, 1, freqs)

    angle = np.deg2rad(TALKER)
    assert_array_equal(look().steering, plane_wave(positions, angle, freqs, reference=1))
    near = spherical_wave(positions, 0.7 * direction(angle), freqs, reference=1)
    assert_allclose(look(distance=0.7).steering, near, rtol=1e-12)
    assert_array_equal(look(head=True).steering, sphere_wave(positions, angle, freqs, reference=1))
    nulls = look(nulls="-60,120").design
    for k, null in enumerate((-60, 120)):
        wanted = plane_wave(positions, np.deg2rad(null), freqs, reference=1)
        assert_array_equal(nulls[:, :, k], wanted)


# ---- online ------------------------------------------------------------------------------


@pytest.mark.parametrize("beamformer", RECURSIVE)
@pytest.mark.parametrize("doa", [None, "auto"])
def test_an_online_beamformer_does_not_know_the_future(images, beamformer, doa):
    """Another ending of the same kind: until a window before it, the same bits come out."""
    x = sum(images)[:, : 2 * RATE]
    other = x.copy()
    turn = int(1.2 * RATE)
    other[:, turn:] = 0.5 * x[::-1, turn:]
    if doa is None and beamformer == "das":
        doa = TALKER
    config = statistical(**settings(beamformer, online=True, doa=doa, dereverb="wpe"))
    first, second = (
        Enhancer(config, ARRAY).enhance(Recording(y, RATE)).samples for y in (x, other)
    )
    assert_array_equal(first[..., : turn - 512], second[..., : turn - 512])
    assert (first[..., turn:] != second[..., turn:]).any()


@pytest.mark.parametrize(
    "beamformer, doa",
    [("mvdr", None), ("mvdr", TALKER), ("mvdr", "auto"), ("rank1-mwf", None), ("gsc", TALKER)],
)
def test_an_online_beamformer_takes_noise_away_once_it_has_learnt(images, beamformer, doa):
    """In the pauses of the voice, after 1 s, 12 to 15 dB less noise is left where a direction
    is known, 5 dB where nothing is; the voice in between is as loud."""
    speech, noise = images
    config = statistical(**settings(beamformer, online=True, doa=doa))
    y = Enhancer(config, ARRAY).enhance(Recording(speech + noise, RATE)).samples
    time = np.arange(len(y)) / RATE
    pause = (time > 1) & (time % 0.4 > 0.29) & (time % 0.4 < 0.37)
    spoken = (time > 1) & (time % 0.4 > 0.05) & (time % 0.4 < 0.2)
    lowered = level_db(y[pause]) - level_db(noise[0, pause])
    assert lowered < (-4 if doa is None else -10)
    assert abs(level_db(y[spoken]) - level_db(speech[0, spoken])) < 1


# ---- refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more, error, words",
    [
        ({"nulls": "1,2,3,4"}, ConfigError, "4 microphones keep one direction and at most 3 nulls"),
        ({"ears": "1"}, ConfigError, "ears must be two channels, left,right; got '1'"),
        ({"ears": "a,b"}, ConfigError, "ears wants numbers joined by commas; got 'a,b'"),
        ({"nulls": "nan"}, ConfigError, "nulls wants numbers joined by commas; got 'nan'"),
        ({"nulls": "1,inf"}, ConfigError, "nulls wants numbers"),
        ({"noise": "2-1"}, ConfigError, "noise wants a stretch of time like 0:00-0:02"),
        ({"distance": 0.01}, ConfigError, "distance must be 0.05 to 1000; got 0.01"),
        ({"head": True, "distance": 1.0}, ConfigError, "give head or distance"),
        ({"frames": 17}, ConfigError, "frames must be 1 to 16; got 17"),
        ({"partial": 1.1}, ConfigError, "partial must be 0 to 1; got 1.1"),
    ],
)
def test_settings_that_cannot_be_are_refused(more, error, words):
    with pytest.raises(error, match=words):
        Enhancer(statistical(**settings("lcmv", **more)), ARRAY)


def test_what_only_the_recording_can_tell_is_refused_with_its_name(mixture):
    recording = Recording(mixture, RATE, name="talk.wav")
    cases = {
        r"noise 0-3 ends after talk\.wav, which is 2\.6 s long": settings("mvdr", noise="0-3"),
        r"noise 1-1\.01 is shorter than 0\.032 s, one frame": settings("mvdr", noise="1-1.01"),
        "ear 7 is not among the microphones in use, 0, 1, 2, 3": settings(
            "binaural-mwf", ears="0,7"
        ),
    }
    for words, chain in cases.items():
        with pytest.raises(ConfigError, match=words):
            Enhancer(statistical(**chain), ARRAY).enhance(recording)
    line = load_array("linear4-35mm")
    with pytest.raises(
        ConfigError, match=r"array linear4-35mm\S* has none on one side: give --ears"
    ):
        Enhancer(statistical(**SMALL, beamformer="binaural-mwf"), line).enhance(recording)
    with pytest.raises(GeometryError, match="microphone 1 is 18 mm from the centre"):
        Enhancer(statistical(**settings("mvdr", doa=0.0, head=True)), line).enhance(recording)


def test_the_log_says_what_is_loaded_and_how_much():
    """A row that is the mean of two others: no covariance of theirs can be inverted."""
    rng = np.random.default_rng(12)
    x = 0.1 * np.array([band_limited(rng, 2 * RATE, 50, 7900) for _ in range(2)])
    mean = np.concatenate([x, x.mean(axis=0, keepdims=True)])
    for samples, said in ((mean, True), (x, False)):
        out = Enhancer().enhance(Recording(samples.astype(np.float32), RATE))
        lines = [
            line
            for line in out.log
            if "bins have an ill-conditioned noise covariance: loaded by up to" in line
        ]
        assert bool(lines) == said
