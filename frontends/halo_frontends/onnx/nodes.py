"""Nodes to graph nodes: upgraded, inlined where they are functions or decided branches, refused where unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from halo_frontends.importer import Refusals, make_op
from halo_frontends.onnx.attributes import AttributeValue, attribute_value, referenced
from halo_frontends.onnx.control import Bodies, Misfit, build_branches, build_loop, build_scan
from halo_frontends.onnx.draft import Draft
from halo_frontends.onnx.expansions import expanded, refusal
from halo_frontends.onnx.functions import (
    DEFAULT_DOMAIN,
    Body,
    Functions,
    canonical_domain,
    opset_versions,
    standard_body,
)
from halo_frontends.onnx.ordering import in_order, node_name
from halo_frontends.onnx.proto import AttributeProto, GraphProto
from halo_frontends.onnx.scan8 import build_scan_of_batch
from halo_frontends.onnx.scope import Scope
from halo_frontends.onnx.sequence_map import build_sequence_map
from halo_frontends.onnx.upgrade import upgrade
from halo_py.errors import ModelError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops.control import Require

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import NodeProto
    from halo_frontends.onnx.tensors import TensorReader

MOST_NODES = 300_000
"""Functions that unfold into more nodes than this are refused: a few lines could otherwise mean any number."""
_DEEPEST_FUNCTIONS = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """Where nodes are imported to: the names they see, their operator sets, the enclosing function's attributes."""

    scope: Scope
    opsets: Mapping[str, int]
    attributes: Mapping[str, AttributeProto]
    prefix: str = ""
    depth: int = 0


