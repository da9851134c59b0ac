"""Seeded inputs fit the model: types, shapes, and integers that stay inside the tables they index."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.errors import ShapeError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph
from halo_py.ir.pattern import onnx_op
from halo_py.ops import load_ops
from halo_py.seeded_inputs import bounds_by_name, seeded_arrays, seeded_inputs
from halo_py.types import DType, TensorType


def _embedding(rows: tuple[int, ...]) -> Graph:
    """Tables of these many rows, all indexed by the same ids after a cast and a reshape."""
    load_ops()
    builder = GraphBuilder("embedding", None)
    ids = builder.input("ids", TensorType(DType.INT64, (4, 50)))
    mask = builder.input("mask", TensorType(DType.INT64, (4, 50)))
    flat = builder.add(onnx_op("Reshape"), (ids, builder.constant(np.array([200], np.int64), "shape")))[0]
    small = builder.add(onnx_op("Cast", to=DType.INT32), (flat,))[0]
    outputs = [builder.add(onnx_op("Cast", to=DType.FLOAT32), (mask,))[0]]
    for number, count in enumerate(rows):
        table = builder.constant(np.zeros((count, 3), np.float32), f"table{number}")
        outputs.append(builder.add(onnx_op("Gather", axis=0), (table, small))[0])
    return builder.finish(outputs)


def test_integers_stay_inside_the_smallest_table_they_index() -> None:
    graph = _embedding((1000, 7))
    assert bounds_by_name(graph) == {"ids": 7}
    inputs = seeded_inputs(graph)
    assert inputs["ids"].dtype == np.int64
    assert set(np.unique(inputs["ids"])) == set(range(7))
    assert set(np.unique(inputs["mask"])) == {0, 1}


def test_a_one_hot_code_spelled_out_as_a_comparison_bounds_too() -> None:
    load_ops()
    builder = GraphBuilder("one_hot", None)
    ids = builder.input("ids", TensorType(DType.INT32, (6, 1)))
    codes = builder.constant(np.arange(9, dtype=np.int32), "codes")
    other = builder.constant(np.array([4, 8, 15], np.int32), "other")
    outputs = [builder.add(onnx_op("Equal"), operands)[0] for operands in ((ids, codes), (codes, ids), (ids, other))]
    assert bounds_by_name(builder.finish(outputs)) == {"ids": 9}


def test_the_same_seed_gives_the_same_inputs() -> None:
    graph = _embedding((100,))
    first, again, other = (seeded_inputs(graph, seed)["ids"] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype not in (DType.UINT2, DType.INT2)])
def test_every_element_type(dtype: DType) -> None:
    (array,) = seeded_arrays({"x": TensorType(dtype, (3, 5))}, {}).values()
    assert array.dtype == dtype.numpy
    assert array.shape == (3, 5)


def test_an_open_dimension_is_an_error() -> None:
    with pytest.raises(ShapeError, match="input 'x' has no fixed shape"):
        seeded_arrays({"x": TensorType(DType.FLOAT32, None)}, {})
