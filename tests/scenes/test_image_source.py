"""Impulse responses of shoeboxes, against geometry, a plain oracle and pyroomacoustics."""

import numpy as np
import pyroomacoustics as pra
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, sosfilt

from arrayenh.errors import SceneError, ShapeError
from arrayenh.scenes.image_source import octave_filters, shoebox_responses
from arrayenh.scenes.reverberation import energy_decay, measure_rt60
from tests.reference import image_source as reference

FS, C = 16000, 343.0
SIZE = np.array([5.0, 4.0, 2.7])
SOURCE = np.array([1.37, 2.91, 1.52])
MICS = np.array([[3.2, 1.61, 1.1], [3.235, 1.61, 1.1], [3.2, 1.66, 1.13]])


def db(ratio):
    return 10 * np.log10(ratio)


def error_db(found, wanted):
    n = min(found.shape[-1], wanted.shape[-1])
    return db(np.sum((found[..., :n] - wanted[..., :n]) ** 2) / np.sum(wanted**2))


@pytest.mark.parametrize("distance", [0.5, 1.0, 1.37, 2.719])
def test_the_direct_path_comes_after_d_over_c_at_level_one_over_d(distance):
    mic = np.array([[1.0, 1.0, 1.0]])
    source = np.array([1.0 + distance, 1.0, 1.0])
    direct = shoebox_responses(SIZE, 1.0, source, mic, FS, length_s=0.0)[0]
    freqs = np.arange(1000, 6500, 250)
    spectrum = np.exp(-2j * np.pi * np.outer(freqs, np.arange(len(direct))) / FS) @ direct
    turned = spectrum * np.exp(2j * np.pi * freqs * distance / C)
    assert np.abs(db(np.abs(spectrum * distance) ** 2)).max() < 0.2
    # a hundredth of a sample
    assert np.abs(np.angle(turned) / (2 * np.pi * freqs) * FS).max() < 0.01


def test_close_microphones_hear_fractions_of_a_sample_apart():
    mics = np.array([[3.0, 2.0, 1.0], [3.0 + 0.3 * C / FS, 2.0, 1.0]])
    direct = shoebox_responses(SIZE, 1.0, np.array([1.0, 2.0, 1.0]), mics, FS, length_s=0.0)
    spectra = np.fft.rfft(direct, 4096)[:, 200:1400]
    lag = -np.angle(spectra[1] / spectra[0]) / (2 * np.pi * np.arange(200, 1400) / 4096)
    assert_allclose(lag, 0.3, atol=0.01)


def test_every_image_is_there_as_in_the_plain_sum():
    walls = np.array([0.9, 0.8, 0.7, 0.95, 0.6, 0.85])
    found = shoebox_responses(SIZE, 1 - walls**2, SOURCE, MICS, FS, length_s=0.06, high_pass_hz=0)
    plain = np.stack(
        [reference.response(SIZE, SOURCE, mic, walls, FS, 0.06, found.shape[1]) for mic in MICS]
    )
    # cubic interpolation on a grid eight times finer errs by 6e-4 at 8 kHz and less below
    assert error_db(found, plain) < -70


def test_a_directional_microphone_weighs_every_image_by_its_angle():
    look = np.array([0.6, 0.0, 0.8])
    walls = np.full(6, 0.8)
    found = shoebox_responses(
        SIZE,
        1 - walls**2,
        SOURCE,
        MICS[:1],
        FS,
        length_s=0.05,
        axes=look[None],
        pattern=0.5,
        high_pass_hz=0,
    )
    plain = reference.response(
        SIZE, SOURCE, MICS[0], walls, FS, 0.05, found.shape[1], look=look, p=0.5
    )
    assert error_db(found, plain[None]) < -70


def test_a_cardioid_hears_nothing_from_behind():
    away = (MICS[:1] - SOURCE) / np.linalg.norm(MICS[0] - SOURCE)
    kinds = dict(length_s=0.0, axes=away, pattern=0.5)
    behind = shoebox_responses(SIZE, 1.0, SOURCE, MICS[:1], FS, **kinds)
    omni = shoebox_responses(SIZE, 1.0, SOURCE, MICS[:1], FS, length_s=0.0)
    assert np.abs(behind).max() < 1e-12 < np.abs(omni).max()


@pytest.mark.parametrize("size, rt60", [((6.0, 5.0, 2.8), 0.3), ((4.0, 3.5, 2.5), 0.5)])
@pytest.mark.parametrize("high_pass", [False, True])
def test_parity_with_pyroomacoustics(size, rt60, high_pass):
    """To -50 dB, with the same images."""
    size = np.array(size)
    before = {key: pra.constants.get(key) for key in ("num_threads", "rir_hpf_enable")}
    volume, surface = size.prod(), 2 * (size[0] * size[1] + size[2] * (size[0] + size[1]))
    absorption = 24 * np.log(10) * volume / (C * surface * rt60)
    order = 14
    pra.constants.set("num_threads", 1)
    pra.constants.set("rir_hpf_enable", high_pass)
    try:
        room = pra.ShoeBox(size, fs=FS, materials=pra.Material(absorption), max_order=order)
        room.set_sound_speed(C)
        room.add_source(SOURCE)
        room.add_microphone_array(MICS.T)
        room.compute_rir()
    finally:
        for key, value in before.items():
            pra.constants.set(key, value)
    lead = pra.constants.get("frac_delay_length") // 2
    # as long as theirs: the high-pass rings on to the end
    farthest = (max(len(rir[0]) for rir in room.rir) - 2 * lead - 2) / FS
    found = shoebox_responses(
        size,
        absorption,
        SOURCE,
        MICS,
        FS,
        length_s=farthest,
        max_order=order,
        high_pass_hz=10.0 if high_pass else 0,
    )
    for ours, theirs in zip(found, room.rir, strict=True):
        assert error_db(ours, theirs[0][lead:]) < -50


