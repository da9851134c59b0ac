"""Complex tensors: real ones with a last axis of real and imaginary parts, marked as pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.ops.pointwise import add, atan2, below_zero, constant_like, div, floating, mul, sub
from halo_frontends.torchscript.table import aten
from halo_frontends.torchscript.values import Item, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.kinds import Ints, Value

Apply = Callable[[str, Sequence[Item], Mapping[str, Item]], Item]

_BOTH_PARTS = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "expand",
        "permute",
        "transpose",
        "swapaxes",
        "t",
        "movedim",
        "slice",
        "narrow",
        "select",
        "unbind",
        "split",
        "chunk",
        "cat",
        "stack",
        "clone",
        "contiguous",
        "detach",
        "alias",
        "roll",
        "flip",
        "index",
        "index_select",
        "gather",
        "repeat",
        "sum",
        "mean",
        "neg",
        "to",
        "size",
        "dim",
        "len",
        "numel",
        "masked_select",
        "pad",
        "constant_pad_nd",
        "where",
        "tile",
        "expand_as",
        "view_as",
        "reshape_as",
        "add",
        "sub",
        "cumsum",
        "diagonal",
        "broadcast_to",
        "tensor_split",
        "split_with_sizes",
        "lift_fresh",
        "hstack",
        "vstack",
        "meshgrid",
        "take_along_dim",
    ]
)
"""Ops that do the same to real and imaginary parts."""


def pair(m: Maker, real: Value, imaginary: Value) -> Tensor:
    """A complex tensor of two parts."""
    rank = m.rank(real)
    return Tensor(m.op("Concat", m.unsqueeze(real, rank), m.unsqueeze(imaginary, rank), axis=rank), is_pair=True)


def parts(m: Maker, tensor: Tensor) -> tuple[Value, Value]:
    """The real and the imaginary part; of a real tensor itself and zeros."""
    value = m.read(tensor)
    if not tensor.is_pair:
        return value, m.op("Mul", value, constant_like(m, value, 0))
    found = [m.op("Gather", value, m.const(np.asarray(number, np.int64)), axis=-1) for number in (0, 1)]
    return found[0], found[1]


def has_pairs(arguments: Sequence[Item]) -> bool:
    """Whether any argument is, or holds, a complex tensor."""
    return any(
        item.is_pair if isinstance(item, Tensor) else isinstance(item, list) and has_pairs(item) for item in arguments
    )


def apply_to_pairs(
    m: Maker, apply: Apply, name: str, arguments: Sequence[Item], named: Mapping[str, Item]
) -> Item | None:
    """An op that does the same to both parts; None if this op does not."""
    if name.removeprefix("aten::") not in _BOTH_PARTS:
        return None
    real, imaginary = (apply(name, [_part(m, item, number) for item in arguments], named) for number in (0, 1))
    return _joined(m, real, imaginary)


def _part(m: Maker, item: Item, number: int) -> Item:
    if isinstance(item, Tensor) and m.dtype(m.read(item)).is_float:
        return Tensor(parts(m, item)[number])
    if isinstance(item, list):
        return [_part(m, entry, number) for entry in item]
    return item


def _joined(m: Maker, real: Item, imaginary: Item) -> Item:
    if isinstance(real, Tensor) and isinstance(imaginary, Tensor):
        return pair(m, m.read(real), m.read(imaginary))
    if isinstance(real, list):
        return [_joined(m, a, b) for a, b in zip(real, cast("list[Item]", imaginary), strict=True)]
    if isinstance(real, tuple):
        return tuple(_joined(m, a, b) for a, b in zip(real, cast("tuple[Item, ...]", imaginary), strict=True))
    return real


@aten("view_as_complex")
def view_as_complex(m: Maker, input: Tensor) -> Tensor:
    return Tensor(m.read(input), is_pair=True)


@aten("view_as_real", "view_as_real_copy")
def view_as_real(m: Maker, input: Tensor) -> Tensor:
    return Tensor(m.read(input))


@aten("complex")
def complex_of(m: Maker, real: Value, imag: Value) -> Tensor:
    return pair(m, real, imag)


@aten("polar")
def polar(m: Maker, abs: Value, angle: Value) -> Tensor:
    return pair(m, m.op("Mul", abs, m.op("Cos", angle)), m.op("Mul", abs, m.op("Sin", angle)))


@aten("real")
def real(m: Maker, input: Tensor) -> Value:
    return parts(m, input)[0] if input.is_pair else m.read(input)


@aten("imag")
def imag(m: Maker, input: Tensor) -> Value:
    return parts(m, input)[1]


@aten("resolve_conj", "resolve_neg")
def resolved(_m: Maker, input: Tensor) -> Tensor:
    return input


@aten("conj", "_conj", "conj_physical")
def conj(m: Maker, input: Tensor) -> Tensor:
    if not input.is_pair:
        return input
    first, second = parts(m, input)
    return pair(m, first, m.op("Neg", second))


@aten("angle")
def angle(m: Maker, input: Tensor) -> Value:
    if input.is_pair:
        first, second = parts(m, input)
        return atan2(m, second, first)
    value = floating(m, m.read(input))
    found = m.op("Where", below_zero(m, value), constant_like(m, value, math.pi), constant_like(m, value, 0))
    return m.op("Where", m.op("IsNaN", value), value, found)


def magnitude(m: Maker, tensor: Tensor) -> Value:
    """The absolute values of a complex tensor."""
    return m.op("ReduceL2", m.read(tensor), m.ints([-1]), keepdims=0)


def product(m: Maker, left: Item, right: Item) -> Tensor:
    """Left x right; a real factor multiplies both parts."""
    if isinstance(left, Tensor) and isinstance(right, Tensor) and left.is_pair and right.is_pair:
        (a, b), (c, d) = parts(m, left), parts(m, right)
        return pair(m, sub(m, mul(m, a, c), mul(m, b, d)), add(m, mul(m, a, d), mul(m, b, c)))
    first, factor = (left, right) if isinstance(left, Tensor) and left.is_pair else (right, left)
    assert isinstance(first, Tensor)
    operand: Any = m.read(factor) if isinstance(factor, Tensor) else factor
    if isinstance(operand, complex):
        a, b = parts(m, first)
        c, d = operand.real, operand.imag
        return pair(m, sub(m, mul(m, a, c), mul(m, b, d)), add(m, mul(m, a, d), mul(m, b, c)))
    a, b = parts(m, first)
    return pair(m, mul(m, a, operand), mul(m, b, operand))


def quotient(m: Maker, left: Item, right: Item) -> Tensor:
    """Left / right, of which one at least is complex."""
    if isinstance(right, Tensor) and right.is_pair:
        c, d = parts(m, right)
        length = add(m, mul(m, c, c), mul(m, d, d))
        return product(m, left, pair(m, div(m, c, length), div(m, m.op("Neg", d), length)))
    assert isinstance(left, Tensor)
    operand: Any = m.read(right) if isinstance(right, Tensor) else right
    a, b = parts(m, left)
    return pair(m, div(m, a, operand), div(m, b, operand))


PAIR_OPS: dict[str, Callable[..., Any]] = {
    "aten::mul": product,
    "aten::div": quotient,
    "aten::abs": magnitude,
}
"""What complex tensors do otherwise than real ones."""


# -- Fourier transforms ---------------------------------------------------------------------------------------------


def _matrix(size: int, columns: int, sign: int, scale: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """The real and imaginary parts of exp(sign 2 pi i n k / size)."""
    turn = 2 * np.pi * ((np.arange(size)[:, None] * np.arange(columns)[None]) % size) / size
    return np.cos(turn) * scale, sign * np.sin(turn) * scale


def _scale(norm: str | None, size: int, forward: bool) -> float:
    if norm == "ortho":
        return 1 / math.sqrt(size)
    return 1 / size if (norm == "forward") == forward else 1.0


def _last(m: Maker, value: Value, axis: int, size: int) -> Value:
    """The value with an axis last, cut off or filled with zeros to a length."""
    have = m.length(value, axis)
    if have > size:
        value = m.slice(value, axis, 0, size)
    elif have < size:
        after = [size - have if number == axis else 0 for number in range(m.rank(value))]
        value = m.op("Pad", value, m.ints([*[0] * m.rank(value), *after]))
    return m.transpose(value, [*(number for number in range(m.rank(value)) if number != axis), axis])


def _back(m: Maker, value: Value, axis: int) -> Value:
    rank = m.rank(value)
    order = list(range(rank - 1))
    order.insert(axis, rank - 1)
    return m.transpose(value, order)


def _times(m: Maker, value: Value, matrix: NDArray[Any]) -> Value:
    return m.op("MatMul", value, m.const(matrix.astype(m.dtype(value).numpy), m.dtype(value)))


def _transformed(
    m: Maker, tensor: Tensor, axis: int, size: int | None, norm: str | None, forward: bool, bins: int
) -> Tensor:
    """A transform along one axis, by products with matrices; `bins` of -1 keeps all frequencies."""
    first, second = parts(m, tensor)
    first, second = floating(m, first), floating(m, second)
    count = size or m.length(first, axis)
    columns = count if bins < 0 else count // 2 + 1
    cosines, sines = _matrix(count, columns, -1 if forward else 1, _scale(norm, count, forward))
    a = _last(m, first, axis, count)
    if not tensor.is_pair:
        return pair(m, _back(m, _times(m, a, cosines), axis), _back(m, _times(m, a, sines), axis))
    b = _last(m, second, axis, count)
    found = m.op("Sub", _times(m, a, cosines), _times(m, b, sines))
    other = m.op("Add", _times(m, a, sines), _times(m, b, cosines))
    return pair(m, _back(m, found, axis), _back(m, other, axis))


def _real_inverse(m: Maker, tensor: Tensor, axis: int, size: int | None, norm: str | None) -> Value:
    """The real signal of half a spectrum: all but the first (and, of even sizes, the last) frequency count twice."""
    first, second = parts(m, tensor)
    count = size or 2 * (m.length(first, axis) - 1)
    bins = count // 2 + 1
    weight = np.full(bins, 2.0)
    weight[0] = 1.0
    if count % 2 == 0:
        weight[-1] = 1.0
    cosines, sines = _matrix(count, count, 1, _scale(norm, count, False))
    a, b = _last(m, first, axis, bins), _last(m, second, axis, bins)
    found = m.op("Sub", _times(m, a, cosines[:bins] * weight[:, None]), _times(m, b, sines[:bins] * weight[:, None]))
    return _back(m, found, axis)


@aten("fft_fft")
def fft(m: Maker, input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    return _transformed(m, input, _axis(m, input, dim), n, norm, True, -1)


@aten("fft_ifft")
def ifft(m: Maker, input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    return _transformed(m, input, _axis(m, input, dim), n, norm, False, -1)


@aten("fft_rfft")
def rfft(m: Maker, input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    return _transformed(m, input, _axis(m, input, dim), n, norm, True, 1)


@aten("fft_irfft")
def irfft(m: Maker, input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Value:
    return _real_inverse(m, input, _axis(m, input, dim), n, norm)


def _axis(m: Maker, tensor: Tensor, dim: int) -> int:
    return m.axis(dim, m.rank(m.read(tensor)) - int(tensor.is_pair))


def _axes(m: Maker, tensor: Tensor, s: Ints | None, dim: Ints | None) -> list[tuple[int, int | None]]:
    """The axes of a transform over several, each with its length."""
    rank = m.rank(m.read(tensor)) - int(tensor.is_pair)
    if dim is None:
        dim = tuple(range(rank)) if s is None else tuple(range(rank - len(s), rank))
    sizes = s or (None,) * len(dim)
    return [(m.axis(axis, rank), size) for axis, size in zip(dim, sizes, strict=True)]


@aten("fft_fftn")
def fftn(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints | None = None, norm: str | None = None) -> Tensor:
    for axis, size in _axes(m, input, s, dim):
        input = _transformed(m, input, axis, size, norm, True, -1)
    return input


@aten("fft_ifftn")
def ifftn(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints | None = None, norm: str | None = None) -> Tensor:
    for axis, size in _axes(m, input, s, dim):
        input = _transformed(m, input, axis, size, norm, False, -1)
    return input


@aten("fft_rfftn")
def rfftn(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints | None = None, norm: str | None = None) -> Tensor:
    *rest, (last, count) = _axes(m, input, s, dim)
    input = _transformed(m, input, last, count, norm, True, 1)
    for axis, size in rest:
        input = _transformed(m, input, axis, size, norm, True, -1)
    return input


@aten("fft_irfftn")
def irfftn(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints | None = None, norm: str | None = None) -> Value:
    *rest, (last, count) = _axes(m, input, s, dim)
    for axis, size in rest:
        input = _transformed(m, input, axis, size, norm, False, -1)
    return _real_inverse(m, input, last, count, norm)


@aten("fft_fft2")
def fft2(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints = (-2, -1), norm: str | None = None) -> Tensor:
    return fftn(m, input, s, dim, norm)


@aten("fft_ifft2")
def ifft2(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints = (-2, -1), norm: str | None = None) -> Tensor:
    return ifftn(m, input, s, dim, norm)


@aten("fft_rfft2")
def rfft2(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints = (-2, -1), norm: str | None = None) -> Tensor:
    return rfftn(m, input, s, dim, norm)


@aten("fft_irfft2")
def irfft2(m: Maker, input: Tensor, s: Ints | None = None, dim: Ints = (-2, -1), norm: str | None = None) -> Value:
    return irfftn(m, input, s, dim, norm)
