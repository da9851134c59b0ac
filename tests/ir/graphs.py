"""Random graphs over the samples of every registered op, for property tests."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import halo_py.ops
from halo_py.errors import Where
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Graph, Value
from halo_py.ir.op import REGISTRY, RuntimeValue, Sample
from halo_py.passes.replay import copied
from halo_py.types import DType, SequenceType, TensorType, Type, symbol


@cache
def samples() -> tuple[Sample, ...]:
    """Every sample of every op, in a fixed order."""
    for module in pkgutil.iter_modules(halo_py.ops.__path__):
        importlib.import_module(f"halo_py.ops.{module.name}")
    return tuple(sample for name in sorted(REGISTRY.by_name) for sample in REGISTRY.by_name[name].samples())


def type_of(contents: RuntimeValue) -> Type:
    """The type of a sample's operand."""
    if isinstance(contents, np.ndarray):
        return TensorType(DType.from_numpy(contents.dtype), tuple(contents.shape))
    assert isinstance(contents, list)
    return SequenceType(type_of(contents[0]))


def add_sample(
    builder: GraphBuilder,
    sample: Sample,
    available: Sequence[Value],
    name: str,
    inputs: dict[Value, RuntimeValue],
) -> tuple[Value, ...]:
    """One node made of a sample; operands of a fitting type come from `available`, others are inputs or constants.

    Contents of new inputs are added to `inputs`.
    """
    operands: list[Value | None] = []
    for index, given in enumerate(sample.inputs):
        contents = np.asarray(given) if isinstance(given, np.generic) else given
        declared = sample.input_types[index] if sample.input_types else None
        if contents is None and declared is None:
            operands.append(None)
            continue
        type = declared or type_of(contents)
        fitting = [value for value in available if value.type == type]
        if isinstance(contents, np.ndarray) and (index in sample.constant or (not fitting and index % 2)):
            operands.append(builder.constant(contents, f"{name}.{index}"))
        else:
            value = fitting[-1] if fitting else builder.input(f"{name}/in {index}", type)
            operands.append(value)
            inputs.setdefault(value, contents)
    return builder.add(sample.op, operands, outputs=sample.outputs, name=name, bodies=tuple(map(copied, sample.bodies)))


@dataclass(frozen=True)
class Case:
    """A graph and contents for its inputs."""

    graph: Graph
    inputs: list[RuntimeValue]


def is_narrow(sample: Sample) -> bool:
    """Whether an operand is a float of fewer than 32 bits."""
    arrays = [contents for contents in sample.inputs if isinstance(contents, np.ndarray)]
    return any(DType.from_numpy(array.dtype).is_float and array.dtype.itemsize < 4 for array in arrays)


@st.composite
def cases(draw: st.DrawFn, *, narrow: bool = True, most: int = 8) -> Case:
    """A graph of one to eight nodes made of samples, which read each other's results where types allow it.

    Without `narrow` there are no floats of fewer than 32 bits.
    """
    builder = GraphBuilder("random", "model.onnx")
    available: list[Value] = []
    contents: dict[Value, RuntimeValue] = {}
    pool = [sample for sample in samples() if narrow or not is_narrow(sample)]
    chosen = draw(st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=most))
    for position, number in enumerate(chosen):
        available.extend(add_sample(builder, pool[number], available, f"n{position}", contents))
    outputs = draw(st.lists(st.sampled_from(available), min_size=1, max_size=3, unique=True))
    graph = builder.finish(outputs, [f"out/{number}" for number in range(len(outputs))])
    return Case(graph, [contents[value] for value in graph.inputs])


def graphs() -> st.SearchStrategy[Graph]:
    """The graphs of `cases`."""
    return cases().map(lambda case: case.graph)


def weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Seeded normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def every_kind_of_thing() -> Graph:
    """A graph with symbols, odd names, places, strings, states and narrow types."""
    samples()
    builder = GraphBuilder('odd "name"', "model.onnx")
    x = builder.input("x", TensorType(DType.FLOAT32, (symbol("batch size"), 4, symbol("N"))))
    unranked = builder.input("unranked", TensorType(DType.FLOAT32, None))
    state = builder.input("state:0", TensorType(DType.FLOAT32, (4, 1)))
    big = builder.constant(weights(4, 100), "w::big")
    builder.constant(np.array(['a"b', "ü\n"], dtype=object), "words")
    scale = builder.constant(np.asarray(0.1, np.float32), "scale")
    add, mul, abs_ = (REGISTRY.by_name[name]() for name in ("add", "mul", "abs"))
    (sum_,) = builder.add(add, (x, state), name="Add_1", where=Where("other.onnx", "a", None, ("b", "c d")))
    (updated,) = builder.add(mul, (state, scale), name="Mul 2")
    (other,) = builder.add(mul, (builder.add(abs_, (unranked,))[0], big))
    builder.update_state(state, updated)
    return builder.finish([sum_, other, x], ["y", "other", "x again"])
