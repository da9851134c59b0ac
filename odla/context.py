"""A context: an executable with arrays bound to its inputs and outputs, run in this thread or another."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UsageError
from odla.handles import Executable, Result

if TYPE_CHECKING:
    from odla.driver import Port

_WORKERS = 4
_lock = threading.Lock()
_pools: list[ThreadPoolExecutor] = []


class Context:
    """Bindings persist from run to run; binding again replaces. Input arrays are read when a run starts."""

    def __init__(self, executable: Executable) -> None:
        self.executable = executable
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, np.ndarray[Any, Any]] = {}

    def bind_input(self, which: str | int, contents: Any) -> None:
        """Bind an input by name or position. Raises UsageError if there is no such input."""
        self._inputs[_find(self.executable.signature.inputs, which, "input").name] = contents

    def bind_output(self, which: str | int, destination: np.ndarray[Any, Any]) -> None:
        """Have an output written into this array after each run. Raises UsageError."""
        port = _find(self.executable.signature.outputs, which, "output")
        if not destination.flags.writeable:
            raise UsageError(f"the array bound to output {port.name!r} cannot be written")
        self._outputs[port.name] = destination

    def execute(self) -> Result:
        """Run with the bound inputs and fill the bound outputs. Raises UsageError, HaloError."""
        return self._run(dict(self._inputs), dict(self._outputs))

    def execute_async(self) -> Future[Result]:
        """The same in another thread; the bindings are those of this moment."""
        return _pool().submit(self._run, dict(self._inputs), dict(self._outputs))

    def _run(self, inputs: dict[str, Any], outputs: dict[str, np.ndarray[Any, Any]]) -> Result:
        result = self.executable.run(inputs)
        for name, destination in outputs.items():
            made = result[name]
            if destination.shape != made.shape or destination.dtype != made.dtype:
                raise UsageError(
                    f"output {name!r} is {made.dtype}{list(made.shape)}, the array bound to it "
                    f"{destination.dtype}{list(destination.shape)}"
                )
            np.copyto(destination, made)
        return result


def _find(ports: tuple[Port, ...], which: str | int, kind: str) -> Port:
    if isinstance(which, int):
        if 0 <= which < len(ports):
            return ports[which]
        raise UsageError(f"there is no {kind} {which}: the computation has {len(ports)}")
    for port in ports:
        if port.name == which:
            return port
    raise UsageError(f"there is no {kind} {which!r}", hint="there are " + ", ".join(port.name for port in ports))


def _pool() -> ThreadPoolExecutor:
    with _lock:
        if not _pools:
            _pools.append(ThreadPoolExecutor(_WORKERS, thread_name_prefix="odla"))
        return _pools[0]
