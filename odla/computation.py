"""A computation: a graph that is being built call by call, or was read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from halo_py.errors import UnsupportedError, UsageError
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY
from halo_py.ops import load_ops
from odla.handles import Executable, device

if TYPE_CHECKING:
    from halo_py.types import Type


class Computation:
    """Arguments, constants, operators and outputs, in the order of the calls that add them."""

    def __init__(self, name: str = "computation") -> None:
        load_ops()
        self._builder = GraphBuilder(name)
        self._outputs: list[Value] = []
        self._output_names: list[str] = []
        self._finished: Graph | None = None

    @staticmethod
    def of(graph: Graph) -> Computation:
        """A computation that is this graph; nothing can be added to it."""
        computation = Computation(graph.name)
        computation._finished = graph
        return computation

    @staticmethod
    def read(path: str | Path, options: ImportOptions | None = None) -> Computation:
        """A computation read from a model file. Raises ModelError, UnsupportedError, UsageError."""
        return Computation.of(load_model(path, options))

    def argument(self, name: str, type: Type) -> Value:
        """The next argument."""
        return self._open().input(name, type)

    def constant(self, contents: Any, name: str = "constant") -> Value:
        """A constant; its contents are copied."""
        return self._open().constant(np.array(contents), name)

    def add(self, op: str, *operands: Value | None, outputs: int = 1, name: str = "", **attributes: Any) -> Value:
        """The first result of an operator, by its name in the registry (`halo ops` lists them).

        Raises UnsupportedError for an unknown operator, ShapeError for operands that do not fit.
        """
        return self.add_all(op, *operands, outputs=outputs, name=name, **attributes)[0]

    def add_all(
        self, op: str, *operands: Value | None, outputs: int = 1, name: str = "", **attributes: Any
    ) -> tuple[Value, ...]:
        """All results of an operator."""
        cls = REGISTRY.by_name.get(op) or REGISTRY.by_onnx.get(("", op))
        if cls is None:
            raise UnsupportedError(f"unknown op {op!r}", hint="`halo ops` lists every op")
        try:
            made = cls(**attributes)
        except TypeError as error:
            raise UsageError(f"the attributes do not fit op {op!r}: {error}") from error
        return self._open().add(made, operands, outputs=outputs, name=name)

    def output(self, value: Value, name: str | None = None) -> None:
        """Mark a value as the next output."""
        self._open()
        self._outputs.append(value)
        self._output_names.append(name or value.name)

    def graph(self) -> Graph:
        """The graph; from now on nothing can be added. Raises UsageError if no output is marked."""
        if self._finished is None:
            if not self._outputs:
                raise UsageError("the computation has no output")
            self._finished = self._builder.finish(self._outputs, self._output_names)
        return self._finished

    def compile(self, device_name: str, **options: Any) -> Executable:
        """The computation compiled for a device. Raises HaloError."""
        return device(device_name).compile(self.graph(), options)

    def _open(self) -> GraphBuilder:
        if self._finished is not None:
            raise UsageError("the computation is finished: nothing can be added to it")
        return self._builder
