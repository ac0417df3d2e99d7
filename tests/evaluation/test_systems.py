import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording
from arrayenh.chain.enhancer import enhance
from arrayenh.chain.settings import Settings
from arrayenh.errors import ConfigError, TrialError
from arrayenh.evaluation.cases.drawn import trial_of
from arrayenh.evaluation.scoring import si_sdr, stoi
from arrayenh.evaluation.systems import bounds
from arrayenh.evaluation.systems.chain import Chain, waited
from arrayenh.evaluation.systems.names import known, system, systems
from arrayenh.evaluation.systems.system import Trial
from arrayenh.scenes.demo import demo_scene
from arrayenh.stft import Analysis, Stft, Synthesis
from tests.signals import RATE, complex_normal

LINEAR = (
    "noisy",
    "mvdr",
    "wpe",
    "wpe+das@direction",
    "gev",
    "binaural-mwf[ears=0,3]",
    "oracle-mask-mvdr",
    "oracle-cov-mvdr",
    "oracle-mwf",
    "oracle-mcwf4",
)
BOUNDS = list(bounds.BOUNDS)


@pytest.fixture(scope="module")
def trial():
    """The demo's scene with a second talker, 4 microphones, 4.5 s."""
    whole = trial_of(demo_scene(competing_talker=True).rendered, "early")
    return replace(whole, mixture=whole.mixture[:, :72_000], target=whole.target[:, :72_000])


def quality(trial, name):
    """SI-SDR (dB) and STOI against the early speech."""
    samples = system(name).run(trial).samples
    return si_sdr(trial.target[0], samples, RATE), stoi(trial.target[0], samples, RATE)


def squared_error(trial, name):
    """Energy of what is wrong with an output, over that of the speech."""
    wrong = system(name).run(trial).samples - trial.target[0]
    return np.sum(wrong**2) / np.sum(trial.target[0] ** 2)


# ---- all of them -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINEAR)
def test_shadows_add_up_to_a_linear_output(trial, name):
    output = system(name).run(trial)
    # WPE sums 40 terms that nearly cancel in single precision: four times the rounding
    most = (4e-5 if "wpe" in name else 1e-5) * np.abs(output.samples).max()
    assert_allclose(output.speech + output.noise, output.samples, rtol=0, atol=most)


def test_noisy_is_microphone_0(trial):
    output = system("noisy").run(trial)
    assert_array_equal(output.samples, trial.mixture[0])
    assert_array_equal(output.speech, trial.target[0])
    assert_array_equal(output.noise, trial.mixture[0] - trial.target[0])


@pytest.mark.parametrize(
    "name",
    [
        "default",
        "mmse-lsa",
        "mvdr[strength=0.5]",
        "das[online=true]@direction",
        "irm",
        "oracle-cov-mvdr+psm",
    ],
)
def test_what_is_not_linear_casts_no_shadow(trial, name):
    short = replace(trial, mixture=trial.mixture[:, :RATE], target=trial.target[:, :RATE])
    output = system(name).run(short)
    assert output.speech is None and output.noise is None
    assert output.samples.shape == (RATE,) and output.samples.dtype == np.float32


@pytest.mark.parametrize("name", known())
def test_systems_travel_to_other_processes(name):
    found = system(name)
    again = pickle.loads(pickle.dumps(found))
    assert (again.name, again.kind, again.describe) == (name, found.kind, found.describe)
    assert again.definition() == found.definition() and again.latency() == found.latency()


def test_every_known_system_has_a_definition_of_its_own():
    said = {}
    for name in known():
        text = json.dumps(dict(system(name).definition()), sort_keys=True)
        assert text not in said, f"{name} is {said[text]}"
        said[text] = name


# ---- our chain ---------------------------------------------------------------------------


def test_a_chain_is_what_enhance_gives(trial):
    ours = system("default").run(trial).samples
    assert_array_equal(ours, enhance(Recording(trial.mixture, RATE)).samples)


def test_the_true_direction_is_the_azimuth_in_degrees(trial):
    name = "mvdr[masks=spp]@direction"
    given = replace(system(name).settings, doa=float(np.rad2deg(trial.azimuth)))
    theirs = enhance(Recording(trial.mixture, RATE), trial.array, given).samples
    assert_array_equal(system(name).run(trial).samples, theirs)
    assert si_sdr(theirs, system("mvdr[masks=spp]").run(trial).samples, RATE) < 20


def test_without_speech_a_chain_works_and_a_bound_does_not(trial):
    blind = replace(trial, target=None)
    output = system("mvdr").run(blind)
    assert output.speech is None and output.noise is None
    assert_array_equal(output.samples, system("mvdr").run(trial).samples)
    for name in BOUNDS:
        with pytest.raises(TrialError, match=f"{name.split('+')[0]}.* needs the clean speech"):
            system(name).run(blind)


