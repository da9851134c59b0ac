"""What a frontend is, and how one is found for a file: by entry point (`halo.frontends`) or by registration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

from halo_py.errors import ModelError, UsageError, Where
from halo_py.types import LinearDim, TensorType, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.graph import Graph

GivenValue: TypeAlias = "float | int | bool | str | NDArray[Any]"
"""What an input is fixed to: one value for every element, or its contents."""

HEAD_BYTES = 4096
"""How many leading bytes of a file a frontend's `sniff` gets to see."""


def _no_shapes() -> Mapping[str, tuple[int, ...]]:
    return {}


def _no_values() -> Mapping[str, GivenValue]:
    return {}


def _no_symbols() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user says about a model's open questions.

    `shapes` fixes inputs, `values` turns inputs into constants, `symbols` fixes named dimensions, `batch_size` the
    leading dynamic one. `inputs` and `outputs` name values between which the model is cut (none: its own),
    `format` the frontend that reads the file (None: told from its content). With `keep_symbolic` the dimensions that
    stay unknown are kept as symbols; without it they are a ShapeError.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=_no_shapes)
    values: Mapping[str, GivenValue] = field(default_factory=_no_values)
    symbols: Mapping[str, int] = field(default_factory=_no_symbols)
    batch_size: int | None = None
    keep_symbolic: bool = False
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model as its file declares it."""

    name: str
    type: Type | None


@dataclass(frozen=True, slots=True)
class RefusedOp:
    """An operator (or feature) that cannot be imported: where it stands and why."""

    op: str
    reason: str
    nodes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many nodes are refused for this reason."""
        return len(self.nodes)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a file holds, without building its graph."""

    file: str
    format: str
    producer: str
    versions: Mapping[str, int]
    """Operator set -> version."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    ops: Mapping[str, int]
    """Operator -> number of nodes, nested graphs included, most frequent first."""
    parameters: int
    parameter_bytes: int
    refused: tuple[RefusedOp, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpandedOp:
    """An operator of a format that is not one of the IR's: a frontend writes it in terms of those."""

    domain: str
    name: str


class Frontend(Protocol):
    """Reads one model format. A frontend is a class without constructor arguments."""

    @property
    def name(self) -> str:
        """The format's name, e.g. 'onnx'."""
        ...

    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether this file (whose first bytes are `head`) looks like this format."""
        ...

    def inspect(self, path: Path) -> ModelFacts:
        """What the file holds. Raises ModelError."""
        ...

    def load(self, path: Path, options: ImportOptions) -> Graph:
        """The file as a graph. Raises ModelError, UnsupportedError, UsageError."""
        ...


@runtime_checkable
class ListsExpansions(Protocol):
    """A frontend that says which operators it replaces by others while it reads a model."""

    def expanded_operators(self) -> Sequence[ExpandedOp]:
        """All of them."""
        ...


_registered: dict[str, Frontend] = {}
_discovered: list[Frontend] = []


def register_frontend(frontend: Frontend) -> None:
    """Make a frontend known without an entry point; it is asked before the installed ones."""
    _registered[frontend.name] = frontend


def frontends() -> tuple[Frontend, ...]:
    """All known frontends: registered ones first, then those of the entry-point group `halo.frontends`."""
    if not _discovered:
        from importlib.metadata import entry_points

        for entry in sorted(entry_points(group="halo.frontends"), key=lambda entry: entry.name):
            _discovered.append(cast("type[Frontend]", entry.load())())
    names = set(_registered)
    return (*_registered.values(), *(frontend for frontend in _discovered if frontend.name not in names))


def expanded_operators() -> tuple[ExpandedOp, ...]:
    """The operators that frontends replace by others, as far as the frontends list them."""
    return tuple(
        operator
        for frontend in frontends()
        if isinstance(frontend, ListsExpansions)
        for operator in frontend.expanded_operators()
    )


def find_frontend(path: Path, format: str | None = None) -> Frontend:
    """The frontend that reads this file, or the one of that name.

    Raises ModelError if the file is missing, empty or of no known format, UsageError for an unknown name.
    """
    place = Where(str(path))
    try:
        if path.is_dir():
            head = b""
        else:
            with path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
            if not head:
                raise ModelError("the file is empty", place)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}", place) from error
    if format is not None:
        return _named(format)
    for frontend in frontends():
        if frontend.sniff(path, head):
            return frontend
    known = ", ".join(frontend.name for frontend in frontends()) or "none"
    raise ModelError("is not a model of a known format", place, f"known formats: {known}")


def _named(format: str) -> Frontend:
    for frontend in frontends():
        if frontend.name == format:
            return frontend
    known = ", ".join(frontend.name for frontend in frontends())
    raise UsageError(f"unknown format {format!r}", hint=f"known formats: {known}")


def load_model(path: str | Path, options: ImportOptions | None = None) -> Graph:
    """The graph of a model file of any known format. Raises ModelError, UnsupportedError, UsageError."""
    found, asked = Path(path), options or ImportOptions()
    return find_frontend(found, asked.format).load(found, asked)


def inspect_model(path: str | Path) -> ModelFacts:
    """What a model file of any known format holds. Raises ModelError."""
    found = Path(path)
    return find_frontend(found).inspect(found)


def parse_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`name=1x3x224x224` (or `name:1x3x224x224`) as (name, dimensions); `name=` is a scalar. Raises UsageError."""
    name, equals, sizes = text.rpartition("=")
    if not equals:
        name, equals, sizes = text.rpartition(":")
    try:
        dims = tuple(int(size) for size in sizes.lower().split("x")) if sizes else ()
    except ValueError:
        dims = (-1,)
    if not equals or not name or any(size < 0 for size in dims):
        raise UsageError(f"not a shape: {text!r}", hint="write --shape NAME=1x3x224x224")
    return name, dims


def batch_symbol(graph: Graph) -> str | None:
    """The symbol of the batch: the leading dimension of the first input whose leading dimension is just a symbol."""
    for value in graph.inputs:
        if isinstance(value.type, TensorType) and value.type.shape:
            leading = value.type.shape[0]
            if isinstance(leading, LinearDim) and leading.constant == 0 and leading.terms[0][1:] == (1,):
                return leading.terms[0][0] if len(leading.terms) == 1 else None
    return None
