"""ODLA/odla_halo.h: the last error, op support, profiles, and functions that other libraries have without declaring."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from halo_py.errors import OutOfMemoryError, UsageError
from odla.c import location as places
from odla.c import op_support, state
from odla.c.binding import c, c_text, is_memory
from odla.c.computation import Computation
from odla.c.computation_file import save_computation
from odla.c.context import Context
from odla.c.control import LoopScope
from odla.c.decode import Out
from odla.c.device import Device, target_of
from odla.c.dispatch import failures, implements
from odla.c.executable import Executable
from odla.c.trace import DeviceTrace
from odla.c.values import Role, Value
from odla.status import last_error


@implements("odla_SetActiveComputation")
def set_active(computation: Computation | None) -> None:
    """The computation of this thread's calls; NULL: eager mode."""
    state.set_computation(computation)


@implements("odla_GetLastErrorText")
def last_error_text() -> Any:
    """Text of this thread's last failure; it lives until the next call of this function in the thread."""
    failures.local.text = c_text(last_error())
    return failures.local.text


@implements("odla_GetLastErrorStatus")
def last_error_status() -> int:
    """Status of this thread's last failure."""
    return failures.status


@implements("odla_QueryOpSupport")
def query_support(device: Device | None, function_name: str, supported: Out, text_size: int, text: Out | None) -> None:
    """Whether the library has an operator function, and what of it a device's own processors cannot do.

    Every device runs every operator; what its processors cannot do, the host does.
    """
    known = function_name in op_support.operator_functions()
    supported.set(int(known))
    why = f"{function_name} is no operator function of this library"
    if known:
        why = op_support.reason(function_name, target_of(device, {}).device)
    if text_size and text is not None:
        _write_text(why, text_size, text, None)


@implements("odla_GetRunProfile")
def run_profile(context: Context, profile: Out) -> None:
    """Figures of the last run, as many as the caller's struct has room for."""
    pointer = profile.pointer
    room = int(pointer.struct_size)
    known = c.ffi.sizeof("odla_run_profile")
    if room < c.ffi.sizeof("odla_size_t"):
        raise UsageError(f"struct_size is {room}: set it to sizeof(odla_run_profile)")
    last = context.last
    if last is None:
        raise UsageError("the context has not run yet")
    made = c.ffi.new("odla_run_profile*")
    made.struct_size = min(room, known)
    made.runs = last.runs
    made.host_seconds = last.seconds
    figures = _figures(last.profile)
    made.device_cycles = figures.get("cycles", 0)
    made.device_seconds = figures.get("seconds", 0.0)
    made.exchanged_bytes = figures.get("bytes", 0)
    made.multiply_accumulates = figures.get("macs", 0)
    c.ffi.memmove(pointer, made, min(room, known))


def _figures(profile: Any) -> dict[str, Any]:
    """Figures of a device's own profile, where it has them under the usual names."""
    counters = getattr(profile, "counters", None)
    stages = getattr(getattr(profile, "time", None), "stages", ())
    found: dict[str, Any] = {
        "bytes": getattr(counters, "bytes_exchanged", 0) or _summed(stages, "exchanged_bytes"),
        "macs": getattr(counters, "multiply_accumulates", 0) or _summed(stages, "multiply_accumulates"),
    }
    for name in ("cycles", "seconds"):
        figure = getattr(profile, name, None)
        figure = getattr(figure, "nominal", figure)
        if isinstance(figure, int | float):
            found[name] = int(figure) if name == "cycles" else float(figure)
    return found


def _summed(stages: Iterable[Any], name: str) -> int:
    """What a program's stages have in all, where the run counted nothing itself."""
    return sum(int(getattr(stage, name, 0)) for stage in stages)


@implements("odla_GetRunProfileText")
def run_profile_text(context: Context, text_size: int, text: Out | None, needed: Out | None) -> None:
    """The device's profile of the last run as JSON."""
    if context.last is None:
        raise UsageError("the context has not run yet")
    last = context.last
    document = {"runs": last.runs, "host_seconds": last.seconds, "device": _plain(last.profile)}
    _write_text(json.dumps(document, sort_keys=True), text_size, text, needed)


def _plain(value: Any) -> Any:
    """A profile as JSON: dataclasses as objects, arrays as lists, everything unknown as text."""
    if isinstance(value, np.ndarray | np.generic):
        return cast("Any", value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {str(key): _plain(entry) for key, entry in entries.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in cast("list[Any]", value)]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


@implements("odla_GetDeviceTraceText")
def trace_text(device_trace: DeviceTrace, text_size: int, text: Out | None, needed: Out | None) -> None:
    """A trace as JSON."""
    _write_text(device_trace.text(), text_size, text, needed)


def _write_text(text: str, size: int, destination: Out | None, needed: Out | None) -> None:
    encoded = text.encode() + b"\0"
    if needed is not None:
        needed.set(len(encoded))
        if not size:
            return
    if size < len(encoded):
        raise OutOfMemoryError(f"the text has {len(encoded)} bytes, there is memory for {size}")
    if destination is None or not is_memory(destination.pointer, len(encoded)):
        raise UsageError("there is no memory for the text")
    c.ffi.memmove(destination.pointer, encoded, len(encoded))


@implements("odla_GetStoredSize")
def stored_size(computation: Computation | None, executable: Executable | None, size: Out) -> None:
    """Bytes that storing to memory takes, of whichever of the two is given."""
    if (computation is None) == (executable is None):
        raise UsageError("give either a computation or an executable")
    if computation is not None:
        chosen = computation
        size.set(len(places.saved_bytes(lambda path: save_computation(chosen, path))))
    elif executable is not None:
        size.set(len(places.saved_bytes(executable.program().executable.save)))


@implements("odla_Assign")
def assign(dst: Value, src: Value) -> None:
    """What a loop variable is in the next iteration, or a variable in the next run."""
    scope = state.scope()
    if isinstance(scope, LoopScope) and dst in scope.variables:
        scope.local(src)
        scope.updates[dst] = src
        return
    computation = state.computation()
    if dst.role is Role.EAGER and src.role is Role.EAGER:
        dst.array = src.contents().copy()
    elif dst.role is Role.VARIABLE and computation is not None:
        computation.assign(dst, src)
    else:
        raise UsageError(f"{dst.label} cannot be assigned to")
