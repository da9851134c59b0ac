"""Inputs to try a graph with: seeded, and integers kept inside the tables they index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import ShapeError
from halo_py.ir.graph import Graph, Node, Value
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_INDEX_OPERANDS = {"Gather": (1, 0), "GatherElements": (1, 0), "OneHot": (0, None)}
"""ONNX operator -> (operand that indexes, operand that is the table)."""

_PASSES_ON = frozenset(
    {"Cast", "Reshape", "Identity", "Unsqueeze", "Squeeze", "Flatten", "Transpose", "Slice", "Expand", "Tile", "Concat"}
)
"""Operators whose result holds nothing but elements of operand 0 (or, for Concat, of its operands)."""


LEAST_ONE_HOT = 3
"""Comparing with fewer numbers than this says nothing about what else an integer may be."""


def seeded_inputs(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """One array per tensor input: normal floats, integers that index no table out of range, zeros and ones otherwise.

    Raises ShapeError if an input's shape is not static.
    """
    return seeded_arrays({value.name: value.type for value in graph.inputs}, bounds_by_name(graph), seed)


def seeded_arrays(types: Mapping[str, Type], bounds: Mapping[str, int], seed: int = 0) -> dict[str, Array]:
    """Contents of these types; integers stay below their bound (2 where none is given). Raises ShapeError."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name, type in types.items():
        if not isinstance(type, TensorType) or not type.is_static:
            raise ShapeError(f"input {name!r} has no fixed shape: {type}", hint="fix it with --shape or --batch-size")
        arrays[name] = _contents(generator, type, bounds.get(name, 2))
    return arrays


def bounds_by_name(graph: Graph) -> dict[str, int]:
    """`index_bounds` by the inputs' names."""
    return {value.name: bound for value, bound in index_bounds(graph).items()}


def _contents(generator: np.random.Generator, type: TensorType, bound: int) -> Array:
    shape, dtype = type.static_shape, type.dtype
    if dtype is DType.STRING:
        return np.array([f"s{number}" for number in generator.integers(0, 9, shape).reshape(-1)], object).reshape(shape)
    if dtype is DType.BOOL:
        return generator.random(shape) < 0.5
    if dtype.is_integer:
        return generator.integers(0, max(1, bound), shape).astype(dtype.numpy)
    if dtype.is_complex:
        return (generator.normal(size=shape) + 1j * generator.normal(size=shape)).astype(dtype.numpy)
    return generator.normal(size=shape).astype(dtype.numpy)


def index_bounds(graph: Graph) -> dict[Value, int]:
    """For each graph input whose elements index a table: the smallest table's length."""
    origins: dict[Value, set[Value]] = {value: {value} for value in graph.inputs}
    bounds: dict[Value, int] = {}
    for node in graph.nodes:
        _note_index(node, graph, origins, bounds)
        if (node.op.declaration.onnx or "") in _PASSES_ON:
            readers = node.inputs if node.op.declaration.onnx == "Concat" else node.inputs[:1]
            passed = {origin for value in readers if value is not None for origin in origins.get(value, ())}
            for value in node.outputs:
                origins[value] = passed
    return bounds


def _note_index(node: Node, graph: Graph, origins: dict[Value, set[Value]], bounds: dict[Value, int]) -> None:
    for value, length in _indexed(node, graph):
        for origin in origins.get(value, ()):
            bounds[origin] = min(bounds.get(origin, length), length)


def _indexed(node: Node, graph: Graph) -> Iterator[tuple[Value, int]]:
    """The operands of a node that index a table, with the table's length."""
    name = node.op.declaration.onnx or ""
    if name == "Equal":
        yield from _compared(node, graph)
    elif name in _INDEX_OPERANDS:
        index, table = _INDEX_OPERANDS[name]
        value = node.inputs[index]
        length = _depth(node, graph) if table is None else _table_length(node, table)
        if value is not None and length is not None:
            yield value, length


def _compared(node: Node, graph: Graph) -> Iterator[tuple[Value, int]]:
    """A comparison with 0, 1, 2, ... is a one-hot code spelled out."""
    for value, other in (node.inputs[:2], node.inputs[1::-1]):
        contents = None if other is None else graph.constants.get(other)
        if value is None or contents is None or contents.dtype.kind not in "iu" or contents.size < LEAST_ONE_HOT:
            continue
        if np.array_equal(np.asarray(contents).reshape(-1), np.arange(contents.size)):
            yield value, contents.size


def _table_length(node: Node, table: int) -> int | None:
    value = node.inputs[table]
    if value is None or not isinstance(value.type, TensorType) or not value.type.shape:
        return None
    axis = int(getattr(node.op, "axis", 0))
    length = value.type.shape[axis]
    return length if isinstance(length, int) else None


def _depth(node: Node, graph: Graph) -> int | None:
    value = node.inputs[1]
    contents = None if value is None else graph.constants.get(value)
    return None if contents is None else int(np.asarray(contents).reshape(-1)[0])
