"""Beamformers: one file each, with its weights and its record for the chain.

Estimate weights with a function named after the method, `beamformers.mvdr(steering, noise_cov)`,
and filter a spectrum with `beamformers.apply`.
"""

from arrayenh.beamformers.binaural import binaural_mwf
from arrayenh.beamformers.delay_and_sum import delay_and_sum, delay_and_sum_samples
from arrayenh.beamformers.gev import gev
from arrayenh.beamformers.gsc import sidelobe_canceller
from arrayenh.beamformers.lcmv import lcmv
from arrayenh.beamformers.mcwf import multi_frame_least_squares
from arrayenh.beamformers.mpdr import mpdr
from arrayenh.beamformers.mvdr import mvdr, souden_mvdr
from arrayenh.beamformers.mwf import least_squares, mwf, rank_one_mwf
from arrayenh.beamformers.superdirective import superdirective
from arrayenh.beamformers.weights import apply
from arrayenh.beamformers.wpd import wpd

__all__ = [
    "apply",
    "binaural_mwf",
    "delay_and_sum",
    "delay_and_sum_samples",
    "gev",
    "lcmv",
    "least_squares",
    "mpdr",
    "multi_frame_least_squares",
    "mvdr",
    "mwf",
    "rank_one_mwf",
    "sidelobe_canceller",
    "souden_mvdr",
    "superdirective",
    "wpd",
]
