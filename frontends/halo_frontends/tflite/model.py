"""A TFLite file as typed objects: subgraphs of operators over numbered tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.mapped import map_file, unpack
from halo_frontends.tflite.flatbuffer import MalformedError, Table
from halo_frontends.tflite.schema import CUSTOM, DTYPES, IDENTIFIER, RESOURCE, VARIANT, operator_name, operators
from halo_frontends.tflite.sparse import Sparsity, read_sparsity
from halo_py.errors import ModelError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_MOST_OPERANDS = 4_000_000
_LARGEST_RANK = 64
_MOST_ZEROS = 100
"""How many times the file's bytes a sparse constant may have elements."""
_SEMANTIC_KINDS = {RESOURCE: "resource", VARIANT: "variant"}


@dataclass(frozen=True, slots=True)
class Quantization:
    """How integers stand for numbers: (q - zero_point) * scale, one pair or one per entry of `axis`."""

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int

    @property
    def per_channel(self) -> bool:
        """Whether there are several scales."""
        return self.scales.size > 1


@dataclass(frozen=True)
class TensorInfo:
    """A tensor as the file declares it. `open_dims` has -1 where the size is open; `dtype` is None for handles."""

    name: str
    dtype: DType | None
    dims: tuple[int, ...]
    open_dims: tuple[int, ...]
    quantization: Quantization | None
    buffer: int
    is_variable: bool
    kind: str = ""
    """What a tensor without element type is: 'resource' or 'variant'."""
    sparsity: Sparsity | None = None


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """An operator: its number in the schema, the tensors it reads (-1: omitted) and makes, its options."""

    number: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options
    custom_options: bytes = b""

    def subgraphs(self) -> tuple[int, ...]:
        """The subgraphs that the operator runs."""
        names = [name for name in operators()[self.number].fields if name.endswith("subgraph")] if self.known else []
        return tuple(self.options.integer(name) for name in names)

    @property
    def known(self) -> bool:
        """Whether the schema has this operator, so that its options can be read."""
        return 0 <= self.number < len(operators())


@dataclass(frozen=True, slots=True)
class Options:
    """An operator's options by name."""

    table: Table | None
    number: int

    def integer(self, name: str) -> int:
        """An integer, enumeration or flag."""
        return int(self.number_of(name))

    def flag(self, name: str) -> bool:
        """A flag."""
        return bool(self.number_of(name))

    def number_of(self, name: str) -> float:
        """A number of any kind; its default if the file does not give it."""
        entry = operators()[self.number].fields[name]
        return entry.default if self.table is None else self.table.number(entry.slot, entry.code, entry.default)

    def vector(self, name: str) -> tuple[float, ...] | None:
        """A vector of numbers; None if the file does not give it."""
        entry = operators()[self.number].fields[name]
        if self.table is None or not self.table.has(entry.slot):
            return None
        return tuple(self.table.numbers(entry.slot, entry.code[1:]).tolist())

    def text(self, name: str) -> str:
        """A text."""
        entry = operators()[self.number].fields[name]
        return "" if self.table is None else self.table.text(entry.slot)


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A graph: the main one, or the body of a control-flow operator."""

    name: str
    tensors: tuple[TensorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[OperatorInfo, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """Names that the user's program gives to the inputs and outputs of a subgraph: tensor number -> name."""

    key: str
    subgraph: int
    inputs: Mapping[int, str]
    outputs: Mapping[int, str]


