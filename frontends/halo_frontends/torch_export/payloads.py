"""Weights and constants of an exported program: tensors over mapped records, described in a table beside them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torch_export.document import Element, read_document
from halo_frontends.torchscript.builders import Storage, tensor_of
from halo_frontends.torchscript.objects import StoredTensor
from halo_py.errors import ModelError, UnsupportedError
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.archive import Archive

DTYPES: dict[int, DType] = {
    1: DType.UINT8,
    2: DType.INT8,
    3: DType.INT16,
    4: DType.INT32,
    5: DType.INT64,
    6: DType.FLOAT16,
    7: DType.FLOAT32,
    8: DType.FLOAT64,
    10: DType.COMPLEX64,
    11: DType.COMPLEX128,
    12: DType.BOOL,
    13: DType.BFLOAT16,
    28: DType.UINT16,
    29: DType.FLOAT8E4M3FN,
    30: DType.FLOAT8E5M2,
    31: DType.FLOAT8E4M3FNUZ,
    32: DType.FLOAT8E5M2FNUZ,
    34: DType.UINT32,
    35: DType.UINT64,
}
"""ScalarType of the schema (torch/_export/serde/schema.py) -> element type."""

_STRIDED = 7
_TABLES = (
    ("data/weights/", "data/weights/{}_weights_config.json"),
    ("data/constants/", "data/constants/{}_constants_config.json"),
)


def read_payloads(archive: Archive, model: str) -> dict[str, StoredTensor | None]:
    """Every tensor of a model by its qualified name; None stands for an object that is no tensor. Raises ModelError."""
    found: dict[str, StoredTensor | None] = {}
    for folder, table in _TABLES:
        record = table.format(model)
        if record in archive:
            document = read_document(archive.record(record), record, archive.place)
            for name, entry in document["config"].items():
                found[name] = _payload(archive, folder, entry)
    return found


def dtype_of(entry: Element) -> DType:
    """The element type that a number of the schema stands for. Raises UnsupportedError."""
    number = entry.integer
    if number not in DTYPES:
        raise UnsupportedError(f"{entry.path}: element type number {number} is not supported", entry.place)
    return DTYPES[number]


def _payload(archive: Archive, folder: str, entry: Element) -> StoredTensor | None:
    meta = entry.get("tensor_meta")
    if meta is None:
        return None
    pickled = entry.get("use_pickle")
    if pickled is not None and pickled.flag:
        raise UnsupportedError(
            f"{entry.path} is a tensor of a class of its own, stored as a pickle",
            entry.place,
            "replace it by a plain tensor before torch.export",
        )
    layout = meta.get("layout")
    if layout is not None and layout.integer != _STRIDED:
        raise UnsupportedError(f"{entry.path} is sparse", entry.place, "make it dense before torch.export")
    dtype = dtype_of(meta["dtype"])
    sizes, strides = (tuple(_known(size) for size in meta[key]) for key in ("sizes", "strides"))
    name = folder + entry["path_name"].text
    if not prod(sizes) and name not in archive:
        return StoredTensor(np.zeros(sizes, dtype.numpy), dtype)
    return tensor_of(_storage(archive, name, dtype), _known(meta["storage_offset"]), sizes, strides, archive.place)


def _storage(archive: Archive, name: str, dtype: DType) -> Storage:
    """A record as a flat array. Records are little-endian unless the archive says otherwise."""
    contents = np.frombuffer(archive.record(name), np.uint8)
    width = dtype.numpy.itemsize
    order = bytes(archive.record("byteorder")).strip() if "byteorder" in archive else b"little"
    stored = dtype.numpy.newbyteorder(">") if order == b"big" and width > 1 else dtype.numpy
    whole = contents[: contents.size // width * width].view(stored)
    return Storage(whole.astype(dtype.numpy, copy=False), dtype)


def _known(size: Element) -> int:
    kind, entry = size.variant()
    if kind != "as_int":
        raise ModelError(f"{size.path} is not a number", size.place)
    return entry.integer
