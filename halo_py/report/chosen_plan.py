"""The plan that a compile chose, as a plan file holds it (`--save-plan`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halo_py.bsp.program import Call
from halo_py.tiling.pinned import PinnedKernel, PinnedPlan

if TYPE_CHECKING:
    from halo_py.bsp.program import Template
    from halo_py.executable import Executable


def chosen_plan(executable: Executable) -> PinnedPlan:
    """Every decision of a compiled program: replicas, stages by node, micro-batch, partials, splits by kernel."""
    program = executable.program
    stage_of_node: dict[str, int] = {}
    kernels: dict[str, tuple[PinnedKernel | None, ...]] = {}
    for number, stage in enumerate(program.stages):
        for step in stage.supersteps:
            for call in step.calls:
                stage_of_node[call.node.name] = number
                if isinstance(call, Call):
                    kernels[call.node.name] = _kernels(call.template)
    recipe = program.stages[0].recipe
    return PinnedPlan(
        replicas=program.replicas,
        stages=len(program.stages),
        micro_batch=program.micro_batch,
        partials_type=None if recipe is None else recipe.partials_type,
        stage_of_node=stage_of_node if len(program.stages) > 1 else {},
        kernels={node: entries for node, entries in kernels.items() if entries},
        model=executable.model,
        target=executable.system.name,
    )


def _kernels(template: Template) -> tuple[PinnedKernel | None, ...]:
    return tuple(
        PinnedKernel.of(kernel, decision.split, decision.followed)
        for kernel, decision in zip(template.calls, template.decisions, strict=True)
    )
