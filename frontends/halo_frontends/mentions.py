"""Which of our operators a mapping function may emit: read off its code, so that no list is kept by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

from halo_py.ir.op import REGISTRY

_OURS = "halo_frontends."


def operators_mentioned(
    function: Callable[..., Any], helper: type[Any] | None = None, foreign: str | None = None
) -> frozenset[str]:
    """ONNX names (default domain) of the operators that a function names, or a function of the frontends it calls.

    `helper` is the class of what builds the graph: its methods are looked into too. `foreign` is the operator of the
    other format that the function is for: what tables that the function reads have for it counts as named.
    """
    plain, given = _unwrapped(function)
    if plain is None:
        return frozenset()
    found = _mentioned(plain, helper) | _known().intersection(_strings(given))
    for entry in _listed(plain, foreign):
        if isinstance(entry, str):
            found |= _known() & {entry}
        elif callable(entry):
            found |= operators_mentioned(entry, helper)
    return found


def _listed(function: FunctionType, foreign: str | None) -> Iterator[Any]:
    """What tables that a function reads have for an operator; without a table its own name, if that is passed on."""
    names = [name for code in _codes(function.__code__) for name in code.co_names]
    read = map(function.__globals__.get, names)
    tables = [cast("dict[Any, Any]", table) for table in read if isinstance(table, dict)]
    if not tables and {"node", "op"}.issubset(names):
        yield foreign
    for table in tables:
        entry: Any = table.get(foreign)
        yield from cast("tuple[Any, ...]", entry) if isinstance(entry, tuple) else (entry,)


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
        globals_named = [function.__globals__.get(name) for name in code.co_names]
        holders = [helper, *(found for found in globals_named if _is_module_of_ours(found))]
        named += [*globals_named, *(getattr(holder, name, None) for holder in holders for name in code.co_names)]
    for entry in named:
        if isinstance(entry, FunctionType) and entry.__module__.startswith(_OURS):
            yield entry


def _is_module_of_ours(found: object) -> bool:
    return isinstance(found, ModuleType) and found.__name__.startswith(_OURS)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
