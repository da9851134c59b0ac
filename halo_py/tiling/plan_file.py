"""Plans as files: what `--save-plan` writes and `--plan` pins, as TOML that a person can edit.

Everything in a plan file is optional; what it does not name is searched around what it does:

    format = 1
    replicas = 4
    stages = 2
    micro_batch = 1
    partials = "float16"
    temporary_memory_share = 0.5

    [stage_of_node]           # a node that is not named is in the stage of the node before it
    "conv1" = 0
    "layer3.0.conv1" = 1

    [[kernels]]
    node = "conv1"
    kernel = 0                # number of the kernel in the node's tile form
    axes = ["n", "oc", "oh"]  # names of the kernel's axes
    ways = [1, 4, 16]         # pieces per axis over tiles
    steps = [1, 1, 1]         # serial pieces per axis on a tile
    order = ["n", "oh", "oc"] # slowest to fastest in the tile numbering
    start = 0                 # first tile

A kernel that keeps an operand where it lies has `follows = [access, operand]` instead of being cut anew.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from halo_py.errors import OutputError, UsageError, Where
from halo_py.tiling.plan import Split
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph, Node
    from halo_py.ir.space import Kernel

FORMAT = 1
"""Version of the file's layout."""

MOST_BYTES = 64 << 20
"""A longer file is not a plan."""

_KEYS = (
    "format", "model", "target", "replicas", "stages", "micro_batch", "partials", "temporary_memory_share",
    "stage_of_node", "kernels",
)  # fmt: skip
_KERNEL_KEYS = ("node", "kernel", "axes", "ways", "steps", "order", "start", "follows")
_PARTIALS = {"float32": DType.FLOAT32, "float16": DType.FLOAT16}
_MOST = 1 << 20
"""Largest number of pieces, tiles, replicas or items that makes sense."""


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
        if self.split.tiles > tiles and self.follows is None:
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


def read_plan(path: Path) -> PinnedPlan:
    """The plan in a file. Raises UsageError that names the file and the key if it is not one."""
    file = str(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError("too long for a plan file", Where(file))
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the plan: {error.strerror or error}", Where(file)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not a TOML file: {error}", Where(file), "plan files are written by --save-plan") from error
    return _Reader(file).plan(table)


def write_plan(plan: PinnedPlan, path: Path) -> None:
    """Writes a plan, all or nothing. Raises OutputError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(plan_text(plan), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"cannot write the plan: {error.strerror or error}", Where(str(path))) from error


def plan_text(plan: PinnedPlan) -> str:
    """The plan as the text of a plan file."""
    partials = plan.partials_type.text if plan.partials_type is not None else None
    head: dict[str, object] = {
        "format": FORMAT,
        "model": plan.model,
        "target": plan.target,
        "replicas": plan.replicas,
        "stages": plan.stages,
        "micro_batch": plan.micro_batch,
        "partials": partials,
        "temporary_memory_share": plan.temporary_share,
    }
    lines = _lines(head)
    if plan.stage_of_node:
        lines += ["", "[stage_of_node]", *_lines(plan.stage_of_node, quoted=True)]
    for node, kernels in plan.kernels.items():
        for number, kernel in enumerate(kernels):
            if kernel is not None:
                lines += ["", "[[kernels]]", *_lines(_kernel_table(node, number, kernel))]
    return "\n".join(lines) + "\n"


def _kernel_table(node: str, number: int, kernel: PinnedKernel) -> dict[str, object]:
    split = kernel.split
    return {
        "node": node,
        "kernel": number,
        "axes": list(kernel.axes),
        "ways": list(split.ways),
        "steps": list(split.steps) if prod(split.steps) > 1 else None,
        "order": [kernel.axes[axis] for axis in split.order],
        "start": split.start or None,
        "follows": list(kernel.follows) if kernel.follows is not None else None,
    }


def _lines(table: Mapping[str, object], *, quoted: bool = False) -> list[str]:
    return [f"{_value(key) if quoted else key} = {_value(value)}" for key, value in table.items() if value is not None]


def _value(value: object) -> str:
    """A string, number or flat list in TOML, whose basic strings are those of JSON but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


