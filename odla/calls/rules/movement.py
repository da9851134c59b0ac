"""Ops that move, cut, join and repeat, as ODLA calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.inference import Inference
from halo_py.ir.op import EvaluateArgs, RuntimeValue
from halo_py.ops.choosing import OneHot
from halo_py.ops.conversion import Cast
from halo_py.ops.indexing import Gather, GatherElements, GatherND
from halo_py.ops.movement import DepthToSpace, SpaceToDepth, Transpose
from halo_py.ops.random import RandomNormal, RandomUniform
from halo_py.ops.selection import Compress
from halo_py.ops.shape import ConstantOfShape
from halo_py.ops.slicing import Concat
from halo_py.types import DType
from odla.calls.emit import (
    MOST_VALUES,
    Emit,
    NotInOdlaError,
    dims,
    dtype_of,
    operand,
    optional,
    rule,
    shape_of,
    value_type,
)
from odla.calls.model import Dims, Name, Signed, Unsigned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from halo_py.ir.graph import Node


@rule("identity")
def same(emit: Emit, node: Node) -> None:
    """The operand itself, under another name."""
    emit.call("odla_Reshape", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])


@rule("dropout")
def dropout(emit: Emit, node: Node) -> None:
    """The operand itself, and a mask that keeps everything: nothing is dropped when a model is used."""
    training = optional(node, 2)
    if training is not None and np.any(emit.contents(training, "the training mode")):
        raise NotInOdlaError("dropout in training mode")
    x, *mask = operand(node, 0), *node.outputs[1:]
    emit.call("odla_Reshape", (x, dims(node.outputs[0])), node.outputs[0])
    for made in mask:
        emit.call("odla_Broadcast", (emit.constant(np.asarray(True), "kept"), dims(made)), made)


@rule("reshape", "flatten", "squeeze", "unsqueeze")
def reshape(emit: Emit, node: Node) -> None:
    """Another shape, known while compiling."""
    emit.call("odla_Reshape", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])


@rule("expand")
def broadcast(emit: Emit, node: Node) -> None:
    """The operand repeated to a shape known while compiling."""
    emit.call("odla_Broadcast", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])


@rule("transpose")
def transpose(emit: Emit, node: Node) -> None:
    """Dimensions in another order."""
    assert isinstance(node.op, Transpose)
    x = operand(node, 0)
    order = node.op.perm or tuple(reversed(range(len(shape_of(x)))))
    emit.call("odla_Transpose", (x, Dims(tuple(order)), dims(node.outputs[0])), node.outputs[0])


@rule("concat")
def concat(emit: Emit, node: Node) -> None:
    """Values joined along an axis, as many at a time as ODLA takes."""
    assert isinstance(node.op, Concat)
    operands = [operand(node, number) for number in range(len(node.inputs))]
    axis = node.op.axis % len(shape_of(operands[0]))
    while len(operands) > MOST_VALUES:
        parts = [operands[start : start + MOST_VALUES] for start in range(0, len(operands), MOST_VALUES)]
        operands = [part[0] if len(part) == 1 else emit.one(Concat(axis=axis), *part) for part in parts]
    emit.call("odla_Concat", (tuple(operands), axis, dims(node.outputs[0])), node.outputs[0])


@rule("slice")
def cut(emit: Emit, node: Node) -> None:
    """A range of every dimension; those that go backwards are gathered."""
    x, made = operand(node, 0), node.outputs[0]
    shape = shape_of(x)
    starts, ends = (emit.integers(operand(node, number), "a bound") for number in (1, 2))
    given, stepping = optional(node, 3), optional(node, 4)
    axes = list(range(len(starts))) if given is None else emit.integers(given, "axes")
    steps = [1] * len(axes) if stepping is None else emit.integers(stepping, "steps")
    start, end, stride = [0] * len(shape), list(shape), [1] * len(shape)
    backwards: dict[int, range] = {}
    for number, axis in enumerate(axes):
        at = axis % len(shape)
        piece = range(*slice(starts[number], ends[number], steps[number]).indices(shape[at]))
        if steps[number] < 0:
            backwards[at] = piece
        else:
            start[at], stride[at] = piece.start, steps[number]
            end[at] = piece.stop
    for at, piece in backwards.items():
        x = emit.one(Gather(axis=at), x, emit.ints(piece))
        end[at] = len(piece)
    if backwards and shape_of(x) == shape_of(made):
        emit.become(made, x)
        return
    arguments = (x, Signed(tuple(start)), Signed(tuple(end)), Signed(tuple(stride)), dims(made))
    emit.call("odla_Slice", arguments, made)


@rule("split")
def split(emit: Emit, node: Node) -> None:
    """A slice per part."""
    x = operand(node, 0)
    rank, start = len(shape_of(x)), 0
    axis = int(node.op.attributes()["axis"]) % rank
    for made in node.outputs:
        size = shape_of(made)[axis]
        low, high = [0] * rank, list(shape_of(x))
        low[axis], high[axis] = start, start + size
        start += size
        arguments = (x, Signed(tuple(low)), Signed(tuple(high)), Signed((1,) * rank), dims(made))
        emit.call("odla_Slice", arguments, made)


@rule("gather", "gather_elements", "gather_nd")
def gather(emit: Emit, node: Node) -> None:
    """Rows, elements or slices by index."""
    x, indices, made = operand(node, 0), operand(node, 1), node.outputs[0]
    match node.op:
        case Gather(axis=axis):
            function, number = "odla_Gather", axis % len(shape_of(x))
        case GatherElements(axis=axis):
            function, number = "odla_GatherElements", axis % len(shape_of(x))
        case GatherND(batch_dims=batch):
            function, number = "odla_GatherND", batch
        case _:
            raise NotInOdlaError("no function gathers like this")
    emit.call(function, (x, indices, number, dims(made)), made)


@rule("tile")
def tile(emit: Emit, node: Node) -> None:
    """Repeats per dimension."""
    x, made = operand(node, 0), node.outputs[0]
    repeats = tuple(int(count) for count in emit.contents(operand(node, 1), "repeats").reshape(-1))
    emit.call("odla_Tile", (x, Unsigned(repeats), dims(made)), made)


@rule("depth_to_space", "space_to_depth")
def blocks(emit: Emit, node: Node) -> None:
    """Blocks of channels spread over the field, or the other way."""
    op, x, made = node.op, operand(node, 0), node.outputs[0]
    assert isinstance(op, DepthToSpace | SpaceToDepth)
    parts, order, _ = op.plan(shape_of(x))
    split = emit.one(Transpose(perm=order), emit.reshaped(x, parts))
    emit.call("odla_Reshape", (split, dims(made)), made)


@rule("shape", "size", "range", "eye_like")
def known_contents(emit: Emit, node: Node) -> None:
    """Contents that follow from shapes and constants."""
    x, made = optional(node, 0), node.outputs[0]
    shape_of(made)
    args = Inference(emit.known).args(node.inputs, (), 1, node.where)
    arrays: list[RuntimeValue] = list(args.constants)
    if node.op.kind != "range":
        shape = shape_of(x)
        arrays[0] = np.broadcast_to(np.zeros((), dtype_of(operand(node, 0)).numpy), shape)
    elif any(array is None for array in arrays):
        raise NotInOdlaError("a range of numbers that depend on data")
    (found,) = node.op.evaluate(EvaluateArgs(tuple(arrays), _no_body, (made.type,)))
    contents = emit.constant(np.asarray(found), f"{emit.node}.contents")
    emit.call("odla_Reshape", (contents, dims(made)), made)


def _no_body(number: int, operands: Sequence[RuntimeValue]) -> list[RuntimeValue]:
    raise AssertionError((number, operands))


@rule("constant_of_shape")
def filled(emit: Emit, node: Node) -> None:
    """One element repeated to a shape that is known."""
    made = node.outputs[0]
    assert isinstance(node.op, ConstantOfShape)
    shape_of(made)
    value = np.zeros(1, np.float32) if node.op.value is None else node.op.value.array()
    one = emit.constant(value.reshape(()), "filler")
    emit.call("odla_Broadcast", (one, dims(made)), made)


@rule("one_hot")
def one_hot(emit: Emit, node: Node) -> None:
    """Depth known; indices of any type count as int64."""
    assert isinstance(node.op, OneHot)
    indices, made = operand(node, 0), node.outputs[0]
    depth = emit.integers(operand(node, 1), "the depth")[0]
    wide = indices if dtype_of(indices) is DType.INT64 else emit.one(Cast(to=DType.INT64), indices)
    axis = node.op.axis % len(shape_of(made))
    emit.call("odla_OneHot", (wide, depth, operand(node, 2), axis, dims(made)), made)


@rule("compress")
def compress(emit: Emit, node: Node) -> None:
    """Slices by a mask that is known."""
    assert isinstance(node.op, Compress)
    x, made, axis = operand(node, 0), node.outputs[0], node.op.axis
    places = np.flatnonzero(emit.contents(operand(node, 1), "the mask"))
    if axis is None:
        axis, x = 0, emit.reshaped(x, (int(np.prod(shape_of(x))),))
    axis %= len(shape_of(x))
    emit.call("odla_Gather", (x, emit.ints(places.tolist()), axis, dims(made)), made)


@rule("random_normal", "random_uniform")
def random(emit: Emit, node: Node) -> None:
    """Numbers made up; without a seed that is zero."""
    op, made = node.op, node.outputs[0]
    match op:
        case RandomNormal():
            parameters = (Name("ODLA_RandomNormal"), op.mean, op.scale)
        case RandomUniform():
            parameters = (Name("ODLA_RandomUniform"), op.low, op.high)
        case _:
            raise NotInOdlaError("no function draws like this")
    emit.call("odla_Fill", (value_type(made), *parameters, float(op.seed or 0.0)), made)
