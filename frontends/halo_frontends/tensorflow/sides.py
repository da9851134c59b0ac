"""Which side of which condition each node of version 1 stands on."""

from __future__ import annotations

from dataclasses import dataclass

from halo_frontends.tensorflow.graph import Body, NodeInfo, Ref

_LOOPS = frozenset({"NextIteration", "RefNextIteration"})
_SWITCHES = frozenset({"Switch", "RefSwitch"})
_MERGES = frozenset({"Merge", "RefMerge"})

Side = tuple[Ref, bool]
"""A predicate and what it must be for the node to run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a Merge chooses between."""

    predicate: Ref
    otherwise: Ref
    then: Ref


class Sides:
    """The sides of all nodes of one body, worked out once."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._found: dict[str, frozenset[Side]] = {}
        for name in body.nodes:
            self._work_out(name)

    def choice(self, merge: NodeInfo) -> Choice | None:
        """The predicate whose two sides meet in a Merge; None if there is none."""
        if len(merge.inputs) != 2:
            return None
        left, right = (self._of(ref) for ref in merge.inputs)
        for predicate, side in sorted(left, key=str):
            if (predicate, not side) in right:
                otherwise, then = merge.inputs if not side else merge.inputs[::-1]
                return Choice(predicate, otherwise, then)
        return None

    def _of(self, ref: Ref) -> frozenset[Side]:
        node = self._body.nodes.get(ref.node)
        sides = self._found.get(ref.node, frozenset())
        if node is not None and node.op in _SWITCHES and len(node.inputs) == 2:
            return sides | {(self._predicate(node.inputs[1]), self._port(ref) == 1)}
        return sides

    def _port(self, ref: Ref) -> int:
        return 1 if ref.result == "output_true" else ref.port

    def _predicate(self, ref: Ref) -> Ref:
        """A predicate as its first maker: it may be passed on by identities."""
        for _ in range(1000):
            node = self._body.nodes.get(ref.node)
            if node is None or node.op != "Identity" or not node.inputs:
                break
            ref = node.inputs[0]
        return ref

    def _work_out(self, name: str) -> None:
        """The sides of a node from those of what it reads, without recursion."""
        waiting, open_now = [name], set[str]()
        while waiting:
            current = waiting[-1]
            node = self._body.nodes.get(current)
            if current in self._found or node is None or node.op in _LOOPS:
                self._found.setdefault(current, frozenset())
                waiting.pop()
                continue
            sources = [*(ref.node for ref in node.inputs), *node.controls]
            missing = [source for source in sources if source not in self._found]
            if missing and current not in open_now:
                open_now.add(current)
                waiting.extend(missing)
                continue
            self._found[current] = self._combined(node)
            waiting.pop()

    def _combined(self, node: NodeInfo) -> frozenset[Side]:
        found: set[Side] = set()
        for ref in (*node.inputs, *(Ref(name) for name in node.controls)):
            found |= self._of(ref) if ref in node.inputs else self._found.get(ref.node, frozenset())
        if node.op in _MERGES:
            found = {(predicate, side) for predicate, side in found if (predicate, not side) not in found}
        return frozenset(found)
