"""A typed reading and writing of ONNX files, enough for the catalogue, where `onnx` is typed in part only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
from onnx import ModelProto, numpy_helper


@dataclass(frozen=True, slots=True)
class Port:
    """A graph input: its name, NumPy type and declared dimensions (0 where they are dynamic)."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


def load_model(path: Path) -> ModelProto:
    """The model at `path`, without the contents of external weights."""
    return onnx.load(path, load_external_data=False)  # pyright: ignore[reportUnknownMemberType]


def save_checked_model(model: ModelProto, path: Path) -> None:
    """Writes the model after ONNX's own checker has agreed to it."""
    onnx.checker.check_model(model)  # pyright: ignore[reportUnknownMemberType]
    path.write_bytes(model.SerializeToString())


def save_model(model: ModelProto, path: Path) -> None:
    """Writes a model that ONNX's checker does not know: it uses operators of ONNX Runtime."""
    path.write_bytes(model.SerializeToString())


def light_net_folder() -> Path:
    """Where the `onnx` package keeps the topologies of its light nets."""
    return Path(onnx.backend.test.__file__).parent / "data" / "light"


def read_inputs(path: Path) -> list[Port]:
    """The inputs of the model at `path` that its user must supply, weights left out."""
    graph = load_model(path).graph
    weights = {initializer.name for initializer in graph.initializer}
    return [_port(value) for value in graph.input if value.name not in weights]


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    shape = tuple(max(dim.dim_value, 0) for dim in tensor.shape.dim)
    return Port(value.name, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)


def quantises(path: Path) -> bool:
    """Whether the model rounds to integers with a scale while it runs."""
    marks = ("QuantizeLinear", "DynamicQuantize", "QLinear", "QGemm")
    names = {node.op_type for node in load_model(path).graph.node} - {"DequantizeLinear"}
    return any(mark in name for name in names for mark in marks)


def nudged(path: Path, by: float, seed: int) -> bytes:
    """The model with every float32 constant of the main graph moved by up to `by` times itself."""
    model = load_model(path)
    random = np.random.default_rng(seed)
    values = [entry.t for node in model.graph.node if node.op_type == "Constant" for entry in node.attribute]
    for tensor in (*model.graph.initializer, *values):
        if tensor.data_type == onnx.TensorProto.FLOAT:
            numbers = numpy_helper.to_array(tensor)
            moved = numbers * (1 + by * random.uniform(-1, 1, numbers.shape))
            kept = np.where(np.abs(moved) < np.finfo(np.float32).max, moved, numbers)
            tensor.CopyFrom(numpy_helper.from_array(kept.astype(np.float32), tensor.name))
    return model.SerializeToString()
