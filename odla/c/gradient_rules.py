"""How each op hands gradients back: from those of its results to those of its operands (None: no gradient).

The formulas are the usual adjoints; see A. Griewank, A. Walther, 2008, "Evaluating Derivatives", chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from halo_py.errors import UnsupportedError
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops.indexing import Gather, GatherElements, ScatterElements, ScatterND
from halo_py.ops.movement import Expand, Transpose
from halo_py.ops.reduction import Reduce, ReduceSum
from halo_py.ops.slicing import Concat, Slice, Split
from halo_py.ops.softmax import LogSoftmax, Softmax
from halo_py.types import DType
from odla.c.operators.emit import Emit, Node, dtype_of, rank_of, type_of

if TYPE_CHECKING:
    from halo_py.ir.graph import Node as GraphNode

Gradients = Sequence[Node | None]
Rule = Callable[[Emit, "GraphNode", Gradients], Gradients]

RULES: dict[str, Rule] = {}
"""Op kind -> rule."""


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Register a rule."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


def operand_of(node: GraphNode, index: int = 0) -> Node:
    """An operand that the op must have."""
    found = node.inputs[index]
    assert found is not None
    return found


def given(gradients: Gradients) -> Node:
    """The gradient of result 0, the only one that has any."""
    found = gradients[0]
    if found is None:
        raise UnsupportedError("only the first result of an operator can be differentiated")
    return found


def sizes_of(node: Node) -> tuple[int, ...]:
    """The shape as numbers."""
    return type_of(node).static_shape


def reduced_to(emit: Emit, gradient: Node, operand: Node) -> Node:
    """A gradient summed over what the operand was broadcast along."""
    wide, narrow = sizes_of(gradient), sizes_of(operand)
    extra = len(wide) - len(narrow)
    axes = [*range(extra), *(extra + axis for axis, size in enumerate(narrow) if size == 1 != wide[extra + axis])]
    if axes:
        gradient = emit.add(ReduceSum(keepdims=1), gradient, emit.ints(axes))
    return emit.reshape(gradient, narrow) if wide != narrow else gradient


def times(emit: Emit, *factors: Node) -> Node:
    """The product of all factors."""
    first, *rest = factors
    for factor in rest:
        first = emit.add(ew.Mul(), first, factor)
    return first


def minus(emit: Emit, a: Node, b: Node) -> Node:
    """A - b."""
    return emit.add(ew.Sub(), a, b)


# -- shapes -----------------------------------------------------------------------------------------------------------


@rule("reshape", "flatten", "squeeze", "unsqueeze", "identity")
def _view(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    return (emit.reshape(given(gradients), sizes_of(operand_of(node))),)


@rule("transpose")
def _transpose(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    rank = rank_of(operand_of(node))
    order = cast("Transpose", node.op).perm or tuple(reversed(range(rank)))
    return (emit.transpose(given(gradients), [order.index(axis) for axis in range(rank)]),)


@rule("expand")
def _expand(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    return (reduced_to(emit, given(gradients), operand_of(node)),)


@rule("concat")
def _concat(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    axis = cast("Concat", node.op).axis
    sizes = [sizes_of(operand_of(node, index))[axis] for index in range(len(node.inputs))]
    if len(sizes) == 1:
        return (given(gradients),)
    return emit.add_all(Split(axis=axis), given(gradients), emit.ints(sizes), outputs=len(sizes))


@rule("split")
def _split(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    parts = [
        gradient if gradient is not None else zeros(emit, output)
        for gradient, output in zip(gradients, node.outputs, strict=True)
    ]
    return (emit.add(Concat(axis=cast("Split", node.op).axis), *parts),)


def zeros(emit: Emit, like: Node) -> Node:
    """Zeros of the type of another value."""
    zero = emit.constant([0], dtype_of(like))
    return emit.add(Expand(), emit.reshape(zero, ()), emit.ints(sizes_of(like)))


@rule("slice")
def _slice(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    """The elements' own numbers are sliced alike; gradients are added where those point."""
    x = operand_of(node)
    total = math.prod(sizes_of(x))
    numbers = emit.reshape(emit.constant(range(total), DType.INT64), sizes_of(x))
    places = emit.reshape(emit.add(cast("Slice", node.op), numbers, *node.inputs[1:]), (-1,))
    flat = emit.reshape(zeros(emit, x), (-1,))
    made = emit.add(ScatterElements(axis=0), flat, places, emit.reshape(given(gradients), (-1,)))
    return (emit.reshape(made, sizes_of(x)),)


