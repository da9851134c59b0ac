"""Vertices that reduce: sums and extrema along axes that may be split, positions of extrema, running sums.

Sums of narrow floats are kept in float32 and rounded when they are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Axis, Combine, Kernel, VertexArgs
from halo_py.ir.work import Count, ReduceWork, SerialWork, Work
from halo_py.ops.kernels.map import Array, align, arrange, grain_of, pick
from halo_py.ops.scalar import arithmetic_dtype, widen
from halo_py.types import DType, TensorType

Numbers = NDArray[Any]
ReduceFunction = Literal["add", "square_add", "max", "min", "mul"]
Reducer = Callable[..., Numbers]

_COMBINE: Mapping[ReduceFunction, Combine] = {
    "add": "add",
    "square_add": "add",
    "max": "max",
    "min": "min",
    "mul": "mul",
}
_REDUCERS: Mapping[Combine, Reducer] = {
    "add": np.add.reduce,
    "mul": np.multiply.reduce,
    "max": np.maximum.reduce,
    "min": np.minimum.reduce,
}


def reduce_array(function: ReduceFunction, array: Numbers, axes: tuple[int, ...]) -> Numbers:
    """Reduce `axes` (kept with extent 1); the array is in the type arithmetic is done in."""
    with np.errstate(all="ignore"):
        terms = np.square(array) if function == "square_add" else array
        if array.dtype == np.bool_:
            return np.asarray(_REDUCERS[_COMBINE[function]](terms, axis=axes, keepdims=True))
        reducer = _REDUCERS[_COMBINE[function]]
        return np.asarray(reducer(terms, axis=axes, keepdims=True, dtype=array.dtype))


@dataclass(frozen=True, slots=True)
class ReduceCodelet:
    """Reduces the kernel's 'reduce' axes with one function; sums are multiplied by `scale` (1 / n for a mean).

    Every vertex scales its own part of the sum, so that partial sums need no pass of their own afterwards.
    """

    function: ReduceFunction
    scale: float = 1.0

    @property
    def name(self) -> str:
        return f"reduce:{self.function}"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        outputs: Count = 1
        depth: Count = 1
        innermost = 0
        for number, (axis, extent) in enumerate(zip(kernel.axes, extents, strict=True)):
            if axis.role == "reduce":
                depth = depth * extent
            else:
                outputs = outputs * extent
            if axis.extent > 1:
                innermost = number
        return ReduceWork(
            outputs=outputs,
            depth=depth,
            function=self.function,
            input_type=kernel.read_types[0].text,
            output_type=kernel.write_types[0].text,
            contiguous=kernel.axes[innermost].role == "reduce",
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        rank = len(kernel.axes)
        axes = tuple(number for number, axis in enumerate(kernel.axes) if axis.role == "reduce")
        box = align(widen(args.reads[0]), kernel.reads[0], rank)
        reduced = reduce_array(self.function, box, axes)
        if self.scale != 1.0:
            reduced = reduced * np.asarray(self.scale, reduced.dtype)
        result = arrange(reduced, kernel.writes[0], args.write_shape[0])
        dtype = kernel.partials_type if args.partial else kernel.write_types[0]
        with np.errstate(over="ignore"):
            return (result.astype(dtype.numpy, copy=False),)


def reduce_kernel(
    function: ReduceFunction, read: TensorType, axes: Sequence[int], write: DType, scale: float = 1.0
) -> Kernel:
    """Reduce `axes` of an operand, times `scale` (of sums of floats only); the result keeps them with extent 1."""
    shape = read.static_shape or (1,)
    last = len(shape) - 1
    combine = _COMBINE[function]
    exact = combine in ("max", "min") or not read.dtype.is_float
    return Kernel(
        axes=tuple(
            Axis(
                f"d{number}",
                extent,
                "reduce" if number in axes else "parallel",
                grain_of(read.dtype) if number == last else 1,
            )
            for number, extent in enumerate(shape)
        ),
        reads=(pick(shape, range(len(shape))),),
        writes=(pick(kept_shape(shape, axes), [None if number in axes else number for number in range(len(shape))]),),
        read_types=(read.dtype,),
        write_types=(write,),
        codelet=ReduceCodelet(function, scale),
        combine=combine,
        partials_type=read.dtype if exact else arithmetic_dtype(read.dtype),
    )


def kept_shape(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The shape with `axes` reduced to 1."""
    return tuple(1 if number in axes else extent for number, extent in enumerate(shape))


