"""RotaryEmbedding."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.attention import split_heads
from halo_py.ops.contraction import widened
from halo_py.ops.forms import EMPTY
from halo_py.ops.kernels.attend import rotary_kernel
from halo_py.ops.kernels.copy import assemble_kernel, slice_kernel
from halo_py.ops.kernels.gather import gather_kernel
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats
from halo_py.types import Type


@op("rotary_embedding", onnx="RotaryEmbedding", since=23)
class RotaryEmbedding(Op):
    """Pairs of each head's vector turned by an angle that depends on the position (J. Su et al., 2021, "RoFormer").

    Operands: X, cosines, sines (by batch and step, or a table that operand 3 indexes), position numbers.
    """

    interleaved: int = 0
    num_heads: int | None = None
    rotary_embedding_dim: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x_in, ids = args.array(0), args.optional(3)
        x = split_heads(widened(x_in), self.num_heads)
        size = self.rotary_embedding_dim or x.shape[3]
        cos, sin = (widened(args.array(number)) for number in (1, 2))
        if ids is not None:
            cos, sin = (np.take(table, ids.astype(np.int64), axis=0) for table in (cos, sin))
        cos, sin = cos[:, np.newaxis], sin[:, np.newaxis]
        made = x.copy()
        first = slice(0, size, 2) if self.interleaved else slice(0, size // 2)
        second = slice(1, size, 2) if self.interleaved else slice(size // 2, size)
        a, b = x[..., first], x[..., second]
        made[..., first], made[..., second] = cos * a - sin * b, sin * a + cos * b
        if x_in.ndim == 3:
            made = made.swapaxes(1, 2).reshape(x_in.shape)
        return (made.astype(x_in.dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if any(type is not None and type.elements == 0 for type in args.types):
            return EMPTY
        phases = Phases()
        form = phases.form
        x, cos, sin, ids = (*phases.inputs(args), -1)[:4]
        type = args.tensor(0)
        shape = type.static_shape
        flat = len(shape) == 3
        heads = (self.num_heads or 1) if flat else shape[1]
        lead = (shape[0], shape[1], heads) if flat else shape[:3]
        full = shape[2] // heads if flat else shape[3]
        size = self.rotary_embedding_dim or full
        if ids >= 0:
            cos, sin = (_looked_up(phases, table, ids) for table in (cos, sin))
        source = x
        if size < full:
            source = form.value(type.dtype, (*lead, size))
            form.call(slice_kernel((*lead, full), (0,) * 4, (1,) * 4, (*lead, size), type.dtype), (x,), (source,))
        pair = (3, 4) if self.interleaved else (4, 3)
        parts = (size // 2, 2) if self.interleaved else (2, size // 2)
        order = (0, 2, 1) if flat else (0, 1, 2)
        made = form.value(type.dtype, (*lead, size))
        form.call(rotary_kernel((*lead, *parts), (*order, *pair), type.dtype), (source, cos, sin), (made,))
        if size < full:
            rest = form.value(type.dtype, (*lead, full - size))
            start = (0, 0, 0, size)
            form.call(slice_kernel((*lead, full), start, (1,) * 4, (*lead, full - size), type.dtype), (x,), (rest,))
            joined = form.value(type.dtype, (*lead, full))
            pieces = (((*lead, size), (0, 0, 0, 0)), ((*lead, full - size), start))
            form.call(assemble_kernel((*lead, full), pieces, type.dtype), (made, rest), (joined,))
            made = joined
        return phases.finish(args, made)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        x = floats(1, 2, 3, 4, 8)
        cos, sin = floats(2, 2, 4, 4, low=-1, high=1), floats(3, 2, 4, 4, low=-1, high=1)
        yield Sample(cls(), (x, cos, sin))
        yield Sample(cls(interleaved=1), (x, cos, sin))
        table = (floats(4, 10, 4, low=-1, high=1), floats(5, 10, 4, low=-1, high=1))
        ids = np.asarray([[0, 1, 2, 3], [9, 4, 4, 5]], np.int64)
        yield Sample(cls(num_heads=3), (floats(6, 2, 4, 24), *table, ids))
        partial = (floats(7, 10, 2, low=-1, high=1), floats(8, 10, 2, low=-1, high=1))
        yield Sample(cls(rotary_embedding_dim=4), (x, *partial, ids))
        yield Sample(cls(interleaved=1, rotary_embedding_dim=4, num_heads=3), (floats(9, 2, 4, 24), *partial, ids))


def _looked_up(phases: Phases, table: int, ids: int) -> int:
    """Rows of a table of cosines or sines by position number."""
    form = phases.form
    source, index = form.type(table), form.type(ids)
    made = form.value(source.dtype, (*index.static_shape, source.static_shape[1]))
    kernel = gather_kernel(source.static_shape, index.static_shape, 0, source.dtype, index.dtype)
    form.call(kernel, (table, ids), (made,))
    return made
