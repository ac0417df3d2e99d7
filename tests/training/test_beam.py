"""The beamformer through which networks of masks are trained, against that of the chain.

Its covariances are float32: errors of a rounding count by the condition of the noise, which
sensor noise 14 dB below the field keeps at 1e3.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose

torch = pytest.importorskip("torch")

from arrayenh.beamformers.blind import BlindBeam  # noqa: E402
from arrayenh.microphones.geometry import load_array  # noqa: E402
from arrayenh.networks.signature import Signature  # noqa: E402
from arrayenh.statistics.covariance import sounding  # noqa: E402
from arrayenh.statistics.loading import LOADING  # noqa: E402
from arrayenh.stft import Stft  # noqa: E402
from arrayenh.training.beam import Beamed, beamform  # noqa: E402
from arrayenh.training.losses import (  # noqa: E402
    BEST_BEAM_DB,
    N_BANDS,
    Loss,
    band_si_sdr_loss,
    hearing_bands,
    si_sdr_loss,
)
from arrayenh.training.recipe import LossRecipe  # noqa: E402
from tests.signals import arrivals, complex_normal, delayed, diffuse_noise, voice  # noqa: E402

STFT = Stft(256, 64, "hann")
N = 8000


def heard(array, seed, n_samples=N):
    """What the microphones hear of a voice at 60 degrees in diffuse noise, and that voice."""
    rng, positions = np.random.default_rng(seed), load_array(array).positions
    speech = 0.05 * delayed(voice(rng, n_samples), arrivals(positions, np.deg2rad(60)))
    noise = 0.03 * diffuse_noise(rng, positions, n_samples, n_waves=16)
    noise += 0.006 * rng.standard_normal(noise.shape)
    return (speech + noise).astype(np.float32), speech.astype(np.float32)


def ideal(mixture, speech):
    """A mask that knows, (F, T)."""
    wanted, other = (np.abs(STFT.analyse(x[:1])[:, 0]) for x in (speech, mixture - speech))
    return wanted / (wanted + other)


def of_torch(spec):
    """(F, M, T) -> (M, T, F, 2)."""
    parts = np.ascontiguousarray(spec.transpose(1, 2, 0))
    return torch.view_as_real(torch.from_numpy(parts))


def batch_of(recordings):
    """Spectra (B, M, T, F, 2) and masks (B, T, F), silent where one has fewer microphones."""
    n_mics = max(len(mixture) for mixture, _ in recordings)
    specs = [STFT.analyse(mixture) for mixture, _ in recordings]
    mics = torch.zeros(len(specs), n_mics, *of_torch(specs[0]).shape[1:])
    for row, spec in zip(mics, specs, strict=True):
        row[: spec.shape[1]] = of_torch(spec)
    masks = [ideal(*recording).T for recording in recordings]
    return torch.from_numpy(np.stack(masks)), mics


def of_the_chain(mixture, mask):
    """Reference, beamformed and noise of `BlindBeam`, complex (T, F)."""
    spec = STFT.analyse(mixture)
    beam = BlindBeam(spec, 0, LOADING, sounding(spec))
    beamformed, noise = beam.with_noise(np.ascontiguousarray(mask.T))
    return [x.T for x in (spec[:, 0], beamformed, noise.astype(np.complex64))]


def assert_same(beamed, wanted, k=0, within=1e-4):
    """To a share of what is beamformed, in every bin, over all frames."""
    scale = np.sqrt(np.mean(np.abs(wanted[1]) ** 2, axis=0))
    found = (beamed.reference[k], beamed.beamformed[k], beamed.noise[k])
    for one, other in zip(found, wanted, strict=True):
        error = np.sqrt(np.mean(np.abs(one.numpy() - other) ** 2, axis=0))
        assert (error <= within * scale).all()


ARRAYS = ("linear2-12mm", "linear4-35mm", "circular6-46mm")


@pytest.mark.parametrize("array", ARRAYS)
def test_it_is_the_beamformer_of_the_chain(array):
    recording = heard(array, 1)
    masks, mics = batch_of([recording])
    assert_same(beamform(masks, mics), of_the_chain(recording[0], masks[0].numpy()))


def test_microphones_that_are_not_there_do_not_take_part():
    """One batch of arrays of 2, 4 and 6, filled up with silence."""
    recordings = [heard(array, seed) for seed, array in enumerate(ARRAYS)]
    masks, mics = batch_of(recordings)
    beamed = beamform(masks, mics)
    for k, (mixture, _) in enumerate(recordings):
        assert_same(beamed, of_the_chain(mixture, masks[k].numpy()), k)


def test_whatever_the_mask_it_is_the_beamformer_of_the_chain():
    """Even where the two covariances are almost the same, and little of their ratio is left."""
    mixture, speech = heard("circular6-46mm", 4)
    _, mics = batch_of([(mixture, speech)])
    known = ideal(mixture, speech)
    for mask in (known**4, (known > 0.5).astype(np.float32), 0 * known, 0 * known + 1):
        mask = np.ascontiguousarray(mask.T)
        beamed = beamform(torch.from_numpy(mask[None]), mics)
        assert_same(beamed, of_the_chain(mixture, mask), within=5e-4)


def test_one_microphone_passes_and_tells_no_noise():
    mixture, speech = heard("linear4-35mm", 2)
    masks, mics = batch_of([(mixture[:1], speech[:1]), (mixture, speech)])
    beamed = beamform(masks, mics)
    assert not beamed.noise[0].any() and beamed.noise[1].abs().max() > 0
    level = float(mics.abs().max())
    assert_allclose(beamed.beamformed[0], beamed.reference[0], atol=1e-6 * level)
    assert beamed.rest[0].abs().max() <= 1e-6 * level < beamed.rest[1].abs().max()


def test_roles_come_in_the_order_that_is_asked_for():
    rng = np.random.default_rng(3)
    reference, beamformed, masked, noise = torch.from_numpy(complex_normal(rng, 4, 2, 5, 4))
    beamed = Beamed(reference, beamformed, masked, noise)
    spec = beamed.spec(("noise", "rest", "beamformed", "masked", "reference"))
    assert spec.shape == (2, 5, 5, 4, 2)
    wanted = (noise, reference - beamformed, beamformed, masked, reference)
    for k, part in enumerate(wanted):
        assert_allclose(torch.view_as_complex(spec[:, k].contiguous()), part, rtol=1e-15)


def test_the_reference_is_heard_through_the_mask():
    masks, mics = batch_of([heard("linear4-35mm", 5)])
    beamed = beamform(masks, mics)
    assert_allclose(beamed.masked, masks * torch.view_as_complex(mics[:, 0]), rtol=1e-6)


def beam_loss(logits, mics, target, loss):
    mask = torch.sigmoid(logits)
    return loss(mask, mics[:, :1], target, mics)[0]


@pytest.fixture(scope="module")
def short():
    """Microphones (2, 4, T, F, 2) of 4 and of 2, and targets (2, N), in frames of 64 samples."""
    terms = LossRecipe(beam=0.5, beam_bands=0.5)
    loss = Loss(terms, Signature("m", "mask", ("reference",), 64, 16))
    samples, targets = np.zeros((2, 4, 1200), np.float32), np.zeros((2, 1200), np.float32)
    for k, (array, n_mics) in enumerate([("linear4-35mm", 4), ("linear4-35mm", 2)]):
        mixture, speech = heard(array, 10 + k, 1200)
        samples[k, :n_mics], targets[k] = mixture[:n_mics], speech[0]
    return loss, loss.stft.analyse(torch.from_numpy(samples)), torch.from_numpy(targets)


def test_the_beam_loss_is_that_of_the_beamformed_samples(short):
    loss, mics, target = short
    mask = torch.rand(2, *mics.shape[2:4], generator=torch.Generator().manual_seed(0))
    total, terms = loss(mask, mics[:, :1], target, mics)
    beamed = torch.view_as_real(beamform(mask, mics).beamformed.contiguous())
    samples = loss.stft.synthesise(beamed, target.shape[-1])
    assert terms["beam"] == si_sdr_loss(samples, target, BEST_BEAM_DB)
    bands = hearing_bands(33, N_BANDS)
    assert terms["beam_bands"] == band_si_sdr_loss(beamed, loss.stft.analyse(target), bands)
    assert total == pytest.approx(float(terms["beam"] + terms["beam_bands"]) / 2)


def test_the_gradient_of_the_beam_loss_is_its_slope(short):
    """Central differences along it, and along the halves of it."""
    loss, mics, target = short
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, *mics.shape[2:4], generator=generator, requires_grad=True)
    beam_loss(logits, mics, target, loss).backward()
    half = torch.rand(logits.shape, generator=generator) < 0.5
    step = 0.3  # the loss, -4 dB, is known to a few of its roundings, 1e-6
    with torch.no_grad():
        for direction in (logits.grad, logits.grad * half, logits.grad * ~half):
            direction = direction / direction.norm()
            ahead, behind = (
                float(beam_loss(logits + sign * step * direction, mics, target, loss))
                for sign in (1, -1)
            )
            slope = float((logits.grad * direction).sum())
            assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=0.02)


def test_the_gradient_leads_to_a_better_beamformer(short):
    loss, mics, target = short
    logits = torch.zeros(2, *mics.shape[2:4], requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.1)
    losses = []
    for _ in range(30):
        total = beam_loss(logits, mics, target, loss)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < losses[0] - 3  # dB


KINDS = {
    "mixture": lambda mics, target: (mics, target),
    "silence": lambda mics, target: (0 * mics, 0 * target),
    "no speech": lambda mics, target: (mics, 0 * target),
    "one silent example": lambda mics, target: (mics * ALIVE, target * ALIVE[:, 0, 0, 0]),
    "one microphone": lambda mics, target: (mics * FIRST, target),
    "a silent reference": lambda mics, target: (mics * (1 - FIRST), target),
    "silent bins": lambda mics, target: (mics * (torch.arange(33) < 20)[:, None], target),
    "faint bins": lambda mics, target: (
        mics * torch.where(torch.arange(33) < 20, 1.0, 1e-8)[:, None],
        target,
    ),
    "silent frames": lambda mics, target: (mics * (torch.arange(78) < 40)[:, None, None], target),
    "alike": lambda mics, target: (mics[:, :1].expand_as(mics), target),
    "faint": lambda mics, target: (1e-12 * mics, 1e-12 * target),
    "loud": lambda mics, target: (1e4 * mics, 1e4 * target),
}
ALIVE = torch.tensor([1.0, 0.0])[:, None, None, None, None]
FIRST = torch.tensor([1.0, 0.0, 0.0, 0.0])[:, None, None, None]


@pytest.mark.parametrize("logit", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_heard_all_is_finite(short, kind, logit):
    loss, mics, target = short
    mics, target = KINDS[kind](mics, target)
    target = target.reshape(2, -1)
    logits = torch.full((2, *mics.shape[2:4]), logit, requires_grad=True)
    beamed = beamform(torch.sigmoid(logits), mics)
    for part in (beamed.masked, beamed.beamformed, beamed.noise, beamed.rest):
        assert torch.isfinite(torch.view_as_real(part)).all()
    total = beam_loss(logits, mics, target, loss)
    total.backward()
    assert torch.isfinite(total) and torch.isfinite(logits.grad).all()


def test_level_does_not_matter(short):
    loss, mics, target = short
    mask = torch.rand(2, *mics.shape[2:4], generator=torch.Generator().manual_seed(0))
    loud, soft = (
        float(loss(mask, gain * mics[:, :1], gain * target, gain * mics)[0])
        for gain in (1, 1 / 1024)
    )
    assert soft == pytest.approx(loud, abs=1e-3)
    one, other = beamform(mask, mics), beamform(mask, mics / 1024)
    for a, b in ((one.beamformed, other.beamformed), (one.noise, other.noise)):
        assert_allclose(1024 * b, a, atol=1e-4 * float(a.abs().max()))
