"""The C source that makes the calls of cases, and what it writes read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from halo_backends.native.conformance.case import FUNCTIONS, Array, Case, E, Many, Numbers, Shape, Type, V
from halo_py.types import DType
from odla.c.element_types import ElementType, element_of

# -- C source ---------------------------------------------------------------------------------------------------------


@dataclass
class Source:
    """A program of many cases, and the bytes of their inputs."""

    lines: list[str] = field(default_factory=list[str])
    data: bytearray = field(default_factory=bytearray)

    def add(self, number: int, case: Case) -> None:
        """A function that makes the call and writes its results."""
        writer = _CaseWriter(self)
        function = FUNCTIONS[case.function]
        given = function.parameters[:-1] if function.variadic else function.parameters
        call = ", ".join(
            writer.argument(parameter.type, argument)
            for parameter, argument in zip(given, case.arguments, strict=False)
        )
        several = function.result == "odla_values"
        if function.variadic:
            self._add_variadic(number, case, writer, call)
            return
        last = function.parameters[-1].type
        id = _ids(number, case, writer) if last == "odla_value_ids" else f'ID("out{number}")'
        finish = "finish_values" if several else "finish_value"
        body = "\n".join(f"  {line}" for line in writer.lines)
        self.lines.append(
            f"static void case_{number}(void) {{\n  begin();\n{body}\n"
            f"  {finish}({number}, {case.function}({call}, {id}));\n}}\n"
        )

    def _add_variadic(self, number: int, case: Case, writer: _CaseWriter, call: str) -> None:
        """A call whose last argument, after the ids, is the text of further arguments; NULL closes them."""
        rest = case.arguments[-1].text
        if "order" in rest:
            writer.lines.append("const odla_int64 order[] = {1, 0};")
        id = _ids(number, case, writer)
        body = "\n".join(f"  {line}" for line in writer.lines)
        tail = f"{rest}, " if rest else ""
        self.lines.append(
            f"static void case_{number}(void) {{\n  begin();\n{body}\n"
            f"  finish_values({number}, {case.function}({call}, {id}, {tail}(const char*)NULL));\n}}\n"
        )

    def text(self, numbers: Sequence[int]) -> str:
        """The whole program."""
        calls = "".join(f"  case_{number}();\n" for number in numbers)
        return '#include "harness.h"\n\n' + "\n".join(self.lines) + f"\nstatic void run_cases(void) {{\n{calls}}}\n"

    def place(self, contents: bytes) -> int:
        """Where bytes of input lie, aligned."""
        self.data.extend(bytes(-len(self.data) % 64))
        place = len(self.data)
        self.data.extend(contents)
        return place


def _ids(number: int, case: Case, writer: _CaseWriter) -> str:
    texts = ", ".join(f'"out{number}_{place}"' for place in range(max(1, case.ids)))
    writer.lines.append(f"const char* const ids[] = {{{texts}}};")
    return f"ids_of({case.ids}, ids)"


class _CaseWriter:
    """The declarations in front of one call."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: list[str] = []
        self._count = 0

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def argument(self, type: str, argument: Any) -> str:
        """The C expression of an argument."""
        match argument:
            case V():
                return self.operand(argument)
            case Many():
                names = [self.operand(each) for each in argument.operands]
                name = self._name("list")
                self.lines.append(f"const odla_value {name}[] = {{{', '.join(names)}}};")
                return f"values_of({len(names)}, {name})"
            case E():
                return argument.text
            case Numbers():
                name = self._name("numbers")
                element = type.removeprefix("const ").removesuffix("*")
                entries = ", ".join(f"({element}){entry}" for entry in argument.entries) or "0"
                self.lines.append(f"const {element} {name}[] = {{{entries}}};")
                return name
            case Shape():
                return f"shape_of({len(argument.dims)}, {self.dims(argument.dims)})"
            case Type():
                return f"type_of({_element(argument.element)}, {len(argument.dims)}, {self.dims(argument.dims)})"
            case bool():
                return str(int(argument))
            case float():
                return f"{argument!r}f"
            case str():
                return f'"{argument}"'
            case _:
                return str(argument)

    def dims(self, dims: tuple[int, ...]) -> str:
        """A declared array of dimensions."""
        name = self._name("dims")
        self.lines.append(f"const odla_int64 {name}[] = {{{', '.join(map(str, dims)) or '0'}}};")
        return name

    def operand(self, operand: V) -> str:
        """A declared operand."""
        array = operand.array
        name = self._name("value")
        dims = self.dims(array.shape)
        if array.dtype.kind in "OU":
            texts = ", ".join(f'"{text}"' for text in array.reshape(-1))
            self.lines.append(f"const char* const {name}_data[] = {{{texts}}};")
            element, data = ElementType.STRING, f"{name}_data"
        else:
            element = element_of(DType.from_numpy(array.dtype))
            data = f"input_bytes + {self.source.place(np.ascontiguousarray(array).tobytes())}"
        make = "constant" if operand.constant else "input"
        self.lines.append(f"odla_value {name} = {make}({_element(element)}, {array.ndim}, {dims}, {data});")
        return name


def _element(element: ElementType) -> str:
    return f"ODLA_{element.name}"


# -- results ----------------------------------------------------------------------------------------------------------


def read_results(path: Path) -> dict[int, list[tuple[ElementType, Array]]]:
    """Case number -> its results."""
    data = path.read_bytes()
    place = 0

    def integer() -> int:
        nonlocal place
        place += 8
        return int.from_bytes(data[place - 8 : place], "little", signed=True)

    found: dict[int, list[tuple[ElementType, Array]]] = {}
    while place < len(data):
        number, count = integer(), integer()
        values: list[tuple[ElementType, Array]] = []
        for _ in range(count):
            element = ElementType(integer())
            shape = tuple(integer() for _ in range(integer()))
            dtype = _NUMPY[element]
            size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            values.append((element, np.frombuffer(data[place : place + size], dtype).reshape(shape)))
            place += size
        found[number] = values
    return found


_NUMPY = {
    element: DType.from_text(element.name.lower().removeprefix("q")).numpy
    for element in ElementType
    if element is not ElementType.STRING
}
