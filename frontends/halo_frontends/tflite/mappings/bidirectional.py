"""Recurrent layers that read their data in both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from halo_frontends.tensorflow_ops.arranging import reverse
from halo_frontends.tflite.mappings.recurrent import LstmPlaces, lstm_layer, refuse_rare, rnn_layer
from halo_frontends.tflite.operation import Operation, maps
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value

_FORWARD = LstmPlaces(1, 5, 12, 35, 36)
_BACKWARD = LstmPlaces(18, 22, 29, 37, 38)
_RARE = {
    **dict.fromkeys((9, 10, 11, 26, 27, 28), "peepholes"),
    **dict.fromkeys((16, 17, 33, 34), "a projection"),
    **dict.fromkeys(range(39, 48), "auxiliary data"),
}


@maps("BIDIRECTIONAL_SEQUENCE_LSTM")
def _lstm(op: Operation) -> Sequence[Value]:
    """Operands: data; weights and biases as of one LSTM, forwards and backwards; four states; auxiliary data."""
    refuse_rare(op, _RARE)
    return _both(op, lambda x: lstm_layer(op, x, _FORWARD), lambda x: lstm_layer(op, x, _BACKWARD))


@maps("BIDIRECTIONAL_SEQUENCE_RNN")
def _rnn(op: Operation) -> Sequence[Value]:
    """Operands: data; weights, recurrent weights, bias and state, forwards and backwards; auxiliary data."""
    if any(op.optional(index) is not None for index in (9, 10, 11)):
        raise UnsupportedError("an RNN with auxiliary data is not supported", op.emit.where)
    return _both(op, lambda x: rnn_layer(op, x, 1), lambda x: rnn_layer(op, x, 5))


def _both(op: Operation, forwards: Callable[[Value], Value], backwards: Callable[[Value], Value]) -> Sequence[Value]:
    """Both directions, one behind the other along the last axis or as two results."""
    emit, turned = op.emit, not op.flag("time_major")
    x = emit.transpose(op.value(0), (1, 0, 2)) if turned else op.value(0)
    found = [forwards(x), reverse(backwards(reverse(x, (0,), emit)), (0,), emit)]
    made = [emit.transpose(value, (1, 0, 2)) if turned else value for value in found]
    return (emit.concat(made, 2),) if op.flag("merge_outputs") else made
