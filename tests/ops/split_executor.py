"""Runs a tile form kernel by kernel over random splits: small, obvious and slow, for tests only.

Every vertex gets copies of its own operand boxes and nothing else. Each local value has a mask of the elements that
were written: reading one that nobody wrote is an error, and float buffers start as NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import Access, Axis, FormStep, Kernel, KernelCall, Repeat, TileForm, VertexArgs, View
from halo_py.types import DType, TensorType

Numbers = NDArray[Any]
Combine = Callable[[Numbers, Numbers], Numbers]

COMBINE: Mapping[str, Combine] = {"add": np.add, "max": np.maximum, "min": np.minimum, "mul": np.multiply}


class UnwrittenError(AssertionError):
    """An element was read, or is a result, that no vertex wrote."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Contents of a local value and which of its elements were written; views share both."""

    contents: Numbers
    written: NDArray[np.bool_]

    def reshaped(self, shape: tuple[int, ...]) -> Buffer:
        return Buffer(self.contents.reshape(shape), self.written.reshape(shape))


def empty(type: TensorType) -> Buffer:
    contents = np.zeros(type.static_shape, type.dtype.numpy)
    if type.dtype.is_float:
        contents[...] = np.float32(np.nan)
    elif type.dtype.is_integer:
        contents[...] = np.asarray(np.iinfo(np.int8).max if type.dtype.bits >= 8 else 1, np.int64)
    return Buffer(contents, np.zeros(type.static_shape, np.bool_))


