"""Draw scenes from a recipe: values, positions of array and sources, signals.

A scene depends only on the recipe, its `index` and the `seed`, not on other scenes or on the
number of scenes.
"""

import numpy as np

from arrayenh.errors import SceneError
from arrayenh.scenes.casting import choose_sounds
from arrayenh.scenes.chance import left_to_chance
from arrayenh.scenes.placing import Misfit, Places, place
from arrayenh.scenes.recipe import Recipe, leaves
from arrayenh.scenes.scene import Scene
from arrayenh.scenes.spec import SceneSpec

PLACINGS, REDRAWN, IMPOSSIBLE = 100, 20, 5
"""Attempts per room, rooms, and impossible rooms after which the search ends."""

THINGS, PLACES, SOUND = 0, 1, 2  # streams of random numbers


def draw_scene(recipe: Recipe, index: int, seed: int = 0, n_rooms: int | None = None) -> Scene:
    """Draw scene `index` of the set defined by `recipe` and `seed`.

    Parameters
    ----------
    recipe : Recipe
    index : int
    seed : int
    n_rooms : int, optional
        Number of geometries, used in turn: scenes with indices that differ by a multiple of
        `n_rooms` share room, array and positions, and therefore their impulse responses.

    Returns
    -------
    scene : Scene

    Raises
    ------
    SceneError
        If no draw fits into its room, or the speech is too short.
    """
    room_index = index if n_rooms is None else index % n_rooms
    spec, places = fitting(recipe, [seed, room_index], [seed, index, SOUND])
    return choose_sounds(spec, places, np.random.default_rng([seed, index, SOUND, 1]))


def fitting(recipe: Recipe, geometry: list[int], sound: list[int]) -> tuple[SceneSpec, Places]:
    """Draw values and matching positions from the seeds of the geometry and of the sound.

    Positions are drawn again until they fit. Only if none fits, the room and the distances are
    drawn again: small rooms with many sources, which are harder to fill, do not become rare.
    """
    problem: SceneError | None = None
    impossible = 0
    for redrawn in range(REDRAWN):
        things, places = [*geometry, THINGS, redrawn], [*geometry, PLACES, redrawn]
        where = np.random.default_rng(places)
        for _ in range(PLACINGS):
            try:
                spec = recipe.draw(
                    np.random.default_rng(things), where, np.random.default_rng(sound)
                )
                found = place(spec, where)
                spec.room.check()
                return spec, found
            except Misfit as error:
                problem = problem or error
            except SceneError as error:  # no other position would fit
                problem, impossible = error, impossible + 1
                break
        if impossible == IMPOSSIBLE:
            break
    assert problem is not None
    if any(left_to_chance(value) for _, value in leaves(recipe.tree)):
        raise SceneError(f"{problem}; no draw fits") from problem
    raise problem
