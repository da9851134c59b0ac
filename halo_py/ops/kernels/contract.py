"""Contractions: multiply-accumulate over shared axes (matmul, einsum), any batch, row and column axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import ContractionWork, CopyWork, Count, ReduceWork, Work
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

AxisOfDim = tuple[int | None, ...]
"""For every dimension of an operand the axis it follows; None: the dimension has extent 1 and follows none."""

EXACT_FLOAT64_DEPTH = 1 << 20
"""Products of 16-bit integers added up this often still fit float64's 53 bits."""


def partials_for(dtype: DType, requested: DType = DType.FLOAT32) -> DType:
    """The type sums of products of `dtype` values are kept in.

    `requested` is the precision mode's choice for 16-bit floats and narrower ones.
    """
    if dtype in (DType.INT64, DType.UINT64, DType.UINT32, DType.FLOAT64):
        return dtype
    if dtype.is_float:
        return requested if dtype.bits <= 16 else DType.FLOAT32
    return DType.INT32


def arithmetic_type(left: DType, right: DType, depth: int) -> np.dtype[np.generic]:
    """The NumPy type in which a contraction of `depth` products is exact (integers) or rounds like the chip."""
    if left.is_float:
        return np.dtype(np.float64 if DType.FLOAT64 in (left, right) else np.float32)
    if max(left.bits, right.bits) <= 16 and depth < EXACT_FLOAT64_DEPTH:
        return np.dtype(np.float64)
    return np.dtype(np.uint64 if left is DType.UINT64 else np.int64)


def product(extents: Sequence[Count], axes: Sequence[int]) -> Count:
    """Product of the extents of these axes."""
    result: Count = 1
    for axis in axes:
        result = result * extents[axis]
    return result


