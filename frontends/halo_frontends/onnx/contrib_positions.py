"""Biases of attention that depend on how far apart two positions are: T5's and WavLM's, as ONNX Runtime fuses them."""

from __future__ import annotations

from math import log

from halo_frontends.onnx.contrib import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType


@expands("RelativePositionBias")
def _relative_position_bias(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """T5's bias (Raffel et al. 2020, section 2.1) [1, heads, queries, keys] from a table of distances in buckets.

    Operands: the table, whose shape says [buckets, heads] and which lies as [heads, buckets]; how many queries and
    keys there are.
    """
    check_attributes(draft, "is_bidirectional", "max_distance")
    write = NodeWriter(draft, maker)
    buckets, heads = (write.size(draft.value(0), axis) for axis in (0, 1))
    queries, keys = (write.reshaped(draft.value(number)) for number in (1, 2))
    zero, one = write.integer(0), write.integer(1)
    steps = [write("Range", zero, write.cast(count, DType.INT64), one) for count in (keys, queries)]
    distance = write("Sub", write.unsqueezed(steps[0], 0), write.unsqueezed(steps[1], 1))
    table = write.reshaped(draft.value(0), heads, buckets)
    rows = write("Gather", table, _bucket(write, distance, buckets), axis=1)
    return (write.result(0, "Unsqueeze", rows, write.ints(0)),)


def _bucket(write: NodeWriter, distance: Value, buckets: int) -> Value:
    """The bucket of each distance (key minus query): one for each short distance, logarithmic ones for longer."""
    draft = write.draft
    both = bool(draft.integer("is_bidirectional", 0))
    count = buckets // 2 if both else buckets
    exact, most = count // 2, draft.integer("max_distance", 0)
    if exact < 1 or most <= exact:
        raise ModelError(f"{buckets} buckets do not cover distances up to {most}", draft.where)
    zero = write.integer(0)
    size = write("Abs", distance) if both else write("Max", write("Neg", distance), zero)
    real = write.cast(write("Max", size, write.integer(1)), DType.FLOAT32)
    part = write("Log", write("Div", real, write.number(exact, real)))
    part = write("Div", part, write.number(log(most / exact), real))
    part = write.cast(write("Mul", part, write.number(count - exact, real)), DType.INT64)
    far = write("Min", write("Add", part, write.integer(exact)), write.integer(count - 1))
    found = write("Where", write("Less", size, write.integer(exact)), size, far)
    if not both:
        return found
    later = write.cast(write("Greater", distance, zero), DType.INT64)
    return write("Add", found, write("Mul", later, write.integer(count)))


@expands("GatedRelativePositionBias")
def _gated_relative_position_bias(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """WavLM's gates on such a bias (Chen et al. 2022, equation 5). Operands: queries [batch, step, heads x size], their
    bias, the positions' bias [1, heads, steps, steps], weights [size, D] and bias [D] of the gates, a constant per
    head.
    """
    check_attributes(draft, "num_heads")
    if draft.has(6):
        raise UnsupportedError("sequences without their padding are not supported", draft.where)
    write = NodeWriter(draft, maker)
    heads = draft.integer("num_heads", 0)
    if heads < 1:
        raise ModelError("the required attribute 'num_heads' is missing", draft.where)
    size, width = write.size(draft.value(3), 0), write.size(draft.value(3), 1)
    query = write("Add", draft.value(0), draft.value(1))
    query = write("Transpose", write.reshaped(query, 0, 0, heads, size), perm=(0, 2, 1, 3))
    gates = write("Add", write("MatMul", query, draft.value(3)), draft.value(4))
    gates = write.reshaped(gates, 0, 0, 0, 2, width // 2)
    gates = write("Sigmoid", write("ReduceSum", gates, write.ints(-1), keepdims=0))
    update, reset = write.split(gates, -1, (1, 1))
    inner = write("Sub", write("Mul", reset, draft.value(5)), write.number(1, reset))
    gate = write("Add", write("Mul", update, inner), write.number(2, update))
    return (write.result(0, "Mul", gate, draft.value(2)),)
