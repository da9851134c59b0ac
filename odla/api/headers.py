"""Writes the C headers from the tables: `python -m odla.api.headers [FOLDER]` (default: `odla/include`).

Each header stands alone, is valid C99 and C++11, and checks the layout of its structs on 64-bit systems.
"""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
from pathlib import Path

from odla.api.table import Api, Enumeration, Function, Item, Macro, Parameter, Struct, Typedef, extensions, standard

INCLUDE = Path(__file__).parents[1] / "include"
UMBRELLA = "ODLA/odla.h"
OPERATORS = "ODLA/odla_ops.h"
_WIDTH = 100
_LICENCE = """\
/* {header}: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */
"""
_STANDARD_TYPES = {
    "signed char": "int8_t",
    "short": "int16_t",
    "int": "int32_t",
    "long": "int64_t",
    "unsigned char": "uint8_t",
    "unsigned short": "uint16_t",
    "unsigned int": "uint32_t",
    "unsigned long": "uint64_t",
}
_MACROS = """\
#if defined(_WIN32)
#define ODLA_API_EXPORT __declspec(dllexport)
#define ODLA_API_CALL __stdcall
#else
#define ODLA_API_EXPORT
#define ODLA_API_CALL
#endif

/** Anonymous unions are newer than C99; compilers that know them take this word as permission. */
#if defined(__GNUC__)
#define ODLA_ANONYMOUS __extension__
#else
#define ODLA_ANONYMOUS
#endif

/** Stops the compiler where a struct has another layout than the libraries expect. */
#define ODLA_CHECK_LAYOUT(name, condition) typedef char odla_layout_of_##name[(condition) ? 1 : -1]
"""


def write_headers(folder: Path = INCLUDE) -> list[Path]:
    """Write every header below `folder`."""
    written: list[Path] = []
    for header, text in header_texts().items():
        path = folder / header
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        written.append(path)
    return written


def header_texts() -> dict[str, str]:
    """Include path -> text of every header."""
    documentation = tomllib.loads((Path(__file__).parent / "documentation.toml").read_text("utf-8"))
    found: dict[str, str] = {}
    for api in (standard(), extensions()):
        for header in api.headers:
            found[header] = _Header(api, header, documentation).text()
    operators = [header for header in standard().headers if header.startswith("ODLA/ops/")]
    for header, contents in ((UMBRELLA, standard().headers), (OPERATORS, operators)):
        includes = "".join(f"#include <{each}>\n" for each in contents)
        found[header] = _wrapped(header, documentation["headers"][header], includes, linkage=False)
    return found


def _guard(header: str) -> str:
    return "HALO_" + re.sub(r"\W", "_", header).upper() + "_"


def _wrapped(header: str, about: str, body: str, *, linkage: bool = True) -> str:
    guard = _guard(header)
    parts = [_LICENCE.format(header=header), f"#ifndef {guard}\n#define {guard}\n", _comment(about, "file")]
    parts.append(body)
    if linkage:
        parts.append('#ifdef __cplusplus\n} /* extern "C" */\n#endif\n')
    parts.append(f"#endif /* {guard} */\n")
    return "\n".join(part for part in parts if part)


