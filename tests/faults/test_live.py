"""Faults while live: recovered within a second, never NaN, never a burst of its own."""

import tracemalloc
from functools import cache

import numpy as np
import pytest

from arrayenh.chain.stream import LOUDEST, StreamingEnhancer
from arrayenh.evaluation.metrics.waveform import si_sdr
from arrayenh.microphones.geometry import load_array
from tests.signals import RATE, arrivals, delayed, diffuse_noise, level_db, voice

ARRAY = load_array("circular4-35mm")
STATISTICAL = {"masks": "spp", "postfilter": "mmse-lsa"}
CHAINS = {
    "one": STATISTICAL,
    "ears": {"beamformer": "binaural-mwf", "ears": "0,2", **STATISTICAL},
}
SECONDS, BLOCK = 3.7, 160
BEGIN, END = 1.5, 1.9  # of a fault, s
ALL = slice(None)


@cache
def scene():
    """Speech from 60 degrees and diffuse noise at four microphones, about 6 dB SNR."""
    rng, n = np.random.default_rng(0), round(SECONDS * RATE)
    speech = 0.05 * delayed(voice(rng, n), arrivals(ARRAY.positions, np.deg2rad(60)))
    noise = 0.02 * diffuse_noise(rng, ARRAY.positions, n, n_waves=24)
    noise += 5e-4 * rng.standard_normal(noise.shape)
    return speech.astype(np.float32), noise.astype(np.float32)


def mixture():
    return sum(scene())


@cache
def stream(chain, n_mics=4):
    return StreamingEnhancer(n_mics, **CHAINS[chain])


def run(chain, samples, sizes=(BLOCK,)):
    """Output without the latency, (C, N), and the log."""
    enhancer = stream(chain, len(samples))
    enhancer.reset()
    parts, start, k = [], 0, 0
    while start < samples.shape[1]:
        size = sizes[k % len(sizes)]
        parts.append(enhancer.process(samples[:, start : start + size]))
        start, k = start + size, k + 1
    out = np.concatenate([*parts, enhancer.flush()], axis=-1)
    return np.atleast_2d(out)[:, enhancer.latency_samples :], list(enhancer.log)


@cache
def undisturbed(chain):
    return run(chain, mixture())[0]


def span(begin, end=SECONDS - 0.05):
    return slice(round(begin * RATE), round(end * RATE))


def faulty(mic, fault, begin=BEGIN, end=END):
    """The mixture, with `fault` of its samples at a microphone for a while."""
    samples, when = mixture().copy(), span(begin, end)
    samples[mic, when] = fault(samples[mic, when])
    return samples


def loudest(samples):
    """Peak of what is sound."""
    sound = np.abs(samples) <= LOUDEST
    return np.abs(samples[sound]).max()


def check(chain, samples, recovered, out=None):
    """From `recovered` on the output is as good as without the fault; it is never louder."""
    found, log = run(chain, samples) if out is None else (out, [])
    assert np.isfinite(found).all()
    assert np.abs(found).max() < loudest(samples) * 10 ** (3 / 20) * (1 + 1e-6)
    wanted, when = undisturbed(chain), span(recovered)
    for c, mic in enumerate((0,) if chain == "one" else (0, 2)):
        clean = scene()[0][mic, when]
        usual = si_sdr(clean, wanted[c, when], RATE)
        assert si_sdr(clean, found[c, when], RATE) > usual - 1
        assert abs(level_db(found[c, when]) - level_db(wanted[c, when])) < 1.5
    return log


def noise_of(level):
    rng = np.random.default_rng(5)
    return lambda x: (level * rng.standard_normal(x.shape)).astype(np.float32)


def constant(value):
    return lambda x: np.full_like(x, value)


