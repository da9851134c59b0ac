"""Kernels that the tiling tests plan: written out by hand, so that they depend on no op family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from halo_py.ir.space import WHOLE, Access, AccessDim, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import ContractionWork, Count, GatherWork, MapWork, ReduceWork, WindowWork, Work
from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.ir.space import Array


@dataclass(frozen=True, slots=True)
class Costs:
    """A codelet that is only priced: `kind` says by which work, `roles` which axes are its counts."""

    kind: str
    roles: tuple[tuple[int, ...], ...]

    @property
    def name(self) -> str:
        return self.kind

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        counts: list[Count] = []
        for axes in self.roles:
            count: Count = 1
            for axis in axes:
                count = count * extents[axis]
            counts.append(count)
        dtype = kernel.read_types[0].text
        match self.kind:
            case "matmul":
                return ContractionWork(counts[0], 1, counts[1], counts[2], counts[3], input_type=dtype,
                                       partials_type=kernel.partials_type.text)  # fmt: skip
            case "conv":
                return ContractionWork(1, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5],
                                       input_type=dtype, partials_type=kernel.partials_type.text)  # fmt: skip
            case "map":
                return MapWork(counts[0], ("add", "relu"), dtype)
            case "reduce":
                return ReduceWork(counts[0], counts[1], "add", dtype, kernel.write_types[0].text)
            case "window":
                return WindowWork(counts[0], counts[1], counts[2], counts[3], "max", dtype)
            case _:
                return GatherWork(counts[0], counts[1], counts[0], dtype)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        raise NotImplementedError


def plain(shape: tuple[int, ...], *axes: int) -> Access:
    return Access(shape, tuple(Affine(((axis, 1),)) for axis in axes))


def matmul(batch: int, rows: int, depth: int, columns: int, dtype: DType = DType.FLOAT16) -> Kernel:
    axes = (Axis("b", batch), Axis("m", rows), Axis("k", depth, "reduce"), Axis("n", columns))
    return Kernel(
        axes,
        (plain((batch, rows, depth), 0, 1, 2), plain((batch, depth, columns), 0, 2, 3)),
        (plain((batch, rows, columns), 0, 1, 3),),
        (dtype, dtype),
        (dtype,),
        Costs("matmul", ((0,), (1,), (2,), (3,))),
        "add",
        dtype if dtype is DType.FLOAT16 else DType.FLOAT32,
    )


def conv(images: int, into: int, out: int, field: int, window: int, stride: int = 1, pad: int = 0) -> Kernel:
    size = (field + 2 * pad - window) // stride + 1
    axes = (
        Axis("n", images), Axis("oc", out), Axis("oh", size), Axis("ow", size),
        Axis("ic", into, "reduce"), Axis("kh", window, "reduce"), Axis("kw", window, "reduce"),
    )  # fmt: skip
    over = [Affine(((2 + d, stride), (5 + d, 1)), -pad) for d in range(2)]
    dims: tuple[AccessDim, ...] = (Affine(((0, 1),)), Affine(((4, 1),)), *over)
    return Kernel(
        axes,
        (Access((images, into, field, field), dims), plain((out, into, window, window), 1, 4, 5, 6)),
        (plain((images, out, size, size), 0, 1, 2, 3),),
        (DType.FLOAT16, DType.FLOAT16),
        (DType.FLOAT16,),
        Costs("conv", ((0, 2), (3,), (4,), (1,), (5,), (6,))),
        "add",
        DType.FLOAT16,
    )


def elementwise(*shape: int, dtype: DType = DType.FLOAT16, operands: int = 2) -> Kernel:
    axes = tuple(Axis(f"d{d}", extent) for d, extent in enumerate(shape))
    access = plain(shape, *range(len(shape)))
    return Kernel(
        axes, (access,) * operands, (access,), (dtype,) * operands, (dtype,),
        Costs("map", (tuple(range(len(shape))),)),
    )  # fmt: skip


def bias_add(rows: int, columns: int, dtype: DType = DType.FLOAT16) -> Kernel:
    return Kernel(
        (Axis("r", rows), Axis("c", columns)),
        (plain((rows, columns), 0, 1), plain((columns,), 1)),
        (plain((rows, columns), 0, 1),),
        (dtype, dtype), (dtype,), Costs("map", ((0, 1),)),
    )  # fmt: skip


def reduction(rows: int, columns: int, dtype: DType = DType.FLOAT16) -> Kernel:
    return Kernel(
        (Axis("r", rows), Axis("c", columns, "reduce")),
        (plain((rows, columns), 0, 1),), (plain((rows,), 0),),
        (dtype,), (DType.FLOAT32,), Costs("reduce", ((0,), (1,))), "add", DType.FLOAT32,
    )  # fmt: skip


def softmax_row(rows: int, columns: int) -> Kernel:
    """A map that needs its last dimension whole."""
    return Kernel(
        (Axis("r", rows), Axis("c", columns, "whole")),
        (Access((rows, columns), (Affine(((0, 1),)), WHOLE)),), (plain((rows, columns), 0, 1),),
        (DType.FLOAT16,), (DType.FLOAT16,), Costs("map", ((0, 1),)),
    )  # fmt: skip


def pool(images: int, channels: int, field: int, window: int, stride: int) -> Kernel:
    size = (field - window) // stride + 1
    over = [Affine(((2 + d, stride), (4 + d, 1))) for d in range(2)]
    return Kernel(
        (Axis("n", images), Axis("c", channels), Axis("oh", size), Axis("ow", size),
         Axis("kh", window, "whole"), Axis("kw", window, "whole")),
        (Access((images, channels, field, field), (Affine(((0, 1),)), Affine(((1, 1),)), *over)),),
        (plain((images, channels, size, size), 0, 1, 2, 3),),
        (DType.FLOAT16,), (DType.FLOAT16,), Costs("window", ((0, 2), (3,), (1,), (4, 5))),
    )  # fmt: skip


def gather(rows: int, width: int, lookups: int) -> Kernel:
    return Kernel(
        (Axis("i", lookups), Axis("row", rows, "reduce"), Axis("w", width)),
        (plain((rows, width), 1, 2), plain((lookups,), 0)), (plain((lookups, width), 0, 2),),
        (DType.FLOAT16, DType.INT32), (DType.FLOAT16,), Costs("gather", ((0,), (2,))), "add", DType.FLOAT16,
    )  # fmt: skip
