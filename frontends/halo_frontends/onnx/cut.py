"""A part of a model: from values that the user names as inputs to values that he names as outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_frontends.onnx.ordering import reads
from halo_py.errors import UsageError, Where
from halo_py.types import DType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from halo_frontends.onnx.proto import GraphProto, NodeProto, ValueInfoProto
    from halo_py.frontend import ImportOptions


def cut(graph: GraphProto, options: ImportOptions, file: str) -> None:
    """Leave what lies between `options.inputs` and `options.outputs` (either may be empty: the model's own).

    A new input has the type that the file states for that value, else float32 and the shape that the user gives.
    Raises UsageError for names that the model does not have.
    """
    known = {entry.name: entry for entry in (*graph.input, *graph.value_info, *graph.output)}
    _check(graph, known, options, file)
    if options.outputs:
        del graph.output[:]
        for name in options.outputs:
            graph.output.add().name = name
    needed = _needed(graph.node, {entry.name for entry in graph.output}, set(options.inputs))
    kept = [node for node in graph.node if needed.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(kept)
    _declare_inputs(graph, known, options, needed)


def _check(graph: GraphProto, known: Mapping[str, ValueInfoProto], options: ImportOptions, file: str) -> None:
    made = {name for node in graph.node for name in node.output if name}
    for flag, names in (("--inputs", options.inputs), ("--outputs", options.outputs)):
        for name in names:
            if name not in made and name not in known:
                raise UsageError(f"{flag}: the model has no value {name!r}", Where(file), _nearest(name, made))


def _nearest(name: str, made: set[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, made, 3)
    return f"did you mean {', '.join(close)}?" if close else "halo inspect lists what the model holds"


def _needed(nodes: Sequence[NodeProto], outputs: set[str], inputs: set[str]) -> set[str]:
    """Names that the outputs depend on, as far back as the inputs."""
    makers = {name: node for node in nodes for name in node.output if name}
    waiting, needed = list(outputs), set[str]()
    while waiting:
        name = waiting.pop()
        if name in needed or name in inputs:
            continue
        needed.add(name)
        if name in makers:
            waiting.extend(reads(makers[name]))
    return needed


def _declare_inputs(
    graph: GraphProto, known: Mapping[str, ValueInfoProto], options: ImportOptions, needed: set[str]
) -> None:
    """The graph's inputs: those named, and those of its own that are still read."""
    initialised = {tensor.name for tensor in graph.initializer}
    own = [entry for entry in graph.input if entry.name in needed or entry.name in initialised]
    new = [_entry(graph, name, known.get(name), options) for name in options.inputs]
    kept = [entry for entry in own if entry.name not in options.inputs]
    del graph.input[:]
    graph.input.extend([*new, *kept])


def _entry(graph: GraphProto, name: str, stated: ValueInfoProto | None, options: ImportOptions) -> ValueInfoProto:
    if stated is not None and stated.type.WhichOneof("value"):
        return stated
    made = graph.input.add()
    made.name = name
    made.type.tensor_type.elem_type = DType.FLOAT32.onnx_number
    shape = options.shapes.get(name)
    if shape is not None:
        for size in shape:
            made.type.tensor_type.shape.dim.add().dim_value = size
    return made
