"""LSTM, GRU and plain recurrent layers, and single cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import aten
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.kinds import Value, Values

_LSTM_ORDER = (0, 3, 1, 2)
"""Torch keeps the gates as input, forget, cell, output; ONNX as input, output, forget, cell."""
_GRU_ORDER = (1, 0, 2)
"""Torch: reset, update, new; ONNX: update, reset, hidden."""


@dataclass(frozen=True, slots=True)
class _Layers:
    """The settings of a stack of layers."""

    kind: str
    order: tuple[int, ...]
    has_biases: bool
    count: int
    bidirectional: bool
    batch_first: bool
    extra: dict[str, object]
    lengths: Value | None = None
    """How many steps each sequence of the batch has, if they differ."""

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1


def _in_order(m: Maker, value: Value, order: Sequence[int]) -> Value:
    """Blocks of the first axis in another order."""
    if len(order) == 1:
        return value
    contents = m.known(value)
    if contents is not None:
        blocks = np.split(contents, len(order))
        return m.const(np.concatenate([blocks[number] for number in order]), m.dtype(value))
    parts = m.ops("Split", [value], len(order), axis=0, num_outputs=len(order))
    return m.op("Concat", *(parts[number] for number in order), axis=0)


def _joined(m: Maker, values: Sequence[Value]) -> Value:
    """Weights of the directions side by side in a new first axis."""
    known = [m.known(value) for value in values]
    if all(contents is not None for contents in known):
        return m.const(np.stack([contents for contents in known if contents is not None]), m.dtype(values[0]))
    return m.op("Concat", *(m.unsqueeze(value, 0) for value in values), axis=0)


def _stack(m: Maker, layers: _Layers, input: Value, states: Sequence[Value], weights: Values) -> tuple[Value, ...]:
    """All layers one after another; answers the outputs and the last states (all layers joined)."""
    alone = m.rank(input) == 2
    value = m.unsqueeze(input, 0 if layers.batch_first else 1) if alone else input
    states = [m.unsqueeze(state, 1) for state in states] if alone else states
    value = m.transpose(value, [1, 0, 2]) if layers.batch_first else value
    per_direction = 4 if layers.has_biases else 2
    per_layer = per_direction * layers.directions
    last: list[list[Value]] = [[] for _ in states]
    for number in range(layers.count):
        own = weights[number * per_layer : (number + 1) * per_layer]
        groups = [own[start : start + per_direction] for start in range(0, per_layer, per_direction)]
        first = number * layers.directions
        initial = [m.slice(state, 0, first, first + layers.directions) for state in states]
        value, *finals = _layer(m, layers, value, initial, groups)
        for found, final in zip(last, finals, strict=True):
            found.append(final)
    value = m.transpose(value, [1, 0, 2]) if layers.batch_first else value
    results = [found[0] if len(found) == 1 else m.op("Concat", *found, axis=0) for found in last]
    if alone:
        value = m.squeeze(value, 0 if layers.batch_first else 1)
        results = [m.squeeze(found, 1) for found in results]
    return (value, *results)


def _layer(
    m: Maker, layers: _Layers, input: Value, initial: Sequence[Value], groups: Sequence[Values]
) -> tuple[Value, ...]:
    """One layer over a sequence: outputs (time, batch, directions x size) and the last states."""
    w = _joined(m, [_in_order(m, group[0], layers.order) for group in groups])
    r = _joined(m, [_in_order(m, group[1], layers.order) for group in groups])
    b = None
    if layers.has_biases:
        halves = [[_in_order(m, part, layers.order) for part in group[2:4]] for group in groups]
        known = [[m.known(part) for part in pair] for pair in halves]
        if all(part is not None for pair in known for part in pair):
            b = m.const(np.stack([np.concatenate([part for part in pair if part is not None]) for pair in known]))
        else:
            b = m.op("Concat", *(m.unsqueeze(m.op("Concat", *pair, axis=0), 0) for pair in halves), axis=0)
    lengths = None if layers.lengths is None else m.cast(layers.lengths, DType.INT32)
    results = m.ops(
        layers.kind,
        [input, w, r, b, lengths, *initial],
        1 + len(initial),
        hidden_size=m.shape(groups[0][1])[1],
        direction="bidirectional" if layers.bidirectional else "forward",
        **layers.extra,
    )
    steps, batch = m.shape(input)[:2]
    joined = m.reshape(m.transpose(results[0], [0, 2, 1, 3]), [steps, batch, -1])
    return (joined, *results[1:])


def _checked(m: Maker, dropout: float, train: bool) -> None:
    if train and dropout:
        raise m.unsupported(
            "dropout between layers in training mode is not supported; save the model after model.eval()"
        )


@aten("lstm")
def lstm(
    m: Maker,
    input: Value,
    hx: Values,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    lengths: Value | None = None,
) -> tuple[Value, ...]:
    _checked(m, dropout, train)
    if len(params) != num_layers * (2 if bidirectional else 1) * (4 if has_biases else 2):
        raise m.unsupported("projections of LSTM states are not supported")
    layers = _Layers("LSTM", _LSTM_ORDER, has_biases, num_layers, bidirectional, batch_first, {}, lengths)
    return _stack(m, layers, input, hx, params)


@aten("gru")
def gru(
    m: Maker,
    input: Value,
    hx: Value,
    params: Values,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool = False,
    lengths: Value | None = None,
) -> tuple[Value, ...]:
    _checked(m, dropout, train)
    extra: dict[str, object] = {"linear_before_reset": 1}
    layers = _Layers("GRU", _GRU_ORDER, has_biases, num_layers, bidirectional, batch_first, extra, lengths)
    return _stack(m, layers, input, [hx], params)


def _plain(name: str, activation: str) -> Callable[..., tuple[Value, ...]]:
    def plain(
        m: Maker,
        input: Value,
        hx: Value,
        params: Values,
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool = False,
        lengths: Value | None = None,
    ) -> tuple[Value, ...]:
        _checked(m, dropout, train)
        extra: dict[str, object] = {"activations": (activation,) * (2 if bidirectional else 1)}
        layers = _Layers("RNN", (0,), has_biases, num_layers, bidirectional, batch_first, extra, lengths)
        return _stack(m, layers, input, [hx], params)

    return aten(name)(plain)


rnn_tanh = _plain("rnn_tanh", "Tanh")
rnn_relu = _plain("rnn_relu", "Relu")


# -- cells ----------------------------------------------------------------------------------------------------------


def _gates(m: Maker, input: Value, weight: Value, bias: Value | None) -> Value:
    if bias is not None and m.rank(input) == 2:
        return m.op("Gemm", input, weight, bias, transB=1)
    found = m.op("MatMul", input, m.transpose(weight, [1, 0]))
    return found if bias is None else m.op("Add", found, bias)


@aten("lstm_cell")
def lstm_cell(
    m: Maker, input: Value, hx: Values, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
) -> tuple[Value, Value]:
    hidden, cell = hx
    gates = m.op("Add", _gates(m, input, w_ih, b_ih), _gates(m, hidden, w_hh, b_hh))
    i, f, g, o = m.ops("Split", [gates], 4, axis=m.rank(gates) - 1, num_outputs=4)
    kept = m.op("Mul", m.op("Sigmoid", f), cell)
    cell = m.op("Add", kept, m.op("Mul", m.op("Sigmoid", i), m.op("Tanh", g)))
    return m.op("Mul", m.op("Sigmoid", o), m.op("Tanh", cell)), cell


@aten("gru_cell")
def gru_cell(
    m: Maker, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
) -> Value:
    given, kept = _gates(m, input, w_ih, b_ih), _gates(m, hx, w_hh, b_hh)
    axis = m.rank(given) - 1
    r_in, z_in, n_in = m.ops("Split", [given], 3, axis=axis, num_outputs=3)
    r_h, z_h, n_h = m.ops("Split", [kept], 3, axis=axis, num_outputs=3)
    reset = m.op("Sigmoid", m.op("Add", r_in, r_h))
    update = m.op("Sigmoid", m.op("Add", z_in, z_h))
    new = m.op("Tanh", m.op("Add", n_in, m.op("Mul", reset, n_h)))
    return m.op("Add", new, m.op("Mul", update, m.op("Sub", hx, new)))


@aten("rnn_tanh_cell")
def rnn_tanh_cell(
    m: Maker, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
) -> Value:
    return m.op("Tanh", m.op("Add", _gates(m, input, w_ih, b_ih), _gates(m, hx, w_hh, b_hh)))


@aten("rnn_relu_cell")
def rnn_relu_cell(
    m: Maker, input: Value, hx: Value, w_ih: Value, w_hh: Value, b_ih: Value | None = None, b_hh: Value | None = None
) -> Value:
    return m.op("Relu", m.op("Add", _gates(m, input, w_ih, b_ih), _gates(m, hx, w_hh, b_hh)))
