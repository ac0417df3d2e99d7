"""Measurements of streams: each runs, and measures what it says."""

import numpy as np
import pytest

from arrayenh.errors import MissingExtraError
from arrayenh.evaluation.systems.names import known, system
from benchmarks.streaming import (
    BLOCK_SECONDS,
    PEERS,
    Profile,
    block_times,
    blocks,
    growth_mb,
    impulse_latency,
    material,
    peer_row,
    shift,
)

SMALL = Profile("low-latency", 2, 0.15, {"masks": "spp", "postfilter": "none"})


def test_blocks_repeat_what_is_held():
    samples = np.arange(400)[None]
    found = np.concatenate(list(blocks(samples, 0.04)), axis=1)
    assert found.shape == (1, 640)
    assert found[0].tolist() == [*range(320), *range(320)]


def test_each_block_is_timed():
    times = block_times(SMALL, 0.1)
    assert times.shape == (round(0.1 / BLOCK_SECONDS),) and (times > 0).all()


def test_memory_is_that_of_the_stream():
    assert abs(growth_mb(SMALL, 0.5)) < 50


def test_an_impulse_finds_the_latency():
    assert impulse_latency("hearing-aid", 48_000) == (381, 381)


@pytest.mark.parametrize("lag", [-40, 0, 123])
def test_a_shift_is_found(lag):
    samples = material(1)[0, :16_000]
    assert shift(samples, np.roll(samples, lag)) == lag


@pytest.mark.parametrize("peer", PEERS)
def test_each_peer_runs(peer):
    if peer not in known():
        pytest.skip(f"{peer} is no system here")
    try:
        row = peer_row(system(peer), 1.0)
    except MissingExtraError:
        pytest.skip(f"{peer} is not installed")
    _, name, factor, stated, left, _ = (cell.strip() for cell in row.split("|"))
    assert name == peer and float(factor) > 0
    assert 0 < float(stated) < 50 and abs(float(left)) < 2
