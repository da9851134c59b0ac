"""How operator functions are written: `@operator(name)` hands the function an `Emit` and its operands as graph values.

The function appends ops and answers its result; ids, scopes, eager mode and handles are this module's business.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from halo_py.errors import UsageError
from halo_py.ir.graph import Value as Node
from halo_py.ops.conversion import Cast
from halo_py.ops.movement import Transpose
from halo_py.ops.reshaping import Reshape, Unsqueeze
from halo_py.types import DType, TensorType
from odla.api.table import functions
from odla.c import eager, state
from odla.c.dispatch import IMPLEMENTED, Implementation, may_be_null
from odla.c.scope import Scope
from odla.c.values import Role, Value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.op import Op
    from halo_py.types import Shape
    from odla.c.element_types import ElementType

    Array = NDArray[Any]

RESULTS = {function.name: function.result for function in functions()}
"""C name -> result type."""

AnyOperator = TypeVar("AnyOperator", bound=Callable[..., Any])
Dims = tuple[int, ...]
"""A decoded `odla_value_shape`; -1 where a dimension is not known."""


class Emit:
    """Appends ops to a scope on behalf of one call."""

    def __init__(self, scope: Scope, name: str) -> None:
        self.scope = scope
        self.name = name
        self.element: ElementType | None = None
        """The element type of the result where the IR's type does not tell it (quantised types)."""

    def add(self, op: Op, *operands: Node | None) -> Node:
        """The first result of an op."""
        return self.scope.builder.add(op, operands, name=self.name)[0]

    def add_all(self, op: Op, *operands: Node | None, outputs: int) -> tuple[Node, ...]:
        """The results of an op."""
        return self.scope.builder.add(op, operands, outputs=outputs, name=self.name)

    def constant(self, contents: Any, dtype: DType | None = None) -> Node:
        """A constant."""
        array = np.asarray(contents) if dtype is None else np.asarray(contents, dtype.numpy)
        return self.scope.builder.constant(array, f"{self.name}_constant", dtype)

    def ints(self, numbers: Sequence[int]) -> Node:
        """A rank-1 int64 constant."""
        return self.scope.builder.ints(numbers, f"{self.name}_ints")

    def like(self, number: float, node: Node) -> Node:
        """A scalar of the type of another value."""
        return self.constant(number, dtype_of(node))

    def known(self, node: Node, what: str) -> Array:
        """Contents that must be known while the graph is built. Raises UsageError if they are not."""
        found = self.scope.known(node)
        if found is None:
            raise UsageError(f"{what} must be a constant")
        return found

    def cast(self, node: Node, dtype: DType) -> Node:
        """The value in another element type."""
        return node if dtype_of(node) is dtype else self.add(Cast(to=dtype), node)

    def transpose(self, node: Node, permutation: Sequence[int]) -> Node:
        """The value with permuted dimensions."""
        if list(permutation) == list(range(len(permutation))):
            return node
        return self.add(Transpose(perm=tuple(permutation)), node)

    def reshape(self, node: Node, dims: Sequence[int]) -> Node:
        """The elements in another shape; -1 stands for what is left, 0 for the same dimension."""
        return self.add(Reshape(), node, self.ints(dims))

    def unsqueeze(self, node: Node, axes: Sequence[int]) -> Node:
        """The value with dimensions of size 1 put in."""
        return self.add(Unsqueeze(), node, self.ints(axes)) if axes else node


def type_of(node: Node) -> TensorType:
    """A value's type; every value here is a tensor."""
    return cast("TensorType", node.type)


def dtype_of(node: Node) -> DType:
    """A value's element type."""
    return type_of(node).dtype


def shape_of(node: Node) -> Shape:
    """A value's dimensions. Raises UsageError if its rank is not known."""
    found = type_of(node).shape
    if found is None:
        raise UsageError(f"the rank of {node.name!r} is not known")
    return found


def rank_of(node: Node) -> int:
    """How many dimensions. Raises UsageError if it is not known."""
    return len(shape_of(node))


def size_of(node: Node, axis: int, what: str) -> int:
    """One dimension as a number. Raises UsageError if it is not known."""
    dim = shape_of(node)[axis]
    if not isinstance(dim, int):
        raise UsageError(f"{what} is not known: it is {dim}")
    return dim


def checked_axis(axis: int, rank: int, name: str = "axis") -> int:
    """An axis counted from the front. C programs pass -1 as an unsigned number too. Raises UsageError."""
    if axis >= 1 << 31:
        axis -= 1 << 32
    if not -rank <= axis < rank:
        raise UsageError(f"{name} is {axis}, the value has {rank} dimensions")
    return axis % rank


def operator(name: str) -> Callable[[AnyOperator], AnyOperator]:
    """Implement an operator function. The C function's last parameter, its id or ids, is left out."""

    def register(function: AnyOperator) -> AnyOperator:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        several = RESULTS[name] == "odla_values"
        optional = tuple(may_be_null(parameter) for parameter in parameters)

        def call(*arguments: Any) -> Any:
            *operands, ids = arguments
            if isinstance(ids, tuple):
                return run_operator(name, function, operands, cast("tuple[str | None, ...]", ids))
            made = run_operator(name, function, operands, (ids,))
            return made if several else made[0]

        assert name not in IMPLEMENTED, f"{name} is implemented twice"
        IMPLEMENTED[name] = Implementation(call, (*optional, False))
        return function

    return register


def run_operator(
    name: str, function: Callable[..., Any], operands: Sequence[Any], ids: tuple[str | None, ...]
) -> tuple[Value, ...]:
    """Append what an operator function emits to the innermost open scope, or run it at once in eager mode."""
    around = state.scope()
    scope = Scope("eager") if around is None else around
    label = next((id for id in ids if id), None) if around is not None else None
    emit = Emit(scope, label or name.removeprefix("odla_").lower())
    answer: Node | tuple[Node, ...] = function(emit, *(_local(scope, operand) for operand in operands))
    nodes = answer if isinstance(answer, tuple) else (answer,)
    made = _eager(scope, nodes, ids) if around is None else _recorded(scope, nodes, ids)
    if emit.element is not None:
        made[0].element = emit.element
    return made


def _local(scope: Scope, operand: object) -> object:
    if isinstance(operand, Value):
        return scope.local(operand)
    if isinstance(operand, tuple) and operand and isinstance(operand[0], Value):
        return tuple(scope.local(value) for value in cast("tuple[Value, ...]", operand))
    return cast("object", operand)


def _recorded(scope: Scope, nodes: tuple[Node, ...], ids: tuple[str | None, ...]) -> tuple[Value, ...]:
    made = tuple(scope.value(node, id) for node, id in zip(nodes, _padded(ids, len(nodes)), strict=True))
    if scope.computation is not None:
        scope.computation.changed()
        for value in made:
            scope.computation.remember(value)
    return made


def _eager(scope: Scope, nodes: tuple[Node, ...], ids: tuple[str | None, ...]) -> tuple[Value, ...]:
    arrays = eager.run(scope, nodes)
    made: list[Value] = []
    for node, array, id in zip(nodes, arrays, _padded(ids, len(nodes)), strict=True):
        type = TensorType(dtype_of(node), array.shape)
        made.append(eager.remember(Value(type, id, Role.EAGER, array=array)))
    return tuple(made)


def _padded(ids: tuple[str | None, ...], count: int) -> list[str | None]:
    return [ids[number] if number < len(ids) else None for number in range(count)]
