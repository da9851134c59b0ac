"""Reads FlatBuffers: tables, vectors and texts, every offset checked against the file.

The layout is that of https://flatbuffers.dev/internals/: a table begins with the distance to its vtable, which holds,
per field, the distance from the table to the field's contents, or 0 for a field that has its default.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZES: Final = {"b": 1, "B": 1, "?": 1, "h": 2, "H": 2, "i": 4, "I": 4, "f": 4, "q": 8, "Q": 8}


class MalformedError(Exception):
    """An offset points outside of the file, or a vector is longer than the file."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a place of a file; fields are asked for by their slot in the schema."""

    contents: NDArray[np.uint8]
    position: int

    @staticmethod
    def root(contents: NDArray[np.uint8]) -> Table:
        """The table that the first word of the file points to. Raises MalformedError."""
        return Table(contents, int(_read(contents, "I", 0)))

    def _field(self, slot: int) -> int | None:
        """Where a field's contents lie; None if it has its default."""
        vtable = self.position - int(_read(self.contents, "i", self.position))
        entry = 4 + 2 * slot
        if entry + 2 > _read(self.contents, "H", vtable):
            return None
        distance = int(_read(self.contents, "H", vtable + entry))
        return self.position + distance if distance else None

    def _target(self, slot: int) -> int | None:
        """Where the offset in a field leads."""
        field = self._field(slot)
        return None if field is None else field + int(_read(self.contents, "I", field))

    def number(self, slot: int, code: str, default: float = 0) -> float | bool:
        """A number of the type that `struct` writes with this letter. Raises MalformedError."""
        field = self._field(slot)
        return default if field is None else _read(self.contents, code, field)

    def integer(self, slot: int, code: str = "i", default: int = 0) -> int:
        """An integer."""
        return int(self.number(slot, code, default))

    def table(self, slot: int) -> Table | None:
        """A nested table."""
        target = self._target(slot)
        return None if target is None else Table(self.contents, target)

    def vector(self, slot: int, code: str) -> tuple[int, int]:
        """Where the elements of a vector lie and how many there are. Raises MalformedError if they leave the file."""
        target = self._target(slot)
        if target is None:
            return 0, 0
        count = int(_read(self.contents, "I", target))
        begin = target + 4
        if begin + count * _SIZES[code] > len(self.contents):
            raise MalformedError
        return begin, count

    def numbers(self, slot: int, code: str) -> NDArray[np.generic]:
        """A vector of numbers, not copied."""
        begin, count = self.vector(slot, code)
        return self.contents[begin : begin + count * _SIZES[code]].view(np.dtype(f"<{code}"))

    def has(self, slot: int) -> bool:
        """Whether a field is given."""
        return self._field(slot) is not None

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables."""
        begin, count = self.vector(slot, "I")
        return [
            Table(self.contents, place + int(_read(self.contents, "I", place)))
            for place in range(begin, begin + 4 * count, 4)
        ]

    def text(self, slot: int) -> str:
        """A text, empty if it is not given. Bytes that are not UTF-8 are kept as surrogates."""
        begin, count = self.vector(slot, "b")
        return self.contents[begin : begin + count].tobytes().decode("utf-8", "surrogateescape")


def _read(contents: NDArray[np.uint8], code: str, position: int) -> float | bool:
    if position < 0 or position + _SIZES[code] > len(contents):
        raise MalformedError
    return struct.unpack_from(f"<{code}", contents.data, position)[0]
