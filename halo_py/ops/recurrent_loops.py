"""The loops of RNN, LSTM and GRU as tile kernels: one iteration is a contraction or two, then gate maps."""

from __future__ import annotations

from collections.abc import Sequence

from halo_py.ir.space import FormBuilder
from halo_py.ops.kernels.recurrent import Activation, StepRead
from halo_py.ops.recurrent_form import PEEPHOLE, B, CellProgram, Operands, RecurrentForm


def _gate_reads(writer: RecurrentForm, operands: Operands, gate: int, recurred: int, index: int) -> dict[str, StepRead]:
    """What adds up to the argument of a gate: names x, h, bias of the input and bias of the recurrence."""
    reads = {f"x{gate}": writer.weighted_read(operands, gate), f"h{gate}": writer.recurred_read(recurred, index)}
    if writer.has(B):
        reads[f"wb{gate}"] = writer.bias_read(operands, gate, of_recurrence=False)
        reads[f"rb{gate}"] = writer.bias_read(operands, gate, of_recurrence=True)
    return reads


def _names(gate: int) -> tuple[str, ...]:
    return (f"x{gate}", f"h{gate}", f"wb{gate}", f"rb{gate}")


def rnn_loop(writer: RecurrentForm, operands: Operands, activations: Sequence[Activation]) -> None:
    """H' = f(x + h R + bias)."""
    (h,) = operands.states
    body = writer.form.body()
    recurred = writer.recur(body, h, operands, 1)
    reads = {**_gate_reads(writer, operands, 0, recurred, 0), "h": writer.state_read(h), **writer.mask_reads(operands)}
    cell = CellProgram(reads, writer.dtype)
    cell.result(cell.activate(activations[0], cell.total(_names(0)), writer.clip))
    following = writer.form.value(writer.dtype, (writer.batch, writer.hidden))
    writer.gate_map(body, cell, following, y=operands, keep="h")
    writer.repeat(body, operands, [following])


def lstm_loop(writer: RecurrentForm, operands: Operands, activations: Sequence[Activation], input_forget: bool) -> None:
    """Two maps per step: the cell state from gates input, forget and cell, then the hidden state."""
    h, c = operands.states
    form, dtype, clip = writer.form, writer.dtype, writer.clip
    body = form.body()
    recurred = writer.recur(body, h, operands, 4)
    peephole = writer.has(PEEPHOLE)
    reads: dict[str, StepRead] = {}
    for gate in (0, 3) if input_forget else (0, 2, 3):
        reads |= _gate_reads(writer, operands, gate, recurred, gate)
    reads["c"] = writer.state_read(c)
    if peephole:
        reads |= {f"p{gate}": writer.peephole_read(operands, gate) for gate in ((0,) if input_forget else (0, 2))}
    cell = CellProgram({**reads, **writer.mask_reads(operands)}, dtype)
    entering = _peeped(cell, 0, "c", peephole, activations[0], clip)
    if input_forget:
        kept = cell.build.call("sub", cell.build.constant(1.0), entering)
    else:
        kept = _peeped(cell, 2, "c", peephole, activations[0], clip)
    candidate = cell.activate(activations[1], cell.total(_names(3)), clip)
    added = cell.build.call("mul", entering, candidate)
    cell.result(cell.build.call("add", cell.build.call("mul", kept, cell["c"]), added))
    next_c = form.value(dtype, (writer.batch, writer.hidden))
    writer.gate_map(body, cell, next_c, keep="c")

    reads = {**_gate_reads(writer, operands, 1, recurred, 1), "c": writer.state_read(next_c), "h": writer.state_read(h)}
    if peephole:
        reads["p1"] = writer.peephole_read(operands, 1)
    cell = CellProgram({**reads, **writer.mask_reads(operands)}, dtype)
    leaving = _peeped(cell, 1, "c", peephole, activations[0], clip)
    cell.result(cell.build.call("mul", leaving, cell.activate(activations[2], cell["c"])))
    next_h = form.value(dtype, (writer.batch, writer.hidden))
    writer.gate_map(body, cell, next_h, y=operands, keep="h")
    writer.repeat(body, operands, [next_h, next_c])


def _peeped(cell: CellProgram, gate: int, state: str, peephole: bool, function: Activation, clip: float | None) -> int:
    """A gate of the LSTM: the activation of its argument plus the peephole weight times the cell state."""
    argument = cell.total(_names(gate))
    if peephole:
        argument = cell.build.call("add", argument, cell.build.call("mul", cell[f"p{gate}"], cell[state]))
    return cell.activate(function, argument, clip)


def gru_loop(
    writer: RecurrentForm, operands: Operands, activations: Sequence[Activation], linear_before_reset: bool
) -> None:
    """Update and reset gates, then the hidden state; a second contraction unless the reset comes after it."""
    (h,) = operands.states
    form, dtype, clip = writer.form, writer.dtype, writer.clip
    body = form.body()
    update, reset, hidden = 0, 1, 2
    recurred = writer.recur(body, h, operands, 3 if linear_before_reset else 2)
    reads = {**_gate_reads(writer, operands, update, recurred, update), "h": writer.state_read(h)}
    if linear_before_reset:
        for gate in (reset, hidden):
            reads |= _gate_reads(writer, operands, gate, recurred, gate)
    else:
        gated = _gated_state(writer, body, operands, recurred, activations[0])
        second = writer.recur(body, gated, operands, 1, first_gate=hidden)
        reads |= _gate_reads(writer, operands, hidden, second, 0)
    cell = CellProgram({**reads, **writer.mask_reads(operands)}, dtype)
    build = cell.build
    z = cell.activate(activations[0], cell.total(_names(update)), clip)
    if linear_before_reset:
        r = cell.activate(activations[0], cell.total(_names(reset)), clip)
        gated_sum = build.call("mul", r, cell.total((f"h{hidden}", f"rb{hidden}")))
        argument = build.call("add", cell.total((f"x{hidden}", f"wb{hidden}")), gated_sum)
    else:
        argument = cell.total(_names(hidden))
    candidate = cell.activate(activations[1], argument, clip)
    fresh = build.call("mul", build.call("sub", build.constant(1.0), z), candidate)
    cell.result(build.call("add", fresh, build.call("mul", z, cell["h"])))
    following = form.value(dtype, (writer.batch, writer.hidden))
    writer.gate_map(body, cell, following, y=operands, keep="h")
    writer.repeat(body, operands, [following])


def _gated_state(
    writer: RecurrentForm, body: FormBuilder, operands: Operands, recurred: int, activation: Activation
) -> int:
    """The state times the reset gate."""
    (h,) = operands.states
    reads = {**_gate_reads(writer, operands, 1, recurred, 1), "h": writer.state_read(h)}
    cell = CellProgram(reads, writer.dtype)
    r = cell.activate(activation, cell.total(_names(1)), writer.clip)
    cell.result(cell.build.call("mul", r, cell["h"]))
    gated = writer.form.value(writer.dtype, (writer.batch, writer.hidden))
    writer.gate_map(body, cell, gated)
    return gated
