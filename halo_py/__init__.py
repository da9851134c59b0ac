"""HALO: model files become one graph; passes turn it into a program for a machine made of tiles.

`halo_py.compile(model, target=...)` gives an `Executable`; `halo_py.load(path)` reads one back from its
`.halo` file. `halo_py.from_torch(module, example_inputs)` makes a graph of a module of PyTorch. Everything is imported
on first use, so that `import halo_py` stays cheap.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from halo_py.compile import compile as compile
    from halo_py.executable import Executable as Executable
    from halo_py.pytorch.exporting import from_torch as from_torch

    load = Executable.load

__version__ = "0.1.0"
__all__ = ["Executable", "__version__", "compile", "from_torch", "load"]


def __getattr__(name: str) -> Any:
    """Public names, found in their modules on first use."""
    if name == "from_torch":
        return importlib.import_module("halo_py.pytorch.exporting").from_torch
    if name not in ("Executable", "load"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    executable = importlib.import_module("halo_py.executable").Executable
    return executable if name == "Executable" else executable.load


class _Facade(ModuleType):
    """The package as a module whose `compile` is the function.

    The import system binds the submodule `halo_py.compile` to the same name the moment anything imports
    it; a data descriptor on the module's class outranks that binding.
    """

    @property
    def compile(self) -> Any:
        return importlib.import_module("halo_py.compile").compile

    @compile.setter
    def compile(self, submodule: ModuleType) -> None:
        """The import system's binding of the submodule is not wanted here; `sys.modules` keeps it."""


sys.modules[__name__].__class__ = _Facade
