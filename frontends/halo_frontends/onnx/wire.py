"""Reads an ONNX file without copying its weights: large `raw_data` fields are cut out before protobuf parses the rest.

Protobuf copies every bytes field twice (once into its arena, once into Python) and refuses messages over 2 GB. Here
the file is memory-mapped, its wire format is walked once, and each large `raw_data` is replaced by a short
`external_data` entry that names the span; the contents then stay in the mapping. The wire format is that of
https://protobuf.dev/programming-guides/encoding/, the field numbers those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from halo_frontends.mapped import map_file
from halo_frontends.onnx.proto import ModelProto
from halo_py.errors import ModelError, Where

SPAN_KEY: Final = "halo.span"
"""Key of the `external_data` entry that stands for a span of the model file itself."""

_CUT_BYTES = 4096
_DEEPEST = 80


@dataclass(frozen=True)
class _Kind:
    """A message type, as far as the walk needs it: which fields lead to tensors, and where raw contents lie."""

    children: Mapping[int, _Kind] = field(default_factory=dict[int, "_Kind"])
    raw_field: int | None = None


_TENSOR = _Kind(raw_field=9)
_SPARSE = _Kind({1: _TENSOR, 2: _TENSOR})
_GRAPH_FIELDS: dict[int, _Kind] = {}
_GRAPH = _Kind(_GRAPH_FIELDS)
_ATTRIBUTE = _Kind({5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE})
_NODE = _Kind({5: _ATTRIBUTE})
_GRAPH_FIELDS.update({1: _NODE, 5: _TENSOR, 15: _SPARSE})
_FUNCTION = _Kind({7: _NODE})
_MODEL = _Kind({7: _GRAPH, 25: _FUNCTION})
_TENSOR_EXTERNAL_DATA_TAG = 13 << 3 | 2


@dataclass(frozen=True, slots=True)
class ParsedModel:
    """A parsed file: the messages, the mapped bytes and the spans that were cut out (offset, length)."""

    path: Path
    proto: ModelProto
    contents: NDArray[np.uint8]
    spans: tuple[tuple[int, int], ...]

    def span(self, text: str) -> NDArray[np.uint8]:
        """The contents that a `halo.span` entry names. Raises ValueError for an entry this parse did not write."""
        number = int(text)
        if not 0 <= number < len(self.spans):
            raise ValueError(f"no span {number}")
        offset, length = self.spans[number]
        return self.contents[offset : offset + length]


class _MalformedError(Exception):
    """The bytes are not a protobuf message."""


@dataclass(slots=True)
class _Walk:
    contents: memoryview
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
        raise _MalformedError

    def skip(self, wire: int, position: int, end: int) -> int:
        if wire == 0:
            return self.varint(position, end)[1]
        if wire == 1:
            return position + 8
        if wire == 5:
            return position + 4
        raise _MalformedError

    def rewrite(self, start: int, end: int, kind: _Kind, depth: int) -> bytes | memoryview:
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
                    raise _MalformedError
                continue
            length, body = self.varint(position, end)
            position = body + length
            if position > end:
                raise _MalformedError
            if length < _CUT_BYTES or depth > _DEEPEST:
                continue
            if number == kind.raw_field:
                pieces += [self.contents[kept:begin], self.cut(body, length)]
                kept = position
            elif number in kind.children:
                inner = self.rewrite(body, position, kind.children[number], depth + 1)
                pieces += [self.contents[kept:begin], _varint_bytes(tag), _varint_bytes(len(inner)), inner]
                kept = position
        if not pieces:
            return self.contents[start:end]
        pieces.append(self.contents[kept:end])
        return b"".join(pieces)

    def cut(self, offset: int, length: int) -> bytes:
        """An `external_data` entry that stands for these bytes."""
        self.spans.append((offset, length))
        key, value = SPAN_KEY.encode(), str(len(self.spans) - 1).encode()
        entry = b"\x0a" + _varint_bytes(len(key)) + key + b"\x12" + _varint_bytes(len(value)) + value
        return _varint_bytes(_TENSOR_EXTERNAL_DATA_TAG) + _varint_bytes(len(entry)) + entry


def _varint_bytes(number: int) -> bytes:
    result = bytearray()
    while number >= 0x80:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


def parse_model(path: Path) -> ParsedModel:
    """The model file as messages, with large contents left in the mapping. Raises ModelError."""
    place = Where(str(path))
    try:
        contents = map_file(path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", place) from error
    walk = _Walk(memoryview(contents.data))
    try:
        skeleton = walk.rewrite(0, len(contents), _MODEL, 0)
        proto = ModelProto.FromString(bytes(skeleton))
    except _MalformedError:
        raise ModelError("is not a complete ONNX model: the file is truncated or damaged", place) from None
    except Exception as error:
        # Protobuf's DecodeError class is found in different places in its different implementations.
        if type(error).__name__ not in ("DecodeError", "UnicodeDecodeError"):
            raise
        raise ModelError(f"is not an ONNX model: {error}", place) from error
    return ParsedModel(path, proto, contents, tuple(walk.spans))


def broken_text(message: object) -> bytes | None:
    """A text field of a protobuf message, or of a message in it, that is not UTF-8; None if there is none."""
    proto = cast("Any", message)
    for descriptor, value in proto.ListFields():
        items = list(value) if descriptor.is_repeated else [value]
        for item in items:
            if descriptor.type == descriptor.TYPE_STRING and isinstance(item, bytes):
                return item
            if descriptor.type == descriptor.TYPE_MESSAGE and (found := broken_text(item)) is not None:
                return found
    return None
