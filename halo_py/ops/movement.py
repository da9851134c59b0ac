"""Movement with affine addresses: Transpose, Expand, Tile, DepthToSpace, SpaceToDepth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import Access, AccessDim, Affine, Refusal, TileForm
from halo_py.ops.dims import broadcast_shapes, integers, known_dims, unknown_dim
from halo_py.ops.forms import one_kernel, untileable
from halo_py.ops.kernels.copy import (
    copy_kernel,
    parallel_axes,
    permute_kernel,
    same,
)
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats, numbers
from halo_py.types import Dim, DType, Shape, TensorType, Type, divide_dim, scale_dim


@op("transpose", onnx="Transpose", since=25, odla="odla_Transpose")
class Transpose(Op):
    """Dimension d of the result is dimension perm[d] of the data; reversed without `perm`."""

    perm: tuple[int, ...] | None = None

    def _order(self, rank: int) -> tuple[int, ...]:
        order = tuple(reversed(range(rank))) if self.perm is None else tuple(self.perm)
        if sorted(order) != list(range(rank)):
            raise ValueError(f"perm {order} is not a permutation of {rank} dimensions")
        return order

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        return (TensorType(args.dtype(0), tuple(shape[dim] for dim in self._order(len(shape)))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        return (np.transpose(data, self._order(data.ndim)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        data = args.tensor(0)
        order = self._order(len(data.static_shape))
        return untileable(args) or one_kernel(args, permute_kernel(data.static_shape, order, data.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3, 5),))
        yield Sample(cls((0, 2, 3, 1)), (floats(2, 2, 3, 4, 5),))
        yield Sample(cls((1, 0)), (numbers(3, DType.INT8, 7, 3),))
        yield Sample(cls((2, 0, 1)), (numbers(4, DType.FLOAT16, 3, 1, 5),))


_MOST_ENTRIES = 4096
"""No shape has more: of longer vectors the entries are not followed."""


def _repeated(dims: ShapeValue, times: int) -> ShapeValue | None:
    return dims * times if len(dims) * times <= _MOST_ENTRIES else None


@op("expand", onnx="Expand", since=13)
class Expand(Op):
    """The data broadcast with the shape in operand 1."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        wanted = known_dims(args, 1)
        return (TensorType(args.dtype(0), broadcast_shapes(args, args.shape(0), wanted)),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, wanted = args.dims(0), integers(args, 1)
        if dims is None or wanted is None or len(wanted) > 1:
            return None
        return _repeated(dims, wanted[0]) if len(dims) == 1 and wanted else dims

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        shape = np.broadcast_shapes(data.shape, tuple(int(size) for size in args.array(1)))
        return (np.broadcast_to(data, shape).copy(),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        data, out = args.tensor(0), args.output_types[0].static_shape
        shape = data.static_shape
        lead = len(out) - len(shape)
        dims = tuple(Affine(()) if size == 1 else Affine(((lead + number, 1),)) for number, size in enumerate(shape))
        kernel = copy_kernel(parallel_axes(out), Access(shape, dims), Access(out, same(len(out))), data.dtype)
        return one_kernel(args, kernel, skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3, 1), ints(2, 1, 5)), constant=(1,))
        yield Sample(cls(), (floats(2, 3, 4), ints(1, 1)), constant=(1,))
        yield Sample(cls(), (np.asarray(True), ints(2, 3)), constant=(1,))
        yield Sample(cls(), (numbers(3, DType.INT64, 1), ints(7)), constant=(1,))


