"""Recurrent layers (ODLA/ops/odla_ops_nn.h).

Weights lie as [layer, direction, gate, output, input] or [layer, direction, input, gate, output], with one layer;
their own shape may join dimensions, what counts is the order of the elements. Gates are brought into ONNX's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.errors import UsageError
from halo_py.ops.indexing import Gather
from halo_py.ops.recurrent import GRU, LSTM, RNN
from halo_py.ops.slicing import Concat
from halo_py.types import DType
from odla.c.operators.emit import Emit, Node, dtype_of, operator, rank_of, size_of

if TYPE_CHECKING:
    from odla.c.operators.emit import Dims

Direction = Literal["forward", "reverse", "bidirectional"]
_DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse", "bidirectional")
_LDGOI, _LDIGO = range(2)
"""`odla_rnn_weight_format`."""

_ORDERS = ("IOFC", "IFCO", "IFOC", "ICOF", "URO")
"""`odla_rnn_gate_order`; ONNX has IOFC for LSTM and URO (update, reset, hidden) for GRU."""

_HIDDEN, _CELL = 1, 2
"""Bits of `odla_rnn_outputs`."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a layer's weights are brought into ONNX's form with."""

    emit: Emit
    gates: tuple[int, ...]
    """Where each of ONNX's gates stands in the caller's order."""
    hidden: int
    directions: int
    format: int

    def weights(self, given: Node, inputs: int) -> Node:
        """[direction, gate x output, input]."""
        emit, gates = self.emit, len(self.gates)
        if self.format == _LDGOI:
            split = emit.reshape(given, (self.directions, gates, self.hidden, inputs))
        else:
            split = emit.reshape(given, (self.directions, inputs, gates, self.hidden))
            split = emit.transpose(split, (0, 2, 3, 1))
        return emit.reshape(self._ordered(split), (self.directions, gates * self.hidden, inputs))

    def bias(self, given: Node | None) -> Node | None:
        """[direction, 2 x gate x output]: of the input and of the recurrence; a single one is that of the input."""
        if given is None:
            return None
        emit, rows = self.emit, len(self.gates) * self.hidden
        halves = _elements(given) // (self.directions * rows)
        if halves not in (1, 2) or halves * self.directions * rows != _elements(given):
            raise UsageError(f"B has {_elements(given)} elements, which are no biases of {rows} rows")
        split = emit.reshape(given, (self.directions * halves, len(self.gates), self.hidden))
        flat = emit.reshape(self._ordered(split), (self.directions, halves * rows))
        if halves == 2:
            return flat
        return emit.add(Concat(axis=1), flat, emit.constant(np.zeros((self.directions, rows)), dtype_of(given)))

    def _ordered(self, split: Node) -> Node:
        if self.gates == tuple(range(len(self.gates))):
            return split
        return self.emit.add(Gather(axis=1), split, self.emit.ints(self.gates))

    def state(self, given: Node | None) -> Node | None:
        """[direction, batch, hidden]."""
        if given is None or rank_of(given) == 3:
            return given
        return self.emit.reshape(given, (self.directions, -1, self.hidden))

    def peepholes(self, given: Node | None) -> Node | None:
        """[direction, 3 x hidden]: input, output and forget gate."""
        return None if given is None else self.emit.reshape(given, (self.directions, 3 * self.hidden))


def _elements(node: Node) -> int:
    count = 1
    for axis in range(rank_of(node)):
        count *= size_of(node, axis, "a size of the weights")
    return count


def _layer(
    emit: Emit, gates: tuple[int, ...], weight_format: int, recurrence: Node, hidden: int, direction: int
) -> _Layer:
    directions = 2 if direction == 2 else 1
    if hidden <= 0:
        # What is left of the recurrence weights: directions x gates x hidden x hidden.
        hidden = int(np.sqrt(_elements(recurrence) / (directions * len(gates))))
    if _elements(recurrence) != directions * len(gates) * hidden * hidden:
        raise UsageError(f"R has {_elements(recurrence)} elements, which do not fit {hidden} hidden units")
    return _Layer(emit, gates, hidden, directions, weight_format)


