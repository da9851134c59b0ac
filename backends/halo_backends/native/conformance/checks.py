"""Checks of functions that are no operators: computations, values, contexts, runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from halo_backends.native.conformance.session import C, Session, X, number


@dataclass(frozen=True, slots=True)
class Check:
    """What is checked, the functions it is about, and how."""

    title: str
    functions: tuple[str, ...]
    run: Callable[[Session], None]
    eager: bool
    """Whether it needs that there is no computation."""


CHECKS: list[Check] = []


def check(*functions: str, eager: bool = False) -> Callable[[Callable[[Session], None]], Callable[[Session], None]]:
    """Declare a check of these functions; its docstring is its title."""

    def declare(run: Callable[[Session], None]) -> Callable[[Session], None]:
        title = (run.__doc__ or "").rstrip(".")
        CHECKS.append(Check(title, tuple(f"odla_{name}" for name in functions), run, eager))
        return run

    return declare


@check("CreateComputation", "CreateArgument", "CreateConstant", "SetValueAsOutput", "DestroyComputation")
def building(s: Session) -> None:
    """A computation is built and destroyed."""
    s.destroy(s.small())


@check("CreateContext", "BindToArgument", "BindToOutput", "ExecuteComputation", "DestroyContext")
def bound_by_value(s: Session) -> None:
    """Buffers are bound by value and filled by a run."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.clear("y")
    s.call("odla_BindToArgument", {"v": small.x}, s.at("x"), {"v": context})
    s.call("odla_BindToOutput", {"v": small.y}, s.at("y"), {"v": context})
    s.execute(small, context)
    s.expect_result("odla_ExecuteComputation", small)
    s.destroy(small, context)


@check("BindToArgumentById", "BindToOutputById")
def bound_by_id(s: Session) -> None:
    """Buffers are bound by id; an unknown id is refused."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.clear("y")
    s.call("odla_BindToArgumentById", {"text": "x"}, s.at("x"), {"v": context})
    s.call("odla_BindToOutputById", {"text": "y"}, s.at("y"), {"v": context})
    s.execute(small, context)
    s.expect_result("odla_BindToOutputById", small)
    s.refused("odla_BindToArgumentById", {"text": "nobody"}, s.at("x"), {"v": context}, why="an id that no value has")
    s.destroy(small, context)


@check("ExecuteComputation")
def bindings_persist(s: Session) -> None:
    """Bindings persist: a second run reads the buffer anew."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.bind(small, context)
    s.put("x", X * 0)
    s.execute(small, context)
    s.put("x", X)
    s.clear("y")
    s.execute(small, context)
    s.expect_result("odla_ExecuteComputation", small)
    s.destroy(small, context)


@check("GetNumOfArgsFromComputation", "GetArgFromComputationByIdx")
def arguments_of(s: Session) -> None:
    """Arguments are counted and found in the order of their creation."""
    small = s.small()
    of = {"v": small.computation}
    count = s.got("odla_GetNumOfArgsFromComputation", of)
    s.expect("odla_GetNumOfArgsFromComputation", count == 1, f"answered {count}, not 1")
    s.opened("odla_GetArgFromComputationByIdx", of, 0)
    s.refused("odla_GetArgFromComputationByIdx", of, 7, {"out": s.slot()}, why="an index out of range")
    s.destroy(small)


@check("GetNumOfOutputsFromComputation", "GetOutputFromComputationByIdx")
def outputs_of(s: Session) -> None:
    """Outputs are counted and found in the order they were marked in."""
    small = s.small()
    of = {"v": small.computation}
    count = s.got("odla_GetNumOfOutputsFromComputation", of)
    s.expect("odla_GetNumOfOutputsFromComputation", count == 1, f"answered {count}, not 1")
    s.opened("odla_GetOutputFromComputationByIdx", of, 0)
    s.refused("odla_GetOutputFromComputationByIdx", of, 7, {"out": s.slot()}, why="an index out of range")
    s.destroy(small)


