"""What must hold for every sample of every registered op; a new op gets all of it without a test of its own."""

from __future__ import annotations

import contextlib
import math
import zlib
from dataclasses import fields, is_dataclass
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.evaluate import evaluate_graph
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import REGISTRY, Op, op
from halo_py.ir.space import Axis, FormStep, Kernel, KernelCall, Refusal, Repeat, TileForm
from halo_py.ir.work import CopyWork, FillWork, GatherWork
from halo_py.ops import load_ops
from halo_py.ops.quantization import DynamicQuantizeLinear
from halo_py.ops.reshaping import Identity
from halo_py.types import Dim, DType, TensorType, Type, symbol
from tests.ops.cases import Case, assert_close, assert_fits, cases, epsilon, magnitude, of_every_op
from tests.ops.onnx_judge import NoJudgeError, is_judged, judge
from tests.ops.split_executor import SplitExecutor

every_case = of_every_op(cases())

SEEDS_PER_CASE = 3


def test_every_op_has_at_least_three_samples() -> None:
    load_ops()
    few = {name: len(list(cls.samples())) for name, cls in REGISTRY.by_name.items()}
    assert not {name: number for name, number in few.items() if number < 3 and not name.startswith("test_")}


def test_an_op_is_declared_once() -> None:
    class Other(Op):
        """Takes the name of another module's op."""

    Other.__qualname__ = Identity.__qualname__
    with pytest.raises(ValueError, match="declared twice"):
        op("identity")(Other)
    assert REGISTRY.by_name["identity"] is Identity


def test_results_of_rank_0_are_arrays_each_known_under_its_own_value() -> None:
    builder = GraphBuilder("rank 0")
    number = builder.constant(np.asarray(2.5, np.float32))
    values = builder.add(DynamicQuantizeLinear(), (number,), outputs=3)
    graph = builder.finish(values)
    results = evaluate_graph(graph, [])
    for value, result in zip(values, results, strict=True):
        assert_fits(value.type, result, {})
        known = builder.known(value)
        assert known is not None
        np.testing.assert_array_equal(known, np.asarray(result), strict=True)


@every_case
def test_inferred_types_are_those_of_the_results(case: Case) -> None:
    types = case.infer()
    assert len(types) == case.sample.outputs
    for type, value in zip(types, case.evaluate(), strict=True):
        if case.sample.op.declaration.host_only is None and isinstance(type, TensorType):
            assert type.is_static, f"{type} should be static: every operand is"
        assert_fits(type, value, {})


@every_case
def test_inference_with_symbols_agrees_after_substitution(case: Case) -> None:
    """Equal extents become equal symbols, so whatever fitted still fits."""
    symbols: dict[str, int] = {}

    def symbolic(index: int, type: Type | None) -> Type | None:
        if index in case.sample.constant or not isinstance(type, TensorType):
            return type
        dims: list[Dim] = []
        for size in type.static_shape:
            symbols[f"d{size}"] = size
            dims.append(size if size <= 1 else symbol(f"d{size}"))
        return TensorType(type.dtype, tuple(dims))

    types = tuple(symbolic(index, type) for index, type in enumerate(case.types()))
    for type, value in zip(case.infer(types), case.evaluate(), strict=True):
        assert_fits(type, value, symbols)


@every_case
def test_inference_with_unknown_ranks_is_not_wrong(case: Case) -> None:
    types = tuple(
        TensorType(type.dtype) if isinstance(type, TensorType) and index not in case.sample.constant else type
        for index, type in enumerate(case.types())
    )
    for type, value in zip(case.infer(types), case.evaluate(), strict=True):
        assert_fits(type, value, {})


@every_case
def test_known_shape_contents_are_those_of_the_result(case: Case) -> None:
    """Whatever an op says about contents of integer operands known as dimensions must be what it computes."""
    dims = case.sample.op.shape_values(case.infer_args(all_known=True))
    if dims is None:
        return
    (result, *_) = case.evaluate()
    assert isinstance(result, np.ndarray)
    assert result.ndim <= 1
    assert list(dims) == result.reshape(-1).tolist()


def _form(case: Case) -> TileForm | None:
    args = case.tile_args()
    if args is None or case.sample.op.declaration.host_only is not None:
        return None
    form = case.sample.op.tile_form(args)
    if isinstance(form, Refusal):
        assert form.reason
        return None
    return form


def _kernels(steps: tuple[FormStep, ...]) -> list[Kernel]:
    found: list[Kernel] = []
    for step in steps:
        if isinstance(step, KernelCall):
            found.append(step.kernel)
        elif isinstance(step, Repeat):
            found.extend(_kernels(step.body) * step.count)
    return found


def _is_movement(kernel: Kernel) -> bool:
    return isinstance(kernel.codelet.work(kernel.extents, kernel), CopyWork | FillWork | GatherWork)


def _depth(kernel: Kernel) -> int:
    """How many terms one result of a kernel is made of, at most."""
    return math.prod(axis.extent for axis in kernel.axes if axis.role in ("reduce", "whole"))


def _tolerances(case: Case, kernels: list[Kernel], expected: NDArray[Any]) -> tuple[float, float]:
    """Movement is exact. Each kernel rounds once; sums of n terms differ by at most 2 n eps per unit of magnitude."""
    if all(_is_movement(kernel) for kernel in kernels):
        return 0.0, 0.0
    dtype = DType.from_numpy(expected.dtype)
    written = [kind for kernel in kernels for kind in kernel.write_types if kind.is_float]
    rounding = sum(epsilon(kind) for kind in written) + epsilon(dtype)
    depth = sum(_depth(kernel) for kernel in kernels)
    scale = magnitude((*case.sample.inputs, expected)) * case.sample.tolerance
    sums = 2 * depth * (epsilon(DType.FLOAT64) if dtype is DType.FLOAT64 else epsilon(DType.FLOAT32))
    return 4 * rounding, (2 * rounding + sums) * scale


