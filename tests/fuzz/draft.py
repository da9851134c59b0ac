"""A random graph while it grows: nodes are evaluated in all worlds as they are added, and refused if unstable."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.errors import HaloError, Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Node, Value
from halo_py.ir.inference import infer_types
from halo_py.ir.op import Op, RuntimeValue
from halo_py.passes.replay import copied
from halo_py.types import DType, OptionalType, SequenceType, TensorType, Type
from tests.fuzz.worlds import Contents, Limits, UnstableError, Worlds

Numbers = NDArray[Any]
Item = TypeVar("Item")
Accept = Callable[[Value], bool]

MOST_ELEMENTS = 1536
"""Larger results are refused: the tiled simulation takes its time."""
RECENT = 0.3
"""Chance that a pick stops at the next older value: graphs grow deep rather than wide."""
FLOATS = (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64, DType.BFLOAT16)


class RejectedError(Exception):
    """What a template wanted to add is no good graph; the next template tries."""


class Draft:
    """A graph, contents of its values in every world, and the dice."""

    def __init__(self, seed: int, limits: Limits, name: str = "fuzz") -> None:
        self.random = Random(seed)  # noqa: S311
        self.generator = np.random.default_rng(seed)
        self.limits = limits
        self.worlds = Worlds(limits, seed)
        self.builder = GraphBuilder(name, "fuzz.onnx")
        self.contents: dict[Value, Contents] = {}
        self.fixed: set[Value] = set()
        self.depth: dict[Value, int] = {}
        self.pool: list[Value] = []
        self.inputs: list[Value] = []
        self.read: set[Value] = set()
        self.nodes = 0
        self.refused: Counter[str] = Counter()
        self.nesting = 0

    def nested(self, name: str) -> Draft:
        """A draft for a body: the same dice, a graph of its own."""
        inner = Draft(self.random.randrange(1 << 30), self.limits, name)
        inner.refused = self.refused
        inner.nesting = self.nesting + 1
        return inner

    # -- values ----------------------------------------------------------------------------------------------------

    def input(self, contents: RuntimeValue, type: Type | None = None, name: str = "x") -> Value:
        """A graph input with these contents."""
        contents = np.asarray(contents) if isinstance(contents, np.generic) else contents
        if self.nesting:
            return self._inner(contents)
        value = self.builder.input(name, type or type_of(contents))
        self.inputs.append(value)
        return self._define(value, self.worlds.given(contents))

    def _inner(self, contents: RuntimeValue) -> Value:
        """What would be an input, inside a body: a constant that templates may read."""
        if not isinstance(contents, np.ndarray):
            raise RejectedError("a body has no constant sequences")
        value = self.constant(contents)
        self.pool.append(value)
        return value

    def formal(self, contents: Contents, type: Type, name: str) -> Value:
        """An input of a body, with the contents it has at its first run."""
        value = self.builder.input(name, type)
        self.inputs.append(value)
        return self._define(value, contents)

    def constant(self, contents: Numbers, name: str = "c") -> Value:
        """A constant; not in the pool."""
        contents = np.asarray(contents)  # NumPy answers scalars for arithmetic on arrays of rank 0
        value = self.builder.constant(contents, name)
        self.contents[value] = self.worlds.given(contents)
        self.fixed.add(value)
        self.depth[value] = 0
        return value

    def ints(self, *numbers: int) -> Value:
        """A rank-1 int64 constant."""
        return self.constant(np.asarray(numbers, np.int64).reshape(-1), "ints")

    def scalar(self, number: float | bool, like: Value) -> Value:
        """A rank-0 constant of another value's type."""
        return self.constant(np.asarray(number).astype(dtype_of(like).numpy), "scalar")

    def given(self, contents: Numbers) -> Value:
        """Contents as a constant or as an input."""
        return self.constant(contents) if self.chance(0.6) else self.input(contents)

    def array(self, value: Value) -> Numbers:
        """Contents of a tensor in world 0."""
        found = self.contents[value][0]
        if not isinstance(found, np.ndarray):
            raise RejectedError("not a tensor")
        return cast("Numbers", found)

    def shape(self, value: Value) -> tuple[int, ...]:
        """The shape that the value really has."""
        return self.array(value).shape

    def _define(self, value: Value, contents: Contents, depth: int = 0) -> Value:
        self.contents[value] = contents
        self.depth[value] = depth
        self.pool.append(value)
        return value

    # -- dice ------------------------------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choose(self, items: Sequence[Item]) -> Item:
        return self.random.choice(items)

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        return self.random.randrange(limit)

    def between(self, low: int, high: int) -> int:
        """A number from low to high."""
        return self.random.randint(low, high)

    def floats(self, shape: Sequence[int], dtype: DType = DType.FLOAT32, scale: float = 1.0) -> Numbers:
        """Normal numbers, or small multiples of 1/4, on which arithmetic is exact."""
        if self.chance(0.25):
            return np.asarray(self.generator.integers(-8, 9, tuple(shape)) / 4.0 * scale).astype(dtype.numpy)
        return np.asarray(self.generator.standard_normal(tuple(shape)) * scale).astype(dtype.numpy)

    def positive(self, shape: Sequence[int], dtype: DType = DType.FLOAT32) -> Numbers:
        """Numbers from 0.5 to 1.5."""
        return np.asarray(self.generator.uniform(0.5, 1.5, tuple(shape))).astype(dtype.numpy)

    def integers(self, shape: Sequence[int], low: int, high: int, dtype: DType = DType.INT64) -> Numbers:
        """Numbers from low to high - 1."""
        return np.asarray(self.generator.integers(low, max(high, low + 1), tuple(shape))).astype(dtype.numpy)

    def pick(self, accept: Accept) -> Value:
        """A value of the pool, rather a recent one. Raises RejectedError if there is none."""
        fitting = [value for value in reversed(self.pool) if accept(value)]
        if not fitting:
            raise RejectedError("no operand")
        for value in fitting:
            if self.chance(RECENT):
                return value
        return self.choose(fitting)

    def pick_float(self, least: int = 0, most: int = 6, dtype: DType | None = None) -> Value:
        """A float tensor of a rank between bounds, made if there is none."""

        def accept(value: Value) -> bool:
            found = tensor_dtype(value)
            wanted = found in FLOATS if dtype is None else found is dtype
            return wanted and least <= self.array(value).ndim <= most and self.array(value).size > 0

        try:
            return self.pick(accept)
        except RejectedError:
            rank = self.between(least, min(most, least + 2))
            shape = [self.between(1, 5) for _ in range(rank)]
            return self.input(self.floats(shape, dtype or DType.FLOAT32))

    # -- nodes -----------------------------------------------------------------------------------------------------

    def one(self, op: Op, *inputs: Value | None) -> Value:
        """A node with one result."""
        return self.add(op, inputs)[0]

    def add(
        self, op: Op, inputs: Sequence[Value | None], outputs: int = 1, bodies: Sequence[Graph] = ()
    ) -> tuple[Value, ...]:
        """Append a node. Raises RejectedError if it has no meaning on these operands, is unstable or too large."""
        op = with_onnx_floats(op)
        given = list(inputs)
        while given and given[-1] is None:
            given.pop()
        own = tuple(copied(body) for body in bodies)
        results = self._results(op, given, outputs, own)
        values = self.builder.add(op, given, outputs=outputs, bodies=own, name=f"{op.kind}_{self.nodes}")
        depth = 1 + max((self.depth[value] for value in given if value is not None), default=0)
        for value, contents in zip(values, results, strict=True):
            self._define(value, contents, depth)
        self.read.update(value for value in given if value is not None)
        self.nodes += 1
        return values

    def _results(
        self, op: Op, inputs: Sequence[Value | None], outputs: int, bodies: tuple[Graph, ...]
    ) -> tuple[Contents, ...]:
        place = Where("fuzz.onnx", op.kind, op.kind)
        try:
            args = self.builder.infer_args(inputs, bodies, outputs, place)
            types = infer_types(op, args)[:outputs]
            if len(types) < outputs:
                raise RejectedError("fewer results")
            results = tuple(Value(f"r{number}", type) for number, type in enumerate(types))
            node = Node(op, tuple(inputs), results, op.kind, bodies, place)
            operands = [None if value is None else self.contents[value] for value in inputs]
            with np.errstate(all="ignore"):
                found = self.worlds.node(node, operands, [value in self.fixed for value in inputs])
        except (HaloError, UnstableError) as error:
            self.refused[f"{op.kind}: {str(error)[:100]}"] += 1
            raise RejectedError(str(error)) from error
        if any(isinstance(c[0], np.ndarray) and c[0].size > MOST_ELEMENTS for c in found):
            raise RejectedError("too many elements")
        return found


