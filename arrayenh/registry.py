"""Registries: one record, found by name, for each component that the user can choose.

Each beamformer, metric or other component is one record in one file. A registry searches the
modules of a package for records of its kind, and then the modules of installed plug-ins: packages
with an entry point of the group "arrayenh" that names a module.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import Generic, Protocol, TypeVar
from warnings import warn

from arrayenh.errors import ConfigError

PLUGINS = "arrayenh"  # the entry-point group


class Named(Protocol):
    """A record of a registry."""

    @property
    def name(self) -> str:
        """Name by which the record is chosen in commands and files."""


Record = TypeVar("Record", bound=Named)


class Registry(Mapping[str, Record], Generic[Record]):
    """Mapping of names to records, searched for on first use.

    Parameters
    ----------
    what : str
        Noun for a record in messages: "beamformer".
    kind : type
        Class of the records.
    package : str
        Package whose modules hold records at their top level, one or a tuple of several.
    order : callable, optional
        Sorting key of the records. Default: the order in which they are found.
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
        """Look up a record by its name.

        Raises
        ------
        ConfigError
            If the name is unknown; the message lists the known ones.
        """
        if name not in self:
            raise ConfigError(unknown(self.what, name, tuple(self)))
        return self[name]

    def search_again(self) -> None:
        """Forget the records found, so that new plug-ins are searched, too."""
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
    """Error message for an unknown name, with the closest match and all known names."""
    close = get_close_matches(name.lower(), names, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"unknown {what} {name!r}{meant}; use {', '.join(names)}"


def modules_of(package: str) -> Iterator[ModuleType]:
    """Import all modules of a package, in the order of their names."""
    for module in iter_modules(import_module(package).__path__):
        yield import_module(f"{package}.{module.name}")


def records_of(module: ModuleType, kind: type[Record]) -> Iterator[Record]:
    """Records at the top level of a module, alone or in tuples, in the order of the file."""
    for value in vars(module).values():
        for record in value if isinstance(value, tuple) else (value,):
            if isinstance(record, kind):
                yield record


@cache
def plugins() -> tuple[ModuleType, ...]:
    """Modules of the installed plug-ins; one that cannot be imported is left out with a warning."""
    found = []
    for entry in entry_points(group=PLUGINS):
        try:
            found.append(import_module(entry.module))
        except ImportError as error:
            warn(f"the plug-in {entry.name} ({entry.module}) is left out: {error}", stacklevel=2)
    return tuple(found)
