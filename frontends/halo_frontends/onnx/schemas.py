"""A typed view of `onnx.defs`, which is compiled code without type information. Loaded only when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from halo_frontends.onnx.proto import AttributeProto


class AttributeSchema(Protocol):
    """One attribute of an operator."""

    @property
    def default_value(self) -> AttributeProto:
        """Its default; without a name if there is none."""
        ...


class Schema(Protocol):
    """One version of an operator, as far as its function body is concerned."""

    domain: str
    name: str
    since_version: int
    attributes: Mapping[str, AttributeSchema]
    has_function: bool
    has_context_dependent_function: bool
    function_opset_versions: Sequence[int]
    context_dependent_function_opset_versions: Sequence[int]

    def get_function_with_opset_version(self, version: int, /) -> bytes:
        """A serialised FunctionProto."""
        ...

    def get_context_dependent_function_with_opset_version(
        self, version: int, node: bytes, input_types: Sequence[bytes], /
    ) -> bytes:
        """A serialised FunctionProto for this node; empty if it has none."""
        ...


def find_schema(op: str, version: int, domain: str) -> Schema | None:
    """The operator of a domain of the standard as the domain's operator set `version` has it."""
    from onnx import defs

    try:
        return cast("Schema", defs.get_schema(op, version, domain))
    except defs.SchemaError:
        return None


def standard_functions() -> list[tuple[str, str, int]]:
    """(domain, operator, version) of every operator that the standard defines by a function body, newest versions."""
    from onnx import defs

    schemas = cast("list[Schema]", defs.get_all_schemas())
    found = [schema for schema in schemas if schema.has_function or schema.has_context_dependent_function]
    return [(schema.domain, schema.name, schema.since_version) for schema in found]


def defaults(schema: Schema) -> dict[str, AttributeProto]:
    """Default values of an operator's attributes by name."""
    found = {name: entry.default_value for name, entry in schema.attributes.items()}
    return {name: AttributeProto.FromString(value.SerializeToString()) for name, value in found.items() if value.name}
