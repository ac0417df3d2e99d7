from dataclasses import fields, replace

import pytest

from arrayenh.chain.profile import FOLDER, as_toml, load_profile, profile_names, resolve
from arrayenh.chain.settings import Settings
from arrayenh.errors import ConfigError


@pytest.fixture
def profile(tmp_path):
    """Writes a profile; returns its path."""

    def write(text):
        path = tmp_path / "p.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def test_profiles_that_ship_say_what_they_are_for():
    assert profile_names() == ["conference", "gentle", "hearing-aid", "low-latency", "recogniser"]
    for name in profile_names():
        resolve(name, {})
        assert (FOLDER / f"{name}.toml").read_text().startswith("# ")
    assert resolve("conference", {}) == Settings()
    assert resolve("recogniser", {}).postfilter == "none"
    gentle = resolve("gentle", {})
    assert gentle.strength < 1 and gentle.least_gain_db > Settings().least_gain_db


def test_an_option_overrides_the_profile_and_the_profile_the_default(profile):
    path = profile("strength = 0.5\nbeamformer = 'none'\nreference = 2\n")
    assert resolve(path, {}) == Settings(strength=0.5, beamformer="none", reference=2)
    options = {"strength": 0.0, "beamformer": None, "reference": 0}
    assert resolve(path, options) == Settings(strength=0.0, beamformer="none")
    assert resolve(None, {}) == Settings()


def test_a_whole_number_is_a_number_and_a_byte_order_mark_is_nothing(profile):
    assert resolve(profile(b"\xef\xbb\xbfstrength = 1"), {}).strength == 1.0
    assert isinstance(resolve(profile("doa = 30"), {}).doa, float | int)
    assert resolve(profile(""), {}) == Settings()


EVERYTHING = Settings(
    sync=True,
    still=True,
    beamformer="lcmv",
    masks="spp",
    noise="0:01-0:03",
    doa=-12.5,
    distance=1.5,
    nulls="-60,120",
    reference=3,
    ears="0,2",
    mu=2.0,
    partial=0.1,
    frames=2,
    memory_seconds=0.5,
    dereverb="wpe",
    postfilter="wiener",
    noise_tracker="imcra",
    model="mask.onnx,filter.onnx",
    strength=0.25,
    segment_seconds=12.0,
    crossfade_seconds=0.5,
    n_fft=1024,
    hop=256,
    loading=1e-6,
    position_error_mm=2.5,
    least_gain_db=-7.5,
)
LIVE = Settings(beamformer="gsc", head=True, online=True, latency="low-latency")
AIDS = Settings(
    beamformer="binaural-mwf",
    online=True,
    ears="0,2",
    audiogram="N3,S2",
    full_scale_db=100.0,
    max_output_db=110.0,
)


@pytest.mark.parametrize("doa", [None, "auto", 0.0, -12.5])
@pytest.mark.parametrize(
    "config", [Settings(), EVERYTHING, LIVE, AIDS], ids=["defaults", "others", "live", "aids"]
)
def test_settings_written_as_toml_are_read_back(profile, config, doa):
    config = replace(config, doa=doa)
    assert resolve(profile(as_toml(config)), {}) == config


def test_the_sample_of_settings_leaves_no_default():
    """Or the test above would not notice a key that is not written."""
    for field in fields(Settings):
        default = getattr(Settings(), field.name)
        assert any(getattr(sample, field.name) != default for sample in (EVERYTHING, LIVE, AIDS))


@pytest.mark.parametrize(
    "text, words",
    [
        ("a = [", "is not TOML"),
        ("n_fft = 1" + "0" * 5000, "is not TOML"),
        ("doa = " + "[" * 5000, "is not TOML"),
        ("nosuch = 1", "unknown key 'nosuch'; use beamformer, masks, noise, doa"),
        ("[table]\nx = 1", "unknown key 'table'"),
        ("strength = '1'", "strength: input should be a valid number; got '1'"),
        ("strength = true", "strength: .*valid number; got True"),
        ("strength = nan", "strength must be 0 to 1; got nan"),
        ("strength = inf", "strength must be 0 to 1; got inf"),
        ("strength = 2", "strength must be 0 to 1; got 2"),
        ("reference = 1.5", "reference: input should be a valid integer; got 1.5"),
        ("reference = -1", "reference must be 0 to 1023"),
        ("n_fft = 1000.0", "n_fft: .*valid integer"),
        ("n_fft = 256\nhop = 200", "hop must be 1 to 128; got 200"),
        ("hop = 100", "a hop belongs to a frame: give n_fft, too"),
        ("beamformer = 3", "beamformer: input should be a valid string; got 3"),
        (
            "beamformer = 'mvrd'",
            r"unknown beamformer 'mvrd' \(did you mean mvdr\?\); use binaural-mwf, das",
        ),
        ("doa = 1979-05-27", "doa should be a number or a word; got 1979-05-27"),
        ("doa = [1]", "doa should be a number or a word"),
        ("doa = true", "doa"),
        ("doa = 'north'", "doa should be auto or an azimuth in degrees; got 'north'"),
        (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_with_its_key(profile, text, words):
    with pytest.raises(ConfigError, match=words) as error:
        resolve(profile(text), {})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["gentl", "nowhere/p.toml", ".", "toml", "gentle.toml"])
def test_an_unknown_profile_names_those_that_are_there(name):
    with pytest.raises(ConfigError, match=", ".join(profile_names())):
        load_profile(name)
