"""Which variables statements read and assign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from halo_frontends.torchscript import syntax


def names_read(statements: Sequence[syntax.Statement]) -> Counter[str]:
    """How often each variable is read by these statements, nested ones included."""
    found: Counter[str] = Counter()
    for statement in walk(statements):
        for expression in _expressions(statement):
            _count(expression, found)
    return found


def names_assigned(statements: Sequence[syntax.Statement]) -> list[str]:
    """The variables that these statements give values, nested ones included, in order."""
    found: dict[str, None] = {}
    for statement in walk(statements):
        targets: tuple[syntax.Expression, ...] = ()
        match statement:
            case syntax.Assign() | syntax.For():
                targets = statement.targets
            case syntax.Declare():
                targets = (statement.target,) if statement.value is not None else ()
            case _:
                pass
        for target in targets:
            if isinstance(target, syntax.Name) and len(target.parts) == 1:
                found[target.parts[0]] = None
    return list(found)


def returns(statements: Sequence[syntax.Statement]) -> bool:
    """Whether any of these statements may return from the function."""
    return any(isinstance(statement, syntax.Return) for statement in walk(statements))


def walk(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Statement]:
    """Every statement, nested ones included."""
    for statement in statements:
        yield statement
        match statement:
            case syntax.If():
                yield from walk(statement.then)
                yield from walk(statement.otherwise)
            case syntax.While() | syntax.For() | syntax.With():
                yield from walk(statement.body)
            case _:
                pass


def calls(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Call]:
    """Every call in these statements, inner ones first."""
    for statement in walk(statements):
        for expression in _expressions(statement):
            yield from _calls(expression)


def _expressions(statement: syntax.Statement) -> tuple[syntax.Expression, ...]:
    """The expressions that a statement itself evaluates."""
    match statement:
        case syntax.Assign():
            inner = tuple(
                target
                for target in statement.targets
                if not (isinstance(target, syntax.Name) and len(target.parts) == 1)
            )
            return (statement.value, *inner)
        case syntax.Declare() | syntax.Return():
            return () if statement.value is None else (statement.value,)
        case syntax.If() | syntax.While():
            return (statement.condition,)
        case syntax.For():
            return (statement.items,)
        case syntax.With():
            return (statement.manager,)
        case _:
            return ()


def parts_of(expression: syntax.Expression) -> tuple[syntax.Expression, ...]:
    """The expressions that an expression is made of."""
    match expression:
        case syntax.Call():
            return (expression.function, *expression.arguments, *(value for _, value in expression.keywords))
        case syntax.Attribute():
            return (expression.base,)
        case syntax.Subscript():
            return (expression.base, expression.index)
        case syntax.TupleOf() | syntax.ListOf():
            return expression.items
        case syntax.DictOf():
            return tuple(part for pair in expression.pairs for part in pair)
        case syntax.Negative():
            return (expression.operand,)
        case _:
            return ()


def _count(expression: syntax.Expression, found: Counter[str]) -> None:
    if isinstance(expression, syntax.Name):
        found[expression.parts[0]] += 1
    for part in parts_of(expression):
        _count(part, found)


def _calls(expression: syntax.Expression) -> Iterator[syntax.Call]:
    for part in parts_of(expression):
        yield from _calls(part)
    if isinstance(expression, syntax.Call):
        yield expression
