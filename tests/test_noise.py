import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh.errors import ShapeError
from arrayenh.noise import SppTracker
from arrayenh.stft import Stft
from tests.reference import noise as slow
from tests.signals import RATE

EPS = float(np.finfo(np.float32).eps)
HOP = 0.016  # seconds, for which the paper states its constants


def periodogram(seed, n_freqs, n_frames):
    """|y|² of Gaussian noise of power 1: exponential."""
    return np.random.default_rng(seed).exponential(1.0, (n_freqs, n_frames))


def db(power):
    return 10 * np.log10(power)


def mean_db(psd):
    """Level of the mean over the bins, dB, one for each frame."""
    return db(psd.astype(np.float64).mean(axis=0))


@pytest.mark.parametrize("hop, decay", [(0.016, 0.8), (0.008, 0.9), (0.032, 0.7)])
@pytest.mark.parametrize("prior_snr_db", [12.0, 15.0])
def test_kernel_matches_the_algorithm_of_the_paper(hop, decay, prior_snr_db):
    """State in double, out in float32; with a step so loud that presence gets stuck."""
    power = periodogram(0, 5, 400)
    power[:, 100:250] *= 10.0 ** np.array([[-3.0], [-1.0], [0.0], [1.0], [4.0]])
    tracker = SppTracker(5, hop, prior_snr_db, decay, warm_up_seconds=0.05)
    noise_psd, presence = tracker.update(power)
    wanted_psd, wanted_presence = slow.track_spp(power, hop, prior_snr_db, decay, 0.05)
    assert_allclose(noise_psd, wanted_psd, rtol=2 * EPS)
    assert_allclose(presence, wanted_presence, rtol=2 * EPS)
    assert noise_psd.dtype == presence.dtype == np.float32


def test_stationary_noise_is_tracked_to_one_and_a_half_decibel():
    """In noise alone the estimator's fixed point, E{(1 - P)(|y|² - σ²)} = 0, lies at
    -0.90 dB; its fluctuation costs another 0.3 dB. Unbiased it is between the talks."""
    noise_psd, presence = SppTracker(300, HOP).update(periodogram(1, 300, 1500))
    settled = db(noise_psd[:, 200:].mean())
    assert -1.5 < settled < -0.6
    assert presence[:, 200:].mean() < 0.2


def test_noise_of_a_signal_is_tracked_through_its_overlapping_frames():
    x = np.random.default_rng(2).standard_normal(6 * RATE).astype(np.float32)
    stft = Stft(512, 128, "hann")
    power = np.abs(stft.analyse(x)) ** 2
    noise_psd, _ = SppTracker(stft.n_freqs, 128 / RATE).update(power)
    inner = slice(2, -2)  # at 0 Hz and half the rate spectra are real, and fluctuate more
    error = db(noise_psd[inner, 100:].mean()) - db(power[inner, 100:].mean())
    assert -1.7 < error < 0.3


def test_louder_noise_is_followed_within_a_second():
    """+10 dB: halfway within 0.5 s, to 2 dB within 1 s (Gerkmann & Hendriks, fig. 4)."""
    power = periodogram(3, 400, 500)
    step = 200
    power[:, step:] *= 10
    level = mean_db(SppTracker(400, HOP).update(power)[0])
    settled = level[100:step].mean()
    assert level[step + round(0.5 / HOP)] - settled > 5
    assert level[step + round(1.0 / HOP)] - settled > 8
    assert abs(level[-50:].mean() - settled - 10) < 0.3


def test_softer_noise_is_followed_at_once():
    """-20 dB: what falls is never taken for speech; 0.8 in 16 ms is 30 dB in 0.5 s."""
    power = periodogram(4, 400, 300)
    power[:, 200:] *= 0.01
    level = mean_db(SppTracker(400, HOP).update(power)[0])
    assert abs(level[200 + round(0.5 / HOP)] - level[150:200].mean() + 20) < 1.5


@pytest.mark.parametrize("burst_db", [15, 30, 50])
def test_a_burst_of_speech_does_not_lift_the_noise(burst_db):
    """0.3 s, a syllable: less than 0.3 dB, and 3 dB at an SNR of 15 dB, where one bin in
    eight is no louder than noise (a running mean would rise by 14 dB)."""
    power = periodogram(5, 400, 260)
    start, stop = 200, 200 + round(0.3 / HOP)
    power[:, start:stop] *= 10 ** (burst_db / 10)
    noise_psd, presence = SppTracker(400, HOP).update(power)
    level = mean_db(noise_psd)
    lift = level[start:].max() - level[150:start].mean()
    assert lift < (3.0 if burst_db < 20 else 0.3)
    assert presence[:, start:stop].mean() > (0.85 if burst_db < 20 else 0.97)
    assert presence[:, 150:start].mean() < 0.2


