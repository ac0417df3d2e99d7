import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh import audio
from arrayenh.audio import AudioWriter, Recording, open_recording, read, resample, write
from arrayenh.errors import AudioError, ConfigError, ShapeError
from tests.signals import band_limited, level_db

ROOT = Path(__file__).parents[2]
RATE = 16_000
STEP = {"PCM_16": 2.0**-15, "PCM_24": 2.0**-23}
LOSSLESS = [
    ("wav", "PCM_16"),
    ("wav", "PCM_24"),
    ("wav", "FLOAT"),
    ("flac", "PCM_16"),
    ("flac", "PCM_24"),
    ("aiff", "PCM_16"),
    ("aif", "PCM_24"),
    ("caf", "PCM_16"),
    ("caf", "FLOAT"),
    ("w64", "PCM_24"),
    ("rf64", "PCM_16"),
]


def noise(n_channels, n_samples, seed=0, peak=0.9):
    x = np.random.default_rng(seed).uniform(-peak, peak, (n_channels, n_samples))
    return x.astype(np.float32)


def sound_file(path, samples, rate=RATE, subtype="FLOAT", **arguments):
    soundfile.write(path, np.atleast_2d(samples).T, rate, subtype, **arguments)
    return path


@pytest.fixture
def four(tmp_path):
    """A file of four channels, one second each."""
    return sound_file(tmp_path / "four.wav", noise(4, RATE))


@pytest.fixture
def monos(tmp_path):
    """Three files of one channel each, and their samples."""
    x = noise(3, 5000)
    return [sound_file(tmp_path / f"mic{m}.wav", x[m]) for m in range(3)], x


# ---- what is written can be read ---------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("suffix, subtype", LOSSLESS)
def test_lossless_formats_keep_every_sample_to_their_step(tmp_path, suffix, subtype, n_channels):
    """Rounded to half a step, and scaled by 32767 where reading divides by 32768."""
    x = noise(n_channels, 3000)
    path = write(tmp_path / f"x.{suffix}", x, RATE, subtype=subtype)
    back = read(path)
    assert (back.sample_rate, back.subtype, back.samples.dtype) == (RATE, subtype, np.float32)
    assert_allclose(back.samples, x, rtol=0, atol=1.5 * STEP.get(subtype, 0))


def test_ogg_keeps_the_sound(tmp_path):
    x = (0.3 * band_limited(np.random.default_rng(0), RATE, 100, 4000)).astype(np.float32)
    x *= 0.9 / np.abs(x).max()
    back = read(write(tmp_path / "x.ogg", x, RATE))
    assert back.samples.shape == (1, RATE) and back.subtype == "VORBIS"
    assert level_db(back.samples[0] - x) - level_db(x) < -10


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 192000])
def test_rate_is_kept(tmp_path, rate):
    assert read(write(tmp_path / "x.wav", noise(2, 100), rate)).sample_rate == rate


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "caf", "w64", "rf64"])
def test_title_and_artist_go_with_the_sound(tmp_path, suffix):
    """W64 holds no text: that is no reason not to write it, nor to leave a part behind."""
    words = {"title": "Meeting", "artist": "Table 4"}
    recording = Recording(noise(1, 500), RATE, metadata=words)
    back = read(write(tmp_path / f"x.{suffix}", recording))
    if suffix != "w64":
        assert words.items() <= dict(back.metadata).items()
    assert os.listdir(tmp_path) == [f"x.{suffix}"]


def test_a_subtype_the_format_does_not_have_becomes_its_own(tmp_path):
    recording = Recording(noise(1, 500), RATE, subtype="FLOAT")
    assert read(write(tmp_path / "x.wav", recording)).subtype == "FLOAT"
    assert read(write(tmp_path / "x.flac", recording)).subtype == "PCM_24"
    coarse = Recording(noise(1, 500), RATE, subtype="ULAW")
    assert read(write(tmp_path / "coarse.flac", coarse)).subtype == "PCM_16"
    assert read(write(tmp_path / "y.wav", recording, subtype="PCM_24")).subtype == "PCM_24"
    assert read(write(tmp_path / "y.flac", recording, subtype="PCM_24")).subtype == "PCM_24"


