"""ODLA programs in C or C++: readable source of a graph, its header, its weights, and a driver that checks it.

The source has the shape that ODLA's own generator made well known: `<name>_init` builds the computation, `<name>` binds
and runs it, `<name>_fini` lets go of it. Weights are one binary file, which an assembler file makes symbols of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_py.archive import atomic_file, write_text_atomically
from halo_py.ir.graph import Value
from odla.calls.emit import dtype_of, shape_of, value_type
from odla.calls.model import Argument, Calls, Dims, Name, Signed, Text, Unsigned, ValueType

if TYPE_CHECKING:
    from halo_py.types import DType

Language = Literal["c", "c++"]
SUFFIX: dict[Language, str] = {"c": ".c", "c++": ".cc"}
ALIGNMENT = 64
"""Bytes that the weights of one constant begin at a multiple of."""

_EXTENSIONS = frozenset({"odla_LayerNorm", "odla_Swish", "odla_HardSwish", "odla_Dropout"})
"""Functions that ODLA's headers do not declare."""

_RESERVED = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern"),
        *("float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed"),
        *("sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while"),
        *("class", "delete", "new", "operator", "private", "protected", "public", "template", "this", "throw", "try"),
        *("catch", "namespace", "using", "virtual", "bool", "true", "false", "and", "or", "not", "xor", "main"),
    )
)


@dataclass(slots=True)
class _Names:
    """C identifiers of values: readable, and no two alike."""

    taken: set[str] = field(default_factory=set[str])
    found: dict[Value, str] = field(default_factory=dict[Value, str])

    def of(self, value: Value) -> str:
        """The identifier of a value."""
        if value not in self.found:
            self.found[value] = self.fresh(value.name)
        return self.found[value]

    def fresh(self, text: str) -> str:
        """An identifier like this text."""
        base = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "value"
        if base[0].isdigit() or base in _RESERVED or base.startswith("odla_"):
            base = f"v_{base}"
        name, number = base, 1
        while name in self.taken:
            name, number = f"{base}_{number}", number + 1
        self.taken.add(name)
        return name


def c_type(dtype: DType) -> str:
    """ODLA's C type of an element type (16-bit floats are passed as their bits)."""
    if dtype.text in ("float16", "bfloat16"):
        return "odla_uint16"
    return f"odla_{dtype.text}"


