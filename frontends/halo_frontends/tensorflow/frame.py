"""Evaluates a graph or function while importing: a node is imported when one of its results is first wanted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_frontends.emitter import Emitter
from halo_frontends.tensorflow.graph import Body, Library, NodeInfo, Ref, Users
from halo_frontends.tensorflow.nest import Nest
from halo_frontends.tensorflow.operation import MAPPINGS, ON_PAIRS, Operation
from halo_frontends.tensorflow.sides import Sides
from halo_frontends.tensorflow.things import Collected, Opaque, TensorList, Thing, Variable
from halo_frontends.tensorflow_ops.complex_numbers import Complex
from halo_py.errors import ModelError, UnsupportedError, Where
from halo_py.ir.graph import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_frontends.tensorflow.tensors import TensorReader
    from halo_py.types import DType

    Array = NDArray[np.generic]

MOST_NODES = 300_000
"""Functions that unfold into more nodes than this are refused: a few lines could otherwise mean any number."""
DEEPEST_CALLS = 64

_WRAPPER = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
"""Calls that exporters put around the user's functions; they do not show in names."""


@dataclass(slots=True)
class Model:
    """What all frames of one model share."""

    file: str
    library: Library
    tensors: TensorReader
    read_variable: Callable[[str], tuple[Array, DType]]
    variable_keys: Mapping[str, str]
    """Node of a variable -> its name in the checkpoint."""
    nodes: int = 0
    _sides: dict[str, Sides] = field(default_factory=dict[str, Sides])

    def sides(self, body: Body) -> Sides:
        """Which side of which condition the nodes of a body stand on."""
        if body.name not in self._sides:
            self._sides[body.name] = Sides(body)
        return self._sides[body.name]

    def count(self, where: Where) -> None:
        """Count an imported node. Raises ModelError if there are too many."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise ModelError(f"its functions unfold into more than {MOST_NODES} nodes", where)


@dataclass(slots=True)
class Frame:
    """One call of a function, or the main graph: what its nodes gave so far."""

    model: Model
    body: Body
    nest: Nest
    prefix: str = ""
    depth: int = 0
    found: dict[str, Sequence[Thing]] = field(default_factory=dict[str, "Sequence[Thing]"])
    """Node or argument -> its results."""
    preset: Mapping[str, Sequence[Thing]] = field(default_factory=dict[str, "Sequence[Thing]"])
    """Nodes whose results are given: loop variables, and values at which the user cuts the model."""
    _users: Users | None = None

    def __post_init__(self) -> None:
        self.found.update(self.preset)

    @property
    def users(self) -> Users:
        """Who reads each node."""
        if self._users is None:
            self._users = Users.of(self.body)
        return self._users

    def kinds(self) -> set[str]:
        """The operators of the nodes that were imported here."""
        nodes = self.body.nodes
        return {nodes[name].op for name in self.found if name in nodes and name not in self.preset}

    def where(self, node: NodeInfo) -> Where:
        """The place of a node in the user's model."""
        return Where(self.model.file, self.prefix + node.name, node.op)

    def node(self, name: str, where: Where) -> NodeInfo:
        """A node. Raises ModelError if there is none of this name."""
        found = self.body.nodes.get(name)
        if found is None:
            raise ModelError(f"reads {name!r}, which nothing makes", where)
        return found

    def fetch(self, refs: Sequence[Ref]) -> list[Thing]:
        """The things that these references name. Raises ModelError, UnsupportedError."""
        place = Where(self.model.file, self.prefix.rstrip("/") or None)
        for ref in refs:
            self._import(ref.node, place)
        return [self.result(ref, place) for ref in refs]

    def _import(self, name: str, place: Where) -> None:
        """Import a node and what it needs, without recursion: graphs are thousands of nodes deep."""
        waiting, open_now = [name], set[str]()
        while waiting:
            current = waiting[-1]
            if current in self.found:
                waiting.pop()
                continue
            node = self.node(current, place)
            place = self.where(node)
            missing = [ref.node for ref in self._needs(node) if ref.node not in self.found]
            open_now.add(current)
            if not open_now.isdisjoint(missing):  # an open node waits for what it reads
                raise ModelError("nodes read each other in a circle", place)
            if missing:
                waiting.extend(reversed(missing))
                continue
            self.found[current] = self._results(node)
            waiting.pop()

    def _needs(self, node: NodeInfo) -> Sequence[Ref]:
        mapping = MAPPINGS.get(node.op)
        return node.inputs if mapping is None or mapping.needs is None else mapping.needs(self, node)

    def _results(self, node: NodeInfo) -> Sequence[Thing]:
        where = self.where(node)
        self.model.count(where)
        inputs = tuple(self.result(ref, where) for ref in self._needs(node))
        op = Operation(node, inputs, self.emitter(node), self)
        mapping = MAPPINGS.get(node.op)
        if mapping is not None:
            function = mapping.function
            if any(isinstance(thing, Complex) for thing in inputs):
                function = ON_PAIRS.get(node.op, function)
            results = function(op)
        elif node.op in self.model.library:
            results = self.call(node.op, inputs, node)
        else:
            raise UnsupportedError(f"{node.op} is not supported", where)
        if isinstance(results, (Value, Complex, Variable, TensorList, Collected, Opaque)):
            return (results,)
        return results

    def call(self, function: str, arguments: Sequence[Thing], node: NodeInfo) -> list[Thing]:
        """The results of a function that `node` calls, imported in its place. Raises ModelError, UnsupportedError."""
        inside = self.enter(function, arguments, node)
        return inside.fetch(inside.body.results)

    def enter(self, function: str, arguments: Sequence[Thing], node: NodeInfo, nest: Nest | None = None) -> Frame:
        """A call of a function, nothing of which is imported yet."""
        where = self.where(node)
        body = self.model.library.body(function, where)
        if self.depth >= DEEPEST_CALLS:
            raise ModelError("functions call each other without end", where)
        if len(arguments) != len(body.arguments):
            raise ModelError(f"{function!r} takes {len(body.arguments)} arguments, found {len(arguments)}", where)
        preset = {name: (thing,) for name, thing in zip(body.arguments, arguments, strict=True)}
        prefix = self.prefix if _WRAPPER.fullmatch(node.name) else f"{self.prefix}{node.name}/"
        return Frame(self.model, body, nest or self.nest, prefix, self.depth + 1, preset=preset)

    def emitter(self, node: NodeInfo) -> Emitter:
        """What adds ops at the place of this node."""
        return Emitter(self.nest.builder, self.where(node), self.prefix + node.name)

    def result(self, ref: Ref, where: Where) -> Thing:
        """The thing that a reference to an imported node names. Raises ModelError for a result it does not have."""
        things = self.found[ref.node]
        port = ref.port + self._first_port(ref, where)
        if port >= len(things):
            raise ModelError(f"reads result {port} of {ref.node!r}, which has {len(things)}", where)
        return things[port]

    def _first_port(self, ref: Ref, where: Where) -> int:
        """Where the results of this name begin among all results of a node."""
        node = self.body.nodes.get(ref.node)
        if not ref.result or node is None:
            return 0
        mapping = MAPPINGS.get(node.op)
        names = mapping.results if mapping is not None else ()
        if node.op in self.model.library:
            names = self.model.library.body(node.op, where).result_names
        if not names:
            return 0
        if ref.result not in names:
            raise ModelError(f"reads {ref.result!r} of {ref.node!r}, which it does not have", where)
        return names.index(ref.result)

    def read_variable(self, variable: Variable, where: Where) -> Value:
        """The contents of a variable as a constant. Raises ModelError if the model does not hold them."""
        key = variable.key
        if key is None:
            raise ModelError(f"the model does not hold the contents of variable {variable.name!r}", where)
        return self.nest.constant(variable.name, lambda: self.model.read_variable(key))
