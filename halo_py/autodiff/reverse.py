"""Reverse-mode differentiation over graphs: from a result back to values, node by node, adding what each rule writes.

Source of the method: S. Linnainmaa, 1976, "Taylor expansion of the accumulated rounding error".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from halo_py.autodiff.registry import Formula, Gradients, rule_of
from halo_py.autodiff.terms import Term, Writer, total
from halo_py.errors import NOWHERE, UnsupportedError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.op import Op
from halo_py.types import TensorType

if TYPE_CHECKING:
    Numbers = NDArray[Any]


MOST_NODES = 1_000_000
"""Gradients of gradients multiply a graph: one that grows beyond this is refused."""


@dataclass(frozen=True, slots=True)
class Backward:
    """A node on the way back, as its rule sees it: operands, results and the gradients of the results."""

    node: Node
    writer: Writer
    gradients: tuple[Term | None, ...]
    """Of every result; None where nothing depends on it."""
    wanted: tuple[bool, ...]
    """Which operands' gradients are asked for."""

    def __len__(self) -> int:
        return len(self.node.inputs)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def x(self, index: int = 0) -> Term:
        """Operand `index`, which must be given."""
        value = self.node.inputs[index]
        assert value is not None
        return self.writer.term(value)

    def optional(self, index: int) -> Term | None:
        """Operand `index`, None if it is omitted."""
        return self.x(index) if self.has(index) else None

    def y(self, index: int = 0) -> Term:
        """Result `index`."""
        return self.writer.term(self.node.outputs[index])

    def g(self, index: int = 0) -> Term:
        """The gradient of result `index`: zeros if nothing depends on it."""
        found = self.gradients[index]
        if found is not None:
            return found
        result = self.y(index)
        return self.writer.number(0, result.dtype).expanded_like(result)

    def known(self, index: int) -> Numbers | None:
        """The contents of operand `index` if they are known."""
        value = self.node.inputs[index] if self.has(index) else None
        return None if value is None else self.writer.builder.known(value)

    def known_ints(self, index: int) -> tuple[int, ...]:
        """The contents of an integer operand. Raises UnsupportedError if they are not known."""
        found = self.known(index)
        if found is None:
            raise self.error(f"the gradient needs operand {index} to be constant")
        return tuple(int(number) for number in found.reshape(-1))

    def error(self, message: str) -> UnsupportedError:
        """An error that names this node."""
        return UnsupportedError(message, self.writer.where)

    def to(self, *makers: Callable[[], Term] | None) -> Gradients:
        """The gradients of the first operands, each made only if it is wanted; None makes none."""
        return [
            maker() if maker is not None and index < len(self.wanted) and self.wanted[index] else None
            for index, maker in enumerate(makers)
        ]

    def through(self, formula: Formula, op: Op) -> Gradients:
        """The gradients of the operands through results that a formula writes anew in other ops."""
        first = len(self.writer.builder.nodes)
        results = formula(self, op)
        seeds: dict[Value, Term] = {}
        for made, found in zip(results, self.gradients, strict=False):
            if made is not None and found is not None:
                seeds[made.value] = found.fitted(made) if made.value not in seeds else seeds[made.value] + found
        operands = [value for value, wanted in zip(self.node.inputs, self.wanted, strict=True) if value and wanted]
        found = backpropagated(self.writer.builder, self.writer.builder.nodes[first:], seeds, operands)
        # A value that is two operands gets its whole gradient as the first of them.
        given: set[Value] = set()
        gradients: list[Term | None] = []
        for value in self.node.inputs:
            gradients.append(None if value is None or value in given else found.get(value))
            given.update([value] if value is not None else [])
        return gradients


def gradients(
    builder: GraphBuilder,
    y: Value,
    xs: Sequence[Value],
    *,
    seed: Value | None = None,
    fixed: Iterable[Value] = (),
    where: Where = NOWHERE,
) -> tuple[Value, ...]:
    """Adds nodes for the gradient of `y`, or of the sum of its elements, with respect to every one of `xs`.

    `seed` (of y's shape) weighs the elements of y. `xs` and `fixed` count as independent variables, even where they
    are results of nodes. A gradient has the type of its value; it is zero where y does not depend on the value.

    Raises UnsupportedError that lists the operators on the way that have no gradient.
    """
    writer = Writer(builder, where, f"{y.name}.gradient")
    result = writer.term(y)
    start = writer.number(1, result.dtype).expanded_like(result) if seed is None else writer.term(seed)
    found = backpropagated(builder, tuple(builder.nodes), {y: start}, xs, fixed)
    made: list[Value] = []
    for x in xs:
        term = writer.term(x)
        made.append(found[x].value if x in found else writer.number(0, term.dtype).expanded_like(term).value)
    return tuple(made)


