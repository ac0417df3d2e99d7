"""What is rendered: components, levels, early speech, faults; the packaged voices, the demo."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.steering import SPEED_OF_SOUND
from arrayenh.audio import write
from arrayenh.errors import SceneError
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.demo import demo_scene
from arrayenh.scenes.imperfections import Imperfections, draw
from arrayenh.scenes.levels import active_speech_level
from arrayenh.scenes.machines import clicks, engine, fan, hum
from arrayenh.scenes.motion import Path
from arrayenh.scenes.packaged import load_clip
from arrayenh.scenes.placing import points
from arrayenh.scenes.render import render
from arrayenh.scenes.responses import early_responses, room_responses
from arrayenh.scenes.rooms import Measured, Polygon, Shoebox
from arrayenh.scenes.scene import Noise, PlacedArray, Scene, Talker
from arrayenh.scenes.signals import MADE, Clip, Signal, load_signal
from arrayenh.scenes.truth import truth

FS = 16000
N = 3 * FS
CENTRE = (1.9, 1.7, 1.2)
TARGET = (2.8, 2.4, 1.5)
ARRAY = PlacedArray(
    name="linear4-35mm",
    positions=points(load_array("linear4-35mm").centred().positions),
    centre=CENTRE,
)
SPEECH = Signal(kind="clips", clips=(Clip(file="packaged:female", stop=2 * FS, at=FS // 2),))
RIVAL = Signal(kind="clips", clips=(Clip(file="packaged:male", start=FS, stop=2 * FS, at=FS),))


def noise(kind="point", n=1, signal="white", **changes):
    places = ((0.5, 0.5, 1.4), (3.5, 0.6, 1.3), (0.3, 3.0, 1.0))[:n]
    n_signals = {"point": 1, "walls": n, "diffuse": 4}.get(kind, 0)
    return Noise(
        kind=kind,
        positions=places if kind in ("point", "walls") else (),
        signals=tuple(Signal(kind=signal, seed=k) for k in range(n_signals)),
        **changes,
    )


def scene(**changes):
    base = Scene(
        room=Shoebox(size=(4.0, 3.5, 2.5), rt60=0.25),
        array=ARRAY,
        talkers=(Talker(speaker="a", signal=SPEECH, position=TARGET),),
        noises=(noise(), noise("diffuse", level_db=2.0, seed=4)),
        n_samples=N,
        snr_db=3.0,
        seed=7,
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def rendered():
    return render(scene())


def db(ratio):
    return 10 * np.log10(ratio)


def power(image):
    return np.mean(np.asarray(image, np.float64) ** 2)


# ---- components --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noises": ()},
        {"talkers": (*scene().talkers, Talker(speaker="b", signal=RIVAL, position=(1, 3, 1.5)))},
        {"noises": (noise("walls", 3), noise("wind"), noise("white"))},
        {
            "array": dataclasses.replace(
                ARRAY,
                faults=draw(
                    Imperfections(gain_db=1.0, delay_us=5.0, clip_dbfs=-20.0),
                    4,
                    np.random.default_rng(0),
                ),
            )
        },
    ],
)
def test_components_sum_to_the_mixture(changes):
    r = render(scene(**changes))
    assert_array_equal(r.mixture, r.target_image + r.noise_image)
    parts = [*r.talker_images, *r.noise_images, r.sensor_image, r.residual]
    total = np.sum(np.stack(parts).astype(np.float64), axis=0)
    # each part is rounded to float32 once, and so are two sums
    step = np.finfo(np.float32).eps * max(np.abs(part).max() for part in parts)
    assert_allclose(r.mixture, total, rtol=0, atol=(len(parts) + 2) * step)
    assert r.mixture.dtype == np.float32 and r.mixture.shape == (4, N)


def test_the_dry_signal_through_the_responses_is_the_target_image(rendered):
    response = rendered.responses.talkers[0].astype(float)
    early = early_responses(rendered.scene, np.array(TARGET), response)
    dry = rendered.dry[0].astype(float)
    for responses, image in ((response, rendered.target_image), (early, rendered.early_image)):
        expected = [np.convolve(dry, row)[:N] for row in responses]
        assert_allclose(image, expected, atol=1e-5 * np.abs(image).max())


def test_the_early_image_ends_fifty_milliseconds_after_the_direct_path():
    r = render(scene())
    response = r.responses.talkers[0]
    early = early_responses(r.scene, np.array(TARGET), response)
    for m, mic in enumerate(ARRAY.mic_positions()):
        end = int(np.ceil((np.linalg.norm(mic - TARGET) / SPEED_OF_SOUND + 0.05) * FS))
        assert not early[m, end:].any() and response[m, end:].any()
        assert_array_equal(early[m, :end], response[m, :end])


# ---- levels ------------------------------------------------------------------------------


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0])
def test_the_snr_is_that_of_the_file(snr_db):
    r = render(scene(snr_db=snr_db))
    found = db(power(r.target_image[0]) / power(r.noise_images.sum(axis=0)[0]))
    assert found == pytest.approx(snr_db, abs=1e-3)


def test_the_snr_over_active_speech_counts_no_pauses():
    r = render(scene(snr_over="active"))
    level_db, activity = active_speech_level(r.target_image[0].astype(float), FS)
    noise_db = db(power(r.noise_images.sum(axis=0)[0]))
    assert level_db - noise_db == pytest.approx(3.0, abs=0.01)
    assert activity < 0.8
    assert level_db == pytest.approx(-26.0, abs=0.01)


def test_noises_have_their_levels_against_each_other(rendered):
    point, field = (power(image[0]) for image in rendered.noise_images)
    assert db(field / point) == pytest.approx(2.0, abs=1e-3)


def test_talkers_have_their_levels_against_the_target():
    rival = Talker(speaker="b", signal=RIVAL, position=(1.0, 3.0, 1.5), level_db=-6.0)
    for over in ("file", "active"):
        r = render(scene(talkers=(*scene().talkers, rival), snr_over=over))
        images = r.talker_images[:, 0].astype(float)
        if over == "file":
            levels = [db(power(image)) for image in images]
        else:
            levels = [active_speech_level(image, FS)[0] for image in images]
        assert levels[1] - levels[0] == pytest.approx(-6.0, abs=0.01)


def test_sensor_noise_lies_below_the_target():
    r = render(scene(noises=(), sensor_noise_db=30.0))
    assert db(power(r.target_image[0]) / power(r.sensor_image)) == pytest.approx(30, abs=0.1)
    assert not render(scene(sensor_noise_db=None)).sensor_image.any()


def test_a_loud_mixture_is_turned_down_and_keeps_its_ratios():
    r = render(scene(snr_db=-30.0, level_dbfs=-10.0))
    assert np.abs(r.mixture).max() == pytest.approx(0.9, rel=1e-5)
    found = db(power(r.target_image[0]) / power(r.noise_images.sum(axis=0)[0]))
    assert found == pytest.approx(-30.0, abs=1e-3)


# ---- determinism -------------------------------------------------------------------------


def test_the_same_scene_gives_the_same_bytes(rendered):
    again = render(scene())
    assert again.mixture.tobytes() == rendered.mixture.tobytes()
    other = render(scene(seed=8))
    assert_array_equal(other.noise_images, rendered.noise_images)
    assert np.abs(other.sensor_image - rendered.sensor_image).max() > 0


def test_responses_from_before_give_the_same(rendered):
    again = render(scene(), room_responses(scene()))
    assert_array_equal(again.mixture, rendered.mixture)


# ---- rooms and microphones ---------------------------------------------------------------


def test_a_dead_microphone_hears_nothing():
    faults = draw(Imperfections(dead=(1,)), 4, np.random.default_rng(0))
    r = render(scene(array=dataclasses.replace(ARRAY, faults=faults)))
    assert not r.mixture[1].any() and r.mixture[[0, 2, 3]].any(axis=1).all()


def test_a_cardioid_that_looks_away_hears_the_direct_path_less():
    # 90 degrees off its axis a cardioid has half the pressure, behind nothing
    room = Shoebox(size=(4.0, 3.5, 2.5), rt60=0.0)

    def direct(directivity, azimuth_deg):
        array = dataclasses.replace(
            ARRAY, directivity=directivity, facing="forward", azimuth_deg=azimuth_deg
        )
        talker = Talker(speaker="a", signal=SPEECH, position=(2.9, 1.7, 1.2))
        response = room_responses(scene(room=room, array=array, talkers=(talker,)))
        return np.abs(response.talkers[0][0]).max()

    assert direct("cardioid", 180.0) < 0.02 * direct("omni", 180.0)
    assert direct("cardioid", 0.0) == pytest.approx(direct("omni", 0.0), rel=0.02)


def test_polygonal_rooms_are_rendered():
    corners = ((0.0, 0.0), (4.0, 0.0), (4.0, 3.5), (0.0, 3.5))
    room = Polygon(corners=corners, height=2.5, absorption=0.4)
    r = render(scene(room=room, noises=(noise(),)))
    delay = np.linalg.norm(ARRAY.mic_positions()[0] - TARGET) / SPEED_OF_SOUND * FS
    response = r.responses.talkers[0][0]
    assert abs(int(np.argmax(np.abs(response))) - delay) <= 1
    assert power(response[4000:]) > 0


def test_measured_responses_replace_the_room(tmp_path):
    response = np.zeros((4, 2000), np.float32)
    response[:, 100], response[:, 1500] = 0.8, 0.4
    write(tmp_path / "rir.wav", response, FS, subtype="FLOAT")
    room = Measured(responses="rir.wav", files=(str(tmp_path / "rir.wav"),))
    r = render(scene(room=room, noises=(noise("diffuse"),)))
    dry = r.dry[0]
    direct = np.pad(dry, (100, 0))[:N] * 0.8
    assert_allclose(r.early_image[0], direct, atol=1e-5 * np.abs(direct).max())
    echo = np.pad(dry, (1500, 0))[:N] * 0.4
    assert_allclose(r.target_image[0], direct + echo, atol=1e-5 * np.abs(direct).max())
    other = Measured(responses="rir.wav", files=(str(tmp_path / "two.wav"),))
    write(tmp_path / "two.wav", response[:2], FS)
    with pytest.raises(SceneError, match="of 2 microphones, but the array linear4-35mm has 4"):
        render(scene(room=other, noises=()))


def test_a_talker_who_walks_is_where_he_is_then():
    path = Path(waypoints=(TARGET, (0.8, 2.4, 1.5)), times=(0.0, 2.5))
    walks = Talker(speaker="a", signal=SPEECH, position=TARGET, path=path)
    room = Shoebox(size=(4.0, 3.5, 2.5), rt60=0.0)
    quiet = {"noises": (), "sensor_noise_db": None, "room": room}
    moving = render(scene(talkers=(walks,), **quiet))
    spot = path.position(1.5)
    stands = Talker(speaker="a", signal=SPEECH, position=tuple(spot))
    still = render(scene(talkers=(stands,), **quiet))
    part = slice(int(1.5 * FS) - 400, int(1.5 * FS) + 400)
    lag = [
        np.argmax(np.correlate(r.target_image[3, part], r.target_image[0, part], "full"))
        for r in (moving, still)
    ]
    assert lag[0] == lag[1]
    assert len(truth(moving)["talkers"][0]["path"]) == 2


def test_nobody_walks_through_a_wall():
    corners = ((0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (2.0, 2.0), (2.0, 4.0), (0.0, 4.0))
    room = Polygon(corners=corners, height=2.5, absorption=0.5)
    array = dataclasses.replace(ARRAY, centre=(1.0, 1.0, 1.2))
    path = Path(waypoints=((1.0, 3.5, 1.5), (3.5, 1.0, 1.5)), times=(0.0, 3.0))
    walks = Talker(speaker="a", signal=SPEECH, position=(1.0, 3.5, 1.5), path=path)
    with pytest.raises(SceneError, match="the target at .* lies outside the room: 6 corners"):
        scene(room=room, array=array, talkers=(walks,), noises=())


# ---- truth and refusals ------------------------------------------------------------------


def test_the_truth_is_what_was_rendered(rendered):
    found = truth(rendered)
    talker = found["talkers"][0]
    offset = np.subtract(TARGET, CENTRE)
    assert talker["azimuth_deg"] == pytest.approx(np.rad2deg(np.arctan2(offset[1], offset[0])))
    assert talker["distance_m"] == pytest.approx(np.linalg.norm(offset))
    assert found["rt60_s"] == 0.25 and abs(found["rt60_measured_s"] / 0.25 - 1) < 0.15
    assert found["snr_db"] == pytest.approx(3.0, abs=0.1)
    assert found["noises"][0]["sources"][0]["position_m"] == [0.5, 0.5, 1.4]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"talkers": ()}, "at least one talker"),
        ({"n_samples": 0}, "at least one sample .*; got 0"),
        (
            {"talkers": (Talker(speaker="a", signal=SPEECH, position=(5.0, 1.0, 1.0)),)},
            r"the target at \(5.00, 1.00, 1.00\) m lies outside the room: 4 x 3.5 x 2.5 m",
        ),
        (
            {"noises": (dataclasses.replace(noise(), positions=((1, 1, 3),)),)},
            r"noise 0 \(point\)",
        ),
        ({"array": dataclasses.replace(ARRAY, centre=(4.0, 1.0, 1.0))}, "microphone 2 at"),
        (
            {"talkers": (Talker(speaker="a", signal=SPEECH, position=(1.9, 1.72, 1.2)),)},
            r"the target is 0.0\d+ m from microphone",
        ),
    ],
)
def test_an_impossible_scene_is_refused_by_name(changes, message):
    with pytest.raises(SceneError, match=message):
        scene(**changes)


def test_silence_is_refused_by_name(tmp_path):
    late = Signal(kind="clips", clips=(Clip(file="packaged:female", at=N),))
    with pytest.raises(SceneError, match="the target is silent at microphone 0"):
        render(scene(talkers=(Talker(speaker="a", signal=late, position=TARGET),)))
    write(tmp_path / "silence.wav", np.zeros(FS), FS)
    silent = Signal(kind="loop", clips=(Clip(file=str(tmp_path / "silence.wav")),))
    with pytest.raises(SceneError, match="silence.wav is silent; leave it out"):
        render(scene(noises=(dataclasses.replace(noise(), signals=(silent,)),)))


# ---- signals -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["female", "male"])
def test_packaged_voices(name):
    samples, rate = load_clip(name)
    assert rate == FS and samples.dtype == np.float32
    assert 8 * FS < samples.size < 9.2 * FS
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-3, abs=0.01)


def test_an_unknown_voice_is_refused():
    with pytest.raises(SceneError, match="use one of female, male"):
        load_clip("child")


def test_clips_are_put_in_their_place_with_faded_ends(tmp_path):
    write(tmp_path / "one.wav", np.full(FS, 0.5), FS, subtype="FLOAT")
    clip = Clip(file=str(tmp_path / "one.wav"), start=100, stop=2100, at=500)
    x = load_signal(Signal(kind="clips", clips=(clip,)), 4000, FS)
    assert not x[:501].any() and not x[2499:].any()
    assert_allclose(x[700:2300], 1.0)
    assert np.abs(np.diff(x)).max() < 1.1 / (0.01 * FS)


def test_loops_go_round_and_resample(tmp_path):
    x = np.random.default_rng(0).standard_normal(1000) * 0.1
    write(tmp_path / "x.wav", x, FS, subtype="FLOAT")
    loop = Signal(kind="loop", clips=(Clip(file=str(tmp_path / "x.wav"), start=300),))
    y = load_signal(loop, 2500, FS)
    assert_allclose(y[:1000], y[1000:2000])
    assert_allclose(y[0] / y[1], x[300] / x[301], rtol=1e-4)
    assert power(load_signal(loop, 8000, 8000)) > 0


@pytest.mark.parametrize("kind", MADE)
def test_made_noises_depend_on_their_seed(kind):
    one, same, other = (load_signal(Signal(kind=kind, seed=s), FS, FS) for s in (1, 1, 2))
    assert_array_equal(one, same)
    assert np.corrcoef(one, other)[0, 1] < 0.9
    assert power(one) == pytest.approx(1, rel=0.5)


def test_a_signal_has_clips_or_is_made():
    with pytest.raises(SceneError, match="'loop' needs at least one clip"):
        Signal(kind="loop")
    with pytest.raises(SceneError, match="'white' needs no clips"):
        Signal(kind="white", clips=(Clip(file="a.wav"),))


def test_the_fan_hums_at_its_motor():
    spectrum = np.abs(np.fft.rfft(fan(np.random.default_rng(0), 4 * FS, FS))) ** 2
    band = spectrum[4 * 100 : 4 * 140]
    assert np.argmax(band) == 4 * 20
    assert band.max() > 20 * np.median(band)


@pytest.mark.parametrize("seed", range(6))
def test_mains_hum_is_a_line_at_each_multiple_of_its_pitch(seed):
    spectrum = np.abs(np.fft.rfft(hum(np.random.default_rng(seed), 2 * FS, FS))) ** 2
    bins = [np.arange(2 * pitch, 2 * 2001, 2 * pitch) for pitch in (50, 60)]
    parts = [spectrum[lines].sum() / spectrum.sum() for lines in bins]
    assert max(parts) > 0.999 and min(parts) < 0.9


@pytest.mark.parametrize("seed", range(4))
def test_an_engine_is_tones_in_air_and_wanders(seed):
    x = engine(np.random.default_rng(seed), 8 * FS, FS)
    assert power(x) == pytest.approx(1)
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    low = spectrum[8 * 20 : 8 * 140]
    assert low.max() > 10 * np.median(low)
    seconds = np.mean(x.reshape(8, FS) ** 2, axis=1)
    assert 1.02 < seconds.max() / seconds.min() < 30


@pytest.mark.parametrize("seed", range(4))
def test_keys_click_now_and_then(seed):
    x = clicks(np.random.default_rng(seed), 8 * FS, FS)
    assert power(x) == pytest.approx(1)
    loudness = np.mean(x.reshape(-1, FS // 100) ** 2, axis=1)  # of 10 ms
    assert np.mean(loudness < 0.01 * loudness.max()) > 0.5
    assert np.mean(x**4) > 10  # a Gaussian has 3
    assert clicks(np.random.default_rng(seed), 50, FS).any()


# ---- the demo ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo():
    return demo_scene()


def test_the_demo_is_what_it_says(demo):
    r, lead = demo.rendered, FS // 2
    assert r.mixture.shape[0] == demo.array.n_mics == 4
    noises = r.noise_images.sum(axis=0)[0]
    found, _ = active_speech_level(r.target_image[0].astype(float), FS)
    asked = {"file": db(power(r.target_image[0])), "active": found}[r.scene.snr_over]
    assert asked - db(power(noises)) == pytest.approx(3, abs=0.01)
    assert power(r.target_image[0, :lead]) < 1e-9 * power(r.target_image[0])
    assert power(r.noise_image[0, :lead]) == pytest.approx(power(noises), rel=0.3)


def test_the_demo_talker_sits_at_its_azimuth(demo):
    found = truth(demo.rendered)["talkers"][0]
    assert np.deg2rad(found["azimuth_deg"]) == pytest.approx(demo.azimuth)
    # and its wave sweeps along the array: +x, nearer to 70 degrees, hears it first
    response = demo.rendered.responses.talkers[0]
    assert_array_equal(np.diff(np.argmax(response, axis=1)) <= 0, True)


def test_the_demo_rival_adds_to_the_noise_and_keeps_the_target_dry():
    quiet, rival = demo_scene(seed=3), demo_scene(seed=3, competing_talker=True)
    assert len(rival.rendered.scene.noises) == len(quiet.rendered.scene.noises) + 1
    scale = np.linalg.norm(rival.rendered.dry) / np.linalg.norm(quiet.rendered.dry)
    assert_allclose(rival.rendered.dry, scale * quiet.rendered.dry, atol=1e-6)


def test_sources_along_the_walls_go_round_the_room():
    room = Shoebox(size=(6.0, 5.0, 2.8), rt60=0.3)
    found = room.along_walls(np.random.default_rng(0), 12, 0.2)
    margins = np.minimum(found[:, :2], [6.0, 5.0] - found[:, :2]).min(axis=1)
    assert_allclose(margins, 0.2)
    assert len({tuple(np.sign(p[:2] - [3.0, 2.5])) for p in found}) == 4
