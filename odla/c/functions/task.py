"""ODLA/odla_task.h: functions that run parts of a model."""

from __future__ import annotations

from typing import Any

from halo_py.errors import UsageError
from odla.c import state
from odla.c.binding import address_of, c, c_function
from odla.c.decode import MOST_VALUES
from odla.c.device import Device
from odla.c.dispatch import failures, implements
from odla.c.jobs import Jobs, start_job
from odla.c.log import Level, log


class _Executor:
    """The program's own scheduler of tasks, if it installed one."""

    function: Any = None


_executor = _Executor()
_ANY_DEVICE = Jobs()


@implements("odla_SetAsyncExecutor")
def set_executor(executor: Any) -> None:
    """A C function that runs queued tasks; NULL: threads of this library do."""
    _executor.function = executor if address_of(executor) else None


@implements("odla_RunTask")
def run_task(device: Device | None, task: Any) -> None:
    """Call the task's function now; the device is current in it."""
    _run(device, _checked(task))


@implements("odla_RunTaskAsync")
def run_task_async(device: Device | None, task: Any) -> int | None:
    """Hand the task to the program's executor, else to a thread. What destroys the device waits for it."""
    task = _checked(task)
    if _executor.function is not None:
        return int(_executor.function(c_function("odla_RunTask"), _handle(device), task))

    def work() -> None:
        try:
            _run(device, task)
        except BaseException as error:  # noqa: BLE001
            failures.note(error)
            log(Level.ERROR, f"a task failed: {error}")

    start_job(work, (_ANY_DEVICE if device is None else device.jobs,))
    return None


def _checked(task: Any) -> Any:
    if not address_of(task.func):
        raise UsageError("the task has no function")
    if task.inputs.size > MOST_VALUES or task.outputs.size > MOST_VALUES:
        raise UsageError(f"a task has at most {MOST_VALUES} inputs and outputs")
    copy = c.ffi.new("odla_task*")
    copy[0] = task
    return copy[0]


def _handle(device: Device | None) -> Any:
    return c.ffi.NULL if device is None else c.ffi.cast("odla_device", device.handle)


def _run(device: Device | None, task: Any) -> None:
    before = state.device()
    if device is not None:
        state.set_device(device)
    try:
        task.func(_handle(device), task.inputs, task.outputs)
    finally:
        state.set_device(before)
