"""Runs a graph every way HALO can, and tells which ways give other values than the reference.

A route is a device with options, a round trip through a file or text, or a pipeline of passes. Reference values and
what may differ come from `worlds`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import odla
from halo_backends.ipu.driver import IpuBackend, Loaded
from halo_backends.ipu.engine import Engine, Mode
from halo_py.bsp.lower import LoweringCache, lower_stage
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.program import Program
from halo_py.compile import compile as compile_graph
from halo_py.evaluate import evaluate_graph
from halo_py.executable import Executable, Precision
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.graph import Graph
from halo_py.ir.op import RuntimeValue
from halo_py.ir.parse import parse_graph
from halo_py.ir.text import elided_contents, print_graph
from halo_py.ir.verify import verify_graph
from halo_py.onnx_export import save_onnx, unexportable
from halo_py.passes.base import Pass, PassContext
from halo_py.passes.pipelines import pipeline
from halo_py.targets import load_target
from tests.backends.tiled_programs import RandomPlanner
from tests.fuzz.worlds import Contents, Limits, difference, evaluate_worlds, every_value
from tests.ops.cases import assert_fits

EXPORT_OPSET = 28
CUT_SEED = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """A route that raised, or whose output differs. Equal keys mean, as far as one can tell, the same defect."""

    route: str
    kind: str
    message: str

    @property
    def key(self) -> tuple[str, str]:
        """Route and kind, with the start of an exception's message."""
        return self.route, f"{self.kind} {_without_names(self.message)}" if self.kind != "values" else self.kind

    def __str__(self) -> str:
        return f"{self.route}: {self.kind}: {self.message}"


