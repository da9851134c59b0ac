"""Element-wise operators."""

from __future__ import annotations

import numpy as np

from halo_frontends.tensorflow_ops import arithmetic, complex_numbers
from halo_frontends.tensorflow_ops.complex_numbers import Complex, pair_of, part_type
from halo_frontends.tflite.activation import BOUNDS, RELU6, RELU_N1_TO_1, activated
from halo_frontends.tflite.operation import Operation, maps
from halo_frontends.tflite.schema import DTYPES
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

_UNARY = {
    "ABS": "Abs",
    "CEIL": "Ceil",
    "COS": "Cos",
    "ELU": "Elu",
    "EXP": "Exp",
    "FLOOR": "Floor",
    "LOG": "Log",
    "LOGICAL_NOT": "Not",
    "LOGISTIC": "Sigmoid",
    "NEG": "Neg",
    "RELU": "Relu",
    "ROUND": "Round",
    "SIGN": "Sign",
    "SIN": "Sin",
    "SQRT": "Sqrt",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
}

_FUSED = {"ADD": "Add", "SUB": "Sub", "MUL": "Mul", "DIV": "Div"}

_BINARY = {
    "EQUAL": "Equal",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "POW": "Pow",
    "BITWISE_XOR": "BitwiseXor",
}


@maps(*_UNARY)
def _unary(op: Operation) -> Value:
    return op.emit.direct(_UNARY[op.info.name], op.value(0))


@maps(*_BINARY)
def _binary(op: Operation) -> Value:
    return op.emit.direct(_BINARY[op.info.name], op.value(0), op.value(1))


@maps(*_FUSED)
def _fused(op: Operation) -> Value | Complex:
    if any(isinstance(value, Complex) for value in op.inputs):
        return complex_numbers.combined(_FUSED[op.info.name], op.pair(0), op.pair(1), op.emit)
    made = op.emit.direct(_FUSED[op.info.name], op.value(0), op.value(1))
    return activated(made, op.integer("activation"), op.emit)


@maps("NOT_EQUAL")
def _not_equal(op: Operation) -> Value:
    return op.emit.op("Not", op.emit.op("Equal", op.value(0), op.value(1)))


@maps("RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
def _limited(op: Operation) -> Value:
    bounds = {"RELU6": BOUNDS[RELU6], "RELU_N1_TO_1": BOUNDS[RELU_N1_TO_1]}.get(op.info.name, (0, 1))
    return arithmetic.clip(op.value(0), *bounds, op.emit)


@maps("SQUARE")
def _square(op: Operation) -> Value:
    return op.emit.direct("Mul", op.value(0), op.value(0))


@maps("SQUARED_DIFFERENCE")
def _squared_difference(op: Operation) -> Value:
    return arithmetic.squared_difference(op.value(0), op.value(1), op.emit)


@maps("RSQRT")
def _rsqrt(op: Operation) -> Value:
    return arithmetic.rsqrt(op.value(0), op.emit)


@maps("FLOOR_DIV")
def _floor_div(op: Operation) -> Value:
    return arithmetic.floor_div(op.value(0), op.value(1), op.emit)


@maps("FLOOR_MOD")
def _floor_mod(op: Operation) -> Value:
    return arithmetic.floor_mod(op.value(0), op.value(1), op.emit)


@maps("RIGHT_SHIFT")
def _right_shift(op: Operation) -> Value:
    if op.emit.dtype(op.value(0)).is_signed:
        raise UnsupportedError("shifts of signed numbers are not supported", op.emit.where)
    return op.emit.direct("BitShift", op.value(0), op.value(1), direction="RIGHT")


@maps("LEAKY_RELU")
def _leaky_relu(op: Operation) -> Value:
    return op.emit.direct("LeakyRelu", op.value(0), alpha=op.number("alpha"))


@maps("PRELU")
def _prelu(op: Operation) -> Value:
    return op.emit.direct("PRelu", op.value(0), op.value(1))


@maps("GELU")
def _gelu(op: Operation) -> Value:
    return arithmetic.gelu(op.value(0), op.flag("approximate"), op.emit)


@maps("ADD_N")
def _add_n(op: Operation) -> Value:
    return arithmetic.sum_of(op.values(), op.emit)


@maps("SELECT", "SELECT_V2", integers="stored")
def _select(op: Operation) -> Value:
    condition, x = op.value(0), op.value(1)
    if op.info.name == "SELECT" and op.emit.rank(condition) == 1 < op.emit.rank(x):
        # The older operator chooses whole rows by a vector.
        condition = op.emit.unsqueeze(condition, *range(1, op.emit.rank(x)))
    return op.emit.direct("Where", condition, x, op.value(2))


@maps("CAST", integers="stored")
def _cast(op: Operation) -> Value | Complex:
    to = op.output_tensors[0].dtype
    if to is None or to is DType.STRING:
        raise UnsupportedError("casts to what is no number", op.emit.where)
    if isinstance(op.inputs[0], Complex):
        return op.inputs[0] if to.is_complex else op.emit.cast(op.pair(0).real, to)
    x = op.value(0)
    return pair_of(op.emit.cast(x, part_type(to)), op.emit) if to.is_complex else op.emit.cast(x, to)


@maps("BITCAST", integers="stored")
def _bitcast(op: Operation) -> Value:
    to = op.output_tensors[0].dtype
    if to is None or to.bits != op.emit.dtype(op.value(0)).bits:
        raise UnsupportedError("a bit cast between types of different width is not supported", op.emit.where)
    return op.emit.op("BitCast", op.value(0), to=to)


@maps("FAKE_QUANT")
def _fake_quant(op: Operation) -> Value:
    return arithmetic.fake_quantized(
        op.value(0),
        op.number("min"),
        op.number("max"),
        op.integer("num_bits") or 8,
        op.flag("narrow_range"),
        op.emit,
    )


@maps("ZEROS_LIKE", integers="stored")
def _zeros_like(op: Operation) -> Value:
    x = op.value(0)
    return op.emit.op("Expand", op.emit.scalar(0, x), op.emit.op("Shape", x))


@maps("BUCKETIZE")
def _bucketize(op: Operation) -> Value:
    bounds = np.asarray(op.info.options.vector("boundaries") or (), np.float32)
    numbers = op.emit.cast(op.value(0), DType.FLOAT32)
    reached = op.emit.op("GreaterOrEqual", op.emit.unsqueeze(numbers, -1), op.emit.constant(bounds, "boundaries"))
    count = op.emit.op("ReduceSum", op.emit.cast(reached, DType.INT32), op.emit.ints(-1), keepdims=0)
    return op.emit.cast(count, DTYPES[2])


@maps("ATAN2")
def _atan2(op: Operation) -> Value:
    return arithmetic.atan2(op.value(0), op.value(1), op.emit)
