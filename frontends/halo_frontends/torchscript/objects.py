"""What the pickles of a TorchScript file hold: tensors over mapped storages, containers, module objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from halo_py.types import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES: dict[int, DType] = {
    0: DType.UINT8,
    1: DType.INT8,
    2: DType.INT16,
    3: DType.INT32,
    4: DType.INT64,
    5: DType.FLOAT16,
    6: DType.FLOAT32,
    7: DType.FLOAT64,
    9: DType.COMPLEX64,
    10: DType.COMPLEX128,
    11: DType.BOOL,
    12: DType.INT8,
    13: DType.UINT8,
    14: DType.INT32,
    15: DType.BFLOAT16,
    23: DType.FLOAT8E5M2,
    24: DType.FLOAT8E4M3FN,
    25: DType.FLOAT8E5M2FNUZ,
    26: DType.FLOAT8E4M3FNUZ,
    27: DType.UINT16,
    28: DType.UINT32,
    29: DType.UINT64,
}
"""ScalarType number (c10/core/ScalarType.h) -> element type; 12 to 14 are the quantised ones."""

NUMBERS: dict[DType, int] = {dtype: number for number, dtype in reversed(DTYPES.items()) if not 12 <= number <= 14}
"""Element type -> ScalarType number."""

STORAGES: dict[str, DType] = {
    "FloatStorage": DType.FLOAT32,
    "DoubleStorage": DType.FLOAT64,
    "HalfStorage": DType.FLOAT16,
    "BFloat16Storage": DType.BFLOAT16,
    "LongStorage": DType.INT64,
    "IntStorage": DType.INT32,
    "ShortStorage": DType.INT16,
    "CharStorage": DType.INT8,
    "ByteStorage": DType.UINT8,
    "BoolStorage": DType.BOOL,
    "ComplexFloatStorage": DType.COMPLEX64,
    "ComplexDoubleStorage": DType.COMPLEX128,
    "QInt8Storage": DType.INT8,
    "QUInt8Storage": DType.UINT8,
    "QInt32Storage": DType.INT32,
    "Float8_e4m3fnStorage": DType.FLOAT8E4M3FN,
    "Float8_e5m2Storage": DType.FLOAT8E5M2,
    "UInt16Storage": DType.UINT16,
    "UInt32Storage": DType.UINT32,
    "UInt64Storage": DType.UINT64,
}
"""Storage class -> element type."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """How integers stand for numbers: (integer - zero point) x scale, per tensor or along `axis`."""

    scale: Any
    zero_point: Any
    axis: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor of the file: a read-only array over the mapped bytes, and how it is quantised."""

    array: NDArray[Any]
    dtype: DType
    quantizer: Quantizer | None = None


@dataclass(slots=True, eq=False)
class ScriptObject:
    """A module or another object of a class that the file declares; `path` is its place in the model's tree."""

    class_name: str
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    state: object = None
    """What a class of Torch itself (packed weights) was pickled as."""
    path: str = ""


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enumeration, by the value it was pickled with."""

    class_name: str
    value: object


@dataclass(frozen=True, slots=True)
class Device:
    """A device by name; every device is the one the model is compiled for."""

    name: str


def name_paths(root: object) -> None:
    """Give every module object its path in the tree (the first one it is met on)."""
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", root)]
    while waiting:
        path, found = waiting.pop()
        if not isinstance(found, ScriptObject) or id(found) in seen:
            continue
        seen.add(id(found))
        found.path = path
        prefix = f"{path}." if path else ""
        waiting.extend((f"{prefix}{name}", value) for name, value in reversed(found.attributes.items()))


def stored_tensors(root: object) -> list[StoredTensor]:
    """Every tensor that can be reached from an object, each once."""
    return [item for item in _reachable(root) if isinstance(item, StoredTensor)]


def objects_of(root: object) -> list[ScriptObject]:
    """Every object that can be reached from an object, itself first, each once."""
    return [item for item in _reachable(root) if isinstance(item, ScriptObject)]


def _reachable(root: object) -> Iterator[object]:
    seen: set[int] = set()
    waiting: list[object] = [root]
    while waiting:
        item = waiting.pop()
        if isinstance(item, (str, int, float, bool, type(None))) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, ScriptObject):
            waiting.extend((item.state, *reversed(item.attributes.values())))
        elif isinstance(item, (list, tuple)):
            waiting.extend(reversed(cast("list[Any]", item)))
        elif isinstance(item, dict):
            waiting.extend(cast("dict[Any, Any]", item).values())
