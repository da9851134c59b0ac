"""What interpreting finds out about inputs whose type the file does not state."""

from __future__ import annotations

from halo_py.errors import ModelError, Where
from halo_py.ir.graph import Graph, Value


class NeedsIntegersError(ModelError):
    """Floats are used as positions: if `value` is an input, it must be made of integers."""

    def __init__(self, value: Value, where: Where) -> None:
        super().__init__("floats are used as positions", where)
        self.value = value
        self.graph: Graph | None = None
        """The graph so far, once the importer has finished it."""
