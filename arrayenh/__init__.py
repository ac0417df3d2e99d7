"""Multi-microphone speech enhancement: simulate, beamform, post-filter, score.

    rec = arrayenh.read("rec.wav", mics=4)
    out = arrayenh.enhance(rec)
    arrayenh.write("clean.wav", out)

Names are loaded when they are first used, so that the import itself is light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arrayenh.version import __version__

if TYPE_CHECKING:
    from arrayenh.audio import Recording, open_recording, read, write
    from arrayenh.chain.pipeline import EnhanceConfig, Enhanced, Enhancer, enhance
    from arrayenh.errors import ArrayenhError
    from arrayenh.microphones.geometry import MicArray, load_array
    from arrayenh.stft import Stft

HOMES = {
    "ArrayenhError": "errors",
    "EnhanceConfig": "chain.pipeline",
    "Enhanced": "chain.pipeline",
    "Enhancer": "chain.pipeline",
    "MicArray": "microphones.geometry",
    "Recording": "audio",
    "Stft": "stft",
    "enhance": "chain.pipeline",
    "load_array": "microphones.geometry",
    "open_recording": "audio",
    "read": "audio",
    "write": "audio",
}

__all__ = [
    "ArrayenhError",
    "EnhanceConfig",
    "Enhanced",
    "Enhancer",
    "MicArray",
    "Recording",
    "Stft",
    "__version__",
    "enhance",
    "load_array",
    "open_recording",
    "read",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'arrayenh' has no attribute {name!r}")
    return getattr(import_module(f"arrayenh.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
