"""Builds a Graph node by node: infers types, propagates known contents and shape values, keeps the source location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import NOWHERE, Where
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.inference import Inference, infer_types
from halo_py.ir.op import InferArgs, Op, ShapeValue
from halo_py.types import DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


class GraphBuilder:
    """Adds nodes in topological order and answers their typed results."""

    def __init__(self, name: str, file: str | None = None) -> None:
        self.name = name
        self.file = file
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[Value, Array] = {}
        self._inference = Inference(self._constants)
        self._states: list[StateUpdate] = []
        self._names: set[str] = set()

    @staticmethod
    def reopen(graph: Graph) -> GraphBuilder:
        """A builder that goes on where a finished graph ended; the graph's values are its values."""
        builder = GraphBuilder(graph.name)
        builder._inputs = list(graph.inputs)
        builder._constants.update(graph.constants)
        builder._states = list(graph.states)
        builder._names = {value.name for value in graph.values()}
        for node in graph.nodes:
            builder._nodes.append(node)
            args = builder.infer_args(node.inputs, node.bodies, len(node.outputs), node.where)
            builder._inference.learn(node.op, args, node.outputs)
        return builder

    @property
    def nodes(self) -> Sequence[Node]:
        """The nodes so far, in order: a view that grows with them."""
        return self._nodes

    def fresh_name(self, wanted: str) -> str:
        """`wanted`, with a number appended if a value of this graph has that name already."""
        base = wanted or "value"
        name, number = base, 1
        while name in self._names:
            name, number = f"{base}_{number}", number + 1
        self._names.add(name)
        return name

    def input(self, name: str, type: Type) -> Value:
        """A graph input."""
        value = Value(self.fresh_name(name), type)
        self._inputs.append(value)
        return value

    def constant(self, contents: Array, name: str = "constant", dtype: DType | None = None) -> Value:
        """A constant with these contents (not copied)."""
        found = dtype or DType.from_numpy(contents.dtype)
        value = Value(self.fresh_name(name), TensorType(found, tuple(contents.shape)))
        self._constants[value] = contents
        return value

    def ints(self, numbers: Sequence[int], name: str = "ints") -> Value:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64), name)

    def add(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        *,
        outputs: int | Sequence[str] = 1,
        name: str = "",
        bodies: tuple[Graph, ...] = (),
        where: Where = NOWHERE,
    ) -> tuple[Value, ...]:
        """Append a node and answer its results. `outputs` is their number or their wanted names.

        Raises ShapeError (naming `where`) if the operands do not fit the op.
        """
        count = outputs if isinstance(outputs, int) else len(outputs)
        place = where if where != NOWHERE else Where(self.file, name or None, op.declaration.onnx or op.kind)
        args = self.infer_args(inputs, bodies, count, place)
        types = infer_types(op, args)
        base = name or op.kind
        wanted = [base] * count if isinstance(outputs, int) else [text or base for text in outputs]
        values = tuple(Value(self.fresh_name(text), type) for text, type in zip(wanted, types[:count], strict=True))
        self._nodes.append(Node(op, tuple(inputs), values, base, bodies, place))
        self._inference.learn(op, args, values)
        return values

    def infer_args(
        self, inputs: Sequence[Value | None], bodies: tuple[Graph, ...], outputs: int, where: Where
    ) -> InferArgs:
        """What the shape rule of a node with these operands may look at."""
        return self._inference.args(inputs, bodies, outputs, where)

    def known(self, value: Value) -> Array | None:
        """Contents of a value if they are known: a constant, or small and computed from constants."""
        return self._inference.known(value)

    def shape_value(self, value: Value) -> ShapeValue | None:
        """Contents of a small integer value as dimensions, symbolic ones included."""
        return self._inference.shape_value(value)

    def set_shape_value(self, value: Value, dims: ShapeValue) -> None:
        """Declare the contents of a value as dimensions (an importer knows a run-time scalar's value)."""
        self._inference.set_shape_value(value, dims)

    def update_state(self, state: Value, updated: Value) -> None:
        """Declare that input `state` takes the contents of `updated` after each run."""
        self._states.append(StateUpdate(state, updated))

    def finish(self, outputs: Sequence[Value], output_names: Sequence[str] = ()) -> Graph:
        """The graph with these outputs (named like the values unless `output_names` says otherwise)."""
        return Graph(
            self.name,
            tuple(self._inputs),
            tuple(outputs),
            tuple(self._nodes),
            dict(self._constants),
            tuple(self._states),
            tuple(output_names) or tuple(value.name for value in outputs),
        )
