import itertools

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ConfigError, ShapeError
from arrayenh.stft import Analysis, Stft, Synthesis
from tests.signals import band_limited

EPS = float(np.finfo(np.float32).eps)
RATE = 16_000
WINDOWS = ["sqrt_hann", "hann", "hamming", "blackman", "cosine", "boxcar", "random"]
LEGAL = [(512, 128, "hann"), (2048, 512, "hann"), (65, 20, "hamming"), (64, 64, "boxcar")]


def noise(n_mics, n_samples, seed=0):
    return np.random.default_rng(seed).standard_normal((n_mics, n_samples)).astype(np.float32)


def naive_analysis(samples, stft):
    """Each frame cut out, windowed and transformed on its own: (N,) -> (F, T)."""
    frames = []
    for t in itertools.count():
        first = t * stft.hop - (stft.n_fft - stft.hop)
        if first >= len(samples):
            return np.array(frames).T
        frame = np.zeros(stft.n_fft)
        for n in range(stft.n_fft):
            if 0 <= first + n < len(samples):
                frame[n] = samples[first + n]
        frames.append(np.fft.rfft(frame * stft.analysis_window.astype(np.float64)))


def reconstruction_error(stft, x):
    y = stft.synthesise(stft.analyse(x), x.shape[1])
    assert y.shape == x.shape and y.dtype == np.float32
    return np.linalg.norm(y.astype(np.float64) - x) / np.linalg.norm(x)


@pytest.mark.parametrize("stft", LEGAL, ids=str)
@pytest.mark.parametrize("n_samples", [1, 2, 63, 64, 65, 511, 512, 513, 4096, 5 * RATE])
def test_analyse_then_synthesise_is_the_identity(stft, n_samples):
    assert reconstruction_error(Stft(*stft), noise(1, n_samples)) < 1e-6


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    n_fft=st.integers(2, 300),
    hop_part=st.floats(0.01, 1),
    window=st.sampled_from(WINDOWS),
    n_samples=st.integers(1, 2000),
    n_mics=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_legal_window_and_hop_reconstruct(n_fft, hop_part, window, n_samples, n_mics, seed):
    """Below 1e-6; each output sample is a float32 sum of n_fft/hop terms, and a hop of one
    sample in 300 rounds 300 times."""
    hop = max(1, round(hop_part * n_fft))
    if window == "random":
        window = np.random.default_rng(seed).uniform(0.2, 1, n_fft)
    try:
        stft = Stft(n_fft, hop, window)
    except ConfigError:
        assume(False)
    error = reconstruction_error(stft, noise(n_mics, n_samples, seed))
    assert error < max(1e-6, EPS / 2 * n_fft / hop)


@pytest.mark.parametrize(("n_fft", "hop"), [(512, 1), (1024, 16), (2048, 2)])
def test_many_overlapping_frames_are_summed_without_losing_a_digit(n_fft, hop):
    """What is left is the rounding of the samples themselves, eps/2, not that of the sum."""
    assert reconstruction_error(Stft(n_fft, hop, "hann"), 10 + noise(1, 3000)) < EPS / 2


def test_the_first_and_last_samples_are_reconstructed_as_well_as_the_rest():
    stft = Stft(512, 128, "hann")
    for n in (0, 1, 999, 1000):
        x = np.zeros((1, 1001), np.float32)
        x[0, n] = 1
        y = stft.synthesise(stft.analyse(x), 1001)
        assert_allclose(y, x, atol=4 * EPS)


@pytest.mark.parametrize("sizes", [(16, 4, "hann"), (15, 4, "hamming"), (9, 9, "boxcar")], ids=str)
@pytest.mark.parametrize("n_samples", [1, 7, 40])
def test_analysis_is_the_rfft_of_each_windowed_frame(sizes, n_samples):
    """A float32 FFT errs by about eps·log2(n)·‖frame‖ in each bin."""
    stft, x = Stft(*sizes), noise(2, n_samples)
    spec = stft.analyse(x)
    for m in range(2):
        wanted = naive_analysis(x[m], stft)
        scale = np.sqrt(np.sum(x[m].astype(np.float64) ** 2))
        assert_allclose(spec[:, m], wanted, atol=4 * EPS * np.log2(stft.n_fft) * scale)
    assert_array_equal(stft.analyse(x[1]), spec[:, 1])


