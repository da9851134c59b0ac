"""What an execute call of the C API costs over the same run through Python, and what many threads do to it.

Goals: at most 100 microseconds more; 8 threads x 1,000 executions on a shared context, and on a context each, with
right answers, resident memory flat within 5 %, no deadlock.

    python -m benchmarks.odla_calls [--device NAME]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import odla
from halo_py.ir.builder import GraphBuilder
from halo_py.ops import load_ops
from halo_py.ops.elementwise import Add, Mul
from halo_py.types import DType, TensorType
from odla.build_library import build_library
from tests.odla_c.programs import compile_program, run_program

_LARGEST_EXTRA_MICROSECONDS = 100.0
_LARGEST_GROWTH = 0.05
_RUNS = 4000
_ROUNDS = 5
_WAIT_SECONDS = 600.0

_OVERHEAD = f"""
#define CHECK_HAS_OWN_MAIN
#include "check.h"
#include <time.h>

static int later(const void* a, const void* b) {{
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}}

static double now(void) {{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}}

int main(void) {{
  use_helpers();
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  static double spent[{_RUNS}];
  float in[3] = {{1, 2, 3}}, out[3] = {{0}}, expected[3] = {{3, 6, 9}};
  OK(odla_CreateContext(&context));
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  for (int run = 0; run < {_RUNS}; ++run) {{
    const double begin = now();
    OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
    spent[run] = now() - begin;
  }}
  CHECK(close_to(out, expected, 3));
  qsort(spent, {_RUNS}, sizeof *spent, later);
  printf("%.3f\\n", spent[{_RUNS} / 2]);
  return failed_checks;
}}
"""

_THREADS = """
#define CHECK_HAS_OWN_MAIN
#include "check.h"
#include <pthread.h>
#include <unistd.h>

enum { THREADS = 8, RUNS = 1000 };
static odla_computation computation;
static odla_context shared;

static double resident_bytes(void) {
  long pages = 0, held = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%ld %ld", &pages, &held) != 2) held = 0;
  if (file) fclose(file);
  return (double)held * (double)sysconf(_SC_PAGESIZE);
}

static void* work(void* argument) {
  const int number = *(int*)argument;
  odla_context own = NULL;
  float in[3] = {(float)number, 2, 3}, out[3] = {0};
  const float expected[3] = {2 * (float)number + 1, 6, 9};
  if (!shared) {
    OK(odla_CreateContext(&own));
    OK(odla_BindToArgumentById(ID("x"), in, own));
    OK(odla_BindToOutputById(ID("y"), out, own));
  }
  for (int run = 0; run < RUNS; ++run) {
    OK(odla_ExecuteComputation(computation, shared ? shared : own, ODLA_COMPUTE_INFERENCE, NULL));
    if (!shared && !close_to(out, expected, 3)) CHECK(!"right answers");
    memset(out, 0, sizeof out);
  }
  if (own) OK(odla_DestroyContext(own));
  return NULL;
}

static void all_threads(void) {
  pthread_t threads[THREADS];
  int numbers[THREADS];
  for (int number = 0; number < THREADS; ++number) {
    numbers[number] = number;
    CHECK(pthread_create(&threads[number], NULL, work, &numbers[number]) == 0);
  }
  for (int number = 0; number < THREADS; ++number) pthread_join(threads[number], NULL);
}

int main(int count, char** arguments) {
  use_helpers();
  float in[3] = {4, 5, 6}, out[3] = {0}, expected[3] = {9, 12, 15};
  computation = make_affine(1);
  if (count > 1 && strcmp(arguments[1], "shared") == 0) {
    OK(odla_CreateContext(&shared));
    OK(odla_BindToArgumentById(ID("x"), in, shared));
    OK(odla_BindToOutputById(ID("y"), out, shared));
  }
  all_threads(); /* everything is compiled, every thread's memory is there */
  const double before = resident_bytes();
  all_threads();
  const double after = resident_bytes();
  if (shared) CHECK(close_to(out, expected, 3));
  printf("%.0f %.0f\\n", before, after);
  return failed_checks != 0;
}
"""


def python_microseconds(device: str) -> float:
    """The median of the same run through Python: y = 2 x + b for three numbers."""
    load_ops()
    builder = GraphBuilder("affine")
    x = builder.input("x", TensorType(DType.FLOAT32, (1, 3)))
    (product,) = builder.add(Mul(), [x, builder.constant(np.array(2, np.float32), "two")])
    (y,) = builder.add(Add(), [product, builder.constant(np.array([1, 2, 3], np.float32), "b")])
    executable = odla.compile_for(builder.finish([y], ["y"]), device)
    data = np.array([[1, 2, 3]], np.float32)
    spent: list[float] = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        executable.run([data])
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent) * 1e6


def c_microseconds(program: Path, device: str) -> float:
    """The median of an execute call of the C API."""
    return float(_output(run_program(program, device=device, seconds=_WAIT_SECONDS)))


def _output(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        raise SystemExit(f"the program ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    """The command. Answers its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.odla_calls")
    parser.add_argument("--device", default="cpu", help="the device of all runs (default: cpu)")
    device: str = parser.parse_args().device
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = build_library(folder).parent
        overhead = compile_program(_OVERHEAD, "c", folder, library, "-lm", name="overhead")
        extra: list[float] = []
        for _ in range(_ROUNDS):
            python, c = python_microseconds(device), c_microseconds(overhead, device)
            extra.append(c - python)
            sys.stdout.write(f"one run: {python:7.1f} us through Python, {c:7.1f} us through C\n")
        median = statistics.median(extra)
        good &= median <= _LARGEST_EXTRA_MICROSECONDS
        sys.stdout.write(f"C costs {median:.1f} us more (median of {_ROUNDS} rounds); goal: at most 100\n")
        threads = compile_program(_THREADS, "c", folder, library, "-lm", name="threads")
        for contexts in ("shared", "own"):
            begin = time.perf_counter()
            done = run_program(threads, contexts, device=device, seconds=_WAIT_SECONDS)
            before, after = map(float, _output(done).split())
            growth = after / before - 1
            good &= growth <= _LARGEST_GROWTH
            sys.stdout.write(
                f"8 threads x 1,000 runs, {contexts} context: answers right, resident memory {growth:+.2%}, "
                f"{time.perf_counter() - begin:.1f} s for two rounds; goal: at most 5 %\n"
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
