"""Raw PCM and WAV streams, against libsndfile."""

import io
import struct

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal

from arrayenh.audio import read
from arrayenh.audio.pcm import NAMES, Encoding
from arrayenh.audio.streams import RawFormat, StreamReader, StreamWriter
from arrayenh.errors import AudioError, ConfigError

SUBTYPES = {"u8": "PCM_U8", "s16": "PCM_16", "s24": "PCM_24", "s32": "PCM_32"}
SUBTYPES |= {"f32": "FLOAT", "f64": "DOUBLE"}
SAMPLES = np.random.default_rng(0).uniform(-1, 1, (3, 500)).astype(np.float32)
PLAIN = [name for name in NAMES if "_32" not in name]


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self):
        return False

    def seek(self, *where):
        raise io.UnsupportedOperation

    tell = seek


def coded(name, kind="RAW", samples=SAMPLES):
    """Bytes of libsndfile, and what it reads from them."""
    subtype = SUBTYPES[name.removesuffix("le").removesuffix("be")]
    endian = {"RAW": "BIG" if name.endswith("be") else "LITTLE"}.get(kind, "FILE")
    if kind == "RIFX":
        kind, endian = "WAV", "BIG"
    file = io.BytesIO()
    soundfile.write(file, samples.T, 16_000, subtype, endian, kind)
    file.seek(0)
    more = {"RAW": dict(samplerate=16_000, channels=3, subtype=subtype, endian=endian)}
    told = more.get(kind, {})
    form = "RAW" if kind == "RAW" else None
    found, _ = soundfile.read(file, dtype="float32", format=form, **told)
    return file.getvalue(), found.T


def heard(data, raw=None, block=64):
    reader = StreamReader(Pipe(data), "the pipe", raw)
    blocks = list(reader.blocks(block))
    whole = np.concatenate(blocks, axis=1) if blocks else np.zeros((reader.n_channels, 0))
    return reader, whole


@pytest.mark.parametrize("name", PLAIN)
def test_encodings_are_those_of_libsndfile(name):
    data, found = coded(name)
    encoding = Encoding.named(name)
    assert encoding.name == name
    assert_array_equal(encoding.decode(data, 3), found)
    assert encoding.encode(found) == data


def test_24_bits_at_the_low_end_of_32():
    encoding = Encoding.named("s24_32le")
    data = struct.pack("<3i", 1 << 22, -1, -(1 << 23))
    assert_array_equal(encoding.decode(data, 1), [[0.5, -(2.0**-23), -1]])
    assert encoding.encode(np.array([[0.5, -(2.0**-23), -1]])) == data
    # ALSA writes zeros above a negative number: the sign is that of bit 23
    assert_array_equal(encoding.decode(b"\xff\xff\xff\x00", 1), [[-(2.0**-23)]])


def test_integers_are_rounded_and_clipped():
    encoding = Encoding.named("s16le")
    loud = np.array([[1.0, -1.0, 7.0, -7.0, 1.6 / 32768]])
    assert struct.unpack("<5h", encoding.encode(loud)) == (32767, -32768, 32767, -32768, 2)
    assert Encoding.named("u8").encode(loud) == bytes([255, 0, 255, 0, 128])


@pytest.mark.parametrize("name", ["u8", "s16le", "s24le", "s32le", "f32le", "f64le"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "RIFX"])
def test_wav_streams_are_read_as_libsndfile_reads_them(name, kind):
    data, found = coded(name, kind)
    reader, whole = heard(data)
    assert (reader.sample_rate, reader.n_channels) == (16_000, 3)
    assert_array_equal(whole, found)
    assert reader.notes == []


def with_length(data, length):
    place = data.index(b"data") + 4
    return data[:place] + struct.pack("<I", length) + data[place + 4 :]


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFDB])
def test_a_length_that_was_not_known_is_ignored(length):
    data, found = coded("s16le", "WAV")
    reader, whole = heard(with_length(data, length))
    assert_array_equal(whole, found)
    assert reader.notes == []


def test_chunks_before_and_after_the_samples_are_no_sound():
    data, found = coded("s16le", "WAV")
    place = data.index(b"data")
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    reader, whole = heard(data[:place] + odd + data[place:] + b"LIST\x04\0\0\0more")
    assert_array_equal(whole, found)


def test_24_bits_as_arecord_writes_them():
    words = (SAMPLES * 2**23).astype("<i4")
    description = struct.pack("<HHIIHH", 1, 3, 16_000, 12 * 16_000, 12, 24)
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 16) + description + b"data\0\0\0\0"
    reader, whole = heard(head + words.T.tobytes())
    assert reader.encoding.name == "s24_32le"
    assert_array_equal(whole, words / np.float32(2**23))