@check("SetValuesAsOutput", "SetValueAsOutputById")
def marks(s: Session) -> None:
    """Outputs are marked as a list and by id."""
    first = s.small(mark=False)
    s.call("odla_SetValuesAsOutput", {"vs": [first.y]})
    s.destroy(first)
    second = s.small(mark=False)
    s.call("odla_SetValueAsOutputById", {"text": "y"})
    s.destroy(second)


@check("GetValueType")
def types(s: Session) -> None:
    """A value tells its element type and shape."""
    small = s.small()
    found = s.got("odla_GetValueType", {"v": small.y}, type="odla_value_type")
    _expect_type(s, "odla_GetValueType", found)
    s.destroy(small)


@check("GetValueTypeById")
def types_by_id(s: Session) -> None:
    """A value found by its id tells its type."""
    small = s.small()
    found = s.got("odla_GetValueTypeById", {"text": "y"}, type="odla_value_type")
    _expect_type(s, "odla_GetValueTypeById", found)
    s.destroy(small)


def _expect_type(s: Session, function: str, found: dict[str, Any]) -> None:
    shape: dict[str, Any] = found["shape"]
    sizes: list[int] = shape["dims"][: shape["size"]]
    right = found["element_type"] == number("ODLA_FLOAT32") and sizes == [2, 3]
    s.expect(function, right, f"answered element type {found['element_type']} and shape {sizes}")


@check("GetValueId", "FindValueById")
def ids(s: Session) -> None:
    """A value tells its id, and is found by it."""
    small = s.small()
    s.opened("odla_GetValueId", {"v": small.y})
    s.opened("odla_FindValueById", {"text": "y"})
    s.refused("odla_FindValueById", {"text": "nobody"}, {"out": s.slot()}, why="an id that no value has")
    s.destroy(small)


@check("GetValueData")
def data(s: Session) -> None:
    """An output's contents are copied out after a run."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.bind(small, context)
    s.execute(small, context)
    s.clear("z")
    s.call("odla_GetValueData", {"v": small.y}, s.at("z"), {"v": context})
    s.expect_result("odla_GetValueData", small, "z")
    s.destroy(small, context)


@check("GetRuntimeShape", "GetRuntimeValueType", "GetRuntimeNumOfOutputs")
def runtime(s: Session) -> None:
    """A context knows shapes, types and the number of outputs of its last run."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.bind(small, context)
    s.execute(small, context)
    shape = s.got("odla_GetRuntimeShape", {"v": context}, {"v": small.y}, type="odla_value_shape")
    sizes = shape["dims"][: shape["size"]]
    s.expect("odla_GetRuntimeShape", sizes == [2, 3], f"answered {sizes}")
    found = s.got("odla_GetRuntimeValueType", {"v": context}, {"v": small.y}, type="odla_value_type")
    _expect_type(s, "odla_GetRuntimeValueType", found)
    count = s.got("odla_GetRuntimeNumOfOutputs", {"v": context})
    s.expect("odla_GetRuntimeNumOfOutputs", count == 1, f"answered {count}, not 1")
    s.destroy(small, context)


@check("SetRuntimeShape", "SetRuntimeValueType")
def runtime_types(s: Session) -> None:
    """A context takes the shape and type that an argument has anyway."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.call("odla_SetRuntimeShape", {"v": context}, {"v": small.x}, {"dims": [2, 3]})
    s.call("odla_SetRuntimeValueType", {"v": context}, {"v": small.x}, s.type())
    s.bind(small, context)
    s.execute(small, context)
    s.expect_result("odla_SetRuntimeShape", small)
    s.destroy(small, context)


@check("CompileComputation", "LaunchExecutable", "DestroyExecutable")
def executables(s: Session) -> None:
    """A computation is compiled and launched."""
    small = s.small()
    executable = s.opened("odla_CompileComputation", {"v": small.computation}, s.library.device())
    context = s.opened("odla_CreateContext")
    s.bind(small, context)
    s.call("odla_LaunchExecutable", {"v": executable}, {"v": context})
    s.expect_result("odla_LaunchExecutable", small)
    s.call("odla_DestroyExecutable", {"v": executable})
    s.destroy(small, context)


@check(
    "GetNumOfArgsFromExecutable",
    "GetArgFromExecutableByIdx",
    "GetNumOfOutputsFromExecutable",
    "GetOutputFromExecutableByIdx",
)
def executable_ports(s: Session) -> None:
    """An executable's arguments and outputs are counted and found."""
    small = s.small()
    executable = {"v": s.opened("odla_CompileComputation", {"v": small.computation}, s.library.device())}
    for kind in ("Arg", "Output"):
        count = s.got(f"odla_GetNumOf{kind}sFromExecutable", executable)
        s.expect(f"odla_GetNumOf{kind}sFromExecutable", count == 1, f"answered {count}, not 1")
        s.opened(f"odla_Get{kind}FromExecutableByIdx", executable, 0)
    s.destroy(small)


