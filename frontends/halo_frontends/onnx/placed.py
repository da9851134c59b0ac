"""Adding nodes that stand at the place of one node of the file, to any graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_py.errors import Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import Op


@dataclass(frozen=True, slots=True)
class PlacedNodes:
    """Adds nodes to `builder`; an error in one of them names `where`."""

    builder: GraphBuilder
    where: Where

    def add(self, op: Op, *inputs: Value | None) -> Value:
        """The result of a new node. Raises ShapeError."""
        return self.several(op, inputs, 1)[0]

    def several(
        self,
        op: Op,
        inputs: Sequence[Value | None],
        outputs: int | Sequence[str],
        bodies: tuple[Graph, ...] = (),
        name: str = "",
    ) -> tuple[Value, ...]:
        """The results (so many, or of these names) of a new node with nested graphs. Raises ShapeError."""
        return self.builder.add(op, inputs, outputs=outputs, name=name, bodies=bodies, where=self.where)

    def number(self, number: int) -> Value:
        """A constant scalar of type int64."""
        return self.builder.constant(np.asarray(number, np.int64), f"number_{number}")
