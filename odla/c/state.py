"""What a thread has current: its computation, its device, and the scope of an eager loop or conditional."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from odla.c.binding import environment
from odla.c.handles import living

if TYPE_CHECKING:
    from odla.c.computation import Computation
    from odla.c.device import Device
    from odla.c.scope import Scope

DEVICE_VARIABLE = "ODLA_DEVICE"


class _Thread(threading.local):
    computation: Computation | None = None
    eager: bool = False
    """Whether the thread said that it has no computation."""
    device: Device | None = None
    scope: Scope | None = None
    """The innermost open body of an eager loop or conditional."""


_thread = _Thread()


def set_computation(computation: Computation | None) -> None:
    """Make a computation this thread's current one; None: the thread has none."""
    _thread.computation = computation
    _thread.eager = computation is None


def computation() -> Computation | None:
    """The thread's current computation, else the one created last by any thread; None in eager mode."""
    from odla.c.computation import Computation

    found = _thread.computation
    if found is not None and not found.destroyed:
        return found
    if _thread.eager:
        return None
    known = living(Computation)
    return known[-1] if known else None


def need_computation() -> Computation:
    """The current computation. Raises UsageError if there is none."""
    found = computation()
    if found is None:
        raise UsageError("there is no computation: create one, or make one active")
    return found


def scope() -> Scope | None:
    """The innermost open scope: of the current computation, or of an eager loop; None: operators run at once."""
    found = computation()
    return _thread.scope if found is None else found.scope


def set_eager_scope(scope: Scope | None) -> None:
    """Open or close the body of an eager loop or conditional."""
    _thread.scope = scope


def set_device(device: Device | None) -> None:
    """Make a device this thread's current one."""
    _thread.device = device


def device() -> Device | None:
    """The thread's current device, if it chose one."""
    found = _thread.device
    return None if found is None or found.destroyed else found


def environment_device() -> str | None:
    """The device that the environment names, if any."""
    return environment(DEVICE_VARIABLE)
