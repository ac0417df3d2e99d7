"""Audiograms: hearing thresholds of both ears, standard ones by name, others from files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arrayenh.checks import listed
from arrayenh.errors import ConfigError
from arrayenh.formats import read_json, read_table, read_toml
from arrayenh.validation import validated

LEAST_LOSS, MOST_LOSS = -20.0, 120.0  # dB HL, the range of audiometers
LOWEST_HZ, HIGHEST_HZ = 50.0, 20_000.0
SUFFIXES = (".toml", ".json", ".csv")

STANDARD_HZ = (250, 375, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000)
STANDARD_AUDIOGRAMS = {
    "NH": (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "N1": (10, 10, 10, 10, 10, 10, 15, 20, 30, 40),
    "N2": (20, 20, 20, 22.5, 25, 30, 35, 40, 45, 50),
    "N3": (35, 35, 35, 35, 40, 45, 50, 55, 60, 65),
    "N4": (55, 55, 55, 55, 55, 60, 65, 70, 75, 80),
    "N5": (65, 67.5, 70, 72.5, 75, 80, 80, 80, 80, 80),
    "N6": (75, 77.5, 80, 82.5, 85, 90, 90, 95, 100, 100),
    "N7": (90, 92.5, 95, 100, 105, 105, 105, 105, 105, 105),
    "S1": (10, 10, 10, 10, 10, 10, 15, 30, 55, 70),
    "S2": (20, 20, 20, 22.5, 25, 35, 55, 75, 95, 95),
    "S3": (30, 30, 35, 47.5, 60, 70, 75, 80, 80, 85),
}
"""Hearing loss at `STANDARD_HZ`, dB HL: N1 to N7 flat and moderately sloping, S1 to S3 steep
(Bisgaard, Vlaming & Dahlquist 2010, tables 3 and 4); NH is normal hearing."""


@dataclass(frozen=True, slots=True, eq=False)
class Audiogram:
    """Hearing thresholds of both ears.

    Attributes
    ----------
    freqs : float64 ndarray, shape (K,)
        Hz, 50 to 20000, rising.
    loss_db : float64 ndarray, shape (2, K)
        Hearing level of the thresholds, left and right, -20 to 120 dB HL; 0 is normal hearing.

    Raises
    ------
    ConfigError
        If the shapes differ or a value is out of range.

    Examples
    --------
    >>> load_audiogram("N3").at([1000, 2000])
    array([[40., 50.],
           [40., 50.]])
    """

    freqs: np.ndarray
    loss_db: np.ndarray

    def __post_init__(self) -> None:
        freqs = np.array(self.freqs, np.float64)
        loss = np.array(self.loss_db, np.float64)
        if freqs.ndim != 1 or not freqs.size or loss.shape != (2, freqs.size):
            raise ConfigError(
                "an audiogram needs one threshold at each frequency for each ear; got "
                f"{freqs.size} frequencies and thresholds of shape {loss.shape}"
            )
        inside = (freqs >= LOWEST_HZ) & (freqs <= HIGHEST_HZ)
        if not inside.all() or not (np.diff(freqs) > 0).all():
            raise ConfigError(
                f"the frequencies of an audiogram must rise, from {LOWEST_HZ:g} to "
                f"{HIGHEST_HZ:g} Hz; got {', '.join(f'{freq:g}' for freq in freqs)}"
            )
        wrong = loss[~((loss >= LEAST_LOSS) & (loss <= MOST_LOSS))]
        if wrong.size:
            raise ConfigError(
                f"the thresholds of an audiogram must be {LEAST_LOSS:g} to {MOST_LOSS:g} dB HL; "
                f"got {wrong[0]:g}"
            )
        for name, values in (("freqs", freqs), ("loss_db", loss)):
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    def at(self, freqs: Sequence[float] | np.ndarray) -> np.ndarray:
        """Interpolate over the logarithm of frequency.

        Parameters
        ----------
        freqs : float ndarray, shape (F,)
            Hz, above 0; beyond the ends the first and the last threshold hold.

        Returns
        -------
        loss_db : float64 ndarray, shape (2, F)
        """
        wanted, known = np.log(freqs), np.log(self.freqs)
        return np.stack([np.interp(wanted, known, loss) for loss in self.loss_db])

    def three_frequency_average(self) -> np.ndarray:
        """Mean loss at 500, 1000 and 2000 Hz, (2,), dB."""
        return self.at((500, 1000, 2000)).mean(axis=1)


@dataclass(frozen=True, slots=True)
class AudiogramFile:
    """Content of a TOML or JSON file: frequencies in Hz, thresholds of the ears in dB HL."""

    frequencies: list[float]
    left: list[float]
    right: list[float]


def load_audiogram(name_or_file: str | Path) -> Audiogram:
    """Load an audiogram by the name of a standard one, or from a file.

    Parameters
    ----------
    name_or_file : str or Path
        "N1" to "N7", "S1" to "S3" or "NH" (normal hearing) for both ears; two names joined by a
        comma for left and right; or a file. TOML and JSON have the keys `frequencies`, `left` and
        `right`, lists of one length; CSV has the columns `frequency`, `left` and `right`.

    Returns
    -------
    audiogram : Audiogram

    Raises
    ------
    ConfigError
        If there is no such name or file, or the file is wrong; the message says how.

    References
    ----------
    N. Bisgaard, M. S. M. G. Vlaming, M. Dahlquist, "Standard audiograms for the IEC 60118-15
    measurement procedure", Trends in Amplification 14(2), 2010.

    Examples
    --------
    >>> load_audiogram("N3,S2").at([250])
    array([[35.],
           [20.]])
    """
    names = [name.upper() for name in listed(str(name_or_file))]
    if len(names) in (1, 2) and all(name in STANDARD_AUDIOGRAMS for name in names):
        return Audiogram(
            np.array(STANDARD_HZ),
            np.array([STANDARD_AUDIOGRAMS[name] for name in (names[0], names[-1])]),
        )
    path = Path(name_or_file)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(
            f"no audiogram is called {str(name_or_file)!r}; give {', '.join(STANDARD_AUDIOGRAMS)}, "
            f"two of them for left and right (N3,S2), or a file ({', '.join(SUFFIXES)})"
        )
    found = read_csv(path) if path.suffix.lower() == ".csv" else read_tree(path)
    try:
        return Audiogram(np.array(found.frequencies), np.array([found.left, found.right]))
    except ConfigError as problem:
        raise ConfigError(f"{path}: {problem}") from problem


def read_tree(path: Path) -> AudiogramFile:
    """Read the TOML or JSON file of an audiogram."""
    found = read_toml(path) if path.suffix.lower() == ".toml" else read_json(path)
    if not isinstance(found, dict):
        raise ConfigError(f"{path} must hold the keys frequencies, left and right")
    content = validated(AudiogramFile, found, str(path), strict=True)
    if len({len(content.frequencies), len(content.left), len(content.right)}) > 1:
        raise ConfigError(
            f"{path}: frequencies, left and right must be equally long; got "
            f"{len(content.frequencies)}, {len(content.left)} and {len(content.right)}"
        )
    return content


def read_csv(path: Path) -> AudiogramFile:
    """Read the CSV file of an audiogram."""
    columns: dict[str, list[float]] = {"frequency": [], "left": [], "right": []}
    for row in read_table(path, list(columns)):
        for name, values in columns.items():
            try:
                values.append(float(row[name]))
            except ValueError:
                raise ConfigError(
                    f"{row.where}: {name} must be a number; got {row[name]!r}"
                ) from None
    return AudiogramFile(*columns.values())
