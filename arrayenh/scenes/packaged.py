"""Speech that ships with the package, so that a demonstration needs no data."""

from importlib.resources import as_file, files

import numpy as np

from arrayenh.audio import read
from arrayenh.errors import SceneError

CLIPS = ("female", "male")


def load_clip(name: str) -> tuple[np.ndarray, int]:
    """One of the packaged voices; ``clips/README.md`` says how they were made.

    Parameters
    ----------
    name : {"female", "male"}

    Returns
    -------
    samples : float32 ndarray, shape (N,)
        About nine seconds, peak -3 dB full scale.
    sample_rate : int
        16000 Hz.

    Raises
    ------
    SceneError
        If there is no such clip.
    """
    if name not in CLIPS:
        raise SceneError(f"no packaged clip '{name}'; there are {', '.join(CLIPS)}")
    with as_file(files("arrayenh.scenes") / "clips" / f"{name}.flac") as path:
        recording = read(path)
    return recording.samples[0], recording.sample_rate
