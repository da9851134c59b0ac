"""What a request costs beyond the replicas' own work: scattering it to them and gathering their results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from halo_py.bsp.program import Collective

if TYPE_CHECKING:
    from halo_py.bsp.program import Program
    from halo_py.targets import System


def with_collectives(program: Program, system: System) -> Program:
    """Requests that reach replicas in several link domains are scattered and gathered over the fabric."""
    if program.replicas * len(program.stages) <= system.ipus_per_link_domain:
        return program
    arriving = sum(copy.bytes for stage in program.stages for copy in stage.copies if copy.direction == "in")
    leaving = sum(copy.bytes for stage in program.stages for copy in stage.copies if copy.direction == "out")
    collectives = (
        Collective("scatter", program.replicas, arriving * program.micro_batches),
        Collective("gather", program.replicas, leaving * program.micro_batches),
    )
    return replace(program, collectives=collectives)
