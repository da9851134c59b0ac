"""Lists to which a loop on data appends a tensor per iteration: the loop answers all of them stacked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeGuard, cast

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.maker import Maker, Size
from halo_frontends.torchscript.names import names_assigned, names_read
from halo_frontends.torchscript.objects import ScriptObject
from halo_frontends.torchscript.ops.views import select
from halo_frontends.torchscript.values import Item, NamedItems, Scalar, StackedList, Tensor
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_frontends.torchscript.emitter import Change
    from halo_py.ir.graph import Value

_APPEND = ("torch", "append")


def references(items: Iterable[Item]) -> Counter[int]:
    """How often each list, dictionary and object can be reached from these items, by its id."""
    found: Counter[int] = Counter()
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        found[id(item)] += 1
        if found[id(item)] == 1:
            waiting += _inside(item)
    return found


def _inside(item: Item) -> list[Item]:
    match item:
        case list() | tuple():
            return list(item)
        case dict():
            return list(item.values())
        case NamedItems():
            return list(item.items)
        case ScriptObject():
            return list(item.attributes.values())
        case _:
            return []


def is_of_list(key: object) -> TypeGuard[tuple[str, int]]:
    """Whether a changed thing is a list or dictionary: its key is its kind and its id."""
    return isinstance(key, tuple) and cast("tuple[object, ...]", key)[0] in ("list", "dict")


def growing_list(
    variables: dict[str, Item], seen: Counter[int], identity: int, body: Sequence[syntax.Statement]
) -> str | None:
    """The variable whose empty list a loop's body does nothing with but append to it once; None if there is none.

    Nothing else may hold the list: the variable alone is given what the loop gathers.
    """
    if seen[identity] != 1:
        return None
    name = next((name for name, item in variables.items() if id(item) == identity), None)
    if name is None or names_read(body)[name] != 1 or name in names_assigned(body):
        return None
    return name if any(_appends(statement, name) for statement in body) else None


def _appends(statement: syntax.Statement, name: str) -> bool:
    if not isinstance(statement, syntax.Assign) or not isinstance(statement.value, syntax.Call):
        return False
    function, given = statement.value.function, statement.value.arguments
    if not isinstance(function, syntax.Name) or function.parts != _APPEND or not given:
        return False
    return isinstance(given[0], syntax.Name) and given[0].parts == (name,)


def appended(m: Maker, change: Change, outside: Iterable[object]) -> Tensor | None:
    """The tensor that a body appended to an empty list, if the body made it; `outside` is what else it changed."""
    items: list[Item] = change.get()
    entry = items[0] if len(items) == 1 and not change.old else None
    if not isinstance(entry, Tensor) or entry.quantised is not None or entry.is_pair or entry.lengths is not None:
        return None
    root = entry
    while root.base is not None:
        root = root.base
    return entry if root not in outside and m.emitter.is_made_here(root.value) else None


# -- what can be done with such a list --------------------------------------------------------------------------------


def _length(m: Maker, owner: StackedList) -> Size:
    return m.size(m.read(owner.entries), 0)


def _stack(m: Maker, owner: StackedList, dim: int = 0) -> Tensor:
    value = m.read(owner.entries)
    return Tensor(_moved(m, value, m.axis(dim, m.rank(value))))


def _moved(m: Maker, value: Value, axis: int) -> Value:
    """The first axis at another place."""
    rest = list(range(1, m.rank(value)))
    return m.op("Identity", m.transpose(value, [*rest[:axis], 0, *rest[axis:]]))


def _cat(m: Maker, owner: StackedList, dim: int = 0) -> Tensor:
    value = m.read(owner.entries)
    axis = m.axis(dim, m.rank(value) - 1)
    moved = _moved(m, value, axis)
    sizes = m.sizes(moved)
    joined = m.to_size(m.op("Mul", *(m.number(size, DType.INT64) for size in sizes[axis : axis + 2])))
    return Tensor(m.op("Reshape", moved, m.ints([*sizes[:axis], joined, *sizes[axis + 2 :]]), allowzero=1))


def stacked_item(m: Maker, owner: StackedList, index: Item) -> Tensor:
    """One entry; writing into it writes into the list's."""
    if not isinstance(index, (int, Scalar)):
        raise m.wrong("a list is indexed by what is no number")
    return select(m, owner.entries, 0, index)


STACKED = {"len": _length, "stack": _stack, "cat": _cat, "concat": _cat}
