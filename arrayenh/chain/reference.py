"""Which microphone hears the talker best."""

import numpy as np

from arrayenh.beamformers import blind as statistics
from arrayenh.beamformers import mvdr as beamformers
from arrayenh.beamformers.mwf import best_reference
from arrayenh.masks.source import SppMasks
from arrayenh.stft import Stft


def best_microphone(samples: np.ndarray, stft: Stft, sample_rate: int) -> int:
    """Microphone for which a blind MVDR has the largest output SNR; see `best_reference`.

    Parameters
    ----------
    samples : float32 ndarray, shape (M, N)
    stft : Stft
    sample_rate : int
        Hz.

    Returns
    -------
    reference : int
        0 where there is nothing to tell them apart.
    """
    if samples.shape[1] < stft.n_fft:
        return 0
    spec = stft.analyse(samples)
    there = statistics.sounding(spec)
    if not there.any():
        return 0
    mask = SppMasks(stft.n_freqs, stft.hop / sample_rate).estimate(
        spec,
        lambda mask: beamformers.apply(
            statistics.blind_mvdr(spec, mask, 0, beamformers.LOADING, there)[0], spec
        ),
    )
    speech_cov, noise_cov = statistics.covariances(spec, mask, there)
    return best_reference(speech_cov, noise_cov)
