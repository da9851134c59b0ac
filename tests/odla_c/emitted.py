"""Programs that `--emit` writes: compiled, linked and run on raw files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.cli.emit import calls_of
from odla.calls.emit import dtype_of, shape_of
from odla.source import SUFFIX, Language, SourceWriter
from tests.odla_c.programs import COMPILERS, INCLUDE, STRICT, run_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odla.calls.model import Calls

    Array = NDArray[Any]

_COMPILERS: dict[Language, tuple[str, ...]] = {"c": COMPILERS["c"], "c++": COMPILERS["cc"]}


@dataclass(frozen=True, slots=True)
class Emitted:
    """A written program: what it is called and made of."""

    name: str
    language: Language
    calls: Calls

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(value.name for value in self.calls.inputs)


def write_emitted(model: Path, options: dict[str, Any], language: Language, folder: Path) -> Emitted:
    """Write the model's program as `--emit` does. Raises UnsupportedError."""
    calls = calls_of(model, options)
    writer = SourceWriter(calls, model.stem, language)
    writer.write(folder)
    return Emitted(writer.name, language, calls)


def compile_emitted(emitted: Emitted, folder: Path, library: Path) -> Path:
    """The program's driver. Fails on any warning."""
    suffix = SUFFIX[emitted.language]
    sources = [f"{emitted.name}{suffix}", f"{emitted.name}_main{suffix}", f"{emitted.name}_weights.S"]
    command = [*_COMPILERS[emitted.language], *STRICT, f"-I{INCLUDE}", *sources, f"-L{library}", "-lodla", "-lm"]
    command += [f"-Wl,-rpath,{library}", "-o", "program"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return folder / "program"


def build_emitted(
    model: Path, options: dict[str, Any], language: Language, folder: Path, library: Path
) -> tuple[Path, tuple[str, ...]]:
    """The model's driver as a program, and the names of its inputs. Raises UnsupportedError."""
    emitted = write_emitted(model, options, language, folder)
    return compile_emitted(emitted, folder, library), emitted.inputs


def run_emitted(
    program: Path, names: Sequence[str], inputs: Mapping[str, Array], expected: Sequence[Array], device: str
) -> str:
    """What the driver says of these inputs and expected outputs: "equal", or what went wrong."""
    paths: list[str] = []
    for number, array in enumerate([*(inputs[name] for name in names), *expected]):
        path = program.parent / f"{number}.raw"
        np.ascontiguousarray(array).tofile(path)
        paths.append(str(path))
    ran = run_program(program, *paths, device=device, seconds=600)
    if ran.returncode not in (0, 1):
        return f"exit {ran.returncode}: {ran.stderr[-300:].strip()}"
    return ran.stdout.strip()


def outputs_of(program: Path, emitted: Emitted, inputs: Mapping[str, Array], device: str) -> dict[str, Array] | str:
    """The outputs that the driver writes, by name; or what went wrong."""
    paths: list[str] = ["-w"]
    for number, name in enumerate(emitted.inputs):
        path = program.parent / f"{number}.raw"
        np.ascontiguousarray(inputs[name]).tofile(path)
        paths.append(str(path))
    names = emitted.calls.output_names
    paths += [str(program.parent / f"output_{number}.raw") for number in range(len(names))]
    ran = run_program(program, *paths, device=device, seconds=900)
    if ran.returncode != 0:
        return f"exit {ran.returncode}: {ran.stderr[-300:].strip()}"
    found: dict[str, Array] = {}
    for number, (name, value) in enumerate(zip(names, emitted.calls.outputs, strict=True)):
        array = np.fromfile(program.parent / f"output_{number}.raw", dtype_of(value).numpy)
        found[name] = array.reshape(shape_of(value))
    return found