@pytest.mark.parametrize("sizes", [(512, 128, "hann"), (15, 4, "hann"), (7, 7, "boxcar")], ids=str)
def test_frames_are_counted_as_those_that_touch_a_sample(sizes):
    stft = Stft(*sizes)
    for n_samples in (0, 1, 3, 4, 5, 127, 128, 129, 1000):
        starts = np.arange(2000) * stft.hop - (stft.n_fft - stft.hop)
        touching = np.sum((starts < n_samples) & (starts + stft.n_fft > 0) & (n_samples > 0))
        assert stft.n_frames(n_samples) == touching


def test_frame_t_ends_with_sample_t_hop_plus_hop_minus_one():
    """An impulse is heard by the frames that hold it, with the phase of its place in them."""
    stft = Stft(32, 8, "boxcar")
    spec = stft.analyse(np.eye(1, 200, 100, dtype=np.float32))[:, 0]
    for t in range(spec.shape[1]):
        place = 100 - (t * 8 - 24)
        wanted = np.exp(-2j * np.pi * np.arange(17) * place / 32) * (0 <= place < 32)
        assert_allclose(spec[:, t], wanted, atol=8 * EPS)


def test_a_tone_stands_in_its_bin():
    stft = Stft(512, 128, "hann")
    freqs = stft.freqs(RATE)
    for tone in (250.0, 1000.0, 7968.75):
        x = np.sin(2 * np.pi * tone * np.arange(4000) / RATE)
        spec = stft.analyse(x.astype(np.float32))
        assert freqs[np.abs(spec[:, 10]).argmax()] == tone
    assert freqs[-1] == RATE / 2 and len(freqs) == stft.n_freqs


@pytest.mark.parametrize("hop, overlap", [(256, 1.0), (128, 2.0), (64, 4.0)])
def test_energy_is_that_of_the_signal_times_the_overlap(hop, overlap):
    """Parseval: Σ w² = n_fft/(2 hop) for sqrt_hann; bins but the first and last count twice."""
    stft, x = Stft(512, hop, "sqrt_hann"), noise(1, 5000)
    power = np.abs(stft.analyse(x).astype(np.complex128)) ** 2
    twice = np.where(np.isin(np.arange(257), (0, 256)), 1, 2)[:, None, None]
    energy = np.sum(twice * power) / 512
    assert_allclose(energy, overlap * np.sum(x.astype(np.float64) ** 2), rtol=1e-6)


@pytest.mark.parametrize("n_fft, hop, window", [(64, 16, "hann"), (65, 20, "hamming")])
def test_synthesis_window_is_the_canonical_dual(n_fft, hop, window):
    """w_s(n) = w(n) / Σ_k w²(n + k·hop), so that Σ_k w w_s = 1; no dual has less energy."""
    stft = Stft(n_fft, hop, window)
    w = scipy.signal.get_window(window, n_fft)
    total = [sum(w[k] ** 2 for k in range(n % hop, n_fft, hop)) for n in range(n_fft)]
    assert_allclose(stft.analysis_window, w, atol=EPS)
    assert_allclose(stft.synthesis_window, w / total, rtol=2 * EPS, atol=EPS)
    plain = [1 / sum(w[k] for k in range(n % hop, n_fft, hop)) for n in range(n_fft)]
    assert np.sum(stft.synthesis_window**2) < np.sum(np.square(plain))


def test_windows_cannot_be_changed_behind_the_dual():
    given = np.hamming(64)
    stft = Stft(64, 16, given)
    given[:] = 0
    assert stft.analysis_window[32] > 0.9
    for window in (stft.analysis_window, stft.synthesis_window):
        with pytest.raises(ValueError, match="read-only"):
            window[0] = 1


@st.composite
def cuts(draw):
    """Lengths of blocks, empty ones among them, that make up 900 to 3000 samples."""
    return draw(st.lists(st.sampled_from([0, 1, 2, 15, 16, 17, 64, 200, 500]), max_size=12)) + [900]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(cuts(), st.sampled_from([(64, 16, "hann"), (65, 20, "hamming"), (32, 32, "boxcar")]))
