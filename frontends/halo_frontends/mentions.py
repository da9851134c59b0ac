"""Which of our operators a mapping function may emit: read off its code, so that no list is kept by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from halo_py.ir.op import REGISTRY

_OURS = "halo_frontends."


def operators_mentioned(function: Callable[..., Any], helper: type[Any] | None = None) -> frozenset[str]:
    """ONNX names (default domain) of the operators that a function names, or a function of the frontends it calls.

    `helper` is the class of what builds the graph: its methods are looked into too.
    """
    plain, given = _unwrapped(function)
    return frozenset() if plain is None else _mentioned(plain, helper) | _known().intersection(_strings(given))


def _unwrapped(function: Callable[..., Any]) -> tuple[FunctionType | None, list[Any]]:
    """The plain function behind partial objects and wrappers (None if there is none), and arguments given to it."""
    found: Any = function
    given: list[Any] = []
    while not isinstance(found, FunctionType):
        given += [*getattr(found, "args", ()), *(getattr(found, "keywords", None) or {}).values()]
        found = getattr(found, "func", None) or getattr(found, "__wrapped__", None)
        if found is None:
            return None, given
    return found, given


def _strings(values: Iterable[Any]) -> set[str]:
    return {entry for entry in values if isinstance(entry, str)}


@cache
def _known() -> frozenset[str]:
    return frozenset(operator for domain, operator in REGISTRY.by_onnx if not domain)


@cache
def _mentioned(function: FunctionType, helper: type[Any] | None) -> frozenset[str]:
    waiting, seen, found = [function], {function}, set[str]()
    while waiting:
        current = waiting.pop()
        found |= _known().intersection(_constants(current))
        for called in _called(current, helper):
            if called not in seen:
                seen.add(called)
                waiting.append(called)
    return frozenset(found)


def _constants(function: FunctionType) -> set[str]:
    """Texts in a function's code, its defaults and what it closes over."""
    closed = [cell.cell_contents for cell in function.__closure__ or ()]
    in_code = [constant for code in _codes(function.__code__) for constant in code.co_consts]
    return _strings([*closed, *(function.__defaults__ or ()), *in_code])


def _called(function: FunctionType, helper: type[Any] | None) -> Iterator[FunctionType]:
    """Functions of ours that a function names or closes over."""
    named = [cell.cell_contents for cell in function.__closure__ or ()]
    for code in _codes(function.__code__):
        for name in code.co_names:
            named += [function.__globals__.get(name), getattr(helper, name, None)]
    for entry in named:
        if isinstance(entry, FunctionType) and entry.__module__.startswith(_OURS):
            yield entry


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
