"""Scenes as JSON, and back."""

import json

from pydantic import TypeAdapter, ValidationError

from arrayenh.errors import SceneError
from arrayenh.scenes.scene import Scene

ADAPTER: TypeAdapter[Scene] = TypeAdapter(Scene)


def scene_to_json(scene: Scene) -> str:
    """One line of JSON with every value of a scene; floats come back as they were."""
    return ADAPTER.dump_json(scene).decode()


def scene_from_json(text: str) -> Scene:
    """The scene again.

    Raises
    ------
    SceneError
        If the text is not JSON, or not that of a scene; the message names the key.
    """
    try:
        return ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        words = first["msg"][0].lower() + first["msg"][1:]
        raise SceneError(f"not a scene: {f'{key}: ' if key else ''}{words}") from error


def scene_in_file(text: str) -> Scene:
    """The scene of a `scene.json` of a data set, or of a file that holds nothing else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneError(f"not JSON: {error}") from error
    inner = found.get("scene", found) if isinstance(found, dict) else found
    return scene_from_json(json.dumps(inner))
