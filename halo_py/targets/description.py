"""Turns the content of a machine file into a `Chip` or a `System`, or says precisely what is wrong with it.

Files come from users and are not trusted: every key, type and bound is checked, each error names file, field and fix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn, cast

from halo_py.errors import TargetError, Where
from halo_py.targets.machine import (
    TOPOLOGIES,
    Chip,
    Emulation,
    Machine,
    MatrixMode,
    Quantity,
    System,
    Topology,
    Uncertain,
)

Table = Mapping[str, object]
_TYPE_NAME = re.compile(r"[a-z][a-z0-9]*\Z")
_MODEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
_CHIP_KEYS = (
    "kind", "title", "extends", "inherited", "cost_model", "interconnect_model", "arithmetic_types",
    "sources", "quantities", "matrix_modes", "replace_matrix_modes", "emulation",
)  # fmt: skip
_SYSTEM_KEYS = ("kind", "title", "extends", "chip", "topology", "notes", "sources", "quantities")
_UNCERTAIN_KEYS = ("value", "low", "nominal", "high", "source", "assumed")
_MODE_COUNTS = ("conv_units", "input_channels", "cycles_per_element")
_MODE_KEYS = ("input_type", "partials_type", *_MODE_COUNTS, "source")


@dataclass(frozen=True, slots=True)
class Description:
    """The tables of one machine file; `file` is named in errors, `path` leads to a table nested in it."""

    file: str
    table: Table
    path: str = ""

    def fail(self, field: str, problem: str, fix: str) -> NoReturn:
        """Raises TargetError for a field."""
        raise TargetError(f"{self.path}{field}: {problem}", Where(file=self.file), fix)

    def check_keys(self, allowed: tuple[str, ...], table: Table | None = None, prefix: str = "") -> None:
        """Refuses keys that have no meaning."""
        for key in self.table if table is None else table:
            if key not in allowed:
                near = get_close_matches(key, allowed, 1)
                fix = f"write {near[0]!r}" if near else f"known here: {', '.join(allowed)}"
                self.fail(f"{prefix}{key}", "unknown field", fix)

    def text(self, key: str, default: str, pattern: re.Pattern[str] | None = None) -> str:
        """A string field."""
        value = self.table.get(key, default)
        if not isinstance(value, str) or len(value) > 4096 or not value.isprintable():
            self.fail(key, "must be a line of text", f'write {key} = "..."')
        if pattern and not pattern.match(value):
            self.fail(key, f"{value!r} is not a name", "use letters, digits and dashes")
        return value

    def flag(self, table: Table, key: str, prefix: str = "") -> bool:
        """A true/false field, false when missing."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.fail(f"{prefix}{key}", "must be true or false", f"write {key} = true")
        return value

    def subtable(self, key: str) -> Table:
        """A table field, empty when missing."""
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            self.fail(key, "must be a table", f"write [{self.path}{key}]")
        return cast("Table", value)

    def nested(self, key: str) -> Description:
        """The description inside a table field."""
        return Description(self.file, self.subtable(key), f"{self.path}{key}.")


def chip_from(description: Description, name: str, load_chip: Callable[[str], Chip]) -> Chip:
    """A chip from its description; `load_chip` gives the chip that it extends."""
    description.check_keys(_CHIP_KEYS)
    base = load_chip(description.text("extends", "")) if "extends" in description.table else None
    inherited = description.text("inherited", "")
    quantities = _quantities(description, Chip, base, inherited)
    types = _types(description, base)
    emulation = dict(base.emulation) if base else {}
    emulation.update({key: _emulation(description, key) for key in description.subtable("emulation")})
    for key, entry in emulation.items():
        if entry.like not in types:
            description.fail(f"emulation.{key}", f"like = {entry.like!r} is no arithmetic type", f"one of {types}")
    if "default" not in emulation:
        description.fail("emulation", "has no 'default'", "add [emulation] default = { like = ..., value = ... }")
    return Chip(
        name=name,
        title=description.text("title", base.title if base else name),
        quantities=quantities,
        matrix_modes=_matrix_modes(description, base),
        arithmetic_types=types,
        emulation=emulation,
        cost_model=description.text("cost_model", base.cost_model if base else "popvertex", _MODEL_NAME),
        interconnect_model=description.text(
            "interconnect_model", base.interconnect_model if base else "all-to-all", _MODEL_NAME
        ),
    )