@every_case
def test_parts_over_random_splits_add_up_to_the_whole(case: Case) -> None:
    form = _form(case)
    if form is None:
        return
    kernels = _kernels(form.steps)
    hash(form)
    operands = [value if isinstance(value, np.ndarray) else None for value in case.sample.inputs]
    wholes = case.evaluate()
    for seed in range(SEEDS_PER_CASE):
        random = np.random.default_rng(zlib.crc32(f"{case.name}/{seed}".encode()))
        ways = 1 if seed == 0 else 4

        def cut(_axis: Axis, limit: int = ways, random: np.random.Generator = random) -> int:
            return int(random.integers(1, limit + 1))

        results = SplitExecutor(cut).run(form, operands)
        for found, whole in zip(results, wholes, strict=True):
            assert isinstance(whole, np.ndarray)
            relative, absolute = _tolerances(case, kernels, whole)
            assert_close(found, whole, relative, absolute)


@every_case
def test_every_kernel_answers_its_work_for_many_boxes_at_once(case: Case) -> None:
    form = _form(case)
    if form is None:
        return
    for kernel in dict.fromkeys(_kernels(form.steps)):
        boxes = np.asarray([[max(1, extent // 2), extent] for extent in kernel.extents], np.int64)
        many = kernel.codelet.work(tuple(boxes), kernel)
        for number in range(2):
            one = kernel.codelet.work(tuple(int(extents[number]) for extents in boxes), kernel)
            assert _at(many, number) == _at(one, number)


def _at(work: object, number: int) -> dict[str, object]:
    """The fields of a Work for one of its boxes."""
    assert is_dataclass(work)
    found: dict[str, object] = {}
    for entry in fields(work):
        value: Any = getattr(work, entry.name)
        if isinstance(value, np.ndarray):
            counts = cast("NDArray[np.int64]", value)
            found[entry.name] = int(np.broadcast_to(counts, (2,))[number])
        elif isinstance(value, tuple):
            parts = cast("tuple[object, ...]", value)
            found[entry.name] = [_at(part, number) if is_dataclass(part) else part for part in parts]
        else:
            found[entry.name] = value
    return found


WITHOUT_JUDGE: dict[str, str] = {
    "lrn-1": "ONNX Runtime takes odd sizes only, the reference evaluator sums as many channels as there are images",
    "lstm-8": "ONNX Runtime lacks layout 1, the reference evaluator ignores lengths: test_recurrent.py",
    "rnn-5": "ONNX Runtime lacks layout 1, the reference evaluator ignores clip: test_recurrent.py",
    "cast_like-2": "ONNX Runtime has no float8 CastLike, the reference evaluator rejects its attributes",
}
"""Samples that neither ONNX Runtime nor ONNX's reference evaluator can run (or runs wrongly), with the reason.

It may only shrink: `test_the_list_of_unjudged_samples_does_not_grow`.
"""

UNJUDGED_AT_MOST = 4

JUDGED_BY_REFERENCE: dict[str, str] = {
    "max_unpool-1": "ONNX Runtime reads the positions in the wanted shape, ONNX in the natural one",
    "resize-4": "ONNX Runtime aligns corners by whole lengths, ONNX by the length that the scale gives",
    "resize-5": "as resize-4",
}
"""Samples for which ONNX Runtime departs from the ONNX specification, with the reason."""


def _compare_with_judge(case: Case) -> None:
    types = [type.dtype for type in case.infer() if isinstance(type, TensorType)]
    only_reference = case.name in JUDGED_BY_REFERENCE or getattr(case.sample.op, "seed", None) is not None
    expected = judge(case.sample, types, only_reference=only_reference)
    for found, other in zip(case.evaluate(), expected, strict=True):
        assert isinstance(found, np.ndarray)
        scale = case.sample.tolerance
        dtype = DType.from_numpy(found.dtype)
        narrow = dtype in (DType.FLOAT16, DType.BFLOAT16)
        rounding = 4 * epsilon(dtype) if narrow else 1e-5
        size = magnitude((found,)) if narrow else 1.0
        assert_close(found, other.astype(found.dtype), rounding * scale, rounding * size * scale)


def _is_unseeded(case: Case) -> bool:
    """Whether the numbers drawn are anybody's: those of a seed are NumPy's, as in ONNX's reference evaluator."""
    random = case.sample.op.declaration.family == "random"
    return case.kind == "multinomial" or (random and getattr(case.sample.op, "seed", None) is None)


@every_case
def test_values_are_those_of_another_implementation(case: Case) -> None:
    tensors = all(isinstance(type, TensorType) for type in case.infer())
    if tensors and is_judged(case.sample) and not _is_unseeded(case) and case.name not in WITHOUT_JUDGE:
        _compare_with_judge(case)


def test_the_list_of_unjudged_samples_does_not_grow() -> None:
    by_name = {case.name: case for case in cases()}
    agreeing: list[str] = []
    for name in WITHOUT_JUDGE:
        with contextlib.suppress(NoJudgeError, AssertionError):
            _compare_with_judge(by_name[name])
            agreeing.append(name)
    assert not agreeing, "these can be judged now: take them off the list"
    assert len(WITHOUT_JUDGE) <= UNJUDGED_AT_MOST
