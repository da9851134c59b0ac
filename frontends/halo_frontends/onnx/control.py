"""If, Loop and Scan: nested graphs become bodies whose captured values are explicit operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from halo_frontends.onnx.draft import Draft
from halo_frontends.onnx.scope import Scope
from halo_py.errors import ModelError, ShapeError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, symbol

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import GraphProto

ImportNodes = Callable[[Scope, "GraphProto"], list[Value]]
"""Imports a nested graph's initialisers and nodes into a scope; answers its outputs."""

_MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Bodies:
    """Finished nested graphs, and the outer values to append to the node's operands."""

    graphs: tuple[Graph, ...]
    captured: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """A nested graph, and its inputs for values of the graph around it, by these."""

    graph: Graph
    captured: dict[Value, Value]


@dataclass(frozen=True, slots=True)
class Misfit:
    """The branch of an If whose operations do not fit the shapes that reach it, and why."""

    number: int
    error: ShapeError


def build_branches(
    draft: Draft, branches: Sequence[GraphProto], scope: Scope, import_nodes: ImportNodes
) -> Bodies | Misfit:
    """The two branches of an If; both take the same captured operands in the same order.

    Exporters write one branch per sample rate or per rank: with the shapes of a run, often only one of them fits.

    Raises:
        ShapeError: neither branch fits.
    """
    built: list[Built] = []
    misfit: Misfit | None = None
    for number, branch in enumerate(branches):
        try:
            built.append(_build(draft, branch, (), scope, import_nodes))
        except ShapeError as error:
            if misfit is not None:
                raise
            misfit = Misfit(number, error)
    if misfit is not None:
        return misfit
    captured = tuple(dict.fromkeys(value for entry in built for value in entry.captured))
    return Bodies(tuple(with_captured(entry, captured) for entry in built), captured)


def build_loop(draft: Draft, body: GraphProto, scope: Scope, import_nodes: ImportNodes) -> Bodies:
    """The body of a Loop: inputs are the iteration number, the condition and the carried values.

    A dimension of a carried value that the body changes becomes a symbol.
    """
    if len(body.input) < 2 or len(body.input) > len(draft.inputs):
        raise ModelError(f"the body takes {len(body.input)} values, the node gives {len(draft.inputs)}", draft.where)
    carried = tuple(draft.value(index).type for index in range(2, len(body.input)))
    return _to_fixed_point(
        draft, body, scope, import_nodes, (TensorType(DType.INT64, ()), TensorType(DType.BOOL, ())), carried, (), 1
    )


def build_scan(draft: Draft, body: GraphProto, scope: Scope, import_nodes: ImportNodes) -> Bodies:
    """The body of a Scan: inputs are the states, then one slice of each scanned operand."""
    scanned = draft.integer("num_scan_inputs", 0)
    states = len(draft.inputs) - scanned
    if scanned < 1 or states < 0 or len(body.input) != len(draft.inputs):
        raise ModelError(f"the body takes {len(body.input)} values, the node gives {len(draft.inputs)}", draft.where)
    axes = draft.ints("scan_input_axes") or (0,) * scanned
    slices = tuple(slice_type(draft, states + index, axis) for index, axis in enumerate(axes))
    carried = tuple(draft.value(index).type for index in range(states))
    return _to_fixed_point(draft, body, scope, import_nodes, (), carried, slices, 0)


def slice_type(draft: Draft, index: int, axis: int) -> TensorType:
    """The type of one slice of operand `index` along an axis. Raises ModelError."""
    shape = draft.shape(index)
    if shape is None:
        return TensorType(draft.dtype(index), None)
    if not -len(shape) <= axis < len(shape):
        raise ModelError(f"scan axis {axis} is outside rank {len(shape)}", draft.where)
    axis %= len(shape)
    return TensorType(draft.dtype(index), shape[:axis] + shape[axis + 1 :])


def _to_fixed_point(
    draft: Draft,
    body: GraphProto,
    scope: Scope,
    import_nodes: ImportNodes,
    before: tuple[Type, ...],
    carried: tuple[Type, ...],
    after: tuple[Type, ...],
    first_output: int,
) -> Bodies:
    """Build the body until the types of its carried values are those it gives back."""
    general = _Generaliser(draft)
    for _ in range(_MOST_ROUNDS):
        built = _build(draft, body, (*before, *carried, *after), scope, import_nodes)
        results = built.graph.outputs[first_output : first_output + len(carried)]
        if len(results) < len(carried):
            raise ModelError(f"the body gives {len(results)} of {len(carried)} carried values", draft.where)
        merged = tuple(general.merge(old, new.type) for old, new in zip(carried, results, strict=True))
        if merged == carried:
            captured = tuple(built.captured)
            return Bodies((with_captured(built, captured),), captured)
        carried = merged
    raise ModelError("the types of the carried values do not settle", draft.where)


class _Generaliser:
    """Makes symbols of the dimensions in which two types of one carried value differ."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._made: set[Dim] = set()

    def merge(self, old: Type, new: Type) -> Type:
        if isinstance(old, TensorType) and isinstance(new, TensorType) and old.dtype == new.dtype:
            if old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
                return TensorType(old.dtype, None)
            return TensorType(old.dtype, tuple(map(self._dim, old.shape, new.shape)))
        if isinstance(old, SequenceType) and isinstance(new, SequenceType):
            return SequenceType(self.merge(old.element, new.element))
        if isinstance(old, OptionalType) or isinstance(new, OptionalType):
            inner = [type.element if isinstance(type, OptionalType) else type for type in (old, new)]
            return OptionalType(self.merge(inner[0], inner[1]))
        if old != new:
            raise ModelError(f"a carried value enters the body as {old} and leaves it as {new}", self._draft.where)
        return old

    def _dim(self, old: Dim, new: Dim) -> Dim:
        if old == new or old in self._made:
            return old
        dim = symbol(f"{self._draft.name}_carried_{len(self._made)}")
        self._made.add(dim)
        return dim


def _build(draft: Draft, body: GraphProto, types: tuple[Type, ...], scope: Scope, import_nodes: ImportNodes) -> Built:
    builder = GraphBuilder(body.name or draft.name, scope.builder.file)
    inside = Scope(builder, scope)
    for entry, type in zip(body.input, types, strict=True):
        inside.bind(entry.name, builder.input(entry.name, type), draft.where)
    outputs = import_nodes(inside, body)
    return Built(builder.finish(outputs, [entry.name for entry in body.output]), inside.captured)


def with_captured(built: Built, captured: tuple[Value, ...]) -> Graph:
    """The graph with one input per captured value, in this order, after its formal inputs."""
    names = {value.name for value in built.graph.values()}
    own = set(built.captured.values())
    formal = tuple(value for value in built.graph.inputs if value not in own)
    inputs: list[Value] = []
    for value in captured:
        inside = built.captured.get(value)
        if inside is None:
            name = next(name for name in _numbered(value.name) if name not in names)
            names.add(name)
            inside = Value(name, value.type)
        inputs.append(inside)
    return replace(built.graph, inputs=(*formal, *inputs))


def _numbered(name: str):
    yield name
    number = 1
    while True:
        yield f"{name}_{number}"
        number += 1
