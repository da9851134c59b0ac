"""`isinstance` of TorchScript, on what an item is."""

from __future__ import annotations

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.objects import ScriptObject, StoredTensor
from halo_frontends.torchscript.values import Item, NamedItems, Scalar, Tensor


def is_instance(item: Item, type: syntax.Expression) -> bool:
    """Whether an item is of a type, or of one of a list of types; elements of empty containers are of any type."""
    if isinstance(type, (syntax.ListOf, syntax.TupleOf)):
        return any(is_instance(item, entry) for entry in type.items)
    if isinstance(type, syntax.Subscript) and isinstance(type.base, syntax.Name):
        return _is_generic(item, type.base.text, type.index)
    return _is_plain(item, type.text if isinstance(type, syntax.Name) else "")


def _is_plain(item: Item, name: str) -> bool:
    match name:
        case "Tensor":
            return isinstance(item, (Tensor, StoredTensor))
        case "int":
            return (isinstance(item, int) and not isinstance(item, bool)) or _is_scalar(item, "int")
        case "float":
            return isinstance(item, float) or _is_scalar(item, "float")
        case "bool":
            return isinstance(item, bool) or _is_scalar(item, "bool")
        case "str":
            return isinstance(item, str)
        case "NoneType":
            return item is None
        case "list":
            return isinstance(item, list)
        case "tuple":
            return isinstance(item, (tuple, NamedItems))
        case _:
            return isinstance(item, (ScriptObject, NamedItems)) and item.class_name == name


def _is_scalar(item: Item, kind: str) -> bool:
    return isinstance(item, Scalar) and item.kind == kind


def _is_generic(item: Item, name: str, index: syntax.Expression) -> bool:
    parts = index.items if isinstance(index, syntax.TupleOf) else (index,)
    match name:
        case "List":
            return isinstance(item, list) and all(is_instance(entry, parts[0]) for entry in item)
        case "Optional":
            return item is None or is_instance(item, parts[0])
        case "Union":
            return any(is_instance(item, part) for part in parts)
        case "Tuple":
            if not isinstance(item, tuple) or len(item) != len(parts):
                return False
            return all(is_instance(entry, part) for entry, part in zip(item, parts, strict=True))
        case "Dict":
            return isinstance(item, dict) and all(is_instance(value, parts[-1]) for value in item.values())
        case _:
            return False
