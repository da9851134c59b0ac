"""One computation of a library: built from a graph's calls, bound, run; or the same calls made eagerly at each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from halo_backends.native.calls import GraphCalls, NodeCalls, Slots, type_of
from halo_backends.native.library import CallFailedError, Library
from halo_backends.native.memory import Buffers, Constants
from halo_backends.native.process import Failure, failure_of
from halo_backends.native.wire import CallStep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_backends.native.wire import Argument
    from halo_py.ir.graph import Node, Value

    Array = NDArray[Any]

_INFERENCE = 1


class NodeRefusedError(Exception):
    """The library refuses some nodes; `reasons` says why."""

    def __init__(self, reasons: dict[Node, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


class Runnable(Protocol):
    """What both kinds of computations offer."""

    def build(self) -> None:
        """Make it. Raises NodeRefusedError, CallFailedError, LibraryDiedError."""
        ...

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """One run. Raises NodeRefusedError, CallFailedError, LibraryDiedError."""
        ...

    def destroy(self) -> None:
        """Let the library forget it. Raises LibraryDiedError."""
        ...


def computation(library: Library, calls: GraphCalls) -> Runnable:
    """A computation in the way the library wants it."""
    return EagerComputation(library, calls) if library.ways.eager else GraphComputation(library, calls)


class _Shared:
    """Constants and buffers of a graph in memory that the library's process sees, and its values' handles."""

    def __init__(self, library: Library, calls: GraphCalls) -> None:
        self.library = library
        self.calls = calls
        self.slots = Slots(library.slot)
        self.buffers = Buffers(calls.graph.inputs, calls.graph.outputs)
        self._constants = Constants(calls.constants)
        self._arenas: list[int] = []

    def share(self) -> None:
        """Let the library's process see the memory."""
        process = self.library.process
        self._arenas = [
            process.share(self.buffers.memory, private=False),
            process.share(self._constants.memory, private=True),
        ]

    def unshare(self) -> None:
        """Let go of the memory."""
        for arena in self._arenas:
            self.library.process.unshare(arena)
        self._arenas = []

    def buffer(self, value: Value) -> Argument:
        """The address of an input's or output's buffer."""
        return {"mem": [self._arenas[0], self.buffers.offsets[value]]}

    def contents(self, value: Value) -> Argument:
        """The address of a constant's contents."""
        return {"mem": [self._arenas[1], self._constants.offsets[value]]}

    def handle(self, value: Value) -> Argument:
        """The value's handle."""
        return {"v": self.slots.of(value)}

    def constant(self, value: Value) -> CallStep:
        """The creation of a constant."""
        arguments = (type_of(value), self.contents(value), self.slots.id(value))
        return CallStep("odla_CreateConstant", arguments, (self.slots.of(value),))

    def steps(self, node: NodeCalls, label: str) -> list[CallStep]:
        """The calls of a node."""
        return [self.slots.step(call, label) for call in node.calls]

    def checked(self, function: str) -> list[Array]:
        """The results that a run wrote. Raises CallFailedError if it wrote too much or nothing."""
        complaint = self.buffers.complaint()
        if complaint is not None:
            raise CallFailedError(Failure(0, function, "", f"{function} succeeded, but {complaint}"))
        return self.buffers.results()


