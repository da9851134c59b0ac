"""Optimizers of ONNX's training domain: one step for any number of tensors, each with its gradient and statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.forms import EMPTY, has_no_elements
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, arithmetic_dtype, run_program
from halo_py.types import DType, Type

Numbers = NDArray[Any]

TRAINING_DOMAIN = "ai.onnx.preview.training"

_BEFORE = 2
"""Operands before the tensors: the learning rate R and the number T of steps that were taken."""


@dataclass(frozen=True, slots=True)
class Formula:
    """One result of a step: a scalar program over operands, statistics and earlier results, by their names.

    A `shared` result is a scalar that all tensors read.
    """

    result: str
    operands: tuple[str, ...]
    write: Callable[[ProgramBuilder], int]
    shared: bool = False

    def program(self, dtype: DType) -> ScalarProgram:
        """The formula for tensors of this type; shared results are of the type arithmetic is done in."""
        build = ProgramBuilder(len(self.operands), dtype)
        self.write(build)
        return build.finish(build.dtype if self.shared else dtype)


class _Optimizer(Op):
    """Operands R, T, then every tensor X1..Xn, every gradient G1..Gn, and every statistic of each kind in turn.

    The results are the new tensors, then the new statistics, in the same order.
    """

    norm_coefficient: float

    groups: ClassVar[tuple[str, ...]]
    """Names of the tensors that belong together: X, G and the statistics."""

    def formulas(self) -> Sequence[Formula]:
        """What a step computes, in order. The new value of group N is called N'."""
        raise NotImplementedError

    def _count(self, operands: int) -> int:
        return (operands - _BEFORE) // len(self.groups)

    def _results(self) -> list[str]:
        return [f"{name}'" for name in self.groups if name != "G"]

    def _regularized(self, build: ProgramBuilder, x: int, g: int) -> int:
        """The gradient with that of half the squared norm of X."""
        if self.norm_coefficient == 0.0:
            return g
        return build.call("add", build.call("mul", self.norm_coefficient, x), g)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        rest = len(args) - _BEFORE
        if rest <= 0 or rest % len(self.groups):
            raise args.error(f"after R and T, {' '.join(self.groups)} are needed for every tensor, found {rest}")
        count = self._count(len(args))
        tensors = [args.tensor(_BEFORE + number) for number in range(rest)]
        for number, type in enumerate(tensors):
            first = tensors[number % count]
            if not type.dtype.is_float or type.dtype is not first.dtype:
                raise args.error(f"a tensor, its gradient and its statistics are of one float type, found {type}")
        kept = [index for index, name in enumerate(self.groups) if name != "G"]
        return tuple(tensors[group * count + number] for group in kept for number in range(count))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        count = self._count(len(args))
        made: dict[str, list[Numbers]] = {name: [] for name in self._results()}
        for number in range(count):
            known = {name: args.array(index).reshape(()) for index, name in enumerate("RT")}
            known |= {name: args.array(_BEFORE + group * count + number) for group, name in enumerate(self.groups)}
            dtype = DType.from_numpy(known["X"].dtype)
            for formula in self.formulas():
                known[formula.result] = run_program(formula.program(dtype), [known[name] for name in formula.operands])
            for name, results in made.items():
                results.append(known[name])
        return tuple(array for results in made.values() for array in results)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        phases = Phases()
        locals_ = phases.inputs(args)
        count = self._count(len(locals_))
        shared: dict[tuple[str, DType], int] = {}
        made: dict[str, list[int]] = {name: [] for name in self._results()}
        for number in range(count):
            known = {name: phases.view(locals_[index], ()) for index, name in enumerate("RT")}
            known |= {name: locals_[_BEFORE + group * count + number] for group, name in enumerate(self.groups)}
            dtype, shape = phases.form.type(known["X"]).dtype, phases.shape(known["X"])
            for formula in self.formulas():
                reads = [known[name] for name in formula.operands]
                key = (formula.result, dtype)
                if formula.shared:
                    if key not in shared:
                        shared[key] = phases.map(formula.program(dtype), reads, ())
                    known[formula.result] = shared[key]
                else:
                    known[formula.result] = phases.map(formula.program(dtype), reads, shape)
            for name, results in made.items():
                results.append(known[name])
        return phases.finish(args, *(local for results in made.values() for local in results))

    @classmethod
    def _sample_inputs(cls, *shapes: tuple[int, ...], step: int, dtype: DType = DType.FLOAT32) -> tuple[Numbers, ...]:
        """R, T, and tensors of these shapes; statistics are positive."""
        groups = [
            floats(9 * index + number, *shape, low=-2 if name in "XG" else 0.1, dtype=dtype)
            for index, name in enumerate(cls.groups)
            for number, shape in enumerate(shapes)
        ]
        rate = np.asarray(0.1, arithmetic_dtype(dtype).numpy)
        return (rate, np.asarray(step, np.int64), *groups)


