"""Views: other shapes, orders and parts of one tensor. What is written into them is written into their base."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import INT_MAX, Maker
from halo_frontends.torchscript.table import aten, read_sizes
from halo_frontends.torchscript.values import Inject, Scalar, Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Ints, Item, Size, Sizes, Value


def _shape_view(m: Maker, input: Tensor, change: Callable[[Value], Value], may_copy: bool = False) -> Tensor:
    """The same elements in another shape: a view, or a copy where memory has no such view and it may be one."""
    layout, before = m.layout(input), m.read(input)
    after = change(before)
    if layout is not None and m.is_static(after):
        layout = layout.reshaped(m.shape(before), m.shape(after))
        if layout is None and may_copy:
            return Tensor(after, quantised=input.quantised)
    return m.view(input, change, lambda base, new: m.reshape(new, m.sizes(base)), layout)


def _order_view(m: Maker, input: Tensor, perm: list[int]) -> Tensor:
    """The axes in another order."""
    back = [perm.index(axis) for axis in range(len(perm))]
    layout = m.layout(input)
    return m.view(
        input,
        lambda base: m.transpose(base, perm),
        lambda _base, new: m.transpose(new, back),
        None if layout is None else layout.permuted(perm),
    )


# -- shapes ---------------------------------------------------------------------------------------------------------


@aten("view", "_unsafe_view")
def view(m: Maker, input: Tensor, size: Item) -> Tensor:
    if isinstance(size, (list, tuple)):
        sizes = read_sizes(m, size)
        return _shape_view(m, input, lambda base: m.reshape(base, _filled(m, base, sizes)))
    raise m.unsupported("a view as another element type is not supported")


@aten("reshape", "_reshape_alias", "view_copy")
def reshape(m: Maker, input: Tensor, shape: Sizes, stride: Item = None) -> Tensor:
    return _shape_view(m, input, lambda base: m.reshape(base, _filled(m, base, shape)), may_copy=True)


def _filled(m: Maker, base: Value, shape: Sizes) -> Sizes:
    """The shape with its -1 worked out where everything is known."""
    if -1 not in shape or not m.is_static(base):
        return shape
    known = [size for size in shape if isinstance(size, int)]
    if len(known) != len(shape):
        return shape
    rest = prod(size for size in known if size != -1)
    total = prod(m.shape(base))
    if not rest or total % rest:
        raise m.wrong(f"{list(m.shape(base))} cannot be viewed as {known}")
    return [total // rest if size == -1 else size for size in known]


@aten("view_as", "reshape_as")
def view_as(m: Maker, input: Tensor, other: Value) -> Tensor:
    return reshape(m, input, m.sizes(other))


@aten("flatten")
def flatten(m: Maker, input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    def change(base: Value) -> Value:
        rank = m.rank(base)
        start, end = m.axis(start_dim, rank), m.axis(end_dim, rank)
        sizes = m.sizes(base)
        middle = [size for size in sizes[start : end + 1] if isinstance(size, int)]
        joined: Size = prod(middle) if len(middle) == len(sizes[start : end + 1]) else -1
        return m.reshape(base, [*sizes[:start], joined, *sizes[end + 1 :]])

    return _shape_view(m, input, change, may_copy=True)


@aten("ravel")
def ravel(m: Maker, input: Tensor) -> Tensor:
    return flatten(m, input)


@aten("unflatten")
def unflatten(m: Maker, input: Tensor, dim: int, sizes: Sizes) -> Tensor:
    def change(base: Value) -> Value:
        old = m.sizes(base)
        axis = m.axis(dim, len(old))
        return m.reshape(base, _filled(m, base, [*old[:axis], *sizes, *old[axis + 1 :]]))

    return _shape_view(m, input, change)


@aten("squeeze", "squeeze_copy")
def squeeze(m: Maker, input: Tensor, dim: Ints | None = None) -> Tensor:
    def change(base: Value) -> Value:
        rank = m.rank(base)
        asked = range(rank) if dim is None else [m.axis(axis, rank) for axis in dim]
        shape = m.type(base).shape or ()
        return m.squeeze(base, *[axis for axis in asked if axis < rank and shape[axis] == 1])

    return _shape_view(m, input, change)


@aten("unsqueeze", "unsqueeze_copy")
def unsqueeze(m: Maker, input: Tensor, dim: int) -> Tensor:
    def change(base: Value) -> Value:
        return m.unsqueeze(base, m.axis(dim, m.rank(base) + 1))

    return _shape_view(m, input, change)


@aten("expand", "broadcast_to", "expand_copy")
def expand(m: Maker, input: Tensor, size: Sizes, implicit: bool = False) -> Tensor:
    def change(base: Value) -> Value:
        old: list[Size] = [*[1] * (len(size) - m.rank(base)), *m.sizes(base)]
        wanted = [given if new == -1 else new for new, given in zip(size, old, strict=True)]
        return m.expand(base, wanted)

    before = m.read(input)
    same = change(before) is before
    layout, after = m.layout(input), change(before)
    if layout is not None and m.is_static(after):
        layout = layout.expanded(m.shape(before), m.shape(after))
    return m.view(input, change, (lambda _base, new: new) if same else None, layout)


@aten("expand_as")
def expand_as(m: Maker, input: Tensor, other: Value) -> Tensor:
    return expand(m, input, m.sizes(other))


@aten("detach", "alias", "lift_fresh", "lift", "requires_grad_", "data", "alias_copy", "detach_copy", "prim::data")
def alias(m: Maker, input: Tensor, *_rest: Item) -> Tensor:
    return m.view(input, lambda base: base, lambda _base, new: new, m.layout(input))


# -- orders ---------------------------------------------------------------------------------------------------------


@aten("permute", "permute_copy")
def permute(m: Maker, input: Tensor, dims: Ints) -> Tensor:
    rank = m.rank(m.read(input))
    return _order_view(m, input, [m.axis(axis, rank) for axis in dims])


@aten("transpose", "swapaxes", "swapdims", "transpose_copy")
def transpose(m: Maker, input: Tensor, dim0: int, dim1: int) -> Tensor:
    rank = m.rank(m.read(input))
    perm = list(range(rank))
    if rank:
        first, second = m.axis(dim0, rank), m.axis(dim1, rank)
        perm[first], perm[second] = perm[second], perm[first]
    return _order_view(m, input, perm)


@aten("t", "t_copy", "numpy_T", "matrix_H", "mT", "mH", "adjoint", "T", "H")
def turned(m: Maker, input: Tensor) -> Tensor:
    rank = m.rank(m.read(input))
    return transpose(m, input, -1, -2) if rank >= 2 else alias(m, input)


@aten("movedim", "moveaxis")
def movedim(m: Maker, input: Tensor, source: Ints, destination: Ints) -> Tensor:
    rank = m.rank(m.read(input))
    places = {m.axis(to, rank): m.axis(start, rank) for start, to in zip(source, destination, strict=True)}
    rest = iter(axis for axis in range(rank) if axis not in places.values())
    return _order_view(m, input, [places[axis] if axis in places else next(rest) for axis in range(rank)])


# -- parts ----------------------------------------------------------------------------------------------------------


@aten("slice", "slice_copy")
def slice(
    m: Maker, input: Tensor, dim: int = 0, start: Size | None = None, end: Size | None = None, step: int = 1
) -> Tensor:
    before = m.read(input)
    axis = m.axis(dim, m.rank(before))
    size = (m.type(before).shape or ())[axis]
    low, high = (0 if start is None else start), (INT_MAX if end is None else end)
    if isinstance(low, Scalar) or isinstance(high, Scalar) or not isinstance(size, int):
        inject = _put_between(m, axis, low, high) if step == 1 else None
        return m.view(input, lambda base: m.slice(base, axis, low, high, step), inject)
    low, high = _clamped(low, size), _clamped(high, size)
    high = max(low, high)

    def project(base: Value) -> Value:
        return base if (low, high, step) == (0, size, 1) else m.slice(base, axis, low, high, step)

    layout = m.layout(input)
    return m.view(
        input,
        project,
        lambda base, new: _put_back(m, base, new, axis, range(low, high, step)),
        None if layout is None else layout.sliced(axis, low, step),
    )


def _put_between(m: Maker, axis: int, low: Size, high: Size) -> Inject:
    """Replaces entries between two positions, at least one of which is known at run time only."""

    def inject(base: Value, new: Value) -> Value:
        parts = [new]
        if low != 0:
            parts.insert(0, m.slice(base, axis, 0, low))
        if high != INT_MAX:
            so_far = [m.size(part, axis) for part in parts]
            parts.append(m.slice(base, axis, so_far[0] if low == 0 else _sum(m, *so_far), INT_MAX))
        joined = m.op("Concat", *parts, axis=axis)
        return m.op("Reshape", joined, m.ints(m.sizes(base)), allowzero=1)

    return inject


def _clamped(position: int, size: int) -> int:
    return min(max(position + size if position < 0 else position, 0), size)


def _put_back(m: Maker, base: Value, new: Value, axis: int, taken: range) -> Value:
    """The base with the positions `taken` along an axis replaced."""
    size = m.length(base, axis)
    if len(taken) == size and taken.step == 1:
        return new
    if taken.step == 1 or len(taken) <= 1:
        parts = [m.slice(base, axis, 0, taken.start)] if taken.start else []
        parts.append(new)
        end = taken.start + len(taken)
        if end < size:
            parts.append(m.slice(base, axis, end, size))
        return m.op("Concat", *parts, axis=axis)
    order = np.arange(size)
    order[taken.start : taken.stop : taken.step] = size + np.arange(len(taken))
    return m.op("Gather", m.op("Concat", base, new, axis=axis), m.const(order), axis=axis)


@aten("narrow", "narrow_copy")
def narrow(m: Maker, input: Tensor, dim: int, start: Size, length: Size) -> Tensor:
    if isinstance(start, Scalar) or isinstance(length, Scalar):
        return m.view(input, lambda base: m.slice(base, dim, start, _sum(m, start, length)), None)
    if start < 0:
        start += m.length(m.read(input), dim)
    return slice(m, input, dim, start, start + length)


def _sum(m: Maker, left: Size, right: Size) -> Size:
    if isinstance(left, int) and isinstance(right, int):
        return left + right
    return m.to_size(m.op("Add", m.number(left, DType.INT64), m.number(right, DType.INT64)))


@aten("select", "select_copy")
def select(m: Maker, input: Tensor, dim: int, index: Size) -> Tensor:
    before = m.read(input)
    axis = m.axis(dim, m.rank(before))
    size = (m.type(before).shape or ())[axis]
    if isinstance(index, Scalar):
        return _select_at_run_time(m, input, axis, index)
    if isinstance(size, int):
        if not -size <= index < size:
            raise m.wrong(f"index {index} is outside of an axis of {size}")
        index %= size
    position = m.const(np.asarray(index, np.int64))
    layout = m.layout(input)
    return m.view(
        input,
        lambda base: m.op("Gather", base, position, axis=axis),
        lambda base, new: _put_back(m, base, m.unsqueeze(new, axis), axis, range(index, index + 1)),
        None if layout is None or index < 0 else layout.selected(axis, index),
    )


def _select_at_run_time(m: Maker, input: Tensor, axis: int, index: Scalar) -> Tensor:
    def inject(base: Value, new: Value) -> Value:
        size = m.number(m.size(base, axis), DType.INT64)
        first, step = m.number(0, DType.INT64), m.number(1, DType.INT64)
        shape = [-1 if number == axis else 1 for number in range(m.rank(base))]
        places = m.reshape(m.op("Range", first, size, step), shape)
        wrapped = m.op("Mod", index.value, size)
        return m.op("Where", m.op("Equal", places, wrapped), m.unsqueeze(new, axis), base)

    return m.view(input, lambda base: m.op("Gather", base, index.value, axis=axis), inject)


@aten("unbind", "unbind_copy")
def unbind(m: Maker, input: Tensor, dim: int = 0) -> list[Tensor]:
    value = m.read(input)
    return [select(m, input, dim, index) for index in range(m.length(value, dim))]


@aten("split", "split_copy", "split_with_sizes", "split_with_sizes_copy", "unsafe_split", "unsafe_split_with_sizes")
def split(m: Maker, input: Tensor, split_size: Item, dim: int = 0) -> list[Tensor]:
    if isinstance(split_size, (list, tuple)):
        return _pieces(m, input, dim, read_sizes(m, split_size))
    size = m.length(m.read(input), dim)
    piece = m.to_number(m.read(split_size)) if isinstance(split_size, Tensor) else split_size
    if not isinstance(piece, int):
        raise m.unsupported("pieces whose size depends on data are not supported")
    return _pieces(m, input, dim, [min(piece, size - start) for start in range(0, size, max(piece, 1))] or [0])


def _pieces(m: Maker, input: Tensor, dim: int, sizes: Sequence[Size]) -> list[Tensor]:
    starts = list(itertools.accumulate(sizes, lambda start, size: _sum(m, start, size), initial=0))
    return [slice(m, input, dim, start, end) for start, end in itertools.pairwise(starts)]


@aten("chunk", "unsafe_chunk")
def chunk(m: Maker, input: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    value = m.read(input)
    size = m.length(value, dim)
    return split(m, input, max(-(-size // chunks), 1), dim)


@aten("tensor_split")
def tensor_split(m: Maker, input: Tensor, sections: Item, dim: int = 0) -> list[Tensor]:
    value = m.read(input)
    size = m.length(value, dim)
    if isinstance(sections, Tensor):
        contents = m.known(m.read(sections))
        if contents is None:
            raise m.unsupported("sections that depend on data are not supported")
        sections = contents.tolist()
    if isinstance(sections, (list, tuple)):
        cuts = [0, *(_clamped(cut, size) for cut in sections if isinstance(cut, int)), size]
        return [slice(m, input, dim, low, high) for low, high in itertools.pairwise(cuts)]
    assert isinstance(sections, int)
    return _pieces(m, input, dim, [size // sections + (number < size % sections) for number in range(sections)])


@aten("hsplit")
def hsplit(m: Maker, input: Tensor, sections: Item) -> list[Tensor]:
    return tensor_split(m, input, sections, 1 if m.rank(m.read(input)) > 1 else 0)


@aten("vsplit")
def vsplit(m: Maker, input: Tensor, sections: Item) -> list[Tensor]:
    return tensor_split(m, input, sections, 0)


@aten("dsplit")
def dsplit(m: Maker, input: Tensor, sections: Item) -> list[Tensor]:
    return tensor_split(m, input, sections, 2)
