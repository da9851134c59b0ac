"""Runs a Program: every replica and micro-batch of a request, stage by stage, in `whole` or `tiled` mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from halo_backends.ipu.rounding import StochasticRounding
from halo_backends.ipu.store import TiledValue
from halo_backends.ipu.tiled import Concrete, Counters, Mutator, TemplateRun
from halo_backends.ipu.whole import Region, WholeRun
from halo_py.bsp.program import Call, HostCall, Program, StageProgram
from halo_py.errors import SimulationError
from halo_py.evaluate import evaluate_node
from halo_py.types import TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]

Mode = Literal["whole", "tiled"]


@dataclass(slots=True)
class Engine:
    """A program loaded on the simulated machine; weights are put on their tiles once.

    `rounding_seed` turns on stochastic rounding to float16 (tiled mode); `mutate` may change concrete exchanges.
    """

    program: Program
    mode: Mode = "whole"
    rounding_seed: int | None = None
    mutate: Mutator | None = None
    counters: Counters = field(default_factory=Counters)
    watched: dict[Value, RuntimeValue] = field(default_factory=dict["Value", "RuntimeValue"])
    """Inner values to keep: put the Value in as a key, read the last micro-batch's contents afterwards."""
    _weights: dict[tuple[int, Value], TiledValue] = field(default_factory=dict[tuple[int, "Value"], TiledValue])
    _regions: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Region] = field(
        default_factory=dict[tuple[int, tuple[int, ...], tuple[int, ...]], Region]
    )
    _concrete: dict[int, Concrete] = field(default_factory=dict[int, Concrete])

    def run(self, graph: Graph, inputs: Mapping[Value, Array]) -> list[RuntimeValue]:
        """Outputs of `graph` for one micro-batch. `inputs` has contents for every graph input.

        Raises SimulationError if the program reads a byte that nobody wrote, or moves one that is not there.
        """
        contents = _Contents(self, graph, dict(inputs))
        for stage in self.program.stages:
            contents.enter(stage)
            for superstep in stage.supersteps:
                for call in superstep.calls:
                    if isinstance(call, HostCall):
                        contents.on_host(call.node)
                    else:
                        self._call(call, stage, contents)
                contents.forget(call.node for call in superstep.calls)
        return [contents.whole(value) for value in graph.outputs]

    def _call(self, call: Call, stage: StageProgram, contents: _Contents) -> None:
        form = call.template.form
        operands = [
            (local, value)
            for local, value in zip(form.inputs, call.node.inputs, strict=False)
            if local is not None and value is not None
        ]
        if self.mode == "whole":
            operand_arrays = {local: contents.array(value) for local, value in operands}
            run = WholeRun(call.template, operand_arrays, self._regions)
            run.run()
            for local, value in zip(form.outputs, call.node.outputs, strict=False):
                contents.host[value] = run.values[local]
            return
        rounding = None if self.rounding_seed is None else StochasticRounding(self.rounding_seed)
        tiled = {local: contents.tiled(value, stage) for local, value in operands}
        tiled_run = TemplateRun(call.template, tiled, self.counters, rounding, self.mutate, self._concrete)
        try:
            tiled_run.run()
        except SimulationError as error:
            raise SimulationError(error.message, call.where, error.hint) from error
        for local, value in zip(form.outputs, call.node.outputs, strict=False):
            contents.on_tiles[value] = tiled_run.values[local]

    def weights(self, value: Value, stage: StageProgram, contents: Array) -> TiledValue:
        """A constant on its tiles (put there at the first use)."""
        key = (id(stage), value)
        found = self._weights.get(key)
        if found is None:
            found = self._weights[key] = TiledValue.scatter(stage.homes[value], contents)
        return found


@dataclass(slots=True)
class _Contents:
    """What each value holds during one run: on the tiles, on the host, or both."""

    engine: Engine
    graph: Graph
    host: dict[Value, RuntimeValue]
    on_tiles: dict[Value, TiledValue] = field(default_factory=dict["Value", TiledValue])
    _uses: dict[Value, int] = field(default_factory=dict["Value", int])
    _entered: set[Value] = field(default_factory=set["Value"])

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            for value in node.inputs:
                if value is not None:
                    self._uses[value] = self._uses.get(value, 0) + 1
        for value in (*self.graph.outputs, *self.graph.constants):
            self._uses[value] = self._uses.get(value, 0) + 1

    def enter(self, stage: StageProgram) -> None:
        """Values that come from earlier stages arrive in this stage's memories."""
        for value in stage.graph.inputs:
            tiled = self.on_tiles.pop(value, None)
            if tiled is not None:
                self.host[value] = self._gathered(value, tiled)

    def whole(self, value: Value) -> RuntimeValue:
        """Contents of a value as the host sees it."""
        if value in self.host:
            return self.host[value]
        if value in self.graph.constants:
            return self.graph.constants[value]
        tiled = self.on_tiles.get(value)
        if tiled is None:
            raise SimulationError(f"value {value.name!r} is read before anything computed it")
        return self._gathered(value, tiled)

    def array(self, value: Value) -> Array:
        """Contents of a tensor value as the host sees it."""
        found = self.whole(value)
        if not isinstance(found, np.ndarray):
            raise SimulationError(f"value {value.name!r} is not a tensor")
        return found

    def tiled(self, value: Value, stage: StageProgram) -> TiledValue:
        """Contents of a value on the tiles; loaded there first if it came from outside."""
        found = self.on_tiles.get(value)
        if found is not None:
            return found
        if value in self.graph.constants:
            return self.engine.weights(value, stage, self.graph.constants[value])
        found = TiledValue.scatter(stage.homes[value], self.array(value))
        self.on_tiles[value] = found
        return found

    def on_host(self, node: Node) -> None:
        """Run one node on the host by its reference meaning."""
        operands = [None if value is None else self.whole(value) for value in node.inputs]
        for value, result in zip(node.outputs, evaluate_node(node, operands), strict=False):
            self.host[value] = result

    def forget(self, nodes: Iterable[Node]) -> None:
        """Drop values after their last use, keeping the watched ones."""
        for node in nodes:
            for value in node.outputs:
                if value in self.engine.watched:
                    self.engine.watched[value] = self.whole(value)
            for value in node.inputs:
                if value is None:
                    continue
                self._uses[value] -= 1
                if self._uses[value] == 0:
                    self.host.pop(value, None)
                    self.on_tiles.pop(value, None)

    @staticmethod
    def _gathered(value: Value, tiled: TiledValue) -> Array:
        type = value.type
        assert isinstance(type, TensorType)
        return tiled.gather(type.static_shape, type.dtype.numpy)
