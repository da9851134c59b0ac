"""The declarations of the C API, read from the tables beside this file.

`odla-0.5.0.tsv` holds what the public headers declare, `extensions.tsv` what HALO adds in a header of its own. Both
have the columns kind, header, name, parameters or size, result or type, value or offset, meaning.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
STANDARD = "odla-0.5.0.tsv"
EXTENSIONS = "extensions.tsv"
_PARAMETER = re.compile(r"^(?P<type>.*?[\s*])(?P<name>\w+|/\*.*\*/)$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its C type without a top-level `const`, and its name ('' if the headers name none)."""

    type: str
    name: str
    constant: bool
    """Whether the value itself is declared `const` (which no caller can notice)."""

    @property
    def declared_type(self) -> str:
        """The type as the headers spell it."""
        return f"const {self.type}" if self.constant else self.type


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the API."""

    header: str
    name: str
    parameters: tuple[Parameter, ...]
    result: str
    variadic: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enumeration: its values in order, each with number and meaning."""

    header: str
    name: str
    meaning: str
    values: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct; members of an anonymous union share the union's offset."""

    name: str
    type: str
    bytes: int
    offset: int
    in_union: bool


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct with its layout on x86-64 Linux."""

    header: str
    name: str
    bytes: int
    alignment: int
    meaning: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Typedef:
    """Another name for a type; `handle` types are pointers to structs nobody sees."""

    header: str
    name: str
    type: str
    bytes: int | None
    handle: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro with its replacement text."""

    header: str
    name: str
    text: str
    meaning: str


Item = Function | Enumeration | Struct | Typedef | Macro


@dataclass(frozen=True, slots=True)
class Api:
    """All declarations, in the order of the headers."""

    items: tuple[Item, ...]

    def of(self, header: str) -> tuple[Item, ...]:
        """The declarations of one header."""
        return tuple(item for item in self.items if item.header == header)

    @property
    def headers(self) -> tuple[str, ...]:
        """Include paths of the headers, in order."""
        return tuple(dict.fromkeys(item.header for item in self.items))

    @property
    def functions(self) -> tuple[Function, ...]:
        """The functions, in order."""
        return tuple(item for item in self.items if isinstance(item, Function))

    @property
    def enumerations(self) -> tuple[Enumeration, ...]:
        """The enumerations, in order."""
        return tuple(item for item in self.items if isinstance(item, Enumeration))

    @property
    def structs(self) -> tuple[Struct, ...]:
        """The structs, in order."""
        return tuple(item for item in self.items if isinstance(item, Struct))

    @property
    def typedefs(self) -> tuple[Typedef, ...]:
        """The type names, in order."""
        return tuple(item for item in self.items if isinstance(item, Typedef))

    @property
    def home_of(self) -> dict[str, str]:
        """Type name -> the header that declares it."""
        return {item.name: item.header for item in self.items if isinstance(item, (Enumeration, Struct, Typedef))}


@dataclass(frozen=True, slots=True)
class _Row:
    kind: str
    header: str
    name: str
    size: str
    type: str
    value: str
    meaning: str


@functools.cache
def standard() -> Api:
    """ODLA 0.5.0."""
    return Api(tuple(_items(_rows(STANDARD))))


@functools.cache
def extensions() -> Api:
    """What HALO adds."""
    return Api(tuple(_items(_rows(EXTENSIONS))))


def functions() -> tuple[Function, ...]:
    """Every function that the library exports."""
    return (*standard().functions, *extensions().functions)


def _rows(file: str) -> list[_Row]:
    lines = (_FOLDER / file).read_text("utf-8").splitlines()
    found = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [_Row(*cells) for cells in found[1:]]


def _items(rows: list[_Row]) -> Iterator[Item]:
    for position, row in enumerate(rows):
        match row.kind:
            case "function":
                yield _function(row)
            case "enum":
                members = [other for other in rows if other.kind == "enum-value" and other.type == row.name]
                values = tuple((member.name, int(member.value), member.meaning) for member in members)
                yield Enumeration(row.header, row.name, row.meaning, values)
            case "struct":
                yield _struct(row, rows[position + 1 :])
            case "typedef" | "typedef-handle":
                handle = row.kind == "typedef-handle"
                size = int(row.size.split()[0]) if row.size else None
                yield Typedef(row.header, row.name, row.type, size, handle, row.meaning)
            case "macro":
                yield Macro(row.header, row.name, row.value, row.meaning)
            case _:
                pass


def _function(row: _Row) -> Function:
    if row.size.startswith("("):
        return Function(row.header, row.name, (), row.type, False, row.meaning)
    parts = [part.strip() for part in row.size.split(",")]
    variadic = parts[-1] == "..."
    return Function(
        row.header,
        row.name,
        tuple(_parameter(part) for part in parts if part != "..."),
        row.type,
        variadic,
        row.meaning,
    )


def _parameter(text: str) -> Parameter:
    match = _PARAMETER.match(text)
    if match is None:
        raise ValueError(f"cannot read the parameter {text!r}")
    type, name = match["type"].strip(), match["name"]
    constant = type.startswith("const ") and not type.endswith("*")
    if constant:
        type = type.removeprefix("const ")
    return Parameter(type, "" if name.startswith("/*") else name, constant)


def _struct(row: _Row, following: list[_Row]) -> Struct:
    size, alignment = (int(number) for number in re.findall(r"\d+", row.size))
    fields: list[Field] = []
    for member in following:
        if member.kind not in ("struct-field", "union-member"):
            break
        name = member.name.split(".", 1)[1]
        if not name.startswith("("):
            offset = int(member.value.removeprefix("offset "))
            union = member.kind == "union-member"
            fields.append(Field(name, member.type, int(member.size.split()[0]), offset, union))
    return Struct(row.header, row.name, size, alignment, row.meaning, tuple(fields))
