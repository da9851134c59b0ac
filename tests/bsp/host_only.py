"""An op without a tile form."""

from __future__ import annotations

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.types import Type


@op("test_host_only")
class HostOnly(Op):
    """Answers its operand."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (args.array(0),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return Refusal("it runs only on the host")
