"""Hearing aids: audiograms, the gain prescribed for them, compression and output limiting."""

from arrayenh.hearing.audiograms import STANDARD_AUDIOGRAMS, Audiogram, load_audiogram
from arrayenh.hearing.hearing_aid import FULL_SCALE_DB, HearingAid, HearingAidSettings

__all__ = [
    "FULL_SCALE_DB",
    "STANDARD_AUDIOGRAMS",
    "Audiogram",
    "HearingAid",
    "HearingAidSettings",
    "load_audiogram",
]
