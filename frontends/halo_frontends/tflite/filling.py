"""Finds the lists that a loop fills entry by entry.

The converter writes "entry r of a list is now x" as a concatenation of the entries before r, x, and those behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from halo_frontends.tensorflow_ops.bodies import Counter
from halo_frontends.tflite.model import OperatorInfo, Subgraph, TfliteModel

_Entry = int | tuple[int, int]
"""A number, or a counter (by the number of its variable) plus a number."""


@dataclass(slots=True)
class Filling:
    """Looks at the operators of a body whose counters are known."""

    model: TfliteModel
    body: Subgraph
    counters: Mapping[int, Counter]
    _makers: dict[int, OperatorInfo] = field(default_factory=dict[int, OperatorInfo])

    def __post_init__(self) -> None:
        self._makers = {number: entry for entry in self.body.operators for number in entry.outputs}

    def entry(self, variable: int) -> int | None:
        """The tensor that becomes entry r of this variable in round r; None if the variable is no such list."""
        own, joined = self.body.inputs[variable], self._makers.get(self.body.outputs[variable])
        if joined is None or joined.name != "CONCATENATION" or len(joined.inputs) != 3:
            return None
        before, item, after = joined.inputs
        if joined.options.integer("axis") != 0 or self._readers(own) != {before, after}:
            return None
        rank = len(self.body.tensors[own].dims)
        rest = [0] * (rank - 1), [-1] * (rank - 1)
        for number, counter in self.counters.items():
            if (counter.start, counter.step) != (0, 1):
                continue
            first = self._is_slice(before, own, [0, *rest[0]], [(number, 0), *rest[1]])
            if first and self._is_slice(after, own, [(number, 1), *rest[0]], [-1, *rest[1]]):
                return item
        return None

    def _readers(self, tensor: int) -> set[int]:
        """What is made of a tensor."""
        made = {result for entry in self.body.operators if tensor in entry.inputs for result in entry.outputs}
        return made | ({tensor} if tensor in self.body.outputs else set())

    def _is_slice(self, tensor: int, own: int, begin: list[_Entry], size: list[_Entry]) -> bool:
        maker = self._makers.get(tensor)
        if maker is None or maker.name != "SLICE" or len(maker.inputs) != 3 or maker.inputs[0] != own:
            return False
        return self._vector(maker.inputs[1]) == begin and self._vector(maker.inputs[2]) == size

    def _vector(self, tensor: int) -> list[_Entry] | None:
        """The entries of a vector of indices, as far as they follow from counters."""
        known = self._constant(tensor)
        if known is not None:
            return list(known)
        maker = self._makers.get(tensor)
        if maker is None:
            return None
        if maker.name in ("RESHAPE", "EXPAND_DIMS"):
            found = self._scalar(maker.inputs[0])
            return None if found is None else [found]
        if maker.name == "PACK":
            entries = [self._scalar(number) for number in maker.inputs]
            return [entry for entry in entries if entry is not None] if None not in entries else None
        if maker.name != "CONCATENATION":
            return None
        joined: list[_Entry] = []
        for number in maker.inputs:
            part = self._vector(number)
            if part is None:
                return None
            joined += part
        return joined

    def _scalar(self, tensor: int) -> _Entry | None:
        known = self._constant(tensor)
        if known is not None:
            return known[0] if len(known) == 1 else None
        for number in self.counters:
            if tensor == self.body.inputs[number]:
                return number, 0
            if tensor == self.body.outputs[number]:
                return number, self.counters[number].step
        return None

    def _constant(self, tensor: int) -> tuple[int, ...] | None:
        info = self.body.tensors[tensor]
        if not self.model.is_constant(info) or info.dtype is None or not info.dtype.is_integer:
            return None
        if self.model.constant_bytes(info) > 1024:
            return None
        return tuple(int(number) for number in self.model.read(info).reshape(-1).tolist())
