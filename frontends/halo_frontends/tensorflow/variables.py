"""Which variable of a SavedModel has which name in its checkpoint.

The graph itself says it: the node that restores the checkpoint reads names (`RestoreV2`) and assigns what it read to
handles, in the main graph or in a function that is given the handles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from halo_frontends.tensorflow.graph import Body, Library, NodeInfo, Ref
from halo_frontends.tensorflow.tensors import TensorReader
from halo_py.errors import ModelError, Where

_ASSIGN = frozenset({"AssignVariableOp", "Assign"})
_PASS_ON = frozenset({"Identity", "NoOp", "IdentityN"})
_MOST_STEPS = 10_000
_MOST_NODES = 1_000_000


def variable_keys(main: Body, restore: str, library: Library, tensors: TensorReader, file: str) -> dict[str, str]:
    """Handle node of the main graph -> name in the checkpoint. Raises ModelError."""
    if restore not in main.nodes:
        return {}
    found = _Restore(library, tensors, file)
    found.walk(_Call(main), restore)
    return found.keys


@dataclass(frozen=True, slots=True)
class _Call:
    """A body, and what its arguments are in the body that calls it."""

    body: Body
    caller: _Call | None = None
    arguments: Mapping[str, Ref] = field(default_factory=dict[str, Ref])

    def origin(self, ref: Ref) -> tuple[_Call, Ref]:
        """The node that a reference leads to, through arguments and nodes that pass on their operand."""
        call, here = self, ref
        for _ in range(_MOST_STEPS):
            if here.node in call.arguments and call.caller is not None:
                here, call = call.arguments[here.node], call.caller
                continue
            node = call.body.nodes.get(here.node)
            if node is None or node.op not in _PASS_ON or here.port >= len(node.inputs):
                break
            here = node.inputs[here.port]
        return call, here


class _Restore:
    def __init__(self, library: Library, tensors: TensorReader, file: str) -> None:
        self.keys: dict[str, str] = {}
        self._library = library
        self._tensors = tensors
        self._file = file
        self._names: dict[int, Sequence[str]] = {}
        self._visited = 0

    def walk(self, call: _Call, start: str, depth: int = 0) -> None:
        """Note every assignment that a node leads to, in any order that control edges allow."""
        waiting, seen = [start], set[str]()
        while waiting:
            name = waiting.pop()
            node = call.body.nodes.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            self._visited += 1
            if self._visited > _MOST_NODES:
                raise ModelError("restoring its variables takes more nodes than any model has", Where(self._file))
            waiting.extend((*(ref.node for ref in node.inputs), *node.controls))
            if node.op in _ASSIGN and len(node.inputs) == 2:
                self._assignment(call, node)
            for function in node.attributes.functions():
                self._enter(call, node, function, depth)

    def _enter(self, call: _Call, node: NodeInfo, function: str, depth: int) -> None:
        where = Where(self._file, node.name, node.op)
        if depth > 16:
            raise ModelError("functions call each other without end", where)
        body = self._library.body(function, where)
        inside = _Call(body, call, dict(zip(body.arguments, node.inputs, strict=False)))
        for entry in (*body.controls, *(ref.node for ref in body.results)):
            self.walk(inside, entry, depth + 1)

    def _assignment(self, call: _Call, node: NodeInfo) -> None:
        owner, handle = call.origin(node.inputs[0])
        maker, value = call.origin(node.inputs[1])
        source = maker.body.nodes.get(value.node)
        if owner.caller is not None or source is None or source.op != "RestoreV2":
            return
        names = self._restored(maker, source)
        if value.port < len(names):
            self.keys[handle.node] = names[value.port]

    def _restored(self, call: _Call, node: NodeInfo) -> Sequence[str]:
        """The names that a RestoreV2 reads, in the order of its results."""
        if id(node) not in self._names:
            names: list[str] = []
            if len(node.inputs) > 1:
                maker, ref = call.origin(node.inputs[1])
                source = maker.body.nodes.get(ref.node)
                if source is not None and source.op == "Const":
                    contents, _ = self._tensors.read(source.attributes.tensor("value"), source.attributes.where)
                    names = [str(name) for name in contents.reshape(-1).tolist()]
            self._names[id(node)] = names
        return self._names[id(node)]
