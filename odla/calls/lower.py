"""From a graph of static shapes to calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.ops.reshaping import Identity
from halo_py.types import TensorType
from odla.calls import rules as rules
from odla.calls.emit import ELEMENTS, Emit, NotInOdlaError, refusals
from odla.calls.model import Call, Calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from halo_py.ir.graph import Graph, Node


def lower(graph: Graph, *, custom: bool = False) -> Calls:
    """The graph as calls. Raises UnsupportedError that lists every node without an ODLA form.

    With `custom`, nodes that no function of ODLA does are calls by name (odla_CustomOp), which our own library knows.
    """
    _check_inputs(graph)
    emit = Emit(dict(graph.constants), {value.name for value in graph.values()}, custom=custom)
    refused: list[tuple[Node, str]] = []
    for node in graph.nodes:
        why = write(emit, node)
        if why is not None:
            refused.append((node, why))
    if refused:
        raise refusals(refused)
    outputs = _own_outputs(emit, graph)
    used = {value for call in emit.calls for value in values_of(call)}
    return Calls(
        graph.name,
        graph.inputs,
        tuple((value, contents) for value, contents in emit.constants.items() if value in used),
        tuple(emit.calls),
        outputs,
        graph.output_names,
    )


def values_of(call: Call) -> Iterator[Value]:
    """The values among a call's arguments."""
    for argument in call.arguments:
        for value in argument if isinstance(argument, tuple) else (argument,):
            if isinstance(value, Value):
                yield value


def write(emit: Emit, node: Node) -> str | None:
    """Write one node; answers why it has no ODLA form, None if it has one."""
    before = len(emit.calls)
    emit.node = node.name
    try:
        emit.write(node)
    except NotInOdlaError as reason:
        del emit.calls[before:]
        return str(reason)
    return None


def _check_inputs(graph: Graph) -> None:
    """Raises UnsupportedError that lists the inputs of open shape, or those that no ODLA value can be."""
    tensors = [value for value in graph.inputs if isinstance(value.type, TensorType) and value.type.dtype in ELEMENTS]
    others = [value for value in graph.inputs if value not in tensors]
    if others:
        raise UnsupportedError(f"{_inputs(others)} of types that ODLA values cannot have{_listed(others)}")
    found = [value for value in tensors if isinstance(value.type, TensorType) and not value.type.is_static]
    if found:
        raise UnsupportedError(
            f"ODLA calls have fixed shapes; {_inputs(found)} of open dimensions{_listed(found)}",
            hint="fix them with --shape NAME=SIZES, or the leading one with --batch-size",
        )


def _inputs(values: Sequence[Value]) -> str:
    return f"the model has {len(values)} input{'s' if len(values) > 1 else ''}"


def _listed(values: Sequence[Value]) -> str:
    return "".join(f"\n  {value.name!r}: {value.type}" for value in values)


def _own_outputs(emit: Emit, graph: Graph) -> tuple[Value, ...]:
    """The outputs, each a value of its own that no other one, no input and no constant is: they are bound by id."""
    seen = {*graph.inputs, *graph.constants}
    found: list[Value] = []
    for value, name in zip(graph.outputs, graph.output_names, strict=True):
        made = value
        if value in seen:
            made = Value(emit.fresh(name), value.type)
            emit.into(made, Identity(), value)
        seen.add(made)
        found.append(made)
    return tuple(found)
