"""A context: bindings of memory to arguments and outputs, the sizes of a run, and what the last run gave."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.errors import UsageError
from halo_py.types import DType, TensorType
from odla.c.binding import address_of, c, is_memory
from odla.c.computation import BATCH, matched_dims
from odla.c.handles import Handled
from odla.c.ipu_config import SEQUENCE
from odla.c.items import Item
from odla.c.jobs import Jobs
from odla.c.program import Program, Snapshot, Source, Target, shape_at
from odla.c.values import Role, Value, view_array, write_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odla.c.computation import Computation

    Array = NDArray[Any]
    Key = str | Value


@dataclass(frozen=True, slots=True, eq=False)
class LastRun:
    """What a run gave: results by value, its sizes, its profile, and C strings that outputs point to."""

    results: dict[Key, Array]
    dims: dict[str, int]
    profile: Any
    seconds: float
    runs: int
    kept: list[Any] = field(default_factory=list[Any])


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A run made ready: where inputs come from, where outputs go. Valid until something is bound or set anew."""

    snapshot: Snapshot
    target: Target
    program: Program
    dims: dict[str, int]
    inputs: list[Array | Value]
    writes: list[tuple[int, Any]]
    """Output number -> address or eager value."""
    steps: int


class Context(Handled):
    """Bindings persist from run to run; binding again replaces."""

    noun = "context"

    def __init__(self, computation: Computation | None) -> None:
        super().__init__()
        self.computation = computation
        self.items: dict[Item, Any] = {}
        self.inputs: dict[Key, Any] = {}
        self.outputs: dict[Key, Any] = {}
        self.types: dict[Key, TensorType] = {}
        """Runtime shapes and types of arguments."""
        self.jobs = Jobs()
        self.last: LastRun | None = None
        self.runs = 0
        self.memory: dict[object, object] = {}
        """What Python programs bound: arrays live as long as a context may use them."""
        self._prepared: Prepared | None = None
        self._lock = threading.Lock()

    def changed(self) -> None:
        """Something was bound or set: the next run is made ready anew."""
        self._prepared = None

    def bind_input(self, value: Value, source: Any) -> None:
        """Bind an address or an eager value to an argument. Raises UsageError if the value is none."""
        if value.role is not Role.ARGUMENT:
            raise UsageError(f"{value.label} is no argument")
        self.inputs[value.key] = source
        self.changed()

    def bind_output(self, value: Value, destination: Any) -> None:
        """Bind an address or an eager value to an output. Raises UsageError if the value is none."""
        computation = None if value.scope is None else value.scope.computation
        of_executable = value.scope is None and value.role is Role.RESULT
        if not of_executable and (computation is None or value not in computation.outputs):
            raise UsageError(f"{value.label} is no output")
        self.outputs[value.key] = destination
        self.changed()

    def checked(self, pointer: Any) -> Any:
        """An address to bind. Raises UsageError for one that is no memory."""
        if not is_memory(pointer):
            raise UsageError(f"there is no memory at {address_of(pointer):#x}")
        return pointer

    @property
    def last_outputs(self) -> int | None:
        """How many outputs the last run gave; None before the first."""
        return None if self.last is None else len(self.last.results)

    # -- sizes ------------------------------------------------------------------------------------------------------

    def dims(self, source: Source) -> dict[str, int]:
        """The sizes of this context's runs: runtime shapes, the run batch, then the source's defaults."""
        found: dict[str, int] = {}
        for value in source.arguments:
            stated = self.types.get(value.key)
            if stated is not None and stated.shape is not None:
                found.update(matched_dims(value.type, stated.shape))
        batch = self.items.get(Item.RUN_BATCH_SIZE)
        if batch is not None:
            found[BATCH] = batch
        if BATCH in found:
            source.check_batch(found[BATCH])
        return {**source.default_dims(), **found}

    # -- running ----------------------------------------------------------------------------------------------------

    def prepare(self, source: Source, target: Target) -> Prepared:
        """Everything of a run that stays the same until something is bound or set. Raises UsageError, HaloError."""
        snapshot = source.snapshot()
        prepared = self._prepared
        if prepared is not None and prepared.snapshot is snapshot and prepared.target == target:
            return prepared
        dims = self.dims(source)
        steps = steps_of(source, target)
        missing = [value for value in source.arguments if value.key not in self.inputs]
        if missing:
            raise UsageError(f"nothing is bound to {', '.join(value.label for value in missing)}")
        program = snapshot.program(target, dims)
        inputs = [self._input(value, dims, steps) for value in program.inputs]
        bound = [(number, value) for number, value in enumerate(program.outputs) if value.key in self.outputs]
        writes = [(number, self.outputs[value.key]) for number, value in bound]
        self._prepared = Prepared(snapshot, target, program, dims, inputs, writes, steps)
        return self._prepared

    def _input(self, value: Value, dims: dict[str, int], steps: int) -> Array | Value:
        if value.role is Role.VARIABLE:
            return value
        bound = self.inputs[value.key]
        shape = shape_at(value.type, dims, value.label)
        if isinstance(bound, Value):
            return bound
        whole = (steps * shape[0], *shape[1:]) if steps > 1 and shape else shape
        return view_array(bound, value.type.dtype, whole, value.label)

    def evaluate(self, source: Source, snapshot: Snapshot, target: Target, value: Value) -> Array:
        """What one value is with this context's bindings. Raises HaloError."""
        dims = self.dims(source)
        if steps_of(source, target) > 1:
            raise UsageError(f"{value.label} is no output")
        program = snapshot.program(target, dims)
        missing = [each for each in program.inputs if each.role is Role.ARGUMENT and each.key not in self.inputs]
        if missing:
            raise UsageError(f"nothing is bound to {', '.join(each.label for each in missing)}")
        arrays = [self._part(self._input(each, dims, 1), 0, 1) for each in program.inputs]
        outputs = program.executable.driver.run(program.executable.artefact, program.executable.ordered(arrays)).outputs
        return np.asarray(cast("Any", outputs[program.outputs.index(value)]))

    def run(self, prepared: Prepared) -> None:
        """Run once (or once per batch of a step) and write the outputs. Raises HaloError."""
        begin = time.perf_counter()
        program, profile = prepared.program, None
        made: list[list[Array]] = []
        for step in range(prepared.steps):
            arrays = [self._part(each, step, prepared.steps) for each in prepared.inputs]
            result = program.run(arrays)
            made.append([np.asarray(output) for output in result.outputs])
            profile = result.profile
        outputs = made[0] if len(made) == 1 else [np.concatenate(parts) for parts in zip(*made, strict=True)]
        kept: list[Any] = []
        for number, destination in prepared.writes:
            kept += _deliver(outputs[number], destination, program.outputs[number])
        with self._lock:
            self.runs += prepared.steps
            results = {value.key: array for value, array in zip(program.outputs, outputs, strict=True)}
            seconds = time.perf_counter() - begin
            self.last = LastRun(results, prepared.dims, profile, seconds, self.runs, kept)

    @staticmethod
    def _part(source: Array | Value, step: int, steps: int) -> Array:
        if isinstance(source, Value):
            return source.contents()
        if steps == 1 or not source.ndim:
            return source
        size = len(source) // steps
        return source[step * size : (step + 1) * size]

    def runtime_type(self, value: Value) -> TensorType:
        """A value's type in this context: of the last run's result, else what follows from the sizes set so far."""
        stated = self.types.get(value.key)
        if stated is not None:
            return stated
        if self.last is not None and value.key in self.last.results:
            array = self.last.results[value.key]
            return TensorType(DType.from_numpy(array.dtype), array.shape)
        source = None if value.scope is None else value.scope.computation
        if source is None or value.type.is_static:
            return value.type
        return TensorType(value.type.dtype, shape_at(value.type, self.dims(source), value.label))


