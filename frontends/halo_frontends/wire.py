"""Takes large contents out of protobuf messages before they are parsed.

Protobuf copies every bytes field twice (once into its arena, once into Python) and refuses messages over 2 GB. Here
the wire format is walked once, and each large field of contents is replaced by a short one that names the span; the
contents stay in the mapped file. The wire format is that of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CUT_BYTES = 4096
_DEEPEST = 80
_LEAST_BLOCK, _LARGEST_BLOCK = 1 << 8, 1 << 20
"""How many bytes of a list of numbers are looked at together: few at first, for most lists are short."""
_LONGEST_VARINT = 10

StandIn = Callable[[int], bytes]
"""The field (tag and all) that stands for the span of this number."""


@dataclass(frozen=True)
class Kind:
    """A message type, as far as the walk needs it: which fields lead to tensors, and where raw contents lie."""

    children: Mapping[int, Kind] = field(default_factory=dict[int, "Kind"])
    raw_field: int | None = None


class MalformedError(Exception):
    """The bytes are not a protobuf message."""


def cut(contents: NDArray[np.uint8], kind: Kind, stand_in: StandIn) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """The message without its large raw contents, and the spans (offset, length) that were cut out.

    Raises MalformedError.
    """
    walk = _Walk(memoryview(contents.data), stand_in)
    skeleton = bytes(walk.rewrite(0, len(contents), kind, 0))
    return skeleton, tuple(walk.spans)


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    result = bytearray()
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def _run_length(block: NDArray[np.uint8], tag: int) -> int:
    """How many bytes whole fields of this one-byte tag take from the block's beginning; their kind is no text."""
    wire = tag & 7
    if wire != 0:
        size = 5 if wire == 5 else 9
        fields = len(block) // size
        return size * _count_true(block[: size * fields : size] == tag)
    ends = np.flatnonzero(block < 0x80)
    fields = len(ends) // 2
    tags, numbers = ends[: 2 * fields : 2], ends[1 : 2 * fields : 2]
    begins = np.concatenate(([0], numbers[:-1] + 1))
    whole = _count_true((block[tags] == tag) & (tags == begins) & (numbers - tags <= _LONGEST_VARINT))
    return int(numbers[whole - 1]) + 1 if whole else 0


def _count_true(flags: NDArray[np.bool_]) -> int:
    """How many flags at the beginning are set."""
    return int(flags.argmin()) if not flags.all() else len(flags)


@dataclass(slots=True)
class _Walk:
    contents: memoryview
    stand_in: StandIn
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def varint(self, position: int, end: int) -> tuple[int, int]:
        result = shift = 0
        while position < end and shift < 70:
            byte = self.contents[position]
            position += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, position
            shift += 7
        raise MalformedError

    def skip(self, wire: int, position: int, end: int) -> int:
        if wire == 0:
            return self.varint(position, end)[1]
        if wire == 1:
            return position + 8
        if wire == 5:
            return position + 4
        raise MalformedError

    def past_equal(self, begin: int, position: int, end: int) -> int:
        """The end of a run of numbers of one field: the field at `begin` ends at `position`.

        Attributes hold millions of numbers, each with a tag of its own.
        """
        tag = self.contents[begin]
        if tag >= 0x80 or position >= end or self.contents[position] != tag:
            return position
        size = _LEAST_BLOCK
        while True:
            block = np.frombuffer(self.contents[position : min(end, position + size)], np.uint8)
            length = _run_length(block, tag)
            position += length
            if 2 * length < size or position >= end:
                return position
            size = min(16 * size, _LARGEST_BLOCK)

    def past_short(self, begin: int, position: int, end: int) -> int:
        """The same for a run of texts of less than 128 bytes."""
        contents, tag = self.contents, self.contents[begin]
        if tag >= 0x80:
            return position
        while position + 1 < end and contents[position] == tag and contents[position + 1] < 0x80:
            after = position + 2 + contents[position + 1]
            if after > end:
                break
            position = after
        return position

    def rewrite(self, start: int, end: int, kind: Kind, depth: int) -> bytes | memoryview:
        """The message without its large raw contents."""
        pieces: list[bytes | memoryview] = []
        kept = position = start
        while position < end:
            begin = position
            tag, position = self.varint(position, end)
            number, wire = tag >> 3, tag & 7
            if wire != 2:
                position = self.skip(wire, position, end)
                if position > end:
                    raise MalformedError
                position = self.past_equal(begin, position, end)
                continue
            length, body = self.varint(position, end)
            position = body + length
            if position > end:
                raise MalformedError
            if length < _CUT_BYTES or depth > _DEEPEST:
                position = self.past_short(begin, position, end)
                continue
            if number == kind.raw_field:
                pieces += [self.contents[kept:begin], self.stand_in(len(self.spans))]
                self.spans.append((body, length))
                kept = position
            elif number in kind.children:
                inner = self.rewrite(body, position, kind.children[number], depth + 1)
                pieces += [self.contents[kept:begin], varint(tag), varint(len(inner)), inner]
                kept = position
        if not pieces:
            return self.contents[start:end]
        pieces.append(self.contents[kept:end])
        return b"".join(pieces)