def system_from(
    description: Description,
    name: str,
    load_chip: Callable[[str], Chip],
    load_system: Callable[[str], System],
) -> System:
    """A system from its description; the two functions give what it names or extends."""
    description.check_keys(_SYSTEM_KEYS)
    base = load_system(description.text("extends", "")) if "extends" in description.table else None
    quantities = _quantities(description, System, base, "")
    if isinstance(description.table.get("chip"), dict):
        chip = chip_from(description.nested("chip"), f"{name}-chip", load_chip)
    elif "chip" in description.table:
        chip = load_chip(description.text("chip", ""))
    elif base:
        chip = base.chip
    else:
        description.fail("chip", "missing", 'name a chip (chip = "gc200") or describe one in [chip]')
    return System(
        name=name,
        title=description.text("title", base.title if base else name),
        quantities=quantities,
        chip=chip,
        topology=_topology(description, quantities),
        notes=description.text("notes", base.notes if base else ""),
    )


def derived_topology(ipus: int, ipus_per_link_domain: int) -> Topology:
    """How links join the chips: machines stack as a ladder up to 32 chips, above that they close to a torus.

    Source: IPU-M2000 data sheet (direct stacks of at most 8 M2000; 2D torus of up to 16).
    """
    linked = min(ipus, ipus_per_link_domain)
    if linked == 1:
        return "single" if ipus == 1 else "line"
    return "ladder" if linked <= 32 else "torus"


def _topology(description: Description, quantities: Mapping[str, Uncertain]) -> Topology:
    ipus, domain = int(quantities["ipus"].nominal), int(quantities["ipus_per_link_domain"].nominal)
    derived = derived_topology(ipus, domain)
    stated = description.text("topology", derived)
    if stated not in TOPOLOGIES:
        description.fail("topology", f"{stated!r} is unknown", f"one of {', '.join(TOPOLOGIES)}")
    if stated == "single" and ipus > 1:
        description.fail("topology", f"'single' does not join {ipus} chips", "use line, ladder or torus")
    return stated


def _quantities(
    description: Description, kind: type[Machine], base: Machine | None, inherited: str
) -> dict[str, Uncertain]:
    declared = kind.declared()
    table = description.subtable("quantities")
    description.check_keys(tuple(declared), table, "quantities.")
    result: dict[str, Uncertain] = {}
    for name, declaration in declared.items():
        if name in table:
            result[name] = _quantity(description, f"quantities.{name}", table[name], declaration)
        elif base:
            value = base.quantities[name]
            result[name] = _inherited(value, inherited) if inherited else value
        else:
            fix = f"add {name} = {{ value = ..., source = ... }} ({declaration.about}) or extends = ..."
            description.fail(f"quantities.{name}", "missing", fix)
    return result


def _inherited(value: Uncertain, remark: str) -> Uncertain:
    return Uncertain(value.low, value.nominal, value.high, f"{remark}: {value.source}", True)


def _quantity(description: Description, field: str, raw: object, declaration: Quantity[Any]) -> Uncertain:
    value = _uncertain(description, field, raw)
    if problem := declaration.problem(value):
        description.fail(field, problem, f"it means: {declaration.about}")
    return value


