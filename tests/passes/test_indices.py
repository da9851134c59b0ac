"""Indices become int32 without changing a valid one."""

from __future__ import annotations

import numpy as np

from halo_py.ir.graph import Graph
from halo_py.passes.indices import NarrowIndices
from halo_py.types import DType, TensorType
from tests.passes.equality import check_pass
from tests.passes.make import Make, check_golden, kinds


def int64_values(graph: Graph) -> list[str]:
    """Results of nodes that are int64 still."""
    values = [value for node in graph.nodes for value in node.outputs]
    return [value.name for value in values if isinstance(value.type, TensorType) and value.type.dtype is DType.INT64]


def test_an_embedding_reads_int32() -> None:
    m = Make()
    ids = m.input("ids", 2, 3, dtype=DType.INT64, below=9)
    check_golden("indices_embedding", check_pass(NarrowIndices(), m.case(m.Gather(m.weights(9, 4), ids))))


def test_arithmetic_on_indices_narrows_back_to_the_input() -> None:
    m = Make()
    ids = m.input("ids", 2, 3, dtype=DType.INT64, below=4)
    shifted = m.Add(m.Mul(m.Reshape(ids, [6]), np.asarray(2)), np.asarray([1] * 6))
    chosen = m.Where(m.Greater(shifted, np.asarray(3)), shifted, np.asarray(0))
    found = check_pass(NarrowIndices(), m.case(m.Gather(m.weights(9, 4), m.Sub(chosen, np.asarray(3)))))
    assert kinds(found).count("Cast") <= 2
    assert "Sub" in kinds(found)


def test_sums_that_overflow_32_bits_on_the_way_stay_exact() -> None:
    m = Make()
    ids = m.input("ids", 4, dtype=DType.INT64, below=4)
    far = np.asarray(2**40 + 7)
    found = check_pass(NarrowIndices(), m.case(m.Gather(m.weights(9, 4), m.Sub(m.Add(ids, far), far))))
    assert int64_values(found) == []


def test_what_is_read_as_a_number_stays_int64() -> None:
    m = Make()
    ids = m.input("ids", 4, dtype=DType.INT64, below=4)
    doubled = m.Add(ids, ids)
    found = check_pass(NarrowIndices(), m.case(m.Gather(m.weights(9, 4), doubled), doubled))
    assert int64_values(found) == [doubled.name]
