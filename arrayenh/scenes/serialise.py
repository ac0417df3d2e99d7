"""Scenes as JSON, and back."""

import json

from arrayenh.errors import SceneError
from arrayenh.scenes.scene import Scene
from arrayenh.validation import adapter_of, validated


def scene_to_json(scene: Scene) -> str:
    """One line of JSON with every value of a scene; floats come back as they were."""
    return str(adapter_of(Scene).dump_json(scene), "utf-8")


def scene_from_json(text: str) -> Scene:
    """The scene again.

    Raises
    ------
    SceneError
        If the text is not JSON, or not that of a scene; the message names the key.
    """
    return validated(Scene, text, "not a scene", SceneError)


def scene_in_file(text: str) -> Scene:
    """The scene of a `scene.json` of a data set, or of a file that holds nothing else."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneError(f"not JSON: {error}") from error
    inner = found.get("scene", found) if isinstance(found, dict) else found
    return scene_from_json(json.dumps(inner))
