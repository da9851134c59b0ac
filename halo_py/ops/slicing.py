"""Cutting and joining: Concat, Split, Slice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.dims import floor_divide, integers, known_dims, normalize_axis, unknown_dim
from halo_py.ops.forms import declare_operands, one_kernel, result, untileable
from halo_py.ops.kernels.copy import (
    assemble_kernel,
    slice_kernel,
)
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.types import Dim, DType, TensorType, Type, add_dims, divide_dim, scale_dim


@op("concat", onnx="Concat", since=13, odla="odla_Concat")
class Concat(Op):
    """All operands one after another along `axis`."""

    axis: int

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        known = [shape for shape in (args.shape(number) for number in range(len(args))) if shape is not None]
        if not known:
            return (TensorType(args.dtype(0), None),)
        rank = len(known[0])
        if any(len(shape) != rank for shape in known):
            raise args.error(f"operands have different ranks {[len(shape) for shape in known]}")
        axis = normalize_axis(self.axis, rank)
        dims: list[Dim] = []
        for number in range(rank):
            found = [shape[number] for shape in known]
            if number == axis:
                total: Dim = 0
                for dim in found:
                    total = add_dims(total, dim)
                dims.append(unknown_dim(args, "axis") if len(known) < len(args) else total)
                continue
            sizes = {dim for dim in found if isinstance(dim, int)}
            if len(sizes) > 1:
                raise args.error(f"dimension {number} differs: {sorted(sizes)}")
            dims.append(next(iter(sizes), found[0]))
        return (TensorType(args.dtype(0), tuple(dims)),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        found: list[Dim] = []
        for number in range(len(args)):
            dims, shape = args.dims(number), args.shape(number)
            if dims is None or shape is None or len(shape) != 1:
                return None
            found += dims
        return tuple(found)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.concatenate([args.array(number) for number in range(len(args))], axis=self.axis),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        out = args.output_types[0]
        rank = len(out.static_shape)
        axis = normalize_axis(self.axis, rank)
        parts: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        empty: list[int] = []
        at = 0
        for number in range(len(args.types)):
            shape = args.tensor(number).static_shape
            if 0 in shape:
                empty.append(number)
                continue
            parts.append((shape, tuple(at if dim == axis else 0 for dim in range(rank))))
            at += shape[axis]
        return one_kernel(args, assemble_kernel(out.static_shape, parts, out.dtype), skipped=empty)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(1), (floats(1, 2, 3, 4), floats(2, 2, 5, 4), floats(3, 2, 1, 4)))
        yield Sample(cls(-1), (floats(4, 3, 2), floats(5, 3, 7)))
        yield Sample(cls(0), (numbers(6, DType.INT64, 3), numbers(7, DType.INT64, 4)))
        yield Sample(cls(0), (floats(8, 2, 3),))
        yield Sample(cls(0), (floats(8, 2, 3), floats(9, 0, 3), floats(10, 1, 3)))


@op("split", onnx="Split", since=18)
class Split(Op):
    """Pieces along `axis`: of the sizes in operand 1, or `num_outputs` equal ones (the last may be smaller)."""

    axis: int = 0
    num_outputs: int | None = None

    def _sizes(self, extent: Dim, given: Sequence[Dim] | None, outputs: int) -> list[Dim] | None:
        if given is not None:
            return list(given)
        count = self.num_outputs or outputs
        if isinstance(extent, int):
            piece = -(-extent // count)
            return [max(0, min(piece, extent - piece * number)) for number in range(count)]
        piece = divide_dim(extent, count)
        return None if piece is None else [piece] * count

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return (TensorType(dtype, None),) * args.outputs
        axis = normalize_axis(self.axis, len(shape))
        sizes = self._sizes(shape[axis], known_dims(args, 1, "size") if args.has(1) else None, args.outputs)
        if sizes is None:
            sizes = [unknown_dim(args, f"size{number}") for number in range(args.outputs)]
        if len(sizes) < args.outputs:
            raise args.error(f"{len(sizes)} sizes for {args.outputs} results")
        numbers_ = [size for size in (*sizes, shape[axis]) if isinstance(size, int)]
        if len(numbers_) == len(sizes) + 1 and sum(numbers_[:-1]) != numbers_[-1]:
            raise args.error(f"sizes {sizes} do not add up to dimension {axis} of {shape[axis]}")
        return tuple(TensorType(dtype, (*shape[:axis], size, *shape[axis + 1 :])) for size in sizes)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims = args.dims(0)
        if dims is None:
            return None
        sizes = self._sizes(len(dims), integers(args, 1) if args.has(1) else None, args.outputs)
        return dims[: sizes[0]] if sizes and isinstance(sizes[0], int) else None

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, given = args.array(0), args.optional(1)
        axis = normalize_axis(self.axis, data.ndim)
        wanted = None if given is None else [int(size) for size in given]
        sizes = [size for size in self._sizes(data.shape[axis], wanted, args.outputs) or () if isinstance(size, int)]
        ends = np.cumsum(sizes)
        lead = (slice(None),) * axis
        return tuple(data[(*lead, slice(end - size, end))] for size, end in zip(sizes, ends.tolist(), strict=True))

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        data = args.tensor(0)
        shape = data.static_shape
        axis = normalize_axis(self.axis, len(shape))
        form = FormBuilder()
        source = declare_operands(form, args, skipped=(1,))[0]
        assert source is not None
        made: list[int] = []
        at = 0
        for out in args.output_types:
            starts = [at if dim == axis else 0 for dim in range(len(shape))]
            made.append(result(form, out))
            kernel = slice_kernel(shape, starts, (1,) * len(shape), out.static_shape, data.dtype)
            form.call(kernel, (source,), (made[-1],))
            at += out.static_shape[axis]
        return form.finish(*made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(axis=1, num_outputs=3), (floats(1, 2, 7),), outputs=3)
        yield Sample(cls(axis=-1), (floats(2, 3, 8), ints(1, 5, 2)), constant=(1,), outputs=3)
        yield Sample(cls(), (numbers(3, DType.INT32, 6, 2),), outputs=2)


def slice_range(start: int, end: int, step: int, extent: int) -> range:
    """The indices that Slice selects from a dimension of this extent."""
    if step == 0:
        raise ValueError("a step of 0")
    return range(*slice(start, end, step).indices(extent))


_FAR = 1 << 30
"""Starts and ends beyond this mean "to the border"."""


@op("slice", onnx="Slice", since=13, odla="odla_Slice")
class Slice(Op):
    """data[start:end:step] along the axes in operand 3 (all if omitted); negative numbers count from the end."""

    def _parameters(
        self, args: InferArgs, rank: int
    ) -> tuple[tuple[int, ...], ShapeValue, ShapeValue, tuple[int, ...]] | None:
        starts, ends = args.dims(1), args.dims(2)
        axes = integers(args, 3) if args.has(3) else None
        steps = integers(args, 4) if args.has(4) else None
        if starts is None or ends is None or (args.has(3) and axes is None) or (args.has(4) and steps is None):
            return None
        axes = tuple(range(len(starts))) if axes is None else axes
        axes = tuple(normalize_axis(axis, rank) for axis in axes)
        return axes, starts, ends, (1,) * len(starts) if steps is None else steps

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        if shape is None:
            return (TensorType(dtype, None),)
        found = self._parameters(args, len(shape))
        dims = list(shape)
        if found is None:
            axes = integers(args, 3) if args.has(3) else None
            for axis in range(len(shape)) if axes is None else axes:
                dims[axis] = unknown_dim(args, f"dim{axis}")
            return (TensorType(dtype, tuple(dims)),)
        for axis, start, end, step in zip(*found, strict=True):
            size = _slice_size(shape[axis], start, end, step)
            dims[axis] = unknown_dim(args, f"dim{axis}") if size is None else size
        return (TensorType(dtype, tuple(dims)),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, starts, ends = args.dims(0), integers(args, 1), integers(args, 2)
        steps = integers(args, 4) if args.has(4) else (1,)
        if dims is None or steps is None or starts is None or ends is None or len(starts) != 1:
            return None
        return tuple(dims[number] for number in slice_range(starts[0], ends[0], steps[0], len(dims)))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        starts, ends = (args.array(number).reshape(-1).tolist() for number in (1, 2))
        axes = args.array(3).reshape(-1).tolist() if args.has(3) else list(range(len(starts)))
        steps = args.array(4).reshape(-1).tolist() if args.has(4) else [1] * len(starts)
        cut = [slice(None)] * data.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            cut[axis] = slice(start, end, step)
        return (data[tuple(cut)],)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        values = [args.constant(number) for number in range(5)]
        if any(args.has(number) and values[number] is None for number in range(1, 5)):
            return Refusal("starts, ends, axes and steps must be constants")
        data, out = args.tensor(0), args.output_types[0].static_shape
        shape = data.static_shape
        lists = [None if value is None else [int(number) for number in value.reshape(-1)] for value in values[1:]]
        first, last = lists[0] or [], lists[1] or []
        starts, steps = [0] * len(shape), [1] * len(shape)
        axes = lists[2] or list(range(len(first)))
        for axis, start, end, step in zip(axes, first, last, lists[3] or [1] * len(first), strict=True):
            selected = slice_range(start, end, step, shape[axis])
            starts[axis], steps[axis] = selected.start, selected.step
        kernel = slice_kernel(shape, starts, steps, out, data.dtype)
        return one_kernel(args, kernel, skipped=(1, 2, 3, 4))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        data = floats(1, 5, 7, 4)
        yield Sample(cls(), (data, ints(1, 0), ints(4, -2), ints(0, 1)), constant=(1, 2, 3))
        yield Sample(cls(), (data, ints(-1, 20), ints(-100, 0), ints(1, -1), ints(-2, -3)), constant=(1, 2, 3, 4))
        yield Sample(cls(), (data, ints(1, 2, 0), ints(1000, 6, 2)), constant=(1, 2))
        yield Sample(
            cls(),
            (numbers(2, DType.INT64, 9), ints(7), ints(-(2**31)), ints(0), ints(-1)),
            constant=(1, 2, 3, 4),
        )
        yield Sample(cls(), (data, ints(0), ints(5), ints(1), ints(3)), constant=(1, 2, 3, 4))


def _slice_size(dim: Dim, start: Dim, end: Dim, step: int) -> Dim | None:
    """How many indices are selected from a dimension that may be symbolic (then taken to be large), None: unknown."""
    if isinstance(dim, int) and isinstance(start, int) and isinstance(end, int):
        return len(slice_range(start, end, step, dim))
    if isinstance(start, int) and isinstance(end, int) and step == -1:
        return dim if (start == -1 or start >= _FAR) and end <= -_FAR else None
    if step < 1:
        return None
    low = start if not (isinstance(start, int) and start < 0) else add_dims(dim, start)
    if isinstance(end, int) and end >= _FAR:
        high = dim
    elif isinstance(end, int) and end < 0:
        high = add_dims(dim, end)
    elif isinstance(dim, int) or end in (0, 1) or not isinstance(end, int):
        high = end
    else:
        return None
    size = add_dims(high, scale_dim(low, -1))
    return floor_divide(add_dims(size, step - 1), step)
