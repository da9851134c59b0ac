"""From a model and a target to an executable: import, passes, search over IPUs and tiles, lowering."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from halo_py.bsp.lower import LoweringCache
from halo_py.bsp.options import LoweringOptions
from halo_py.errors import ShapeError, UsageError, Where
from halo_py.executable import Considered, Executable, Fallback, Port, Precision
from halo_py.frontend import GivenValue, ImportOptions, batch_symbol, load_model
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.space import TileForm
from halo_py.ops import load_ops
from halo_py.parallel.collectives import with_collectives
from halo_py.parallel.named_stages import NamedStages, StagePatterns
from halo_py.parallel.out_of_memory import does_not_fit
from halo_py.parallel.plan import Objective, Pins
from halo_py.parallel.search import Candidate, ParallelSearch, host_nodes
from halo_py.passes.base import PassContext
from halo_py.passes.pipelines import pipeline
from halo_py.targets import System, load_target
from halo_py.tiling.pinned import PinnedPlan
from halo_py.tiling.plan_file import read_plan
from halo_py.types import DType, LinearDim, TensorType

if TYPE_CHECKING:
    from halo_py.bsp.out_of_memory import Proposal
    from halo_py.passes.base import AfterPass

PARTIALS = {"fp32": DType.FLOAT32, "mixed": DType.FLOAT32, "fp16": DType.FLOAT16}
"""Precision -> type of contractions' partial sums."""

TEMPORARY_SHARE = 0.6
"""Part of a tile that one op may use beside operands and results (PopLibs' `availableMemoryProportion` default)."""


class Progress:
    """Is told what compiling does. The base class keeps the seconds of each phase and shows nothing."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """A phase of compiling."""
        begin = time.perf_counter()
        self.begin(name)
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin
            self.end(name, self.seconds[name])

    def begin(self, name: str) -> None:
        """A phase begins."""

    def step(self, text: str) -> None:
        """Something inside the phase begins."""

    def end(self, name: str, seconds: float) -> None:
        """A phase has ended."""


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What the user asks for; see docs/commands.md. `batch_size` is the items of one request over all replicas."""

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, "tuple[int, ...]"])
    values: Mapping[str, GivenValue] = field(default_factory=dict[str, "GivenValue"])
    symbols: Mapping[str, int] = field(default_factory=dict[str, int])
    batch_size: int | None = None
    cut_inputs: tuple[str, ...] = ()
    cut_outputs: tuple[str, ...] = ()
    format: str | None = None
    objective: str = "throughput"
    precision: Precision = "fp32"
    pins: Pins = field(default_factory=Pins)
    plan: str | Path | None = None
    after_passes: tuple[AfterPass, ...] = ()
    stage_patterns: StagePatterns = ()
    temporary_share: float | None = None


def compile(
    model: str | Path | Graph,
    target: str | System = "ipu-pod16",
    *,
    progress: Progress | None = None,
    replicas: int | None = None,
    stages: int | None = None,
    micro_batch: int | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    values: Mapping[str, GivenValue] | None = None,
    symbols: Mapping[str, int] | None = None,
    batch_size: int | None = None,
    cut_inputs: Sequence[str] = (),
    cut_outputs: Sequence[str] = (),
    format: str | None = None,
    objective: str = "throughput",
    precision: Precision = "fp32",
    plan: str | Path | None = None,
    after_passes: Sequence[AfterPass] = (),
    stage_patterns: StagePatterns = (),
    temporary_share: float | None = None,
) -> Executable:
    """Compile a model (a file or a graph) for a target (a name, a description file or a system).

    `shapes` fixes inputs, `values` makes inputs constants, `symbols` fixes named dimensions; `batch_size` is the number
    of items of one request over all replicas (default: what the model's shapes say, else one item per IPU).
    `cut_inputs` and `cut_outputs` cut the model at values, `format` names its frontend (default: told from its
    content). `replicas`, `stages` and `micro_batch` pin parts of the plan, `plan` names a plan file. `stage_patterns`
    are regular expressions for the names of the model's nodes, each with the pipeline stage of the nodes it is found
    in first; `temporary_share` is the part of a tile that one op may use beside operands and results. Raises HaloError:
    UsageError for what cannot be met, ModelError, UnsupportedError, OutOfMemoryError.
    """
    options = CompileOptions(
        shapes or {},
        values or {},
        symbols or {},
        batch_size,
        tuple(cut_inputs),
        tuple(cut_outputs),
        format,
        objective,
        precision,
        Pins(replicas, stages, micro_batch),
        plan,
        tuple(after_passes),
        tuple(stage_patterns),
        temporary_share,
    )
    return Compilation(model, target, options, progress or Progress()).run()


