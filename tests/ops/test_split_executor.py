"""The executor of tile forms must see wrong forms: what it cannot see, no per-op test can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.ir.space import Access, Affine, Kernel, KernelCall, TileForm, VertexArgs
from halo_py.ir.work import Count, Work
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.kernels.reduce import ReduceCodelet, reduce_kernel
from halo_py.ops.scalar import single
from halo_py.types import DType, tensor
from tests.ops.split_executor import SplitExecutor, UnwrittenError

X = np.arange(24, dtype=np.float32).reshape(4, 6)
MATRIX = tensor(DType.FLOAT32, 4, 6)


def _form(*kernels: Kernel) -> TileForm:
    """A chain of kernels, each with one operand and one result."""
    values = [MATRIX, *(tensor(kernel.write_types[0], *kernel.writes[0].shape) for kernel in kernels)]
    steps = tuple(KernelCall(kernel, (number,), (number + 1,)) for number, kernel in enumerate(kernels))
    return TileForm(tuple(values), (0,), (len(kernels),), steps)


def _run(*kernels: Kernel, ways: int = 2) -> NDArray[Any]:
    return SplitExecutor(lambda _axis: ways).run(_form(*kernels), [X])[0]


def _neg() -> Kernel:
    return broadcast_kernel(single("neg", 1, DType.FLOAT32), [MATRIX], MATRIX)


def _sum() -> Kernel:
    return reduce_kernel("add", MATRIX, (1,), DType.FLOAT32)


def test_right_forms_give_right_results() -> None:
    assert np.array_equal(_run(_neg(), _neg()), X)
    assert np.array_equal(_run(_sum()), X.sum(axis=1, keepdims=True))


def test_splits_really_happen() -> None:
    executor = SplitExecutor(lambda _axis: 3)
    executor.run(_form(_neg(), _sum()), [X])
    assert executor.splits == 2


def test_a_shifted_write_leaves_elements_unwritten() -> None:
    kernel = _neg()
    shifted = Access((4, 6), (Affine(((0, 1),), 1), Affine(((1, 1),))))
    with pytest.raises((UnwrittenError, AssertionError, ValueError)):
        _run(replace(kernel, writes=(shifted,)), ways=1)


def test_a_read_of_what_nobody_wrote_is_an_error() -> None:
    kernel = _neg()
    steps = (KernelCall(kernel, (1,), (2,)),)
    form = TileForm((MATRIX, MATRIX, MATRIX), (0,), (2,), steps)
    with pytest.raises(UnwrittenError):
        SplitExecutor(lambda _axis: 1).run(form, [X])


def test_two_vertices_must_not_write_one_element() -> None:
    first_row = Access((4, 6), (Affine(()), Affine(((1, 1),))))
    with pytest.raises(AssertionError, match="two vertices"):
        _run(replace(_neg(), writes=(first_row,)), ways=4)


class _Wrong(ReduceCodelet):
    """A reduction that forgets a part of what it should compute."""

    def __init__(self, change: Callable[[VertexArgs, tuple[NDArray[Any], ...]], tuple[NDArray[Any], ...]]) -> None:
        super().__init__("add")
        object.__setattr__(self, "change", change)

    change: Callable[[VertexArgs, tuple[NDArray[Any], ...]], tuple[NDArray[Any], ...]]
    __slots__ = ("change",)

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return super().work(extents, kernel)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[NDArray[Any], ...]:
        return self.change(args, super().compute(args, kernel))


def test_a_lost_partial_changes_the_sum() -> None:
    def lose(args: VertexArgs, results: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        return tuple(result * (args.low[1] == 0) for result in results)

    assert not np.array_equal(_run(replace(_sum(), codelet=_Wrong(lose))), X.sum(axis=1, keepdims=True))


def test_a_result_of_the_wrong_type_is_an_error() -> None:
    def narrow(_args: VertexArgs, results: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        return tuple(result.astype(np.float16) for result in results)

    with pytest.raises(AssertionError, match="float16"):
        _run(replace(_sum(), codelet=_Wrong(narrow)))


def test_vertices_cannot_write_to_their_operands() -> None:
    def spoil(args: VertexArgs, results: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        np.asarray(args.reads[0])[...] = 0
        return results

    with pytest.raises(ValueError, match="read-only"):
        _run(replace(_sum(), codelet=_Wrong(spoil)))
