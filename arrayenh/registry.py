"""Registries: records by name, one for each thing that can be chosen by name.

A beamformer, a metric, a peer is one record in one file: the modules of a package are searched
for records of the registry's kind, and so are those of installed plug-ins, packages with an entry
point of the group "arrayenh" that names a module.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from arrayenh.errors import ConfigError

PLUGINS = "arrayenh"  # group of entry points


class Named(Protocol):
    """A record."""

    @property
    def name(self) -> str:
        """By which it is chosen, in commands and files."""


Record = TypeVar("Record", bound=Named)


class Registry(Mapping[str, Record], Generic[Record]):
    """Records by name, found when they are first asked for.

    Parameters
    ----------
    what : str
        A record in words, for messages: "beamformer".
    kind : type
        Of the records.
    package : str
        Whose modules hold them, at their top level: one, or several in a tuple.
    order : callable, optional
        Key by which the records are sorted. Default: as they were found, module by module.
    """

    def __init__(
        self,
        what: str,
        kind: type[Record],
        package: str,
        order: Callable[[Record], object] | None = None,
    ) -> None:
        self.what, self._kind, self._package, self._order = what, kind, package, order
        self._records: dict[str, Record] | None = None

    def __getitem__(self, name: str) -> Record:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def __contains__(self, name: object) -> bool:
        return name in self._found()

    def get_known(self, name: str) -> Record:
        """The record of a name.

        Raises
        ------
        ConfigError
            If there is none: the message lists those there are.
        """
        if name not in self:
            raise ConfigError(unknown(self.what, name, tuple(self)))
        return self[name]

    def search_again(self) -> None:
        """Forget what was found: there may be more plug-ins now."""
        self._records = None
        plugins.cache_clear()

    def _found(self) -> dict[str, Record]:
        if self._records is None:
            found = [
                record
                for module in (*modules_of(self._package), *plugins())
                for record in records_of(module, self._kind)
            ]
            if self._order is not None:
                found.sort(key=self._order)  # type: ignore[arg-type]
            self._records = {}
            for record in found:
                if self._records.setdefault(record.name, record) is not record:
                    raise ConfigError(f"two {self.what}s are called {record.name!r}")
        return self._records


def unknown(what: str, name: str, names: tuple[str, ...]) -> str:
    """The message that a name is unknown: which one may have been meant, and all there are."""
    close = get_close_matches(name.lower(), names, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown {what} {name!r}{meant}; use {', '.join(names)}"


def modules_of(package: str) -> Iterator[ModuleType]:
    """All modules of a package, in the order of their names."""
    for module in iter_modules(import_module(package).__path__):
        yield import_module(f"{package}.{module.name}")


def records_of(module: ModuleType, kind: type[Record]) -> Iterator[Record]:
    """Records at the top level of a module, alone or in a tuple, in the order they stand there."""
    for value in vars(module).values():
        for record in value if isinstance(value, tuple) else (value,):
            if isinstance(record, kind):
                yield record


@cache
def plugins() -> tuple[ModuleType, ...]:
    """Modules that installed plug-ins name."""
    return tuple(import_module(entry.module) for entry in entry_points(group=PLUGINS))
