"""The C API under AddressSanitizer and UndefinedBehaviorSanitizer: the library and every program of its tests.

    python -m benchmarks.odla_sanitizer [--only NAME ...]

Python's memory comes from malloc while they run, so that reads and writes beyond what it handed to C are seen too.
Leaks are not looked for: an embedded interpreter never frees everything. A program that binds too little memory must be
found: else the sanitizers see nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from odla.api.headers import INCLUDE
from odla.build_library import build_library
from tests.odla_c.cases import Source
from tests.odla_c.fuzzer import fuzzer_source
from tests.odla_c.programs import HERE
from tests.odla_c.test_operators import FAMILIES

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize=enum", "-fno-omit-frame-pointer", "-g")
"""Enumerations are not checked: a client may leave one unset."""
COMPILERS = {".c": ("gcc", "-std=gnu99"), ".cc": ("g++", "-std=gnu++11")}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "PYTHONMALLOC": "malloc",
    "ODLA_LOG_LEVEL": "off",
    "OMP_NUM_THREADS": "1",
}
_FUZZ_SECONDS = "10"
_TOO_SHORT = """
#define CHECK_HAS_OWN_MAIN
#include "check.h"
int main(void) {
  use_helpers();
  odla_computation computation = make_affine(4);
  odla_context context = NULL;
  float* in = (float*)calloc(12, sizeof(float));
  float* out = (float*)malloc(8 * sizeof(float));
  OK(odla_CreateContext(&context));
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  return failed_checks;
}
"""
_WAIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Program:
    """A program: its source, arguments, and the device it runs on (None: the default one)."""

    name: str
    source: str
    suffix: str
    arguments: tuple[str, ...] = ()
    device: str | None = None


def programs(folder: Path) -> Iterator[Program]:
    """Every program of the tests of the C API; `folder` is where they may write."""
    for path in sorted((HERE / "programs_c").glob("*.c")):
        yield Program(path.stem, path.read_text(), ".c", (str(folder),))
        yield Program(f"{path.stem} (C++)", path.read_text(), ".cc", (str(folder),))
    for path in sorted((HERE / "clients").iterdir()):
        yield Program(path.stem, path.read_text(), path.suffix)
    for family, cases in FAMILIES.items():
        source = Source()
        for number, case in enumerate(cases):
            source.add(number, case)
        inputs = folder / f"{family}.inputs"
        inputs.write_bytes(source.data)
        arguments = ("graph", str(inputs), str(folder / f"{family}.results"))
        yield Program(f"operators: {family}", source.text(range(len(cases))), ".c", arguments, "reference")
    client = (HERE / "pipeline_client.c").read_text()
    yield Program("pipeline_client", client, ".c", ("2", "4", "run", "17", "2"), "ipu-tiny")
    yield Program("fuzzer", fuzzer_source(), ".c", ("1", "1000000000", _FUZZ_SECONDS), "reference")


def run(program: Program, folder: Path, library: Path) -> str | None:
    """What a sanitizer, or the program itself, found wrong; None if nothing."""
    source = folder / f"program{program.suffix}"
    source.write_text(program.source)
    binary = folder / "program"
    command = [
        *(*COMPILERS[program.suffix], *SANITIZERS, "-D_GNU_SOURCE", "-pthread", f"-I{INCLUDE}", f"-I{HERE}"),
        *(str(source), "-o", str(binary), f"-L{library}", "-lodla", "-lm", f"-Wl,-rpath,{library}"),
    ]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    if compiled.returncode:
        return compiled.stderr
    variables = ENVIRONMENT if program.device is None else {**ENVIRONMENT, "ODLA_DEVICE": program.device}
    done = subprocess.run(
        [str(binary), *program.arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=variables,
        timeout=_WAIT_SECONDS,
    )
    if done.returncode or "ERROR: AddressSanitizer" in done.stderr or "runtime error:" in done.stderr:
        return f"ended with {done.returncode}\n{done.stdout[-500:]}{done.stderr[-6000:]}"
    return None


def main() -> int:
    """The command. Answers its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.odla_sanitizer")
    parser.add_argument("--only", nargs="*", help="names of programs (default: all)")
    only = parser.parse_args().only
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CC"] = f"gcc {' '.join(SANITIZERS)}"
        library = build_library(folder / "library").parent
        seen = run(Program("too short", _TOO_SHORT, ".c"), folder, library)
        if seen is None or "heap-buffer-overflow" not in seen:
            sys.stderr.write("the sanitizers do not see a result that is longer than the memory bound to it\n")
            return 1
        for program in programs(folder):
            if only and program.name not in only:
                continue
            begin = time.perf_counter()
            problem = run(program, folder, library)
            sys.stdout.write(f"{'FAILED' if problem else 'ok':7}{time.perf_counter() - begin:6.1f} s  {program.name}\n")
            sys.stdout.flush()
            if problem:
                failed.append(program.name)
                sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(failed)} programs with errors{': ' + ', '.join(failed) if failed else ''}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