class NodeImporter:
    """Imports node lists of one model. Everything it refuses is in `refusals`."""

    def __init__(self, tensors: TensorReader, functions: Functions, file: str) -> None:
        self.refusals = Refusals(file)
        self._tensors = tensors
        self._functions = functions
        self._file = file

    def graph(self, frame: Frame, graph: GraphProto) -> list[Value]:
        """A graph's initialisers and nodes; answers the values of its outputs. Raises ModelError, UnsupportedError."""
        scope = frame.scope
        for tensor in graph.initializer:
            scope.add_initialiser(tensor.name, lambda t=tensor: (self._tensors.read(t), self._tensors.dtype(t)))
        for sparse in graph.sparse_initializer:
            values = sparse.values
            scope.add_initialiser(
                values.name, lambda s=sparse: (self._tensors.read_sparse(s), self._tensors.dtype(s.values))
            )
        self.nodes(frame, graph.node)
        place = Where(self._file)
        return [self._read(scope, entry.name, place) for entry in graph.output]

    def nodes(self, frame: Frame, nodes: Sequence[NodeProto]) -> None:
        """A list of nodes, in topological order whatever order they stand in."""
        for node in in_order(nodes, frame.scope.defines, self._file):
            self._node(frame, node)

    # -- one node ---------------------------------------------------------------------------------------------

    def _node(self, frame: Frame, node: NodeProto) -> None:
        domain = canonical_domain(node.domain)
        where = Where(
            self._file, frame.prefix + node_name(node), f"{domain}.{node.op_type}" if domain else node.op_type
        )
        given = referenced(node.attribute, frame.attributes)
        draft = self._draft(frame, node, given, where)
        body = self._functions.local_body(node, given)
        if body is not None:
            self._bind(frame, draft, self._inline(frame, body, draft))
        elif domain != DEFAULT_DOMAIN:
            self._bind(frame, draft, self._foreign(frame, node, replace(draft, domain=domain), given))
        else:
            self._bind(frame, draft, self._standard(frame, node, draft, given))

    def _draft(self, frame: Frame, node: NodeProto, given: Mapping[str, AttributeProto], where: Where) -> Draft:
        scope = frame.scope
        inputs = [None if not name or scope.is_absent(name) else self._read(scope, name, where) for name in node.input]
        while inputs and inputs[-1] is None:
            inputs.pop()
        outputs = list(node.output)
        while outputs and not outputs[-1]:
            outputs.pop()
        attributes: dict[str, AttributeValue] = {}
        for name, attribute in given.items():
            value = attribute_value(attribute, self._tensors, where)
            if not isinstance(value, GraphProto):
                attributes[name] = value
        return Draft(node.op_type, tuple(inputs), tuple(outputs) or ("",), attributes, where.node or "", where)

    def _read(self, scope: Scope, name: str, where: Where) -> Value:
        value = scope.find(name)
        if value is None:
            raise ModelError(f"reads the value {name!r}, which nothing makes", where)
        return value

    def _bind(self, frame: Frame, draft: Draft, results: Sequence[Value]) -> None:
        for name, value in zip(draft.outputs, results, strict=False):
            if name:
                frame.scope.bind(name, value, draft.where)

    def _standard(
        self, frame: Frame, node: NodeProto, draft: Draft, given: Mapping[str, AttributeProto]
    ) -> Sequence[Value]:
        """A node of the default domain."""
        if draft.op == "Constant":
            return [self._constant(frame, draft)]
        version = frame.opsets.get(DEFAULT_DOMAIN, 0)
        graphs = [given[name].g for name in ("then_branch", "else_branch", "body") if name in given]
        if draft.op == "Scan" and version < 9 and len(graphs) == 1:
            return self._with_bodies(frame, *build_scan_of_batch(draft, graphs[0], frame.scope, self._nested(frame)))
        if draft.op == "SequenceMap" and len(graphs) == 1:
            return build_sequence_map(draft, graphs[0], frame.scope, self._nested(frame))
        newest = upgrade(draft, version, GraphMaker(self, frame))
        if isinstance(newest, tuple):
            return newest
        if newest.op == "If" and len(graphs) == 2:
            return self._if(frame, newest, graphs)
        if (DEFAULT_DOMAIN, newest.op) in REGISTRY.by_onnx:
            bodies = self._bodies(frame, newest, graphs)
            if bodies is not None:
                return self._with_bodies(frame, newest, bodies)
            return self.add(frame, newest)
        body = standard_body(node, draft, given, version)
        if body is not None:
            return self._inline(frame, body, draft)
        made = expanded(newest, GraphMaker(self, frame))
        return self.add(frame, made) if isinstance(made, Draft) else made

    def _foreign(
        self, frame: Frame, node: NodeProto, draft: Draft, given: Mapping[str, AttributeProto]
    ) -> Sequence[Value]:
        """A node of another domain: registered ops, expansions and functions are known there."""
        made = expanded(draft, GraphMaker(self, frame))
        if not isinstance(made, Draft):
            return made
        if (made.domain, made.op) not in REGISTRY.by_onnx:
            body = standard_body(node, draft, given, frame.opsets.get(draft.domain, 0))
            if body is not None:
                return self._inline(frame, body, draft)
        return self.add(frame, made)

    # -- constants --------------------------------------------------------------------------------------------

    def _constant(self, frame: Frame, draft: Draft) -> Value:
        if len(draft.attributes) != 1:
            raise ModelError("a Constant has exactly one of its value attributes", draft.where)
        ((kind, value),) = draft.attributes.items()
        match kind:
            case "value" | "sparse_value":
                contents = np.asarray(value)
            case "value_float" | "value_floats":
                contents = np.asarray(value, np.float32)
            case "value_int" | "value_ints":
                contents = np.asarray(value, np.int64)
            case "value_string" | "value_strings":
                contents = np.asarray(value, object)
            case _:
                raise ModelError(f"a Constant has no attribute {kind!r}", draft.where)
        return frame.scope.builder.constant(contents, draft.outputs[0] or draft.name)

    # -- control flow -----------------------------------------------------------------------------------------

    def _if(self, frame: Frame, draft: Draft, graphs: Sequence[GraphProto]) -> Sequence[Value]:
        """A branch whose condition is known replaces the node."""
        condition = frame.scope.builder.known(draft.value(0))
        if condition is not None and condition.size == 1:
            branch = graphs[0] if bool(condition.reshape(-1)[0]) else graphs[1]
            inside = replace(frame, scope=Scope(frame.scope.builder, frame.scope))
            return self.graph(inside, branch)
        bodies = build_branches(draft, graphs, frame.scope, self._nested(frame))
        if isinstance(bodies, Misfit):
            return self._only_branch(frame, draft, graphs, bodies)
        return self._with_bodies(frame, draft, bodies)

    def _only_branch(self, frame: Frame, draft: Draft, graphs: Sequence[GraphProto], misfit: Misfit) -> Sequence[Value]:
        """The branch that fits in place of the node; a run whose condition asks for the other one fails."""
        inside = replace(frame, scope=Scope(frame.scope.builder, frame.scope))
        results = self.graph(inside, graphs[1 - misfit.number])
        name = ("then_branch", "else_branch")[misfit.number]
        message = (
            f"{draft.where}: its condition asks for the {name}, which does not fit the given shapes: {misfit.error}"
        )
        op = Require(message, 1 - misfit.number)
        return [
            frame.scope.builder.add(op, (draft.value(0), value), outputs=(output,), name=output, where=draft.where)[0]
            for value, output in zip(results, draft.outputs, strict=False)
        ]

    def _with_bodies(self, frame: Frame, draft: Draft, bodies: Bodies) -> Sequence[Value]:
        """A node with nested graphs; what they capture stands after its own operands."""
        inputs = (*draft.inputs, *bodies.captured)
        return self.add(frame, draft.reading(*inputs).setting(captured=len(bodies.captured)), bodies)

    def _bodies(self, frame: Frame, draft: Draft, graphs: Sequence[GraphProto]) -> Bodies | None:
        if draft.op == "Loop" and graphs:
            return build_loop(draft, graphs[0], frame.scope, self._nested(frame))
        if draft.op == "Scan" and graphs:
            return build_scan(draft, graphs[0], frame.scope, self._nested(frame))
        if graphs or draft.op in ("If", "Loop", "Scan"):
            raise ModelError(f"has {len(graphs)} nested graphs", draft.where)
        return None

    def _nested(self, frame: Frame):
        def import_nodes(scope: Scope, graph: GraphProto) -> list[Value]:
            return self.graph(replace(frame, scope=scope), graph)

        return import_nodes

    # -- functions --------------------------------------------------------------------------------------------

    def _inline(self, frame: Frame, body: Body, draft: Draft) -> Sequence[Value]:
        """The nodes of a function in place of a call to it."""
        function, where = body.function, draft.where
        if frame.depth >= _DEEPEST_FUNCTIONS:
            raise ModelError("functions call each other without end", where)
        scope = Scope(frame.scope.builder, frame.scope if body.sees_caller else None)
        for name, value in zip_longest(function.input, draft.inputs[: len(function.input)]):
            if value is None:
                scope.bind_absent(name)
            else:
                scope.bind(name, value, where)
        opsets = {**frame.opsets, **opset_versions(function)}
        inside = Frame(scope, opsets, body.attributes, f"{draft.name}/", frame.depth + 1)
        self.nodes(inside, function.node)
        return [self._read(scope, name, where) for name, _ in zip(function.output, draft.outputs, strict=False)]

    # -- adding to the graph ----------------------------------------------------------------------------------

    def add(self, frame: Frame, draft: Draft, bodies: Bodies | None = None) -> tuple[Value, ...]:
        """A node in the newest form. Raises UnsupportedError if there is no such op."""
        cls = REGISTRY.by_onnx.get((draft.domain, draft.op))
        if cls is None:
            name = f"{draft.domain}.{draft.op}" if draft.domain else draft.op
            self.refusals.add(name, draft.name, refusal(draft.domain, draft.op))
            raise self.refusals.error()
        return self._add(draft, cls, frame.scope.builder, bodies)

    def _add(
        self, draft: Draft, cls: type[Op], builder: GraphBuilder, bodies: Bodies | None = None
    ) -> tuple[Value, ...]:
        attributes: dict[str, AttributeValue] = dict(draft.attributes)
        if bodies is not None:
            attributes["captured"] = len(bodies.captured)
        op = make_op(cls, attributes, draft.where)
        graphs = bodies.graphs if bodies is not None else ()
        return builder.add(op, draft.inputs, outputs=draft.outputs, name=draft.name, bodies=graphs, where=draft.where)