@dataclass(frozen=True)
class TfliteModel:
    """A whole file."""

    path: Path
    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]
    _contents: NDArray[np.uint8] = field(repr=False)
    _buffers: tuple[tuple[int, int], ...] = field(repr=False)
    """(position, length) of every buffer; an empty one means that its tensor is no constant."""

    @cached_property
    def place(self) -> Where:
        """The file, for messages."""
        return Where(str(self.path))

    def is_constant(self, tensor: TensorInfo) -> bool:
        """Whether the file holds the tensor's contents; those of no elements take no bytes."""
        held = 0 < tensor.buffer < len(self._buffers)
        return held and (self._buffers[tensor.buffer][1] > 0 or 0 in tensor.dims)

    def constant_bytes(self, tensor: TensorInfo) -> int:
        """Bytes of a constant tensor; 0 for any other."""
        return self._buffers[tensor.buffer][1] if self.is_constant(tensor) else 0

    def read(self, tensor: TensorInfo) -> Array:
        """The contents of a constant tensor, not copied. Raises ModelError if they do not fit its type."""
        if tensor.dtype is None or tensor.dtype is DType.STRING:
            raise ModelError(f"tensor {tensor.name!r} holds a constant that is not supported", self.place)
        if len(tensor.dims) > _LARGEST_RANK or min(tensor.dims, default=0) < 0:
            raise ModelError(f"tensor {tensor.name!r} has an impossible shape {list(tensor.dims)}", self.place)
        if tensor.sparsity is not None:
            return self._read_sparse(tensor, tensor.dtype, tensor.sparsity)
        return self._unpacked(tensor, tensor.dtype, prod(tensor.dims)).reshape(tensor.dims)

    def _unpacked(self, tensor: TensorInfo, dtype: DType, count: int) -> Array:
        """The elements that a tensor's buffer holds."""
        position, length = self._buffers[tensor.buffer]
        needed = dtype.bytes_for(count)
        if needed != length:
            raise ModelError(f"tensor {tensor.name!r} claims {needed} bytes, its buffer holds {length}", self.place)
        return unpack(self._contents[position : position + length], dtype, count)

    def _read_sparse(self, tensor: TensorInfo, dtype: DType, sparsity: Sparsity) -> Array:
        """All entries of a tensor of which only some are stored; the others stand for zero."""
        count = prod(tensor.dims)
        if count > _MOST_ZEROS * len(self._contents):
            raise ModelError(f"tensor {tensor.name!r} has far more elements than the file has bytes", self.place)
        try:
            places = sparsity.places(tensor.dims, 4 * len(self._contents))
        except MalformedError:
            raise ModelError(f"tensor {tensor.name!r} does not say where its entries stand", self.place) from None
        zero = 0 if tensor.quantization is None else int(tensor.quantization.zero_points[0])
        dense = np.full(count, zero, dtype.numpy)
        dense[places] = self._unpacked(tensor, dtype, places.size)
        return dense.reshape(tensor.dims)


def parse_model(path: Path) -> TfliteModel:
    """A TFLite file. Raises ModelError if it is damaged."""
    place = Where(str(path))
    try:
        contents = map_file(path)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", place) from error
    if contents[4:8].tobytes() != IDENTIFIER:
        raise ModelError("is not a TFLite model", place)
    try:
        return _Parser(path, contents).model()
    except MalformedError:
        raise ModelError("is not a complete TFLite model: the file is truncated or damaged", place) from None


