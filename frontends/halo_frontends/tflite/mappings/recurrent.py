"""Recurrent layers in one operator: gates in the order input, forget, cell, output.

The state that the file keeps between runs is zero when a run begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow_ops.bodies import with_captured
from halo_frontends.tflite.activation import NONE, RELU, RELU6, TANH, activated
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.types import DType, TensorType

_ONNX_ORDER = (0, 3, 1, 2)
"""ONNX's gates (input, output, forget, cell) among TFLite's."""
_RARE = {
    **dict.fromkeys((9, 10, 11), "peepholes"),
    16: "a projection",
    **dict.fromkeys((20, 21, 22, 23), "layer normalisation"),
}
"""Operands that few LSTMs have."""


@dataclass(frozen=True, slots=True)
class LstmPlaces:
    """Where the operands of one direction of an LSTM stand: the first of four, or one."""

    weights: int = 1
    recurrent: int = 5
    biases: int = 12
    hidden: int = 18
    cell: int = 19


@maps("UNIDIRECTIONAL_SEQUENCE_LSTM")
def _lstm(op: Operation) -> Value:
    """Operands: data, 4 weights, 4 recurrent weights, 3 peepholes, 4 biases, projection, hidden and cell state."""
    emit = op.emit
    refuse_rare(op, _RARE)
    if op.flag("diagonal_recurrent"):
        raise UnsupportedError("an LSTM of this kind is not supported", emit.where)
    x = op.value(0) if op.flag("time_major") else emit.transpose(op.value(0), (1, 0, 2))
    made = lstm_layer(op, x, LstmPlaces())
    return made if op.flag("time_major") else emit.transpose(made, (1, 0, 2))


def refuse_rare(op: Operation, rare: Mapping[int, str]) -> None:
    """Raises UnsupportedError if one of these operands is given."""
    for index, what in rare.items():
        if op.optional(index) is not None:
            raise UnsupportedError(f"an LSTM with {what} is not supported", op.emit.where)


def lstm_layer(op: Operation, x: Value, places: LstmPlaces) -> Value:
    """One direction of an LSTM over data [T, N, I]; answers [T, N, H]. Raises UnsupportedError."""
    emit = op.emit
    if op.optional(places.weights) is None:
        raise UnsupportedError("an LSTM whose input gate is its forget gate is not supported", emit.where)
    if op.integer("activation") not in (RELU, TANH):
        raise UnsupportedError("an LSTM of this kind is not supported", emit.where)
    clip = op.number("cell_clip")
    if 0 < clip < emit.static_shape(x)[0] or (clip > 0 and op.integer("activation") != TANH):
        return _stepwise(op, x, places, clip)
    # The cell grows by at most 1 per step, so that a larger limit is never reached.
    return _at_once(op, x, places)


def _bias(op: Operation, place: int, width: int) -> Value:
    found = op.optional(place)
    return op.emit.constant(np.zeros(width, np.float32), "bias") if found is None else found


def _at_once(op: Operation, x: Value, places: LstmPlaces) -> Value:
    """ONNX's LSTM over data [T, N, I]; answers [T, N, H]."""
    emit, hidden, cell = op.emit, op.value(places.hidden), op.value(places.cell)
    width = emit.static_shape(hidden)[-1]

    def gates(first: int) -> Value:
        return emit.unsqueeze(emit.concat([op.value(first + gate) for gate in _ONNX_ORDER], 0), 0)

    biases = emit.concat([_bias(op, places.biases + gate, width) for gate in _ONNX_ORDER], 0)
    both = emit.concat([biases, emit.constant(np.zeros(4 * width, np.float32), "no_bias")], 0)
    kind = "Relu" if op.integer("activation") == RELU else "Tanh"
    made = emit.op(
        "LSTM",
        x,
        gates(places.weights),
        gates(places.recurrent),
        emit.unsqueeze(both, 0),
        None,
        emit.unsqueeze(hidden, 0),
        emit.unsqueeze(cell, 0),
        hidden_size=width,
        activations=("Sigmoid", kind, kind),
    )
    return emit.squeeze(made, 1)


