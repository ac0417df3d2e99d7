"""Networks before any training: shapes, state, gain, silence, gradients."""

import pytest

torch = pytest.importorskip("torch", reason="networks are trained with torch: arrayenh[train]")

from arrayenh.errors import ConfigError  # noqa: E402
from arrayenh.stft import Stft  # noqa: E402
from arrayenh.training.models import FILES, build  # noqa: E402
from arrayenh.training.stft import TorchStft  # noqa: E402

SMALL = {"n_fft": 64, "hop": 16, "hidden": 12}
GRU = {**SMALL, "bands": 8, "channels": (4, 6)}
TASNET = {"L": 64, "N": 24, "B": 6, "H": 10, "Sc": 7, "X": 3, "R": 2}
CAUSAL = [
    ("mask-gru", GRU | {"causal": True, "task": task, "narrow": narrow})
    for task in ("mask", "postfilter")
    for narrow in (0, 5)
]
CAUSAL.append(("conv-tasnet", TASNET | {"causal": True}))
ALL = [
    *CAUSAL,
    ("mask-gru", GRU | {"narrow": 5}),
    ("mask-gru", GRU),
    ("mask-gru", GRU | {"inputs": ("microphone",)}),
    ("mask-blstm", SMALL),
    ("mask-blstm", {**SMALL, "task": "mask", "inputs": ("microphone",)}),
    ("conv-tasnet", TASNET),
    (
        "mask-cnn",
        {"n_fft": 64, "hop": 16, "channels": (4, 6, 4), "dilations": ((1, 1), (2, 2), (4, 2))},
    ),
    ("unet", {"n_fft": 64, "hop": 16, "channels": (3, 4, 5)}),
    ("conv-autoencoder", {"n_fft": 64, "hop": 16, "channels": (6, 8)}),
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


@pytest.mark.parametrize("n_inputs, n_features", [(1, 1), (2, 3), (3, 6), (4, 10)])
def test_features_are_magnitudes_and_what_of_a_pair_is_the_first(n_inputs, n_features):
    roles = ("reference", "beamformed", "rest", "noise")[:n_inputs]
    model = made("mask-gru", GRU | {"inputs": roles})
    x = torch.rand(2, n_inputs, 5, 33, generator=torch.Generator().manual_seed(2)) + 0.1
    found = model.features(x)
    assert found.shape == (2, n_features, 5, 33) and model.n_features == n_features
    pairs = [(i, j) for i in range(n_inputs) for j in range(i + 1, n_inputs)]
    wanted = [x[:, i] for i in range(n_inputs)]
    wanted += [x[:, i] / (x[:, i] + x[:, j]) for i, j in pairs]
    torch.testing.assert_close(found, torch.stack(wanted, 1))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_fft", [64, 66, 100, 320, 514])
@pytest.mark.parametrize("channels", [(3,), (3, 5, 4)])
def test_any_number_of_bins_falls_and_rises_again(n_fft, channels, causal):
    settings = GRU | {"n_fft": n_fft, "channels": channels, "causal": causal}
    model = made("mask-gru", settings)
    x = spectra(model, 4)
    out, _ = model(x)
    assert out.shape == (2, 4, n_fft // 2 + 1) and out.std() > 0


@pytest.mark.parametrize("inputs", [("beamformed",), ("beamformed", "reference", "noise")])
def test_a_post_filter_begins_nearly_open(inputs):
    """A real gain of 0.7 but for small random weights."""
    model = made("mask-gru", GRU | {"task": "postfilter", "inputs": inputs})
    x = spectra(model)
    with torch.no_grad():
        out = model(x)[0]
    gain = torch.view_as_complex(out) / torch.view_as_complex(x[:, 0].contiguous())
    assert gain.real.mean() == pytest.approx(0.7, abs=0.3) and gain.imag.abs().mean() < 0.4


def test_a_post_filter_multiplies_its_first_input_by_no_more_than_two():
    model = made("mask-gru", GRU | {"task": "postfilter", "inputs": ("reference", "beamformed")})
    with torch.no_grad():
        model.last.weight.zero_()
        model.last.bias.copy_(torch.tensor([0.0, 50.0]))  # 2i: turned by a quarter
    x = spectra(model)
    wanted = torch.stack([-2 * x[:, 0, ..., 1], 2 * x[:, 0, ..., 0]], dim=-1)
    torch.testing.assert_close(model(x)[0], wanted)


def test_one_that_is_not_causal_hears_the_frames_behind():
    model = made("mask-gru", GRU)
    x = spectra(model, 60)
    changed = x.clone()
    changed[:, :, 40:] *= 3.0
    with torch.no_grad():
        assert (model(changed)[0][:, :40] - model(x)[0][:, :40]).abs().max() > 1e-4


def test_statistics_of_batches_are_learnt_and_then_kept():
    """In use, an example does not depend on those beside it."""
    model = made("mask-gru", GRU)
    before = model.falling[0][1].running_mean.clone()
    model.train()(spectra(model))
    assert (model.falling[0][1].running_mean - before).abs().max() > 1e-3
    model.eval()
    x = spectra(model, 40, batch=3)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[0][:1], model(x[:1])[0], atol=1e-5, rtol=0)


def test_a_network_has_the_size_that_its_settings_say():
    sizes = [
        sum(weight.numel() for weight in build("mask-gru", settings).parameters())
        for settings in ({}, {"hidden": 40}, {"bands": 64}, {"channels": (8, 8, 8)}, {"layers": 1})
    ]
    assert max(sizes) < 1_500_000 and len(set(sizes)) == 5
    with pytest.raises(ConfigError, match="hiden: unknown key; did you mean hidden"):
        build("mask-gru", {"hiden": 3})
    with pytest.raises(ConfigError, match="no network 'mask-grru'"):
        build("mask-grru", {})


# ---- the networks people know ------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes, millions",
    [
        ((128, 40, 128, 256, 128, 3, 7, 2), 1.5),
        ((256, 40, 128, 256, 128, 3, 7, 2), 1.5),
        ((512, 40, 128, 512, 128, 3, 7, 2), 3.1),
        ((512, 40, 128, 512, 512, 3, 7, 2), 6.2),
        ((512, 40, 256, 256, 256, 3, 7, 2), 3.2),
        ((512, 40, 256, 512, 256, 3, 7, 2), 6.0),
        ((512, 40, 256, 512, 512, 3, 7, 2), 8.1),
        ((512, 40, 128, 512, 128, 3, 6, 4), 5.1),
        ((512, 40, 128, 512, 128, 3, 4, 6), 5.1),
        ((512, 16, 128, 512, 128, 3, 8, 3), 5.1),
    ],
)
def test_conv_tasnet_is_as_large_as_in_its_paper(sizes, millions):
    """Luo & Mesgarani 2019, table I: with a second mask, and a way on from the last block."""
    n, length, b, h, sc, p, x, r = sizes
    settings = {"N": n, "L": length, "B": b, "H": h, "Sc": sc, "P": p, "X": x, "R": r}
    ours = sum(weight.numel() for weight in build("conv-tasnet", settings).parameters())
    theirs = ours + n * (sc + 1) + b * (h + 1)
    assert round(theirs / 1e6, 1) == millions


