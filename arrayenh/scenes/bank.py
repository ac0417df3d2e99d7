"""Bank of impulse responses: each room is rendered once and used for many signals."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.files import replacing
from arrayenh.formats import read_arrays
from arrayenh.scenes.responses import Responses, room_responses
from arrayenh.scenes.rooms import Shoebox
from arrayenh.scenes.scene import Scene

MEMORY = 1 << 29  # bytes: some thousand sources at four microphones, RT60 0.5 s


class ResponseBank:
    """Cache of impulse responses by geometry, in memory and, if a folder is given, on disk.

    Only shoebox rooms are cached. The rays of a polygonal room depend on the seed of the scene,
    and every scene draws its own measured responses, so those are computed for every scene.

    Parameters
    ----------
    folder : Path, optional
        Can be shared by any number of processes: files are written atomically.
    memory : int
        Most bytes of responses kept in memory. Nothing is evicted: geometries are used in turn,
        so the least recently used one is always the next one needed.
    """

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        self._folder = folder
        self._free = memory
        self._kept: dict[int, Responses] = {}

    def responses(self, room: int, scene: Scene) -> Responses:
        """Responses of geometry number `room`, the geometry of `scene`.

        Raises
        ------
        AudioError
            If the responses cannot be written to disk.
        """
        if not isinstance(scene.room, Shoebox):
            return room_responses(scene)
        if room in self._kept:
            return self._kept[room]
        found = self._load(room, scene)
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

    def _load(self, room: int, scene: Scene) -> Responses | None:
        if self._folder is None:
            return None
        try:
            return unpacked(read_arrays(self._path(room), SceneError), scene)
        except SceneError:
            return None  # missing, damaged, or of another scene: the room is rendered again

    def _save(self, room: int, responses: Responses) -> None:
        if self._folder is None:
            return
        with replacing(self._path(room), make_folder=True) as part:
            save_arrays(part, packed(responses))


def n_bytes(responses: Responses) -> int:
    """Memory size of responses, bytes."""
    return sum(array.nbytes for array in packed(responses).values())


def save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write named arrays as an .npz file, with the same bytes every time."""
    with open(path, "wb") as file:  # a file object: savez would append .npz to a path
        np.savez(file, allow_pickle=False, **arrays)


def packed(responses: Responses) -> dict[str, np.ndarray]:
    """Responses as named arrays: t0, t1, ... for talkers, n0.0, n0.1, ... for noise sources."""
    arrays = {f"t{k}": talker for k, talker in enumerate(responses.talkers)}
    for k, noise in enumerate(responses.noises):
        arrays |= {f"n{k}.{j}": source for j, source in enumerate(noise)}
    return {**arrays, "n_sources": np.array([len(noise) for noise in responses.noises], int)}


def unpacked(arrays: Mapping[str, np.ndarray], scene: Scene) -> Responses:
    """Inverse of `packed`: responses of a scene from named arrays.

    Raises
    ------
    SceneError
        If the arrays are not responses of the sources of the scene at its microphones.
    """
    found = Responses(
        tuple(heard(arrays, f"t{k}", scene) for k in range(len(scene.talkers))),
        tuple(
            tuple(heard(arrays, f"n{k}.{j}", scene) for j in range(len(noise.positions)))
            for k, noise in enumerate(scene.noises)
        ),
    )
    if packed(found).keys() != arrays.keys():
        raise SceneError("the responses are those of another scene")
    return found


def heard(arrays: Mapping[str, np.ndarray], name: str, scene: Scene) -> np.ndarray:
    """Responses of one source, checked."""
    array = arrays.get(name)
    if (
        array is None
        or array.dtype != np.float32
        or array.ndim != 2
        or len(array) != scene.array.n_mics
        or not np.isfinite(array).all()
    ):
        raise SceneError(f"no responses {name} of {scene.array.n_mics} microphones")
    return array
