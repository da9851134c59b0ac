"""Loops whose length depends on data: lists they append to, and what they write into; NumPy says what they mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.errors import UnsupportedError
from halo_py.frontend import ImportOptions, load_model
from tests.frontends.torchscript.archives import function_archive

Array = NDArray[np.float32]
X = np.asarray([[1, -2, 3], [-4, 5, 6]], np.float32)
NONE = -np.abs(X)
FOUND = """    rows = torch.to(torch.nonzero(torch.gt(x, 0)), 6)
    kept = annotate(List[Tensor], [])
"""
GATHER = """    for i in range(torch.len(rows)):
      row = torch.select(rows, 0, i)
      _0 = torch.append(kept, torch.add(row, i))
"""


def _expected(x: Array) -> Array:
    rows = np.argwhere(x > 0).astype(np.float32)
    return rows + np.arange(len(rows), dtype=np.float32)[:, None]


def _outputs(path: Path, body: str, x: Array = X) -> list[Array]:
    return [np.asarray(value) for value in odla.execute(function_archive(path, body), [x], device="cpu").values()]


@pytest.mark.parametrize("x", [X, NONE], ids=["some", "none"])
def test_a_list_that_a_loop_appends_to(x: Array, tmp_path: Path) -> None:
    use = """    many = torch.len(kept)
    return (torch.stack(kept), torch.stack(kept, 1), torch.cat(kept), torch.add(torch.sum(x), many))
"""
    rows = _expected(x)
    wanted = (rows, rows.T, rows.reshape(-1), x.sum() + len(rows))
    for found, expected in zip(_outputs(tmp_path, FOUND + GATHER + use, x), wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_loop_over_a_list_that_a_loop_appended_to(tmp_path: Path) -> None:
    use = """    total = torch.zeros([2])
    for j in range(torch.len(kept)):
      entry = kept[j]
      total = torch.add(total, entry)
    return (total, kept[-1])
"""
    total, last = _outputs(tmp_path, FOUND + GATHER + use)
    np.testing.assert_array_equal(total, _expected(X).sum(axis=0))
    np.testing.assert_array_equal(last, _expected(X)[-1])


@pytest.mark.parametrize("x", [X, NONE], ids=["some", "none"])
def test_a_list_that_may_stay_empty(x: Array, tmp_path: Path) -> None:
    use = """    if torch.gt(torch.len(kept), 0):
      y = torch.unsqueeze(torch.stack(kept), 1)
    else:
      y = torch.new_empty(x, [0, 1, 2])
    return y
"""
    np.testing.assert_array_equal(_outputs(tmp_path, FOUND + GATHER + use, x)[0], _expected(x)[:, None])


@pytest.mark.parametrize(
    "body",
    [
        "      _0 = torch.append(kept, x)\n",
        "      _0 = torch.append(kept, torch.add(x, torch.len(kept)))\n",
        "      _0 = torch.append(kept, torch.neg(x))\n      _1 = torch.append(kept, torch.abs(x))\n",
        "      _0 = torch.append(kept, torch.neg(x))\n      other = kept\n",
        "      y = torch.add_(x, 1)\n      _0 = torch.append(kept, y)\n",
    ],
    ids=["of outside", "reads its length", "twice", "another name", "changed"],
)
def test_other_growth_of_lists_is_refused(body: str, tmp_path: Path) -> None:
    program = f"{FOUND}    for i in range(torch.len(rows)):\n{body}    return torch.stack(kept)\n"
    with pytest.raises(UnsupportedError, match="another kind of thing after an iteration"):
        load_model(function_archive(tmp_path, program), ImportOptions(shapes={"x": (2, 3)}))


def test_a_growing_list_with_two_names_is_refused(tmp_path: Path) -> None:
    program = f"{FOUND}    other = kept\n{GATHER}    return torch.stack(other)\n"
    with pytest.raises(UnsupportedError, match="another kind of thing after an iteration"):
        load_model(function_archive(tmp_path, program), ImportOptions(shapes={"x": (2, 3)}))


def test_a_list_that_an_iteration_makes_for_itself(tmp_path: Path) -> None:
    program = """    y = torch.zeros([2])
    rows = torch.to(torch.nonzero(torch.gt(x, 0)), 6)
    for i in range(torch.len(rows)):
      mine = annotate(List[Tensor], [])
      _0 = torch.append(mine, torch.select(rows, 0, i))
      _1 = torch.append(mine, y)
      y = torch.sum(torch.stack(mine), [0])
    return y
"""
    np.testing.assert_array_equal(_outputs(tmp_path, program)[0], np.argwhere(X > 0).sum(axis=0))


def test_writing_rows_of_as_many_as_data_says(tmp_path: Path) -> None:
    program = """    rows = torch.to(torch.nonzero(torch.gt(x, 0)), 6)
    y = torch.zeros([torch.len(rows), 2])
    for i in range(torch.len(rows)):
      column = torch.select(torch.select(rows, 0, i), 0, 1)
      _0 = torch.copy_(torch.select(torch.select(y, 0, i), 0, 1), torch.neg(column))
    return y
"""
    expected = np.argwhere(X > 0).astype(np.float32) * np.asarray([0, -1], np.float32)
    np.testing.assert_array_equal(_outputs(tmp_path, program)[0], expected)


def test_a_tensor_where_a_number_is_wanted(tmp_path: Path) -> None:
    program = """    n = ops.prim.min(annotate(int, torch.sum(torch.gt(x, 0))), 3)
    return torch.mul(torch.slice(torch.reshape(x, [6]), 0, 0, n), annotate(float, torch.max(x)))
"""
    np.testing.assert_array_equal(_outputs(tmp_path, program)[0], X.reshape(-1)[:3] * 6)
