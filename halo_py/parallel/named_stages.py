"""Pipeline stages that the user names: a pattern per stage, found in the names of the model's own nodes.

The patterns speak of the model as it was given; passes fuse, move and rename nodes. So the values that cross from stage
to stage become outputs while passes run: what is made on one side of them stays there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from halo_py.errors import UsageError
from halo_py.ir.graph import Graph, Node, Value

StagePatterns = Sequence[tuple[str, int]]
"""Regular expressions, the first of which that is found in a node's name (of any case) says the node's stage."""

_MOST_NAMED = 10
"""Nodes that a message names."""


@dataclass(frozen=True, slots=True, eq=False)
class NamedStages:
    """Which of a model's nodes belong to which stage. Stages without nodes are left out, the others numbered anew."""

    graph: Graph
    """The model with the values between stages among its outputs."""
    own_outputs: int
    stage_of: dict[str, int]
    """Name of a node of the model -> stage."""

    @staticmethod
    def of(graph: Graph, patterns: StagePatterns) -> NamedStages:
        """The stages of a model's nodes. Raises UsageError for nodes without stage, and for stages against the flow."""
        stages = _stages(graph.nodes, patterns)
        numbers = {stage: number for number, stage in enumerate(sorted(set(stages.values())))}
        stages = {node: numbers[stage] for node, stage in stages.items()}
        made = {value: node for node in graph.nodes for value in node.outputs}
        crossing: dict[Value, None] = {}
        for node in graph.nodes:
            for value in node.inputs:
                source = made.get(value) if value is not None else None
                if value is None or source is None:
                    continue
                if stages[source] > stages[node]:
                    raise UsageError(
                        f"node {node.name!r} is in stage {stages[node]}, {source.name!r} that it reads in stage "
                        f"{stages[source]}",
                        hint="later stages read what earlier ones make, never the other way round",
                    )
                if stages[source] < stages[node] and value not in graph.outputs:
                    crossing[value] = None
        outputs = (*graph.outputs, *crossing)
        names = (*graph.output_names, *(f"{value.name}:crossing" for value in crossing))
        fenced = replace(graph, outputs=outputs, output_names=names)
        return NamedStages(fenced, len(graph.outputs), {node.name: stage for node, stage in stages.items()})

    @property
    def count(self) -> int:
        """How many stages there are."""
        return max(self.stage_of.values(), default=0) + 1

    def without_crossings(self, graph: Graph) -> Graph:
        """The graph that passes made, with the model's own outputs only."""
        own = self.own_outputs
        return replace(graph, outputs=graph.outputs[:own], output_names=graph.output_names[:own])

    def arranged(self, nodes: Sequence[Node]) -> tuple[list[Node], tuple[int, ...]]:
        """Nodes in running order, stage by stage, and the first one of each stage.

        A node that a pass made belongs to the latest stage among what it reads. Raises UsageError if the passes left
        a stage without nodes.
        """
        made: dict[Value, int] = {}
        found: list[int] = []
        for node in nodes:
            earliest = max((made.get(value, 0) for value in node.inputs if value is not None), default=0)
            stated = self.stage_of.get(node.name, self.stage_of.get(node.where.node or "", 0))
            stage = max(earliest, stated)
            found.append(stage)
            made.update((value, stage) for value in node.outputs)
        empty = sorted(set(range(self.count)) - set(found))
        if empty:
            raise UsageError(f"nothing is left to do in stage {empty[0]}: its nodes do not compute anything")
        order = sorted(range(len(nodes)), key=lambda number: found[number])
        ordered = sorted(found)
        return [nodes[number] for number in order], tuple(ordered.index(stage) for stage in range(self.count))


def _stages(nodes: Sequence[Node], patterns: StagePatterns) -> dict[Node, int]:
    compiled: list[tuple[re.Pattern[str], int]] = []
    for pattern, stage in patterns:
        try:
            compiled.append((re.compile(pattern, re.IGNORECASE), stage))
        except re.error as error:
            raise UsageError(f"{pattern!r} is no regular expression: {error}") from error
    found: dict[Node, int] = {}
    missing: list[str] = []
    for node in nodes:
        stage = next((stage for pattern, stage in compiled if pattern.search(node.name)), None)
        if stage is None:
            missing.append(node.name)
        else:
            found[node] = stage
    if missing:
        named = ", ".join(repr(name) for name in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise UsageError(
            f"no pattern of the pipeline matches node{'s' * (len(missing) > 1)} {named}{more}",
            hint="add a pattern that matches all others",
        )
    return found
