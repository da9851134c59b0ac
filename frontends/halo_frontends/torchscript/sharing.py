"""Records of source that differ in mangled names only are parsed once.

Torch gives every traced module a class of its own, `___torch_mangle_12.Conv2d`: hundreds of records of a few texts.
The names are numbered in the order a text has them, the text is parsed, and the tree is given the names again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MANGLED = re.compile(r"\b___torch_mangle_\d+\b")
_PLACE = "___mangled_place_"
_PLACES = re.compile(rf"\b{_PLACE}\d+\b")


@dataclass(frozen=True, slots=True)
class Numbered:
    """A text with numbered places for mangled names, and the name of each place."""

    text: str
    names: Mapping[str, str]


def number_names(text: str) -> Numbered:
    """The text with places for its mangled names: none where it could write a place's name itself."""
    if _PLACE in text or "\\" in text:
        return Numbered(text, {})
    places: dict[str, str] = {}

    def place(match: re.Match[str]) -> str:
        return places.setdefault(match.group(), f"{_PLACE}{len(places)}")

    numbered = _MANGLED.sub(place, text)
    return Numbered(numbered, {place: name for name, place in places.items()})


def give_names(node: Any, names: Mapping[str, str]) -> Any:
    """The tree with names in their places; what has none is shared, not copied."""
    if isinstance(node, str):
        return _PLACES.sub(lambda match: names.get(match.group(), match.group()), node) if _PLACE in node else node
    if isinstance(node, tuple):
        items = cast("tuple[Any, ...]", node)
        given = [give_names(item, names) for item in items]
        return items if _are_same(given, items) else tuple(given)
    if isinstance(node, dict):
        return {key: give_names(value, names) for key, value in cast("dict[str, Any]", node).items()}
    if not is_dataclass(node) or isinstance(node, type):
        return node
    parts = _parts(type(node))
    before = [getattr(node, part) for part in parts]
    given = [give_names(value, names) for value in before]
    return node if _are_same(given, before) else type(node)(*given)


def _are_same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return all(a is b for a, b in zip(left, right, strict=True))


@cache
def _parts(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
