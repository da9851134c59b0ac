"""Executables as C programs hold them: a computation compiled for one device, or one that was loaded."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.types import TensorType
from odla.c.element_types import element_of
from odla.c.handles import Handled
from odla.c.jobs import Jobs
from odla.c.program import Program, Snapshot, Source, Target
from odla.c.values import Role, Value
from odla.handles import Executable as Compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from odla.c.computation import Computation
    from odla.c.constants import ConstantsArray


class Executable(Handled, Source):
    """A compiled computation. It keeps its own snapshot, so the computation may be extended or destroyed."""

    noun = "executable"

    def __init__(
        self, snapshot: Snapshot, target: Target, arguments: list[Value], outputs: list[Value], dims: Mapping[str, int]
    ) -> None:
        super().__init__()
        self._snapshot = snapshot
        self.target = target
        self.arguments = arguments
        self.outputs = outputs
        self.jobs = Jobs()
        self.lock = threading.RLock()
        self.turn = threading.Lock()
        self.places: threading.Semaphore | None = None
        self._dims = dict(dims)
        self._bounds: Computation | None = None
        self._replaced: dict[int, Executable] = {}
        self.destroyed = False

    @staticmethod
    def of(computation: Computation, target: Target, *, compiled: bool = True) -> Executable:
        """A computation compiled (or when it is first run); with open dimensions for its defaults, and again where runs
        differ.
        """
        dims = computation.default_dims()
        made = Executable(computation.snapshot(), target, list(computation.arguments), list(computation.outputs), dims)
        made._bounds = computation
        if compiled:
            made.program()
        return made

    @staticmethod
    def loaded(compiled: Compiled) -> Executable:
        """An executable that was read back: its arguments and outputs are values of their own."""
        inputs = [_port(port.name, port.type, Role.ARGUMENT) for port in compiled.signature.inputs]
        outputs = [_port(port.name, port.type, Role.RESULT) for port in compiled.signature.outputs]
        target = Target(compiled.device)
        program = Program(compiled, tuple(inputs), tuple(outputs))
        snapshot = Snapshot(None, tuple(inputs), tuple(outputs), ())
        snapshot.add(target, program)
        return Executable(snapshot, target, inputs, outputs, {})

    def with_constants(self, constants: ConstantsArray) -> Executable:
        """The same with other contents of the constants that have these ids. Raises UsageError if one does not fit."""
        found = self._replaced.get(constants.handle)
        if found is None:
            snapshot = self._snapshot.with_constants(constants.contents)
            found = Executable(snapshot, self.target, self.arguments, self.outputs, self._dims)
            found.drop_handle()
            found._bounds = self._bounds
            self._replaced[constants.handle] = found
        return found

    @property
    def batches_per_step(self) -> int | None:
        """How many batches bound memory holds; None if nobody said."""
        return None if self._bounds is None else self._bounds.batches_per_step

    def default_dims(self) -> Mapping[str, int]:
        """Sizes for dimensions that a run does not state."""
        return self._dims

    def check_batch(self, size: int) -> None:
        """Raises UsageError if a batch lies outside of the declared bounds."""
        if self._bounds is not None:
            self._bounds.check_batch(size)

    def snapshot(self) -> Snapshot:
        """What it runs."""
        return self._snapshot

    def program(self) -> Program:
        """The program for the default sizes. Raises HaloError."""
        return self._snapshot.program(self.target, self._dims)


def _port(name: str, type: object, role: Role) -> Value:
    if not isinstance(type, TensorType):
        raise UsageError(f"{name!r} is {type}: ODLA values are tensors")
    return Value(type, name, role, element=element_of(type.dtype))
