"""Networks before any training: shapes, state, gain, silence, gradients."""

import pytest

torch = pytest.importorskip("torch", reason="networks are trained with torch: arrayenh[train]")

from arrayenh.errors import ConfigError  # noqa: E402
from arrayenh.neural.models import FILES, build  # noqa: E402

SMALL = {"n_fft": 64, "hop": 16, "hidden": 12}
CAUSAL = [
    ("mask-gru", {**SMALL, "bands": 8, "channels": (4, 6), "causal": True, "task": task})
    for task in ("mask", "postfilter")
]
ALL = [
    *CAUSAL,
    ("mask-gru", {**SMALL, "bands": 8, "channels": (4, 6)}),
    ("mask-gru", {**SMALL, "bands": 8, "channels": (4, 6), "inputs": ("microphone",)}),
    ("mask-blstm", SMALL),
    ("mask-blstm", {**SMALL, "task": "mask", "inputs": ("microphone",)}),
]


def made(name, settings):
    torch.manual_seed(0)
    return build(name, settings).eval()


def spectra(model, n_frames=250, batch=2, seed=1):
    signature = model.signature
    shape = (batch, len(signature.inputs), n_frames, signature.n_freqs, 2)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_the_output_is_what_the_signature_says(name, settings):
    model = made(name, settings)
    x = spectra(model)
    out, state = model(x)
    assert model.signature.name == name and name in FILES
    if model.signature.task == "mask":
        assert out.shape == (2, 250, 33) and 0 <= out.min() and out.max() <= 1
    else:
        assert out.shape == (2, 250, 33, 2)
    assert len(state) == len(model.state_names) == len(model.initial_state(2))


@pytest.mark.parametrize(("name", "settings"), CAUSAL)
@pytest.mark.parametrize("block", [1, 7, 200])
def test_block_by_block_is_the_whole(name, settings, block):
    model = made(name, settings)
    x = spectra(model)
    with torch.no_grad():
        whole, last = model(x)
        state, parts = model.initial_state(2), []
        for start in range(0, x.shape[2], block):
            part, state = model(x[:, :, start : start + block], state)
            parts.append(part)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    for one, other in zip(state, last, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "settings"), CAUSAL)
def test_a_causal_network_does_not_look_ahead(name, settings):
    model = made(name, settings)
    x = spectra(model)
    changed = x.clone()
    changed[:, :, 120:] *= 3.0
    with torch.no_grad():
        before, after = model(x)[0], model(changed)[0]
    torch.testing.assert_close(after[:, :120], before[:, :120], atol=1e-6, rtol=0)
    assert (after[:, 120:] - before[:, 120:]).abs().max() > 1e-3


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_the_level_of_the_input_does_not_matter(name, settings):
    model = made(name, settings)
    x = 0.1 * spectra(model)
    with torch.no_grad():
        reference = model(x)[0]
        for gain in (0.01, 100.0):
            out = model(gain * x)[0]
            out = out if model.signature.task == "mask" else out / gain
            torch.testing.assert_close(out, reference, atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_silence_and_spikes_are_finite_and_silence_stays(name, settings):
    model = made(name, settings)
    x = torch.zeros_like(spectra(model))
    with torch.no_grad():
        out = model(x)[0]
        assert torch.isfinite(out).all()
        if model.signature.task == "postfilter":
            assert not out.any()
        x[:, :, 100, 3] = 1e3
        assert torch.isfinite(model(x)[0]).all()


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_every_weight_learns(name, settings):
    model = made(name, settings).train()
    out, _ = model(spectra(model, 40))
    out.square().sum().backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), key
        assert weight.grad.abs().max() > 0, key


@pytest.mark.parametrize(("name", "settings"), ALL)
def test_gradients_of_silence_are_finite(name, settings):
    model = made(name, settings).train()
    x = torch.zeros_like(spectra(model, 30)).requires_grad_()
    out, _ = model(x)
    out.square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


def test_a_network_has_the_size_that_its_settings_say():
    flagship = build("mask-gru", {"bands": 96, "hidden": 144})
    assert sum(weight.numel() for weight in flagship.parameters()) < 1_500_000
    with pytest.raises(ConfigError, match="hiden: unexpected keyword"):
        build("mask-gru", {"hiden": 3})
    with pytest.raises(ConfigError, match="no network 'mask-grru'"):
        build("mask-grru", {})
