"""Single-channel spectral gains, causal, with explicit state."""

from functools import partial

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.postfilters.postfilter import PostFilter, SpectralGain

CODES = {"wiener": "WIENER", "mmse-lsa": "LSA", "mmse-stsa": "STSA"}  # names in _kernels.gains
RULES = tuple(CODES)
SMOOTHING = 0.94  # α of the decision-directed rules after a beamformer
STSA_SMOOTHING = 0.98  # its gain depends more on γ: α = 0.94 would leave 3 dB more noise
LOCAL_BINS, WIDE_BINS = 1, 15  # half widths of the frequency windows of OM-LSA


class DecisionDirected:
    """Spectral gain by a decision-directed prior SNR.

        ξ(t) = α |ŝ(t-1)|²/σ² + (1 - α) max(γ(t) - 1, 0),   γ = |y|²/σ²
        wiener:    G = ξ/(1 + ξ)
        mmse-lsa:  G = ξ/(1 + ξ) exp(½ E₁(v)),   v = γ ξ/(1 + ξ)
        mmse-stsa: G = (√(π v)/2γ) e^(-v/2) ((1 + v) I₀(v/2) + v I₁(v/2))

    Parameters
    ----------
    rule : {"wiener", "mmse-lsa", "mmse-stsa"}
    n_freqs : int
        F.
    smoothing : float
        α, in [0, 1).
    least_prior_snr_db : float
        Floor of ξ, which prevents musical noise in speech pauses (Cappé 1994).
    least_gain_db : float
        Floor of G.

    Raises
    ------
    ConfigError
        If the rule is unknown.

    References
    ----------
    Y. Ephraim and D. Malah, "Speech enhancement using a minimum mean-square error log-spectral
    amplitude estimator", IEEE Trans. ASSP 33, 1985, eq. 20; "Speech enhancement using a minimum
    mean-square error short-time spectral amplitude estimator", IEEE Trans. ASSP 32, 1984, eq. 7
    (mmse-stsa) and eq. 51 (ξ).

    Examples
    --------
    >>> gain = DecisionDirected("wiener", n_freqs=1)
    >>> power = np.array([[1.0, 100, 100, 100]], np.float32)
    >>> gain.update(power, np.ones_like(power)).round(2)
    array([[0.13, 0.67, 0.98, 0.99]], dtype=float32)
    """

    def __init__(
        self,
        rule: str,
        n_freqs: int,
        smoothing: float = 0.98,
        least_prior_snr_db: float = -15.0,
        least_gain_db: float = -18.0,
    ) -> None:
        if rule not in RULES:
            raise ConfigError(f"unknown gain rule {rule!r}; use one of {', '.join(RULES)}")
        self.rule = rule
        self.smoothing = smoothing
        self.least_prior_snr = 10 ** (least_prior_snr_db / 10)
        self.least_gain = 10 ** (least_gain_db / 20)
        self._state = np.full(n_freqs, -1.0)

    def update(self, power: np.ndarray, noise_psd: np.ndarray) -> np.ndarray:
        """Compute the gain of the next frames.

        Parameters
        ----------
        power, noise_psd : float ndarray, shape (F, t)
            |y|² and σ².

        Returns
        -------
        gain : float32 ndarray, shape (F, t)
            In [least gain, 1].

        Raises
        ------
        ShapeError
            If the shapes differ, or do not have F rows.
        """
        check_shapes(power, noise_psd, len(self._state))
        gain = np.empty(power.shape, np.float32)
        _kernels.gains.decision_directed(
            power,
            noise_psd,
            getattr(_kernels.gains, CODES[self.rule]),
            self.smoothing,
            self.least_prior_snr,
            self.least_gain,
            self._state,
            gain,
        )
        return gain


class SpectralSubtraction:
    """Power spectral subtraction with an SNR-dependent over-subtraction factor.

        G² = max(1 - α/γ, β/γ),   γ = |y|²/σ²
        α = 4 - 3/20 SNR,   SNR = Σ_f |y|² / Σ_f σ² in dB, between -5 and 20

    β is the square of the least gain, which is also the floor of G. There is no state: every
    frame is processed independently.

    Parameters
    ----------
    n_freqs : int
        F.
    least_gain_db : float
        Floor of G, and level of the spectral floor relative to the noise.

    References
    ----------
    M. Berouti, R. Schwartz and J. Makhoul, "Enhancement of speech corrupted by acoustic noise",
    ICASSP 1979.

    Examples
    --------
    >>> gain = SpectralSubtraction(n_freqs=1)
    >>> power = np.array([[1.0, 100]], np.float32)
    >>> gain.update(power, np.ones_like(power)).round(2)
    array([[0.13, 0.99]], dtype=float32)
    """

    def __init__(self, n_freqs: int, least_gain_db: float = -18.0) -> None:
        self.n_freqs = n_freqs
        self.least_gain = 10 ** (least_gain_db / 20)

    def update(self, power: np.ndarray, noise_psd: np.ndarray) -> np.ndarray:
        """Compute the gain of the next frames; see `DecisionDirected.update`."""
        check_shapes(power, noise_psd, self.n_freqs)
        gain = np.empty(power.shape, np.float32)
        _kernels.gains.subtract(power, noise_psd, self.least_gain, gain)
        return gain


