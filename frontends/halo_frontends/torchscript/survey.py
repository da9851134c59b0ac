"""A look over the whole program without running it: which ops it calls, how often, where, and which are unknown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_frontends.importer import Refusals
from halo_frontends.torchscript import containers, numbers, syntax
from halo_frontends.torchscript.names import calls, walk
from halo_frontends.torchscript.objects import ScriptObject
from halo_frontends.torchscript.table import find

if TYPE_CHECKING:
    from halo_frontends.torchscript.library import Library

_MOST_CALLS = 20_000
_SILENT = frozenset(
    {
        "annotate",
        "unchecked_cast",
        "uninitialized",
        "isinstance",
        "print",
        "getattr",
        "hasattr",
        "unchecked_unwrap_optional",
    }
)


@dataclass(slots=True)
class Survey:
    """Counts the ops of a method and of all that it calls; each call of a function counts anew."""

    library: Library
    file: str
    ops: Counter[str] = field(default_factory=Counter[str])
    refusals: Refusals = field(init=False)
    _visited: int = 0
    _active: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.file)

    def method(self, instance: ScriptObject, name: str) -> None:
        """Look over a method of an object."""
        found = self.library.method(instance.class_name, name)
        if found is not None:
            self._function(found, instance, f"{instance.class_name}.{name}")

    def _function(self, function: syntax.Function, instance: ScriptObject | None, key: str) -> None:
        self._visited += 1
        if self._visited > _MOST_CALLS or self._active.count(key) > 1 or len(self._active) > 100:
            return
        self._active.append(key)
        known: dict[str, object] = {}
        if instance is not None and function.parameters:
            known[function.parameters[0].name] = instance
        for statement in walk(function.body):
            for call in calls([_head(statement)]):
                self._call(call, known, function)
            if isinstance(statement, syntax.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, syntax.Name) and len(target.parts) == 1:
                    known[target.parts[0]] = _resolve(statement.value, known)
        self._active.pop()

    def _call(self, call: syntax.Call, known: dict[str, object], function: syntax.Function) -> None:
        target = call.function
        if isinstance(target, syntax.Attribute):
            self._method_call(_resolve(target.base, known), target.name)
            return
        if not isinstance(target, syntax.Name):
            return
        parts = target.parts
        if parts[0] in known or (len(parts) == 1 and parts[0] in known):
            owner = known[parts[0]]
            if isinstance(owner, str) and len(parts) == 1:
                self._global(owner)
                return
            for name in parts[1:-1]:
                owner = owner.attributes.get(name) if isinstance(owner, ScriptObject) else None
            self._method_call(owner, parts[-1])
        elif parts[0] == "torch":
            self._operator(f"aten::{'.'.join(parts[1:])}", call, function)
        elif parts[0] == "ops":
            self._operator(f"{'.'.join(parts[1:-1])}::{parts[-1]}", call, function)
        elif parts[0] == "__torch__":
            self._global(target.text)

    def _method_call(self, owner: object, name: str) -> None:
        if isinstance(owner, ScriptObject):
            self.method(owner, name)

    def _global(self, name: str) -> None:
        found = self.library.find_function(name)
        if found is not None:
            self._function(found, None, name)

    def _operator(self, name: str, call: syntax.Call, function: syntax.Function) -> None:
        self.ops[name] += 1
        if not is_known(name):
            self.refusals.add(name, call.module or f"{function.record}:{call.line}", "unknown operator")


def is_known(name: str) -> bool:
    """Whether something implements an op of this name."""
    short = name.rpartition("::")[2]
    return (
        find(name) is not None
        or numbers.knows(name)
        or containers.knows(name)
        or name == "prim::RaiseException"
        or short in _SILENT
    )


def _head(statement: syntax.Statement) -> syntax.Statement:
    """A statement without the blocks inside of it."""
    match statement:
        case syntax.If():
            return syntax.If(statement.condition, (), (), statement.line)
        case syntax.While():
            return syntax.While(statement.condition, (), statement.line)
        case syntax.For():
            return syntax.For(statement.targets, statement.items, (), statement.line)
        case syntax.With():
            return syntax.With(statement.manager, None, (), statement.line)
        case _:
            return statement


def _resolve(expression: syntax.Expression, known: dict[str, object]) -> object:
    """The object, or the name of the function, that an expression plainly stands for."""
    if isinstance(expression, syntax.Name):
        if expression.parts[0] == "__torch__":
            return expression.text
        found = known.get(expression.parts[0])
        for name in expression.parts[1:]:
            found = found.attributes.get(name) if isinstance(found, ScriptObject) else None
        return found
    if isinstance(expression, syntax.Attribute):
        base = _resolve(expression.base, known)
        return base.attributes.get(expression.name) if isinstance(base, ScriptObject) else None
    if isinstance(expression, syntax.Call) and len(expression.arguments) == 2:
        base, name = _resolve(expression.arguments[0], known), expression.arguments[1]
        if _is_getattr(expression) and isinstance(base, ScriptObject) and isinstance(name, syntax.Literal):
            return base.attributes.get(str(name.value))
    return None


def _is_getattr(call: syntax.Call) -> bool:
    return isinstance(call.function, syntax.Name) and call.function.text == "getattr"
