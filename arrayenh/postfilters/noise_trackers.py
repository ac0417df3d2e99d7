"""Noise trackers behind a beamformer, where noise is steadier than in front of it."""

from functools import partial

from arrayenh.postfilters.postfilter import NoiseTracking
from arrayenh.statistics.noise_psd import Imcra, MinimumStatistics, SppTracker

PRIOR_SNR_DB = 12.0  # of a bin with speech, behind a beamformer
NOISE_DECAY = 0.9  # of the tracked noise in 16 ms: steadier than in front of it

TRACKERS = (
    NoiseTracking(
        "spp",
        "SPP",
        "by speech presence probability (Gerkmann & Hendriks 2012)",
        partial(SppTracker, prior_snr_db=PRIOR_SNR_DB, noise_decay=NOISE_DECAY),
    ),
    NoiseTracking(
        "minimum-statistics",
        "minimum statistics",
        "by the minimum of 1.5 s (Martin 2001)",
        MinimumStatistics,
    ),
    NoiseTracking(
        "imcra",
        "IMCRA",
        "improved minima-controlled recursive averaging (Cohen 2003)",
        Imcra,
    ),
)
