"""Noise trackers for post-filters, set for the steadier noise after a beamformer."""

from functools import partial

from arrayenh.postfilters.postfilter import NoiseTracking
from arrayenh.statistics.noise_psd import Imcra, MinimumStatistics, SppTracker

PRIOR_SNR_DB = 12.0  # of a bin with speech, after a beamformer
NOISE_DECAY = 0.9  # of the noise estimate per 16 ms

TRACKERS = (
    NoiseTracking(
        "spp",
        "SPP",
        "speech presence probability (Gerkmann & Hendriks 2012)",
        partial(SppTracker, prior_snr_db=PRIOR_SNR_DB, noise_decay=NOISE_DECAY),
    ),
    NoiseTracking(
        "minimum-statistics",
        "minimum statistics",
        "minimum statistics over 1.5 s (Martin 2001)",
        MinimumStatistics,
    ),
    NoiseTracking(
        "imcra",
        "IMCRA",
        "improved minima-controlled recursive averaging (Cohen 2003)",
        Imcra,
    ),
)
