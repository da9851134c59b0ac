"""Activation functions: element-wise functions of one operand, with parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from halo_py.ir.op import InferArgs, Sample, op
from halo_py.ops.sampling import floats, integers
from halo_py.ops.scalar_op import Elementwise
from halo_py.types import DType, Type


class Activation(Elementwise):
    """Sampled on both sides of its kinks."""

    sample_range = (-4.0, 4.0)


@op("relu", onnx="Relu", since=14, odla="odla_Relu")
class Relu(Activation):
    """max(x, 0)."""

    accepts = "signed"


@op("leaky_relu", onnx="LeakyRelu", since=16, odla="odla_LeakyRelu")
class LeakyRelu(Activation):
    """x, or alpha x where x is negative."""

    alpha: float = 0.01

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=0.2))


@op("elu", onnx="Elu", since=22, odla="odla_Elu")
class Elu(Activation):
    """x, or alpha (exp(x) - 1) where x is negative."""

    alpha: float = 1.0

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=0.5))


@op("celu", onnx="Celu", since=28, odla="odla_Celu")
class Celu(Activation):
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1))."""

    alpha: float = 1.0

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=2.0))


@op("selu", onnx="Selu", since=22, odla="odla_Selu")
class Selu(Activation):
    """gamma x, or gamma alpha (exp(x) - 1) where x is not positive."""

    alpha: float = 1.6732631921768188
    gamma: float = 1.0507010221481323

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=2.0, gamma=3.0))


@op("sigmoid", onnx="Sigmoid", since=13, odla="odla_Sigmoid")
class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""


@op("hard_sigmoid", onnx="HardSigmoid", since=22, odla="odla_HardSigmoid")
class HardSigmoid(Activation):
    """alpha x + beta, limited to [0, 1]."""

    alpha: float = 0.2
    beta: float = 0.5

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=0.5, beta=0.6))


@op("hard_swish", onnx="HardSwish", since=22)
class HardSwish(Activation):
    """x max(0, min(1, x / 6 + 1 / 2))."""


@op("swish", onnx="Swish", since=24)
class Swish(Activation):
    """x sigmoid(alpha x)."""

    alpha: float = 1.0

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=1.702))


@op("softplus", onnx="Softplus", since=22, odla="odla_Softplus")
class Softplus(Activation):
    """log(1 + exp(x))."""


@op("softsign", onnx="Softsign", since=22, odla="odla_Softsign")
class Softsign(Activation):
    """x / (1 + |x|)."""


@op("mish", onnx="Mish", since=22)
class Mish(Activation):
    """x tanh(softplus(x))."""


@op("gelu", onnx="Gelu", since=20, odla="odla_Gelu")
class Gelu(Activation):
    """x times the normal distribution function at x, or its tanh approximation."""

    approximate: Literal["none", "tanh"] = "none"

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(approximate="tanh"))


@op("thresholded_relu", onnx="ThresholdedRelu", since=22, odla="odla_ThresholdedRelu")
class ThresholdedRelu(Activation):
    """x where it is above alpha, else 0."""

    alpha: float = 1.0

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(alpha=0.5))


@op("shrink", onnx="Shrink", since=9, odla="odla_Shrink")
class Shrink(Activation):
    """x + bias below -lambd, x - bias above lambd, else 0."""

    accepts = "numeric"

    bias: float = 0.0
    lambd: float = 0.5

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        return (cls(), cls(bias=0.25, lambd=1.5))


@op("prelu", onnx="PRelu", since=16, odla="odla_PRelu")
class PRelu(Activation):
    """x, or slope x where x is negative; the slope broadcasts to x."""

    accepts = "numeric"
    arity = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 7)))
        yield Sample(cls(), (floats(2, 2, 3, 4, 5), floats(3, 3, 1, 1)))
        half = DType.FLOAT16
        yield Sample(cls(), (floats(4, 2, 3, 5, dtype=half), floats(5, 1, dtype=half)))
        yield Sample(cls(), (integers(6, 4, 5), integers(7, 5, low=2, high=4)))


@op("swiglu", onnx="SwiGLU", since=28)
class SwiGLU(Activation):
    """a sigmoid(alpha a) b: a gate times a value of the same shape."""

    arity = 2

    alpha: float = 1.0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        gate, value = args.shape(0), args.shape(1)
        if gate is not None and value is not None and gate != value:
            raise args.error(f"the operands must have one shape, found {args.tensor(0)} and {args.tensor(1)}")
        return super().infer(args)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 3, 7)))
        yield Sample(cls(alpha=1.7), (floats(2, 2, 3, 5), floats(3, 2, 3, 5)))
        half = DType.FLOAT16
        yield Sample(cls(), (floats(4, 9, dtype=half), floats(5, 9, dtype=half)))
