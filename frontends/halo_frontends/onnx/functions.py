"""Function bodies: those a model brings along, and those the ONNX standard gives for composite operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_frontends.onnx.draft import Draft
from halo_frontends.onnx.proto import AttributeProto, FunctionProto, NodeProto, TypeProto
from halo_frontends.onnx.schemas import defaults, find_schema
from halo_py.types import OptionalType, SequenceType, TensorType, Type

if TYPE_CHECKING:
    from halo_frontends.onnx.proto import ModelProto

DEFAULT_DOMAIN = ""


def all_nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    """These nodes and those of their nested graphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_nodes(attribute.g.node)
            for graph in attribute.graphs:
                yield from all_nodes(graph.node)


def canonical_domain(domain: str) -> str:
    """The default domain has two spellings."""
    return DEFAULT_DOMAIN if domain == "ai.onnx" else domain


def opset_versions(model: ModelProto | FunctionProto) -> dict[str, int]:
    """Domain -> version of the operator sets that a model or function imports."""
    return {canonical_domain(entry.domain): entry.version for entry in model.opset_import}


@dataclass(frozen=True, slots=True)
class Body:
    """A function to inline: its body and the attributes it is called with."""

    function: FunctionProto
    attributes: Mapping[str, AttributeProto]
    sees_caller: bool = False
    """Whether its nested graphs may read names of the graph that calls it (those that the call brought along)."""


class Functions:
    """The functions of one model, and the standard's."""

    def __init__(self, model: ModelProto) -> None:
        self._local = {(canonical_domain(entry.domain), entry.name, entry.overload): entry for entry in model.functions}

    def local(self, node: NodeProto) -> FunctionProto | None:
        """The model's own function that this node calls."""
        return self._local.get((canonical_domain(node.domain), node.op_type, node.overload))

    def unfolded(self, nodes: Iterable[NodeProto]) -> int:
        """How many nodes these are once every call of the model's functions is replaced by its body.

        Functions that call themselves count as if they did not; inlining refuses them.
        """
        known: dict[int, int] = {}

        def count(node: NodeProto) -> int:
            function = self.local(node)
            if function is None:
                return 1
            if id(function) not in known:
                known[id(function)] = 1
                known[id(function)] = 1 + sum(count(inner) for inner in all_nodes(function.node))
            return known[id(function)]

        return sum(count(node) for node in nodes)

    def local_body(self, node: NodeProto, attributes: Mapping[str, AttributeProto]) -> Body | None:
        """The model's own function for this node, with its default attributes filled in."""
        function = self.local(node)
        if function is None:
            return None
        return Body(function, {**{entry.name: entry for entry in function.attribute_proto}, **attributes})


def standard_function_exists(op: str, version: int, domain: str = DEFAULT_DOMAIN) -> bool:
    """Whether the standard defines this operator by a function body."""
    schema = find_schema(op, version, domain)
    return schema is not None and (schema.has_function or schema.has_context_dependent_function)


def standard_body(node: NodeProto, draft: Draft, attributes: Mapping[str, AttributeProto], version: int) -> Body | None:
    """The standard's function body for this node, or None. Its operands' types may decide what the body is.

    `version` is that of the node's domain.
    """
    schema = find_schema(node.op_type, version, canonical_domain(node.domain))
    if schema is None:
        return None
    given = {**defaults(schema), **attributes}
    if schema.has_function:
        text = schema.get_function_with_opset_version(_newest_at_most(schema.function_opset_versions, version))
    elif schema.has_context_dependent_function:
        types = [_type_proto(None if value is None else value.type).SerializeToString() for value in draft.inputs]
        chosen = _newest_at_most(schema.context_dependent_function_opset_versions, version)
        text = schema.get_context_dependent_function_with_opset_version(
            chosen, _resolved(node, attributes).SerializeToString(), types
        )
    else:
        return None
    brings_graph = any(attribute.HasField("g") for attribute in attributes.values())
    return Body(FunctionProto.FromString(text), given, brings_graph) if text else None


def _resolved(node: NodeProto, attributes: Mapping[str, AttributeProto]) -> NodeProto:
    """The node with the values of its attributes in place of references to those of an enclosing function."""
    copy = NodeProto()
    copy.CopyFrom(node)
    del copy.attribute[:]
    for name, attribute in attributes.items():
        copy.attribute.add().CopyFrom(attribute)
        copy.attribute[-1].name = name
    return copy


def _newest_at_most(versions: Sequence[int], version: int) -> int:
    return max((entry for entry in versions if entry <= version), default=max(versions))


def _type_proto(type: Type | None) -> TypeProto:
    proto = TypeProto()
    match type:
        case None:
            pass
        case TensorType():
            proto.tensor_type.elem_type = type.dtype.onnx_number
            if type.shape is not None:
                proto.tensor_type.shape.SetInParent()
                for dim in type.shape:
                    entry = proto.tensor_type.shape.dim.add()
                    if isinstance(dim, int):
                        entry.dim_value = dim
        case SequenceType():
            proto.sequence_type.elem_type.CopyFrom(_type_proto(type.element))
        case OptionalType():
            proto.optional_type.elem_type.CopyFrom(_type_proto(type.element))
    return proto
