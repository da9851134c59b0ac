"""Graphs as ONNX: every op's samples go out, come back equal, and mean the same in ONNX Runtime."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import odla
from halo_frontends.onnx.expansions import expansion
from halo_py.errors import UnsupportedError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.encode import structural_key
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import Op, RuntimeValue
from halo_py.onnx_export import export, save_onnx, to_onnx, unexportable
from halo_py.types import DType, OptionalType, tensor
from tests.frontends.onnx_models import random
from tests.ops.cases import Case, assert_close, cases, epsilon, magnitude, of_every_op


def sample_graph(case: Case) -> tuple[Graph, list[RuntimeValue]]:
    """A sample as a graph of one node, and the contents of its inputs."""
    builder = GraphBuilder(case.name)
    operands: list[Value | None] = []
    inputs: list[RuntimeValue] = []
    for index, (contents, type) in enumerate(zip(case.sample.inputs, case.types(), strict=True)):
        if type is None:
            operands.append(None)
        elif index in case.sample.constant:
            assert isinstance(contents, np.ndarray)
            operands.append(builder.constant(contents, f"c{index}"))
        else:
            operands.append(builder.input(f"x{index}", type))
            inputs.append(contents)
    while operands and operands[-1] is None:
        operands.pop()
    sample = case.sample
    results = builder.add(
        with_onnx_floats(sample.op), operands, outputs=sample.outputs, bodies=sample.bodies, name="sample"
    )
    return builder.finish(results, [f"y{index}" for index in range(len(results))]), inputs


def with_onnx_floats(sample: Op) -> Op:
    """The op with attributes that ONNX can hold: its floats have 32 bits."""
    changed: dict[str, Any] = {}
    for name, value in sample.attributes().items():
        if isinstance(value, float):
            changed[name] = float(np.float32(value))
        elif isinstance(value, tuple):
            items = cast("tuple[object, ...]", value)
            changed[name] = tuple(float(np.float32(item)) if isinstance(item, float) else item for item in items)
    return dataclasses.replace(sample, **changed)


every_case = of_every_op(cases())


@every_case
def test_a_graph_goes_out_and_comes_back_equal(case: Case) -> None:
    graph, _ = sample_graph(case)
    if unexportable(graph):
        assert case.sample.op.declaration.onnx is None
        with pytest.raises(UnsupportedError, match=case.kind):
            to_onnx(graph)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.onnx"
        save_onnx(graph, path, opset=28)
        back = load_model(path, ImportOptions(keep_symbolic=True))
    assert [str(value.type) for value in (*back.inputs, *back.outputs)] == [
        str(value.type) for value in (*graph.inputs, *graph.outputs)
    ]
    decided = case.kind == "if" and 0 in case.sample.constant
    declared = case.sample.op.declaration
    expands = declared.onnx is not None and expansion(declared.domain, declared.onnx) is not None
    spelled_out = (
        decided or expands or case.kind == "fused_map" or getattr(case.sample.op, "epilogue", None) is not None
    )
    if not spelled_out:
        # As text, in which NaN among the attributes is equal to itself.
        keys = [[repr(structural_key(node, found.constants)) for node in found.nodes] for found in (graph, back)]
        assert keys[0] == keys[1]


@every_case
def test_the_cpu_means_what_the_reference_means(case: Case) -> None:
    graph, inputs = sample_graph(case)
    expected = evaluate_graph(graph, inputs)
    # One thread: with several, DynamicQuantizeLSTM quantises the rows of a batch in groups.
    found = odla.Computation.of(graph).compile("cpu", threads=1).run(inputs).in_order()
    for theirs, ours in zip(expected, found, strict=True):
        _compare(ours, theirs, case)


def _compare(found: RuntimeValue, expected: RuntimeValue, case: Case) -> None:
    if isinstance(expected, list):
        assert isinstance(found, list)
        for ours, theirs in zip(found, expected, strict=True):
            _compare(ours, theirs, case)
    elif expected is None:
        assert found is None
    else:
        assert isinstance(found, np.ndarray)
        # ONNX Runtime computes some float64 operators with the float32 numbers of their attributes.
        dtype = DType.from_numpy(expected.dtype)
        dtype = DType.FLOAT32 if dtype is DType.FLOAT64 else dtype
        scale = 64 * case.sample.tolerance * epsilon(dtype)
        assert_close(found, expected, scale, scale * magnitude([expected]))


def test_values_that_are_outputs_twice_or_inputs_keep_their_names(tmp_path: Path) -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, 2))
    y = computation.add("relu", x)
    computation.output(y, "y")
    computation.output(y, "again")
    computation.output(x, "x")
    computation.output(computation.constant(random(0, 3)), "k")
    graph = computation.graph()
    path = tmp_path / "m.onnx"
    save_onnx(graph, path)
    back = load_model(path)
    assert back.output_names == ("y", "again", "x", "k")
    assert [value.name for value in back.inputs] == ["x"]
    contents = random(1, 2)
    for ours, theirs in zip(evaluate_graph(back, [contents]), evaluate_graph(graph, [contents]), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_large_weights_stay_out_on_demand() -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(DType.FLOAT32, 1, 100))
    computation.output(computation.add("matmul", x, computation.constant(random(0, 100, 100), "w")), "y")
    exported = export(computation.graph(), inline_bytes=1000)
    assert list(exported.weights) == ["w"]
    assert len(exported.model.SerializeToString()) < 1000


def test_optional_types_are_written() -> None:
    builder = GraphBuilder("optional")
    x = builder.input("x", OptionalType(tensor(DType.FLOAT32, 2)))
    info = to_onnx(builder.finish([x])).graph.input[0]
    assert info.type.optional_type.elem_type.tensor_type.elem_type == 1
