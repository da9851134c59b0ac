"""Handles: the numbers that C programs hold for our objects. They are never addresses, never reused, always checked."""

from __future__ import annotations

import itertools
from typing import TypeVar

from halo_py.errors import UsageError

_FIRST = 0x0D1A_0000_0000
_STEP = 16

Kind = TypeVar("Kind")

_objects: dict[int, object] = {}
_numbers = itertools.count(_FIRST, _STEP)


class Handled:
    """An object that C programs can hold."""

    noun = "object"
    """What messages call it."""

    def __init__(self) -> None:
        self.handle = next(_numbers)
        _objects[self.handle] = self

    def drop_handle(self) -> None:
        """Make the handle unknown; the object lives on for whoever still uses it."""
        _objects.pop(self.handle, None)


HandledKind = TypeVar("HandledKind", bound=Handled)


def find(number: int, kind: type[HandledKind], name: str) -> HandledKind:
    """The object of this handle. Raises UsageError if it is NULL, unknown, gone, or of another kind."""
    found = _objects.get(number)
    if isinstance(found, kind):
        return found
    if number == 0:
        raise UsageError(f"{name} is NULL")
    if isinstance(found, Handled):
        raise UsageError(f"{name} is {_with_article(found.noun)}, not {_with_article(kind.noun)}")
    raise UsageError(f"{name} is no {kind.noun}: the handle is unknown, or its {kind.noun} was destroyed")


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def living(kind: type[HandledKind]) -> list[HandledKind]:
    """All objects of a kind whose handles are known, oldest first."""
    return [each for each in list(_objects.values()) if isinstance(each, kind)]
