"""Rooms other than plain boxes: materials, air, polygons, measured responses, SOFA, heads."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import write
from arrayenh.errors import MissingExtraError, SceneError, ShapeError
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes import sofa
from arrayenh.scenes.air import air_attenuation, speed_of_sound
from arrayenh.scenes.head import Sphere, head_responses, sphere_response
from arrayenh.scenes.image_source import shoebox_responses
from arrayenh.scenes.materials import absorption_of, wall_absorption
from arrayenh.scenes.measured import MeasuredHead, direct_sample, measured_responses
from arrayenh.scenes.polygon import counter_clockwise, inside, polygon_absorption, polygon_responses
from arrayenh.scenes.reverberation import measure_rt60
from arrayenh.scenes.rooms import Polygon, Shoebox

FS, C = 16000, 343.0
SIZE = np.array([6.0, 5.0, 2.8])
L_SHAPE = np.array([(0, 0), (6, 0), (6, 3), (4, 3), (4, 5), (0, 5.0)])
SOURCE, MICS = np.array([1.0, 1.0, 1.5]), np.array([[3.0, 2.0, 1.2], [3.05, 2.0, 1.2]])


# ---- air and materials -------------------------------------------------------------------


def test_air_absorbs_as_the_standard_says():
    """ISO 9613-1:1993, table 1: 20 degrees, 70 %, dB/km."""
    wanted = [0.339, 1.13, 2.80, 4.98, 9.02, 22.9, 76.6]
    found = air_attenuation(20.0, 70.0) * 20 / np.log(10) * 1000
    assert_allclose(found, wanted, rtol=0.02)


def test_sound_is_faster_in_warm_air():
    assert speed_of_sound(0.0) == 331.3
    assert speed_of_sound(20.0) == pytest.approx(343.2, abs=0.1)
    with pytest.raises(SceneError, match="humidity_percent must be 0 to 100; got 120"):
        air_attenuation(20, 120)


def test_materials_have_bands_and_near_names():
    bands, walls = wall_absorption("brickwork")
    assert bands.tolist() == [125, 250, 500, 1000, 2000, 4000, 8000] and walls.shape == (7, 6)
    mixed = dict.fromkeys(("west", "east", "south", "north", "ceiling"), "brickwork")
    with pytest.raises(SceneError, match="materials: no material for floor"):
        wall_absorption(mixed)
    with pytest.raises(SceneError, match="unknown wall 'roof'; use one of west, east"):
        wall_absorption({**mixed, "roof": "brickwork"})
    _, walls = wall_absorption({**mixed, "floor": "carpet_thin"})
    assert_array_equal(walls[:, 4], absorption_of("carpet_thin"))
    with pytest.raises(SceneError, match="no material 'brikwork'; did you mean .*brickwork"):
        absorption_of("brikwork")


def test_a_room_of_materials_decays_faster_where_they_absorb_more():
    room = Shoebox(size=(6.0, 5.0, 2.8), materials="hard_surface")
    dry = Shoebox(size=(6.0, 5.0, 2.8), absorption=0.6)
    lengths = [r.walls()["length_s"] for r in (room, dry)]
    assert lengths[0] > 4 * lengths[1]
    assert room.walls()["absorption"].shape == (7, 6)


def test_air_can_be_added_to_a_plain_room():
    plain = Shoebox(size=(6.0, 5.0, 2.8), rt60=0.4)
    damp = Shoebox(size=(6.0, 5.0, 2.8), rt60=0.4, air=True, humidity_percent=20.0)
    high = [
        np.abs(np.fft.rfft(r.responses(SOURCE, MICS, FS)[0], 8192)[3500:]) for r in (plain, damp)
    ]
    low = [
        np.abs(np.fft.rfft(r.responses(SOURCE, MICS, FS)[0], 8192)[200:500]) for r in (plain, damp)
    ]
    assert np.sum(high[1] ** 2) < 0.9 * np.sum(high[0] ** 2)
    assert np.sum(low[1] ** 2) == pytest.approx(np.sum(low[0] ** 2), rel=0.03)


# ---- polygons ----------------------------------------------------------------------------


def test_the_direct_path_of_a_polygon_is_where_geometry_puts_it():
    response = polygon_responses(L_SHAPE, 2.7, 0.9, SOURCE, MICS, FS)
    free = shoebox_responses(np.full(3, 100.0), 1.0, SOURCE + 40, MICS + 40, FS, length_s=0.0)
    for m, distance in enumerate(np.linalg.norm(MICS - SOURCE, axis=1)):
        n = int(distance / C * FS)
        window = slice(n - 10, n + 11)
        assert_allclose(response[m, window], free[m, window], atol=0.05 * np.abs(free[m]).max())


@pytest.mark.parametrize("rt60", [0.3, 0.6])
def test_a_polygon_reverberates_as_long_as_asked(rt60):
    corners = tuple((float(x), float(y)) for x, y in L_SHAPE)
    absorption = polygon_absorption(corners, 2.7, rt60, C)
    response = polygon_responses(L_SHAPE, 2.7, absorption, SOURCE, MICS, FS, seed=5)
    assert measure_rt60(response[0], FS) == pytest.approx(rt60, rel=0.15)


def test_rays_fall_the_same_way_in_every_process():
    code = (
        "import numpy as np, hashlib; from arrayenh.scenes.polygon import polygon_responses as p;"
        "c = np.array([(0, 0), (6, 0), (6, 3), (4, 3), (4, 5), (0, 5.0)]);"
        "r = p(c, 2.7, 0.4, np.array([1.0, 1, 1.5]), np.array([[3.0, 2, 1.2]]), 16000, seed=3);"
        "print(hashlib.sha256(r.tobytes()).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
        for _ in range(2)
    }
    assert len(found) == 1


def test_who_is_in_the_room():
    points = np.array([[1, 1, 1], [5, 4, 1], [5, 2, 1], [1, 1, 3.0]])
    assert inside(L_SHAPE, 2.7, points).tolist() == [True, False, True, False]
    assert counter_clockwise(L_SHAPE[::-1]).tolist() == L_SHAPE.tolist()
    with pytest.raises(SceneError, match="the walls 0 and 2 of the room cross each other"):
        counter_clockwise(np.array([(0, 0), (2, 2), (2, 0), (0, 2.0)]))
    with pytest.raises(ShapeError, match="n at least 3"):
        counter_clockwise(L_SHAPE[:2])
    with pytest.raises(SceneError, match=r"the source at \(5.00, 4.00, 1.00\) m lies outside"):
        polygon_responses(L_SHAPE, 2.7, 0.5, np.array([5.0, 4, 1]), MICS, FS)
    room = Polygon(corners=tuple(map(tuple, L_SHAPE.tolist())), height=2.7, rt60=0.4)
    assert room.contains(np.array([1.0, 1, 1]), 0.3)
    assert not room.contains(np.array([3.9, 4.0, 1]), 0.3)
    walls = room.along_walls(np.random.default_rng(0), 12, 0.2)
    assert inside(L_SHAPE, 2.7, walls).all()


# ---- measured ----------------------------------------------------------------------------


def test_the_direct_path_is_found_behind_noise_and_before_stronger_echoes():
    response = 1e-4 * np.random.default_rng(0).standard_normal(4000)
    response[500], response[503], response[900] = 0.5, 0.8, 1.0
    assert direct_sample(response, FS) == 503
    with pytest.raises(SceneError, match="no direct path"):
        direct_sample(np.zeros(10), FS)


def test_measured_responses_come_from_sound_files_at_any_rate(tmp_path):
    response = np.zeros((2, 3000), np.float32)
    response[:, 300], response[1, 900] = 0.5, 0.25
    write(tmp_path / "rir.wav", response, 48000, subtype="FLOAT")
    found = measured_responses(str(tmp_path / "rir.wav"), FS)
    assert found.shape == (2, 1000) and np.argmax(found[0]) == 100
    # convolution with it changes no level: the same gain at low frequencies
    assert found.sum(axis=1) == pytest.approx([0.5, 0.75], rel=1e-3)
    write(tmp_path / "silent.wav", np.zeros((2, 100)), FS)
    with pytest.raises(SceneError, match="silent.wav is silent; it is not an impulse response"):
        measured_responses(str(tmp_path / "silent.wav"), FS)


@pytest.fixture
def sofa_file(tmp_path):
    """A free field heard by two microphones 20 cm apart, from 72 directions."""
    angles = np.deg2rad(np.arange(0, 360, 5))
    directions = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    ears = np.array([[0, 0.1, 0], [0, -0.1, 0]])
    responses = np.zeros((72, 2, 256))
    freqs = np.fft.rfftfreq(256)
    for k, direction in enumerate(directions):
        for m, ear in enumerate(ears):
            delay = 100 - direction @ ear / C * 48000
            responses[k, m] = np.fft.irfft(np.exp(-2j * np.pi * freqs * delay))
    path = tmp_path / "head.sofa"
    sofa.write_sofa(path, responses, 48000, 1.2 * directions, ears)
    return path, responses, directions, ears


def test_sofa_files_are_read_as_they_were_written(sofa_file):
    path, responses, directions, ears = sofa_file
    found = sofa.read_sofa(path)
    assert_allclose(found.responses, responses)
    assert_allclose(found.directions, directions, atol=1e-12)
    assert_allclose(found.receivers, ears)
    assert found.sample_rate == 48000
    assert found.nearest(np.array([[0.0, 1, 0], [1, 0.02, 0]])).tolist() == [18, 0]
    assert measured_responses(f"{path}:3", 48000).shape == (2, 256)
    with pytest.raises(SceneError, match="the file has measurements 0 to 71"):
        measured_responses(f"{path}:72", 48000)


def test_sofa_positions_may_be_angles_and_the_listener_may_look_aside(sofa_file):
    path, *_ = sofa_file
    with changed(path) as file:
        spherical(file)
        file["SourcePosition"].Type = "Spherical"
        file["ListenerView"][:] = [[0, 1, 0]]
    found = sofa.read_sofa(path)
    # the source ahead of the room is to the right of one who looks to the left
    assert_allclose(found.directions[0], [0, -1, 0], atol=1e-12)


def changed(path):
    """The file, open for changes."""
    from netCDF4 import Dataset

    return Dataset(path, "a")


def spherical(file):
    table = file["SourcePosition"]
    table[:] = np.stack([np.arange(0, 360, 5.0), np.zeros(72), np.full(72, 1.2)], axis=1)
    table.Units = "degree, degree, metre"


def swap_ears(file):
    for name in ("Data.IR", "ReceiverPosition"):
        table = file[name][:]
        file[name][:] = table[:, ::-1] if name == "Data.IR" else table[::-1]


def test_the_position_decides_which_ear_is_which(sofa_file):
    path, _, directions, ears = sofa_file
    with changed(path) as file:
        swap_ears(file)
    head = MeasuredHead(str(path), 0.9 * ears, FS)  # a head of nearly the same size
    left, right = head.filters(directions[18:19])[:, 0]  # from the left
    assert np.argmax(np.abs(left)) < np.argmax(np.abs(right))
    rows = measured_responses(f"{path}:18", 48000, tuple(map(tuple, ears)))
    assert np.argmax(rows[0]) < np.argmax(rows[1])


def test_an_array_that_is_not_where_the_receivers_are_keeps_their_order(sofa_file):
    path, responses, _, ears = sofa_file
    found = sofa.read_sofa(path).heard_at(ears[:, [1, 0, 2]])
    assert_allclose(found.responses, responses)
    found = sofa.read_sofa(path).heard_at(ears[::-1])
    assert_allclose(found.responses, responses[:, ::-1])


def test_without_a_type_the_units_decide(sofa_file):
    path, _, directions, _ = sofa_file
    with changed(path) as file:
        spherical(file)
        file["SourcePosition"].delncattr("Type")
        file["ReceiverPosition"].delncattr("Type")
    assert_allclose(sofa.read_sofa(path).directions, directions, atol=1e-12)


def test_negative_delays_count_from_the_lowest(sofa_file):
    path, responses, *_ = sofa_file
    with changed(path) as file:
        file["Data.Delay"][:] = [[-3, 2]]
    found = sofa.read_sofa(path).delayed()
    assert_allclose(found[:, 0, :256], responses[:, 0])
    assert_allclose(found[:, 1, 5:], responses[:, 1])


def test_a_name_in_capitals_is_a_name(sofa_file):
    path, responses, *_ = sofa_file
    path = path.rename(path.with_name("HEAD.SOFA"))
    assert_allclose(sofa.read_sofa(path).responses, responses)


def untyped(file):
    for name in ("Type", "Units"):
        file["SourcePosition"].delncattr(name)


def set_to(name, value):
    def change(file):
        file[name][:] = value

    return change


CONTRADICTIONS = {
    "rate": (set_to("Data.SamplingRate", np.nan), "Data.SamplingRate has values that are not"),
    "slow": (set_to("Data.SamplingRate", 3.0), "Data.SamplingRate must be one rate of"),
    "samples": (set_to("Data.IR", np.inf), "Data.IR has values that are not finite"),
    "late": (set_to("Data.Delay", 1e300), "Data.Delay must be at most 10 s"),
    "view": (set_to("ListenerView", 0.0), "ListenerView and ListenerUp must be two directions"),
    "gone": (lambda file: file.renameVariable("Data.IR", "IR"), "no Data.IR in it"),
    "type": (untyped, "SourcePosition has neither a Type"),
    "polar": (lambda file: file["SourcePosition"].setncattr("Type", "polar"), "SourcePosition"),
    "convention": (lambda file: file.setncattr("SOFAConventions", "Own"), "'Own' does not exist"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_sofa_file_that_contradicts_itself_is_refused(sofa_file, name):
    change, message = CONTRADICTIONS[name]
    with changed(sofa_file[0]) as file:
        change(file)
    with pytest.raises(SceneError, match=message) as caught:
        sofa.read_sofa(sofa_file[0])
    assert str(caught.value).startswith(str(sofa_file[0])) and "\n" not in str(caught.value)


def test_what_is_no_sofa_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "text.sofa").write_text("hello")
    with pytest.raises(SceneError, match="text.sofa cannot be read as a SOFA file"):
        sofa.read_sofa(tmp_path / "text.sofa")
    with pytest.raises(SceneError, match="none.sofa cannot be read as a SOFA file: there is no"):
        sofa.read_sofa(tmp_path / "none.sofa")
    monkeypatch.setitem(sys.modules, "sofar", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arrayenh\[sofa\]'"):
        sofa.read_sofa(tmp_path / "text.sofa")


# ---- heads -------------------------------------------------------------------------------


def test_a_sphere_is_nothing_to_long_waves_and_doubles_short_ones():
    angles = np.deg2rad([0.0, 60.0, 90.0, 150.0, 180.0])
    low, high = sphere_response(angles, np.array([20.0, 20_000.0]), 0.0875).T
    assert_allclose(np.abs(low), 1, atol=0.01)
    assert 20 * np.log10(np.abs(high[0])) == pytest.approx(6, abs=0.15)
    assert np.abs(high[3]) < 0.3 < np.abs(high[4])  # a bright spot right behind
    assert sphere_response(angles, np.array([0.0]))[:, 0].tolist() == [1] * 5


@pytest.mark.parametrize("angle", [20.0, 45.0, 70.0])
def test_the_delay_between_ears_is_that_of_kuhn(angle):
    """3 a sin θ / c at low frequencies (Kuhn 1977, eq. 4)."""
    a, freq = 0.0875, 150.0
    ears = np.deg2rad([90 - angle, 90 + angle])
    near, far = sphere_response(ears, np.array([freq]), a)[:, 0]
    delay = np.angle(near / far) / (2 * np.pi * freq)
    assert delay == pytest.approx(3 * a * np.sin(np.deg2rad(angle)) / C, rel=0.03)


def test_filters_of_a_sphere_are_its_response():
    positions = load_array("binaural4-bte").centred().positions
    head = Sphere(positions, FS)
    taps = head.filters(np.array([[1.0, 0, 0]]))[:, 0]
    assert_allclose(taps[0], taps[1], atol=1e-9)  # left and right are alike from ahead
    spectrum = np.fft.rfft(taps[0]) * np.exp(
        2j * np.pi * np.arange(taps.shape[1] // 2 + 1) / taps.shape[1] * (taps.shape[1] // 2)
    )
    freqs = np.fft.rfftfreq(taps.shape[1], 1 / FS)
    radius = np.linalg.norm(positions[0])
    angle = np.arccos(positions[0, 0] / radius)
    wanted = sphere_response(np.array([angle]), freqs, radius)[0]
    # faded 1.5 ms away from its middle: the creeping waves behind are over by then
    below = freqs < 7000
    assert_allclose(spectrum[below], wanted[below], atol=0.02)
    early = taps.shape[1] // 2 - int(1.6 * radius / C * FS) - 12
    # a sinc between two samples has 2 / (12 π²) of its energy 12 samples away and farther
    assert np.sum(taps[:, :early] ** 2) < 2 / (12 * np.pi**2) * np.sum(taps**2)
    with pytest.raises(SceneError, match="microphone 0 is 6 mm from the centre"):
        Sphere(load_array("linear2-12mm").positions, FS)


def test_a_head_in_a_dry_room_turns_towards_the_source():
    positions = load_array("binaural4-bte").centred().positions
    head, centre = Sphere(positions, FS), np.array([3.0, 2.5, 1.5])

    def ears(degrees, source):
        a = np.deg2rad(degrees)
        turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        return head_responses(SIZE, 1.0, np.array(source), centre, head, turn, FS, length_s=0.0)

    left = ears(0, [3.0, 4.0, 1.5])
    energy = np.sum(left**2, axis=1)
    assert np.argmax(np.abs(left[0])) < np.argmax(np.abs(left[1])) and energy[0] > 2 * energy[1]
    # turned by a quarter it is as from ahead
    turned, ahead = ears(90, [3.0, 4.0, 1.5]), ears(0, [4.5, 2.5, 1.5])
    assert_allclose(turned, ahead, atol=1e-9)
    # the arrival at the near ear is that of the path, less what the sphere sticks out
    lead = (1.5 - 1.5 * 0.0875) / C * FS
    assert abs(np.argmax(np.abs(left[0])) - lead) < 2.5


def test_reverberation_on_a_head_is_as_strong_as_without():
    positions = load_array("binaural4-bte").centred().positions
    centre = np.array([3.0, 2.5, 1.5])
    on_head = head_responses(
        SIZE, 0.3, SOURCE, centre, Sphere(positions, FS), np.eye(3), FS, length_s=0.3
    )
    free = shoebox_responses(SIZE, 0.3, SOURCE, centre + positions, FS, length_s=0.3)
    late = slice(1000, 4000)
    ratio = np.sum(on_head[:, late] ** 2) / np.sum(free[:, late] ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(0, abs=3)
    assert measure_rt60(on_head[0], FS, 20) == pytest.approx(measure_rt60(free[0], FS, 20), rel=0.2)


def test_a_measured_head_hears_what_was_measured(sofa_file):
    path, _, _, ears = sofa_file
    head = MeasuredHead(str(path), ears, FS)
    taps = head.filters(np.array([[0.0, 1, 0], [0.0, -1, 0]]))
    lag = np.argmax(np.abs(taps[1, 0])) - np.argmax(np.abs(taps[0, 0]))
    assert lag == pytest.approx(0.2 / C * FS, abs=1)
    assert_allclose(taps[0, 0], taps[1, 1], atol=1e-6)
    centre = np.array([3.0, 2.5, 1.5])
    found = head_responses(
        SIZE, 1.0, np.array([3.0, 4.0, 1.5]), centre, head, np.eye(3), FS, length_s=0.0
    )
    assert np.argmax(np.abs(found[0])) == pytest.approx((1.5 - 0.1) / C * FS, abs=1.5)
    with pytest.raises(SceneError, match="measures 2 microphones, but the array has 4"):
        MeasuredHead(str(path), np.zeros((4, 3)), FS)


def test_a_room_says_how_it_reflects_once():
    with pytest.raises(SceneError, match="exactly one of rt60, absorption and materials"):
        Shoebox(size=(4.0, 3.0, 2.5)).check()
    with pytest.raises(SceneError, match="microphones on a head need a shoebox"):
        Polygon(corners=((0, 0), (1, 0), (0, 1)), height=2, rt60=0.3).head_responses(
            SOURCE, SOURCE, Sphere(np.eye(3), FS), np.eye(3), FS
        )
