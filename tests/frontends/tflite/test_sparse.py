"""Sparse constants of TFLite files: which entries they have, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import odla
from halo_frontends.tflite.flatbuffer import MalformedError
from halo_frontends.tflite.sparse import Level, Sparsity
from halo_py.errors import ModelError
from halo_py.frontend import load_model
from tests.frontends.tflite.flatbuffer import (
    ADD,
    Ints,
    Number,
    Table,
    flatbuffer,
    model,
    operator,
    subgraph,
    tensor,
)

DENSIFY = 124
INT32, UINT8 = 1, 3


def _listed(kind: int, segments: list[int], indices: list[int]) -> Table:
    """A dimension of which only some entries are stored."""

    def vector(numbers: list[int]) -> Table:
        if kind == INT32:
            return {0: Ints(numbers)}
        return {0: np.asarray(numbers, np.uint8).tobytes()}

    return {
        0: Number("b", 1),
        2: Number("B", kind),
        3: vector(segments),
        4: Number("B", kind),
        5: vector(indices),
    }


def _file(path: Path, levels: list[Table], order: list[int], blocked: list[int], stored: list[float]) -> Path:
    """x + densify(w) for w of shape [4, 4]."""
    sparse: Table = {0: Ints(order), 1: Ints(blocked), 2: levels}
    weights = {**tensor("w", (4, 4), buffer=1), 6: sparse}
    tensors = [tensor("x", (4, 4)), weights, tensor("dense", (4, 4)), tensor("y", (4, 4))]
    operators = [operator(0, [1], [2]), operator(1, [0, 2], [3])]
    contents = np.asarray(stored, np.float32).tobytes()
    path.write_bytes(flatbuffer(model([subgraph(tensors, [0], [3], operators)], [DENSIFY, ADD], [contents])))
    return path


def _dense(size: int) -> Table:
    return {0: Number("b", 0), 1: Number("i", size)}


ROWS = np.asarray([[0, 1, 0, 2], [0, 0, 0, 0], [0, 0, 3, 0], [4, 0, 0, 0]], np.float32)
BLOCKS = np.asarray([[0, 0, 1, 2], [0, 0, 3, 4], [5, 6, 0, 0], [7, 8, 0, 0]], np.float32)


@pytest.mark.parametrize("kind", [INT32, UINT8])
def test_rows_that_list_their_entries(kind: int, tmp_path: Path) -> None:
    levels = [_dense(4), _listed(kind, [0, 2, 2, 3, 4], [1, 3, 2, 0])]
    path = _file(tmp_path / "rows.tflite", levels, [0, 1], [], [1, 2, 3, 4])
    x = np.zeros((4, 4), np.float32)
    np.testing.assert_array_equal(odla.execute(path, {"x": x}, device="cpu")["y"], ROWS)


def test_blocks_that_are_listed(tmp_path: Path) -> None:
    levels = [_dense(2), _listed(INT32, [0, 1, 2], [1, 0]), _dense(2), _dense(2)]
    path = _file(tmp_path / "blocks.tflite", levels, [0, 1, 2, 3], [0, 1], [1, 2, 3, 4, 5, 6, 7, 8])
    x = np.ones((4, 4), np.float32)
    np.testing.assert_array_equal(odla.execute(path, {"x": x}, device="cpu")["y"], BLOCKS + 1)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**25 - 1), st.booleans())
def test_every_stored_entry_has_its_place(height: int, width: int, bits: int, columns_first: bool) -> None:
    kept = np.asarray([bits >> place & 1 for place in range(height * width)], bool).reshape(height, width)
    walked = kept.T if columns_first else kept
    counts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(walked.sum(axis=1))])
    levels = (Level(walked.shape[0]), Level(0, counts, np.nonzero(walked)[1].astype(np.int64)))
    order = (1, 0) if columns_first else (0, 1)
    places = Sparsity(order, (), levels).places((height, width), height * width)
    found = np.zeros(height * width, bool)
    found[places] = True
    np.testing.assert_array_equal(found.reshape(height, width), kept)


@pytest.mark.parametrize(
    ("segments", "indices"),
    [
        ([0, 2, 2, 3], [1, 3, 2]),
        ([0, 2, 1, 3, 4], [1, 3, 2, 0]),
        ([0, 2, 2, 3, 5], [1, 3, 2, 0]),
        ([1, 2, 2, 3, 4], [1, 3, 2, 0]),
        ([0, 2, 2, 3, 4], [1, 3, 4, 0]),
        ([0, 2, 2, 3, 4], [1, 3, -1, 0]),
    ],
)
def test_entries_outside_of_the_tensor_are_refused(segments: list[int], indices: list[int], tmp_path: Path) -> None:
    path = _file(tmp_path / "bad.tflite", [_dense(4), _listed(INT32, segments, indices)], [0, 1], [], [1, 2, 3, 4])
    with pytest.raises(ModelError, match="tensor 'w' does not say where its entries stand"):
        load_model(path)


@pytest.mark.parametrize(
    ("order", "blocked", "sizes"),
    [((0, 0), (), (4, 4)), ((0,), (), (4,)), ((0, 1, 2), (0,), (1, 4, 3)), ((0, 1, 2), (2,), (4, 4, 1))],
)
def test_a_walk_that_fits_no_tensor_is_refused(
    order: tuple[int, ...], blocked: tuple[int, ...], sizes: tuple[int, ...]
) -> None:
    with pytest.raises(MalformedError):
        Sparsity(order, blocked, tuple(map(Level, sizes))).places((4, 4), 16)


def test_more_entries_than_bytes_are_refused() -> None:
    with pytest.raises(MalformedError):
        Sparsity((0, 1), (), (Level(1 << 20), Level(1 << 20))).places((1 << 20, 1 << 20), 1000)
