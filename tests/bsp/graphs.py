"""Small graphs to lower, and small machines to lower them for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from halo_py.bsp.lower import LoweringCache, lower_stage
from halo_py.bsp.options import LoweringOptions
from halo_py.bsp.program import StageProgram
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ops import load_ops
from halo_py.ops.contraction import MatMul
from halo_py.ops.elementwise import Add, Mul, Tanh
from halo_py.targets import Chip, load_target
from halo_py.types import DType, TensorType
from tests.bsp.planner import LongestFirst

load_ops()

TINY: Chip = load_target("ipu-tiny").chip


def weights(*shape: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Seeded float32 contents."""
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def layers(count: int = 3, rows: int = 32, width: int = 64) -> Graph:
    """`count` equal layers x -> tanh(x W + b) + x."""
    builder = GraphBuilder("layers")
    x = builder.input("x", TensorType(DType.FLOAT32, (rows, width)))
    for number in range(count):
        w = builder.constant(weights(width, width, seed=number), f"w{number}")
        b = builder.constant(weights(width, seed=100 + number), f"b{number}")
        (y,) = builder.add(MatMul(), [x, w], name=f"matmul{number}")
        (y,) = builder.add(Add(), [y, b], name=f"bias{number}")
        (y,) = builder.add(Tanh(), [y], name=f"tanh{number}")
        (x,) = builder.add(Add(), [y, x], name=f"residual{number}")
    return builder.finish([x])


def branches(count: int = 3, rows: int = 32, width: int = 64) -> Graph:
    """`count` independent projections of one input, multiplied together."""
    builder = GraphBuilder("branches")
    x = builder.input("x", TensorType(DType.FLOAT32, (rows, width)))
    made: list[Value] = []
    for number in range(count):
        w = builder.constant(weights(width, width, seed=number), f"w{number}")
        made.extend(builder.add(MatMul(), [x, w], name=f"matmul{number}"))
    total = made[0]
    for number, other in enumerate(made[1:]):
        (total,) = builder.add(Mul(), [total, other], name=f"mul{number}")
    return builder.finish([total])


@dataclass(frozen=True)
class Lowered:
    """A graph lowered for ipu-tiny, with what the cache knows about its templates."""

    graph: Graph
    stage: StageProgram
    cache: LoweringCache


def lowered(
    graph: Graph, *, reduces: bool = False, share: bool = True, searched: bool = False, chip: Chip = TINY
) -> Lowered:
    """Lowered with the simple planner, or with the search."""
    options = LoweringOptions(tiles=chip.tiles, share_supersteps=share)
    cache = LoweringCache()
    if not searched:
        cache.pricing(chip, options).chooser = LongestFirst(chip.tiles, reduces)
    return Lowered(graph, lower_stage(graph, chip, options, cache), cache)