def test_presence_is_the_posterior_of_the_fixed_prior():
    """P = 1 / (1 + (1 + ξ) exp(-γ ξ/(1 + ξ))): at γ = 1e-6, 4 and 20 for ξ = 15 dB."""
    xi = 10**1.5
    for gamma in (1e-6, 4.0, 20.0):
        tracker = SppTracker(1, HOP, warm_up_seconds=HOP)
        _, presence = tracker.update(np.array([[2.0, 2.0 * gamma]]))
        wanted = 1 / (1 + (1 + xi) * np.exp(-gamma * xi / (1 + xi)))
        assert presence[0].tolist() == [0.0, pytest.approx(wanted, rel=4 * EPS)]


def test_noise_that_jumps_above_any_speech_is_not_locked_out_for_ever():
    """+40 dB looks like speech; after 0.6 s without a pause the estimate begins to move."""
    power = periodogram(6, 200, 1000)
    power[:, 200:] *= 1e4
    level = mean_db(SppTracker(200, HOP).update(power)[0])
    assert level[200 + round(0.3 / HOP)] < 1
    assert level[200 + round(4.0 / HOP)] > 37


@pytest.mark.parametrize("hop", [0.004, 0.008, 0.032])
def test_time_constants_are_those_of_sound_not_of_frames(hop):
    """A fall to nothing, heard at 0.16 s: 0.8^10 of the noise is left, whatever the hop.

    P = 0.03 of each frame's share is kept besides: 0.8 becomes 0.806 at 16 ms."""
    n = round(0.16 / hop)
    power = np.ones((1, 100 + n))
    power[:, 100:] = 1e-9  # next to nothing; digital silence would tell nothing
    noise_psd, _ = SppTracker(1, hop).update(power)
    assert noise_psd[0, -1] == pytest.approx(0.8**10, rel=0.1)


@pytest.mark.parametrize("start", [0, 150])
def test_digital_silence_tells_nothing_of_the_noise(start):
    """A second of zeros, at the start or between: after it the estimate is as without it.

    A tracker that took the zeros for noise would call all that follows speech."""
    power = periodogram(8, 200, 300)
    n_zeros = round(1.0 / HOP)
    gap = np.zeros((200, n_zeros))
    noise_psd, presence = SppTracker(200, HOP).update(
        np.concatenate([power[:, :start], gap, power[:, start:]], axis=1)
    )
    whole = np.r_[0:start, start + n_zeros : 300 + n_zeros]
    expected_psd, expected_presence = SppTracker(200, HOP).update(power)
    assert_array_equal(noise_psd[:, whole], expected_psd)
    assert_array_equal(presence[:, whole], expected_presence)
    assert not presence[:, start : start + n_zeros].any()


def test_first_frames_are_averaged_as_noise():
    power = np.array([[1.0, 3.0, 5.0, 7.0, 4.0]])
    noise_psd, presence = SppTracker(1, 0.025).update(power)  # 0.1 s are 4 frames
    assert_allclose(noise_psd[0, :4], [1, 2, 3, 4], rtol=EPS)
    assert presence[0].tolist()[:4] == [0, 0, 0, 0] and presence[0, 4] > 0


@pytest.mark.parametrize("cuts", [[1, 2, 3], [0, 5, 5, 90], list(range(1, 120))], ids=len)
def test_frames_come_in_any_pieces(cuts):
    power = periodogram(7, 6, 120).astype(np.float32)
    whole = SppTracker(6, HOP).update(power)
    tracker = SppTracker(6, HOP)
    pieces = [tracker.update(piece) for piece in np.split(power, cuts, axis=1)]
    for together, parts in zip(whole, zip(*pieces, strict=True), strict=True):
        assert_array_equal(np.concatenate(parts, axis=1), together)


def test_bins_are_tracked_each_on_its_own_and_at_any_level():
    power = periodogram(8, 3, 200)
    scale = np.array([[1.0], [2.0**-40], [2.0**40]])
    noise_psd, presence = SppTracker(3, HOP).update(scale * power)
    for f in range(3):
        alone = SppTracker(1, HOP).update(power[f : f + 1])
        assert_array_equal(noise_psd[f] / np.float32(scale[f, 0]), alone[0][0])
        assert_array_equal(presence[f], alone[1][0])


def test_silence_has_no_noise_and_no_speech():
    noise_psd, presence = SppTracker(4, HOP).update(np.zeros((4, 200)))
    assert not noise_psd.any()
    assert (presence < 0.04).all()  # 1 / (2 + ξ)


def test_noise_after_digital_silence_is_found():
    """A file that begins with 0.5 s of zeros: anything is speech to an estimate of zero,
    until the guard against locking lets it grow."""
    power = periodogram(9, 200, 500)
    power[:, : round(0.5 / HOP)] = 0
    level = SppTracker(200, HOP).update(power)[0].mean(axis=0)
    assert level[round(4.5 / HOP)] > 0.6


def test_power_of_another_number_of_bins_is_refused():
    with pytest.raises(ShapeError, match=r"power must have shape \(5, t\); got \(4, 7\)"):
        SppTracker(5, HOP).update(np.ones((4, 7)))
