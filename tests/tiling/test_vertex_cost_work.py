"""What holds for every kind of work on every built-in chip: scenarios, vectors, empty boxes, growth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halo_py.errors import TargetError
from halo_py.ir.work import (
    ContractionWork,
    CopyWork,
    Count,
    FillWork,
    FourierWork,
    GatherWork,
    MapWork,
    PartialsWork,
    RandomWork,
    ReduceWork,
    SerialWork,
    SortWork,
    SumWork,
    WindowWork,
    Work,
)
from halo_py.targets import Chip, load_chip, load_target, peak_macs_per_cycle
from halo_py.tiling.vertex_cost import channel_grains, cost_model, cycles, register_cost_model, variant
from halo_py.tiling.vertex_cost.counts import counts, slowest_and_fastest_worker, slowest_linear_worker
from halo_py.tiling.vertex_cost.functions import COMPOSED, FUNCTIONS

CHIPS = ("gc2", "gc200", "bow", "c600")
TYPES = ("float32", "float16", "bfloat16", "float8e4m3fn", "int8", "int32", "int64", "float64", "bool")


def chip(name: str = "gc200") -> Chip:
    return load_chip(name)


def drawn_counts(rng: np.random.Generator, names: tuple[str, ...], size: int, most: int = 40) -> dict[str, Any]:
    return {name: rng.integers(1, most, size) for name in names}


MATMUL = ("groups", "row_width", "in_channels", "out_channels")
CONVOLUTION = ("groups", "rows", "row_width", "in_channels", "out_channels", "kernel_height", "kernel_width")


def works(rng: np.random.Generator, size: int, kind: str) -> list[Work]:
    """One of every kind of work with random counts."""

    def drawn(*names: str) -> dict[str, Any]:
        return drawn_counts(rng, names, size)

    return [
        ContractionWork(**drawn(*MATMUL), rows=1, input_type=kind, partials_type="float32"),
        ContractionWork(**drawn(*MATMUL), rows=1, input_type=kind, partials_type="float16", accumulates=True),
        ContractionWork(**drawn(*CONVOLUTION), stride_width=2, input_type=kind, partials_type="float16"),
        ContractionWork(**drawn(*CONVOLUTION[:3]), in_channels=1, out_channels=1, kernel_width=3, input_type=kind),
        MapWork(**drawn("elements"), functions=("add", "gelu_erf", "pow"), element_type=kind),
        MapWork(**drawn("elements"), functions=("add", "relu"), element_type=kind, fused=True),
        MapWork(**drawn("elements", "inner"), functions=("mul",), element_type=kind, broadcast="inner"),
        MapWork(**drawn("elements", "inner"), functions=("sub",), element_type=kind, broadcast="outer"),
        MapWork(**drawn("elements"), functions=("max",), element_type=kind, broadcast="scalar"),
        MapWork(**drawn("elements"), functions=("cast",), element_type=kind, output_type="float16"),
        ReduceWork(**drawn("outputs", "depth"), input_type=kind, output_type=kind),
        ReduceWork(**drawn("outputs", "depth"), function="max", input_type=kind, contiguous=False),
        ReduceWork(**drawn("outputs", "depth"), function="argmax", input_type=kind),
        PartialsWork(**drawn("outputs", "depth"), partials_type=kind, output_type="float16"),
        WindowWork(**drawn("rows", "row_width", "channels", "kernel_positions"), element_type=kind),
        GatherWork(**drawn("lookups", "row_elements", "in_range"), element_type=kind),
        GatherWork(**drawn("lookups", "row_elements", "in_range"), element_type=kind, update=True),
        CopyWork(**drawn("elements", "run"), element_type=kind),
        CopyWork(**drawn("elements"), element_type=kind, transposes=True),
        FillWork(**drawn("elements"), element_type=kind),
        SortWork(**drawn("rows", "length", "kept"), element_type=kind),
        SerialWork(**drawn("rows", "steps"), element_type=kind),
        RandomWork(**drawn("elements"), distribution="normal", element_type=kind),
        FourierWork(**drawn("lines"), length=60, element_type=kind),
        FourierWork(**drawn("lines"), length=1021, real=True, element_type=kind),
        SumWork((FillWork(**drawn("elements")), CopyWork(**drawn("elements")))),
    ]


def at(work: Work, index: int) -> Work:
    """The work of one box out of many."""
    if isinstance(work, SumWork):
        return SumWork(tuple(at(part, index) for part in work.parts))
    values = {f.name: getattr(work, f.name) for f in fields(work)}
    single = {name: int(value[index]) for name, value in values.items() if isinstance(value, np.ndarray)}
    return cast("Work", replace(work, **single))


@pytest.mark.parametrize("chip_name", CHIPS)
@pytest.mark.parametrize("kind", TYPES)
def test_scenarios_rise_and_vectors_equal_single_boxes(chip_name: str, kind: str) -> None:
    rng = np.random.default_rng(7)
    target = chip(chip_name)
    for work in works(rng, 5, kind):
        total = cycles(work, target)
        assert total.shape == (5, 3)
        assert np.isfinite(total).all()
        assert (total >= 0).all()
        assert (np.diff(total, axis=-1) >= 0).all(), work
        assert (variant(work, target) != "").all()
        single = np.stack([cycles(at(work, index), target) for index in range(5)])
        np.testing.assert_array_equal(total, single)


def test_many_candidates_equal_few() -> None:
    """From some count on, values are computed once per distinct field: the result must not depend on it."""
    rng = np.random.default_rng(3)
    names = CONVOLUTION
    work = ContractionWork(**drawn_counts(rng, names, 3000, 12), input_type="float16", partials_type="float16")
    everything = cycles(work, chip())
    for start in range(0, 3000, 500):
        part = replace(work, **{name: getattr(work, name)[start : start + 500] for name in names})
        np.testing.assert_array_equal(everything[start : start + 500], cycles(part, chip()))


def test_counts_broadcast() -> None:
    rows = np.arange(1, 5)[:, None]
    columns = np.arange(1, 4)[None, :]
    work = ContractionWork(1, 1, rows * 16, columns * 16, 64, input_type="float16", partials_type="float16")
    assert cycles(work, chip()).shape == (4, 3, 3)


@pytest.mark.parametrize("kind", ["float16", "float32", "int32"])
def test_empty_boxes_cost_nothing(kind: str) -> None:
    rng = np.random.default_rng(1)
    for work in works(rng, 2, kind):
        if isinstance(work, SumWork):
            continue
        counted = [f.name for f in fields(work) if isinstance(getattr(work, f.name), np.ndarray)]
        essential = [name for name in counted if name not in ("inner", "run", "in_range", "kept")]
        for name in essential:
            empty = cast("Work", replace(work, **{name: np.array([0, 0])}))
            assert (cycles(empty, chip()) == 0).all(), (work, name)


GROWING: list[tuple[Callable[[Count], Work], tuple[int, int], float]] = [
    # two elements for a worker cost more than three in the source's table of short runs
    (lambda n: ContractionWork(1, 1, n, 64, 64, input_type="float16", partials_type="float16"), (1, 600), 0.9),
    (lambda n: ContractionWork(1, 1, 64, n, 64, input_type="float16", partials_type="float16"), (1, 600), 1),
    (lambda n: ContractionWork(1, 1, 64, 64, n, input_type="float32"), (1, 600), 1),
    (lambda n: ContractionWork(n, 1, 64, 8, 8), (1, 100), 1),
    (lambda n: MapWork(n, ("add",)), (1, 3000), 1),
    (lambda n: MapWork(n, ("gelu_tanh",), "float16"), (1, 3000), 1),
    (lambda n: MapWork(n, ("exp", "add"), "float16", fused=True), (1, 3000), 1),
    # casts and runs reduced to one value pay for each bit of the remainder
    (lambda n: MapWork(n, ("cast",), "float32", "float16"), (1, 3000), 0.94),
    (lambda n: ReduceWork(1, n, input_type="float16"), (1, 3000), 0.88),
    (lambda n: ReduceWork(n, 64, contiguous=False), (1, 3000), 1),
    (lambda n: PartialsWork(n, 8), (1, 3000), 1),
    (lambda n: PartialsWork(512, n), (1, 100), 1),
    # a worker with the last of one row and the first of the next pays for two part rows
    (lambda n: WindowWork(8, n, 16, 9), (1, 200), 0.8),
    (lambda n: GatherWork(n, 64, n), (1, 1000), 1),
    (lambda n: CopyWork(n, 4), (1, 3000), 1),
    (lambda n: SortWork(4, n, n), (1, 1000), 1),
    (lambda n: RandomWork(n), (1, 3000), 1),
    (lambda n: FourierWork(n, 100), (1, 300), 1),
]


@pytest.mark.parametrize(("make", "grows", "least_ratio"), GROWING)
def test_more_work_costs_no_less(make: Callable[[Count], Work], grows: tuple[int, int], least_ratio: float) -> None:
    nominal = cycles(make(np.arange(*grows)), chip())[:, 1]
    assert (nominal[1:] >= least_ratio * nominal[:-1]).all()
    assert nominal[-1] > nominal[0]


def row_cost(n: Any) -> Any:
    return 9 + 3 * n + np.where(n == 2, 5, 0)


@given(rows=st.integers(1, 30), width=st.integers(1, 30), workers=st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_workers_share_a_field_as_a_loop_over_positions_does(rows: int, width: int, workers: int) -> None:
    positions = rows * width
    totals: list[int] = []
    linear: list[int] = []
    for worker in range(workers):
        share = range(worker * positions // workers, (worker + 1) * positions // workers)
        lengths = [sum(1 for p in share if p // width == row) for row in range(rows)]
        lengths = [length for length in lengths if length]
        totals.append(sum(int(row_cost(length)) for length in lengths))
        linear.append(sum(100 + 7 * length for length in lengths))
    slowest, fastest = slowest_and_fastest_worker(counts(rows), counts(width), workers, row_cost)
    assert slowest == max(totals)
    assert fastest == min(totals)
    assert slowest_linear_worker(counts(rows), counts(width), workers, 100, 7) == max(linear)


def test_variants() -> None:
    def chosen(**kwargs: Any) -> str:
        base: dict[str, Any] = {"groups": 1, "rows": 1, "row_width": 96, "in_channels": 64, "out_channels": 64}
        base |= {"input_type": "float16", "partials_type": "float16"}
        work = ContractionWork(**(base | kwargs))
        return str(variant(work, chip()))

    assert chosen() == "amp-1x1"
    assert chosen(rows=14, row_width=14, kernel_height=3, kernel_width=3) == "amp-nx1"
    assert chosen(groups=64, rows=14, row_width=14, in_channels=1, out_channels=1, kernel_width=3) == "slic"
    assert chosen(groups=64, rows=7, row_width=7, in_channels=1, out_channels=1, kernel_width=3, dilated=True) == "vmac"
    assert chosen(row_width=1, in_channels=1024, out_channels=2) == "hmac"
    assert chosen(in_channels=1, out_channels=256, partials_type="float32") == "outer-product"
    assert chosen(row_width=0) == "none"


def test_no_vertex_beats_the_peak() -> None:
    """Multiply-accumulates over fast cycles stay below the chip's rate, and large products come near it."""
    rng = np.random.default_rng(5)
    for name in CHIPS:
        for input_type, partials_type in (("float16", "float16"), ("float16", "float32"), ("float32", "float32")):
            target = chip(name)
            peak = peak_macs_per_cycle(target, input_type, partials_type) or 32
            sizes = drawn_counts(rng, MATMUL, 500, 400)
            work = ContractionWork(**sizes, rows=1, input_type=input_type, partials_type=partials_type)
            macs = np.prod([sizes[key] for key in MATMUL], axis=0)
            assert (macs / cycles(work, target)[:, 0] <= peak).all()
            large = ContractionWork(1, 1, 6000, 256, 256, input_type=input_type, partials_type=partials_type)
            assert 6000 * 256 * 256 / cycles(large, target)[1] > 0.9 * peak


