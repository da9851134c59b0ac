"""Recurrent layers: LSTM, GRU and simple RNN with all of ONNX's attributes.

Operands are those of ONNX: x, weights [directions, gates x hidden, input], recurrence weights, bias (that of the input
and that of the recurrence), sequence lengths, initial states, peephole weights. Beyond a sequence's length the state
stays and y is 0; the reverse direction starts at the last valid step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.kernels.recurrent import Activation, activations_of
from halo_py.ops.recurrent_form import Operands, RecurrentForm
from halo_py.ops.recurrent_loops import gru_loop, lstm_loop, rnn_loop
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import run_program, widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import Dim, DType, Shape, TensorType, Type

Numbers = NDArray[Any]
Direction = Literal["forward", "reverse", "bidirectional"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One direction's parameters in the type arithmetic is done in; gates are a dimension of their own."""

    recurrence: Numbers
    """[gates, hidden, hidden]"""
    recurrence_bias: Numbers
    """[gates, hidden]"""
    peephole: Numbers
    """[3, hidden]: input, output and forget gate (LSTM)."""
    activations: tuple[Activation, ...]
    clip: float | None

    def activate(self, number: int, x: Numbers) -> Numbers:
        """Activation `number` of the clipped argument."""
        limited = x if self.clip is None else np.clip(x, -self.clip, self.clip)
        return np.asarray(run_program(self.activations[number].program(), [np.asarray(limited, x.dtype)]))

    def recur(self, state: Numbers, gate: int) -> Numbers:
        """State times the recurrence weights of one gate, plus the recurrence bias."""
        return np.asarray(state @ self.recurrence[gate].T + self.recurrence_bias[gate])


