"""Running a context: at once, or as a job that calls back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odla.c.binding import address_of, c
from odla.c.device import profiler_of
from odla.c.dispatch import failures
from odla.c.items import Item
from odla.c.jobs import start_job
from odla.c.log import Level, log
from odla.status import Status

if TYPE_CHECKING:
    from odla.c.computation import Computation
    from odla.c.context import Context, Prepared
    from odla.c.executable import Executable
    from odla.c.program import Target


def launch(source: Computation | Executable, context: Context, target: Target) -> None:
    """One run with the context's bindings. Raises HaloError."""
    _run(context, context.prepare(source, target))


def _run(context: Context, prepared: Prepared) -> None:
    context.run(prepared)
    profiler = profiler_of(prepared.target.device)
    last = context.last
    if profiler.on and last is not None:
        facts: dict[str, Any] = {"batches": prepared.steps}
        seconds = getattr(last.profile, "seconds", None)
        if seconds is not None:
            facts["device_seconds"] = float(getattr(seconds, "nominal", seconds))
        name = "executable" if prepared.snapshot.graph is None else prepared.snapshot.graph.name
        profiler.add(name, last.seconds, facts)


def launch_async(source: Computation | Executable, context: Context, target: Target) -> None:
    """The same in another thread; the bindings are those of this moment. The context's callback hears how it ended.

    Raises HaloError if the run cannot be made ready (it is then not started, and nothing is called).
    """
    prepared = context.prepare(source, target)
    function, argument = context.items.get(Item.ASYNC_CALLBACK_FUNC), context.items.get(Item.ASYNC_CALLBACK_ARG)

    def work() -> None:
        status = Status.SUCCESS
        try:
            _run(context, prepared)
        except BaseException as error:  # noqa: BLE001
            status = failures.note(error)
            log(Level.ERROR, f"an asynchronous run failed: {error}")
        if function is not None and address_of(function):
            call = c.ffi.cast("int (*)(void*, odla_status)", function)
            call(c.ffi.NULL if argument is None else c.ffi.cast("void*", argument), int(status))

    start_job(work, (source.jobs, context.jobs))
