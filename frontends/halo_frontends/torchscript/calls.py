"""Calls in expressions: ops, functions and methods of the file, functions of the language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_frontends.torchscript import containers, numbers, syntax
from halo_frontends.torchscript.numbers import to_number
from halo_frontends.torchscript.objects import ScriptObject, StoredTensor
from halo_frontends.torchscript.operators import Operators
from halo_frontends.torchscript.type_tests import is_instance
from halo_frontends.torchscript.values import FunctionName, Item, NamedItems, Tensor, Undefined
from halo_py.errors import HaloError, ModelError

if TYPE_CHECKING:
    from halo_frontends.torchscript.interpreter import Frame, Interpreter

_NUMBERS = ("int", "float", "complex", "number")


@dataclass(slots=True)
class RaisedError(Exception):
    """The program raises an exception of its own."""

    message: str


@dataclass(frozen=True, slots=True)
class Calls:
    """Evaluates calls for an interpreter."""

    interpreter: Interpreter

    def call(self, frame: Frame, call: syntax.Call) -> Item:
        """What a call answers. Raises HaloError, or RaisedError if the program raises an exception."""
        function = call.function
        if isinstance(function, syntax.Name):
            first = function.parts[0]
            if first not in frame.variables:
                if first == "torch":
                    return self._operator(frame, call, "::".join(("aten", ".".join(function.parts[1:]))))
                if first == "ops":
                    return self._operator(frame, call, "::".join((".".join(function.parts[1:-1]), function.parts[-1])))
                if len(function.parts) == 1:
                    return self._builtin(frame, call, first)
                if first == "__torch__":
                    return self._call_global(frame, call, function.text)
            if len(function.parts) > 1:
                owner = self.interpreter.look_up(frame, function.parts[:-1])
                return self._call_method(frame, call, owner, function.parts[-1])
            target = frame.variables[first]
        elif isinstance(function, syntax.Attribute):
            return self._call_method(frame, call, self.interpreter.evaluate(frame, function.base), function.name)
        else:
            target = self.interpreter.evaluate(frame, function)
        if isinstance(target, FunctionName):
            return self._call_global(frame, call, target.name)
        raise self.interpreter.maker.wrong(f"line {call.line}: calls {type(target).__name__}")

    def _given(self, frame: Frame, call: syntax.Call) -> tuple[list[Item], dict[str, Item]]:
        arguments = [self.interpreter.evaluate(frame, item) for item in call.arguments]
        return arguments, {name: self.interpreter.evaluate(frame, item) for name, item in call.keywords}

    def _call_method(self, frame: Frame, call: syntax.Call, owner: Item, name: str) -> Item:
        arguments, named = self._given(frame, call)
        if not isinstance(owner, ScriptObject):
            raise self.interpreter.unsupported(f"line {call.line}: the method {name!r} of {type(owner).__name__}")
        if name == "__init__" and self.interpreter.library.method(owner.class_name, name) is None:
            return None
        return self.interpreter.method(owner, name, arguments, frame.depth + 1, **named)

    def _call_global(self, frame: Frame, call: syntax.Call, name: str) -> Item:
        owner, _, last = name.rpartition(".")
        if last == "__new__":
            return ScriptObject(owner)
        arguments, named = self._given(frame, call)
        function = self.interpreter.library.find_function(name)
        if function is not None:
            return self.interpreter.function(function, arguments, named, frame.path, frame.depth + 1)
        found = self.interpreter.library.find_class(name)
        if found is None:
            raise self.interpreter.maker.wrong(f"line {call.line}: there is no function {name}")
        if "NamedTuple" in found.bases:
            return NamedItems(name, tuple(found.fields), tuple(arguments))
        instance = ScriptObject(name)
        self.interpreter.method(instance, "__init__", arguments, frame.depth + 1, **named)
        return instance

    def _operator(self, frame: Frame, call: syntax.Call, name: str) -> Item:
        arguments, named = self._given(frame, call)
        with self.interpreter.maker.emitter.at(call.module or frame.path, name):
            if name == "prim::RaiseException":
                raise RaisedError(str(arguments[0]) if arguments else "")
            return self._apply(name, arguments, named)

    def _apply(self, name: str, arguments: list[Item], named: dict[str, Item]) -> Item:
        """An op on lists and texts, on numbers, or on tensors. Raises HaloError."""
        try:
            for find in (containers.find, numbers.find):
                function: Callable[..., Item] | None = find(name, arguments)
                if function is not None:
                    return function(self.interpreter.maker, *arguments, **named)
            return Operators(self.interpreter.maker).apply(name, arguments, named)
        except (HaloError, RaisedError, RecursionError):
            raise
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError) as error:
            raise ModelError(f"cannot be read: {error}", self.interpreter.maker.emitter.where) from error

    def _annotated(self, type: syntax.Expression, item: Item) -> Item:
        """An item of this type: a tensor where a number is wanted becomes one (Torch's IntImplicit and others)."""
        if isinstance(type, syntax.Name) and type.text in _NUMBERS and isinstance(item, (Tensor, StoredTensor)):
            return to_number(self.interpreter.maker, item)
        return item

    def _builtin(self, frame: Frame, call: syntax.Call, name: str) -> Item:
        """A function of the language itself."""
        given = call.arguments
        match name:
            case "annotate":
                return self._annotated(given[0], self.interpreter.evaluate(frame, given[1]))
            case "unchecked_cast":
                return self.interpreter.evaluate(frame, given[1])
            case "uninitialized":
                return Undefined("no path that leads here gives it a value")
            case "isinstance":
                return is_instance(self.interpreter.evaluate(frame, given[0]), given[1])
            case "print":
                return None
            case "getattr":
                owner = self.interpreter.evaluate(frame, given[0])
                return self.interpreter.attribute(owner, str(self.interpreter.evaluate(frame, given[1])))
            case "hasattr":
                owner = self.interpreter.evaluate(frame, given[0])
                return (
                    isinstance(owner, ScriptObject)
                    and str(self.interpreter.evaluate(frame, given[1])) in owner.attributes
                )
            case "unchecked_unwrap_optional":
                return self.interpreter.evaluate(frame, given[0])
            case "fork":
                raise self.interpreter.unsupported("parallel parts (fork)")
            case _:
                return self._operator(frame, call, f"python::{name}")
