"""Variables of a checkpoint bundle: an index of names and spans, and shards with the contents, which stay mapped.

Source: tensorflow/core/util/tensor_bundle/tensor_bundle.h and protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.mapped import map_file, unpack
from halo_frontends.tensorflow.dtypes import find_dtype
from halo_frontends.tensorflow.proto import (
    BundleEntryProto,
    DecodeError,
    TrackableObjectGraph,
    parse_bundle_entry,
    parse_bundle_header,
    parse_checkpoint_objects,
)
from halo_frontends.tensorflow.sstable import BadTableError, read_table
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_MOST_INDEX_BYTES = 1 << 30
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""A text: its length as a varint, the checksum of the length, its bytes."""
_CHECKSUM_BYTES = 4


class Checkpoint:
    """The variables under one prefix (`variables/variables`)."""

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._index_path = prefix.with_name(f"{prefix.name}.index")
        self._place = Where(str(self._index_path))
        self._entries, self._shards = self._read_index()
        self._mapped: dict[int, NDArray[np.uint8]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def _read_index(self) -> tuple[dict[str, bytes], int]:
        try:
            if self._index_path.stat().st_size > _MOST_INDEX_BYTES:
                raise ModelError("is larger than any index of variables", self._place)
            table = read_table(self._index_path.read_bytes())
            header = parse_bundle_header(table.pop(b"", b""))
        except OSError as error:
            raise ModelError(f"cannot be read: {error.strerror or error}", self._place) from error
        except (BadTableError, DecodeError) as error:
            raise ModelError(f"is not an index of variables: {error}", self._place) from error
        if header.endianness:
            raise UnsupportedError("holds big-endian variables", self._place)
        return {key.decode("utf-8", "surrogateescape"): value for key, value in table.items()}, header.num_shards

    def entry(self, key: str) -> BundleEntryProto:
        """Type, shape and place of a variable. Raises ModelError if there is none of this name."""
        stored = self._entries.get(key)
        if stored is None:
            raise ModelError(f"holds no variable {key!r}", self._place)
        try:
            return parse_bundle_entry(stored)
        except DecodeError as error:
            raise ModelError(f"the entry of variable {key!r} is damaged: {error}", self._place) from error

    def read(self, key: str) -> tuple[Array, DType]:
        """The contents of a variable, not copied. Raises ModelError, UnsupportedError."""
        entry = self.entry(key)
        dtype = find_dtype(entry.dtype)
        if dtype is None or dtype is DType.STRING:
            raise UnsupportedError(f"variable {key!r} holds no numbers", self._place)
        if entry.slices:
            raise UnsupportedError(f"variable {key!r} is stored in parts", self._place)
        shape = tuple(dim.size for dim in entry.shape.dim)
        if entry.shape.unknown_rank or min(shape, default=0) < 0 or len(shape) > 64:
            raise ModelError(f"variable {key!r} has an impossible shape {list(shape)}", self._place)
        needed = dtype.bytes_for(prod(shape))
        shard = self._shard(entry.shard_id)
        end = entry.offset + entry.size
        if entry.size != needed or entry.offset < 0 or end > len(shard):
            span = f"bytes {entry.offset} to {end} of {len(shard)}"
            raise ModelError(f"variable {key!r} needs {needed} bytes, its entry names {span}", self._place)
        return unpack(shard[entry.offset : end], dtype, prod(shape)).reshape(shape), dtype

    def objects(self) -> TrackableObjectGraph | None:
        """The objects that the checkpoint was made of, if it holds them. Raises ModelError."""
        if _OBJECTS not in self:
            return None
        entry = self.entry(_OBJECTS)
        shard = self._shard(entry.shard_id)
        end = entry.offset + entry.size
        if entry.offset < 0 or end > len(shard) or entry.size > _MOST_INDEX_BYTES:
            raise ModelError("the list of its objects lies outside of the file", self._place)
        contents = shard[entry.offset : end].tobytes()
        length = next((number for number, byte in enumerate(contents[:10]) if byte < 0x80), 0) + 1
        try:
            return parse_checkpoint_objects(contents[length + _CHECKSUM_BYTES :])
        except DecodeError as error:
            raise ModelError(f"the list of its objects is damaged: {error}", self._place) from error

    def _shard(self, number: int) -> NDArray[np.uint8]:
        if number not in self._mapped:
            if not 0 <= number < self._shards:
                raise ModelError(f"names shard {number} of {self._shards}", self._place)
            path = self._prefix.with_name(f"{self._prefix.name}.data-{number:05d}-of-{self._shards:05d}")
            try:
                self._mapped[number] = map_file(path)
            except OSError as error:
                raise ModelError(f"cannot be read: {error.strerror or error}", Where(str(path))) from error
        return self._mapped[number]