def test_blocks_of_any_size_give_the_numbers_of_the_whole(sizes, arguments):
    stft, x = Stft(*arguments), noise(3, sum(sizes))
    analysis, syntheses = Analysis(stft, 3), [Synthesis(stft) for _ in range(3)]
    bounds = np.cumsum([0, *sizes])
    pieces, heard = [], [[], [], []]
    for k, (start, stop) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        spec = analysis.push(x[:, start:stop], last=k == len(sizes) - 1)
        pieces.append(spec)
        for m, synthesis in enumerate(syntheses):
            heard[m].append(synthesis.push(spec[:, m]))
    spec = stft.analyse(x)
    scale = np.abs(spec).max()  # a batch of another size may be rounded in another order
    assert_allclose(np.concatenate(pieces, axis=2), spec, atol=2 * EPS * scale)
    streamed = np.array([np.concatenate(parts)[: x.shape[1]] for parts in heard])
    assert_allclose(streamed, stft.synthesise(spec, x.shape[1]), atol=16 * EPS)


def test_a_frame_is_given_out_as_soon_as_it_is_complete():
    """Frame t needs the samples up to t·hop + hop - 1, and no other."""
    stft = Stft(64, 16, "hann")
    analysis, x = Analysis(stft, 1), noise(1, 100)
    counts = [analysis.push(x[:, n : n + 1]).shape[2] for n in range(100)]
    assert [n for n, count in enumerate(counts) if count] == [15, 31, 47, 63, 79, 95]


def test_synthesis_holds_back_only_the_overlap():
    """After t frames t·hop - (n_fft - hop) samples can no longer change."""
    stft = Stft(64, 16, "hann")
    synthesis, spec = Synthesis(stft), stft.analyse(noise(1, 400))[:, 0]
    ready = [len(synthesis.push(spec[:, t : t + 1])) for t in range(spec.shape[1])]
    assert ready == [0, 0, 0] + [16] * (len(ready) - 3)


def test_microphones_do_not_mix():
    x = np.zeros((3, 2000), np.float32)
    x[1] = band_limited(np.random.default_rng(0), 2000)
    stft = Stft(128, 32)
    spec = stft.analyse(x)
    assert not spec[:, [0, 2]].any() and spec[:, 1].any()
    y = stft.synthesise(spec, 2000)
    assert not y[[0, 2]].any()
    assert_allclose(y[1], x[1], atol=1e-6 * np.abs(x).max())


def test_any_real_dtype_is_taken_for_float32():
    x = np.random.default_rng(0).integers(-5, 6, (2, 300))
    stft = Stft(64, 16)
    assert_array_equal(stft.analyse(x), stft.analyse(x.astype(np.float32)))
    assert_array_equal(stft.analyse(x.astype(np.float64)), stft.analyse(x.astype(np.float32)))


@pytest.mark.parametrize("shape", [(0,), (1, 0), (4, 0)], ids=str)
def test_no_samples_have_no_frames(shape):
    stft = Stft(64, 16)
    spec = stft.analyse(np.zeros(shape, np.float32))
    assert spec.shape == (33, *shape[:-1], 0)
    assert stft.synthesise(spec, 0).shape == shape


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((1, 1), "n_fft >= 2 and 1 <= hop <= n_fft; got n_fft=1, hop=1"),
        ((64, 0), "got n_fft=64, hop=0"),
        ((64, 65), "got n_fft=64, hop=65"),
        ((64, 16, "no-such"), "unknown window 'no-such'"),
        ((64, 16, "kaiser"), "unknown window 'kaiser'.*parameters"),
        ((64, 16, np.ones(63)), r"the window must be 64 finite samples; got shape \(63,\)"),
        ((64, 16, np.full(64, np.nan)), "the window must be 64 finite samples"),
        ((64, 64, "hann"), r"cannot reconstruct.*falls to 0 of 1; use a smaller hop \(now 64\)"),
        ((64, 16, np.zeros(64)), "cannot reconstruct"),
        ((64, 60, "blackman"), "cannot reconstruct"),
        pytest.param((64, 16, "sqrt_flattop"), "finite|negative", id="root of a negative window"),
    ],
)
def test_a_window_that_cannot_reconstruct_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Stft(*arguments)


