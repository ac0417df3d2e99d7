"""Spectral gains of one channel: Wiener and MMSE-LSA, causal, with explicit state."""

import numpy as np

from arrayenh._kernels import gains as kernels
from arrayenh.errors import ConfigError, ShapeError

RULES = ("wiener", "mmse-lsa")


class DecisionDirected:
    """A spectral gain from the decision-directed prior SNR.

        ξ(t) = α |ŝ(t-1)|²/σ² + (1 - α) max(γ(t) - 1, 0),   γ = |y|²/σ²
        wiener:    G = ξ/(1 + ξ)
        mmse-lsa:  G = ξ/(1 + ξ) exp(½ E₁(v)),   v = γ ξ/(1 + ξ)

    (Ephraim & Malah, "Speech enhancement using a minimum mean-square error log-spectral
    amplitude estimator", 1985, eq. 20; ξ from Ephraim & Malah 1984, eq. 51.)

    Parameters
    ----------
    rule : {"mmse-lsa", "wiener"}
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
        if power.shape != noise_psd.shape or len(power) != len(self._state):
            raise ShapeError(
                f"power and noise_psd must share the shape ({len(self._state)}, t); "
                f"got {power.shape} and {noise_psd.shape}"
            )
        gain = np.empty(power.shape, np.float32)
        kernels.decision_directed(
            power,
            noise_psd,
            self.rule == "mmse-lsa",
            self.smoothing,
            self.least_prior_snr,
            self.least_gain,
            self._state,
            gain,
        )
        return gain
