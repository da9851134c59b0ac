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
from halo_py.bsp.program import Call, Compute, HostCall, Loop, Program, Rename, StageProgram, VertexGroup
from halo_py.errors import SimulationError
from halo_py.evaluate import evaluate_node
from halo_py.ops.kernels.contract import ContractCodelet
from halo_py.ops.kernels.convolve import ConvCodelet
from halo_py.types import TensorType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.bsp.program import Template
    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.ir.op import RuntimeValue

    Array = NDArray[np.generic]

Mode = Literal["whole", "tiled"]


@dataclass(slots=True)
class Resident:
    """What a loaded program keeps on the machine between requests; runs at the same time may share it."""

    weights: dict[tuple[int, Value], TiledValue] = field(default_factory=dict[tuple[int, "Value"], TiledValue])
    """Constants on their tiles, by the identity of their stage."""
    operands: dict[tuple[int, int], Array] = field(default_factory=dict[tuple[int, int], "Array"])
    """Constants in float16 as `whole` reads them, by the identity of their call and their local number there."""
    regions: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Region] = field(
        default_factory=dict[tuple[int, tuple[int, ...], tuple[int, ...]], Region]
    )
    concrete: dict[int, Concrete] = field(default_factory=dict[int, Concrete])

    def on_tiles(self, value: Value, stage: StageProgram, contents: Array) -> TiledValue:
        """A constant on its tiles (put there at the first use)."""
        key = (id(stage), value)
        found = self.weights.get(key)
        if found is None:
            found = self.weights[key] = TiledValue.scatter(stage.homes[value], contents)
        return found

    def operand(self, contents: Array, call: Call, local: int) -> Array:
        """A constant as `whole` reads it: widened once, not at every request, if only matrix arithmetic reads it."""
        if contents.dtype != np.float16:
            return contents
        key = (id(call), local)
        found = self.operands.get(key)
        if found is None:
            found = contents.astype(np.float32) if _only_multiplied(call.template, local) else contents
            self.operands[key] = found
        return found


def _only_multiplied(template: Template, local: int) -> bool:
    """Whether every step that reads a value is a contraction, which widens what it reads itself."""
    for step in template.steps:
        if isinstance(step, Loop) or (isinstance(step, Rename) and step.source == local):
            return False
        groups = step.groups if isinstance(step, Compute) else ()
        readers = [group for group in groups if isinstance(group, VertexGroup) and local in group.reads]
        if not all(isinstance(group.placement.kernel.codelet, (ContractCodelet, ConvCodelet)) for group in readers):
            return False
    return local not in template.form.outputs


@dataclass(slots=True)
class Engine:
    """One run of a program on the simulated machine.

    `rounding_seed` turns on stochastic rounding to float16 (tiled mode); `mutate` may change concrete exchanges.
    """

    program: Program
    mode: Mode = "whole"
    rounding_seed: int | None = None
    mutate: Mutator | None = None
    counters: Counters = field(default_factory=Counters)
    watched: dict[Value, RuntimeValue] = field(default_factory=dict["Value", "RuntimeValue"])
    """Inner values to keep: put the Value in as a key, read the last micro-batch's contents afterwards."""
    resident: Resident = field(default_factory=Resident)

    def run(self, graph: Graph, inputs: Mapping[Value, RuntimeValue]) -> list[RuntimeValue]:
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
            operand_arrays = {local: contents.operand(value, call, local) for local, value in operands}
            run = WholeRun(call.template, operand_arrays, self.resident.regions)
            run.run()
            for local, value in zip(form.outputs, call.node.outputs, strict=False):
                contents.host[value] = run.values[local]
            return
        rounding = None if self.rounding_seed is None else StochasticRounding(self.rounding_seed)
        tiled = {local: contents.tiled(value, stage) for local, value in operands}
        tiled_run = TemplateRun(call.template, tiled, self.counters, rounding, self.mutate, self.resident.concrete)
        try:
            tiled_run.run()
        except SimulationError as error:
            raise SimulationError(error.message, call.where, error.hint) from error
        for local, value in zip(form.outputs, call.node.outputs, strict=False):
            contents.on_tiles[value] = tiled_run.values[local]


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

    def operand(self, value: Value, call: Call, local: int) -> Array:
        """Contents of a tensor value as `whole` arithmetic of a call reads it."""
        contents = self.array(value)
        return self.engine.resident.operand(contents, call, local) if value in self.graph.constants else contents

    def tiled(self, value: Value, stage: StageProgram) -> TiledValue:
        """Contents of a value on the tiles; loaded there first if it came from outside."""
        found = self.on_tiles.get(value)
        if found is not None:
            return found
        if value in self.graph.constants:
            return self.engine.resident.on_tiles(value, stage, self.graph.constants[value])
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
