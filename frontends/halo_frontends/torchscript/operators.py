"""Applies the op table: binds arguments, makes results tensors, and turns in-place forms into new contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.objects import StoredTensor
from halo_frontends.torchscript.ops.complex_numbers import PAIR_OPS, apply_to_pairs, has_pairs
from halo_frontends.torchscript.ops.packing import OF_THE_TYPE, PACKED_OPS
from halo_frontends.torchscript.ops.quantised import dequantise, quantise
from halo_frontends.torchscript.table import bind, find
from halo_frontends.torchscript.values import Item, Tensor
from halo_py.errors import UnsupportedError, Where
from halo_py.ir.graph import Value


class UnknownOperatorError(UnsupportedError):
    """An op that the table does not have; the reader lists all of them."""


@dataclass(frozen=True, slots=True)
class Operators:
    """The op table at work."""

    maker: Maker

    def apply(self, name: str, arguments: Sequence[Item], named: Mapping[str, Item]) -> Item:
        """The results of an op. Raises UnknownOperatorError, or HaloError if the arguments do not fit."""
        m = self.maker
        found = find(name)
        if found is None:
            raise UnknownOperatorError("unknown operator", m.emitter.where)
        if name not in OF_THE_TYPE and any(isinstance(item, Tensor) and item.lengths for item in arguments):
            return self._on_packed(name, arguments, named)
        if has_pairs(arguments):
            return self._complex(name, arguments, named)
        first = arguments[0] if arguments else None
        if isinstance(first, Tensor) and first.quantised is not None and found[0].reads_value:
            return self._on_quantised(name, first, arguments[1:], named)
        entry, in_place = found
        keywords = dict(named)
        out = keywords.pop("out", None)
        placed, bound = bind(entry, m, arguments, keywords)
        result = entry.handler(m, *placed, **bound)
        if in_place:
            return self._write(arguments[0], result)
        if out is not None:
            return self._write(out, result)
        return as_items(result)

    def _on_packed(self, name: str, arguments: Sequence[Item], named: Mapping[str, Item]) -> Item:
        """An op on packed sequences."""
        found = PACKED_OPS.get(name)
        if found is None:
            raise self.maker.unsupported("packed sequences are for recurrent layers and for unpacking only")
        return as_items(found(self.maker, *arguments, **named))

    def _complex(self, name: str, arguments: Sequence[Item], named: Mapping[str, Item]) -> Item:
        """An op on complex tensors."""
        m = self.maker
        special = PAIR_OPS.get(name)
        if special is not None:
            return as_items(special(m, *arguments, **named))
        result = apply_to_pairs(m, self.apply, name, arguments, named)
        if result is not None:
            return result
        found = find(name)
        assert found is not None
        placed, bound = bind(found[0], m, arguments, named)
        return as_items(found[0].handler(m, *placed, **bound))

    def _on_quantised(self, name: str, first: Tensor, rest: Sequence[Item], named: Mapping[str, Item]) -> Item:
        """An op of floats on a quantised tensor: its numbers in, the same scale and zero point out."""
        m = self.maker
        result = self.apply(name.removesuffix("_"), [Tensor(dequantise(m, first)), *rest], named)
        if not isinstance(result, Tensor) or not m.dtype(m.read(result)).is_float or first.quantised is None:
            return result
        found = quantise(m, m.read(result), first.quantised, m.dtype(m.read(first)))
        if not name.endswith("_"):
            return found
        m.emitter.write(first, m.read(found))
        return first

    def _write(self, target: Item, result: Any) -> Item:
        """New contents for a tensor, in its own type and shape. A view made in place takes the tensor's place."""
        m = self.maker
        if not isinstance(target, Tensor):
            raise m.unsupported("works in place on what is no variable tensor")
        if isinstance(result, Tensor):
            if result is not target:
                target.value, target.base = m.read(result), None
            return target
        if not isinstance(result, Value):
            raise m.unsupported("works in place on several tensors")
        before = m.read(target)
        value = m.cast(result, m.dtype(before))
        if m.is_static(before) and m.is_static(value) and m.shape(before) != m.shape(value):
            value = m.expand(value, m.shape(before)) if m.rank(value) <= m.rank(before) else value
        m.emitter.write(target, value)
        return target


def as_items(result: Any) -> Item:
    """A handler's result as items: values become tensors."""
    if isinstance(result, Value):
        return Tensor(result)
    if isinstance(result, list):
        return [as_items(entry) for entry in cast("list[Any]", result)]
    if isinstance(result, tuple):
        return tuple(as_items(entry) for entry in cast("tuple[Any, ...]", result))
    return result


def wrap(m: Maker, item: Item) -> Item:
    """An item with tensors of the file as tensors of the program."""
    return m.emitter.stored(item, "constant") if isinstance(item, StoredTensor) else item


__all__ = ["Operators", "UnknownOperatorError", "Where", "as_items", "wrap"]