def _number(build: ProgramBuilder, operand: int) -> int:
    """R or T in the type arithmetic is done in."""
    return build.call("cast", operand, to=build.dtype, saturate=1, round_mode="up")


def _after_first(build: ProgramBuilder, step: int) -> int:
    """Whether steps have been taken."""
    return build.call("greater", step, 0.0)


@op("adagrad", onnx="Adagrad", domain=TRAINING_DOMAIN, since=1)
class Adagrad(_Optimizer):
    """A step against the gradient, per element divided by the root of the sum H of all squared gradients.

    Source: J. Duchi et al., 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
    """

    norm_coefficient: float = 0.0
    decay_factor: float = 0.0
    epsilon: float = 9.999999974752427e-07

    groups = ("X", "G", "H")

    def formulas(self) -> Sequence[Formula]:
        return (
            Formula("rate", ("R", "T"), self._rate, shared=True),
            Formula("H'", ("X", "G", "H"), self._squares),
            Formula("X'", ("rate", "X", "G", "H'"), self._moved),
        )

    def _rate(self, build: ProgramBuilder) -> int:
        rate, step = (_number(build, operand) for operand in build.inputs)
        return build.call("div", rate, build.call("add", 1.0, build.call("mul", step, self.decay_factor)))

    def _squares(self, build: ProgramBuilder) -> int:
        x, g, h = build.inputs
        return build.call("add", h, build.call("square", self._regularized(build, x, g)))

    def _moved(self, build: ProgramBuilder) -> int:
        rate, x, g, h = build.inputs
        scale = build.call("add", build.call("sqrt", h), self.epsilon)
        step = build.call("div", build.call("mul", rate, self._regularized(build, x, g)), scale)
        return build.call("sub", x, step)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), cls._sample_inputs((3, 7), step=0), outputs=2)
        everything = cls(norm_coefficient=0.25, decay_factor=0.5, epsilon=1e-3)
        yield Sample(everything, cls._sample_inputs((5,), (2, 3), step=3), outputs=4)
        yield Sample(cls(decay_factor=0.1), cls._sample_inputs((4,), step=2, dtype=DType.FLOAT64), outputs=2)


