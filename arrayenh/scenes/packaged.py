"""Speech clips in the package, for demonstrations without other data."""

from importlib.resources import as_file, files

import numpy as np

from arrayenh.audio import read
from arrayenh.errors import SceneError

CLIPS = ("female", "male")


def load_clip(name: str) -> tuple[np.ndarray, int]:
    """Load one of the packaged voices; ``clips/README.md`` describes their origin.

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
        If the name is unknown.
    """
    if name not in CLIPS:
        raise SceneError(f"no packaged clip '{name}'; use one of {', '.join(CLIPS)}")
    with as_file(files("arrayenh.scenes") / "clips" / f"{name}.flac") as path:
        recording = read(path)
    return recording.samples[0], recording.sample_rate
