"""The C API's types and functions for ctypes, made from the tables of `odla.api`. Used in the child process only."""

from __future__ import annotations

import ctypes
import functools
import re
from typing import TYPE_CHECKING, Any

from odla.api.table import Enumeration, Field, Struct, Typedef, extensions, functions, standard

if TYPE_CHECKING:
    from odla.api.table import Function

CType = type[Any]

_PLAIN: dict[str, CType] = {
    "signed char": ctypes.c_int8,
    "short": ctypes.c_int16,
    "int": ctypes.c_int32,
    "long": ctypes.c_int64,
    "unsigned char": ctypes.c_uint8,
    "unsigned short": ctypes.c_uint16,
    "unsigned int": ctypes.c_uint32,
    "unsigned long": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "char": ctypes.c_char,
}


@functools.cache
def prototypes() -> dict[str, Function]:
    """Every function of ODLA and of the extensions by name."""
    return {function.name: function for function in functions()}


@functools.cache
def _declared() -> dict[str, Enumeration | Struct | Typedef]:
    items = (*standard().items, *extensions().items)
    return {item.name: item for item in items if isinstance(item, (Enumeration, Struct, Typedef))}


@functools.cache
def c_type(text: str) -> CType:
    """The ctypes type of a C type. All pointers and handles are addresses."""
    text = text.removeprefix("const ").strip()
    if text.endswith("*"):
        return ctypes.c_void_p
    if array := re.fullmatch(r"(.*)\[(\d+)\]", text):
        element: Any = c_type(array[1])
        return element * int(array[2])
    if text in _PLAIN:
        return _PLAIN[text]
    match _declared().get(text):
        case Enumeration():
            return ctypes.c_int
        case Struct() as struct:
            return _structure(struct)
        case Typedef(handle=True):
            return ctypes.c_void_p
        case Typedef(type=underlying):
            return ctypes.c_void_p if "(*)" in underlying else c_type(underlying)
        case _:
            raise ValueError(f"unknown C type {text!r}")


def _structure(struct: Struct) -> CType:
    """A Structure of the fields at their offsets; of an anonymous union its largest member is taken."""
    named: list[Field] = [field for field in struct.fields if not field.in_union]
    union = [field for field in struct.fields if field.in_union]
    listed: list[tuple[str, CType]] = [(field.name, c_type(field.type)) for field in named]
    if union:
        members: CType = type(
            f"{struct.name}_union",
            (ctypes.Union,),
            {"_fields_": [(field.name, c_type(field.type)) for field in union]},
        )
        listed.append(("union", members))
    made: CType = type(struct.name, (ctypes.Structure,), {"_fields_": listed})
    assert ctypes.sizeof(made) == struct.bytes, struct.name
    return made


def function_of(library: ctypes.CDLL, name: str) -> Any | None:
    """The library's function with its types; None if it does not export it."""
    prototype = prototypes()[name]
    try:
        found: Any = library[name]
    except AttributeError:
        return None
    found.argtypes = [c_type(parameter.type) for parameter in prototype.parameters]
    found.restype = None if prototype.result in ("void", "odla_void") else _result(prototype.result)
    return found


def _result(text: str) -> CType:
    return ctypes.c_char_p if text in ("const char*", "const odla_char*") else c_type(text)
