import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.audio import open_recording, read, write
from arrayenh.chain.enhancer import Enhancer
from arrayenh.chain.profile import as_toml, resolve
from arrayenh.chain.settings import Settings
from arrayenh.cli import files
from arrayenh.cli.files import Spool, enhance_file
from arrayenh.cli.outputs import Outputs, check_folder
from arrayenh.errors import AudioError, ConfigError
from tests.signals import RATE, diffuse_noise, level_db, voice

QUICK = Settings(segment_seconds=1.0)  # three segments


@pytest.fixture(scope="module")
def samples():
    """A voice in diffuse noise at three microphones, 3 s."""
    rng = np.random.default_rng(0)
    positions = 0.05 * rng.standard_normal((3, 3))
    noise = diffuse_noise(rng, positions, 3 * RATE, n_waves=12)
    return (0.05 * voice(rng, 3 * RATE) + 0.01 * noise).astype(np.float32)


@pytest.fixture
def source(tmp_path, samples):
    return open_recording(write(tmp_path / "rec.wav", samples, RATE, subtype="FLOAT"))


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


# ---- the file is what the chain gives ----------------------------------------------------


def test_the_file_is_the_chains_output_and_the_stages_its_stages(tmp_path, source):
    outputs = Outputs(tmp_path / "out.wav", stages=tmp_path / "stages")
    summary = enhance_file(Enhancer(QUICK), source, outputs)
    whole = Enhancer(QUICK).enhance(read(tmp_path / "rec.wav"))
    assert_allclose(read(tmp_path / "out.wav").samples[0], whole.samples, atol=1e-6)
    assert summary.stages == ("reference", "mvdr", "neural") == tuple(whole.stages)
    for name, stage in whole.stages.items():
        saved = read(tmp_path / "stages" / f"out.{name}.wav")
        assert saved.subtype == "FLOAT"
        assert_allclose(saved.samples[0], stage, atol=1e-6)
    assert resolve(str(tmp_path / "stages/enhance.toml"), {}) == QUICK


def test_progress_rises_to_one(tmp_path, source):
    parts = []
    enhance_file(Enhancer(QUICK), source, Outputs(tmp_path / "out.wav"), parts.append)
    assert len(parts) > 2 and parts[-1] == 1 and (np.diff(parts) >= 0).all()


@pytest.mark.parametrize("gain, normalise", [(1, False), (1, True), (200, False), (200, True)])
def test_the_summary_tells_the_level_of_the_file(tmp_path, samples, gain, normalise):
    """Full scale is 1: at gain 200 the voice is far above, and is lowered."""
    source = open_recording(write_float(tmp_path / "rec.wav", gain * samples))
    outputs = Outputs(tmp_path / "out.wav", normalise=normalise)
    summary = enhance_file(Enhancer(QUICK), source, outputs)
    out = read(tmp_path / "out.wav").samples[0]
    change = level_db(out) - level_db(gain * samples[0])
    assert summary.level_change_db == pytest.approx(change, abs=0.01)
    peak = np.abs(out).max()
    if normalise:
        assert peak == pytest.approx(10 ** (-1 / 20), rel=1e-5) and summary.lowered_db == 0
    elif gain > 1:
        assert peak == pytest.approx(0.999, rel=1e-5) and summary.lowered_db > 20
    else:
        assert summary.lowered_db == 0


def write_float(path, samples):
    """Without the headroom that `write` takes care of."""
    import soundfile

    soundfile.write(path, samples.T, RATE, "FLOAT")
    return path


def test_silence_has_no_level(tmp_path):
    source = open_recording(write(tmp_path / "rec.wav", np.zeros((2, RATE)), RATE))
    outputs = Outputs(tmp_path / "out.wav", normalise=True)
    summary = enhance_file(Enhancer(QUICK), source, outputs)
    assert summary.level_change_db is None and summary.lowered_db == 0
    assert not read(tmp_path / "out.wav").samples.any()


# ---- whole or not at all -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_under_way_leaves_no_file(tmp_path, source, kind):
    def stop(part):
        raise kind

    outputs = Outputs(tmp_path / "out/x.wav", tmp_path / "stages", tmp_path / "x.html")
    with pytest.raises(kind):
        enhance_file(Enhancer(QUICK), source, outputs, stop)
    assert listing(tmp_path) == ["rec.wav"]


def test_what_is_wrong_with_the_recording_is_found_before_a_folder_is_made(tmp_path, samples):
    broken = samples.copy()
    broken[1, 100] = np.nan
    source = open_recording(write_float(tmp_path / "rec.wav", broken))
    outputs = Outputs(tmp_path / "out/x.wav", tmp_path / "stages", tmp_path / "more/x.html")
    with pytest.raises(AudioError, match="NaN"):
        enhance_file(Enhancer(QUICK), source, outputs)
    assert os.listdir(tmp_path) == ["rec.wav"]


