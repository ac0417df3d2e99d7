from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")

from arrayenh.errors import ConfigError, ShapeError  # noqa: E402
from arrayenh.evaluation.metrics import waveform  # noqa: E402
from arrayenh.networks.signature import Signature  # noqa: E402
from arrayenh.stft import Stft  # noqa: E402
from arrayenh.training import losses  # noqa: E402
from arrayenh.training.recipe import LossRecipe  # noqa: E402
from arrayenh.training.stft import TorchStft  # noqa: E402
from tests.reference import losses as reference  # noqa: E402
from tests.signals import RATE, band_limited  # noqa: E402

EPS = float(np.finfo(np.float32).eps)
MASK = Signature("m", "mask", ("microphone",), 64, 16)
POSTFILTER = Signature("p", "postfilter", ("beamformed", "reference"), 64, 16)


def voices(n_batch=3, n_samples=500, seed=0):
    """Targets (B, N) of unequal level, and noise as loud."""
    rng = np.random.default_rng(seed)
    level = 10.0 ** rng.uniform(-2, 0, (n_batch, 1))
    clean, noise = (
        np.stack([band_limited(rng, n_samples) for _ in range(n_batch)]) * level for _ in range(2)
    )
    return clean.astype(np.float32), noise.astype(np.float32)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array))


def parts(spec):
    """Complex (...) as (..., 2) of torch."""
    return torch.view_as_real(tensor(spec.astype(np.complex64)))


def spectra(waveforms, n_fft=64, hop=16):
    return np.stack([reference.stft(x, n_fft, hop) for x in waveforms])


@pytest.mark.parametrize("n_fft, hop", [(64, 16), (512, 256), (2048, 512), (65, 20)])
@pytest.mark.parametrize("n_samples", [1, 500, 512, 4001])
def test_spectra_and_waveforms_are_those_of_the_chain(n_fft, hop, n_samples):
    x = np.random.default_rng(0).standard_normal((2, n_samples)).astype(np.float32)
    stft, of_torch = Stft(n_fft, hop, "hann"), TorchStft(Stft(n_fft, hop, "hann"))
    spec = stft.analyse(x)  # (F, M, T)
    found = of_torch.analyse(tensor(x))
    assert_allclose(
        torch.view_as_complex(found).numpy(), spec.transpose(1, 2, 0), atol=1e-5 * abs(spec).max()
    )
    changed = spec * np.random.default_rng(1).uniform(0, 1, spec.shape).astype(np.float32)
    assert_allclose(
        of_torch.synthesise(parts(changed.transpose(1, 2, 0)), n_samples).numpy(),
        stft.synthesise(changed, n_samples),
        atol=1e-5,
    )


def test_a_spectrum_of_another_length_is_refused():
    with pytest.raises(ShapeError, match=r"\(T, F, 2\) = \(10, 33, 2\); got \(3, 9, 33, 2\)"):
        TorchStft(Stft(64, 16, "hann")).synthesise(torch.zeros(3, 9, 33, 2), 112)


def test_si_sdr_is_the_score():
    clean, noise = voices()
    score = [waveform.si_sdr(s, y, RATE) for s, y in zip(clean, clean + 0.3 * noise, strict=True)]
    found = losses.si_sdr_loss(tensor(clean + 0.3 * noise), tensor(clean))
    assert_allclose(found, -np.mean(score), atol=1e-3)  # 60 dB above are 10 dB


@pytest.mark.parametrize("gain, level", [(0.0, 0.0), (1e-4, 1.0), (0.5, 1e-3), (2.0, 1.0)])
def test_si_sdr_follows_its_formula(gain, level):
    clean, noise = voices()
    clean[1] = 0  # left out
    estimate = level * (clean + gain * noise)
    wanted = reference.si_sdr_loss(np.float64(estimate), np.float64(clean))
    assert_allclose(losses.si_sdr_loss(tensor(estimate), tensor(clean)), wanted, atol=1e-3)


