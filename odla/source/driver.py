"""A main program that runs a generated one on files and compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halo_py.types import DType
from odla.calls.emit import dtype_of, shape_of
from odla.source.names import c_type

if TYPE_CHECKING:
    from halo_py.ir.graph import Value
    from odla.calls.model import Calls

_COMPARE = """static int is_close(double found, double expected, double allowed) {
  if (isnan(expected) || isinf(expected)) return found == expected || (isnan(found) && isnan(expected));
  return fabs(found - expected) <= 0.1 * allowed + allowed * fabs(expected);
}
"""
_FILES = """static int read_file(const char* path, void* data, size_t bytes) {
  FILE* stream = fopen(path, "rb");
  const size_t got = stream == NULL ? 0 : fread(data, 1, bytes, stream);
  if (stream != NULL) fclose(stream);
  if (got != bytes) fprintf(stderr, "%s: %lu bytes are needed\\n", path, (unsigned long)bytes);
  return got == bytes;
}

static int write_file(const char* path, const void* data, size_t bytes) {
  FILE* stream = fopen(path, "wb");
  size_t put = stream == NULL ? 0 : fwrite(data, 1, bytes, stream);
  if (stream != NULL && fclose(stream) != 0) put = 0;
  if (put != bytes) fprintf(stderr, "%s cannot be written\\n", path);
  return put == bytes;
}
"""
_HALF = """static double from_float16(odla_float16 bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  double size;
  if (exponent == 31) size = fraction != 0 ? NAN : INFINITY;
  else size = exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024, exponent - 25);
  return bits >> 15 ? -size : size;
}
"""
_BFLOAT = """static double from_bfloat16(odla_bfloat16 bits) {
  const odla_uint32 wide = (odla_uint32)bits << 16;
  odla_float32 number;
  memcpy(&number, &wide, sizeof(number));
  return number;
}
"""
_ALLOWED = {DType.FLOAT64: "1e-3", DType.FLOAT32: "1e-3", DType.FLOAT16: "1e-2", DType.BFLOAT16: "5e-2"}
"""By how much of its size an element may differ; a tenth of it besides. All other types must be equal."""


def count_of(value: Value) -> int:
    """The number of elements."""
    return int(np.prod(shape_of(value), dtype=np.int64))


def driver(calls: Calls, name: str) -> str:
    """A main program: raw input files, then raw files of expected outputs; exits with 0 if they are equal.

    After -w as the first argument, the last files are those that the outputs are written to.
    """
    return _program(name, calls, _Parts.of(calls))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Lines of the program."""

    arrays: list[str]
    inputs: list[str]
    expected: list[str]
    writes: list[str]
    checks: list[str]
    arguments: list[str]

    @staticmethod
    def of(calls: Calls) -> _Parts:
        """Those of a graph's inputs and outputs."""
        first = len(calls.inputs)
        pairs = [("input", calls.inputs), ("expected", calls.outputs), ("output", calls.outputs)]
        found: dict[str, list[tuple[str, str]]] = {}
        for role, values in pairs:
            found[role] = [(f"{role}_{number}", _size(value)) for number, value in enumerate(values)]
        arrays = [
            _declared(name, value)
            for role, values in pairs
            for (name, _), value in zip(found[role], values, strict=True)
        ]
        return _Parts(
            arrays,
            [_transfer("read", at, *entry) for at, entry in enumerate(found["input"])],
            [_transfer("read", first + at, *entry) for at, entry in enumerate(found["expected"])],
            [_transfer("write", first + at, *entry) for at, entry in enumerate(found["output"])],
            [line for number, value in enumerate(calls.outputs) for line in _check(number, value)],
            [name for role in ("input", "output") for name, _ in found[role]],
        )


def _declared(name: str, value: Value) -> str:
    return f"static {c_type(dtype_of(value))} {name}[{max(1, count_of(value))}];"


def _size(value: Value) -> str:
    return f"sizeof({c_type(dtype_of(value))}) * {count_of(value)}u"


def _transfer(verb: str, at: int, name: str, size: str) -> str:
    return f"if (!{verb}_file(files[{at}], {name}, {size})) return 2;"


def _check(number: int, value: Value) -> list[str]:
    dtype = dtype_of(value)
    found, expected = f"output_{number}[i]", f"expected_{number}[i]"
    different = f"{found} != {expected}"
    if dtype in _ALLOWED:
        convert = {DType.FLOAT16: "from_float16", DType.BFLOAT16: "from_bfloat16"}.get(dtype, "")
        different = f"!is_close({convert}({found}), {convert}({expected}), {_ALLOWED[dtype]})"
    return [
        "wrong = 0;",
        f"for (i = 0; i < {count_of(value)}u; ++i)",
        f"  if ({different}) ++wrong;",
        f'if (wrong) fprintf(stderr, "output {number}: %lu of {count_of(value)} differ\\n", (unsigned long)wrong);',
        "all += wrong;",
    ]


def _functions(calls: Calls) -> str:
    types = {dtype_of(value) for value in calls.outputs}
    functions = [_COMPARE] if types & set(_ALLOWED) else []
    functions += [_HALF] if DType.FLOAT16 in types else []
    functions += [_BFLOAT] if DType.BFLOAT16 in types else []
    return "\n".join(functions)


def _program(name: str, calls: Calls, parts: _Parts) -> str:
    return f"""/* Runs {name} on raw files of inputs and compares its outputs with raw files of outputs. */
#include "{name}.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

{_lines(parts.arrays)}

{_FILES}
{_functions(calls)}
int main(int argc, char** argv) {{
  const int writes = argc > 1 && strcmp(argv[1], "-w") == 0;
  char** files = argv + 1 + writes;
  size_t i, wrong, all = 0;
  if (argc - writes != {len(parts.inputs) + len(parts.expected) + 1}) {{
    fprintf(stderr, "needed: {len(parts.inputs)} files of inputs, {len(parts.expected)} of expected outputs"
                    " (or, after -w, to write outputs to)\\n");
    return 2;
  }}
{_lines(parts.inputs, "  ")}
  if (!writes) {{
{_lines(parts.expected, "    ")}
  }}
  if ({name}({", ".join(parts.arguments)}) != ODLA_SUCCESS) {{
    fprintf(stderr, "the run failed\\n");
    return 3;
  }}
  {name}_fini();
  if (writes) {{
{_lines(parts.writes, "    ")}
    return 0;
  }}
{_lines(parts.checks, "  ")}
  printf("%s\\n", all ? "different" : "equal");
  return all ? 1 : 0;
}}
"""


def _lines(lines: Sequence[str], indent: str = "") -> str:
    return "\n".join(f"{indent}{line}" for line in lines)
