import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording, read
from arrayenh.chain import enhancer as pipeline
from arrayenh.chain.profile import resolve
from arrayenh.chain.settings import Settings
from arrayenh.cli.main import run
from arrayenh.microphones.diagnostics import survey
from arrayenh.microphones.geometry import load_array, preset_names
from arrayenh.version import __version__
from tests.signals import RATE, arrivals, delayed, diffuse_noise, level_db, voice

ROOT = Path(__file__).parents[2]
COMMANDS = ["enhance", "demo", "inspect", "score", "arrays", "arrays list", "arrays show"]
COMMANDS += ["localize", "separate", "benchmark", "qa", "models", "models show"]
COMMANDS += ["stream", "live", "devices"]
COMMANDS += ["arrays beampattern", "scene", "scene list", "scene show", "simulate"]


@pytest.fixture(scope="session")
def speech():
    """A voice from 60 degrees in diffuse noise at four microphones, 2 s at 16 kHz."""
    rng, positions = np.random.default_rng(0), load_array("circular4-35mm").positions
    mixture = 0.05 * delayed(voice(rng, 2 * RATE), arrivals(positions, np.deg2rad(60)))
    mixture += 0.01 * diffuse_noise(rng, positions, 2 * RATE, n_waves=24)
    return mixture.astype(np.float32)


