"""Type inference over a growing graph: known contents and shape values travel with the types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from halo_py.errors import HaloError, ShapeError, Where
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, ShapeValue, as_arrays
from halo_py.types import Dim, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

SMALL_CONTENTS = 4096
"""Contents of at most this many elements are propagated (axes, shapes, index tables)."""


def infer_types(op: Op, args: InferArgs) -> tuple[Type, ...]:
    """Types of the results. Raises ShapeError (naming the node) if the operands do not fit the op."""
    try:
        return op.infer(args)
    except HaloError:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise ShapeError(f"the operands do not fit: {error}", args.where) from error


class Inference:
    """What is known of the values seen so far: `constants` (shared with the owner, who may add to it), small results
    computed from them, and integer tensors as dimensions, symbolic ones included.
    """

    def __init__(self, constants: Mapping[Value, Array]) -> None:
        self._constants = constants
        self._known: dict[Value, Array] = {}
        self._shape_values: dict[Value, ShapeValue] = {}

    def args(self, inputs: Sequence[Value | None], bodies: tuple[Graph, ...], outputs: int, where: Where) -> InferArgs:
        """What the shape rule of a node with these operands may look at."""
        return InferArgs(
            types=tuple([None if value is None else value.type for value in inputs]),
            constants=tuple([None if value is None else self.known(value) for value in inputs]),
            shape_values=tuple([None if value is None else self.shape_value(value) for value in inputs]),
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
        dims: ShapeValue = tuple(contents.reshape(-1).tolist())
        self._shape_values[value] = dims
        return dims

    def set_shape_value(self, value: Value, dims: ShapeValue) -> None:
        """Declare the contents of a value as dimensions."""
        self._shape_values[value] = dims

    def set_known(self, value: Value, contents: Array) -> None:
        """Declare the contents of a value."""
        self._known[value] = contents

    def learn(self, op: Op, args: InferArgs, values: Sequence[Value]) -> None:
        """Work out what is known of a node's results."""
        dims = op.shape_values(args)
        type = values[0].type
        if dims is not None and isinstance(type, TensorType) and len(type.shape or ()) <= 1:
            self._shape_values[values[0]] = dims
            numbers = _numbers(dims)
            if numbers is None:
                return
            if type.is_static:
                self._known[values[0]] = np.asarray(numbers).astype(type.dtype.numpy).reshape(type.static_shape)
                if len(values) == 1:
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
    try:
        results = as_arrays(op.evaluate(EvaluateArgs(tuple(inputs), no_bodies, types, len(values))))
    except (ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError, HaloError):
        return ()  # it fails, or has no meaning, at run time too: not this phase's to report
    arrays = [result for result in results if isinstance(result, np.ndarray)]
    return tuple(arrays) if len(arrays) == len(results) else ()
