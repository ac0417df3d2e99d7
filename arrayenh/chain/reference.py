"""Choice of the reference microphone by output SNR."""

import numpy as np

from arrayenh import beamformers
from arrayenh.beamformers.blind import blind_mvdr
from arrayenh.beamformers.mwf import best_reference
from arrayenh.masks.spp import SppMasks
from arrayenh.statistics.covariance import covariances, sounding
from arrayenh.statistics.loading import LOADING
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
        0 if the signal is silent or shorter than a frame.
    """
    if samples.shape[1] < stft.n_fft:
        return 0
    spec = stft.analyse(samples)
    there = sounding(spec)
    if not there.any():
        return 0
    mask = SppMasks(stft.n_freqs, stft.hop / sample_rate).estimate(
        spec,
        lambda mask: beamformers.apply(blind_mvdr(spec, mask, 0, LOADING, there)[0], spec),
    )
    speech_cov, noise_cov = covariances(spec, mask, there)
    return best_reference(speech_cov, noise_cov)
