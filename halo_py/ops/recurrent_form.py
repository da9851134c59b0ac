"""Tile forms of recurrent layers: one contraction of all inputs, then a loop of contractions and gate maps.

Values seen by the kernels have gates as a dimension of their own, so that the gates of a hidden unit meet on a tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from halo_py.ir.op import TileArgs
from halo_py.ir.space import Access, AccessDim, Affine, Axis, FormBuilder, Kernel, TileForm
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.copy import assemble_kernel
from halo_py.ops.kernels.map import MapCodelet, grain_of, output_axes
from halo_py.ops.kernels.recurrent import (
    BATCH,
    UNIT,
    Activation,
    StepRead,
    at,
    gate_kernel,
    step_numbers_kernel,
    time_step,
)
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, constant_step, single
from halo_py.types import DType, TensorType

X, W, R, B, LENGTHS, INITIAL, PEEPHOLE = 0, 1, 2, 3, 4, 5, 7


@dataclass(frozen=True, slots=True)
class Operands:
    """What the loop of one direction works with: local values."""

    number: int
    backwards: bool
    weighted: int
    """x times the weights of all gates, without bias: [steps, batch, gates, hidden]."""
    states: tuple[int, ...]
    """The current states, [batch, hidden] each; hidden state first."""
    y: int
    """[steps, batch, hidden], or [batch, steps, hidden] in layout 1."""


@dataclass
class RecurrentForm:
    """Writes the form of a recurrent layer, one direction after another."""

    args: TileArgs
    gates: int
    states: int
    directions: int
    layout: int
    clip: float | None
    hidden: int
    form: FormBuilder = field(default_factory=FormBuilder)
    locals_: list[int | None] = field(default_factory=list[int | None])
    done: list[Operands] = field(default_factory=list[Operands])
    numbers: int | None = None

    def __post_init__(self) -> None:
        for type in self.args.types:
            if type is None:
                self.form.skip()
                self.locals_.append(None)
            else:
                self.locals_.append(self.form.input(type))
        shape = self.args.tensor(X).static_shape
        self.steps, self.batch = (shape[1], shape[0]) if self.layout else (shape[0], shape[1])
        self.inputs = shape[2]
        self.dtype = self.args.tensor(X).dtype
        if self.has(LENGTHS):
            self.numbers = self.form.value(DType.INT32, (self.steps,))
            kernel = step_numbers_kernel(self.form.type(self.numbers))
            self.form.call(kernel, (), (self.numbers,))

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.locals_) and self.locals_[index] is not None

    def operand(self, index: int) -> int:
        """Local value of operand `index`, which is given."""
        found = self.locals_[index]
        assert found is not None
        return found

    # before the loop ------------------------------------------------------------------------------------------------

    def begin(self, number: int, backwards: bool) -> Operands:
        """The weighted inputs of all steps and the initial states of direction `number`."""
        weighted = self.weighted_inputs(number)
        states = tuple(self._initial_state(number, INITIAL + index) for index in range(self.states))
        shape = (self.batch, self.steps) if self.layout else (self.steps, self.batch)
        y = self.form.value(self.dtype, (*shape, self.hidden))
        operands = Operands(number, backwards, weighted, states, y)
        self.done.append(operands)
        return operands

    def weighted_inputs(self, number: int) -> int:
        """X times the weights of direction `number`, without bias: [steps, batch, gates, hidden]."""
        weighted = self.form.value(self.dtype, (self.steps, self.batch, self.gates, self.hidden))
        self.form.call(self._input_kernel(number), (self.operand(X), self.operand(W)), (weighted,))
        return weighted

    def _input_kernel(self, number: int) -> Kernel:
        """[steps, batch, gates, hidden] = x [steps, batch, inputs] times weights [gates, hidden, inputs]."""
        axes = (
            Axis("step", self.steps),
            Axis("batch", self.batch),
            Axis("gate", self.gates),
            Axis("unit", self.hidden, "parallel", grain_of(self.dtype)),
            Axis("input", self.inputs, "reduce"),
        )
        x_axes = (1, 0, 4) if self.layout else (0, 1, 4)
        x = ContractOperand(self.args.tensor(X).static_shape, x_axes, self.dtype)
        weights = ContractOperand((1, self.gates, self.hidden, self.inputs), (None, 2, 3, 4), self.args.tensor(W).dtype)
        result = ContractOperand((self.steps, self.batch, self.gates, self.hidden), (0, 1, 2, 3), self.dtype)
        kernel = contract_kernel(axes, x, weights, result, partials_type=self.args.partials_type)
        return self._of_direction(kernel, number)

    def _of_direction(self, kernel: Kernel, number: int, first_gate: int = 0) -> Kernel:
        """The kernel with operand 1 being direction `number` (and gates from `first_gate`) of all the weights."""
        access = kernel.reads[1]
        dims: list[AccessDim] = list(access.dims)
        dims[0] = at(number)
        gate = dims[1]
        assert isinstance(gate, Affine)
        dims[1] = Affine(gate.terms, first_gate)
        shape = (self.directions, self.gates, *access.shape[2:])
        return replace(kernel, reads=(kernel.reads[0], Access(shape, tuple(dims))))

    def _initial_state(self, number: int, index: int) -> int:
        state = self.form.value(self.dtype, (self.batch, self.hidden))
        axes = output_axes((self.batch, self.hidden), self.dtype)
        write = Access((self.batch, self.hidden), (Affine(((0, 1),)), Affine(((1, 1),))))
        if not self.has(index):
            zero = MapCodelet(ScalarProgram(0, (constant_step(0.0, self.dtype),)))
            self.form.call(Kernel(axes, (), (write,), (), (self.dtype,), zero), (), (state,))
            return state
        source = self.operand(index)
        type = self.form.type(source)
        dims = (write.dims[0], at(number), write.dims[1]) if self.layout else (at(number), *write.dims)
        read = Access(type.static_shape, dims)
        copy = MapCodelet(single("identity", 1, self.dtype))
        self.form.call(Kernel(axes, (read,), (write,), (type.dtype,), (self.dtype,), copy), (source,), (state,))
        return state

    # inside the loop ------------------------------------------------------------------------------------------------

    def recur(self, body: FormBuilder, state: int, operands: Operands, gates: int, first_gate: int = 0) -> int:
        """State [batch, hidden] times the recurrence weights of some gates: [batch, gates, hidden]."""
        axes = (
            Axis("batch", self.batch),
            Axis("gate", gates),
            Axis("unit", self.hidden, "parallel", grain_of(self.dtype)),
            Axis("state", self.hidden, "reduce"),
        )
        left = ContractOperand((self.batch, self.hidden), (0, 3), self.dtype)
        right_axes = (None, 1, 2, 3)
        right = ContractOperand((1, gates, self.hidden, self.hidden), right_axes, self.args.tensor(R).dtype)
        result = self.form.value(self.dtype, (self.batch, gates, self.hidden))
        made = ContractOperand((self.batch, gates, self.hidden), (0, 1, 2), self.dtype)
        kernel = contract_kernel(axes, left, right, made, partials_type=self.args.partials_type)
        body.call(self._of_direction(kernel, operands.number, first_gate), (state, self.operand(R)), (result,))
        return result

    def weighted_read(self, operands: Operands, gate: int) -> StepRead:
        """The weighted input of one gate at the iteration's step."""
        shape = (self.steps, self.batch, self.gates, self.hidden)
        dims = (time_step(self.steps, operands.backwards), BATCH, at(gate), UNIT)
        return StepRead(operands.weighted, shape, dims, self.dtype)

    def recurred_read(self, local: int, gate: int) -> StepRead:
        """One gate of a recurrence contraction's result."""
        return StepRead(local, self.form.type(local).static_shape, (BATCH, at(gate), UNIT), self.dtype)

    def state_read(self, local: int) -> StepRead:
        """A value [batch, hidden]."""
        return StepRead(local, (self.batch, self.hidden), (BATCH, UNIT), self.dtype)

    def bias_read(self, operands: Operands, gate: int, of_recurrence: bool) -> StepRead:
        """The bias of the input, or that of the recurrence, of one gate."""
        shape = (self.directions, 2, self.gates, self.hidden)
        dims = (at(operands.number), at(int(of_recurrence)), at(gate), UNIT)
        return StepRead(self.operand(B), shape, dims, self.args.tensor(B).dtype)

    def peephole_read(self, operands: Operands, gate: int) -> StepRead:
        """Peephole weights of the input (0), output (1) or forget (2) gate."""
        shape = (self.directions, 3, self.hidden)
        dims = (at(operands.number), at(gate), UNIT)
        return StepRead(self.operand(PEEPHOLE), shape, dims, self.args.tensor(PEEPHOLE).dtype)

    def gate_map(
        self, body: FormBuilder, cell: CellProgram, result: int, *, y: Operands | None = None, keep: str | None = None
    ) -> None:
        """Append the kernel of a cell program that writes `result` and, if asked, the step of y.

        With sequence lengths, `keep` names the input whose value stays where the sequence has ended.
        """
        if keep is not None and self.numbers is not None:
            self._masked(body, cell, result, keep)
        else:
            writes = [self.state_read(result)]
            if y is not None:
                writes.append(self._y_write(y))
            self._call(body, cell.finish(self.dtype), cell.reads, writes)
        if y is not None and self.numbers is not None:
            self._masked_y(body, result, y)

    def _masked(self, body: FormBuilder, cell: CellProgram, result: int, keep: str) -> None:
        valid = cell.build.call("less", cell["step"], cell["length"])
        cell.build.call("where", valid, cell.last, cell[keep])
        self._call(body, cell.finish(self.dtype), cell.reads, [self.state_read(result)])

    def _masked_y(self, body: FormBuilder, state: int, y: Operands) -> None:
        reads = {"h": self.state_read(state), **self.mask_reads(y)}
        cell = CellProgram(reads, self.dtype)
        cell.build.call("where", cell.build.call("less", cell["step"], cell["length"]), cell["h"], 0.0)
        self._call(body, cell.finish(self.dtype), cell.reads, [self._y_write(y)])

    def _y_write(self, operands: Operands) -> StepRead:
        time = time_step(self.steps, operands.backwards)
        dims = (BATCH, time, UNIT) if self.layout else (time, BATCH, UNIT)
        return StepRead(operands.y, self.form.type(operands.y).static_shape, dims, self.dtype)

    def mask_reads(self, operands: Operands) -> Mapping[str, StepRead]:
        """The step's number and the sequence lengths, if lengths are given."""
        if self.numbers is None:
            return {}
        step = StepRead(self.numbers, (self.steps,), (time_step(self.steps, operands.backwards),), DType.INT32)
        length = StepRead(self.operand(LENGTHS), (self.batch,), (BATCH,), self.args.tensor(LENGTHS).dtype)
        return {"step": step, "length": length}

    def _call(
        self, body: FormBuilder, program: ScalarProgram, reads: Sequence[StepRead], writes: Sequence[StepRead]
    ) -> None:
        kernel = gate_kernel(program, self.steps, self.batch, self.hidden, reads, writes)
        body.call(kernel, tuple(read.local for read in reads), tuple(write.local for write in writes))

    # after the loop -------------------------------------------------------------------------------------------------

    def repeat(self, body: FormBuilder, operands: Operands, following: Sequence[int]) -> None:
        """The loop, with the states that follow the current ones."""
        self.form.repeat(self.steps, body, tuple(zip(following, operands.states, strict=True)))

    def finish(self) -> TileForm:
        """The form, with the directions' results put together in the op's layout."""
        types = self.args.output_types
        results: list[int] = []
        for number, type in enumerate(types):
            parts = [operands.y if number == 0 else operands.states[number - 1] for operands in self.done]
            results.append(self._joined(parts, type, number == 0))
        return self.form.finish(*results)

    def _joined(self, parts: Sequence[int], type: TensorType, is_y: bool) -> int:
        if len(parts) == 1:
            return self.form.view(parts[0], type.static_shape)
        before = (2 if self.layout else 1) if is_y else (1 if self.layout else 0)
        shape = type.static_shape
        whole = self.form.value(type.dtype, shape)
        part_shape = (*shape[:before], 1, *shape[before + 1 :])
        offsets = [tuple(number if dim == before else 0 for dim in range(len(shape))) for number in range(len(parts))]
        kernel = assemble_kernel(shape, [(part_shape, offset) for offset in offsets], type.dtype)
        self.form.call(kernel, tuple(parts), (whole,))
        return whole


class CellProgram:
    """A scalar program over named operands of a gate kernel."""

    def __init__(self, reads: Mapping[str, StepRead], dtype: DType) -> None:
        self._names = {name: number for number, name in enumerate(reads)}
        self.reads = tuple(reads.values())
        self.build = ProgramBuilder(len(reads), dtype)
        self.last = 0

    def __getitem__(self, name: str) -> int:
        return self._names[name]

    def total(self, names: Sequence[str]) -> int:
        """The sum of the named operands that exist."""
        found = [self._names[name] for name in names if name in self._names]
        result = found[0]
        for number in found[1:]:
            result = self.build.call("add", result, number)
        return result

    def activate(self, function: Activation, x: int, clip: float | None = None) -> int:
        """The activation of x, limited to [-clip, clip] first."""
        if clip is not None:
            x = self.build.call("clip", x, -clip, clip)
        return function.emit(self.build, x)

    def result(self, number: int) -> None:
        """Say which step is the result (it must be the last one)."""
        self.last = number

    def finish(self, dtype: DType) -> ScalarProgram:
        """The program, whose result is its last step."""
        return self.build.finish(dtype)