def save(path, samples, rate=RATE, subtype="PCM_16", **words):
    """A sound file, (M, N) or (N,), as any other program may write it."""
    samples = np.atleast_2d(samples)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, len(samples), subtype) as file:
        for key, value in words.items():
            setattr(file, key, value)
        file.write(samples.T)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch, speech):
    """The current folder: rec.wav with four channels, and m0.wav to m3.wav."""
    monkeypatch.chdir(tmp_path)
    save("rec.wav", speech)
    for m in range(4):
        save(f"m{m}.wav", speech[m])
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs a command line; gives (exit code, stdout, stderr)."""

    def arrayenh(line, *more):
        capsys.readouterr()
        code = run([*shlex.split(line), *map(str, more)])
        return code, *capsys.readouterr()

    return arrayenh


@pytest.fixture
def done(call):
    """Runs a command line that must succeed without a word on stderr; gives stdout."""

    def arrayenh(line, *more):
        code, out, err = call(line, *more)
        assert (code, err) == (0, "")
        return out

    return arrayenh


def listing(folder="."):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))


def in_a_process(*arguments, **options):
    command = [sys.executable, "-m", "arrayenh", *arguments]
    options = {"capture_output": True, "text": True} | options
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run(command, env=environment | options.pop("env", {}), **options)


# ---- what is wrong is one line and exit code 2 -------------------------------------------


def bad_files(folder, speech):
    """Inputs and outputs that something is wrong with, beside some that are fine."""
    os.chdir(folder)
    save("rec.wav", speech)
    save("other/rec.wav", speech)
    save("m0.wav", speech[0])
    save("short.wav", speech[1, :-1000])
    save("m8k.wav", speech[1], 8000)
    save("stereo.wav", speech[:2])
    save("slow.wav", speech, 7999)
    save("fast.wav", speech, 384_000)
    save("zero.wav", np.zeros((2, 0)))
    save("turned.wav", np.zeros((100, 8)))
    save("clean 5 s.wav", np.zeros(5 * RATE))
    save("whole.flac", speech)
    for name, value in (("nan.wav", np.nan), ("huge.wav", 1e30)):
        x = speech.copy()
        x[2, 20_000] = value
        save(name, x, subtype="FLOAT")
    for name in ("rec.wav", "whole.flac"):
        content = Path(name).read_bytes()
        Path("cut").with_suffix(Path(name).suffix).write_bytes(content[: len(content) // 2])
    Path("empty.wav").touch()
    Path("text.wav").write_text("not a sound\n" * 100)
    Path("array.json").write_text('{"mic_positions_m": [[0, 0]]}')
    for name in ("bare", "page.html", "stages"):
        os.mkdir(name)
    for name in ("old.wav", "old.html", "old.png", "stages/rec_enhanced.mvdr.wav"):
        Path(name).touch()
    Path("bad.toml").write_text("strength = ")
    Path("unknown.toml").write_text("strenght = 1")
    Path("type.toml").write_text("strength = '1'")
    Path("date.toml").write_text("strength = 2024-01-01")


@pytest.fixture(scope="module")
def bad(tmp_path_factory, speech):
    folder, before = tmp_path_factory.mktemp("bad"), os.getcwd()
    bad_files(folder, speech)
    os.chdir(before)
    return folder


RING = "--array circular4-35mm"
LCMV = f"enhance rec.wav --beamformer lcmv {RING} --doa 60"
BINAURAL = "enhance rec.wav --beamformer binaural-mwf"
WRONG = {
    # what is to be read
    "enhance missing.wav": "missing.wav does not exist",
    "enhance nofolder/": "does not exist",
    "enhance ''": "REC is empty",
    "enhance ,": "no file given",
    "enhance bare": "the folder bare holds no recording",
    "enhance 'x*.wav'": "no recording matches x*.wav",
    "enhance empty.wav": "empty.wav cannot be read as audio WAV, FLAC",
    "enhance text.wav": "text.wav cannot be read as audio WAV, FLAC",
    "enhance bad.toml": "bad.toml cannot be read as audio",
    "enhance /dev/null": "/dev/null no regular file",
    "enhance zero.wav": "zero.wav is empty: it holds no samples",
    "enhance cut.wav": "cut.wav is cut short ffmpeg",
    "enhance cut.flac": "cut.flac damaged",
    "enhance nan.wav": "nan.wav holds NaN channel 2 1.250 s leave out the channel",
    "enhance huge.wav": "huge.wav holds samples as high as 1e+30 channel 2",
    "enhance turned.wav": "more channels (100) than samples (8) transposed",
    "enhance slow.wav": "7999 Hz; 8 to 192 kHz resample",
    "enhance fast.wav": "384000 Hz; 8 to 192 kHz resample",
    "enhance m0.wav,gone.wav": "gone.wav does not exist",
    "enhance m0.wav,short.wav": "short.wav has 31000 samples but m0.wav has 32000 --pad",
    "enhance m0.wav,m8k.wav": "m8k.wav has 8000 Hz but m0.wav has 16000 Hz resample",
    "enhance m0.wav,stereo.wav": "stereo.wav has 2 channels must be mono",
    "enhance " + 300 * "x" + ".wav": "name too long",
    # channels
    "enhance rec.wav --channels 0,0": "--channels each channel once 0, 0",
    "enhance rec.wav --channels -1,0": "--channels from 0 on -1, 0",
    "enhance rec.wav --channels 0,9": "rec.wav has 4 channels, 0 to 3: no channel 9",
    "enhance rec.wav --channels abc": "--channels wants numbers like 0,2,3,5; got 'abc'",
    "enhance rec.wav --channels ''": "--channels wants numbers",
    "enhance rec.wav --channels 1,2 --mics 3": "--mics 3 contradicts the 2 of --channels",
    "enhance rec.wav --mics 0": "--mics must be at least 1; got 0",
    "enhance rec.wav --mics -1": "--mics must be at least 1; got -1",
    "enhance stereo.wav --mics 3": "stereo.wav has 2 channels, fewer than the 3 of --mics",
    "enhance rec.wav --reference 9": "reference 9 is not among the channels in use, 0, 1, 2, 3",
    "enhance rec.wav --reference -1": "reference must be 0 to",
    "enhance rec.wav --reference abc": "reference should be auto or a channel; got 'abc'",
    "enhance rec.wav --channels 1,2 --reference 0": "reference 0 channels in use, 1, 2",
    "enhance rec.wav --mics 2 --reference 3": "reference 3 channels in use, 0, 1",
    # arrays and directions
    "enhance rec.wav --array liner4-35mm": "'liner4-35mm': did you mean linear4-35mm",
    "enhance rec.wav --array linear8-35mm": "8 microphones but rec.wav gives 4 --mics --channels",
    "enhance rec.wav --array array.json": "array.json",
    "enhance rec.wav --array gone.json": "cannot read gone.json 'arrayenh arrays list'",
    "enhance rec.wav --doa abc": "doa should be auto or an azimuth in degrees; got 'abc'",
    "enhance rec.wav --doa 30": "needs the array's geometry --array",
    "enhance rec.wav --doa nan --array square4-46mm": "doa must be -360 to 360; got nan",
    "enhance rec.wav --beamformer das": "needs the array's geometry --array",
    # settings
    "enhance rec.wav --strength nan": "strength must be 0 to 1; got nan",
    "enhance rec.wav --strength 2": "strength must be 0 to 1; got 2",
    "enhance rec.wav --strength abc": "'--strength' number 'arrayenh enhance --help'",
    "enhance rec.wav --rate 1": "--rate must be 8000 to 192000 Hz; got 1",
    "enhance rec.wav --rate abc": "'--rate' integer",
    "enhance rec.wav --segment 0.001": "segment_seconds must be 1 to 3600; got 0.001",
    "enhance rec.wav --segment 1e9": "segment_seconds must be 1 to 3600; got 1e+09",
    "enhance rec.wav --beamformer mvrd": "unknown beamformer 'mvrd' (did you mean mvdr?); use",
    "enhance rec.wav --masks telepathy": "unknown masks 'telepathy'; use",
    "enhance rec.wav --postfilter x": "unknown postfilter 'x'; use mmse-lsa, mmse-stsa, wiener",
    "enhance rec.wav --profile gentl": "'gentl' conference, gentle, hearing-aid, low-latency",
    "enhance rec.wav --profile bad.toml": "bad.toml is not TOML",
    "enhance rec.wav --profile unknown.toml": "unknown key 'strenght' (did you mean strength?)",
    "enhance rec.wav --profile type.toml": "strength number '1'",
    "enhance rec.wav --profile date.toml": "strength number 2024-01-01",
    "enhance rec.wav --jobs 0": "'--jobs' greater than or equal to 1",
    # beamformers by name, and what each needs
    f"{LCMV} --nulls 1,2,3,4": "4 microphones keep one direction and at most 3 nulls; got 4",
    f"{LCMV} --nulls 30,x": "nulls wants numbers joined by commas; got '30,x'",
    f"{LCMV} --nulls nan": "nulls wants numbers joined by commas; got 'nan'",
    "enhance rec.wav --nulls 30": "nulls need beamformer lcmv; got mvdr",
    "enhance rec.wav --beamformer lcmv": "lcmv needs the array's geometry --array",
    f"enhance rec.wav --beamformer lcmv {RING}": "lcmv needs a direction: --doa",
    "enhance rec.wav --noise 1-3": "noise 1-3 ends after rec.wav, which is 2.0 s long",
    "enhance rec.wav --noise 0-0.1": "noise 0-0.1 is shorter than 0.128 s, one frame",
    "enhance rec.wav --noise abc": "noise wants a stretch of time like 0:00-0:02; got 'abc'",
    "enhance rec.wav --noise 2-1": "noise wants a stretch of time like 0:00-0:02; got '2-1'",
    "enhance rec.wav --beamformer binaural-mwf": "without ears (--ears LEFT,RIGHT) --array",
    f"{BINAURAL} --ears 0,9": "ear 9 is not among the microphones in use, 0, 1, 2, 3",
    f"{BINAURAL} --ears 0": "ears must be two channels, left,right; got '0'",
    f"{BINAURAL} --ears left,right": "ears wants numbers joined by commas; got 'left,right'",
    f"{BINAURAL} --array linear4-35mm": "microphones left and right none on one side --ears",
    f"{BINAURAL} --ears 0,1 --postfilter zelinski": "zelinski needs a beamformer with one output",
    f"{BINAURAL} --ears 0,1 --partial 2": "partial must be 0 to 1; got 2",
    "enhance rec.wav --online --beamformer gev": "gev has no online form; das, mvdr, rank1-mwf",
    "enhance rec.wav --online --noise 0-1": "online statistics leave noise out",
    "enhance rec.wav --online --memory 0": "memory_seconds must be 0.05 to 3600; got 0",
    "enhance rec.wav --online --postfilter zelinski": "zelinski is not online; use mmse-lsa",
    "enhance rec.wav --postfilter mccowan": "mccowan needs the array's geometry --array",
    "enhance rec.wav --beamformer none --postfilter zelinski": "zelinski needs a beamformer",
    "enhance rec.wav --beamformer mwf --mu -1": "mu must be 0 to 1000; got -1",
    "enhance rec.wav --beamformer mcwf --frames 0": "frames must be 1 to 16; got 0",
    "enhance rec.wav --beamformer mcwf --frames 2.5": "'--frames' integer",
    f"enhance rec.wav {RING} --doa 0 --distance 0": "distance must be 0.05 to 1000; got 0",
    f"enhance rec.wav {RING} --doa 0 --distance 1 --head": "far field: give head or distance",
    "enhance rec.wav --array linear4-35mm --doa 0 --head": "microphone 1 18 mm cannot be on a head",
    "enhance rec.wav --dereverb wep": "unknown dereverb 'wep' (did you mean wpe?); use wpe, none",
    "enhance rec.wav --noise-tracker x": "unknown noise_tracker 'x'; use",
    # what is to be written
    "enhance rec.wav -o old.wav": "old.wav exists; use --overwrite",
    "enhance rec.wav -o rec.wav --overwrite": "rec.wav is an input give the output another name",
    "enhance rec.wav -o x.mp3": "x.mp3 .mp3 cannot be written .flac .wav",
    "enhance rec.wav -o m0.wav/x.wav": "m0.wav is a file",
    "enhance rec.wav m0.wav -o x.wav": "x.wav is one file for 2 recordings folder",
    "enhance rec.wav other/rec.wav -o x": "would both write x/rec_enhanced.wav",
    "enhance rec.wav -o " + 300 * "x" + ".wav": "name too long",
    "enhance rec.wav --report x.txt": "--report x.txt should end in .html",
    "enhance rec.wav --report page.html": "page.html is a folder",
    "enhance rec.wav --report old.html": "old.html exists; use --overwrite",
    "enhance rec.wav m0.wav --report x.html": "--report is one file for 2 recordings",
    "enhance rec.wav --stages stages": "rec_enhanced.mvdr.wav exists; use --overwrite",
    "enhance rec.wav --stages m0.wav": "m0.wav is a file",
    "enhance rec.wav other/rec.wav --stages x": "2 recordings would write x/rec_enhanced",
    # wrong for every recording of a batch: no batch
    "enhance rec.wav m0.wav --array bogus": "unknown array 'bogus'",
    "enhance rec.wav m0.wav --rate 5": "--rate must be",
    "enhance rec.wav m0.wav --mics 0": "--mics must be",
    # the command line itself
    "enhance": "Missing argument 'REC...'. 'arrayenh enhance --help'",
    "enhance rec.wav --nosuch": "No such option: --nosuch 'arrayenh enhance --help'",
    "enhnace": "'enhnace' Did you mean 'enhance'?",
    "arrays": "Missing command 'arrayenh arrays --help'",
    "inspect missing.wav": "missing.wav does not exist",
    "inspect bare": "the folder bare holds no recording",
    "inspect nan.wav": "NaN channel 2",
    "inspect rec.wav --channels 9": "no channel 9",
    "inspect rec.wav --mics 0": "--mics must be at least 1",
    "score rec.wav": "Missing argument",
    "score rec.wav missing.wav": "missing.wav does not exist",
    "score m0.wav m8k.wav": "m8k.wav has 8000 Hz but m0.wav has 16000 Hz resample",
    "score m0.wav 'clean 5 s.wav'": "differ in length, 32000 to 80000 samples",
    "score rec.wav m0.wav --channel 4": "rec.wav has 4 channels, 0 to 3: no channel 4",
    "score rec.wav m0.wav --channel -1": "no channel -1",
    "arrays show bogus": "unknown array 'bogus' 'arrayenh arrays list'",
    "arrays show linear4-35mm -o x.bmp": "x.bmp should end in .png .json",
    "arrays show linear4-35mm -o old.png": "old.png exists; use --overwrite",
    "arrays show linear4-35mm -o gone/x.json": "gone/x.json",
    "demo -o m0.wav": "m0.wav is a file",
    "demo --seed -1": "'--seed' greater than or equal to 0",
}


@pytest.mark.parametrize("line", WRONG, ids=lambda line: line[:60])
def test_what_is_wrong_is_one_line_and_exit_code_2(bad, monkeypatch, call, line):
    """It says what and how to mend it; stdout stays empty, nothing is left behind."""
    monkeypatch.chdir(bad)
    before = listing()
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert err.startswith("arrayenh: ") and err.count("\n") == 1 and err.endswith("\n")
    wanted = WRONG[line].lower()
    assert wanted in err.lower() or all(word in err.lower() for word in wanted.split())
    assert listing() == before


def test_a_mistake_of_ours_is_said_to_be_one(here, call, monkeypatch):
    monkeypatch.setattr(pipeline.Session, "stages", lambda self: 1 / 0)
    code, out, err = call("enhance rec.wav --stages st")
    assert (code, out) == (70, "")
    assert "ZeroDivisionError" in err and "bug in arrayenh: please report" in err.splitlines()[-1]
    assert not list(here.rglob("*enhanced*"))


@pytest.mark.parametrize(
    "error, words",
    [
        (MemoryError(), "not enough memory; try a shorter --segment or fewer --jobs"),
        (PermissionError(13, "Permission denied", "rec.wav"), "rec.wav: Permission denied"),
    ],
)
def test_what_the_machine_refuses_is_one_line_too(here, call, monkeypatch, error, words):
    def refuse(self):
        raise error

    monkeypatch.setattr(pipeline.Session, "stages", refuse)
    assert call("enhance rec.wav") == (2, "", f"arrayenh: {words}\n")
    code, out, err = call("enhance rec.wav m0.wav")
    assert code == 1 and out == "" and err.count(words) == 2


# ---- one recording -----------------------------------------------------------------------


def test_the_result_stands_beside_the_recording_and_is_like_it(here, done):
    out = done("enhance rec.wav")
    result = read("rec_enhanced.wav")
    assert (result.n_mics, result.n_samples) == (1, 2 * RATE)
    assert (result.sample_rate, result.subtype) == (RATE, "PCM_16")
    assert "stages    reference > mvdr > neural" in out and "channels  0, 1, 2, 3" in out
    assert "written   rec_enhanced.wav (16000 Hz)" in out


def test_it_takes_noise_away_and_leaves_the_voice(here, done, speech):
    """In the first sample of each syllable gap there is noise alone.

    By statistics: no network takes vowels of two formants for speech.
    """
    done("enhance rec.wav --masks cacgmm --postfilter mmse-lsa")
    out = read("rec_enhanced.wav").samples[0]
    gap = (np.arange(2 * RATE) / RATE) % 0.4 > 0.26
    assert level_db(out[gap]) < level_db(speech[0, gap]) - 10
    assert level_db(out[~gap]) == pytest.approx(level_db(speech[0, ~gap]), abs=1.5)


def test_in_python_the_same_comes_out(here, done, speech):
    done("enhance rec.wav -o out.wav")
    whole = pipeline.enhance(read("rec.wav"))
    assert_allclose(read("out.wav").samples[0], whole.samples, atol=2**-15)


OPTIONS = {
    "--beamformer filter-and-sum --doa 60": {"beamformer": "filter-and-sum", "doa": 60.0},
    "--beamformer superdirective": {"beamformer": "superdirective"},
    "--beamformer mpdr --doa auto": {"beamformer": "mpdr", "doa": "auto"},
    "--beamformer lcmv --doa 60 --nulls=-60,180": {
        "beamformer": "lcmv",
        "doa": 60.0,
        "nulls": "-60,180",
    },
    "--beamformer gsc --doa 60 --distance 0.5": {
        "beamformer": "gsc",
        "doa": 60.0,
        "distance": 0.5,
    },
    "--doa 60 --head": {"doa": 60.0, "head": True},
    "--beamformer mwf --mu 5": {"beamformer": "mwf", "mu": 5.0},
    "--beamformer rank1-mwf --noise 0:01.6-0:02": {
        "beamformer": "rank1-mwf",
        "noise": "0:01.6-0:02",
    },
    "--beamformer gev --masks spp": {"beamformer": "gev", "masks": "spp"},
    "--beamformer mcwf --frames 2": {"beamformer": "mcwf", "frames": 2},
    "--beamformer wpd": {"beamformer": "wpd"},
    "--beamformer binaural-mwf --ears 1,3": {"beamformer": "binaural-mwf", "ears": "1,3"},
    "--beamformer binaural-mwf --partial 0.6": {"beamformer": "binaural-mwf", "partial": 0.6},
    "--online": {"online": True},
    "--online --beamformer rank1-mwf --memory 0.3": {
        "online": True,
        "beamformer": "rank1-mwf",
        "memory_seconds": 0.3,
    },
    "--dereverb wpe": {"dereverb": "wpe"},
    "--reference 2": {"reference": 2},
    "--postfilter zelinski": {"postfilter": "zelinski"},
    "--postfilter mccowan": {"postfilter": "mccowan"},
    "--postfilter om-lsa --noise-tracker minimum-statistics": {
        "postfilter": "om-lsa",
        "noise_tracker": "minimum-statistics",
    },
}


@pytest.fixture(scope="module")
def usual(speech):
    """What comes out without any option."""
    return pipeline.enhance(Recording(speech, RATE)).samples


@pytest.mark.parametrize("options", OPTIONS)
def test_each_option_sets_what_it_says(here, call, usual, options):
    """As in Python with the same settings, and not as without."""
    code, _, err = call(f"enhance rec.wav {RING} -o out.wav {options}")
    assert code == 0 and "arrayenh:" not in err
    config = Settings(**OPTIONS[options])
    wanted = pipeline.enhance(read("rec.wav"), "circular4-35mm", config).samples
    found = read("out.wav").samples
    assert len(found) == (2 if config.beamformer == "binaural-mwf" else 1)
    assert_allclose(found, np.atleast_2d(wanted), atol=2**-15)
    assert (np.abs(found - usual) > 2**-12).any()


def test_two_ears_are_a_stereo_file_with_left_first(here, done, speech):
    out = done("enhance rec.wav --beamformer binaural-mwf --ears 1,3 --stages st --json")
    assert json.loads(out)["stages"] == ["reference", "binaural-mwf", "neural"]
    assert (here / "st/rec_enhanced.binaural-mwf.wav").exists()
    result = read("rec_enhanced.wav")
    assert (result.n_mics, result.n_samples) == (2, 2 * RATE)
    assert_allclose(read("st/rec_enhanced.reference.wav").samples, speech[[1, 3]], atol=2**-14)
    for y, ear in zip(result.samples, (1, 3), strict=True):
        likeness = [np.sum(y * speech[m]) for m in range(4)]
        assert np.argmax(likeness) == ear


def test_every_stage_is_written_in_its_order(here, done):
    out = done("enhance rec.wav --dereverb wpe --beamformer gev --postfilter om-lsa --stages st")
    assert "stages    reference > wpe > gev > om-lsa" in out
    names = [f"rec_enhanced.{name}.wav" for name in ("gev", "om-lsa", "reference", "wpe")]
    assert listing("st") == ["enhance.toml", *names]
    last, result = (
        read(f"{name}.wav").samples for name in ("st/rec_enhanced.om-lsa", "rec_enhanced")
    )
    assert_allclose(last, result, rtol=0, atol=2**-15)
    # what is dereverberated is the reference microphone, but for some of its sound
    reference, wpe = (read(f"st/rec_enhanced.{n}.wav").samples for n in ("reference", "wpe"))
    assert -30 < level_db(reference - wpe) - level_db(reference) < -3


def test_a_report_of_two_ears_can_be_written(here, done):
    done("enhance rec.wav --beamformer binaural-mwf --ears 1,3 --report page.html")
    assert "binaural" in (here / "page.html").read_text().lower()


def test_the_best_reference_is_named(here, call, speech):
    noisy = speech + 0.05 * np.random.default_rng(5).standard_normal(speech.shape)
    noisy[3] = speech[3]
    save("noisy.wav", noisy)
    code, out, err = call("enhance noisy.wav --reference auto --stages st")
    assert code == 0 and "reference: channel 3" in err
    assert_allclose(read("st/noisy_enhanced.reference.wav").samples, speech[3:], atol=2**-14)


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff", "caf", "w64", "rf64", "ogg"])
def test_the_suffix_chooses_the_format(here, done, suffix):
    done(f"enhance rec.wav -o out.{suffix}")
    info = soundfile.info(f"out.{suffix}")
    assert (info.channels, info.frames, info.samplerate) == (1, 2 * RATE, RATE)
    assert info.format.lower().startswith(suffix)


@pytest.mark.parametrize(
    "suffix, subtype, result",
    [
        ("wav", "PCM_24", "PCM_24"),
        ("wav", "FLOAT", "FLOAT"),
        ("wav", "PCM_U8", "PCM_U8"),
        ("flac", "PCM_24", "PCM_24"),
        ("ogg", "VORBIS", "PCM_16"),
        ("mp3", "MPEG_LAYER_III", "PCM_16"),  # libsndfile says WAV may hold it, and refuses
    ],
)
def test_format_and_words_of_the_recording_are_kept(here, done, speech, suffix, subtype, result):
    n_mics = 2 if suffix == "mp3" else 4
    words = {} if suffix == "mp3" else {"title": "Meeting ü", "artist": "Table 4"}
    save(f"in.{suffix}", speech[:n_mics], subtype=subtype, **words)
    done(f"enhance in.{suffix}")
    back = read("in_enhanced.wav")
    assert back.subtype == result
    assert words.items() <= dict(back.metadata).items()


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_rate_and_length_are_the_recordings(here, call, speech, rate):
    save("in.wav", speech, rate)
    code, _, err = call("enhance in.wav --masks cacgmm --postfilter none")
    result = read("in_enhanced.wav")
    assert (code, result.sample_rate, result.n_samples) == (0, rate, 2 * RATE)
    assert ("it is empty above 8000 Hz" in err) == (rate > 16_000)
    if rate > 16_000:
        spectrum = np.abs(np.fft.rfft(result.samples[0])) ** 2
        freqs = np.fft.rfftfreq(2 * RATE, 1 / rate)
        assert spectrum[freqs > 8500].sum() < 1e-6 * spectrum.sum()


@pytest.mark.parametrize("rate", [8000, 11_025, 12_000])
def test_at_another_rate_the_sound_is_the_same(here, done, speech, rate):
    """There and back, but for the highest of its frequencies."""
    spectrum = np.fft.rfft(speech[0])
    spectrum[np.fft.rfftfreq(2 * RATE, 1 / rate) > 0.4 * rate] = 0
    slow = np.fft.irfft(spectrum, 2 * RATE)
    save("in.wav", slow, rate, "FLOAT")
    done("enhance in.wav --postfilter none --beamformer none")
    assert level_db(read("in_enhanced.wav").samples[0] - slow) < level_db(slow) - 50


@pytest.mark.parametrize("rate", [8000, 24_000, 44_100])
def test_another_rate_of_the_output(here, call, rate):
    code, out, err = call(f"enhance rec.wav --rate {rate} -o out.wav")
    result = read("out.wav")
    assert (code, result.sample_rate, result.n_samples) == (0, rate, 2 * rate)
    assert f"out.wav ({rate} Hz)" in out and bool(err) == (rate > 16_000)


@pytest.mark.parametrize(
    "options, channel",
    [
        ("", 0),
        ("--reference 2", 2),
        ("--channels 3,1", 3),
        ("--channels 3,1 --reference 1", 1),
        ("--mics 2 --reference 1", 1),
        ("--postfilter none --beamformer none", 0),
    ],
)
def test_strength_zero_is_the_reference_microphone(here, call, speech, options, channel):
    save("in.wav", speech, subtype="FLOAT")
    strength = "" if "none" in options else "--strength 0"
    assert call(f"enhance in.wav {options} {strength}")[0] == 0
    assert_allclose(read("in_enhanced.wav").samples[0], speech[channel], atol=1e-6)


def test_strength_blends(here, done, speech):
    save("in.wav", speech, subtype="FLOAT")
    for strength in (0.25, 1):
        done(f"enhance in.wav --strength {strength} -o out{strength}.wav")
    whole, part = (read(f"out{strength}.wav").samples[0] for strength in (1, 0.25))
    assert_allclose(part, 0.75 * speech[0] + 0.25 * whole, atol=1e-6)


def test_fewer_microphones_are_the_first_ones_and_it_says_so(here, call, speech):
    save("two.wav", speech[:2])
    code, out, err = call("enhance rec.wav --mics 2 -o a.wav")
    assert code == 0 and "channels  0, 1\n" in out
    assert err == "note: rec.wav: channels used: the first 2 of 4\n"
    call("enhance two.wav -o b.wav")
    assert_array_equal(read("a.wav").samples, read("b.wav").samples)


def test_one_mono_file_per_microphone_is_as_one_file(here, done, speech):
    done("enhance m0.wav,m1.wav,m2.wav,m3.wav -o a.wav")
    done("enhance rec.wav -o b.wav")
    assert_array_equal(read("a.wav").samples, read("b.wav").samples)


def test_shorter_mono_files_are_padded_when_asked(here, done, speech):
    save("short.wav", speech[1, :-3000])
    done("enhance m0.wav,short.wav --pad -o out.wav")
    assert read("out.wav").n_samples == 2 * RATE


def test_one_microphone_works_and_it_says_so(here, call):
    code, out, err = call("enhance m0.wav")
    assert code == 0 and "reference > neural" in out
    assert err == "note: m0.wav: one microphone: the spatial stages are skipped\n"


def test_rows_of_the_array_follow_the_channels(here, call):
    """The talker is at 60 degrees; with the channels turned by one, so is the array."""
    line = "enhance rec.wav --beamformer das --array circular4-35mm"
    for channels, azimuth in (("0,1,2,3", 60), ("1,2,3,0", -30)):
        code, _, err = call(f"{line} --channels {channels} -o out{azimuth}.wav")
        assert code == 0
        assert float(err.split("talker: ")[1].split(" ")[0]) == pytest.approx(azimuth, abs=3)
    steered, _, err = call(f"{line} --doa 60 -o steered.wav")
    assert (steered, err) == (0, "")


def test_stages_are_written_with_the_settings_that_made_them(here, call, speech):
    line = "enhance rec.wav --stages st --strength 0.5 --segment 1 -o out.wav"
    assert call(line)[0] == 0  # segments so short may leave a bin with hardly any noise: a note
    names = ["enhance.toml", "out.mvdr.wav", "out.neural.wav", "out.reference.wav"]
    assert listing("st") == names
    assert resolve("st/enhance.toml", {}) == Settings(strength=0.5, segment_seconds=1.0)
    reference, final = (read(f"st/out.{n}.wav").samples for n in ("reference", "neural"))
    assert_allclose(reference, read("rec.wav").samples[:1], atol=1e-7)
    assert_allclose(read("out.wav").samples, (reference + final) / 2, atol=2**-15)
    assert call("enhance rec.wav --profile st/enhance.toml -o again.wav")[0] == 0
    assert Path("again.wav").read_bytes() == Path("out.wav").read_bytes()


def test_a_report_is_written_into_a_new_folder_too(here, done):
    done("enhance rec.wav --report pages/rec.html -o out/rec.wav")
    assert listing("pages") == ["rec.html"] and listing("out") == ["rec.wav"]
    page = Path("pages/rec.html").read_text()
    assert "Enhancement of rec.wav" in page and "neural" in page


def test_json_is_all_there_is_on_stdout(here, call, speech):
    x = speech.copy()
    x[3] = 0
    save("in.wav", x)
    code, out, err = call("enhance in.wav --json")
    summary = json.loads(out)
    assert code == 0 and err == ""
    assert summary["input"] == "in.wav" and summary["output"] == "in_enhanced.wav"
    assert summary["channels"] == [0, 1, 2]
    assert summary["stages"] == ["reference", "mvdr", "neural"]
    assert (summary["sample_rate"], summary["seconds"]) == (RATE, 2.0)
    assert summary["real_time_factor"] == pytest.approx(summary["elapsed_seconds"] / 2)
    assert summary["log"] == ["microphone 3 is dead (-inf dBFS): left out"]
    change = level_db(read("in_enhanced.wav").samples) - level_db(speech[0])
    assert summary["level_change_db"] == pytest.approx(change, abs=0.02)
    assert Settings(**summary["settings"]) == Settings()


@pytest.mark.parametrize("n_samples", [4, 10, 1000])
@pytest.mark.parametrize("loud", [True, False])
def test_hardly_any_sound_is_no_error(here, call, speech, n_samples, loud):
    save("in.wav", speech[:, 8000 : 8000 + n_samples] * loud)
    code, out, _ = call("enhance in.wav --json")
    assert code == 0 and json.loads(out)["seconds"] == n_samples / RATE
    back = read("in_enhanced.wav").samples
    assert back.shape == (1, n_samples) and (loud or not back.any())


@pytest.mark.parametrize("gain", [1, 30, 3000])
@pytest.mark.parametrize("normalise", ["", "--normalise"])
def test_the_output_never_clips(here, done, speech, gain, normalise):
    save("in.wav", gain * speech, subtype="FLOAT")
    summary = json.loads(done(f"enhance in.wav --json {normalise}"))
    peak = np.abs(read("in_enhanced.wav").samples).max()
    if normalise:
        assert peak == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    elif summary["lowered_db"]:
        assert peak == pytest.approx(0.999, rel=1e-5)
    assert peak < 1 and (summary["lowered_db"] > 1) == (gain > 1 and not normalise)


FAULTS = {
    "dead": (lambda x: x * [[1], [1], [0], [1]], "microphone 2 is dead (-inf dBFS): left out"),
    "flipped": (lambda x: x * [[1], [1], [-1], [1]], "microphone 2 has its polarity flipped"),
    "quiet": (lambda x: x * [[1], [1], [0.01], [1]], "microphone 2 is 40 dB low"),
    "offset": (lambda x: x + [[0], [0], [0.2], [0]], "microphone 2 has a DC offset (+0.200"),
    "copied": (lambda x: x[[0, 1, 1, 3]], "microphone 2 is a duplicate of 1: left out"),
    "clipped": (lambda x: np.clip(x, -1, [[1], [1], [0.04], [1]]), "microphone 2 is clipped"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_microphones_are_named_and_worked_around(here, call, speech, fault):
    """By the file's own channel, whatever is chosen; the result is nearly as good."""
    spoil, words = FAULTS[fault]
    save("in.wav", spoil(speech).astype(np.float32), subtype="FLOAT")
    call("enhance rec.wav -o good.wav")
    good = read("good.wav").samples[0]
    for channels in ("0,1,2,3", "3,2,1"):
        code, _, err = call(f"enhance in.wav --channels {channels} --overwrite")
        assert code == 0
        if fault == "copied" and channels == "3,2,1":
            words = "microphone 1 is a duplicate of 2: left out"
        assert f"note: in.wav: {words}" in err
        if channels == "0,1,2,3":
            residual = read("in_enhanced.wav").samples[0] - good
            assert level_db(residual) < level_db(good) - 10
    assert call("inspect in.wav")[2].startswith(f"note: {FAULTS[fault][1]}")


