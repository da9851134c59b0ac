"""The table of operators: a function per ATen op, whose parameters' annotations say how arguments are read."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from halo_frontends.torchscript.maker import Maker, Size, is_number
from halo_frontends.torchscript.objects import DTYPES, StoredTensor
from halo_frontends.torchscript.promotion import number_dtype
from halo_frontends.torchscript.values import Item, NamedItems, Scalar, Tensor
from halo_py.errors import ModelError, ShapeError, UnsupportedError
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.ir.graph import Value

FAMILIES = (
    "pointwise",
    "functions",
    "activations",
    "comparison",
    "linear",
    "convolution",
    "pooling",
    "normalization",
    "views",
    "picking",
    "joining",
    "indexing",
    "scattering",
    "reduction",
    "norms",
    "ordering",
    "creation",
    "casting",
    "padding",
    "resizing",
    "recurrent",
    "packing",
    "attention",
    "signal",
    "complex_numbers",
    "transforms",
    "losses",
    "quantised",
    "vision",
)
"""Modules of `ops` that fill the table."""

Handler = Callable[..., Any]
IGNORED = frozenset(
    {"layout", "device", "pin_memory", "memory_format", "non_blocking", "generator", "copy", "requires_grad"}
)
"""Keyword arguments that mean nothing to a graph."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An op: its function and how each parameter is read."""

    name: str
    handler: Handler
    parameters: tuple[inspect.Parameter, ...]

    @property
    def reads_value(self) -> bool:
        """Whether it takes the contents of its first tensor, not the tensor itself."""
        return bool(self.parameters) and self.parameters[0].annotation in ("Value", "Operand")


_TABLE: dict[str, Entry] = {}


def aten(*names: str) -> Callable[[Handler], Handler]:
    """Enter a function under these names: `relu` is `aten::relu`, other namespaces are written out."""

    def enter(handler: Handler) -> Handler:
        parameters = tuple(inspect.signature(handler).parameters.values())[1:]
        for name in names:
            full = name if "::" in name else f"aten::{name}"
            assert full not in _TABLE, full
            _TABLE[full] = Entry(full, handler, parameters)
        return handler

    return enter


@functools.cache
def table() -> Mapping[str, Entry]:
    """Every op by its full name; the first call imports the families."""
    for family in FAMILIES:
        importlib.import_module(f"halo_frontends.torchscript.ops.{family}")
    return _TABLE


def find(name: str) -> tuple[Entry, bool] | None:
    """The op of this name, and whether it works in place (`add_` is found as `add`)."""
    known = table()
    if name in known:
        return known[name], False
    if name.endswith("_") and not name.endswith("__") and name[:-1] in known:
        return known[name[:-1]], True
    return None


