"""Recordings: reading, resampling and writing of audio."""

from arrayenh.audio.files import LEAST_RATE, MOST_RATE, SUFFIXES
from arrayenh.audio.recording import (
    BLOCK,
    PathLike,
    Recording,
    RecordingFile,
    open_recording,
    read,
    split_paths,
)
from arrayenh.audio.resampling import resample
from arrayenh.audio.writing import Audio, AudioWriter, check_new, encode, headroom, write

__all__ = [
    "BLOCK",
    "LEAST_RATE",
    "MOST_RATE",
    "SUFFIXES",
    "Audio",
    "AudioWriter",
    "PathLike",
    "Recording",
    "RecordingFile",
    "check_new",
    "encode",
    "headroom",
    "open_recording",
    "read",
    "resample",
    "split_paths",
    "write",
]
