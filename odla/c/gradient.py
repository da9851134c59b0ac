"""Differentiation in reverse: gradients of a computation's outputs with respect to its variables, as further outputs.

Every output of floats counts with weight 1 in each element, so a single number is the usual loss. `gradient_rules` has
a rule for each op that is known; nodes that no variable reaches need none.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import UnsupportedError, UsageError
from halo_py.ops import elementwise as ew
from odla.c.gradient_rules import RULES
from odla.c.operators.emit import Emit, dtype_of, type_of
from odla.c.values import Value

if TYPE_CHECKING:
    from halo_py.ir.graph import Node as GraphNode
    from halo_py.ir.graph import Value as Node
    from odla.c.computation import Computation

for _family in ("gradient_scalars", "gradient_products"):
    importlib.import_module(f"odla.c.{_family}")  # registers rules

SUFFIX = "_grad"
"""What a gradient's id ends with, after its variable's id."""


def differentiate(computation: Computation) -> None:
    """Add one output per variable of floats: the gradient with respect to it, with its type.

    Raises UsageError if there is no such variable or output, UnsupportedError for ops without a rule.
    """
    snapshot = computation.snapshot()
    assert snapshot.graph is not None
    variables = [each for each in computation.variables if each.type.dtype.is_float]
    losses = [computation.root.local(each) for each in computation.outputs if each.type.dtype.is_float]
    if not variables or not losses:
        raise UsageError("the computation has no variable of floats, or no output of floats, to differentiate")
    emit = Emit(computation.root, "gradient")
    sources = {computation.root.local(variable) for variable in variables}
    nodes = _between(snapshot.graph.nodes, sources)
    _refuse_unknown(nodes)
    gradients: dict[Node, Node] = {}
    for loss in losses:
        _accumulate(emit, gradients, loss, _ones_like(emit, loss))
    for node in reversed(nodes):
        given = [gradients.get(output) for output in node.outputs]
        if any(each is not None for each in given):
            for operand, made in zip(node.inputs, RULES[node.op.kind](emit, node, given), strict=False):
                if operand is not None and made is not None and dtype_of(operand).is_float:
                    _accumulate(emit, gradients, operand, made)
    for variable in variables:
        found = gradients.get(computation.root.local(variable)) or _zeros(emit, variable)
        id = None if variable.id is None else variable.id + SUFFIX
        computation.mark_output(computation.remember(computation.root.value(found, id)))


def _between(nodes: tuple[GraphNode, ...], sources: set[Node]) -> list[GraphNode]:
    """The nodes that depend on a variable, in order."""
    reached = set(sources)
    found: list[GraphNode] = []
    for node in nodes:
        if any(operand in reached for operand in node.inputs):
            found.append(node)
            reached.update(node.outputs)
    return found


def _refuse_unknown(nodes: list[GraphNode]) -> None:
    unknown = sorted({node.op.declaration.onnx or node.op.kind for node in nodes if node.op.kind not in RULES})
    if unknown:
        raise UnsupportedError(f"cannot differentiate {', '.join(unknown)}")


def _accumulate(emit: Emit, gradients: dict[Node, Node], value: Node, more: Node) -> None:
    known = gradients.get(value)
    gradients[value] = more if known is None else emit.add(ew.Add(), known, more)


def _ones_like(emit: Emit, node: Node) -> Node:
    type = type_of(node)
    if not type.is_static:
        raise UsageError(f"the shape of output {node.name!r} must be known to differentiate")
    return emit.constant(np.ones(type.static_shape), type.dtype)


def _zeros(emit: Emit, variable: Value) -> Node:
    return emit.constant(np.zeros(variable.type.static_shape), variable.type.dtype)