@rule("gather_elements")
def _gather_elements(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    op = ScatterElements(axis=cast("GatherElements", node.op).axis, reduction="add")
    return (emit.add(op, zeros(emit, operand_of(node)), operand_of(node, 1), given(gradients)),)


@rule("gather")
def _gather(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    x, indices, g = operand_of(node), emit.cast(operand_of(node, 1), DType.INT64), given(gradients)
    axis = cast("Gather", node.op).axis % rank_of(x)
    many = rank_of(indices)
    # The gathered dimensions go to the front, where ScatterND adds whole slices.
    order = (*range(axis, axis + many), *range(axis), *range(axis + many, rank_of(g)))
    front = (axis, *(each for each in range(rank_of(x)) if each != axis))
    size = emit.constant(sizes_of(x)[axis], DType.INT64)
    below = emit.add(logic.Less(), indices, emit.like(0, indices))
    wrapped = emit.add(logic.Where(), below, emit.add(ew.Add(), indices, size), indices)
    base = emit.transpose(zeros(emit, x), front)
    made = emit.add(ScatterND(reduction="add"), base, emit.unsqueeze(wrapped, (many,)), emit.transpose(g, order))
    return (emit.transpose(made, [front.index(each) for each in range(rank_of(x))]),)


# -- reductions -------------------------------------------------------------------------------------------------------


def _kept(emit: Emit, node: GraphNode, value: Node) -> Node:
    """A result with its reduced dimensions kept as ones."""
    full = list(sizes_of(operand_of(node)))
    op = cast("Reduce", node.op)
    known = None if len(node.inputs) < 2 or node.inputs[1] is None else emit.known(node.inputs[1], "axes").tolist()
    axes = range(len(full)) if not known else [axis % len(full) for axis in known]
    if not known and op.noop_with_empty_axes:
        return value
    return emit.reshape(value, [1 if axis in axes else size for axis, size in enumerate(full)])


@rule("reduce_sum", "reduce_mean")
def _reduce_sum(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    x = operand_of(node)
    wide = emit.add(Expand(), _kept(emit, node, given(gradients)), emit.ints(sizes_of(x)))
    if node.op.kind == "reduce_sum":
        return (wide,)
    count = math.prod(sizes_of(x)) / max(1, math.prod(sizes_of(node.outputs[0])))
    return (times(emit, wide, emit.like(1 / count, x)),)


@rule("reduce_max", "reduce_min")
def _reduce_extreme(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    """Equal extremes share the gradient."""
    x = operand_of(node)
    chosen = emit.cast(emit.add(logic.Equal(), x, _kept(emit, node, node.outputs[0])), dtype_of(x))
    axes = [axis for axis, size in enumerate(sizes_of(_kept(emit, node, node.outputs[0]))) if size == 1]
    count = emit.add(ReduceSum(keepdims=1), chosen, emit.ints(axes)) if axes else chosen
    return (times(emit, _kept(emit, node, given(gradients)), emit.add(ew.Div(), chosen, count)),)


@rule("softmax")
def _softmax(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    y, g = node.outputs[0], given(gradients)
    axis = emit.ints((cast("Softmax", node.op).axis,))
    total = emit.add(ReduceSum(keepdims=1), times(emit, g, y), axis)
    return (times(emit, y, minus(emit, g, total)),)


@rule("log_softmax")
def _log_softmax(emit: Emit, node: GraphNode, gradients: Gradients) -> Gradients:
    g = given(gradients)
    axis = emit.ints((cast("LogSoftmax", node.op).axis,))
    total = emit.add(ReduceSum(keepdims=1), g, axis)
    return (minus(emit, g, times(emit, emit.add(ew.Exp(), node.outputs[0]), total)),)
