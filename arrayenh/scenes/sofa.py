"""SOFA files (AES69): impulse responses of rooms and heads with source directions."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from arrayenh.errors import MissingExtraError, SceneError
from arrayenh.files import replacing

GLOBAL = {
    "Conventions": "SOFA",
    "Version": "2.1",
    "SOFAConventionsVersion": "1.0",
    "DataType": "FIR",
    "RoomType": "free field",
    "License": "No license provided, ask the author for permission",
    "Organization": "unknown",
    "AuthorContact": "unknown",
    "APIName": "arrayenh",
    "APIVersion": "1",
    "Title": "",
}


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
        """Responses with their delays, rounded to samples, prepended, shape (K, M, L')."""
        whole = np.round(self.delays).astype(int)
        n_measured, n_mics, length = self.responses.shape
        out = np.zeros((n_measured, n_mics, length + int(whole.max(initial=0))))
        for k in range(n_measured):
            for m in range(n_mics):
                out[k, m, whole[k, m] : whole[k, m] + length] = self.responses[k, m]
        return out

    def nearest(self, directions: np.ndarray) -> np.ndarray:
        """Index of the measurement nearest to each direction, (K', 3) -> int (K',)."""
        return np.argmax(np.asarray(directions) @ self.directions.T, axis=1)


def read_sofa(path: str | Path) -> Sofa:
    """Read a SOFA file of finite impulse responses.

    Raises
    ------
    MissingExtraError
        If the package h5py is not installed.
    SceneError
        If the file cannot be read or contains no such responses; the message names the missing
        entry.
    """
    h5py = load_h5py()
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SceneError(f"{path} cannot be read as a SOFA file: {first_line(error)}") from error
    with file:
        for name in ("Data.IR", "Data.SamplingRate", "SourcePosition"):
            if name not in file:
                raise SceneError(f"{path} is not a SOFA file of impulse responses: no {name} in it")
        responses = np.asarray(file["Data.IR"], np.float64)
        if responses.ndim == 4:  # first of several emitters
            responses = (
                responses[:, :, 0] if responses.shape[2] < responses.shape[3] else responses[..., 0]
            )
        if responses.ndim != 3 or not responses.size or not np.isfinite(responses).all():
            raise SceneError(f"{path}: Data.IR must be finite, of shape (K, M, L)")
        n_measured, n_mics, _ = responses.shape
        delay = (
            np.asarray(file["Data.Delay"], np.float64) if "Data.Delay" in file else np.zeros((1, 1))
        )
        listener = position(file, "ListenerPosition", np.zeros((1, 3)))
        source = position(file, "SourcePosition", np.zeros((1, 3))) - listener
        receivers = position(file, "ReceiverPosition", np.zeros((n_mics, 3)))
        length = np.linalg.norm(source, axis=1, keepdims=True)
        directions = np.divide(
            source, length, out=np.tile([1.0, 0, 0], (len(source), 1)), where=length > 0
        )
        return Sofa(
            responses,
            int(round(float(np.ravel(file["Data.SamplingRate"])[0]))),
            np.broadcast_to(delay.reshape(delay.shape[0], -1)[:, :n_mics], (n_measured, n_mics)),
            np.broadcast_to(directions, (n_measured, 3)) @ looking(file),
            receivers.reshape(-1, 3)[:n_mics],
        )


def position(file: Any, name: str, default: np.ndarray) -> np.ndarray:
    """Read a table of positions as Cartesian coordinates, metres, shape (K, 3)."""
    if name not in file:
        return default
    table = np.asarray(file[name], np.float64)
    table = table.reshape(-1, 3) if table.ndim != 3 else table[:, :, 0]
    if text(file[name].attrs.get("Type", "cartesian")) != "spherical":
        return table
    azimuth, elevation, radius = np.deg2rad(table[:, 0]), np.deg2rad(table[:, 1]), table[:, 2]
    across = radius * np.cos(elevation)
    return np.stack(
        [across * np.cos(azimuth), across * np.sin(azimuth), radius * np.sin(elevation)], axis=1
    )


def looking(file: Any) -> np.ndarray:
    """Rotation from the room to the listener's axes, from the first view vector, (3, 3)."""
    view = position(file, "ListenerView", np.array([[1.0, 0, 0]]))[0]
    up = position(file, "ListenerUp", np.array([[0.0, 0, 1]]))[0]
    x = view / np.linalg.norm(view)
    z = up - (up @ x) * x
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=1)


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
    h5py = load_h5py()
    with replacing(Path(path)) as part, h5py.File(part, "w") as file:
        for key, value in {**GLOBAL, "SOFAConventions": convention}.items():
            file.attrs[key] = np.bytes_(value)
        file["Data.IR"] = np.asarray(responses, np.float64)
        file["Data.SamplingRate"] = np.array([float(sample_rate)])
        file["Data.SamplingRate"].attrs["Units"] = np.bytes_("hertz")
        file["Data.Delay"] = np.zeros((1, np.shape(responses)[1]))
        tables = {
            "SourcePosition": directions,
            "ReceiverPosition": np.asarray(receivers)[:, :, None],
            "ListenerPosition": np.zeros((1, 3)),
            "ListenerView": np.array([[1.0, 0, 0]]),
            "ListenerUp": np.array([[0.0, 0, 1]]),
            "EmitterPosition": np.zeros((1, 3, 1)),
        }
        for name, table in tables.items():
            file[name] = np.asarray(table, np.float64)
            file[name].attrs["Type"] = np.bytes_("cartesian")
            file[name].attrs["Units"] = np.bytes_("metre")


def text(value: Any) -> str:
    """Attribute as text, from bytes, str or an array."""
    value = value[0] if isinstance(value, np.ndarray) else value
    return value.decode() if isinstance(value, bytes) else str(value)


def load_h5py() -> Any:
    """Import h5py: SOFA files are HDF5 files."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            "SOFA files need the package h5py: pip install 'arrayenh[sofa]'"
        ) from error
    return h5py


def first_line(error: Exception) -> str:
    """First line of an error message."""
    return str(error).splitlines()[0].split("(")[0].strip() if str(error) else "unreadable"