def with_gradients(graph: Graph, y: Value, xs: Sequence[Value], names: Sequence[str] = ()) -> Graph:
    """The graph with the gradients of `y` with respect to `xs` as further outputs (named `d<y>/d<x>` by default).

    Raises UnsupportedError.
    """
    builder = GraphBuilder.reopen(graph)
    made = gradients(builder, y, xs)
    added = tuple(names) or tuple(f"d{y.name}/d{x.name}" for x in xs)
    return builder.finish((*graph.outputs, *made), (*graph.output_names, *added))


def backpropagated(
    builder: GraphBuilder,
    nodes: Sequence[Node],
    seeds: Mapping[Value, Term],
    xs: Sequence[Value],
    fixed: Iterable[Value] = (),
) -> dict[Value, Term]:
    """The gradients of `xs`, given those of other values, through `nodes` (in topological order).

    Values that nothing depends on have no entry.
    """
    way = _Way(tuple(nodes), frozenset(seeds), frozenset(xs), frozenset(fixed))
    way.check()
    collected: dict[Value, list[Term]] = {value: [term] for value, term in seeds.items()}
    for node in reversed(way.nodes):
        if way.is_on(node):
            _step(builder, node, way, collected)
    return {x: total(collected[x]) for x in xs if x in collected}


def _step(builder: GraphBuilder, node: Node, way: _Way, collected: dict[Value, list[Term]]) -> None:
    """One node back: the gradients of its operands are added to what is collected."""
    found = [collected.get(value) if value not in way.stops else None for value in node.outputs]
    if not any(found):
        return
    if len(builder.nodes) > MOST_NODES:
        raise UnsupportedError(f"the gradient has more than {MOST_NODES} nodes", node.where)
    writer = Writer(builder, node.where, f"{node.name}.gradient")
    wanted = tuple(value is not None and value in way.active for value in node.inputs)
    at = Backward(node, writer, tuple(None if terms is None else total(terms) for terms in found), wanted)
    rule = rule_of(node.op)
    assert rule is not None
    for value, term in zip(node.inputs, rule(at, node.op), strict=False):
        if value is not None and term is not None and value in way.active:
            operand = writer.term(value)
            collected.setdefault(value, []).append(term.fitted(operand).cast(operand.dtype))


@dataclass(slots=True)
class _Way:
    """What lies between values and results: `active` values depend on one of `xs`, `needed` ones lead to a result."""

    nodes: tuple[Node, ...]
    results: frozenset[Value]
    xs: frozenset[Value]
    fixed: frozenset[Value]
    active: set[Value] = field(default_factory=set["Value"])
    needed: set[Value] = field(default_factory=set["Value"])

    def __post_init__(self) -> None:
        self.active.update(self.xs)
        for node in self.nodes:
            if not self.active.isdisjoint(node.inputs):
                self.active.update(value for value in node.outputs if _is_float(value) and value not in self.fixed)
        self.needed.update(self.results)
        for node in reversed(self.nodes):
            if any(value in self.needed and value not in self.stops for value in node.outputs):
                self.needed.update(value for value in node.inputs if value is not None)

    @property
    def stops(self) -> frozenset[Value]:
        """Values that count as independent variables."""
        return self.xs | self.fixed

    def is_on(self, node: Node) -> bool:
        """Whether a gradient may flow through a node."""
        through = any(
            value in self.needed and value in self.active and value not in self.stops for value in node.outputs
        )
        return through and not self.active.isdisjoint(node.inputs)

    def check(self) -> None:
        """Raises UnsupportedError that lists the operators on the way that have no gradient."""
        missing = [node for node in self.nodes if self.is_on(node) and rule_of(node.op) is None]
        if not missing:
            return
        counts = Counter(node.op.declaration.onnx or node.op.kind for node in missing)
        lines = [f"{len(counts)} operator{'s have' if len(counts) > 1 else ' has'} no gradient"]
        lines += [f"  {name}: {count} node{'s' if count > 1 else ''}" for name, count in counts.most_common()]
        raise UnsupportedError("\n".join(lines), missing[0].where)


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float
