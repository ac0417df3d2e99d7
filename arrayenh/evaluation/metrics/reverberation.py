"""Scores of reverberation: C50 and DRR of the response, and SRMR, which needs no reference."""

import numpy as np
from scipy import fft, signal
from scipy.linalg import solve_toeplitz

from arrayenh.errors import MetricError
from arrayenh.evaluation.metric import ANY_DB, INF, alone, of_pair
from arrayenh.evaluation.metrics.auditory import erb, erb_centres, gammatone, modulation_filter
from arrayenh.evaluation.metrics.checks import ratio_db, refuse_silence, waveform, waveforms
from arrayenh.evaluation.metrics.rates import RATE, at_16_khz, at_most_16_khz

RESPONSE_S = 0.5
"""Length of the fitted response, s."""

BEFORE_S = 0.02
"""Part of the response before the reference, for the pre-echo of zero-phase stages, s."""

LOADING = 3e-3
"""White noise added to the reference, relative to its power, -25 dB: where the reference
has nothing to say, above 4 kHz mostly, the response is left at zero."""

LEAST_SECONDS = 2.0
"""Least length of the signals, s: twice that of the fitted filter."""

LEAST_DETECTION = 3.0
"""Least early energy of a response, in standard errors of its noise."""

EARLY_S = 0.050
DIRECT_S = 0.0025
"""Early sound ends 50 ms after the strongest tap; the direct sound is within 2.5 ms of it."""

N_COCHLEAR, LOWEST_COCHLEAR_HZ = 23, 125.0
N_MODULATION, MODULATION_HZ, MODULATION_Q = 8, (4.0, 128.0), 2.0
N_SPEECH_MODULATION = 4
"""Modulation bands of speech: 4 to 18 Hz; those above are roughness and reverberation."""

NARROW_BAND_HZ = 8000
SRMR_FRAME_S, SRMR_HOP_S = 0.256, 0.064
SRMR_ENERGY_SHARE = 0.90
"""The cochlear band up to which this share of the energy lies bounds the modulation."""


