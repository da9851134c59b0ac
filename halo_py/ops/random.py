"""Seeded random generators. No pass folds them.

A seed gives the same numbers on every run and device; without one the seed is 0. ONNX leaves the generator open: this
is the one of its reference evaluator, NumPy's legacy generator (MT19937).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.ops.kernels.draw import draw_kernel
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import widen
from halo_py.ops.scalar_functions import compute_dtype
from halo_py.types import DType, TensorType, Type

HOST_DRAWS = "how many random numbers an element takes depends on data"


def generator(seed: float | None) -> np.random.RandomState:
    """NumPy's legacy generator of a seed without its fraction. Seeds that NumPy does not take go by their bits."""
    number = 0.0 if seed is None else seed
    if 0 <= number < 1 << 32:
        return np.random.RandomState(int(number))
    bits = int(np.float64(number).view(np.uint64))
    return np.random.RandomState([bits & 0xFFFFFFFF, bits >> 32])


def _placed(drawn: NDArray[np.float64], dtype: DType, factor: float, offset: float) -> NDArray[np.generic]:
    """Numbers times a factor plus an offset, in the arithmetic of their type."""
    wide = drawn.astype(compute_dtype(dtype))
    return (wide * wide.dtype.type(factor) + wide.dtype.type(offset)).astype(dtype.numpy)


class _Drawn(Op):
    """Draws its result from nothing but a seed."""

    @property
    def work_name(self) -> str:
        """The distribution's name in `RandomWork`."""
        raise NotImplementedError

    def draw(self, shape: tuple[int, ...], dtype: DType) -> NDArray[np.generic]:
        """All numbers of a tensor."""
        raise NotImplementedError

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        out = args.output_types[0]
        return one_kernel(args, draw_kernel(self, out.static_shape, out.dtype), skipped=range(len(args.types)))


@dataclass(frozen=True)
class _Normal(_Drawn):
    mean: float = 0.0
    scale: float = 1.0
    seed: float | None = None

    @property
    def work_name(self) -> str:
        return "normal"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> NDArray[np.generic]:
        """All numbers of a tensor."""
        return _placed(generator(self.seed).standard_normal(shape), dtype, self.scale, self.mean)


@dataclass(frozen=True)
class _Uniform(_Drawn):
    low: float = 0.0
    high: float = 1.0
    seed: float | None = None

    @property
    def work_name(self) -> str:
        return "uniform"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> NDArray[np.generic]:
        """All numbers of a tensor."""
        return _placed(generator(self.seed).random_sample(shape), dtype, self.high - self.low, self.low)


def _checked_float(dtype: DType, args: InferArgs) -> DType:
    if not dtype.is_float:
        raise args.error(f"the result's element type must be float, found {dtype.text}", "set the attribute dtype")
    return dtype


@op("random_normal", onnx="RandomNormal", since=22)
class RandomNormal(_Normal):
    """Normally distributed numbers of the given shape."""

    shape: tuple[int, ...] = ()
    dtype: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(_checked_float(self.dtype, args), self.shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (self.draw(self.shape, self.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(shape=(3, 7), seed=1.5), ())
        yield Sample(cls(shape=(2, 3, 4), mean=2.0, scale=0.5, dtype=DType.FLOAT16, seed=2.0), ())
        yield Sample(cls(shape=(5,), dtype=DType.FLOAT64, seed=7.0), ())


@op("random_uniform", onnx="RandomUniform", since=22)
class RandomUniform(_Uniform):
    """Uniformly distributed numbers of the given shape."""

    shape: tuple[int, ...] = ()
    dtype: DType = DType.FLOAT32

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(_checked_float(self.dtype, args), self.shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (self.draw(self.shape, self.dtype),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(shape=(3, 7), seed=1.5), ())
        yield Sample(cls(shape=(2, 3, 4), low=-2.0, high=5.0, dtype=DType.FLOAT16, seed=2.0), ())
        yield Sample(cls(shape=(5,), dtype=DType.FLOAT64, seed=7.0), ())


class _Like:
    """Shape and, unless given, element type are those of operand 0."""

    dtype: DType | None

    def _type(self, args: InferArgs) -> TensorType:
        return TensorType(_checked_float(self.dtype or args.dtype(0), args), args.shape(0))

    def _kind(self, array: NDArray[np.generic]) -> DType:
        return self.dtype or DType.from_numpy(array.dtype)


@op("random_normal_like", onnx="RandomNormalLike", since=22)
class RandomNormalLike(_Normal, _Like):
    """Normally distributed numbers in the shape of the operand."""

    dtype: DType | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (self._type(args),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        return (self.draw(array.shape, self._kind(array)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(dtype=DType.FLOAT32, scale=2.0), (np.zeros((5,), np.int64),))
        yield Sample(cls(seed=1.5), (floats(0, 3, 7),))
        yield Sample(cls(dtype=DType.FLOAT16, mean=1.0, seed=3.0), (floats(1, 2, 3, 4),))


@op("random_uniform_like", onnx="RandomUniformLike", since=22)
class RandomUniformLike(_Uniform, _Like):
    """Uniformly distributed numbers in the shape of the operand."""

    dtype: DType | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (self._type(args),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        return (self.draw(array.shape, self._kind(array)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(dtype=DType.FLOAT32, high=9.0), (np.zeros((5,), np.int64),))
        yield Sample(cls(seed=1.5), (floats(0, 3, 7),))
        yield Sample(cls(dtype=DType.FLOAT16, low=-1.0, seed=4.0), (floats(1, 2, 3, 4),))


@op("bernoulli", onnx="Bernoulli", since=22, host_only=HOST_DRAWS)
class Bernoulli(Op):
    """1 with the probability that the operand's element gives, else 0."""

    dtype: DType | None = None
    seed: float | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        _checked_float(args.dtype(0), args)
        return (TensorType(self.dtype or args.dtype(0), args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        probability = args.array(0)
        chances = np.nan_to_num(np.clip(widen(probability).astype(np.float64), 0, 1))
        drawn = generator(self.seed).binomial(1, chances)
        return (np.asarray(drawn).astype((self.dtype or DType.from_numpy(probability.dtype)).numpy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(seed=2.0), (floats(0, 3, 7, low=0, high=1),))
        yield Sample(cls(dtype=DType.BOOL, seed=0.0), (floats(1, 2, 3, 4, low=0, high=1),))
        yield Sample(cls(dtype=DType.INT32), (np.asarray([0.0, 1.0, 0.0], np.float16),))


@op("multinomial", onnx="Multinomial", since=22, host_only=HOST_DRAWS)
class Multinomial(Op):
    """`sample_size` classes per row, drawn with the unnormalised log probabilities [batch, classes]."""

    dtype: DType = DType.INT32
    sample_size: int = 1
    seed: float | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (TensorType(self.dtype),)
        if len(shape) != 2:
            raise args.error(f"the operand must be [batch, classes], found {args.tensor(0)}")
        return (TensorType(self.dtype, (shape[0], self.sample_size)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        logits = widen(args.array(0)).astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        cumulative = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
        cumulative[:, -1] = 1.0
        drawn = generator(self.seed).random_sample((logits.shape[0], self.sample_size))
        found = (drawn[:, :, None] >= cumulative[:, None, :]).sum(axis=2)
        return (np.asarray(found).astype(self.dtype.numpy),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(sample_size=5, seed=2.0), (floats(0, 3, 7),))
        yield Sample(cls(dtype=DType.INT64), (floats(1, 2, 4),))
        yield Sample(cls(sample_size=3), (floats(2, 1, 6, dtype=DType.FLOAT16),))