def _without_names(message: str) -> str:
    """The first words of a message without what differs from graph to graph."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|%\S+|\S*\d\S*", "_", message.strip().split("\n")[0])[:60]


class NotApplicableError(Exception):
    """The route cannot take the graph, by design."""


@dataclass(frozen=True)
class Subject:
    """A graph with inputs and its values in all worlds; what several routes need is made once."""

    graph: Graph
    inputs: tuple[RuntimeValue, ...]
    limits: Limits

    @cached_property
    def expected(self) -> list[Contents]:
        """Outputs in all worlds. Raises UnstableError, HaloError."""
        return evaluate_worlds(self.graph, self.inputs, self.limits)

    @cached_property
    def for_tiles(self) -> Graph:
        """The graph after the passes for tiled machines, well-formed after each."""
        return pipeline("ipu").run(self.graph, PassContext(after=(_verified,)))

    @cached_property
    def compiled(self) -> Executable:
        """The program for `ipu-tiny`."""
        return compile_graph(self.graph, "ipu-tiny")

    def named(self) -> dict[str, RuntimeValue]:
        """The inputs by name."""
        return {value.name: contents for value, contents in zip(self.graph.inputs, self.inputs, strict=True)}


def _verified(_step: Pass, graph: Graph) -> None:
    verify_graph(graph)


# -- round trips ----------------------------------------------------------------------------------------------------


def _types(subject: Subject) -> Sequence[RuntimeValue]:
    """Every value fits the type that inference gave it."""
    contents, outputs = every_value(subject.graph, subject.inputs, replace(subject.limits, worlds=1))
    for value, found in contents.items():
        assert_fits(value.type, found[0], {})
    return [found[0] for found in outputs]


def _text(subject: Subject) -> Sequence[RuntimeValue]:
    text = print_graph(subject.graph)
    back = parse_graph(text, elided_contents(subject.graph))
    verify_graph(back)
    assert print_graph(back) == text, "the text form is not printed as it was read"
    return evaluate_graph(back, subject.inputs)


def _file(subject: Subject) -> Sequence[RuntimeValue]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.halo"
        odla.compile_for(subject.graph, "reference").save(path)
        return odla.load(path).run(subject.named()).in_order()


def _onnx(subject: Subject) -> Sequence[RuntimeValue]:
    if unexportable(subject.graph):
        raise NotApplicableError("ONNX cannot express it")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        save_onnx(subject.graph, path, opset=EXPORT_OPSET)
        back = load_model(path, ImportOptions(keep_symbolic=True))
        verify_graph(back)
        assert back.output_names == subject.graph.output_names, "outputs have other names"
        named = subject.named()
        return evaluate_graph(back, [named[value.name] for value in back.inputs])


# -- devices ---------------------------------------------------------------------------------------------------------


def _cpu(subject: Subject) -> Sequence[RuntimeValue]:
    return odla.compile_for(subject.graph, "cpu", threads=1).run(subject.named()).in_order()


def _cpu_passes(subject: Subject) -> Sequence[RuntimeValue]:
    return evaluate_graph(pipeline("cpu").run(subject.graph, PassContext(after=(_verified,))), subject.inputs)


def _ipu_passes(subject: Subject) -> Sequence[RuntimeValue]:
    return evaluate_graph(subject.for_tiles, subject.inputs)


def _ipu(mode: Mode) -> Callable[[Subject], Sequence[RuntimeValue]]:
    def run(subject: Subject) -> Sequence[RuntimeValue]:
        return IpuBackend().run(Loaded(subject.compiled, mode), list(subject.inputs)).outputs

    return run


def _ipu_file(subject: Subject) -> Sequence[RuntimeValue]:
    with tempfile.TemporaryDirectory() as folder:
        loaded = Executable.load(subject.compiled.save(Path(folder) / "program.halo"))
        return IpuBackend().run(Loaded(loaded, "tiled"), list(subject.inputs)).outputs


def _cut(subject: Subject) -> Sequence[RuntimeValue]:
    """Every kernel cut at random instead of well."""
    chip = load_target("ipu-tiny").chip
    options = LoweringOptions(chip.tiles)
    cache = LoweringCache()
    cache.pricing(chip, options).chooser = RandomPlanner(Random(CUT_SEED), chip.tiles)  # noqa: S311
    graph = subject.for_tiles
    program = Program((lower_stage(graph, chip, options, cache),), 1, 1, 1)
    return list(Engine(program, "tiled").run(graph, dict(zip(graph.inputs, subject.inputs, strict=True))))


def _chips(**options: Any) -> Callable[[Subject], Sequence[RuntimeValue]]:
    def run(subject: Subject) -> Sequence[RuntimeValue]:
        loaded = Loaded(compile_graph(subject.graph, "ipu-tiny4", **options), "tiled")
        return IpuBackend().run(loaded, list(subject.inputs)).outputs

    return run


def _precision(name: Precision, mode: Mode) -> Callable[[Subject], Sequence[RuntimeValue]]:
    def run(subject: Subject) -> Sequence[RuntimeValue]:
        if not subject.limits.half:
            raise NotApplicableError("ill-conditioned in 16 bits")
        loaded = Loaded(compile_graph(subject.graph, "ipu-tiny", precision=name), mode)
        return IpuBackend().run(loaded, list(subject.inputs)).outputs

    return run


ROUTES: dict[str, Callable[[Subject], Sequence[RuntimeValue]]] = {
    "types": _types,
    "text": _text,
    "file": _file,
    "onnx": _onnx,
    "cpu passes": _cpu_passes,
    "cpu": _cpu,
    "ipu passes": _ipu_passes,
    "ipu-tiny whole": _ipu("whole"),
    "ipu-tiny tiled": _ipu("tiled"),
    "ipu-tiny loaded": _ipu_file,
    "ipu-tiny cut": _cut,
    "ipu-tiny4": _chips(),
    "ipu-tiny4 stages": _chips(stages=2),
    "fp16 whole": _precision("fp16", "whole"),
    "fp16 tiled": _precision("fp16", "tiled"),
    "mixed tiled": _precision("mixed", "tiled"),
}
"""Every way to run a graph."""

EXACT_ROUTES = ("types", "text", "file", "onnx")
"""Round trips: the very same ops in the very same order, so every bit must be the same."""
SOMETIMES = {"ipu-tiny4": 4, "ipu-tiny4 stages": 8, "ipu-tiny loaded": 4, "ipu-tiny cut": 2}
"""Routes that only one of so many graphs takes."""


def routes_for(seed: int) -> list[str]:
    """The routes that the graph of a seed takes."""
    return [name for name in ROUTES if seed % SOMETIMES.get(name, 1) == 0]


def run_route(subject: Subject, route: str) -> Failure | None:
    """What is wrong on a route, if anything. Raises NotApplicableError; UnstableError for an ill-conditioned graph."""
    expected = subject.expected
    try:
        with np.errstate(all="ignore"):
            found = list(ROUTES[route](subject))
    except NotApplicableError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
        return Failure(route, type(error).__name__, str(error))
    if len(found) != len(expected):
        return Failure(route, "values", f"{len(found)} outputs instead of {len(expected)}")
    for name, value, worlds in zip(subject.graph.output_names, found, expected, strict=True):
        known = (worlds[0], worlds[0]) if route in EXACT_ROUTES else worlds
        text = difference(_array(value), known)
        if text is not None:
            return Failure(route, "values", f"{name}: {text}")
    return None


def _array(value: RuntimeValue) -> RuntimeValue:
    return np.asarray(value) if isinstance(value, np.generic) else value
