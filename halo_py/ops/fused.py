"""Ops that passes make out of others."""

from __future__ import annotations

from collections.abc import Iterable

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.broadcast import broadcast_shapes
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ScalarProgram, ScalarStep, run_program
from halo_py.ops.scalar_op import map_form
from halo_py.types import DType, TensorType, Type


@op("fused_map")
class FusedMap(Op):
    """A scalar program over broadcasting operands: a chain of element-wise ops in one pass over the data.

    Operand i is input i of the program. Narrow floats stay wide between its steps.
    """

    program: ScalarProgram

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if len(args) != self.program.inputs:
            raise args.error(f"the program takes {self.program.inputs} operands, found {len(args)}")
        try:
            shape = broadcast_shapes([args.shape(index) for index in range(len(args))])
        except ValueError as error:
            raise args.error(str(error)) from error
        return (TensorType(self.program.dtype, shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (run_program(self.program, [args.array(index) for index in range(len(args))]),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return map_form(args, self.program)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        single, half = DType.FLOAT32, DType.FLOAT16
        bias_gelu = ScalarProgram(
            2, (ScalarStep("add", (0, 1), single), ScalarStep("gelu", (2,), single, (("approximate", "none"),)))
        )
        yield Sample(cls(bias_gelu), (floats(0, 3, 5, 7), floats(1, 7)))
        residual = ScalarProgram(
            3,
            (
                ScalarStep("mul", (0, 1), half),
                ScalarStep("add", (3, 2), half),
                ScalarStep("relu", (4,), half),
            ),
        )
        yield Sample(cls(residual), tuple(floats(2 + n, 4, 9, dtype=half) for n in range(3)))
        yield Sample(
            cls(residual), (floats(5, 2, 3, 4, dtype=half), floats(6, 3, 1, dtype=half), floats(7, dtype=half))
        )
        select = ScalarProgram(2, (ScalarStep("less", (0, 1), DType.BOOL), ScalarStep("where", (2, 1, 0), single)))
        yield Sample(cls(select), (floats(8, 5, 3), floats(9, 5, 1)))
