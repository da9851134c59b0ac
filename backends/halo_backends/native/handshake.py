"""Finds out how a library wants to be driven: a tiny graph runs in each way its functions allow until one works."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_backends.native.calls import GraphCalls, calls_of
from halo_backends.native.computation import NodeRefusedError, computation
from halo_backends.native.failures import library_error
from halo_backends.native.library import CallFailedError, Library, Settings, Ways
from halo_backends.native.process import LibraryDiedError
from halo_py.errors import DeviceError, Where
from halo_py.evaluate import evaluate_graph
from halo_py.types import DType, TensorType
from odla.computation import Computation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_WITH_CONSTANT = ("add", "mul", "sub", "max", "min", "div", "gemm", "matmul")
_ALONE = (
    "relu",
    "abs",
    "neg",
    "sigmoid",
    "tanh",
    "exp",
    "sqrt",
    "softmax",
    "reciprocal",
    "floor",
    "transpose",
    "identity",
)
_TRIED_OPERATORS = 3
_INPUT = np.array([[0.5, 1.25, 2.0], [3.5, 0.75, 1.0], [2.5, 1.5, 4.0]], np.float32)

_known: dict[tuple[str, int, int, frozenset[str]], Ways] = {}


def connect(path: Path, settings: Settings) -> Library:
    """The library in a process of its own, with ways that work. Raises DeviceError."""
    try:
        file = path.stat()
        key = (str(path), file.st_mtime_ns, file.st_size, settings.exclude)
        if key in _known:
            return Library.open(str(path), settings, _known[key])
        library = _shake(Library.open(str(path), settings, Ways()))
    except OSError as error:
        raise DeviceError(f"cannot be loaded: {error}", Where(str(path))) from error
    except LibraryDiedError as error:
        raise library_error(str(path), error) from error
    _known[key] = library.ways
    return library


def possible_ways(exported: frozenset[str]) -> Iterator[Ways]:
    """The ways that these functions allow, the usual ones first."""

    def has(*functions: str) -> bool:
        return exported.issuperset(functions)

    marks = ("odla_SetValueAsOutput", "odla_SetValuesAsOutput", "odla_SetValueAsOutputById")
    graph = has("odla_CreateComputation", "odla_CreateArgument") and any(has(name) for name in marks)
    launches = [False] * has("odla_ExecuteComputation")
    launches += [True] * has("odla_CompileComputation", "odla_LaunchExecutable")
    bindings = [(True, "ById"), (False, "")]
    for device in (False, *([True] * has("odla_AllocateDevice"))):
        for launch in launches if graph else ():
            for fetch in (False, True):
                for by_id, suffix in bindings:
                    read = "odla_GetValueData" if fetch else f"odla_BindToOutput{suffix}"
                    if has(f"odla_BindToArgument{suffix}", read):
                        yield Ways(by_id=by_id, fetch=fetch, device=device, launch=launch)
    makes = has("odla_CreateConstant") or has("odla_CreateValue", "odla_SetValueData")
    if makes and (has("odla_GetValueData") or has("odla_GetValueDataById")):
        yield Ways(eager=True, several=True)


def _shake(library: Library) -> Library:
    """The library with ways that give the right values; if none does, with the first in which a run succeeds."""
    ways = list(possible_ways(library.exported))
    if not ways:
        raise _no_ways(library)
    trials = [trial for trial in _trials() if _is_exported(trial, library)][:_TRIED_OPERATORS]
    ran: Ways | None = None
    reasons: list[str] = []
    for way in ways:
        for trial in trials:
            library = _living(library, way)
            outcome = _attempt(library, trial)
            if outcome is None:
                return _with_several(library, trial)
            reasons.append(f"{way}: {outcome}")
            ran = ran or (way if outcome.startswith(_WRONG) else None)
    if trials and ran is None:
        listed = "\n".join(f"  {reason}" for reason in dict.fromkeys(reasons))
        library.process.close()
        raise DeviceError(f"it cannot be driven; tried were\n{listed}", Where(library.path))
    return _living(library, ran or ways[0])


def _no_ways(library: Library) -> DeviceError:
    library.process.close()
    needed = "odla_CreateComputation, odla_CreateArgument, odla_SetValueAsOutput, odla_BindToArgument(ById), "
    needed += "odla_BindToOutput(ById), odla_ExecuteComputation"
    found = f"{len(library.exported)} functions of ODLA" if library.exported else "no function of ODLA"
    message = f"exports {found}, too few to run a computation"
    return DeviceError(message, Where(library.path), f"needed are {needed}, or those of eager mode")


def _living(library: Library, ways: Ways) -> Library:
    """The library with other ways, in a new process if its own has ended."""
    if not library.process.alive:
        return Library.open(library.path, library.settings, ways)
    library.ways = ways
    return library


_WRONG = "wrong values"


def _attempt(library: Library, calls: GraphCalls) -> str | None:
    """Run a trial; answers what went wrong. A call that never returns is not tried in other ways."""
    made = computation(library, calls)
    try:
        made.build()
        found = made.run([_INPUT])
    except LibraryDiedError as error:
        if "return within" in error.how:
            raise
        return str(error)
    except (CallFailedError, NodeRefusedError) as error:
        library.process.close()
        return str(error)
    with contextlib.suppress(LibraryDiedError):  # that ends the process; what it computed before is as good
        made.destroy()
    return None if _is_right(calls, found[0], _INPUT) else f"{_WRONG} of {calls.nodes[0].functions[0]}"


def _is_right(calls: GraphCalls, found: Array, given: Array) -> bool:
    expected: Any = evaluate_graph(calls.graph, [given])[0]
    return np.allclose(found, expected, rtol=1e-2, atol=1e-2)


def _with_several(library: Library, calls: GraphCalls) -> Library:
    """The library, and whether two computations can live in its process."""
    if library.ways.several:
        return library
    ways = library.ways
    first, second = computation(library, calls), computation(library, calls)
    inputs = (_INPUT, _INPUT[::-1] + 1)
    try:
        first.build()
        second.build()
        turns = [(each, given) for given in inputs for each in (first, second)]
        several = all(_is_right(calls, each.run([given])[0], given) for each, given in turns)
        first.destroy()
        again = _is_right(calls, second.run([_INPUT])[0], _INPUT)
        second.destroy()
    except (LibraryDiedError, CallFailedError, NodeRefusedError):
        several = again = False
        library.process.close()
    return _living(library, replace(ways, several=several and again))


def _is_exported(calls: GraphCalls, library: Library) -> bool:
    return all(library.has(*node.functions) for node in calls.nodes) and (
        not calls.constants or library.has("odla_CreateConstant") or library.has("odla_CreateValue")
    )


@functools.cache
def _trials() -> tuple[GraphCalls, ...]:
    """Tiny graphs, one operator each; those with a constant first."""
    return tuple(calls_of(_trial(op)) for op in (*_WITH_CONSTANT, *_ALONE))


def _trial(op: str) -> Any:
    made = Computation("trial")
    x = made.argument("x", TensorType(DType.FLOAT32, _INPUT.shape))
    operands = [x, made.constant(_INPUT.T * 2, "c")] if op in _WITH_CONSTANT else [x]
    made.output(made.add(op, *operands, name="y"), "y")
    return made.graph()
