"""Files that state a wrong length or width, or of which a part is missing."""

import io
import os
import struct

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import open_recording, read, write
from arrayenh.audio.ogg import crc
from arrayenh.audio.quiet import quiet_decoder
from arrayenh.audio.sound import LOW_BITS, examine
from arrayenh.errors import AudioError

RATE, N = 16_000, 4000
X = np.random.default_rng(0).uniform(-0.5, 0.5, (2, N)).astype(np.float32)
PCM16 = np.round(X * 32768).astype("<i2")
NO_LENGTH = "the header states no length: read to the end, 0.2 s"
LIST = b"LIST\4\0\0\0INFO"


def coded(kind, samples=X, subtype="PCM_16", rate=RATE):
    """A sound file as bytes."""
    if subtype == "PCM_16":
        samples = np.round(samples * 32768).astype(np.int16)
    content = io.BytesIO()
    soundfile.write(content, samples.T, rate, subtype, format=kind)
    return content.getvalue()


def changed(content, *fields):
    """The bytes with numbers written over them: (position, format, value)."""
    content = bytearray(content)
    for position, form, value in fields:
        struct.pack_into(form, content, position, value)
    return bytes(content)


def wav(data, bits, align, kind=1, n_channels=1):
    """A WAV file with the header of 44 bytes."""
    fmt = struct.pack("<HHIIHH", kind, n_channels, RATE, RATE * align, align, bits)
    riff = struct.pack("<4sI8sI", b"RIFF", 36 + len(data), b"WAVEfmt ", 16)
    return riff + fmt + struct.pack("<4sI", b"data", len(data)) + data


WAV = wav(PCM16.T.tobytes(), 16, 4, n_channels=2)


def reading(folder, content, name="x.wav"):
    """Read a file with these bytes."""
    (folder / name).write_bytes(content)
    return read(folder / name)


# ---- no length, and too short a length ---------------------------------------------------


@pytest.mark.parametrize("data", [0, 0xFFFF_FFFF, 0x8000_0000, 0x7FFF_F000])
@pytest.mark.parametrize("riff", [0, 36, 4088, 0xFFFF_FFFF])
def test_a_wav_of_a_crashed_or_streaming_recorder_is_read_to_its_end(tmp_path, riff, data):
    found = reading(tmp_path, changed(WAV, (4, "<I", riff), (40, "<I", data)))
    assert_array_equal(found.samples * 32768, PCM16)
    assert found.notes == (NO_LENGTH,)


@pytest.mark.parametrize("empty", [0, (1 << 64) - 1])
def test_an_rf64_without_its_sizes_is_read_to_its_end(tmp_path, empty):
    content = coded("RF64")
    at = content.index(b"ds64") + 8
    fields = [(at + 8 * k, "<Q", empty) for k in range(3)]
    found = reading(tmp_path, changed(content, *fields))
    assert_array_equal(found.samples * 32768, PCM16)
    assert found.notes == (NO_LENGTH,)


