"""Operators that move, join, cut and resize (ODLA/ops/odla_ops_process.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops import logic
from halo_py.ops.image import Resize
from halo_py.ops.indexing import ScatterElements
from halo_py.ops.movement import Expand, Tile, Transpose
from halo_py.ops.padding import Pad
from halo_py.ops.random import RandomNormal, RandomUniform
from halo_py.ops.reshaping import Reshape, Squeeze
from halo_py.ops.shape import EyeLike, Shape
from halo_py.ops.slicing import Concat, Slice, Split
from halo_py.types import DType, LinearDim, multiply_dims
from odla.c.decode import Numbers, ValueType
from odla.c.element_types import ElementType
from odla.c.element_types import dtype_of as dtype_of_element
from odla.c.operators.emit import Emit, Node, checked_axis, operator, rank_of, shape_of
from odla.c.values import static_shape

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

_MODES: tuple[Literal["nearest", "linear", "cubic"], ...] = ("nearest", "linear", "cubic")
"""`odla_interpolation_mode`."""

_COORDINATES = (
    ("asymmetric", "floor"),
    ("half_pixel", "round_prefer_floor"),
    ("half_pixel", "round_prefer_ceil"),
    ("align_corners", "round_prefer_floor"),
)
"""`odla_resize_coordinate_mode` -> ONNX's coordinates, and how the nearest position is rounded. TensorFlow's variant,
floor((x + 0.5) scale), is half pixels with halves rounded up; it differs from half pixels for the nearest element only.
"""

_EYE, _NORMAL, _UNIFORM = range(3)
"""`odla_fill_method`."""

_TO_THE_FRONT = int(np.iinfo(np.int64).min)
"""The end of a slice that goes backwards over the first element."""


def needed(dims: Dims | None, name: str) -> Dims:
    """A shape that the function cannot do without. Raises UsageError."""
    if dims is None or any(dim < -1 for dim in dims):
        raise UsageError(f"{name} is needed and is no shape")
    return dims


@operator("odla_Broadcast")
def broadcast(emit: Emit, x: Node, output_shape: Dims | None) -> Node:
    """The value repeated to a shape."""
    return _expanded(emit, x, needed(output_shape, "output_shape"))


@operator("odla_ExpandDims")
def expand_dims(emit: Emit, x: Node, output_dims: Dims | None) -> Node:
    """The value repeated to a shape."""
    return _expanded(emit, x, needed(output_dims, "output_dims"))


def _expanded(emit: Emit, x: Node, dims: Dims) -> Node:
    return emit.add(Expand(), x, emit.ints([1 if dim < 0 else dim for dim in dims]))


@operator("odla_Cast")
def cast(emit: Emit, x: Node, target_type: int) -> Node:
    """The value in another element type."""
    emit.element = ElementType(target_type) if target_type in set(ElementType) else None
    return emit.cast(x, dtype_of_element(target_type, "target_type"))


@operator("odla_Concat")
def concat(emit: Emit, inputs: tuple[Node, ...], axis: int, output_shape: Dims | None) -> Node:
    """Values joined along an axis."""
    if not inputs:
        raise UsageError("inputs is empty")
    parts = [each if rank_of(each) else emit.reshape(each, (1,)) for each in inputs]
    return emit.add(Concat(axis=axis), *parts)


@operator("odla_Stack")
def stack(emit: Emit, inputs: tuple[Node, ...], axis: int, output_shape: Dims | None) -> Node:
    """Values joined along a new axis."""
    if not inputs:
        raise UsageError("inputs is empty")
    at = checked_axis(axis, rank_of(inputs[0]) + 1)
    return emit.add(Concat(axis=at), *(emit.unsqueeze(each, (at,)) for each in inputs))


@operator("odla_Fill")
def fill(emit: Emit, type: ValueType, method: int, p0: float, p1: float, seed: float) -> Node:
    """A value made up: ones on the diagonal, or random numbers."""
    shape, dtype = static_shape(type.type, "a filled value"), type.type.dtype
    if method == _EYE:
        if len(shape) != 2:
            raise UsageError(f"an identity has 2 dimensions, found {len(shape)}")
        return emit.add(EyeLike(dtype=dtype), emit.constant(np.zeros(shape, np.float32)))
    drawn = dtype if dtype.is_float else DType.FLOAT32
    if method == _NORMAL:
        made = emit.add(RandomNormal(mean=p0, scale=p1, seed=seed, shape=shape, dtype=drawn))
    else:
        made = emit.add(RandomUniform(low=p0, high=p1, seed=seed, shape=shape, dtype=drawn))
    return emit.cast(made, dtype)


@operator("odla_Pad")
def pad(emit: Emit, x: Node, padding_front: Numbers, padding_back: Numbers, output_dims: Dims | None) -> Node:
    """Zeros added before and after each dimension."""
    rank = rank_of(x)
    return emit.add(Pad(), x, emit.ints((*padding_front.take(rank), *padding_back.take(rank))))


@operator("odla_Reshape")
def reshape(emit: Emit, x: Node, output_dims: Dims | None) -> Node:
    """The elements in another shape; one dimension may be -1."""
    dims = _following_batch(x, needed(output_dims, "output_dims"))
    if 0 in dims and 0 in shape_of(x):  # a value of no elements: dimensions are meant as they stand
        return emit.add(Reshape(allowzero=1), x, emit.ints(dims))
    return emit.reshape(x, dims)


def _following_batch(x: Node, dims: Dims) -> list[int]:
    """A fixed shape for a value whose leading dimension is open: then its own leading dimension follows."""
    shape = shape_of(x)
    if -1 in dims or not dims or all(isinstance(dim, int) for dim in shape):
        return [dim if dim != 0 or 0 in shape else 0 for dim in dims]
    total = multiply_dims(shape)
    rest = multiply_dims(dims[1:])
    if isinstance(total, LinearDim) and isinstance(rest, int) and rest:
        factors = [total.constant, *(factor for _, factor in total.terms)]
        if all(factor % rest == 0 for factor in factors):
            return [-1, *dims[1:]]
    return list(dims)


@operator("odla_ReshapeDynamic")
def reshape_dynamic(emit: Emit, x: Node, output_shape: Node) -> Node:
    """The elements in the shape that a value holds."""
    return emit.add(Reshape(), x, emit.cast(output_shape, DType.INT64))


@operator("odla_Resize")
def resize(emit: Emit, x: Node, interpolation: int, mode: int, axes_mask: int, output_dims: Dims | None) -> Node:
    """Resampled to output_dims along dimensions in the mask (bit 0: the last one; no bit: all) or of another size."""
    dims = needed(output_dims, "output_dims")
    rank = rank_of(x)
    if len(dims) != rank:
        raise UsageError(f"output_dims has {len(dims)} dimensions, the value {rank}")
    mask = axes_mask or -1
    differs = [size != dim for size, dim in zip(dims, shape_of(x), strict=True)]
    axes = tuple(axis for axis in range(rank) if mask >> (rank - 1 - axis) & 1 or differs[axis])
    return emit.add(_resize(interpolation, mode, axes), x, None, None, emit.ints([dims[axis] for axis in axes]))


def _resize(interpolation: int, mode: int, axes: tuple[int, ...] | None) -> Resize:
    coordinates, rounding = _COORDINATES[mode]
    return Resize(
        axes=axes,
        coordinate_transformation_mode=coordinates,
        mode=_MODES[interpolation],
        nearest_mode=rounding,
    )


@operator("odla_ResizeDynamic")
def resize_dynamic(
    emit: Emit,
    x: Node,
    scales: Node | None,
    sizes: Node | None,
    interpolation: int,
    mode: int,
    output_dims: Dims | None,
) -> Node:
    """Resampled by scales or to sizes that a value holds, one per dimension."""
    if (scales is None) == (sizes is None):
        raise UsageError("give either scales or sizes")
    factors = None if scales is None else emit.cast(scales, DType.FLOAT32)
    extents = None if sizes is None else emit.cast(sizes, DType.INT64)
    return emit.add(_resize(interpolation, mode, None), x, None, factors, extents)


@operator("odla_Shape")
def shape(emit: Emit, x: Node, output_dims: Dims | None) -> Node:
    """The shape as a vector of int64."""
    return emit.add(Shape(), x)


@operator("odla_Slice")
def slice_static(
    emit: Emit, x: Node, start: Numbers, end: Numbers, stride: Numbers | None, output_dims: Dims | None
) -> Node:
    """Elements from start to before end in steps, per dimension; negative bounds count from the end."""
    rank = rank_of(x)
    steps = (1,) * rank if stride is None else stride.take(rank)
    bounds = (emit.ints(start.take(rank)), emit.ints(end.take(rank)))
    return emit.add(Slice(), x, *bounds, emit.ints(range(rank)), emit.ints(steps))


@operator("odla_SliceDynamic")
def slice_dynamic(emit: Emit, x: Node, start: Node, size: Node, stride: Node | None, output_dims: Dims | None) -> Node:
    """So many elements from start in steps, per dimension."""
    first, count = emit.cast(start, DType.INT64), emit.cast(size, DType.INT64)
    axes = emit.ints(range(rank_of(x)))
    if stride is None:
        return emit.add(Slice(), x, first, emit.add(ew.Add(), first, count), axes)
    step = emit.cast(stride, DType.INT64)
    end = emit.add(ew.Add(), first, emit.add(ew.Mul(), count, step))
    zero = emit.constant(0, DType.INT64)
    over = emit.add(logic.And(), emit.add(logic.Less(), step, zero), emit.add(logic.Less(), end, zero))
    end = emit.add(logic.Where(), over, emit.constant(_TO_THE_FRONT, DType.INT64), end)
    return emit.add(Slice(), x, first, end, axes, step)


@operator("odla_DimsExpand")
def dims_expand(emit: Emit, x: Node, original: Node, axes: Node, output_dims: Dims | None) -> Node:
    """The vector `original` with the entries at `axes` replaced by those of x: bounds of a few axes for all of them."""
    places = emit.cast(axes, DType.INT64)
    entries = x if rank_of(x) else emit.reshape(x, (1,))
    return emit.add(
        ScatterElements(axis=0), original, places if rank_of(places) else emit.reshape(places, (1,)), entries
    )


@operator("odla_Split")
def split(emit: Emit, x: Node, split_dim: Node, num_split: int) -> tuple[Node, ...]:
    """Equal parts along a dimension, which must be a constant."""
    axis = checked_axis(int(emit.known(split_dim, "split_dim").reshape(-1)[0]), rank_of(x), "split_dim")
    size = shape_of(x)[axis]
    if not 1 <= num_split <= 64 or (isinstance(size, int) and size % num_split):
        raise UsageError(f"a dimension of {size} cannot be split into {num_split} equal parts")
    return emit.add_all(Split(axis=axis, num_outputs=num_split), x, outputs=num_split)


@operator("odla_Squeeze")
def squeeze(emit: Emit, x: Node, num_of_axes: int, axes: Numbers | None, output_dims: Dims | None) -> Node:
    """Without the dimensions of size 1 that are named, or all of them."""
    rank = rank_of(x)
    if num_of_axes > rank:
        raise UsageError(f"num_of_axes is {num_of_axes}, the value has {rank} dimensions")
    if not num_of_axes or axes is None:
        return emit.add(Squeeze(), x)
    return emit.add(Squeeze(), x, emit.ints([checked_axis(axis, rank, "axes") for axis in axes.take(num_of_axes)]))


@operator("odla_Transpose")
def transpose(emit: Emit, x: Node, permutations: Dims | None, output_dims: Dims | None) -> Node:
    """Permuted dimensions."""
    order, rank = needed(permutations, "permutations"), rank_of(x)
    if sorted(order) != list(range(rank)):
        raise UsageError(f"permutations {list(order)} is no permutation of {rank} dimensions")
    return emit.add(Transpose(perm=order), x)


@operator("odla_Tile")
def tile(emit: Emit, x: Node, repeat: Numbers, output_dims: Dims | None) -> Node:
    """The value repeated along each dimension."""
    return emit.add(Tile(), x, emit.ints(repeat.take(rank_of(x))))


@operator("odla_TileDynamic")
def tile_dynamic(emit: Emit, x: Node, repeat: Node, output_dims: Dims | None) -> Node:
    """The value repeated as often as another value says."""
    return emit.add(Tile(), x, emit.cast(repeat, DType.INT64))
