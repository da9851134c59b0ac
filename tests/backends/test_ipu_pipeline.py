"""A model too big for one chip becomes a pipeline, and its values are right."""

from __future__ import annotations

import numpy as np

import halo_py
import odla
from halo_py.bsp.timing import program_time
from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.targets import load_target
from halo_py.types import DType, tensor
from tests.backends.attention import onnx_op

WIDTH, LAYERS, BATCH = 768, 6, 8


def _too_big() -> Graph:
    """Dense layers whose weights exceed one chip of `ipu-tiny4`, with a skip connection over all of them."""
    random = np.random.default_rng(1)
    builder = GraphBuilder("dense")
    x = builder.input("x", tensor(DType.FLOAT32, 2, WIDTH))
    h = x
    for layer in range(LAYERS):
        weights = (random.normal(size=(WIDTH, WIDTH)) * (2 / WIDTH) ** 0.5).astype(np.float32)
        (product,) = builder.add(onnx_op("MatMul"), [h, builder.constant(weights, f"w{layer}")], name=f"dense{layer}")
        (h,) = builder.add(onnx_op("Relu"), [product], name=f"relu{layer}")
    (y,) = builder.add(onnx_op("Add"), [h, x], name="skip")
    return builder.finish([y], ["y"])


def test_a_model_too_big_for_one_chip_is_cut_into_stages() -> None:
    graph = _too_big()
    system = load_target("ipu-tiny4")
    assert graph.constant_bytes() > system.chip.tiles * system.chip.bytes_per_tile
    random = np.random.default_rng(2)
    inputs = random.normal(size=(BATCH, WIDTH)).astype(np.float32)
    parts = [np.asarray(evaluate_graph(graph, [part])[0]) for part in np.split(inputs, BATCH // 2)]
    expected = np.concatenate(parts)

    executable = halo_py.compile(graph, target="ipu-tiny4", batch_size=BATCH)

    assert len(executable.program.stages) > 1
    assert all(stage.memory.fits for stage in executable.program.stages)
    assert executable.program.copies
    time = program_time(executable.program, executable.system)
    assert float(time.link_seconds[1]) > 0
    for mode in ("whole", "tiled"):
        found = odla.execute(graph, {"x": inputs}, device="ipu-tiny4", batch_size=BATCH, mode=mode)["y"]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
