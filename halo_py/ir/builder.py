"""Builds a Graph node by node: infers types, propagates known contents and shape values, keeps the source location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import NOWHERE, HaloError, ShapeError, Where
from halo_py.ir.graph import Graph, Node, StateUpdate, Value
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, ShapeValue
from halo_py.types import Dim, DType, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

SMALL_CONTENTS = 4096
"""Contents of at most this many elements are propagated while building (axes, shapes, index tables)."""


class GraphBuilder:
    """Adds nodes in topological order and answers their typed results."""

    def __init__(self, name: str, file: str | None = None) -> None:
        self.name = name
        self.file = file
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._constants: dict[Value, Array] = {}
        self._known: dict[Value, Array] = {}
        self._shape_values: dict[Value, ShapeValue] = {}
        self._states: list[StateUpdate] = []
        self._names: set[str] = set()

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
        try:
            types = op.infer(args)
        except HaloError:
            raise
        except (ValueError, IndexError, TypeError, KeyError) as error:
            raise ShapeError(f"the operands do not fit: {error}", place) from error
        base = name or op.kind
        wanted = [base] * count if isinstance(outputs, int) else [text or base for text in outputs]
        values = tuple(Value(self.fresh_name(text), type) for text, type in zip(wanted, types[:count], strict=True))
        self._nodes.append(Node(op, tuple(inputs), values, base, bodies, place))
        self._propagate(op, args, values)
        return values

    def infer_args(
        self, inputs: Sequence[Value | None], bodies: tuple[Graph, ...], outputs: int, where: Where
    ) -> InferArgs:
        """What the shape rule of a node with these operands may look at."""
        return InferArgs(
            types=tuple(None if value is None else value.type for value in inputs),
            constants=tuple(None if value is None else self.known(value) for value in inputs),
            shape_values=tuple(None if value is None else self.shape_value(value) for value in inputs),
            bodies=bodies,
            outputs=outputs,
            where=where,
        )

    def known(self, value: Value) -> Array | None:
        """Contents of a value if they are known: a constant, or small and computed from constants."""
        found = self._constants.get(value)
        return self._known.get(value) if found is None else found

    def shape_value(self, value: Value) -> ShapeValue | None:
        """Contents of a small integer value as dimensions, symbolic ones included."""
        found = self._shape_values.get(value)
        if found is not None:
            return found
        contents = self.known(value)
        if contents is None or contents.ndim > 1 or contents.size > SMALL_CONTENTS or contents.dtype.kind not in "iu":
            return None
        dims: ShapeValue = tuple(int(number) for number in contents.reshape(-1))
        self._shape_values[value] = dims
        return dims

    def set_shape_value(self, value: Value, dims: ShapeValue) -> None:
        """Declare the contents of a value as dimensions (an importer knows a run-time scalar's value)."""
        self._shape_values[value] = dims

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

    def _propagate(self, op: Op, args: InferArgs, values: tuple[Value, ...]) -> None:
        dims = op.shape_values(args)
        if dims is not None:
            numbers = _numbers(dims)
            self._shape_values[values[0]] = dims
            type = values[0].type
            if numbers is not None and isinstance(type, TensorType) and type.is_static:
                self._known[values[0]] = np.asarray(numbers).astype(type.dtype.numpy).reshape(type.static_shape)
            return
        contents = fold_small(op, args, values)
        for value, array in zip(values, contents, strict=False):
            self._known[value] = array


def _numbers(dims: Sequence[Dim]) -> list[int] | None:
    numbers = [dim for dim in dims if isinstance(dim, int)]
    return numbers if len(numbers) == len(dims) else None


def fold_small(op: Op, args: InferArgs, values: Sequence[Value]) -> tuple[Array, ...]:
    """Results of a node whose operands are all known and whose results are small; empty if it cannot be folded."""
    if args.bodies or op.declaration.host_only or op.declaration.family == "random" or not args.types:
        return ()
    inputs: list[RuntimeValue] = []
    for type, contents in zip(args.types, args.constants, strict=True):
        if type is not None and (contents is None or contents.size > SMALL_CONTENTS):
            return ()
        inputs.append(contents)
    for value in values:
        if not isinstance(value.type, TensorType) or not value.type.is_static or value.type.elements > SMALL_CONTENTS:
            return ()

    def no_bodies(_index: int, _operands: Sequence[RuntimeValue]) -> list[RuntimeValue]:
        raise TypeError("a folded node has no bodies")

    types = tuple(value.type for value in values)
    results = op.evaluate(EvaluateArgs(tuple(inputs), no_bodies, types, len(values)))
    return tuple(result for result in results if isinstance(result, np.ndarray))
