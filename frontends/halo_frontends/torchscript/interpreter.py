"""Runs the program of a TorchScript file on values that are mostly not known yet, which builds its graph.

Functions and methods are inlined where they are called. Numbers, lists and modules are what they are; an op on tensors
adds nodes. Conditions and loops that are known are taken and unrolled; `control.py` builds the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, cast

from halo_frontends.torchscript import containers, numbers, syntax
from halo_frontends.torchscript.calls import Calls
from halo_frontends.torchscript.control import Control
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.objects import EnumMember, ScriptObject, StoredTensor, objects_of
from halo_frontends.torchscript.operators import wrap
from halo_frontends.torchscript.values import FunctionName, Item, NamedItems, Scalar, Tensor, Undefined
from halo_py.errors import UnsupportedError

if TYPE_CHECKING:
    from halo_frontends.torchscript.library import Library

_DEEPEST_CALLS = 70
_MOST_ITEMS = 1 << 16
_MOST_TRIPS = 1 << 12
_NAMED: dict[str, Item] = {
    "True": True,
    "False": False,
    "None": None,
    "inf": float("inf"),
    "nan": float("nan"),
    "infj": complex(0, float("inf")),
    "nanj": complex(0, float("nan")),
}


@dataclass(slots=True)
class Frame:
    """One call that is being interpreted: its variables, and where it stands in the model's tree."""

    function: syntax.Function
    variables: dict[str, Item]
    path: str
    depth: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A block has ended with `return`."""

    value: Item


@dataclass(slots=True)
class Interpreter:
    """Interprets one file's code. `constants` are what `CONSTANTS.c0`, ... stand for."""

    library: Library
    constants: Sequence[Item]
    maker: Maker
    calls: Calls = field(init=False)
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        self.calls = Calls(self)
        self.control = Control(self)

    # -- calls ----------------------------------------------------------------------------------------------------

    def method(
        self, instance: ScriptObject, name: str, arguments: Sequence[Item], depth: int = 0, **named: Item
    ) -> Item:
        """Call a method. Raises ModelError if the class has none of this name."""
        found = self.library.method(instance.class_name, name)
        if found is None:
            raise self.maker.wrong(f"the class {instance.class_name} has no method {name!r}")
        return self.function(found, [instance, *arguments], named, instance.path, depth)

    def restore(self, root: ScriptObject) -> None:
        """Call `__setstate__` of every object that was pickled as a state of its own class."""
        for instance in reversed(objects_of(root)):
            if instance.state is not None and self.library.method(instance.class_name, "__setstate__") is not None:
                state = cast("Item", instance.state)
                instance.state = None
                self.method(instance, "__setstate__", [state])

    def function(
        self, function: syntax.Function, arguments: Sequence[Item], named: Mapping[str, Item], path: str, depth: int
    ) -> Item:
        """Call a function: its body is interpreted in a frame of its own."""
        if depth > _DEEPEST_CALLS:
            raise self.maker.wrong(f"functions call each other more than {_DEEPEST_CALLS} deep")
        frame = Frame(function, {}, path, depth)
        for position, parameter in enumerate(function.parameters):
            if position < len(arguments):
                frame.variables[parameter.name] = arguments[position]
            elif parameter.name in named:
                frame.variables[parameter.name] = named[parameter.name]
            elif parameter.default is not None:
                frame.variables[parameter.name] = self.evaluate(frame, parameter.default)
            else:
                raise self.maker.wrong(f"{function.name} is called without {parameter.name!r}")
        result = self.block(frame, function.body)
        return result.value if isinstance(result, Returned) else None

    # -- statements -----------------------------------------------------------------------------------------------

    def block(self, frame: Frame, statements: Sequence[syntax.Statement]) -> Returned | None:
        """Run statements in order; answers what was returned."""
        for position, statement in enumerate(statements):
            match statement:
                case syntax.Assign():
                    self._assign(frame, statement)
                case syntax.Declare():
                    if statement.value is not None:
                        self.bind(frame, statement.target, self.evaluate(frame, statement.value))
                case syntax.If():
                    done, result = self._choose(frame, statement, statements[position + 1 :])
                    if done:
                        return result
                case syntax.While() | syntax.For() | syntax.With():
                    result = self._nested(frame, statement)
                    if result is not None:
                        return result
                case syntax.Return():
                    return Returned(None if statement.value is None else self.evaluate(frame, statement.value))
                case syntax.Pass() | syntax.Class():
                    pass
                case syntax.Function():
                    raise self.unsupported("functions inside of functions")
        return None

    def _assign(self, frame: Frame, statement: syntax.Assign) -> None:
        if statement.unpacks and isinstance(statement.value, syntax.TupleOf):
            value: Item = tuple(self._moved(frame, item) for item in statement.value.items)
        else:
            value = self._moved(frame, statement.value)
        if not statement.unpacks:
            for target in statement.targets:
                self.bind(frame, target, value)
            return
        items = containers.items_of(value)
        if items is None or len(items) != len(statement.targets):
            raise self.maker.wrong(f"line {statement.line}: cannot be taken apart into {len(statement.targets)} values")
        for target, item in zip(statement.targets, items, strict=True):
            self.bind(frame, target, item)

    def _moved(self, frame: Frame, expression: syntax.Expression) -> Item:
        """What a variable is given: another that has no value yet is no mistake until something is made of it."""
        if isinstance(expression, syntax.Name) and len(expression.parts) == 1:
            found = frame.variables.get(expression.parts[0])
            if isinstance(found, Undefined):
                return found
        return self.evaluate(frame, expression)

    def bind(self, frame: Frame, target: syntax.Expression, value: Item) -> None:
        """Give a variable, an attribute or an element a value."""
        if isinstance(target, syntax.Name) and len(target.parts) == 1:
            frame.variables[target.parts[0]] = value
            return
        if isinstance(target, (syntax.Name, syntax.Attribute)):
            if isinstance(target, syntax.Name):
                owner, name = self.look_up(frame, target.parts[:-1]), target.parts[-1]
            else:
                owner, name = self.evaluate(frame, target.base), target.name
            if not isinstance(owner, ScriptObject):
                raise self.maker.wrong(f"line {target.line}: sets {name!r} of what is no object")
            self.set_attribute(owner, name, value)
            return
        if isinstance(target, syntax.Subscript):
            owner, index = self.evaluate(frame, target.base), self.evaluate(frame, target.index)
            containers.set_item(self.maker, owner, index, value)
            return
        raise self.unsupported("an assignment to an expression")

    def set_attribute(self, owner: ScriptObject, name: str, value: Item) -> None:
        """Set an attribute of an object; it holds for what is interpreted afterwards."""
        attributes = owner.attributes

        def get() -> Item:
            return attributes.get(name)

        def assign(new: Item) -> None:
            attributes[name] = new

        self.maker.emitter.change((id(owner), name), get(), get, assign, value)

    def _choose(
        self, frame: Frame, statement: syntax.If, rest: Sequence[syntax.Statement]
    ) -> tuple[bool, Returned | None]:
        """An `if`; answers whether the block around it has ended, and with what."""
        with self.maker.emitter.at(frame.path, "prim::If"):
            condition = self.truth(self.evaluate(frame, statement.condition))
        if isinstance(condition, bool):
            result = self.block(frame, statement.then if condition else statement.otherwise)
            return result is not None, result
        with self.maker.emitter.at(frame.path, "prim::If"):
            return self.control.choose(frame, statement, condition, rest)

    def _nested(self, frame: Frame, statement: syntax.While | syntax.For | syntax.With) -> Returned | None:
        match statement:
            case syntax.While():
                return self._while(frame, statement)
            case syntax.For():
                return self._for(frame, statement)
            case syntax.With():
                return self._with(frame, statement)

    def _while(self, frame: Frame, statement: syntax.While) -> Returned | None:
        for _ in range(_MOST_TRIPS):
            with self.maker.emitter.at(frame.path, "prim::Loop"):
                condition = self.truth(self.evaluate(frame, statement.condition))
            if isinstance(condition, Scalar):
                with self.maker.emitter.at(frame.path, "prim::Loop"):
                    self.control.repeat(frame, statement.body, condition, statement.condition, None, ())
                return None
            if not condition:
                return None
            result = self.block(frame, statement.body)
            if result is not None:
                return result
        raise self.maker.wrong(f"line {statement.line}: a loop of more than {_MOST_TRIPS} iterations")

    def _for(self, frame: Frame, statement: syntax.For) -> Returned | None:
        items = self.evaluate(frame, statement.items)
        if isinstance(items, Scalar):
            with self.maker.emitter.at(frame.path, "prim::Loop"):
                self.control.repeat(frame, statement.body, None, None, items, statement.targets)
            return None
        known = containers.items_of(items)
        if known is None or len(known) > _MOST_ITEMS:
            raise self.unsupported(f"line {statement.line}: a loop over {type(items).__name__}")
        for item in known:
            if len(statement.targets) == 1:
                self.bind(frame, statement.targets[0], item)
            else:
                for target, part in zip(statement.targets, containers.items_of(item) or (), strict=True):
                    self.bind(frame, target, part)
            result = self.block(frame, statement.body)
            if result is not None:
                return result
        return None

    def _with(self, frame: Frame, statement: syntax.With) -> Returned | None:
        """Context managers of models switch gradients on or off, or open profiler ranges: they change no value."""
        manager = self.evaluate(frame, statement.manager)
        if statement.name is not None:
            frame.variables[statement.name] = manager
        return self.block(frame, statement.body)

    # -- expressions ----------------------------------------------------------------------------------------------

    def evaluate(self, frame: Frame, expression: syntax.Expression) -> Item:
        """What an expression stands for."""
        match expression:
            case syntax.Name():
                return self.look_up(frame, expression.parts)
            case syntax.Literal():
                return expression.value
            case syntax.Call():
                return self.calls.call(frame, expression)
            case syntax.Attribute():
                return self.attribute(self.evaluate(frame, expression.base), expression.name)
            case syntax.Subscript():
                return containers.get_item(
                    self.maker, self.evaluate(frame, expression.base), self.evaluate(frame, expression.index)
                )
            case syntax.TupleOf():
                return tuple(self.evaluate(frame, item) for item in expression.items)
            case syntax.ListOf():
                return [self.evaluate(frame, item) for item in expression.items]
            case syntax.DictOf():
                return {self.evaluate(frame, key): self.evaluate(frame, value) for key, value in expression.pairs}
            case syntax.Negative():
                return numbers.negative(self.maker, self.evaluate(frame, expression.operand))

    def look_up(self, frame: Frame, parts: tuple[str, ...]) -> Item:
        """What a dotted name stands for. Raises ModelError for one that has no meaning."""
        first = parts[0]
        if first in frame.variables:
            found = frame.variables[first]
            if isinstance(found, Undefined):
                raise self.unsupported(f"{first!r} is read, and {found.reason}")
            for name in parts[1:]:
                found = self.attribute(found, name)
            return found
        if len(parts) == 1:
            if first in _NAMED:
                return _NAMED[first]
            raise self.maker.wrong(f"the variable {first!r} has no value")
        if first == "CONSTANTS":
            return self._constant(parts[1])
        if first == "__torch__":
            return self._global(parts)
        raise self.maker.wrong(f"the name {'.'.join(parts)} means nothing")

    def _constant(self, name: str) -> Item:
        number = int(name[1:]) if name[1:].isdigit() else -1
        if not 0 <= number < len(self.constants):
            raise self.maker.wrong(f"there is no constant {name!r}")
        found = self.constants[number]
        if not isinstance(found, StoredTensor):
            return found
        tensor = self.maker.emitter.stored(found, name)
        tensor.is_number = not found.array.shape and found.quantizer is None
        return tensor

    def _global(self, parts: tuple[str, ...]) -> Item:
        """A function or class by its qualified name, or a member of an enumeration."""
        owner = self.library.find_class(".".join(parts[:-1]))
        if owner is not None and "Enum" in owner.bases and parts[-1] in owner.values:
            value = owner.values[parts[-1]]
            return EnumMember(".".join(parts[:-1]), value.value if isinstance(value, syntax.Literal) else None)
        return FunctionName(".".join(parts))

    def attribute(self, owner: Item, name: str) -> Item:
        """`owner.name`. Raises ModelError if there is none."""
        if isinstance(owner, ScriptObject):
            if name in owner.attributes:
                found = owner.attributes[name]
                if isinstance(found, StoredTensor):
                    return self.maker.emitter.stored(found, f"{owner.path}.{name}" if owner.path else name)
                return found
            return self._class_value(owner, name)
        if isinstance(owner, NamedItems) and name in owner.names:
            return owner.items[owner.names.index(name)]
        if isinstance(owner, EnumMember) and name == "value":
            return owner.value if isinstance(owner.value, (int, float, str)) else None
        raise self.maker.wrong(f"{type(owner).__name__} has no attribute {name!r}")

    def _class_value(self, owner: ScriptObject, name: str) -> Item:
        found = self.library.find_class(owner.class_name)
        value = None if found is None else found.values.get(name)
        if value is None and found is not None and name in found.fields:
            value = found.fields[name].value
        if value is None:
            raise self.maker.wrong(f"{owner.class_name} has no attribute {name!r}")
        return self.evaluate(Frame(_NO_FUNCTION, {}, "", 0), value)

    # -- truth ----------------------------------------------------------------------------------------------------

    def truth(self, item: Item) -> bool | Scalar:
        """An item as a condition."""
        if isinstance(item, (Tensor, StoredTensor)):
            item = numbers.to_number(self.maker, wrap(self.maker, item))
        if isinstance(item, Scalar):
            return item if item.kind == "bool" else numbers.to_bool(self.maker, item)
        return bool(item)

    def unsupported(self, what: str) -> UnsupportedError:
        """An error that says what is not supported."""
        return self.maker.unsupported(f"{what} is not supported" if " is " not in what else what)

    def refuse(self, message: str) -> NoReturn:
        """Raise an error that says what the program does that no graph can do."""
        raise self.maker.unsupported(message)


_NO_FUNCTION = syntax.Function("", (), None, (), 0)
