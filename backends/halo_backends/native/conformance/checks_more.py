"""Checks of loops, variables, bindings to values, dynamic shapes, and the extensions of odla_halo.h."""

from __future__ import annotations

from halo_backends.native.conformance.checks import check
from halo_backends.native.conformance.session import C, Session, X, number
from halo_backends.native.wire import Argument

_TEXT_BYTES = 4096


@check("BeginLoop", "CreateLoopVariable", "EndLoop")
def loops(s: Session) -> None:
    """A loop of three trips adds a constant three times."""
    computation: Argument = {"v": s.opened("odla_CreateComputation")}
    x = s.made("odla_CreateArgument", s.type(), {"text": "x"})
    s.put_integer("z", 3)
    trips = s.made("odla_CreateConstant", {"type": [number("ODLA_INT64"), []]}, s.at("z"), {"text": "trips"})
    c = s.made("odla_CreateConstant", s.type(), s.at("c"), {"text": "c"})
    s.call("odla_BeginLoop", {"v": trips}, {"text": "loop"})
    variable = s.made("odla_CreateLoopVariable", {"v": x}, {"text": "sum"})
    added = s.made("odla_Add", {"v": variable}, {"v": c}, {"text": "next"})
    result = s.slot()
    modes: Argument = {"u32": [number("ODLA_LOOP_LAST_VALUE")]}
    s.call("odla_EndLoop", None, {"vs": [added]}, modes, {"ids": ["y"]}, slots=(result,))
    s.call("odla_SetValueAsOutput", {"v": result})
    context: Argument = {"v": s.opened("odla_CreateContext")}
    s.clear("y")
    s.call("odla_BindToArgument", {"v": x}, s.at("x"), context)
    s.call("odla_BindToOutput", {"v": result}, s.at("y"), context)
    s.call("odla_ExecuteComputation", computation, context, 1, s.library.device())
    s.expect("odla_EndLoop", s.holds("y", X + 3 * C), "made a loop that gives wrong values")
    s.call("odla_DestroyContext", context)
    s.call("odla_DestroyComputation", computation)


@check("BindValueToArgumentById", "BindValueToOutputById", eager=True)
def bound_to_values(s: Session) -> None:
    """Arguments and outputs are bound to values that hold data."""
    source = s.made("odla_CreateValue", s.type(), {"text": "source"})
    s.call("odla_SetValueData", {"v": source}, s.at("x"))
    target = s.made("odla_CreateValue", s.type(), {"text": "target"})
    small = s.small()
    context: Argument = {"v": s.opened("odla_CreateContext")}
    s.call("odla_BindValueToArgumentById", {"text": "x"}, {"v": source}, context)
    s.call("odla_BindValueToOutputById", {"text": "y"}, {"v": target}, context)
    s.call("odla_ExecuteComputation", {"v": small.computation}, context, 1, s.library.device())
    s.clear("y")
    s.call("odla_GetValueData", {"v": target}, s.at("y"), None)
    s.expect_result("odla_BindValueToOutputById", small)
    s.call("odla_DestroyContext", context)
    s.destroy(small)


@check("CreateVariable")
def variables(s: Session) -> None:
    """A variable is part of a computation."""
    computation = s.opened("odla_CreateComputation")
    s.made("odla_CreateVariable", s.type(), {"text": "weights"})
    s.call("odla_DestroyComputation", {"v": computation})


@check("SetValueShapeInfo")
def shape_profiles(s: Session) -> None:
    """An argument of open shape is told the least, likely and most sizes; a run has one of them."""
    computation = s.opened("odla_CreateComputation")
    yes: Argument = {"datum": ["odla_bool", 1]}
    s.call("odla_SetComputationItem", {"v": computation}, number("ODLA_DYNAMIC_SHAPE"), yes)
    x = s.made("odla_CreateArgument", {"type": [number("ODLA_FLOAT32"), [-1, 3]]}, {"text": "x"})
    for item, size in (("ODLA_MIN_SHAPE", 1), ("ODLA_OPT_SHAPE", 2), ("ODLA_MAX_SHAPE", 4)):
        s.call("odla_SetValueShapeInfo", {"v": x}, number(item), {"dims": [size, 3]})
    s.call("odla_DestroyComputation", {"v": computation})