def c50(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Clarity index of the response from the reference to the estimate.

        C50 = 10 log10( Σ_{n ≤ n₀ + 50 ms} h²(n) / Σ_{n > n₀ + 50 ms} h²(n) )

    h is the response from 20 ms before to 0.5 s after the reference, n₀ its strongest
    tap. It is fitted by least squares, with a loading of -25 dB, at 16 kHz at most. The 0.5 s
    before it contain only noise of the estimate, so the mean energy of those taps is
    subtracted from every tap of h. A tail that is not above that noise counts as the standard
    error of its energy. Gain does not matter.

    For rooms with a reverberation time of 0.3 to 0.9 s and 9 s of speech, the error is within
    0.5 dB without noise, within 2 dB at 10 dB SNR in white noise, and the value is up to 5 dB
    too low at 5 dB. A dry estimate has 40 dB or more.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        2 s at least; several sentences are better.
    sample_rate : int
        Hz.

    Returns
    -------
    c50_db : float
        dB; higher is drier.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent or shorter than 2 s, the
        estimate does not contain the reference, or is delayed by 0.45 s or more.

    References
    ----------
    ISO 3382-1:2009, annex A: the early-to-late index, with 50 ms for speech.
    """
    taps, noise, rate = response_energy(reference, estimate, sample_rate)
    early, late = np.split(taps, [_end_of_early(taps, rate)])
    return ratio_db(early.sum(), _above_noise(late, noise))


C50 = of_pair(c50, "C50", "dB", ANY_DB, "clarity: the first 50 ms over what comes later", rank=200)


def drr(reference: np.ndarray, estimate: np.ndarray, sample_rate: int) -> float:
    """Direct-to-reverberant ratio of the response from the reference to the estimate.

        DRR = 10 log10( Σ_{|n - n₀| ≤ 2.5 ms} h²(n) / Σ_{|n - n₀| > 2.5 ms} h²(n) )

    h, n₀ and the limits are those of `c50`; the error is half as large. The loading smears
    the taps if the talker's band is narrow: a dry estimate has 20 to 30 dB.

    Parameters
    ----------
    reference, estimate : float ndarray, shape (N,)
        2 s at least; several sentences are better.
    sample_rate : int
        Hz.

    Returns
    -------
    drr_db : float
        dB; higher is drier.

    Raises
    ------
    ShapeError
        If the two are not one-dimensional float arrays of equal length.
    MetricError
        If a sample is NaN or infinite, a signal is silent or shorter than 2 s, the
        estimate does not contain the reference, or is delayed by 0.45 s or more.

    References
    ----------
    J. Eaton, N. Gaubitch, A. Moore, P. Naylor, "Estimation of room acoustic parameters:
    the ACE challenge", IEEE/ACM TASLP 24(10), 2016.
    """
    taps, noise, rate = response_energy(reference, estimate, sample_rate)
    strongest, reach = int(taps.argmax()), round(DIRECT_S * rate)
    direct = slice(max(strongest - reach, 0), strongest + reach + 1)
    rest = np.delete(taps, direct)
    return ratio_db(_above_noise(taps[direct], noise), _above_noise(rest, noise))


DRR = of_pair(drr, "DRR", "dB", ANY_DB, "direct sound over all reflections", rank=210)


def srmr(estimate: np.ndarray, sample_rate: int) -> float:
    """Speech-to-reverberation modulation energy ratio; it needs no reference.

        SRMR = Σ_k Σ_{j=1}^{4} E(j,k) / Σ_k Σ_{j=5}^{J*} E(j,k)

    E(j,k) is the energy of the Hilbert envelope of gammatone band k (23 from 125 Hz to
    below half the rate) in modulation band j (8 of Q = 2, 4 to 128 Hz), the mean over
    frames of 256 ms every 64 ms under a Hamming window. J* is the last modulation band
    whose lower edge is within the ERB of the cochlear band below which 90 % of the energy
    lies. Voices in the same room differ by a factor of two: compare outputs of one recording.

    Computed at 8 or 16 kHz; other rates are resampled to 16 kHz. As in SRMRpy, pauses
    stay in. Gain does not matter.

    Parameters
    ----------
    estimate : float ndarray, shape (N,)
    sample_rate : int
        Hz.

    Returns
    -------
    ratio : float
        Without unit, above 0; higher is drier. White noise has 0.2 to 0.4.

    Raises
    ------
    ShapeError
        If the estimate is not a one-dimensional float array.
    MetricError
        If a sample is NaN or infinite, or the estimate is silent or shorter than 256 ms.

    References
    ----------
    T. Falk, C. Zheng, W.-Y. Chan, "A non-intrusive quality and intelligibility measure of
    reverberant and dereverberated speech", IEEE TASLP 18(7), 2010, and the authors'
    SRMRToolbox.
    """
    if sample_rate == NARROW_BAND_HZ:
        y = waveform("estimate", estimate)
    else:
        y, sample_rate = at_16_khz("estimate", estimate, sample_rate), RATE
    refuse_silence(estimate=y)
    if y.size < SRMR_FRAME_S * sample_rate:
        raise MetricError(
            f"SRMR needs one frame of {1000 * SRMR_FRAME_S:.0f} ms; got "
            f"{1000 * y.size / sample_rate:.0f} ms"
        )
    energy, edges = modulation_energy(y, sample_rate)
    if not energy.sum() > 0:
        raise MetricError("the estimate is too faint: its energy is zero")
    cochlear = np.cumsum(energy.sum(axis=1)) / energy.sum()
    centres = erb_centres(LOWEST_COCHLEAR_HZ, sample_rate / 2, N_COCHLEAR)
    bandwidth = erb(centres[np.argmax(cochlear > SRMR_ENERGY_SHARE)])
    n_heard = int(np.count_nonzero(edges <= bandwidth))
    return float(
        energy[:, :N_SPEECH_MODULATION].sum() / energy[:, N_SPEECH_MODULATION:n_heard].sum()
    )


SRMR = alone(
    srmr,
    "SRMR",
    "",
    (0.0, INF),
    "slow modulation (speech) over fast modulation (reverberation)",
    decimals=2,
    rank=190,
)


def modulation_energy(y: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Energy of each cochlear band, in rising order, and modulation band; edges of the latter.

    Returns
    -------
    energy : float ndarray, shape (23, 8)
    edges : float ndarray, shape (8,)
        Hz.
    """
    filters = [
        modulation_filter(centre, MODULATION_Q, sample_rate)
        for centre in np.geomspace(*MODULATION_HZ, N_MODULATION)
    ]
    coverage = _frame_coverage(y.size, sample_rate)
    energy = np.empty((N_COCHLEAR, N_MODULATION))
    centres = erb_centres(LOWEST_COCHLEAR_HZ, sample_rate / 2, N_COCHLEAR)
    for k, centre in enumerate(centres):
        envelope = _hilbert_envelope(signal.sosfilt(gammatone(centre, sample_rate), y))
        for j, (b, a, _) in enumerate(filters):
            band = signal.lfilter(b, a, envelope)
            # einsum uses one thread; np.dot would start several for this small product
            energy[k, j] = np.einsum("n,n,n->", band, band, coverage)
    return energy, np.array([edge for _, _, edge in filters])


def _frame_coverage(n_samples: int, sample_rate: int) -> np.ndarray:
    """Σ_t w²(n - tH), which reduces the energies of all frames to one sum over n."""
    length, hop = round(SRMR_FRAME_S * sample_rate), round(SRMR_HOP_S * sample_rate)
    window = signal.get_window("hamming", length) ** 2
    coverage = np.zeros(n_samples)
    for start in range(0, n_samples - length + 1, hop):
        coverage[start : start + length] += window
    return coverage


def _hilbert_envelope(band: np.ndarray) -> np.ndarray:
    n_fft = fft.next_fast_len(band.size)
    return np.abs(signal.hilbert(band, n_fft)[: band.size])


def response_energy(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, float, int]:
    """Energy of each tap of the response from reference to estimate, less the noise energy.

    Returns
    -------
    taps : float ndarray, shape (n,)
        h²(n) less the noise, 20 ms before the reference to 0.5 s after.
    noise : float
        Noise energy subtracted from each tap.
    sample_rate : int
        Sample rate of the taps, Hz.
    """
    s, y = waveforms(reference, estimate, sample_rate)
    refuse_silence(reference=s, estimate=y)
    if s.size < LEAST_SECONDS * sample_rate:
        raise MetricError(
            f"a response needs {LEAST_SECONDS:.0f} s of speech; got {s.size / sample_rate:.2f} s"
        )
    (s, y), rate = at_most_16_khz(s, y, sample_rate=sample_rate)
    n_noise, n_before, n_after = (round(x * rate) for x in (RESPONSE_S, BEFORE_S, RESPONSE_S))
    taps = fitted_response(s, y, n_noise + n_before, n_after) ** 2
    noise = float(taps[:n_noise].mean())
    taps = taps[n_noise:] - noise
    _check_response(taps, noise, rate)
    return taps, noise, rate


def fitted_response(s: np.ndarray, y: np.ndarray, n_before: int, n_after: int) -> np.ndarray:
    """Least-squares filter from s to y.

        (R + λ r(0) I) h = p,  R(m,n) = r(m - n),  p(n) = Σ_k y(k) s(k - n)

    Parameters
    ----------
    s, y : float ndarray, shape (N,)
        Zero beyond their ends.
    n_before, n_after : int
        Number of taps before lag zero, and from lag zero on.

    Returns
    -------
    h : float ndarray, shape (n_before + n_after,)
    """
    n_taps = n_before + n_after
    n_fft = fft.next_fast_len(s.size + n_taps, real=True)
    spec = fft.rfft(s, n_fft)
    auto = fft.irfft(np.abs(spec) ** 2, n_fft)[:n_taps]
    cross = np.roll(fft.irfft(spec.conj() * fft.rfft(y, n_fft), n_fft), n_before)[:n_taps]
    auto[0] *= 1 + LOADING
    return solve_toeplitz(auto, cross)


def _check_response(taps: np.ndarray, noise: float, rate: int) -> None:
    """Raise an error if a response is all noise, or ends before its reverberation begins."""
    early = taps[: _end_of_early(taps, rate)]
    if not early.sum() > LEAST_DETECTION * _standard_error(early, noise):
        raise MetricError("the reference is not detectable above the noise of the estimate")
    if early.size == taps.size:
        raise MetricError(
            f"the estimate follows the reference by {taps.argmax() / rate - BEFORE_S:.2f} s: "
            "align the two first"
        )


def _end_of_early(taps: np.ndarray, rate: int) -> int:
    """First tap of the late sound."""
    return min(int(taps.argmax()) + round(EARLY_S * rate) + 1, taps.size)


def _above_noise(taps: np.ndarray, noise: float) -> float:
    """Energy of the taps; at least its standard error."""
    return max(float(taps.sum()), _standard_error(taps, noise))


def _standard_error(taps: np.ndarray, noise: float) -> float:
    """Standard error of the energy of taps that are independent Gaussian noise."""
    return noise * float(np.sqrt(2 * taps.size))
