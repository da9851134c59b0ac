"""Rewrites written as the code they match and the code they make.

    def match(op: Code, x: Pattern) -> Pattern:
        return op.Mul(x, op.Sigmoid(x))

    def make(op: Maker, x: Value) -> Value:
        return op.Swish(x)

    SWISH = rewrite(match, make)          # a rule for nodes of kind Mul

Ops go by their ONNX names. Operands of commutative ops match in either order; a number matches a constant whose
elements all equal it (within `SCALAR_TOLERANCE`: exporters round); `op.number("c")` matches any such constant, and
`make` gets it as a Value. The nodes inside a match, other than its root, must be read by nothing outside it.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from halo_py.ir.graph import Node, Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.ir.rewrite import Rewriter, Rule, kind_of
from halo_py.types import TensorType

SCALAR_TOLERANCE = 1e-4
"""Relative: exporters print sqrt(2) as 1.4142 and 2/pi as 0.7979."""

COMMUTATIVE = frozenset(["Add", "Mul", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal"])


def onnx_op(name: str, **attributes: Any) -> Op:
    """The registered op of this ONNX name."""
    return REGISTRY.by_onnx["", name](**attributes)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A value to match: an op applied to patterns, a named variable, or a number.

    `alternatives` are patterns of which one must match.
    """

    kind: str = ""
    operands: tuple[Pattern | float, ...] = ()
    attributes: tuple[tuple[str, object], ...] = ()
    variable: str = ""
    scalar: bool = False
    alternatives: tuple[Pattern, ...] = ()


class Code:
    """Builds patterns: `op.Mul(x, 2.0)`."""

    def __getattr__(self, kind: str) -> Callable[..., Pattern]:
        def apply(*operands: Pattern | float, **attributes: object) -> Pattern:
            return Pattern(kind, operands, tuple(attributes.items()))

        return apply

    def number(self, name: str) -> Pattern:
        """Any constant whose elements are all equal."""
        return Pattern(variable=name, scalar=True)

    def either(self, *alternatives: Pattern) -> Pattern:
        """Any one of these."""
        return Pattern(alternatives=alternatives)


@dataclass
class Maker:
    """Builds nodes: `op.Swish(x, alpha=1.0)`; numbers become scalar constants of the first operand's type."""

    rewriter: Rewriter
    matched: tuple[Node, ...]

    def __getattr__(self, kind: str) -> Callable[..., Value]:
        def apply(*operands: Value | float | None, **attributes: Any) -> Value:
            typed = next(value for value in operands if isinstance(value, Value))
            values = [self.rewriter.like(item, typed) if isinstance(item, float | int) else item for item in operands]
            return self.rewriter.apply(onnx_op(kind, **attributes), values, self.matched)

        return apply


@dataclass
class Match:
    """What the variables of a pattern stand for, and the nodes inside the match, root last."""

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    nodes: dict[Value, Node] = field(default_factory=dict[Value, Node])

    def copy(self) -> Match:
        """A copy, for alternatives."""
        return Match(dict(self.values), dict(self.nodes))


def rewrite(match: Callable[..., Pattern], make: Callable[..., Value | None]) -> list[tuple[str, Rule]]:
    """The rule, with the kind of its root node; one for each alternative at the root.

    `make` may answer None to leave the match alone.
    """
    names = list(inspect.signature(match).parameters)[1:]
    pattern = match(Code(), *[Pattern(variable=name) for name in names])
    return [(root.kind, _rule(root, make)) for root in pattern.alternatives or (pattern,)]


def _rule(pattern: Pattern, make: Callable[..., Value | None]) -> Rule:
    def rule(rewriter: Rewriter, node: Node) -> bool:
        found = match_node(rewriter, pattern, node)
        if found is None:
            return False
        result = make(Maker(rewriter, tuple(found.nodes.values())), **found.values)
        if result is None:
            return False
        if result.type != node.outputs[0].type:
            rewriter.erase_value(result)
            return False
        rewriter.replace(node, result)
        return True

    rule.__name__ = f"rewrite_{make.__name__}"
    return rule


def rules_of(*rewrites: list[tuple[str, Rule]]) -> dict[str, list[Rule]]:
    """A table of rules, by kind of root, in this order."""
    table: dict[str, list[Rule]] = {}
    for kind, rule in itertools.chain(*rewrites):
        table.setdefault(kind, []).append(rule)
    return table


def match_node(rewriter: Rewriter, pattern: Pattern, node: Node) -> Match | None:
    """The first way in which a pattern matches at a node, if its inner nodes are read inside only."""
    for found in _match_node(rewriter, pattern, node, Match()):
        if is_closed(rewriter, found.nodes.values(), node):
            return found
    return None


def is_closed(rewriter: Rewriter, nodes: Collection[Node], root: Node) -> bool:
    """Whether nothing outside `nodes` reads what they make, other than the results of `root`."""
    inside = {id(node) for node in nodes}
    for node in nodes:
        if node is root:
            continue
        for value in node.outputs:
            if rewriter.is_result(value) or any(id(user) not in inside for user in rewriter.users(value)):
                return False
    return True


def _match_node(rewriter: Rewriter, pattern: Pattern, node: Node, found: Match) -> Iterator[Match]:
    if kind_of(node) != pattern.kind or len(node.inputs) < len(pattern.operands):
        return
    if any(value is not None for value in node.inputs[len(pattern.operands) :]):
        return
    if any(getattr(node.op, name) != wanted for name, wanted in pattern.attributes):
        return
    orders: list[Sequence[Value | None]] = [node.inputs]
    if pattern.kind in COMMUTATIVE and len(node.inputs) == 2:
        orders.append(node.inputs[::-1])
    for order in orders:
        for match in _match_operands(rewriter, pattern.operands, order, found):
            final = match.copy()
            final.nodes[node.outputs[0]] = node
            yield final


def _match_operands(
    rewriter: Rewriter, patterns: Sequence[Pattern | float], values: Sequence[Value | None], found: Match
) -> Iterator[Match]:
    if not patterns:
        yield found
        return
    for match in _match_value(rewriter, patterns[0], values[0], found):
        yield from _match_operands(rewriter, patterns[1:], values[1:], match)


def _match_value(rewriter: Rewriter, pattern: Pattern | float, value: Value | None, found: Match) -> Iterator[Match]:
    if value is None:
        return
    if not isinstance(pattern, Pattern):
        if is_number(rewriter, value, pattern):
            yield found
    elif pattern.alternatives:
        for alternative in pattern.alternatives:
            yield from _match_value(rewriter, alternative, value, found)
    elif pattern.variable:
        bound = found.values.get(pattern.variable)
        fits = bound is value if bound is not None else not pattern.scalar or rewriter.scalar(value) is not None
        if fits:
            match = found.copy()
            match.values[pattern.variable] = value
            yield match
    else:
        node = rewriter.producer(value)
        if node is not None and node.outputs[0] is value:
            yield from _match_node(rewriter, pattern, node, found)


def is_number(rewriter: Rewriter, value: Value | None, wanted: float) -> bool:
    """Whether a value is a constant all of whose elements equal this number, as exporters print it."""
    number = rewriter.scalar(value)
    return number is not None and math.isclose(number, wanted, rel_tol=SCALAR_TOLERANCE)


def static_shape(value: Value | None) -> tuple[int, ...] | None:
    """The shape of a value if it is a tensor of known shape."""
    if value is None or not isinstance(value.type, TensorType) or not value.type.is_static:
        return None
    return value.type.static_shape
