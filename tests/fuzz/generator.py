"""Random graphs from seeds: a theme, some inputs, templates until the graph is large enough, outputs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import RuntimeValue
from halo_py.ops.reshaping import Identity
from halo_py.types import DType, TensorType
from tests.fuzz.draft import Draft, RejectedError
from tests.fuzz.templates import (
    contraction,
    control,
    dynamic,
    elementwise,
    movement,
    patterns,
    quantised,
    reduction,
    samples,
    windows,
)
from tests.fuzz.templates.base import TEMPLATES
from tests.fuzz.worlds import Limits, UnstableError, evaluate_worlds

LOADED = (contraction, control, dynamic, elementwise, movement, patterns, quantised, reduction, samples, windows)
"""The modules whose templates are drawn."""

THEMES: dict[str, tuple[str, ...]] = {
    "anything": (),
    "samples": ("samples",),
    "vision": ("windows", "normalization", "patterns", "movement"),
    "language": ("contraction", "normalization", "patterns", "movement", "indexing"),
    "integers": ("integer", "cast", "indexing", "movement"),
    "quantised": ("quantised", "windows", "contraction"),
    "dynamic": ("dynamic", "movement", "indexing"),
    "control": ("control", "elementwise", "contraction"),
    "layout": ("movement", "patterns", "reduction"),
}
FAVOUR = 4.0
"""How much likelier a theme makes its templates."""
FEWEST_NODES, MOST_NODES = 4, 25
ATTEMPTS_PER_NODE = 12
HALF_SHARE = 0.2
"""Share of the graphs that stay well-conditioned with 16-bit storage, to be run in fp16 and mixed."""
MOST_OUTPUTS = 6


@dataclass(frozen=True, slots=True)
class FuzzGraph:
    """A graph, contents for its inputs, and under which limits it is well-conditioned."""

    graph: Graph
    inputs: tuple[RuntimeValue, ...]
    limits: Limits
    theme: str = ""
    depth: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    """What templates wanted and did not get, with the reasons."""


def generate(seed: int) -> FuzzGraph:
    """The graph of a seed: the first draft that other errors than those it grew under leave well-conditioned."""
    dice = Random(seed)  # noqa: S311
    theme = dice.choice(list(THEMES))
    limits = Limits(half=dice.random() < HALF_SHARE)
    while True:
        found = _draft(dice.randrange(1 << 40), theme, limits)
        try:
            evaluate_worlds(found.graph, found.inputs, limits)
        except UnstableError:
            continue
        return found


def _draft(seed: int, theme: str, limits: Limits) -> FuzzGraph:
    draft = Draft(seed, limits)
    _inputs(draft)
    _grow(draft, theme, draft.between(FEWEST_NODES, MOST_NODES))
    outputs = _outputs(draft)
    names = [f"out/{number}" for number in range(len(outputs))]
    graph = draft.builder.finish(outputs, names)
    contents = tuple(draft.contents[value][0] for value in graph.inputs)
    return FuzzGraph(graph, contents, limits, theme, max(draft.depth[value] for value in outputs), draft.refused)


def _inputs(draft: Draft) -> None:
    for number in range(draft.between(1, 3)):
        rank = draft.choose((1, 2, 2, 3, 3, 4))
        shape = [draft.between(1, 6 if rank < 4 else 4) for _ in range(rank)]
        name = draft.choose(("x", "input.1", "odd name:0", "a/b", "onnx::Conv_1"))
        draft.input(draft.floats(shape), name=f"{name}{number}")


def _grow(draft: Draft, theme: str, nodes: int) -> None:
    favoured = THEMES[theme]
    weights = [entry.weight * (FAVOUR if entry.theme in favoured else 1.0) for entry in TEMPLATES]
    for _ in range(nodes * ATTEMPTS_PER_NODE):
        if draft.nodes >= nodes:
            return
        try:
            draft.random.choices(TEMPLATES, weights)[0].grow(draft)
        except RejectedError:
            continue


def _outputs(draft: Draft) -> list[Value]:
    """What nobody reads, and some of what is read; rarely an input."""
    made = [value for value in draft.pool if draft.depth[value] > 0 and isinstance(value.type, TensorType)]
    if not made:
        return [draft.one(Identity(), draft.pool[0])]
    unread = [value for value in made if value not in draft.read]
    inner = [value for value in made if value in draft.read and draft.chance(0.1)]
    chosen = list(dict.fromkeys([*unread[-MOST_OUTPUTS:], *inner[:2], made[-1]]))
    if draft.chance(0.05):
        chosen.append(draft.choose([v for v in draft.inputs if v.type != TensorType(DType.STRING, ())] or chosen))
    return chosen