def test_walls_that_absorb_all_leave_the_direct_path():
    with_room = shoebox_responses(SIZE, 1.0, SOURCE, MICS, FS, length_s=0.1, high_pass_hz=0)
    alone = shoebox_responses(SIZE, 1.0, SOURCE, MICS, FS, length_s=0.0)
    n = alone.shape[1]
    assert_allclose(with_room[:, :n], alone, atol=1e-12)
    assert np.abs(with_room[:, n:]).max() < 1e-12


def test_octave_bands_that_are_alike_are_one():
    bands = np.array([125.0, 250, 500, 1000, 2000, 4000, 8000])
    one = shoebox_responses(SIZE, 0.4, SOURCE, MICS, FS, length_s=0.1)
    seven = shoebox_responses(
        SIZE, np.full((7, 6), 0.4), SOURCE, MICS, FS, length_s=0.1, bands=bands
    )
    assert error_db(seven, one) < -60
    assert_allclose(octave_filters(tuple(bands), FS).sum(axis=0), 1.0)


def test_each_octave_decays_at_its_own_speed():
    bands = np.array([125.0, 250, 500, 1000, 2000, 4000, 8000])
    absorption = np.repeat(np.array([0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5])[:, None], 6, axis=1)
    found = shoebox_responses(SIZE, absorption, SOURCE, MICS[:1], FS, length_s=0.6, bands=bands)
    times = []
    for low, high in ((350, 700), (2900, 5800)):
        sos = butter(4, (low, high), "bandpass", fs=FS, output="sos")
        times.append(measure_rt60(sosfilt(sos, found[0]), FS, 20))
    assert times[0] > 2.5 * times[1]


def test_air_takes_away_more_where_the_way_is_longer():
    bands, air = np.array([1000.0, 2000.0]), np.array([0.05, 0.05])
    absorption = np.full((2, 6), 0.3)
    kinds = dict(length_s=0.1, bands=bands, high_pass_hz=0)
    dry = shoebox_responses(SIZE, absorption, SOURCE, MICS[:1], FS, **kinds)[0]
    damp = shoebox_responses(SIZE, absorption, SOURCE, MICS[:1], FS, air=air, **kinds)[0]
    metres = np.arange(len(dry)) / FS * C
    # an impulse is spread over some samples, a tenth of a metre
    wanted = dry * np.exp(-0.05 * metres)
    assert error_db(damp, wanted) < -40


def test_images_of_higher_order_can_be_left_out():
    full = shoebox_responses(SIZE, 0.2, SOURCE, MICS, FS, length_s=0.2)
    first = shoebox_responses(
        SIZE, 0.2, SOURCE, MICS, FS, length_s=0.2, max_order=1, high_pass_hz=0
    )
    walls = np.sqrt(0.8) * np.ones(6)
    count = sum(1 for *_, order in reference.images(SIZE, SOURCE, MICS[0], walls, C * 0.05)
                if order <= 1)  # fmt: skip
    assert count == 7
    assert np.sum(first**2) < 0.8 * np.sum(full**2)
    plain = np.zeros(first.shape[1])
    for offset, gain, order in reference.images(SIZE, SOURCE, MICS[0], walls, C * 0.05):
        if order <= 1:
            distance = np.linalg.norm(offset)
            x = np.arange(len(plain)) - distance / C * FS
            window = np.where(np.abs(x) <= 40, 0.5 + 0.5 * np.cos(np.pi * x / 40), 0)
            plain += gain / distance * np.sinc(x) * window
    assert error_db(first[0], plain) < -60


def test_the_same_bytes_every_time():
    one, two = (shoebox_responses(SIZE, 0.3, SOURCE, MICS, FS, length_s=0.2) for _ in range(2))
    assert_array_equal(one, two)
    # and a microphone does not depend on the others
    alone = shoebox_responses(SIZE, 0.3, SOURCE, MICS[:1], FS, length_s=0.2)
    assert_array_equal(alone[0], one[0, : alone.shape[1]])


def test_energy_falls_all_the_time():
    response = shoebox_responses(SIZE, 0.3, SOURCE, MICS, FS, length_s=0.3)[0]
    assert np.all(np.diff(energy_decay(response)[:-1]) <= 0)


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"source": [6.0, 1, 1]}, SceneError, "the source at .* outside the room of 5 x 4 x 2.7"),
        ({"mics": [[1.0, 1, 1], [1, 1, 2.7]]}, SceneError, "microphone 1 at"),
        ({"mics": SOURCE[None]}, SceneError, "the source is at the position of a microphone"),
        ({"absorption": 1.2}, SceneError, "absorption must be 0 to 1; got 1.2"),
        ({"absorption": np.zeros(5)}, ShapeError, r"one number, \(6,\) or \(B, 6\); got \(5,\)"),
        ({"absorption": np.zeros((2, 6))}, ShapeError, r"must have shape \(1, 6\)"),
        ({"size": [1.0, 2.0]}, ShapeError, r"size must have shape \(3,\); got \(2,\)"),
        ({"mics": SOURCE}, ShapeError, r"mics must have shape \(M, 3\)"),
        ({"length_s": 30.0}, SceneError, "images are too many"),
    ],
)
def test_what_cannot_be_is_refused(changes, error, message):
    given = {"size": SIZE, "absorption": 0.3, "source": SOURCE, "mics": MICS, "length_s": 0.1}
    given = {**given, **changes}
    with pytest.raises(error, match=message):
        shoebox_responses(
            given["size"],
            given["absorption"],
            given["source"],
            given["mics"],
            FS,
            length_s=given["length_s"],
        )