@dataclass(frozen=True, slots=True)
class _Layout:
    """Axes by their part in the contraction, each group in the order of the result (reductions: of the left)."""

    batch: tuple[int, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    depth: tuple[int, ...]
    result_order: tuple[int, ...]
    """Permutation of (batch, rows, columns) that gives the result's dimensions."""


@lru_cache(maxsize=4096)
def _layout(left: AxisOfDim, right: AxisOfDim, result: AxisOfDim) -> _Layout:
    in_left, in_right = set(left), set(right)
    kept = [axis for axis in result if axis is not None]
    batch = tuple(axis for axis in kept if axis in in_left and axis in in_right)
    rows = tuple(axis for axis in kept if axis in in_left and axis not in in_right)
    columns = tuple(axis for axis in kept if axis in in_right and axis not in in_left)
    depth = tuple(dict.fromkeys(axis for axis in left if axis is not None and axis in in_right and axis not in kept))
    made = (*batch, *rows, *columns)
    # an axis of extent 1 may be in neither operand: the result is reshaped to have it
    return _Layout(batch, rows, columns, depth, tuple(made.index(axis) for axis in kept if axis in made))


def arrange(array: Array, axis_of_dim: AxisOfDim, order: Sequence[int]) -> Array:
    """`array` with one dimension per axis of `order`: repeated axes take the diagonal, missing ones are summed."""
    if None in axis_of_dim:
        kept = [number for number, axis in enumerate(axis_of_dim) if axis is not None]
        array = array.reshape([array.shape[number] for number in kept])
    axes = [axis for axis in axis_of_dim if axis is not None]
    if len(set(axes)) < len(axes) or len(set(axes)) > len(order):
        return np.einsum(array, axes, list(order))
    if tuple(axes) == tuple(order):
        return array
    return array.transpose([axes.index(axis) for axis in order])


@dataclass(frozen=True, slots=True)
class ContractCodelet:
    """result = sum over shared axes of (left - left zero point) x (right - right zero point).

    Reads: left, right, then the zero points that are there. Axes in both operands and in the result are groups, in
    one operand and in the result rows (left) or columns (right); the rest is summed up. Without a right operand the
    left one is summed, its diagonal taken, or its dimensions permuted.
    """

    left: AxisOfDim
    right: AxisOfDim | None
    result: AxisOfDim
    left_zero: AxisOfDim | None = None
    right_zero: AxisOfDim | None = None

    @property
    def name(self) -> str:
        return "matmul"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        layout = _layout(self.left, self.right or (), self.result)
        if self.right is None:
            return self._sum_work(extents, kernel)
        return ContractionWork(
            groups=product(extents, layout.batch),
            rows=1,
            row_width=product(extents, layout.rows),
            in_channels=product(extents, layout.depth),
            out_channels=product(extents, layout.columns),
            input_type=kernel.read_types[0].text,
            partials_type=kernel.partials_type.text,
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        if self.right is None:
            return self._sum(args, kernel)
        layout = _layout(self.left, self.right, self.result)
        extents = args.extents
        groups, rows, columns, depth = (
            prod(extents[axis] for axis in part) for part in (layout.batch, layout.rows, layout.columns, layout.depth)
        )
        dtype = arithmetic_type(kernel.read_types[0], kernel.read_types[1], depth)
        left = self._operand(args, 0, self.left, (*layout.batch, *layout.rows, *layout.depth), dtype)
        right = self._operand(args, 1, self.right, (*layout.batch, *layout.depth, *layout.columns), dtype)
        if layout.batch:
            left = left.reshape(groups, rows, depth)
            right = right.reshape(groups, depth, columns)
        else:
            left = left.reshape(rows, depth)
            right = right.reshape(depth, columns)
        made: Array = np.matmul(left, right)
        order = (*layout.batch, *layout.rows, *layout.columns)
        made = made.reshape([extents[axis] for axis in order]).transpose(layout.result_order)
        target = kernel.partials_type if args.partial else kernel.write_types[0]
        return (made.reshape(args.write_shape[0]).astype(target.numpy, copy=False),)

    def _sum_work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        kept = tuple(axis for axis in self.result if axis is not None)
        rest = tuple(axis for axis in dict.fromkeys(self.left) if axis is not None and axis not in kept)
        dtype = kernel.read_types[0].text
        if not rest:
            return CopyWork(product(extents, kept), element_type=dtype, transposes=True)
        last = self.left[-1] in rest
        return ReduceWork(
            product(extents, kept), product(extents, rest), "add", dtype, kernel.write_types[0].text, contiguous=last
        )

    def _sum(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        """The only operand, with the axes that the result lacks summed up."""
        kept = [axis for axis in self.result if axis is not None]
        dtype = arithmetic_type(kernel.read_types[0], kernel.read_types[0], 1)
        exact = kernel.read_types[0].numpy if len(set(self.left)) == len(kept) else dtype
        made = arrange(args.reads[0].astype(exact, copy=False), self.left, kept)
        target = kernel.partials_type if args.partial else kernel.write_types[0]
        return (made.reshape(args.write_shape[0]).astype(target.numpy, copy=False),)

    def _operand(
        self,
        args: VertexArgs,
        index: int,
        axis_of_dim: AxisOfDim,
        order: tuple[int, ...],
        dtype: np.dtype[np.generic],
    ) -> Array:
        array = args.reads[index].astype(dtype, copy=False)
        zero_axes = self.right_zero if index else self.left_zero
        if zero_axes is not None:
            position = 3 if index and self.left_zero is not None else 2
            zero = args.reads[position].astype(dtype, copy=False)
            array = array - _spread(zero, zero_axes, axis_of_dim)
        return arrange(array, axis_of_dim, order)


def _spread(array: Array, axes: AxisOfDim, like: AxisOfDim) -> Array:
    """`array` reshaped so that it broadcasts against an operand whose dimensions follow the axes `like`."""
    sizes = {axis: size for axis, size in zip(axes, array.shape, strict=True) if axis is not None}
    return array.reshape([1 if axis is None else sizes.get(axis, 1) for axis in like])


def _dims(axis_of_dim: AxisOfDim) -> tuple[AccessDim, ...]:
    return tuple(Affine(()) if axis is None else Affine(((axis, 1),)) for axis in axis_of_dim)


@dataclass(frozen=True, slots=True)
class ContractOperand:
    """An operand of a contraction: shape of the view the kernel sees, the axis of each dimension, element type."""

    shape: tuple[int, ...]
    axes: AxisOfDim
    dtype: DType


def contract_kernel(
    axes: tuple[Axis, ...],
    left: ContractOperand,
    right: ContractOperand | None,
    result: ContractOperand,
    *,
    partials_type: DType = DType.FLOAT32,
    left_zero: ContractOperand | None = None,
    right_zero: ContractOperand | None = None,
) -> Kernel:
    """The kernel of a contraction; `partials_type` is the precision mode's choice, used where `partials_for` asks.

    Its operands are left, right, then the zero points that are given; its result is one value.
    """
    operands = [operand for operand in (left, right, left_zero, right_zero) if operand is not None]
    codelet = ContractCodelet(
        left.axes,
        right.axes if right else None,
        result.axes,
        left_zero.axes if left_zero else None,
        right_zero.axes if right_zero else None,
    )
    return Kernel(
        axes,
        tuple(Access(operand.shape, _dims(operand.axes)) for operand in operands),
        (Access(result.shape, _dims(result.axes)),),
        tuple(operand.dtype for operand in operands),
        (result.dtype,),
        codelet,
        combine="add",
        partials_type=partials_for(left.dtype, partials_type),
    )