@pytest.mark.parametrize(
    "kind, mark, skip, form",
    [
        ("WAV", b"data", 4, "<I"),
        ("RF64", b"ds64", 16, "<Q"),
        ("AIFF", b"SSND", 4, ">I"),
        ("W64", b"data", 16, "<Q"),
        ("CAF", b"data", 4, ">Q"),
        ("AU", b".snd", 8, ">I"),
    ],
)
@pytest.mark.parametrize("stated", ["none", "unknown", "a tenth", "cut"])
def test_no_format_is_cut_in_silence(tmp_path, kind, mark, skip, form, stated):
    content = coded(kind)
    field = content.index(mark) + skip
    most = (1 << 8 * struct.calcsize(form)) - 1
    if stated == "cut":
        with pytest.raises(AudioError, match=r"x\.wav is cut short: its header states 160"):
            reading(tmp_path, content[: -len(content) // 5])
        return
    value = {"none": 0, "unknown": most, "a tenth": 1600}[stated]
    found = reading(tmp_path, changed(content, (field, form, value)))
    assert_array_equal(found.samples * 32768, PCM16)
    assert len(found.notes) == 1 and found.notes[0].endswith("read to the end, 0.2 s") == (
        stated != "a tenth"
    )
    if stated == "a tenth":
        assert found.notes[0].startswith("the header states 0.0 s, the file holds 0.2 s")


def test_a_flac_without_length_is_read_to_its_end_block_by_block(tmp_path):
    content = changed(coded("FLAC", np.tile(X, 40)), (22, ">I", 0))  # the lower 32 of 36 bits
    path = tmp_path / "x.flac"
    path.write_bytes(content)
    source = open_recording(path)
    assert source.n_samples == 40 * N
    assert source.notes == ("the header states no length: read to the end, 10.0 s",)
    whole = np.concatenate(list(source.blocks(777)), axis=1)
    assert_array_equal(whole * 32768, np.tile(PCM16, 40))


SPARSE = pytest.mark.skipif(os.name == "nt", reason="the file would take 4 GiB of the disk")


@SPARSE
@pytest.mark.parametrize("tail", [b"", LIST])
def test_a_wav_over_4_gib_with_wrapped_sizes_is_read_whole(tmp_path, tail):
    """A sparse file: the samples, then silence, then a marked end."""
    size = (1 << 32) + 8 * RATE
    path = tmp_path / "x.wav"
    try:
        with path.open("wb") as file:
            file.write(changed(WAV, (4, "<I", (size + 36) % 2**32), (40, "<I", size % 2**32)))
            file.seek(44 + size - 4)
            file.write(b"\1\0\2\0" + tail)
        sound = examine(path)
        assert sound.n_samples == size // 4
        assert sound.notes == (
            "the header states 2.0 s, the file holds 67110.9 s: read to the end",
        )
        assert sound.correction.head.startswith(b"RF64")
        first = next(open_recording(path).blocks(N))
    finally:
        path.unlink()
    assert_array_equal(first * 32768, PCM16)


@SPARSE
def test_an_aiff_that_outgrew_its_header_is_refused(tmp_path):
    path = tmp_path / "x.aiff"
    try:
        with path.open("wb") as file:
            file.write(coded("AIFF"))
            file.seek((1 << 32) + 10**6)
            file.write(b"\1\0\2\0")
        with pytest.raises(AudioError, match=r"x\.aiff is larger than its header can state"):
            examine(path)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    "tail", [b"", LIST, LIST + LIST, b"TAG" + bytes(125), b"ID3\4" + bytes(90), bytes(4000)]
)
def test_what_may_follow_the_samples_is_no_reason_for_a_note(tmp_path, tail):
    found = reading(tmp_path, WAV + tail)
    assert found.samples.shape == (2, N) and found.notes == ()


def test_samples_that_follow_are_read(tmp_path):
    """The recorder wrote on after its last update of the header."""
    found = reading(tmp_path, WAV + WAV[44:4044])
    assert_array_equal(found.samples[:, N:] * 32768, PCM16[:, :1000])
    assert found.notes == ("the header states 0.2 s, the file holds 0.3 s: read to the end",)


@pytest.mark.parametrize("tail", [b"", LIST])
def test_a_file_without_samples_holds_none(tmp_path, tail):
    with pytest.raises(AudioError, match="holds no samples"):
        reading(tmp_path, changed(WAV[:44], (4, "<I", 36), (40, "<I", 0)) + tail)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "ogg"])
def test_two_sounds_in_one_file_are_refused(tmp_path, suffix):
    path = write(tmp_path / f"x.{suffix}", X, RATE)
    twice = path.read_bytes() * 2
    with pytest.raises(AudioError, match="several sounds one after the other.*split it"):
        reading(tmp_path, twice, f"twice.{suffix}")


def test_notes_of_several_files_name_the_file(tmp_path):
    whole = wav(PCM16[0].tobytes(), 16, 2)
    (tmp_path / "a.wav").write_bytes(whole)
    (tmp_path / "b.wav").write_bytes(changed(whole, (40, "<I", 0)))
    assert read([tmp_path / "a.wav", tmp_path / "b.wav"]).notes == (f"b.wav: {NO_LENGTH}",)


@pytest.mark.parametrize(
    "kind, subtype",
    [("WAV", "GSM610"), ("W64", "GSM610"), ("AIFF", "GSM610"), ("WAV", "MS_ADPCM")]
    + [("WAV", "G721_32"), ("WAV", "NMS_ADPCM_16")],
)
def test_the_padding_of_the_last_block_is_no_sound(tmp_path, kind, subtype):
    found = reading(tmp_path, coded(kind, X[:1, :3001], subtype, rate=8000))
    assert (found.n_samples, found.subtype) == (3001, subtype)


# ---- Ogg ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oggs():
    """A sound of some pages, as Vorbis and as Opus."""
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 4 * RATE)).astype(np.float32)
    return {subtype: coded("OGG", sound, subtype) for subtype in ("VORBIS", "OPUS")}