def steps_of(source: Source, target: Target) -> int:
    """How many batches bound memory holds. Raises UsageError if the program and its IPU config disagree."""
    stated, config = source.batches_per_step, target.ipu
    if config is None:
        return stated or 1
    wanted = config.batches_per_step
    if config.pipelined and not config.debug and None not in (stated, wanted) and stated != wanted:
        raise UsageError(
            f"ODLA_BATCHES_PER_STEP is {stated}, batches_per_step of the pipeline's config {wanted}",
            hint="make them equal, or let the config win with its key debug",
        )
    if config.execution_mode != SEQUENCE:
        return 1  # every context brings one batch of a step
    return (wanted if config.debug or stated is None else stated) or 1


def _deliver(array: Array, destination: Any, value: Value) -> list[Any]:
    if isinstance(destination, Value):
        destination.array = array
        return []
    if array.dtype == object:
        return write_array(array, destination, value.label)
    if c.ffi.typeof(destination).kind == "array" and len(destination) < array.nbytes:
        raise UsageError(f"{value.label} has {array.nbytes} bytes, the memory bound to it {len(destination)}")
    c.ffi.memmove(c.ffi.cast("char*", address_of(destination)), _bytes(array), array.nbytes)
    return []


def _bytes(array: Array) -> Any:
    return c.ffi.from_buffer(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