def _comment(text: str, kind: str = "") -> str:
    lines: list[str] = [f"@{kind}"] if kind else []
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        if number or kind:
            lines.append("")
        lines += textwrap.wrap(" ".join(paragraph.split()), _WIDTH - 3, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1 and len(lines[0]) < _WIDTH - 7:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


class _Header:
    """One header being written."""

    def __init__(self, api: Api, header: str, documentation: dict[str, dict[str, str]]) -> None:
        self.api = api
        self.header = header
        self.about = documentation["headers"][header]
        self.notes = documentation["notes"]
        self.items = api.of(header)

    def text(self) -> str:
        body = [self._includes()]
        if self.header.endswith("odla_common.h"):
            body.append(_MACROS)
        body.append('#ifdef __cplusplus\nextern "C" {\n#endif\n')
        macros_first = sorted(self.items, key=lambda item: not isinstance(item, Macro))
        body += [part for item in macros_first if (part := self._item(item))]
        checks = [line for item in self.items if isinstance(item, Struct) for line in _checks(item)]
        if checks:
            body.append("#if defined(__LP64__)\n" + "".join(checks) + "#endif\n")
        return _wrapped(self.header, self.about, "\n".join(body))

    def _includes(self) -> str:
        if self.header.endswith("odla_common.h"):
            return "#include <stddef.h>\n#include <stdint.h>\n"
        homes = standard().home_of
        needed = {homes[word] for item in self.items for word in _words(item) if word in homes} - {self.header}
        if self.header != "ODLA/odla_common.h":
            needed.add("ODLA/odla_common.h")
        return "".join(f"#include <{header}>\n" for header in standard().headers if header in needed)

    def _item(self, item: Item) -> str:
        match item:
            case Macro():
                return self._macro(item)
            case Typedef():
                type = "size_t" if item.name == "odla_size_t" else _STANDARD_TYPES.get(item.type, item.type)
                return self._documented(item.name, item.meaning) + f"typedef {_declarator(type, item.name)};\n"
            case Enumeration():
                return self._enumeration(item)
            case Struct():
                return self._struct(item)
            case Function():
                return self._function(item)

    def _documented(self, name: str, meaning: str) -> str:
        note = self.notes.get(name, "")
        brief = meaning[:1].upper() + meaning[1:] + ("" if meaning.endswith(".") else ".")
        return _comment(f"{brief}\n\n{note}" if note else brief)

    def _macro(self, item: Macro) -> str:
        if self.header.endswith("odla_common.h"):
            return ""
        text = item.text.replace("OLDA_", "ODLA_")
        meaning = self.notes.get(item.name, item.meaning)
        return self._documented("", meaning) + f"#define {item.name} {text}\n"

    def _enumeration(self, item: Enumeration) -> str:
        values = "".join(f"  {name} = {number}, /**< {meaning} */\n" for name, number, meaning in item.values)
        return self._documented(item.name, item.meaning) + f"typedef enum {{\n{values}}} {item.name};\n"

    def _struct(self, item: Struct) -> str:
        plain = "".join(f"  {_declarator(field.type, field.name)};\n" for field in item.fields if not field.in_union)
        union = "".join(f"    {_declarator(field.type, field.name)};\n" for field in item.fields if field.in_union)
        if union:
            plain += f"  ODLA_ANONYMOUS union {{\n{union}  }};\n"
        return self._documented(item.name, item.meaning) + f"typedef struct {{\n{plain}}} {item.name};\n"

    def _function(self, item: Function) -> str:
        parameters = [_parameter(parameter) for parameter in item.parameters]
        if item.variadic:
            parameters.append("...")
        head = f"extern ODLA_API_EXPORT {item.result} ODLA_API_CALL {item.name}("
        line = head + ", ".join(parameters or ["void"]) + ");"
        if len(line) > _WIDTH:
            inner = textwrap.wrap(", ".join(parameters) + ");", _WIDTH - 4, break_long_words=False)
            line = head + "\n" + "\n".join(f"    {part}" for part in inner)
        return self._documented(item.name, item.meaning) + line + "\n"


def _parameter(parameter: Parameter) -> str:
    return _declarator(parameter.declared_type, parameter.name or "value_ids")


def _declarator(type: str, name: str) -> str:
    """`type name` as C spells it, for arrays and function pointers too."""
    if "(*)" in type:
        return type.replace("(*)", f"(*{name})", 1)
    match = re.fullmatch(r"(.*)\[(\d+)\]", type)
    if match:
        bound = {"10": "ODLA_MAX_DIMENSION", "64": "ODLA_MAX_OUTPUTS"}.get(match[2], match[2])
        return f"{match[1]} {name}[{bound}]"
    return f"{type} {name}"


def _words(item: Item) -> set[str]:
    match item:
        case Typedef():
            types = [item.type]
        case Struct():
            types = [field.type for field in item.fields]
        case Function():
            types = [item.result, *(parameter.type for parameter in item.parameters)]
        case _:
            types = []
    return {word for type in types for word in re.findall(r"\w+", type)}


def _checks(item: Struct) -> list[str]:
    lines = [f"ODLA_CHECK_LAYOUT({item.name}, sizeof({item.name}) == {item.bytes});\n"]
    for field in item.fields:
        place = f"offsetof({item.name}, {field.name}) == {field.offset}"
        lines.append(f"ODLA_CHECK_LAYOUT({item.name}_field_{field.name}, {place});\n")
    return lines


if __name__ == "__main__":
    for path in write_headers(Path(sys.argv[1]) if len(sys.argv) > 1 else INCLUDE):
        sys.stdout.write(f"{path}\n")
