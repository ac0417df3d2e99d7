"""Spectral gains of one channel, causal, with explicit state."""

from functools import partial

import numpy as np

from arrayenh import _kernels
from arrayenh.errors import ConfigError, ShapeError
from arrayenh.postfilters.postfilter import PostFilter, SpectralGain

CODES = {"wiener": "WIENER", "mmse-lsa": "LSA", "mmse-stsa": "STSA"}  # of _kernels.gains
RULES = tuple(CODES)
SMOOTHING = 0.94  # α of the decision-directed rules behind a beamformer
STSA_SMOOTHING = 0.98  # its gain follows γ more: with 0.94 it leaves 3 dB more of the noise
LOCAL_BINS, WIDE_BINS = 1, 15  # half the windows over which OM-LSA looks for speech


class DecisionDirected:
    """A spectral gain from the decision-directed prior SNR.

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
        Floor of ξ: what stays between the words sounds like noise, not like tones
        (Cappé 1994).
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
        """Gain of the next frames.

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
            If the shapes differ, or have not F rows.
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
    """Power spectral subtraction, more of the noise the less speech there is in the frame.

        G² = max(1 - α/γ, β/γ),   γ = |y|²/σ²
        α = 4 - 3/20 SNR,   SNR = Σ_f |y|² / Σ_f σ² in dB, between -5 and 20

    β is the square of the least gain, below which G does not fall either. There is no state:
    every frame stands for itself.

    Parameters
    ----------
    n_freqs : int
        F.
    least_gain_db : float
        Floor of G, and level of the spectral floor under the noise.

    References
    ----------
    M. Berouti, R. Schwartz and J. Makhoul, "Enhancement of speech corrupted by acoustic noise",
    ICASSP 1979.
    """

    def __init__(self, n_freqs: int, least_gain_db: float = -18.0) -> None:
        self.n_freqs = n_freqs
        self.least_gain = 10 ** (least_gain_db / 20)

    def update(self, power: np.ndarray, noise_psd: np.ndarray) -> np.ndarray:
        """Gain of the next frames: parameters, errors and result of `DecisionDirected.update`."""
        check_shapes(power, noise_psd, self.n_freqs)
        gain = np.empty(power.shape, np.float32)
        _kernels.gains.subtract(power, noise_psd, self.least_gain, gain)
        return gain


class OmLsa:
    """Log-spectral amplitude gain under uncertain speech presence.

        G = G_H₁^p G_min^(1-p),   G_H₁ = ξ/(1 + ξ) exp(½ E₁(v))
        p = 1 / (1 + q/(1 - q) (1 + ξ) exp(-v)),   q = 1 - P_local P_wide P_frame

    The P_λ rise with ζ, the smoothed ξ averaged over the bin and its neighbours, over 31 bins,
    and over the frame: 0 below ζ_min, 1 above ζ_max, logarithmic between; P_frame is 1 where
    the mean rises, and afterwards counts from its last peak.

    Parameters
    ----------
    n_freqs : int
        F; the windows are meant for bins about 30 Hz apart.
    smoothing : float
        α of the decision-directed ξ, in [0, 1), for frames 8 ms apart.
    snr_smoothing : float
        That of ζ, in [0, 1).
    least_prior_snr_db : float
        Floor of ξ.
    least_gain_db : float
        G_min.
    uncertain_db : tuple of float
        ζ_min and ζ_max.
    most_absence : float
        Ceiling of q, below 1, so that what begins is heard.

    References
    ----------
    I. Cohen and B. Berdugo, "Speech enhancement for non-stationary noise environments", Signal
    Process. 81, 2001; ζ here takes ξ of the frame itself, not of the one before.
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
        self._state = np.tile([-1.0, 0.0], (n_freqs, 1))  # |ŝ|²/σ² and ζ of the frame before
        self._frame = np.array([0.0, 1.0])  # ζ_frame before, ζ_peak

    def update(
        self, power: np.ndarray, noise_psd: np.ndarray, presence: np.ndarray | None = None
    ) -> np.ndarray:
        """Gain of the next frames.

        Parameters
        ----------
        power, noise_psd : float ndarray, shape (F, t)
            |y|² and σ².
        presence : float ndarray, shape (F, t), optional
            p where it is known from elsewhere, in [0, 1].

        Returns
        -------
        gain : float32 ndarray, shape (F, t)
            In [least gain, 1].

        Raises
        ------
        ShapeError
            If the shapes differ, or have not F rows.
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
    """Centre and right half of a Hann window over 2 n + 1 bins, none of them 0, (n + 1,)."""
    return 0.5 + 0.5 * np.cos(np.pi * np.arange(n_bins + 1) / (n_bins + 1))


def check_shapes(power: np.ndarray, noise_psd: np.ndarray, n_freqs: int) -> None:
    """Refuse spectra that do not belong together or to this filter."""
    if power.shape != noise_psd.shape or len(power) != n_freqs:
        raise ShapeError(
            f"power and noise_psd must share the shape ({n_freqs}, t); "
            f"got {power.shape} and {noise_psd.shape}"
        )


def _decision_directed(
    rule: str, smoothing: float, n_freqs: int, least_gain_db: float
) -> SpectralGain:
    """`DecisionDirected` as a post-filter."""
    return DecisionDirected(rule, n_freqs, smoothing, least_gain_db=least_gain_db)


def _om_lsa(n_freqs: int, least_gain_db: float) -> SpectralGain:
    """`OmLsa` as a post-filter."""
    return OmLsa(n_freqs, least_gain_db=least_gain_db)


RECORDS = (
    PostFilter(
        "mmse-lsa",
        "MMSE-LSA",
        "log-spectral amplitude of least mean square error (Ephraim & Malah 1985)",
        partial(_decision_directed, "mmse-lsa", SMOOTHING),
    ),
    PostFilter(
        "mmse-stsa",
        "MMSE-STSA",
        "spectral amplitude of least mean square error (Ephraim & Malah 1984)",
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
        "MMSE-LSA weighted by the presence of speech (Cohen 2003)",
        _om_lsa,
        tracker="imcra",
    ),
)
