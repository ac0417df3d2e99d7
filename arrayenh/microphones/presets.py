"""Packaged microphone arrays: parametric families, binaural arrays, a table array.

A family is parsed for any number of microphones M and any length X:
`linearM-Xmm` (spacing), `circularM-Xmm` (radius), `square4-Xmm` (side),
`tetrahedral4-Xmm` (edge). Every array is centred on the origin.
"""

import re
from collections.abc import Callable

import numpy as np

from arrayenh.errors import GeometryError
from arrayenh.microphones.mic_array import MAX_APERTURE, MAX_MICS, MicArray

FAMILY_NAME = re.compile(
    r"(linear|circular|square|tetrahedral)([0-9]{1,9})-([0-9]{1,9}(?:\.[0-9]{1,9})?)mm"
)

FAMILY_PRESETS = (
    "linear2-12mm",
    "linear4-35mm",
    "linear8-35mm",
    "circular4-35mm",
    "circular6-46mm",
    "circular8-50mm",
    "square4-46mm",
    "tetrahedral4-40mm",
)

HEAD_WIDTH = 0.175
"""Distance of the ears, metres, on a sphere of radius 8.75 cm, the common head model."""

BTE_WIDTH = 0.164
"""Distance of left and right microphones, metres, in Kayser et al. (2009)."""

KAYSER = (
    "Kayser et al., Database of multichannel in-ear and behind-the-ear head-related "
    "and binaural room impulse responses, EURASIP JASP 2009, 298605: "
)


def family_array(name: str) -> MicArray | None:
    """Build the array of a parametric name.

    Parameters
    ----------
    name : str
        Lower case, such as `linear4-35mm` or `circular6-42.5mm`.

    Returns
    -------
    array : MicArray or None
        None if the name is not of that form.

    Raises
    ------
    GeometryError
        If the number of microphones or the length is out of range.
    """
    match = FAMILY_NAME.fullmatch(name)
    if match is None:
        return None
    family, n_mics, length_mm = match[1], int(match[2]), float(match[3])
    if not 1 <= n_mics <= MAX_MICS:
        raise GeometryError(f"{name}: microphones must number 1 to {MAX_MICS}")
    if family in ("square", "tetrahedral") and n_mics != 4:
        raise GeometryError(
            f"{name}: a {family} array has 4 microphones; try {family}4-{length_mm:.12g}mm"
        )
    if length_mm == 0:
        raise GeometryError(
            f"{name}: the length before mm must be above zero, as in {family}4-35mm"
        )
    name = f"{family}{n_mics}-{length_mm:.12g}mm"
    if name == "linear2-12mm":
        return _hearing_aid()
    positions = FAMILIES[family](n_mics, length_mm / 1000)
    names = AMBISONIC if family == "tetrahedral" else None
    array = MicArray(positions, name, names)
    if array.aperture > MAX_APERTURE:
        raise GeometryError(
            f"{name} is {array.aperture:.3g} m across: the length is in millimetres; an array of "
            f"more than {MAX_APERTURE:g} m is given as a file that states its unit"
        )
    return array


def linear(n_mics: int, spacing: float) -> np.ndarray:
    """Place microphones along x at equal spacing, microphone 0 at the -x end.

    Parameters
    ----------
    n_mics : int
    spacing : float
        Metres.

    Returns
    -------
    positions : float64 ndarray, shape (M, 3)
        Metres, centred on the origin.
    """
    positions = np.zeros((n_mics, 3))
    positions[:, 0] = (np.arange(n_mics) - (n_mics - 1) / 2) * spacing
    return positions


def circular(n_mics: int, radius: float) -> np.ndarray:
    """Place microphones on a circle, counter-clockwise, microphone 0 on +x.

    Parameters
    ----------
    n_mics : int
    radius : float
        Metres.

    Returns
    -------
    positions : float64 ndarray, shape (M, 3)
        Metres, in the plane z = 0.
    """
    azimuth = 2 * np.pi * np.arange(n_mics) / n_mics
    unit = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(n_mics)], axis=1)
    return radius * unit


def square(n_mics: int, side: float) -> np.ndarray:
    """Place four microphones front left, rear left, rear right, front right.

    Counter-clockwise from +x, sides along x and y.

    Parameters
    ----------
    n_mics : int
        4.
    side : float
        Metres.

    Returns
    -------
    positions : float64 ndarray, shape (4, 3)
        Metres, in the plane z = 0.
    """
    corners = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]])
    return corners[:n_mics] * (side / 2)


AMBISONIC = ("FLU", "FRD", "BLD", "BRU")
"""Front-left-up, front-right-down, back-left-down, back-right-up."""


def tetrahedral(n_mics: int, edge: float) -> np.ndarray:
    """Place four microphones on a regular tetrahedron, in A-format order.

    Front-left-up, front-right-down, back-left-down, back-right-up: four corners of
    a cube whose face diagonal is the edge of the tetrahedron.

    Parameters
    ----------
    n_mics : int
        4.
    edge : float
        Metres.

    Returns
    -------
    positions : float64 ndarray, shape (4, 3)
        Metres, centred on the origin.

    References
    ----------
    Gerzon, The design of precisely coincident microphone arrays for stereo and
    surround sound, AES 50th Convention, 1975.
    """
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return corners[:n_mics] * (edge / np.sqrt(8))


FAMILIES: dict[str, Callable[[int, float], np.ndarray]] = {
    "linear": linear,
    "circular": circular,
    "square": square,
    "tetrahedral": tetrahedral,
}


def _hearing_aid() -> MicArray:
    """Array of one hearing aid: the front microphone first, at +x."""
    front_first = linear(2, 0.012)[::-1]
    return MicArray(front_first, "linear2-12mm", ("front", "rear"))


def _binaural4() -> MicArray:
    return MicArray(
        _behind_ears([0.006, -0.006], HEAD_WIDTH),
        "binaural4-bte",
        ("left front", "right front", "left rear", "right rear"),
        "nominal: 12 mm hearing aids on a head of radius 87.5 mm, free field",
    )


def _binaural6() -> MicArray:
    return MicArray(
        _behind_ears([0.0076, 0.0, -0.0076], BTE_WIDTH),
        "binaural6-bte",
        (
            "left front",
            "right front",
            "left middle",
            "right middle",
            "left rear",
            "right rear",
        ),
        KAYSER + "164 mm between ears; steps of 7.6 mm are nominal; free field",
    )


def _behind_ears(forward: list[float], width: float) -> np.ndarray:
    """Positions at the left and then the right ear, for each offset from front to rear, (2K, 3)."""
    sides = (width / 2, -width / 2)
    return np.array([[x, y, 0.0] for x in forward for y in sides])


def _table8() -> MicArray:
    """Eight microphones for a meeting table, on a circle of 200 mm diameter.

    The table array of the AMI meetings and of MC-WSJ-AV (Lincoln, McCowan, Vepa & Maganti,
    "The multi-channel Wall Street Journal audio visual corpus", 2005, section 2).
    """
    return MicArray(circular(8, 0.1), "table8-200mm")


PRESETS: dict[str, Callable[[], MicArray]] = {
    "binaural4-bte": _binaural4,
    "binaural6-bte": _binaural6,
    "table8-200mm": _table8,
}