class GraphComputation:
    """odla_CreateComputation ... odla_ExecuteComputation. Labels of calls are the numbers of their nodes."""

    def __init__(self, library: Library, calls: GraphCalls) -> None:
        self._shared = _Shared(library, calls)
        self._library = library
        self._calls = calls
        self._handle = library.slot()
        self._context: int | None = None
        self._executable: int | None = None

    def build(self) -> None:
        self._shared.share()
        create = CallStep("odla_CreateComputation", ({"out": self._handle},))
        device = self._library.device()
        self._library.need([create])
        refused = self._add_nodes()
        if refused:
            self.destroy()
            raise NodeRefusedError(refused)
        for value in self._calls.graph.outputs:
            self._mark(value)
        self._finish(device)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        self._shared.buffers.fill(inputs)
        steps = [*self._activation(), *self._bindings()]
        execution = self._execution()
        self._library.need([*steps, execution, *self._fetches()])
        return self._shared.checked(execution.function)

    def destroy(self) -> None:
        last = {
            "odla_DestroyContext": self._context,
            "odla_DestroyExecutable": self._executable,
            "odla_DestroyComputation": self._handle,
        }
        steps = [
            CallStep(function, ({"v": slot},), may_fail=True)
            for function, slot in last.items()
            if slot is not None and self._library.has(function)
        ]
        self._library.call(*steps)
        self._shared.unshare()

    def _add_nodes(self) -> dict[Node, str]:
        """Arguments, constants and operators. What is refused is replaced by arguments, so that all refusals show."""
        lacking = self._make_leaves()
        pending = list(enumerate(self._calls.nodes))
        refused: dict[Node, str] = {}
        while pending:
            ready: list[tuple[int, NodeCalls]] = []
            for number, node in pending:
                reasons = [lacking[value] for value in node.operands() if value in lacking]
                if reasons:
                    refused[node.node] = reasons[0]
                    lacking |= self._stand_in(node)
                else:
                    ready.append((number, node))
            failure = self._library.call(
                *(step for number, node in ready for step in self._shared.steps(node, str(number)))
            ).failure
            if failure is None:
                break
            culprit = self._calls.nodes[int(failure.label)]
            refused[culprit.node] = failure.reason
            if culprit.nests:
                break
            lacking |= self._stand_in(culprit)
            pending = [(number, node) for number, node in ready if number > int(failure.label)]
        return refused

    def _make_leaves(self) -> dict[Value, str]:
        arguments = [(value, self._argument(value)) for value in self._calls.graph.inputs]
        constants = [(value, self._shared.constant(value)) for value in self._calls.constants]
        return self._tried([*arguments, *constants])

    def _stand_in(self, node: NodeCalls) -> dict[Value, str]:
        """Arguments in place of a refused node's results."""
        return self._tried([(value, self._argument(value)) for value in node.node.outputs])

    def _argument(self, value: Value) -> CallStep:
        shared = self._shared
        arguments = (type_of(value), shared.slots.id(value))
        return CallStep("odla_CreateArgument", arguments, (shared.slots.of(value),), may_fail=True)

    def _tried(self, steps: Sequence[tuple[Value, CallStep]]) -> dict[Value, str]:
        """Make values that may be refused; answers those that were, with the reason."""
        tolerant = [CallStep(step.function, step.arguments, step.slots, may_fail=True) for _value, step in steps]
        answers = self._library.call(*tolerant).answers
        return {
            value: f"{failure_of(0, step, answer).reason} for {value.type}"
            for (value, step), answer in zip(steps, answers, strict=True)
            if "failed" in answer
        }

    def _mark(self, value: Value) -> None:
        """Make a value an output by the first function that does it."""
        shared = self._shared
        handle = shared.handle(value)
        ways = {
            "odla_SetValueAsOutput": handle,
            "odla_SetValuesAsOutput": {"vs": [shared.slots.of(value)]},
            "odla_SetValueAsOutputById": shared.slots.id(value),
        }
        failure = None
        for function, argument in ways.items():
            if self._library.has(function):
                failure = self._library.call(CallStep(function, (argument,))).failure
                if failure is None:
                    return
        raise CallFailedError(failure or Failure(0, "", "", "the library has no odla_SetValueAsOutput"))

    def _finish(self, device: Argument) -> None:
        if self._library.ways.launch:
            self._executable = self._library.slot()
            arguments = ({"v": self._handle}, device, {"out": self._executable})
            self._library.need([CallStep("odla_CompileComputation", arguments)])
        if self._library.has("odla_CreateContext"):
            self._context = self._library.slot()
            self._library.need([CallStep("odla_CreateContext", ({"out": self._context},))])

    def _activation(self) -> list[CallStep]:
        if not self._library.has("odla_SetActiveComputation"):
            return []
        return [CallStep("odla_SetActiveComputation", ({"v": self._handle},), may_fail=True)]

    def _bindings(self) -> list[CallStep]:
        shared = self._shared
        bound = [("odla_BindToArgument", value) for value in shared.buffers.inputs]
        if not self._library.ways.fetch:
            bound += [("odla_BindToOutput", value) for value in shared.buffers.outputs]
        return [self._binding(function, value) for function, value in bound]

    def _binding(self, function: str, value: Value) -> CallStep:
        shared, by_id = self._shared, self._library.ways.by_id and value not in self._shared.slots.without_id
        which = shared.slots.id(value) if by_id else shared.handle(value)
        return CallStep(function + "ById" * by_id, (which, shared.buffer(value), self._context_argument()))

    def _context_argument(self) -> Argument:
        return None if self._context is None else {"v": self._context}

    def _execution(self) -> CallStep:
        context = self._context_argument()
        if self._executable is not None:
            return CallStep("odla_LaunchExecutable", ({"v": self._executable}, context))
        arguments = ({"v": self._handle}, context, _INFERENCE, self._library.device())
        return CallStep("odla_ExecuteComputation", arguments)

    def _fetches(self) -> list[CallStep]:
        if not self._library.ways.fetch:
            return []
        shared, context = self._shared, self._context_argument()
        return [
            CallStep("odla_GetValueData", (shared.handle(value), shared.buffer(value), context))
            for value in shared.buffers.outputs
        ]


