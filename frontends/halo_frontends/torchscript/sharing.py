"""Records of source that differ in mangled names only are parsed once.

Torch gives every traced module a class of its own, `___torch_mangle_12.Conv2d`: hundreds of records of a few texts.
The names are numbered in the order a text has them, the text is parsed, and the tree is given the names again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, cast

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


class Template:
    """A tree with places in it, and which of its parts have any."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._with_places: set[int] = set()
        self._look(tree)

    def named(self, names: Mapping[str, str]) -> Any:
        """The tree with names in their places; parts without places are shared, not copied."""
        return self._named(self._tree, names) if names else self._tree

    def _look(self, node: Any) -> bool:
        found = [self._look(part) for part in _inside(node)] if not isinstance(node, str) else [_PLACE in node]
        if any(found):
            self._with_places.add(id(node))
        return any(found)

    def _named(self, node: Any, names: Mapping[str, str]) -> Any:
        if id(node) not in self._with_places:
            return node
        if isinstance(node, str):
            return _PLACES.sub(lambda match: names.get(match.group(), match.group()), node)
        if isinstance(node, dict):
            return {key: self._named(value, names) for key, value in cast("dict[str, Any]", node).items()}
        given = [self._named(part, names) for part in _inside(node)]
        return tuple(given) if isinstance(node, tuple) else cast("Any", type(node))(*given)


def _inside(node: object) -> Iterable[Any]:
    if isinstance(node, tuple):
        return cast("tuple[Any, ...]", node)
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).values()
    return [getattr(node, part) for part in _parts(type(node))]


@cache
def _parts(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