def test_two_ears_come_with_the_left_one_as_samples(trial):
    output = system("binaural-mwf[ears=3,0]").run(trial)
    assert output.ears.shape == (2, trial.mixture.shape[1])
    assert_array_equal(output.samples, output.ears[0])
    swapped = system("binaural-mwf[ears=0,3]").run(trial)
    assert_allclose(swapped.ears[::-1], output.ears, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "name, lacks, says",
    [
        ("das", {"array": None}, "geometry"),
        ("das@direction", {"azimuth": None}, "direction"),
        ("mvdr[reference=7]", {}, "reference 7"),
        ("lcmv[nulls=1,2,3,4]@direction", {}, "nulls"),
        ("binaural-mwf", {}, "two ears"),
    ],
)
def test_a_chain_that_cannot_work_says_why(trial, name, lacks, says):
    with pytest.raises(TrialError, match=says):
        system(name).run(replace(trial, **lacks))


def test_an_array_of_other_microphones_is_refused(trial):
    with pytest.raises(TrialError, match="4 microphones"):
        system("mvdr").run(replace(trial, mixture=trial.mixture[:2], target=None))


def test_outputs_keep_rate_and_length():
    rng = np.random.default_rng(0)
    trial = Trial(0.1 * rng.standard_normal((2, 30_001)).astype(np.float32), 48_000)
    trial = replace(trial, target=0.5 * trial.mixture)
    for name in ("mvdr", "wiener", "noisy", "oracle-mask-mvdr+irm"):
        assert system(name).run(trial).samples.shape == (30_001,)


@pytest.mark.parametrize(
    "name, samples",
    [
        ("noisy", 0),
        ("mmse-lsa", 512),
        ("das@direction", 2048),
        ("das[n_fft=512,hop=256]@direction", 512),
        ("das[doa=30]", 2048),
        ("superdirective@direction", 2048),
        ("das@direction+zelinski", 2048),  # in the beamformer's own frames
        ("das@direction+mmse-lsa", 2432),
        ("mvdr[online=true]", 512),  # of its synthesis window
        ("mvdr[online=true,masks=spp,latency=low-latency]", 256),
        ("mvdr[online=true,masks=spp,n_fft=2048]", 2048),
        ("wpe[online=true]+mmse-lsa", 512),  # on one STFT
        ("mvdr", None),
        ("das", None),  # looks for the talker first
        ("wpe", None),
        ("wpe+das@direction", None),
        ("mvdr@direction", None),
        ("default", None),
        ("das[reference=auto]@direction", None),
        ("oracle-mwf", None),
    ],
)
def test_latency(name, samples):
    found = system(name).latency()
    assert found == (None if samples is None else samples / RATE)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(4, 24), st.integers(2, 4)).map(lambda s: (s[0], s[0] // s[1])),
        min_size=1,
        max_size=2,
    )
)
def test_latency_is_what_the_transforms_need(stages):
    """Samples pushed one by one: how many go in before each comes out."""
    chain = [(Analysis(stft, 1), Synthesis(stft)) for stft in (Stft(*s, "hann") for s in stages)]
    given, most = 0, 0
    for heard in range(1, 600):
        block = np.zeros((1, 1))
        for analysis, synthesis in chain:
            block = synthesis.push(analysis.push(block)[:, 0])[None]
        if block.shape[1]:
            most = max(most, heard - given)  # the first of these samples has waited longest
        given += block.shape[1]
    assert waited(stages) == most


@pytest.mark.parametrize(
    "setting",
    [
        {"masks": "spp"},
        {"mu": 2.0},
        {"n_fft": 2048},
        {"postfilter": "none"},
        {"dereverb": "wpe"},
        {"loading": 1e-3},
    ],
)
def test_a_definition_changes_with_every_setting(setting):
    usual = Chain("a", Settings())
    assert Chain("a", Settings(**setting)).definition() != usual.definition()


def test_a_definition_tells_who_knows_the_direction():
    config = Settings(beamformer="das")
    assert Chain("a", config, True).definition() != Chain("a", config).definition()


# ---- bounds ------------------------------------------------------------------------------


def test_the_oracle_chain_beats_the_blind_one(trial):
    for blind, bound in (("mvdr", "oracle-mask-mvdr"), ("mmse-lsa", "irm")):
        assert quality(trial, bound)[0] > quality(trial, blind)[0] + 1
    blind, bound = (quality(trial, name)[1] for name in ("default", "oracle-mask-mvdr+irm"))
    assert bound > blind + 0.03  # its gain follows no phase: SI-SDR does not tell


