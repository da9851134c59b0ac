"""Builds `libodla.so`: `python -m odla.build_library [--output DIR]`. Needs cffi (extra `odla-c`) and a C compiler.

The library runs the interpreter it was built with and imports HALO from where this module lies; the environment
variables HALO_ODLA_PYTHON and HALO_ODLA_PATH name others. The headers are in `odla.api.headers.INCLUDE`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from halo_py.errors import HaloError, OutputError, UnsupportedError, UsageError, Where
from odla.api.c_source import exported_functions, implemented_declarations, type_declarations
from odla.api.headers import INCLUDE

LIBRARY = "libodla.so"
MODULE = "_odla_c"
_NATIVE = Path(__file__).parent / "native"
_PACKAGES = Path(__file__).parents[1]
_EXPORTS = "{ global: odla_*; local: *; };\n"
_PRELUDE = '#include "halo_odla.h"\nint halo_start_module(void) { return cffi_start_python(); }\n'
_CONNECT = f"""
from {MODULE} import ffi, lib
from odla.c import library
library.connect(ffi, lib)
"""


def build_library(output: Path) -> Path:
    """Build the library in the folder `output` and answer its path.

    Raises UnsupportedError if cffi, a C compiler or a shared libpython is missing, UsageError if the compiler refuses.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or [_compiler()]
    target = output / LIBRARY
    with tempfile.TemporaryDirectory() as folder:
        sources = _write_sources(Path(folder))
        made = Path(folder) / LIBRARY
        _run([*compiler, *_compile_options(Path(folder)), "-o", str(made), *map(str, sources), *_link_options()])
        try:
            output.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made, target.with_suffix(".part"))
            os.replace(target.with_suffix(".part"), target)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror or error}", Where(str(target))) from error
    return target


def _compiler() -> str:
    found = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if found is None:
        raise UnsupportedError("there is no C compiler", hint="install gcc, or name one in the environment variable CC")
    return found


def _write_sources(folder: Path) -> list[Path]:
    try:
        cffi: Any = importlib.import_module("cffi")
    except ImportError as error:
        raise UnsupportedError("cffi is not installed", hint="pip install 'halo-py[odla-c]'") from error
    ffi = cffi.FFI()
    ffi.cdef(type_declarations())
    ffi.embedding_api(implemented_declarations())
    ffi.set_source(MODULE, _PRELUDE)
    ffi.embedding_init_code(_CONNECT)
    module = folder / "module.c"
    with contextlib.redirect_stdout(io.StringIO()):  # cffi says which file it writes
        ffi.emit_c_code(str(module))
    exported = folder / "exported.c"
    exported.write_text(exported_functions())
    (folder / "exports.map").write_text(_EXPORTS)
    return [module, exported, _NATIVE / "start.c", _NATIVE / "support.c"]


def _compile_options(folder: Path) -> list[str]:
    config = sysconfig.get_config_vars()
    # Where other architectures and versions keep theirs is asked of the interpreter that runs this.
    defines = {
        "HALO_PYTHON": sys.executable,
        "HALO_PACKAGES": str(_PACKAGES),
        "HALO_PYTHON_LIBRARY": config.get("INSTSONAME", ""),
    }
    includes = (INCLUDE, _NATIVE, Path(sysconfig.get_path("include")))
    return [
        *("-shared", "-fPIC", "-O2", "-pthread"),
        *(f'-D{name}="{value}"' for name, value in defines.items()),
        *(f"-I{path}" for path in includes),
        *(f"-Wl,{option}" for option in ("-soname," + LIBRARY, "-z,nodelete", "-Bsymbolic", "--no-undefined")),
        f"-Wl,--version-script={folder / 'exports.map'}",
    ]


def _link_options() -> list[str]:
    config = sysconfig.get_config_vars()
    if not config.get("Py_ENABLE_SHARED"):
        raise UnsupportedError(
            f"{sys.executable} has no shared library to embed",
            hint="use an interpreter that was configured with --enable-shared",
        )
    folder = config["LIBDIR"]
    return [f"-L{folder}", f"-Wl,-rpath,{folder}", f"-lpython{config['LDVERSION']}", "-ldl", "-lm"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise UsageError(f"{command[0]} failed:\n{done.stderr.strip()}")


def main(arguments: list[str] | None = None) -> int:
    """The command. Answers its exit code."""
    parser = argparse.ArgumentParser(prog="python -m odla.build_library", description="Build libodla.so.")
    parser.add_argument("--output", type=Path, default=Path(), help="folder to write libodla.so to (default: this one)")
    try:
        made = build_library(parser.parse_args(arguments).output)
    except HaloError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
