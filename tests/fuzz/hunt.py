"""Runs the graphs of many seeds and collects what they cover and which defects they show."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.case_file import CaseFile, NotWritableError, write_case
from tests.fuzz.generator import FuzzGraph, generate
from tests.fuzz.minimise import minimise
from tests.fuzz.runner import Failure, NotApplicableError, Subject, routes_for, run_route


@dataclass
class Defect:
    """What fails alike: the first failure, the seeds it was seen at, and the file of the smallest graph."""

    failure: Failure
    seeds: list[int] = field(default_factory=list[int])
    path: Path | None = None


@dataclass
class Coverage:
    """What the graphs held and how long each route took."""

    graphs: int = 0
    half: int = 0
    ops: Counter[str] = field(default_factory=Counter[str])
    forms: set[str] = field(default_factory=set[str])
    """Ops with their attributes."""
    themes: Counter[str] = field(default_factory=Counter[str])
    nodes: list[int] = field(default_factory=list[int])
    depths: list[int] = field(default_factory=list[int])
    refused: Counter[str] = field(default_factory=Counter[str])
    runs: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    def add(self, found: FuzzGraph) -> None:
        """Count a graph."""
        nodes = list(found.graph.walk())
        self.graphs += 1
        self.half += found.limits.half
        self.ops.update(node.op.kind for node in nodes)
        self.forms.update(repr(node.op) for node in nodes)
        self.themes[found.theme] += 1
        self.nodes.append(len(nodes))
        self.depths.append(found.depth)
        self.refused.update(found.refused)


@dataclass
class Hunt:
    """The state of a hunt. With `folder`, the first graph of each defect is minimised into a file there."""

    folder: Path | None = None
    only: Sequence[str] = ()
    coverage: Coverage = field(default_factory=Coverage)
    defects: dict[tuple[str, str], Defect] = field(default_factory=dict[tuple[str, str], Defect])

    def run(self, seeds: Iterable[int]) -> None:
        """Run the graphs of these seeds."""
        for seed in seeds:
            self.run_seed(seed)

    def run_seed(self, seed: int) -> list[Failure]:
        """Run one graph on its routes; what failed."""
        found = generate(seed)
        self.coverage.add(found)
        subject = Subject(found.graph, found.inputs, found.limits)
        failures: list[Failure] = []
        for route in self.only or routes_for(seed):
            begin = time.perf_counter()
            try:
                failure = run_route(subject, route)
            except NotApplicableError:
                continue
            self.coverage.runs[route] += 1
            taken = self.coverage.seconds.get(route, 0.0)
            self.coverage.seconds[route] = taken + time.perf_counter() - begin
            if failure is not None:
                failures.append(failure)
                self._note(seed, subject, failure)
        return failures

    def _note(self, seed: int, subject: Subject, failure: Failure) -> None:
        defect = self.defects.get(failure.key)
        if defect is not None:
            defect.seeds.append(seed)
            return
        defect = self.defects[failure.key] = Defect(failure, [seed])
        if self.folder is not None:
            defect.path = save(self.folder, seed, subject, failure)


def save(folder: Path, seed: int, subject: Subject, failure: Failure) -> Path | None:
    """Minimise a failing subject into a file; None if its contents have no text."""
    smallest = minimise(subject, failure)
    last = run_route(smallest, failure.route)
    path = folder / f"{failure.route.replace(' ', '_')}_{seed}.ir"
    try:
        write_case(path, CaseFile(smallest, str(last or failure), f"seed {seed}"))
    except NotWritableError:
        return None
    return path
