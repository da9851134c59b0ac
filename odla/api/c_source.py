"""Writes what follows from the tables in `libodla.so`: cffi's declarations, and the exported functions in C."""

from __future__ import annotations

import re

from odla.api.table import Enumeration, Function, Struct, Typedef, extensions, functions, standard

PREFIX = "halo_"
"""Put before a function's name: the one that Python implements, which the exported function calls."""

STARTED_IN_C = ("odla_GetLastErrorText", "odla_GetLastErrorStatus")
"""Functions that also answer when the interpreter does not start; written by hand."""

_SUPPORT = """
typedef struct halo_arguments halo_arguments;
int halo_next_int(halo_arguments* arguments);
int64_t halo_next_int64(halo_arguments* arguments);
double halo_next_double(halo_arguments* arguments);
void* halo_next_pointer(halo_arguments* arguments);
int halo_mapped(const void* address, size_t bytes);
void* halo_allocate(size_t bytes);
void halo_free(void* address);
const char* halo_environment(const char* name);
void halo_print(const char* text);
void halo_print_error(const char* text);
void halo_default_logger(const char* file, int line, const char* function, odla_log_level level, const char* message);
odla_status odla_RunTask(odla_device device, odla_task task);
"""
_FAILED = {
    "odla_status": "ODLA_DL_ERROR",
    "odla_value": "NULL",
    "odla_values": "(odla_values){0, {NULL}}",
    "const char*": '""',
    "const odla_char*": '""',
    "odla_logging_func": "NULL",
    "void": "",
}


def type_declarations() -> str:
    """All types, as cffi reads them."""
    lines: list[str] = []
    for api in (standard(), extensions()):
        for item in api.items:
            match item:
                case Typedef():
                    lines.append(f"typedef {_declarator(item.type, item.name)};")
                case Enumeration():
                    members = ", ".join(f"{name} = {number}" for name, number, _ in item.values)
                    lines.append(f"typedef enum {{ {members} }} {item.name};")
                case Struct():
                    lines.append(_struct(item))
                case _:
                    pass
    return "\n".join(lines) + _SUPPORT


def implemented_declarations() -> str:
    """The functions that Python implements."""
    return "\n".join(f"{_prototype(function, PREFIX)};" for function in functions())


def exported_functions() -> str:
    """C source of the exported functions: each starts the interpreter if need be and hands its arguments on."""
    parts = ['#include "halo_odla.h"\n']
    for function in functions():
        if function.variadic or function.name in STARTED_IN_C:
            continue
        names = ", ".join(_name(parameter.name) for parameter in function.parameters)
        call = f"{PREFIX}{function.name}({names})"
        body = f"if (halo_ready()) {call};" if function.result == "void" else _returning(function, call)
        parts.append(f"extern {_prototype(function, PREFIX)};\n{_prototype(function, '')} {{\n  {body}\n}}\n")
    return "\n".join(parts)


def _returning(function: Function, call: str) -> str:
    return f"return halo_ready() ? {call} : {_FAILED[function.result]};"


def _name(name: str) -> str:
    return name or "value_ids"


def _prototype(function: Function, prefix: str) -> str:
    parameters = [_declarator(parameter.type, _name(parameter.name)) for parameter in function.parameters]
    if function.variadic:
        parameters.append("halo_arguments* rest")
    return f"{function.result} {prefix}{function.name}({', '.join(parameters) or 'void'})"


def _struct(item: Struct) -> str:
    plain = "".join(f" {_declarator(field.type, field.name)};" for field in item.fields if not field.in_union)
    union = "".join(f" {_declarator(field.type, field.name)};" for field in item.fields if field.in_union)
    return f"typedef struct {{{plain}{' union {' + union + ' };' if union else ''} }} {item.name};"


def _declarator(type: str, name: str) -> str:
    if "(*)" in type:
        return type.replace("(*)", f"(*{name})", 1)
    match = re.fullmatch(r"(.*)\[(\d+)\]", type)
    return f"{match[1]} {name}[{match[2]}]" if match else f"{type} {name}"
