"""Ops on lists, tuples, dictionaries and texts. What they hold may be unknown, their lengths and keys never are."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from halo_frontends.torchscript.gathering import STACKED, stacked_item
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.objects import Device, EnumMember, ScriptObject
from halo_frontends.torchscript.texts import TEXTS, text_of
from halo_frontends.torchscript.values import Item, NamedItems, Scalar, StackedList, Tensor

Function = Callable[..., Any]
"""Takes a maker and the arguments of an op."""


def find(name: str, arguments: Sequence[Item]) -> Function | None:
    """The function for an op of this name if its first argument is a container, a text or an object."""
    special = _SPECIAL.get(name)
    if special is not None or not arguments:
        return special
    first = arguments[0]
    family: Mapping[str, Function] = {}
    if isinstance(first, (list, tuple, NamedItems)):
        family = _LISTS
    elif isinstance(first, dict):
        family = _DICTS
    elif isinstance(first, StackedList):
        family = STACKED
    elif isinstance(first, str):
        family = TEXTS
    elif isinstance(first, (Device, EnumMember, ScriptObject)):
        family = _OBJECTS
    return family.get(name.rpartition("::")[2])


def knows(name: str) -> bool:
    """Whether an op of this name works on containers or texts."""
    short = name.rpartition("::")[2]
    return name in _SPECIAL or any(short in family for family in (_LISTS, _DICTS, TEXTS, _OBJECTS))


def items_of(item: Item) -> list[Item] | None:
    """The elements of a list, tuple or text; the keys of a dictionary; None of anything else."""
    if isinstance(item, NamedItems):
        return list(item.items)
    return list(item) if isinstance(item, (list, tuple, dict, str)) else None


def get_item(m: Maker, owner: Item, index: Item) -> Item:
    """`owner[index]`."""
    if isinstance(owner, dict):
        if index not in owner:
            raise m.wrong(f"a dictionary has no key {index!r}")
        return owner[index]
    if isinstance(owner, StackedList):
        return stacked_item(m, owner, index)
    items = items_of(owner)
    if items is None:
        raise m.wrong(f"takes an element of a {type(owner).__name__}")
    position = _position(m, index)
    if not -len(items) <= position < len(items):
        raise m.wrong(f"position {position} is outside of {len(items)} elements")
    return items[position]


def set_item(m: Maker, owner: Item, index: Item, value: Item) -> Item:
    """`owner[index] = value`; answers the owner."""
    if isinstance(owner, dict):
        _change_dict(m, owner, _with(owner, index, value))
    elif isinstance(owner, list):
        changed = list(owner)
        changed[_position(m, index)] = value
        _change_list(m, owner, changed)
    else:
        raise m.wrong(f"sets an element of a {type(owner).__name__}")
    return owner


def _position(m: Maker, index: Item) -> int:
    if not isinstance(index, int):
        raise m.unsupported("an element whose position depends on data is not supported")
    return index


def _change_list(m: Maker, owner: list[Item], items: list[Item]) -> None:
    """Give a list other elements, in a way that can be taken back."""

    def assign(new: list[Item]) -> None:
        owner[:] = new

    m.emitter.change(("list", id(owner)), list(owner), lambda: list(owner), assign, items)


def _with(owner: dict[Item, Item], key: Item, value: Item) -> dict[Item, Item]:
    changed = dict(owner)
    changed[key] = value
    return changed


def _change_dict(m: Maker, owner: dict[Item, Item], items: dict[Item, Item]) -> None:
    """Give a dictionary other entries, in a way that can be taken back."""

    def assign(new: dict[Item, Item]) -> None:
        owner.clear()
        owner.update(new)

    m.emitter.change(("dict", id(owner)), dict(owner), lambda: dict(owner), assign, items)


def _pure(function: Callable[..., Any]) -> Function:
    """A function of Python on the arguments themselves; a NamedTuple counts as a tuple."""

    def apply(_m: Maker, owner: Any, *arguments: Any, **named: Any) -> Item:
        return function(owner.items if isinstance(owner, NamedItems) else owner, *arguments, **named)

    return apply


# -- lists ----------------------------------------------------------------------------------------------------------


def _changing(change: Callable[..., Any]) -> Function:
    """A method of `list` that changes it; answers the list, or what was taken out."""

    def apply(m: Maker, owner: list[Item], *arguments: Item, **named: Item) -> Item:
        changed = list(owner)
        result: Any = change(changed, *arguments, **named)
        _change_list(m, owner, changed)
        return owner if result is None else result

    return apply


def _sliced(owner: Any, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return owner[slice(start, end, step)]


def _sort(items: list[Any], reverse: bool = False) -> None:
    items.sort(reverse=reverse)


def _is_equal(m: Maker, left: Item, right: Item) -> bool:
    if left is right:
        return True
    if isinstance(left, (Tensor, Scalar)) or isinstance(right, (Tensor, Scalar)):
        raise m.unsupported("a comparison of elements that depend on data is not supported")
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(_is_equal(m, a, b) for a, b in zip(left, right, strict=True))
    return left == right


def _is_different(m: Maker, left: Item, right: Item) -> bool:
    return not _is_equal(m, left, right)


def _contains(m: Maker, owner: Item, item: Item) -> bool:
    return any(_is_equal(m, entry, item) for entry in items_of(owner) or ())


def _extreme(short: str) -> Function:
    """The largest or smallest element; of two lists, the list that is."""

    def apply(m: Maker, owner: list[Item], *rest: Any) -> Item:
        from halo_frontends.torchscript.numbers import extreme

        if rest:
            lists: list[Any] = [owner, *rest]
            return max(lists) if short == "max" else min(lists)
        return extreme(m, short, owner)

    return apply


def _total(m: Maker, owner: list[Item]) -> Item:
    from halo_frontends.torchscript.numbers import total

    return total(m, owner)


def _enumerated(owner: list[Item]) -> list[tuple[int, Item]]:
    return list(enumerate(owner))


def _zipped(*owners: list[Item]) -> list[tuple[Item, ...]]:
    return list(zip(*owners, strict=False))


_LISTS: dict[str, Function] = {
    "len": _pure(len),
    "append": _changing(list[Any].append),
    "extend": _changing(list[Any].extend),
    "insert": _changing(list[Any].insert),
    "pop": _changing(list[Any].pop),
    "remove": _changing(list[Any].remove),
    "clear": _changing(list[Any].clear),
    "reverse": _changing(list[Any].reverse),
    "sort": _changing(_sort),
    "Delete": _changing(operator.delitem),
    "add_": _changing(list[Any].extend),
    "_set_item": set_item,
    "__getitem__": get_item,
    "select": get_item,
    "TupleIndex": get_item,
    "slice": _pure(_sliced),
    "add": _pure(operator.add),
    "mul": _pure(operator.mul),
    "copy": _pure(list),
    "list": _pure(list),
    "tuple": _pure(tuple),
    "dict": _pure(dict),
    "bool": _pure(bool),
    "any": _pure(any),
    "all": _pure(all),
    "sorted": _pure(sorted),
    "index": _pure(list[Any].index),
    "count": _pure(list[Any].count),
    "lt": _pure(operator.lt),
    "le": _pure(operator.le),
    "gt": _pure(operator.gt),
    "ge": _pure(operator.ge),
    "eq": _is_equal,
    "ne": _is_different,
    "__contains__": _contains,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "sum": _total,
    "enumerate": _pure(_enumerated),
    "zip": _pure(_zipped),
}


# -- dictionaries ---------------------------------------------------------------------------------------------------


def _pop(m: Maker, owner: dict[Item, Item], key: Item, default: Item = None) -> Item:
    left = dict(owner)
    found = left.pop(key, default)
    _change_dict(m, owner, left)
    return found


def _set_default(m: Maker, owner: dict[Item, Item], key: Item, default: Item) -> Item:
    if key not in owner:
        _change_dict(m, owner, _with(owner, key, default))
    return owner[key]


def _update(m: Maker, owner: dict[Item, Item], more: dict[Item, Item]) -> None:
    _change_dict(m, owner, {**owner, **more})


def _clear(m: Maker, owner: dict[Item, Item]) -> None:
    _change_dict(m, owner, {})


def _values(owner: dict[Item, Item]) -> list[Item]:
    return list(owner.values())


def _pairs(owner: dict[Item, Item]) -> list[tuple[Item, Item]]:
    return list(owner.items())


_DICTS: dict[str, Function] = {
    "len": _pure(len),
    "keys": _pure(list),
    "list": _pure(list),
    "values": _pure(_values),
    "items": _pure(_pairs),
    "get": _pure(dict[Any, Any].get),
    "copy": _pure(dict),
    "dict": _pure(dict),
    "bool": _pure(bool),
    "__contains__": _pure(operator.contains),
    "__getitem__": get_item,
    "_set_item": set_item,
    "pop": _pop,
    "Delete": _pop,
    "setdefault": _set_default,
    "update": _update,
    "clear": _clear,
}


# -- devices, enumerations, objects ---------------------------------------------------------------------------------


def _is_same(left: Item, right: Item) -> bool:
    """All devices are one: the one that the model is compiled for."""
    return left == right or (isinstance(left, Device) and isinstance(right, Device))


def _is_other(left: Item, right: Item) -> bool:
    return not _is_same(left, right)


def _device_type(device: Device) -> str:
    return device.name.partition(":")[0]


def _device_index(_device: Device) -> None:
    """Devices have no number."""


_OBJECTS: dict[str, Function] = {
    "eq": _pure(_is_same),
    "ne": _pure(_is_other),
    "type": _pure(_device_type),
    "index": _pure(_device_index),
}


def _device(_m: Maker, *parts: Item) -> Device:
    return Device(":".join(str(part) for part in parts if part is not None))


def _own_device(_m: Maker, _tensor: Item) -> Device:
    return Device("cpu")


def _shown(_m: Maker, item: Item) -> str:
    return text_of(item)


def _new_dict(_m: Maker, *pairs: Any) -> dict[Item, Item]:
    return dict(*pairs)


def _character(_m: Maker, number: int) -> str:
    return chr(number)


def _unpacked(_m: Maker, owner: Item) -> Item:
    return tuple(items_of(owner) or ())


def _enum_value(_m: Maker, member: EnumMember) -> object:
    return member.value


def _no_cuda(_m: Maker) -> bool:
    return False


_SPECIAL: dict[str, Function] = {
    "aten::device": _device,
    "prim::device": _own_device,
    "python::str": _shown,
    "aten::str": _shown,
    "python::chr": _character,
    "aten::dict": _new_dict,
    "python::dict": _new_dict,
    "prim::TupleUnpack": _unpacked,
    "prim::EnumValue": _enum_value,
    "cuda::is_available": _no_cuda,
}
