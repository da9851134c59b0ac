"""Ops on texts, most of which only make messages."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.values import Item, Scalar, Tensor

_LONGEST = 1 << 20


def text_of(item: Item) -> str:
    """An item as text; what depends on data is named only."""
    return f"<{type(item).__name__}>" if isinstance(item, (Tensor, Scalar)) else str(item)


def _format(_m: Maker, text: str, *arguments: Item) -> str:
    """`str.format` with plain `{}` only, which is all that TorchScript has."""
    *pieces, last = text.split("{}")
    filled = [text_of(item) for item in arguments] + [""] * len(pieces)
    return "".join([piece + item for piece, item in zip(pieces, filled, strict=False)] + [last])


def _percent(_m: Maker, text: str, *arguments: Item) -> str:
    """Formatting with `%`, for messages: every directive becomes the text of its argument."""
    left = [text_of(item) for item in arguments]
    pieces = text.replace("%%", "\0").split("%")
    found = [pieces[0], *((left.pop(0) if left else "") + piece[1:] for piece in pieces[1:])]
    return "".join(found).replace("\0", "%")


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(_m: Maker, *arguments: Any) -> Item:
        return function(*arguments)

    return apply


def _repeated(text: str, times: int) -> str:
    if len(text) * times > _LONGEST:
        raise ValueError("a text of that length")
    return text * times


def _sliced(text: str, start: int | None = None, end: int | None = None, step: int = 1) -> str:
    return text[start:end:step]


_METHODS = (
    "startswith endswith upper lower strip lstrip rstrip split rsplit replace find rfind index count isdigit isalpha "
    "isalnum isspace isupper islower title capitalize swapcase partition rpartition splitlines isdecimal isnumeric "
    "isidentifier join"
)

TEXTS: dict[str, Callable[..., Any]] = {
    **{name: _plain(getattr(str, name)) for name in _METHODS.split()},
    "format": _format,
    "percentFormat": _percent,
    "len": _plain(len),
    "add": _plain(operator.add),
    "mul": _plain(_repeated),
    "eq": _plain(operator.eq),
    "ne": _plain(operator.ne),
    "lt": _plain(operator.lt),
    "le": _plain(operator.le),
    "gt": _plain(operator.gt),
    "ge": _plain(operator.ge),
    "__contains__": _plain(operator.contains),
    "__getitem__": _plain(operator.getitem),
    "slice": _plain(_sliced),
    "list": _plain(list),
    "str": _plain(str),
    "ord": _plain(ord),
}
"""Op -> what it does with a text."""
