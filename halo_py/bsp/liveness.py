"""When the values inside a template are alive, phase by phase, so that its temporary memory is exact per tile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from halo_py.tiling.mapping import Ints


@dataclass(slots=True)
class Lifetimes:
    """Live ranges of a template under construction. Phases are counted by `tick`; views share their source's bytes."""

    clock: int = 0
    _bytes: dict[int, Ints] = field(default_factory=dict[int, Ints])
    _range: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    _source: dict[int, int] = field(default_factory=dict[int, int])
    _temporaries: list[tuple[int, int, Ints]] = field(default_factory=list[tuple[int, int, Ints]])
    _loop_start: int | None = None
    _touched: set[int] = field(default_factory=set[int])
    _whole_loop: list[Ints] = field(default_factory=list[Ints])

    def copy(self) -> Lifetimes:
        """An independent copy."""
        return Lifetimes(
            self.clock,
            dict(self._bytes),
            dict(self._range),
            dict(self._source),
            list(self._temporaries),
            self._loop_start,
            set(self._touched),
            list(self._whole_loop),
        )

    def tick(self) -> None:
        """The next phase begins."""
        self.clock += 1

    def alias(self, view: int, source: int) -> None:
        """`view` has the bytes of `source`: it is another view of them, or written over them."""
        self._source[view] = self.root(source)

    def write(self, local: int, bytes_by_tile: Ints) -> None:
        """`local` is written in this phase."""
        root = self.root(local)
        known = self._bytes.get(root)
        self._bytes[root] = bytes_by_tile if known is None else np.maximum(known, bytes_by_tile)
        self._extend(root)

    def read(self, local: int) -> None:
        """`local` is read by the exchange or compute that comes next."""
        self._extend(self.root(local), ahead=2)

    def temporary(self, bytes_by_tile: Ints, phases: int, *, until_end_of_loop: bool = False) -> None:
        """Memory needed from this phase for `phases` more, or all through the loop that is open."""
        if until_end_of_loop and self._loop_start is not None:
            self._whole_loop.append(bytes_by_tile)
            return
        self._temporaries.append((self.clock, self.clock + phases, bytes_by_tile))

    def enter_loop(self) -> None:
        """What follows, up to `leave_loop`, runs many times."""
        self._loop_start = self.clock
        self._touched = set()

    def leave_loop(self) -> None:
        """Values from before the loop that its body touches, and those fetched for it, live through all of it."""
        assert self._loop_start is not None
        start = self._loop_start
        for root in self._touched:
            first, last = self._range[root]
            if first <= start:
                self._range[root] = (first, max(last, self.clock))
        self._temporaries.extend((start, self.clock, amount) for amount in self._whole_loop)
        self._loop_start, self._whole_loop = None, []

    def peak(self, outside: Iterable[int], tiles: int) -> Ints:
        """Most bytes alive at once on each tile [tiles], without the values `outside` (operands, results)."""
        excluded = {self.root(local) for local in outside}
        ranges = [
            (*self._range[root], amount) for root, amount in self._bytes.items() if root not in excluded
        ] + self._temporaries
        if not ranges:
            return np.zeros(tiles, np.int64)
        change = np.zeros((self.clock + 4, tiles), np.int64)
        for first, last, amount in ranges:
            change[first] += amount
            change[min(last, self.clock + 2) + 1] -= amount
        return np.asarray(np.cumsum(change, axis=0).max(axis=0), np.int64)

    def root(self, local: int) -> int:
        """The value whose bytes these are."""
        return self._source.get(local, local)

    def _extend(self, root: int, ahead: int = 0) -> None:
        first, last = self._range.get(root, (self.clock, self.clock))
        self._range[root] = (first, max(last, self.clock + ahead))
        self._touched.add(root)
