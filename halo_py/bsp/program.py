"""The BSP program: steps over tiles, with where every value lies. Data only; all that makes or runs it stands above.

A `Template` is one op lowered once: its steps refer to *local* values. A `StageProgram` is what one IPU (group) runs
for one
micro-batch: a sequence of calls of templates that bind local to program values. Equal layers call the same template, so
cost, code and lowering are paid once. A `Program` is stages, replicas and the copies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.ir.space import Kernel, TileForm
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.plan import Cycles, Placement, Split

if TYPE_CHECKING:
    from halo_py.errors import Where
    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.types import DType


def _no_cycles() -> Cycles:
    return np.zeros(3)


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """Bytes of one local value travel: every tile of `need` gets its box from the tiles of `home` that hold it.

    `home` and `need` may be views of different shapes. When `home` holds partial sums, each tile of `need` gets `depth`
    copies of its box, one from each tile that holds a partial of it. `indexed` marks a move inside a Repeat whose box
    is the loop counter's slice.
    Maxima are over tiles: bytes received (own share excluded), bytes sent (a multicast counts once), fragments
    received.
    """

    value: int
    home: TileMapping
    need: TileMapping
    slot: tuple[int, int]
    """(kernel call number in the template, operand number) this move feeds; (-1, k) for the carried value k of a
    Repeat.
    """
    received_bytes: int
    sent_bytes: int
    fragments: int
    total_bytes: int
    paired: bool = False
    """Whether both tiles of every pair receive the same bytes, so that they share the bus at twice the rate."""
    depth: int = 1
    indexed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """A sync and one exchange phase. `cycles` (three scenarios) is the phase without the sync."""

    moves: tuple[Move, ...]
    cycles: Cycles


@dataclass(frozen=True, slots=True, eq=False)
class VertexGroup:
    """One kernel call on all its tiles. `class_counts[i]` tiles have cycles `class_cycles[i]` ([classes, 3])."""

    call: int
    placement: Placement
    class_counts: tuple[int, ...]
    class_cycles: Cycles
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    partial: bool = False
    """Writes are partial sums that a CombineGroup adds up."""


@dataclass(frozen=True, slots=True, eq=False)
class CombineGroup:
    """Adds `depth` partials of local value `value` on the tiles of `result` (each its own box), into value `value`."""

    call: int
    value: int
    result: TileMapping
    depth: int
    function: Literal["add", "max", "min", "mul"]
    partials_type: DType
    class_counts: tuple[int, ...]
    class_cycles: Cycles


@dataclass(frozen=True, slots=True, eq=False)
class Compute:
    """One compute phase: groups whose tiles may coincide (a tile then runs them one after another).

    `cycles` is the slowest tile, `busy_tile_cycles` the sum over tiles (nominal), for the tile balance.
    """

    groups: tuple[VertexGroup | CombineGroup, ...]
    cycles: Cycles
    busy_tile_cycles: float


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """`count` times `body`; after each iteration the `carried` local values (next, current) are copied on their tiles.

    An exchange with slot (-1, k) brings carried value k to where an iteration starts with it: before the loop from
    where it lies, at the end of the body from where the iteration left it. Fetches of what no iteration changes stand
    before the loop; their slots stay filled through all iterations.
    """

    count: int
    body: tuple[Exchange | Compute | Rename, ...]
    carried: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rename:
    """Local value `result` is a view of `source`: same bytes on the same tiles."""

    source: int
    result: int


TemplateStep = Exchange | Compute | Loop | Rename


@dataclass(frozen=True, slots=True)
class Decision:
    """How a kernel call was cut, so that it can be cut again without a search.

    `split` alone says it, unless `followed` is given: (a, o) means that every tile computes its box of access a (reads,
    then writes), as operand o lies (-1: as the value lies that the call follows).
    """

    split: Split
    followed: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TemplateBody:
    """What a template does. See `Template` for the meaning of its parts."""

    form: TileForm
    calls: tuple[Kernel, ...]
    homes: tuple[TileMapping | None, ...]
    steps: tuple[TemplateStep, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """One op lowered once for given operand homes.

    `source` gives the body; what a program read from a file predicts is known without it. `taken` are the decisions
    taken while it was lowered, in order, each with the number of its kernel call (a loop's body may have been tried
    several times). `temporary_bytes` (fullest tile) is what the template needs beside operands and results.
    `busy_tile_cycles` sums computing over tiles (nominal). `matrix_types` are the input and partials type of its
    first contraction, if it has one.
    """

    name: str
    source: Callable[[], TemplateBody] = field(repr=False)
    taken: tuple[tuple[int, Decision], ...]
    temporary_bytes: int
    code_bytes: int
    vertex_bytes: int
    exchange_code_bytes: int
    compute_cycles: Cycles
    exchange_cycles: Cycles
    sync_cycles: Cycles
    multiply_accumulates: int
    exchanged_bytes: int
    busy_tile_cycles: float
    matrix_types: tuple[str, str] | None = None

    @cached_property
    def body(self) -> TemplateBody:
        """Form, kernels, homes and steps."""
        return self.source()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """How each kernel call is cut."""
        last = dict(self.taken)
        return tuple(last[number] for number in range(len(last)))

    @property
    def form(self) -> TileForm:
        """The op as tile kernels over local values."""
        return self.body.form

    @property
    def calls(self) -> tuple[Kernel, ...]:
        """The kernels in order: `VertexGroup.call` and `Move.slot` number them."""
        return self.body.calls

    @property
    def homes(self) -> tuple[TileMapping | None, ...]:
        """Where every local value lies; None: only its constant contents matter, or it is never on tiles.

        Those of operands are what the template expects: a caller whose value lies elsewhere calls another template.
        """
        return self.body.homes

    @property
    def steps(self) -> tuple[TemplateStep, ...]:
        """What the tiles do, in order."""
        return self.body.steps

    @property
    def cycles(self) -> Cycles:
        """All of it: computing, exchange, syncs and control program."""
        return self.compute_cycles + self.exchange_cycles + self.sync_cycles


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One node of the graph as a call of a template."""

    template: Template
    node: Node

    @property
    def where(self) -> Where:
        """The place in the user's model."""
        return self.node.where

    @property
    def bindings(self) -> dict[int, Value]:
        """The program value of every local value that has one."""
        form = self.template.form
        operands = zip(form.inputs, self.node.inputs, strict=False)
        bound = {local: value for local, value in operands if local is not None and value is not None}
        bound.update(zip(form.outputs, self.node.outputs, strict=False))
        return bound


