"""Placement: which nodes run on tiles and which on the host, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.errors import HaloError, Where
from halo_py.ir.encode import structural_key
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import TileArgs
from halo_py.ir.rewrite import kind_of
from halo_py.ir.space import Refusal, TileForm, View
from halo_py.types import DType, TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

Device = Literal["host", "tiles"]
Refuse = Callable[[Node], str | None]
"""A machine's own reason why a node cannot run on its tiles, None if it can."""

_CODE_ELEMENTS = 16
"""Float constants of at most this many elements (a factor, a bound, scales) may be part of a tile form."""

_SMALL_ELEMENTS = 4096
"""A node between host nodes follows them when it makes at most this many elements: the trip would cost more."""


@dataclass(frozen=True, slots=True)
class HostNode:
    """A row of the table of host fallbacks."""

    name: str
    op: str
    reason: str
    where: Where


@dataclass(frozen=True, slots=True)
class Phase:
    """Nodes of one device that run without waiting for the other one, in the graph's order."""

    device: Device
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where every node of a graph runs.

    `forms` are the tile forms of the nodes on tiles, `reasons` why the others run on the host. `phases` alternate
    between the devices; each is as large as the graph's order allows.
    """

    graph: Graph
    forms: Mapping[Node, TileForm]
    reasons: Mapping[Node, str]
    phases: tuple[Phase, ...]

    @property
    def host_table(self) -> tuple[HostNode, ...]:
        """One row per host node, in the graph's order."""
        return tuple(
            HostNode(node.name, kind_of(node), self.reasons[node], node.where)
            for node in self.graph.nodes
            if node in self.reasons
        )

    def device(self, node: Node) -> Device:
        """Where a node runs."""
        return "host" if node in self.reasons else "tiles"

    def summary(self) -> list[str]:
        """`3 x StringNormalizer: strings do not run on tiles`, most frequent first."""
        counts = Counter((row.op, row.reason) for row in self.host_table)
        return [f"{count} x {op}: {reason}" for (op, reason), count in counts.most_common()]


@dataclass
class _Placer:
    graph: Graph
    partials_type: DType
    refuse: Refuse | None
    cache: dict[object, TileForm | Refusal] = field(default_factory=dict[object, "TileForm | Refusal"])
    forms: dict[Node, TileForm] = field(default_factory=dict["Node", TileForm])
    reasons: dict[Node, str] = field(default_factory=dict["Node", str])

    def place(self, node: Node) -> None:
        found = self.tile_form(node)
        if isinstance(found, Refusal):
            self.reasons[node] = found.reason
        else:
            self.forms[node] = found

    def tile_form(self, node: Node) -> TileForm | Refusal:
        reason = refusal_before_tiling(node) or (self.refuse(node) if self.refuse else None)
        if reason is not None:
            return Refusal(reason)
        key = (structural_key(node, self.graph.constants), _scalars(node, self.graph.constants))
        known = self.cache.get(key)
        if known is None:
            known = self.cache[key] = self.ask(node)
        return known

    def ask(self, node: Node) -> TileForm | Refusal:
        args = TileArgs(
            types=tuple(_tensor(value) for value in node.inputs),
            constants=tuple(None if value is None else self.graph.constants.get(value) for value in node.inputs),
            output_types=tuple(value.type for value in node.outputs if isinstance(value.type, TensorType)),
            partials_type=self.partials_type,
        )
        try:
            return node.op.tile_form(args)
        except HaloError as error:
            return Refusal(error.message)

    def follow_neighbours(self) -> None:
        """Small nodes and views whose data comes from the host and goes back there stay there."""
        producers, uses = self.graph.producers(), self.graph.uses()
        changed = bool(self.reasons)
        while changed:
            changed = False
            for node in self.graph.nodes:
                if node in self.reasons or not self.is_light(node):
                    continue
                makers = [producers[value] for value in node.inputs if value in producers]
                readers = [reader for value in node.outputs for reader, _ in uses.get(value, ())]
                if makers and readers and all(other in self.reasons for other in (*makers, *readers)):
                    self.reasons[node] = "stands between host nodes"
                    del self.forms[node]
                    changed = True

    def is_light(self, node: Node) -> bool:
        if all(isinstance(step, View) for step in self.forms[node].steps):
            return True
        return all(
            isinstance(value.type, TensorType) and value.type.elements <= _SMALL_ELEMENTS for value in node.outputs
        )

    def phases(self) -> tuple[Phase, ...]:
        """Even phases run on the host, odd ones on tiles; every node is as early as its operands allow."""
        level: dict[Value, int] = {}
        members: dict[int, list[Node]] = {}
        for node in self.graph.nodes:
            parity = 0 if node in self.reasons else 1
            earliest = max((level.get(value, 0) for value in node.inputs if value is not None), default=0)
            at = earliest + (earliest % 2 != parity)
            level.update((value, at) for value in node.outputs)
            members.setdefault(at, []).append(node)
        return tuple(Phase("tiles" if number % 2 else "host", tuple(members[number])) for number in sorted(members))


def _scalars(node: Node, constants: Mapping[Value, Array]) -> tuple[bytes | None, ...]:
    """Small float constants of a node: tile forms may hold them in their code."""
    found: list[bytes | None] = []
    for value in node.inputs:
        array = constants.get(value) if value is not None else None
        small = array is not None and array.size <= _CODE_ELEMENTS and array.dtype.kind not in "OSUT"
        found.append(array.tobytes() if small and array is not None else None)
    return tuple(found)


def _tensor(value: Value | None) -> TensorType | None:
    if value is None:
        return None
    assert isinstance(value.type, TensorType)
    return value.type


def refusal_before_tiling(node: Node) -> str | None:
    """Why a node cannot run on tiles whatever its tile form: declared, nested graphs, types."""
    declared = node.op.declaration.host_only
    if declared:
        return declared
    if node.bodies:
        return "control flow that depends on data"
    for value in (*node.inputs, *node.outputs):
        if value is None:
            continue
        if not isinstance(value.type, TensorType):
            return "sequences and optionals do not run on tiles"
        if value.type.dtype is DType.STRING:
            return "strings do not run on tiles"
        if not value.type.is_static:
            return f"the shape of {value.name!r} depends on data"
    return None


def place_graph(graph: Graph, *, partials_type: DType = DType.FLOAT32, refuse: Refuse | None = None) -> Placement:
    """Decide for every node of a specialised graph. Equal nodes are asked once."""
    placer = _Placer(graph, partials_type, refuse)
    for node in graph.nodes:
        placer.place(node)
    placer.follow_neighbours()
    return Placement(graph, placer.forms, placer.reasons, placer.phases())
