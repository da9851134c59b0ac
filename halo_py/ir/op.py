"""What an op is: a frozen dataclass whose fields are its attributes, with everything known about it in one place.

Operands, attributes and meaning are those of the ONNX operator of the same name at its newest opset, so that import and
export are one-to-one. Ops that ONNX lacks live in the domain `halo`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import NOWHERE, ShapeError, Where
from halo_py.ir.space import Refusal, TileForm
from halo_py.types import Dim, DType, Shape, TensorType, Type

if TYPE_CHECKING:
    from halo_py.ir.graph import Graph

Array = NDArray[np.generic]
RuntimeValue: TypeAlias = Array | list["RuntimeValue"] | None
"""A tensor, a sequence, or an absent optional."""


def as_arrays(results: Sequence[RuntimeValue]) -> tuple[RuntimeValue, ...]:
    """Results of an op with NumPy's scalars, which arithmetic on arrays of rank 0 answers, as arrays of rank 0."""
    return tuple([np.asarray(result) if isinstance(result, np.generic) else result for result in results])


ShapeValue = tuple[Dim, ...]
"""Known contents of a rank-0 or rank-1 integer tensor, as dimensions (a scalar is one entry)."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the registry knows about an op class."""

    name: str
    onnx: str | None
    domain: str
    since: int
    odla: str | None
    family: str
    host_only: str | None
    """Why it never runs on tiles (strings, sequences, data-dependent shapes); None if it may."""


@dataclass(frozen=True, slots=True)
class InferArgs:
    """What a shape rule may look at.

    `constants[i]` is the contents of operand i if known, `shape_values[i]` the same as dims.
    """

    types: tuple[Type | None, ...]
    constants: tuple[Array | None, ...]
    shape_values: tuple[ShapeValue | None, ...]
    bodies: tuple[Graph, ...] = ()
    outputs: int = 1
    where: Where = NOWHERE

    def __len__(self) -> int:
        return len(self.types)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.types) and self.types[index] is not None

    def tensor(self, index: int) -> TensorType:
        """Type of tensor operand `index`. Raises ShapeError if it is missing or not a tensor."""
        found = self.types[index] if index < len(self.types) else None
        if not isinstance(found, TensorType):
            raise ShapeError(f"operand {index} must be a tensor, found {found}", self.where)
        return found

    def dtype(self, index: int) -> DType:
        """Element type of operand `index`."""
        return self.tensor(index).dtype

    def shape(self, index: int) -> Shape | None:
        """Shape of operand `index`, None if its rank is unknown."""
        return self.tensor(index).shape

    def constant(self, index: int) -> Array | None:
        """Contents of operand `index` if known."""
        return self.constants[index] if index < len(self.constants) else None

    def dims(self, index: int) -> ShapeValue | None:
        """Contents of an integer operand as dimensions, symbolic ones included, if known."""
        return self.shape_values[index] if index < len(self.shape_values) else None

    def error(self, message: str, hint: str | None = None) -> ShapeError:
        """A ShapeError that names this node."""
        return ShapeError(message, self.where, hint)


