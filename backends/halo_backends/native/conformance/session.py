"""What checks of functions that are no operators write calls with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import enumerators
from halo_backends.native.process import SharedMemory, failure_of
from halo_backends.native.wire import CallStep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_backends.native.library import Library
    from halo_backends.native.wire import Argument

    Floats = NDArray[np.float32]

SHAPE = (2, 3)
X = np.array([[0.5, -1.0, 2.0], [3.5, -0.25, 1.0]], np.float32)
C = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]], np.float32)
_BYTES = 4096
_PLACES = {"x": 0, "c": 512, "y": 1024, "z": 2048}
_UNTOUCHED = -777.0


class StoppedError(Exception):
    """A check that cannot go on: `function` is missing, was refused, or answered what it must not."""

    def __init__(self, function: str, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.function = function
        self.reason = reason
        self.kind = kind
        """'missing', 'refused' or 'wrong'."""


@dataclass(frozen=True, slots=True)
class Small:
    """A computation of one operator: slots of its handles."""

    computation: int
    x: int
    y: int
    expected: Floats


_BINARY: dict[str, Callable[[Floats], Floats]] = {
    "odla_Add": lambda x: x + C,
    "odla_Mul": lambda x: x * C,
    "odla_Sub": lambda x: x - C,
}
_UNARY: dict[str, Callable[[Floats], Floats]] = {
    "odla_Relu": lambda x: np.maximum(x, 0),
    "odla_Neg": lambda x: -x,
    "odla_Abs": np.abs,
}


class Session:
    """Calls that must succeed, and memory named x, c, y and z of six floats each."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.done: dict[str, int] = {}
        """Functions that did what was asked, and how often."""
        self._memory = SharedMemory(_BYTES)
        self._arena = library.process.share(self._memory, private=False)
        library.device()
        self.put("x", X)
        self.put("c", C)

    # -- calls ------------------------------------------------------------------------------------------------------

    def slot(self) -> int:
        """A slot for a handle."""
        return self.library.slot()

    def has(self, function: str) -> bool:
        """Whether the library exports a function."""
        return self.library.has(function)

    def call(self, function: str, *arguments: Argument, slots: Sequence[int] = ()) -> dict[str, Any]:
        """A call that must succeed. Raises StoppedError, LibraryDiedError."""
        answer = self.ask(function, *arguments, slots=slots)
        if "failed" in answer:
            step = CallStep(function, arguments, tuple(slots))
            raise StoppedError(function, failure_of(0, step, answer).reason, "refused")
        self.done[function] = self.done.get(function, 0) + 1
        return answer

    def ask(self, function: str, *arguments: Argument, slots: Sequence[int] = ()) -> dict[str, Any]:
        """A call that may fail; its answer. Raises StoppedError if there is no such function, LibraryDiedError."""
        if not self.library.has(function):
            raise StoppedError(function, f"the library has no {function}", "missing")
        step = CallStep(function, arguments, tuple(slots), may_fail=True)
        return self.library.call(step).answers[0]

    def made(self, function: str, *arguments: Argument) -> int:
        """A call that answers one value; its slot."""
        slot = self.slot()
        self.call(function, *arguments, slots=(slot,))
        return slot

    def opened(self, function: str, *arguments: Argument) -> int:
        """A call whose last parameter is where a handle goes; its slot."""
        slot = self.slot()
        answer = self.call(function, *arguments, {"out": slot})
        self.expect(function, bool(answer["outs"][-1]), "succeeded, but the handle is NULL")
        return slot

    def got(self, function: str, *arguments: Argument, type: str = "odla_uint32") -> Any:
        """A call whose last parameter is where a C value goes; the value."""
        return self.call(function, *arguments, {"get": type})["outs"][-1]

    def expect(self, function: str, holds: bool, complaint: str) -> None:
        """A fact about what a function did. Raises StoppedError."""
        if not holds:
            self.done.pop(function, None)
            raise StoppedError(function, f"{function} {complaint}", "wrong")

    def refused(self, function: str, *arguments: Argument, why: str) -> None:
        """A call that must answer an error. Raises StoppedError."""
        self.expect(function, "failed" in self.ask(function, *arguments), f"succeeded with {why}")

    # -- memory -----------------------------------------------------------------------------------------------------

    def at(self, name: str) -> Argument:
        """The address of memory."""
        return {"mem": [self._arena, _PLACES[name]]}

    def put(self, name: str, contents: Floats) -> None:
        """Fill memory."""
        self._view(name)[...] = contents

    def put_integer(self, name: str, contents: int) -> None:
        """Fill the first eight bytes of memory."""
        buffer: Any = self._memory.memory
        np.ndarray((), np.int64, buffer, _PLACES[name])[...] = contents

    def clear(self, name: str) -> None:
        """Fill memory with a number that nothing computes."""
        self._view(name)[...] = _UNTOUCHED

    def holds(self, name: str, contents: Floats) -> bool:
        """Whether memory holds these numbers."""
        return bool(np.allclose(self._view(name), contents, rtol=1e-2, atol=1e-2))

    def _view(self, name: str) -> Floats:
        buffer: Any = self._memory.memory
        return np.ndarray(SHAPE, np.float32, buffer, _PLACES[name])

    # -- small things that many checks need ---------------------------------------------------------------------------

    def type(self) -> Argument:
        """The type of all values here."""
        return {"type": [number("ODLA_FLOAT32"), list(SHAPE)]}

    def small(self, *, mark: bool = True) -> Small:
        """A computation of x, whose ids are x, c and y; `mark`: y is its output."""
        computation = self.opened("odla_CreateComputation")
        x = self.made("odla_CreateArgument", self.type(), {"text": "x"})
        y, expected = self.applied(x)
        if mark:
            self.call("odla_SetValueAsOutput", {"v": y})
        return Small(computation, x, y, expected)

    def applied(self, x: int) -> tuple[int, Floats]:
        """The result of some operator on x, and what it must be."""
        for function, meaning in _BINARY.items():
            if self.has(function) and self.has("odla_CreateConstant"):
                c = self.made("odla_CreateConstant", self.type(), self.at("c"), {"text": "c"})
                return self.made(function, {"v": x}, {"v": c}, {"text": "y"}), meaning(X)
        for function, meaning in _UNARY.items():
            if self.has(function):
                return self.made(function, {"v": x}, {"text": "y"}), meaning(X)
        raise StoppedError("odla_Add", "the library has none of the operators that this check can use", "missing")

    def destroy(self, small: Small, context: int | None = None) -> None:
        """End a computation and its context."""
        if context is not None and self.has("odla_DestroyContext"):
            self.call("odla_DestroyContext", {"v": context})
        if self.has("odla_DestroyComputation"):
            self.call("odla_DestroyComputation", {"v": small.computation})

    def bind(self, small: Small, context: int) -> None:
        """Bind x and y by the functions there are."""
        self.clear("y")
        for role, name, slot in (("Argument", "x", small.x), ("Output", "y", small.y)):
            if self.library.ways.by_id and self.has(f"odla_BindTo{role}ById"):
                self.call(f"odla_BindTo{role}ById", {"text": name}, self.at(name), {"v": context})
            else:
                self.call(f"odla_BindTo{role}", {"v": slot}, self.at(name), {"v": context})

    def execute(self, small: Small, context: int) -> None:
        """A run. Raises StoppedError if y does not become what it must be."""
        self.call("odla_ExecuteComputation", {"v": small.computation}, {"v": context}, 1, self.library.device())

    def expect_result(self, function: str, small: Small, name: str = "y") -> None:
        """Memory must hold the computation's result."""
        self.expect(function, self.holds(name, small.expected), "did not give the right values")


def number(enumerator: str) -> int:
    """An enumerator's number."""
    return enumerators()[enumerator]