@op("tile", onnx="Tile", since=13)
class Tile(Op):
    """The data repeated along each dimension as often as operand 1 says."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape, repeats = args.shape(0), args.dims(1)
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        if repeats is None:
            return (
                TensorType(args.dtype(0), tuple(unknown_dim(args, f"dim{number}") for number in range(len(shape)))),
            )
        if len(repeats) != len(shape):
            raise args.error(f"{len(repeats)} repeats do not fit rank {len(shape)}")
        dims: list[Dim] = []
        for number, (dim, repeat) in enumerate(zip(shape, repeats, strict=True)):
            if isinstance(repeat, int):
                dims.append(scale_dim(dim, repeat))
            else:
                dims.append(scale_dim(repeat, dim) if isinstance(dim, int) else unknown_dim(args, f"dim{number}"))
        return (TensorType(args.dtype(0), tuple(dims)),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        dims, repeats = args.dims(0), integers(args, 1)
        return _repeated(dims, repeats[0]) if dims is not None and repeats is not None and len(repeats) == 1 else None

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.tile(args.array(0), [int(count) for count in args.array(1)]),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refused = untileable(args)
        if refused:
            return refused
        data, out = args.tensor(0), args.output_types[0]
        view: list[int] = []
        dims: list[AccessDim] = []
        for size, grown in zip(data.static_shape, out.static_shape, strict=True):
            if grown != size:
                view.append(grown // size)
            dims.append(Affine(((len(view), 1),)))
            view.append(size)
        read, write = Access(data.static_shape, tuple(dims)), Access(tuple(view), same(len(view)))
        return one_kernel(args, copy_kernel(parallel_axes(view), read, write, data.dtype), skipped=(1,))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3), ints(2, 3)), constant=(1,))
        yield Sample(cls(), (floats(2, 2, 1, 4), ints(1, 5, 2)), constant=(1,))
        yield Sample(cls(), (numbers(3, DType.UINT8, 5), ints(3)), constant=(1,))


class BlockOp(Op):
    """Base of the two ops that trade depth for space in square blocks."""

    def _infer(self, args: InferArgs, grown: int, blocksize: int) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(args.dtype(0), None),)
        if len(shape) != 4:
            raise args.error(f"rank 4 expected, found {len(shape)}")
        n, c, h, w = shape
        square = blocksize * blocksize
        if grown > 0:
            dims = (divide_dim(c, square), scale_dim(h, blocksize), scale_dim(w, blocksize))
        else:
            dims = (scale_dim(c, square), divide_dim(h, blocksize), divide_dim(w, blocksize))
        if any(dim is None and isinstance(old, int) for dim, old in zip(dims, (c, h, w), strict=True)):
            raise args.error(f"shape {shape} does not divide into blocks of {blocksize}")
        names = ("channels", "height", "width")
        known: Shape = tuple(
            unknown_dim(args, name) if dim is None else dim for name, dim in zip(names, dims, strict=True)
        )
        return (TensorType(args.dtype(0), (n, *known)),)

    def plan(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """View of the operand, permutation, shape of the result."""
        raise NotImplementedError

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data = args.array(0)
        view, order, out = self.plan(data.shape)
        return (data.reshape(view).transpose(order).reshape(out),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        data = args.tensor(0)
        view, order, _ = self.plan(data.static_shape)
        return untileable(args) or one_kernel(args, permute_kernel(view, order, data.dtype))


@op("depth_to_space", onnx="DepthToSpace", since=28)
class DepthToSpace(BlockOp):
    """Channels to blocks of space; the block is the outer (`DCR`) or inner (`CRD`) part of the channel."""

    blocksize: int
    mode: str = "DCR"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return self._infer(args, 1, self.blocksize)

    def plan(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        n, c, h, w = shape
        b = self.blocksize
        depth = c // (b * b)
        out = (n, depth, h * b, w * b)
        if self.mode == "DCR":
            return (n, b, b, depth, h, w), (0, 3, 4, 1, 5, 2), out
        return (n, depth, b, b, h, w), (0, 1, 4, 2, 5, 3), out

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), (floats(1, 2, 8, 3, 2),))
        yield Sample(cls(2, "CRD"), (floats(2, 1, 12, 2, 3),))
        yield Sample(cls(3), (numbers(3, DType.FLOAT16, 1, 9, 1, 5),))


@op("space_to_depth", onnx="SpaceToDepth", since=28)
class SpaceToDepth(BlockOp):
    """Blocks of space to channels; the block becomes the outer (`DCR`) or inner (`CRD`) part of the channel."""

    blocksize: int
    mode: str = "DCR"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return self._infer(args, -1, self.blocksize)

    def plan(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        n, c, h, w = shape
        b = self.blocksize
        order = (0, 3, 5, 1, 2, 4) if self.mode == "DCR" else (0, 1, 3, 5, 2, 4)
        return (n, c, h // b, b, w // b, b), order, (n, c * b * b, h // b, w // b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), (floats(1, 2, 3, 4, 6),))
        yield Sample(cls(2, "CRD"), (floats(2, 1, 3, 2, 4),))
        yield Sample(cls(3), (numbers(3, DType.INT8, 1, 1, 3, 9),))
