"""Running a context: at once, or as a job that calls back."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from odla.c.binding import address_of, c
from odla.c.device import profiler_of
from odla.c.dispatch import failures
from odla.c.ipu_config import PIPELINE_ASYNC, SEQUENCE
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
    """One run with the context's bindings; only started where the IPU config wants that and somebody hears its end.

    Raises HaloError.
    """
    config = target.ipu
    if config is None:
        _run(context, context.prepare(source, target))
    elif config.execution_mode == PIPELINE_ASYNC and _callback(context) is not None:
        launch_async(source, context, target)
    elif config.execution_mode == SEQUENCE:
        with source.turn:
            _run(context, context.prepare(source, target))
    else:
        _run(context, context.prepare(source, target))


def _callback(context: Context) -> Any:
    """The function that hears how a context's asynchronous runs end; None if there is none."""
    function = context.items.get(Item.ASYNC_CALLBACK_FUNC)
    return None if function is None or not address_of(function) else function


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
    function, argument = _callback(context), context.items.get(Item.ASYNC_CALLBACK_ARG)
    places = _places(source, target)
    places.acquire()

    def work() -> None:
        status = Status.SUCCESS
        try:
            with source.turn if target.ipu is not None and target.ipu.execution_mode == SEQUENCE else nullcontext():
                _run(context, prepared)
        except BaseException as error:  # noqa: BLE001
            status = failures.note(error)
            log(Level.ERROR, f"an asynchronous run failed: {error}")
        places.release()
        if function is not None:
            call = c.ffi.cast("int (*)(void*, odla_status)", function)
            call(c.ffi.NULL if argument is None else c.ffi.cast("void*", argument), int(status))

    start_job(work, (source.jobs, context.jobs))


_unbounded = threading.Semaphore(1 << 30)


def _places(source: Computation | Executable, target: Target) -> threading.Semaphore:
    """Places for runs that are under way: as many as the queue of the IPU config has."""
    if target.ipu is None:
        return _unbounded
    with source.lock:
        if source.places is None:
            source.places = threading.Semaphore(target.ipu.queue_capacity)
        return source.places