@pytest.mark.parametrize("peak", [1.0, 3.7, 1e4])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_too_loud_sound_is_lowered_not_clipped(tmp_path, peak, subtype):
    x = noise(2, 500)
    x *= peak / np.abs(x).max()
    y = read(write(tmp_path / "x.wav", x, RATE, subtype=subtype)).samples
    assert_allclose(y, x * (0.999 / peak), atol=2 * STEP["PCM_16"])
    assert np.abs(y).max() < 1


def test_sound_that_fits_is_not_touched(tmp_path):
    x = noise(1, 500, peak=0.998)
    x[0, 0], x[0, 1] = 0.998, -0.998
    assert_array_equal(read(write(tmp_path / "x.wav", x, RATE, subtype="FLOAT")).samples, x)


@pytest.mark.parametrize("n_samples, magic", [(1000, b"RIFF"), (1 << 30, b"RF64")])
def test_wav_that_outgrows_its_header_is_rf64(tmp_path, n_samples, magic):
    with AudioWriter(tmp_path / "x.wav", RATE, 1, n_samples) as writer:
        writer.write(noise(1, 1000))
    assert (tmp_path / "x.wav").read_bytes()[:4] == magic
    assert read(tmp_path / "x.wav").n_samples == 1000


def test_blocks_written_one_by_one_make_one_file(tmp_path):
    x = noise(3, 5000)
    with AudioWriter(tmp_path / "x.wav", RATE, 3, 5000, "FLOAT") as writer:
        for start in range(0, 5000, 777):
            writer.write(x[:, start : start + 777])
    assert_array_equal(read(tmp_path / "x.wav").samples, x)


def test_encoded_sound_is_a_file_in_memory():
    x = noise(2, 700)
    for name in ("FLAC", "WAV"):
        content = audio.encode(x, RATE, name)
        with io.BytesIO(content) as stream:
            back, rate = soundfile.read(stream, always_2d=True)
        assert rate == RATE
        assert_allclose(back.T, x, atol=1.5 * STEP["PCM_16"])
    with pytest.raises(ConfigError, match="FLAC or WAV; got 'MP3'"):
        audio.encode(x, RATE, "MP3")
    with pytest.raises(AudioError, match="NaN"):
        audio.encode(x * np.nan, RATE)


# ---- reading -----------------------------------------------------------------------------


def test_rows_are_the_files_channels(four):
    x = noise(4, RATE)
    recording = read(four)
    assert_array_equal(recording.samples, x)
    assert recording.channels == (0, 1, 2, 3) and recording.name == "four.wav"
    first = read(four, mics=2)
    assert_array_equal(first.samples, x[:2])
    assert first.channels == (0, 1)
    chosen = read(four, channels=[3, 0, 2])
    assert_array_equal(chosen.samples, x[[3, 0, 2]])
    assert chosen.channels == (3, 0, 2)
    assert_array_equal(read(four, mics=1, channels=[2]).samples, x[2:3])


@pytest.mark.parametrize("form", ["list", "tuple of str", "commas", "commas and spaces"])
def test_one_mono_file_per_microphone(monos, form):
    paths, x = monos
    given = {
        "list": paths,
        "tuple of str": tuple(map(str, paths)),
        "commas": ",".join(map(str, paths)),
        "commas and spaces": ", ".join(map(str, paths)) + ",",
    }[form]
    recording = read(given)
    assert_array_equal(recording.samples, x)
    assert recording.name == "mic0.wav and 2 more"
    assert_array_equal(read(given, channels=[2, 1]).samples, x[[2, 1]])
    assert_array_equal(read(given, mics=2).samples, x[:2])


