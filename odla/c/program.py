"""Programs: what is compiled from a computation or an executable, for a device and for sizes of its dimensions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from halo_py.errors import UsageError
from halo_py.types import TensorType, substitute
from odla.c.executable_cache import ExecutableCache, key_of
from odla.c.ipu_config import IpuConfig
from odla.c.ipu_model import model_of
from odla.c.log import Level, log
from odla.c.specialise import with_sizes
from odla.handles import Executable, device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue
    from odla.c.values import Value
    from odla.driver import RunResult

    Array = NDArray[Any]

HINTS = ("precision",)
"""Options that a device may lack: it then runs without them."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device's name, with compile options in a fixed order."""

    device: str
    options: tuple[tuple[str, Any], ...] = ()
    ipu: IpuConfig | None = None
    """How clients of IPUs want runs to be."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """An executable, with the values that its inputs and outputs stand for."""

    executable: Executable
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    updates: tuple[tuple[Value, int], ...] = ()
    """Variables, and which output each takes as its next contents."""

    def run(self, arrays: Sequence[RuntimeValue]) -> RunResult:
        """One run; the variables take their next contents."""
        executable = self.executable
        result = executable.driver.run(executable.artefact, executable.ordered(arrays))
        for variable, number in self.updates:
            contents: Any = result.outputs[number]
            variable.array = contents
        return result


class Source(Protocol):
    """What can be run: a computation or an executable."""

    arguments: list[Value]
    outputs: list[Value]

    @property
    def batches_per_step(self) -> int | None:
        """How many batches bound memory holds; None if nobody said."""
        ...

    def default_dims(self) -> Mapping[str, int]:
        """Sizes for dimensions that a run does not state."""
        ...

    def check_batch(self, size: int) -> None:
        """Raises UsageError if a batch lies outside of the declared bounds."""
        ...

    def snapshot(self) -> Snapshot:
        """The graph as it stands. Raises UsageError if it cannot be run."""
        ...


class Snapshot:
    """A graph as it stood, and the programs compiled from it."""

    def __init__(
        self,
        graph: Graph | None,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        updates: tuple[tuple[Value, int], ...],
    ) -> None:
        self.graph = graph
        self.inputs = inputs
        self.outputs = outputs
        self.updates = updates
        self.cache: ExecutableCache | None = None
        """Where executables are kept from process to process."""
        self._programs: dict[tuple[Target, frozenset[tuple[str, int]]], Program] = {}
        self._lock = threading.Lock()

    def program(self, target: Target, dims: Mapping[str, int]) -> Program:
        """The program for a target and sizes, compiled when first asked for. Raises HaloError."""
        key = (target, frozenset(dims.items()))
        found = self._programs.get(key)
        if found is None:
            with self._lock:
                found = self._programs.get(key)
                if found is None:
                    if self.graph is None:
                        raise UsageError(f"the loaded executable does not run on {target.device} with other options")
                    made = compiled(self.graph, target, dims, self.cache)
                    found = self._programs[key] = Program(made, self.inputs, self.outputs, self.updates)
        return found

    def with_constants(self, contents: Mapping[str, Array]) -> Snapshot:
        """The same with other contents of named constants. Raises UsageError if one does not fit."""
        if self.graph is None:
            raise UsageError("the constants of a loaded executable cannot be replaced")
        constants = dict(self.graph.constants)
        for value in constants:
            if value.name in contents:
                new = contents[value.name]
                if new.shape != constants[value].shape or new.dtype != constants[value].dtype:
                    raise UsageError(f"constant {value.name!r} is {value.type}, found {new.dtype}{list(new.shape)}")
                constants[value] = new
        return Snapshot(replace(self.graph, constants=constants), self.inputs, self.outputs, self.updates)

    def add(self, target: Target, program: Program) -> None:
        """Take a program that was loaded."""
        self._programs[target, frozenset()] = program


def compiled(graph: Graph, target: Target, dims: Mapping[str, int], cache: ExecutableCache | None) -> Executable:
    """A graph compiled as the target's IPU config says, or taken from the cache. Raises HaloError."""
    if _symbols(graph) & set(dims):
        graph = with_sizes(graph, dims)
    if target.ipu is not None:
        graph = model_of(graph, target.ipu)
    key = "" if cache is None else key_of(graph, target.device, target.options)
    found = None if cache is None else cache.find(key)
    if found is None:
        found = compile_graph(graph, target, {})
        if cache is not None:
            cache.keep(key, found, "" if target.ipu is None else target.ipu.text)
    return found


def compile_graph(graph: Graph, target: Target, dims: Mapping[str, int]) -> Executable:
    """A graph compiled for a target, its symbols being these sizes. Raises HaloError."""
    options: dict[str, Any] = dict(target.options)
    if _symbols(graph) & set(dims):
        graph = with_sizes(graph, dims)
    log(Level.INFO, f"compiling {graph.name!r} for {target.device}")
    try:
        return device(target.device).compile(graph, options)
    except UsageError as error:
        rest = {name: value for name, value in options.items() if name not in HINTS}
        if len(rest) == len(options):
            raise
        log(Level.WARN, f"{target.device} runs without {', '.join(HINTS)}: {error}")
        return device(target.device).compile(graph, rest)


def _symbols(graph: Graph) -> set[str]:
    found: set[str] = set()
    for value in graph.inputs:
        if isinstance(value.type, TensorType):
            for dim in value.type.shape or ():
                if not isinstance(dim, int):
                    found |= {name for name, _ in dim.terms}
    return found


def shape_at(type: TensorType, dims: Mapping[str, int], label: str) -> tuple[int, ...]:
    """A shape with its symbols replaced. Raises UsageError if a size is not known."""
    if type.shape is None:
        raise UsageError(f"the rank of {label} is not known")
    sizes: list[int] = []
    for dim in type.shape:
        size = substitute(dim, dims)
        if not isinstance(size, int):
            raise UsageError(f"the size {size} of {label} is not known", hint="set its runtime shape or the run batch")
        sizes.append(size)
    return tuple(sizes)
