"""What happens to a contraction's result where it lies: bias, scaling and fused element-wise functions, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from halo_py.ir.op import TileArgs
from halo_py.ir.space import FormBuilder, TileForm
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.scalar import ScalarProgram, run_program
from halo_py.types import DType


def chain(first: ScalarProgram | None, then: ScalarProgram | None) -> ScalarProgram | None:
    """One program: `first`, then `then` on its result. Operands of `then` (but its first) follow those of `first`."""
    if first is None or then is None:
        return first or then
    inputs = first.inputs + then.inputs - 1
    steps = [
        replace(step, operands=tuple(_shift(number, first.inputs, then.inputs - 1) for number in step.operands))
        for step in first.steps
    ]
    result = inputs + len(steps) - 1

    def renumber(number: int) -> int:
        if number == 0:
            return result
        return first.inputs + number - 1 if number < then.inputs else result + 1 + number - then.inputs

    steps += [replace(step, operands=tuple(renumber(number) for number in step.operands)) for step in then.steps]
    return ScalarProgram(inputs, tuple(steps))


def _shift(number: int, inputs: int, by: int) -> int:
    return number if number < inputs else number + by


def result_type(dtype: DType, epilogue: ScalarProgram | None) -> DType:
    """Element type of a contraction's result after its epilogue."""
    return dtype if epilogue is None else epilogue.dtype


def apply(program: ScalarProgram | None, made: NDArray[Any], operands: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """`program` on the result of a contraction and further operands that broadcast to it."""
    return made if program is None else run_program(program, (made, *operands))


def finish_form(
    form: FormBuilder, args: TileArgs, made: int, program: ScalarProgram | None, operands: Sequence[int]
) -> TileForm:
    """The form whose result is `program` on local value `made` (of the result's shape) and the `operands`."""
    if program is None:
        return form.finish(made)
    out = args.output_types[0]
    result = form.value(out.dtype, out.static_shape)
    reads = [form.type(number) for number in (made, *operands)]
    form.call(broadcast_kernel(program, reads, out), (made, *operands), (result,), follows=made)
    return form.finish(result)
