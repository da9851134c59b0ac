"""Convolutions and pools (ODLA/ops/odla_ops_nn.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.errors import UsageError
from halo_py.ops import elementwise as ew
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.pooling import AveragePool, MaxPool
from odla.c.decode import Numbers
from odla.c.operators.emit import Emit, Node, operator, rank_of, shape_of
from odla.c.operators.layout import Layout, channels_first, input_first, output_first, restored, spatial_numbers

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims


def _biased(emit: Emit, y: Node, bias: Node | None) -> Node:
    """A bias that is not one number per output channel is added; it broadcasts as it stands."""
    return y if bias is None else emit.add(ew.Add(), y, bias)


def _channel_bias(emit: Emit, kernel_outputs: object, bias: Node | None) -> Node | None:
    """The bias as a vector, if it is one number per output channel."""
    if bias is None:
        return None
    sizes = [dim for dim in shape_of(bias) if dim != 1]
    if sizes != [kernel_outputs] and not (kernel_outputs == 1 and not sizes):
        return None
    return bias if rank_of(bias) == 1 else emit.reshape(bias, (-1,))


@operator("odla_Conv")
def conv(
    emit: Emit,
    x: Node,
    input_layout: int,
    group: int,
    kernel: Node,
    kernel_layout: int,
    strides: Numbers | None,
    dilations: Numbers | None,
    paddings_front: Numbers | None,
    paddings_back: Numbers | None,
    bias: Node | None,
    output_dims: Dims | None,
) -> Node:
    """A grouped convolution."""
    data, weights = channels_first(emit, x, input_layout), output_first(emit, kernel, _kernel_layout(kernel_layout))
    count = rank_of(data) - 2
    op = Conv(
        group=group,
        strides=spatial_numbers(strides, count, 1),
        dilations=spatial_numbers(dilations, count, 1),
        pads=(*spatial_numbers(paddings_front, count, 0), *spatial_numbers(paddings_back, count, 0)),
    )
    vector = _channel_bias(emit, shape_of(weights)[0], bias)
    y = emit.add(op, data, weights) if vector is None else emit.add(op, data, weights, vector)
    y = restored(emit, y, input_layout)
    return y if vector is not None else _biased(emit, y, bias)


def _kernel_layout(layout: int) -> int:
    """Some clients name the layout of a kernel as if it were data."""
    return {Layout.CHANNELS_FIRST: Layout.OIS, Layout.CHANNELS_LAST: Layout.SIO}.get(Layout(layout), layout)


@operator("odla_DeConv")
def deconv(
    emit: Emit,
    x: Node,
    input_layout: int,
    group: int,
    kernel: Node,
    kernel_layout: int,
    strides: Numbers | None,
    dilations: Numbers | None,
    paddings_front: Numbers | None,
    paddings_back: Numbers | None,
    bias: Node | None,
    output_dims: Dims | None,
) -> Node:
    """A grouped transposed convolution. Output sizes that the strides leave open are taken from output_dims."""
    layout = Layout.IOS if kernel_layout == Layout.CHANNELS_FIRST else _kernel_layout(kernel_layout)
    data, weights = channels_first(emit, x, input_layout), input_first(emit, kernel, layout)
    count = rank_of(data) - 2
    steps, spread = spatial_numbers(strides, count, 1), spatial_numbers(dilations, count, 1)
    front, back = spatial_numbers(paddings_front, count, 0), spatial_numbers(paddings_back, count, 0)
    extra = _output_padding(data, weights, (steps, spread, front, back), _spatial(output_dims, input_layout))
    op = ConvTranspose(group=group, strides=steps, dilations=spread, pads=(*front, *back), output_padding=extra)
    per_group = shape_of(weights)[1]
    outputs = per_group * group if isinstance(per_group, int) else per_group
    vector = _channel_bias(emit, outputs, bias)
    y = emit.add(op, data, weights) if vector is None else emit.add(op, data, weights, vector)
    y = restored(emit, y, input_layout)
    return y if vector is not None else _biased(emit, y, bias)


def _spatial(dims: Dims | None, layout: int) -> Dims:
    if dims is None or len(dims) < 3:
        return ()
    return dims[1:-1] if layout == Layout.CHANNELS_LAST else dims[2:]


def _output_padding(data: Node, weights: Node, window: tuple[tuple[int, ...], ...], wanted: Dims) -> tuple[int, ...]:
    """What is missing to the wanted sizes, where it is less than a stride; else nothing."""
    steps, spread, front, back = window
    sizes, kernel = shape_of(data)[2:], shape_of(weights)[2:]
    none = (0,) * len(steps)
    if len(wanted) != len(steps):
        return none
    found: list[int] = []
    for axis, size in enumerate(wanted):
        extent, reach = sizes[axis], kernel[axis]
        if not isinstance(extent, int) or not isinstance(reach, int):
            return none
        made = steps[axis] * (extent - 1) + spread[axis] * (reach - 1) + 1 - front[axis] - back[axis]
        if not 0 <= size - made < max(steps[axis], spread[axis]):
            return none
        found.append(size - made)
    return tuple(found)


def _rounds_up(data: Node, window: tuple[tuple[int, ...], ...], wanted: Dims) -> bool:
    """Whether the wanted sizes are those of windows that may go over the end, and not those of windows that may not."""
    reach, steps, front, back = window
    sizes = shape_of(data)[2:]
    if len(wanted) != len(steps):
        return False
    down: list[int] = []
    up: list[int] = []
    for axis, extent in enumerate(sizes):
        if not isinstance(extent, int) or steps[axis] < 1:
            return False
        room = extent + front[axis] + back[axis] - reach[axis]
        down.append(room // steps[axis] + 1)
        up.append(-(-room // steps[axis]) + 1)
    return list(wanted) == up != down


@operator("odla_MaxPool")
def max_pool(
    emit: Emit,
    x: Node,
    input_layout: int,
    window_dims: Numbers,
    strides: Numbers | None,
    paddings_front: Numbers | None,
    paddings_back: Numbers | None,
    output_dims: Dims | None,
) -> Node:
    """The maximum of each window."""
    data = channels_first(emit, x, input_layout)
    window = _window(data, window_dims, strides, paddings_front, paddings_back)
    reach, steps, front, back = window
    up = _rounds_up(data, window, _spatial(output_dims, input_layout))
    op = MaxPool(kernel_shape=reach, strides=steps, pads=(*front, *back), ceil_mode=int(up))
    return restored(emit, emit.add(op, data), input_layout)


@operator("odla_AveragePool")
def average_pool(
    emit: Emit,
    x: Node,
    input_layout: int,
    window_dims: Numbers,
    strides: Numbers | None,
    paddings_front: Numbers | None,
    paddings_back: Numbers | None,
    padding_included: bool,
    output_dims: Dims | None,
) -> Node:
    """The mean of each window; padding counts as zeros or not at all."""
    data = channels_first(emit, x, input_layout)
    window = _window(data, window_dims, strides, paddings_front, paddings_back)
    reach, steps, front, back = window
    up = _rounds_up(data, window, _spatial(output_dims, input_layout))
    op = AveragePool(
        kernel_shape=reach,
        strides=steps,
        pads=(*front, *back),
        ceil_mode=int(up),
        count_include_pad=int(padding_included),
    )
    return restored(emit, emit.add(op, data), input_layout)


def _window(
    data: Node, window_dims: Numbers, strides: Numbers | None, front: Numbers | None, back: Numbers | None
) -> tuple[tuple[int, ...], ...]:
    count = rank_of(data) - 2
    if count < 1:
        raise UsageError("a pool needs at least one spatial dimension")
    return (
        window_dims.take(count),
        spatial_numbers(strides, count, 1),
        spatial_numbers(front, count, 0),
        spatial_numbers(back, count, 0),
    )
