"""Numba kernels; each file serves the module of the same name.

`_kernels.NAME` is loaded when it is first used: importing what calls it loads no numba.
"""

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    module = f"{__name__}.{name}"
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # numba itself is missing
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from error