def test_slow_scenario_is_the_published_fit() -> None:
    """T10's fitted cycles for [m, k] x [k, n] in half precision, as worked in its formula."""
    for (m, k, n), expected in {(16, 16, 16): 872, (64, 64, 64): 13_073, (192, 192, 192): 186_137}.items():
        work = ContractionWork(1, 1, m, k, n, input_type="float16", partials_type="float16")
        assert cycles(work, chip())[2] == expected


def test_types_without_arithmetic_cost_more() -> None:
    base = cycles(MapWork(1000, ("mul",), "float32"), chip())
    assert (cycles(MapWork(1000, ("mul",), "float64"), chip()) > 5 * base).all()
    assert (cycles(MapWork(1000, ("mul",), "bfloat16"), chip()) > base).all()
    assert (cycles(MapWork(1000, ("mul",), "int64"), chip()) > cycles(MapWork(1000, ("mul",), "int32"), chip())).all()
    products = {kind: ContractionWork(1, 1, 512, 256, 256, input_type=kind, partials_type="float16") for kind in TYPES}
    half = cycles(products["float16"], chip())
    assert (cycles(products["int8"], chip()) > half).all()
    assert (cycles(products["float8e4m3fn"], chip()) > half).all()
    assert (cycles(products["float8e4m3fn"], chip("c600")) < cycles(products["float16"], chip("c600")))[:2].all()