def _lengths(emit: Emit, given: Node | None) -> Node | None:
    return None if given is None else emit.cast(given, DType.INT32)


@operator("odla_LSTM")
def lstm(
    emit: Emit,
    x: Node,
    weight_format: int,
    gate_order: int,
    weight_dims: Dims | None,
    w: Node,
    r: Node,
    b: Node | None,
    sequence_lens: Node | None,
    initial_h: Node | None,
    initial_c: Node | None,
    p: Node | None,
    hidden_size: int,
    direction: int,
    outputs: int,
) -> tuple[Node, ...]:
    """One layer of LSTM: all hidden states, then the last hidden and cell state as asked for."""
    order = _ORDERS[gate_order]
    if order == "URO":
        raise UsageError("the gate order URO is that of a GRU")
    layer = _layer(emit, tuple(order.index(gate) for gate in "IOFC"), weight_format, r, hidden_size, direction)
    op = LSTM(direction=_DIRECTIONS[direction], hidden_size=layer.hidden)
    y, last, cell = emit.add_all(
        op,
        x,
        layer.weights(w, size_of(x, 2, "the input size")),
        layer.weights(r, layer.hidden),
        layer.bias(b),
        _lengths(emit, sequence_lens),
        layer.state(initial_h),
        layer.state(initial_c),
        layer.peepholes(p),
        outputs=3,
    )
    return (y, *((last,) if outputs & _HIDDEN else ()), *((cell,) if outputs & _CELL else ()))


@operator("odla_GRU")
def gru(
    emit: Emit,
    x: Node,
    weight_format: int,
    gate_order: int,
    weight_dims: Dims | None,
    w: Node,
    r: Node,
    b: Node | None,
    sequence_lens: Node | None,
    initial_h: Node | None,
    hidden_size: int,
    direction: int,
    linear_before_reset: bool,
    outputs: int,
) -> tuple[Node, ...]:
    """One layer of GRU: all hidden states, then the last one if asked for."""
    if _ORDERS[gate_order] != "URO":
        raise UsageError(f"the gate order {_ORDERS[gate_order]} is that of an LSTM, a GRU has URO")
    layer = _layer(emit, (0, 1, 2), weight_format, r, hidden_size, direction)
    op = GRU(direction=_DIRECTIONS[direction], hidden_size=layer.hidden, linear_before_reset=int(linear_before_reset))
    return _simple(emit, op, layer, x, (w, r, b, sequence_lens, initial_h), outputs)


@operator("odla_RNN")
def rnn(
    emit: Emit,
    x: Node,
    weight_format: int,
    weight_dims: Dims | None,
    w: Node,
    r: Node,
    b: Node | None,
    sequence_lens: Node | None,
    initial_h: Node | None,
    hidden_size: int,
    direction: int,
    outputs: int,
) -> tuple[Node, ...]:
    """One layer of a simple RNN with tanh: all hidden states, then the last one if asked for."""
    layer = _layer(emit, (0,), weight_format, r, hidden_size, direction)
    op = RNN(direction=_DIRECTIONS[direction], hidden_size=layer.hidden)
    return _simple(emit, op, layer, x, (w, r, b, sequence_lens, initial_h), outputs)


def _simple(
    emit: Emit,
    op: GRU | RNN,
    layer: _Layer,
    x: Node,
    given: tuple[Node, Node, Node | None, Node | None, Node | None],
    outputs: int,
) -> tuple[Node, ...]:
    w, r, b, lengths, initial = given
    y, last = emit.add_all(
        op,
        x,
        layer.weights(w, size_of(x, 2, "the input size")),
        layer.weights(r, layer.hidden),
        layer.bias(b),
        _lengths(emit, lengths),
        layer.state(initial),
        outputs=2,
    )
    return (y, last) if outputs & _HIDDEN else (y,)
