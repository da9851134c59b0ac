"""The LSTM of `com.microsoft` whose weights are 8-bit integers and whose input and state are quantised as they come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, RuntimeValue, Sample, op
from halo_py.ops.quantization import dynamic_parameters, to_quantized
from halo_py.ops.quantized_recurrent_form import R_SCALE, R_ZERO, W_SCALE, W_ZERO, QuantizedRecurrentForm
from halo_py.ops.recurrent import LSTM, Cell
from halo_py.ops.sampling import floats, integers
from halo_py.types import DType, Type

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Weights:
    """8-bit weights [depth, gates x hidden] of one direction."""

    fields: Numbers
    scale: Numbers
    """One for all, or one per column."""

    @staticmethod
    def of(args: EvaluateArgs, number: int, weights: int, scale: int, zero: int) -> _Weights:
        """Those of direction `number` in the operands of these numbers."""
        point = args.array(zero)[number].astype(np.int32)
        return _Weights(args.array(weights)[number].astype(np.int32) - point, args.array(scale)[number])

    def product(self, x: Numbers, counted: Numbers, gates: int) -> Numbers:
        """Numbers [..., depth], quantised by the extrema of `counted`, times the weights: [..., gates, hidden]."""
        scale, zero = dynamic_parameters(counted)
        fields = to_quantized(np.divide(x, scale), zero.astype(np.float32), DType.UINT8, 1)
        total = (fields.astype(np.int32) - zero.astype(np.int32)) @ self.fields
        return (total.astype(np.float32) * (scale * self.scale)).reshape(*x.shape[:-1], gates, -1)


@dataclass(frozen=True, slots=True)
class _WeightedCell(Cell):
    """A cell of one step: `recurrence` is the weighted state [batch, gates, hidden] itself."""

    def recur(self, state: Numbers, gate: int) -> Numbers:
        """The weighted state of one gate plus the recurrence bias."""
        return np.asarray(self.recurrence[:, gate] + self.recurrence_bias[gate])


@op("dynamic_quantize_lstm", onnx="DynamicQuantizeLSTM", domain="com.microsoft")
class DynamicQuantizeLSTM(LSTM):
    """LSTM in float32 with 8-bit weights; x as a whole and the hidden state of every step are quantised to uint8.

    Operands: those of LSTM with weights [directions, inputs, 4 x hidden] and [directions, hidden, 4 x hidden], then W's
    scale and zero point and R's, per direction or per column of each. The range of x are its steps up to the end of the
    longest sequence, that of a state the rows of the batch whose sequences have not ended (others count as 0); all
    rows start together, in reverse at their ends. Source: ONNX Runtime's ContribOperators.md and its kernel, which
    with several threads quantises the state in groups of rows.
    """

    hidden_dim = 1
    form_writer = QuantizedRecurrentForm

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if args.dtype(0) is not DType.FLOAT32 or self.layout:
            raise args.error(f"x must be float32 in layout 0, found {args.dtype(0).text} in layout {self.layout}")
        return super().infer(args)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x: NDArray[np.float32] = np.asarray(args.array(0), np.float32)
        steps, batch, _ = x.shape
        lengths = np.asarray(args.array(4) if args.has(4) else [steps] * batch, np.int32)
        y = np.zeros((steps, self.directions, batch, args.array(2).shape[1]), np.float32)
        last = np.zeros((self.states, *y.shape[1:]), np.float32)
        for number in range(self.directions):
            backwards = self.reversed_direction(number)
            made, states = self._run(args, number, _turned(x, lengths) if backwards else x, lengths)
            y[:, number] = _turned(made, lengths) if backwards else made
            last[:, number] = np.stack(states)
        return (y, *last)[: args.outputs]

    def _run(
        self, args: EvaluateArgs, number: int, x: NDArray[np.float32], lengths: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], tuple[Numbers, ...]]:
        """Direction `number` over x in the order it runs: y [steps, batch, hidden] and the last states."""
        steps, batch, _ = x.shape
        hidden = args.array(2).shape[1]
        cell = self._cell(args, number, hidden)
        weights = _Weights.of(args, number, 1, W_SCALE, W_ZERO)
        recurrence = _Weights.of(args, number, 2, R_SCALE, R_ZERO)
        longest = int(lengths.max(initial=0))
        weighted = weights.product(x, x[:longest], self.gates) + self._bias(args, number, hidden)[0]
        states = self.initial_states(args, number, batch, hidden, x.dtype)
        y = np.zeros((steps, batch, hidden), np.float32)
        for step in range(steps):
            counted = np.where((step <= lengths)[:, None], states[0], np.float32(0))
            stepped = replace(cell, recurrence=recurrence.product(counted, counted, self.gates))
            valid = (step < lengths)[:, None]
            after = self.cell(stepped, weighted[step], states)
            states = tuple(np.asarray(np.where(valid, new, old)) for new, old in zip(after, states, strict=True))
            y[step] = np.where(valid, states[0], 0)
        return y, states

    def _cell(self, args: EvaluateArgs, number: int, hidden: int) -> _WeightedCell:
        bias, peephole = self._bias(args, number, hidden), self.peephole(args, number, hidden, np.dtype(np.float32))
        return _WeightedCell(bias, bias[1], peephole, self.direction_activations(number), self.clip)

    def _bias(self, args: EvaluateArgs, number: int, hidden: int) -> Numbers:
        """The bias [2, gates, hidden] of the input and of the recurrence."""
        if not args.has(3):
            return np.zeros((2, self.gates, hidden), np.float32)
        return args.array(3)[number].reshape(2, self.gates, hidden)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield _quantized(cls.example(5, cls()))
        yield _quantized(cls.example(10, cls(), "b", "h", "c"), dtype=DType.UINT8)
        yield _quantized(cls.example(20, cls(direction="bidirectional"), "b", "h", "c", "p"), columns=True)
        yield _quantized(cls.example(30, cls(direction="reverse"), "b", "lengths"))
        yield _quantized(cls.example(40, cls(direction="bidirectional", clip=0.4), "b", "lengths", "h", "c"))
        yield _quantized(cls.example(50, cls(input_forget=1), "b", "p"), dtype=DType.UINT8, columns=True)
        activations = ("HardSigmoid", "Softsign", "Relu")
        yield _quantized(cls.example(60, cls(activations=activations, activation_alpha=(0.3,)), "b"))


def _turned(x: NDArray[np.float32], lengths: NDArray[np.int32]) -> NDArray[np.float32]:
    """X [steps, batch, ...] with every sequence in reverse; what stands after its end stays."""
    steps = np.arange(len(x))[:, None]
    source = np.where(steps < lengths, lengths - 1 - steps, steps)
    return np.take_along_axis(x, source[:, :, None], axis=0)


def _quantized(sample: Sample, dtype: DType = DType.INT8, *, columns: bool = False) -> Sample:
    """The sample of an LSTM with 8-bit weights in place of its own."""
    low, high = (0, 256) if dtype is DType.UINT8 else (-128, 128)
    operands: list[RuntimeValue] = [*sample.inputs, *(None,) * (8 - len(sample.inputs))]
    scales: list[RuntimeValue] = []
    for index in (1, 2):
        shape = np.shape(np.asarray(operands[index]))
        wide = (shape[0], shape[1]) if columns else (shape[0],)
        operands[index] = integers(90 + index, shape[0], shape[2], shape[1], low=low, high=high, dtype=dtype)
        point = 7 if dtype is DType.INT8 and not columns else (high + low) // 2
        scales += [floats(94 + index, *wide, low=0.002, high=0.008), np.full(wide, point, dtype.numpy)]
    return replace(sample, inputs=(*operands, *scales))
