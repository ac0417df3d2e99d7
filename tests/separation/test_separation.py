import json
import os
import re
import shlex
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pyroomacoustics as pra
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import Recording, read
from arrayenh.chain import separation
from arrayenh.chain.separation import SeparationConfig, separate
from arrayenh.cli.main import run
from arrayenh.errors import AudioError, ConfigError, NumericalError, ShapeError
from arrayenh.evaluation.metrics.waveform import si_sdr
from arrayenh.microphones.geometry import load_array
from arrayenh.scenes.placing import points, seen_from
from arrayenh.scenes.render import render
from arrayenh.scenes.rooms import Shoebox
from arrayenh.scenes.scene import PlacedArray, Scene, Talker
from arrayenh.scenes.signals import PACKAGED, Clip, Signal
from arrayenh.separation import iva as spatial
from arrayenh.statistics.covariance import spatial_covariance
from arrayenh.stft import Stft
from tests.signals import RATE, complex_normal, level_db

ROOT = Path(__file__).parents[2]
STFT = Stft(1024, 256, "hann")
METHODS = ["auxiva", "ilrma"]


def syllables(rng, n_samples):
    """Super-Gaussian sound that comes and goes every 0.1 s, in bands of its own each time."""
    sound = np.zeros(n_samples)
    for start in range(0, n_samples, RATE // 10):
        n = min(RATE // 10, n_samples - start)
        spectrum = np.fft.rfft(rng.laplace(size=n))
        shape = np.repeat(rng.gamma(0.5, size=20), len(spectrum) // 20 + 1)[: len(spectrum)]
        sound[start : start + n] = np.fft.irfft(spectrum * shape, n) * rng.gamma(0.5)
    return 0.05 * sound / np.std(sound)


def mixed(rng, n_mics, n_talkers=2, n_taps=64, seconds=6):
    """Images (K, M, N) of talkers behind decaying random responses: convolutive, known."""
    n = seconds * RATE
    decay = np.exp(-np.arange(n_taps) / (n_taps / 6 + 1e-9))
    images = []
    for _ in range(n_talkers):
        dry = syllables(rng, n)
        responses = rng.standard_normal((n_mics, n_taps)) * decay
        images.append([np.convolve(dry, h)[:n] for h in responses])
    return np.array(images)


def gains_db(images, mixture, voices, reference=0):
    """SI-SDR improvement of each talker under the best assignment of voices, dB."""
    heard = images[:, reference].astype(np.float64)
    mix, voices = mixture[reference].astype(np.float64), voices.astype(np.float64)
    return max(
        (
            [
                si_sdr(s, voices[k], RATE) - si_sdr(s, mix, RATE)
                for s, k in zip(heard, p, strict=True)
            ]
            for p in permutations(range(len(heard)))
        ),
        key=sum,
    )


@pytest.fixture(scope="module")
def convolutive():
    """Two talkers at four microphones behind short rooms, 40 dB above the sensors."""
    rng = np.random.default_rng(0)
    images = mixed(rng, 4)
    noise = rng.standard_normal(images.shape[1:]) * np.std(images.sum(0)) / 100
    return images, (images.sum(0) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def spec(convolutive):
    return np.ascontiguousarray(STFT.analyse(convolutive[1])[:, :, :200])


# ---- physics -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_mics", [2, 4])
@pytest.mark.parametrize("method, least_db", [("laplace", 10), ("gauss", 10), ("ilrma", 10)])
def test_sources_come_apart(convolutive, method, least_db, n_mics):
    images, mixture = convolutive[0][:, :n_mics], convolutive[1][:n_mics]
    spec = STFT.analyse(mixture)
    if method == "ilrma":
        demixing = spatial.ilrma(spec, 2, np.random.default_rng(0), 40, 4)
    else:
        demixing = spatial.auxiva(spec, 2, 40, method)
    demixing = spatial.project_back(spatial.align(demixing, spec), spec)
    voices = STFT.synthesise(spatial.apply(demixing, spec), mixture.shape[1])
    assert min(gains_db(images, mixture, voices)) > least_db


@pytest.mark.parametrize("contrast", ["laplace", "gauss"])
def test_an_instantaneous_mixture_is_inverted(contrast):
    rng = np.random.default_rng(1)
    images = mixed(rng, 2, n_taps=1)
    mixture = images.sum(0).astype(np.float32)
    spec = STFT.analyse(mixture)
    demixing = spatial.project_back(spatial.auxiva(spec, 2, 60, contrast), spec)
    voices = STFT.synthesise(spatial.apply(demixing, spec), mixture.shape[1])
    assert min(gains_db(images, mixture, voices)) > 20


def test_three_talkers():
    images = mixed(np.random.default_rng(2), 3, 3)
    mixture = images.sum(0).astype(np.float32)
    found = separate(Recording(mixture, RATE), SeparationConfig(3, n_fft=1024, hop=256))
    assert min(gains_db(images, mixture, found.samples)) > 8
    assert_allclose(found.samples.sum(0), mixture[0], atol=1e-4)


def packaged_scene(rt60, n_mics):
    """The packaged voices 1 m from four microphones, 90 degrees apart, in a small meeting room."""
    array = load_array("linear4-35mm")
    placed = PlacedArray(
        name=array.name, positions=points(array.centred().positions), centre=(2.6, 2.1, 1.0)
    )
    talkers = tuple(
        Talker(
            speaker=name,
            signal=Signal(kind="clips", clips=(Clip(file=f"{PACKAGED}{name}", at=0),)),
            position=seen_from(placed, azimuth_deg, 1.0, 1.2),
        )
        for name, azimuth_deg in (("female", 60.0), ("male", 150.0))
    )
    scene = Scene(
        room=Shoebox(size=(6.0, 5.0, 2.8), rt60=rt60),
        array=placed,
        talkers=talkers,
        noises=(),
        n_samples=137_000,
        sample_rate=RATE,
        snr_db=30.0,
        seed=1,
    )
    rendered = render(scene)
    return rendered.talker_images[:, :n_mics], rendered.mixture[:n_mics]


@pytest.mark.parametrize("rt60", [0.2, 0.3])
def test_two_voices_in_a_room(rt60):
    """Measured: 8.3 and 6.8 dB for the worse of the two voices."""
    images, mixture = packaged_scene(rt60, 2)
    found = separate(Recording(mixture, RATE))
    assert min(gains_db(images, mixture, found.samples)) > 5


# ---- oracles -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_mics", [2, 4])
@pytest.mark.parametrize("contrast", ["laplace", "gauss"])
def test_auxiva_is_that_of_pyroomacoustics(spec, contrast, n_mics):
    """To 1e-8 of the largest weight after 20 iterations, both in double: 1e-12 as measured."""
    x = spec[:, :n_mics].astype(np.complex128)
    ours = spatial.auxiva(x, 2, 20, contrast, loading=0)
    _, theirs = pra.bss.auxiva(
        x.transpose(2, 0, 1).copy(),
        n_src=2,
        n_iter=20,
        proj_back=False,
        model=contrast,
        return_filters=True,
    )
    assert np.abs(ours - theirs).max() < 1e-8 * np.abs(theirs).max()


def test_one_iteration_of_ilrma_is_that_of_pyroomacoustics(spec, monkeypatch):
    """One only: then theirs scales the microphones where the paper scales the sources."""
    x = spec[:, :2].astype(np.complex128)
    x = x / np.sqrt(np.mean(np.abs(x) ** 2, axis=(0, 2)))[:, None]
    ours = spatial.ilrma(x, 2, np.random.default_rng(3), 1, 4, loading=0)
    rng = np.random.default_rng(3)
    monkeypatch.setattr(np.random, "rand", lambda *shape: rng.random(shape))
    theirs = pra.bss.ilrma(x.transpose(2, 0, 1).copy(), n_iter=1, proj_back=False, n_components=4)
    theirs = theirs.transpose(1, 2, 0)
    theirs /= np.sqrt(np.mean(np.abs(theirs) ** 2, axis=(0, 2)))[:, None]
    assert_allclose(ours @ x, theirs, atol=1e-8 * np.abs(theirs).max())


def ilrma_by_the_paper(x, rng, n_iterations, n_bases):
    """ILRMA of a determined mixture in NumPy; the demixing matrices and the cost over time."""
    n_freqs, n_mics, n_frames = x.shape
    t = 0.1 + 0.9 * rng.random((n_mics, n_freqs, n_bases))
    v = (0.1 + 0.9 * rng.random((n_mics, n_frames, n_bases))).swapaxes(1, 2)
    w = np.tile(np.eye(n_mics, dtype=complex), (n_freqs, 1, 1))
    w /= np.sqrt(np.mean(np.abs(x) ** 2, axis=(0, 2)))[:, None]
    costs = []
    for _ in range(n_iterations):
        power = np.abs(w @ x).swapaxes(0, 1) ** 2
        for k in range(n_mics):
            r = t[k] @ v[k]
            t[k] *= np.sqrt((power[k] / r**2) @ v[k].T / (1 / r @ v[k].T))
            r = t[k] @ v[k]
            v[k] *= np.sqrt(t[k].T @ (power[k] / r**2) / (t[k].T @ (1 / r)))
            cov = (x / (t[k] @ v[k])[:, None]) @ x.conj().swapaxes(1, 2) / n_frames
            row = np.linalg.solve(w @ cov, np.eye(n_mics)[:, k : k + 1])[..., 0]
            scale = np.sqrt(np.einsum("fi,fij,fj->f", row.conj(), cov, row).real)
            w[:, k] = row.conj() / scale[:, None]
        power = np.abs(w @ x).swapaxes(0, 1) ** 2
        r = t @ v
        costs.append((power / r + np.log(r)).sum() / n_frames - 2 * np.linalg.slogdet(w)[1].sum())
        gains = 1 / power.mean(axis=(1, 2))
        w *= np.sqrt(gains)[:, None]
        t *= gains[:, None, None]
    return w, np.array(costs)


def test_ilrma_is_that_of_the_paper_and_its_cost_never_rises(spec):
    x = spec[:, :2].astype(np.complex128)
    theirs, costs = ilrma_by_the_paper(x, np.random.default_rng(4), 20, 3)
    ours = spatial.ilrma(x, 2, np.random.default_rng(4), 20, 3, loading=0)
    assert_allclose(ours, theirs, atol=1e-8 * np.abs(theirs).max())
    assert (np.diff(costs) <= 1e-12 * np.abs(costs[1:])).all()


@pytest.mark.parametrize("n_mics", [2, 4])
@pytest.mark.parametrize("contrast", ["laplace", "gauss"])
def test_the_cost_of_auxiva_never_rises(spec, contrast, n_mics):
    x = spec[:, :n_mics].astype(np.complex128)
    cov = spatial_covariance(x)
    demixing, costs = None, []
    for _ in range(30):
        demixing = spatial.auxiva(x, 2, 1, contrast, demixing, loading=0)
        power = np.sum(np.abs(demixing @ x) ** 2, axis=0)
        r = np.sqrt(power) if contrast == "laplace" else len(x) * np.log(power)
        gram = demixing @ cov @ demixing.conj().swapaxes(1, 2)
        costs.append(r.mean(axis=1).sum() - np.linalg.slogdet(gram)[1].sum())
    steps = np.diff(costs)
    assert (steps <= 1e-12 * np.abs(costs[1:])).all() and steps.sum() < -1


def test_the_background_is_uncorrelated_with_the_sources(spec):
    """The mixing matrix is the least-squares one: what it leaves of x is orthogonal to y."""
    demixing = spatial.auxiva(spec, 2, 5)
    cov = spatial_covariance(spec)
    mixing = spatial.mixing_matrices(demixing, cov)
    assert_allclose(demixing @ mixing, np.tile(np.eye(2), (len(spec), 1, 1)), atol=1e-6)
    left = (np.eye(4) - mixing @ demixing) @ cov @ demixing.conj().swapaxes(1, 2)
    scale = np.abs(cov @ demixing.conj().swapaxes(1, 2)).max()
    assert np.abs(left).max() < 1e-9 * scale


# ---- order, scale, permutations ----------------------------------------------------------


@pytest.mark.parametrize("reference", [0, 1])
def test_the_sources_add_up_to_the_reference_microphone(spec, reference):
    x = np.ascontiguousarray(spec[:, :2])
    demixing = spatial.project_back(spatial.auxiva(x, 2, 20), x, reference)
    sources = spatial.apply(demixing, x)
    assert_allclose(sources.sum(axis=1), x[:, reference], atol=1e-4 * np.abs(x).max())


def test_projection_back_takes_no_notice_of_scale_and_phase(spec):
    rng = np.random.default_rng(5)
    demixing = spatial.auxiva(spec, 2, 5)
    turned = complex_normal(rng, len(spec), 2, 1) * demixing
    expected = spatial.project_back(demixing, spec)
    assert_allclose(
        spatial.project_back(turned, spec), expected, atol=1e-9 * np.abs(expected).max()
    )


def test_permuted_microphones_give_the_same_voices(convolutive):
    mixture = convolutive[1][:2]
    straight = separate(Recording(mixture, RATE), SeparationConfig(reference=0))
    crossed = separate(Recording(mixture[::-1], RATE), SeparationConfig(reference=1))
    for voice, other in zip(straight.samples, crossed.samples, strict=True):
        assert level_db(voice - other) < level_db(voice) - 30


def test_alignment_mends_a_band_that_was_swapped(spec):
    demixing = spatial.align(spatial.auxiva(spec, 2, 40, "gauss"), spec)
    swapped = demixing.copy()
    swapped[100:220] = demixing[100:220, ::-1]
    mended = spatial.align(swapped, spec)
    same = np.abs(mended - demixing).max(axis=(1, 2)) < 1e-12
    assert min(same.mean(), 1 - same.mean()) < 0.02  # all the same, or all the other way round


def test_three_sources_are_aligned_too():
    """Of all permutations, not of pairs: cyclic ones in every bin are undone."""
    rng = np.random.default_rng(6)
    activity = np.repeat(rng.gamma(0.3, size=(3, 60)), 4, axis=1)
    x = complex_normal(rng, 65, 3, 240, dtype=np.complex64) * activity.astype(np.float32)
    order = rng.permuted(np.tile(np.arange(3), (65, 1)), axis=1)
    demixing = np.eye(3)[order].astype(np.complex128)
    found = spatial.align(demixing, x)
    assert (found == found[40]).all()


def test_the_loudest_comes_first(convolutive):
    found = separate(Recording(convolutive[1], RATE), SeparationConfig(iterations=5))
    assert np.diff([level_db(voice) for voice in found.samples]) < 0


# ---- what is not as it should be ---------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_samples", [2, 100, 1025, 5000])
def test_very_short_recordings_stay_finite_and_add_up(method, n_samples):
    x = np.random.default_rng(7).uniform(-0.1, 0.1, (2, n_samples)).astype(np.float32)
    found = separate(Recording(x, RATE), SeparationConfig(method=method))
    assert found.samples.shape == (2, n_samples)
    assert_allclose(found.samples.sum(0), x[found.channels.index(0)], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_silence_stays_silence(method):
    found = separate(Recording(np.zeros((3, RATE)), RATE), SeparationConfig(method=method))
    assert not found.samples.any() and found.log == ("the recording is silent",)


@pytest.mark.parametrize("kind", ["twins", "zeros", "dead", "pause", "low", "huge", "tiny", "one"])
@pytest.mark.parametrize("method", METHODS)
def test_singular_spectra_give_finite_voices(spec, method, kind):
    x = spec[:, :3].copy()
    if kind == "twins":
        x[:, 1] = x[:, 0]
    elif kind == "zeros":
        x[:] = 0
    elif kind == "dead":
        x[:, 1] = 0
    elif kind == "pause":
        x[..., 50:120] = 0
    elif kind == "low":
        x[300:] = 0
    elif kind == "one":
        x = x[..., :1].copy()
    x *= np.float32({"huge": 1e10, "tiny": 1e-10}.get(kind, 1))
    if method == "auxiva":
        demixing = spatial.auxiva(x, 2, 10)
    else:
        demixing = spatial.ilrma(x, 2, np.random.default_rng(0), 10, 4)
    sources = spatial.apply(
        spatial.project_back(spatial.align(demixing, x), x), np.ascontiguousarray(x)
    )
    assert np.isfinite(sources).all()
    assert np.abs(sources).max() <= 100 * np.abs(x).max()


def test_the_seed_decides(spec):
    first, second, other = (
        spatial.ilrma(spec, 2, np.random.default_rng(seed), 3) for seed in (0, 0, 1)
    )
    assert_array_equal(first, second)
    assert np.abs(first - other).max() > 1e-6


@pytest.mark.slow
def test_threads_do_not_decide():
    """The same bits from one thread and from two."""
    code = """
import numpy as np
from arrayenh.separation import iva
from tests.signals import complex_normal
spec = complex_normal(np.random.default_rng(0), 65, 2, 90, dtype=np.complex64)
found = iva.ilrma(spec, 2, np.random.default_rng(0), 3), iva.auxiva(spec, 2, 3)
print(b"".join(one.tobytes() for one in found).hex())
"""
    one, two = (
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_NUM_THREADS": n},
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        for n in "12"
    )
    assert one == two and len(one) > 1000


def test_long_recordings_are_heard_in_every_second_or_third_frame(convolutive, monkeypatch):
    """A third of the frames, from all over the recording, separates nearly as well."""
    images, mixture = convolutive[0][:, :2], convolutive[1][:2]
    config = SeparationConfig(n_fft=1024, hop=256)
    whole = separation.Separation(config, Recording(mixture, RATE)).kept_frames()
    monkeypatch.setattr(separation, "MOST_BYTES", whole.nbytes // 3 + 8 * 2 * 513)
    part = separation.Separation(config, Recording(mixture, RATE))
    assert_array_equal(part.kept_frames(), whole[..., ::3])
    voices = np.concatenate(list(part.voices()), axis=1)
    assert min(gains_db(images, mixture, voices)) > 8


def test_what_cannot_be_separated_is_refused(spec):
    with pytest.raises(ShapeError, match="5 sources need at least as many microphones; .* 4"):
        spatial.auxiva(spec, 5)
    with pytest.raises(ShapeError, match="T at least 1"):
        spatial.ilrma(spec[..., :0], 2, np.random.default_rng(0))
    with pytest.raises(ShapeError, match=r"demixing must have shape \(F, K, M\) = \(513, 2, 4\)"):
        spatial.auxiva(spec, 2, demixing=np.zeros((513, 2, 3)))
    with pytest.raises(ShapeError, match="reference below M"):
        spatial.project_back(np.zeros((513, 2, 4)), spec, 4)
    with pytest.raises(ConfigError, match="unknown contrast 'cauchy'"):
        spatial.auxiva(spec, 2, contrast="cauchy")
    with pytest.raises(ConfigError, match="at most 6 sources"):
        spatial.align(np.zeros((513, 7, 4)), spec)
    with pytest.raises(AudioError, match="gives 1 microphone: separating 2 talkers needs"):
        separate(Recording(np.ones((1, 9)), RATE))
    broken = spec.copy()
    broken[7, 1, 3] = np.nan
    with pytest.raises(NumericalError, match="bin 7 of the spectrum is not finite"):
        spatial.auxiva(broken, 2)


# ---- the command -------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch, convolutive):
    monkeypatch.chdir(tmp_path)
    Path("old").mkdir()
    Path("old/rec_talker2.wav").touch()
    mixture = convolutive[1][:, : 2 * RATE]
    soundfile.write("rec.wav", mixture.T, RATE, "PCM_24")
    soundfile.write("mono.wav", mixture[0], RATE)
    soundfile.write("twins.wav", mixture[[0, 0]].T, RATE)
    soundfile.write("fast.wav", np.repeat(mixture, 3, axis=1).T, 3 * RATE)
    soundfile.write("loud.wav", (mixture / np.abs(mixture).max()).T, RATE, "FLOAT")
    return tmp_path


@pytest.fixture
def call(capsys):
    """Runs a command line; gives (exit code, stdout, stderr)."""

    def arrayenh(line):
        capsys.readouterr()
        code = run(shlex.split(line))
        return code, *capsys.readouterr()

    return arrayenh


def test_two_talkers_are_two_files_beside_the_recording(here, call):
    code, out, err = call("separate rec.wav --talkers 2 --iterations 5")
    assert (code, err) == (0, "")
    for k in (1, 2):
        info = soundfile.info(f"rec_talker{k}.wav")
        assert (info.channels, info.frames, info.samplerate) == (1, 2 * RATE, RATE)
        assert info.subtype == "PCM_24"
        assert re.search(rf"written   rec_talker{k}.wav \(16000 Hz, -\d+\.\d dBFS\)", out)
    first, second = (read(f"rec_talker{k}.wav").samples[0] for k in (1, 2))
    assert level_db(first) > level_db(second)


def test_in_python_the_same_comes_out(here, call):
    call("separate loud.wav --mics 2 --iterations 5 --method auxiva -o out --seed 1")
    config = SeparationConfig(method="auxiva", iterations=5, seed=1)
    whole = separate(read("loud.wav", mics=2), config)
    lowered = min(1, 0.999 / np.abs(whole.samples).max())
    for k, voice in enumerate(whole.samples):
        assert_allclose(read(f"out/loud_talker{k + 1}.wav").samples[0], lowered * voice, atol=1e-6)


def test_json_tells_all(here, call):
    code, out, err = call("separate rec.wav --channels 3,1,0 --reference 1 -o new/out --json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["outputs"] == ["new/out/rec_talker1.wav", "new/out/rec_talker2.wav"]
    assert (found["channels"], found["method"], found["sample_rate"]) == ([3, 1, 0], "ilrma", RATE)
    assert found["seconds"] == 2 and found["levels_dbfs"][0] > found["levels_dbfs"][1]


@pytest.mark.parametrize("options, rate", [("fast.wav", 48_000), ("rec.wav --rate 8000", 8000)])
def test_rate_and_length(here, call, options, rate):
    code, _, err = call(f"separate {options} --method auxiva --iterations 2 -o out")
    (info, other) = (soundfile.info(path) for path in sorted(Path("out").iterdir()))
    assert code == 0 and info.samplerate == rate
    assert info.frames == other.frames == 2 * rate
    assert ("it is empty above 8000 Hz" in err) == (rate > RATE)


def test_existing_files_are_kept_unless_overwritten(here, call):
    code, out, err = call("separate rec.wav -o old")
    assert (code, out) == (2, "") and "rec_talker2.wav exists; use --overwrite" in err
    assert not Path("old/rec_talker1.wav").exists()
    assert call("separate rec.wav -o old --overwrite --iterations 2")[0] == 0
    assert soundfile.info("old/rec_talker2.wav").frames == 2 * RATE


def test_faulty_microphones_are_named(here, call, convolutive):
    mixture = convolutive[1][:3, : 2 * RATE].copy()
    mixture[1] = 0
    soundfile.write("faulty.wav", mixture.T, RATE)
    code, out, err = call("separate faulty.wav --iterations 2 --json")
    assert code == 0 and json.loads(out)["channels"] == [0, 2]
    assert any("microphone 1" in line for line in json.loads(out)["log"])


WRONG = {
    "separate mono.wav": "mono.wav gives 1 microphone: separating 2 talkers needs at least 2",
    "separate rec.wav --talkers 5": "rec.wav gives 4 microphones: separating 5 talkers",
    "separate twins.wav": "of twins.wav we can use 1 microphone: separating 2 talkers",
    "separate rec.wav --mics 1": "gives 1 microphone",
    "separate rec.wav --talkers 1": "talkers must be 2 to 6; got 1",
    "separate rec.wav --talkers 7": "talkers must be 2 to 6; got 7",
    "separate rec.wav --method fastica": "unknown method 'fastica'; use ilrma, auxiva",
    "separate rec.wav --reference 9": "reference 9 is not among the channels in use, 0, 1, 2, 3",
    "separate rec.wav --channels 1,2 --reference 0": "reference 0 is not among",
    "separate rec.wav --channels 0,9": "no channel 9",
    "separate rec.wav --iterations 0": "--iterations",
    "separate rec.wav --rate 1": "--rate must be 8000 to 192000 Hz; got 1",
    "separate rec.wav -o out.wav": "-o out.wav is one file for 2 talkers; give a folder",
    "separate rec.wav -o mono.wav/x": "mono.wav is a file",
    "separate missing.wav": "missing.wav does not exist",
    "separate *.wav": "holds 5 recordings; separate one at a time",
    "separate": "Missing argument 'REC'",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(here, call, line):
    before = sorted(here.rglob("*"))
    code, out, err = call(line)
    assert (code, out) == (2, "")
    assert err.startswith("arrayenh: ") and err.count("\n") == 1 and WRONG[line] in err
    assert sorted(here.rglob("*")) == before