@dataclass(frozen=True, slots=True)
class GraphMaker:
    """Adds what upgrade rules ask for."""

    importer: NodeImporter
    frame: Frame

    @property
    def builder(self) -> GraphBuilder:
        """The builder of the graph that the node goes into."""
        return self.frame.scope.builder

    def find(self, name: str) -> Value | None:
        """The value of this name where the node stands, None if there is none."""
        return self.frame.scope.find(name)

    def make(self, op: str, inputs: Sequence[Value | None], like: Draft, **attributes: AttributeValue) -> Value:
        """The first result of an added node that stands at the place of `like`."""
        return self.make_several(op, inputs, like, 1, **attributes)[0]

    def make_several(
        self, op: str, inputs: Sequence[Value | None], like: Draft, count: int, **attributes: AttributeValue
    ) -> tuple[Value, ...]:
        """The first `count` results of such a node."""
        domain, _, kind = op.rpartition(".")
        name = f"{like.name}.{kind}"
        outputs = (name, *(f"{name}:{number}" for number in range(1, count)))
        return self.importer.add(self.frame, Draft(kind, tuple(inputs), outputs, attributes, name, like.where, domain))

    def finish(
        self, op: str, inputs: Sequence[Value | None], like: Draft, **attributes: AttributeValue
    ) -> tuple[Value, ...]:
        """The results of an added node that takes over the output names of `like`."""
        domain, _, kind = op.rpartition(".")
        return self.importer.add(
            self.frame, Draft(kind, tuple(inputs), like.outputs, attributes, like.name, like.where, domain)
        )
