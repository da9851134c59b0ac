"""Text to syntax trees, by the grammar in `source.lark`."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, VisitError
from lark.indenter import Indenter

from halo_frontends.torchscript import syntax
from halo_frontends.torchscript.sharing import Template, number_names
from halo_frontends.torchscript.syntax import Class, Declare, Expression, Function, Statement
from halo_py.errors import ModelError, Where

_MOST_SOURCE_BYTES = 16 << 20
_MOST_SHARED_BYTES = 8 << 10


class _Lines(Indenter):
    """Indentation as tokens; line ends inside parentheses mean nothing."""

    @property
    def NL_type(self) -> str:
        return "_NEWLINE"

    @property
    def OPEN_PAREN_types(self) -> list[str]:
        return ["LPAR", "LSQB", "LBRACE"]

    @property
    def CLOSE_PAREN_types(self) -> list[str]:
        return ["RPAR", "RSQB", "RBRACE"]

    @property
    def INDENT_type(self) -> str:
        return "_INDENT"

    @property
    def DEDENT_type(self) -> str:
        return "_DEDENT"

    @property
    def tab_len(self) -> int:
        return 8


class _Maker(Transformer[Any, Any]):
    """Grammar rules to nodes of `syntax`."""

    def start(self, items: list[Any]) -> list[Statement]:
        return items

    def block(self, items: list[Any]) -> tuple[Statement, ...]:
        return tuple(items)

    # -- expressions ----------------------------------------------------------------------------------------------

    def name(self, items: list[Any]) -> Expression:
        token = items[0]
        return syntax.Name((str(token),), token.line)

    def attribute(self, items: list[Any]) -> Expression:
        base, token = items
        if isinstance(base, syntax.Name):
            return syntax.Name((*base.parts, str(token)), base.line)
        return syntax.Attribute(base, str(token), token.line)

    def keyword(self, items: list[Any]) -> tuple[str, Expression]:
        return str(items[0]), items[1]

    def arguments(self, items: list[Any]) -> list[Any]:
        return items

    def call(self, items: list[Any]) -> Expression:
        function, given = items
        placed: list[Expression] = []
        named: list[tuple[str, Expression]] = []
        for item in given or ():
            if isinstance(item, tuple):
                named.append(cast("tuple[str, Expression]", item))
            elif item is not None:
                placed.append(item)
        return syntax.Call(function, tuple(placed), tuple(named), _line(function))

    def subscript(self, items: list[Any]) -> Expression:
        return syntax.Subscript(items[0], items[1], _line(items[0]))

    def tuple(self, items: list[Any]) -> Expression:
        return syntax.TupleOf(tuple(item for item in items if item is not None))

    def list(self, items: list[Any]) -> Expression:
        return syntax.ListOf(tuple(item for item in items if item is not None))

    def dict(self, items: list[Any]) -> Expression:
        return syntax.DictOf(tuple(item for item in items if item is not None))

    def pair(self, items: list[Any]) -> tuple[Expression, Expression]:
        return items[0], items[1]

    def number(self, items: list[Any]) -> Expression:
        text = str(items[0])
        if text.endswith("j"):
            return syntax.Literal(complex(text))
        return syntax.Literal(int(text) if text.isdigit() else float(text))

    def string(self, items: list[Any]) -> Expression:
        return syntax.Literal("".join(str(ast.literal_eval(str(item))) for item in items))

    def negative(self, items: list[Any]) -> Expression:
        operand = items[0]
        if isinstance(operand, syntax.Literal) and not isinstance(operand.value, str):
            return syntax.Literal(-operand.value)
        return syntax.Negative(operand)

    # -- statements -----------------------------------------------------------------------------------------------

    def pass_statement(self, _items: list[Any]) -> Statement:
        return syntax.Pass()

    def return_statement(self, items: list[Any]) -> Statement:
        return syntax.Return(items[0], _line(items[0]))

    def expression_statement(self, items: list[Any]) -> Statement:
        return syntax.Assign((), False, items[0], _line(items[0]))

    def assignment(self, items: list[Any]) -> Statement:
        target, value = items
        if isinstance(target, syntax.TupleOf):
            return syntax.Assign(target.items, True, value, _line(target))
        return syntax.Assign((target,), False, value, _line(target))

    def declaration(self, items: list[Any]) -> Statement:
        return syntax.Declare(items[0], items[1], items[2], _line(items[0]))

    def targets(self, items: list[Any]) -> tuple[Expression, ...]:
        return tuple(item for item in items if item is not None)

    def if_statement(self, items: list[Any]) -> Statement:
        return syntax.If(items[0], items[1], items[2] or (), _line(items[0]))

    def while_statement(self, items: list[Any]) -> Statement:
        return syntax.While(items[0], items[1], _line(items[0]))

    def for_statement(self, items: list[Any]) -> Statement:
        return syntax.For(items[0], items[1], items[2], _line(items[1]))

    def with_statement(self, items: list[Any]) -> Statement:
        name = None if items[1] is None else str(items[1])
        return syntax.With(items[0], name, items[2], _line(items[0]))

    # -- definitions ----------------------------------------------------------------------------------------------

    def parameter(self, items: list[Any]) -> syntax.Parameter:
        return syntax.Parameter(str(items[0]), items[1], items[2])

    def function_definition(self, items: list[Any]) -> Statement:
        token = items[0]
        parameters = tuple(item for item in items[1:-2] if item is not None)
        return Function(str(token), parameters, items[-2], items[-1], token.line)

    def class_definition(self, items: list[Any]) -> Statement:
        bases = tuple(str(item) for item in items[1:-1] if item is not None)
        made = Class(str(items[0]), bases)
        for member in items[-1]:
            if isinstance(member, Function):
                made.methods[member.name] = member
            elif isinstance(member, Declare):
                made.fields[_member_name(member.target)] = member
            elif isinstance(member, syntax.Assign) and len(member.targets) == 1:
                made.values[_member_name(member.targets[0])] = member.value
        return made


def parse_source(text: str, record: str, place: Where) -> tuple[dict[str, Class], dict[str, Function]]:
    """The classes and functions of one record of source. Raises ModelError, naming the line, if it is none."""
    if len(text) > _MOST_SOURCE_BYTES:
        raise ModelError(f"{record} has {len(text)} bytes of source, more than any model", place)
    numbered = number_names(text if text.endswith("\n") else text + "\n")
    parse = _parse if len(numbered.text) > _MOST_SHARED_BYTES else _parse_once
    try:
        parsed = cast("tuple[Statement, ...]", parse(numbered.text).named(numbered.names))
    except UnexpectedInput as error:
        raise ModelError(f"{record}, line {error.line}: is not TorchScript source", place) from error
    except (VisitError, RecursionError) as error:
        raise ModelError(f"{record}: is not TorchScript source: {_first_line(error)}", place) from error
    classes: dict[str, Class] = {}
    functions: dict[str, Function] = {}
    for statement in parsed:
        if isinstance(statement, Class):
            methods = {name: replace(method, record=record) for name, method in statement.methods.items()}
            classes[statement.name] = replace(statement, methods=methods)
        elif isinstance(statement, Function):
            functions[statement.name] = replace(statement, record=record)
    return classes, functions


def _parse(text: str) -> Template:
    parsed: object = cast("Any", _parser()).parse(text)
    return Template(tuple(cast("list[Statement]", parsed)))


_parse_once = lru_cache(maxsize=256)(_parse)


@cache
def _parser() -> Lark:
    grammar = Path(__file__).with_name("source.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", postlex=_Lines(), transformer=_Maker(), maybe_placeholders=True)


def _line(node: Any) -> int:
    """The line that a node stands on, as far as it is known."""
    if isinstance(node, Token):
        return node.line or 0
    line = getattr(node, "line", None)
    if line is not None:
        return int(line)
    for item in getattr(node, "items", ()) or ():
        found = _line(item)
        if found:
            return found
    return 0


def _member_name(target: Expression) -> str:
    """`x`, or `"0"` of `__annotations__["0"]`."""
    if isinstance(target, syntax.Subscript) and isinstance(target.index, syntax.Literal):
        return str(target.index.value)
    return target.text if isinstance(target, syntax.Name) else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