class EagerComputation:
    """odla_CreateValue, operators that run at once, odla_GetValueData."""

    def __init__(self, library: Library, calls: GraphCalls) -> None:
        self._shared = _Shared(library, calls)
        self._library = library
        self._calls = calls

    def build(self) -> None:
        self._shared.share()
        steps = [step for value in self._calls.constants for step in self._made(value, self._shared.contents(value))]
        self._library.need(steps)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        shared = self._shared
        shared.buffers.fill(inputs)
        made = [step for value in shared.buffers.inputs for step in self._made(value, shared.buffer(value))]
        nodes = [step for number, node in enumerate(self._calls.nodes) for step in shared.steps(node, str(number))]
        fetched = [self._fetch(value) for value in shared.buffers.outputs]
        failure = self._library.call(*made, *nodes, *fetched).failure
        if failure is not None and failure.label:
            raise NodeRefusedError({self._calls.nodes[int(failure.label)].node: failure.reason})
        if failure is not None:
            raise CallFailedError(failure)
        self._release()
        return shared.checked(self._reader)

    def destroy(self) -> None:
        self._shared.unshare()

    @property
    def _reader(self) -> str:
        return "odla_GetValueData" if self._library.has("odla_GetValueData") else "odla_GetValueDataById"

    def _fetch(self, value: Value) -> CallStep:
        shared = self._shared
        if self._reader == "odla_GetValueData":
            return CallStep(self._reader, (shared.handle(value), shared.buffer(value), None))
        return CallStep(self._reader, (shared.slots.id(value), shared.buffer(value)))

    def _made(self, value: Value, data: Argument) -> list[CallStep]:
        """A value with contents: by odla_CreateConstant if the library lacks odla_SetValueData."""
        shared = self._shared
        slot = shared.slots.of(value)
        if not self._library.has("odla_CreateValue", "odla_SetValueData"):
            return [CallStep("odla_CreateConstant", (type_of(value), data, shared.slots.id(value)), (slot,))]
        return [
            CallStep("odla_CreateValue", (type_of(value), shared.slots.id(value)), (slot,)),
            CallStep("odla_SetValueData", ({"v": slot}, data)),
        ]

    def _release(self) -> None:
        """Let the library forget this run's values. After a failure they stay: which exist is not known."""
        if not self._library.has("odla_ReleaseValue"):
            return
        made = [value for node in self._calls.nodes for call in node.calls for value in call.results]
        self._library.call(
            *(
                CallStep("odla_ReleaseValue", (self._shared.handle(value),), may_fail=True)
                for value in (*self._shared.buffers.inputs, *made)
            )
        )
