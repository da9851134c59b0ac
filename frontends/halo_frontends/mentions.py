"""Which of our operators a mapping function may emit: read off its code, so that no list is kept by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from halo_py.ir.op import REGISTRY


def operators_mentioned(function: Callable[..., Any]) -> frozenset[str]:
    """ONNX names (default domain) of the operators that a function, or a function of ours it calls, names."""
    found = inspect_unwrapped(function)
    return frozenset() if found is None else _mentioned(found)


def inspect_unwrapped(function: Callable[..., Any]) -> FunctionType | None:
    """The plain function behind partial objects and wrappers, if there is one."""
    while not isinstance(function, FunctionType):
        inner = getattr(function, "func", None) or getattr(function, "__wrapped__", None)
        if inner is None:
            return None
        function = inner
    return function


@cache
def _mentioned(function: FunctionType) -> frozenset[str]:
    names = {operator for domain, operator in REGISTRY.by_onnx if not domain}
    waiting, seen, found = [function], {function}, set[str]()
    while waiting:
        current = waiting.pop()
        for code in _codes(current.__code__):
            found |= names.intersection(entry for entry in code.co_consts if isinstance(entry, str))
            for name in code.co_names:
                called = current.__globals__.get(name)
                if isinstance(called, FunctionType) and called not in seen and _is_ours(called):
                    seen.add(called)
                    waiting.append(called)
    return frozenset(found)


def _is_ours(function: FunctionType) -> bool:
    return function.__module__.startswith("halo_frontends.")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
