"""One step of an LSTM, GRU or RNN cell, and the activation functions it may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_py.ops import activation as act
from halo_py.ops import elementwise as ew
from halo_py.ops.indexing import Gather
from halo_py.ops.recurrent import GRU, LSTM, Recurrent
from odla.calls.emit import Emit, NotInOdlaError, dtype_of, shape_of
from odla.calls.model import Dims, Signed

if TYPE_CHECKING:
    from halo_py.ir.graph import Value
    from halo_py.ir.op import Op
    from halo_py.ops.kernels.recurrent import Activation


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell at one step: `weighted` is [batch, gates x hidden], `recur` multiplies a state and weights."""

    emit: Emit
    op: Recurrent
    activations: Sequence[Activation]
    weighted: Value
    captured: Mapping[str, Value]
    recur: Callable[[Value, Value], Value]

    @property
    def hidden(self) -> int:
        """The number of hidden units."""
        return shape_of(self.weighted)[1] // self.op.gates

    def after(self, states: Sequence[Value]) -> list[Value]:
        """The states after the step."""
        match self.op:
            case LSTM():
                return self._lstm(self.op, states)
            case GRU():
                return self._gru(self.op, states[0])
            case _:
                recurred = self._biased(self.recur(states[0], self.captured["weights"]))
                return [self._activated(0, self._sum(self.weighted, recurred))]

    def _lstm(self, op: LSTM, states: Sequence[Value]) -> list[Value]:
        h, c = states
        emit = self.emit
        total = self._sum(self.weighted, self._biased(self.recur(h, self.captured["weights"])))
        entering = self._activated(0, self._peeped(self._gate(total, 0), c, 0))
        if op.input_forget:
            kept = emit.one(ew.Sub(), emit.number(1, dtype_of(c)), entering)
        else:
            kept = self._activated(0, self._peeped(self._gate(total, 2), c, 2))
        new = emit.one(ew.Mul(), entering, self._activated(1, self._gate(total, 3)))
        c = self._sum(emit.one(ew.Mul(), kept, c), new)
        leaving = self._activated(0, self._peeped(self._gate(total, 1), c, 1))
        return [emit.one(ew.Mul(), leaving, activated(emit, self.activations[2], c)), c]

    def _gru(self, op: GRU, h: Value) -> list[Value]:
        emit, weights = self.emit, self.captured["weights"]
        if op.linear_before_reset:
            recurred = self._biased(self.recur(h, weights))
            update, reset = (self._activated(0, self._both(recurred, gate)) for gate in (0, 1))
            inner = emit.one(ew.Mul(), reset, self._gate(recurred, 2))
        else:
            recurred = self._biased(self.recur(h, self._columns(weights, 0, 2)), 0, 2)
            update, reset = (self._activated(0, self._both(recurred, gate)) for gate in (0, 1))
            held = emit.one(ew.Mul(), reset, h)
            inner = self._biased(self.recur(held, self._columns(weights, 2, 3)), 2, 3)
        new = self._activated(1, self._sum(self._gate(self.weighted, 2), inner))
        rest = emit.one(ew.Sub(), emit.number(1, dtype_of(h)), update)
        return [self._sum(emit.one(ew.Mul(), rest, new), emit.one(ew.Mul(), update, h))]

    def _both(self, recurred: Value, gate: int) -> Value:
        return self._sum(self._gate(self.weighted, gate), self._gate(recurred, gate))

    def _sum(self, a: Value, b: Value) -> Value:
        return self.emit.one(ew.Add(), a, b)

    def _biased(self, recurred: Value, first: int = 0, end: int | None = None) -> Value:
        """A product of some gates with their bias of the recurrence."""
        bias = self.captured.get("bias")
        if bias is None:
            return recurred
        if end is not None:
            bias = self._columns(bias, first, end)
        return self._sum(recurred, bias)

    def _gate(self, value: Value, gate: int) -> Value:
        """The columns of one gate."""
        return self._columns(value, gate, gate + 1)

    def _columns(self, value: Value, first: int, end: int) -> Value:
        """The columns of some gates."""
        lead, hidden = shape_of(value)[:-1], self.hidden
        none, shape = (0,) * len(lead), (*lead, (end - first) * hidden)
        bounds = (Signed((*none, first * hidden)), Signed((*lead, end * hidden)), Signed((1,) * len(shape)))
        made = self.emit.value(dtype_of(value), shape, f"{self.emit.node}.gate")
        return self.emit.call("odla_Slice", (value, *bounds, Dims(shape)), made)

    def _peeped(self, gate: Value, c: Value, row: int) -> Value:
        """A gate that sees the cell state: input (0), output (1) or forget (2)."""
        given = self.captured.get("peephole")
        if given is None:
            return gate
        weights = self.emit.one(Gather(axis=0), given, self.emit.ints([row]))
        return self._sum(gate, self.emit.one(ew.Mul(), weights, c))

    def _activated(self, number: int, x: Value) -> Value:
        """The activation of x, limited first."""
        if self.op.clip is not None:
            bounds = (self.emit.number(sign * self.op.clip, dtype_of(x)) for sign in (-1, 1))
            x = self.emit.one(ew.Clip(), x, *bounds)
        return activated(self.emit, self.activations[number], x)


def activated(emit: Emit, function: Activation, x: Value) -> Value:
    """An activation function of recurrent layers. Raises NotInOdlaError."""
    alpha, beta = function.alpha, function.beta
    plain: dict[str, Op] = {
        "relu": act.Relu(),
        "tanh": ew.Tanh(),
        "sigmoid": act.Sigmoid(),
        "softsign": act.Softsign(),
        "softplus": act.Softplus(),
        "leakyrelu": act.LeakyRelu(alpha=alpha),
        "thresholdedrelu": act.ThresholdedRelu(alpha=alpha),
        "elu": act.Elu(alpha=alpha),
        "hardsigmoid": act.HardSigmoid(alpha=alpha, beta=beta),
    }
    name = function.name.lower()
    if name in plain:
        return emit.one(plain[name], x)
    first, second = emit.number(alpha, dtype_of(x)), emit.number(beta, dtype_of(x))
    if name == "affine":
        return emit.one(ew.Add(), emit.one(ew.Mul(), x, first), second)
    if name == "scaledtanh":
        return emit.one(ew.Mul(), emit.one(ew.Tanh(), emit.one(ew.Mul(), x, second)), first)
    raise NotInOdlaError(f"the activation function {function.name!r}")
