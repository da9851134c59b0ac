"""ODLA/odla_profiler.h: traces of what ran on a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_py.errors import UsageError
from odla.c.decode import Out
from odla.c.device import Device, profiler_of
from odla.c.dispatch import implements
from odla.c.functions.device import read_setting
from odla.c.trace import DeviceTrace


@implements("odla_CreateDeviceTrace")
def create_trace(device_trace: Out) -> None:
    """An empty trace."""
    device_trace.set(DeviceTrace())


@implements("odla_SetDeviceTraceItem")
def set_trace_item(device_trace: DeviceTrace, device_trace_item: Any, rest: Any) -> None:
    """A setting of a trace: `path` names the file it is written to, at once if it holds runs, else when it does."""
    key, value = read_setting(device_trace_item, rest)
    if key != "path" or not isinstance(value, str):
        raise UsageError(f"a device trace has no setting {key!r}", hint="it has path")
    device_trace.path = Path(value)
    device_trace.write()


@implements("odla_ReleaseDeviceTrace")
def release_trace(device_trace: DeviceTrace) -> None:
    """Forget a trace."""
    device_trace.drop_handle()


@implements("odla_StartDeviceProfiler")
def start_profiler(device: Device) -> None:
    """Collect the runs on this device from now on."""
    profiler_of(device.target.device).start()


@implements("odla_AsyncStartDeviceProfiler")
def start_profiler_async(device: Device) -> None:
    """The same; it never blocks."""
    start_profiler(device)


@implements("odla_StopDeviceProfiler")
def stop_profiler(device: Device) -> None:
    """Wait for the device's tasks, then collect no further runs."""
    device.jobs.drain()
    profiler_of(device.target.device).stop()


@implements("odla_AsyncStopDeviceProfiler")
def stop_profiler_async(device: Device) -> None:
    """The same without waiting."""
    profiler_of(device.target.device).stop()


@implements("odla_RetrieveDeviceTrace")
def retrieve_trace(device: Device, device_trace: Out) -> None:
    """The collected runs: in the trace that the pointer already names, else in a new one."""
    trace = device_trace.handled(DeviceTrace) or DeviceTrace()
    trace.take(device.target.device, profiler_of(device.target.device).events())
    device_trace.set(trace)
