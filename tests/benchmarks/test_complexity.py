"""Multiplications of layers whose number is known on paper."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from arrayenh.networks.catalogue import names  # noqa: E402
from benchmarks.complexity import counted, macs_per_second  # noqa: E402

T = 7
LAYERS = {
    "matrix": (nn.Linear(5, 3), (1, T, 5), T * 5 * 3),
    "convolution": (nn.Conv2d(2, 4, 3, padding=1), (1, 2, T, 10), T * 10 * 2 * 4 * 9),
    "strided": (nn.Conv2d(2, 4, (1, 5), (1, 2), (0, 2)), (1, 2, T, 10), T * 5 * 2 * 4 * 5),
    "each channel": (nn.Conv1d(6, 6, 3, padding=1, groups=6), (1, 6, T), T * 6 * 3),
    "upwards": (nn.ConvTranspose2d(4, 2, (1, 5), (1, 2), (0, 2)), (1, 4, T, 5), T * 5 * 2 * 4 * 5),
    "GRU": (nn.GRU(5, 4, batch_first=True), (1, T, 5), T * 3 * 4 * (5 + 4)),
    "LSTM, both ways": (
        nn.LSTM(5, 4, batch_first=True, bidirectional=True), (1, T, 5), T * 2 * 4 * 4 * (5 + 4)
    ),
    "bands": (nn.GRU(5, 4, batch_first=True), (9, T, 5), 9 * T * 3 * 4 * (5 + 4)),
    "nothing": (nn.PReLU(), (1, T, 5), 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_multiplies_as_often_as_on_paper(kind):
    layer, shape, wanted = LAYERS[kind]
    with counted(layer) as counts, torch.inference_mode():
        layer(torch.randn(shape))
    assert sum(counts) == wanted


def test_every_network_that_ships_is_counted():
    assert all(1e6 < macs_per_second(name) < 1e11 for name in names())