def prepare(folder):
    for name in ("old.wav", "old.html", "old/x.mvdr.wav", "page.html/x", "sound.wav/x"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "other").mkdir()
    (folder / "other/enhance.toml").write_text(as_toml(Settings(strength=0.5)))


@pytest.mark.parametrize(
    "outputs, kind, words",
    [
        ({"enhanced": "old.wav"}, AudioError, r"old\.wav exists; use --overwrite"),
        ({"enhanced": "sound.wav"}, AudioError, r"sound\.wav is a folder; name a file"),
        ({"enhanced": "x.txt"}, ConfigError, "no known sound suffix"),
        ({"enhanced": "rec.wav"}, ConfigError, "is an input of this command"),
        ({"enhanced": "old.wav/x.wav"}, AudioError, r"old\.wav is a file, so the folder"),
        ({"report": "old.html"}, AudioError, r"old\.html exists; use --overwrite"),
        ({"report": "page.html"}, AudioError, r"page\.html is a folder"),
        ({"report": "x.txt"}, ConfigError, r"--report .*x\.txt should end in \.html"),
        ({"report": "old.wav/x.html"}, AudioError, r"old\.wav is a file"),
        ({"stages": "old"}, AudioError, r"x\.mvdr\.wav exists; use --overwrite"),
        ({"stages": "other"}, AudioError, r"enhance\.toml has other settings"),
        ({"stages": "old.wav"}, AudioError, r"old\.wav is a file"),
    ],
)
def test_outputs_are_refused_before_any_work(tmp_path, source, monkeypatch, outputs, kind, words):
    prepare(tmp_path)
    monkeypatch.setattr(Enhancer, "open", None)  # not reached
    before = listing(tmp_path)
    places = {"enhanced": "x.wav"} | outputs
    with pytest.raises(kind, match=words):
        paths = {key: tmp_path / name for key, name in places.items()}
        enhance_file(Enhancer(QUICK), source, Outputs(**paths))
    assert listing(tmp_path) == before


def test_the_recording_is_not_replaced_by_its_result_even_when_asked(tmp_path, samples):
    paths = [write(tmp_path / f"{m}.wav", samples[m], RATE) for m in range(2)]
    os.symlink(paths[1], tmp_path / "link.wav")
    before = [path.read_bytes() for path in paths]
    for name in ("0.wav", "1.wav", "link.wav"):
        outputs = Outputs(tmp_path / name, overwrite=True)
        with pytest.raises(ConfigError, match="is an input of this command; give"):
            enhance_file(Enhancer(QUICK), open_recording(paths), outputs)
    assert [path.read_bytes() for path in paths] == before


def test_with_overwrite_everything_old_is_replaced(tmp_path, source):
    prepare(tmp_path)
    outputs = Outputs(
        tmp_path / "old.wav", tmp_path / "other", tmp_path / "old.html", overwrite=True
    )
    enhance_file(Enhancer(QUICK), source, outputs)
    assert read(tmp_path / "old.wav").n_samples == source.n_samples
    assert resolve(str(tmp_path / "other/enhance.toml"), {}) == QUICK
    assert "<html" in (tmp_path / "old.html").read_text()


def test_stages_of_the_same_settings_share_a_folder(tmp_path, source):
    for name in ("a", "b"):
        enhance_file(
            Enhancer(QUICK), source, Outputs(tmp_path / f"{name}.wav", tmp_path / "stages")
        )
    assert len(os.listdir(tmp_path / "stages")) == 2 * 3 + 1
    other = Enhancer(replace(QUICK, strength=0.5))
    with pytest.raises(AudioError, match="other settings"):
        enhance_file(other, source, Outputs(tmp_path / "c.wav", tmp_path / "stages"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    (tmp_path / "kept").mkdir(mode=0o500)
    for name in ("kept", "kept/new", "kept/new/deep"):
        with pytest.raises(AudioError, match="no permission to write to the folder .*kept"):
            check_folder(tmp_path / name)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_spool_gives_back_what_it_was_given(tmp_path, monkeypatch, n_channels):
    x = np.random.default_rng(0).standard_normal((n_channels, 10_000)).astype(np.float32)
    with Spool(tmp_path, n_channels) as spool:
        for part in np.split(x, [1, 1, 500, 9999], axis=1):
            spool.write(part)
        assert spool.peak == np.abs(x).max()
        for n_samples, block in ((10_000, 333), (9000, 9000), (10_400, 4096)):
            back = np.concatenate(list(spool.read(n_samples, block)), axis=1)
            assert back.shape == (n_channels, n_samples)
            assert_array_equal(back[:, :10_000], x[:, :n_samples])
            assert not back[:, 10_000:].any()
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(files.tempfile, "TemporaryFile", no_space)
    with pytest.raises(AudioError, match="cannot be written to: No space left"):
        Spool(tmp_path, n_channels)


def no_space(**arguments):
    raise OSError(28, "No space left on device")
