"""Value, Node and Graph: a typed SSA graph that is frozen at pass boundaries.

Values are compared by identity. Constant contents are held beside the graph's nodes (`Graph.constants`), never in
structural hashes, so equal layers are equal. A nested graph (the body of If, Loop, Scan or of a fused node) captures
nothing: what it needs from outside is an explicit operand of its node and an input of the body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from halo_py.errors import NOWHERE, Where
from halo_py.types import TensorType, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.ir.op import Op

    Array = NDArray[np.generic]


class Value:
    """One SSA value: a unique object with a name (unique in its graph) and a type. Never mutate it."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: Type) -> None:
        self.name = name
        self.type = type

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One application of an op. An omitted optional operand is None; an output nobody reads still has a Value."""

    op: Op
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    name: str
    bodies: tuple[Graph, ...] = ()
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """A state value (parameter, statistic, cache) and the value it takes after the graph has run."""

    state: Value
    updated: Value


def _no_constants() -> Mapping[Value, Array]:
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in topological order, with typed inputs and outputs.

    `constants` maps each constant value to its contents (a possibly memory-mapped array; ml_dtypes for narrow types,
    object arrays of str for strings). `states` are inputs of the graph whose contents outlive a run.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[Value, Array] = field(default_factory=_no_constants)
    states: tuple[StateUpdate, ...] = ()
    output_names: tuple[str, ...] = ()
    """The user's names of the outputs (a value may be an output twice, or an input passed through)."""

    def __post_init__(self) -> None:
        if not self.output_names:
            object.__setattr__(self, "output_names", tuple(value.name for value in self.outputs))

    def with_nodes(self, nodes: tuple[Node, ...]) -> Graph:
        """The same graph with other nodes."""
        return replace(self, nodes=nodes)

    def producers(self) -> dict[Value, Node]:
        """Which node makes each value (graph inputs and constants have none)."""
        return {value: node for node in self.nodes for value in node.outputs}

    def uses(self) -> dict[Value, list[tuple[Node, int]]]:
        """Where each value is read: (node, operand index). Graph outputs are not listed."""
        uses: dict[Value, list[tuple[Node, int]]] = {}
        for node in self.nodes:
            for index, value in enumerate(node.inputs):
                if value is not None:
                    uses.setdefault(value, []).append((node, index))
        return uses

    def values(self) -> Iterator[Value]:
        """Every value: inputs, constants, node outputs, in this order."""
        yield from self.inputs
        yield from self.constants
        for node in self.nodes:
            yield from node.outputs

    def walk(self) -> Iterator[Node]:
        """Every node, those of nested graphs included (after their owner)."""
        for node in self.nodes:
            yield node
            for body in node.bodies:
                yield from body.walk()

    def constant_bytes(self) -> int:
        """Bytes of all constants (weights), packed; nested graphs included."""
        own = sum(value.type.bytes for value in self.constants if isinstance(value.type, TensorType))
        return own + sum(body.constant_bytes() for node in self.nodes for body in node.bodies)
