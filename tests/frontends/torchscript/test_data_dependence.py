"""Programs whose sizes and variables depend on data, as Torch prints them; NumPy says what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import odla
from halo_py.errors import ShapeError, UnsupportedError
from halo_py.frontend import ImportOptions, load_model
from tests.frontends.torchscript.archives import function_archive

Array = NDArray[Any]
X = np.asarray([[1, -2, 3], [-4, 5, 6]], np.float32)


def _outputs(path: Path, body: str, x: Array = X) -> list[Array]:
    """What the CPU device gives for a function of x with this body."""
    return [np.asarray(value) for value in odla.execute(function_archive(path, body), [x], device="cpu").values()]


UNSET = """    _0 = uninitialized(Tensor)
    if torch.gt(torch.dim(x), 5):
      ready, y = True, torch.neg(x)
    else:
      ready, y = False, _0
    if ready:
      z = y
    else:
      z = torch.relu(x)
    return z
"""


def test_a_variable_without_value_may_be_handed_on(tmp_path: Path) -> None:
    np.testing.assert_array_equal(_outputs(tmp_path, UNSET)[0], np.maximum(X, 0))


@pytest.mark.parametrize("use", ["torch.relu(y)", "y", "(y, x)"])
def test_a_variable_without_value_may_not_be_used(use: str, tmp_path: Path) -> None:
    path = function_archive(tmp_path, f"    _0 = uninitialized(Tensor)\n    y = _0\n    return {use}\n")

    with pytest.raises(UnsupportedError, match="'y' is read, and no path that leads here gives it a value"):
        load_model(path, ImportOptions(shapes={"x": (2, 3)}))


IN_BRANCH = """    if bool(torch.gt(torch.sum(x), 0)):
      kept = torch.add(x, 1)
      _0 = torch.add_(kept, x)
      y = torch.mul(kept, 2)
    else:
      y = torch.neg(x)
    return y
"""


@pytest.mark.parametrize("sign", [1, -1])
def test_a_branch_may_change_a_tensor_of_its_own(sign: int, tmp_path: Path) -> None:
    x = sign * X
    np.testing.assert_array_equal(_outputs(tmp_path, IN_BRANCH, x)[0], 4 * x + 2 if sign > 0 else -x)


IN_LOOP = """    times = int(torch.sum(torch.gt(x, 0)))
    y = torch.neg(x)
    whole = torch.zeros_like(x)
    for i in range(times):
      kept = torch.zeros_like(x)
      _0 = torch.add_(kept, 1)
      _1 = torch.add_(whole, kept)
      y = torch.add(y, kept)
    return (y, whole)
"""


def test_a_loop_may_change_a_tensor_of_its_own_and_one_around_it(tmp_path: Path) -> None:
    times = np.count_nonzero(X > 0)
    y, whole = _outputs(tmp_path, IN_LOOP)
    np.testing.assert_array_equal(y, times - X)
    np.testing.assert_array_equal(whole, np.full_like(X, times))


FOUND = """    rows = torch.nonzero(torch.gt(x, 0))
    columns = torch.select(rows, 1, 1)
"""
ROWS = np.argwhere(X > 0)
COLUMNS = ROWS[:, 1]


def test_pieces_of_a_size_that_depends_on_data(tmp_path: Path) -> None:
    cut = "    a, b, c, = torch.split_with_sizes(rows, [1, torch.sub(torch.len(rows), 2), 1])\n    return (a, b, c)\n"
    for found, expected in zip(_outputs(tmp_path, FOUND + cut), (ROWS[:1], ROWS[1:-1], ROWS[-1:]), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("source", ["2.5", "torch.to(torch.select(rows, 1, 0), 6)"])
def test_writing_to_as_many_places_as_data_says(source: str, tmp_path: Path) -> None:
    write = f"    return torch.scatter_add(torch.zeros([3], dtype=6), 0, columns, {source})\n"
    if source == "2.5":
        write = write.replace("scatter_add", "scatter")
    expected = np.zeros(3, np.float32)
    if source == "2.5":
        expected[COLUMNS] = 2.5
    else:
        np.add.at(expected, COLUMNS, ROWS[:, 0])
    np.testing.assert_array_equal(_outputs(tmp_path, FOUND + write)[0], expected)


def test_unique_entries_of_as_many_as_data_says(tmp_path: Path) -> None:
    unique = "    a, b, c, = torch._unique2({}, True, True, True)\n    return (a, b, c)\n"
    for given, array in (("columns", COLUMNS), ("rows", ROWS)):
        values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
        found = _outputs(tmp_path, FOUND + unique.format(given))
        for value, expected in zip(found, (values, inverse.reshape(array.shape), counts), strict=True):
            np.testing.assert_array_equal(value, expected)


def test_resizing_as_many_pictures_as_data_says(tmp_path: Path) -> None:
    resize = """    pictures = torch.reshape(torch.to(rows, 6), [torch.len(rows), 1, 1, 2])
    return torch.upsample_nearest2d(pictures, None, [2., 2.])
