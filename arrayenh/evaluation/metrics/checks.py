"""Input validation that all scores share, and energy ratios."""

import math

import numpy as np

from arrayenh.errors import MetricError, ShapeError


def waveforms(
    reference: np.ndarray, estimate: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Validate both signals; return float64."""
    if int(sample_rate) != sample_rate or sample_rate <= 0:
        raise MetricError(f"sample_rate must be a whole number of Hz above 0; got {sample_rate}")
    s = waveform("reference", reference)
    y = waveform("estimate", estimate)
    same_length("reference", s, "estimate", y)
    return s, y


def waveform(role: str, signal: np.ndarray) -> np.ndarray:
    """Validate a signal of shape (N,), real, finite and not empty; return float64."""
    signal = np.asarray(signal)
    if signal.ndim != 1 or signal.size == 0:
        raise ShapeError(
            f"{role} must have shape (N,), N > 0; got {signal.shape}: score one channel at a time"
        )
    if not np.issubdtype(signal.dtype, np.floating):
        raise ShapeError(
            f"{role} must hold real floating-point samples; got {signal.dtype}: "
            "scale to full scale 1.0 first"
        )
    n_bad = signal.size - int(np.count_nonzero(np.isfinite(signal)))
    if n_bad:
        raise MetricError(f"{role} must be finite; {n_bad} samples are NaN or infinite")
    return signal.astype(np.float64)


def same_length(role: str, signal: np.ndarray, other_role: str, other: np.ndarray) -> None:
    """Raise an error if two signals differ in length."""
    if signal.shape != other.shape:
        raise ShapeError(
            f"{role} and {other_role} must have equal length; got {signal.size} and "
            f"{other.size} samples: align and cut them first"
        )


def refuse_silence(**signals: np.ndarray) -> None:
    """Raise an error if all samples of a signal are zero."""
    for role, signal in signals.items():
        if not signal.any():
            raise MetricError(f"the {role} is silent: every sample is zero")


def both_ears(
    reference_ears: np.ndarray, ears: np.ndarray, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Validate both binaural signals; return float64."""
    for role, signal in (("reference_ears", reference_ears), ("ears", ears)):
        if np.ndim(signal) != 2 or len(signal) != 2:
            raise ShapeError(
                f"{role} must have shape (2, N), left and right; got {np.shape(signal)}"
            )
    pairs = [waveforms(s, y, sample_rate) for s, y in zip(reference_ears, ears, strict=True)]
    for side, (s, y) in zip(("left", "right"), pairs, strict=True):
        refuse_silence(**{f"{side} ear of the reference": s, f"{side} ear of the estimate": y})
    clean, output = zip(*pairs, strict=True)
    return np.stack(clean), np.stack(output)


def energy(signal: np.ndarray) -> float:
    """Σ s²."""
    return float(np.dot(signal, signal))


def ratio_db(signal_energy: float, noise_energy: float) -> float:
    """Ratio of two energies in dB: +inf without noise, -inf without signal."""
    if noise_energy == 0:
        return math.inf
    if signal_energy == 0:
        return -math.inf
    return 10 * math.log10(signal_energy / noise_energy)
