"""Connects the implementations to `libodla.so`. The library imports this module when it starts, and calls `connect`."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from halo_py.errors import InternalError
from halo_py.ops import load_ops
from odla.api.c_source import PREFIX
from odla.api.table import Function, functions
from odla.c import log
from odla.c.binding import c
from odla.c.dispatch import IMPLEMENTED, connected
from odla.c.without_compiler import make

FAMILIES = (
    "functions.value",
    "functions.device",
    "functions.computation",
    "functions.executable",
    "functions.context",
    "functions.basic",
    "functions.control_flow",
    "functions.logging",
    "functions.memory",
    "functions.profiler",
    "functions.task",
    "functions.extensions",
    "operators.elementwise",
    "operators.reduction",
    "operators.contraction",
    "operators.activation",
    "operators.attention",
    "operators.normalization",
    "operators.windows",
    "operators.recurrent",
    "operators.vision",
    "operators.movement",
    "operators.indexing",
    "operators.quantization",
    "operators.text",
    "operators.custom",
)
"""Modules of this package that implement functions."""


def load() -> None:
    """Import every implementation. Raises InternalError if they and the tables' functions do not match."""
    load_ops()
    for family in FAMILIES:
        importlib.import_module(f"odla.c.{family}")
    known = {function.name for function in functions()}
    if known != set(IMPLEMENTED):
        missing, unknown = sorted(known - set(IMPLEMENTED)), sorted(set(IMPLEMENTED) - known)
        raise InternalError(f"functions without implementation: {missing}; implementations of none: {unknown}")


def connect(ffi: Any, lib: Any) -> None:
    """Let C's functions call ours."""
    c.ffi, c.lib = ffi, lib
    for function in functions():
        ffi.def_extern(name=PREFIX + function.name)(connected(function, IMPLEMENTED[function.name]))
    log.start()


def connect_without_compiler() -> None:
    """Let Python programs call ours. Raises UnsupportedError without cffi."""
    with _connecting:
        if c.connected:
            return
        ffi, support = make()
        c.ffi, c.lib = ffi, support
        run_task = connected(_named("odla_RunTask"), IMPLEMENTED["odla_RunTask"])
        support.functions["odla_RunTask"] = ffi.callback("odla_status(odla_device, odla_task)", run_task)
        support.functions["halo_default_logger"] = ffi.callback("odla_logging_func", log.default_logger)
        log.start()


def _named(name: str) -> Function:
    return next(function for function in functions() if function.name == name)


_connecting = threading.Lock()

load()