def test_a_comma_in_the_name_of_a_file_is_part_of_it(tmp_path):
    path = sound_file(tmp_path / "room 1, take 2.wav", noise(2, 100))
    assert read(str(path)).n_mics == 2
    assert read(path).n_mics == 2


@pytest.mark.parametrize("longer", [0, 2])
def test_files_of_other_lengths_are_refused_or_padded(tmp_path, longer):
    lengths = [4000] * 3
    lengths[longer] = 4500
    x = noise(3, 4500)
    paths = [sound_file(tmp_path / f"{m}.wav", x[m, :n]) for m, n in enumerate(lengths)]
    with pytest.raises(AudioError, match=r"(\d)\.wav has 4\d00 samples but .*0\.wav has 4\d00"):
        read(paths)
    with pytest.raises(AudioError, match="--pad"):
        read(paths)
    padded = read(paths, pad=True)
    for m, n in enumerate(lengths):
        assert_array_equal(padded.samples[m, :n], x[m, :n])
        assert not padded.samples[m, n:].any()
    shortest_last = read(paths[::-1], pad=True).samples
    assert_array_equal(shortest_last, padded.samples[::-1])


@pytest.mark.parametrize("block", [1, 999, 4096, 10**6])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_blocks_are_the_whole(tmp_path, suffix, block):
    n_samples = 500 if block == 1 else 20_000
    path = write(tmp_path / f"x.{suffix}", noise(2, n_samples), RATE)
    source = open_recording(path, channels=[1, 0])
    assert (source.n_mics, source.n_samples, source.sample_rate) == (2, n_samples, RATE)
    pieces = list(source.blocks(block))
    assert [p.shape[1] for p in pieces[:-1]] == [block] * (len(pieces) - 1)
    whole = np.concatenate(pieces, axis=1)
    assert_array_equal(whole, read(path).samples[::-1])
    in_memory = np.concatenate(list(read(path).blocks(block)), axis=1)
    assert_array_equal(in_memory, whole[::-1])


def test_blocks_of_mono_files_are_padded_across_block_borders(tmp_path):
    x = noise(2, 1000)
    x[1, 300:] = 0
    paths = [sound_file(tmp_path / "a.wav", x[0]), sound_file(tmp_path / "b.wav", x[1, :300])]
    for block in (1, 64, 100, 300, 301, 999):
        pieces = list(open_recording(paths, pad=True).blocks(block))
        assert_array_equal(np.concatenate(pieces, axis=1), x)


def test_a_recording_can_be_read_again_and_in_two_places_at_once(four):
    source = open_recording(four)
    first, second = source.blocks(100), source.blocks(100)
    for _ in range(5):
        assert_array_equal(next(first), next(second))
    assert len(list(source.blocks(100))) == RATE // 100


# ---- errors: what was wanted, what came, where -------------------------------------------


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ({"mics": 6}, AudioError, r"four\.wav has 4 channels, fewer than the 6 of --mics"),
        ({"mics": 0}, ConfigError, "mics must be at least 1; got 0"),
        ({"channels": [4]}, AudioError, r"has 4 channels, 0 to 3: no channel 4"),
        ({"channels": [0, -1]}, AudioError, "no channel -1"),
        ({"channels": [1, 1]}, ConfigError, r"each channel once; got \[1, 1\]"),
        ({"channels": []}, ConfigError, r"each channel once; got \[\]"),
        ({"channels": [1, 2], "mics": 3}, ConfigError, "--mics 3 contradicts the 2 of --channels"),
    ],
)
def test_channels_that_are_not_there_are_refused(four, arguments, kind, message):
    with pytest.raises(kind, match=message):
        read(four, **arguments)


def test_fewer_files_than_microphones_names_both_numbers(monos):
    with pytest.raises(AudioError, match="has 3 channels, fewer than the 4"):
        read(monos[0], mics=4)


