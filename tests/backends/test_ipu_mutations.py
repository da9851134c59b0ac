"""Values come from the partition: a compiled program with one wrong transfer gives a wrong answer or raises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
import pytest

import halo_py
from halo_backends.ipu.engine import Engine
from halo_backends.ipu.exchange import Multicast
from halo_backends.ipu.tiled import Concrete
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

    def __call__(self, move: Move, groups: Concrete) -> Concrete:
        self.seen += 1
        boxed = [group for group in groups if isinstance(group, Multicast)]
        if self.at != self.seen - 1 or len(boxed) < len(groups):
            return groups
        kind = self.random.choice(self.kinds)
        changed = {"lost": self._lost, "shifted": self._shifted, "swapped": self._swapped}[kind](boxed)
        if changed is None:
            return groups
        self.done = "lost partial" if kind == "lost" and move.depth > 1 else kind
        return changed

    def _lost(self, groups: list[Multicast]) -> list[Multicast] | None:
        """One tile does not get one piece."""
        index = self.random.randrange(len(groups))
        kept = np.arange(len(groups[index].sources)) != self.random.randrange(len(groups[index].sources))
        return self._for_one(groups, index, kept, None)

    def _shifted(self, groups: list[Multicast]) -> list[Multicast] | None:
        """One piece for one tile is read one element further on."""
        index = self.random.randrange(len(groups))
        group = groups[index]
        if not len(group.low):
            return None
        shift = np.zeros_like(group.piece_low)
        piece, axis = self.random.randrange(shift.shape[0]), self.random.randrange(shift.shape[1])
        shift[piece, axis] = self.random.choice((-1, 1))
        return self._for_one(groups, index, np.ones(len(group.sources), bool), shift)

    def _swapped(self, groups: list[Multicast]) -> list[Multicast] | None:
        """Two tiles get each other's operand."""
        sized: dict[tuple[int, ...], list[int]] = {}
        for number, group in enumerate(groups):
            sized.setdefault(tuple((group.high - group.low).tolist()), []).append(number)
        choices = [numbers for numbers in sized.values() if len(numbers) > 1]
        if not choices:
            return None
        first, second = self.random.sample(self.random.choice(choices), 2)
        one, other = groups[first].targets.copy(), groups[second].targets.copy()
        one[0], other[0] = groups[second].targets[0], groups[first].targets[0]
        changed = list(groups)
        changed[first] = replace(groups[first], targets=one)
        changed[second] = replace(groups[second], targets=other)
        return changed

    def _for_one(self, groups: list[Multicast], index: int, kept: Numbers, shift: Numbers | None) -> list[Multicast]:
        """The same exchange, but one tile gets its box of group `index` from the kept pieces, shifted."""
        group = groups[index]
        tile = self.random.choice(group.targets.tolist())
        alone = replace(
            group,
            targets=np.array([tile]),
            sources=group.sources[kept],
            piece_low=group.piece_low[kept],
            piece_high=group.piece_high[kept],
            parts=group.parts[kept],
            shift=shift,
        )
        rest = replace(group, targets=group.targets[group.targets != tile])
        return [*groups[:index], *([rest] if len(rest.targets) else []), alone, *groups[index + 1 :]]


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
