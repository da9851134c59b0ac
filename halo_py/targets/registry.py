"""Finds a machine by name, by count (`ipu-pod64x1000`) or by the path of a user's TOML file.

Built-in machines are the TOML files beside this module. Other packages add machines through the entry point group
`halo.targets`: an entry point is a path to a TOML file, to a folder of them (each file a target of its name), a
`System`, or a function without arguments that returns one of these.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from halo_py.errors import TargetError, Where
from halo_py.targets.description import Description, Table, chip_from, derived_topology, system_from
from halo_py.targets.machine import Chip, Machine, System, Uncertain

ENTRY_POINT_GROUP = "halo.targets"
LARGEST_FILE_BYTES = 1_000_000
_FOLDER = Path(__file__).parent
_CHIP_PREFIX = "chip-"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")
_POD = re.compile(r"(ipu|bow)-pod([1-9][0-9]{0,5})\Z")
_COUNTED = re.compile(r"(.*[a-z0-9])x([1-9][0-9]{0,6})\Z")
_IPUS_LIMIT = int(System.ipus.maximum)


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One fact about a machine, as `halo targets NAME` prints it."""

    name: str
    value: float | str
    low: float | None
    high: float | None
    unit: str
    source: str
    assumed: bool
    about: str = ""


def load_target(name_or_path: str | os.PathLike[str]) -> System:
    """The system with this name, or described by this TOML file.

    Names: `available()`, `ipu-podN` and `bow-podN` for any multiple of 4, NAMExM for M copies. A file that describes
    a chip gives a system of one such chip, with links and host of `ipu-1`.

    Raises TargetError for an unknown name and for a malformed file.
    """
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, os.PathLike) or text.endswith(".toml") or "/" in text or os.sep in text:
        return _load_file(Path(text))
    return _load_name(text)


def load_chip(name: str) -> Chip:
    """The built-in chip with this name (gc2, gc200, bow, c600). Raises TargetError."""
    path = _FOLDER / f"{_CHIP_PREFIX}{name}.toml"
    if not _NAME.match(name) or not path.is_file():
        raise TargetError(f"unknown chip {name!r}", hint=_suggestion(name, available_chips()))
    return _built_in_chip(name)


def available() -> tuple[str, ...]:
    """Names of all systems: built-in ones and those of other packages."""
    return tuple(sorted(_built_in_systems() | _third_party().keys(), key=_natural))


def _built_in_systems() -> set[str]:
    return {path.stem for path in _FOLDER.glob("*.toml") if not path.stem.startswith(_CHIP_PREFIX)}


def available_chips() -> tuple[str, ...]:
    """Names of the built-in chips."""
    return tuple(sorted(path.stem.removeprefix(_CHIP_PREFIX) for path in _FOLDER.glob(f"{_CHIP_PREFIX}*.toml")))


def describe(system: System) -> list[TargetRow]:
    """Every fact about a system and its chip, with source and range; derived totals last."""
    chip = system.chip
    rows = [
        _text_row("name", system.name, system.title),
        _text_row("topology", system.topology, "how links join chips"),
    ]
    rows += _quantity_rows(system, "")
    rows += [_text_row("chip", chip.name, chip.title)]
    rows += _quantity_rows(chip, "chip.")
    rows += [
        TargetRow(
            f"chip.macs_per_cycle.{mode.input_type}.{mode.partials_type}",
            mode.macs_per_cycle,
            None,
            None,
            "1/cycle",
            mode.source,
            False,
            f"{mode.conv_units} units x {mode.input_channels} channels in {mode.cycles_per_element} cycles",
        )
        for mode in chip.matrix_modes
    ]
    rows += [
        _row(f"chip.emulation.{name}", entry.factor, "", f"times the cost of {entry.like}")
        for name, entry in chip.emulation.items()
    ]
    rows += [_text_row("chip.cost_model", chip.cost_model, "vertex cost model")]
    rows += [_text_row("chip.interconnect_model", chip.interconnect_model, "exchange between tiles")]
    derived = {
        "machines": (float(system.machines), ""),
        "link_domains": (float(system.link_domains), ""),
        "bytes_on_chip": (float(system.bytes_on_chip), "B"),
        "peak_flops": (system.peak_flops, "1/s"),
    }
    return rows + [TargetRow(n, v, None, None, unit, "derived", False) for n, (v, unit) in derived.items()]


def clear_cache() -> None:
    """Forgets loaded machines, so that files are read again."""
    _load_name.cache_clear()
    _built_in_chip.cache_clear()


def _text_row(name: str, value: str, about: str) -> TargetRow:
    return TargetRow(name, value, None, None, "", "", False, about)


def _quantity_rows(machine: Machine, prefix: str) -> list[TargetRow]:
    declared = machine.declared()
    values = machine.quantities
    return [_row(f"{prefix}{name}", values[name], declared[name].unit, declared[name].about) for name in declared]


def _row(name: str, value: Uncertain, unit: str, about: str) -> TargetRow:
    low, high = (None, None) if value.exact else (value.low, value.high)
    return TargetRow(name, value.nominal, low, high, unit, value.source, value.assumed, about)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part or 0), letters) for letters, part in re.findall(r"([^0-9]+)([0-9]*)", name))


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name.lower(), known, 3, 0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}."


