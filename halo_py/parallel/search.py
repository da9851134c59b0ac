"""Joint search over IPUs: which (replicas, stages, micro-batch), and where the chain is cut.

Nothing is lowered twice: one lowering per micro-batch size prices every node; cuts come from those prices; only the
plans worth it are lowered stage by stage, and stages share the templates of equal ops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from halo_py.bsp.links import neighbour_bytes_per_second
from halo_py.bsp.lower import LoweringCache, lower_stage, lower_to_fit
from halo_py.bsp.program import HostCall, InterIpuCopy, Program, StageProgram
from halo_py.bsp.timing import program_time, stage_time
from halo_py.parallel.cuts import Chain, balanced_cuts, link_bytes, stage_graphs
from halo_py.parallel.plan import Objective, ParallelPlan, Pins, plans_for
from halo_py.targets.machine import NOMINAL

if TYPE_CHECKING:
    from halo_py.bsp.options import LoweringOptions
    from halo_py.bsp.timing import ProgramTime
    from halo_py.ir.graph import Graph, Node
    from halo_py.parallel.named_stages import NamedStages
    from halo_py.targets import Chip, System

MOST_MICRO_BATCHES_TRIED = 5
"""Micro-batch sizes lowered at most: the largest first, then smaller ones until one fits with room for every op."""

WEIGHT_ROOMS = (0.75, 0.55, 0.4, 0.3)
"""Shares of the tile memory that weights may take when cutting, tried in turn until the lowered account fits."""


FEWER_TILES = 4
"""Each time fewer tiles are tried, it is this many times fewer."""

FEWEST_TILES = 4

SHARED_OUT = 0.66
"""Fewer, larger vertices do the same work in about this share of the cycles at best: each has a fixed cost."""


NEAR = 1.02
"""Estimates of up to this many times the best one count as equal: then fewer stages are tried first."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A plan that was lowered, with its program and predicted time."""

    plan: ParallelPlan
    graph: Graph
    program: Program
    time: ProgramTime

    @property
    def fits(self) -> bool:
        """Whether every IPU's fullest tile fits."""
        return all(stage.memory.fits for stage in self.program.stages)

    @property
    def squeezed(self) -> bool:
        """Whether a stage fits only because its ops have little room, which may make it slow."""
        return any(stage.squeezed for stage in self.program.stages)

    @property
    def items_per_second(self) -> float:
        """Nominal steady-state throughput of the whole system, host link included."""
        return float(self.time.items_per_second[NOMINAL])

    @property
    def latency_seconds(self) -> float:
        """Nominal latency of one request, host link included."""
        return float(self.time.latency_seconds[NOMINAL])


