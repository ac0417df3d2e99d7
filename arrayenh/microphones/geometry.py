"""Microphone arrays by name or from files.

Positions are metres: x forward, y left, z up. Azimuth turns counter-clockwise from
+x, elevation is counted from the horizon. Row 0 is the reference microphone.
"""

import difflib
import os
from pathlib import Path

from arrayenh.errors import GeometryError
from arrayenh.microphones.array_files import READERS, read_array, write_array
from arrayenh.microphones.boards import BOARD_ALIASES, BOARDS
from arrayenh.microphones.mic_array import MicArray
from arrayenh.microphones.presets import FAMILY_PRESETS, PRESETS, family_array

__all__ = ["MicArray", "load_array", "preset_names", "save_array"]


def load_array(name_or_path: str | os.PathLike[str]) -> MicArray:
    """Load a microphone array by its name or from a file.

    Parameters
    ----------
    name_or_path : str or path
        A name from `preset_names`, the name of a board, a parametric name
        (`linear4-42.5mm`: four microphones, 42.5 mm apart; `circular6-46mm`: six on
        a radius of 46 mm), or the path of a .json, .csv or .xml file. Names may be
        written in capitals, with spaces or underscores for hyphens.

    Returns
    -------
    array : MicArray

    Raises
    ------
    GeometryError
        If no array has that name, or the file cannot be used.

    Examples
    --------
    >>> load_array("linear4-35mm").positions[:, 0].round(6).tolist()
    [-0.0525, -0.0175, 0.0175, 0.0525]
    >>> load_array("miniDSP UMA-16").n_mics
    16
    """
    if _is_path(name_or_path):
        return read_array(Path(name_or_path))
    name = "-".join(str(name_or_path).lower().replace("_", " ").split())
    name = BOARD_ALIASES.get(name, name)
    fixed = PRESETS | BOARDS
    if name in fixed:
        return fixed[name]()
    array = family_array(name)
    if array is None:
        raise GeometryError(_unknown(str(name_or_path), name))
    return array


def save_array(array: MicArray, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write an array as .json, .csv or .xml, atomically.

    JSON keeps everything. XML, in acoular's format, does not keep the source. CSV keeps only
    positions and microphone names.

    Parameters
    ----------
    array : MicArray
    path : str or path
        The suffix selects the format.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    GeometryError
        If the suffix is unknown or the file cannot be written.
    """
    write_array(array, Path(path), overwrite)


def preset_names() -> list[str]:
    """Names of the packaged arrays; `load_array` accepts any of them.

    Returns
    -------
    names : list of str
        Families first, then binaural and table arrays, then boards.
    """
    return [*FAMILY_PRESETS, *PRESETS, *BOARDS]


def _is_path(name_or_path: str | os.PathLike[str]) -> bool:
    """Whether a text is a path: a Path, or a text with a folder or the suffix of a file."""
    if not isinstance(name_or_path, str):
        return True
    separators = [os.sep, os.altsep or os.sep]
    has_folder = any(separator in name_or_path for separator in separators)
    return has_folder or Path(name_or_path).suffix.lower() in READERS


def _unknown(asked: str, name: str) -> str:
    """Error message for an unknown array, with close matches."""
    known = [*preset_names(), *BOARD_ALIASES]
    near = difflib.get_close_matches(name, known, n=3)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"unknown array {asked!r}: {guess}"
        "'arrayenh arrays list' shows every name; linearM-Xmm and circularM-Xmm work "
        f"for any M and X, and so does the path of a file ({', '.join(READERS)})"
    )