@pytest.mark.parametrize(
    "fault, remedy",
    [
        ("flipped", "corrected"),
        ("quiet", "corrected"),
        ("offset", "corrected"),
        ("clipped", "kept"),
    ],
)
def test_it_says_what_was_done_about_a_fault(here, call, speech, fault, remedy):
    save("in.wav", FAULTS[fault][0](speech), subtype="FLOAT")
    _, _, err = call("enhance in.wav")
    assert err.splitlines()[0].endswith(f": {remedy}")


def test_a_dead_reference_hands_over(here, call, speech):
    save("in.wav", speech * [[0], [1], [1], [1]])
    code, _, err = call("enhance in.wav")
    assert code == 0
    assert "microphone 0 cannot be the reference: microphone 1 is used instead" in err


def test_silence_stays_silence(here, call):
    save("in.wav", np.zeros((4, RATE)))
    code, out, err = call("enhance in.wav")
    assert code == 0 and "level     silent" in out
    assert "note: in.wav: the recording is silent" in err
    assert not read("in_enhanced.wav").samples.any()


@pytest.mark.parametrize("profile", ["conference", "gentle", "recogniser"])
def test_profiles_are_settings(here, done, profile):
    out = done(f"enhance rec.wav --profile {profile}")
    assert ("> neural" in out) == (profile != "recogniser")