class _Parser:
    def __init__(self, path: Path, contents: NDArray[np.uint8]) -> None:
        self._path = path
        self._contents = contents
        self._place = Where(str(path))
        self._operands = 0
        self._table_count = 0

    def model(self) -> TfliteModel:
        root = Table.root(self._contents)
        codes = [self._code(table) for table in root.tables(1)]
        subgraphs = tuple(self._subgraph(table, codes) for table in self._tables(root, 2))
        if not subgraphs:
            raise ModelError("is not a TFLite model: it holds no graph", self._place)
        return TfliteModel(
            self._path,
            root.integer(0, "I"),
            root.text(3),
            subgraphs,
            tuple(self._signature(table) for table in root.tables(7)),
            self._contents,
            tuple(self._buffer(table) for table in root.tables(4)),
        )

    def _code(self, table: Table) -> tuple[int, str]:
        # Numbers above 126 stand only in the newer field, small ones in both or only in the older one.
        return max(table.integer(0, "b"), table.integer(3, "i")), table.text(1)

    def _buffer(self, table: Table) -> tuple[int, int]:
        offset, size = table.integer(1, "Q"), table.integer(2, "Q")
        if offset > 1:
            if offset + size > len(self._contents):
                raise MalformedError
            return offset, size
        return table.vector(0, "B")

    def _numbers(self, table: Table, slot: int) -> tuple[int, ...]:
        """A vector of 32-bit integers; all of a file together may not be longer than a sane model's."""
        found = table.numbers(slot, "i")
        self._operands += len(found)
        if self._operands > _MOST_OPERANDS:
            raise ModelError("lists more operands and dimensions than any model has", self._place)
        return tuple(found.tolist())

    def _tables(self, table: Table, slot: int) -> list[Table]:
        """A vector of tables; each takes at least eight bytes of the file, its entry included."""
        found = table.tables(slot)
        self._table_count += len(found)
        if self._table_count > len(self._contents) // 8:
            raise ModelError("lists more tables than it holds: they repeat", self._place)
        return found

    def _subgraph(self, table: Table, codes: list[tuple[int, str]]) -> Subgraph:
        tensors = tuple(self._tensor(entry, number) for number, entry in enumerate(self._tables(table, 0)))
        found = Subgraph(
            table.text(4),
            tensors,
            self._numbers(table, 1),
            self._numbers(table, 2),
            tuple(self._operator(entry, codes) for entry in self._tables(table, 3)),
        )
        for entry in found.operators:
            self._check(entry.inputs, len(tensors), -1)
            self._check(entry.outputs, len(tensors), 0)
        self._check((*found.inputs, *found.outputs), len(tensors), 0)
        return found

    def _check(self, numbers: tuple[int, ...], count: int, least: int) -> None:
        if numbers and not (least <= min(numbers) and max(numbers) < count):
            raise ModelError(f"names a tensor outside of the {count} there are", self._place)

    def _tensor(self, table: Table, number: int) -> TensorInfo:
        kind = table.integer(1, "b")
        name = table.text(3) or f"tensor_{number}"
        if kind not in DTYPES and kind not in _SEMANTIC_KINDS:
            raise ModelError(f"tensor {name!r} has the unknown element type {kind}", self._place)
        dims, signature = self._numbers(table, 0), self._numbers(table, 7)
        return TensorInfo(
            name,
            DTYPES.get(kind),
            dims,
            signature if len(signature) == len(dims) else dims,
            self._quantization(table.table(4), name),
            table.integer(2, "I"),
            bool(table.number(5, "?")),
            _SEMANTIC_KINDS.get(kind, ""),
            read_sparsity(table.table(6)),
        )

    def _quantization(self, table: Table | None, name: str) -> Quantization | None:
        if table is None:
            return None
        scales, zeros = table.numbers(2, "f").astype(np.float32), table.numbers(3, "q").astype(np.int64)
        if not scales.size:
            return None
        if table.integer(4, "B") > 1:
            raise ModelError(f"tensor {name!r} is quantised in blocks, which is not supported", self._place)
        if zeros.size not in (0, 1, scales.size) or not np.isfinite(scales).all():
            raise ModelError(f"tensor {name!r} has malformed quantisation parameters", self._place)
        if zeros.size != scales.size:
            zeros = np.full(scales.size, zeros[0] if zeros.size else 0, np.int64)
        return Quantization(scales, zeros, table.integer(6, "i"))

    def _operator(self, table: Table, codes: list[tuple[int, str]]) -> OperatorInfo:
        index = table.integer(0, "I")
        if index >= len(codes):
            raise ModelError(f"names operator code {index} of {len(codes)}", self._place)
        number, custom = codes[index]
        begin, length = table.vector(5, "B")
        return OperatorInfo(
            number,
            operator_name(number, custom),
            self._numbers(table, 1),
            self._numbers(table, 2),
            Options(table.table(4), number),
            self._contents[begin : begin + length].tobytes() if number == CUSTOM else b"",
        )

    def _signature(self, table: Table) -> Signature:
        def names(slot: int) -> dict[int, str]:
            return {entry.integer(1, "I"): entry.text(0) for entry in table.tables(slot)}

        return Signature(table.text(2), table.integer(4, "I"), names(0), names(1))
