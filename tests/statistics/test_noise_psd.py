import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from arrayenh._kernels.noise_psd import steepest_rise
from arrayenh.errors import ShapeError
from arrayenh.statistics.noise_psd import Imcra, MinimumStatistics, SppTracker
from arrayenh.stft import Stft
from tests.reference import noise as slow
from tests.signals import RATE, voice

EPS = float(np.finfo(np.float32).eps)
HOP = 0.016  # seconds, for which the paper states its constants
MINIMUM = [MinimumStatistics, Imcra]
TRACKERS = [SppTracker, *MINIMUM]


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


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("start", [0, 150])
def test_digital_silence_tells_nothing_of_the_noise(tracker, start):
    """A second of zeros, at the start or between: after it the estimate is as without it.

    A tracker that took the zeros for noise would call all that follows speech."""
    power = periodogram(8, 200, 300)
    n_zeros = round(1.0 / HOP)
    gap = np.zeros((200, n_zeros))
    noise_psd, presence = tracker(200, HOP).update(
        np.concatenate([power[:, :start], gap, power[:, start:]], axis=1)
    )
    whole = np.r_[0:start, start + n_zeros : 300 + n_zeros]
    expected_psd, expected_presence = tracker(200, HOP).update(power)
    assert_array_equal(noise_psd[:, whole], expected_psd)
    assert_array_equal(presence[:, whole], expected_presence)
    assert not presence[:, start : start + n_zeros].any()


def test_first_frames_are_averaged_as_noise():
    power = np.array([[1.0, 3.0, 5.0, 7.0, 4.0]])
    noise_psd, presence = SppTracker(1, 0.025).update(power)  # 0.1 s are 4 frames
    assert_allclose(noise_psd[0, :4], [1, 2, 3, 4], rtol=EPS)
    assert presence[0].tolist()[:4] == [0, 0, 0, 0] and presence[0, 4] > 0


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("cuts", [[1, 2, 3], [0, 5, 5, 90], list(range(1, 120))], ids=len)
def test_frames_come_in_any_pieces(tracker, cuts):
    power = periodogram(7, 6, 400).astype(np.float32)
    whole = tracker(6, HOP).update(power)
    one = tracker(6, HOP)
    pieces = [one.update(piece) for piece in np.split(power, cuts, axis=1)]
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


@pytest.mark.parametrize("tracker", TRACKERS)
def test_power_of_another_number_of_bins_is_refused(tracker):
    with pytest.raises(ShapeError, match=r"power must have shape \(5, t\); got \(4, 7\)"):
        tracker(5, HOP).update(np.ones((4, 7)))


# ---- minimum statistics and IMCRA --------------------------------------------------------