NAMES = ["with space.wav", "a,b.wav", "ü ✓.wav", "[a].wav", "*.wav", "-dash.wav", "bold[red].wav"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_will_do(here, done, speech, name):
    save(name, speech)
    stem = name.removesuffix(".wav")
    out = done("enhance --", name)
    assert out.startswith(name) and f"written   {stem}_enhanced.wav" in out
    summary = json.loads(done("enhance --json --overwrite --", name))
    assert summary["input"] == name and Path(summary["output"]).exists()
    assert out.splitlines()[0] == name


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_name_need_not_be_text(here, done):
    name = os.fsdecode(b"caf\xe9.wav")
    shutil.copy("rec.wav", name)
    summary = json.loads(done("enhance --json --stages st --report x.html", name))
    assert summary["input"] == name
    assert os.path.exists(b"caf\xe9_enhanced.wav") and len(os.listdir("st")) == 4


# ---- many recordings ---------------------------------------------------------------------


@pytest.fixture
def tree(here, speech):
    save("in/a.wav", speech)
    save("in/sub/a.wav", 0.5 * speech[:, :RATE])
    save("in/sub/b.flac", speech[:1, :RATE])
    save("in/sub/b_enhanced.wav", speech[0])
    (here / "in/notes.txt").write_text("none")
    return here


RESULTS = ["a_enhanced.wav", "sub", "sub/a_enhanced.wav", "sub/b_enhanced.wav"]


def test_a_folder_is_mirrored(tree, call):
    code, out, err = call("enhance in -o out --stages st")
    assert code == 0 and out.count("written") == 3
    assert listing("out") == RESULTS
    assert "note: b.flac: one microphone: the spatial stages are skipped\n" in err
    assert all(line.startswith("note: ") for line in err.splitlines())
    assert len([name for name in listing("st") if name.endswith("reference.wav")]) == 3
    assert "st/sub/a_enhanced.mvdr.wav" in {f"st/{name}" for name in listing("st")}


def test_results_are_not_taken_for_recordings_the_next_time(tree, call):
    os.remove("in/sub/b_enhanced.wav")
    assert call("enhance in --stages in/st")[0] == 0
    before = listing("in")
    code, out, err = call("enhance in --overwrite --stages in/st")
    assert code == 0 and listing("in") == before


def test_one_failure_does_not_stop_the_others(tree, call):
    Path("in/bad.wav").write_text("not a sound")
    code, out, err = call("enhance in -o out")
    assert code == 1 and out.count("written") == 3 and listing("out") == RESULTS
    *_, head, line = err.splitlines()
    assert head == "1 of 4 recordings failed:"
    assert line.startswith("  in/bad.wav: in/bad.wav cannot be read as audio")


def test_a_failed_batch_as_json(tree, call):
    Path("in/bad.wav").write_text("not a sound")
    code, out, err = call("enhance in -o out --json")
    result = json.loads(out)
    assert code == 1 and set(result) == {"enhanced", "failed"}
    assert [each["input"] for each in result["enhanced"]] == [
        "in/a.wav",
        "in/sub/a.wav",
        "in/sub/b.flac",
    ]
    assert result["failed"][0]["input"] == "in/bad.wav"
    assert "cannot be read" in result["failed"][0]["error"]
    assert err.startswith("1 of 4 recordings failed:")


@pytest.mark.slow
def test_two_at_once_give_the_same_files(tree, call):
    Path("in/bad.wav").write_text("not a sound")
    one = call("enhance in -o one --json")
    two = call("enhance in -o two --json --jobs 2")
    assert one[0] == two[0] == 1 and listing("one") == listing("two") == RESULTS
    for name in RESULTS:
        if name.endswith(".wav"):
            assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    for key in ("enhanced", "failed"):
        inputs = [[each["input"] for each in json.loads(done[1])[key]] for done in (one, two)]
        assert inputs[0] == inputs[1]


# ---- interrupted, unread, cramped --------------------------------------------------------


@pytest.mark.parametrize("recordings", ["rec.wav", "rec.wav m0.wav"])
def test_ctrl_c_is_130_and_leaves_nothing(here, call, monkeypatch, recordings):
    stages = pipeline.Session.stages

    def interrupted(self):
        yield from stages(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.Session, "stages", interrupted)
    code, out, err = call(f"enhance {recordings} -o out --stages st")
    assert (code, out, err) == (130, "", "arrayenh: interrupted\n")
    assert listing("out") == listing("st") == []


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.slow
def test_a_batch_of_processes_is_stopped_at_once(here, speech, number):
    """The signal comes while both workers have files open; they remove them, and end."""
    for name in ("in/a.wav", "in/b.wav"):
        save(name, np.tile(speech[:2], 200))  # 400 s: some seconds of work
    os.mkdir("st")
    line = "enhance in -o out --stages st --jobs 2 --segment 10"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" ignores it
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "arrayenh", *line.split()],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 60
    while len(list(here.glob("st/.*.part"))) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"arrayenh: interrupted\n")
    assert listing("st") == listing("out") == []