def test_the_end_of_a_stream_that_is_cut_is_noted():
    data, found = coded("s16le", "WAV")
    reader, whole = heard(data[:-1])
    assert_array_equal(whole, found[:, :-1])
    assert any("last 5 bytes" in note for note in reader.notes)
    reader, _ = heard(data[: -16_000 // 4 * 6 // 10])
    assert any("before its header states" in note for note in reader.notes)


def test_blocks_come_as_soon_as_they_are_there():
    data, _ = coded("s16le", "RAW")
    file = Pipe(data)
    reader = StreamReader(file, "the pipe", RawFormat(Encoding.named("s16le"), 3, 16_000))
    blocks = reader.blocks(10)
    for k in range(1, 4):
        assert next(blocks).shape == (3, 10)
        assert len(data) - len(file.getvalue()[io.BytesIO.tell(file) :]) == 60 * k


@pytest.mark.parametrize("name", ["u8", "s16le", "s24le", "s32le", "f32le", "f64le"])
def test_what_is_written_to_a_pipe_is_a_wav_file(name, tmp_path):
    file, encoding = Pipe(), Encoding.named(name)
    writer = StreamWriter(file, "wav", encoding, 3, 16_000)
    writer.write(SAMPLES[:, :100])
    assert len(file.getvalue()) == 44 + 100 * 3 * encoding.width  # nothing is held back
    writer.write(SAMPLES[:, 100:])
    writer.finish()
    data = file.getvalue()
    assert data[40:44] == data[4:8] == b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert_array_equal(read(tmp_path / "a.wav").samples, encoding.decode(data[44:], 3))


@pytest.mark.parametrize(("name", "n"), [("s16le", 500), ("u8", 333)])
def test_where_it_can_be_rewound_the_header_states_the_length(name, n):
    file = io.BytesIO()
    writer = StreamWriter(file, "wav", Encoding.named(name), 1, 8_000)
    writer.write(SAMPLES[:1, :n])
    writer.finish()
    data = file.getvalue()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert len(data) % 2 == 0
    file.seek(0)
    assert soundfile.info(file).frames == n


def test_a_header_is_not_appended_to_an_appended_file(tmp_path):
    with open(tmp_path / "a.wav", "ab") as file:
        writer = StreamWriter(file, "wav", Encoding.named("s16le"), 1, 8_000)
        writer.write(SAMPLES[:1])
        writer.finish()
    assert (tmp_path / "a.wav").stat().st_size == 44 + 2 * 500


def test_wav_is_little_endian_and_packed():
    file = io.BytesIO()
    writer = StreamWriter(file, "wav", Encoding.named("s24_32be"), 1, 8_000)
    assert writer.encoding.name == "s24le"
    raw = StreamWriter(io.BytesIO(), "raw", Encoding.named("s24_32be"), 1, 8_000)
    assert raw.encoding.name == "s24_32be"


RAW = RawFormat(Encoding.named("s16le"), 3, 16_000)


@pytest.mark.parametrize(
    ("data", "raw", "words"),
    [
        (b"", None, "the pipe is empty"),
        (b"fLaC" + bytes(100), None, "no WAV header"),
        (b"RIFF\0\0\0\0WAVEfmt ", None, "ends within its WAV header"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", None, "does not describe"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\x7f", None, "damaged: no samples"),
        (coded("s16le", "WAV")[0], RAW, "leave --format out"),
        (b"", RawFormat(RAW.encoding, 3, 7999), "Hz"),
    ],
)
def test_what_cannot_be_streamed_is_refused(data, raw, words):
    with pytest.raises(AudioError, match=words):
        StreamReader(Pipe(data), "the pipe", raw)


def test_compressed_samples_are_named():
    file = io.BytesIO()
    soundfile.write(file, SAMPLES[:1].T, 16_000, "ULAW", format="WAV")
    with pytest.raises(AudioError, match="mu-law, not PCM"):
        StreamReader(Pipe(file.getvalue()), "the pipe")


@pytest.mark.parametrize("name", ["s16", "s17le", "s8", "", "f16le", "u16le"])
def test_unknown_encodings_are_refused(name):
    with pytest.raises(ConfigError, match="unknown sample format"):
        Encoding.named(name)


def test_damaged_headers_are_refused_or_read():
    data = bytearray(coded("s24le", "WAVEX")[0])
    rng = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(data)
        for place in rng.integers(0, 70, 3):
            damaged[place] = rng.integers(256)
        try:
            _, whole = heard(bytes(damaged))
        except AudioError:
            continue
        assert whole.dtype == np.float32 or whole.size == 0
