"""Writes FlatBuffers for tests: a table is a dictionary of slots, children stand behind their parents."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

IDENTIFIER = b"TFL3"


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the type that `struct` writes with this letter."""

    code: str
    value: float


@dataclass(frozen=True, slots=True)
class Ints:
    """A vector of 32-bit integers."""

    values: Sequence[int]


Field = Number | Ints | bytes | str | Mapping[int, "Field"] | Sequence[Mapping[int, "Field"]]
Table = Mapping[int, Field]


def flatbuffer(root: Table, identifier: bytes = IDENTIFIER) -> bytes:
    """The file of this root table."""
    writer = _Writer()
    writer.data += bytes(4) + identifier
    writer.point(0, writer.table(root))
    return bytes(writer.data)


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray()

    def _align(self) -> int:
        self.data += bytes(-len(self.data) % 8)
        return len(self.data)

    def point(self, place: int, target: int) -> None:
        """Let the offset at a place lead to a target behind it."""
        struct.pack_into("<I", self.data, place, target - place)

    def table(self, fields: Table) -> int:
        slots = 1 + max(fields, default=-1)
        vtable = self._align()
        self.data += bytes(4 + 2 * slots)
        start = self._align()
        struct.pack_into("<HH", self.data, vtable, 4 + 2 * slots, 4 + 8 * len(fields))
        self.data += struct.pack("<i", start - vtable)
        places: dict[int, int] = {}
        for slot in fields:
            places[slot] = len(self.data)
            struct.pack_into("<H", self.data, vtable + 4 + 2 * slot, places[slot] - start)
            self.data += bytes(8)
        for slot, field in fields.items():
            self._field(places[slot], field)
        return start

    def _field(self, place: int, field: Field) -> None:
        match field:
            case Number(code, value):
                whole = value if code in "f?" else int(value)
                struct.pack_into(f"<{code}", self.data, place, whole)
            case Ints(values):
                self.point(place, self._vector(struct.pack(f"<{len(values)}i", *values), len(values)))
            case bytes():
                self.point(place, self._vector(field, len(field)))
            case str():
                self.point(place, self._vector(field.encode(), len(field.encode())))
            case Mapping():
                self.point(place, self.table(field))
            case _:
                begin = self._vector(bytes(4 * len(field)), len(field))
                self.point(place, begin)
                for number, entry in enumerate(field):
                    self.point(begin + 4 + 4 * number, self.table(entry))

    def _vector(self, contents: bytes, count: int) -> int:
        begin = self._align()
        self.data += struct.pack("<I", count) + contents
        return begin


# -- TFLite models ------------------------------------------------------------------------------------------------

FLOAT32, INT32 = 0, 2
ADD, RELU, RESHAPE, FILL, WHILE, IF = 0, 19, 22, 94, 119, 118


def tensor(name: str, shape: Sequence[int], kind: int = FLOAT32, buffer: int = 0) -> Table:
    """A tensor; buffer 0 is none."""
    return {0: Ints(shape), 1: Number("b", kind), 2: Number("I", buffer), 3: name}


def operator(code: int, inputs: Sequence[int], outputs: Sequence[int], options: Table | None = None) -> Table:
    """An operator by the index of its code."""
    found: dict[int, Field] = {0: Number("I", code), 1: Ints(inputs), 2: Ints(outputs)}
    return found if options is None else {**found, 3: Number("B", 1), 4: options}


def subgraph(
    tensors: Sequence[Table], inputs: Sequence[int], outputs: Sequence[int], operators: Sequence[Table]
) -> Table:
    """A graph."""
    return {0: list(tensors), 1: Ints(inputs), 2: Ints(outputs), 3: list(operators), 4: "main"}


def model(subgraphs: Sequence[Table], codes: Sequence[int], buffers: Sequence[bytes] = ()) -> Table:
    """A file; buffer 0 is empty as in all files."""
    return {
        0: Number("I", 3),
        1: [{0: Number("b", min(code, 127)), 3: Number("i", code)} for code in codes],
        2: list(subgraphs),
        4: [{}, *({0: data} for data in buffers)],
    }


def relu_model() -> Table:
    """A model of one operator."""
    tensors = [tensor("x", (2, 3)), tensor("y", (2, 3))]
    return model([subgraph(tensors, [0], [1], [operator(0, [0], [1])])], [RELU])
