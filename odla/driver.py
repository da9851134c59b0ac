"""What a backend implements, and how backends are found: entry points of the group `odla.backends`, or registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from halo_py.errors import TargetError, UsageError
from halo_py.frontend import ImportOptions
from halo_py.types import Type

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph
    from halo_py.ir.op import RuntimeValue

Options = Mapping[str, Any]
"""Compile options by name. Every driver takes those of `import_options`; others are its own."""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device as a driver describes it."""

    name: str
    kind: str
    """'cpu', 'reference', 'simulated' or a vendor's word."""
    description: str = ""
    processors: int = 1
    """How many chips it is made of."""
    memory_bytes: int | None = None
    """Memory of its own, over all chips; None for a device that uses this computer's."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A node that a device cannot run, and why."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a compiled computation."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of a compiled computation, in order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """Outputs of one run, in order, and what the run reports (None for devices that measure nothing)."""

    outputs: Sequence[RuntimeValue]
    profile: Any = None
    fallbacks: Sequence[Refused] = ()
    """Nodes that the device's library lacks and that ran on the CPU instead."""


class Driver(Protocol):
    """A backend. It is a class without constructor arguments; its artefacts are its own business."""

    @property
    def name(self) -> str:
        """The backend's name, e.g. 'cpu'."""
        ...

    def devices(self) -> Sequence[DeviceInfo]:
        """The devices it knows by name (there may be more that it `claims`)."""
        ...

    def claims(self, device: str) -> bool:
        """Whether this name means one of its devices."""
        ...

    def supports(self, graph: Graph, device: str) -> Sequence[Refused]:
        """The nodes that this device cannot run, each with its reason."""
        ...

    def compile(self, model: Graph | Path, device: str, options: Options) -> Any:
        """The model compiled for the device. Raises HaloError."""
        ...

    def owns(self, artefact: object) -> bool:
        """Whether `compile` or `load` of this driver made it."""
        ...

    def reads(self, path: Path, head: bytes) -> bool:
        """Whether the file, which begins with these bytes, is one of its saved artefacts."""
        ...

    def load(self, path: Path) -> Any:
        """An artefact read back from its file. Raises ExecutableError."""
        ...

    def save(self, artefact: Any, path: Path) -> None:
        """Write an artefact to a file. Raises OutputError."""
        ...

    def signature(self, artefact: Any) -> Signature:
        """The artefact's inputs and outputs."""
        ...

    def device_of(self, artefact: Any) -> str:
        """The name of the device it was compiled for."""
        ...

    def run(self, artefact: Any, inputs: Sequence[RuntimeValue]) -> RunResult:
        """One run; `inputs` are checked and in order. Safe to call from several threads. Raises HaloError."""
        ...


_registered: dict[str, Driver] = {}
_discovered: dict[str, Driver] = {}


def register(driver: Driver) -> None:
    """Make a backend known without an entry point; it is asked before the installed ones."""
    _registered[driver.name] = driver


def drivers() -> tuple[Driver, ...]:
    """All known backends: registered ones first, then those of the entry-point group `odla.backends`."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="odla.backends"):
        if entry.name not in _registered and entry.name not in _discovered:
            _discovered[entry.name] = cast("type[Driver]", entry.load())()
    names = set(_registered)
    return (*_registered.values(), *(driver for name, driver in sorted(_discovered.items()) if name not in names))


def _named(name: str) -> Driver | None:
    """The backend of exactly this name, without loading the others."""
    from importlib.metadata import entry_points

    if name in _registered:
        return _registered[name]
    if name not in _discovered:
        for entry in entry_points(group="odla.backends", name=name):
            _discovered[name] = cast("type[Driver]", entry.load())()
    return _discovered.get(name)


def find_driver(device: str) -> Driver:
    """The backend that runs this device. Raises TargetError that lists the known devices."""
    named = _named(device)
    if named is not None and named.claims(device):
        return named
    for driver in drivers():
        if driver.claims(device):
            return driver
    known = ", ".join(info.name for driver in drivers() for info in driver.devices())
    raise TargetError(f"unknown device {device!r}", hint=f"known devices: {known}")


def owner(artefact: object) -> Driver | None:
    """The backend that made this artefact."""
    return next((driver for driver in drivers() if driver.owns(artefact)), None)


IMPORT_OPTIONS = ("shapes", "values", "symbols", "batch_size", "cut_inputs", "cut_outputs", "format")
"""Options by which a model file's open dimensions and scalars are fixed; every driver takes them."""


def check_options(device: str, options: Options, own: Sequence[str] = ()) -> None:
    """Raises UsageError for an option that is neither one of every driver's nor one of the driver's `own`."""
    from difflib import get_close_matches

    known = (*IMPORT_OPTIONS, *own)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"device {device!r} has no option {name!r}", hint=f"{hint}it has {', '.join(known)}")


def import_options(options: Options, *, keep_symbolic: bool = False) -> ImportOptions:
    """The part of compile options that is about reading the model file."""
    return ImportOptions(
        shapes=options.get("shapes") or {},
        values=options.get("values") or {},
        symbols=options.get("symbols") or {},
        batch_size=options.get("batch_size"),
        keep_symbolic=keep_symbolic,
        inputs=tuple(options.get("cut_inputs") or ()),
        outputs=tuple(options.get("cut_outputs") or ()),
        format=options.get("format"),
    )


def archive_kind(path: Path, head: bytes) -> str | None:
    """What kind of archive a file is (as `halo_py.archive` writes them); None if it is none."""
    import json
    import zipfile

    if not head.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            kind: object = json.loads(archive.read("manifest.json"))["manifest"]["kind"]
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError):
        return None
    return kind if isinstance(kind, str) else None
