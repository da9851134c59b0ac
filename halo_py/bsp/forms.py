"""Tile forms of nodes, made once per distinct op, types and contents that the op looked at.

Weights differ between equal layers, shapes and axes do not. An op may look at the contents of any constant operand, so
the memo watches which ones it looks at: two nodes share a form if op and types are equal and those contents are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, overload

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import Op, TileArgs
from halo_py.ir.space import Refusal, TileForm
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

Array = NDArray[np.generic]


class _WatchedConstants(tuple["Array | None", ...]):  # noqa: SLOT001 (a tuple subclass cannot have slots)
    """Constant contents that remember which of them were read."""

    read: set[int]

    def __new__(cls, contents: tuple[Array | None, ...]) -> Self:
        made = super().__new__(cls, contents)
        made.read = set()
        return made

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Array | None: ...
    @overload
    def __getitem__(self, index: slice[Any, Any, Any], /) -> tuple[Array | None, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice[Any, Any, Any], /) -> Array | tuple[Array | None, ...] | None:
        numbers = range(len(self))
        if isinstance(index, slice):
            self.read.update(numbers[index])
        else:
            self.read.add(numbers[index])
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Array | None]:
        self.read.update(range(len(self)))
        return super().__iter__()


_Key = tuple[Op, tuple[TensorType | None, ...], tuple[TensorType, ...], tuple[bool, ...], DType]


@dataclass(frozen=True, slots=True)
class _Entry:
    looked_at: tuple[int, ...]
    digests: tuple[bytes, ...]
    form: TileForm | Refusal


def _digest(contents: Array | None) -> bytes:
    if contents is None:
        return b""
    if contents.dtype.hasobject:
        return repr(contents.tolist()).encode()
    return blake2b(np.ascontiguousarray(contents).tobytes(), digest_size=16, key=str(contents.dtype).encode()).digest()


@dataclass(slots=True)
class FormCache:
    """Memo of tile forms. Equal forms are one object, whatever node or op they came from."""

    _entries: dict[_Key, list[_Entry]] = field(default_factory=dict[_Key, list[_Entry]])
    _interned: dict[TileForm, TileForm] = field(default_factory=dict[TileForm, TileForm])

    def form(self, node: Node, constants: Mapping[Value, Array], partials_type: DType) -> TileForm | Refusal:
        """The node's tile form; a Refusal if it has none or some type is not a static tensor."""
        types = tuple(None if value is None else value.type for value in node.inputs)
        outputs = tuple(value.type for value in node.outputs)
        if not all(type is None or _is_static_tensor(type) for type in (*types, *outputs)):
            return Refusal("an operand or a result is not a tensor of known shape")
        if node.bodies:
            return Refusal("it runs nested graphs")
        operand_types = tuple(type if isinstance(type, TensorType) else None for type in types)
        result_types = tuple(type for type in outputs if isinstance(type, TensorType))
        contents = tuple(None if value is None else constants.get(value) for value in node.inputs)
        key = (node.op, operand_types, result_types, tuple(c is not None for c in contents), partials_type)
        entries = self._entries.setdefault(key, [])
        for entry in entries:
            if entry.digests == tuple(_digest(contents[index]) for index in entry.looked_at):
                return entry.form
        watched = _WatchedConstants(contents)
        form = node.op.tile_form(TileArgs(operand_types, watched, result_types, partials_type))
        if isinstance(form, TileForm):
            form = self._interned.setdefault(form, form)
        looked_at = tuple(sorted(watched.read))
        entries.append(_Entry(looked_at, tuple(_digest(contents[index]) for index in looked_at), form))
        return form


def _is_static_tensor(type: object) -> bool:
    return isinstance(type, TensorType) and type.is_static
