"""SOFA files (AES69): impulse responses of rooms and heads with source directions."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from arrayenh.audio import LEAST_RATE, MOST_RATE
from arrayenh.errors import MissingExtraError, SceneError
from arrayenh.files import replacing

NEEDED = ("Data_IR", "Data_SamplingRate", "SourcePosition", "ReceiverPosition")
PLACES = ("SourcePosition", "ReceiverPosition", "ListenerPosition", "ListenerView", "ListenerUp")
USED = ("Data_", *PLACES)
MOST_DELAY_S = 10.0
SAME_PLACE = 0.25  # largest distance of a microphone from its receiver, re the aperture
DAMAGE = (
    AttributeError, IndexError, KeyError, MemoryError, OSError, OverflowError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip
"""Exceptions of sofar and netCDF4 for a damaged file."""


@dataclass(frozen=True, slots=True, eq=False)
class Sofa:
    """Measured impulse responses with their geometry.

    Attributes
    ----------
    responses : float64 ndarray, shape (K, M, L)
        K measurements at M receivers.
    sample_rate : int
        Hz.
    delays : float64 ndarray, shape (K, M)
        Delay in samples before the responses begin.
    directions : float64 ndarray, shape (K, 3)
        Unit vectors from the listener to the source (x forward, y left, z up).
    receivers : float64 ndarray, shape (M, 3)
        Metres, from the listener.
    """

    responses: np.ndarray
    sample_rate: int
    delays: np.ndarray
    directions: np.ndarray
    receivers: np.ndarray

    def delayed(self) -> np.ndarray:
        """Responses with their delays, rounded to samples, prepended, shape (K, M, L').

        If some delays are negative, all are counted from the lowest.
        """
        whole = np.round(self.delays).astype(int)
        whole = whole - min(int(whole.min()), 0)
        n_measured, n_mics, length = self.responses.shape
        out = np.zeros((n_measured, n_mics, length + int(whole.max(initial=0))))
        for k in range(n_measured):
            for m in range(n_mics):
                out[k, m, whole[k, m] : whole[k, m] + length] = self.responses[k, m]
        return out

    def heard_at(self, positions: np.ndarray) -> "Sofa":
        """Order the receivers as the microphones at `positions` (M, 3) from the listener.

        Files differ in which ear comes first. A file whose receivers are not where the
        microphones are, to a quarter of their largest distance, keeps its order.
        """
        apart = np.linalg.norm(self.receivers[:, None] - self.receivers[None], axis=2).max()
        distances = np.linalg.norm(positions[:, None] - self.receivers[None], axis=2)
        _, order = linear_sum_assignment(distances)
        if distances[np.arange(len(order)), order].max() >= SAME_PLACE * apart:
            return self
        return replace(
            self,
            responses=self.responses[:, order],
            delays=self.delays[:, order],
            receivers=self.receivers[order],
        )

    def nearest(self, directions: np.ndarray) -> np.ndarray:
        """Index of the measurement nearest to each direction, (K', 3) -> int (K',)."""
        return np.argmax(np.asarray(directions) @ self.directions.T, axis=1)


def read_sofa(path: str | Path) -> Sofa:
    """Read a SOFA file of finite impulse responses.

    Parameters
    ----------
    path : path
        Of several emitters, the first is read.

    Raises
    ------
    MissingExtraError
        If the package sofar is not installed.
    SceneError
        If the file cannot be read, contains no such responses, or contradicts itself; the
        message names the entry.
    """
    sofar = load_sofar()
    if not os.path.isfile(path):
        raise SceneError(f"{path} cannot be read as a SOFA file: there is no such file")
    try:
        with warnings.catch_warnings(), as_lower_case(Path(path)) as named:
            warnings.simplefilter("ignore")
            sofa = sofar.read_sofa(named, verify=False, verbose=False)
            check_entries(sofa)
            return contents(sofa)
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error
    except DAMAGE as error:
        raise SceneError(f"{path} cannot be read as a SOFA file: {first_line(error)}") from error


@contextmanager
def as_lower_case(path: Path) -> Iterator[Path]:
    """Give a name in .sofa, which sofar insists on, by a copy if need be."""
    if path.suffix == ".sofa":
        yield path
        return
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.sofa"
        shutil.copyfile(path, copy)
        yield copy


def check_entries(sofa: Any) -> None:
    """Raise SceneError if an entry that is used is missing or contradicts AES69."""
    for name in NEEDED:
        if not hasattr(sofa, name):
            raise SceneError(
                f"not a SOFA file of impulse responses: no {name.replace('_', '.')} in it"
            )
    sofa.protected = False
    for name in PLACES[:-1]:  # the up vector has the type of the view
        if hasattr(sofa, name) and not hasattr(sofa, f"{name}_Type"):
            setattr(sofa, f"{name}_Type", type_of(sofa, name))
    sofa.protected = True
    issues = sofa.verify(issue_handling="return", mode="read") or ""
    errors = issues.partition("WARNINGS\n")[0].splitlines()
    for line in errors:
        if line.startswith(tuple(f"- {name}" for name in USED)):
            raise SceneError(" ".join(line.removeprefix("- ").replace("Data_", "Data.").split()))


def type_of(sofa: Any, name: str) -> str:
    """Kind of the coordinates of an entry without a type, from their units."""
    units = str(getattr(sofa, f"{name}_Units", "")).lower()
    if "degree" in units:
        return "spherical"
    if units.startswith(("metre", "meter")):
        return "cartesian"
    raise SceneError(f"{name} has neither a Type (cartesian or spherical) nor Units")


def contents(sofa: Any) -> Sofa:
    """Responses and geometry of a verified file, for the first emitter."""
    responses = finite(sofa, "Data_IR")
    if responses.ndim == 4:  # M, R, N, E, or M, R, E, N in early versions
        last = responses.shape[2] == sofa.get_dimension("N")
        responses = responses[..., 0] if last else responses[:, :, 0]
    if responses.ndim != 3 or not responses.size:
        raise SceneError("Data.IR must have the shape (measurements, receivers, samples)")
    n_measured, n_mics, _ = responses.shape
    rates = np.ravel(finite(sofa, "Data_SamplingRate"))
    if not LEAST_RATE <= rates.min() == rates.max() <= MOST_RATE:
        raise SceneError(
            f"Data.SamplingRate must be one rate of {LEAST_RATE} to {MOST_RATE} Hz; "
            f"got {rates.min():g} to {rates.max():g}"
        )
    delays = finite(sofa, "Data_Delay")
    delays = delays[..., 0] if delays.ndim == 3 else delays.reshape(-1, n_mics)
    if np.abs(delays).max() > MOST_DELAY_S * rates[0]:
        raise SceneError(f"Data.Delay must be at most {MOST_DELAY_S:g} s")
    source = position(sofa, "SourcePosition") - position(sofa, "ListenerPosition")
    length = np.linalg.norm(source, axis=1, keepdims=True)
    directions = np.divide(
        source, length, out=np.tile([1.0, 0, 0], (len(source), 1)), where=length > 0
    )
    return Sofa(
        responses,
        int(round(float(rates[0]))),
        np.broadcast_to(delays, (n_measured, n_mics)),
        np.broadcast_to(directions, (n_measured, 3)) @ looking(sofa),
        np.broadcast_to(position(sofa, "ReceiverPosition"), (n_mics, 3)),
    )


def finite(sofa: Any, name: str) -> np.ndarray:
    """Entry as finite numbers in double precision."""
    values = np.ma.filled(np.ma.asarray(getattr(sofa, name), np.float64), np.nan)
    if not np.isfinite(values).all():
        raise SceneError(f"{name.replace('_', '.')} has values that are not finite")
    return values


def position(sofa: Any, name: str, type_from: str = "") -> np.ndarray:
    """Table of positions as Cartesian coordinates of the first measurement or of all, (K, 3).

    Parameters
    ----------
    sofa : sofar.Sofa
    name : str
    type_from : str
        Entry that has the type of the coordinates. Default: `name`.
    """
    table = finite(sofa, name)
    table = table[:, :, 0] if table.ndim == 3 else np.atleast_2d(table)
    if table.shape[1:] != (3,):
        raise SceneError(f"{name} must have three coordinates; got the shape {table.shape}")
    if str(getattr(sofa, f"{type_from or name}_Type")).lower() != "spherical":
        return table
    azimuth, elevation, radius = np.deg2rad(table[:, 0]), np.deg2rad(table[:, 1]), table[:, 2]
    across = radius * np.cos(elevation)
    return np.stack(
        [across * np.cos(azimuth), across * np.sin(azimuth), radius * np.sin(elevation)], axis=1
    )


def looking(sofa: Any) -> np.ndarray:
    """Rotation from the room to the listener's axes, from the first view vector, (3, 3)."""
    if not hasattr(sofa, "ListenerView"):
        return np.eye(3)
    view = position(sofa, "ListenerView")[0]
    up = position(sofa, "ListenerUp", type_from="ListenerView")[0]
    side = np.cross(up, view)
    if np.linalg.norm(side) <= 1e-9 * np.linalg.norm(up) * np.linalg.norm(view):
        raise SceneError("ListenerView and ListenerUp must be two directions")
    x, y = view / np.linalg.norm(view), side / np.linalg.norm(side)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def write_sofa(
    path: str | Path,
    responses: np.ndarray,
    sample_rate: int,
    directions: np.ndarray,
    receivers: np.ndarray,
    convention: str = "SimpleFreeFieldHRIR",
) -> None:
    """Write responses as a SOFA file, atomically.

    Parameters
    ----------
    path : path
    responses : float array, shape (K, M, L)
    sample_rate : int
        Hz.
    directions : float array, shape (K, 3)
        Source positions relative to the listener, metres.
    receivers : float array, shape (M, 3)
        Metres.
    convention : str
    """
    sofar = load_sofar()
    sofa = sofar.Sofa(convention)
    sofa.Data_IR = np.asarray(responses, np.float64)
    sofa.Data_SamplingRate = float(sample_rate)
    sofa.Data_Delay = np.zeros((1, np.shape(responses)[1]))
    tables = {"SourcePosition": directions, "ReceiverPosition": np.asarray(receivers)[:, :, None]}
    for name, table in tables.items():
        setattr(sofa, name, np.asarray(table, np.float64))
        setattr(sofa, f"{name}_Type", "cartesian")
        setattr(sofa, f"{name}_Units", "metre")
    with replacing(Path(path)) as part:
        named = part.with_suffix(".sofa")  # sofar writes to no other name
        try:
            sofar.write_sofa(named, sofa)
            os.replace(named, part)
        finally:
            named.unlink(missing_ok=True)


def load_sofar() -> Any:
    """Import sofar, which reads, verifies and writes SOFA files (AES69)."""
    try:
        import sofar
    except ImportError as error:
        raise MissingExtraError(
            "SOFA files need the package sofar: pip install 'arrayenh[sofa]'"
        ) from error
    return sofar


def first_line(error: BaseException) -> str:
    """First line of an error message."""
    return next(iter(str(error).splitlines()), type(error).__name__)
