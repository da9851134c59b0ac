"""One-node models of ONNX Runtime's own operators, run on every device and judged by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper, numpy_helper

import halo_py
import odla
from halo_backends.ipu.driver import Loaded
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.verify import verify_graph
from halo_py.types import DType
from tests.frontends.onnx_models import Array, judge, random, untyped, write

MACHINE = "ipu-tiny"


@dataclass(frozen=True, eq=False)
class Call:
    """An application of an operator: operands are arrays (None: left out), those of `constant` are initialisers.

    `kept` cuts a result down to what the operator defines (the judge's padding rows are arbitrary). `host` says that
    the operator does not run on tiles.
    """

    name: str
    op: str
    inputs: Sequence[Array | None]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outputs: Sequence[bool] = (True,)
    constant: Sequence[int] = ()
    domain: str = "com.microsoft"
    standard: int = 20
    """Operator set of the default domain."""
    tolerance: float = 1e-5
    host: bool = False
    kept: Mapping[int, Any] = field(default_factory=dict[int, Any])
    """Output number -> index expression."""
    types: Mapping[int, int] = field(default_factory=dict[int, int])
    """Output number -> element type, where ONNX Runtime does not infer it."""

    @property
    def names(self) -> list[str]:
        """Names of the operands; empty where one is left out."""
        return ["" if value is None else f"x{index}" for index, value in enumerate(self.inputs)]

    @property
    def feeds(self) -> dict[str, Array]:
        """The operands that are inputs of the model."""
        pairs = enumerate(self.inputs)
        return {f"x{index}": value for index, value in pairs if value is not None and index not in self.constant}

    def model(self, free: Mapping[int, Sequence[str | None]] | None = None) -> ModelProto:
        """The one-node model; `free` names dimensions of operands (None: as it is)."""
        results = [f"y{index}" if wanted else "" for index, wanted in enumerate(self.outputs)]
        node = helper.make_node(self.op, self.names, results, name="node", domain=self.domain, **self.attributes)
        symbols = {f"x{index}": names for index, names in (free or {}).items()}
        inputs = [_port(name, array, symbols.get(name, ())) for name, array in self.feeds.items()]
        outputs = [self._output(index, name) for index, name in enumerate(results) if name]
        pairs = [(index, value) for index, value in enumerate(self.inputs) if value is not None]
        constants = [numpy_helper.from_array(array, f"x{index}") for index, array in pairs if index in self.constant]
        graph = helper.make_graph([node], "test", inputs, outputs, constants)
        versions = [helper.make_opsetid("", self.standard), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=10)

    def _output(self, index: int, name: str) -> ValueInfoProto:
        if index in self.types:
            return helper.make_tensor_value_info(name, self.types[index], None)
        return untyped(name)

    def cut(self, results: Sequence[Array]) -> list[Array]:
        """The results, as far as the operator defines them."""
        numbers = [index for index, wanted in enumerate(self.outputs) if wanted]
        return [result[self.kept.get(index, ...)] for index, result in zip(numbers, results, strict=True)]


def _port(name: str, array: Array, symbols: Sequence[str | None]) -> ValueInfoProto:
    dims = [symbol or size for symbol, size in zip_longest(symbols, array.shape)]
    return helper.make_tensor_value_info(name, DType.from_numpy(array.dtype).onnx_number, dims)


def assert_free_dimensions_change_nothing(call: Call, free: Mapping[int, Sequence[str | None]], folder: Path) -> None:
    """A model whose dimensions are not known when it is read computes the same."""
    path = write(call.model(free), folder, "free.onnx")
    graph = load_model(path, ImportOptions(keep_symbolic=True))
    verify_graph(graph)
    results = _run(odla.Computation.of(graph), call, device="reference")
    for found, wanted in zip(call.cut(results), call.cut(judge(call.model(), call.feeds)), strict=True):
        assert_close(found, wanted, call.tolerance, call.name)


def results_by_device(call: Call, folder: Path) -> dict[str, list[Array]]:
    """What the reference, the CPU and the simulated IPU (whole and tiled) compute."""
    path = write(call.model(), folder)
    compiled = halo_py.compile(path, target=MACHINE)
    assert call.host or not compiled.fallbacks, compiled.fallbacks
    found = {device: _run(path, call, device=device) for device in ("reference", "cpu")}
    for mode in ("whole", "tiled"):
        found[mode] = _run(Loaded(compiled, mode), call)
    return found


def _run(model: object, call: Call, **options: str) -> list[Array]:
    return [np.asarray(value) for value in odla.execute(model, call.feeds, **options).in_order()]


def assert_all_equal(call: Call, folder: Path, expected: Sequence[Array] | None = None) -> None:
    """Every device gives what ONNX Runtime gives (or what is expected)."""
    judged = call.cut(judge(call.model(), call.feeds) if expected is None else expected)
    for device, results in results_by_device(call, folder).items():
        for number, (found, wanted) in enumerate(zip(call.cut(results), judged, strict=True)):
            assert_close(found, wanted, call.tolerance, f"{call.name}: output {number} on {device}")


def assert_close(found: Array, wanted: Array, tolerance: float, message: str) -> None:
    """Equal types and shapes; floats within the tolerance of the largest magnitude."""
    assert found.dtype == wanted.dtype, message
    assert found.shape == wanted.shape, message
    if not np.issubdtype(wanted.dtype, np.floating):
        np.testing.assert_array_equal(found, wanted, err_msg=message)
        return
    half = 100 if wanted.dtype == np.float16 else 1
    finite = wanted[np.isfinite(wanted)]
    size = float(np.abs(finite).max(initial=1e-3))
    np.testing.assert_allclose(found, wanted, rtol=half * tolerance, atol=half * tolerance * size, err_msg=message)


def halves(seed: int, *shape: int) -> Array:
    """Seeded standard normal numbers in float16."""
    return random(seed, *shape).astype(np.float16)
