"""A module of Torch as a graph: exported by Torch, read by the frontend for exported programs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halo_py.errors import UsageError
from halo_py.frontend import ImportOptions, load_model
from halo_py.pytorch.tensors import load_torch

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph


def from_torch(
    module: Any,
    example_inputs: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    options: ImportOptions | None = None,
) -> Graph:
    """The graph of a `torch.nn.Module` called with these inputs, or of a `torch.export.ExportedProgram`.

    `dynamic_shapes` leaves sizes open as `torch.export.export` describes; they stay symbols of the graph unless
    `options` fixes them. Call `module.eval()` before, unless training is what should be exported. Weights are those
    that the module has now. Raises HaloError, and what `torch.export.export` raises for a module it cannot export.
    """
    torch = load_torch()
    if isinstance(module, torch.export.ExportedProgram):
        return _read(torch, module, "ExportedProgram", options)
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"a torch.nn.Module is wanted, given is a {type(module).__name__}")
    given = tuple(example_inputs) if isinstance(example_inputs, (list, tuple)) else (example_inputs,)
    with torch.no_grad():
        program = torch.export.export(module, given, dict(kwargs or {}), dynamic_shapes=dynamic_shapes)
    return _read(torch, program, type(module).__name__, options)


def _read(torch: Any, program: Any, name: str, options: ImportOptions | None) -> Graph:
    """The program through a file, whose weights stay mapped after it is gone from its folder."""
    with tempfile.TemporaryDirectory(prefix="halo-torch-") as folder:
        path = Path(folder) / f"{name}.pt2"
        torch.export.save(program, str(path))
        return load_model(path, options or ImportOptions(keep_symbolic=True))