@pytest.mark.skipif(os.name == "nt", reason="a shell's redirections")
@pytest.mark.parametrize(
    "line, code",
    [
        ("arrays list | true", 0),
        ("arrays list --json >&-", 0),
        ("arrays list 2>&-", 0),
        ("arrays list <&- >/dev/null", 0),
        ("arrays bogus 2>&-", 2),
        pytest.param(
            "arrays list --json >/dev/full",
            2,
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full"),
        ),
    ],
)
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_nobody_need_read_the_results(line, code, buffered):
    command = f"set -o pipefail; {shlex.quote(sys.executable)} -m arrayenh {line}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": buffered},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_an_old_locale_is_no_reason_to_fail(here):
    shutil.copy("rec.wav", "ü.wav")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    shown = in_a_process("arrays", "show", "linear4-35mm", env=ascii_only)
    assert shown.returncode == 0 and "52.5" in shown.stdout
    done = in_a_process("enhance", "ü.wav", "--json", env=ascii_only, encoding="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["input"] == "ü.wav"


CRAMPED = """
import resource, sys
from arrayenh.cli.main import run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
@pytest.mark.parametrize("room", [100, 40_000, 130_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(here, room):
    """The spool holds 128 kB, a stage 128 kB and its header, a report more."""
    line = "enhance rec.wav -o out/x.wav --stages st --report x.html"
    done = subprocess.run(
        [sys.executable, "-c", CRAMPED, str(room), *line.split()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1
    words = ("no room to write the result", "is the disk full?", "cannot write x.html: File too")
    assert any(word in done.stderr for word in words)
    assert not list(here.rglob("*.part")) and not list(here.rglob(".*"))
    assert not Path("x.html").exists()


@pytest.mark.parametrize("columns", ["20", "60", "200"])
@pytest.mark.parametrize("terminal", ["", "1"])
def test_a_narrow_terminal_does_not_cut_numbers(here, call, monkeypatch, columns, terminal):
    """Nor does a pipe, which is not narrow at all."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    code, out, _ = call("inspect rec.wav")  # on a terminal, a progress bar on stderr
    report = survey(read("rec.wav").samples, RATE)[0]
    assert code == 0 and "…" not in out
    for value in (report.level_dbfs, report.peak_dbfs, report.crest_factor_db):
        assert f"{value:.1f}" in out
    code, out, _ = call("arrays list")
    assert code == 0 and "…" not in out and all(name in out for name in preset_names())
    assert call("arrays show linear4-35mm")[0] == 0


# ---- inspect -----------------------------------------------------------------------------


def test_the_table_of_inspect_is_the_channel_reports(here, call, speech):
    save("in.wav", np.clip(speech + [[0], [0.1], [0], [0]], -1, [[1], [1], [0.03], [1]]))
    reports = survey(read("in.wav").samples, RATE)
    code, out, err = call("inspect in.wav")
    lines = out.splitlines()
    assert code == 0 and lines[0] == "in.wav: 4 channels, 2.00 s, 16000 Hz, PCM_16"
    for report, line in zip(reports, lines[3:7], strict=True):
        values = (report.level_dbfs, report.peak_dbfs, report.crest_factor_db)
        cells = [str(report.index), *(f"{value:.1f}" for value in values)]
        cells += [f"{report.dc_offset:+.4f}", f"{100 * report.clipped_fraction:.2f}"]
        assert line.split()[:6] == cells
        assert line.endswith(", ".join(report.faults) or "-")
    assert "dc-offset" in lines[4] and "clipped" in lines[5]
    found = json.loads(call("inspect in.wav --json")[1])
    for report, channel in zip(reports, found["channels"], strict=True):
        for key in report.__dataclass_fields__:
            value = getattr(report, key)
            assert channel[key] == (list(value) if isinstance(value, tuple) else value)


def test_inspect_hears_a_tone_in_its_band(here, done):
    phase = 2 * np.pi * 1000 * np.arange(RATE) / RATE
    save("in.wav", np.stack([0.1 * np.sin(phase), 0.1**1.5 * np.cos(phase)]), subtype="FLOAT")
    found = json.loads(done("inspect in.wav --json"))
    band = found["octave_bands_hz"].index(1000)
    levels = [channel["octave_levels_dbfs"][band] for channel in found["channels"]]
    assert_allclose(levels, [-23.01, -33.01], atol=0.1)
    row = done("inspect in.wav").splitlines()[-2].split()
    assert row[0] == "0" and row[1 + band] == "-23"


def test_inspect_chooses_channels_by_the_files_numbers(here, call, speech):
    save("in.wav", speech * [[1], [1], [1], [0]])
    code, out, err = call("inspect in.wav --channels 3,1")
    assert code == 0 and [line.split()[0] for line in out.splitlines()[3:5]] == ["3", "1"]
    assert err == "note: microphone 3 is dead (-inf dBFS): left out\n"


def test_inspect_of_a_folder(tree, call):
    code, out, err = call("inspect in --json")
    found = json.loads(out)
    assert [each["input"] for each in found] == ["in/a.wav", "in/sub/a.wav", "in/sub/b.flac"]
    Path("in/bad.wav").write_text("not a sound")
    code, out, err = call("inspect in")
    assert code == 1 and out.count("Octave bands") == 3
    assert err.startswith("1 of 4 recordings cannot be read:\n  in/bad.wav: ")


def test_inspect_of_hardly_any_sound(here, done, speech):
    save("in.wav", speech[:1, 8000:8100])
    assert "n/a" in done("inspect in.wav").splitlines()[-1]
    found = json.loads(done("inspect in.wav --json"))
    assert found["channels"][0]["octave_levels_dbfs"] == [None] * 7


@pytest.fixture
def unfinished(here):
    """unfinished.wav: rec.wav as a recorder leaves it that loses its power."""
    content = bytearray(Path("rec.wav").read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = bytes(4)
    Path("unfinished.wav").write_bytes(content)
    return "the header states no length: read to the end, 2.0 s"


@pytest.mark.parametrize(
    "line",
    [
        "inspect unfinished.wav",
        "enhance unfinished.wav --beamformer das --array circular4-35mm --postfilter none",
        "localize unfinished.wav --array circular4-35mm",
        "score unfinished.wav m1.wav --metrics si_sdr",
    ],
)
def test_every_command_says_what_was_put_right_in_a_file(unfinished, call, line):
    code, _, err = call(line)
    assert code == 0 and unfinished in err


@pytest.mark.parametrize("line", ["enhance rec.wav -o -", "enhance -", "inspect rec.wav --plot=-"])
def test_a_pipe_is_no_file(here, call, line):
    before = sorted(os.listdir())
    code, out, err = call(line)
    assert (code, out) == (2, "") and "a pipe can be neither read nor written; name a file" in err
    assert sorted(os.listdir()) == before


# ---- score -------------------------------------------------------------------------------


@pytest.fixture
def pair(here, speech):
    """clean.wav; out.wav with an orthogonal error 20 dB below it, mix.wav with one at 0 dB."""
    rng, clean = np.random.default_rng(0), speech[0].astype(np.float64)
    error = rng.standard_normal(clean.size)
    error -= clean * (error @ clean) / (clean @ clean)
    error *= np.sqrt((clean @ clean) / (error @ error))
    save("clean.wav", clean, subtype="FLOAT")
    save("out.wav", clean + 0.1 * error, subtype="FLOAT")
    save("mix.wav", clean + error, subtype="FLOAT")
    return here


def test_scores_are_what_they_must_be(pair, call):
    found = json.loads(call("score clean.wav out.wav --mix mix.wav --json")[1])
    for name in ("snr", "si_sdr"):
        assert found["estimate"][name] == pytest.approx(20, abs=0.01)
        assert found["noisy"][name] == pytest.approx(0, abs=0.01)
        assert found["gains"][f"delta_{name}"] == pytest.approx(20, abs=0.01)
    _, out, _ = call("score clean.wav out.wav --mix mix.wav")
    row = next(line.split() for line in out.splitlines() if line.startswith("si_sdr"))
    assert row == ["si_sdr", "0.00", "20.00", "+20.00", "dB"]


def test_the_estimate_of_one_channel_goes_with_any_channel_of_the_reference(pair, call, speech):
    found = json.loads(call("score rec.wav m2.wav --channel 2 --json")[1])["estimate"]
    assert found["snr"] is None and found["stoi"] == pytest.approx(1)  # infinite: null
    found = json.loads(call("score rec.wav m2.wav --json")[1])["estimate"]
    assert found["snr"] < 20


def test_a_scaled_estimate_is_no_distortion(pair, call, speech):
    save("half.wav", 0.5 * read("out.wav").samples, subtype="FLOAT")
    found = json.loads(call("score clean.wav half.wav --json")[1])["estimate"]
    assert found["si_sdr"] == pytest.approx(20, abs=0.01)
    assert found["snr"] == pytest.approx(-20 * np.log10(np.hypot(0.5, 0.05)), abs=0.01)


def test_a_missing_score_says_why_once(pair, call):
    save("none.wav", np.zeros(2 * RATE))
    code, out, err = call("score none.wav out.wav --mix mix.wav")
    assert code == 0 and out.count("n/a") == 7 * 3 and "nan" not in out
    reason = "the reference is silent: every sample is zero"
    assert err.count(reason) == 2 and err.startswith("note: snr, seg_snr, si_sdr")
    found = json.loads(call("score none.wav out.wav --mix mix.wav --json")[1])
    assert set(found["estimate"].values()) == {None}
    assert set(found["reasons"].values()) == set(found["noisy_reasons"].values()) == {reason}


@pytest.mark.parametrize("late", [1006, -300])
def test_a_late_estimate_is_named_and_aligned_when_asked(pair, call, late):
    """The scores of the rest are those of an estimate in step."""
    samples = read("out.wav").samples[0]
    shifted = (
        np.r_[np.zeros(late), samples[:-late]] if late > 0 else np.r_[samples[-late:], [0] * 300]
    )
    save("late.wav", shifted, subtype="FLOAT")
    _, out, err = call("score clean.wav late.wav --mix mix.wav --metrics si_sdr --json")
    assert json.loads(out)["lags"] == {"estimate": late, "noisy": 0}
    assert json.loads(out)["estimate"]["si_sdr"] < 0
    word, ms = ("lags", "62.9 ms") if late > 0 else ("leads", "18.8 ms")
    said = f"note: late.wav {word} the reference by {abs(late)} samples ({ms}): "
    assert err == f"{said}the scores suffer; --align aligns it first\n"
    _, out, err = call("score clean.wav late.wav --metrics si_sdr --align --json")
    assert json.loads(out)["estimate"]["si_sdr"] == pytest.approx(20, abs=0.2)
    assert json.loads(out)["aligned"] and err == f"{said}aligned\n"


def test_alignment_admits_other_lengths(pair, call):
    save("late.wav", np.r_[np.zeros(1000), read("out.wav").samples[0]], subtype="FLOAT")
    code, _, err = call("score clean.wav late.wav --metrics si_sdr")
    assert code == 2 and "32000 to 33000 samples" in err and "--align does it" in err
    code, out, _ = call("score clean.wav late.wav --metrics si_sdr --align --json")
    assert code == 0 and json.loads(out)["estimate"]["si_sdr"] == pytest.approx(20, abs=0.01)


def test_an_infinite_score_is_null_with_a_reason(pair, call):
    found = json.loads(call("score clean.wav clean.wav --mix clean.wav --metrics si_sdr --json")[1])
    assert found["estimate"]["si_sdr"] is None
    reason = "+infinity: no difference from the reference"
    assert found["reasons"]["si_sdr"] == found["noisy_reasons"]["si_sdr"] == reason
    assert "inf" in call("score clean.wav clean.wav --metrics si_sdr")[1]


def test_a_list_of_scores_may_have_spaces(pair, done):
    found = json.loads(done("score clean.wav out.wav --metrics 'si_sdr, stoi ,' --json"))
    assert list(found["estimate"]) == ["si_sdr", "stoi"]


def test_the_channel_of_several_is_named_unless_it_was_chosen(pair, call):
    _, _, err = call("score clean.wav rec.wav --metrics stoi")
    assert err.startswith("note: rec.wav has 4 channels: channel 0 is scored; --channel chooses")
    assert "channels" not in call("score clean.wav rec.wav --channel 0 --metrics stoi")[2]


def test_a_few_samples_more_are_cut(pair, call, speech):
    save("longer.wav", np.append(read("out.wav").samples[0], np.ones(100)), subtype="FLOAT")
    code, out, err = call("score clean.wav longer.wav --json")
    assert code == 0 and "32000 to 32100 samples: all cut to shortest" in err
    assert json.loads(out)["estimate"]["snr"] == pytest.approx(20, abs=0.01)


@pytest.fixture
def binaural(here, speech):
    """left.wav and right.wav, both.wav of the two, and out.wav with noise at the left ear."""
    left = speech[0].astype(np.float64)
    ears = np.stack([left, 0.5 * np.roll(left, 5)])
    noise = np.random.default_rng(0).standard_normal(left.size) * np.std(left)
    for name, samples in (
        ("left.wav", ears[0]),
        ("right.wav", ears[1]),
        ("both.wav", ears),
        ("out.wav", ears + 0.1 * noise * np.array([[1.0], [0.1]])),
        ("mix.wav", ears + noise * np.array([[1.0], [0.1]])),
    ):
        save(name, samples, subtype="FLOAT")
    return here


EARS = "taken for left and right ear; scores of one ear are those of the better ear"


def test_two_ears_are_scored_where_a_binaural_score_is_asked_for(binaural, call):
    code, out, err = call("score both.wav out.wav --metrics si_sdr,ild_error_db --json")
    found = json.loads(out)
    assert code == 0 and EARS in err and found["ears"]
    # the right ear has 20 + 20 - 6 dB, the left one 20 dB
    assert found["estimate"]["si_sdr"] == pytest.approx(34, abs=0.2)
    assert 0 < found["estimate"]["ild_error_db"] < 1
    code, out, err = call("score both.wav out.wav --metrics si_sdr --json")
    assert "channel 0 is scored" in err and not json.loads(out)["ears"]
    assert json.loads(out)["estimate"]["si_sdr"] == pytest.approx(20, abs=0.2)


def test_one_file_for_each_ear_is_the_file_of_both(binaural, call):
    line = "out.wav --mix mix.wav --metrics si_sdr,ild_error_db --json"
    pair, both = (call(f"score {ref} {line}")[1] for ref in ("left.wav,right.wav", "both.wav"))
    assert json.loads(pair) == json.loads(both)
    assert json.loads(pair)["gains"]["delta_si_sdr"] == pytest.approx(20, abs=0.2)


def test_a_delay_of_both_ears_is_removed_from_both(binaural, call):
    late = np.pad(read("out.wav").samples, ((0, 0), (160, 0)))
    save("late.wav", late, subtype="FLOAT")
    line = "--metrics si_sdr,itd_error_us --json --align"
    found, plain = (
        json.loads(call(f"score both.wav {name} {line}")[1]) for name in ("late.wav", "out.wav")
    )
    assert found["lags"]["estimate"] == 160
    assert found["estimate"] == pytest.approx(plain["estimate"], rel=0.02)


def test_the_audiogram_reaches_the_scores_of_hearing(binaural, call, monkeypatch):
    from arrayenh.evaluation.metrics import hearing

    heard = []
    monkeypatch.setattr(hearing, "_require_clarity", lambda: None)
    monkeypatch.setattr(hearing, "_better_ear", lambda *given: heard.append(given[-1]) or 0.5)
    monkeypatch.setitem(sys.modules, "clarity.evaluator.haspi", SimpleNamespace(haspi_v2_be=None))
    code, out, err = call("score both.wav out.wav --audiogram N3,S2 --metrics haspi --json")
    assert (code, json.loads(out)["audiogram"]) == (0, "N3,S2") and EARS in err
    assert json.loads(out)["estimate"] == {"haspi": 0.5}
    assert [list(one.at([4000])[:, 0]) for one in heard] == [[60, 95]]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("both.wav out.wav --audiogram N9", "no audiogram is called 'N9' give NH N1"),
        ("both.wav left.wav --audiogram N3", "left.wav has 1 channels two ears need 2"),
        ("both.wav out.wav --audiogram N3 --channel 1", "--channel scores one channel"),
    ],
)
def test_what_two_ears_need(binaural, call, line, message):
    code, out, err = call(f"score {line}")
    assert (code, out) == (2, "")
    assert message in re.sub(r"[:;,]", "", " ".join(err.split()))