@check("SetContextItem")
def context_items(s: Session) -> None:
    """An option is given to a context; a library may know none."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    datum: Argument = {"datum": ["odla_uint32", 0]}
    s.ask("odla_SetContextItem", {"v": context}, number("ODLA_AGGREGATE_OPS"), datum)
    s.done["odla_SetContextItem"] = 1
    s.destroy(small, context)


@check("AsyncStartDeviceProfiler", "AsyncStopDeviceProfiler")
def profiler_without_waiting(s: Session) -> None:
    """A device's profiler is started and stopped without waiting."""
    device: Argument = {"v": s.opened("odla_AllocateDevice", None, 0, 0)}
    s.call("odla_AsyncStartDeviceProfiler", device)
    s.call("odla_AsyncStopDeviceProfiler", device)


@check("SetActiveComputation")
def active(s: Session) -> None:
    """A computation is made current again after another was created."""
    first, second = s.small(mark=False), s.small()
    s.call("odla_SetActiveComputation", {"v": first.computation})
    s.call("odla_SetValueAsOutput", {"v": first.y})
    context = s.opened("odla_CreateContext")
    s.bind(first, context)
    s.execute(first, context)
    s.expect_result("odla_SetActiveComputation", first)
    s.destroy(first, context)
    s.destroy(second)


@check("GetLastErrorText", "GetLastErrorStatus")
def last_errors(s: Session) -> None:
    """After a call that failed, its text and status can be read."""
    s.ask("odla_SetValueAsOutput", None)
    text = s.call("odla_GetLastErrorText").get("text", "")
    s.expect("odla_GetLastErrorText", bool(text), "answered no text after a call that failed")
    answer = s.ask("odla_GetLastErrorStatus")
    s.expect("odla_GetLastErrorStatus", "failed" in answer, "answered success after a call that failed")
    s.done["odla_GetLastErrorStatus"] = 1


@check("QueryOpSupport")
def support(s: Session) -> None:
    """The library says whether it has an operator."""
    flag: Argument = {"datum": ["odla_bool", 2]}
    answer = s.call("odla_QueryOpSupport", None, {"text": "odla_Add"}, flag, _TEXT_BYTES, {"room": _TEXT_BYTES})
    s.expect("odla_QueryOpSupport", answer["outs"][0] in (0, 1), "answered neither yes nor no")


@check("GetRunProfile", "GetRunProfileText")
def profiles(s: Session) -> None:
    """A run's profile is read as a struct and as text."""
    small = s.small()
    context = s.opened("odla_CreateContext")
    s.bind(small, context)
    s.execute(small, context)
    profile: Argument = {"struct": ["odla_run_profile", {"struct_size": 56}]}
    answer = s.call("odla_GetRunProfile", {"v": context}, profile)
    s.expect("odla_GetRunProfile", answer["outs"][0]["runs"] == 1, "did not count one run")
    size: Argument = {"get": "odla_size_t"}
    text = s.call("odla_GetRunProfileText", {"v": context}, _TEXT_BYTES, {"room": _TEXT_BYTES}, size)["outs"][0]
    s.expect("odla_GetRunProfileText", text.startswith("{"), "answered no JSON")
    s.destroy(small, context)


@check("GetStoredSize")
def stored_size(s: Session) -> None:
    """The bytes that storing a computation takes are told."""
    small = s.small()
    size = s.got("odla_GetStoredSize", {"v": small.computation}, None, type="odla_size_t")
    s.expect("odla_GetStoredSize", size > 0, "answered 0 bytes")
    s.destroy(small)