@dataclass(slots=True)
class ParallelSearch:
    """Looks for the best plan of one model on one system.

    `graph_at(micro_batch)` answers the optimised graph with that batch; `options_at(graph)` its lowering options;
    `on_progress(done, text)` is told about every lowering. `named` are stages that the user named.
    """

    system: System
    graph_at: Callable[[int], Graph]
    options: LoweringOptions
    cache: LoweringCache
    pinned_stages: Callable[[Graph, Sequence[Node]], Sequence[int] | None]
    on_progress: Callable[[str], None]
    named: NamedStages | None = None
    tried: list[Candidate] = field(default_factory=list[Candidate])
    _whole: dict[int, tuple[Graph, StageProgram]] = field(default_factory=dict[int, "tuple[Graph, StageProgram]"])

    def best(self, batch: int, objective: Objective, pins: Pins, fixed_micro_batch: int | None) -> Candidate | None:
        """The best plan that fits, or None if none does (`tried` then holds what came nearest).

        Raises UsageError if no plan has this batch.
        """
        plans = plans_for(batch, self.system.ipus, pins, fixed_micro_batch)
        self._largest_that_fits(self._single_stage(plans), objective)
        most = max(plan.ipus for plan in plans)
        roomy = [candidate for candidate in self.tried if candidate.fits and not candidate.squeezed]
        if not roomy or (objective.kind == "throughput" and max(c.plan.ipus for c in roomy) < most):
            self._pipelines(plans, objective)
        fitting = [candidate for candidate in self.tried if candidate.fits]
        return min(fitting, key=lambda candidate: _rank(candidate, objective)) if fitting else None

    def _largest_that_fits(self, plans: Sequence[ParallelPlan], objective: Objective) -> None:
        """Lowers plans in this order until one fits with room for every op, or fits and is no better than before."""
        best: Candidate | None = None
        for plan in plans:
            candidate = self._lower(plan)
            if not candidate.fits:
                continue
            if not candidate.squeezed or (best is not None and _rank(candidate, objective) >= _rank(best, objective)):
                return
            best = candidate

    def _single_stage(self, plans: Sequence[ParallelPlan]) -> list[ParallelPlan]:
        """One IPU per replica: as many replicas as possible, the largest micro-batch first."""
        single = [plan for plan in plans if plan.stages == 1]
        if not single:
            return []
        most = max(plan.replicas for plan in single)
        ordered = sorted((p for p in single if p.replicas == most), key=lambda plan: -plan.micro_batch)
        return _thinned(ordered, MOST_MICRO_BATCHES_TRIED)

    def _pipelines(self, plans: Sequence[ParallelPlan], objective: Objective) -> None:
        """Several IPUs per replica: lowers the most promising cut; more stages if it does not fit."""
        estimates: list[tuple[float, ParallelPlan]] = []
        for stages in sorted({plan.stages for plan in plans if plan.stages > 1}):
            of_stages = [plan for plan in plans if plan.stages == stages]
            most = max(plan.replicas for plan in of_stages)
            choices = sorted((p for p in of_stages if p.replicas == most), key=lambda plan: plan.micro_batch)
            plan = self._smallest_lowered(choices)
            seconds = self._estimate(plan)
            if seconds is not None:
                estimates.append((seconds, plan))
        near = NEAR * min((seconds for seconds, _plan in estimates), default=0.0)
        estimates.sort(key=lambda entry: (max(entry[0], near), entry[1].stages))
        wanted = 2 if objective.limit_seconds is None else 4
        for _seconds, plan in estimates:
            candidate = self._lower(plan)
            wanted -= candidate.fits
            if wanted <= 0:
                break

    def _smallest_lowered(self, plans: Sequence[ParallelPlan]) -> ParallelPlan:
        """Of plans that differ in the micro-batch: one whose size was lowered already, else the smallest."""
        return next((plan for plan in plans if plan.micro_batch in self._whole), plans[0])

    def _estimate(self, plan: ParallelPlan) -> float | None:
        """Seconds per item of the whole system if the pipeline is full, or None if the weights cannot be cut to fit."""
        chain, cuts = self._cuts(plan)
        if cuts is None:
            return None
        ends = [*cuts[1:], len(chain.nodes)]
        slowest = max(float(chain.seconds[start:end].sum()) for start, end in zip(cuts, ends, strict=True))
        carried = max(float(chain.crossing_bytes[start]) for start in cuts) / self._link_bytes_per_second()
        return (slowest + carried) / (plan.micro_batch * plan.replicas)

    def _cuts(self, plan: ParallelPlan, weight_room: float = WEIGHT_ROOMS[0]) -> tuple[Chain, tuple[int, ...] | None]:
        graph, whole = self._whole_stage(plan.micro_batch)
        order = [call.node for step in whole.supersteps for call in step.calls]
        order += [node for node in graph.nodes if node not in set(order)]
        clock = self.system.chip.clock_hz
        seconds: dict[Node, float] = {}
        for step in whole.supersteps:
            for call in step.calls:
                seconds[call.node] = float(step.cycles[NOMINAL]) / len(step.calls) / clock
        ordered = _topological(graph, order)
        if self.named is not None:
            ordered, starts = self.named.arranged(ordered)
            return Chain.of(graph, ordered, seconds), starts
        chain = Chain.of(graph, ordered, seconds)
        pinned = self.pinned_stages(graph, chain.nodes)
        if pinned is not None and len(pinned) == plan.stages:
            return chain, tuple(pinned)
        chip = self.system.chip
        room = weight_room * chip.tiles * chip.bytes_per_tile
        return chain, balanced_cuts(chain, plan.stages, self._link_bytes_per_second(), room)

    def _link_bytes_per_second(self) -> float:
        return float(neighbour_bytes_per_second(self.system)[NOMINAL])

    def _whole_stage(self, micro_batch: int) -> tuple[Graph, StageProgram]:
        found = self._whole.get(micro_batch)
        if found is None:
            self.on_progress(f"micro-batch {micro_batch}")
            graph = self.graph_at(micro_batch)
            found = graph, lower_on_fewer_tiles_too(graph, self.system.chip, self.options, self.cache)
            self._whole[micro_batch] = found
        return found

    def _lower(self, plan: ParallelPlan) -> Candidate:
        graph, whole = self._whole_stage(plan.micro_batch)
        stages, copies = ((whole,), ()) if plan.stages == 1 else self._staged(plan, graph)
        program = Program(stages, plan.replicas, plan.micro_batches, plan.micro_batch, copies)
        candidate = Candidate(plan, graph, program, program_time(program, self.system))
        self.tried.append(candidate)
        return candidate

    def _staged(self, plan: ParallelPlan, graph: Graph) -> tuple[tuple[StageProgram, ...], tuple[InterIpuCopy, ...]]:
        """The stages of a pipeline; if one does not fit, cut again with less room for weights."""
        found: tuple[tuple[StageProgram, ...], tuple[InterIpuCopy, ...]] | None = None
        before: tuple[int, ...] | None = None
        for room in WEIGHT_ROOMS:
            chain, cuts = self._cuts(plan, room)
            if cuts is None and found is None:
                cuts = tuple(number * len(chain.nodes) // plan.stages for number in range(plan.stages))
            if cuts is None or cuts == before:
                continue
            before = cuts
            found = self._lowered_stages(plan, graph, chain, cuts)
            if all(stage.memory.fits for stage in found[0]):
                break
        assert found is not None
        return found

    def _lowered_stages(
        self, plan: ParallelPlan, graph: Graph, chain: Chain, cuts: tuple[int, ...]
    ) -> tuple[tuple[StageProgram, ...], tuple[InterIpuCopy, ...]]:
        self.on_progress(f"{plan.stages} stages")
        graphs = stage_graphs(graph, chain.nodes, cuts)
        outside = set(graph.inputs)
        wanted = set(graph.outputs)
        stages: list[StageProgram] = []
        for number, part in enumerate(graphs):
            stage = lower_to_fit(
                part,
                self.system.chip,
                self.options,
                self.cache,
                order=part.nodes,
                from_host=[value for value in part.inputs if value in outside],
                to_host=[value for value in part.outputs if value in wanted],
            )
            stages.append(replace(stage, ipu=number))
        return tuple(stages), _copies_between(graphs)


def lower_on_fewer_tiles_too(graph: Graph, chip: Chip, options: LoweringOptions, cache: LoweringCache) -> StageProgram:
    """The fastest lowering on all tiles, a quarter of them, a sixteenth and so on; those that fit come first.

    Small programs are bound by syncs and exchange, not by computing. A number of tiles is tried only as long as the
    work shared out over them could beat the best program so far.
    """
    best = latest = lower_to_fit(graph, chip, options, cache)
    tiles = options.tiles // FEWER_TILES
    while tiles >= FEWEST_TILES and not options.pinned:
        busy = sum(step.busy_tile_cycles for step in stage_time(latest, chip).steps)
        if SHARED_OUT * busy / tiles >= float(best.cycles[NOMINAL]):
            break
        latest = lower_stage(graph, chip, replace(options, tiles=tiles), cache)
        best = min((best, latest), key=lambda stage: (not stage.memory.fits, float(stage.cycles[NOMINAL])))
        tiles //= FEWER_TILES
    return best


def _copies_between(graphs: Sequence[Graph]) -> tuple[InterIpuCopy, ...]:
    """Values that a stage makes and later stages read; those of non-adjacent stages take a hop per stage."""
    copies: list[InterIpuCopy] = []
    for number, source in enumerate(graphs):
        for value in source.outputs:
            readers = [later for later in range(number + 1, len(graphs)) if value in graphs[later].inputs]
            if readers:
                last = max(readers)
                copies.append(InterIpuCopy(value, number, last, link_bytes(value), last - number))
    return tuple(copies)


def _topological(graph: Graph, order: Sequence[Node]) -> list[Node]:
    """`order` with the nodes that stand too early moved back behind what they need."""
    made = {value: node for node in graph.nodes for value in node.outputs}
    placed: dict[Node, None] = {}

    def place(node: Node) -> None:
        stack = [node]
        while stack:
            top = stack[-1]
            missing = [
                made[value] for value in top.inputs if value is not None and value in made and made[value] not in placed
            ]
            if missing:
                stack.extend(missing)
            else:
                placed[top] = None
                stack.pop()

    for node in order:
        if node not in placed:
            place(node)
    return list(placed)


def _thinned(plans: list[ParallelPlan], most: int) -> list[ParallelPlan]:
    """At most `most` of these, the first and the last among them, evenly in between."""
    if len(plans) <= most:
        return plans
    step = (len(plans) - 1) / (most - 1)
    return [plans[round(number * step)] for number in range(most)]


def _rank(candidate: Candidate, objective: Objective) -> tuple[float, float, float]:
    late = 0.0
    if objective.limit_seconds is not None and candidate.latency_seconds > objective.limit_seconds:
        late = candidate.latency_seconds
    if objective.kind == "latency":
        return late, candidate.latency_seconds, -candidate.items_per_second
    return late, -candidate.items_per_second, candidate.latency_seconds


def host_nodes(program: Program) -> list[HostCall]:
    """Every node that runs on the host."""
    return [
        call
        for stage in program.stages
        for step in stage.supersteps
        for call in step.calls
        if isinstance(call, HostCall)
    ]
