"""Ops that only rename dimensions: Reshape, Flatten, Squeeze, Unsqueeze, Identity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.dims import integers, known_dims, normalize_axes, rest_of, unknown_dim
from halo_py.ops.forms import first_as_view, untileable
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.types import Dim, DType, Shape, TensorType, Type, multiply_dims


class ViewOp(Op):
    """Base of ops whose result has the elements of operand 0 in the same order."""

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return untileable(args) or first_as_view(args)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        return args.dims(0)


@op("reshape", onnx="Reshape", since=25, odla="odla_Reshape")
class Reshape(ViewOp):
    """The data with the dimensions of operand 1: -1 stands for what is left, 0 (unless `allowzero`) for the old one."""

    allowzero: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        dtype, data, wanted = args.dtype(0), args.shape(0), known_dims(args, 1)
        if wanted is None:
            return (TensorType(dtype, None),)
        return (TensorType(dtype, self._shape(args, data, wanted)),)

    def _shape(self, args: InferArgs, data: Shape | None, wanted: ShapeValue) -> Shape:
        dims: list[Dim] = []
        for number, dim in enumerate(wanted):
            if dim == 0 and not self.allowzero:
                if data is not None and number >= len(data):
                    raise args.error(f"entry {number} of shape {wanted} copies a dimension that data lacks")
                dim = unknown_dim(args, f"dim{number}") if data is None else data[number]
            dims.append(dim)
        if -1 in dims:
            self._fill(args, data, dims)
        elif data is not None:
            have, want = multiply_dims(data), multiply_dims(dims)
            if isinstance(have, int) and isinstance(want, int) and have != want:
                raise args.error(f"{have} elements do not fit shape {tuple(dims)}")
        return tuple(dims)

    def _fill(self, args: InferArgs, data: Shape | None, dims: list[Dim]) -> None:
        position = dims.index(-1)
        others = (*dims[:position], *dims[position + 1 :])
        if -1 in others:
            raise args.error("only one dimension may be -1")
        rest = None if data is None else rest_of(data, others)
        if rest is None and data is not None and all(isinstance(dim, int) for dim in (*data, *others)):
            if 0 in others:
                raise args.error("a dimension of -1 beside one of 0 is not determined")
            raise args.error(f"data of shape {data} does not fit shape {tuple(dims)}")
        dims[position] = unknown_dim(args, f"dim{position}") if rest is None else rest

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        shape = [int(size) for size in args.array(1).reshape(-1)]
        if not self.allowzero:
            shape = [data.shape[number] if size == 0 else size for number, size in enumerate(shape)]
        return (data.reshape(shape),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 4), ints(0, -1)), constant=(1,))
        yield Sample(cls(), (floats(2, 2, 3, 4), ints(4, 1, 6)), constant=(1,))
        yield Sample(cls(), (floats(3, 1), ints()), constant=(1,))
        yield Sample(cls(allowzero=1), (floats(4, 0, 3), ints(3, 0)), constant=(1,))
        yield Sample(cls(), (numbers(5, DType.INT8, 5, 3), ints(3, 5)), constant=(1,))


@op("flatten", onnx="Flatten", since=25)
class Flatten(ViewOp):
    """A matrix: dimensions before `axis` are its rows, the others its columns."""

    axis: int = 1

    def _split(self, rank: int) -> int:
        if not -rank <= self.axis <= rank:
            raise ValueError(f"axis {self.axis} is out of range for rank {rank}")
        return self.axis + rank if self.axis < 0 else self.axis

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(args.dtype(0), (unknown_dim(args, "rows"), unknown_dim(args, "columns"))),)
        at = self._split(len(shape))
        rows, columns = multiply_dims(shape[:at]), multiply_dims(shape[at:])
        return (
            TensorType(
                args.dtype(0),
                (
                    unknown_dim(args, "rows") if rows is None else rows,
                    unknown_dim(args, "columns") if columns is None else columns,
                ),
            ),
        )

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        at = self._split(data.ndim)
        rows = int(np.prod(data.shape[:at]))
        return (data.reshape(rows, int(np.prod(data.shape[at:]))),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        return None

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for number, axis in enumerate((1, 0, 3, -1, 2)):
            yield Sample(cls(axis=axis), (floats(number, 2, 3, 5),))
        yield Sample(cls(), (numbers(9, DType.BOOL, 7),))


@op("squeeze", onnx="Squeeze", since=25, odla="odla_Squeeze")
class Squeeze(ViewOp):
    """Without the dimensions of extent 1 that operand 1 names (all of them if it is omitted)."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, dtype = args.shape(0), args.dtype(0)
        axes = integers(args, 1) if args.has(1) else None
        if shape is None or (args.has(1) and axes is None):
            return (TensorType(dtype, None),)
        if axes is None:
            return (TensorType(dtype, tuple(dim for dim in shape if dim != 1)),)
        dropped = normalize_axes(axes, len(shape))
        wrong = [axis for axis in dropped if isinstance(shape[axis], int) and shape[axis] != 1]
        if wrong:
            raise args.error(f"dimension {wrong[0]} of shape {shape} is not 1")
        return (TensorType(dtype, tuple(dim for number, dim in enumerate(shape) if number not in dropped)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, axes = args.array(0), args.optional(1)
        if axes is None:
            return (data.reshape([size for size in data.shape if size != 1]),)
        return (np.squeeze(data, tuple(int(axis) for axis in axes.reshape(-1))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 1, 3, 1, 5),))
        yield Sample(cls(), (floats(2, 1, 3, 1, 5), ints(-2, 0)), constant=(1,))
        yield Sample(cls(), (floats(3, 1, 1), ints(0)), constant=(1,))


@op("unsqueeze", onnx="Unsqueeze", since=25)
class Unsqueeze(ViewOp):
    """With dimensions of extent 1 where operand 1 says, counted in the result."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, axes = args.shape(0), integers(args, 1)
        if shape is None or axes is None:
            return (TensorType(args.dtype(0), None),)
        added = normalize_axes(axes, len(shape) + len(axes))
        old = iter(shape)
        rank = len(shape) + len(axes)
        return (TensorType(args.dtype(0), tuple(1 if number in added else next(old) for number in range(rank))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.expand_dims(args.array(0), tuple(int(axis) for axis in args.array(1).reshape(-1))),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 5), ints(0, -1)), constant=(1,))
        yield Sample(cls(), (floats(2, 3, 5), ints(1)), constant=(1,))
        yield Sample(cls(), (np.asarray(3, np.int64), ints(0)), constant=(1,))
        yield Sample(cls(), (floats(3, 4), ints(2, 0, 1)), constant=(1,))


@op("identity", onnx="Identity", since=25)
class Identity(ViewOp):
    """The operand itself, of any type."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        found = args.types[0]
        if found is None:
            raise args.error("operand 0 is missing")
        return (found,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (args.inputs[0],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 5),))
        yield Sample(cls(), (numbers(2, DType.INT64, 7),))
        yield Sample(cls(), ([floats(3, 2), floats(4, 2)],))
        yield Sample(cls(), (np.asarray(["a", "bc"], object),))
