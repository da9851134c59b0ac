"""Numbers quantised in blocks: small integers packed into bytes, with a scale and a zero point per block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_frontends.onnx.tensors import unpack
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

FIELDS = {2: DType.UINT2, 4: DType.UINT4, 8: DType.UINT8}
"""The element type of unpacked constants by their bits."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a dimension of `extent` is cut into blocks of `size` integers of `bits` bits; the last one may be short."""

    extent: int
    size: int
    bits: int

    @property
    def count(self) -> int:
        """Number of blocks."""
        return -(-self.extent // self.size)

    @property
    def padded(self) -> int:
        """The extent with the last block filled up."""
        return self.count * self.size

    @property
    def middle(self) -> int:
        """The zero point of unsigned integers whose zero point is not given."""
        return 1 << (self.bits - 1)


def int64(maker: Maker, draft: Draft, numbers: tuple[int, ...], suffix: str) -> Value:
    """A constant vector that belongs to this node."""
    return constant_like(maker, draft, np.asarray(numbers, np.int64), suffix)


def reshaped(draft: Draft, maker: Maker, value: Value, shape: tuple[int, ...]) -> Value:
    """A value in another shape. Raises ModelError for a constant that does not have it."""
    known = maker.builder.known(value)
    if known is None:
        return maker.make("Reshape", [value, int64(maker, draft, shape, "shape")], draft)
    return constant_like(maker, draft, _shaped(draft, known, shape), "reshaped")


def transposed(draft: Draft, maker: Maker, value: Value) -> Value:
    """A matrix with its dimensions exchanged."""
    known = maker.builder.known(value)
    if known is None:
        return maker.make("Transpose", [value], draft, perm=(1, 0))
    return constant_like(maker, draft, np.ascontiguousarray(known.T), "transposed")


def _shaped(draft: Draft, array: Array, shape: tuple[int, ...]) -> Array:
    try:
        return array.reshape(shape)
    except ValueError:
        raise ModelError(f"a constant of shape {list(array.shape)} cannot be {list(shape)}", draft.where) from None


def unpacked(draft: Draft, maker: Maker, packed: Value, bits: int) -> Value:
    """The integers of bytes along the last dimension, low bits first; those of constants in their own narrow type."""
    known = maker.builder.known(packed)
    per_byte = 8 // bits
    if known is not None:
        if known.dtype != np.uint8 or not known.ndim:
            raise ModelError("packed integers must be an array of bytes", draft.where)
        shape = (*known.shape[:-1], known.shape[-1] * per_byte)
        flat = known.astype(np.uint8, copy=False).reshape(-1)
        fields = unpack(flat, FIELDS[bits], known.size * per_byte)
        return constant_like(maker, draft, fields.reshape(shape), "integers")
    if per_byte == 1:
        return packed
    rank = draft_rank(draft, packed)
    shifts = constant_like(maker, draft, np.arange(0, 8, bits, dtype=np.uint8), "shifts")
    mask = constant_like(maker, draft, np.asarray((1 << bits) - 1, np.uint8), "mask")
    column = maker.make("Unsqueeze", [packed, int64(maker, draft, (rank,), "axes")], draft)
    shifted = maker.make("BitShift", [column, shifts], draft, direction="RIGHT")
    fields = maker.make("BitwiseAnd", [shifted, mask], draft)
    return maker.make("Reshape", [fields, int64(maker, draft, (*(0,) * (rank - 1), -1), "shape")], draft)


def draft_rank(draft: Draft, value: Value) -> int:
    """The rank of a tensor, which must be known and not 0. Raises ModelError."""
    rank = draft.reading(value).rank(0)
    if not rank:
        raise ModelError("needs packed integers of known rank", draft.where)
    return rank


def zero_points(
    draft: Draft, maker: Maker, zeros: Value | None, like: Value, shape: tuple[int, ...], default: int
) -> Value:
    """Zero points of the element type of `like`: those given, cast, or `default` everywhere."""
    dtype = draft.reading(like).dtype(0)
    if zeros is None:
        return constant_like(maker, draft, np.full(shape, default).astype(dtype.numpy), "zeros")
    if draft.reading(zeros).dtype(0) is dtype:
        return zeros
    return maker.make("Cast", [zeros], draft, to=dtype.onnx_number)


def affine(draft: Draft, maker: Maker, fields: Value, zeros: Value, scales: Value) -> Value:
    """(integers - zero points) * scales, element by element with broadcasting, in the type of the scales."""
    number = draft.reading(scales).dtype(0).onnx_number

    def numbers(value: Value) -> Value:
        same = draft.reading(value).dtype(0).onnx_number == number
        return value if same else maker.make("Cast", [value], draft, to=number)

    centred = maker.make("Sub", [numbers(fields), numbers(zeros)], draft)
    return maker.make("Mul", [centred, scales], draft)


def first_rows(draft: Draft, maker: Maker, value: Value, rows: int, wanted: int) -> Value:
    """The first `wanted` of the `rows` rows of a value."""
    return value if rows == wanted else leading(draft, maker, value, wanted, 0)


def leading(draft: Draft, maker: Maker, value: Value, wanted: int, axis: int) -> Value:
    """The first `wanted` entries along an axis."""
    known = maker.builder.known(value)
    if known is not None:
        return constant_like(maker, draft, known[(slice(None),) * axis + (slice(wanted),)], "part")
    bounds = [int64(maker, draft, (bound,), name) for bound, name in ((0, "start"), (wanted, "end"), (axis, "axis"))]
    return maker.make("Slice", [value, *bounds], draft)
