"""The JSON that a program is stored as, read with checks: a field of the wrong kind is a ModelError, not a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from halo_py.errors import ModelError, Where

_MOST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a document: its contents and its path from the top, for messages."""

    contents: Any
    path: str
    place: Where

    def __getitem__(self, key: str) -> Element:
        """A field that must be there. Raises ModelError."""
        found = self.get(key)
        if found is None:
            raise self.wrong(f"has no field {key!r}")
        return found

    def get(self, key: str) -> Element | None:
        """A field, None if it is missing or null. Raises ModelError if this is no object."""
        fields = self._of_kind(dict, "an object")
        return None if fields.get(key) is None else Element(fields[key], f"{self.path}.{key}", self.place)

    def __iter__(self) -> Iterator[Element]:
        """The elements of a list. Raises ModelError if this is none."""
        for number, item in enumerate(self._of_kind(list, "a list")):
            yield Element(item, f"{self.path}[{number}]", self.place)

    def items(self) -> Iterator[tuple[str, Element]]:
        """The fields of an object. Raises ModelError if this is none."""
        for key, item in self._of_kind(dict, "an object").items():
            yield key, Element(item, f"{self.path}.{key}", self.place)

    def variant(self) -> tuple[str, Element]:
        """The only field of a tagged union, e.g. `{"as_int": 3}`. Raises ModelError."""
        fields = list(self.items())
        if len(fields) != 1:
            raise self.wrong(f"has {len(fields)} fields where one says what it is")
        return fields[0]

    @property
    def text(self) -> str:
        """A text. Raises ModelError if this is none."""
        return self._of_kind(str, "a text")

    @property
    def integer(self) -> int:
        """An integer. Raises ModelError if this is none."""
        if isinstance(self.contents, bool):
            raise self.wrong("is True or False, not an integer")
        return self._of_kind(int, "an integer")

    @property
    def flag(self) -> bool:
        """True or False. Raises ModelError if this is neither."""
        return self._of_kind(bool, "True or False")

    @property
    def real(self) -> float:
        """A number; infinities and NaN are stored as texts. Raises ModelError if this is none."""
        if isinstance(self.contents, str) and self.contents in ("Infinity", "-Infinity", "NaN"):
            return float(self.contents)
        if isinstance(self.contents, int) and not isinstance(self.contents, bool):
            return float(self.contents)
        return self._of_kind(float, "a number")

    def wrong(self, message: str) -> ModelError:
        """An error that says where in the document it stands."""
        return ModelError(f"{self.path} {message}", self.place)

    def _of_kind(self, kind: type[Any], words: str) -> Any:
        if not isinstance(self.contents, kind):
            raise self.wrong(f"is not {words}")
        return self.contents


def read_document(data: memoryview, record: str, place: Where) -> Element:
    """A record as a document. Raises ModelError if it is no JSON."""
    if len(data) > _MOST_BYTES:
        raise ModelError(f"the record {record} of {len(data)} bytes is larger than any program", place)
    try:
        return Element(json.loads(bytes(data)), record, place)
    except (ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"the record {record} is damaged: {error}", place) from None