# ---- arrays ------------------------------------------------------------------------------


def test_arrays_are_listed_and_shown(here, call, done):
    _, out, err = call("arrays list")
    for name in preset_names():
        assert name in out
    assert json.loads(done("arrays list --json")) == preset_names()
    shown = json.loads(done("arrays show circular6-46mm --json"))
    assert_allclose(shown["mic_positions_m"], load_array("circular6-46mm").positions)
    rows = [line.split() for line in done("arrays show circular6-46mm").splitlines()]
    assert ["0", "46.0", "0.0", "0.0"] in rows


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.xml", "x.svg"])
def test_an_array_is_saved_in_the_format_of_the_suffix(here, call, name):
    if name == "x.svg":
        pytest.importorskip("matplotlib")
    code, _, err = call(f"arrays show circular6-46mm -o {name}")
    assert code == 0 and f"written: {name}" in err
    if name != "x.svg":
        assert_allclose(load_array(name).positions, load_array("circular6-46mm").positions)
        assert call(f"arrays show {name}")[0] == 0
    assert call(f"arrays show circular6-46mm -o {name}")[0] == 2
    assert call(f"arrays show circular4-35mm -o {name} --overwrite")[0] == 0


# ---- demo --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new/folder"
    done = in_a_process("demo", "-o", str(folder))
    assert done.returncode == 0
    return folder, done.stdout


