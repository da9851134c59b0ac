"""Ops on plain numbers: computed at once where they are known, nodes on values of rank 0 where they are not."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from halo_frontends.torchscript.emitter import scalar
from halo_frontends.torchscript.maker import Maker, is_number
from halo_frontends.torchscript.objects import EnumMember, StoredTensor
from halo_frontends.torchscript.promotion import as_float, number_dtype, promote
from halo_frontends.torchscript.values import Item, Number, Scalar, Tensor
from halo_py.types import DType

_Function = Callable[..., Any]


def find(name: str, arguments: Sequence[Item]) -> _Function | None:
    """The function for an op of this name on these arguments; None if they are tensors or no op is meant."""
    special = _SPECIAL.get(name)
    if special is not None:
        return special
    short = name.partition("::")[2]
    if not arguments or not all(_is_plain(item) for item in arguments):
        return None
    if short in _COMPUTED:
        return _computed(short)
    return None


def _is_plain(item: Item) -> bool:
    return is_number(item) or item is None or isinstance(item, (str, EnumMember))


def _power(left: Any, right: Any) -> Any:
    return float(left) ** right if isinstance(left, int) and not isinstance(left, bool) else left**right


def _divide(left: Any, right: Any) -> Any:
    return left / right


def _both(left: Any, right: Any) -> Any:
    return left & right


def _either(left: Any, right: Any) -> Any:
    return left | right


def _one_of(left: Any, right: Any) -> Any:
    return left ^ right


def _shift_left(left: int, right: int) -> int:
    if right > 64:
        raise ValueError("a shift by that many places")
    return left << right


def _shift_right(left: int, right: int) -> int:
    return left >> right


def _floor_div(left: Any, right: Any) -> Any:
    return left // right


def _nearest(value: Any, digits: int = 0) -> Any:
    return float(round(value, digits)) if digits else float(round(value))


def _clamp_free(function: Callable[[float], float]) -> Callable[[Any], float]:
    """A function of `math` that answers NaN where it has no value, as Torch's scalars do."""

    def compute(value: Any) -> float:
        try:
            return function(value)
        except (ValueError, OverflowError):
            return math.nan

    return compute


_COMPUTED: dict[str, tuple[Callable[..., Any], str | None]] = {
    "add": (operator.add, "Add"),
    "sub": (operator.sub, "Sub"),
    "mul": (operator.mul, "Mul"),
    "div": (_divide, "Div"),
    "floordiv": (_floor_div, "floordiv"),
    "floor_divide": (_floor_div, "floordiv"),
    "remainder": (operator.mod, "Mod"),
    "fmod": (math.fmod, None),
    "pow": (_power, "Pow"),
    "neg": (operator.neg, "Neg"),
    "abs": (abs, "Abs"),
    "eq": (operator.eq, "Equal"),
    "ne": (operator.ne, "NotEqual"),
    "lt": (operator.lt, "Less"),
    "le": (operator.le, "LessOrEqual"),
    "gt": (operator.gt, "Greater"),
    "ge": (operator.ge, "GreaterOrEqual"),
    "min": (min, "Min"),
    "max": (max, "Max"),
    "__and__": (_both, "And"),
    "__or__": (_either, "Or"),
    "__xor__": (_one_of, "Xor"),
    "__not__": (operator.not_, "Not"),
    "__lshift__": (_shift_left, None),
    "__rshift__": (_shift_right, None),
    "floor": (math.floor, "Floor"),
    "ceil": (math.ceil, "Ceil"),
    "round": (_nearest, "Round"),
    "gcd": (math.gcd, None),
    "sqrt": (_clamp_free(math.sqrt), "Sqrt"),
    "exp": (_clamp_free(math.exp), "Exp"),
    "expm1": (_clamp_free(math.expm1), None),
    "log": (math.log, "Log"),
    "log2": (_clamp_free(math.log2), None),
    "log10": (_clamp_free(math.log10), None),
    "log1p": (_clamp_free(math.log1p), None),
    "sin": (math.sin, "Sin"),
    "cos": (math.cos, "Cos"),
    "tan": (math.tan, "Tan"),
    "sinh": (math.sinh, None),
    "cosh": (math.cosh, None),
    "tanh": (math.tanh, "Tanh"),
    "asin": (_clamp_free(math.asin), None),
    "acos": (_clamp_free(math.acos), None),
    "atan": (math.atan, None),
    "atan2": (math.atan2, None),
    "hypot": (math.hypot, None),
    "degrees": (math.degrees, None),
    "radians": (math.radians, None),
    "isnan": (math.isnan, None),
    "isinf": (math.isinf, None),
    "isfinite": (math.isfinite, None),
    "factorial": (math.factorial, None),
    "fabs": (math.fabs, None),
    "copysign": (math.copysign, None),
    "gamma": (math.gamma, None),
    "lgamma": (math.lgamma, None),
    "erf": (math.erf, None),
    "erfc": (math.erfc, None),
    "ldexp": (math.ldexp, None),
    "bitwise_not": (operator.invert, None),
}
"""Op -> what it computes, and the node that computes it at run time."""

