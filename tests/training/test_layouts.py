"""Data sets as they lie on disks: small trees of each, whole and copied in half."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from arrayenh.audio import read, write  # noqa: E402
from arrayenh.errors import ConfigError  # noqa: E402
from arrayenh.networks.signature import Signature  # noqa: E402
from arrayenh.training.data import splits  # noqa: E402
from arrayenh.training.data.build import build_examples  # noqa: E402
from arrayenh.training.data.folders import find_pairs  # noqa: E402
from arrayenh.training.data.splits import open_corpus, open_noise  # noqa: E402

RATE = 16_000
ONE = Signature("t", "postfilter", ("beamformed",), 64, 16)


def put(path, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(len(str(path))).standard_normal(rate // 4)
    write(path, (0.1 * samples).astype(np.float32), rate)


def of_both(root):
    return {part: open_corpus(root, part) for part in splits.PARTS}


def speakers(corpora):
    return {part: {sound.source for sound in found.speech} for part, found in corpora.items()}


def mixes(root, noise=None, **more):
    """A batch of each part."""
    data = {"kind": "mixtures", "root": str(root), "seconds": 0.5, **more}
    data |= {} if noise is None else {"noise": str(noise)}
    return [build_examples(data, ONE, 2, 0, part).batch(0)["inputs"] for part in splits.PARTS]


# ---- LibriSpeech -------------------------------------------------------------------------


@pytest.fixture
def librispeech(tmp_path):
    """Ten speakers who train, of one chapter each, and one of the tests."""
    base = tmp_path / "LibriSpeech"
    for who in [*range(101, 111), 999]:
        part = "test-clean" if who == 999 else "train-clean-100"
        chapter = base / part / str(who) / "7"
        for k in range(2):
            put(chapter / f"{who}-7-000{k}.flac")
        text = "".join(f"{who}-7-000{k} WORDS\n" for k in range(2))
        (chapter / f"{who}-7.trans.txt").write_text(text)
    rows = [f"{who} | F | train-clean-100 | 25.03 | A NAME\n" for who in range(101, 111)]
    (base / "SPEAKERS.TXT").write_text(";ID |SEX| SUBSET |MINUTES| NAME\n" + "".join(rows))
    return tmp_path


@pytest.mark.parametrize("below", ["", "LibriSpeech"])
def test_librispeech_trains_on_its_train_parts_by_speaker(librispeech, below):
    found = of_both(librispeech / below)
    who = speakers(found)
    assert who["train"] | who["dev"] == {str(k) for k in range(101, 111)}
    assert who["dev"] and not who["train"] & who["dev"]
    assert {sound.set for sound in found["train"].speech} == {"train-clean-100"}
    assert all((found["train"].root / sound.path).is_file() for sound in found["train"].speech)


def test_of_librispeech_copied_in_half_it_says_what_is_missing(librispeech):
    part = librispeech / "LibriSpeech" / "train-clean-100"
    (part / "103" / "7" / "103-7-0001.flac").unlink()
    with pytest.raises(ConfigError, match=r"1 utterances are missing \(103-7-0001\).*openslr"):
        open_corpus(librispeech, "train")
    for who in (104, 105, 106, 107):
        shutil.rmtree(part / str(who))
    with pytest.raises(ConfigError, match=r"4 speakers are missing \(104, 105, 106, \.\.\.\)"):
        open_corpus(librispeech, "train")
    shutil.rmtree(part)
    with pytest.raises(ConfigError, match="no part train-... of LibriSpeech, only test-clean"):
        open_corpus(librispeech, "train")


# ---- AudioMNIST --------------------------------------------------------------------------


@pytest.fixture
def audiomnist(tmp_path):
    """Twelve speakers say two digits twice, at 48 kHz."""
    for who in range(1, 13):
        for digit in (0, 7):
            for time in range(2):
                put(tmp_path / f"data/{who:02d}/{digit}_{who:02d}_{time}.wav", 48_000)
    meta = {f"{who:02d}": {"gender": "female"} for who in range(1, 13)}
    (tmp_path / "data/audioMNIST_meta.txt").write_text(json.dumps(meta))
    return tmp_path


@pytest.mark.parametrize("below", ["", "data"])
def test_audiomnist_is_divided_by_speaker_and_a_tenth_is_kept(audiomnist, below):
    who = speakers(of_both(audiomnist / below))
    assert who["train"] and who["dev"] and not who["train"] & who["dev"]
    assert len(who["train"] | who["dev"]) < 12


def test_of_audiomnist_copied_in_half_it_says_what_is_missing(audiomnist):
    (audiomnist / "data/03/7_03_1.wav").unlink()
    with pytest.raises(ConfigError, match=r"1 recordings are missing \(7_03_1\).*AudioMNIST"):
        open_corpus(audiomnist, "train")
    shutil.rmtree(audiomnist / "data/11")
    with pytest.raises(ConfigError, match=r"1 speakers are missing \(11\)"):
        open_corpus(audiomnist, "train")
    (audiomnist / "data/audioMNIST_meta.txt").write_text('{"01": {"gen')
    with pytest.raises(ConfigError, match=r"audioMNIST_meta\.txt is not JSON: "):
        open_corpus(audiomnist, "train")


def test_spoken_digits_in_white_noise(audiomnist):
    for inputs in mixes(audiomnist, "white", snr_db=0.0):
        assert inputs.shape == (2, 1, 8000) and np.all(inputs.std(axis=2) > 0)
    with pytest.raises(ConfigError, match="no noise for the part 'train'; give data.noise"):
        mixes(audiomnist)


def test_spoken_digits_from_the_folder_to_the_cleaned_file(audiomnist, monkeypatch):
    """As somebody would who follows the textbook: train, export, use."""
    from arrayenh.cli.main import run
    from arrayenh.training.recipe import find_recipe

    monkeypatch.chdir(audiomnist)
    text = find_recipe(Path("conv-autoencoder")).read_text()
    smaller = text.replace("[32, 64]", "[8, 8]").replace("epochs = 25", "epochs = 1")
    Path("digits.toml").write_text(smaller.replace("batch_size = 16", "batch_size = 4"))
    assert run(["train", "digits.toml", "--data", ".", "-o", "digits"]) == 0
    assert run(["export", "digits", "-o", "digits.onnx"]) == 0
    line = ["enhance", "data/01/7_01_0.wav", "--postfilter", "neural", "--model", "digits.onnx"]
    assert run([*line, "-o", "clean.wav"]) == 0
    assert read("clean.wav").n_samples == 12_000


# ---- DNS-Challenge -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "speech, noise",
    [
        ("datasets_fullband/clean_fullband/read_speech", "datasets_fullband/noise_fullband"),
        ("clean_fullband/read_speech", "noise_fullband"),
        ("datasets/clean", "datasets/noise"),
    ],
)
def test_dns_challenge_names_its_readers(tmp_path, speech, noise):
    for who in range(12):
        for k in range(2):
            put(tmp_path / speech / f"book_0000{k}_chp_0001_reader_0{who:04d}_{k}_seg_0.wav")
    for k in range(6):
        put(tmp_path / noise / f"clip_{k}x.wav")
    found = of_both(tmp_path)
    who = speakers(found)
    assert who["train"] | who["dev"] == {f"reader_0{k:04d}" for k in range(12)}
    assert who["dev"] and not who["train"] & who["dev"]
    noises = [{sound.source for sound in one.noise} for one in found.values()]
    assert all(noises) and not noises[0] & noises[1]
    assert all(np.all(inputs.std(axis=2) > 0) for inputs in mixes(tmp_path))
    shutil.rmtree(tmp_path / noise)
    with pytest.raises(ConfigError, match=rf"1 folders are missing \({noise}\).*DNS-Challenge"):
        open_corpus(tmp_path, "train")


def test_pairs_of_the_dns_challenge_go_by_number(tmp_path):
    for k in range(20):
        name = f"book_1_chp_1_reader_{k:05d}_0_snr5_fileid_{k}.wav"
        put(tmp_path / "noisy" / name)
        put(tmp_path / "clean" / f"clean_fileid_{k}.wav")
    pairs = {part: find_pairs(tmp_path, part) for part in splits.PARTS}
    for one in (*pairs["train"], *pairs["dev"]):
        number = one.noisy.stem.rpartition("_")[2]
        assert one.clean.name == f"clean_fileid_{number}.wav"
    assert pairs["dev"] and not set(pairs["train"]) & set(pairs["dev"])


# ---- VoiceBank+DEMAND, plain folders -----------------------------------------------------


def test_of_voicebank_copied_in_half_it_says_what_is_missing(tmp_path):
    for who in range(5):
        for kind in ("clean", "noisy"):
            put(tmp_path / f"{kind}_trainset_28spk_wav" / f"p{who}_001.wav")
    assert find_pairs(tmp_path, "train")
    (tmp_path / "noisy_trainset_28spk_wav/p3_001.wav").unlink()
    with pytest.raises(ConfigError, match=r"1 noisy files are missing \(p3_001.wav\).*10283/2791"):
        find_pairs(tmp_path, "train")
    shutil.rmtree(tmp_path / "clean_trainset_28spk_wav")
    with pytest.raises(ConfigError, match="there is no folder .*clean_trainset.*10283/2791"):
        find_pairs(tmp_path, "train")


def test_noise_may_come_from_elsewhere(tmp_path):
    for who in range(6):
        put(tmp_path / f"mine/clean/anna{who}/u.wav")
        put(tmp_path / f"hums/hum{who}x.wav")
    for noise in (tmp_path / "hums", "pink"):
        assert all(np.all(inputs.std(axis=2) > 0) for inputs in mixes(tmp_path / "mine", noise))
    parts = [set(open_noise(tmp_path / "hums", part)) for part in splits.PARTS]
    assert all(parts) and not parts[0] & parts[1]
    with pytest.raises(ConfigError, match="the folder of noise .* does not exist"):
        mixes(tmp_path / "mine", tmp_path / "nosuch")


def test_what_is_no_set_is_told_of_those_that_are_known(tmp_path):
    with pytest.raises(
        ConfigError,
        match="nor a folder speech or clean, and is not a known data set: LibriSpeech.*DNS",
    ):
        open_corpus(tmp_path / "nosuch", "train")
