"""Lowers the nodes of one stage to a BSP program for one chip: equal ops on equal homes are lowered once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from halo_py.bsp.emission import Operand
from halo_py.bsp.facts import TemplateFacts
from halo_py.bsp.forms import FormCache
from halo_py.bsp.memory import memory_account, temporaries
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.order import order_nodes, value_bytes
from halo_py.bsp.pricing import Pricing
from halo_py.bsp.program import (
    Call,
    Decision,
    HostCall,
    HostCopy,
    MemoryAccount,
    Recipe,
    StageProgram,
    Superstep,
    Template,
)
from halo_py.bsp.schedule import supersteps
from halo_py.bsp.template import TemplateBuilder
from halo_py.errors import InternalError
from halo_py.ir.space import Refusal, TileForm, View
from halo_py.tiling.mapping import TileMapping
from halo_py.types import TensorType

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node, Value
    from halo_py.targets import Chip
    from halo_py.tiling.plan import Cycles


@dataclass(slots=True)
class LoweringCache:
    """What lowering remembers between nodes, stages and compilations: forms, plans and templates."""

    forms: FormCache = field(default_factory=FormCache)
    templates: dict[object, Template] = field(default_factory=dict[object, Template])
    by_template: dict[Template, TemplateFacts] = field(default_factory=dict[Template, TemplateFacts])
    merged: dict[object, object] = field(default_factory=dict[object, object])
    """Prices of templates that run together, by their identities (see schedule)."""
    _pricings: dict[object, Pricing] = field(default_factory=dict[object, Pricing])

    def pricing(self, chip: Chip, options: LoweringOptions) -> Pricing:
        """The pricing for these decisions; the chip is kept alive, so its identity stays unique."""
        key = (id(chip), options.tiles, options.temporary_share)
        return self._pricings.setdefault(key, Pricing(chip, options))

    def facts(self, template: Template) -> TemplateFacts:
        """Per-tile facts of a template made with this cache."""
        return self.by_template[template]


def lower_stage(
    graph: Graph,
    chip: Chip,
    options: LoweringOptions,
    cache: LoweringCache,
    *,
    order: Sequence[Node] | None = None,
    from_host: Sequence[Value] | None = None,
    to_host: Sequence[Value] | None = None,
    decided: Mapping[Node, tuple[Decision, ...]] | None = None,
) -> StageProgram:
    """The program of one stage for one micro-batch.

    `graph` has static shapes; nodes without a tile form become HostCalls. `order` fixes the order of the nodes (else
    the one with the lowest peak is found). `from_host` and `to_host` say which graph inputs and outputs cross the host
    link (all of them unless given; what other stages send or receive must be left out). `decided` repeats the
    decisions of an earlier lowering, node by node, instead of searching.
    """
    stage = _Stage(graph, cache.pricing(chip, options), options, cache, decided or {})
    ordered = order_nodes(graph) if order is None else tuple(order)
    for node in ordered:
        stage.lower(node)
    calls = stage.finish()
    steps, account = _scheduled(stage, calls, share=options.share_supersteps)
    if not account.fits and options.share_supersteps:
        # calls that run together have their temporaries at the same time
        apart = _scheduled(stage, calls, share=False)
        if apart[1].fullest_bytes < account.fullest_bytes:
            steps, account = apart
    arriving = graph.inputs if from_host is None else from_host
    leaving = graph.outputs if to_host is None else to_host
    copies = (
        *(HostCopy(value, "in", value_bytes(value)) for value in arriving if value in stage.homes),
        *(HostCopy(value, "out", value_bytes(value)) for value in dict.fromkeys(leaving) if value in stage.homes),
    )
    numbers = {node: number for number, node in enumerate(graph.nodes)}
    recipe = Recipe(options.tiles, options.partials_type, tuple(numbers[node] for node in ordered))
    cycles = sum((step.cycles for step in steps), _nothing())
    return StageProgram(graph, steps, stage.homes, account, cycles, copies, recipe=recipe)


def _scheduled(
    stage: _Stage, calls: Sequence[Call | HostCall], *, share: bool
) -> tuple[tuple[Superstep, ...], MemoryAccount]:
    steps = supersteps(calls, stage.cache, stage.pricing, share=share)
    return steps, memory_account(stage.graph, steps, stage.homes, stage.cache, stage.pricing)


LEAST_SHARE = 0.05
"""Share of a tile's memory for an op's temporaries below which nothing is tried."""

MOST_CUT = 0.4
"""The next share tried is at least so much of the one before, so that a better plan in between is not missed."""

MOST_ATTEMPTS = 4
"""How often a stage is lowered to make it fit."""


def lower_to_fit(
    graph: Graph,
    chip: Chip,
    options: LoweringOptions,
    cache: LoweringCache,
    *,
    from_host: Sequence[Value] | None = None,
    to_host: Sequence[Value] | None = None,
    order: Sequence[Node] | None = None,
) -> StageProgram:
    """As `lower_stage`; if the stage does not fit, with ever less room for temporaries (ops then work in serial steps).

    How much less follows from what the fullest step has too much. Answers the first that fits, else the one whose
    fullest tile has least. What always lies on the tiles stays, so if that alone is too much nothing more is tried.
    """
    best: StageProgram | None = None
    share = options.temporary_share
    for attempt in range(MOST_ATTEMPTS):
        wanted = replace(options, temporary_share=share)
        made = lower_stage(graph, chip, wanted, cache, order=order, from_host=from_host, to_host=to_host)
        if best is None or made.memory.fullest_bytes < best.memory.fullest_bytes:
            best = replace(made, squeezed=attempt > 0)
        if best.memory.fits or sum(best.memory.always_live.values()) > chip.bytes_per_tile or share <= LEAST_SHARE:
            break
        last = attempt == MOST_ATTEMPTS - 2
        share = (
            LEAST_SHARE if last else max(LEAST_SHARE, min(share / 2, max(MOST_CUT * share, _share_left(made, cache))))
        )
    assert best is not None
    return best


def _share_left(stage: StageProgram, cache: LoweringCache) -> float:
    """The share of the fullest tile that temporaries of the fullest step may have beside everything else there."""
    account = stage.memory
    amount = temporaries(stage.supersteps[account.peak_step], cache)
    there = 0 if isinstance(amount, int) else int(amount[account.fullest_tile])
    return (account.capacity_bytes - (account.fullest_bytes - there)) / account.capacity_bytes


def lower_again(
    graph: Graph, chip: Chip, recipe: Recipe, decided: Mapping[Node, tuple[Decision, ...]]
) -> tuple[dict[Node, Template], Mapping[Value, TileMapping]]:
    """Templates by node, and homes, of a stage that was lowered before: the same, without a search."""
    options = LoweringOptions(recipe.tiles, recipe.partials_type)
    cache = LoweringCache()
    stage = _Stage(graph, cache.pricing(chip, options), options, cache, decided)
    for number in recipe.order:
        stage.lower(graph.nodes[number])
    return {call.node: call.template for call in stage.finish() if isinstance(call, Call)}, stage.homes


def _nothing() -> Cycles:
    return np.zeros(3)


class _Stage:
    """Nodes lowered so far, where every value lies, and which ones have no place yet."""

    def __init__(
        self,
        graph: Graph,
        pricing: Pricing,
        options: LoweringOptions,
        cache: LoweringCache,
        decided: Mapping[Node, tuple[Decision, ...]],
    ) -> None:
        self.graph = graph
        self.pricing = pricing
        self.options = options
        self.cache = cache
        self.decided = decided
        self.homes: dict[Value, TileMapping] = {}
        self.entries: list[tuple[Node, Call | Refusal]] = []
        self.host_results: set[Value] = set()
        self.deferred: dict[Value, Node] = {}
        """Views of a value that has no home yet, by result: lowered when the first reader decides."""

    def lower(self, node: Node) -> None:
        """Lowers one node whose operands have been seen."""
        form = self.cache.forms.form(node, self.graph.constants, self.options.partials_type)
        if isinstance(form, Refusal):
            for value in node.inputs:
                if value in self.deferred:
                    self._settle_anywhere(value)
            self.entries.append((node, form))
            self.host_results.update(node.outputs)
            return
        if all(isinstance(step, View) for step in form.steps) and self._defer(node, form):
            return
        self._separate_views(node, form)
        template = self._template(node, form)
        self._settle_operands(node, form, template)
        self.entries.append((node, Call(template, node)))

    def finish(self) -> list[Call | HostCall]:
        """All calls in order. Results that nothing on the tiles reads get a linear home."""
        for value in self.graph.outputs:
            if value not in self.host_results and self._is_tensor(value):
                self._settle_anywhere(value)
        for value in list(self.deferred):
            self._settle_anywhere(value)
        return [entry if isinstance(entry, Call) else self._host_call(node, entry) for node, entry in self.entries]

    # operands ---------------------------------------------------------------------------------------------------

    def _defer(self, node: Node, form: TileForm) -> bool:
        """Whether the node is only a view of a value that has no home yet: where it lies is decided by who reads it."""
        source = next((v for v, local in zip(node.inputs, form.inputs, strict=True) if v and local is not None), None)
        if source is None or source in self.homes or len(node.outputs) != 1:
            return False
        self.deferred[node.outputs[0]] = node
        return True

    def _separate_views(self, node: Node, form: TileForm) -> None:
        """Two different operands that are views of one value without a home cannot both decide where it lies."""
        seen: dict[Value, Value] = {}
        for value, local in zip(node.inputs, form.inputs, strict=True):
            if value is None or local is None or value in self.homes:
                continue
            root = value
            while root in self.deferred:
                root = self._view_source(self.deferred[root])
            if seen.setdefault(root, value) is not value:
                self._settle(root, self._linear(root))

    def _view_source(self, node: Node) -> Value:
        form = self.cache.forms.form(node, self.graph.constants, self.options.partials_type)
        assert isinstance(form, TileForm)
        for value, local in zip(node.inputs, form.inputs, strict=True):
            if value is not None and local is not None:
                return value
        raise InternalError(f"{node.name!r} is a view of nothing", node.where)

    def _operands(self, node: Node, form: TileForm) -> tuple[Operand | None, ...]:
        operands: list[Operand | None] = []
        for value, local in zip(node.inputs, form.inputs, strict=True):
            if value is None or local is None:
                operands.append(None)
                continue
            home = self._home_of(value)
            operands.append(Operand(home, node.inputs.index(value)))
        return tuple(operands)

    def _home_of(self, value: Value) -> TileMapping | None:
        """Where a value lies; a view whose source has got a home meanwhile is lowered now."""
        if value in self.deferred:
            node = self.deferred[value]
            source = self._view_source(node)
            home = self._home_of(source)
            if home is None:
                return None
            del self.deferred[value]
            self.lower(node)
        return self.homes.get(value)

    def _settle(self, value: Value, home: TileMapping) -> None:
        """A value without a home is put at `home`, and with it every value it is a view of."""
        node = self.deferred.pop(value, None)
        if node is None:
            self.homes[value] = home
            return
        source = self._view_source(node)
        assert isinstance(source.type, TensorType)
        self._settle(source, home.viewed(source.type.static_shape) or home)
        self.lower(node)

    def _settle_anywhere(self, value: Value) -> None:
        """A value that no vertex decides about is put at a linear home, unless what it is a view of has a home."""
        if self._home_of(value) is None:
            self._settle(value, self._linear(value))

    def _linear(self, value: Value) -> TileMapping:
        assert isinstance(value.type, TensorType)
        return self.pricing.linear(value.type)

    def _is_tensor(self, value: Value) -> bool:
        return isinstance(value.type, TensorType) and value.type.is_static

    # templates --------------------------------------------------------------------------------------------------

    def _template(self, node: Node, form: TileForm) -> Template:
        operands = self._operands(node, form)
        replay = self.decided.get(node, ())
        pinned = tuple(self.options.pinned.get(node.name, ()))
        described = tuple(None if o is None else (o.home.key() if o.home else None, o.same_as) for o in operands)
        key = (id(self.pricing), id(form), described, pinned, replay)
        found = self.cache.templates.get(key)
        if found is None:
            builder = TemplateBuilder(node.op.kind, form, operands, self.pricing, pinned=pinned, replay=replay)
            found, facts = builder.build()
            self.cache.templates[key] = found
            self.cache.by_template[found] = facts
        return found

    def _settle_operands(self, node: Node, form: TileForm, template: Template) -> None:
        """Operands without a home get the one the template gave them; results lie where it left them."""
        homes = self.cache.facts(template).homes
        for value, local in zip(node.inputs, form.inputs, strict=True):
            home = None if local is None else homes.get(local)
            if value is not None and home is not None and value not in self.homes:
                self._settle(value, home)
        for value, local in zip(node.outputs, form.outputs, strict=False):
            home = homes.get(local)
            if home is None:
                raise InternalError(f"result {value.name!r} was given no home", node.where)
            self.homes[value] = home

    # the host ---------------------------------------------------------------------------------------------------

    def _host_call(self, node: Node, refusal: Refusal) -> HostCall:
        here = {*self.graph.inputs, *self.graph.constants, *self.host_results}
        sent = {value for value in node.inputs if value is not None and value not in here}
        fetched = sum(value_bytes(value) for value in node.outputs if value in self.homes)
        return HostCall(node, node.where, refusal.reason, sum(map(value_bytes, sent)), fetched)
