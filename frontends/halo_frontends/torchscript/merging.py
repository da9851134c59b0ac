"""Items taken apart into the tensors and numbers they hold, and put together again around other values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from halo_frontends.torchscript.emitter import scalar
from halo_frontends.torchscript.maker import is_number
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.promotion import number_dtype
from halo_frontends.torchscript.values import Item, NamedItems, StackedList, Tensor
from halo_py.ir.graph import Value
from halo_py.types import DType, SequenceType, TensorType, Type, symbol


@dataclass(frozen=True, slots=True)
class Flat:
    """An item as its leaves (tensors and numbers), a key that equal structures share, and how to put it together."""

    leaves: tuple[Item, ...]
    key: Any
    build: Callable[[Sequence[Item]], Item]


def flatten(item: Item) -> Flat:
    """Take an item apart."""
    if isinstance(item, (Tensor, StoredTensor)):
        return Flat((item,), "tensor", lambda leaves: leaves[0])
    if is_number(item):
        return Flat((item,), "number", lambda leaves: leaves[0])
    if isinstance(item, StackedList):
        return Flat((item.entries,), "stacked list", lambda leaves: StackedList(_as_tensor(leaves[0])))
    if isinstance(item, (list, tuple)):
        parts = [flatten(entry) for entry in item]
        kind = type(item)
        return _joined(parts, (kind.__name__, *(part.key for part in parts)), kind)
    if isinstance(item, NamedItems):
        parts = [flatten(entry) for entry in item.items]
        name, names = item.class_name, item.names
        key = (name, *(part.key for part in parts))
        return _joined(parts, key, lambda items: NamedItems(name, names, tuple(items)))
    if isinstance(item, dict):
        parts = [flatten(value) for value in item.values()]
        keys = tuple(item)
        return _joined(
            parts, ("dict", keys, *(part.key for part in parts)), lambda items: dict(zip(keys, items, strict=True))
        )
    if isinstance(item, str) or item is None:
        return Flat((), ("constant", item), lambda _leaves: item)
    return Flat((), ("object", id(item)), lambda _leaves: item)


def _as_tensor(item: Item) -> Tensor:
    assert isinstance(item, Tensor)
    return item


def _joined(parts: Sequence[Flat], key: object, build: Callable[[Any], Item]) -> Flat:
    leaves = tuple(leaf for part in parts for leaf in part.leaves)

    def put(given: Sequence[Item]) -> Item:
        items: list[Item] = []
        position = 0
        for part in parts:
            items.append(part.build(given[position : position + len(part.leaves)]))
            position += len(part.leaves)
        return build(items)

    return Flat(leaves, key, put)


def rebuild(flat: Flat, values: Sequence[Value]) -> Item:
    """The same structure around other values: numbers become run-time numbers."""
    leaves: list[Item] = []
    for leaf, value in zip(flat.leaves, values, strict=True):
        if is_number(leaf):
            leaves.append(scalar(value, number_dtype(leaf)))
        else:
            leaves.append(Tensor(value, quantised=leaf.quantised if isinstance(leaf, Tensor) else None))
    return flat.build(leaves)


def general_type(old: Type, new: Type, label: str) -> Type:
    """A type for a value that has one of two types: sizes that differ become symbols."""
    if (
        old == new
        or isinstance(old, SequenceType)
        or not isinstance(old, TensorType)
        or not isinstance(new, TensorType)
    ):
        return old
    if old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
        return TensorType(old.dtype, None)
    return TensorType(
        old.dtype,
        tuple(
            a if a == b or not isinstance(a, int) else symbol(f"{label}_{number}")
            for number, (a, b) in enumerate(zip(old.shape, new.shape, strict=True))
        ),
    )


def leaf_dtype(leaf: Item) -> DType:
    """The element type of a leaf."""
    if is_number(leaf):
        return number_dtype(leaf)
    if isinstance(leaf, StoredTensor):
        return leaf.dtype
    assert isinstance(leaf, Tensor)
    assert isinstance(leaf.value.type, TensorType)
    return leaf.value.type.dtype
