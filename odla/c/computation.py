"""A computation: the graph that operator calls extend, its options, and the programs compiled from it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UsageError
from halo_py.types import Dim, LinearDim, TensorType, symbol
from odla.c.binding import environment
from odla.c.executable_cache import CACHE_VARIABLE, ExecutableCache
from odla.c.handles import Handled, living
from odla.c.items import Item, QuantRange
from odla.c.jobs import Jobs
from odla.c.program import Snapshot, Source
from odla.c.scope import Scope
from odla.c.values import Role, Value, static_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from odla.c.element_types import ElementType
    from odla.c.ipu_config import IpuConfig

    Array = NDArray[Any]

BATCH = "batch"
"""The symbol of the leading dimension of arguments when the batch is dynamic."""

_PROFILES = (Item.OPT_SHAPE, Item.MAX_SHAPE, Item.MIN_SHAPE)


class Computation(Handled, Source):
    """A graph under construction. It can be run, extended and run again; each state is compiled when first run."""

    noun = "computation"

    def __init__(self, name: str = "computation") -> None:
        super().__init__()
        self.root = Scope(name, self)
        self.scope = self.root
        """The innermost open body, the root when none is open."""
        self.items: dict[Item, Any] = {}
        self.ids: dict[str, Value] = {}
        self.arguments: list[Value] = []
        self.outputs: list[Value] = []
        self.variables: list[Value] = []
        self.updates: dict[Value, Value] = {}
        """Variable -> the value it takes after each run."""
        self.profiles: dict[tuple[Value, Item], tuple[Dim, ...] | int] = {}
        self.ipu: IpuConfig | None = None
        """What the environment, or the cache file, says about runs on IPUs."""
        self.turn = threading.Lock()
        """Held by a run where runs follow one another."""
        self.places: threading.Semaphore | None = None
        """Places for asynchronous runs, where the IPU config bounds them."""
        self.quant_table: tuple[QuantRange, ...] = ()
        self.destroyed = False
        self.jobs = Jobs()
        self.lock = threading.RLock()
        self._declared_batch: int | None = None
        self._snapshot: Snapshot | None = None

    # -- building ---------------------------------------------------------------------------------------------------

    def remember(self, value: Value) -> Value:
        """Let a value be found by its id."""
        if value.id is not None:
            self.ids[value.id] = value
        return value

    def argument(self, type: TensorType, id: str | None, element: ElementType) -> Value:
        """The next argument; unknown dimensions become symbols, the leading one `batch` if the batch is dynamic."""
        if self.scope is not self.root:
            raise UsageError("an argument cannot be created inside a loop or conditional")
        label = id or f"arg{len(self.arguments)}"
        node = self.root.builder.input(label, TensorType(type.dtype, self._open_dims(type, label)))
        value = Value(type, id, Role.ARGUMENT, node=node, scope=self.root, element=element)
        self.arguments.append(value)
        self.changed()
        return self.remember(value)

    def _open_dims(self, type: TensorType, label: str) -> tuple[Dim, ...] | None:
        if type.shape is None:
            return None
        dims = [
            dim if isinstance(dim, int) and dim >= 0 else symbol(f"{label}_{axis}")
            for axis, dim in enumerate(type.shape)
        ]
        if self.items.get(Item.DYNAMIC_BATCH) and dims:
            if isinstance(dims[0], int):
                self._declared_batch = self._declared_batch or dims[0]
            dims[0] = symbol(BATCH)
        return tuple(dims)

    def constant(self, contents: Array, type: TensorType, id: str | None, element: ElementType) -> Value:
        """A constant of the innermost open body."""
        node = self.scope.builder.constant(contents, id or "constant", type.dtype)
        return self.remember(Value(type, id, Role.CONSTANT, node=node, scope=self.scope, element=element))

    def variable(self, type: TensorType, id: str | None, element: ElementType) -> Value:
        """A variable of zeros: what it holds is kept from run to run."""
        shape = static_shape(type, "a variable")
        if self.scope is not self.root:
            raise UsageError("a variable cannot be created inside a loop or conditional")
        node = self.root.builder.input(id or f"variable{len(self.variables)}", type)
        zeros = np.zeros(shape, type.dtype.numpy)
        value = Value(type, id, Role.VARIABLE, node=node, scope=self.root, array=zeros, element=element)
        self.variables.append(value)
        self.changed()
        return self.remember(value)

    def set_item(self, item: Item, datum: Any) -> None:
        """An option. Arguments that exist already follow a change of the dynamic batch."""
        if item is Item.DYNAMIC_BATCH and self.arguments and bool(datum) != bool(self.items.get(item)):
            raise UsageError("the batch must be made dynamic before the first argument is created")
        self.items[item] = datum
        self.changed()

    def set_profile(self, value: Value, item: Item, shape: tuple[int, ...]) -> None:
        """A bound, or the usual size, of an argument's shape. Raises UsageError if it does not fit the argument."""
        matched_dims(value.type, shape)
        self.profiles[value, item] = shape

    def assign(self, variable: Value, value: Value) -> None:
        """What a variable holds after each run. Raises UsageError if the types differ."""
        node = self.root.local(value)
        if node.type != variable.type:
            raise UsageError(f"{variable.label} is {variable.type}, what is assigned to it {node.type}")
        self.updates[variable] = value
        self.changed()

    def named_constants(self) -> dict[str, Array]:
        """The constants that have ids."""
        found: dict[str, Array] = {}
        for id, value in self.ids.items():
            if value.role is Role.CONSTANT and value.scope is self.root and value.node is not None:
                contents = self.root.builder.known(value.node)
                if contents is not None:
                    found[id] = contents
        return found

    def destroy(self) -> None:
        """Forget the computation and its values. Contexts and executables made from it stay valid."""
        self.destroyed = True
        self.drop_handle()
        for value in living(Value):
            if value.scope is not None and value.scope.computation is self:
                value.drop_handle()

    def mark_output(self, value: Value) -> None:
        """Make a value the next output. Raises UsageError if it is not this computation's."""
        if value.scope is not self.root or value.node is None:
            raise UsageError(f"{value.label} does not belong to this computation, or to a body that has ended")
        if value not in self.outputs:
            self.outputs.append(value)
            self.changed()

    # -- running ----------------------------------------------------------------------------------------------------

    @property
    def batches_per_step(self) -> int | None:
        """How many batches bound memory holds; None if nobody said."""
        stated = self.items.get(Item.BATCHES_PER_STEP)
        return None if stated is None else max(1, int(stated))

    def changed(self) -> None:
        """The graph or an option changed: what was compiled no longer stands for it."""
        self._snapshot = None

    def snapshot(self) -> Snapshot:
        """The graph as it stands. Raises UsageError if it has no output, or a body is still open."""
        found = self._snapshot
        if found is None:
            with self.lock:
                found = self._snapshot = self.snapshot_with(())
        return found

    def snapshot_with(self, extra: tuple[Value, ...]) -> Snapshot:
        """The same with further values as outputs."""
        if self.scope is not self.root:
            raise UsageError("a loop or conditional of the computation is still open")
        outputs = tuple(dict.fromkeys((*self.outputs, *extra, *self.updates.values())))
        if not outputs:
            raise UsageError("the computation has no output")
        names: dict[str, Value] = {}
        for number, value in enumerate(outputs):
            names.setdefault(value.id if value.id and value.id not in names else f"out{number}", value)
        graph = self.root.builder.finish([self.root.local(value) for value in outputs], list(names))
        by_node = {value.node: value for value in (*self.arguments, *self.variables)}
        inputs = tuple(by_node[node] for node in graph.inputs)
        updates = tuple((variable, outputs.index(value)) for variable, value in self.updates.items())
        made = Snapshot(graph, inputs, outputs, updates)
        made.cache = None if extra else self._cache()
        return made

    def _cache(self) -> ExecutableCache | None:
        """Where the executables of this computation are kept, if the program wants that."""
        file, folder = self.items.get(Item.CACHE_FILE), self.items.get(Item.CACHE_DIR)
        if file is not None:
            return ExecutableCache(Path(file), one_file=True)
        if self.items.get(Item.ENABLE_ENGINE_CACHE):
            if folder is None:
                raise UsageError("ODLA_ENABLE_ENGINE_CACHE is set, but not ODLA_CACHE_DIR")
            return ExecutableCache(Path(folder))
        from_environment = environment(CACHE_VARIABLE)
        return None if from_environment is None else ExecutableCache(Path(from_environment))

    def default_dims(self) -> Mapping[str, int]:
        """Sizes for dimensions that a run does not state: the declared batch, the optimum, else the bounds."""
        found: dict[str, int] = {}
        wanted = (self._declared_batch, *(self.items.get(item) for item in _BATCHES))
        batch = next((size for size in wanted if isinstance(size, int) and size > 0), None)
        if batch is not None:
            found[BATCH] = batch
        for item in _PROFILES:
            for (value, kind), shape in self.profiles.items():
                if kind is item and isinstance(shape, tuple):
                    for name, size in matched_dims(value.type, shape).items():
                        found.setdefault(name, size)
        return found

    def check_batch(self, size: int) -> None:
        """Raises UsageError if a batch lies outside of the declared bounds."""
        low, high = self.items.get(Item.MIN_BATCH_SIZE), self.items.get(Item.MAX_BATCH_SIZE)
        if size <= 0 or (low is not None and size < low) or (high is not None and size > high):
            raise UsageError(f"a batch of {size} is outside of the computation's bounds {low} to {high}")


_BATCHES = (Item.OPT_BATCH_SIZE, Item.MAX_BATCH_SIZE, Item.MIN_BATCH_SIZE)


def matched_dims(type: TensorType, shape: tuple[Dim, ...]) -> dict[str, int]:
    """Which sizes a shape gives to the symbols of a type. Raises UsageError if it contradicts the type."""
    if type.shape is None:
        return {}
    found: dict[str, int] = {}
    fits = len(shape) == len(type.shape)
    for dim, size in zip(type.shape, shape, strict=False):
        if isinstance(dim, LinearDim) and isinstance(size, int):
            ((name, factor),) = dim.terms if len(dim.terms) == 1 else (("", 1),)
            fits = fits and bool(name) and (size - dim.constant) % factor == 0
            found[name] = (size - dim.constant) // factor
        else:
            fits = fits and dim == size
    if not fits:
        raise UsageError(f"the shape {list(map(str, shape))} does not fit {type}")
    return found
