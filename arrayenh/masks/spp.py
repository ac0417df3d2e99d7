"""Speech masks from speech presence probability: what rises above stationary noise."""

import numpy as np

from arrayenh.errors import ShapeError
from arrayenh.masks.source import Beamform, MaskMethod
from arrayenh.statistics.noise_psd import SppTracker
from arrayenh.statistics.power import mean_power, squared

NOISE_DECAY = 0.7  # of the tracked noise in 16 ms


class SppMasks:
    """Speech presence in the microphones' mean power, refined behind the beamformer.

    The first mask is the speech presence probability of the power averaged over the
    microphones. It steers a beamformer; presence is tracked anew in its cleaner output, and
    so on: each round sees speech that the round before could not. Presence is judged from
    power smoothed over five neighbouring bins, and against a noise tracker fast enough that
    late reverberation counts as noise.

    The trackers live on from one call to the next: consecutive segments of a recording
    join without a new warm-up.

    Parameters
    ----------
    n_freqs : int
        F.
    hop_seconds : float
        Time from frame to frame, s.
    rounds : int
        Refinements after the first mask.
    """

    def __init__(self, n_freqs: int, hop_seconds: float, rounds: int = 2) -> None:
        self._trackers = [
            SppTracker(n_freqs, hop_seconds, noise_decay=NOISE_DECAY) for _ in range(rounds + 1)
        ]

    def estimate(self, spec: np.ndarray, beamform: Beamform) -> np.ndarray:
        """Mask of the next frames.

        Parameters
        ----------
        spec : complex64 ndarray, shape (F, M, T)
        beamform : callable
            From a mask, shape (F, T), to the beamformed spectrum, shape (F, T).

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
    """Speech presence in power smoothed over frequency, shape (F, T)."""
    return tracker.update(smooth_bins(power))[1]


def smooth_bins(power: np.ndarray) -> np.ndarray:
    """Binomial average over five bins, 1-4-6-4-1, the edges repeated; shape (F, T)."""
    padded = np.pad(power, ((2, 2), (0, 0)), mode="edge")
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
    "speech presence probability, in the output of the beamformer it steers",
    SppMasks,
)