def _stepwise(op: Operation, x: Value, places: LstmPlaces, clip: float) -> Value:
    """The same as a loop over the steps that limits the cell after each."""
    emit, hidden, cell = op.emit, op.value(places.hidden), op.value(places.cell)
    steps, _, _ = emit.static_shape(x, 3)
    width = emit.static_shape(hidden)[-1]
    entering = [
        emit.op(
            "Add",
            emit.op("MatMul", x, emit.transpose(op.value(places.weights + gate), (1, 0))),
            _bias(op, places.biases + gate, width),
        )
        for gate in range(4)
    ]
    nest = Nest(GraphBuilder(f"{emit.name}.step", str(op.model.path)), op.nest)
    inner = Emitter(nest.builder, emit.where, emit.name)
    round = nest.builder.input("round", TensorType(DType.INT64, ()))
    nest.builder.input("going", TensorType(DType.BOOL, ()))
    h, c = (nest.builder.input(name, state.type) for name, state in (("hidden", hidden), ("cell", cell)))
    recurrent = [nest.capture(emit.transpose(op.value(places.recurrent + gate), (1, 0))) for gate in range(4)]
    sums = [
        inner.op("Add", inner.op("Gather", nest.capture(part), round, axis=0), inner.op("MatMul", h, weights))
        for part, weights in zip(entering, recurrent, strict=True)
    ]
    new_h, new_c = _cell(sums, c, clip, op.integer("activation"), inner)
    body = nest.builder.finish([inner.constant(np.asarray(True), "going"), new_h, new_c, new_h])
    captured = tuple(nest.captured)
    most = emit.constant(np.asarray(steps, np.int64), "rounds")
    inputs = (most, None, hidden, cell, *captured)
    made = emit.with_bodies("Loop", inputs, (with_captured(body, nest.captured, captured),), 3, captured=len(captured))
    return made[2]


def _cell(sums: Sequence[Value], c: Value, clip: float, activation: int, emit: Emitter) -> tuple[Value, Value]:
    """The states after one step, from the sums of the four gates."""
    entered, kept, fresh, left = sums
    kept = emit.op("Mul", emit.op("Sigmoid", kept), c)
    fresh = emit.op("Mul", emit.op("Sigmoid", entered), activated(fresh, activation, emit))
    bounds = emit.scalar(-clip, c), emit.scalar(clip, c)
    c = emit.op("Clip", emit.op("Add", kept, fresh), *bounds)
    return emit.op("Mul", emit.op("Sigmoid", left), activated(c, activation, emit)), c


@maps("UNIDIRECTIONAL_SEQUENCE_RNN")
def _rnn(op: Operation) -> Value:
    """Operands: data, weights [H, I], recurrent weights [H, H], bias, hidden state."""
    emit = op.emit
    x = op.value(0) if op.flag("time_major") else emit.transpose(op.value(0), (1, 0, 2))
    made = rnn_layer(op, x, 1)
    return made if op.flag("time_major") else emit.transpose(made, (1, 0, 2))


def rnn_layer(op: Operation, x: Value, first: int) -> Value:
    """One direction of an RNN over data [T, N, I]; its four operands begin at `first`. Answers [T, N, H]."""
    emit = op.emit
    kinds = {NONE: ("Affine", (1.0,)), RELU: ("Relu", ()), TANH: ("Tanh", ())}
    if op.integer("activation") not in kinds:
        raise UnsupportedError(f"an RNN with the activation {op.integer('activation')} ({RELU6}: ReLU6)", emit.where)
    kind, alpha = kinds[op.integer("activation")]
    width = emit.static_shape(op.value(first))[0]
    bias = emit.concat([op.value(first + 2), emit.constant(np.zeros(width, np.float32), "no_bias")], 0)
    if emit.rank(op.value(first + 3)) != 2:
        raise ModelError("the state of an RNN must have rank 2", emit.where)
    weights = [emit.unsqueeze(op.value(index), 0) for index in (first, first + 1)]
    made = emit.op(
        "RNN",
        x,
        *weights,
        emit.unsqueeze(bias, 0),
        None,
        emit.unsqueeze(op.value(first + 3), 0),
        hidden_size=width,
        activations=(kind,),
        activation_alpha=alpha,
    )
    return emit.squeeze(made, 1)


@maps("SVDF")
def _filters(op: Operation) -> Value:
    """A dense layer as filters of rank `rank` over features and time (P. Nakkiran et al., 2015).

    Operands: data [N, I], weights of features [F, I] and of time [F, M], bias, the last M features [N, F x M].
    """
    emit, rank = op.emit, op.integer("rank")
    filters, memory = emit.static_shape(op.value(2), 2)
    if rank < 1 or filters % rank:
        raise ModelError(f"{filters} filters cannot have the rank {rank}", emit.where)
    newest = emit.op("MatMul", op.value(0), emit.transpose(op.value(1), (1, 0)))
    past = emit.slice(emit.reshape(op.value(4), (-1, filters, memory)), 2, 1)
    remembered = emit.concat([past, emit.unsqueeze(newest, 2)], 2)
    summed = emit.op("ReduceSum", emit.op("Mul", remembered, op.value(2)), emit.ints(2), keepdims=0)
    by_unit = emit.reshape(summed, (-1, filters // rank, rank))
    made = emit.op("ReduceSum", by_unit, emit.ints(2), keepdims=0)
    bias = op.optional(3)
    return activated(made if bias is None else emit.op("Add", made, bias), op.integer("activation"), emit)