def extreme_index(array: Numbers, axis: int, function: str, last: int) -> NDArray[np.int64]:
    """Position of the extremum along `axis` (kept with extent 1), the first or the last of equal ones."""
    find = np.argmax if function == "argmax" else np.argmin
    if not last:
        return np.asarray(find(array, axis=axis, keepdims=True), np.int64)
    found = np.asarray(find(np.flip(array, axis), axis=axis, keepdims=True), np.int64)
    return array.shape[axis] - 1 - found


@dataclass(frozen=True, slots=True)
class ArgReduceCodelet:
    """Position of the extremum along the kernel's 'whole' axis."""

    function: Literal["argmax", "argmin"]
    select_last_index: int

    @property
    def name(self) -> str:
        return self.function

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        outputs, depth = _rows_and_depth(extents, kernel)
        read, write = kernel.read_types[0].text, kernel.write_types[0].text
        return ReduceWork(
            outputs, depth, self.function, read, write, contiguous=_whole_axis(kernel) == _innermost(kernel)
        )

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        box = align(widen(args.reads[0]), kernel.reads[0], len(kernel.axes))
        found = extreme_index(box, _whole_axis(kernel), self.function, self.select_last_index)
        result = arrange(found, kernel.writes[0], args.write_shape[0])
        return (result.astype(kernel.write_types[0].numpy, copy=False),)


@dataclass(frozen=True, slots=True)
class HardmaxCodelet:
    """1 at the first maximum along the kernel's 'whole' axis, 0 elsewhere."""

    @property
    def name(self) -> str:
        return "hardmax"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        outputs, depth = _rows_and_depth(extents, kernel)
        return ReduceWork(outputs, depth, "argmax", kernel.read_types[0].text, kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        box = widen(args.reads[0])
        axis = _whole_axis(kernel)
        result = np.zeros(box.shape, kernel.write_types[0].numpy)
        np.put_along_axis(result, extreme_index(box, axis, "argmax", 0), np.ones((), result.dtype), axis)
        return (result,)


@dataclass(frozen=True, slots=True)
class CumulativeCodelet:
    """Running sum or product along the kernel's 'whole' axis."""

    function: Literal["add", "mul"]
    exclusive: int
    reverse: int

    @property
    def name(self) -> str:
        return f"cumulative:{self.function}"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        rows, steps = _rows_and_depth(extents, kernel)
        return SerialWork(rows, steps, (self.function,), kernel.read_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        result = cumulate(widen(args.reads[0]), _whole_axis(kernel), self.function, self.exclusive, self.reverse)
        return (result.astype(kernel.write_types[0].numpy, copy=False),)


def cumulate(array: Numbers, axis: int, function: str, exclusive: int, reverse: int) -> Numbers:
    """Running sum ('add') or product ('mul') along `axis`; `exclusive` leaves the element itself out."""
    moved = np.moveaxis(array, axis, -1)
    moved = moved[..., ::-1] if reverse else moved
    if exclusive:
        first = np.full((*moved.shape[:-1], 1), 0 if function == "add" else 1, array.dtype)
        moved = np.concatenate([first, moved[..., :-1]], axis=-1)[..., : moved.shape[-1]]
    accumulate = np.add.accumulate if function == "add" else np.multiply.accumulate
    with np.errstate(all="ignore"):
        result: Numbers = np.asarray(accumulate(moved, axis=-1, dtype=array.dtype))
    result = result[..., ::-1] if reverse else result
    return np.moveaxis(result, -1, axis)


def along_kernel(
    codelet: ArgReduceCodelet | HardmaxCodelet | CumulativeCodelet, read: TensorType, axis: int, write: DType
) -> Kernel:
    """A kernel that needs `axis` whole; the result has the operand's shape, or extent 1 along it for positions."""
    shape = read.static_shape
    base = reduce_kernel("max", read, (axis,), write)
    axes = tuple(replace(entry, role="whole") if number == axis else entry for number, entry in enumerate(base.axes))
    same_shape = not isinstance(codelet, ArgReduceCodelet)
    writes = (pick(shape, range(len(shape))),) if same_shape else base.writes
    return replace(base, axes=axes, writes=writes, codelet=codelet, combine=None)


def _whole_axis(kernel: Kernel) -> int:
    return next(number for number, axis in enumerate(kernel.axes) if axis.role == "whole")


def _innermost(kernel: Kernel) -> int:
    return max((number for number, axis in enumerate(kernel.axes) if axis.extent > 1), default=0)


def _rows_and_depth(extents: tuple[Count, ...], kernel: Kernel) -> tuple[Count, Count]:
    rows: Count = 1
    whole = _whole_axis(kernel)
    for number, extent in enumerate(extents):
        if number != whole:
            rows = rows * extent
    return rows, extents[whole]
