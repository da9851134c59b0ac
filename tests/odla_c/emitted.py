"""Programs that `--emit` writes: compiled, linked and run on raw files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.frontend import ImportOptions, load_model
from halo_py.passes.pipelines import pipeline
from odla.calls.lower import lower
from odla.source import SUFFIX, Language, SourceWriter
from tests.odla_c.programs import COMPILERS, INCLUDE, STRICT, run_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

RAW = {"c": COMPILERS["c"], "c++": COMPILERS["cc"]}


def build_emitted(
    model: Path, options: ImportOptions, language: Language, folder: Path, library: Path
) -> tuple[Path, list[str]]:
    """The model's driver as a program, and the names of its inputs. Fails on any warning. Raises UnsupportedError."""
    calls = lower(pipeline("cpu").run(load_model(model, options)))
    writer = SourceWriter(calls, model.stem, language)
    writer.write(folder)
    suffix = SUFFIX[language]
    sources = [f"{writer.name}{suffix}", f"{writer.name}_main{suffix}", f"{writer.name}_weights.S"]
    command = [*RAW[language], *STRICT, f"-I{INCLUDE}", *sources, f"-L{library}", "-lodla", "-lm"]
    command += [f"-Wl,-rpath,{library}", "-o", "program"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
    return folder / "program", [value.name for value in calls.inputs]


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
    return (ran.stdout or f"exit {ran.returncode}: {ran.stderr[-300:]}").strip()
