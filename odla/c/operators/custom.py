"""ODLA/ops/odla_ops_custom.h: operators by name.

After the ids come pairs of an attribute's name (a C string) and its value, closed by NULL: integers as int64_t, floats
as double, texts as C strings, lists as an int64_t count and a pointer to int64_t or double. The names of two operators
that existing IPU clients use are known too; they take no attributes.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from halo_py.errors import UnsupportedError, UsageError
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops import elementwise as ew
from halo_py.ops.activation import Gelu
from halo_py.types import DType
from odla.c.binding import c, is_memory, text_at
from odla.c.dispatch import implements
from odla.c.element_types import dtype_of as dtype_of_element
from odla.c.operators.emit import Emit, Node, dtype_of, run_operator
from odla.c.values import Value

_MOST_ATTRIBUTES = 64
_MOST_ENTRIES = 1 << 16


@implements("odla_CustomOp")
def custom_op(
    inputs: tuple[Value, ...], op_name: str, function_name: str | None, ids: tuple[str | None, ...], rest: Any
) -> tuple[Value, ...]:
    """An operator by its name in ONNX or in HALO."""
    if op_name in _KNOWN:
        known = _KNOWN[op_name]
        return run_operator(op_name, known, inputs, ids)
    cls = REGISTRY.by_name.get(op_name) or REGISTRY.by_onnx.get(("", op_name))
    if cls is None:
        raise UnsupportedError(f"unknown operator {op_name!r}", hint="`halo ops` lists every one")
    op = _made(cls, rest)
    outputs = max(1, len(ids))

    def add(emit: Emit, *operands: Node) -> tuple[Node, ...]:
        return emit.add_all(op, *operands, outputs=outputs)

    return run_operator(op_name, add, inputs, ids)


def _gelu(emit: Emit, x: Node) -> Node:
    """The IPU's GELU is the one by tanh."""
    return emit.add(Gelu(approximate="tanh"), x)


def _attention_mask(emit: Emit, sequence: Node, data: Node) -> Node:
    """-10000 tanh |s_i - s_j| as [batch, 1, i, j]: zero between positions of the same sequence."""
    numbers = emit.cast(sequence, dtype_of(data))
    rows, columns = emit.unsqueeze(numbers, (1, 3)), emit.unsqueeze(numbers, (1, 2))
    apart = emit.add(ew.Tanh(), emit.add(ew.Abs(), emit.add(ew.Sub(), rows, columns)))
    return emit.add(ew.Mul(), apart, emit.like(-10000.0, data))


_KNOWN: dict[str, Callable[..., Node]] = {"custom_IpuGelu": _gelu, "custom_IpuAttentionMask": _attention_mask}


def _made(cls: type[Op], rest: Any) -> Op:
    """The op with the attributes that the variadic arguments name. Raises UsageError for ones it does not have."""
    hints = typing.get_type_hints(cls)
    known = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    found: dict[str, Any] = {}
    for _ in range(_MOST_ATTRIBUTES):
        pointer = c.lib.halo_next_pointer(rest)
        if pointer == c.ffi.NULL:
            break
        if not is_memory(pointer):
            raise UsageError("the name of an attribute is no C string; the list of attributes ends with NULL")
        name = text_at(pointer)
        if name not in known:
            raise UsageError(f"{cls.declaration.name} has no attribute {name!r}")
        found[name] = _read(name, known[name], rest)
    try:
        return cls(**found)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the attributes do not fit {cls.declaration.name}: {error}") from error


def _read(name: str, hint: Any, rest: Any) -> Any:
    """An attribute's value, in the way its type is passed."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint, *_) = [each for each in get_args(hint) if each is not type(None)]
    if hint is int:
        return int(c.lib.halo_next_int64(rest))
    if hint is float:
        return float(c.lib.halo_next_double(rest))
    if hint is DType:
        return dtype_of_element(int(c.lib.halo_next_int64(rest)), name)
    if hint is str or get_origin(hint) is Literal:
        return _text(name, c.lib.halo_next_pointer(rest))
    if get_origin(hint) is tuple:
        return _list(name, get_args(hint)[0], rest)
    raise UsageError(f"the attribute {name!r} cannot be given from C")


def _text(name: str, pointer: Any) -> str:
    if not is_memory(pointer):
        raise UsageError(f"the value of {name!r} is no C string")
    return text_at(pointer)


def _list(name: str, entry: Any, rest: Any) -> tuple[Any, ...]:
    count = int(c.lib.halo_next_int64(rest))
    pointer = c.lib.halo_next_pointer(rest)
    if not 0 <= count <= _MOST_ENTRIES or (count and not is_memory(pointer, 8 * count)):
        raise UsageError(f"the list {name!r} is no count and a pointer")
    if entry is str:
        texts = c.ffi.cast("char**", pointer)
        return tuple(_text(name, texts[number]) for number in range(count))
    kind = np.float64 if entry is float else np.int64
    array = np.frombuffer(c.ffi.buffer(c.ffi.cast("char*", pointer), 8 * count), kind) if count else np.empty(0, kind)
    return tuple(array.tolist())