class Compilation:
    """One compilation, phase by phase."""

    def __init__(
        self, model: str | Path | Graph, target: str | System, options: CompileOptions, progress: Progress
    ) -> None:
        load_ops()
        if options.precision not in PARTIALS:
            raise UsageError(f"unknown precision {options.precision!r}", hint="use fp32, fp16 or mixed")
        self.options = options
        self.progress = progress
        self.objective = Objective.parse(options.objective)
        self.system = load_target(target) if isinstance(target, str) else target
        self.file = None if isinstance(model, Graph) else str(model)
        self.pinned = PinnedPlan() if options.plan is None else read_plan(Path(options.plan))
        self.context = PassContext(self.file, options.after_passes)
        self.cache = LoweringCache()
        with progress.phase("import"):
            self.imported = model if isinstance(model, Graph) else self._import(Path(model))
        self.symbol = batch_symbol(self.imported)
        self.named = NamedStages.of(self.imported, options.stage_patterns) if options.stage_patterns else None
        self._graphs: dict[int, Graph] = {}

    def run(self) -> Executable:
        """The executable of the best plan. Raises OutOfMemoryError if nothing fits."""
        fixed = self._fixed_micro_batch()
        batch = self._batch(fixed)
        search = self.search()
        with self.progress.phase("plan"):
            best = search.best(batch, self.objective, self._pins(), fixed)
        if best is None:
            raise does_not_fit(
                search.tried,
                self.system,
                self.options.precision,
                batch,
                fixed,
                self._replanned,
                Where(self.file),
            )
        limit = self.objective.limit_seconds
        if limit is not None and best.latency_seconds > limit:
            raise UsageError(
                f"no plan answers {batch} items within {limit * 1e3:g} ms; the fastest takes "
                f"{best.latency_seconds * 1e3:.3g} ms",
                hint="use a smaller --batch-size, a larger target or a higher limit",
            )
        return self._executable(best, search.tried)

    def _replanned(self, proposal: Proposal) -> ParallelSearch:
        """The search with one thing changed, to price a remedy."""
        match proposal.kind:
            case "precision":
                return self.search(precision=cast("Precision", proposal.value))
            case "system":
                return self.search(system=load_target(str(proposal.value)))
            case _:
                return self.search()

    def search(
        self,
        precision: Precision | None = None,
        system: System | None = None,
    ) -> ParallelSearch:
        """A search with these options, optionally with another precision or system."""
        wanted = precision or self.options.precision
        machine = system or self.system
        lowering = LoweringOptions(
            machine.chip.tiles,
            self.pinned.partials_type or PARTIALS[wanted],
            self.options.temporary_share or self.pinned.temporary_share or TEMPORARY_SHARE,
            self.pinned.splits,
        )
        return ParallelSearch(
            machine,
            lambda micro_batch: self.graph_at(micro_batch, wanted),
            lowering,
            self.cache,
            self.pinned.cuts,
            self.progress.step,
            self.named,
        )

    def graph_at(self, micro_batch: int, precision: Precision | None = None) -> Graph:
        """The optimised graph of one micro-batch."""
        wanted = precision or self.options.precision
        key = micro_batch if wanted == self.options.precision else -micro_batch
        if key not in self._graphs:
            with self.progress.phase("optimise"):
                sizes = {} if self.symbol is None else {self.symbol: micro_batch}
                passes = pipeline("ipu", symbols=sizes, precision=wanted)
                named = self.named
                made = passes.run(self.imported if named is None else named.graph, self.context)
                self._graphs[key] = made if named is None else named.without_crossings(made)
            if wanted == self.options.precision:
                self._check_pins(self._graphs[key])
        return self._graphs[key]

    def _check_pins(self, graph: Graph) -> None:
        """Raises UsageError, naming file and key, if the plan file does not fit this graph."""
        if self.pinned.file is None:
            return
        self.pinned.check_nodes(node.name for node in graph.nodes)
        partials = self.pinned.partials_type or PARTIALS[self.options.precision]
        for node in graph.nodes:
            if node.name in self.pinned.kernels:
                form = self.cache.forms.form(node, graph.constants, partials)
                if isinstance(form, TileForm):
                    self.pinned.check_form(node.name, form, self.system.chip.tiles)

    # batch --------------------------------------------------------------------------------------------------------

    def _import(self, path: Path) -> Graph:
        options = self.options
        given = ImportOptions(
            options.shapes,
            options.values,
            options.symbols,
            None,
            keep_symbolic=True,
            inputs=options.cut_inputs,
            outputs=options.cut_outputs,
            format=options.format,
        )
        graph = load_model(path, given)
        symbol = batch_symbol(graph)
        unknown = {
            name: value
            for value in graph.inputs
            if isinstance(value.type, TensorType)
            for name in _symbols(value.type)
            if name != symbol
        }
        if unknown:
            name, value = next(iter(unknown.items()))
            shape = "x".join("1" if isinstance(dim, LinearDim) else str(dim) for dim in value.type.shape or ())  # type: ignore[union-attr]
            raise ShapeError(
                f"dimension {name!r} of input {value.name!r} ({value.type}) must be known",
                Where(self.file),
                f"fix it, for example: --shape {value.name}={shape}",
            )
        return graph

    def _fixed_micro_batch(self) -> int | None:
        """The batch that the model's own shapes dictate; None if it is dynamic."""
        if self.symbol is not None:
            return None
        leading = {
            value.type.shape[0]
            for value in self.imported.inputs
            if isinstance(value.type, TensorType) and value.type.shape
        }
        sizes = [size for size in leading if isinstance(size, int)]
        return sizes[0] if len(sizes) == 1 and sizes[0] > 0 else 1

    def _pins(self) -> Pins:
        asked, pinned = self.options.pins, self.pinned
        stages, named = asked.stages or pinned.stages, self.named
        if named is not None and stages not in (None, named.count):
            raise UsageError(f"{stages} stages are asked for, the patterns name {named.count}")
        stages = stages if named is None else named.count
        return Pins(asked.replicas or pinned.replicas, stages, asked.micro_batch or pinned.micro_batch, bool(named))

    def _batch(self, fixed: int | None) -> int:
        if self.options.batch_size is not None:
            if self.options.batch_size < 1:
                raise UsageError(f"a batch of {self.options.batch_size} items", hint="use --batch-size 1 or more")
            return self.options.batch_size
        pins = self._pins()
        if fixed is not None:
            return fixed * (pins.replicas or 1)
        if self.objective.kind == "latency":
            return (pins.micro_batch or 1) * (pins.replicas or 1)
        return (pins.micro_batch or 1) * (pins.replicas or max(1, self.system.ipus // (pins.stages or 1)))

    # result -------------------------------------------------------------------------------------------------------

    def _executable(self, best: Candidate, tried: Sequence[Candidate]) -> Executable:
        with self.progress.phase("program"):
            program = with_collectives(best.program, self.system)
            graph = best.graph
            ports = [Port(value.name, value.type, self._batch_axis(value.name, value)) for value in graph.inputs]
            outputs = [
                Port(name, value.type, self._batch_axis(name, value))
                for name, value in zip(graph.output_names, graph.outputs, strict=True)
            ]
        hosted = host_nodes(program)
        return Executable(
            Path(self.file).name if self.file else self.imported.name,
            self.system,
            self.options.precision,
            str(self.objective),
            graph,
            program,
            tuple(ports),
            tuple(outputs),
            {name: _plain(value) for name, value in self.options.values.items()},
            self._parameters(),
            tuple(
                Fallback(call.node.name, call.node.op.declaration.onnx or call.node.op.kind, call.reason)
                for call in hosted
            ),
            tuple(
                Considered(
                    str(candidate.plan),
                    candidate.items_per_second,
                    candidate.latency_seconds,
                    candidate.fits,
                    candidate is best,
                )
                for candidate in tried
            ),
            tuple(dict.fromkeys(str(note) for note in self.context.notes)),
            dict(self.progress.seconds),
        )

    def _parameters(self) -> int:
        return sum(
            value.type.elements
            for value in self.imported.constants
            if isinstance(value.type, TensorType) and value.type.dtype.is_float
        )

    def _batch_axis(self, name: str, value: Value) -> int | None:
        """The dimension of the imported type that is the batch symbol (or a multiple of it)."""
        if not isinstance(value.type, TensorType) or not value.type.is_static:
            return None
        known = {entry.name: entry.type for entry in self.imported.inputs}
        known.update(
            (label, entry.type) for label, entry in zip(self.imported.output_names, self.imported.outputs, strict=True)
        )
        declared = known.get(name)
        if self.symbol is None:
            shape = value.type.static_shape
            return 0 if shape and shape[0] == self._fixed_micro_batch() else None
        if not isinstance(declared, TensorType) or declared.shape is None:
            return 0
        for axis, dim in enumerate(declared.shape):
            if isinstance(dim, LinearDim) and dim.constant == 0 and [term[0] for term in dim.terms] == [self.symbol]:
                return axis
        return None


def _plain(value: GivenValue) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _symbols(type: TensorType) -> list[str]:
    return [name for dim in type.shape or () if isinstance(dim, LinearDim) for name, _factor in dim.terms]


def host_reasons(graph: Graph) -> dict[Node, str]:
    """The nodes of a static graph that would run on the host instead of tiles, each with its reason."""
    from halo_py.passes.place import place_graph

    return dict(place_graph(graph).reasons)
