"""Talkers followed over time: in the open, in rooms, and what is said of them afterwards."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.acoustics.steering import direction
from arrayenh.errors import ConfigError, GeometryError, ShapeError
from arrayenh.localisation.census import Census
from arrayenh.localisation.grid import DirectionGrid, angle_between
from arrayenh.localisation.tracking import DirectionTracker, TrackerConfig
from arrayenh.localisation.tracks import Track, rotated, rotation_between
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.motion import Path
from arrayenh.scenes.placing import points, seen_from
from arrayenh.scenes.render import render
from arrayenh.scenes.rooms import Shoebox
from arrayenh.scenes.scene import PlacedArray, Scene, Talker
from arrayenh.scenes.signals import PACKAGED, Clip, Signal
from arrayenh.stft import Stft
from tests.signals import RATE, arrivals, complex_normal, delayed, diffuse_noise, voice

STFT = Stft(512, 160, "hann")
FREQS = STFT.freqs(RATE)
HOP = 160 / RATE
CENTRE = (2.6, 2.1, 1.0)


def tracker_of(array, **settings):
    return DirectionTracker(load_array(array).positions, FREQS, HOP, TrackerConfig(**settings))


def voices(array, *parts, n_samples=3 * RATE, snr_db=30.0, seed=0):
    """Spectrum of voices, each (azimuth_deg, elevation_deg, from_s, to_s, pitch)."""
    rng, positions = np.random.default_rng(seed), load_array(array).positions
    x = np.zeros((len(positions), n_samples))
    for azimuth_deg, elevation_deg, start, stop, pitch in parts:
        sound = voice(rng, n_samples, pitch=pitch)
        sound[: int(start * RATE)] = sound[int(stop * RATE) :] = 0
        x += delayed(sound, arrivals(positions, np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)))
    x += 10 ** (-snr_db / 20) * rng.standard_normal(x.shape)
    return STFT.analyse(x.astype(np.float32))


def azimuths_deg(moment):
    return [np.rad2deg(d.azimuth) for d in moment.directions]


def apart(a_deg, b_deg):
    return np.abs((np.asarray(a_deg) - b_deg + 180) % 360 - 180)


# ---- in the open -------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["srp-phat", "norm-music"])
@pytest.mark.parametrize("array", ["linear4-35mm", "circular6-46mm", "tetrahedral4-40mm"])
def test_somebody_who_sits_is_one_track_within_two_degrees(array, method):
    tracker = tracker_of(array, method=method)
    moments = tracker.push(voices(array, (100, 0, 0, 3, 140)))
    found = np.array([azimuths_deg(m)[0] for m in moments if m.directions])
    assert len(found) > 0.7 * len(moments)
    assert np.median(apart(found, 100)) < 2
    assert {track.label for m in moments for track in m.tracks} == {1}
    assert all(np.isnan(d.elevation) == (array == "linear4-35mm") for m in moments
               for d in m.directions)  # fmt: skip


def test_times_are_the_middles_of_blocks_and_update_is_the_last_of_push():
    spec = voices("circular4-35mm", (60, 0, 0, 3, 140))[:, :, :105]
    pushed, updated = tracker_of("circular4-35mm"), tracker_of("circular4-35mm")
    moments = pushed.push(spec)
    assert_allclose([m.time for m in moments], 0.05 + 0.1 * np.arange(10))
    (found,) = updated.update(spec)
    assert found == moments[-1].directions[0]
    azimuth, _, confidence = found
    assert apart(np.rad2deg(azimuth), 60) < 2 and 0.1 < confidence <= 1


@pytest.mark.parametrize("cuts", [[1, 2, 3], [7, 50, 51, 200], list(range(3, 280, 3))])
def test_pieces_give_what_the_whole_gives(cuts):
    spec = voices("circular4-35mm", (60, 0, 0, 1.5, 140), (-120, 0, 1.5, 3, 200))
    whole = tracker_of("circular4-35mm").push(spec)
    tracker = tracker_of("circular4-35mm")
    pieces = [m for part in np.split(spec, cuts, axis=2) for m in tracker.push(part)]
    assert [m.directions for m in pieces] == [m.directions for m in whole]
    assert len(whole) == spec.shape[2] // 10


def test_reset_forgets_everything():
    spec = voices("circular4-35mm", (60, 0, 0, 3, 140))
    tracker = tracker_of("circular4-35mm", method="norm-music")
    first = tracker.push(spec[:, :, :205])
    tracker.reset()
    assert not tracker.state.tracks and tracker.state.held.shape[2] == 0
    assert tracker.update(spec[:, :, :0]) == []
    again = tracker.push(spec[:, :, :205])
    assert [m.directions for m in again] == [m.directions for m in first]
    assert [m.time for m in again] == [m.time for m in first]


def test_who_takes_turns_is_two_tracks_each_in_his_time():
    spec = voices("circular6-46mm", (40, 0, 0, 2, 120), (-90, 0, 2, 4, 200), n_samples=4 * RATE)
    moments = tracker_of("circular6-46mm").push(spec)
    early = [a for m in moments if 0.6 < m.time < 1.9 for a in azimuths_deg(m)]
    late = [a for m in moments if 2.8 < m.time < 3.9 for a in azimuths_deg(m)]
    assert len(early) > 8 and max(apart(early, 40)) < 5
    assert len(late) > 5 and max(apart(late, -90)) < 5
    assert len({track.label for m in moments for track in m.tracks}) == 2


def test_two_at_once_are_both_followed():
    spec = voices("circular8-50mm", (40, 0, 0, 3, 120), (-100, 0, 0, 3, 200))
    moments = tracker_of("circular8-50mm").push(spec)[5:]
    for azimuth_deg in (40, -100):
        near = [any(apart(a, azimuth_deg) < 6 for a in azimuths_deg(m)) for m in moments]
        assert np.mean(near) > 0.5
    strays = [a for m in moments for a in azimuths_deg(m) if min(apart(a, 40), apart(a, -100)) > 12]
    assert len(strays) <= 2


def test_no_more_talkers_than_asked_for():
    spec = voices("circular8-50mm", (40, 0, 0, 3, 120), (-100, 0, 0, 3, 200))
    moments = tracker_of("circular8-50mm", n_talkers=1).push(spec)
    assert max(len(m.directions) for m in moments) == 1


def test_a_pause_is_silent_and_the_talker_keeps_his_track():
    spec = voices(
        "circular6-46mm", (40, 0, 0, 1.5, 120), (42, 0, 3, 4.5, 120), n_samples=int(4.5 * RATE)
    )
    moments = tracker_of("circular6-46mm").push(spec)
    assert not [m for m in moments if 2.0 < m.time < 2.9 and m.directions]
    assert [m for m in moments if m.time < 1.5 and m.directions]
    late = {track.label for m in moments if m.time > 3.5 for track in m.tracks}
    assert late == {1}


def test_silence_and_noise_have_no_direction():
    rng, positions = np.random.default_rng(0), load_array("circular6-46mm").positions
    n_samples = 3 * RATE
    noises = {
        "digital silence": np.zeros((6, n_samples)),
        "sensors": 1e-3 * rng.standard_normal((6, n_samples)),
        "diffuse": diffuse_noise(rng, positions, n_samples),
    }
    for speech_only in (True, False):
        for name, x in noises.items():
            tracker = tracker_of("circular6-46mm", speech_only=speech_only)
            moments = tracker.push(STFT.analyse(x.astype(np.float32)))
            assert sum(len(m.directions) for m in moments) <= 1, (name, speech_only)


def test_steady_noise_from_one_place_is_no_talker_unless_all_that_sounds_is_asked_for():
    rng, positions = np.random.default_rng(0), load_array("circular6-46mm").positions
    fan = delayed(rng.standard_normal(2 * RATE), arrivals(positions, 1.0))
    spec = STFT.analyse(fan.astype(np.float32))
    heard = tracker_of("circular6-46mm", speech_only=False).push(spec)
    assert np.mean([len(m.directions) == 1 for m in heard]) > 0.8
    quiet = tracker_of("circular6-46mm").push(spec)
    assert sum(len(m.directions) for m in quiet) == 0


def test_a_talker_is_followed_beside_a_fan():
    rng, positions = np.random.default_rng(0), load_array("circular6-46mm").positions
    fan = delayed(rng.standard_normal(4 * RATE), arrivals(positions, np.deg2rad(-120)))
    x = delayed(voice(rng, 4 * RATE), arrivals(positions, np.deg2rad(30))) + 0.25 * fan
    moments = tracker_of("circular6-46mm").push(STFT.analyse(x.astype(np.float32)))
    found = np.array([a for m in moments for a in azimuths_deg(m)])
    assert len(found) > 0.4 * len(moments)
    assert np.mean(apart(found, 30) < 10) > 0.8 and np.mean(apart(found, -120) < 20) < 0.1


def test_odd_inputs_stay_finite():
    rng = np.random.default_rng(0)
    for method in ("srp-phat", "music", "norm-music"):
        tracker = tracker_of("circular16-100mm", method=method, speech_only=False)
        alike = np.repeat(complex_normal(rng, 257, 1, 40, dtype=np.complex64), 16, axis=1)
        for spec in (alike, alike * np.float32(1e-30), np.zeros_like(alike), alike[:, :, :2]):
            for moment in tracker.push(spec):
                assert np.isfinite(moment.directions).all()


def test_what_cannot_be_is_refused():
    tracker = tracker_of("circular4-35mm")
    with pytest.raises(ShapeError, match=r"\(257, 4\)"):
        tracker.update(np.zeros((257, 3, 5), np.complex64))
    with pytest.raises(GeometryError, match="two microphones"):
        DirectionTracker(np.zeros((1, 3)), FREQS, HOP)
    with pytest.raises(ConfigError, match="at most 3"):
        tracker_of("circular4-35mm", method="music", n_talkers=4)
    with pytest.raises(ConfigError, match="method"):
        TrackerConfig(method="esprit")
    with pytest.raises(ConfigError, match="time_constant"):
        TrackerConfig(time_constant=0)


# ---- the filter --------------------------------------------------------------------------


def test_a_rotation_turns_one_direction_into_the_other():
    rng = np.random.default_rng(0)
    u = rng.standard_normal((20, 2, 3))
    u /= np.linalg.norm(u, axis=2, keepdims=True)
    for a, b in u:
        assert_allclose(rotated(a, rotation_between(a, b)), b, atol=1e-12)
        assert np.linalg.norm(rotation_between(a, b)) == pytest.approx(angle_between(a, b))
    assert not rotation_between(a, a).any()


def test_the_filter_has_no_lag_behind_who_walks_steadily():
    """A constant-velocity model follows 20 degrees a second without bias; noise is averaged."""
    rng, track, errors = np.random.default_rng(0), Track(1, direction(0.0), 0.3), []
    for k in range(1, 80):
        truth = np.deg2rad(20) * 0.1 * k
        track.predict(0.1)
        track.correct(direction(truth + np.deg2rad(4) * rng.standard_normal()), 0.3)
        errors.append(np.arctan2(track.vector[1], track.vector[0]) - truth)
    errors = np.rad2deg((np.array(errors) + np.pi) % (2 * np.pi) - np.pi)[20:]
    assert abs(errors.mean()) < 1.0
    assert errors.std() < 3.5


# ---- in a room ---------------------------------------------------------------------------


def room_scene(array, talkers, seconds=5, rt60=0.4):
    """What an array hears of packaged voices, each (azimuth_deg, distance, clip) or a path."""
    geometry = load_array(array)
    placed = PlacedArray(name=array, positions=points(geometry.centred().positions), centre=CENTRE)
    cast = []
    for azimuth_deg, distance, clip in talkers:
        signal = Signal(kind="clips", clips=(Clip(file=f"{PACKAGED}{clip}", at=2000),))
        path = None
        if isinstance(azimuth_deg, tuple):
            first, last = azimuth_deg
            turns = np.linspace(first, last, 15)
            way = points(np.array([seen_from(placed, a, distance, 1.2) for a in turns]))
            path = Path(waypoints=way, times=tuple(np.linspace(0.5, seconds - 0.5, 15)))
            azimuth_deg = first
        position = seen_from(placed, azimuth_deg, distance, 1.2)
        cast.append(Talker(speaker=clip, signal=signal, position=position, path=path))
    room = Shoebox(size=(6.0, 5.0, 2.8), rt60=rt60)
    scene = Scene(room=room, array=placed, talkers=tuple(cast), n_samples=seconds * RATE,
                  snr_db=None, sensor_noise_db=30, seed=1)  # fmt: skip
    return STFT.analyse(render(scene).mixture.astype(np.float32))


@pytest.mark.parametrize(
    "array, method",
    [
        ("linear4-35mm", "srp-phat"),
        ("circular4-35mm", "srp-phat"),
        ("circular6-46mm", "srp-phat"),
        ("circular6-46mm", "norm-music"),
        ("tetrahedral4-40mm", "norm-music"),
    ],
)
def test_median_error_in_a_room_is_below_five_degrees(array, method):
    """RT60 0.4 s, 1.5 to 2 m away."""
    errors = []
    for azimuth_deg, distance, clip in ((70, 1.5, "female"), (105, 2.0, "male")):
        moments = tracker_of(array, method=method).push(
            room_scene(array, [(azimuth_deg, distance, clip)])
        )
        errors += [apart(azimuths_deg(m)[0], azimuth_deg) for m in moments if m.directions]
        assert sum(bool(m.directions) for m in moments) > 0.7 * len(moments)
    assert np.median(errors) < 5


@pytest.mark.parametrize("rt60, most_deg", [(0.15, 4.0), (0.4, 6.0)])
@pytest.mark.slow
def test_who_walks_around_the_table_is_followed(rt60, most_deg):
    """100 degrees in 6 s, 1.5 m away: one track all the way; the median error is stated."""
    spec = room_scene("circular6-46mm", [((20, 120), 1.5, "female")], seconds=7, rt60=rt60)
    moments = tracker_of("circular6-46mm").push(spec)
    times = np.array([m.time for m in moments if m.directions])
    found = np.array([azimuths_deg(m)[0] for m in moments if m.directions])
    truth = np.interp(times, [0.5, 6.5], [20, 120])
    assert len(times) > 0.7 * len(moments)
    assert np.median(apart(found, truth)) < most_deg
    assert np.mean(apart(found, truth) < 15) > 0.9


# ---- over a whole recording --------------------------------------------------------------


def test_the_census_finds_both_talkers_their_shares_and_their_spread():
    grid = DirectionGrid.of(load_array("tetrahedral4-40mm").positions)
    census, rng = Census(grid), np.random.default_rng(0)
    for label, where, n, spread in ((1, (0.5, 0.1), 300, 0.03), (2, (-2.0, 0.4), 100, 0.10)):
        for _ in range(n):
            vector = direction(*where) + spread / np.sqrt(2) * rng.standard_normal(3)
            census.add([Track(label, vector / np.linalg.norm(vector), 0.3)])
    first, second = census.places()
    assert (first.azimuth, first.elevation) == pytest.approx((0.5, 0.1), abs=0.02)
    assert (second.azimuth, second.elevation) == pytest.approx((-2.0, 0.4), abs=0.03)
    assert (first.share, second.share) == pytest.approx((0.75, 0.25), abs=0.01)
    assert (first.spread, second.spread) == pytest.approx((0.03, 0.10), rel=0.2)
    assert first.confidence == pytest.approx(0.3)
    assert len(census.places(1)) == 1


def test_a_level_array_counts_azimuths_whatever_the_elevation():
    census = Census(DirectionGrid.of(load_array("circular6-46mm").positions))
    for azimuth, elevation in ((3.1, 0.1), (3.1, 0.9), (-3.12, 0.5), (1.0, 0.3)):
        census.add([Track(1 + (azimuth == 1.0), direction(azimuth, elevation), 0.3)])
        for _ in range(10):  # a second of silence
            census.add([])
    first, second = census.places()
    assert (first.share, second.share) == pytest.approx((0.75, 0.25))
    assert apart(np.rad2deg(first.azimuth), 178) < 2 and 0.3 < first.elevation < 0.7
    assert first.spread < 0.05


CIRCLE = DirectionGrid.of(load_array("circular6-46mm").positions)


def heard(census, *talkers):
    """Add blocks in which some talkers are heard: label, azimuth in degrees, confidence."""
    tracks = [Track(label, direction(np.deg2rad(angle)), sure) for label, angle, sure in talkers]
    census.add(tracks)


def found_in(census):
    """Azimuth of each talker and those that it came from, degrees."""
    return [
        (round(np.rad2deg(place.azimuth)), [round(np.rad2deg(angle)) for angle in place.way])
        for place in census.places()
    ]


def test_a_reflection_is_no_talker():
    census = Census(CIRCLE)
    for k in range(200):
        echo = [(2, -60, 0.1)] if k % 3 == 0 else []
        heard(census, *[(1, 40, 0.3)] * (k % 10 < 8), *echo)
    assert found_in(census) == [(40, [])]
    assert len(census.places(2)) == 2  # unless two are asked for


def test_two_who_talk_at_once_are_both_talkers():
    census = Census(CIRCLE)
    for k in range(300):
        one, two = 0.25 + 0.15 * np.sin(k / 15), 0.18 + 0.12 * np.sin(k / 11 + 2)
        heard(census, (1, 40, one), (2, -60, two))
    assert found_in(census) == [(40, []), (-60, [])]


def test_one_who_walks_from_place_to_place_is_one_talker():
    census = Census(CIRCLE)
    for angle in [150] * 30 + list(np.linspace(150, -30, 60)) + [-30] * 50:
        heard(census, (1, angle, 0.3))
    (found,) = found_in(census)
    assert abs(found[0] + 30) <= 3 and found[1] and abs(found[1][0] - 150) <= 3
    assert np.rad2deg(census.places()[0].spread) > 40


@pytest.mark.parametrize("apart_deg", [30, 120])
def test_two_in_turn_are_two_talkers(apart_deg):
    """Even if one track jumps from the first to the second, who are close to each other."""
    census = Census(CIRCLE)
    for turn in range(2):
        for _ in range(60):
            heard(census, (1 if apart_deg < 40 else 1 + turn, turn * apart_deg, 0.3))
    assert found_in(census) == [(0, []), (apart_deg, [])]


def test_one_who_comes_back_is_where_both_talk():
    """Left, right, left: not a walk, which ends where it ends."""
    census = Census(CIRCLE)
    for angle in [0] * 40 + [90] * 40 + [0] * 40:
        heard(census, (1, angle, 0.3))
    assert found_in(census) == [(0, []), (90, [])]


def test_a_rare_direction_is_no_talker_unless_asked_for():
    grid = DirectionGrid.of(load_array("linear4-35mm").positions)
    census = Census(grid)
    assert census.places() == []
    for k in range(100):
        census.add([Track(1, direction(2.0 if k % 20 == 0 else 1.0), 0.5)])
    assert len(census.places()) == 1
    rare = census.places(2)[1]
    assert rare.share == pytest.approx(0.05) and rare.azimuth == pytest.approx(2.0)
    assert np.isnan(rare.elevation)
    with pytest.raises(ConfigError, match="at least 1"):
        census.places(0)


def test_tracks_that_were_given_out_do_not_change_later():
    spec = voices("circular4-35mm", (60, 0, 0, 3, 140))
    tracker = tracker_of("circular4-35mm")
    moments = tracker.push(spec[:, :, :150])
    kept = [t.vector.copy() for m in moments for t in m.tracks]
    tracker.push(voices("circular4-35mm", (75, 0, 0, 3, 140)))
    assert_array_equal([t.vector for m in moments for t in m.tracks], kept)
