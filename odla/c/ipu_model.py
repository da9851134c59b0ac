"""What an IPU config says about the model itself: one to run instead, and where to write the one that runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halo_py.errors import UnsupportedError, UsageError, Where
from halo_py.frontend import ImportOptions, load_model
from halo_py.types import TensorType
from odla.c.log import Level, log
from odla.driver import drivers

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from odla.c.ipu_config import IpuConfig


def model_of(graph: Graph, config: IpuConfig) -> Graph:
    """The graph to compile: the program's own, or the config's model. Raises HaloError."""
    if config.load_onnx_path is not None:
        graph = _instead(graph, Path(config.load_onnx_path))
    if config.save_model_path is not None:
        _exporter()(graph, Path(config.save_model_path))
        log(Level.INFO, f"the model is written to {config.save_model_path}")
    return graph


def _instead(graph: Graph, path: Path) -> Graph:
    """Another model with the same inputs and outputs, in this graph's order. Raises UsageError if it has others."""
    types = {value.name: value.type for value in graph.inputs}
    shapes = {
        name: type.static_shape for name, type in types.items() if isinstance(type, TensorType) and type.is_static
    }
    other = load_model(path, ImportOptions(shapes))
    inputs = {value.name: value for value in other.inputs}
    outputs = dict(zip(other.output_names, other.outputs, strict=True))
    problems = [
        f"{kind} {name!r} is missing"
        for kind, names, known in (
            ("input", [value.name for value in graph.inputs], inputs),
            ("output", list(graph.output_names), outputs),
        )
        for name in names
        if name not in known
    ]
    problems += [f"input {name!r} is not bound by the program" for name in inputs if name not in types]
    problems += [
        f"input {name!r} is {inputs[name].type}, the program's {type}"
        for name, type in types.items()
        if name in inputs and inputs[name].type != type
    ]
    if problems:
        raise UsageError(f"the model cannot run instead: {'; '.join(problems)}", Where(str(path)))
    return replace(
        other,
        inputs=tuple(inputs[value.name] for value in graph.inputs),
        outputs=tuple(outputs[name] for name in graph.output_names),
        output_names=graph.output_names,
    )


def _exporter() -> Callable[[Graph, Path], None]:
    """What writes ONNX files. Raises UnsupportedError if no installed backend does."""
    for driver in drivers():
        found: Any = getattr(driver, "export_onnx", None)
        if found is not None:
            return found
    raise UnsupportedError("save_model: no installed backend writes ONNX files")
