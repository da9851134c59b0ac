"""Tile forms of recurrent layers with 8-bit weights: input and states are quantised by their extrema, then contracted.

Scales and zero points are values of one element that the whole operand decides on; the contraction is one of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from halo_py.ir.space import Access, Affine, Axis, FormBuilder, Kernel, TileForm
from halo_py.ops.kernels.contract import AxisOfDim, ContractOperand, contract_kernel
from halo_py.ops.kernels.map import MapCodelet, broadcast_kernel, grain_of, output_axes, pick
from halo_py.ops.kernels.recurrent import at
from halo_py.ops.kernels.reduce import kept_shape, reduce_kernel
from halo_py.ops.kernels.reverse import reverse_kernel
from halo_py.ops.quantization import dynamic_scale_program, dynamic_zero_program, quantize_program
from halo_py.ops.recurrent_form import LENGTHS, CellProgram, Operands, R, RecurrentForm, W, X
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram
from halo_py.types import DType, TensorType

W_SCALE, W_ZERO, R_SCALE, R_ZERO = 8, 9, 10, 11


@dataclass(frozen=True, slots=True)
class Quantized:
    """Local values: uint8 fields, and their scale and zero point, of one element each."""

    fields: int
    scale: int
    zero: int


@dataclass
class QuantizedRecurrentForm(RecurrentForm):
    """Writes the form of a recurrent layer with quantised weights [directions, depth, gates x hidden]."""

    x: Quantized | None = None
    turned: list[int] = field(default_factory=list[int])
    """Directions whose sequences are put in reverse before the loop, and their results after it."""

    def begin(self, number: int, backwards: bool) -> Operands:
        """As always; sequences of different lengths are reversed one by one, so that all start together."""
        if not backwards or not self.has(LENGTHS):
            return super().begin(number, backwards)
        self.turned.append(number)
        return super().begin(number, False)

    def finish(self) -> TileForm:
        """The form, with reversed results in order again."""
        for position, operands in enumerate(self.done):
            if operands.number in self.turned:
                self.done[position] = replace(operands, y=self._turn(operands.y))
        return super().finish()

    def _turn(self, source: int) -> int:
        """Every sequence [steps, batch, ...] in reverse."""
        type, lengths = self.form.type(source), self.operand(LENGTHS)
        result = self.form.value(type.dtype, type.static_shape)
        kernel = reverse_kernel(type.static_shape, 1, 0, type.dtype, self.form.type(lengths).dtype)
        self.form.call(kernel, (source, lengths), (result,))
        return result

    def weighted_inputs(self, number: int) -> int:
        """Operand x, quantised once for all directions, times the weights of direction `number`."""
        if self.x is None:
            self.x = self._quantize(self.form, self.operand(X), self._counted_input())
        x = self.x
        if number in self.turned:
            x = replace(x, fields=self._turn(x.fields))
        axes = (Axis("step", self.steps), Axis("batch", self.batch))
        return self._weighted(self.form, x, axes, self.inputs, (W, W_SCALE, W_ZERO), number)

    def recur(self, body: FormBuilder, state: int, operands: Operands, gates: int, first_gate: int = 0) -> int:
        """The quantised state times the recurrence weights of all gates: [batch, gates, hidden]."""
        assert gates == self.gates
        assert first_gate == 0
        counted = self._counted_state(body, state, operands)
        quantized = self._quantize(body, counted, counted)
        weights = (R, R_SCALE, R_ZERO)
        return self._weighted(body, quantized, (Axis("batch", self.batch),), self.hidden, weights, operands.number)

    # what decides the range ------------------------------------------------------------------------------------------

    def _counted_input(self) -> int:
        """Operand x with zeros after the end of the longest sequence."""
        x = self.operand(X)
        if self.numbers is None:
            return x
        limit = self._reduced(self.form, "max", self.operand(LENGTHS))
        build = ProgramBuilder(3, self.dtype)
        build.call("where", build.call("less", 1, 2), 0, 0.0)
        views = [self.form.view(self.numbers, (self.steps, 1, 1)), self.form.view(limit, (1, 1, 1))]
        return self._map(self.form, build.finish(self.dtype), [x, *views])

    def _counted_state(self, body: FormBuilder, state: int, operands: Operands) -> int:
        """The state with zeros where the sequence has ended."""
        if self.numbers is None:
            return state
        cell = CellProgram({"h": self.state_read(state), **self.mask_reads(operands)}, self.dtype)
        cell.build.call("where", cell.build.call("less_or_equal", cell["step"], cell["length"]), cell["h"], 0.0)
        counted = self.form.value(self.dtype, (self.batch, self.hidden))
        self.gate_map(body, cell, counted)
        return counted

    # quantisation -----------------------------------------------------------------------------------------------------

    def _quantize(self, body: FormBuilder, source: int, counted: int) -> Quantized:
        """`source` in the range of `counted`."""
        high, low = (self._reduced(body, function, counted) for function in ("max", "min"))
        scale = self._map(body, dynamic_scale_program(), [high, low])
        zero = self._map(body, dynamic_zero_program(), [low, scale])
        program = quantize_program(DType.FLOAT32, DType.FLOAT32, DType.UINT8, 1, has_zero=True)
        return Quantized(self._map(body, program, [source, scale, zero]), scale, zero)

    def _reduced(self, body: FormBuilder, function: str, source: int) -> int:
        """The largest or smallest element, as a value of one element and the same rank."""
        type = self.form.type(source)
        axes = tuple(range(len(type.static_shape)))
        result = self.form.value(type.dtype, kept_shape(type.static_shape, axes))
        kernel = reduce_kernel("max" if function == "max" else "min", type, axes, type.dtype)
        body.call(kernel, (source,), (result,))
        return result

    def _map(self, body: FormBuilder, program: ScalarProgram, reads: Sequence[int]) -> int:
        """`program` over local values that broadcast to the shape of the first one."""
        types = [self.form.type(local) for local in reads]
        shape = types[0].static_shape
        result = self.form.value(program.dtype, shape)
        body.call(broadcast_kernel(program, types, TensorType(program.dtype, shape)), tuple(reads), (result,))
        return result

    # products ---------------------------------------------------------------------------------------------------------

    def _weighted(
        self,
        body: FormBuilder,
        left: Quantized,
        rows: tuple[Axis, ...],
        depth: int,
        weights: tuple[int, int, int],
        number: int,
    ) -> int:
        """Fields [rows, depth] times the weights of direction `number`, as numbers [rows, gates, hidden]."""
        gate, summed = len(rows), len(rows) + 2
        axes = (
            *rows,
            Axis("gate", self.gates),
            Axis("unit", self.hidden, "parallel", grain_of(self.dtype)),
            Axis("input", depth, "reduce"),
        )
        fields, scale, zero = weights
        sizes = tuple(axis.extent for axis in rows)
        result_shape = (*sizes, self.gates, self.hidden)
        kernel = contract_kernel(
            axes,
            ContractOperand((*sizes, depth), (*range(gate), summed), DType.UINT8),
            self._columns(fields, (depth,), (summed,), gate),
            ContractOperand(result_shape, tuple(range(summed)), DType.INT32),
            left_zero=ContractOperand((), (), DType.UINT8),
            right_zero=self._columns(zero, (), (), gate),
        )
        total = self.form.value(DType.INT32, result_shape)
        operands = (left.fields, self.operand(fields), left.zero, self.operand(zero))
        body.call(_of_direction(kernel, number), operands, (total,))
        scales = self._columns(scale, (), (), gate)
        return self._scaled(body, total, left.scale, self.operand(scale), pick(scales.shape, scales.axes), number)

    def _columns(self, index: int, before: tuple[int, ...], axes: tuple[int, ...], gate: int) -> ContractOperand:
        """Operand `index`, which has one entry per direction, or one per column of each."""
        type = self.args.tensor(index)
        if len(type.static_shape) == 1:
            return ContractOperand(type.static_shape, (None,), type.dtype)
        shape = (self.directions, *before, self.gates, self.hidden)
        followed: AxisOfDim = (None, *axes, gate, gate + 1)
        return ContractOperand(shape, followed, type.dtype)

    def _scaled(self, body: FormBuilder, total: int, scale: int, scales: int, access: Access, number: int) -> int:
        """Sums times the scale of the left operand and those of the weights."""
        shape = self.form.type(total).static_shape
        build = ProgramBuilder(3, DType.FLOAT32)
        wide = build.call("cast", 0, to=DType.FLOAT32, saturate=1, round_mode="up")
        build.call("mul", wide, build.call("mul", 1, 2))
        result = self.form.value(self.dtype, shape)
        own = replace(access, dims=(at(number), *access.dims[1:]))
        kernel = Kernel(
            axes=output_axes(shape, self.dtype),
            reads=(pick(shape, range(len(shape))), Access((), ()), own),
            writes=(pick(shape, range(len(shape))),),
            read_types=(DType.INT32, DType.FLOAT32, self.form.type(scales).dtype),
            write_types=(self.dtype,),
            codelet=MapCodelet(build.finish(self.dtype)),
        )
        body.call(kernel, (total, scale, scales), (result,))
        return result


def _of_direction(kernel: Kernel, number: int) -> Kernel:
    """The contraction with the weights and zero points of direction `number` among all of them."""
    left, right, left_zero, right_zero = kernel.reads

    def of(access: Access) -> Access:
        return replace(access, dims=(Affine((), number), *access.dims[1:]))

    return replace(kernel, reads=(left, of(right), left_zero, of(right_zero)))