@op("adam", onnx="Adam", domain=TRAINING_DOMAIN, since=1)
class Adam(_Optimizer):
    """A step along the running mean V of gradients, per element divided by the root of that of their squares, H.

    Source: D. Kingma and J. Ba, 2014, "Adam: A Method for Stochastic Optimization".
    """

    alpha: float = 0.8999999761581421
    beta: float = 0.9990000128746033
    epsilon: float = 9.999999974752427e-07
    norm_coefficient: float = 0.0
    norm_coefficient_post: float = 0.0

    groups = ("X", "G", "V", "H")

    def formulas(self) -> Sequence[Formula]:
        return (
            Formula("rate", ("R", "T"), self._rate, shared=True),
            Formula("V'", ("X", "G", "V"), self._mean),
            Formula("H'", ("X", "G", "H"), self._squares),
            Formula("X'", ("rate", "X", "V'", "H'"), self._moved),
        )

    def _rate(self, build: ProgramBuilder) -> int:
        """The rate, after the first step with what corrects the means for their start at zero."""
        rate, step = (_number(build, operand) for operand in build.inputs)
        squares = build.call("sqrt", build.call("sub", 1.0, build.call("pow", self.beta, step)))
        mean = build.call("sub", 1.0, build.call("pow", self.alpha, step))
        corrected = build.call("div", build.call("mul", rate, squares), mean)
        return build.call("where", _after_first(build, step), corrected, rate)

    def _mean(self, build: ProgramBuilder) -> int:
        x, g, v = build.inputs
        new = build.call("mul", 1.0 - self.alpha, self._regularized(build, x, g))
        return build.call("add", build.call("mul", self.alpha, v), new)

    def _squares(self, build: ProgramBuilder) -> int:
        x, g, h = build.inputs
        new = build.call("mul", 1.0 - self.beta, build.call("square", self._regularized(build, x, g)))
        return build.call("add", build.call("mul", self.beta, h), new)

    def _moved(self, build: ProgramBuilder) -> int:
        rate, x, v, h = build.inputs
        scale = build.call("add", build.call("sqrt", h), self.epsilon)
        moved = build.call("sub", x, build.call("mul", rate, build.call("div", v, scale)))
        if self.norm_coefficient_post == 0.0:
            return moved
        return build.call("mul", 1.0 - self.norm_coefficient_post, moved)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), cls._sample_inputs((3, 7), step=0), outputs=3)
        everything = cls(norm_coefficient=0.25, norm_coefficient_post=0.125, alpha=0.5, beta=0.75, epsilon=1e-3)
        yield Sample(everything, cls._sample_inputs((5,), (2, 3), step=3), outputs=6)
        yield Sample(cls(), cls._sample_inputs((4,), step=2, dtype=DType.FLOAT64), outputs=3)


@op("momentum", onnx="Momentum", domain=TRAINING_DOMAIN, since=1)
class Momentum(_Optimizer):
    """A step along the momentum V, or with mode 'nesterov' along the gradient and the momentum after it."""

    alpha: float
    beta: float
    mode: Literal["standard", "nesterov"]
    norm_coefficient: float

    groups = ("X", "G", "V")

    def formulas(self) -> Sequence[Formula]:
        return (
            Formula("rate", ("R",), lambda build: _number(build, 0), shared=True),
            Formula("weight", ("T",), self._weight, shared=True),
            Formula("V'", ("weight", "X", "G", "V"), self._momentum),
            Formula("X'", ("rate", "X", "G", "V'"), self._nesterov)
            if self.mode == "nesterov"
            else Formula("X'", ("rate", "X", "V'"), self._standard),
        )

    def _weight(self, build: ProgramBuilder) -> int:
        """The gradient's weight, which is 1 in the first step."""
        step = _number(build, build.inputs[0])
        return build.call("where", _after_first(build, step), self.beta, 1.0)

    def _momentum(self, build: ProgramBuilder) -> int:
        weight, x, g, v = build.inputs
        new = build.call("mul", weight, self._regularized(build, x, g))
        return build.call("add", build.call("mul", self.alpha, v), new)

    def _standard(self, build: ProgramBuilder) -> int:
        rate, x, v = build.inputs
        return build.call("sub", x, build.call("mul", rate, v))

    def _nesterov(self, build: ProgramBuilder) -> int:
        rate, x, g, v = build.inputs
        ahead = build.call("add", self._regularized(build, x, g), build.call("mul", self.alpha, v))
        return build.call("sub", x, build.call("mul", rate, ahead))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        modes: tuple[Literal["standard", "nesterov"], ...] = ("standard", "nesterov")
        for step, mode in enumerate(modes):
            plain = cls(0.9, 1.0, mode, 0.0)
            yield Sample(plain, cls._sample_inputs((3, 7), step=step), outputs=2)
            everything = cls(0.5, 0.75, mode, 0.25)
            yield Sample(everything, cls._sample_inputs((5,), (2, 3), step=3), outputs=4)
            yield Sample(everything, cls._sample_inputs((4,), step=0, dtype=DType.FLOAT64), outputs=2)