def test_a_post_filter_behind_a_bound_hears_its_output_alone(trial):
    beamformed = system("oracle-mask-mvdr").run(trial).samples
    wanted = enhance(
        Recording(beamformed[None], RATE), settings=system("mmse-lsa").settings
    ).samples
    both = system("oracle-mask-mvdr + mmse-lsa")
    assert_array_equal(both.run(trial).samples, wanted)
    assert both.kind == "bound" and both.latency() is None and "MMSE-LSA" in both.describe
    for name in ("oracle-mask-mvdr+das", "oracle-mask-mvdr+wpe+mmse-lsa"):
        with pytest.raises(ConfigError, match="only a post-filter can follow oracle-mask-mvdr"):
            system(name)


def test_every_bound_beats_the_microphone(trial):
    noisy = quality(trial, "noisy")
    for name in BOUNDS:
        found = quality(trial, name)
        assert found[0] > noisy[0] + 3 and found[1] > noisy[1] + 0.1, name


def test_the_more_a_filter_may_the_nearer_it_comes(trial):
    """One gain of 1 in the talker's direction, any weights, any weights of four frames."""
    names = ("noisy", "oracle-cov-mvdr", "oracle-mwf", "oracle-mcwf4")
    errors = [squared_error(trial, name) for name in names]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.5 * errors[-2]


def test_the_phase_sensitive_mask_is_the_best_gain(trial):
    assert squared_error(trial, "psm") < squared_error(trial, "irm")
    assert squared_error(trial, "oracle-cov-mvdr+psm") < squared_error(trial, "oracle-cov-mvdr")


def test_no_other_gain_comes_nearer_to_the_speech():
    rng = np.random.default_rng(0)
    speech, mixture = complex_normal(rng, 2, 5, 7)
    best = bounds.phase_sensitive_mask(speech, mixture)
    for gain in np.linspace(0, 1, 21):
        nearer = np.abs(speech - gain * mixture) < np.abs(speech - best * mixture) - 1e-12
        assert not nearer.any()
    assert best.min() == 0 and best.max() == 1  # truncated at both ends


def test_ratio_mask_is_a_share_of_amplitudes():
    speech, noise = np.array([[3j, 0, 1, 0]]), np.array([[1, 2, 0, 0]])
    assert_array_equal(bounds.ratio_mask(speech, noise), [[0.75, 0, 1, 0]])


def test_oracle_mask_mvdr_by_its_formula(trial):
    """The project's definition in plain NumPy."""
    stft = Stft(2048, 512, "hann")
    noise = trial.mixture - trial.target
    x, s, n = (stft.analyse(part).astype(complex) for part in (trial.mixture, trial.target, noise))
    mask = np.mean(np.abs(s) / (np.abs(s) + np.abs(n)), axis=1)
    speech, rest = (
        np.einsum("ft,fmt,fnt->fmn", weight, x, x.conj()) / weight.sum(axis=1)[:, None, None]
        for weight in (mask**2, (1 - mask) ** 2)
    )
    rest += 1e-6 * np.trace(rest, axis1=1, axis2=2).real[:, None, None] / 4 * np.eye(4)
    ratio = np.linalg.solve(rest, speech)
    weights = ratio[:, :, 0] / np.trace(ratio, axis1=1, axis2=2)[:, None]
    wanted = stft.synthesise(np.einsum("fm,fmt->ft", weights.conj(), x), 72_000)
    found = system("oracle-mask-mvdr").run(trial).samples
    assert si_sdr(wanted, found, RATE) > 60


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("kind", ["silence", "no speech", "no noise", "one", "short", "alike"])
def test_bounds_work_on_anything(name, kind):
    rng = np.random.default_rng(1)
    shape = {"one": (1, 4000), "short": (3, 90)}.get(kind, (3, 4000))
    speech, noise = 0.1 * rng.standard_normal((2, *shape)).astype(np.float32)
    speech *= kind not in ("silence", "no speech")
    noise *= kind not in ("silence", "no noise")
    if kind == "alike":
        speech[:], noise[:] = speech[0], noise[0]
    output = system(name).run(Trial(speech + noise, RATE, speech))
    assert output.samples.shape == shape[1:] and output.samples.dtype == np.float32
    assert np.isfinite(output.samples).all()
    if kind == "no noise":
        assert si_sdr(speech[0], output.samples, RATE) > 40