class SourceWriter:
    """Writes the files of one program. `name` is the function's name and the files' stem."""

    def __init__(self, calls: Calls, name: str, language: Language) -> None:
        self.calls = calls
        self.names = _Names({"comp", "Comp", "Ctx"})
        self.name = _Names().fresh(name)
        self.language: Language = language

    def write(self, folder: Path) -> list[Path]:
        """Write source, header, weights and driver. Raises OutputError."""
        stem = folder / self.name
        files = {
            stem.with_suffix(SUFFIX[self.language]): self.source(),
            stem.with_suffix(".h"): self.header(),
            folder / f"{self.name}_weights.S": self.weights_assembler(),
            folder / f"{self.name}_main{SUFFIX[self.language]}": self.driver(),
        }
        for path, text in files.items():
            write_text_atomically(path, text)
        weights = folder / f"{self.name}_weights.bin"
        with atomic_file(weights) as stream:
            stream.write(self.weights())
        return [*files, weights]

    # -- weights --------------------------------------------------------------------------------------------------

    def weights(self) -> bytes:
        """All constants, each aligned."""
        parts: list[bytes] = []
        for _value, contents in self.calls.constants:
            packed = np.ascontiguousarray(contents).tobytes()
            parts.append(packed + bytes(-len(packed) % ALIGNMENT))
        return b"".join(parts)

    def weights_assembler(self) -> str:
        """Symbols of the constants inside the file of weights; to be assembled in its folder."""
        lines = ["/* The weights as symbols. Assemble it in this folder: it includes the file beside it. */"]
        lines += [".section .rodata", f".balign {ALIGNMENT}"]
        offset = 0
        for value, contents in self.calls.constants:
            symbol, size = self._symbol(value), np.asarray(contents).nbytes
            lines += [f".globl {symbol}", f"{symbol}:"]
            padded = size + -size % ALIGNMENT
            if padded:
                lines.append(f'.incbin "{self.name}_weights.bin", {offset}, {padded}')
            offset += padded
        lines.append('.section .note.GNU-stack,"",@progbits')
        return "\n".join(lines) + "\n"

    def _symbol(self, value: Value) -> str:
        return f"{self.name}_data_{self.names.of(value)}"

    # -- header ---------------------------------------------------------------------------------------------------

    def header(self) -> str:
        """Declarations for callers."""
        guard = f"{self.name.upper()}_H_"
        sizes: list[str] = []
        for role, values, names in self._ports():
            for value, name in zip(values, names, strict=True):
                shape = shape_of(value)
                upper = re.sub(r"\W+", "_", f"{self.name}_{role}_{name}").upper()
                sizes.append(f'/* {role} "{name}": {value.type} */')
                sizes.append(f"#define {upper}_ELEMENTS {int(np.prod(shape, dtype=np.int64))}")
        return f"""#ifndef {guard}
#define {guard}

#include <ODLA/odla.h>

#ifdef __cplusplus
extern "C" {{
#endif

{chr(10).join(sizes)}

/* Builds the computation; called by the first run if it was not before. */
odla_status {self.name}_init(void);

/* One run: inputs are read, outputs are written, before it returns. */
{self._signature()};

/* Lets go of the computation. */
odla_status {self.name}_fini(void);

#ifdef __cplusplus
}}
#endif

#endif /* {guard} */
"""

    def _ports(self) -> list[tuple[str, tuple[Value, ...], tuple[str, ...]]]:
        inputs = self.calls.inputs
        return [
            ("input", inputs, tuple(value.name for value in inputs)),
            ("output", self.calls.outputs, self.calls.output_names),
        ]

    def _signature(self) -> str:
        parameters = [f"const {c_type(dtype_of(value))}* in_{self.names.of(value)}" for value in self.calls.inputs]
        parameters += [f"{c_type(dtype_of(value))}* out_{number}" for number, value in enumerate(self.calls.outputs)]
        return f"odla_status {self.name}({', '.join(parameters) or 'void'})"

    # -- source ---------------------------------------------------------------------------------------------------

    def source(self) -> str:
        """The program."""
        externs = [
            f"extern const {c_type(dtype_of(value))} {self._symbol(value)}[];" for value, _ in self.calls.constants
        ]
        extension = any(call.function in _EXTENSIONS for call in self.calls.calls)
        body = "\n".join(f"  {line}" for line in self._body())
        return f"""/* {self.calls.name} as ODLA calls, written by HALO. */
#include "{self.name}.h"
{"#include <ODLA/odla_halo.h>" if extension else ""}
#ifdef __cplusplus
extern "C" {{
#endif
{chr(10).join(externs)}
#ifdef __cplusplus
}}
#endif

static odla_computation Comp = NULL;
static odla_context Ctx = NULL;

static odla_status {self.name}_helper(void) {{
{body}
  return ODLA_SUCCESS;
}}

odla_status {self.name}_init(void) {{
  odla_status status;
  if (Comp != NULL) return ODLA_SUCCESS;
  status = odla_CreateComputation(&Comp);
  if (status != ODLA_SUCCESS) return status;
  status = {self.name}_helper();
  if (status != ODLA_SUCCESS) return status;
  return odla_CreateContext(&Ctx);
}}

odla_status {self.name}_fini(void) {{
  odla_status status = ODLA_SUCCESS;
  if (Ctx != NULL) status = odla_DestroyContext(Ctx);
  if (Comp != NULL && status == ODLA_SUCCESS) status = odla_DestroyComputation(Comp);
  Ctx = NULL;
  Comp = NULL;
  return status;
}}

{self._signature()} {{
  odla_status status = {self.name}_init();
  if (status != ODLA_SUCCESS) return status;
{self._bindings()}
  return odla_ExecuteComputation(Comp, Ctx, ODLA_COMPUTE_INFERENCE, NULL);
}}
"""

    def _bindings(self) -> str:
        bound = [("Argument", value.name, f"in_{self.names.of(value)}") for value in self.calls.inputs]
        bound += [("Output", value.name, f"out_{number}") for number, value in enumerate(self.calls.outputs)]
        lines: list[str] = []
        for role, name, data in bound:
            lines.append(f'  status = odla_BindTo{role}ById((odla_value_id)"{_escaped(name)}", {data}, Ctx);')
            lines.append("  if (status != ODLA_SUCCESS) return status;")
        return "\n".join(lines)

    def _body(self) -> Iterator[str]:
        for value in self.calls.inputs:
            yield from self._made("odla_CreateArgument", (value_type(value),), value)
        for value, _ in self.calls.constants:
            declared, kind = self._type_argument(value_type(value))
            name = self.names.of(value)
            yield declared
            yield f"odla_value {name} = odla_CreateConstant({kind}, {self._symbol(value)}, {self._id(value)});"
            yield f"if ({name} == NULL) return ODLA_FAILURE;"
        for call in self.calls.calls:
            yield from self._made(call.function, call.arguments, call.results[0])
        for value in self.calls.outputs:
            yield f"if (odla_SetValueAsOutput({self.names.of(value)}) != ODLA_SUCCESS) return ODLA_FAILURE;"

    def _made(self, function: str, arguments: tuple[Argument, ...], result: Value) -> Iterator[str]:
        declared: list[str] = []
        texts: list[str] = []
        for argument in arguments:
            before, text = self._argument(argument)
            if before:
                declared.append(before)
            texts.append(text)
        yield from declared
        name = self.names.of(result)
        yield f"odla_value {name} = {function}({', '.join([*texts, self._id(result)])});"
        yield f"if ({name} == NULL) return ODLA_FAILURE;"

    def _id(self, value: Value) -> str:
        return f'(odla_value_id)"{_escaped(value.name)}"'

    def _argument(self, argument: Argument) -> tuple[str, str]:
        """A declaration that the argument needs before the call (may be empty), and the argument."""
        match argument:
            case None:
                return "", "NULL"
            case bool():
                return "", "1" if argument else "0"
            case int():
                return "", str(argument)
            case float():
                return "", _float(argument)
            case Value():
                return "", self.names.of(argument)
            case Name(text):
                return "", text
            case Text(text):
                return "", f'"{_escaped(text)}"'
            case Dims() | Unsigned() | Signed():
                return self._list(argument)
            case ValueType():
                return self._type_argument(argument)
            case tuple():
                name = self.names.fresh("values")
                listed = ", ".join(self.names.of(value) for value in argument)
                return f"odla_values {name} = {{{len(argument)}, {{{listed}}}}};", name

    def _list(self, argument: Dims | Unsigned | Signed) -> tuple[str, str]:
        if isinstance(argument, Dims):
            name = self.names.fresh("dims")
            return f"static const odla_value_shape {name} = {_shape(argument)};", name
        kind = "odla_uint32" if isinstance(argument, Unsigned) else "odla_int32"
        name = self.names.fresh("numbers")
        listed = ", ".join(str(number) for number in argument.numbers) or "0"
        return f"static const {kind} {name}[] = {{{listed}}};", name

    def _type_argument(self, argument: ValueType) -> tuple[str, str]:
        name = self.names.fresh("type")
        return (
            f"static const odla_value_type {name} = {{{argument.element.text}, {_shape(argument.dims)}}};",
            name,
        )

    # -- driver ---------------------------------------------------------------------------------------------------

    def driver(self) -> str:
        """A main program: raw input files, then raw files of expected outputs; exits with 0 if they are equal.

        Floats are equal within 1e-4 + 1e-3 |expected|, everything else exactly.
        """
        lines: list[str] = []
        arguments: list[str] = []
        for number, value in enumerate(self.calls.inputs):
            lines += self._read("input", number, value, number + 1)
            arguments.append(f"input_{number}")
        first = len(self.calls.inputs) + 1
        for number, value in enumerate(self.calls.outputs):
            lines += self._read("expected", number, value, first + number)
            lines.append(f"static {c_type(dtype_of(value))} output_{number}[{max(1, _count(value))}];")
            arguments.append(f"output_{number}")
        reads = [line for line in lines if not line.startswith("static")]
        statics = [line for line in lines if line.startswith("static")]
        checks = [self._check(number, value) for number, value in enumerate(self.calls.outputs)]
        files = first + len(self.calls.outputs) - 1
        return f"""/* Runs {self.name} on raw files of inputs and compares its outputs with raw files of outputs. */
#include "{self.name}.h"

#include <math.h>
#include <stdio.h>

{chr(10).join(statics)}

static int read_file(const char* path, void* data, size_t bytes) {{
  FILE* stream = fopen(path, "rb");
  size_t got = stream == NULL ? 0 : fread(data, 1, bytes, stream);
  if (stream != NULL) fclose(stream);
  if (got != bytes) fprintf(stderr, "%s: %lu bytes are needed\\n", path, (unsigned long)bytes);
  return got == bytes;
}}

static int is_close(double found, double expected) {{
  if (isnan(expected) || isinf(expected)) return found == expected || (isnan(found) && isnan(expected));
  return fabs(found - expected) <= 1e-4 + 1e-3 * fabs(expected);
}}

int main(int argc, char** argv) {{
  int wrong = 0;
  size_t i;
  if (argc != {files + 1}) {{
    fprintf(stderr, "{files} files are needed\\n");
    return 2;
  }}
{chr(10).join(f"  {line}" for line in reads)}
  if ({self.name}({", ".join(arguments)}) != ODLA_SUCCESS) {{
    fprintf(stderr, "the run failed\\n");
    return 3;
  }}
  i = 0;
{chr(10).join(checks)}
  (void)i;
  {self.name}_fini();
  printf("%s\\n", wrong ? "different" : "equal");
  return wrong ? 1 : 0;
}}
"""

    def _read(self, role: str, number: int, value: Value, at: int) -> list[str]:
        kind = c_type(dtype_of(value))
        return [
            f"static {kind} {role}_{number}[{max(1, _count(value))}];",
            f"if (!read_file(argv[{at}], {role}_{number}, {_count(value)} * sizeof({kind}))) return 2;",
        ]

    def _check(self, number: int, value: Value) -> str:
        if dtype_of(value).text in ("float32", "float64"):
            different = f"!is_close(output_{number}[i], expected_{number}[i])"
        else:
            different = f"output_{number}[i] != expected_{number}[i]"
        return f"  for (i = 0; i < {_count(value)}; ++i)\n    if ({different}) ++wrong;"


def _count(value: Value) -> int:
    return int(np.prod(shape_of(value), dtype=np.int64))


def _shape(dims: Dims) -> str:
    listed = ", ".join(str(size) for size in dims.sizes) or "0"
    return f"{{{len(dims.sizes)}, {{{listed}}}}}"


def _escaped(text: str) -> str:
    """The inside of a C string literal."""
    return "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode())
        for c in text
    )


def _float(number: float) -> str:
    """A float literal."""
    text = f"{np.float32(number):.9g}"
    return f"{text}f" if any(sign in text for sign in ".e") else f"{text}.0f"