def test_a_fused_expression_pays_one_overhead() -> None:
    apart = cycles(MapWork(600, ("add", "mul", "relu"), "float16"), chip())
    together = cycles(MapWork(600, ("add", "mul", "relu"), "float16", fused=True), chip())
    assert (together < apart).all()
    assert (together > cycles(MapWork(600, ("add",), "float16"), chip())).all()


def test_every_function_has_a_price_and_compositions_are_complete() -> None:
    for name in (*FUNCTIONS, *COMPOSED, "no such function"):
        for kind in ("float32", "float16", "int32", "bool"):
            assert (cycles(MapWork(100, (name,), kind), chip()) > 0).all()
    assert {part for parts in COMPOSED.values() for part in parts} <= FUNCTIONS.keys()


def test_transforms_cost_less_than_products_with_their_matrix() -> None:
    """A transform of n points takes n log n steps, whatever n's factors; powers of two are the cheapest."""
    for length in (256, 1000, 4096, 4099):
        fast = cycles(FourierWork(600, length), chip())[1]
        matrix = cycles(ContractionWork(1, 1, 600, 2 * length, 2 * length), chip())[1]
        assert fast < matrix
        operations = 600 * 5 * length * np.log2(length)
        assert fast > operations / 2  # two float32 operations a cycle
    assert cycles(FourierWork(6, 4096), chip())[1] < cycles(FourierWork(6, 4095), chip())[1]
    assert cycles(FourierWork(6, 4099), chip())[1] < 40 * cycles(FourierWork(6, 4096), chip())[1]
    assert cycles(FourierWork(6, 512, real=True), chip())[1] < cycles(FourierWork(6, 512), chip())[1]