def broken_files(folder):
    rng = np.random.default_rng(0)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "random.wav").write_bytes(rng.bytes(5000))
    (folder / "random.flac").write_bytes(rng.bytes(5000))
    (folder / "notes.txt").write_text("not a sound\n" * 100)
    (folder / "samples.raw").write_bytes(rng.bytes(5000))
    (folder / "folder.wav").mkdir()
    sound_file(folder / "nothing.wav", np.zeros((2, 0)))
    sound_file(folder / "slow.wav", noise(1, 100), rate=7999)
    sound_file(folder / "fast.wav", noise(1, 100), rate=192_001)
    sound_file(folder / "turned.wav", noise(16, 8))


@pytest.mark.parametrize(
    "name, message",
    [
        ("missing.wav", r"missing\.wav does not exist"),
        ("folder.wav", "is a folder, not a sound file"),
        ("empty.wav", r"empty\.wav cannot be read as audio"),
        ("random.wav", r"random\.wav cannot be read as audio"),
        ("random.flac", r"random\.flac cannot be read as audio"),
        ("notes.txt", r"notes\.txt cannot be read as audio"),
        ("samples.raw", r"samples\.raw cannot be read as audio"),
        ("nothing.wav", r"nothing\.wav is empty: it holds no samples"),
        ("slow.wav", "sample rate of 7999 Hz; 8 to 192 kHz"),
        ("fast.wav", "sample rate of 192001 Hz"),
        ("turned.wav", r"more channels \(16\) than samples \(8\): is it transposed"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, name, message):
    broken_files(tmp_path)
    with pytest.raises(AudioError, match=message) as error:
        read(tmp_path / name)
    assert "\n" not in str(error.value)
    with pytest.raises(OSError):  # its built-in class as well
        read(tmp_path / name)


@pytest.mark.parametrize("nothing", [[], "", ",", " , "], ids=repr)
def test_no_file_is_refused(nothing):
    with pytest.raises(AudioError):
        read(nothing)


def test_files_that_do_not_belong_together_are_refused(tmp_path, monos, four):
    paths, _ = monos
    with pytest.raises(AudioError, match=r"four\.wav has 4 channels; several files must be mono"):
        read([paths[0], four])
    other = sound_file(tmp_path / "other.wav", noise(1, 5000), rate=48_000)
    with pytest.raises(AudioError, match=r"other\.wav has 48000 Hz but .*mic0\.wav has 16000 Hz"):
        read([paths[0], other])
    with pytest.raises(AudioError, match=r"gone\.wav does not exist"):
        read([paths[0], tmp_path / "gone.wav"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_nan_is_refused_with_its_channel_and_time(tmp_path, value):
    x = noise(4, 70_000)
    x[1, 69_000] = x[2, 68_800] = x[3, 100] = value
    path = sound_file(tmp_path / "x.wav", x)
    with pytest.raises(AudioError, match=r"x\.wav holds NaN.* channel 3 at 0\.006 s"):
        read(path)
    with pytest.raises(AudioError, match=r"channel 2 at 4\.300 s"):
        read(path, channels=[0, 1, 2])
    with pytest.raises(AudioError, match=r"channel 1 at 4\.312 s"):
        read(path, channels=[1, 0])
    assert read(path, channels=[0]).n_samples == 70_000
    with pytest.raises(AudioError, match=r"NaN.*channel 3 at 0\.006 s"):
        Recording(x, RATE)


def test_nan_in_memory_is_named_by_the_channel_of_the_file():
    x = noise(2, 500)
    x[1, 160] = np.nan
    with pytest.raises(AudioError, match=r"channel 7 at 0\.010 s"):
        Recording(x, RATE, channels=(4, 7))


def test_samples_that_cannot_be_sound_are_refused():
    """Their squares would overflow float32 further on; 10^9 does not."""
    x = noise(2, 500)
    x[1, 160] = -1e12
    with pytest.raises(AudioError, match=r"-1e\+12, the first in channel 1 at 0\.010 s"):
        Recording(x, RATE)
    assert Recording(1e9 * noise(2, 500), RATE).n_mics == 2


def test_two_infinities_that_cancel_are_found():
    x = noise(2, 500)
    x[0, 3], x[1, 9] = np.inf, -np.inf
    with pytest.raises(AudioError, match=r"channel 0 at 0\.000 s"):
        Recording(x, RATE)


@pytest.mark.parametrize("part", [0.3, 0.98])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "caf", "w64", "rf64"])
def test_a_file_that_was_cut_off_is_refused(tmp_path, suffix, part):
    """A copy or a download that broke: half of the sound is not the recording."""
    path = write(tmp_path / f"whole.{suffix}", noise(2, 2 * RATE), RATE)
    content = path.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(content[: int(part * len(content))])
    with pytest.raises(AudioError, match=rf"cut\.{suffix}"):
        read(cut)


def test_a_flac_with_a_damaged_middle_is_refused(tmp_path):
    path = write(tmp_path / "x.flac", noise(1, RATE), RATE)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"x\.flac"):
        read(path)


@pytest.mark.parametrize(
    "samples, rate, kind, message",
    [
        (np.zeros(100), RATE, ShapeError, r"\(M, N\); got \(100,\)"),
        (np.zeros((2, 3, 4)), RATE, ShapeError, r"got \(2, 3, 4\)"),
        (np.zeros((100, 4)), RATE, ShapeError, "100 microphones but only 4.*transposed"),
        (np.zeros((1, 100)), 7999, AudioError, "sample rate of 7999 Hz"),
        (np.zeros((1, 100)), 192_001, AudioError, "sample rate of 192001 Hz"),
    ],
)
def test_arrays_that_are_no_recording_are_refused(samples, rate, kind, message):
    with pytest.raises(kind, match=message):
        Recording(samples, rate)


def test_a_recording_of_as_many_microphones_as_samples_is_fine():
    assert Recording(np.zeros((4, 4)), RATE).n_mics == 4
    assert Recording(np.zeros((1, 0)), RATE).n_samples == 0


# ---- whole or not at all -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [None, b"precious"])
def test_an_exception_while_writing_leaves_everything_as_it_was(tmp_path, before, kind):
    path = tmp_path / "x.wav"
    if before:
        path.write_bytes(before)
    with pytest.raises(kind), AudioWriter(path, RATE, 1, 1000, overwrite=True) as writer:
        writer.write(noise(1, 500))
        assert (path.read_bytes() if before else path.exists()) == (before or False)
        raise kind
    assert os.listdir(tmp_path) == (["x.wav"] if before else [])
    assert not before or path.read_bytes() == before


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = write(tmp_path / "x.wav", noise(1, 500), RATE)
    before = path.read_bytes()
    with pytest.raises(AudioError, match=r"x\.wav exists; use --overwrite to replace it"):
        write(path, noise(1, 600), RATE)
    assert path.read_bytes() == before
    write(path, noise(1, 600), RATE, overwrite=True)
    assert read(path).n_samples == 600
    assert os.listdir(tmp_path) == ["x.wav"]


@pytest.mark.parametrize(
    "name, arguments, kind, message",
    [
        ("x.mp3", {}, ConfigError, r"no known sound suffix; use one of \.aif"),
        ("x", {}, ConfigError, "no known sound suffix"),
        ("no/x.wav", {}, AudioError, r"the folder .*no does not exist"),
        ("x.wav", {"sample_rate": None}, ConfigError, "give sample_rate"),
        ("x.wav", {"audio": np.array([0.0, np.nan])}, AudioError, "NaN"),
        ("x.flac", {"audio": np.zeros((9, 100))}, AudioError, "cannot be written"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, name, arguments, kind, message):
    arguments = {"audio": noise(1, 100), "sample_rate": RATE, **arguments}
    with pytest.raises(kind, match=message):
        write(tmp_path / name, **arguments)
    assert os.listdir(tmp_path) == []


DISK_FULL = """
import os, resource, sys
import numpy as np
from arrayenh.audio import write
from arrayenh.errors import AudioError
path, x = sys.argv[1], 0.1 * np.random.default_rng(0).standard_normal(16000).astype("f4")
size = os.path.getsize(write(path, x, 16000))
before = open(path, "rb").read()
for room in (10, size // 2, size - 2000, size - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    for target, overwrite in ((path, True), (path.replace("x.", "y."), False)):
        try:
            write(target, x, 16000, overwrite=overwrite)
            print(f"no error with room for {room} of {size} bytes")
        except AudioError as error:
            assert "cannot be written" in str(error)
    left = sorted(os.listdir(os.path.dirname(path)))
    if left != [os.path.basename(path)] or open(path, "rb").read() != before:
        print(f"left behind with room for {room} of {size} bytes: {left}")
        break
"""


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "caf", "w64", "rf64"])
def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path, suffix):
    """Also where it fills up with the very last bytes, which an encoder writes on closing."""
    command = [sys.executable, "-c", DISK_FULL, str(tmp_path / f"x.{suffix}")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


# ---- resampling --------------------------------------------------------------------------


def resampled(x, rate, to, cuts=()):
    blocks = np.split(np.atleast_2d(x).astype(np.float32), cuts, axis=1)
    return np.concatenate(list(resample(iter(blocks), len(np.atleast_2d(x)), rate, to)), axis=1)


@pytest.mark.parametrize("tone", [100.0, 1000.0, 6500.0])
def test_a_tone_is_resampled_without_delay(tone):
    """48 kHz to 16 kHz and back, against the tone itself: -100 dB away from the ends."""
    at48, at16 = (np.sin(2 * np.pi * tone * np.arange(rate) / rate) for rate in (48_000, RATE))
    down = resampled(at48, 48_000, RATE)[0]
    assert abs(len(down) - RATE) <= 1
    inside = slice(500, 15_500)
    assert level_db((down[:RATE] - at16[: len(down)])[inside]) < -90
    back = resampled(down, RATE, 48_000)[0]
    inside = slice(1500, 46_500)
    assert level_db((back[:48_000] - at48[: len(back)])[inside]) < -90


def test_what_the_lower_rate_cannot_hold_is_gone():
    x = np.sin(2 * np.pi * 9000 * np.arange(48_000) / 48_000)
    assert level_db(resampled(x, 48_000, RATE)[0, 200:-200]) < -90


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.sampled_from([8000, 11_025, 44_100, 48_000, 192_000]),
    st.lists(st.integers(0, 3000), max_size=6).map(sorted),
)
def test_blocks_of_any_size_are_resampled_as_the_whole(rate, cuts):
    x = noise(2, 3000)
    pieces = resampled(x, rate, RATE, cuts)
    assert abs(pieces.shape[1] - 3000 * RATE / rate) <= 1
    assert_allclose(pieces, resampled(x, rate, RATE), atol=1e-6)


def test_the_same_rate_passes_blocks_untouched():
    x = noise(2, 1000)
    assert_array_equal(resampled(x, RATE, RATE, [100, 100, 700]), x)


@pytest.mark.parametrize("n_samples", [0, 1, 2, 7])
@pytest.mark.parametrize("rate", [8000, 192_000])
def test_hardly_any_samples_can_be_resampled(n_samples, rate):
    y = resampled(noise(3, n_samples), rate, RATE)
    assert y.shape[0] == 3 and abs(y.shape[1] - n_samples * RATE / rate) <= 1


def test_the_same_samples_are_the_same_bytes_at_any_time(tmp_path):
    x = noise(2, 500)
    written = []
    for k in range(2):
        if k:
            time.sleep(1.1)  # headers count seconds
        written.append(write(tmp_path / f"{k}.wav", x, RATE, subtype="FLOAT").read_bytes())
    assert written[0] == written[1]
