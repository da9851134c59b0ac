"""The table of operators in the documentation, from the declarations and the last recorded runs of ONNX's suite.

    python -m benchmarks.onnx_suite --device cpu --record
    python -m benchmarks.onnx_suite --device ipu-1 --record
    python -m benchmarks.operator_table

writes `docs/operators.md`: after every change of an operator, a gradient, a frontend's mappings or ODLA's functions. A
test checks that the document shows the recorded runs and claims nothing that is not so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from halo_frontends.emitter import Emitter
from halo_frontends.mentions import operators_mentioned
from halo_frontends.onnx.expansions import DOMAINS
from halo_frontends.onnx.schemas import standard_functions
from halo_frontends.tensorflow import mappings as tensorflow_mappings
from halo_frontends.tensorflow import operation as tensorflow_operation
from halo_frontends.tflite import mappings as tflite_mappings
from halo_frontends.tflite import operation as tflite_operation
from halo_frontends.torchscript import table as aten_module
from halo_frontends.torchscript.maker import Maker
from halo_frontends.torchscript.table import table as aten_table
from halo_py.archive import write_text_atomically
from halo_py.autodiff import has_gradient
from halo_py.ir.op import REGISTRY, Op
from halo_py.ops import load_ops
from halo_py.report.model import ON_TILES, runs_on

if TYPE_CHECKING:
    from tests.onnx_suite.run import Outcome

DOCS = Path(__file__).parent.parent / "docs"
TABLE = DOCS / "operators.md"
RECORDS = DOCS / "suite_results.json"

_HEAD = """# Operators

Made by `python -m benchmarks.operator_table` from the declarations and the recorded runs of the backend suite of
onnx {version}; do not edit.

- **cpu**, **ipu-1**: cases of the suite that hold the operator and pass, of all that hold it. `-`: the suite has none.
- **tiles**: `native` (its own tile form), `expanded` (other operators take its place while importing), or why it runs
  on the host. *On tiles* counts the cases with static shapes and element types that the chip computes with whose
  operators all ran on tiles; {on_tiles} of {asked} in the whole suite.
- **gradient**: whether the operator can be differentiated.
- **TorchScript**, **TensorFlow**, **TFLite**: operators of that format which may become this one.
- **ODLA**: the function of the C interface.

| operator | since | cpu | ipu-1 | on tiles | tiles | gradient | TorchScript | TensorFlow | TFLite | ODLA |
|---|---|---|---|---|---|---|---|---|---|---|
"""

_OTHERS = """
## Operators of other formats

