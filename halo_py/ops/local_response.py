"""Local response normalisation."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.kernels.lrn import channel_window_kernel, window_sums
from halo_py.ops.phases import check_float, start_phases
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, widen
from halo_py.types import DType, Type


@op("lrn", onnx="LRN", since=13, odla="odla_LRN")
class LRN(Op):
    """Local response normalisation: x / (bias + alpha / size · sum of squares of neighbouring channels) ^ beta."""

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if self.size < 1:
            raise args.error(f"a window of {self.size} channels: it has at least one")
        return (check_float(args, 2),)

    def window(self, channels: int) -> int:
        """The window's size as far as it matters: from any channel, 2·channels - 1 reach all of them."""
        return min(self.size, max(1, 2 * channels - 1))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        x = widen(array)
        window = self.window(x.shape[1])
        below = (window - 1) // 2
        margins = [(0, 0), (below, window - 1 - below), *[(0, 0)] * (x.ndim - 2)]
        sums = window_sums(np.pad(np.square(x), margins), window)
        y = x / np.power(self.bias + self.alpha / self.size * sums, np.asarray(self.beta, x.dtype))
        return (np.asarray(y).astype(array.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        started = start_phases(args)
        if isinstance(started, Refusal):
            return started
        phases, (x,) = started
        type = args.tensor(0)
        batch, channels, *field = type.static_shape
        flat = phases.view(x, (batch, channels, prod(field)))
        kernel = channel_window_kernel(phases.form.type(flat), self.window(channels))
        wide = kernel.write_types[0]
        sums = phases.form.value(wide, phases.shape(flat))
        phases.form.call(kernel, (flat,), (sums,))
        build = ProgramBuilder(2, wide)
        base = build.call("add", build.call("mul", 1, self.alpha / self.size), float(self.bias))
        build.call("div", 0, build.call("pow", base, float(self.beta)))
        return phases.finish(args, phases.map(build.finish(type.dtype), [flat, sums], phases.shape(flat)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(5), (floats(0, 2, 7, 3, 4, low=-9, high=9),))
        yield Sample(cls(4, alpha=0.5, beta=0.5, bias=2.0), (floats(1, 1, 9, 3, 2),))
        yield Sample(cls(3, alpha=0.01), (floats(2, 2, 6, 5, 1, dtype=DType.FLOAT16),))
        yield Sample(cls(9), (floats(3, 2, 4, 3, 3, low=-9, high=9),))
        yield Sample(cls(2**40), (floats(4, 1, 3, 2, 2),))