def tensor_dtype(value: Value) -> DType | None:
    """The element type of a tensor, None for other values."""
    return value.type.dtype if isinstance(value.type, TensorType) else None


def dtype_of(value: Value) -> DType:
    """The element type of a tensor. Raises RejectedError for other values."""
    found = tensor_dtype(value)
    if found is None:
        raise RejectedError("not a tensor")
    return found


def is_of(*dtypes: DType) -> Accept:
    """Accepts tensors of these types."""
    return lambda value: tensor_dtype(value) in dtypes


def type_of(contents: RuntimeValue) -> Type:
    """The type of contents that are not an empty sequence."""
    if isinstance(contents, np.ndarray):
        return TensorType(DType.from_numpy(contents.dtype), contents.shape)
    if not contents:
        return OptionalType(SequenceType(TensorType(DType.FLOAT32, None)))
    return SequenceType(type_of(contents[0]))


def with_onnx_floats(op: Op) -> Op:
    """The op with float attributes that ONNX can hold (32 bits), so that a round trip changes nothing."""
    changed: dict[str, Any] = {}
    for name, value in op.attributes().items():
        if isinstance(value, float):
            changed[name] = float(np.float32(value))
        elif isinstance(value, tuple):
            items = cast("tuple[object, ...]", value)
            changed[name] = tuple(float(np.float32(item)) if isinstance(item, float) else item for item in items)
    return dataclasses.replace(op, **changed)
