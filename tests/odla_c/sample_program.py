"""Graphs as one C program: each is written by the writer of `--emit`, all are compiled as one unit and run at once."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odla.calls.emit import dtype_of, shape_of
from odla.source import SourceWriter
from tests.odla_c.programs import COMPILERS, INCLUDE, STRICT, run_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Value
    from odla.calls.model import Calls

    Array = NDArray[Any]

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """A graph as calls, and the contents of its inputs."""

    calls: Calls
    inputs: tuple[Array, ...]


def run_samples(samples: Sequence[Sample], folder: Path, library: Path, device: str) -> list[tuple[Array, ...] | str]:
    """The outputs of every sample on a device, or the text of its error."""
    writers = [SourceWriter(sample.calls, f"sample_{number}", "c") for number, sample in enumerate(samples)]
    for writer in writers:
        writer.write(folder)
    (folder / "all.c").write_text(_unit(samples, writers))
    sources = ["all.c", *(f"{writer.name}_weights.S" for writer in writers)]
    command = [*COMPILERS["c"], *STRICT, "-O0", f"-I{INCLUDE}", *sources, f"-L{library}", "-lodla", "-lm"]
    done = subprocess.run(
        [*command, f"-Wl,-rpath,{library}", "-o", "all"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:4000]
    with (folder / "inputs.raw").open("wb") as stream:
        for array in (array for sample in samples for array in sample.inputs):
            stream.write(np.ascontiguousarray(array).tobytes().ljust(_padded(array.nbytes), b"\0"))
    ran = run_program(
        folder / "all", str(folder / "inputs.raw"), str(folder / "outputs.raw"), device=device, seconds=300
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    errors = {line.partition(" ")[0]: line for line in ran.stdout.splitlines()}
    return _results(samples, (folder / "outputs.raw").read_bytes(), errors)


def _padded(size: int) -> int:
    return size + -size % _ALIGNMENT


def _bytes(value: Value) -> int:
    return int(np.prod(shape_of(value), dtype=np.int64)) * dtype_of(value).numpy.itemsize


def _unit(samples: Sequence[Sample], writers: Sequence[SourceWriter]) -> str:
    """All sources in one unit: what is static in each gets a name of its own."""
    parts = ["#include <ODLA/odla.h>", "#include <ODLA/odla_halo.h>", "#include <stdio.h>", "#include <stdlib.h>"]
    runs: list[str] = []
    read = written = 0
    for number, (sample, writer) in enumerate(zip(samples, writers, strict=True)):
        renamed = [f"#define {name} {name}_{number}" for name in ("Comp", "Ctx")]
        parts += [*renamed, f'#include "{writer.name}.c"', "#undef Comp", "#undef Ctx"]
        places: list[str] = []
        for value in sample.calls.inputs:
            places.append(f"(const void*)(in + {read})")
            read += _padded(_bytes(value))
        for value in sample.calls.outputs:
            places.append(f"(void*)(out + {written})")
            written += _padded(_bytes(value))
        runs.append(f"  report({number}, {writer.name}({', '.join(places)}));")
        runs.append(f"  {writer.name}_fini();")
    return "\n".join([*parts, _MAIN % {"read": read + 1, "written": written + 1, "runs": "\n".join(runs)}])


_MAIN = """
static unsigned char in[%(read)d], out[%(written)d];

static void report(int number, odla_status status) {
  if (status != ODLA_SUCCESS) printf("%%d %%s\\n", number, odla_GetLastErrorText());
}

int main(int argc, char** argv) {
  FILE* stream = fopen(argv[argc - 2], "rb");
  if (fread(in, 1, sizeof(in), stream) + 1 != sizeof(in)) return 2;
  fclose(stream);
%(runs)s
  stream = fopen(argv[argc - 1], "wb");
  fwrite(out, 1, sizeof(out), stream);
  return fclose(stream);
}
"""


def _results(samples: Sequence[Sample], contents: bytes, errors: dict[str, str]) -> list[tuple[Array, ...] | str]:
    found: list[tuple[Array, ...] | str] = []
    at = 0
    for number, sample in enumerate(samples):
        arrays: list[Array] = []
        for value in sample.calls.outputs:
            size, dtype = _bytes(value), dtype_of(value).numpy
            arrays.append(np.frombuffer(contents[at : at + size], dtype).reshape(shape_of(value)))
            at += _padded(size)
        found.append(errors.get(str(number)) or tuple(arrays))
    return found
