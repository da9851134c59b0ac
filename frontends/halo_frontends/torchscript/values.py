"""What a TorchScript expression can stand for while it is interpreted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from halo_frontends.torchscript.objects import Device, EnumMember, ScriptObject, StoredTensor

if TYPE_CHECKING:
    from halo_frontends.torchscript.memory import Layout
    from halo_py.ir.graph import Value

Project: TypeAlias = "Callable[[Value], Value]"
"""What a view shows of its base."""

Inject: TypeAlias = "Callable[[Value, Value], Value]"
"""The base in which a view's part is replaced by new contents."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """How a tensor's integers stand for numbers; scale and zero point are values of rank 0, or 1 along `axis`."""

    scale: Value
    zero_point: Value
    axis: int | None = None


@dataclass(slots=True, eq=False)
class Tensor:
    """A tensor as the program sees it: its contents now, and the tensor that it is a view of.

    Writing in place gives the base new contents; a view whose base has other contents than when it was last read is
    computed again. Only `Emitter.read` and `Emitter.write` look at the fields.
    """

    value: Value
    base: Tensor | None = None
    project: Project | None = None
    inject: Inject | None = None
    seen: Value | None = None
    """The contents of the base that `value` was computed from."""
    quantised: Quantised | None = None
    layout: Layout | None = None
    """Where a view's elements lie in the memory of its outermost base, if that is known."""
    is_pair: bool = False
    """Whether it is complex: the last axis of `value` holds real and imaginary parts."""
    lengths: Value | None = None
    """The lengths of packed sequences; `value` holds them padded, time first."""
    is_number: bool = False
    """Whether Torch counts it as a plain number where types are promoted, as it does constants of a program's code."""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number that is known only at run time: a value of rank 0."""

    value: Value
    kind: Literal["int", "float", "bool"]


@dataclass(frozen=True, slots=True, eq=False)
class StackedList:
    """A list of as many tensors of one shape as data says: one tensor that has them along its first axis."""

    entries: Tensor


@dataclass(frozen=True, slots=True)
class NamedItems:
    """An instance of a NamedTuple class."""

    class_name: str
    names: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function of the file, or a class that is called to make an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Undefined:
    """A variable that has no value every path agrees on; `reason` is said when it is read."""

    reason: str


Number: TypeAlias = int | float | complex | bool | Scalar
Item: TypeAlias = (
    Tensor
    | Scalar
    | int
    | float
    | complex
    | str
    | list["Item"]
    | tuple["Item", ...]
    | dict["Item", "Item"]
    | ScriptObject
    | StoredTensor
    | NamedItems
    | StackedList
    | FunctionName
    | Device
    | EnumMember
    | Undefined
    | None
)
