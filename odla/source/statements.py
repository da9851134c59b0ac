"""Calls as C statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from halo_py.ir.graph import Value
from odla.calls.model import (
    ANSWERS_VALUES,
    Argument,
    Attribute,
    Call,
    Dims,
    Name,
    Signed,
    Text,
    Unsigned,
    ValueType,
)
from odla.calls.model import (
    Names as Enumerators,
)
from odla.source.names import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from odla.source.names import Names

_OPENS = frozenset(("odla_BeginIf", "odla_BeginLoop"))
_CLOSES = frozenset(("odla_EndIf", "odla_EndLoop"))


class Statements:
    """Writes calls one after another; those inside a loop or a conditional are indented.

    `ids` are the ids of values that are bound; others are called what they are.
    """

    def __init__(self, names: Names, ids: Mapping[Value, str]) -> None:
        self.names = names
        self.ids = ids
        self.depth = 0
        self._declared: dict[str, str] = {}
        """Tables by what they hold: equal ones are declared once."""

    def id(self, value: Value) -> str:
        """A value's id as an argument."""
        return f"(odla_value_id){quoted(self.ids.get(value, value.name))}"

    def call(self, call: Call) -> Iterator[str]:
        """The statements of a call and of what its arguments need before it."""
        if call.function in _CLOSES:
            self.depth -= 1
        indent = "  " * (self.depth - (call.function == "odla_EnterBranchBody"))
        for line in self._call(call):
            yield indent + line
        if call.function in _OPENS:
            self.depth += 1

    def _call(self, call: Call) -> Iterator[str]:
        texts: list[str] = []
        for argument in call.arguments:
            before, text = self.argument(argument)
            if before:
                yield before
            texts.append(text)
        if call.function in ANSWERS_VALUES:
            yield from self._values(call, texts)
        elif call.results:
            name = self.names.of(call.results[0])
            yield f"odla_value {name} = {call.function}({', '.join([*texts, self.id(call.results[0])])});"
            yield f"if ({name} == NULL) return ODLA_FAILURE;"
        else:
            yield f"if ({call.function}({', '.join(texts)}) != ODLA_SUCCESS) return ODLA_FAILURE;"

    def _values(self, call: Call, texts: list[str]) -> Iterator[str]:
        """A call that answers several values."""
        count = len(call.results)
        ids, made = self.names.fresh("ids"), self.names.fresh("results")
        listed = ", ".join(self.id(value) for value in call.results)
        yield f"const odla_value_ids {ids} = {{{count}, {{{listed}}}}};"
        custom = call.function == "odla_CustomOp"
        arguments = [*texts[:3], ids, *texts[3:], "(odla_char*)NULL"] if custom else [*texts, ids]
        yield f"const odla_values {made} = {call.function}({', '.join(arguments)});"
        yield f"if ({made}.size != {count}) return ODLA_FAILURE;"
        for number, value in enumerate(call.results):
            name = self.names.of(value)
            yield f"odla_value {name} = {made}.values[{number}];"
            yield f"if ({name} == NULL) return ODLA_FAILURE;"

    def argument(self, argument: Argument) -> tuple[str, str]:
        """A declaration that the argument needs before the call (may be empty), and the argument."""
        match argument:
            case None:
                return "", "NULL"
            case bool():
                return "", "1" if argument else "0"
            case int():
                return "", str(argument)
            case float():
                return "", float_literal(argument)
            case Value():
                return "", self.names.of(argument)
            case Name(text):
                return "", text
            case Text(text):
                return "", quoted(text)
            case ValueType():
                return self.value_type(argument)
            case Attribute():
                return self._attribute(argument)
            case tuple():
                name = self.names.fresh("values")
                listed = ", ".join(self.names.of(value) for value in argument)
                return f"const odla_values {name} = {{{len(argument)}, {{{listed or 'NULL'}}}}};", name
            case _:
                return self._list(argument)

    def _table(self, kind: str, hint: str, literal: str, *, array: bool = True) -> tuple[str, str]:
        """A static constant: its declaration, empty if there is an equal one already, and its name."""
        name = self._declared.get(f"{kind} {literal}")
        if name is not None:
            return "", name
        name = self._declared[f"{kind} {literal}"] = self.names.fresh(hint)
        return f"static const {kind} {name}{'[]' if array else ''} = {literal};", name

    def _list(self, argument: Dims | Unsigned | Signed | Enumerators) -> tuple[str, str]:
        match argument:
            case Dims():
                return self._table("odla_value_shape", "dims", shape_literal(argument), array=False)
            case Enumerators(texts):
                return self._table(
                    "odla_loop_output_mode", "modes", f"{{{', '.join(texts) or 'ODLA_LOOP_LAST_VALUE'}}}"
                )
            case Unsigned(numbers) | Signed(numbers):
                kind = "odla_uint32" if isinstance(argument, Unsigned) else "odla_int32"
                return self._table(kind, "numbers", f"{{{', '.join(map(str, numbers)) or '0'}}}")

    def _attribute(self, argument: Attribute) -> tuple[str, str]:
        """A name and a value: two arguments, three if it is a list."""
        name, value = quoted(argument.name), argument.value
        match value:
            case Name(text):
                return "", f"{name}, (odla_int64){text}"
            case str():
                return "", f"{name}, {quoted(value)}"
            case float():
                return "", f"{name}, {double_literal(value)}"
            case int():
                return "", f"{name}, (odla_int64){value}"
            case tuple():
                kind, listed = _list_of(value)
                before, made = self._table(kind, argument.name, f"{{{listed}}}")
                return before, f"{name}, (odla_int64){len(value)}, {made}"

    def value_type(self, argument: ValueType) -> tuple[str, str]:
        """A value's type: its declaration and its name."""
        literal = f"{{{argument.element.text}, {shape_literal(argument.dims)}}}"
        return self._table("odla_value_type", "type", literal, array=False)


def _list_of(entries: tuple[int, ...] | tuple[float, ...] | tuple[str, ...]) -> tuple[str, str]:
    """The type of a list's entries, and the entries."""
    if any(isinstance(entry, str) for entry in entries):
        return "odla_char* const", ", ".join(quoted(str(entry)) for entry in entries)
    if any(isinstance(entry, float) for entry in entries):
        return "odla_float64", ", ".join(double_literal(float(entry)) for entry in entries)
    return "odla_int64", ", ".join(str(entry) for entry in entries) or "0"


def shape_literal(dims: Dims) -> str:
    """An initialiser of an `odla_value_shape`."""
    return f"{{{len(dims.sizes)}, {{{', '.join(map(str, dims.sizes)) or '0'}}}}}"


def float_literal(number: float) -> str:
    """A C literal of a float."""
    if np.isnan(number):
        return "(odla_float32)NAN"
    if np.isinf(number):
        return "(odla_float32)INFINITY" if number > 0 else "-(odla_float32)INFINITY"
    text = f"{np.float32(number):.9g}"
    return f"{text}f" if any(sign in text for sign in ".e") else f"{text}.0f"


def double_literal(number: float) -> str:
    """A C literal of a double."""
    if not np.isfinite(number):
        return float_literal(number).replace("odla_float32", "odla_float64")
    text = repr(float(number))
    return text if any(sign in text for sign in ".e") else f"{text}.0"
