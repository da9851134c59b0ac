"""`odla.execute`: a model and inputs in, outputs and a profile out, on any device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import ModelError, ShapeError, UsageError, Where
from halo_py.frontend import HEAD_BYTES, batch_symbol, inspect_model, load_model
from halo_py.types import LinearDim, TensorType, Type
from odla.computation import Computation
from odla.driver import drivers, import_options, owner
from odla.handles import Executable, Inputs, Result, device

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph

DEFAULT_DEVICE = "cpu"


def execute(model: object, inputs: Inputs, device: str | None = None, **options: Any) -> Result:
    """Run a model once and answer its outputs by name, with `.profile`.

    `model` is a path of a model or saved executable, a Graph, a Computation, or an executable (compiling once and
    running often is much cheaper). `inputs` go by name or in order; a model file's dynamic dimensions are taken from
    them. `options` are the device's compile options. Raises HaloError.
    """
    loaded = _executable(model)
    if loaded is not None:
        _check_device(loaded, device)
        return loaded.run(inputs)
    wanted = device or DEFAULT_DEVICE
    if isinstance(model, (str, Path)):
        options = {**options, **_dims_of_inputs(Path(model), inputs, options)}
    return compile_for(model, wanted, **options).run(inputs)


def compile_for(model: object, device_name: str = DEFAULT_DEVICE, **options: Any) -> Executable:
    """A model (path, Graph or Computation) compiled for a device. Raises HaloError."""
    from halo_py.ir.graph import Graph

    if isinstance(model, Computation):
        model = model.graph()
    if isinstance(model, str):
        model = Path(model)
    if not isinstance(model, (Graph, Path)):
        raise UsageError(f"cannot compile a {type(model).__name__}: give a path, a Graph or a Computation")
    return device(device_name).compile(model, options)


def load(path: str | Path) -> Executable:
    """An executable read back from its file. Raises ExecutableError, ModelError."""
    found = _saved(Path(path))
    if found is None:
        raise ModelError("is not a saved executable", Where(str(path)))
    return found


def _executable(model: object) -> Executable | None:
    """The executable that `model` is or holds; None if it must be compiled first."""
    if isinstance(model, Executable):
        return model
    if isinstance(model, (str, Path)):
        return _saved(Path(model))
    if isinstance(model, Computation):
        return None
    driver = owner(model)
    return None if driver is None else Executable.of(driver, model)


def _saved(path: Path) -> Executable | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", Where(str(path))) from error
    driver = next((driver for driver in drivers() if driver.reads(path, head)), None)
    return None if driver is None else Executable.of(driver, driver.load(path))


def _check_device(executable: Executable, wanted: str | None) -> None:
    if wanted is not None and wanted != executable.device:
        raise UsageError(f"the executable was compiled for {executable.device!r}, not for {wanted!r}")


def _dims_of_inputs(path: Path, inputs: Inputs, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that fix a model file's dynamic dimensions to those of the given inputs."""
    result: dict[str, Any] = {}
    try:
        graph = load_model(path, import_options(options, keep_symbolic=True))
    except ShapeError:
        result = _shapes_not_stated(path, inputs, options)
        if not result:
            raise
        graph = load_model(path, import_options({**options, **result}, keep_symbolic=True))
    found: dict[str, int] = {}
    for value, contents in _paired(graph, inputs):
        if not isinstance(value, TensorType) or value.shape is None or len(value.shape) != np.ndim(contents):
            continue
        shape = np.shape(contents)
        for dim, size in zip(value.shape, shape, strict=True):
            if isinstance(dim, LinearDim):
                found.setdefault(str(dim), size)
    batch = batch_symbol(graph)
    if batch is not None and batch in found and options.get("batch_size") is None:
        result["batch_size"] = found.pop(batch)
    if found:
        result["symbols"] = {**found, **(options.get("symbols") or {})}
    return result


def _shapes_not_stated(path: Path, inputs: Inputs, options: Mapping[str, Any]) -> dict[str, Any]:
    """The option `shapes` with those of the given inputs for which a file states no rank (TorchScript's do not)."""
    given: dict[str, tuple[int, ...]] = dict(options.get("shapes") or {})
    ports = [port for port in inspect_model(path).inputs if port.name not in (options.get("values") or {})]
    named = inputs if isinstance(inputs, Mapping) else dict(zip([port.name for port in ports], inputs, strict=False))
    found = {
        port.name: np.shape(named[port.name])
        for port in ports
        if port.name in named and port.name not in given and _is_open(port.type)
    }
    return {"shapes": {**found, **given}} if found else {}


def _is_open(type: Type | None) -> bool:
    return type is None or (isinstance(type, TensorType) and not type.is_static)


def _paired(graph: Graph, inputs: Inputs):
    """Input types with the contents given for them."""
    if isinstance(inputs, Mapping):
        return [(value.type, inputs[value.name]) for value in graph.inputs if value.name in inputs]
    return [(value.type, contents) for value, contents in zip(graph.inputs, inputs, strict=False)]
