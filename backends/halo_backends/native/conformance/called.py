"""The cases of operator functions as trials: each function called directly, with arguments of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import GraphCalls, NodeCalls
from halo_backends.native.conformance import cases_math, cases_nn, cases_process
from halo_backends.native.conformance.case import FUNCTIONS, GARBAGE, NULL, Case, E, Many, Numbers, Shape, Type, V
from halo_backends.native.conformance.trial import Trial
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ops.reshaping import Identity
from halo_py.types import DType, TensorType
from odla.calls.emit import ELEMENTS
from odla.calls.model import Argument, Call, Dims, Name, Signed, Text, Unsigned, ValueType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_BASE_TOLERANCE = 1e-5
"""What the tolerance of a case counts in."""


class _NotHereError(Exception):
    """A case that cannot be made from outside: strings, and arguments after the named ones."""


def function_trials() -> Iterator[Trial]:
    """All cases, function by function."""
    found = [*cases_math.cases(), *cases_process.cases(), *cases_nn.cases()]
    for number, case in enumerate(found):
        try:
            yield _Writer(case).trial(f"{case.function}-{number}")
        except _NotHereError:
            continue


class _Writer:
    """One case as a graph of one node, whose op means nothing: only its values and the call matter."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.constants: dict[Value, Array] = {}
        self.inputs: dict[Value, Array] = {}

    def trial(self, name: str) -> Trial:
        """The trial. Raises _NotHereError."""
        case, function = self.case, FUNCTIONS[self.case.function]
        if function.variadic:
            raise _NotHereError
        arguments = tuple(
            self._argument(argument, parameter.type)
            for argument, parameter in zip(case.arguments, function.parameters, strict=False)
        )
        results = tuple(self._value(array, f"result{number}") for number, array in enumerate(case.expected))
        call = Call(case.function, arguments, results)
        node = Node(Identity(), tuple(self.inputs), results, name)
        graph = Graph(name, tuple(self.inputs), results, (node,), self.constants, (), tuple(v.name for v in results))
        calls = GraphCalls(graph, (NodeCalls(node, (call,)),), self.constants)
        inputs = tuple(self.inputs.values())
        return Trial(case.function, name, calls, inputs, case.expected, max(1.0, case.tolerance / _BASE_TOLERANCE / 10))

    def _argument(self, argument: Any, type: str) -> Argument:
        match argument:
            case V():
                return self._operand(argument)
            case Many(operands):
                return tuple(self._operand(operand) for operand in operands)
            case E() if argument == NULL:
                return None
            case E() if argument == GARBAGE:  # here a hint, for libraries that need it
                return Dims(self.case.expected[0].shape)
            case E(text):
                return Name(text)
            case Numbers(entries):
                return Unsigned(entries) if "uint32" in type else self._signed(entries, type)
            case Shape(dims):
                return Dims(dims)
            case Type(element, dims):
                return ValueType(Name(f"ODLA_{element.name}"), Dims(dims))
            case str():
                return Text(argument)
            case _:
                return argument

    def _signed(self, entries: tuple[int, ...], type: str) -> Signed:
        if "int32" not in type:
            raise _NotHereError
        return Signed(entries)

    def _operand(self, operand: V) -> Value:
        kept = self.constants if operand.constant else self.inputs
        value = self._value(operand.array, f"operand{len(self.constants) + len(self.inputs)}")
        kept[value] = operand.array
        return value

    def _value(self, array: Array, name: str) -> Value:
        if array.dtype.kind in "OU" or DType.from_numpy(np.asarray(array).dtype) not in ELEMENTS:
            raise _NotHereError
        return Value(name, TensorType(DType.from_numpy(array.dtype), array.shape))
