"""The nested containers of a program's result, as the expression that builds them from its flat outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from halo_frontends.torch_export.document import Element
from halo_frontends.torchscript import syntax

if TYPE_CHECKING:
    from collections.abc import Mapping


def result_expression(
    spec: str | None, leaves: Sequence[syntax.Expression], fields: Mapping[str, Sequence[str]]
) -> syntax.Expression:
    """The outputs in their containers; side by side if the file does not say in which.

    `fields` are the field names of NamedTuple types. Raises nothing: a description that does not fit is set aside.
    """
    flat = syntax.TupleOf(tuple(leaves)) if len(leaves) != 1 else leaves[0]
    if spec is None:
        return flat
    try:
        tree: Any = json.loads(spec)
    except ValueError:
        return flat
    left = iter(leaves)
    found = _build(tree[1], left, fields) if isinstance(tree, list) and len(cast("list[Any]", tree)) == 2 else None
    return flat if found is None or next(left, None) is not None else found


def labelled(result: syntax.Expression, name: str = "output") -> list[tuple[str, syntax.Expression]]:
    """The leaves of a result with the names of the graph's outputs."""
    match result:
        case syntax.TupleOf():
            parts = [(f"{name}_{number}", part) for number, part in enumerate(result.items)]
        case syntax.DictOf():
            parts = [(str(key.value) if isinstance(key, syntax.Literal) else name, part) for key, part in result.pairs]
        case _:
            return [(name, result)]
    return [leaf for label, part in parts for leaf in labelled(part, label)]


def fields_of(definitions: Element | None) -> dict[str, tuple[str, ...]]:
    """The field names of every NamedTuple type that a program's results are made of. Raises ModelError."""
    if definitions is None:
        return {}
    return {name: tuple(field.text for field in entry["field_names"]) for name, entry in definitions.items()}


def _build(
    node: Any, left: Iterator[syntax.Expression], fields: Mapping[str, Sequence[str]]
) -> syntax.Expression | None:
    if not isinstance(node, dict):
        return None
    spec = cast("dict[str, Any]", node)
    kind, children = spec.get("type"), spec.get("children_spec")
    if not isinstance(children, list):
        return None
    if kind is None:
        return next(left, None)
    parts: list[syntax.Expression] = []
    for child in cast("list[Any]", children):
        part = _build(child, left, fields)
        if part is None:
            return None
        parts.append(part)
    names = _names(kind, spec.get("context"), fields)
    if names is not None and len(names) == len(parts):
        return syntax.DictOf(tuple((syntax.Literal(name), part) for name, part in zip(names, parts, strict=True)))
    return syntax.TupleOf(tuple(parts))


def _names(kind: object, context: object, fields: Mapping[str, Sequence[str]]) -> Sequence[str] | None:
    """The names of a container's entries: keys of dictionaries and of classes like them, fields of NamedTuples."""
    for name in (context, kind):
        if isinstance(name, str) and name in fields:
            return fields[name]
    try:
        keys: Any = json.loads(context) if isinstance(context, str) else None
    except ValueError:
        return None
    if isinstance(keys, list) and keys and all(isinstance(key, str) for key in cast("list[object]", keys)):
        return cast("list[str]", keys)
    return None