class OmLsa:
    """OM-LSA: log-spectral amplitude gain under uncertain speech presence.

        G = G_H₁^p G_min^(1-p),   G_H₁ = ξ/(1 + ξ) exp(½ E₁(v))
        p = 1 / (1 + q/(1 - q) (1 + ξ) exp(-v)),   q = 1 - P_local P_wide P_frame

    P_local, P_wide and P_frame increase with ζ, the smoothed ξ averaged over three bins, 31 bins
    and the whole frame: 0 below ζ_min, 1 above ζ_max, logarithmic in between. P_frame is 1 while
    the frame mean rises, and is then relative to its last peak.

    Parameters
    ----------
    n_freqs : int
        F; the windows are designed for bins about 30 Hz apart.
    smoothing : float
        α of the decision-directed ξ, in [0, 1), for frames 8 ms apart.
    snr_smoothing : float
        Smoothing constant of ζ, in [0, 1).
    least_prior_snr_db : float
        Floor of ξ.
    least_gain_db : float
        G_min.
    uncertain_db : tuple of float
        ζ_min and ζ_max.
    most_absence : float
        Ceiling of q, below 1, so that speech onsets are kept.

    References
    ----------
    I. Cohen and B. Berdugo, "Speech enhancement for non-stationary noise environments", Signal
    Process. 81, 2001; here ζ uses ξ of the current frame, not of the previous one.

    Examples
    --------
    >>> gain = OmLsa(n_freqs=1)
    >>> power = np.ones((1, 3), np.float32)
    >>> gain.update(power, power).shape
    (1, 3)
    """

    def __init__(
        self,
        n_freqs: int,
        smoothing: float = 0.92,
        snr_smoothing: float = 0.7,
        least_prior_snr_db: float = -25.0,
        least_gain_db: float = -25.0,
        uncertain_db: tuple[float, float] = (-10.0, -5.0),
        most_absence: float = 0.95,
    ) -> None:
        self.smoothing = smoothing
        self.snr_smoothing = snr_smoothing
        self.least_prior_snr = 10 ** (least_prior_snr_db / 10)
        self.least_gain = 10 ** (least_gain_db / 20)
        low, high = uncertain_db
        self.bounds = (10 ** (low / 10), 10 ** (high / 10), most_absence)
        self._windows = half_hann(LOCAL_BINS), half_hann(WIDE_BINS)
        self._state = np.tile([-1.0, 0.0], (n_freqs, 1))  # |ŝ|²/σ² and ζ of the previous frame
        self._frame = np.array([0.0, 1.0])  # previous ζ_frame, and ζ_peak

    def update(
        self, power: np.ndarray, noise_psd: np.ndarray, presence: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the gain of the next frames.

        Parameters
        ----------
        power, noise_psd : float ndarray, shape (F, t)
            |y|² and σ².
        presence : float ndarray, shape (F, t), optional
            p, in [0, 1], if it is estimated elsewhere.

        Returns
        -------
        gain : float32 ndarray, shape (F, t)
            In [least gain, 1].

        Raises
        ------
        ShapeError
            If the shapes differ, or do not have F rows.
        """
        check_shapes(power, noise_psd, len(self._state))
        if presence is not None and presence.shape != power.shape:
            raise ShapeError(f"presence must have shape {power.shape}; got {presence.shape}")
        speech_gain, estimated = np.empty(power.shape), np.empty(power.shape)
        _kernels.gains.speech_presence(
            power,
            noise_psd,
            self.smoothing,
            self.snr_smoothing,
            self.least_prior_snr,
            self.bounds,
            *self._windows,
            self._state,
            self._frame,
            speech_gain,
            estimated,
        )
        present = estimated if presence is None else presence
        gain = speech_gain**present * self.least_gain ** (1 - present)
        return np.clip(gain, self.least_gain, 1).astype(np.float32)


def half_hann(n_bins: int) -> np.ndarray:
    """Centre and right half of a Hann window of 2 n + 1 nonzero bins, shape (n + 1,)."""
    return 0.5 + 0.5 * np.cos(np.pi * np.arange(n_bins + 1) / (n_bins + 1))


def check_shapes(power: np.ndarray, noise_psd: np.ndarray, n_freqs: int) -> None:
    """Raise ShapeError if the spectra differ in shape or do not have `n_freqs` bins."""
    if power.shape != noise_psd.shape or len(power) != n_freqs:
        raise ShapeError(
            f"power and noise_psd must share the shape ({n_freqs}, t); "
            f"got {power.shape} and {noise_psd.shape}"
        )


def _decision_directed(
    rule: str, smoothing: float, n_freqs: int, least_gain_db: float
) -> SpectralGain:
    """Make a `DecisionDirected` gain for a post-filter record."""
    return DecisionDirected(rule, n_freqs, smoothing, least_gain_db=least_gain_db)


def _om_lsa(n_freqs: int, least_gain_db: float) -> SpectralGain:
    """Make an `OmLsa` gain for a post-filter record."""
    return OmLsa(n_freqs, least_gain_db=least_gain_db)


RECORDS = (
    PostFilter(
        "mmse-lsa",
        "MMSE-LSA",
        "MMSE log-spectral amplitude gain (Ephraim & Malah 1985)",
        partial(_decision_directed, "mmse-lsa", SMOOTHING),
    ),
    PostFilter(
        "mmse-stsa",
        "MMSE-STSA",
        "MMSE spectral amplitude gain (Ephraim & Malah 1984)",
        partial(_decision_directed, "mmse-stsa", STSA_SMOOTHING),
    ),
    PostFilter(
        "wiener",
        "Wiener",
        "Wiener gain from the decision-directed prior SNR",
        partial(_decision_directed, "wiener", SMOOTHING),
    ),
    PostFilter(
        "spectral-subtraction",
        "spectral subtraction",
        "spectral subtraction with a floor",
        SpectralSubtraction,
    ),
    PostFilter(
        "om-lsa",
        "OM-LSA",
        "MMSE-LSA weighted by the speech presence probability (Cohen 2003)",
        _om_lsa,
        tracker="imcra",
    ),
)