@dataclass(frozen=True, slots=True)
class EvaluateArgs:
    """What the reference meaning gets: operand contents and a way to run nested graphs.

    `run_body(i, operands)` evaluates body i of the node.
    """

    inputs: tuple[RuntimeValue, ...]
    run_body: Callable[[int, Sequence[RuntimeValue]], list[RuntimeValue]]
    output_types: tuple[Type, ...] = ()
    outputs: int = 1

    def __len__(self) -> int:
        return len(self.inputs)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def array(self, index: int) -> Array:
        """Tensor operand `index`. Raises TypeError if it is missing or not a tensor."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if value is None or isinstance(value, list):
            raise TypeError(f"operand {index} is not a tensor")
        return value

    def optional(self, index: int) -> Array | None:
        """Tensor operand `index`, or None when it is omitted."""
        return self.array(index) if self.has(index) else None


@dataclass(frozen=True, slots=True)
class TileArgs:
    """What a tile form may look at: static types, and the contents of constant operands."""

    types: tuple[TensorType | None, ...]
    constants: tuple[Array | None, ...]
    output_types: tuple[TensorType, ...]
    partials_type: DType = DType.FLOAT32
    """Type of partial sums of contractions (float16 in precision `fp16`)."""

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self.types) and self.types[index] is not None

    def tensor(self, index: int) -> TensorType:
        """Type of operand `index`, which must be given."""
        found = self.types[index]
        assert found is not None
        return found

    def constant(self, index: int) -> Array | None:
        """Contents of operand `index` if it is a constant."""
        return self.constants[index] if index < len(self.constants) else None


@dataclass(frozen=True, slots=True)
class Sample:
    """One example application of an op, for the suite that tests every op the same way.

    `inputs` are operand contents (None: omitted). `constant` lists operands that are compile-time constants
    (shapes, axes, pads).
    `bodies` are nested graphs. `tolerance` multiplies the default comparison tolerance.
    """

    op: Op
    inputs: tuple[RuntimeValue, ...]
    constant: tuple[int, ...] = ()
    outputs: int = 1
    bodies: tuple[Graph, ...] = ()
    tolerance: float = 1.0
    input_types: tuple[Type | None, ...] | None = None
    """Only needed where a type cannot be read off the contents (empty sequences, absent optionals)."""


@dataclass(frozen=True)
class Op:
    """Base of every op. Subclasses are declared with `@op(...)`; their fields are attributes with ONNX's names."""

    declaration: ClassVar[Declaration]

    @property
    def kind(self) -> str:
        """Registry name, e.g. 'matmul'."""
        return self.declaration.name

    def attributes(self) -> dict[str, Any]:
        """Field name -> value."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        """Types of the results (at least `args.outputs` of them). Raises ShapeError."""
        raise NotImplementedError(f"{type(self).__name__}.infer")

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        """The op's meaning in NumPy; never calls another framework. Result i has the inferred type i."""
        raise NotImplementedError(f"{type(self).__name__}.evaluate")

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        """Known contents of result 0 as dimensions when it is a small integer tensor (Shape, Gather of Shape, ...)."""
        return None

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        """The op as tile kernels, or why not."""
        return Refusal(f"{self.kind} has no tile form")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Example applications, fed to every per-op test."""
        return ()


AnyOp = TypeVar("AnyOp", bound=Op)


@dataclass
class OpRegistry:
    """All declared ops, by name and by ONNX (domain, name)."""

    by_name: dict[str, type[Op]] = field(default_factory=dict[str, type[Op]])
    by_onnx: dict[tuple[str, str], type[Op]] = field(default_factory=dict[tuple[str, str], type[Op]])

    def add(self, cls: type[Op]) -> None:
        """Register a declared op class. Raises ValueError if its name is taken by another class."""
        known = self.by_name.get(cls.declaration.name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"op {cls.declaration.name!r} is declared twice: {known} and {cls}")
        self.by_name[cls.declaration.name] = cls
        if cls.declaration.onnx:
            self.by_onnx[cls.declaration.domain, cls.declaration.onnx] = cls


REGISTRY = OpRegistry()


@dataclass_transform(frozen_default=True)
def op(
    name: str,
    *,
    onnx: str | None = None,
    domain: str = "",
    since: int = 1,
    odla: str | None = None,
    host_only: str | None = None,
) -> Callable[[type[AnyOp]], type[AnyOp]]:
    """Declare an op: makes the class a frozen dataclass and registers it.

    `since` is the opset at which its newest form appeared; the family is the module's last name.
    """

    def declare(cls: type[AnyOp]) -> type[AnyOp]:
        # A class without fields of its own inherits all that `dataclass` would make, at a millisecond less per op.
        made = dataclass(frozen=True)(cls) if inspect.get_annotations(cls) else cls
        family = made.__module__.rsplit(".", 1)[-1]
        made.declaration = Declaration(name, onnx, domain if onnx else "halo", since, odla, family, host_only)
        REGISTRY.add(made)
        return made

    return declare
