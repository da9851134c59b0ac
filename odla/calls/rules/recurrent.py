"""Recurrent layers as ODLA calls: its own functions for the cells they know, loops for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.ops.conversion import Cast
from halo_py.ops.movement import Transpose
from halo_py.ops.quantized_recurrent import DynamicQuantizeLSTM
from halo_py.ops.recurrent import GRU, LSTM, RNN, Recurrent
from halo_py.types import DType
from odla.calls.emit import Emit, dims, dtype_of, operand, optional, rule, shape_of
from odla.calls.model import Argument, Name
from odla.calls.rules.recurrent_loop import Layer

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

_DIRECTIONS = {
    "forward": "ODLA_RNN_FORWARD",
    "reverse": "ODLA_RNN_REVERSE",
    "bidirectional": "ODLA_RNN_BIDIRECTIONAL",
}
_STATES = ("ODLA_RNN_NO_STATE", "ODLA_RNN_HIDDEN_STATE", "ODLA_RNN_HIDDEN_CELL_STATE")
_FORMAT = Name("ODLA_RNN_LDGOI")


@rule("lstm", "gru", "rnn", "dynamic_quantize_lstm")
def recurrent(emit: Emit, node: Node) -> None:
    """One layer, time first."""
    op = node.op
    assert isinstance(op, Recurrent)
    x, initial = operand(node, 0), [optional(node, 5 + number) for number in range(op.states)]
    if op.layout:
        x = emit.one(Transpose(perm=(1, 0, 2)), x)
        initial = [None if state is None else emit.one(Transpose(perm=(1, 0, 2)), state) for state in initial]
    if _is_plain(op):
        results = _called(emit, node, x, initial)
    else:
        results = Layer(emit, node, op, x, initial, _lengths(emit, node)).results()
    for number, (made, value) in enumerate(zip(node.outputs, results, strict=False)):
        if op.layout:
            emit.into(made, Transpose(perm=(1, 0, 2) if number else (2, 0, 1, 3)), value)
        elif made is not value:
            emit.call("odla_Reshape", (value, dims(made)), made)


def _is_plain(op: Recurrent) -> bool:
    """Whether ODLA's function has this cell: its activations, no limit, no coupled gates, weights of floats."""
    usual = op.default_activations * op.directions
    named = tuple(name.lower() for name in op.activations or usual)[: len(usual)]
    coupled = isinstance(op, LSTM) and op.input_forget
    quantized = isinstance(op, DynamicQuantizeLSTM)
    return not (quantized or coupled or op.clip) and named == tuple(name.lower() for name in usual)


def _lengths(emit: Emit, node: Node) -> Value | None:
    given = optional(node, 4)
    return given if given is None or dtype_of(given) is DType.INT32 else emit.one(Cast(to=DType.INT32), given)


def _called(emit: Emit, node: Node, x: Value, initial: list[Value | None]) -> tuple[Value, ...]:
    """The layer as one call; answers y and the states, time first."""
    op = node.op
    assert isinstance(op, LSTM | GRU | RNN)
    w, r = operand(node, 1), operand(node, 2)
    direction, states = Name(_DIRECTIONS[op.direction]), Name(_STATES[min(op.states, len(node.outputs) - 1)])
    operands = (dims(w), w, r, optional(node, 3), _lengths(emit, node), *initial)
    hidden = shape_of(r)[2]
    arguments: tuple[Argument, ...]
    match op:
        case LSTM():
            function = "odla_LSTM"
            arguments = (x, _FORMAT, Name("ODLA_RNN_IOFC"), *operands, optional(node, 7), hidden, direction, states)
        case GRU():
            function, before = "odla_GRU", bool(op.linear_before_reset)
            arguments = (x, _FORMAT, Name("ODLA_RNN_URO"), *operands, hidden, direction, before, states)
        case RNN():
            function = "odla_RNN"
            arguments = (x, _FORMAT, *operands, hidden, direction, states)
    made = node.outputs[: 1 + op.states]
    if op.layout:
        steps, batch = shape_of(x)[:2]
        shapes = [(steps, op.directions, batch, hidden), *[(op.directions, batch, hidden)] * op.states]
        made = tuple(
            emit.value(dtype_of(x), shape, f"{value.name}.time_first")
            for value, shape in zip(made, shapes, strict=False)
        )
    emit.call(function, arguments, *made)
    return made