def bind(
    entry: Entry, m: Maker, arguments: Sequence[Item], keywords: Mapping[str, Item]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments as the function takes them: by position and by name. Raises ModelError or UnsupportedError."""
    placed: list[Any] = []
    bound: dict[str, Any] = {}
    left = dict(keywords)
    most = len(entry.parameters)
    for position, parameter in enumerate(entry.parameters):
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            placed = list(bound.values())
            placed += [_read(parameter.annotation, m, item, parameter.name) for item in arguments[position:]]
            bound, most = {}, max(len(arguments), most)
            continue
        if position < len(arguments) and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            item = arguments[position]
        elif parameter.name in left:
            item = left.pop(parameter.name)
        elif parameter.default is not inspect.Parameter.empty:
            bound[parameter.name] = parameter.default
            continue
        else:
            raise m.wrong(f"the argument {parameter.name!r} is missing")
        bound[parameter.name] = _read(parameter.annotation, m, item, parameter.name)
    if len(arguments) > most:
        extra = arguments[most:]
        if any(item and not isinstance(item, str) for item in extra):
            raise m.unsupported(f"{entry.name} is called with {len(arguments)} arguments")
    for name, item in left.items():
        if name not in IGNORED and item is not None:
            raise m.unsupported(f"the argument {name}={kind_of(item)} of {entry.name} is not supported")
    return placed, bound


# -- readers, by annotation -----------------------------------------------------------------------------------------


def _read(annotation: str, m: Maker, item: Item, name: str) -> Any:
    if annotation.endswith(" | None"):
        if item is None:
            return None
        annotation = annotation.removesuffix(" | None")
    reader = _READERS.get(annotation)
    if reader is None:
        raise AssertionError(f"{name} is annotated {annotation!r}")
    try:
        return reader(m, item)
    except _MisfitError as misfit:
        raise ModelError(f"argument {name!r}: {misfit}", m.emitter.where) from None


class _MisfitError(Exception):
    """An argument is not of the kind that is wanted."""


def _tensor(m: Maker, item: Item) -> Tensor:
    if isinstance(item, Tensor):
        return item
    if isinstance(item, StoredTensor):
        return m.emitter.stored(item, "constant")
    raise _MisfitError(f"a tensor is wanted, found {kind_of(item)}")


def _value(m: Maker, item: Item) -> Value:
    if is_number(item):
        return m.number(item, number_dtype(item))
    tensor = _tensor(m, item)
    if tensor.quantised is not None or tensor.is_pair:
        kind = "complex" if tensor.is_pair else "quantised"
        raise UnsupportedError(f"has no form for {kind} tensors", m.emitter.where)
    return m.read(tensor)


def _operand(m: Maker, item: Item) -> Any:
    if isinstance(item, Tensor) and item.is_number:
        return m.to_number(m.read(item))
    return item if is_number(item) else _value(m, item)


def _plain(m: Maker, item: Item) -> Any:
    """A number that must be known; a tensor of one element is one."""
    if isinstance(item, (Tensor, StoredTensor)):
        item = m.to_number(_value(m, item))
    if isinstance(item, Scalar):
        raise ShapeError("an argument depends on data but must be known", m.emitter.where, _HINT)
    return item


_HINT = "fix the inputs that it depends on with --value NAME=NUMBER or --shape"


def _integer(m: Maker, item: Item) -> int:
    found = _plain(m, item)
    if isinstance(found, int) or (isinstance(found, float) and found.is_integer()):
        return int(found)
    raise _MisfitError(f"an integer is wanted, found {kind_of(found)}")


def _size(m: Maker, item: Item) -> Size:
    if isinstance(item, (Tensor, StoredTensor)):
        item = m.to_number(_value(m, item))
    return item if isinstance(item, Scalar) else _integer(m, item)


def _real(m: Maker, item: Item) -> float:
    found = _plain(m, item)
    if not isinstance(found, (int, float)):
        raise _MisfitError(f"a number is wanted, found {kind_of(found)}")
    return float(found)


def _flag(m: Maker, item: Item) -> bool:
    found = _plain(m, item)
    if not isinstance(found, (bool, int)):
        raise _MisfitError(f"True or False is wanted, found {kind_of(found)}")
    return bool(found)


def _text(_m: Maker, item: Item) -> str:
    if not isinstance(item, str):
        raise _MisfitError(f"a text is wanted, found {kind_of(item)}")
    return item


def _number(m: Maker, item: Item) -> Any:
    if isinstance(item, (Tensor, StoredTensor)):
        return m.to_number(_value(m, item))
    if not is_number(item):
        raise _MisfitError(f"a number is wanted, found {kind_of(item)}")
    return item


def _items(item: Item) -> list[Item]:
    if isinstance(item, NamedItems):
        return list(item.items)
    if isinstance(item, (list, tuple)):
        return list(item)
    raise _MisfitError(f"a list is wanted, found {kind_of(item)}")


def _integers(m: Maker, item: Item) -> tuple[int, ...]:
    if not isinstance(item, (list, tuple)):
        return (_integer(m, item),)
    return tuple(_integer(m, entry) for entry in item)


def _floats(m: Maker, item: Item) -> tuple[float, ...]:
    return tuple(_real(m, entry) for entry in _items(item))


def _sizes(m: Maker, item: Item) -> list[Size]:
    if not isinstance(item, (list, tuple)):
        return [_size(m, item)]
    return [_size(m, entry) for entry in item]


def _dtype(m: Maker, item: Item) -> DType:
    number = _integer(m, item)
    if number not in DTYPES:
        raise UnsupportedError(f"element type number {number} is not supported", m.emitter.where)
    return DTYPES[number]


_READERS: dict[str, Callable[[Maker, Any], Any]] = {
    "Tensor": _tensor,
    "Value": _value,
    "Operand": _operand,
    "Number": _number,
    "int": _integer,
    "Size": _size,
    "float": _real,
    "bool": _flag,
    "str": _text,
    "Ints": _integers,
    "Floats": _floats,
    "Sizes": _sizes,
    "Flags": lambda m, item: [_flag(m, entry) for entry in _items(item)],
    "Tensors": lambda m, item: [_tensor(m, entry) for entry in _items(item)],
    "Values": lambda m, item: [_value(m, entry) for entry in _items(item)],
    "OptionalValues": lambda m, item: [None if entry is None else _value(m, entry) for entry in _items(item)],
    "DType": _dtype,
    "Item": lambda _m, item: item,
}


def read_values(m: Maker, items: Sequence[Item]) -> list[Value]:
    """The contents of several tensors. Raises ModelError."""
    return _read("Values", m, list(items), "tensors")


def read_sizes(m: Maker, items: Sequence[Item]) -> list[Size]:
    """Sizes or positions, run-time ones included. Raises ModelError."""
    return _read("Sizes", m, list(items), "size")


def kind_of(item: object) -> str:
    """An item in a few words, for messages."""
    if item is None:
        return "None"
    if isinstance(item, (int, float, str)):
        text = repr(item)
        return text if len(text) < 60 else f"{text[:57]}..."
    return f"a {type(item).__name__}"
