"""`libodla.so` itself: what it exports, how it starts and fails to start, and what a call costs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from odla.api.table import functions, standard
from odla.build_library import LIBRARY, main
from tests.odla_c.programs import HERE, compile_program, run_program
from tests.odla_c.test_operators import FAMILIES

_START = """
#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <stdio.h>

int main(void) {
  odla_computation computation = NULL;
  odla_status status = odla_CreateComputation(&computation);
  odla_value value = odla_Neg(NULL, NULL);
  printf("%d %d %d %s\\n", (int)status, value == NULL, (int)odla_GetLastErrorStatus(), odla_GetLastErrorText());
  return 0;
}
"""


def test_exports_are_the_functions_of_the_tables(library: Path) -> None:
    command = ["nm", "-D", "--defined-only", str(library / LIBRARY)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert {line.split()[-1] for line in lines} == {function.name for function in functions()}
    assert len(standard().functions) == 229


def test_every_function_is_called_by_a_program() -> None:
    called = {case.function for family in FAMILIES.values() for case in family}
    sources = [*(HERE / "programs_c").glob("*.c"), HERE / "harness.h", HERE / "check.h"]
    for path in sources:
        called |= set(re.findall(r"\bodla_[A-Z]\w+", path.read_text()))

    assert not {function.name for function in functions()} - called


def test_starts_outside_of_any_environment(library: Path, tmp_path: Path) -> None:
    program = compile_program(_START, "c", tmp_path, library)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True, env={}, cwd="/")

    assert done.stdout == "0 1 3 input is NULL\n"


def test_a_failure_to_start_is_a_status_with_its_text(library: Path, tmp_path: Path) -> None:
    program = compile_program(_START, "c", tmp_path, library)
    packages = tmp_path / "packages" / "odla"
    packages.mkdir(parents=True)
    (packages / "__init__.py").write_text("raise ImportError('these are not the packages')\n")
    done = run_program(program, HALO_ODLA_PATH=str(packages.parent))

    assert done.stdout.startswith("1 1 1 libodla cannot start: the package cannot be imported: ImportError: ")
    assert "these are not the packages" in done.stdout


def test_opened_locally_by_another_program(library: Path, tmp_path: Path) -> None:
    source = """
    #include <dlfcn.h>
    #include <stdio.h>
    int main(int count, char** arguments) {
      void* library = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : 0;
      if (!library) return 2;
      int (*create)(void**);
      *(void**)&create = dlsym(library, "odla_CreateComputation");
      void* computation = 0;
      printf("%d\\n", create(&computation));
      return computation == 0;
    }
    """
    path, program = tmp_path / "opens.c", tmp_path / "opens"
    path.write_text(source)
    subprocess.run(["gcc", str(path), "-o", str(program), "-ldl"], check=True)
    done = run_program(program, str(library / LIBRARY))

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_loaded_into_a_python_process(library: Path) -> None:
    code = (
        "import ctypes, sys; lib = ctypes.CDLL(sys.argv[1]); made = ctypes.c_void_p();"
        "print(lib.odla_CreateComputation(ctypes.byref(made)), bool(made.value), lib.odla_DestroyComputation(made))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(library / LIBRARY)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "0 True 0\n"


@pytest.mark.parametrize("device", ["reference", "ipu-tiny"])
@pytest.mark.parametrize("name", ["life_cycle", "control_flow", "dynamic_shapes"])
def test_programs_run_on_the_device_the_environment_names(
    name: str, device: str, library: Path, tmp_path: Path
) -> None:
    program = compile_program((HERE / "programs_c" / f"{name}.c").read_text(), "c", tmp_path, library, "-lm")
    done = run_program(program, str(tmp_path), device=device)

    assert done.returncode == 0, done.stderr[:4000]


def test_build_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "false")
    assert main(["--output", str(tmp_path)]) == 2
    assert "false failed" in capsys.readouterr().err
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", os.devnull)
    assert main(["--output", str(tmp_path)]) == 4
    assert "no C compiler" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
