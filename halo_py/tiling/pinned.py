"""Decisions that a user pins: stages, replicas, how kernels are cut; what is not pinned is searched around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from halo_py.errors import UsageError, Where
from halo_py.ir.space import KernelCall, Repeat
from halo_py.tiling.plan import Split
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node
    from halo_py.ir.space import FormStep, Kernel, TileForm


@dataclass(frozen=True, slots=True)
class PinnedKernel:
    """How one kernel is cut; `axes` are the names of its axes, in order.

    `follows` = (access, operand): every tile computes its box of that access as that operand lies (-1: the value that
    the kernel call follows); `split` then only counts pieces.
    """

    split: Split
    axes: tuple[str, ...]
    follows: tuple[int, int] | None = None

    @staticmethod
    def of(kernel: Kernel, split: Split, follows: tuple[int, int] | None = None) -> PinnedKernel:
        """The entry that pins this kernel as it is cut now."""
        return PinnedKernel(split, axis_names(kernel), follows)

    def problem(self, kernel: Kernel, tiles: int) -> str | None:
        """Why `kernel` cannot be cut so on a machine of `tiles`, or None."""
        names = axis_names(kernel)
        if self.axes != names:
            return f"axes are {', '.join(names)}, not {', '.join(self.axes)}"
        if self.follows is not None:
            return None  # it is cut as its operand lies, whatever the pieces of `split`
        if self.split.tiles > tiles:
            return f"{self.split.tiles} tiles, the machine has {tiles}"
        for axis, extent, may_cut, ways, steps in zip(
            kernel.axes, kernel.extents, kernel.splittable, self.split.ways, self.split.steps, strict=True
        ):
            grains = -(-extent // axis.grain)
            if ways * steps > 1 and not may_cut:
                return f"axis {axis.name!r} cannot be cut"
            if ways > grains or steps > -(-grains // ways):
                return f"axis {axis.name!r} has only {grains} pieces to share out"
        return None


def axis_names(kernel: Kernel) -> tuple[str, ...]:
    """Names of a kernel's axes, each once: a repeated name is followed by the number of its axis."""
    names = [axis.name for axis in kernel.axes]
    return tuple(name if names.index(name) == number else f"{name}#{number}" for number, name in enumerate(names))


def _no_stages() -> Mapping[str, int]:
    return {}


def _no_kernels() -> Mapping[str, tuple[PinnedKernel | None, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class PinnedPlan:
    """The decisions that a plan file fixes; None, or a node that is missing, leaves them to the search.

    stage_of_node: pipeline stage by node name. kernels: by node name, one entry per kernel of its tile form.
    `file`, `model` and `target` say where it comes from.
    """

    replicas: int | None = None
    stages: int | None = None
    micro_batch: int | None = None
    partials_type: DType | None = None
    temporary_share: float | None = None
    stage_of_node: Mapping[str, int] = field(default_factory=_no_stages)
    kernels: Mapping[str, tuple[PinnedKernel | None, ...]] = field(default_factory=_no_kernels)
    file: str | None = None
    model: str | None = None
    target: str | None = None

    @property
    def splits(self) -> dict[str, tuple[Split, ...]]:
        """Per node the splits of its leading kernels, up to the first one that is searched or follows an operand."""
        found: dict[str, tuple[Split, ...]] = {}
        for node, kernels in self.kernels.items():
            leading: list[Split] = []
            for kernel in kernels:
                if kernel is None or kernel.follows is not None:
                    break
                leading.append(kernel.split)
            if leading:
                found[node] = tuple(leading)
        return found

    def check_nodes(self, names: Iterable[str]) -> None:
        """Raises UsageError if the plan names a node that is none of these."""
        known = set(names)
        for table, nodes in (("stage_of_node", self.stage_of_node), ("kernels", self.kernels)):
            for node in nodes:
                if node not in known:
                    near = get_close_matches(node, known, 1)
                    hint = f"did you mean {near[0]!r}?" if near else "halo inspect lists the nodes of a model"
                    raise UsageError(f"{table}: the compiled graph has no node {node!r}", Where(self.file), hint)

    def check_kernel(self, node: str, number: int, kernel: Kernel, tiles: int) -> None:
        """Raises UsageError if the plan pins this kernel in a way that it cannot be cut."""
        pinned = self.kernels.get(node, ())
        entry = pinned[number] if number < len(pinned) else None
        problem = entry.problem(kernel, tiles) if entry is not None else None
        if problem is not None:
            raise UsageError(
                f"kernels: node {node!r}, kernel {number}: {problem}",
                Where(self.file, node),
                "save a new plan with --save-plan, or remove this entry",
            )

    def check_form(self, node: str, form: TileForm, tiles: int) -> None:
        """Raises UsageError if the plan pins kernels that the node's tile form does not have, or cuts them wrongly."""
        pinned = self.kernels.get(node, ())
        kernels = [kernel for step in form.steps for kernel in _kernels_in(step)]
        if len(pinned) > len(kernels):
            raise UsageError(
                f"kernels: node {node!r} has no kernel {len(pinned) - 1}, only {len(kernels)} in all",
                Where(self.file, node),
                "save a new plan with --save-plan, or remove this entry",
            )
        for number, kernel in enumerate(kernels):
            self.check_kernel(node, number, kernel, tiles)

    def cuts(self, graph: Graph, nodes: Sequence[Node]) -> tuple[int, ...] | None:
        """For nodes in running order the first one of each stage; None if the plan does not say."""
        if not self.stage_of_node:
            return None
        self.check_nodes(node.name for node in graph.nodes)
        starts = [0]
        for number, node in enumerate(nodes):
            stage = self.stage_of_node.get(node.name, len(starts) - 1)
            if stage == len(starts) and number > 0:
                starts.append(number)
            elif stage != len(starts) - 1:
                raise UsageError(
                    f"stage_of_node: {node.name!r} is in stage {stage}, the nodes before it in {len(starts) - 1}",
                    Where(self.file, node.name),
                    "stages are numbered from 0 and follow one another in the order in which nodes run",
                )
        return tuple(starts)


def _kernels_in(step: FormStep) -> Iterator[Kernel]:
    if isinstance(step, KernelCall):
        yield step.kernel
    elif isinstance(step, Repeat):
        for inner in step.body:
            yield from _kernels_in(inner)
