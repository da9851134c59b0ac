"""Looks over all that a model's outputs depend on, functions included: operators, and what would be refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from halo_frontends.importer import Refusals
from halo_frontends.tensorflow.dtypes import STRING
from halo_frontends.tensorflow.files import TensorflowFile
from halo_frontends.tensorflow.frame import MOST_NODES
from halo_frontends.tensorflow.graph import Body, NodeInfo, Ref
from halo_frontends.tensorflow.operation import MAPPINGS
from halo_frontends.tensorflow.ports import Ports
from halo_py.errors import ModelError

_STATE = "changes a variable: state that outlives a run is not supported"
_TABLE = "hash tables are not supported"
_STRINGS = "works on strings"
_SPARSE = "sparse tensors are not supported"
_RANDOM = "random numbers are not supported"

ASSIGNMENTS = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp", "Assign", "AssignAdd"})
"""Operators that change a variable."""
PARTS_OF_LOOPS = frozenset({"Enter", "RefEnter", "NextIteration", "RefNextIteration"})
"""Operators that are imported with the loop they belong to."""
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def reason(node: NodeInfo) -> str | None:
    """Why a node cannot be imported; None if it can."""
    op = node.op
    if op in ASSIGNMENTS:
        return _STATE
    if "Table" in op:
        return _TABLE
    if op.startswith(("String", "Regex", "Decode", "Encode")) or (op in MAPPINGS and _holds_text(node)):
        return _STRINGS
    if op in MAPPINGS or op in PARTS_OF_LOOPS:
        return None
    if op.startswith("Sparse"):
        return _SPARSE
    if op.startswith(("Random", "StatelessRandom", "TruncatedNormal", "Multinomial", "ParameterizedTruncated")):
        return _RANDOM
    return "unknown operator"


def _holds_text(node: NodeInfo) -> bool:
    for name in ("T", "dtype", "Tparams", "DstT", "SrcT"):
        if name in node.attributes.found:
            value = node.attributes.found[name]
            if value.WhichOneof("value") == "type" and value.type == STRING:
                return True
    return False


@dataclass(slots=True)
class Survey:
    """What was found: every operator with its count, and what would be refused."""

    ops: Counter[str] = field(default_factory=Counter[str])
    refused: Refusals = field(default_factory=lambda: Refusals(""))
    constants: list[NodeInfo] = field(default_factory=list[NodeInfo])
    variables: list[str] = field(default_factory=list[str])
    changes_state: bool = False
    nodes: int = 0
    """How many nodes there are once every call is replaced by the nodes of its function."""


def survey(file: TensorflowFile, ports: Ports) -> Survey:
    """Everything between the ports. Raises ModelError for functions without end."""
    found = Survey(refused=Refusals(str(file.path)))
    walk = _Walk(file, found)
    ends = {entry.ref.node for entry in ports.inputs}
    found.nodes = walk.body(file.body, [entry.ref for entry in ports.outputs], ends)
    return found


class _Walk:
    def __init__(self, file: TensorflowFile, found: Survey) -> None:
        self._file = file
        self._found = found
        self._unfolded: dict[str, int] = {}
        self._open: list[str] = []

    def body(self, body: Body, results: Sequence[Ref], ends: set[str]) -> int:
        """Note every node that results depend on; answers how many there are with their functions unfolded."""
        total = 0
        for node in self._reached(body, results, ends):
            total += 1
            if node.op not in self._file.library:
                self._found.ops[node.op] += 1
                self._found.changes_state |= node.op in ASSIGNMENTS
                if node.op == "Const":
                    self._found.constants.append(node)
                elif node.op in _VARIABLES:
                    self._found.variables.append(node.name)
                why = reason(node)
                if why is not None:
                    self._found.refused.add(node.op, node.name, why)
            names = [*node.attributes.functions(), *([node.op] if node.op in self._file.library else [])]
            total += sum(self._function(name, node) for name in names if name in self._file.library)
            if total > MOST_NODES:
                raise ModelError(f"its functions unfold into more than {MOST_NODES} nodes", self._file.place)
        return total

    def _reached(self, body: Body, results: Sequence[Ref], ends: set[str]) -> Iterator[NodeInfo]:
        """Nodes that results depend on, and those that must run too and change what these read.

        A variable that only its own assignment reads (the seed of an unused dropout layer) changes no result.
        """
        waiting, seen, read = [ref.node for ref in results], set(ends), set[str]()
        while waiting:
            name = waiting.pop()
            node = body.nodes.get(name)
            if name in seen or node is None:
                continue
            seen.add(name)
            yield node
            sources = [ref.node for ref in node.inputs]
            read.update(sources)
            waiting.extend(sources)
        for name in body.controls:
            node = body.nodes.get(name)
            if name in seen or node is None or node.op not in ASSIGNMENTS:
                continue
            if node.inputs and node.inputs[0].node in read:
                yield node

    def _function(self, name: str, caller: NodeInfo) -> int:
        """How many nodes a function unfolds into; it is looked over once."""
        if name in self._open:
            raise ModelError("functions call each other without end", self._file.place)
        if name not in self._unfolded:
            self._open.append(name)
            body = self._file.library.body(name, caller.attributes.where)
            self._unfolded[name] = self.body(body, body.results, set())
            self._open.pop()
        return self._unfolded[name]
