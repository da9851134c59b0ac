"""LayerNormalization, RMSNormalization and Softmax that exporters spell out."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Node, Value
from halo_py.ir.pattern import Code, Maker, Pattern, onnx_op, rewrite, rules_of, static_shape
from halo_py.ir.rewrite import Rewriter, Rule, every_rule, kind_of
from halo_py.types import TensorType


def _trailing_axes(rewriter: Rewriter, x: Value, *axes: Value) -> int | None:
    """The first of the reduced axes, counted from the end, if all of `axes` mean the same last dimensions of `x`."""
    shape = static_shape(x)
    if shape is None:
        return None
    rank = len(shape)
    found: set[tuple[int, ...]] = set()
    for value in axes:
        numbers = rewriter.integers(value)
        if numbers is None:
            return None
        found.add(tuple(sorted(int(number) % rank for number in numbers.reshape(-1))))
    if len(found) != 1:
        return None
    (first,) = found
    return first[0] - rank if first and first == tuple(range(first[0], rank)) else None


def _ones(rewriter: Rewriter, x: Value, axis: int) -> Value:
    assert isinstance(x.type, TensorType)
    return rewriter.constant(np.ones(x.type.static_shape[axis:], x.type.dtype.numpy), "scale", x.type.dtype)


def _by_deviation(op: Code, x: Pattern, variance: Pattern) -> Pattern:
    """X / sqrt(variance), as exporters write it."""
    deviation = op.Sqrt(variance)
    return op.either(
        op.Div(x, deviation),
        op.Mul(x, op.Reciprocal(deviation)),
        op.Mul(x, op.Div(1.0, deviation)),
        op.Mul(x, op.Pow(variance, -0.5)),
        op.Div(x, op.Pow(variance, 0.5)),
    )


def _layer_norm(op: Code, x: Pattern, axes: Pattern, more_axes: Pattern) -> Pattern:
    centred = op.Sub(x, op.ReduceMean(x, axes))
    square = op.either(op.Mul(centred, centred), op.Pow(centred, 2.0))
    variance = op.Add(op.ReduceMean(square, more_axes), op.number("epsilon"))
    return _by_deviation(op, centred, variance)


def _make_layer_norm(op: Maker, x: Value, axes: Value, more_axes: Value, epsilon: Value) -> Value | None:
    axis = _trailing_axes(op.rewriter, x, axes, more_axes)
    small = op.rewriter.scalar(epsilon)
    if axis is None or small is None:
        return None
    return op.LayerNormalization(x, _ones(op.rewriter, x, axis), axis=axis, epsilon=small)


def _rms_norm(op: Code, x: Pattern, axes: Pattern) -> Pattern:
    square = op.either(op.Mul(x, x), op.Pow(x, 2.0))
    mean = op.Add(op.ReduceMean(square, axes), op.number("epsilon"))
    return _by_deviation(op, x, mean)


def _make_rms_norm(op: Maker, x: Value, axes: Value, epsilon: Value) -> Value | None:
    axis = _trailing_axes(op.rewriter, x, axes)
    small = op.rewriter.scalar(epsilon)
    if axis is None or small is None:
        return None
    return op.RMSNormalization(x, _ones(op.rewriter, x, axis), axis=axis, epsilon=small)


def _softmax(op: Code, x: Pattern, axes: Pattern, more_axes: Pattern) -> Pattern:
    shifted = op.Exp(op.Sub(x, op.ReduceMax(x, axes)))
    return op.Div(shifted, op.ReduceSum(shifted, more_axes))


def _make_softmax(op: Maker, x: Value, axes: Value, more_axes: Value) -> Value | None:
    first, second = op.rewriter.integers(axes), op.rewriter.integers(more_axes)
    shape = static_shape(x)
    if first is None or second is None or shape is None or first.size != 1 or second.size != 1:
        return None
    axis = int(first.reshape(-1)[0]) % len(shape)
    return op.Softmax(x, axis=axis) if int(second.reshape(-1)[0]) % len(shape) == axis else None


_NORMALIZATIONS = ("LayerNormalization", "RMSNormalization")


def _normalization(rewriter: Rewriter, value: Value | None) -> Node | None:
    """The normalisation that makes a value, if only one node reads it."""
    node = rewriter.producer(value)
    if node is None or value is not node.outputs[0] or kind_of(node) not in _NORMALIZATIONS:
        return None
    return node if rewriter.has_one_use(node.outputs[0]) else None


def _parameter(rewriter: Rewriter, node: Node, value: Value | None) -> Value | None:
    """A constant as a parameter of the normalisation: of the shape of its scale."""
    contents, scale = rewriter.contents(value), node.inputs[1]
    wanted = static_shape(scale)
    if contents is None or value is None or wanted is None or contents.ndim > len(static_shape(node.inputs[0]) or ()):
        return None
    shape = contents.shape
    while len(shape) > len(wanted) and shape[0] == 1:
        shape = shape[1:]
    if len(shape) > len(wanted):
        return None
    if contents.shape == wanted:
        return value
    try:
        return rewriter.constant(np.broadcast_to(contents.reshape(shape), wanted).copy(), value.name)
    except ValueError:
        return None


def absorb_scale(rewriter: Rewriter, node: Node) -> bool:
    """Normalisation(x, ones) g -> Normalisation(x, g)."""
    for value, factor in (node.inputs, node.inputs[::-1]):
        inner = _normalization(rewriter, value)
        if inner is None or len(inner.inputs) != 2:
            continue
        x, ones = inner.inputs
        scale = _parameter(rewriter, inner, factor)
        same = scale is not None and rewriter.scalar(ones) == 1 and inner.outputs[0].type == node.outputs[0].type
        if same:
            rewriter.replace_with(node, inner.op, (x, scale), (inner,))
            return True
    return False


def absorb_shift(rewriter: Rewriter, node: Node) -> bool:
    """LayerNormalization(x, g) + b -> LayerNormalization(x, g, b)."""
    for value, term in (node.inputs, node.inputs[::-1]):
        inner = _normalization(rewriter, value)
        if inner is None or kind_of(inner) != "LayerNormalization" or len(inner.inputs) > 2:
            continue
        shift = _parameter(rewriter, inner, term)
        if shift is not None and inner.outputs[0].type == node.outputs[0].type:
            rewriter.replace_with(node, inner.op, (*inner.inputs[:2], shift), (inner,))
            return True
    return False


def reciprocal_of_one(rewriter: Rewriter, node: Node) -> bool:
    """1 / x -> Reciprocal(x), for floats."""
    x, type = node.inputs[1], node.outputs[0].type
    if rewriter.scalar(node.inputs[0]) != 1 or x is None or x.type != type:
        return False
    if not isinstance(type, TensorType) or not type.dtype.is_float:
        return False
    rewriter.replace_with(node, onnx_op("Reciprocal"), (x,))
    return True


_ABSORB: dict[str, list[Rule]] = {"Mul": [absorb_scale], "Add": [absorb_shift], "Div": [reciprocal_of_one]}

NORMALIZATIONS = every_rule(
    rules_of(
        rewrite(_layer_norm, _make_layer_norm),
        rewrite(_rms_norm, _make_rms_norm),
        rewrite(_softmax, _make_softmax),
    ),
    _ABSORB,
)