def page_starts(content):
    """Positions of the pages."""
    found, at = [], content.find(b"OggS")
    while at >= 0:
        found.append(at)
        at = content.find(b"OggS", at + 1)
    return found


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize(
    "fault, message",
    [
        ("half", "x.ogg is cut short or damaged: no page is marked as the end"),
        ("last page", "x.ogg is cut short or damaged: no page is marked as the end"),
        ("hole", r"x.ogg is damaged near byte \d+: a page is missing or changed"),
        ("one bit", r"x.ogg is damaged near byte \d+: a page is missing or changed"),
    ],
)
def test_an_ogg_with_a_part_missing_is_refused(tmp_path, oggs, subtype, fault, message):
    content = oggs[subtype]
    pages = page_starts(content)
    assert len(pages) > 5
    bad = {
        "half": content[: len(content) // 2],
        "last page": content[: pages[-1]],
        "hole": content[: pages[-3]] + content[pages[-2] :],
        "one bit": changed(content, (pages[-2] + 100, "B", content[pages[-2] + 100] ^ 1)),
    }[fault]
    with pytest.raises(AudioError, match=message):
        reading(tmp_path, bad, "x.ogg")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_whole_ogg_is_read_and_a_tag_behind_it_ignored(tmp_path, oggs, subtype):
    assert reading(tmp_path, oggs[subtype] + b"TAG" + bytes(125), "x.ogg").n_samples == 4 * RATE


def test_the_checksum_of_a_page_is_the_polynomial_division():
    """Against the definition: polynomial 0x04C11DB7, bit by bit, from zero."""
    content, remainder = bytes(range(1, 40)), 0
    for byte in content:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1) ^ (0x04C11DB7 if remainder >> 31 else 0)
            remainder &= 0xFFFF_FFFF
    assert crc(content) == remainder


# ---- 24 bits in words of 32 --------------------------------------------------------------

LOUD = np.round(X[0] * 2**23).astype("<i4")


@pytest.mark.parametrize("bits", [24, 32])
@pytest.mark.parametrize("padding", ["sign", "zero"])
@pytest.mark.parametrize(
    "words",
    [LOUD, LOUD >> 10, np.r_[np.zeros(N, "<i4"), LOUD], np.abs(LOUD), -np.abs(LOUD)],
    ids=["loud", "quiet", "after silence", "above zero", "below zero"],
)
def test_24_bits_at_the_low_end_of_32_are_put_right(tmp_path, bits, padding, words):
    """As `arecord -f S24_LE` writes them; libsndfile takes the quiet ones for 3 bytes each."""
    stored = words if padding == "sign" else words & 0xFFFFFF
    found = reading(tmp_path, wav(stored.astype("<i4").tobytes(), bits, 4))
    assert_array_equal(found.samples[0], (words / 2**23).astype(np.float32))
    assert found.notes == (LOW_BITS,)


@pytest.mark.parametrize(
    "words",
    [LOUD << 8, np.round(X[0] * 2.0**31).astype("<i4"), (LOUD >> 9) << 8, np.r_[LOUD, 1 << 30]],
    ids=["24 bits at the high end", "32 bits", "quiet 16 bits", "one loud sample"],
)
def test_other_words_of_32_bits_are_left_as_they_are(tmp_path, words):
    found = reading(tmp_path, wav(words.astype("<i4").tobytes(), 32, 4))
    assert_allclose(found.samples[0], words / 2**31, atol=2**-24)
    assert found.notes == ()


def test_24_bits_in_32_are_found_in_every_format(tmp_path):
    content = io.BytesIO()
    soundfile.write(content, LOUD, RATE, "PCM_32", format="AIFF")
    found = reading(tmp_path, content.getvalue())
    assert_array_equal(found.samples[0], (LOUD / 2**23).astype(np.float32))
    assert found.notes == (LOW_BITS,)


# ---- MP3 ---------------------------------------------------------------------------------


def test_the_mp3_decoder_prints_nothing_of_its_own(tmp_path, capfd):
    content = coded("MP3", np.tile(X[:1], 10), "MPEG_LAYER_III")
    with pytest.raises(AudioError, match=r"x\.mp3"):
        reading(tmp_path, content[:1500] + bytes(1000) + content[2500:], "x.mp3")
    assert capfd.readouterr() == ("", "")


def test_stderr_of_others_is_left_alone(tmp_path, capfd):
    (tmp_path / "x.wav").write_bytes(WAV)
    (tmp_path / "x.mp3").write_bytes(b"ID3" + bytes(10))
    for name in ("x.wav", "x.mp3"):
        with quiet_decoder(tmp_path / name):
            os.write(2, name.encode())
    os.write(2, b" end")
    assert capfd.readouterr().err == "x.wav end"


@pytest.mark.parametrize("size", [2**63 - 1, 2**64 - 1, 2**62])
@pytest.mark.parametrize("format", ["W64", "CAF"])
def test_a_chunk_larger_than_any_file_is_refused_or_read(tmp_path, format, size):
    """Sizes of 64 bits, of which the position behind the chunk is no position of a file."""
    path = tmp_path / f"a.{format.lower()}"
    soundfile.write(path, np.full((3200, 2), 0.1), 16_000, format=format, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    at = content.index(b"fmt ") + 16 if format == "W64" else content.index(b"desc") + 4
    content[at : at + 8] = size.to_bytes(8, "little" if format == "W64" else "big")
    path.write_bytes(content)
    try:
        assert read(path).n_samples == 3200
    except AudioError as error:
        assert "\n" not in str(error)
