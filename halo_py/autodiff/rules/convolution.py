"""Convolutions: the gradient of the field is a transposed convolution, that of the weights a convolution of fields."""

from __future__ import annotations

from dataclasses import replace

from halo_py.autodiff.registry import Gradients, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.rules.contraction import refuse_epilogue
from halo_py.autodiff.terms import Term
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.windows import Window


def _number(term: Term, axis: int) -> int:
    """A spatial extent; the batch may be symbolic."""
    dim = term.shape[axis]
    return dim if isinstance(dim, int) else term.extents[axis]


def field_of(term: Term) -> tuple[int, ...]:
    """The spatial extents. Raises UnsupportedError if one is not known."""
    return tuple(_number(term, axis) for axis in range(2, term.rank))


def spread_windows(g: Term, w: Term, window: Window, field: tuple[int, ...], group: int) -> Term:
    """Every g[o] times the weights w, added up where window o lies in a field of this size."""
    before, _ = window.padding(field)
    outs = field_of(g)
    reached = [s * (o - 1) + window.reach(d) for d, (s, o) in enumerate(zip(window.strides, outs, strict=True))]
    rest = [total - first - size for total, first, size in zip(reached, before, field, strict=True)]
    op = ConvTranspose(
        dilations=window.dilations,
        group=group,
        output_padding=tuple(max(0, -over) for over in rest),
        pads=(*before, *(max(0, over) for over in rest)),
        strides=window.strides,
    )
    return g.apply(op, w)


def _cut(x: Term, window: Window, before: tuple[int, ...], outs: tuple[int, ...]) -> Term:
    """Just the part of a padded field that windows touch."""
    field = field_of(x)
    reached = [s * (o - 1) + window.reach(d) for d, (s, o) in enumerate(zip(window.strides, outs, strict=True))]
    after = [total - first - size for total, first, size in zip(reached, before, field, strict=True)]
    return x.padded((0, 0, *before), (0, 0, *after))


def _weights(x: Term, g: Term, window: Window, group: int) -> Term:
    """What every weight [O, C/group, kernel...] does to x (just what windows touch) to be weighed by g."""
    swap = (1, 0, *range(2, x.rank))
    if group == 1:
        fields, kernels = x.transposed(*swap), g.transposed(*swap)
    else:
        channels, makers = (_number(term, 1) // group for term in (x, g))
        spatial = range(3, x.rank + 1)
        fields = x.reshaped(-1, group, channels, *field_of(x)).transposed(2, 1, 0, *spatial)
        fields = fields.reshaped(channels, -1, *field_of(x))
        kernels = g.reshaped(-1, group, makers, *field_of(g)).transposed(1, 2, 0, *spatial)
        kernels = kernels.reshaped(group * makers, -1, *field_of(g))
    op = Conv(dilations=window.strides, group=group, strides=window.dilations)
    return fields.apply(op, kernels).transposed(*swap)


def _bias(g: Term) -> Term:
    return g.sum([axis for axis in range(g.rank) if axis != 1], keep=False)


@gradient(Conv)
def _conv(at: Backward, op: Conv) -> Gradients:
    refuse_epilogue(at, op.epilogue)
    x, w, g = at.x(0), at.x(1), at.g()
    window = op.window(w.extents)

    def of_x() -> Term:
        return spread_windows(g, w, window, field_of(x), op.group)

    def of_w() -> Term:
        return _weights(_cut(x, window, window.padding(field_of(x))[0], field_of(g)), g, window, op.group)

    return at.to(of_x, of_w, lambda: _bias(g))


@gradient(ConvTranspose)
def _conv_transpose(at: Backward, op: ConvTranspose) -> Gradients:
    """The reverse of a convolution: operand and result change places."""
    refuse_epilogue(at, op.epilogue)
    x, w, g = at.x(0), at.x(1), at.g()
    window, _, before = op.geometry(field_of(x), w.extents[2:])
    plain = replace(window, pads=(0,) * (2 * window.rank), auto_pad="NOTSET")
    convolution = Conv(dilations=window.dilations, group=op.group, strides=window.strides)

    def touched() -> Term:
        return _cut(g, plain, before, field_of(x))

    return at.to(
        lambda: touched().apply(convolution, w),
        lambda: _weights(touched(), x, plain, op.group),
        lambda: _bias(g),
    )