def test_shapes_that_do_not_fit_are_refused_with_both():
    stft = Stft(64, 16)
    with pytest.raises(ShapeError, match=r"\(M, N\) or \(N,\); got \(2, 3, 4\)"):
        stft.analyse(np.zeros((2, 3, 4), np.float32))
    with pytest.raises(ShapeError, match=r"F=33, T=10; got shape \(33, 9\)"):
        stft.synthesise(np.zeros((33, 9), np.complex64), 112)
    with pytest.raises(ShapeError, match=r"F=33, T=10; got shape \(32, 2, 10\)"):
        stft.synthesise(np.zeros((32, 2, 10), np.complex64), 112)
    with pytest.raises(ShapeError, match=r"block must have shape \(2, n\); got \(3, 5\)"):
        Analysis(stft, 2).push(np.zeros((3, 5), np.float32))


# ---- short synthesis windows -------------------------------------------------------------

LOW_DELAY = [(1024, 256, 512), (512, 128, 256), (512, 48, 96), (96, 48, 96), (300, 10, 60)]


@pytest.mark.parametrize(("n_fft", "hop", "synthesis"), LOW_DELAY)
@pytest.mark.parametrize("n_samples", [1, 47, 48, 49, 511, 4096])
def test_a_short_synthesis_window_reconstructs(n_fft, hop, synthesis, n_samples):
    assert reconstruction_error(Stft(n_fft, hop, synthesis=synthesis), noise(2, n_samples)) < 1e-6


@pytest.mark.parametrize(("n_fft", "hop", "synthesis"), LOW_DELAY)
def test_low_delay_windows_are_those_of_the_formulas(n_fft, hop, synthesis):
    """Roots of Hann halves, whose product is a whole Hann window that overlaps to 1."""
    stft = Stft(n_fft, hop, synthesis=synthesis)
    n, fall = np.arange(n_fft), synthesis // 2
    rise = n_fft - fall
    wanted = np.where(
        n < rise, np.sin(np.pi * n / (2 * rise)), np.sin(np.pi * (n - rise + fall) / synthesis)
    )
    assert_allclose(stft.analysis_window, wanted, atol=EPS)
    product = stft.analysis_window[-synthesis:] * stft.synthesis_window
    hann = np.sin(np.pi * np.arange(synthesis) / synthesis) ** 2
    assert_allclose(product, hann * 2 * hop / synthesis, atol=2 * EPS)
    assert_allclose(product.reshape(-1, hop).sum(axis=0), 1, atol=4 * EPS)
    assert stft.latency == len(stft.synthesis_window) == synthesis


@pytest.mark.parametrize(("n_fft", "hop", "synthesis"), LOW_DELAY)
def test_a_short_synthesis_window_makes_a_stream_that_late(n_fft, hop, synthesis):
    """After the frame that holds sample n, everything up to n - (synthesis - hop) is there."""
    stft, x = Stft(n_fft, hop, synthesis=synthesis), noise(1, 40 * hop)
    analysis, inverse, made = Analysis(stft, 1), Synthesis(stft), []
    for t in range(40):
        made.append(inverse.push(analysis.push(x[:, t * hop : (t + 1) * hop])[:, 0]))
        assert sum(map(len, made)) == max((t + 1) * hop - (synthesis - hop), 0)
    assert_allclose(np.concatenate(made), x[0, : hop - synthesis], atol=16 * EPS)


def test_a_gain_of_one_frame_lasts_a_synthesis_window():
    """The long analysis does not smear what a gain does."""
    stft, x = Stft(512, 48, synthesis=96), noise(1, 4800)
    spec = stft.analyse(x)
    spec[..., 40] = 0
    changed = np.flatnonzero(np.abs(stft.synthesise(spec, 4800) - x)[0] > 1e-5)
    end = 41 * 48
    assert end - 96 <= changed[0] and changed[-1] < end and len(changed) > 90


@pytest.mark.parametrize(
    ("n_fft", "hop", "synthesis", "window"),
    [
        (512, 128, 128, "sqrt_hann"),  # no overlap
        (512, 128, 300, "sqrt_hann"),
        (512, 128, 640, "sqrt_hann"),
        (512, 5, 15, "sqrt_hann"),  # odd
        (512, 128, 256, "hann"),
        (512, 128, 256, np.ones(512)),
    ],
)
def test_synthesis_windows_that_cannot_reconstruct_are_refused(n_fft, hop, synthesis, window):
    with pytest.raises(ConfigError, match="synthesis window"):
        Stft(n_fft, hop, window, synthesis)
