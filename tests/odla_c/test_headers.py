"""The C headers: every declaration and enumerator is the table's, and each header compiles alone as C99 and C++11."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from odla.api.headers import INCLUDE, OPERATORS, UMBRELLA, header_texts
from odla.api.table import Api, Enumeration, Function, Macro, Struct, Typedef, extensions, standard

_STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", f"-I{INCLUDE}")
_COMPILERS = {"c": ("gcc", "-std=c99"), "cc": ("g++", "-std=c++11")}
_HIDDEN = ("__attribute__(x)=", "__extension__=", "__restrict=", "__inline=")
"""Macros that hide the words of GNU C from the parser."""
_FIXED_WIDTH = {f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_WIDTHS = {"signed char": 8, "short": 16, "int": 32, "long": 64}


def _compile(source: str, suffix: str, folder: Path) -> None:
    path = folder / f"program.{suffix}"
    path.write_text(source)
    done = subprocess.run([*_COMPILERS[suffix], *_STRICT, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Everything the headers declare, by name, as another program reads it."""
    source = tmp_path_factory.mktemp("headers") / "all.c"
    source.write_text(f"#include <{UMBRELLA}>\n#include <ODLA/odla_halo.h>\n")
    defines = [f"-D{text}" for text in _HIDDEN]
    # Without __LP64__ the headers leave out their layout checks, which are no declarations.
    command = ["gcc", "-E", "-P", "-std=c99", "-U__LP64__", f"-I{INCLUDE}", *defines, str(source)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pycparser: Any = importlib.import_module("pycparser")
    tree = pycparser.CParser().parse(text)
    return {node.name: node for node in tree.ext if node.name}


def _spelled(node: Any) -> str:
    """A type as the table writes it."""
    match type(node).__name__:
        case "TypeDecl":
            return " ".join([*(node.quals or []), _spelled(node.type)])
        case "Typename":
            return _spelled(node.type)
        case "IdentifierType":
            return " ".join(node.names)
        case "PtrDecl" if type(node.type).__name__ == "FuncDecl":
            return f"{_spelled(node.type.type)} (*)({', '.join(_spelled(each.type) for each in node.type.args.params)})"
        case "PtrDecl":
            return f"{_spelled(node.type)}*"
        case "ArrayDecl":
            return f"{_spelled(node.type)}[{node.dim.value}]"
        case "Struct":
            return f"struct {node.name}"
        case kind:
            raise AssertionError(f"unexpected {kind}")


def _functions(node: Any) -> Iterator[tuple[str, str]]:
    for each in node.type.args.params:
        if type(each).__name__ == "EllipsisParam":
            yield "...", ""
        elif _spelled(each.type) != "void":
            yield _spelled(each.type), each.name


@pytest.mark.parametrize("api", [standard(), extensions()], ids=["standard", "extensions"])
def test_functions_are_those_of_the_table(api: Api, declared: dict[str, Any]) -> None:
    for function in api.functions:
        node = declared[function.name]
        expected = [(each.declared_type, each.name) for each in function.parameters]
        found = [
            (type, name if wanted[1] else "")
            for (type, name), wanted in zip(_functions(node), [*expected, ("...", "")], strict=False)
        ]

        assert found == expected + ([("...", "")] if function.variadic else []), function.name
        assert _spelled(node.type.type) == function.result, function.name
        assert node.storage == ["extern"], function.name


def test_nothing_else_is_declared(declared: dict[str, Any]) -> None:
    names = {item.name for api in (standard(), extensions()) for item in api.items}
    ours = {name for name in declared if name.lower().startswith("odla_") and not name.startswith("odla_layout_of_")}

    assert ours <= names
    assert len(standard().functions) == 229


def test_enumerators_are_those_of_the_table(declared: dict[str, Any], tmp_path: Path) -> None:
    enumerations = standard().enumerations
    lines = [f"#include <{UMBRELLA}>"]
    for item in enumerations:
        members = [each.name for each in declared[item.name].type.type.values.enumerators]
        assert members == [name for name, _, _ in item.values]
        lines += [f"typedef char is_{name}[({name}) == {number} ? 1 : -1];" for name, number, _ in item.values]
    for suffix in _COMPILERS:
        _compile("\n".join(lines) + "\n", suffix, tmp_path)
    assert sum(len(item.values) for item in enumerations) == 164


def test_structs_and_type_names_are_those_of_the_table(declared: dict[str, Any]) -> None:
    for api in (standard(), extensions()):
        for item in api.items:
            match item:
                case Struct():
                    fields: list[tuple[str, str]] = []
                    for each in declared[item.name].type.type.decls:
                        inner: list[Any] = each.type.decls if type(each.type).__name__ == "Union" else [each]
                        fields += [(_spelled(member.type), member.name) for member in inner]
                    assert fields == [(field.type, field.name) for field in item.fields]
                case Typedef():
                    found = _spelled(declared[item.name].type)
                    assert _same_width(found, item.type) or found == item.type, item.name
                case _:
                    pass


def _same_width(found: str, expected: str) -> bool:
    """Whether a fixed-width name or size_t stands for what the table spells out."""
    unsigned = expected.startswith("unsigned ")
    bits = _WIDTHS.get(expected.removeprefix("unsigned "), 8 if expected == "unsigned char" else 0)
    if found == "size_t":
        return unsigned and bits == 64
    return found in _FIXED_WIDTH and found == f"{'u' if unsigned else ''}int{bits}_t"


def test_layouts_and_macros_are_those_of_the_table(tmp_path: Path) -> None:
    lines = ["#include <stddef.h>", f"#include <{UMBRELLA}>", "#include <ODLA/odla_halo.h>"]
    for api in (standard(), extensions()):
        for item in api.items:
            match item:
                case Struct():
                    lines.append(_check(f"sizeof({item.name}) == {item.bytes}"))
                    lines += [
                        _check(f"offsetof({item.name}, {field.name}) == {field.offset}")
                        + _check(f"sizeof((({item.name}*)0)->{field.name}) == {field.bytes}")
                        for field in item.fields
                    ]
                case Typedef() if item.bytes:
                    lines.append(_check(f"sizeof({item.name}) == {item.bytes}"))
                case Macro() if item.text.isdigit():
                    lines.append(_check(f"{item.name} == {item.text}"))
                case Enumeration():
                    lines.append(_check(f"sizeof({item.name}) == 4"))
                case _:
                    pass
    lines += [_check("ODLA_VERSION_NUMBER == 50"), "#if ODLA_VERSION_NUMBER != 50", "#error version", "#endif"]
    for suffix in _COMPILERS:
        _compile("\n".join(lines) + "\n", suffix, tmp_path)


def _check(condition: str) -> str:
    name = "".join(letter if letter.isalnum() else "_" for letter in condition)
    return f"typedef char check_{name}[({condition}) ? 1 : -1];"


@pytest.mark.parametrize("suffix", sorted(_COMPILERS))
def test_each_header_compiles_alone(suffix: str, tmp_path: Path) -> None:
    headers = sorted(str(path.relative_to(INCLUDE)) for path in INCLUDE.rglob("*.h"))
    assert set(headers) == {UMBRELLA, OPERATORS, *standard().headers, *extensions().headers}
    for header in headers:
        _compile(f"#include <{header}>\n#include <{header}>\n", suffix, tmp_path)


def test_headers_are_what_the_tables_give() -> None:
    for header, text in header_texts().items():
        assert (INCLUDE / header).read_text("utf-8") == text, f"{header}: run python -m odla.api.headers"


def test_every_function_is_documented() -> None:
    for item in (*standard().items, *extensions().items):
        if isinstance(item, Function):
            assert item.meaning, item.name


_NEWER = {
    "c": ("c99", "c11", "c17", "gnu11"),
    "cc": ("c++11", "c++14", "c++17", "c++20", "gnu++20"),
}


@pytest.mark.parametrize("compiler", [("gcc", "g++"), ("clang", "clang++")], ids=lambda pair: pair[0])
def test_headers_are_valid_in_every_standard(compiler: tuple[str, str], tmp_path: Path) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    for command, (suffix, standards) in zip(compiler, _NEWER.items(), strict=True):
        path = tmp_path / f"program.{suffix}"
        path.write_text(f"#include <{UMBRELLA}>\n#include <ODLA/odla_halo.h>\n")
        for name in standards:
            done = subprocess.run(
                [command, f"-std={name}", "-pedantic-errors", *_STRICT, str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command} -std={name}: {done.stderr}"