@dataclass(frozen=True)
class Recurrent(Op):
    """What the three layers share; `gates` counts the rows of weights per hidden unit, in ONNX's order."""

    activation_alpha: tuple[float, ...] | None = None
    activation_beta: tuple[float, ...] | None = None
    activations: tuple[str, ...] | None = None
    clip: float | None = None
    direction: Direction = "forward"
    hidden_size: int | None = None
    layout: int = 0

    gates: ClassVar[int]
    default_activations: ClassVar[tuple[str, ...]]
    states: ClassVar[int] = 1
    hidden_dim: ClassVar[int] = 2
    """The dimension of the recurrence weights that is the number of hidden units."""
    form_writer: ClassVar[type[RecurrentForm]] = RecurrentForm

    @property
    def directions(self) -> int:
        """1, or 2 for bidirectional."""
        return 2 if self.direction == "bidirectional" else 1

    def reversed_direction(self, number: int) -> bool:
        """Whether direction `number` runs from the end."""
        return self.direction == "reverse" or number == 1

    def direction_activations(self, number: int) -> tuple[Activation, ...]:
        """The activation functions of direction `number`. Raises ValueError for an unknown name."""
        count = len(self.default_activations)
        names = self.activations or self.default_activations * self.directions
        found = activations_of(names, self.activation_alpha or (), self.activation_beta or ())
        return found[number * count : (number + 1) * count]

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = args.tensor(0)
        self.direction_activations(self.directions - 1)
        recurrence = args.shape(2)
        hidden: Dim | None = self.hidden_size
        if hidden is None and recurrence is not None:
            hidden = recurrence[self.hidden_dim]
        state = TensorType(type.dtype)
        if type.shape is None or hidden is None:
            return (state,) * (1 + self.states)
        if len(type.shape) != 3:
            raise args.error(f"x must have 3 dimensions, found {type}")
        steps, batch = (type.shape[0], type.shape[1]) if not self.layout else (type.shape[1], type.shape[0])
        y: Shape = (steps, self.directions, batch, hidden)
        last: Shape = (self.directions, batch, hidden)
        if self.layout:
            y, last = (batch, steps, self.directions, hidden), (batch, self.directions, hidden)
        return (TensorType(type.dtype, y), *(TensorType(type.dtype, last),) * self.states)

    def cell(self, cell: Cell, x: Numbers, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        """The next states; x [batch, gates, hidden] is the weighted input of one step with its bias."""
        raise NotImplementedError

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        x = widen(array)
        x = np.swapaxes(x, 0, 1) if self.layout else x
        steps, batch, _ = x.shape
        weights = widen(args.array(1))
        hidden = args.array(2).shape[2]
        bias = widen(args.array(3)) if args.has(3) else np.zeros((self.directions, 2 * self.gates * hidden), x.dtype)
        lengths: Numbers = args.array(4) if args.has(4) else np.asarray([steps] * batch, np.int32)
        y = np.zeros((steps, self.directions, batch, hidden), x.dtype)
        last = np.zeros((self.states, self.directions, batch, hidden), x.dtype)
        for number in range(self.directions):
            input_bias, recurrence_bias = bias[number].reshape(2, self.gates, hidden)
            cell = Cell(
                widen(args.array(2))[number].reshape(self.gates, hidden, hidden),
                recurrence_bias,
                self.peephole(args, number, hidden, x.dtype),
                self.direction_activations(number),
                self.clip,
            )
            weighted = (x @ weights[number].T).reshape(steps, batch, self.gates, hidden) + input_bias
            states = self.initial_states(args, number, batch, hidden, x.dtype)
            for step in reversed(range(steps)) if self.reversed_direction(number) else range(steps):
                valid = (step < lengths)[:, None]
                after = self.cell(cell, weighted[step], states)
                states = tuple(np.asarray(np.where(valid, new, old)) for new, old in zip(after, states, strict=True))
                y[step, number] = np.where(valid, states[0], 0)
            last[:, number] = np.stack(states)
        if self.layout:
            y, last = y.transpose(2, 0, 1, 3), last.transpose(0, 2, 1, 3)
        results = (y, *last)
        return tuple(np.ascontiguousarray(result).astype(array.dtype, copy=False) for result in results)[: args.outputs]

    def initial_states(
        self, args: EvaluateArgs, number: int, batch: int, hidden: int, dtype: np.dtype[Any]
    ) -> tuple[Numbers, ...]:
        """The states [batch, hidden] before the first step of direction `number`."""
        found: list[Numbers] = []
        for index in range(5, 5 + self.states):
            given = args.optional(index)
            if given is None:
                found.append(np.zeros((batch, hidden), dtype))
            else:
                found.append(widen(given)[:, number] if self.layout else widen(given)[number])
        return tuple(found)

    def peephole(self, args: EvaluateArgs, number: int, hidden: int, dtype: np.dtype[Any]) -> Numbers:
        """The peephole weights [3, hidden] of direction `number`."""
        if self.states == 2 and args.has(7):
            return widen(args.array(7))[number].reshape(3, hidden)
        return np.zeros((3, hidden), dtype)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        writer = self.form_writer(
            args=args,
            gates=self.gates,
            states=self.states,
            directions=self.directions,
            layout=self.layout,
            clip=self.clip,
            hidden=args.tensor(2).static_shape[self.hidden_dim],
        )
        for number in range(self.directions):
            self.direction_form(writer, writer.begin(number, self.reversed_direction(number)))
        return writer.finish()

    def direction_form(self, writer: RecurrentForm, operands: Operands) -> None:
        """Write the loop of one direction."""
        raise NotImplementedError

    @classmethod
    def example(cls, seed: int, op: Recurrent, *given: str, dtype: DType = DType.FLOAT32) -> Sample:
        """A sample with 4 steps, a batch of 3, 5 inputs, 6 hidden units and the optional operands named."""
        steps, batch, inputs, hidden, gates = 4, 3, 5, 6, cls.gates
        directions = op.directions
        state = (batch, directions, hidden) if op.layout else (directions, batch, hidden)
        shapes: dict[str, tuple[int, ...]] = {
            "x": (batch, steps, inputs) if op.layout else (steps, batch, inputs),
            "w": (directions, gates * hidden, inputs),
            "r": (directions, gates * hidden, hidden),
            "b": (directions, 2 * gates * hidden),
            "lengths": (batch,),
            "h": state,
            "c": state,
            "p": (directions, 3 * hidden),
        }
        wanted = {"x", "w", "r", *given}
        operands: list[RuntimeValue] = []
        for number, (name, shape) in enumerate(shapes.items()):
            if name not in wanted:
                operands.append(None)
            elif name == "lengths":
                operands.append(np.asarray([4, 1, 3], np.int32))
            else:
                operands.append(floats(seed + number, *shape, low=-0.7, high=0.7, dtype=dtype))
        while operands[-1] is None:
            operands.pop()
        op = replace(op, hidden_size=hidden) if seed else op
        return Sample(op, tuple(operands), outputs=1 + cls.states, tolerance=4)


def _merge(weight: Numbers, new: Numbers, old: Numbers) -> Numbers:
    return np.asarray((1 - weight) * new + weight * old)


@op("lstm", onnx="LSTM", since=22, odla="odla_LSTM")
class LSTM(Recurrent):
    """Long short-term memory (gates input, output, forget, cell), with optional peepholes."""

    input_forget: int = 0

    gates = 4
    states = 2
    default_activations = ("Sigmoid", "Tanh", "Tanh")

    def cell(self, cell: Cell, x: Numbers, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        h, c = states
        peep_input, peep_output, peep_forget = cell.peephole
        entering = cell.activate(0, x[:, 0] + cell.recur(h, 0) + peep_input * c)
        kept = cell.activate(0, x[:, 2] + cell.recur(h, 2) + peep_forget * c)
        kept = 1 - entering if self.input_forget else kept
        c = kept * c + entering * cell.activate(1, x[:, 3] + cell.recur(h, 3))
        leaving = cell.activate(0, x[:, 1] + cell.recur(h, 1) + peep_output * c)
        return np.asarray(leaving * np.asarray(run_program(cell.activations[2].program(), [np.asarray(c)]))), c

    def direction_form(self, writer: RecurrentForm, operands: Operands) -> None:
        lstm_loop(writer, operands, self.direction_activations(operands.number), bool(self.input_forget))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield cls.example(0, cls())
        yield cls.example(10, cls(), "b", "h", "c")
        yield cls.example(20, cls(direction="bidirectional"), "b", "h", "c", "p")
        yield cls.example(30, cls(direction="reverse"), "b", "lengths")
        yield cls.example(40, cls(direction="bidirectional", clip=0.4), "b", "lengths", "h", "c")
        yield cls.example(50, cls(input_forget=1), "b", "p")
        yield cls.example(60, cls(activations=("HardSigmoid", "Softsign", "Relu"), activation_alpha=(0.3,)), "b")
        yield cls.example(70, cls(layout=1), "b", "h", "c")
        yield cls.example(80, cls(layout=1, direction="bidirectional"), "b", "lengths", "h", "c")
        yield cls.example(90, cls(), "b", "h", "c", dtype=DType.FLOAT16)


@op("gru", onnx="GRU", since=22, odla="odla_GRU")
class GRU(Recurrent):
    """Gated recurrent unit (gates update, reset, hidden)."""

    linear_before_reset: int = 0

    gates = 3
    default_activations = ("Sigmoid", "Tanh")

    def cell(self, cell: Cell, x: Numbers, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        (h,) = states
        update = cell.activate(0, x[:, 0] + cell.recur(h, 0))
        reset = cell.activate(0, x[:, 1] + cell.recur(h, 1))
        recurred = reset * cell.recur(h, 2) if self.linear_before_reset else cell.recur(reset * h, 2)
        return (_merge(update, cell.activate(1, x[:, 2] + recurred), h),)

    def direction_form(self, writer: RecurrentForm, operands: Operands) -> None:
        gru_loop(writer, operands, self.direction_activations(operands.number), bool(self.linear_before_reset))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield cls.example(0, cls())
        yield cls.example(10, cls(), "b", "h")
        yield cls.example(20, cls(direction="bidirectional", linear_before_reset=1), "b", "h")
        yield cls.example(30, cls(direction="reverse"), "b", "lengths")
        yield cls.example(40, cls(direction="bidirectional", clip=0.4), "b", "lengths", "h")
        yield cls.example(
            50, cls(activations=("Affine", "ScaledTanh"), activation_alpha=(0.5, 0.8), activation_beta=(0.1, 1.2)), "b"
        )
        yield cls.example(60, cls(layout=1, linear_before_reset=1), "b", "h")
        yield cls.example(70, cls(), "b", "h", dtype=DType.FLOAT16)


@op("rnn", onnx="RNN", since=22, odla="odla_RNN")
class RNN(Recurrent):
    """Simple recurrent layer: the activation of the weighted input plus the weighted state."""

    activations: tuple[str, ...] | None = ("Tanh", "Tanh")

    gates = 1
    default_activations = ("Tanh",)

    def cell(self, cell: Cell, x: Numbers, states: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
        return (cell.activate(0, x[:, 0] + cell.recur(states[0], 0)),)

    def direction_form(self, writer: RecurrentForm, operands: Operands) -> None:
        rnn_loop(writer, operands, self.direction_activations(operands.number))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield cls.example(0, cls())
        yield cls.example(10, cls(), "b", "h")
        yield cls.example(20, cls(direction="bidirectional"), "b", "h")
        yield cls.example(30, cls(direction="reverse", activations=("Relu",)), "b", "lengths")
        yield cls.example(
            40, cls(direction="bidirectional", activations=("LeakyRelu", "Elu"), activation_alpha=(0.2, 0.7)), "b"
        )
        yield cls.example(50, cls(layout=1, clip=0.5), "b", "lengths", "h")
        yield cls.example(60, cls(activations=("ThresholdedRelu",), activation_alpha=(0.1,)), "b")
        yield cls.example(70, cls(), "b", "h", dtype=DType.FLOAT16)
