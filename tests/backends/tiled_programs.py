"""Small programs for the simulated IPU: one sample of an op, cut at random."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_backends.ipu.engine import Engine, Mode
from halo_backends.ipu.tiled import Mutator
from halo_py.bsp.lower import LoweringCache, lower_stage
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.program import HostCall, Program
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.space import Kernel
from halo_py.targets import load_target
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.plan import Placement, Split
from tests.ops.cases import Case

Numbers = NDArray[Any]


@dataclass(frozen=True)
class RandomPlanner:
    """Cuts every kernel at random, from a random first tile; reduce axes too."""

    random: Random
    tiles: int

    def __call__(
        self,
        kernel: Kernel,
        _homes: tuple[TileMapping | None, ...],
        _movable: tuple[bool, ...],
        _follow: TileMapping | None,
    ) -> Placement:
        ways = [1] * len(kernel.axes)
        room = self.tiles
        order = list(range(len(ways)))
        self.random.shuffle(order)
        for axis in order:
            if kernel.splittable[axis]:
                grains = -(-kernel.extents[axis] // kernel.axes[axis].grain)
                ways[axis] = self.random.randint(1, max(1, min(grains, room)))
                room //= ways[axis]
        start = self.random.randrange(self.tiles)
        return Placement(kernel, Split(tuple(ways), (1,) * len(ways), tuple(order), start), self.tiles)


@dataclass(frozen=True, eq=False)
class Lowered:
    """A lowered graph with contents for its inputs."""

    graph: Graph
    program: Program
    feeds: dict[Value, Numbers]

    @property
    def on_host(self) -> bool:
        """Whether some node runs on the host."""
        return any(
            isinstance(call, HostCall)
            for stage in self.program.stages
            for step in stage.supersteps
            for call in step.calls
        )

    def run(self, mode: Mode, mutate: Mutator | None = None) -> list[Any]:
        """The outputs."""
        return list(Engine(self.program, mode, mutate=mutate).run(self.graph, self.feeds))


def graph_of(case: Case) -> tuple[Graph, dict[Value, Numbers]]:
    """A graph of one node: the sample's constant operands are constants, the others inputs."""
    builder = GraphBuilder(case.name)
    operands: list[Value | None] = []
    feeds: dict[Value, Numbers] = {}
    for index, (contents, type) in enumerate(zip(case.sample.inputs, case.types(), strict=True)):
        if type is None:
            operands.append(None)
        elif index in case.sample.constant and isinstance(contents, np.ndarray):
            operands.append(builder.constant(contents, f"c{index}"))
        else:
            value = builder.input(f"x{index}", type)
            operands.append(value)
            if isinstance(contents, np.ndarray):
                feeds[value] = contents
    outputs = builder.add(case.sample.op, operands, outputs=case.sample.outputs, bodies=case.sample.bodies, name="node")
    return builder.finish(outputs), feeds


def lowered(graph: Graph, feeds: dict[Value, Numbers], seed: int, target: str = "ipu-tiny") -> Lowered:
    """The graph cut at random with this seed."""
    chip = load_target(target).chip
    options = LoweringOptions(chip.tiles)
    cache = LoweringCache()
    cache.pricing(chip, options).chooser = RandomPlanner(Random(seed), chip.tiles)  # noqa: S311
    stage = lower_stage(graph, chip, options, cache)
    return Lowered(graph, Program((stage,), 1, 1, 1), feeds)