def test_conv_tasnet_sees_as_far_as_its_dilations_reach():
    """Each stack 2 (1 + 2 + 4) frames; whole recordings' norms apart, which see everything."""
    model = made("conv-tasnet", TASNET | {"causal": True})
    assert model.reaches == [2, 4, 8, 2, 4, 8]
    assert [tensor.shape[1] for tensor in model.initial_state(2)[:1]] == [28]
    two_sided = made("conv-tasnet", TASNET)
    for norm in [m for m in two_sided.modules() if type(m).__name__ == "Norm"]:
        norm.forward = lambda x, moments: x
    x = spectra(two_sided, 80).requires_grad_()
    frames = x[:, 0].flatten(2) @ two_sided.to_frames
    heard = two_sided.bottleneck(two_sided.encoder(frames))
    total = 0
    for block in two_sided.blocks:
        heard, skip, _ = block(heard, None, None)
        total = total + skip
    total[:, 40].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1, 3, 4)).nonzero()[:, 0]
    assert seen.min() == 40 - 14 and seen.max() == 40 + 14


@pytest.mark.parametrize("causal", [False, True])
def test_conv_tasnet_is_as_loud_as_what_it_was_given_says(causal):
    """The output is nearest to the input: what is left over stands at a right angle to it."""
    model = made("conv-tasnet", TASNET | {"causal": causal})
    stft = TorchStft(Stft(TASNET["L"], TASNET["L"] // 2, "hann"))
    samples = torch.randn(2, 3200, generator=torch.Generator().manual_seed(3))
    x = stft.analyse(samples)[:, None]
    with torch.no_grad():
        before = model(x)[0]
        model.decoder.weight *= -37.0
        after = model(x)[0]
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    out = stft.synthesise(before, samples.shape[1])
    left = ((samples - out) * out).sum(dim=1) / out.square().sum(dim=1)
    if not causal:  # else it is nearest to all that came before, at every frame
        assert left.abs().max() < 0.02  # the half frame before the first sample counts, of 101


def test_frames_and_spectra_are_those_of_the_fourier_transform():
    from arrayenh.training.models.conv_tasnet import transforms

    to_frames, to_spectra = transforms(32)
    frames = torch.randn(5, 32, generator=torch.Generator().manual_seed(4))
    spectra = torch.view_as_real(torch.fft.rfft(frames)).flatten(1)
    torch.testing.assert_close(frames @ to_spectra, spectra, atol=1e-5, rtol=0)
    torch.testing.assert_close(spectra @ to_frames, frames, atol=1e-6, rtol=0)


def test_the_sizes_of_the_textbooks():
    """Channels 1-32-64-64-32-1; ten convolutions down; two down and up again."""

    def convolutions(part):
        return [m for m in part.modules() if isinstance(m, torch.nn.Conv2d)]

    cnn = build("mask-cnn", {})
    assert [layer.in_channels for layer in convolutions(cnn)] == [1, 32, 64, 64, 32]
    assert convolutions(cnn)[-1].out_channels == 1
    unet = build("unet", {})
    assert len(convolutions(unet.falling)) == 10
    assert all(layer.bias.abs().max() == 0 for layer in convolutions(unet))
    for layer in convolutions(unet.falling)[1:]:  # He: variance 2 / ((1 + leak²) fan-in)
        fan_in = layer.weight[0].numel()
        assert layer.weight.var().item() * fan_in == pytest.approx(2 / 1.04, rel=0.2)
    assert len(convolutions(build("conv-autoencoder", {}))) == 5


def test_a_mask_of_a_cnn_takes_away_and_adds_nothing():
    model = made("mask-cnn", {"n_fft": 64, "hop": 16})
    x = spectra(model)
    with torch.no_grad():
        out = model(x)[0]
    gain = torch.view_as_complex(out) / torch.view_as_complex(x[:, 0].contiguous())
    assert gain.imag.abs().max() < 1e-5 and 0 < gain.real.min() and gain.real.max() < 1


@pytest.mark.parametrize("n_frames", [1, 3, 15, 64])
@pytest.mark.parametrize("name", ["mask-cnn", "unet", "conv-autoencoder"])
def test_pictures_of_any_size_go_through(name, n_frames):
    model = made(name, {"n_fft": 64, "hop": 16})
    assert model(spectra(model, n_frames))[0].shape == (2, n_frames, 33, 2)