# ---- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, config, told",
    [
        ("default", {"postfilter": "neural"}, False),
        ("mvdr", {}, False),
        ("mvdr+wiener", {"postfilter": "wiener"}, False),
        ("mmse-lsa", {"beamformer": "none", "postfilter": "mmse-lsa"}, False),
        ("wpe", {"beamformer": "none", "dereverb": "wpe"}, False),
        ("wpe+mmse-lsa", {"beamformer": "none", "dereverb": "wpe", "postfilter": "mmse-lsa"}, 0),
        ("wpe+gev+om-lsa", {"beamformer": "gev", "dereverb": "wpe", "postfilter": "om-lsa"}, False),
        ("das", {"beamformer": "das", "doa": "auto"}, False),
        ("das@direction", {"beamformer": "das"}, True),
        ("das[doa=-30]", {"beamformer": "das", "doa": -30.0}, False),
        ("mvdr[doa=auto]", {"doa": "auto"}, False),
        ("mvdr@direction", {}, True),
        ("mvdr@direction[mu=2]", {"mu": 2.0}, True),
        ("mvdr[masks=spp, mu=2]+mmse-lsa[strength=0.5]", None, False),
        ("mvdr[online=true,memory_seconds=1]", {"online": True, "memory_seconds": 1.0}, False),
        ("mvdr[noise=0:00-0:02,reference=1]", {"noise": "0:00-0:02", "reference": 1}, False),
        ("lcmv[nulls=-60,120,loading=1e-3]@direction", {"beamformer": "lcmv"}, True),
    ],
)
def test_names_of_chains(name, config, told):
    found = system(name)
    if config is None:
        config = {"masks": "spp", "mu": 2.0, "postfilter": "mmse-lsa", "strength": 0.5}
    if "nulls" in name:
        config = config | {"nulls": "-60,120", "loading": 1e-3}
    assert found.settings == Settings(**{"postfilter": "none", **config})
    assert found.true_direction == told and found.name == name.replace(" ", "")


def test_default_is_what_enhance_does():
    assert system("default").settings == Settings()


@pytest.mark.parametrize(
    "name, says",
    [
        ("mvd", "did you mean mvdr"),
        ("noisi", "did you mean noisy"),
        ("webrtc", "webrtc-ns"),
        ("mvdr+mmse", "'mmse' is not a part of a chain; did you mean mmse-"),
        ("", "missing"),
        ("mvdr+", "missing"),
        ("none", "unknown system"),
        ("mmse-lsa+mvdr", "BEAMFORMER"),
        ("das+mvdr", "each once"),
        ("zelinski", "zelinski needs a beamformer"),
        ("mwf@direction", "mwf is not steered"),
        ("mvdr[doa=3]@direction", "not both"),
        ("mvdr[foo=1]", "unknown key 'foo'"),
        ("mvdr[masks]", "key=value"),
        ("mvdr[mu=1,mu=2]", "mu is given twice"),
        ("mvdr[mu=1]+mmse-lsa[mu=1]", "mu is given twice"),
        ("mvdr[dereverb=wpe]", "already set by the parts"),
        ("mvdr[frames=2.5]", "a whole number; got '2.5'"),
        ("mvdr[online=1]", "true or false"),
        ("mvdr[loading=much]", "a number"),
        ("mvdr[loading=nan]", "loading"),
        ("mvdr[masks=telepathy]", "unknown masks"),
        ("mvdr[masks=spp", "brackets do not match"),
        ("mvdr]masks=spp[", "brackets do not match"),
        ("absent.toml", "neither a TOML file"),
    ],
)
def test_names_that_are_wrong_say_so(name, says):
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")) as caught:
        system(name)
    assert "\n" not in str(caught.value)


def test_a_list_is_cut_outside_brackets():
    found = systems("noisy, das ,mvdr[masks=spp,mu=2]+mmse-lsa,irm")
    names = ["noisy", "das", "mvdr[masks=spp,mu=2]+mmse-lsa", "irm"]
    assert [one.name for one in found] == names


@pytest.mark.parametrize(
    "text", ["mvdr,mvdr", "mvdr[mu=2],mvdr[ mu = 2 ]", "noisereduce,spectral-gating"]
)
def test_a_system_is_named_once(text):
    with pytest.raises(ConfigError, match="twice"):
        systems(text)


@pytest.mark.parametrize("text", ["", "noisy,", ",noisy", "noisy,,irm"])
def test_empty_names_are_refused(text):
    with pytest.raises(ConfigError, match="missing"):
        systems(text)


def test_a_profile_is_a_chain(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('beamformer = "das"\ndoa = 30\nstrength = 0.5\n')
    found = system(str(path))
    assert found.settings == Settings(beamformer="das", doa=30.0, strength=0.5)
    assert found.name == str(path)


@pytest.mark.parametrize(
    "text, says",
    [
        ("beamformer", "is not TOML"),
        ("mu = true", "mu: input should be a valid number; got True"),
        ("frames = 2.0", "frames: input should be a valid integer"),
        ("masks = 3", "masks: input should be a valid string"),
        ("colour = 3", "unknown key 'colour'"),
        ("mu = -1", "mu must be"),
    ],
)
def test_a_profile_that_is_wrong_says_so(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        system(str(path))


def test_all_known_names_are_names():
    listed = known()
    assert list(listed)[:2] == ["noisy", "default"] and {*BOUNDS} <= {*listed}
    for name, describe in listed.items():
        assert system(name).name == name and describe and "\n" not in describe
    assert all("," not in name for name in listed)
