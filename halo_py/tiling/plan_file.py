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
from collections.abc import Mapping
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import NoReturn, cast

from halo_py.errors import OutputError, UsageError, Where
from halo_py.tiling.pinned import PinnedKernel, PinnedPlan
from halo_py.tiling.plan import Split
from halo_py.types import DType

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