_COMPARISONS = ("Equal", "NotEqual", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")
_FLOAT_RESULTS = ("Div", "Sqrt", "Exp", "Log", "Sin", "Cos", "Tan", "Tanh", "Pow", "Round")


def _computed(short: str) -> _Function:
    function, kind = _COMPUTED[short]

    def apply(m: Maker, *arguments: Any, **named: Any) -> Item:
        if not any(isinstance(item, Scalar) for item in arguments):
            return function(*arguments, **named)
        if kind is None or not all(is_number(item) for item in arguments):
            raise m.unsupported("has no form for numbers that depend on data")
        return _at_run_time(m, kind, arguments)

    return apply


def _at_run_time(m: Maker, kind: str, arguments: Sequence[Number]) -> Number:
    """A node on values of rank 0, and its result as a number."""
    dtype = number_dtype(arguments[0])
    for item in arguments[1:]:
        dtype = promote(dtype, number_dtype(item))
    if kind in _FLOAT_RESULTS:
        dtype = as_float(dtype)
    if kind in ("And", "Or", "Xor", "Not") and dtype is not DType.BOOL:
        kind = {"And": "BitwiseAnd", "Or": "BitwiseOr", "Xor": "BitwiseXor"}.get(kind, kind)
        dtype = DType.BOOL if kind == "Not" else dtype
    if kind == "floordiv":
        wide = [m.number(item, DType.FLOAT64) for item in arguments]
        return m.to_number(m.cast(m.op("Floor", m.op("Div", *wide)), dtype))
    if kind in ("Floor", "Ceil"):
        found = m.number(arguments[0], dtype)
        return m.to_number(m.cast(m.op(kind, found) if dtype.is_float else found, DType.INT64))
    operands = [m.number(item, dtype) for item in arguments]
    if kind == "NotEqual":
        return m.to_number(m.op("Not", m.op("Equal", *operands)))
    return m.to_number(m.op(kind, *operands))


def negative(m: Maker, item: Item) -> Item:
    """`-item` of a number."""
    if isinstance(item, Scalar):
        return m.to_number(m.op("Neg", item.value))
    if isinstance(item, (int, float, complex)):
        return -item
    raise m.wrong(f"negates a {type(item).__name__}")


def to_number(m: Maker, item: Item) -> Number:
    """A tensor of one element, or a number, as a number."""
    if isinstance(item, StoredTensor):
        item = m.emitter.stored(item, "constant")
    if isinstance(item, Tensor):
        return m.to_number(m.read(item))
    if is_number(item):
        return item
    raise m.wrong(f"a number is wanted, found a {type(item).__name__}")


def to_bool(m: Maker, item: Item) -> bool | Scalar:
    """A number, a tensor or a container as a truth value."""
    if isinstance(item, (Tensor, StoredTensor, Scalar, int, float, complex)):
        found = to_number(m, item)
        if isinstance(found, Scalar):
            return found if found.kind == "bool" else scalar(m.cast(found.value, DType.BOOL), DType.BOOL)
        return bool(found)
    return bool(item)


def to_int(m: Maker, item: Item, *_base: Item) -> Item:
    """`int(item)`: cut off towards zero."""
    if isinstance(item, str):
        return int(item)
    found = to_number(m, item)
    if isinstance(found, Scalar):
        return found if found.kind == "int" else scalar(m.cast(found.value, DType.INT64), DType.INT64)
    return int(found.real)


def to_float(m: Maker, item: Item) -> Item:
    """`float(item)`."""
    if isinstance(item, str):
        return float(item)
    found = to_number(m, item)
    if isinstance(found, Scalar):
        return found if found.kind == "float" else scalar(m.cast(found.value, DType.FLOAT32), DType.FLOAT32)
    return float(found.real)


def number_to_tensor(m: Maker, item: Item) -> Item:
    """A number as a tensor without axes: int64, float64 or bool."""
    found = to_number(m, item)
    if isinstance(found, Scalar):
        return Tensor(found.value)
    contents = np.asarray(found)
    return Tensor(m.const(contents.astype(np.int64) if contents.dtype.kind in "iu" else contents))


def _is(_m: Maker, left: Item, right: Item) -> bool:
    """`is`: the same object, or the same known number."""
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    return left is right or (numbers and type(left) is type(right) and left == right)


def _range_length(m: Maker, low: Any, high: Any, step: Any) -> Item:
    if not any(isinstance(item, Scalar) for item in (low, high, step)):
        return len(range(low, high, step))
    if not isinstance(step, int) or step == 0:
        raise m.unsupported("a range whose step depends on data")
    span = _at_run_time(m, "Sub", (high, low) if step > 0 else (low, high))
    trips = _at_run_time(m, "floordiv", (_at_run_time(m, "Add", (span, abs(step) - 1)), abs(step)))
    return _at_run_time(m, "Max", (trips, 0))


def _derive_index(m: Maker, index: Any, start: Any, step: Any) -> Item:
    if not any(isinstance(item, Scalar) for item in (index, start, step)):
        return start + index * step
    return _at_run_time(m, "Add", (start, _at_run_time(m, "Mul", (index, step))))


def _range(m: Maker, *bounds: Any) -> Item:
    if len(bounds) == 1 and isinstance(bounds[0], Scalar):
        return bounds[0]
    if any(isinstance(item, Scalar) for item in bounds):
        raise m.unsupported("a range whose bounds depend on data")
    found = range(*bounds)
    if len(found) > 1 << 20:
        raise m.wrong(f"a range of {len(found)} numbers")
    return list(found)


def _constant(value: Item) -> _Function:
    """An op that always answers the same."""

    def answer(_m: Maker, *_arguments: Item, **_named: Item) -> Item:
        return value

    return answer


def _itself(_m: Maker, item: Item) -> Item:
    return item


def _is_not(m: Maker, left: Item, right: Item) -> bool:
    return not _is(m, left, right)


def _complex(_m: Maker, *parts: Any) -> complex:
    return complex(*parts)


def _of_language(short: str) -> _Function:
    """`min`, `max` or `abs` of the language: of numbers, of a list, or of tensors."""

    def apply(m: Maker, *items: Item) -> Item:
        if len(items) == 1 and isinstance(items[0], list):
            return extreme(m, short, items[0])
        if all(_is_plain(item) for item in items):
            return _computed(short)(m, *items)
        from halo_frontends.torchscript.operators import Operators

        return Operators(m).apply(f"aten::{short}", items, {})

    return apply


def extreme(m: Maker, short: str, items: Sequence[Item]) -> Item:
    """The smallest or largest of several numbers."""
    result = items[0]
    for item in items[1:]:
        result = _computed(short)(m, result, item)
    return result


def total(m: Maker, items: Sequence[Item]) -> Item:
    """The sum of several numbers."""
    result: Item = 0
    for item in items:
        result = _computed("add")(m, result, item)
    return result


def knows(name: str) -> bool:
    """Whether an op of this name works on numbers."""
    return name in _SPECIAL or name.partition("::")[2] in _COMPUTED


_SPECIAL: dict[str, _Function] = {
    "python::int": to_int,
    "aten::Int": to_int,
    "aten::IntImplicit": to_int,
    "python::float": to_float,
    "aten::Float": to_float,
    "aten::FloatImplicit": to_float,
    "python::bool": to_bool,
    "aten::Bool": to_bool,
    "aten::item": to_number,
    "aten::ScalarImplicit": to_number,
    "prim::NumToTensor": number_to_tensor,
    "prim::min": _of_language("min"),
    "prim::max": _of_language("max"),
    "prim::abs": _of_language("abs"),
    "aten::__is__": _is,
    "aten::__isnot__": _is_not,
    "aten::__range_length": _range_length,
    "aten::__derive_index": _derive_index,
    "python::range": _range,
    "python::complex": _complex,
    "prim::unchecked_unwrap_optional": _itself,
    "aten::_unwrap_optional": _itself,
    "aten::is_scripting": _constant(True),
    "aten::is_grad_enabled": _constant(False),
    "aten::set_grad_enabled": _constant(None),
    "aten::is_autocast_enabled": _constant(False),
    "aten::is_autocast_cpu_enabled": _constant(False),
    "aten::warn": _constant(None),
    "prim::Print": _constant(None),
}
