"""Conversion of scenes to and from JSON."""

import json

from arrayenh.errors import SceneError
from arrayenh.scenes.scene import Scene
from arrayenh.validation import adapter_of, validated


def scene_to_json(scene: Scene) -> str:
    """Scene as one line of JSON; floats survive the round trip exactly."""
    return str(adapter_of(Scene).dump_json(scene), "utf-8")


def scene_from_json(text: str) -> Scene:
    """Scene from its JSON.

    Raises
    ------
    SceneError
        If the text is not JSON or not a scene; the message names the key.
    """
    return validated(Scene, text, "not a scene", SceneError)


def scene_in_file(text: str) -> Scene:
    """Scene from the text of a data set's `scene.json`, or of a file with only the scene."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SceneError(f"not JSON: {error}") from error
    inner = found.get("scene", found) if isinstance(found, dict) else found
    return scene_from_json(json.dumps(inner))
