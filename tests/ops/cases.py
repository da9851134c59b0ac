"""Every sample of every registered op, and what tests say about types and closeness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.errors import Where
from halo_py.evaluate import evaluate_node
from halo_py.ir.graph import Node, Value
from halo_py.ir.op import REGISTRY, InferArgs, RuntimeValue, Sample, ShapeValue, TileArgs
from halo_py.ops import load_ops
from halo_py.types import DType, OptionalType, SequenceType, TensorType, Type, substitute

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One sample with a name."""

    name: str
    sample: Sample

    @property
    def kind(self) -> str:
        return self.sample.op.kind

    def types(self) -> tuple[Type | None, ...]:
        """Types of the operands."""
        if self.sample.input_types is not None:
            return self.sample.input_types
        return tuple(None if value is None else type_of(value) for value in self.sample.inputs)

    def constants(self) -> tuple[Numbers | None, ...]:
        """Contents of the operands that are compile-time constants."""
        found: list[Numbers | None] = []
        for index, value in enumerate(self.sample.inputs):
            found.append(value if index in self.sample.constant and isinstance(value, np.ndarray) else None)
        return tuple(found)

    def infer_args(self, types: tuple[Type | None, ...] | None = None, *, all_known: bool = False) -> InferArgs:
        """What a shape rule may look at; with `all_known`, contents of all integer operands as dimensions."""
        constants = self.constants()
        contents = constants
        if all_known:
            contents = tuple(value if isinstance(value, np.ndarray) else None for value in self.sample.inputs)
        return InferArgs(
            types=types or self.types(),
            constants=constants,
            shape_values=tuple(_dims(array) for array in contents),
            bodies=self.sample.bodies,
            outputs=self.sample.outputs,
            where=Where(None, "sample", self.kind),
        )

    def infer(self, types: tuple[Type | None, ...] | None = None) -> tuple[Type, ...]:
        """Inferred types of the results, by default for the operands' own types."""
        return self.sample.op.infer(self.infer_args(types))[: self.sample.outputs]

    def evaluate(self) -> list[RuntimeValue]:
        """Results by the op's reference meaning."""
        outputs = tuple(Value(f"y{index}", type) for index, type in enumerate(self.infer()))
        inputs = tuple(None if type is None else Value(f"x{index}", type) for index, type in enumerate(self.types()))
        node = Node(self.sample.op, inputs, outputs, "sample", self.sample.bodies)
        return list(evaluate_node(node, self.sample.inputs))[: self.sample.outputs]

    def tile_args(self) -> TileArgs | None:
        """What the op's tile form may look at; None if an operand or result is not a static tensor."""
        types = self.types()
        outputs = self.infer()
        if any(type is not None and not _is_static(type) for type in (*types, *outputs)):
            return None
        return TileArgs(
            types=tuple(type if isinstance(type, TensorType) else None for type in types),
            constants=self.constants(),
            output_types=tuple(type for type in outputs if isinstance(type, TensorType)),
        )


def _is_static(type: Type) -> bool:
    return isinstance(type, TensorType) and type.is_static


def _dims(contents: Numbers | None) -> ShapeValue | None:
    if contents is None or contents.ndim > 1 or contents.dtype.kind not in "iu":
        return None
    return tuple(int(number) for number in contents.reshape(-1))


def type_of(value: RuntimeValue) -> Type:
    """The type of run-time contents."""
    if isinstance(value, np.ndarray):
        return TensorType(DType.from_numpy(value.dtype), value.shape)
    assert value, "the type of an empty sequence or absent optional must be given by Sample.input_types"
    return SequenceType(type_of(value[0]))


@cache
def cases() -> tuple[Case, ...]:
    """All samples of all ops, in a fixed order."""
    load_ops()
    found: list[Case] = []
    for kind in sorted(REGISTRY.by_name):
        if kind.startswith("test_"):
            continue
        found.extend(Case(f"{kind}-{index}", sample) for index, sample in enumerate(REGISTRY.by_name[kind].samples()))
    return tuple(found)


def assert_fits(type: Type, value: RuntimeValue, symbols: dict[str, int]) -> None:
    """Run-time contents have this type; dimensions that stay symbolic fit anything."""
    match type:
        case OptionalType(element):
            if value is not None:
                assert_fits(element, value, symbols)
        case SequenceType(element):
            assert isinstance(value, list)
            for item in value:
                assert_fits(element, item, symbols)
        case TensorType(dtype, shape):
            assert isinstance(value, np.ndarray), f"expected {type}, found {value!r}"
            assert value.dtype == dtype.numpy
            if shape is not None:
                assert len(shape) == value.ndim, f"inferred {type}, evaluated {value.shape}"
                known = [substitute(dim, symbols) for dim in shape]
                fits = [not isinstance(a, int) or a == b for a, b in zip(known, value.shape, strict=True)]
                assert all(fits), f"inferred {type}, evaluated {value.shape}"


_EPSILON = {DType.FLOAT16: 2.0**-11, DType.BFLOAT16: 2.0**-8, DType.FLOAT64: 2.0**-53, DType.FLOAT32: 2.0**-24}


def epsilon(dtype: DType) -> float:
    """Half a unit in the last place of 1.0 for the types arithmetic is done in."""
    return _EPSILON.get(dtype, 2.0**-24)


def assert_close(found: Numbers, expected: Numbers, relative: float, absolute: float) -> None:
    """Equal shapes, types and contents; floats within the tolerances, NaN and infinities in the same places."""
    assert found.shape == expected.shape, f"{found.shape} instead of {expected.shape}"
    assert found.dtype == expected.dtype, f"{found.dtype} instead of {expected.dtype}"
    if expected.dtype == object:
        assert found.tolist() == expected.tolist()
        return
    dtype = DType.from_numpy(expected.dtype)
    if not (dtype.is_float or dtype.is_complex):
        np.testing.assert_array_equal(found, expected)
        return
    wide = np.complex128 if dtype.is_complex else np.float64
    np.testing.assert_allclose(found.astype(wide), expected.astype(wide), rtol=relative, atol=absolute)


def magnitude(values: Sequence[RuntimeValue]) -> float:
    """The largest finite magnitude among tensors, at least 1."""
    largest = 1.0
    for value in values:
        if isinstance(value, np.ndarray) and value.size and value.dtype != object and value.dtype != np.bool_:
            wide = np.abs(value.astype(np.complex128 if value.dtype.kind == "c" else np.float64))
            largest = max(largest, float(np.max(wide, where=np.isfinite(wide), initial=0.0)))
    return largest


def of_every_op(cases: Sequence[Case]) -> Callable[[Callable[[Case], None]], Callable[[str], None]]:
    """Makes a check of one sample a test per op, which checks all of that op's samples and names those that fail."""
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        by_kind.setdefault(case.kind, []).append(case)

    def decorate(check: Callable[[Case], None]) -> Callable[[str], None]:
        @pytest.mark.parametrize("kind", by_kind)
        def test(kind: str) -> None:
            failures: list[Exception] = []
            for case in by_kind[kind]:
                try:
                    check(case)
                except Exception as error:  # noqa: BLE001
                    error.add_note(f"sample {case.name}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(by_kind[kind])} samples", failures)

        test.__name__ = check.__name__
        test.__doc__ = check.__doc__
        return test

    return decorate
