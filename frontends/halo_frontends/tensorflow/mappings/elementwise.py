"""Element-wise operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.operation import Operation, maps
from halo_frontends.tensorflow_ops import arithmetic
from halo_frontends.tensorflow_ops.complex_numbers import Complex, pair_of, part_type
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_UNARY = {
    "Abs": "Abs",
    "Acos": "Acos",
    "Acosh": "Acosh",
    "Asin": "Asin",
    "Asinh": "Asinh",
    "Atan": "Atan",
    "Atanh": "Atanh",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Cosh": "Cosh",
    "Elu": "Elu",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Inv": "Reciprocal",
    "Invert": "BitwiseNot",
    "IsInf": "IsInf",
    "IsNan": "IsNaN",
    "Log": "Log",
    "LogicalNot": "Not",
    "Neg": "Neg",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Rint": "Round",
    "Round": "Round",
    "Selu": "Selu",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Sinh": "Sinh",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Tan": "Tan",
    "Tanh": "Tanh",
}

_BINARY = {
    "Add": "Add",
    "AddV2": "Add",
    "BitwiseAnd": "BitwiseAnd",
    "BitwiseOr": "BitwiseOr",
    "BitwiseXor": "BitwiseXor",
    "Div": "Div",
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Pow": "Pow",
    "RealDiv": "Div",
    "Sub": "Sub",
    "TruncateDiv": "Div",
}


@maps(*_UNARY)
def _unary(op: Operation) -> Value:
    return op.emit.direct(_UNARY[op.node.op], op.value(0))


@maps(*_BINARY)
def _binary(op: Operation) -> Value:
    return op.emit.direct(_BINARY[op.node.op], op.value(0), op.value(1))


_COMPOSED: dict[str, Callable[[Value, Value, Emitter], Value]] = {
    "FloorDiv": arithmetic.floor_div,
    "FloorMod": arithmetic.floor_mod,
    "SquaredDifference": arithmetic.squared_difference,
    "DivNoNan": arithmetic.divide_no_nan,
    "Atan2": arithmetic.atan2,
}


@maps(*_COMPOSED)
def _composed(op: Operation) -> Value:
    return _COMPOSED[op.node.op](op.value(0), op.value(1), op.emit)


_COMPOSED_UNARY: dict[str, Callable[[Value, Emitter], Value]] = {
    "Rsqrt": arithmetic.rsqrt,
    "Log1p": arithmetic.log1p,
    "Expm1": arithmetic.expm1,
}


@maps(*_COMPOSED_UNARY)
def _composed_unary(op: Operation) -> Value:
    return _COMPOSED_UNARY[op.node.op](op.value(0), op.emit)


@maps("Mod", "TruncateMod")
def _truncated_mod(op: Operation) -> Value:
    """The remainder that has the sign of the first operand."""
    return op.emit.direct("Mod", op.value(0), op.value(1), fmod=1)


@maps("NotEqual")
def _not_equal(op: Operation) -> Value:
    return op.emit.op("Not", op.emit.op("Equal", op.value(0), op.value(1)))


@maps("ApproximateEqual")
def _approximately_equal(op: Operation) -> Value:
    distance = op.emit.op("Abs", op.emit.op("Sub", op.value(0), op.value(1)))
    return op.emit.op("Less", distance, op.emit.scalar(op.attributes.number("tolerance", 1e-5), distance))


@maps("Square")
def _square(op: Operation) -> Value:
    return op.emit.direct("Mul", op.value(0), op.value(0))


@maps("MulNoNan")
def _mul_no_nan(op: Operation) -> Value:
    return arithmetic.where_not_zero(op.value(1), op.emit.op("Mul", op.value(0), op.value(1)), op.emit)


@maps("Xdivy")
def _xdivy(op: Operation) -> Value:
    return arithmetic.where_not_zero(op.value(0), op.emit.op("Div", op.value(0), op.value(1)), op.emit)


@maps("Xlogy")
def _xlogy(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    return arithmetic.where_not_zero(x, emit.op("Mul", x, emit.op("Log", op.value(1))), emit)


@maps("Xlog1py")
def _xlog1py(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    return arithmetic.where_not_zero(x, emit.op("Mul", x, arithmetic.log1p(op.value(1), emit)), emit)


@maps("Erfc")
def _erfc(op: Operation) -> Value:
    x = op.value(0)
    return op.emit.op("Sub", op.emit.scalar(1, x), op.emit.op("Erf", x))


@maps("IsFinite")
def _is_finite(op: Operation) -> Value:
    x, emit = op.value(0), op.emit
    return emit.op("Not", emit.op("Or", emit.op("IsInf", x), emit.op("IsNaN", x)))


@maps("Relu6")
def _relu6(op: Operation) -> Value:
    return arithmetic.clip(op.value(0), 0, 6, op.emit)


@maps("LeakyRelu")
def _leaky_relu(op: Operation) -> Value:
    return op.emit.direct("LeakyRelu", op.value(0), alpha=op.attributes.number("alpha", 0.2))


@maps("ClipByValue")
def _clip_by_value(op: Operation) -> Value:
    emit = op.emit
    return emit.op("Max", emit.op("Min", op.value(0), op.value(2)), op.value(1))


@maps("AddN", "AccumulateNV2")
def _add_n(op: Operation) -> Value:
    return arithmetic.sum_of(op.values(), op.emit)


@maps("BiasAdd", "BiasAddV1")
def _bias_add(op: Operation) -> Value:
    """The bias lies along the channels."""
    x, bias = op.value(0), op.value(1)
    if op.attributes.text("data_format", "NHWC").startswith("NC") and op.emit.rank(x) > 2:
        bias = op.emit.unsqueeze(bias, *range(1, op.emit.rank(x) - 1))
    return op.emit.direct("Add", x, bias)


@maps("Select")
def _select(op: Operation) -> Value:
    """A condition of rank 1 chooses whole rows."""
    condition, x = op.value(0), op.value(1)
    if op.emit.rank(condition) == 1 < op.emit.rank(x):
        condition = op.emit.unsqueeze(condition, *range(1, op.emit.rank(x)))
    return op.emit.direct("Where", condition, x, op.value(2))


@maps("SelectV2")
def _select_v2(op: Operation) -> Value:
    return op.emit.direct("Where", op.value(0), op.value(1), op.value(2))


@maps("Cast")
def _cast(op: Operation) -> Value | Complex:
    to = op.attributes.dtype("DstT")
    if to.is_complex and not op.emit.dtype(op.value(0)).is_complex:
        return pair_of(op.emit.cast(op.value(0), part_type(to)), op.emit)
    return op.emit.cast(op.value(0), to)


@maps("Bitcast")
def _bitcast(op: Operation) -> Value:
    to = op.attributes.dtype("type")
    if to.bits != op.emit.dtype(op.value(0)).bits:
        raise UnsupportedError("a bit cast between types of different width is not supported", op.emit.where)
    return op.emit.op("BitCast", op.value(0), to=to)


@maps("LeftShift", "RightShift")
def _shift(op: Operation) -> Value:
    """A right shift of signed numbers rounds down, as a division by a power of two does."""
    x, by, emit = op.value(0), op.value(1), op.emit
    if not emit.dtype(x).is_signed:
        return emit.direct("BitShift", x, by, direction="LEFT" if op.node.op == "LeftShift" else "RIGHT")
    power = emit.op("Pow", emit.scalar(2, x), by)
    return emit.op("Mul", x, power) if op.node.op == "LeftShift" else arithmetic.floor_div(x, power, emit)


@maps("Bucketize")
def _bucketize(op: Operation) -> Value:
    bounds = np.asarray(op.attributes.numbers("boundaries"), np.float32)
    numbers = op.emit.cast(op.value(0), DType.FLOAT32)
    reached = op.emit.op("GreaterOrEqual", op.emit.unsqueeze(numbers, -1), op.emit.constant(bounds, "boundaries"))
    return op.emit.op("ReduceSum", op.emit.cast(reached, DType.INT32), op.emit.ints(-1), keepdims=0)


@maps("OnesLike", "ZerosLike")
def _like(op: Operation) -> Value:
    x = op.value(0)
    number = op.emit.scalar(1 if op.node.op == "OnesLike" else 0, x)
    return op.emit.op("Expand", number, op.emit.op("Shape", x))
