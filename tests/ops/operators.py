"""One op applied to contents, by its reference meaning."""

from __future__ import annotations

from halo_py.ir.op import Op, RuntimeValue, Sample
from tests.ops.cases import Case


def evaluated(op: Op, *inputs: RuntimeValue, outputs: int = 1) -> list[RuntimeValue]:
    """The results of an op for these operands. Raises HaloError."""
    return Case(op.kind, Sample(op, inputs, outputs=outputs)).evaluate()
