"""Conversion of scenes to and from JSON."""

from pathlib import Path
from typing import Any

from arrayenh.errors import SceneError
from arrayenh.formats import json_object, read_text
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
    return scene_from_tree(json_object(text, "the scene", SceneError))


def scene_in_file(path: Path) -> Scene:
    """Scene in a data set's `scene.json`, or in a file with only the scene.

    Raises
    ------
    SceneError
        If the file cannot be read or holds no scene; the message names the file.
    """
    found = json_object(read_text(path, error=SceneError), str(path), SceneError)
    try:
        return scene_from_tree(found.get("scene", found))
    except SceneError as error:
        raise SceneError(f"{path}: {error}") from error


def scene_from_tree(tree: Any) -> Scene:
    """Scene from the values of its JSON; errors as in `scene_from_json`."""
    if not isinstance(tree, dict):
        raise SceneError("not a scene: a JSON object is required")
    return validated(Scene, tree, "not a scene", SceneError)