FAULTS = {
    "zero": constant(0),
    "noise floor": noise_of(1e-6),
    "stuck": constant(0.1),
    "clipping": lambda x: np.clip(100 * x, -1, 1),
    "NaN": constant(np.nan),
    "inf": constant(-np.inf),
    "1e30": constant(1e30),
    "burst": noise_of(5.0),
    "flipped": lambda x: -x,
    "ten times louder": lambda x: 10 * x,
    "hiss": noise_of(0.3),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("mic", [0, 2], ids=["reference", "another"])
def test_a_microphone_fails_for_a_while(mic, fault):
    log = check("one", faulty(mic, FAULTS[fault]), END + 1)
    if fault != "burst":  # which is over before anyone can tell
        assert any(f"microphone {mic} " in line for line in log)
    assert not any(f"microphone {other} " in line for line in log for other in {0, 1, 2, 3} - {mic})


@pytest.mark.parametrize("fault", ["zero", "NaN", "burst"])
@pytest.mark.parametrize("mic", [0, 2], ids=["left ear", "right ear"])
def test_the_microphone_of_an_ear_fails_for_a_while(mic, fault):
    check("ears", faulty(mic, FAULTS[fault]), END + 1)


@pytest.mark.parametrize("mic", [0, 2])
def test_a_microphone_that_dies_for_good_is_as_if_it_had_never_been(mic):
    found, log = run("one", faulty(mic, FAULTS["zero"], end=SECONDS))
    alive = [m for m in range(4) if m != mic]
    wanted, _ = run("one", mixture()[alive])
    when, clean = span(BEGIN + 1), scene()[0][alive[0], span(BEGIN + 1)]
    assert si_sdr(clean, found[0, when], RATE) > si_sdr(clean, wanted[0, when], RATE) - 1
    assert abs(level_db(found[0, when]) - level_db(wanted[0, when])) < 1
    assert log == [f"1.5 s: microphone {mic} is dead: left out"]


@pytest.mark.parametrize("change", ["flipped", "ten times quieter", "offset"])
@pytest.mark.parametrize("mic", [0, 2], ids=["reference", "another"])
def test_a_microphone_changes_for_good(mic, change):
    changes = {"flipped": lambda x: -x, "ten times quieter": lambda x: x / 10}
    changes["offset"] = lambda x: x + np.float32(0.3) * np.minimum(np.arange(len(x)) / 4800, 1)
    check("one", faulty(mic, changes[change], end=SECONDS), BEGIN + 1)


@pytest.mark.parametrize("fault", ["zero", "NaN", "burst"])
def test_all_microphones_fail_for_a_while(fault):
    log = check("one", faulty(ALL, FAULTS[fault]), END + 1)
    assert log == []


def test_a_click_in_all():
    check("one", faulty(ALL, constant(5.0), end=BEGIN + 0.001), BEGIN + 1)


def test_a_gap_in_one_channel_too_short_to_be_told():
    assert check("one", faulty(1, FAULTS["zero"], end=BEGIN + 0.015), BEGIN + 1) == []


def test_the_others_fail_all_at_once():
    """One microphone is left for a while: its sound passes."""
    check("one", faulty([1, 2, 3], FAULTS["zero"]), END + 1)


def test_one_after_another_fails():
    samples = mixture().copy()
    for mic in range(4):
        samples[mic, span(0.9 + 0.25 * mic, 1.1 + 0.25 * mic)] = 0
    check("one", samples, 1.85 + 1)


@pytest.mark.parametrize("ppm", [-100, 100])
def test_the_clock_of_the_device_is_off(ppm):
    """Blocks come as they like, and the samples with another clock."""
    n = round(SECONDS * RATE)
    time = np.arange(n) * (1 + 1e-6 * ppm)
    warped = np.stack([np.interp(time, np.arange(n), one) for one in mixture()])
    sizes = np.random.default_rng(0).integers(1, 700, 50)
    found, _ = run("one", warped.astype(np.float32), sizes)
    clean = np.interp(time, np.arange(n), scene()[0][0])
    when = span(1.5)
    usual = si_sdr(scene()[0][0, when], undisturbed("one")[0, when], RATE)
    assert si_sdr(clean[when], found[0, when], RATE) > usual - 1


def test_silence_for_a_minute_is_forgotten_at_once():
    """Zeros leave everything as it was; the sound after it is as good as before."""
    enhancer, samples = StreamingEnhancer(2, **STATISTICAL), mixture()[:2]
    first = enhancer.process(samples)
    silent = enhancer.process(np.zeros((2, 60 * RATE), np.float32))
    assert not silent[2 * RATE :].any()
    again = enhancer.process(samples)
    clean, late = scene()[0][0], enhancer.latency_samples
    when = span(1.0, 2.0)
    before = si_sdr(clean[when], first[late:][when], RATE)
    assert si_sdr(clean[when], again[late:][when], RATE) > before - 1
    assert enhancer.log == []


def test_memory_stays_flat():
    """Also while a microphone comes and goes: 12 s allocate nothing that stays."""
    enhancer = StreamingEnhancer(2, **STATISTICAL)
    samples = np.tile(mixture()[:2], 4)
    samples[1, np.arange(samples.shape[1]) // 3200 % 4 == 3] = 0

    def stream_some(n):
        for start in range(0, n, 800):
            enhancer.process(samples[:, start : start + 800])

    tracemalloc.start()
    try:
        stream_some(3 * RATE)
        before = tracemalloc.get_traced_memory()[0]
        stream_some(12 * RATE)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(enhancer.log) > 20
    assert grown < 30_000