def test_the_demo_gives_a_table_of_four_stages_each_better_than_none(demo):
    lines = demo[1].splitlines()
    assert lines[1].split()[0] == "stage"
    names = [line.split("  ")[0] for line in lines[2:6]]
    assert names == ["noisy", "delay-and-sum", "MVDR", "MVDR + network"]
    columns = ("snr", "si_sdr", "pesq_wb", "stoi", "estoi")
    table = [dict(zip(columns, line.split()[-5:], strict=True)) for line in lines[2:6]]
    noisy, *_, best = table
    for name in columns:
        if best[name] != "n/a":
            assert float(best[name]) > float(noisy[name])
    assert float(table[2]["si_sdr"]) > float(table[1]["si_sdr"]) > float(noisy["si_sdr"])


def test_the_demo_writes_what_it_made(demo):
    folder, out = demo
    assert sorted(os.listdir(folder)) == [
        "clean.wav",
        "das.wav",
        "enhanced.wav",
        "mvdr.wav",
        "recording.wav",
        "report.html",
    ]
    assert str(folder / "report.html") in out
    sounds = {path.stem: read(path) for path in folder.glob("*.wav")}
    assert sounds.pop("recording").n_mics == 4
    assert {sound.n_mics for sound in sounds.values()} == {1}
    assert len({sound.n_samples for sound in sounds.values()}) == 1
    page = (folder / "report.html").read_text()
    assert "MVDR + network" in page and "meeting room" in page


