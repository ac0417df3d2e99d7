"""Speech masks from the speech presence probability."""

import numpy as np

from arrayenh.errors import ShapeError
from arrayenh.masks.source import Beamform, MaskMethod
from arrayenh.statistics.noise_psd import SppTracker
from arrayenh.statistics.power import mean_power, squared

NOISE_DECAY = 0.7  # of the noise tracker, per 16 ms


class SppMasks:
    """Speech masks from speech presence, refined in the output of the beamformer.

    The first mask is the speech presence probability of the power averaged over the microphones.
    It steers a beamformer, and the speech presence in its cleaner output is the next mask, and so
    on: each round detects fainter speech. The power is smoothed over five neighbouring bins, and
    the noise tracker is fast enough that late reverberation counts as noise.

    The trackers keep their state from call to call, so only the first segment of a recording
    needs a warm-up.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    rounds : int
        Refinements after the first mask.

    Examples
    --------
    >>> masks = SppMasks(n_freqs=257, hop_seconds=0.008)
    >>> spec = np.zeros((257, 2, 10), np.complex64)
    >>> masks.estimate(spec, beamform=lambda mask: spec[:, 0]).max().item()  # silence
    0.0
    """

    def __init__(self, n_freqs: int, hop_seconds: float, rounds: int = 2) -> None:
        self._trackers = [
            SppTracker(n_freqs, hop_seconds, noise_decay=NOISE_DECAY) for _ in range(rounds + 1)
        ]

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Estimate the mask of the next frames.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, T)
        beamform : callable
            Maps a mask, shape (F, T), to the beamformed spectrum, shape (F, T).

        Returns
        -------
        mask : float32 ndarray, shape (F, T)
            Speech presence probability, in [0, 1].
        """
        if spec.ndim != 3:
            raise ShapeError(f"spec must have shape (F, M, T); got {spec.shape}")
        power = mean_power(spec)
        for tracker in self._trackers[:-1]:
            mask = presence(tracker, power)
            power = squared(beamform(mask))
        return presence(self._trackers[-1], power)


def presence(tracker: SppTracker, power: np.ndarray) -> np.ndarray:
    """Speech presence probability of power smoothed over frequency, shape (F, T)."""
    return tracker.update(smooth_bins(power))[1]


def smooth_bins(power: np.ndarray) -> np.ndarray:
    """Smooth over five bins with the weights 1-4-6-4-1, repeating the edges; shape (F, T)."""
    low, high = power[:1], power[-1:]
    padded = np.concatenate([low, low, power, high, high])
    smooth = 6 * power
    smooth += 4 * padded[1:-3]
    smooth += 4 * padded[3:-1]
    smooth += padded[:-4]
    smooth += padded[4:]
    smooth /= 16
    return smooth


SPP = MaskMethod(
    "spp",
    "SPP",
    "speech presence probability, refined in the output of the beamformer",
    SppMasks,
)
