"""The backend `halo` of `torch.compile`.

    compiled = torch.compile(module, backend="halo", options={"device": "ipu-1"})

Torch splits what it compiles into graphs of its core operators, forward and backward apart. The forward ones run on
the device, each compiled when it is first called with tensors of these shapes; weights are inputs of theirs, so that
training and loading of weights need no new program. Backward ones, which only run where gradients are wanted, stay
with Torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from halo_py.errors import UsageError
from halo_py.pytorch.exporting import from_torch
from halo_py.pytorch.tensors import load_torch, to_array, to_tensor

if TYPE_CHECKING:
    import odla

DEFAULT_DEVICE = "cpu"


def halo(
    module: Any, example_inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None, mode: str | None = None
) -> Any:
    """What `torch.compile` calls. `options` are `device` (default: cpu) and the device's compile options.

    Raises UsageError for a `mode`, which chooses among ways of Torch's own compiler.
    """
    if mode not in (None, "default"):
        raise UsageError(f"mode {mode!r} means nothing to HALO", hint="use options={...}")
    common = importlib.import_module("torch._dynamo.backends.common")
    decompositions = importlib.import_module("torch.export").default_decompositions()
    given = dict(options or {})
    device = str(given.pop("device", DEFAULT_DEVICE))

    def on_device(graph: Any, _inputs: Sequence[Any]) -> Any:
        return _boxed(DeviceFunction(graph, device, given))

    def by_torch(graph: Any, _inputs: Sequence[Any]) -> Any:
        return _boxed(graph.forward)

    compiler = common.aot_autograd(fw_compiler=on_device, bw_compiler=by_torch, decompositions=decompositions)
    return compiler(module, example_inputs)


def _boxed(function: Any) -> Any:
    return importlib.import_module("functorch.compile").make_boxed_func(function)


@dataclass
class DeviceFunction:
    """A graph of Torch as a function of tensors that runs on a device."""

    module: Any
    device: str
    options: Mapping[str, Any]
    _programs: dict[object, _Program] = field(default_factory=dict[object, "_Program"])

    def __call__(self, *inputs: Any) -> list[Any]:
        """The graph's results. Raises HaloError."""
        torch = load_torch()
        key = tuple((item.shape, item.dtype) if isinstance(item, torch.Tensor) else item for item in inputs)
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = _Program.of(self, inputs)
        return program(inputs)


@dataclass(frozen=True)
class _Program:
    """A graph compiled for inputs of certain shapes."""

    executable: odla.Executable
    tensors: tuple[int, ...]
    """Which inputs are tensors; the others are numbers, which the program was compiled for."""
    results: tuple[Any, ...]
    """What each result is: a number that stays the same or None, or the type of a tensor."""

    @staticmethod
    def of(function: DeviceFunction, inputs: Sequence[Any]) -> _Program:
        import odla

        torch = load_torch()
        detached = tuple(item.detach() if isinstance(item, torch.Tensor) else item for item in inputs)
        with torch.no_grad():
            results = function.module(*detached)
        kinds = tuple(_Kind(item.dtype, item.device) if isinstance(item, torch.Tensor) else item for item in results)
        graph = from_torch(function.module, detached)
        executable = odla.compile_for(graph, function.device, **function.options)
        tensors = tuple(number for number, item in enumerate(inputs) if isinstance(item, torch.Tensor))
        return _Program(executable, tensors, kinds)

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        found = iter(self.executable.run([to_array(inputs[number]) for number in self.tensors]).values())
        results: list[Any] = []
        for kind in self.results:
            if kind is None:
                results.append(None)
                continue
            array = next(found)
            results.append(to_tensor(array).to(kind.device, kind.dtype) if isinstance(kind, _Kind) else kind)
        return results


@dataclass(frozen=True)
class _Kind:
    """The element type and device of a tensor that Torch expects."""

    dtype: Any
    device: Any
