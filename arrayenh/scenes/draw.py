"""From a recipe to a scene: values drawn, array and sources placed, voices chosen.

Scene `index` of a `seed` depends on nothing else: not on the scenes before it, nor on how
many there are.
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
"""Places for one room, rooms, and how many rooms that cannot be end the search."""

THINGS, PLACES, SOUND = 0, 1, 2  # streams of random numbers


def draw_scene(recipe: Recipe, index: int, seed: int = 0, n_rooms: int | None = None) -> Scene:
    """Scene `index` of the set that `recipe` and `seed` name.

    Parameters
    ----------
    recipe : Recipe
    index : int
    seed : int
    n_rooms : int, optional
        The set has so many geometries only, used in turn: scenes whose indices differ by a
        multiple share room, array and positions, and so their impulse responses.

    Returns
    -------
    scene : Scene

    Raises
    ------
    SceneError
        If no draw fits into its room, or there is not enough speech.
    """
    room_index = index if n_rooms is None else index % n_rooms
    spec, places = fitting(recipe, [seed, room_index], [seed, index, SOUND])
    return choose_sounds(spec, places, np.random.default_rng([seed, index, SOUND, 1]))


def fitting(recipe: Recipe, geometry: list[int], sound: list[int]) -> tuple[SceneSpec, Places]:
    """Values and places that go together, from seeds of the geometry and of the sound.

    Places are drawn again until they fit, and only if none does, the room and the distances
    too: small rooms and many sources, which are harder to place, do not become rare.
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
            except SceneError as error:  # no other place will help
                problem, impossible = error, impossible + 1
                break
        if impossible == IMPOSSIBLE:
            break
    assert problem is not None
    if any(left_to_chance(value) for _, value in leaves(recipe.tree)):
        raise SceneError(f"{problem}; no draw fits") from problem
    raise problem
