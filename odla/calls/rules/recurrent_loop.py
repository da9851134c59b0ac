"""Recurrent layers that no function of ODLA has: a product of all inputs, then a loop over the steps.

With weights of 8-bit integers, the input as a whole and the state of every step are quantised by their extrema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops import elementwise as ew
from halo_py.ops.contraction import MatMul
from halo_py.ops.conversion import Cast
from halo_py.ops.indexing import Gather
from halo_py.ops.logic import Less, LessOrEqual, Where
from halo_py.ops.movement import Transpose
from halo_py.ops.padding import ReverseSequence
from halo_py.ops.quantization import QuantizeLinear
from halo_py.ops.quantized_recurrent import DynamicQuantizeLSTM
from halo_py.ops.recurrent import LSTM, Recurrent
from halo_py.ops.reduction import ReduceMax
from halo_py.ops.reshaping import Unsqueeze
from halo_py.ops.slicing import Concat
from halo_py.types import DType
from odla.calls.emit import Emit, dtype_of, operand, optional, shape_of
from odla.calls.rules.control import close_loop, open_loop
from odla.calls.rules.quantization import dynamic_parameters
from odla.calls.rules.recurrent_cell import Cell

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

W_SCALE, W_ZERO, R_SCALE, R_ZERO = 8, 9, 10, 11


@dataclass(frozen=True, slots=True)
class Layer:
    """A recurrent layer: x is [steps, batch, inputs], the states [directions, batch, hidden]."""

    emit: Emit
    node: Node
    op: Recurrent
    x: Value
    initial: Sequence[Value | None]
    lengths: Value | None

    @property
    def quantized(self) -> bool:
        """Whether weights are 8-bit integers."""
        return isinstance(self.op, DynamicQuantizeLSTM)

    @property
    def hidden(self) -> int:
        """The number of hidden units."""
        return shape_of(operand(self.node, 2))[self.op.hidden_dim]

    def results(self) -> tuple[Value, ...]:
        """All hidden states [steps, directions, batch, hidden] and the last states."""
        done = [self._direction(number) for number in range(self.op.directions)]
        joined: list[Value] = []
        for parts in zip(*done, strict=True):
            axis = 0 if joined else 1
            single = [self.emit.one(Unsqueeze(), part, self.emit.ints([axis])) for part in parts]
            joined.append(single[0] if len(single) == 1 else self.emit.one(Concat(axis=axis), *single))
        return tuple(joined)

    def _direction(self, number: int) -> tuple[Value, ...]:
        """Hidden states [steps, batch, hidden] and the last states [batch, hidden] of one direction."""
        emit, backwards = self.emit, self.op.reversed_direction(number)
        turned = backwards and self.lengths is not None
        x = emit.one(ReverseSequence(), self.x, self.lengths) if turned else self.x
        steps = shape_of(x)[0]
        weighted = self._weighted(x, number)
        captured = self._captured(number)
        shape = (shape_of(x)[1], self.hidden)
        made = [emit.value(dtype_of(x), shape, f"{emit.node}.last") for _ in self.initial]
        y = emit.value(dtype_of(x), (steps, *shape), f"{emit.node}.states")
        trip, states = open_loop(emit, steps, [self._state(state, number) for state in self.initial])
        back = backwards and not turned
        at = emit.one(ew.Sub(), emit.number(steps - 1, DType.INT64), trip) if back else trip
        after, output = self._step(number, emit.one(Gather(axis=0), weighted, at), at, states, captured)
        close_loop(emit, trip, states, after, [(output, back)], [*made, y])
        if turned:
            y = emit.one(ReverseSequence(), y, self.lengths)
        return (y, *made)

    def _step(
        self, number: int, weighted: Value, at: Value, states: Sequence[Value], captured: Mapping[str, Value]
    ) -> tuple[list[Value], Value]:
        """The states after a step, and what it adds to the results."""
        emit = self.emit
        cell = Cell(emit, self.op, self.op.direction_activations(number), weighted, captured, self._recur(at, captured))
        after = cell.after(states)
        lengths = captured.get("lengths")
        if lengths is None:
            return after, after[0]
        valid = emit.one(Less(), emit.one(Cast(to=DType.INT32), at), lengths)
        kept = [emit.one(Where(), valid, new, old) for new, old in zip(after, states, strict=True)]
        return kept, emit.one(Where(), valid, kept[0], emit.number(0, dtype_of(kept[0])))

    def _recur(self, at: Value, captured: Mapping[str, Value]) -> Callable[[Value, Value], Value]:
        """What makes the product of a state and the recurrence weights, without bias."""
        emit, lengths = self.emit, captured.get("lengths")

        def product(state: Value, weights: Value) -> Value:
            if not self.quantized:
                return emit.one(MatMul(), state, weights)
            if lengths is not None:
                counted = emit.one(LessOrEqual(), emit.one(Cast(to=DType.INT32), at), lengths)
                state = emit.one(Where(), counted, state, emit.number(0, DType.FLOAT32))
            scale, zero = dynamic_parameters(emit, state)
            fields = emit.one(QuantizeLinear(), state, scale, zero)
            factor = emit.one(ew.Mul(), scale, captured["scale"])
            return emit.one(ew.Mul(), _integer_product(emit, fields, zero, weights), factor)

        return product

    def _state(self, given: Value | None, number: int) -> Value:
        shape = (shape_of(self.x)[1], self.hidden)
        if given is None:
            return self.emit.constant(np.zeros(shape, dtype_of(self.x).numpy), "no_state")
        return self._of(given, number)

    def _of(self, value: Value, number: int) -> Value:
        """What an operand holds for a direction."""
        if shape_of(value)[0] == 1:
            return self.emit.reshaped(value, shape_of(value)[1:])
        return self.emit.one(Gather(axis=0), value, self.emit.constant(np.asarray(number), "direction"))

    def _weights(self, index: int, number: int) -> Value:
        """Weights of a direction as [depth, gates x hidden]; integers are int32 less their zero point."""
        emit = self.emit
        found = self._of(operand(self.node, index), number)
        if not self.quantized:
            return emit.one(Transpose(perm=(1, 0)), found)
        wide = emit.one(Cast(to=DType.INT32), found)
        zero = emit.one(Cast(to=DType.INT32), operand(self.node, W_ZERO if index == 1 else R_ZERO))
        return emit.one(ew.Sub(), wide, self._of(zero, number))

    def _weighted(self, x: Value, number: int) -> Value:
        """The product of all inputs and the weights, with the bias of the input: [steps, batch, gates x hidden]."""
        emit, weights = self.emit, self._weights(1, number)
        if self.quantized:
            scale, zero = dynamic_parameters(emit, self._counted(x))
            fields = emit.one(QuantizeLinear(), x, scale, zero)
            total = _integer_product(emit, fields, zero, weights)
            factor = emit.one(ew.Mul(), scale, self._of(operand(self.node, W_SCALE), number))
            made = emit.one(ew.Mul(), total, factor)
        else:
            made = emit.one(MatMul(), x, weights)
        bias = self._bias(number, 0)
        return made if bias is None else emit.one(ew.Add(), made, bias)

    def _counted(self, x: Value) -> Value:
        """The input with zeros after the end of the longest sequence."""
        if self.lengths is None:
            return x
        emit = self.emit
        steps = emit.constant(np.arange(shape_of(x)[0], dtype=np.int32).reshape(-1, 1, 1), "steps")
        inside = emit.one(Less(), steps, emit.one(ReduceMax(keepdims=0), self.lengths))
        return emit.one(Where(), inside, x, emit.number(0, dtype_of(x)))

    def _bias(self, number: int, half: int) -> Value | None:
        """The bias of the input (0) or of the recurrence (1)."""
        given = optional(self.node, 3)
        if given is None:
            return None
        rows = self.op.gates * self.hidden
        halves = self.emit.reshaped(self._of(given, number), (2, rows))
        return self.emit.one(Gather(axis=0), halves, self.emit.constant(np.asarray(half), "half"))

    def _captured(self, number: int) -> dict[str, Value]:
        """What the body needs from outside."""
        found = {"weights": self._weights(2, number)}
        bias, lengths = self._bias(number, 1), self.lengths
        if bias is not None:
            found["bias"] = bias
        if lengths is not None:
            found["lengths"] = self.emit.reshaped(lengths, (*shape_of(lengths), 1))
        if isinstance(self.op, LSTM) and optional(self.node, 7) is not None:
            found["peephole"] = self.emit.reshaped(self._of(operand(self.node, 7), number), (3, self.hidden))
        if self.quantized:
            found["scale"] = self._of(operand(self.node, R_SCALE), number)
        return found


def _integer_product(emit: Emit, fields: Value, zero: Value, weights: Value) -> Value:
    """The float32 numbers of (uint8 - zero point) times int32 weights."""
    left = emit.one(ew.Sub(), emit.one(Cast(to=DType.INT32), fields), emit.one(Cast(to=DType.INT32), zero))
    return emit.one(Cast(to=DType.FLOAT32), emit.one(MatMul(), left, weights))
