"""Packed sequences: batches of sequences of several lengths, which are kept padded, with the lengths beside them.

Torch itself lays the steps of all sequences one after another. Programs only hand that form from packing to recurrent
layers and on to unpacking; whatever else reads it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.needs import NeedsIntegersError
from halo_frontends.torchscript.ops.recurrent import gru, lstm, rnn_relu, rnn_tanh
from halo_frontends.torchscript.table import aten, read_values
from halo_frontends.torchscript.values import Scalar, Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Item, Size, Value


@aten("_pack_padded_sequence")
def pack_padded_sequence(m: Maker, input: Value, lengths: Value, batch_first: bool) -> tuple[Tensor, Tensor]:
    """The sequences, time first, and how many of them go on at every step."""
    value = m.transpose(input, [1, 0, *range(2, m.rank(input))]) if batch_first else input
    if m.dtype(lengths).is_float:
        raise NeedsIntegersError(lengths, m.emitter.where)
    lengths = m.cast(lengths, DType.INT64)
    sizes = m.op("ReduceSum", m.cast(_goes_on(m, value, lengths), DType.INT64), m.ints([1]), keepdims=0)
    return Tensor(value, lengths=lengths), Tensor(sizes, lengths=lengths)


def _is_batch_sizes(m: Maker, tensor: Tensor) -> bool:
    """Whether it counts the sequences that go on; the sequences themselves have a batch axis too."""
    return m.rank(m.read(tensor)) == 1


def _longest(m: Maker, tensor: Tensor) -> Size:
    """The steps of the longest sequence."""
    assert tensor.lengths is not None
    return m.to_size(m.op("ReduceMax", tensor.lengths, m.ints([0]), keepdims=0))


def _size(m: Maker, tensor: Tensor, dim: int | None = None) -> Item:
    """`batch_sizes.size(0)`."""
    if not _is_batch_sizes(m, tensor):
        raise m.unsupported("the shape of packed sequences depends on data")
    return _longest(m, tensor) if dim is not None else [_longest(m, tensor)]


def _select(m: Maker, tensor: Tensor, dim: int, index: Item) -> Value:
    """`batch_sizes[0]` is the whole batch: no sequence is empty."""
    if not _is_batch_sizes(m, tensor) or index != 0 or tensor.lengths is None:
        raise m.unsupported("steps of packed sequences are not supported one by one")
    return m.number(m.length(tensor.lengths, 0), DType.INT64)


def _goes_on(m: Maker, value: Value, lengths: Value) -> Value:
    """Whether a sequence (second axis) has a step (first axis)."""
    steps = m.const(np.arange(m.length(value, 0), dtype=np.int64)[:, None])
    return m.op("Less", steps, m.unsqueeze(lengths, 0))


def pad_packed_sequence(
    m: Maker,
    data: Tensor,
    batch_sizes: Item,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: Item = None,
) -> tuple[Value, Value]:
    """The sequences, padded to the longest or to a length of their own, and their lengths."""
    value, lengths = m.read(data), data.lengths
    assert lengths is not None
    mask = _goes_on(m, value, lengths)
    for axis in range(2, m.rank(value)):
        mask = m.unsqueeze(mask, axis)
    value = m.op("Where", mask, value, m.number(padding_value, m.dtype(value)))
    wanted = _longest(m, data) if total_length is None else total_length
    if isinstance(wanted, int):
        steps, rest = m.length(value, 0), [0] * (m.rank(value) - 1)
        value = m.slice(value, 0, 0, min(steps, wanted))
        if wanted > steps:
            pads = m.ints([0, *rest, wanted - steps, *rest])
            value = m.op("Pad", value, pads, m.number(padding_value, m.dtype(value)))
    elif isinstance(wanted, Scalar):
        value = m.op("Slice", value, m.ints([0]), m.ints([wanted]), m.ints([0]))
    else:
        raise m.unsupported("a length that is no number is not supported")
    return (m.transpose(value, [1, 0, *range(2, m.rank(value))]) if batch_first else value), lengths


def _recurrent(layers: Callable[..., tuple[Value, ...]], states: int) -> Callable[..., Any]:
    """Layers over packed sequences: the sizes of batches stand where the states of layers of padded ones do."""

    def apply(m: Maker, data: Tensor, batch_sizes: Item, hx: Item, params: list[Item], *settings: Item) -> Any:
        given = read_values(m, hx if isinstance(hx, list) else [hx])
        weights = read_values(m, params)
        hidden = given if states == 2 else given[0]
        value, *last = layers(m, m.read(data), hidden, weights, *settings, lengths=data.lengths)
        return (Tensor(value, lengths=data.lengths), *last)

    return apply


PACKED_OPS: dict[str, Callable[..., Any]] = {
    "aten::lstm": _recurrent(lstm, 2),
    "aten::gru": _recurrent(gru, 1),
    "aten::rnn_tanh": _recurrent(rnn_tanh, 1),
    "aten::rnn_relu": _recurrent(rnn_relu, 1),
    "aten::_pad_packed_sequence": pad_packed_sequence,
    "aten::size": _size,
    "aten::select": _select,
}
"""What packed sequences may be given to."""

OF_THE_TYPE = frozenset({"prim::dtype", "prim::device", "prim::is_cuda", "aten::is_floating_point"})
"""Ops that read no element, however the elements lie."""


@aten("_pad_packed_sequence")
def pad_what_is_not_packed(m: Maker, input: Value, *_rest: Item) -> Value:
    raise m.unsupported("sequences that this program has not packed itself are not supported")
