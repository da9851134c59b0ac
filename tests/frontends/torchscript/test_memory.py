"""Layouts say of views what NumPy says of its own."""

from __future__ import annotations

from math import prod
from random import Random

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from halo_frontends.torchscript.memory import Layout, row_major

_SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def _view(layout: Layout, shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """The positions that a view of this layout reads."""
    places = np.full(shape, layout.offset, np.int64)
    for axis, step in enumerate(layout.strides):
        line = np.arange(shape[axis]) * step
        places += line.reshape([-1 if number == axis else 1 for number in range(len(shape))])
    return places


@given(_SHAPES, st.randoms(use_true_random=False), st.data())
def test_reshaping_needs_a_copy_exactly_where_numpy_copies(
    shape: list[int], random: Random, data: st.DataObject
) -> None:
    perm = random.sample(range(len(shape)), len(shape))
    array = np.arange(prod(shape)).reshape(shape).transpose(perm)
    layout = row_major(shape).permuted(perm)
    factors = data.draw(st.permutations([size for size in shape if size > 1] or [1]))
    wanted = (*factors[:-2], prod(factors[-2:])) if data.draw(st.booleans()) else tuple(factors)
    assume(prod(wanted) == array.size)

    found = layout.reshaped(array.shape, wanted)

    try:
        expected = np.reshape(array, wanted, copy=False)
    except ValueError:
        assert found is None
    else:
        assert found is not None
        np.testing.assert_array_equal(_view(found, wanted), expected)


@given(_SHAPES, st.data())
def test_parts_read_what_numpy_reads(shape: list[int], data: st.DataObject) -> None:
    array = np.arange(prod(shape)).reshape(shape)
    axis = data.draw(st.integers(0, len(shape) - 1))
    start, step = data.draw(st.integers(0, shape[axis] - 1)), data.draw(st.integers(1, 3))
    index = tuple(slice(start, None, step) if number == axis else slice(None) for number in range(len(shape)))

    sliced = row_major(shape).sliced(axis, start, step)
    selected = row_major(shape).selected(axis, start)

    np.testing.assert_array_equal(_view(sliced, array[index].shape), array[index])
    np.testing.assert_array_equal(_view(selected, array.take(start, axis).shape), array.take(start, axis))


@given(_SHAPES)
def test_broadcasting_repeats_elements(shape: list[int]) -> None:
    narrow = [1, *shape[1:]]
    wide = (2, 3, *shape[1:])
    array = np.arange(prod(narrow)).reshape(narrow)

    layout = row_major(narrow).expanded(narrow, wide)

    np.testing.assert_array_equal(_view(layout, wide), np.broadcast_to(array, wide))
    assert not layout.is_row_major(wide)