def test_the_demo_can_be_scored_and_enhanced_again(demo, call, tmp_path):
    """The commands agree with the table: the same settings, the same scores.

    The recording was rounded to 16 bits, which moves the weights a little.
    """
    folder, out = demo
    line = f"score {folder}/clean.wav {folder}/enhanced.wav --json"
    stoi = json.loads(call(line)[1])["estimate"]["stoi"]
    assert float(out.splitlines()[5].split()[-2]) == pytest.approx(stoi, abs=0.006)
    again = tmp_path / "again.wav"
    assert call(f"enhance {folder}/recording.wav -o {again}")[0] == 0
    first = read(folder / "enhanced.wav").samples
    assert level_db(read(again).samples - first) < level_db(first) - 30


def test_the_demo_does_not_replace_an_earlier_one(demo, call):
    folder, _ = demo
    before = (folder / "report.html").stat().st_mtime_ns
    code, out, err = call(f"demo -o {folder}")
    assert (code, out) == (2, "") and "report.html exists; use --overwrite" in err
    assert (folder / "report.html").stat().st_mtime_ns == before


# ---- the command itself ------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(done, command, flag):
    out = done(f"{command} {flag}")
    assert f"Usage: arrayenh {command}" in " ".join(out.split())


def test_without_a_command_all_are_listed(done):
    out = done("")
    for command in COMMANDS[:5]:
        assert command in out


def test_the_version(done):
    assert done("--version") == f"arrayenh {__version__}\n"


LOADED = """
import sys
from arrayenh.cli.main import run
code = run(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""
HEAVY = {"torch", "onnxruntime", "pyroomacoustics", "matplotlib", "pesq", "pystoi"}


@pytest.mark.parametrize(
    "line, absent",
    [
        ("--help", {*HEAVY, "numba", "scipy", "pydantic"}),
        ("arrays list", {*HEAVY, "numba"}),
        ("inspect rec.wav", {*HEAVY, "scipy.signal"}),
        ("enhance rec.wav", HEAVY - {"onnxruntime"}),
    ],
)
def test_a_command_loads_what_it_needs(here, line, absent):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *line.split()],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert absent.isdisjoint(done.stderr.split())


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_the_shell_can_complete(here):
    # asked from a shell, as it looks which one its parent is; "; true" keeps that shell there
    command = f"'{sys.executable}' -m arrayenh --show-completion bash; true"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "_ARRAYENH_COMPLETE" in shown.stdout.upper()
