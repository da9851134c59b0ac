"""HALO's devices behind ONNX's own backend interface, for programs and test suites written against it.

    prepared = backend("ipu-1").prepare(model)
    outputs = prepared.run(inputs)

Inputs that carry shapes, axes, pads, counts and the like are compile-time values on a tiled machine: they are bound at
the first run, and a program is kept for each of their values.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend, BackendRep

import odla
from halo_py.errors import HaloError, UsageError
from halo_py.frontend import ImportOptions, load_model
from halo_py.passes.pipelines import pipeline
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph

    Array = NDArray[Any]

DEFAULT_DEVICE = "cpu"
MOST_BOUND_ELEMENTS = 64
"""An input with more elements is data, whatever reads it."""

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass
class HaloRep(BackendRep):
    """A model on a device. It is compiled at the first run, when the shapes of its inputs are known.

    `options` are the device's compile options. Raises HaloError for a model that cannot be imported.
    """

    model: onnx.ModelProto
    device: str
    options: Mapping[str, Any]
    _bound: dict[_Shapes, tuple[str, ...]] = field(default_factory=dict[_Shapes, tuple[str, ...]])
    _compiled: dict[object, odla.Executable] = field(default_factory=dict[object, odla.Executable])

    def __post_init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="halo-onnx-")
        self._path = Path(self._folder.name) / "model.onnx"
        self._path.write_bytes(self.model.SerializeToString())
        self.graph = load_model(self._path, ImportOptions(keep_symbolic=True))

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Outputs in the model's order, for inputs in its order (initialised ones may be among them) or by name.

        Raises HaloError.
        """
        named = self._named(inputs)
        executable, bound = self.executable(named)
        return executable.run({name: contents for name, contents in named.items() if name not in bound}).in_order()

    def executable(self, named: Mapping[str, Any]) -> tuple[odla.Executable, tuple[str, ...]]:
        """The program for inputs of these shapes, and the names of those that it has as constants."""
        tensors = {value.name for value in self.graph.inputs if isinstance(value.type, TensorType)}
        arrays: dict[str, Array] = {name: np.asarray(contents) for name, contents in named.items() if name in tensors}
        shapes = tuple((name, array.shape) for name, array in arrays.items())
        if shapes not in self._bound:
            self._bound[shapes] = self._choose(arrays)
        bound = self._bound[shapes]
        key = (shapes, tuple(arrays[name].tobytes() for name in bound))
        found = self._compiled.get(key)
        if found is None:
            options = {**self._import_options(arrays, bound), **self.options}
            found = self._compiled[key] = odla.compile_for(self._path, self.device, **options)
        return found, bound

    @property
    def programs(self) -> tuple[odla.Executable, ...]:
        """The programs compiled so far, in this order."""
        return tuple(self._compiled.values())

    def _choose(self, arrays: Mapping[str, Array]) -> tuple[str, ...]:
        """The inputs to bind: no more than it takes for as few nodes as possible to be refused by the device."""
        if not odla.device(self.device).supports(self.graph):  # what runs for open shapes runs for these
            return ()
        refused, bound = self._refused(arrays, ())
        fewest, _ = self._refused(arrays, bound) if bound else (refused, ())
        if fewest == refused:
            return ()
        for name in sorted(bound, key=lambda name: arrays[name].dtype.kind != "f"):
            others = tuple(other for other in bound if other != name)
            if self._refused(arrays, others)[0] == fewest:
                bound = others
        return bound

    def _refused(self, arrays: Mapping[str, Array], bound: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
        """How many nodes the device refuses, and the small inputs that these depend on."""
        graph = load_model(self._path, ImportOptions(**self._import_options(arrays, bound), keep_symbolic=True))
        graph = pipeline("ipu").run(graph)
        refused = {entry.node for entry in odla.device(self.device).supports(graph)}
        if not refused:
            return 0, ()
        above = _ancestors(graph, refused)
        small = {
            name
            for name, array in arrays.items()
            if array.ndim <= 1 and array.size <= MOST_BOUND_ELEMENTS and array.dtype != object
        }
        return len(refused), tuple(value for value in above if value in small)

    def _import_options(self, arrays: Mapping[str, Array], bound: tuple[str, ...]) -> dict[str, Any]:
        return {
            "shapes": {name: array.shape for name, array in arrays.items() if name not in bound},
            "values": {name: arrays[name] for name in bound},
        }

    def _named(self, inputs: Any) -> dict[str, Any]:
        if isinstance(inputs, Mapping):
            return dict(cast("Mapping[str, Any]", inputs))
        given = list(cast("Sequence[Any]", inputs))
        names = [value.name for value in self.graph.inputs]
        declared = [entry.name for entry in self.model.graph.input]
        if len(given) == len(declared):
            named = dict(zip(declared, given, strict=True))
            return {name: named[name] for name in names}
        if len(given) != len(names):
            raise UsageError(f"the model has {len(names)} inputs ({', '.join(names)}), {len(given)} are given")
        return dict(zip(names, given, strict=True))


def _ancestors(graph: Graph, names: set[str]) -> list[str]:
    """Names of the graph inputs that the named nodes depend on, in the graph's order."""
    wanted = {value for node in graph.nodes if node.name in names for value in node.inputs}
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
    return [value.name for value in graph.inputs if value in wanted]


class HaloBackend(Backend):
    """ONNX's backend interface to one of HALO's devices; `backend(device)` gives those of other devices.

    Where the interface takes a device, "CPU" (its default) means the class's own; any other name is one of HALO's.
    """

    device: str = DEFAULT_DEVICE

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> HaloRep:
        """The model, ready to run. `kwargs` are compile options. Raises HaloError."""
        return HaloRep(model, cls._device(device), kwargs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Outputs of one operator, at its newest version unless `opset_version` says otherwise. Raises HaloError."""
        del outputs_info  # types are inferred
        opsets = [helper.make_opsetid(node.domain, kwargs.pop("opset_version", onnx.defs.onnx_opset_version()))]
        names = [name for name in node.input if name]
        ports = [
            helper.make_tensor_value_info(name, DType.from_numpy(array.dtype).onnx_number, array.shape)
            for name, array in zip(names, map(np.asarray, inputs), strict=True)
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = helper.make_graph([node], node.name or node.op_type, ports, outputs)
        return cls.prepare(helper.make_model(graph, opset_imports=opsets), device, **kwargs).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether a name means a device of HALO's ("CPU": this class's own)."""
        try:
            odla.device(cls._device(device))
        except HaloError:
            return False
        return True

    @classmethod
    def _device(cls, name: str) -> str:
        return cls.device if name == "CPU" else name


@cache
def backend(device: str) -> type[HaloBackend]:
    """The backend class of a device, as test suites want it. Raises TargetError for an unknown one."""
    odla.device(device)
    return type("HaloBackend", (HaloBackend,), {"device": device, "__doc__": f"HALO on {device}."})


prepare = HaloBackend.prepare
run_model = HaloBackend.run_model
run_node = HaloBackend.run_node
supports_device = HaloBackend.supports_device
is_compatible = HaloBackend.is_compatible
