"""ODLA: the narrow waist through which any device, real or simulated, runs a computation.

`odla.execute(model, inputs, device="ipu-pod16")` is the short way; `Computation`, `Executable` and `Context` are the
steps. A backend implements `odla.driver.Driver`. Everything is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odla.computation import Computation as Computation
    from odla.context import Context as Context
    from odla.driver import DeviceInfo as DeviceInfo
    from odla.driver import Refused as Refused
    from odla.driver import register as register
    from odla.execution import compile_for as compile_for
    from odla.execution import execute as execute
    from odla.execution import load as load
    from odla.handles import Device as Device
    from odla.handles import Executable as Executable
    from odla.handles import Result as Result
    from odla.handles import device as device
    from odla.handles import devices as devices
    from odla.status import Status as Status
    from odla.status import last_error as last_error
    from odla.status import status_of as status_of

_HOMES = {
    "Computation": "computation",
    "Context": "context",
    "DeviceInfo": "driver",
    "Refused": "driver",
    "register": "driver",
    "compile_for": "execution",
    "execute": "execution",
    "load": "execution",
    "Device": "handles",
    "Executable": "handles",
    "Result": "handles",
    "device": "handles",
    "devices": "handles",
    "Status": "status",
    "last_error": "status",
    "status_of": "status",
}
__all__ = [
    "Computation",
    "Context",
    "Device",
    "DeviceInfo",
    "Executable",
    "Refused",
    "Result",
    "Status",
    "compile_for",
    "device",
    "devices",
    "execute",
    "last_error",
    "load",
    "register",
    "status_of",
]


def __getattr__(name: str) -> Any:
    """Public names, found in their modules on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"odla.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
