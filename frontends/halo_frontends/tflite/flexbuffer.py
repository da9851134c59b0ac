"""Reads the options of custom operators: a FlexBuffer that holds a map of numbers and lists, every offset checked.

The layout is that of https://flatbuffers.dev/internals/#flexbuffers: values stand before what refers to them, the root
stands at the end, and a map has its types behind its values and its keys in a vector of their own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

_INTEGER, _UNSIGNED, _FLOAT = 1, 2, 3
_APART: Final = {6: _INTEGER, 7: _UNSIGNED, 8: _FLOAT}
"""Numbers that stand elsewhere."""
_MAP, _FLAG = 9, 26
_LISTS: Final = {11: _INTEGER, 12: _UNSIGNED, 13: _FLOAT}
"""Lists of numbers of one kind, as long as the number before them says."""
_CODES: Final = {
    _INTEGER: {1: "b", 2: "h", 4: "i", 8: "q"},
    _UNSIGNED: {1: "B", 2: "H", 4: "I", 8: "Q"},
    _FLOAT: {4: "f", 8: "d"},
    _FLAG: {1: "B", 2: "H", 4: "I", 8: "Q"},
}
_MOST_ENTRIES = 10_000
_LONGEST_KEY = 256


_Entry: TypeAlias = "float | tuple[float, ...]"


class MalformedFlexBufferError(Exception):
    """The bytes are no map, or an offset leaves them."""


def read_numbers(data: bytes) -> dict[str, float]:
    """The numbers and flags of a map, by key; entries of other kinds are left out. Raises MalformedFlexBufferError."""
    return {key: found for key, found in _read(data).items() if not isinstance(found, tuple)}


def read_lists(data: bytes) -> dict[str, tuple[float, ...]]:
    """The lists of numbers of a map, by key. Raises MalformedFlexBufferError."""
    return {key: found for key, found in _read(data).items() if isinstance(found, tuple)}


def _read(data: bytes) -> dict[str, _Entry]:
    if len(data) < 3:
        raise MalformedFlexBufferError
    width, packed = data[-1], data[-2]
    if width not in (1, 2, 4, 8) or packed >> 2 != _MAP:
        raise MalformedFlexBufferError
    root = len(data) - 2 - width
    reader = _Reader(data)
    return reader.map(reader.target(root, width), 1 << (packed & 3))


@dataclass(frozen=True, slots=True)
class _Reader:
    data: bytes

    def number(self, kind: int, place: int, width: int) -> float:
        code = _CODES[kind].get(width)
        if code is None or place < 0 or place + width > len(self.data):
            raise MalformedFlexBufferError
        return struct.unpack_from(f"<{code}", self.data, place)[0]

    def unsigned(self, place: int, width: int) -> int:
        return int(self.number(_UNSIGNED, place, width))

    def target(self, place: int, width: int) -> int:
        """Where the offset at a place leads: backwards."""
        found = place - self.unsigned(place, width)
        if found < 0:
            raise MalformedFlexBufferError
        return found

    def key(self, place: int) -> str:
        end = self.data.find(b"\0", place, place + _LONGEST_KEY)
        if end < 0:
            raise MalformedFlexBufferError
        return self.data[place:end].decode("utf-8", "surrogateescape")

    def list(self, kind: int, place: int, width: int) -> tuple[float, ...]:
        """The numbers of a list that begins at `place`."""
        count = self.unsigned(place - width, width)
        if count > _MOST_ENTRIES:
            raise MalformedFlexBufferError
        return tuple(self.number(kind, place + entry * width, width) for entry in range(count))

    def map(self, place: int, width: int) -> dict[str, _Entry]:
        """The entries of the map whose values begin at `place`."""
        count = self.unsigned(place - width, width)
        keys, key_width = self.target(place - 3 * width, width), self.unsigned(place - 2 * width, width)
        if count > _MOST_ENTRIES or place + count * (width + 1) > len(self.data):
            raise MalformedFlexBufferError
        found: dict[str, _Entry] = {}
        for entry in range(count):
            name = self.key(self.target(keys + entry * key_width, key_width))
            packed, at = self.data[place + count * width + entry], place + entry * width
            kind, own = packed >> 2, 1 << (packed & 3)
            if kind in _APART:
                found[name] = self.number(_APART[kind], self.target(at, width), own)
            elif kind in _LISTS:
                found[name] = self.list(_LISTS[kind], self.target(at, width), own)
            elif kind in _CODES:
                found[name] = self.number(kind, at, width)
        return found
