"""The code of one file: classes and functions by qualified name, each record parsed when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_frontends.torchscript.parse import parse_source
from halo_frontends.torchscript.syntax import Class, Function

if TYPE_CHECKING:
    from halo_frontends.torchscript.archive import Archive


class Library:
    """Finds `__torch__.package.Class` in the record code/__torch__/package.py."""

    def __init__(self, archive: Archive | None) -> None:
        self._archive = archive
        self._parsed: dict[str, tuple[dict[str, Class], dict[str, Function]]] = {}

    @staticmethod
    def of(classes: dict[str, Class]) -> Library:
        """These classes, which stand in no package, and nothing else."""
        library = Library(None)
        library._parsed[_record_of("")[0]] = (classes, {})
        return library

    def find_class(self, name: str) -> Class | None:
        """The class of this qualified name, if the file declares it."""
        record, last = _record_of(name)
        return self._record(record)[0].get(last)

    def find_function(self, name: str) -> Function | None:
        """The function of this qualified name, if the file declares it."""
        record, last = _record_of(name)
        return self._record(record)[1].get(last)

    def method(self, class_name: str, method: str) -> Function | None:
        """A method of a class, if there is one."""
        found = self.find_class(class_name)
        return None if found is None else found.methods.get(method)

    def _record(self, record: str) -> tuple[dict[str, Class], dict[str, Function]]:
        found = self._parsed.get(record)
        if found is None:
            if self._archive is not None and record in self._archive:
                found = parse_source(self._archive.text(record), record, self._archive.place)
            else:
                found = (dict[str, Class](), dict[str, Function]())
            self._parsed[record] = found
        return found


def _record_of(name: str) -> tuple[str, str]:
    package, _, last = name.rpartition(".")
    return f"code/{package.replace('.', '/')}.py", last
