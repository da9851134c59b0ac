"""A program as readable text: a line per superstep, and the steps of a template when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from halo_py.bsp.program import (
    Call,
    CombineGroup,
    Compute,
    Exchange,
    Loop,
    Program,
    Rename,
    StageProgram,
    Superstep,
    Template,
    TemplateStep,
    VertexGroup,
)
from halo_py.targets import NOMINAL
from halo_py.tiling.plan import Cycles


def print_program(program: Program, *, steps: bool = False) -> str:
    """The whole program: every stage with a line per superstep. `steps` adds what each template does, once."""
    batches = f"{program.micro_batches} micro-batches of {program.micro_batch}"
    lines = [f"program: {program.replicas} replicas x {len(program.stages)} stages, {batches}"]
    shown: dict[Template, int] = {}
    for stage in program.stages:
        lines.extend(_stage_lines(stage, shown, steps=steps))
    for copy in program.copies:
        lines.append(f"copy {copy.value.name}: IPU {copy.source} -> IPU {copy.target}, {copy.bytes:,} bytes")
    for collective in program.collectives:
        lines.append(f"{collective.kind} over {collective.group} replicas, {collective.bytes:,} bytes each")
    return "\n".join(lines) + "\n"


def print_stage(stage: StageProgram, *, steps: bool = False) -> str:
    """One stage, as in `print_program`."""
    return "\n".join(_stage_lines(stage, {}, steps=steps)) + "\n"


def print_template(template: Template) -> str:
    """What a template does, a line per exchange, vertex group and combination of partials."""
    return "\n".join(_step_lines(template.steps, template, "")) + "\n"


def _stage_lines(stage: StageProgram, shown: dict[Template, int], *, steps: bool) -> Iterator[str]:
    memory = stage.memory
    yield (
        f"stage {stage.ipu}: {len(stage.supersteps)} supersteps, {_count(stage.cycles)} cycles, "
        f"{memory.fullest_bytes:,} of {memory.capacity_bytes:,} bytes on tile {memory.fullest_tile}"
    )
    for copy in stage.copies:
        yield f"  host {copy.direction} {copy.value.name}: {copy.bytes:,} bytes"
    for number, step in enumerate(stage.supersteps):
        yield f"  {number}: {_superstep(step, shown)}"
        if steps:
            for template in dict.fromkeys(call.template for call in step.calls if isinstance(call, Call)):
                if template in shown and shown[template] < 0:
                    continue
                yield from _step_lines(template.steps, template, "      ")
                shown[template] = -1 - shown[template]


def _superstep(step: Superstep, shown: dict[Template, int]) -> str:
    texts: list[str] = []
    for call in step.calls:
        if not isinstance(call, Call):
            texts.append(f"{call.node.name} on the host ({call.reason})")
            continue
        number = shown.setdefault(call.template, len(shown))
        texts.append(f"{call.node.name} = {call.template.name}#{number if number >= 0 else -1 - number}")
    return (
        f"{' | '.join(texts)}: {_count(step.cycles)} cycles (compute {_count(step.compute_cycles)}, "
        f"exchange {_count(step.exchange_cycles)}, sync {_count(step.sync_cycles)})"
    )


def _step_lines(steps: Sequence[TemplateStep], template: Template, indent: str) -> Iterator[str]:
    for step in steps:
        match step:
            case Exchange():
                total = sum(move.total_bytes for move in step.moves)
                values = ", ".join(f"%{move.value}" for move in step.moves)
                yield f"{indent}exchange {values}: {total:,} bytes, {_count(step.cycles)} cycles"
            case Compute():
                for group in step.groups:
                    yield indent + _group(group)
            case Loop():
                yield f"{indent}repeat {step.count}:"
                yield from _step_lines(step.body, template, indent + "  ")
            case Rename():
                yield f"{indent}view %{step.source} as %{step.result}"


def _group(group: VertexGroup | CombineGroup) -> str:
    slowest = float(group.class_cycles[:, NOMINAL].max(initial=0))
    tiles = sum(group.class_counts)
    if isinstance(group, CombineGroup):
        return (
            f"combine {group.depth} partials of %{group.value} ({group.function}): {tiles} tiles, {slowest:,.0f} cycles"
        )
    kernel, split = group.placement.kernel, group.placement.split
    cuts = " ".join(
        f"{axis.name}:{axis.extent}/{ways}" + (f"/{steps}" if steps > 1 else "")
        for axis, ways, steps in zip(kernel.axes, split.ways, split.steps, strict=True)
        if ways > 1 or steps > 1
    )
    results = ", ".join(f"%{value}" for value in group.writes)
    return (
        f"compute {results} = {kernel.codelet.name} [{cuts}]: {tiles} tiles, {len(group.class_counts)} classes, "
        f"{slowest:,.0f} cycles"
    )


def _count(cycles: Cycles) -> str:
    return f"{float(cycles[NOMINAL]):,.0f}"
