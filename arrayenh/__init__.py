"""Multi-microphone speech enhancement: simulate, beamform, post-filter, score.

    rec = arrayenh.read("rec.wav", mics=4)
    out = arrayenh.enhance(rec)
    arrayenh.write("clean.wav", out)

Each name is loaded on first use, so `import arrayenh` itself is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from arrayenh.version import __version__

if TYPE_CHECKING:
    from arrayenh.audio import Recording, open_recording, read, write
    from arrayenh.chain.enhancer import Enhanced, Enhancer, enhance
    from arrayenh.chain.settings import Settings
    from arrayenh.chain.stream import StreamingEnhancer
    from arrayenh.errors import ArrayenhError
    from arrayenh.microphones.geometry import MicArray, load_array
    from arrayenh.stft import Stft

HOMES = {
    "ArrayenhError": "errors",
    "Enhanced": "chain.enhancer",
    "Enhancer": "chain.enhancer",
    "MicArray": "microphones.geometry",
    "Recording": "audio",
    "Settings": "chain.settings",
    "Stft": "stft",
    "StreamingEnhancer": "chain.stream",
    "enhance": "chain.enhancer",
    "load_array": "microphones.geometry",
    "open_recording": "audio",
    "read": "audio",
    "write": "audio",
}

__all__ = [
    "ArrayenhError",
    "Enhanced",
    "Enhancer",
    "MicArray",
    "Recording",
    "Settings",
    "Stft",
    "StreamingEnhancer",
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