class _Reader:
    """Checks every key of a plan file."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fail(self, key: str, problem: str, hint: str | None = None) -> NoReturn:
        raise UsageError(f"{key}: {problem}", Where(self.file), hint)

    def known(self, table: Mapping[str, object], allowed: tuple[str, ...], prefix: str = "") -> None:
        for key in table:
            if key not in allowed:
                near = get_close_matches(key, allowed, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(allowed)}"
                self.fail(f"{prefix}{key}", "unknown key", hint)

    def plan(self, table: Mapping[str, object]) -> PinnedPlan:
        self.known(table, _KEYS)
        if table.get("format", FORMAT) != FORMAT:
            self.fail("format", f"{table['format']!r} is unknown", f"this version reads format = {FORMAT}")
        partials = self.text(table, "partials")
        if partials is not None and partials not in _PARTIALS:
            self.fail("partials", f"{partials!r} is no type of partial sums", f"one of {', '.join(_PARTIALS)}")
        return PinnedPlan(
            self.count(table, "replicas"),
            self.count(table, "stages"),
            self.count(table, "micro_batch"),
            _PARTIALS[partials] if partials is not None else None,
            self.share(table, "temporary_memory_share"),
            self.stage_of_node(table),
            self.kernels(table),
            self.file,
            self.text(table, "model"),
            self.text(table, "target"),
        )

    def stage_of_node(self, table: Mapping[str, object]) -> dict[str, int]:
        raw = table.get("stage_of_node", {})
        if not isinstance(raw, dict):
            self.fail("stage_of_node", "must be a table", 'write [stage_of_node] and "node name" = 0')
        return {
            node: self.integer(stage, f"stage_of_node.{node}", 0)
            for node, stage in cast("dict[str, object]", raw).items()
        }

    def kernels(self, table: Mapping[str, object]) -> dict[str, tuple[PinnedKernel | None, ...]]:
        raw = table.get("kernels", [])
        entries = cast("list[object]", raw) if isinstance(raw, list) else []
        if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in entries):
            self.fail("kernels", "must be a list of tables", "write [[kernels]]")
        found: dict[str, dict[int, PinnedKernel]] = {}
        for position, entry in enumerate(cast("list[dict[str, object]]", entries)):
            prefix = f"kernels[{position}]."
            self.known(entry, _KERNEL_KEYS, prefix)
            node = self.text(entry, "node", prefix)
            if node is None:
                self.fail(f"{prefix}node", "missing", 'name the node: node = "..."')
            number = self.integer(entry.get("kernel", 0), f"{prefix}kernel", 0, 4095)
            of_node = found.setdefault(node, {})
            if number in of_node:
                self.fail(f"{prefix}kernel", f"kernel {number} of node {node!r} is pinned twice")
            of_node[number] = self.kernel(entry, prefix)
        return {
            node: tuple(entries.get(number) for number in range(max(entries) + 1)) for node, entries in found.items()
        }

    def kernel(self, entry: Mapping[str, object], prefix: str) -> PinnedKernel:
        axes = self.names(entry, "axes", prefix)
        if len(set(axes)) != len(axes):
            self.fail(f"{prefix}axes", "names an axis twice")
        ways = self.numbers(entry, "ways", prefix, len(axes))
        steps = self.numbers(entry, "steps", prefix, len(axes)) if "steps" in entry else (1,) * len(axes)
        order = self.names(entry, "order", prefix) if "order" in entry else axes
        if sorted(order) != sorted(axes):
            self.fail(f"{prefix}order", f"must name every axis once: {', '.join(axes)}")
        if prod(ways) > _MOST:
            self.fail(f"{prefix}ways", f"{prod(ways)} tiles are too many")
        start = self.integer(entry.get("start", 0), f"{prefix}start", 0)
        split = Split(ways, steps, tuple(axes.index(axis) for axis in order), start)
        return PinnedKernel(split, axes, self.follows(entry, prefix))

    def follows(self, entry: Mapping[str, object], prefix: str) -> tuple[int, int] | None:
        raw = entry.get("follows")
        if raw is None:
            return None
        pair = cast("list[object]", raw) if isinstance(raw, list) else []
        if len(pair) != 2:
            self.fail(f"{prefix}follows", "must be two numbers", "write follows = [access, operand]")
        return self.integer(pair[0], f"{prefix}follows", 0), self.integer(pair[1], f"{prefix}follows", -1)

    def text(self, table: Mapping[str, object], key: str, prefix: str = "") -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(f"{prefix}{key}", "must be text", f'write {key} = "..."')
        return value

    def integer(self, value: object, key: str, least: int, most: int = _MOST) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fail(key, f"must be a whole number from {least} to {most}")
        return value

    def count(self, table: Mapping[str, object], key: str) -> int | None:
        return self.integer(table[key], key, 1) if key in table else None

    def share(self, table: Mapping[str, object], key: str) -> float | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            self.fail(key, "must be a number above 0 and at most 1", f"write {key} = 0.6")
        return float(value)

    def names(self, entry: Mapping[str, object], key: str, prefix: str) -> tuple[str, ...]:
        raw = entry.get(key)
        values = cast("list[object]", raw) if isinstance(raw, list) else None
        if values is None or not all(isinstance(value, str) for value in values):
            self.fail(f"{prefix}{key}", "must be a list of axis names", f'write {key} = ["m", "n"]')
        return tuple(cast("list[str]", values))

    def numbers(self, entry: Mapping[str, object], key: str, prefix: str, count: int) -> tuple[int, ...]:
        raw = entry.get(key)
        values = cast("list[object]", raw) if isinstance(raw, list) else []
        if not isinstance(raw, list) or len(values) != count:
            self.fail(f"{prefix}{key}", f"must be a list of {count} numbers, one per axis")
        return tuple(self.integer(value, f"{prefix}{key}", 1) for value in values)
