"""Writes an ONNX graph node by node, weights kept inside or streamed to an external file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto, helper, numpy_helper

_OPSET = 17
_IR_VERSION = 8
_ALIGNMENT_BYTES = 4096
_SMALLEST_EXTERNAL_BYTES = 1024

Shape = Sequence[int | str]


class GraphWriter:
    """A graph under construction; `add` returns the name of the node's output.

    Used as a context manager: leaving it writes the model to `path` whole, or nothing after an exception. With
    `external_weights` larger weights go to `<path>.data` as they are made, so memory holds one at a time.
    """

    def __init__(self, path: Path, seed: int, *, external_weights: bool = False) -> None:
        self._path = path
        self._rng = np.random.default_rng(seed)
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []
        self._constants: dict[tuple[str, bytes], str] = {}
        self._data_path = path.with_name(f"{path.name}.data")
        self._data: BinaryIO | None = None
        if external_weights:
            self._data = self._part(self._data_path).open("wb")

    def input(self, name: str, shape: Shape, kind: int = TensorProto.FLOAT) -> str:
        """Declares a graph input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: Shape) -> None:
        """Declares a float graph output."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def add(self, op: str, *operands: str, result: str | None = None, **attributes: Any) -> str:
        """Adds a node with one output, called `result` or by its number."""
        name = result or f"{op}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, operands, [name], f"/{name}", **attributes))
        return name

    def add_split(self, operand: str, axis: int, sizes: Sequence[int]) -> list[str]:
        """Adds a Split and returns its outputs."""
        results = [f"Split_{len(self._nodes)}_{index}" for index in range(len(sizes))]
        operands = [operand, self.constant(sizes)]
        self._nodes.append(helper.make_node("Split", operands, results, f"/{results[0]}", axis=axis))
        return results

    def constant(self, value: float | Sequence[int] | NDArray[Any]) -> str:
        """A constant, int64 for whole numbers and float32 for floats; equal ones are shared."""
        array = np.asarray(value)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        key = (f"{array.dtype}{array.shape}", array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def normal(self, name: str, shape: Sequence[int], deviation: float, mean: float = 0.0) -> str:
        """A seeded normal weight."""
        return self.weight(
            name, self._rng.standard_normal(shape, np.float32) * np.float32(deviation) + np.float32(mean)
        )

    def uniform(self, name: str, shape: Sequence[int], low: float, high: float) -> str:
        """A seeded uniform weight."""
        return self.weight(name, self._rng.uniform(low, high, shape).astype(np.float32))

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """An initialiser with the given contents."""
        if self._data is None or array.nbytes < _SMALLEST_EXTERNAL_BYTES:
            self._weights.append(numpy_helper.from_array(array, name))
        else:
            self._weights.append(self._stream(self._data, name, array))
        return name

    def _stream(self, data: BinaryIO, name: str, array: NDArray[Any]) -> TensorProto:
        data.write(bytes(-data.tell() % _ALIGNMENT_BYTES))
        facts = {"location": self._data_path.name, "offset": str(data.tell()), "length": str(array.nbytes)}
        data.write(np.ascontiguousarray(array).data)
        return TensorProto(
            name=name,
            dims=array.shape,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            data_location=TensorProto.EXTERNAL,
            external_data=[StringStringEntryProto(key=key, value=value) for key, value in facts.items()],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._data is not None:
            self._data.close()
        if kind is None:
            self._save()
        else:
            self._part(self._data_path).unlink(missing_ok=True)

    def _save(self) -> None:
        graph = helper.make_graph(self._nodes, self._path.stem, self._inputs, self._outputs, self._weights)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        part = self._part(self._path)
        part.write_bytes(model.SerializeToString())
        if self._data is not None:
            self._part(self._data_path).replace(self._data_path)
        part.replace(self._path)

    @staticmethod
    def _part(path: Path) -> Path:
        return path.with_name(f"{path.name}.{os.getpid()}.part")
