"""Reads an ONNX file without copying its weights: large `raw_data` fields are cut out before protobuf parses the rest.

Each is replaced by a short `external_data` entry that names the span; the field numbers are those of onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from halo_frontends.mapped import map_file
from halo_frontends.onnx.proto import ModelProto
from halo_frontends.wire import Kind, MalformedError, cut, varint
from halo_py.errors import ModelError, Where

SPAN_KEY: Final = "halo.span"
"""Key of the `external_data` entry that stands for a span of the model file itself."""

_TENSOR = Kind(raw_field=9)
_SPARSE = Kind({1: _TENSOR, 2: _TENSOR})
_GRAPH_FIELDS: dict[int, Kind] = {}
_GRAPH = Kind(_GRAPH_FIELDS)
_ATTRIBUTE = Kind({5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE})
_NODE = Kind({5: _ATTRIBUTE})
_GRAPH_FIELDS.update({1: _NODE, 5: _TENSOR, 15: _SPARSE})
_FUNCTION = Kind({7: _NODE})
_MODEL = Kind({7: _GRAPH, 25: _FUNCTION})
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


def _stand_in(number: int) -> bytes:
    """An `external_data` entry that stands for a span."""
    key, value = SPAN_KEY.encode(), str(number).encode()
    entry = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value
    return varint(_TENSOR_EXTERNAL_DATA_TAG) + varint(len(entry)) + entry


def parse_model(path: Path) -> ParsedModel:
    """The model file as messages, with large contents left in the mapping. Raises ModelError."""
    place = Where(str(path))
    try:
        contents = map_file(path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", place) from error
    try:
        skeleton, spans = cut(contents, _MODEL, _stand_in)
        proto = ModelProto.FromString(skeleton)
    except MalformedError:
        raise ModelError("is not a complete ONNX model: the file is truncated or damaged", place) from None
    except Exception as error:
        # Protobuf's DecodeError class is found in different places in its different implementations.
        if type(error).__name__ not in ("DecodeError", "UnicodeDecodeError"):
            raise
        raise ModelError(f"is not an ONNX model: {error}", place) from error
    return ParsedModel(path, proto, contents, spans)


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
