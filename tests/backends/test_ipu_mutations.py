"""Values come from the partition: a compiled program with one wrong transfer gives a wrong answer or raises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import pytest

import halo_py
from halo_backends.ipu.engine import Engine
from halo_backends.ipu.exchange import Multicast, Piece
from halo_py.bsp.program import Move, Program
from halo_py.errors import SimulationError
from halo_py.ir.graph import Graph, Value
from tests.backends.attention import attention_block, attention_inputs

MUTATIONS = 220
CAUGHT_SHARE = 0.99

Numbers = np.ndarray[Any, Any]


@dataclass
class OneMutation:
    """Counts the moves that are executed and changes the one numbered `at`."""

    random: Random
    at: int | None = None
    seen: int = 0
    done: str = ""
    kinds: tuple[str, ...] = field(default=("lost", "shifted", "swapped"))

    def __call__(self, move: Move, groups: list[Multicast]) -> list[Multicast]:
        self.seen += 1
        if self.at != self.seen - 1:
            return groups
        kind = self.random.choice(self.kinds)
        changed = {"lost": self._lost, "shifted": self._shifted, "swapped": self._swapped}[kind](groups)
        if changed is not None:
            self.done = "lost partial" if kind == "lost" and move.depth > 1 else kind
        return changed or groups

    def _lost(self, groups: list[Multicast]) -> list[Multicast] | None:
        """One tile does not get one piece."""
        index = self.random.randrange(len(groups))
        group = groups[index]
        piece = self.random.randrange(len(group.pieces))
        left = tuple(entry for number, entry in enumerate(group.pieces) if number != piece)
        return _for_one(groups, index, self.random.choice(group.targets), left)

    def _shifted(self, groups: list[Multicast]) -> list[Multicast] | None:
        """One piece for one tile is read one element further on."""
        index = self.random.randrange(len(groups))
        group = groups[index]
        boxed = [number for number, piece in enumerate(group.pieces) if isinstance(piece, Piece) and piece.low]
        if not boxed:
            return None
        chosen = self.random.choice(boxed)
        piece = group.pieces[chosen]
        assert isinstance(piece, Piece)
        axis = self.random.randrange(len(piece.low))
        shift = tuple(self.random.choice((-1, 1)) if number == axis else 0 for number in range(len(piece.low)))
        pieces = (*group.pieces[:chosen], replace(piece, shift=shift), *group.pieces[chosen + 1 :])
        return _for_one(groups, index, self.random.choice(group.targets), pieces)

    def _swapped(self, groups: list[Multicast]) -> list[Multicast] | None:
        """Two tiles get each other's operand."""
        sized: dict[tuple[int, ...], list[int]] = {}
        for number, group in enumerate(groups):
            size = tuple(b - a for a, b in zip(group.low, group.high, strict=True))
            sized.setdefault(size, []).append(number)
        choices = [numbers for numbers in sized.values() if len(numbers) > 1]
        if not choices:
            return None
        first, second = self.random.sample(self.random.choice(choices), 2)
        one, other = groups[first], groups[second]
        changed = list(groups)
        tile, partner = one.targets[0], other.targets[0]
        changed[first] = replace(one, targets=(partner, *one.targets[1:]))
        changed[second] = replace(other, targets=(tile, *other.targets[1:]))
        return changed


def _for_one(groups: list[Multicast], index: int, tile: int, pieces: tuple[Any, ...]) -> list[Multicast]:
    """The same exchange, but `tile` gets its box of group `index` from these pieces."""
    group = groups[index]
    rest = tuple(other for other in group.targets if other != tile)
    alone = replace(group, targets=(tile,), pieces=pieces)
    kept = [replace(group, targets=rest)] if rest else []
    return [*groups[:index], *kept, alone, *groups[index + 1 :]]


def _run(graph: Graph, program: Program, feeds: dict[Value, Numbers], mutation: OneMutation) -> list[Numbers]:
    engine = Engine(program, "tiled", mutate=mutation)
    return [np.asarray(output) for output in engine.run(graph, feeds)]


def _same(found: list[Numbers], expected: list[Numbers]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def _programs() -> list[tuple[str, Graph, Program, dict[Value, Numbers]]]:
    digits = halo_py.compile("examples/digits.onnx", target="ipu-tiny", batch_size=2)
    random = np.random.default_rng(3)
    pixels = {value: random.normal(size=(2, 1, 8, 8)).astype(np.float32) for value in digits.graph.inputs}
    block = halo_py.compile(attention_block(), target="ipu-tiny")
    feeds = {value: attention_inputs()[value.name] for value in block.graph.inputs}
    return [
        ("digits", digits.graph, digits.program, pixels),
        ("attention", block.graph, block.program, feeds),
    ]


@pytest.mark.slow
def test_a_mutated_program_gives_another_answer() -> None:
    random = Random(17)  # noqa: S311
    missed: list[str] = []
    done: dict[str, int] = {}
    for name, graph, program, feeds in _programs():
        counting = OneMutation(random)
        expected = _run(graph, program, feeds, counting)
        assert not any(np.isnan(output).any() for output in expected)
        tried = 0
        while tried < MUTATIONS // 2:
            mutation = OneMutation(random, random.randrange(counting.seen))
            try:
                caught = not _same(_run(graph, program, feeds, mutation), expected)
            except SimulationError:
                caught = True
            if not mutation.done:
                continue
            tried += 1
            done[mutation.done] = done.get(mutation.done, 0) + 1
            if not caught:
                missed.append(f"{name}: move {mutation.at} {mutation.done}")
    total = sum(done.values())
    assert total >= 200
    assert {"lost", "lost partial", "shifted", "swapped"} <= set(done), done
    assert len(missed) <= (1 - CAUGHT_SHARE) * total, missed
