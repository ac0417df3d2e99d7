"""`arrayenh stream`, with files in memory for standard input and output."""

import io
import json
import shlex
import signal
import sys

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio.pcm import Encoding
from arrayenh.chain.stream import StreamingEnhancer
from arrayenh.cli.interrupt import Interrupt
from arrayenh.cli.main import run
from tests.signals import RATE

QUICK = "--masks spp --postfilter mmse-lsa"
S16 = Encoding.named("s16le")
BLOCK = 160


@pytest.fixture(scope="module")
def sound():
    """Four microphones in 16 bits, 0.6 s: a common voice-like tone in noise."""
    rng = np.random.default_rng(0)
    t = np.arange(round(0.6 * RATE)) / RATE
    common = 0.1 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    samples = common + 0.02 * rng.standard_normal((4, t.size))
    return S16.decode(S16.encode(samples), 4)


@pytest.fixture(scope="module")
def expected(sound):
    """Output of the chain with the end that is still in it, and its latency."""
    stream = StreamingEnhancer(4, RATE, masks="spp", postfilter="mmse-lsa")
    whole = np.concatenate([stream.process(sound), stream.flush()])
    return S16.decode(S16.encode(whole[None]), 1)[0], stream.latency_samples


def wav(samples, kind="WAV", subtype="PCM_16"):
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE, subtype, format=kind)
    return file.getvalue()


class Source(io.BytesIO):
    """Standard input that does something before some of its reads."""

    def __init__(self, data, before=lambda count: None):
        super().__init__(data)
        self.count, self.before = 0, before

    def read(self, size=-1):
        self.count += 1
        self.before(self.count)
        return super().read(size)

    def seekable(self):
        return False


class Target(io.BytesIO):
    """Standard output of which the content outlives it, and which may close early."""

    def __init__(self, breaks_after=None):
        super().__init__()
        self.breaks_after = breaks_after

    def write(self, data):
        if self.breaks_after is not None and self.tell() >= self.breaks_after:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(data)

    def fileno(self):
        raise OSError("in memory")

    def close(self):
        pass


@pytest.fixture
def piped(monkeypatch, capfd):
    """Runs `arrayenh stream` on bytes; gives (exit code, output, stderr)."""

    def stream(line, data=b"", before=lambda count: None, breaks_after=None):
        source = data if isinstance(data, io.IOBase) else Source(data, before)
        target = Target(breaks_after)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(source))
            patch.setattr(sys, "stdout", io.TextIOWrapper(target))
            code = run(["stream", *shlex.split(line)])
        return code, target.getvalue(), capfd.readouterr().err

    return stream


def samples_of(data):
    found, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return found


def test_wav_in_wav_out_late_and_whole(piped, sound, expected):
    code, out, err = piped(QUICK, wav(sound))
    assert (code, err) == (0, "")
    assert_array_equal(samples_of(out), expected[0])


def test_raw_pcm_is_the_same_sound(piped, sound, expected):
    code, out, err = piped(f"{QUICK} --format s16le --rate 16000 --mics 4", S16.encode(sound))
    assert (code, err) == (0, "")
    assert_array_equal(S16.decode(out, 1)[0], expected[0])


def test_align_gives_timing_and_length_of_the_input(piped, sound, expected):
    code, out, _ = piped(f"{QUICK} --align", wav(sound))
    whole, late = expected
    assert_array_equal(samples_of(out), whole[late:])
    assert whole[late:].size == sound.shape[1]