@lru_cache(maxsize=64)
def _load_name(name: str) -> System:
    if _NAME.match(name) and not name.startswith(_CHIP_PREFIX):
        path = _FOLDER / f"{name}.toml"
        if path.is_file():
            return system_from(Description(str(path), _read(path)), name, load_chip, _load_name)
        if (pod := _POD.match(name)) and int(pod[2]) % 4 == 0:
            return _pod(name, pod[1], int(pod[2]))
        if counted := _COUNTED.match(name):
            return _copies(_load_name(counted[1]), int(counted[2]), name)
        if (found := _third_party().get(name)) is not None:
            return _third_party_system(found)
    if name in available_chips():
        systems = sorted(_built_in_systems(), key=_natural)
        made_of_it = ", ".join(system for system in systems if _load_name(system).chip.name == name)
        raise TargetError(f"unknown target {name!r}", hint=f"{name} is a chip; systems made of it: {made_of_it}")
    hint = _suggestion(name, available()) + " A path ending in .toml also works."
    raise TargetError(f"unknown target {name!r}", hint=hint)


@lru_cache(maxsize=16)
def _built_in_chip(name: str) -> Chip:
    path = _FOLDER / f"{_CHIP_PREFIX}{name}.toml"
    return chip_from(Description(str(path), _read(path)), name, load_chip)


def _pod(name: str, family: str, ipus: int) -> System:
    base = _load_name(f"{family}-pod64")
    return _resized(base, ipus, base.ipus_per_link_domain, name, f"{ipus} chips in {ipus // 4} machines")


def _copies(base: System, copies: int, name: str) -> System:
    """`copies` of a system: single machines are stacked into a link domain, larger systems joined by gateways."""
    domain = base.ipus_per_link_domain
    if base.ipus > base.ipus_per_machine:
        domain = min(domain, base.ipus)
    return _resized(base, base.ipus * copies, domain, name, f"{copies} x {base.title}")


def _resized(base: System, ipus: int, domain: int, name: str, title: str) -> System:
    if ipus > _IPUS_LIMIT:
        raise TargetError(f"target {name!r} has {ipus} chips", hint=f"the largest system has {_IPUS_LIMIT}")
    counts = {
        "ipus": Uncertain.exactly(ipus, "the target's name"),
        "ipus_per_link_domain": Uncertain.exactly(domain, base.quantities["ipus_per_link_domain"].source),
    }
    quantities = {**base.quantities, **counts}
    return replace(base, name=name, title=title, quantities=quantities, topology=derived_topology(ipus, domain))


def _third_party() -> dict[str, System | Path | TargetError]:
    """What other packages add: a system, the file of one, or the error that its entry point gave."""
    from importlib.metadata import entry_points  # scanning installed packages is slow: only when asked

    found: dict[str, System | Path | TargetError] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        value = _from_entry_point(entry)
        if isinstance(value, Path) and value.is_dir():
            found.update({path.stem: path for path in value.glob("*.toml")})
        else:
            found[entry.name] = value
    return found


def _from_entry_point(entry: Any) -> System | Path | TargetError:
    try:
        found: object = entry.load()
        if callable(found):
            found = cast("Any", found)()
    except Exception as error:  # noqa: BLE001 -- third-party code may raise anything
        return TargetError(f"target {entry.name!r} of an installed package failed to load: {error}")
    if isinstance(found, System):
        return found
    if isinstance(found, str | os.PathLike):
        return Path(cast("str", found))
    return TargetError(f"target {entry.name!r}: its entry point gave a {type(found).__name__}, not a System or a path")


def _third_party_system(found: System | Path | TargetError) -> System:
    if isinstance(found, TargetError):
        raise found
    return _load_file(found) if isinstance(found, Path) else found


def _load_file(path: Path) -> System:
    description = Description(str(path), _read(path))
    kind = description.text("kind", "")
    name = re.sub(r"[^a-z0-9.-]+", "-", path.stem.lower()).strip("-.") or "machine"
    if kind not in ("chip", "system"):
        description.fail("kind", f"{kind!r} is not a kind of machine", 'write kind = "chip" or kind = "system"')
    try:
        if kind == "chip":
            return replace(_load_name("ipu-1"), name=name, title=name).with_chip(
                chip_from(description, name, load_chip)
            )
        return system_from(description, name, load_chip, _load_name)
    except TargetError as error:
        if error.where.file is None:
            raise TargetError(error.message, Where(file=str(path)), error.hint) from error
        raise


def _read(path: Path) -> Table:
    where = Where(file=str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise TargetError("is too large for a machine description", where, "is it the right file?")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise TargetError(f"cannot be read: {error.strerror}", where, "check the path") from error
    except UnicodeDecodeError as error:
        raise TargetError("is not UTF-8 text", where, "is it the right file?") from error
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"is not TOML: {error}", where, "correct that place") from error
    except (RecursionError, ValueError) as error:
        raise TargetError("is not a machine description", where, "is it the right file?") from error