def test_grains_and_peaks() -> None:
    assert channel_grains(chip(), "float16", "float16") == (16, 16)
    assert channel_grains(chip(), "float16", "float32") == (16, 8)
    assert channel_grains(chip(), "float32", "float32") == (8, 16)
    assert channel_grains(chip("c600"), "float8e4m3fn", "float16") == (32, 16)
    assert [peak_macs_per_cycle(chip(), *types) for types in (("float16", "float16"), ("float16", "float32"))] == [
        64,
        32,
    ]
    assert peak_macs_per_cycle(chip(), "float32", "float32") == 16
    assert peak_macs_per_cycle(chip("c600"), "float8e5m2", "float16") == 128
    assert peak_macs_per_cycle(chip(), "float64", "float64") == 0


class Flat:
    """A cost model of another vendor."""

    def cycles(self, work: Work, chip: Chip) -> Any:
        return np.array([1.0, 2.0, 3.0])

    def variant(self, work: Work, chip: Chip) -> Any:
        return np.array("flat")


def test_another_cost_model_is_chosen_by_the_chip() -> None:
    register_cost_model("flat-for-tests", Flat())
    other = replace(load_target("ipu-tiny").chip, cost_model="flat-for-tests")
    assert cycles(FillWork(10), other).tolist() == [1, 2, 3]
    assert str(variant(FillWork(10), other)) == "flat"
    with pytest.raises(TargetError, match="unknown vertex cost model 'none-such'"):
        cost_model("none-such")