def noise_steps(seed, n_freqs, n_frames):
    """Noise that jumps up and down, and bursts of speech in some bins."""
    power = periodogram(seed, n_freqs, n_frames)
    power[:, n_frames // 3 :] *= 4
    power[:, n_frames // 2 :] *= 0.05
    rng = np.random.default_rng(seed)
    loud = rng.random((n_freqs, n_frames // 20 + 1)) < 0.1
    return power * np.where(np.repeat(loud, 20, axis=1)[:, :n_frames], 300, 1)


@pytest.mark.parametrize("hop", [0.0055, 0.008, 0.0096, 0.011, 0.016, 0.032])
def test_minimum_statistics_is_that_of_the_paper(hop):
    power = noise_steps(0, 9, 900)
    noise_psd, _ = MinimumStatistics(9, hop).update(power)
    assert_allclose(noise_psd, slow.track_minimum(power, hop), rtol=1e-6)


def test_the_surer_the_minimum_the_steeper_it_may_rise():
    """Martin (2001), fig. 5: 9, 6, 3 or 0.8 dB from part to part."""
    spread = (0.0, 0.029, 0.031, 0.049, 0.051, 0.059, 0.061, 0.5)
    assert [steepest_rise(s) for s in spread] == [8, 8, 4, 4, 2, 2, 1.2, 1.2]


@pytest.mark.parametrize("hop", [0.008, 0.016, 0.032])
def test_imcra_is_that_of_the_paper(hop):
    """To the 10⁻⁶ of its exponential integral, which ξ feeds back."""
    power = noise_steps(1, 9, 900)
    noise_psd, presence = Imcra(9, hop).update(power)
    wanted_psd, wanted_presence = slow.track_imcra(power, hop)
    assert_allclose(noise_psd, wanted_psd, rtol=1e-5)
    assert_allclose(presence, wanted_presence, rtol=1e-4, atol=1e-6)
    assert 0.2 < presence.mean() < 0.8


@pytest.mark.parametrize("tracker", MINIMUM)
@pytest.mark.parametrize("n_fft, hop, window", [(512, 128, "hann"), (512, 256, "sqrt_hann")])
def test_bias_of_the_minimum_is_compensated(tracker, n_fft, hop, window):
    """White noise through overlapping frames: the minimum lies 3 to 8 dB below the mean, the
    estimate within 0.5 dB (Martin 2001, fig. 4; Cohen 2003, fig. 1), and does not drift."""
    x = np.random.default_rng(2).standard_normal(15 * RATE).astype(np.float32)
    stft = Stft(n_fft, hop, window)
    power = np.abs(stft.analyse(x)[2:-2]) ** 2
    noise_psd, presence = tracker(len(power), hop / RATE).update(power)
    true = np.sum(stft.analysis_window.astype(float) ** 2)
    for start in (1.5, 5, 10):
        part = noise_psd[:, round(start * RATE / hop) : round((start + 5) * RATE / hop)]
        assert abs(db(part.mean() / true)) < 0.5
    assert np.std(db(noise_psd[:, 5 * RATE // hop :] / true)) < 1.6
    assert presence[:, 5 * RATE // hop :].mean() < 0.25


@pytest.mark.parametrize("tracker, window, early", [(MinimumStatistics, 1.54, 1), (Imcra, 0.96, 2)])
def test_louder_noise_is_followed_when_the_window_has_passed(tracker, window, early):
    """+10 dB is speech until the minimum knows nothing else: one window of minimum
    statistics, two of IMCRA, whose second minimum waits for the first; one part more at most."""
    power = periodogram(3, 400, 700)
    step = 300
    power[:, step:] *= 10
    level = mean_db(tracker(400, HOP).update(power)[0])
    settled = level[200:step].mean()
    assert level[step + round(0.8 * early * window / HOP)] - settled < 1
    assert abs(level[step + round((early + 0.3) * window / HOP) :].mean() - settled - 10) < 1
    assert level[step:].max() < settled + 11.5


@pytest.mark.parametrize("tracker", MINIMUM)
def test_softer_noise_is_followed_by_the_minimum_at_once(tracker):
    power = periodogram(4, 400, 400)
    power[:, 300:] *= 0.01
    level = mean_db(tracker(400, HOP).update(power)[0])
    assert abs(level[300 + round(0.5 / HOP)] - level[200:300].mean() + 20) < 1.5


@pytest.mark.parametrize("tracker", MINIMUM)
@pytest.mark.parametrize("burst_db", [15, 30, 50])
def test_a_burst_of_speech_does_not_lift_the_minimum(tracker, burst_db):
    """0.3 s: less than 0.8 dB, at 15 dB too, where presence alone lets 2.5 dB in."""
    power = periodogram(5, 400, 400)
    start, stop = 250, 250 + round(0.3 / HOP)
    power[:, start:stop] *= 10 ** (burst_db / 10)
    noise_psd, presence = tracker(400, HOP).update(power)
    level = mean_db(noise_psd)
    assert level[start:].max() - level[150:start].mean() < 0.8
    assert presence[:, start:stop].mean() > 0.85
    assert presence[:, 150:start].mean() < 0.2


@pytest.mark.parametrize("tracker", TRACKERS)
def test_noise_under_a_voice_is_found(tracker):
    """Syllables 10 dB above the noise, in all: the mean error stays below 1.2 dB."""
    rng = np.random.default_rng(6)
    x = 10**0.5 * voice(rng, 10 * RATE) + rng.standard_normal(10 * RATE)
    stft = Stft(512, 128, "hann")
    power = np.abs(stft.analyse(x.astype(np.float32))[2:190]) ** 2
    noise_psd, _ = tracker(len(power), 128 / RATE).update(power)
    true = np.sum(stft.analysis_window.astype(float) ** 2)
    error = db(noise_psd[:, 3 * RATE // 128 :].astype(np.float64) / true)
    assert abs(error.mean()) < 1.2
    assert np.abs(error).mean() < 1.6


@pytest.mark.parametrize("tracker", TRACKERS)
@pytest.mark.parametrize("n_freqs", [1, 2, 5])
def test_silence_stays_silence_and_nothing_breaks(tracker, n_freqs):
    """Zeros, then sound in one bin only, from the softest to the loudest, then zeros."""
    noise_psd, presence = tracker(n_freqs, HOP).update(np.zeros((n_freqs, 200)))
    assert not noise_psd.any() and not presence.any()
    power = np.zeros((n_freqs, 600))
    power[0, 100:500] = np.geomspace(1e-19, 1e12, 400) * periodogram(7, 1, 400)[0]
    noise_psd, presence = tracker(n_freqs, HOP).update(power)
    assert np.isfinite(noise_psd).all() and (noise_psd >= 0).all()
    assert (presence >= 0).all() and (presence <= 1).all()
    assert not noise_psd[1:].any() and not presence[1:].any()
    assert (noise_psd[0, 500:] == noise_psd[0, 499]).all() and noise_psd[0, 499] > 0


@pytest.mark.parametrize("tracker", TRACKERS)
def test_one_frame_is_its_own_noise(tracker):
    noise_psd, presence = tracker(3, HOP).update(np.array([[1.0], [2.0], [4.0]]))
    assert_array_equal(noise_psd, [[1], [2], [4]])
    assert not presence.any()


@pytest.mark.parametrize("tracker", MINIMUM)
def test_only_the_level_scales_the_minimum(tracker):
    power = noise_steps(8, 4, 400)
    noise_psd, presence = tracker(4, HOP).update(power)
    scaled = tracker(4, HOP).update(power * 2.0**-40)
    assert_array_equal(scaled[0] * np.float32(2.0**40), noise_psd)
    assert_array_equal(scaled[1], presence)


def test_presence_of_minimum_statistics_is_the_posterior_of_the_fixed_prior():
    power = periodogram(9, 3, 300)
    noise_psd, presence = MinimumStatistics(3, HOP, prior_snr_db=12.0).update(power)
    heard = slice(round(0.1 / HOP), None)
    wanted = slow.presence(10**1.2, power / noise_psd)
    assert_allclose(presence[:, heard], wanted[:, heard], rtol=1e-5)