Cases of each operator whose values are the framework's own, of all that were tried; `-`: no case of its own.
Recorded by `python -m tests.frontends.torchscript.operators` (Torch's own operator samples) and
`python -m tests.frontends.tensorflow.operators` (random inputs).
"""

MOST_NAMES = 6
"""Foreign operators named in a cell; more are counted."""


@dataclass
class Row:
    """What is known of one operator."""

    since: int | None = None
    tiles: str = ""
    gradient: bool = False
    odla: str | None = None
    foreign: dict[str, set[str]] = field(default_factory=dict[str, set[str]])


def record(outcomes: Iterable[Outcome], device: str) -> None:
    """Keep what a run of the whole suite on a device showed, by operator."""
    counts: dict[str, list[int]] = {}
    for outcome in outcomes:
        asked = outcome.placed not in ("", "dynamic", "other type")
        for name in (*outcome.ops, ""):
            entry = counts.setdefault(name, [0, 0, 0, 0])
            entry[0] += outcome.status == "pass"
            entry[1] += 1
            entry[2] += outcome.placed == "on tiles"
            entry[3] += asked
    records = _records()
    records[device] = {"onnx": onnx.__version__, "operators": dict(sorted(counts.items()))}
    write_text_atomically(RECORDS, json.dumps(records, indent=1, sort_keys=True) + "\n")


def _records() -> dict[str, Any]:
    return json.loads(RECORDS.read_text()) if RECORDS.exists() else {}


FORMATS = {"torchscript": "ATen (TorchScript, torch.export)", "tensorflow": "TensorFlow", "tflite": "TFLite"}
"""Formats of other frameworks, with what the documentation calls their operators."""
FOREIGN = tuple(FORMATS)
"""Formats with a column, in this order."""
FRONTENDS = Path(aten_module.__file__).parent.parent


def table() -> str:
    """The document."""
    records = _records()
    results = {device: records.get(device, {}).get("operators", {}) for device in ("cpu", "ipu-1")}
    found = rows()
    whole = results["ipu-1"].get("", [0, 0, 0, 0])
    versions = {entry["onnx"] for entry in records.values()}
    head = _HEAD.format(version=", ".join(sorted(versions)) or "-", on_tiles=whole[2], asked=whole[3])
    lines = [_line(name, found[name], results) for name in sorted(found, key=lambda n: ("." in n, n))]
    return head + "".join(lines) + _OTHERS + "".join(_checked(form, title) for form, title in FORMATS.items())


def _checked(form: str, title: str) -> str:
    """What of a format's operators passes, by name."""
    recorded: dict[str, list[int]] = json.loads((FRONTENDS / form / "checked.json").read_text())
    counts = {name.removeprefix("aten::"): found for name, found in recorded.items()}
    mapped = dict(_foreign())[form]
    names = sorted({*mapped, *counts}, key=lambda name: (name.lower(), name))
    cells = [f"{name} {counts[name][0]}/{counts[name][1]}" if name in counts else f"{name} -" for name in names]
    right, tried = (sum(found[place] for found in counts.values()) for place in (0, 1))
    head = f"{len(names)} operators, {len(counts)} with cases of their own, {right:,} of {tried:,} cases right"
    return f"\n### {title}\n\n{head}.\n\n{', '.join(cells)}\n"


def _line(name: str, row: Row, results: Mapping[str, Mapping[str, list[int]]]) -> str:
    cells = [name, "" if row.since is None else str(row.since)]
    for device in ("cpu", "ipu-1"):
        found = results[device].get(name)
        cells.append("-" if found is None else f"{found[0]}/{found[1]}")
    placed = results["ipu-1"].get(name)
    cells.append("-" if placed is None or not placed[3] else f"{placed[2]}/{placed[3]}")
    cells += [row.tiles, "yes" if row.gradient else ""]
    cells += [_names(row.foreign.get(form, set())) for form in FOREIGN]
    return "| " + " | ".join([*cells, row.odla or ""]) + " |\n"


def _names(names: set[str]) -> str:
    shown = sorted(names, key=lambda name: (len(name), name))[:MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def rows() -> dict[str, Row]:
    """What is known of every operator, by its name with its domain."""
    load_ops()
    found: dict[str, Row] = {}
    for cls in REGISTRY.by_name.values():
        declaration = cls.declaration
        if declaration.onnx is not None:
            name = _full(declaration.domain, declaration.onnx)
            found[name] = Row(declaration.since, _tiles(cls), has_gradient(cls), declaration.odla)
    for name, since in _expanded():
        found.setdefault(name, Row(since, "expanded"))
    for form, mapped in _foreign():
        for foreign, names in mapped.items():
            for name in names:
                if name in found:
                    found[name].foreign.setdefault(form, set()).add(foreign)
    return found


def _full(domain: str, operator: str) -> str:
    return f"{domain}.{operator}" if domain else operator


def _tiles(cls: type[Op]) -> str:
    where = runs_on(cls)
    return "native" if where == ON_TILES else where


def _expanded() -> list[tuple[str, int | None]]:
    """Operators that importing turns into others: by a rule of ours or by the standard's own function body."""
    found: list[tuple[str, int | None]] = [
        (_full(domain.name, operator), None) for domain in DOMAINS.values() for operator in domain.operators()
    ]
    return [*found, *((_full(domain, operator), since) for domain, operator, since in standard_functions())]


def _foreign() -> list[tuple[str, dict[str, frozenset[str]]]]:
    """For each other format, its operators and those of ours that they may become."""
    tensorflow_mappings.load_mappings()
    tflite_mappings.load_mappings()
    torchscript = {
        name.removeprefix("aten::"): operators_mentioned(entry.handler, Maker) for name, entry in aten_table().items()
    }
    tensorflow = {
        name: operators_mentioned(mapping.function, Emitter, name)
        for name, mapping in tensorflow_operation.MAPPINGS.items()
    }
    tflite = {
        name: operators_mentioned(mapping.function, Emitter, name)
        for name, mapping in tflite_operation.MAPPINGS.items()
    }
    return [("torchscript", torchscript), ("tensorflow", tensorflow), ("tflite", tflite)]


def main() -> None:
    """Write the table."""
    write_text_atomically(TABLE, table())


if __name__ == "__main__":
    main()
