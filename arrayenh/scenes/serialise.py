"""Scenes as JSON, and back."""

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
