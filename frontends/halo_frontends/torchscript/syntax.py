"""The tree of TorchScript source: statements and expressions, each with the line it stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a text."""

    value: int | float | complex | str


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name: `x`, `self.weight`, `torch.add`, `__torch__.model.Net`."""

    parts: tuple[str, ...]
    line: int

    @property
    def text(self) -> str:
        """The name with its dots."""
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`base.name` where base is no name itself."""

    base: Expression
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments, keyword=...)`."""

    function: Expression
    arguments: tuple[Expression, ...]
    keywords: tuple[tuple[str, Expression], ...]
    line: int
    module: str = ""
    """The module that the call comes from, where that is not the one whose method is read."""


@dataclass(frozen=True, slots=True)
class Subscript:
    """`base[index]`."""

    base: Expression
    index: Expression
    line: int


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`(a, b)`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class DictOf:
    """`{a: b}`."""

    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """`-a`."""

    operand: Expression


Expression: TypeAlias = Literal | Name | Attribute | Call | Subscript | TupleOf | ListOf | DictOf | Negative


@dataclass(frozen=True, slots=True)
class Assign:
    """`a, b, = value`; a bare expression has no targets."""

    targets: tuple[Expression, ...]
    unpacks: bool
    value: Expression
    line: int


@dataclass(frozen=True, slots=True)
class Declare:
    """`name : type = value`, in a class or a function."""

    target: Expression
    type: Expression
    value: Expression | None
    line: int


@dataclass(frozen=True, slots=True)
class If:
    """A choice."""

    condition: Expression
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    line: int


@dataclass(frozen=True, slots=True)
class While:
    """A loop while a condition holds."""

    condition: Expression
    body: tuple[Statement, ...]
    line: int


@dataclass(frozen=True, slots=True)
class For:
    """A loop over `range(...)` or a list."""

    targets: tuple[Expression, ...]
    items: Expression
    body: tuple[Statement, ...]
    line: int


@dataclass(frozen=True, slots=True)
class With:
    """A block inside of a context manager."""

    manager: Expression
    name: str | None
    body: tuple[Statement, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Return:
    """The function's result."""

    value: Expression | None
    line: int


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A function's parameter."""

    name: str
    type: Expression | None
    default: Expression | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method."""

    name: str
    parameters: tuple[Parameter, ...]
    result: Expression | None
    body: tuple[Statement, ...]
    line: int
    record: str = ""
    """The record of the archive that it stands in."""


@dataclass(frozen=True, slots=True)
class Class:
    """A module class, a plain class, a NamedTuple or an Enum."""

    name: str
    bases: tuple[str, ...]
    methods: dict[str, Function] = field(default_factory=dict[str, Function])
    fields: dict[str, Declare] = field(default_factory=dict[str, Declare])
    values: dict[str, Expression] = field(default_factory=dict[str, Expression])


Statement: TypeAlias = Assign | Declare | If | While | For | With | Return | Pass | Function | Class