def test_aligned_it_is_what_enhance_online_writes(piped, sound, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rec.wav").write_bytes(wav(sound))
    assert run(shlex.split(f"enhance rec.wav --online {QUICK} -o a.wav")) == 0
    code, out, _ = piped(f"rec.wav {QUICK} --align -o b.wav")
    assert (code, out) == (0, b"")
    assert_allclose(*(soundfile.read(name)[0] for name in ("a.wav", "b.wav")), atol=2 / 32768)
    assert soundfile.info("b.wav").format == "WAVEX"  # as RF64 becomes if it is small


def test_channels_of_a_wider_stream(piped, sound, expected):
    wide = np.stack([sound[3], 0 * sound[0], sound[0], sound[2], sound[1]])
    line = f"{QUICK} --format s16le --rate 16000 --interleaved 5 --channels 2,4,3,0"
    code, out, err = piped(line, S16.encode(wide))
    assert (code, err) == (0, "")
    assert_array_equal(S16.decode(out, 1)[0], expected[0])


@pytest.mark.parametrize(
    ("line", "name", "head"),
    [
        ("--encoding f32le", "f32le", 44),
        ("--to raw", "s16le", 0),
        ("--to raw --encoding s24be", "s24be", 0),
    ],
)
def test_kind_of_the_output(piped, sound, expected, line, name, head):
    code, out, _ = piped(f"{QUICK} {line}", wav(sound))
    found = Encoding.named(name).decode(out[head:], 1)[0]
    assert_allclose(found, expected[0], atol=0.6 / 32768)
    assert found.size == expected[0].size


def test_each_block_is_written_before_the_next_is_read(piped, sound):
    written = {}

    def before(count):
        written[count] = len(sys.stdout.buffer.getvalue())

    piped(f"{QUICK} --format s16le --rate 16000 --mics 4", S16.encode(sound), before)
    # the first read looks for a WAV header, the second completes the first block
    assert [written[k] for k in range(2, 12)] == [2 * BLOCK * k for k in range(10)]


def test_statistics_as_json_on_stderr(piped, sound, expected):
    code, out, err = piped(f"{QUICK} --json", wav(sound))
    found = json.loads(err)
    assert code == 0
    assert found["latency_ms"] == 1000 * expected[1] / RATE
    assert found["channels"] == [0, 1, 2, 3]
    assert found["seconds"] * RATE == pytest.approx(expected[0].size)
    assert 0 < found["real_time_factor"] < 10 * found["worst_block_ms"]
    assert found["settings"]["masks"] == "spp"
    assert_array_equal(samples_of(out), expected[0])


def test_a_microphone_that_dies_is_noted_as_it_happens(piped, sound):
    dying = sound.copy()
    dying[2, RATE // 4 :] = 0
    code, _, err = piped(QUICK, wav(dying))
    assert code == 0
    assert err.startswith("note: 0.3 s: microphone 2 is dead: left out")


def test_ctrl_c_writes_what_is_still_in_the_chain(piped, sound, expected):
    def before(count):
        if count == 20:
            signal.raise_signal(signal.SIGINT)

    line = f"{QUICK} --format s16le --rate 16000 --mics 4"
    handler = signal.getsignal(signal.SIGINT)
    code, out, err = piped(line, S16.encode(sound), before)
    assert (code, err) == (130, "arrayenh: interrupted\n")
    n = 18 * BLOCK  # two reads for the first block, one for each of the others
    assert len(out) == 2 * (n + expected[1])
    assert_array_equal(S16.decode(out, 1)[0, :n], expected[0][:n])
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_does_not_stop_the_work_between_two_waits():
    with Interrupt() as gate:
        signal.raise_signal(signal.SIGTERM)
        assert gate.came
        with pytest.raises(KeyboardInterrupt), gate.wait():
            pytest.fail("waited")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # whoever asks twice does not want to wait


def test_an_output_that_is_closed_ends_the_stream_quietly(piped, sound):
    code, out, err = piped(QUICK, wav(sound), breaks_after=1000)
    assert (code, err) == (0, "")
    assert 1000 <= len(out) < 1000 + 2 * BLOCK


def test_samples_beyond_full_scale_are_clipped_and_counted(piped, sound):
    loud = (sound / np.abs(sound).max() * 3).astype(np.float32)
    code, _, err = piped(
        f"{QUICK} --strength 0 --to raw --encoding s16le", wav(loud, "WAV", "FLOAT")
    )
    stream = StreamingEnhancer(4, RATE, masks="spp", postfilter="mmse-lsa", strength=0)
    n_loud = np.count_nonzero(np.abs(stream.process(loud)) > 1)
    n_loud += np.count_nonzero(np.abs(stream.flush()) > 1)
    assert n_loud > 1000 and code == 0
    assert f"{n_loud} samples of the output were beyond full scale" in err


def test_pieces_of_the_usual_options_work(piped, sound):
    line = "--profile gentle --array circular4-35mm --doa 30 --beamformer das --postfilter none"
    code, _, err = piped(f"{line} --json", wav(sound))
    assert code == 0
    assert json.loads(err)["direction_deg"] == pytest.approx(30)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("missing.wav", "missing.wav: No such file or directory"),
        ("", "standard input is empty"),
        ("--rate 16000", "--rate is for raw PCM, which needs --format"),
        ("--format s16le", "give --rate HZ and --mics N"),
        ("--format s16le --rate 16000 --mics 0", "--mics must be at least 1"),
        ("--format s17 --rate 16000 --mics 4", "unknown sample format 's17'"),
        ("--format s16le --rate 500 --mics 4", "--rate must be 8000 to 192000"),
        ("--to mp3", "unknown --to 'mp3'"),
        ("--to raw -o a.wav", "--to is for a pipe"),
        ("-o a.mp3", "no known sound suffix"),
        ("-o no/a.wav", "the folder no does not exist"),
        ("--encoding loud", "unknown sample format 'loud'"),
        ("--block 0", "--block must be 0.1 to 1000"),
        ("--mics 7", "has 4 channels"),
        ("--channels 0,4", "channel 4 is asked for"),
        ("--array circular6-46mm", "circular6-46mm has 6 microphones"),
        ("--doa 30", "needs the array's geometry"),
        ("--reference 5", "reference 5 is not among the channels"),
        ("--profile nonsense", "unknown profile"),
        ("--masks nonsense", "nonsense"),
    ],
)
def test_what_is_wrong_is_one_line(piped, sound, line, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    masks = "" if "--masks" in line else "--masks spp"
    data = b"" if line == "" else wav(sound)
    code, out, err = piped(f"{line} {masks} --postfilter none", data)
    assert (code, out, err.count("\n")) == (2, b"", 1)
    assert err.startswith("arrayenh: ") and words in err
    assert list(tmp_path.iterdir()) == []


class Terminal(io.BytesIO):
    def isatty(self):
        return True


def test_a_terminal_is_no_pipe(piped, sound, monkeypatch, capfd):
    code, _, err = piped("", Terminal())
    assert code == 2 and "no sound on standard input" in err
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Terminal()))
    assert run(["stream"]) == 2
    assert "the sound would go to the terminal" in capfd.readouterr().err


def test_other_commands_still_refuse_pipes(capfd):
    assert run(["enhance", "-"]) == 2
    assert "a pipe can be neither read nor written" in capfd.readouterr().err