@dataclass(frozen=True, slots=True, eq=False)
class HostCall:
    """One node that runs on the host's processor, in program order: operands leave the tiles, results come back.

    Bytes cross the host link (values that are constants or already on the host do not). The host's own computing time
    is not predicted; the summary says so.
    """

    node: Node
    where: Where
    reason: str
    bytes_to_host: int
    bytes_from_host: int


@dataclass(frozen=True, slots=True, eq=False)
class Superstep:
    """Calls that run together: their exchanges share a phase and their computes share a phase, step by step.

    One call alone is the normal case; a HostCall always stands alone. `cycles` is what the group takes together (a
    HostCall: its syncs only; the link's time is kept in seconds by timing).
    """

    calls: tuple[Call | HostCall, ...]
    cycles: Cycles
    compute_cycles: Cycles = field(default_factory=_no_cycles)
    exchange_cycles: Cycles = field(default_factory=_no_cycles)
    sync_cycles: Cycles = field(default_factory=_no_cycles)
    """Syncs and the control program; the three add up to `cycles`."""


@dataclass(frozen=True, slots=True, eq=False)
class HostCopy:
    """A graph input or output crosses the host link once per micro-batch."""

    value: Value
    direction: Literal["in", "out"]
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class InterIpuCopy:
    """A value travels from one stage's IPU to another's; `hops` adjacent links (skip connections take several)."""

    value: Value
    source: int
    target: int
    bytes: int
    hops: int


@dataclass(frozen=True, slots=True, eq=False)
class Collective:
    """A collective over replicas (scatter of the request, gather of results, all-reduce): bytes per replica."""

    kind: Literal["scatter", "gather", "broadcast", "all-reduce"]
    group: int
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class MemoryAccount:
    """Bytes per tile. Arrays are [tiles]; `peak_step` numbers the superstep where the fullest tile peaks."""

    capacity_bytes: int
    always_live: dict[str, int]
    """Maximum over tiles by class: weights, code, exchange code, vertex state, stack, stash, ..."""
    fullest_tile: int
    fullest_bytes: int
    peak_step: int
    bytes_over_time: tuple[int, ...]
    """Fullest tile's live bytes at each superstep."""
    bytes_by_tile: tuple[int, ...]
    """Peak of each tile."""
    largest: tuple[tuple[str, int], ...]
    """Largest tensors live at the peak on the fullest tile: (name, bytes)."""

    @property
    def fits(self) -> bool:
        """Whether the fullest tile fits."""
        return self.fullest_bytes <= self.capacity_bytes


@dataclass(frozen=True, slots=True)
class Recipe:
    """With the templates' decisions: all that lowering a stage again needs. `order` numbers the graph's nodes."""

    tiles: int
    partials_type: DType
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StageProgram:
    """What one IPU runs for one micro-batch: host copies in, supersteps, host copies out."""

    graph: Graph
    """The nodes of this stage; its inputs are graph inputs or values of earlier stages."""
    supersteps: tuple[Superstep, ...]
    homes: Mapping[Value, TileMapping]
    memory: MemoryAccount
    cycles: Cycles
    copies: tuple[HostCopy, ...] = ()
    ipu: int = 0
    """Which IPU of the replica runs it."""
    recipe: Recipe | None = None
    """How to lower it again; None: it cannot be stored."""
    squeezed: bool = False
    """Whether ops have less room for temporaries than asked for, because else it would not fit. It is not stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Stages x replicas for one request of replicas x micro_batches x micro_batch items."""

    stages: tuple[StageProgram, ...]
    replicas: int
    micro_batches: int
    micro_batch: int
    copies: tuple[InterIpuCopy, ...] = ()
    collectives: tuple[Collective, ...] = ()
    notes: tuple[str, ...] = field(default=())
