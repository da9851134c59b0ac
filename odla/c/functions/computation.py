"""ODLA/odla_compute.h, first part: computations and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from halo_py.errors import UsageError
from odla.c import location as places
from odla.c import state
from odla.c.binding import environment
from odla.c.computation import Computation
from odla.c.computation_file import load_computation, save_computation
from odla.c.context import Context
from odla.c.decode import Location, Out
from odla.c.device import Device, target_of
from odla.c.dispatch import implements
from odla.c.executable_cache import config_of
from odla.c.gradient import differentiate
from odla.c.ipu_config import VARIABLE, IpuConfig
from odla.c.items import OF_COMPUTATION, OF_VALUES, Item, item_of, read_item, read_quant_table
from odla.c.launch import launch, launch_async
from odla.c.log import Level, set_level
from odla.c.values import Role, Value

_SHAPES = frozenset({Item.MIN_SHAPE, Item.MAX_SHAPE, Item.OPT_SHAPE})
_VALUES = OF_VALUES - _SHAPES


@implements("odla_CreateComputation")
def create_computation(computation: Out | None) -> None:
    """A new computation, current in this thread."""
    config = environment(VARIABLE)
    ipu = None if config is None else IpuConfig.read(config)
    made = Computation()
    made.ipu = ipu
    state.set_computation(made)
    if computation is not None:
        computation.set(made)


@implements("odla_LoadComputation")
def load(location: Location, computation: Out) -> None:
    """A computation that was stored, or a model of any format that HALO reads; current in this thread."""
    computation.set(None)
    with places.readable(location) as path:
        made = load_computation(path)
    state.set_computation(made)
    computation.set(made)


@implements("odla_StoreComputation")
def store(location: Location, computation: Computation) -> None:
    """Write a computation to a location."""

    def save(path: Path) -> None:
        save_computation(computation, path)

    places.write(location, save)


@implements("odla_DifferentiateComputation")
def differentiate_computation(computation: Computation) -> None:
    """Add the gradients of the outputs with respect to the variables."""
    differentiate(computation)


@implements("odla_ExecuteComputation")
def execute(computation: Computation, context: Context, mode: int, device: Device | None) -> None:
    """One run with the context's bindings."""
    launch(computation, context, target_of(device, computation.items, computation.ipu))


@implements("odla_AsyncExecuteComputation")
def execute_async(computation: Computation, context: Context, mode: int, device: Device | None) -> None:
    """Start a run; the context's callback hears how it ended."""
    launch_async(computation, context, target_of(device, computation.items, computation.ipu))


@implements("odla_GetNumOfArgsFromComputation")
def number_of_arguments(computation: Computation, num_args: Out) -> None:
    """How many arguments."""
    num_args.set(len(computation.arguments))


@implements("odla_GetArgFromComputationByIdx")
def argument(computation: Computation, arg_idx: int, arg_value: Out) -> None:
    """An argument by the order of creation."""
    set_indexed(computation.arguments, arg_idx, arg_value, "argument")


@implements("odla_GetNumOfOutputsFromComputation")
def number_of_outputs(computation: Computation, num_outputs: Out) -> None:
    """How many outputs."""
    num_outputs.set(len(computation.outputs))


@implements("odla_GetOutputFromComputationByIdx")
def output(computation: Computation, output_idx: int, output_value: Out) -> None:
    """An output by the order of marking."""
    set_indexed(computation.outputs, output_idx, output_value, "output")


def set_indexed(values: list[Value], index: int, out: Out, noun: str) -> None:
    """Write a value by its number; NULL if there is none. Raises UsageError."""
    out.set(None)
    if not 0 <= index < len(values):
        raise UsageError(f"there is no {noun} {index}: there are {len(values)}")
    out.set(values[index])


@implements("odla_DestroyComputation")
def destroy(computation: Computation) -> None:
    """Wait for its runs, then forget it and its values."""
    computation.jobs.drain()
    computation.destroy()


@implements("odla_SetComputationItem")
def set_item(computation: Computation, type: int, value: Any) -> None:
    """An option of the computation."""
    item = item_of(type, OF_COMPUTATION, "computation")
    datum = read_item(item, value)
    if item is Item.QUANT_TABLE_SIZE and Item.QUANT_TABLE in computation.items:
        computation.quant_table = read_quant_table(computation.items[Item.QUANT_TABLE], int(datum))
    if item is Item.VERBOSE:
        set_level(Level.INFO)
    if item is Item.CACHE_FILE and computation.ipu is None:
        config = config_of(Path(str(datum)))
        computation.ipu = None if config is None else IpuConfig.parse(config, str(datum))
    computation.set_item(item, datum)


@implements("odla_SetValueShapeInfo")
def set_shape_info(value: Value, type: int, value_shape: tuple[int, ...] | None) -> None:
    """A bound, or the usual size, of an argument's shape."""
    item = item_of(type, _SHAPES, "value's shape")
    computation = _computation_of_argument(value)
    if value_shape is None:
        raise UsageError(f"the shape for {value.label} is unknown")
    computation.set_profile(value, item, value_shape)


@implements("odla_SetInputValueInfo")
def set_value_info(value: Value, type: int, value_input: Any) -> None:
    """A bound, or the usual contents, of an argument of integers."""
    item = item_of(type, _VALUES, "value")
    computation = _computation_of_argument(value)
    computation.profiles[value, item] = int(read_item(item, value_input))


def _computation_of_argument(value: Value) -> Computation:
    computation = None if value.scope is None else value.scope.computation
    if computation is None or value.role is not Role.ARGUMENT:
        raise UsageError(f"{value.label} is no argument")
    return computation
