"""A bank of impulse responses: rooms rendered once and used for many signals."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from arrayenh.files import replacing
from arrayenh.scenes.responses import Responses, room_responses
from arrayenh.scenes.rooms import Shoebox
from arrayenh.scenes.scene import Scene

MEMORY = 1 << 29  # bytes: some thousand sources at four microphones, RT60 0.5 s


class ResponseBank:
    """Responses by geometry, in memory and, with a folder, on disk.

    Of shoeboxes only: rays are drawn by the seed of each scene, and each scene takes its own
    of the measured responses, so that the responses of other rooms are made for every scene.

    Parameters
    ----------
    folder : Path, optional
        Shared by any number of processes; files appear whole.
    memory : int
        Bytes of responses that are kept. What is kept stays: geometries come round in turn,
        and the one that was not used for the longest time is just the next.
    """

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        self._folder = folder
        self._free = memory
        self._kept: dict[int, Responses] = {}

    def responses(self, room: int, scene: Scene) -> Responses:
        """Those of geometry `room`, which is that of the scene.

        Raises
        ------
        AudioError
            If they cannot be kept on disk.
        """
        if not isinstance(scene.room, Shoebox):
            return room_responses(scene)
        if room in self._kept:
            return self._kept[room]
        found = self._load(room)
        if found is None:
            found = room_responses(scene)
            self._save(room, found)
        if (size := n_bytes(found)) <= self._free:
            self._kept[room] = found
            self._free -= size
        return found

    def _path(self, room: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{room:06d}.npz"

    def _load(self, room: int) -> Responses | None:
        if self._folder is None:
            return None
        try:
            with np.load(self._path(room)) as file:
                return unpacked(dict(file))
        except (FileNotFoundError, BadZipFile, ValueError):
            return None  # not there, or no bank of ours: it is rendered again

    def _save(self, room: int, responses: Responses) -> None:
        if self._folder is None:
            return
        with replacing(self._path(room), make_folder=True) as part:
            save_arrays(part, packed(responses))


def n_bytes(responses: Responses) -> int:
    """What responses take in memory."""
    return sum(array.nbytes for array in packed(responses).values())


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Arrays by name as an .npz, the same bytes at any time."""
    with open(path, "wb") as file:  # of exactly that name
        np.savez(file, allow_pickle=False, **arrays)


def packed(responses: Responses) -> dict[str, np.ndarray]:
    """Arrays by name: t0, t1, ... of talkers, n0.0, n0.1, ... of the noises' sources."""
    arrays = {f"t{k}": talker for k, talker in enumerate(responses.talkers)}
    for k, noise in enumerate(responses.noises):
        arrays |= {f"n{k}.{j}": source for j, source in enumerate(noise)}
    return {**arrays, "n_sources": np.array([len(noise) for noise in responses.noises], int)}


def unpacked(arrays: dict[str, np.ndarray]) -> Responses:
    """Responses from their arrays."""
    counts = arrays.pop("n_sources")
    n_talkers = sum(name.startswith("t") for name in arrays)
    return Responses(
        tuple(arrays[f"t{k}"] for k in range(n_talkers)),
        tuple(tuple(arrays[f"n{k}.{j}"] for j in range(n)) for k, n in enumerate(counts)),
    )