def test_nothing_is_gained_above_the_best_si_sdr():
    clean, _ = voices()
    assert losses.si_sdr_loss(tensor(clean), tensor(clean), best_db=30.0) == pytest.approx(
        -30, 1e-3
    )


@pytest.mark.parametrize("compression, beta", [(0.3, 0.3), (1.0, 0.0), (0.5, 1.0)])
def test_compressed_spectra_follow_their_formula(compression, beta):
    clean, noise = voices()
    s, y = spectra(clean), spectra(clean + noise)
    level = np.array([0.1, 0.0, 3.0])
    wanted = reference.compressed_spectral_loss(y, s, level, compression, beta)
    found = losses.compressed_spectral_loss(
        parts(y), parts(s), tensor(level).float(), compression, beta
    )
    assert_allclose(found, wanted, rtol=1e-4)


def test_phase_counts_in_the_complex_part_only():
    spec = parts(spectra(voices()[0]))
    ones = torch.ones(3)
    assert losses.compressed_spectral_loss(-spec, spec, ones, complex_part=0.0) == 0
    assert losses.compressed_spectral_loss(-spec, spec, ones, complex_part=0.5) > 0.1


def test_resolutions_follow_their_formula():
    clean, noise = voices()
    clean[2] = 0  # its ratio is left out
    level = np.array([0.1, 0.0, 3.0])
    sizes = (32, 64, 128)
    found = losses.multi_resolution_stft_loss(
        tensor(clean + noise),
        tensor(clean),
        tensor(level).float(),
        [TorchStft(Stft(n, n // 4, "hann")) for n in sizes],
    )
    wanted = reference.multi_resolution_stft_loss(
        np.float64(clean + noise), np.float64(clean), level, sizes
    )
    assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("measure", ["mse", "bce"])
@pytest.mark.parametrize("p, k, q", [(1.0, 1.0, 0.6), (2.0, 2.0, 0.0), (1.0, 2.0, 2.0)])
def test_masks_follow_their_formula(measure, p, k, q):
    clean, noise = voices()
    noise[1] = -clean[1]  # silent
    s, x = spectra(clean), spectra(clean + noise)
    s[0, 3], x[0, 3] = 0, 0  # a silent frame
    mask = np.random.default_rng(1).uniform(0.01, 0.99, s.shape)
    found = losses.mask_loss(tensor(mask).float(), parts(x), parts(s), measure, p, k, q)
    assert_allclose(found, reference.mask_loss(mask, x, s, measure, p, k, q), rtol=1e-4)


def test_the_ideal_mask_costs_nothing_and_is_the_wiener_gain_of_powers():
    clean, noise = voices()
    s, x = parts(spectra(clean)), parts(spectra(clean + noise))
    ideal = losses.ideal_ratio_mask(x, s)
    assert losses.mask_loss(ideal, x, s) == 0
    powers = s.square().sum(-1), (x - s).square().sum(-1)
    assert_allclose(losses.ideal_ratio_mask(x, s, 2.0), powers[0] / (powers[0] + powers[1]))


def picture(spec, level, range_db=80):
    """dB up to 30 above the mean power, and so far below that, as -1 to 1."""
    decibels = 10 * np.log10(np.abs(np.complex128(spec)) ** 2 / level[:, None, None] + 1e-12)
    return np.clip((decibels - 30) * 2 / range_db + 1, -1, 1)


@pytest.mark.parametrize("term", ["magnitude", "noise_db", "picture"])
def test_spectrograms_follow_their_formulas(term):
    """Of the noisy spectrum through a mask; a silent recording is left out."""
    clean, noise = voices()
    clean[1] = noise[1] = 0
    loss = losses.build_loss(LossRecipe(**{term: 2.0}), MASK)
    spec = loss.stft.analyse(tensor(clean + noise)[:, None])
    mask = torch.rand(3, *spec.shape[2:4], generator=torch.Generator().manual_seed(0))
    total, terms = loss(mask, spec, tensor(clean))
    noisy, right = (
        torch.view_as_complex(x).numpy() for x in (spec[:, 0], loss.stft.analyse(tensor(clean)))
    )
    heard = np.array([0, 2])
    noisy, right, found = noisy[heard], right[heard], (noisy * mask.numpy())[heard]
    level = np.mean(np.abs(noisy) ** 2, axis=(1, 2))
    if term == "magnitude":
        each = np.mean(np.abs(np.abs(found) - np.abs(right)), axis=(1, 2)) / np.sqrt(level)
    elif term == "noise_db":  # noisy less clean, of 25 dB
        p, q = (
            np.clip((picture(noisy, level) - picture(x, level)) * 40 / 25, -1, 1)
            for x in (found, right)
        )
        distance = np.abs(p - q)
        huber = np.where(distance <= 1, distance**2 / 2, distance - 0.5)
        each = huber.mean(axis=(1, 2))
    else:
        p, q = ((1 + picture(x, level, 60)) / 2 for x in (found, right))
        with np.errstate(divide="ignore"):
            logs = [np.maximum(np.log(x), -100) for x in (p, 1 - p)]
        each = -np.mean(q * logs[0] + (1 - q) * logs[1], axis=(1, 2))
    assert float(terms[term]) == pytest.approx(each.mean(), rel=1e-4)
    assert float(total) == pytest.approx(2 * each.mean(), rel=1e-4)


ALL = LossRecipe(
    si_sdr=0.1, spectral=2.0, stft=1.0, magnitude=1.0, noise_db=1.0, picture=1.0,
    resolutions=(32, 64),
)  # fmt: skip
PADDED = np.arange(500) < 200
SIGNALS = {
    "speech": lambda clean, noise: (clean, noise),
    "no speech": lambda clean, noise: (0 * clean, noise),
    "no noise": lambda clean, noise: (clean, 0 * noise),
    "silence": lambda clean, noise: (0 * clean, 0 * noise),
    "padding": lambda clean, noise: (clean * PADDED, noise * PADDED),
    "faint": lambda clean, noise: (1e-12 * clean, 1e-12 * noise),
    "loud": lambda clean, noise: (1e4 * clean, 1e4 * noise),
}  # fmt: skip


@pytest.mark.parametrize("kind", SIGNALS)
@pytest.mark.parametrize("logit", [-200.0, -3.0, 0.0, 200.0])
@pytest.mark.parametrize("measure", ["mse", "bce"])
def test_gradients_are_finite_whatever_is_heard(kind, logit, measure):
    clean, noise = SIGNALS[kind](*voices())
    recipe = replace(ALL, mask=1.0, measure=measure)
    loss = losses.build_loss(recipe, MASK)
    logits = torch.full((3, loss.stft.stft.n_frames(500), 33), logit, requires_grad=True)
    spec = loss.stft.analyse(tensor((clean + noise).astype(np.float32))[:, None])
    total, _ = loss(torch.sigmoid(logits), spec, tensor(clean.astype(np.float32)))
    total.backward()
    assert torch.isfinite(total) and torch.isfinite(logits.grad).all()


def test_the_sum_is_weighted_and_tells_its_terms_in_their_order():
    clean, noise = voices()
    loss = losses.build_loss(ALL, POSTFILTER)
    inputs = tensor(np.stack([clean + noise, noise], axis=1))
    spec = loss.stft.analyse(inputs)
    total, terms = loss(spec[:, 0], spec, tensor(clean))
    others = ["stft", "magnitude", "noise_db", "picture"]
    assert list(terms) == list(loss.weights) == ["si_sdr", "spectral", *others]
    weighted = 0.1 * terms["si_sdr"] + 2 * terms["spectral"] + sum(terms[k] for k in others)
    assert_allclose(total, weighted, rtol=1e-6)
    assert_allclose(terms["si_sdr"], losses.si_sdr_loss(inputs[:, 0], tensor(clean)), atol=1e-3)


def test_a_mask_is_heard_on_the_first_input():
    clean, noise = voices()
    loss = losses.build_loss(LossRecipe(si_sdr=1.0), MASK)
    spec = loss.stft.analyse(tensor(np.stack([clean, noise], axis=1)))
    ones = torch.ones(spec.shape[0], *spec.shape[2:4])
    assert loss(ones, spec, tensor(clean))[0] < -50


def test_bands_of_hearing_are_equally_wide_in_erb():
    bands = losses.hearing_bands(1025, 24).numpy()
    edges = np.flatnonzero(np.diff(bands)) * 8000 / 1024  # the last frequency of each
    rates = 21.4 * np.log10(1 + 0.00437 * edges)
    whole = 21.4 * np.log10(1 + 0.00437 * 8000)
    assert_allclose(rates, whole * np.arange(1, 24) / 24, atol=0.3)  # a bin is so wide
    assert bands[0] == 0 and bands[-1] == 23 and np.all(np.diff(bands) >= 0)


def test_si_sdr_of_bands_is_that_of_each():
    clean, noise = voices()
    target, other = spectra(clean), spectra(noise)
    gains = 10 ** np.linspace(-2, 0.5, 33)  # high bands are noisier
    estimate = 0.3 * (target + gains[None, None, :] * other)
    bands = np.repeat([0, 1, 2], 11)
    target[1, :, :11] = 0  # left out
    ratios = []
    for s, y in zip(target, estimate, strict=True):
        for k in range(3):
            part, heard = s[:, bands == k].ravel(), y[:, bands == k].ravel()
            energy = np.sum(abs(part) ** 2)
            if energy > 0:
                scale = np.sum((heard * part.conj()).real) / energy
                kept = np.sum(abs(scale * part) ** 2)
                ratios.append([kept, np.sum(abs(heard - scale * part) ** 2)])
    kept, lost = np.transpose(ratios)
    wanted = np.mean(10 * np.log10((lost + 1e-3 * kept) / (kept + 10**-1.5 * lost)))
    found = losses.band_si_sdr_loss(parts(estimate), parts(target), tensor(bands))
    assert float(found) == pytest.approx(wanted, abs=1e-3)
    faint = losses.band_si_sdr_loss(parts(1e-12 * estimate), parts(1e-12 * target), tensor(bands))
    assert float(faint) == pytest.approx(wanted, abs=1e-3)
    assert float(losses.band_si_sdr_loss(parts(estimate), parts(0 * target), tensor(bands))) == 0


@pytest.mark.parametrize(
    "terms",
    [{term: 1.0} for term in ("spectral", "stft", "mask", "magnitude", "noise_db", "picture")],
    ids=str,
)
def test_level_does_not_matter(terms):
    clean, noise = voices()
    loss = losses.build_loss(LossRecipe(**terms), MASK)
    found = []
    for gain in (1.0, 1e-3):
        spec = loss.stft.analyse(tensor(gain * (clean + noise))[:, None])
        mask = torch.full((3, *spec.shape[2:4]), 0.5)
        found.append(float(loss(mask, spec, tensor(gain * clean))[0]))
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("term", ["mask", "beam", "beam_bands"])
def test_losses_of_masks_are_not_for_post_filters(term):
    with pytest.raises(ConfigError, match=f"loss.{term} needs a mask; a post-filter returns"):
        losses.build_loss(LossRecipe(**{term: 1.0}), POSTFILTER)


@pytest.mark.parametrize("term", ["beam", "beam_bands"])
def test_a_beamformer_cannot_be_judged_without_microphones(term):
    clean, noise = voices()
    loss = losses.build_loss(LossRecipe(**{term: 1.0}), MASK)
    spec = loss.stft.analyse(tensor(clean + noise)[:, None])
    with pytest.raises(ConfigError, match=f"loss.{term} needs several microphones: data of kind"):
        loss(torch.ones(3, *spec.shape[2:4]), spec, tensor(clean))