"""
    expected = ROWS.reshape(-1, 1, 1, 2).repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(_outputs(tmp_path, FOUND + resize)[0], expected)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, "n"),
        ("n", 9223372036854775807),
        (0, 2),
        (-2, 9223372036854775807),
        (1, "n"),
        ("n", 1),
        (-2, "n"),
        ("n", "n"),
    ],
)
def test_writing_into_a_part_whose_size_depends_on_data(low: int | str, high: int | str, tmp_path: Path) -> None:
    write = f"""    n = int(torch.sum(torch.gt(x, 4)))
    whole = torch.to(columns, 6)
    part = torch.slice(whole, 0, {low}, {high})
    _0 = torch.fill_(part, 9.)
    return (whole, part)
"""
    n = np.count_nonzero(X > 4)
    first, last = (n if bound == "n" else bound for bound in (low, high))
    expected = COLUMNS.astype(np.float32)
    expected[int(first) : int(last)] = 9
    whole, part = _outputs(tmp_path, FOUND + write)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(part, expected[int(first) : int(last)])


LONGER = """    n = torch.{size}
    if {condition}:
      y = {then}
    else:
      y = {otherwise}
    return torch.reshape(torch.select(torch.select(y, 1, 0), 1, 1), [-1])
"""
SPLIT = "torch.reshape(rows, [torch.len(rows), -1, 2])"


@pytest.mark.parametrize("x", [X, -np.abs(X)], ids=["some", "none"])
@pytest.mark.parametrize(
    ("condition", "some_first"),
    [
        ("torch.gt(n, 0)", True),
        ("torch.ge(n, 1)", True),
        ("torch.lt(0, n)", True),
        ("torch.ne(n, 0)", True),
        ("bool(n)", True),
        ("torch.eq(n, 0)", False),
        ("torch.lt(n, 1)", False),
        ("torch.le(n, 0)", False),
    ],
)
@pytest.mark.parametrize("size", ["len(rows)", "numel(rows)"])
def test_an_empty_tensor_has_the_rank_that_the_other_branch_gives_it(
    size: str, condition: str, some_first: bool, x: Array, tmp_path: Path
) -> None:
    then, otherwise = (SPLIT, "rows") if some_first else ("rows", SPLIT)
    body = FOUND + LONGER.format(size=size, condition=condition, then=then, otherwise=otherwise)
    np.testing.assert_array_equal(_outputs(tmp_path, body, x)[0], np.argwhere(x > 0)[:, 1])


@pytest.mark.parametrize("condition", ["torch.gt(n, 1)", "torch.lt(n, 0)", "torch.eq(n, 3)", "bool(torch.any(rows))"])
def test_a_rank_that_depends_on_data_is_refused_where_it_comes_from(condition: str, tmp_path: Path) -> None:
    body = FOUND + LONGER.format(size="len(rows)", condition=condition, then=SPLIT, otherwise="rows")
    with pytest.raises(ShapeError, match="the branches of node 'If', op prim::If give rank 3 and rank 2") as raised:
        load_model(function_archive(tmp_path, body), ImportOptions(shapes={"x": (2, 3)}))
    assert "op aten::select" in str(raised.value)
