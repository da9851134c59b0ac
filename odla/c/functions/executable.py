"""ODLA/odla_compute.h, second part: executables and constants arrays."""

from __future__ import annotations

from pathlib import Path

from halo_py.errors import UsageError
from halo_py.frontend import HEAD_BYTES
from odla.c import location as places
from odla.c import state
from odla.c.computation import Computation
from odla.c.computation_file import load_computation
from odla.c.constants import ConstantsArray
from odla.c.context import Context
from odla.c.decode import Location, Out
from odla.c.device import Device, target_of
from odla.c.dispatch import implements
from odla.c.executable import Executable
from odla.c.functions.computation import set_indexed
from odla.c.launch import launch, launch_async
from odla.driver import drivers
from odla.execution import load as load_compiled
from odla.handles import Executable as Compiled


@implements("odla_CompileComputation")
def compile_computation(computation: Computation, device: Device | None, executable: Out) -> None:
    """The computation compiled for a device."""
    executable.set(None)
    executable.set(Executable.of(computation, target_of(device, computation.items, computation.ipu)))


@implements("odla_LoadExecutable")
def load_executable(location: Location, device: Device | None, executable: Out) -> None:
    """An executable that was stored, for the device it was compiled for; or a model, which is compiled when it runs."""
    executable.set(None)
    with places.readable(location) as path:
        compiled = _saved(path)
        if compiled is None:
            computation = load_computation(path)
            computation.drop_handle()
            executable.set(Executable.of(computation, target_of(device, computation.items), compiled=False))
            return
    if device is not None and device.target.device != compiled.device:
        raise UsageError(f"the executable was compiled for {compiled.device!r}, not for {device.target.device!r}")
    executable.set(Executable.loaded(compiled))


def _saved(path: Path) -> Compiled | None:
    """A stored executable; None if the file is something else. Raises ExecutableError."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return load_compiled(path) if any(driver.reads(path, head) for driver in drivers()) else None


@implements("odla_StoreExecutable")
def store_executable(location: Location, executable: Executable) -> None:
    """Write an executable to a location."""
    compiled = executable.program().executable
    places.write(location, compiled.save)


@implements("odla_LaunchExecutable")
def launch_executable(executable: Executable, context: Context) -> None:
    """One run with the context's bindings."""
    launch(executable, context, executable.target)


@implements("odla_AsyncLaunchExecutable")
def launch_executable_async(
    executable: Executable, constants_array: ConstantsArray | None, context: Context, mode: int, device: Device | None
) -> None:
    """Start a run; constants of the array replace those of the same id."""
    source = executable if constants_array is None else executable.with_constants(constants_array)
    if device is not None and device.target.device != source.target.device:
        raise UsageError(f"the executable was compiled for {source.target.device!r}")
    launch_async(source, context, source.target)


@implements("odla_GetNumOfArgsFromExecutable")
def number_of_arguments(executable: Executable, num_args: Out) -> None:
    """How many arguments."""
    num_args.set(len(executable.arguments))


@implements("odla_GetArgFromExecutableByIdx")
def argument(executable: Executable, arg_idx: int, arg_value: Out) -> None:
    """An argument by number."""
    set_indexed(executable.arguments, arg_idx, arg_value, "argument")


@implements("odla_GetNumOfOutputsFromExecutable")
def number_of_outputs(executable: Executable, num_outputs: Out) -> None:
    """How many outputs."""
    num_outputs.set(len(executable.outputs))


@implements("odla_GetOutputFromExecutableByIdx")
def output(executable: Executable, output_idx: int, output_value: Out) -> None:
    """An output by number."""
    set_indexed(executable.outputs, output_idx, output_value, "output")


@implements("odla_DestroyExecutable")
def destroy(executable: Executable) -> None:
    """Wait for its runs, then forget it."""
    executable.jobs.drain()
    executable.drop_handle()


@implements("odla_CreateConstantsArray")
def create_constants(constants_array: Out) -> None:
    """The constants of the current computation by their ids; empty without one."""
    computation = state.computation()
    constants_array.set(ConstantsArray({} if computation is None else computation.named_constants()))


@implements("odla_LoadConstantsArray")
def load_constants(file_name: str, constants_array: Out) -> None:
    """Constants from a file."""
    constants_array.set(None)
    if not Path(file_name).is_file():
        raise FileNotFoundError(f"there is no file {file_name!r}")
    constants_array.set(ConstantsArray.load(Path(file_name)))


@implements("odla_StoreConstantsArray")
def store_constants(file_name: str, constants_array: ConstantsArray) -> None:
    """Write constants to a file."""
    constants_array.save(Path(file_name))


@implements("odla_DestroyConstantsArray")
def destroy_constants(constants_array: ConstantsArray) -> None:
    """Forget a bundle."""
    constants_array.drop_handle()