def _uncertain(description: Description, field: str, raw: object, extra: tuple[str, ...] = ()) -> Uncertain:
    """Either { value } or { low, nominal, high }; a bare number counts as assumed."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return _checked(description, field, [raw] * 3, "stated without a source", True)
    if not isinstance(raw, dict):
        description.fail(field, "must be a number or a table", 'write { value = 1, source = "..." }')
    table = cast("Table", raw)
    description.check_keys((*_UNCERTAIN_KEYS, *extra), table, f"{field}.")
    if "value" in table:
        if {"low", "nominal", "high"} & table.keys():
            description.fail(field, "has both a value and a range", "give value, or low, nominal and high")
        numbers = [table["value"]] * 3
    else:
        numbers = [table.get(key) for key in ("low", "nominal", "high")]
    source = table.get("source", "")
    if not isinstance(source, str):
        description.fail(f"{field}.source", "must be text", 'write source = "..."')
    assumed = description.flag(table, "assumed", f"{field}.") or not source
    known = description.subtable("sources").get(source, source)
    return _checked(description, field, numbers, str(known) or "stated without a source", assumed)


def _checked(description: Description, field: str, numbers: list[Any], source: str, assumed: bool) -> Uncertain:
    for number in numbers:
        if number is None or isinstance(number, bool) or not isinstance(number, int | float):
            description.fail(field, "needs a value, or low, nominal and high", "give numbers")
    try:
        low, nominal, high = (float(number) for number in numbers)
        return Uncertain(low, nominal, high, source, assumed)
    except (ValueError, OverflowError) as error:
        description.fail(field, str(error), "give finite numbers in rising order")


def _types(description: Description, base: Chip | None) -> tuple[str, ...]:
    if "arithmetic_types" not in description.table and base:
        return base.arithmetic_types
    raw = description.table.get("arithmetic_types")
    names = cast("list[object]", raw) if isinstance(raw, list) else []
    texts = tuple(name for name in names if isinstance(name, str) and _TYPE_NAME.match(name))
    if not texts or len(texts) != len(names):
        description.fail("arithmetic_types", "must be a list of type names", 'for example ["float32", "int32"]')
    return texts


def _matrix_modes(description: Description, base: Chip | None) -> tuple[MatrixMode, ...]:
    raw = description.table.get("matrix_modes", [])
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in cast("list[object]", raw)):
        description.fail("matrix_modes", "must be a list of tables", "write [[matrix_modes]]")
    kept = () if base is None or description.flag(description.table, "replace_matrix_modes") else base.matrix_modes
    tables = cast("list[Table]", raw)
    return (*kept, *(_matrix_mode(description, f"matrix_modes[{i}]", table) for i, table in enumerate(tables)))


def _matrix_mode(description: Description, field: str, table: Table) -> MatrixMode:
    description.check_keys(_MODE_KEYS, table, f"{field}.")
    counts: list[int] = []
    for key in _MODE_COUNTS:
        count = table.get(key)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 65_536:
            description.fail(f"{field}.{key}", "must be a whole number from 1 to 65536", f"write {key} = 16")
        counts.append(count)
    types: list[str] = []
    for key in ("input_type", "partials_type"):
        name = table.get(key)
        if not isinstance(name, str) or not _TYPE_NAME.match(name):
            description.fail(f"{field}.{key}", "must be a type name", f'write {key} = "float16"')
        types.append(name)
    source = str(table.get("source", "stated without a source"))
    known = str(description.subtable("sources").get(source, source))
    return MatrixMode(types[0], types[1], counts[0], counts[1], counts[2], known)


def _emulation(description: Description, key: str) -> Emulation:
    field = f"emulation.{key}"
    raw = description.subtable("emulation")[key]
    like = cast("Table", raw).get("like") if isinstance(raw, Mapping) else None
    if not isinstance(like, str):
        description.fail(field, "needs the type whose arithmetic is used", '{ like = "float32", value = 4 }')
    factor = _uncertain(description, field, cast("object", raw), ("like",))
    if factor.low <= 0:
        description.fail(field, "the factor must be above 0", "1 means as fast as the other type")
    return Emulation(like, factor)
