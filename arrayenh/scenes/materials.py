"""Named wall materials from the tables of pyroomacoustics."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.air import BANDS_HZ

WALLS = ("west", "east", "south", "north", "floor", "ceiling")
"""x = 0, x = length, y = 0, y = width, z = 0, z = height."""


def absorption_of(material: str) -> np.ndarray:
    """Energy absorption of a material in octave bands, 125 Hz to 8 kHz, shape (7,).

    Parameters
    ----------
    material : str
        A key of the pyroomacoustics tables, such as "brickwork" or "carpet_thin".

    Raises
    ------
    SceneError
        If the material is unknown; the message lists similar names.

    References
    ----------
    M. Vorländer, "Auralization", Springer 2008, appendix: the source of those tables.
    """
    from pyroomacoustics.parameters import materials_absorption_table as table

    if material not in table:
        near = get_close_matches(material, table, n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "see the pyroomacoustics materials"
        raise SceneError(f"no material {material!r}; {hint}")
    entry = table[material]
    centres = np.array(entry.get("center_freqs", BANDS_HZ))
    coefficients = np.array(entry["coeffs"])
    known = BANDS_HZ[: len(coefficients)] if len(centres) != len(coefficients) else centres
    values = np.interp(np.log2(BANDS_HZ), np.log2(known), coefficients)
    return np.clip(values, 0.0, 1.0)


def wall_absorption(materials: str | Mapping[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Octave bands (B,), Hz, and the absorption of the six walls of a shoebox, (B, 6).

    Parameters
    ----------
    materials : str or mapping
        One material for all walls, or one each for west, east, south, north, floor, ceiling.

    Raises
    ------
    SceneError
        If a wall or a material is unknown, or a wall has no material.
    """
    if isinstance(materials, str):
        materials = dict.fromkeys(WALLS, materials)
    for wall in materials:
        if wall not in WALLS:
            raise SceneError(f"materials: unknown wall {wall!r}; use one of {', '.join(WALLS)}")
    missing = [wall for wall in WALLS if wall not in materials]
    if missing:
        raise SceneError(f"materials: no material for {missing[0]}; name one for each wall")
    return BANDS_HZ, np.stack([absorption_of(materials[wall]) for wall in WALLS], axis=1)
