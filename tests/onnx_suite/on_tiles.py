"""Where a case's operators ran: whether their values came from tiles, and from enough of them.

A case is on tiles if every call of its program is: no node on the host, nothing left but constants, and for each node
vertices on at least min(tiles, bytes of its results / 128) tiles (none at all for a result without elements). A view
(Reshape, Squeeze, Identity, Dropout in inference, ...) has no vertices: its result lies where its operand does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from halo_py.bsp.program import Call, CombineGroup, Compute, HostCall, Loop
from halo_py.executable import Executable
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from halo_py.bsp.program import TemplateStep
    from halo_py.ir.graph import Graph, Value

BYTES_PER_TILE = 128
"""A tile that holds less than this of a value is not asked to have a vertex for it."""

TILE_TYPES = frozenset(
    {
        DType.FLOAT32,
        DType.FLOAT16,
        DType.INT32,
        DType.UINT32,
        DType.INT16,
        DType.UINT16,
        DType.INT8,
        DType.UINT8,
        DType.BOOL,
    }
)
"""Element types that the chip has arithmetic for."""

Verdict = Literal["on tiles", "host", "few tiles", "constant", "dynamic", "other type"]


def verdict(executable: Executable) -> tuple[Verdict, str]:
    """Where the operators of a compiled case run, and what keeps them from tiles.

    "dynamic" and "other type" cases are those that tiles cannot be asked for: a shape that depends on data, or an
    element type the chip has no arithmetic for among the model's inputs and outputs.
    """
    graph = executable.graph
    if not all(_is_static(value) for value in graph.values()):
        return "dynamic", ""
    odd = [value for value in (*graph.inputs, *graph.outputs) if _dtype(value) not in TILE_TYPES]
    if odd:
        return "other type", str(odd[0].type)
    calls = [call for stage in executable.program.stages for step in stage.supersteps for call in step.calls]
    hosted = [call for call in calls if isinstance(call, HostCall) and _wanted(call, 1)]
    if hosted:
        return "host", f"{hosted[0].node.op.kind}: {hosted[0].reason}"
    if not calls and not set(graph.outputs).issubset(graph.inputs):
        return "constant", _folded(graph)
    for call in calls:
        if isinstance(call, HostCall):
            continue
        used, wanted = _tiles(call), _wanted(call, executable.system.chip.tiles)
        if used is not None and used < wanted:
            return "few tiles", f"{call.node.op.kind}: {used} of {wanted}"
    return "on tiles", ""


def _is_static(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.is_static


def _dtype(value: Value) -> DType | None:
    return value.type.dtype if isinstance(value.type, TensorType) else None


def _folded(graph: Graph) -> str:
    return ", ".join(f"{value.name}: {value.type}" for value in graph.outputs)


def _wanted(call: Call | HostCall, tiles: int) -> int:
    sizes = [value.type.bytes for value in call.node.outputs if isinstance(value.type, TensorType)]
    return min(tiles, -(-max(sizes, default=0) // BYTES_PER_TILE))


def _tiles(call: Call) -> int | None:
    """The most tiles that one of its steps has vertices on; None for a view."""
    return max((count for step in call.template.steps for count in _vertices(step)), default=None)


def _vertices(step: TemplateStep) -> Iterator[int]:
    if isinstance(step, Loop):
        for inner in step.body:
            yield from _vertices(inner)
    elif isinstance(step, Compute):
        for group in step.groups:
            yield len(group.result.tiles) if isinstance(group, CombineGroup) else len(group.placement.boxes[0])