@check("CreateValue", "SetValueData", "ReleaseValue", eager=True)
def eager_values(s: Session) -> None:
    """Without a computation, operators run at once on values that were given data."""
    x = s.made("odla_CreateValue", s.type(), {"text": "x"})
    s.call("odla_SetValueData", {"v": x}, s.at("x"))
    y, expected = s.applied(x)
    s.clear("y")
    s.call("odla_GetValueData", {"v": y}, s.at("y"), None)
    s.expect("odla_SetValueData", s.holds("y", expected), "led to wrong values of an eager operator")
    for value in (x, y):
        s.call("odla_ReleaseValue", {"v": value})


@check("SetValueDataById", "GetValueDataById", "ReleaseValueById", eager=True)
def eager_values_by_id(s: Session) -> None:
    """Eager values are given data, read and released by id."""
    s.made("odla_CreateValue", s.type(), {"text": "known"})
    s.call("odla_SetValueDataById", {"text": "known"}, s.at("c"))
    s.clear("y")
    s.call("odla_GetValueDataById", {"text": "known"}, s.at("y"))
    s.expect("odla_GetValueDataById", s.holds("y", C), "gave other data than was set")
    s.call("odla_ReleaseValueById", {"text": "known"})


@check("CloneValue", "CloneValueById", eager=True)
def clones(s: Session) -> None:
    """A copy of a value has its contents."""
    x = s.made("odla_CreateValue", s.type(), {"text": "original"})
    s.call("odla_SetValueData", {"v": x}, s.at("c"))
    for function, source in (("odla_CloneValue", {"v": x}), ("odla_CloneValueById", {"text": "original"})):
        copy = s.made(function, source, {"text": "copy"})
        s.clear("y")
        s.call("odla_GetValueData", {"v": copy}, s.at("y"), None)
        s.expect(function, s.holds("y", C), "has other contents than its source")


@check("GetRawDataPtr", "Dump", eager=True)
def storage(s: Session) -> None:
    """A value shows where its contents are, and is printed."""
    x = s.made("odla_CreateValue", s.type(), {"text": "raw"})
    s.call("odla_SetValueData", {"v": x}, s.at("c"))
    s.opened("odla_GetRawDataPtr", {"v": x})
    s.call("odla_Dump", {"v": x})


@check("BeginIf", "EnterBranchBody", "EndIf")
def conditional(s: Session) -> None:
    """A conditional takes one of two branches."""
    computation = s.opened("odla_CreateComputation")
    x = s.made("odla_CreateArgument", s.type(), {"text": "x"})
    truth = s.made("odla_CreateConstant", {"type": [number("ODLA_BOOL"), []]}, s.at("x"), {"text": "truth"})
    s.call("odla_BeginIf", {"v": truth}, {"text": "branch"})
    for flag in (1, 0):
        s.call("odla_EnterBranchBody", flag)
        y, _expected = s.applied(x)
        s.call("odla_SetValueAsOutput", {"v": y})
    result = s.slot()
    s.call("odla_EndIf", {"ids": ["chosen"]}, slots=(result,))
    s.call("odla_SetValueAsOutput", {"v": result})
    s.call("odla_DestroyComputation", {"v": computation})
