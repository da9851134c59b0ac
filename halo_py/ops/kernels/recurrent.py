"""Vertices of recurrent cells: gates as scalar programs over one time step, and the numbers of the steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from halo_py.ir.space import Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, FillWork, Work
from halo_py.ops.kernels.map import Array, MapCodelet, grain_of
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram
from halo_py.types import DType, TensorType

BATCH = Affine(((1, 1),))
UNIT = Affine(((2, 1),))


def at(index: int) -> Affine:
    """A constant index."""
    return Affine((), index)


def time_step(steps: int, backwards: bool) -> Affine:
    """The index of the iteration's time step."""
    return Affine(((0, -1),), steps - 1) if backwards else Affine(((0, 1),))


@dataclass(frozen=True, slots=True)
class StepRead:
    """An operand of a gate kernel: a local value, the view of it that the kernel sees, and its dimensions."""

    local: int
    shape: tuple[int, ...]
    dims: tuple[AccessDim, ...]
    dtype: DType


def gate_kernel(
    program: ScalarProgram, steps: int, batch: int, hidden: int, reads: Sequence[StepRead], writes: Sequence[StepRead]
) -> Kernel:
    """`program` for every batch element and hidden unit of one iteration; every write gets the same values."""
    dtype = writes[0].dtype
    return Kernel(
        axes=(
            Axis("step", steps, "loop"),
            Axis("batch", batch),
            Axis("unit", hidden, "parallel", grain_of(dtype)),
        ),
        reads=tuple(Access(read.shape, read.dims) for read in reads),
        writes=tuple(Access(write.shape, write.dims) for write in writes),
        read_types=tuple(read.dtype for read in reads),
        write_types=tuple(write.dtype for write in writes),
        codelet=MapCodelet(program),
    )


@dataclass(frozen=True, slots=True)
class StepNumbersCodelet:
    """The index of every element along the only axis."""

    @property
    def name(self) -> str:
        return "iota"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return FillWork(extents[0], kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        return (np.arange(args.low[0], args.high[0]).astype(kernel.write_types[0].numpy),)


def step_numbers_kernel(write: TensorType) -> Kernel:
    """0, 1, 2, ... along a vector."""
    (steps,) = write.static_shape
    access = Access((steps,), (Affine(((0, 1),)),))
    return Kernel((Axis("step", steps),), (), (access,), (), (write.dtype,), StepNumbersCodelet())


@dataclass(frozen=True, slots=True)
class Activation:
    """An activation function of ONNX's recurrent ops with its parameters."""

    name: str
    alpha: float
    beta: float

    def emit(self, build: ProgramBuilder, x: int) -> int:
        """Append the function of `x`; answers the number of its result."""
        match self.name:
            case "affine":
                return build.call("add", build.call("mul", x, self.alpha), self.beta)
            case "scaledtanh":
                return build.call("mul", build.call("tanh", build.call("mul", x, self.beta)), self.alpha)
            case "hardsigmoid":
                return build.call("hard_sigmoid", x, alpha=self.alpha, beta=self.beta)
            case "leakyrelu":
                return build.call("leaky_relu", x, alpha=self.alpha)
            case "thresholdedrelu":
                return build.call("thresholded_relu", x, alpha=self.alpha)
            case "elu":
                return build.call("elu", x, alpha=self.alpha)
            case _:
                return build.call(self.name, x)

    def program(self) -> ScalarProgram:
        """The function as a program of its own (in float32)."""
        build = ProgramBuilder(1, DType.FLOAT32)
        self.emit(build, 0)
        return build.finish(DType.FLOAT32)


_DEFAULTS: dict[str, tuple[float | None, float | None]] = {
    "relu": (None, None),
    "tanh": (None, None),
    "sigmoid": (None, None),
    "softsign": (None, None),
    "softplus": (None, None),
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, None),
    "thresholdedrelu": (1.0, None),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, None),
}
"""Activation names in lower case, with the default of each parameter that the function has."""


def activations_of(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]) -> tuple[Activation, ...]:
    """The named functions; those with parameters take the given ones in order, then their defaults.

    Raises ValueError for an unknown name.
    """
    rest_alpha, rest_beta = list(alphas), list(betas)
    found: list[Activation] = []
    for name in names:
        key = name.lower()
        if key not in _DEFAULTS:
            raise ValueError(f"unknown activation function {name!r}; known: {', '.join(sorted(_DEFAULTS))}")
        alpha, beta = _DEFAULTS[key]
        if alpha is not None and rest_alpha:
            alpha = rest_alpha.pop(0)
        if beta is not None and rest_beta:
            beta = rest_beta.pop(0)
        found.append(Activation(key, alpha or 0.0, beta or 0.0))
    return tuple(found)
