"""Endless stream of rendered scenes for training, without files."""

from collections.abc import Iterator

from arrayenh.errors import SceneError
from arrayenh.scenes.bank import ResponseBank
from arrayenh.scenes.draw import draw_scene
from arrayenh.scenes.recipe import Recipe
from arrayenh.scenes.render import Rendered, render


def scene_stream(
    recipe: Recipe,
    seed: int = 0,
    *,
    start: int = 0,
    shard: tuple[int, int] = (0, 1),
    n_rooms: int | None = None,
) -> Iterator[Rendered]:
    """Render the scenes of the set defined by `recipe` and `seed`, one after another.

    Parameters
    ----------
    recipe : Recipe
    seed : int
    start : int
        Index of the first scene, to resume a training.
    shard : (k, n)
        Every n-th scene from the k-th: n workers with k = 0 ... n - 1 render all scenes.
    n_rooms : int, optional
        Number of geometries; the responses of shoebox rooms are kept and used again.

    Yields
    ------
    Rendered

    Raises
    ------
    SceneError
        If the shard, the start or the number of rooms is invalid, or a scene cannot be drawn.
    """
    worker, n_workers = shard
    if not 0 <= worker < n_workers:
        raise SceneError(f"shard must be (k, n) with 0 <= k < n; got {shard}")
    if start < 0:
        raise SceneError(f"scenes are counted from 0; got start {start}")
    if n_rooms is not None and n_rooms < 1:
        raise SceneError(f"a bank needs at least one room; got {n_rooms}")
    bank = ResponseBank()
    index = start + worker
    while True:
        scene = draw_scene(recipe, index, seed, n_rooms)
        yield render(scene, bank.responses(index % n_rooms, scene) if n_rooms else None)
        index += n_workers
