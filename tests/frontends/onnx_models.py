"""Small ONNX models for tests, and ONNX Runtime to judge them by. The only file here that meets `onnxruntime`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from halo_py.byte_products import exact_source

Array = NDArray[Any]

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def tensor_input(name: str, *dims: int | str | None, type: int = FLOAT) -> ValueInfoProto:
    """A tensor input or output."""
    return helper.make_tensor_value_info(name, type, list(dims))


def untyped(name: str) -> ValueInfoProto:
    """An output whose type the file does not state."""
    return ValueInfoProto(name=name)


def make_graph(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    constants: Mapping[str, Array] | None = None,
) -> GraphProto:
    """A graph with NumPy initialisers."""
    tensors = [numpy_helper.from_array(contents, name) for name, contents in (constants or {}).items()]
    return helper.make_graph(list(nodes), "test", list(inputs), list(outputs), tensors)


def make_model(graph: GraphProto, opset: int = 20, **fields: Any) -> ModelProto:
    """A model of the default domain."""
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9, **fields)


def write(model: ModelProto, folder: Path, name: str = "model.onnx") -> Path:
    """The model as a file."""
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def judge(model: Path | ModelProto, inputs: Mapping[str, Array]) -> list[Array]:
    """What ONNX Runtime computes, unoptimised."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    source = exact_source(model if isinstance(model, Path) else model.SerializeToString())
    session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return cast("list[Array]", session.run(None, dict(inputs)))


def random(seed: int, *shape: int) -> NDArray[np.float32]:
    """Seeded standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