@dataclass
class SplitExecutor:
    """Executes tile forms; `ways(axis)` says into how many pieces to cut an axis that may be cut."""

    ways: Callable[[Axis], int]
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    splits: int = 0
    """How many kernel runs had more than one vertex."""

    def run(self, form: TileForm, operands: Sequence[Numbers | None]) -> list[Numbers]:
        """Results of the form for these operand contents."""
        self.buffers = [empty(type) for type in form.values]
        for number, contents in zip(form.inputs, operands, strict=True):
            if number is not None:
                assert contents is not None
                buffer = self.buffers[number]
                assert contents.shape == buffer.contents.shape
                assert contents.dtype == buffer.contents.dtype
                buffer.contents[...] = contents
                buffer.written[...] = True
        self._steps(form.steps, None)
        for number in form.outputs:
            if not self.buffers[number].written.all():
                raise UnwrittenError(f"result in local value {number} has elements nobody wrote")
        return [self.buffers[number].contents for number in form.outputs]

    def _steps(self, steps: Sequence[FormStep], iteration: int | None) -> None:
        for step in steps:
            match step:
                case View(source, result):
                    self.buffers[result] = self.buffers[source].reshaped(self.buffers[result].contents.shape)
                case Repeat(count, body, carried):
                    for number in range(count):
                        self._steps(body, number)
                        for new, current in carried:
                            self.buffers[current].contents[...] = self.buffers[new].contents
                            self.buffers[current].written[...] = self.buffers[new].written
                case KernelCall(kernel, inputs, outputs):
                    self._kernel(kernel, inputs, outputs, iteration)

    def _intervals(self, axis: Axis, splittable: bool, iteration: int | None) -> list[tuple[int, int]]:
        if axis.role == "loop":
            assert iteration is not None, "a loop axis outside of a Repeat"
            return [(iteration, iteration + 1)]
        if not splittable:
            return [(0, axis.extent)]
        grains = -(-axis.extent // axis.grain)
        ways = max(1, min(self.ways(axis), grains))
        cuts = [min(axis.extent, grains * way // ways * axis.grain) for way in range(ways + 1)]
        return list(pairwise(cuts))

    def _kernel(self, kernel: Kernel, inputs: tuple[int, ...], outputs: tuple[int, ...], iteration: int | None) -> None:
        intervals = [
            self._intervals(axis, splittable, iteration)
            for axis, splittable in zip(kernel.axes, kernel.splittable, strict=True)
        ]
        partial = any(
            axis.role == "reduce" and len(cuts) > 1 for axis, cuts in zip(kernel.axes, intervals, strict=True)
        )
        boxes = list(product(*intervals))
        self.splits += len(boxes) > 1
        low = np.asarray([[cut[0] for cut in box] for box in boxes], np.int64).reshape(len(boxes), -1)
        high = np.asarray([[cut[1] for cut in box] for box in boxes], np.int64).reshape(len(boxes), -1)
        vertices = _vertices(kernel, low, high, [self.buffers[number] for number in inputs], partial)
        results = [kernel.codelet.compute(vertex, kernel) for vertex in vertices]
        for position, (access, dtype, number) in enumerate(
            zip(kernel.writes, kernel.write_types, outputs, strict=True)
        ):
            target = self.buffers[number].reshaped(access.shape)
            _write(kernel, target, dtype, vertices, [result[position] for result in results], position)


def _vertices(
    kernel: Kernel, low: NDArray[np.int64], high: NDArray[np.int64], buffers: Sequence[Buffer], partial: bool
) -> list[VertexArgs]:
    reads = [access.boxes(low, high) for access in kernel.reads]
    writes = [access.boxes(low, high) for access in kernel.writes]
    vertices: list[VertexArgs] = []
    for box in range(len(low)):
        operands: list[Numbers] = []
        for access, buffer, (first, last) in zip(kernel.reads, buffers, reads, strict=True):
            operands.append(_read(access, buffer, first[box], last[box]))
        vertices.append(
            VertexArgs(
                low=tuple(low[box].tolist()),
                high=tuple(high[box].tolist()),
                reads=tuple(operands),
                read_low=tuple(tuple(first[box].tolist()) for first, _ in reads),
                write_low=tuple(tuple(first[box].tolist()) for first, _ in writes),
                write_shape=tuple(tuple((last[box] - first[box]).tolist()) for first, last in writes),
                partial=partial,
            )
        )
    return vertices


def _slices(low: Sequence[int], shape: Sequence[int]) -> tuple[Any, ...]:
    return (*(slice(start, start + extent) for start, extent in zip(low, shape, strict=True)), ...)


def _read(access: Access, buffer: Buffer, low: NDArray[np.int64], high: NDArray[np.int64]) -> Numbers:
    view = buffer.reshaped(access.shape)
    box = _slices(low.tolist(), (high - low).tolist())
    if not view.written[box].all():
        raise UnwrittenError("a vertex reads an element nobody wrote")
    contents = view.contents[box].copy()
    contents.flags.writeable = False
    return contents


def _write(
    kernel: Kernel,
    target: Buffer,
    dtype: DType,
    vertices: Sequence[VertexArgs],
    results: Sequence[Numbers],
    position: int,
) -> None:
    expected = kernel.partials_type if vertices[0].partial else dtype
    sums = np.zeros(target.contents.shape, kernel.partials_type.numpy)
    touched = np.zeros(target.contents.shape, np.bool_)
    for vertex, result in zip(vertices, results, strict=True):
        assert result.shape == vertex.write_shape[position], f"{kernel.codelet.name}: {result.shape}"
        assert result.dtype == expected.numpy, f"{kernel.codelet.name}: {result.dtype}, expected {expected}"
        box = _slices(vertex.write_low[position], vertex.write_shape[position])
        if not vertex.partial:
            assert not touched[box].any(), f"{kernel.codelet.name}: two vertices write one element"
            target.contents[box] = result
        else:
            assert kernel.combine is not None
            combined = COMBINE[kernel.combine](_wide(sums[box]), _wide(result))
            sums[box] = np.where(touched[box], combined, result)
        touched[box] = True
    if vertices[0].partial:
        with np.errstate(over="ignore"):
            target.contents[touched] = sums[touched].astype(dtype.numpy)
    target.written[touched] = True


def _wide(array: Numbers) -> Numbers:
    dtype = DType.from_numpy(array.dtype)
    return array.astype(np.float32) if dtype.is_float and dtype.bits < 32 else array
