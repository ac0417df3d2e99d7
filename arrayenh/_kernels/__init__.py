"""Numba loops; each file is called by the one module it is named after.

`_kernels.NAME` is loaded when it is first used: importing what calls it loads no numba.
"""

from importlib import import_module
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from error
