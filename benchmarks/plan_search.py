"""Search times and quality on the shapes of ResNet-50 and BERT-Base.

    python -m benchmarks.plan_search [--target ipu-1]

Per kernel: candidates looked at, milliseconds for the search and for a choice with real operand homes (one thread,
processor time), the plan found, its share of the matrix unit's peak while the vertices run, and how much slower it is
than the best of all splits (no menu thinned).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from halo_py.ir.space import Axis, Kernel
from halo_py.ops.kernels.contract import ContractOperand, contract_kernel
from halo_py.ops.kernels.convolve import ConvGeometry, conv_kernel
from halo_py.targets import NOMINAL, Chip, load_target, peak_macs_per_cycle
from halo_py.tiling import select
from halo_py.tiling.candidates import all_candidates, candidates
from halo_py.tiling.cost import price_promising, slowest_vertex
from halo_py.tiling.mapping import TileMapping
from halo_py.tiling.plan import KernelPlan
from halo_py.tiling.search import clear_searches, plans
from halo_py.types import DType

HALF = DType.FLOAT16


def conv(images: int, into: int, out: int, field: int, window: int, stride: int = 1, groups: int = 1) -> Kernel:
    """A ResNet convolution: half-precision values and partials, 'same' padding."""
    pad = window // 2
    size = (field + 2 * pad - window) // stride + 1
    geometry = ConvGeometry(
        images, groups, into // groups, out // groups,
        (field,) * 2, (size,) * 2, (window,) * 2, (stride,) * 2, (1, 1), (pad, pad),
    )  # fmt: skip
    return conv_kernel(geometry, (HALF, HALF, HALF), partials_type=HALF)


def matmul(batch: int, rows: int, depth: int, columns: int) -> Kernel:
    """A batched matrix product."""
    axes = (Axis("b", batch), Axis("m", rows), Axis("k", depth, "reduce"), Axis("n", columns))
    left = ContractOperand((batch, rows, depth), (0, 1, 2), HALF)
    right = ContractOperand((batch, depth, columns), (0, 2, 3), HALF)
    return contract_kernel(
        axes, left, right, ContractOperand((batch, rows, columns), (0, 1, 3), HALF), partials_type=HALF
    )


def kernels() -> Iterator[tuple[str, Kernel]]:
    """Names and kernels: ResNet-50 with 4 images, BERT-Base with 16 x 128 tokens."""
    yield "resnet stem 7x7/2", conv(4, 3, 64, 224, 7, 2)
    yield "resnet 1x1 64-64 @56", conv(4, 64, 64, 56, 1)
    yield "resnet 3x3 64-64 @56", conv(4, 64, 64, 56, 3)
    yield "resnet 1x1 64-256 @56", conv(4, 64, 256, 56, 1)
    yield "resnet 1x1/2 256-512 @56", conv(4, 256, 512, 56, 1, 2)
    yield "resnet 3x3 128-128 @28", conv(4, 128, 128, 28, 3)
    yield "resnet 3x3 256-256 @14", conv(4, 256, 256, 14, 3)
    yield "resnet 3x3 512-512 @7", conv(4, 512, 512, 7, 3)
    yield "depthwise 3x3 96 @56", conv(4, 96, 96, 56, 3, groups=96)
    yield "resnet classifier", matmul(1, 4, 2048, 1000)
    yield "bert query 768-768", matmul(1, 2048, 768, 768)
    yield "bert feed-forward 768-3072", matmul(1, 2048, 768, 3072)
    yield "bert scores", matmul(192, 128, 64, 128)
    yield "bert context", matmul(192, 128, 128, 64)


def milliseconds(run: Callable[[], object], before: Callable[[], None], times: int = 3) -> float:
    """Least processor time of a few runs, each after `before`."""
    least = float("inf")
    for _ in range(times):
        before()
        start = time.process_time()
        run()
        least = min(least, time.process_time() - start)
    return least * 1e3


def best_of_all(kernel: Kernel, chip: Chip) -> float:
    """Nominal cycles of the best split when no menu is thinned."""
    ways = all_candidates(kernel, chip.tiles)
    rows, costs = price_promising(kernel, chip, ways, 1.0)
    fits = costs.bytes_always + costs.bytes_temporary <= chip.bytes_per_tile
    rows, costs = rows[fits], costs.take(np.flatnonzero(fits))
    others = (costs.total - costs.vertex)[:, NOMINAL]
    best, order = float("inf"), np.argsort(costs.total[:, NOMINAL])
    for start in range(0, len(order), 64):
        some = order[start : start + 64]
        if costs.total[some[0], NOMINAL] >= best:
            break
        best = min(best, float((slowest_vertex(kernel, chip, ways[rows[some]])[:, NOMINAL] + others[some]).min()))
    return best


def utilisation(kernel: Kernel, plan: KernelPlan, chip: Chip) -> float:
    """Share of the matrix unit's peak, over all tiles of the chip, while the vertices run."""
    peak = peak_macs_per_cycle(chip, kernel.read_types[0].text, kernel.partials_type.text) * chip.tiles
    return kernel.multiply_accumulates() / (peak * float(plan.vertex_cycles[NOMINAL]))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="ipu-1")
    chip = load_target(parser.parse_args().target).chip
    table = Table(title=f"Plan search, {chip.title}")
    for column in ("kernel", "candidates", "search ms", "choose ms", "ways", "cycles", "of peak", "over best"):
        table.add_column(column, justify="left" if column in ("kernel", "ways") else "right")
    for name, kernel in kernels():
        elements = int(np.prod(kernel.reads[0].shape))
        home = TileMapping.linear(elements, 16, chip.tiles, kernel.reads[0].shape[-1])

        def forget() -> None:
            clear_searches()
            select.clear_choices()

        def chosen(kernel: Kernel = kernel, home: TileMapping = home) -> object:
            return select.choose(kernel, (home, None), (False, True), chip, chip.tiles)

        searching = milliseconds(lambda kernel=kernel: plans(kernel, chip, chip.tiles), forget)
        choosing = milliseconds(chosen, forget)
        plan = plans(kernel, chip, chip.tiles)[0]
        ways = " ".join(
            f"{axis.name}{count}" for axis, count in zip(kernel.axes, plan.split.ways, strict=True) if count > 1
        )
        cycles = float(plan.total_cycles[NOMINAL])
        table.add_row(
            name,
            f"{len(candidates(kernel, chip.tiles)):,}",
            f"{searching:.0f}",
            f"{choosing:.0f}",
            ways,
            f"{cycles:,.0f}",
            f"{utilisation(kernel, plan, chip):.0%}",
            f"{cycles / best_of_all(kernel, chip) - 1:.1%}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
